/* SPDX-License-Identifier: Apache-2.0 */
/* The part of whoever has the heartbeat's port: it listens for all that boot at the same time. */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "enclave/heartbeat-private.h"

/* Those in the group that may launch enclaves; they could take the port as well. */
enum { MEETING_MODE = 0660 };

/* As many as enclaves can boot at the same time, and then some. */
enum { GUESTS_MAX = 64 };

static void remove_guest(struct guest *guest)
{
	struct guest **link = &guest->heartbeat->guests;

	while (*link != guest)
		link = &(*link)->next;
	*link = guest->next;
	nec_source_free(guest->source);
	(void)close(guest->fd);
	free(guest);
}

bool heartbeat_hand_over(struct nec_heartbeat *heartbeat, const struct peer *peer)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	uint8_t byte = 0;
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	const struct guest *guest = heartbeat->guests;

	while (guest && guest->cid != peer->cid)
		guest = guest->next;
	if (!guest)
		return false;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &peer->fd, sizeof(peer->fd));
	/* A guest that does not take what is sent loses it: it has one enclave. */
	(void)!sendmsg(guest->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	return true;
}

static bool is_claimed(const struct nec_heartbeat *heartbeat, uint32_t cid)
{
	if (cid == heartbeat->cid)
		return true;
	for (const struct guest *guest = heartbeat->guests; guest; guest = guest->next)
		if (guest->cid == cid)
			return true;
	return false;
}

/* Its only message is the CID of its enclave; its end says that it is done. */
static void on_guest(void *userdata, uint32_t events)
{
	struct guest *guest = userdata;
	struct nec_heartbeat *heartbeat = guest->heartbeat;
	size_t left = sizeof(guest->message) - guest->received;
	uint8_t excess;
	uint32_t cid;
	ssize_t n;

	(void)events;
	n = recv(guest->fd, left ? guest->message + guest->received : &excess, left ? left : 1,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && left) {
		guest->received += (size_t)n;
		if (guest->received < sizeof(guest->message))
			return;
		memcpy(&cid, guest->message, sizeof(cid));
		if (cid != 0 && !is_claimed(heartbeat, cid)) {
			guest->cid = cid;
			heartbeat_place_peers(heartbeat);
			return;
		}
	}
	remove_guest(guest);
	heartbeat_rest(heartbeat);
}

static void on_meeting(void *userdata, int fd)
{
	struct nec_heartbeat *heartbeat = userdata;
	struct guest *guest;
	size_t count = 0;
	uint8_t byte = 0;

	for (guest = heartbeat->guests; guest; guest = guest->next)
		count++;
	guest = count < GUESTS_MAX ? calloc(1, sizeof(*guest)) : NULL;
	if (!guest) {
		(void)close(fd);
		return;
	}
	*guest = (struct guest){ .next = heartbeat->guests, .heartbeat = heartbeat, .fd = fd };
	heartbeat->guests = guest;
	/* "We listen": only then it may start its enclave. */
	if (nec_loop_add_fd(heartbeat->loop, fd, EPOLLIN, on_guest, guest, &guest->source, NULL) <
		    0 ||
	    send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		remove_guest(guest);
}

static void on_listener(void *userdata, uint32_t events)
{
	struct nec_heartbeat *heartbeat = userdata;
	uint32_t cid = 0;
	int fd = heartbeat->device->ops->vsock_accept(heartbeat->device, heartbeat->listener_fd,
						      &cid);

	(void)events;
	if (fd >= 0)
		heartbeat_add_peer(heartbeat, fd, cid);
}

/* Without it others wait until our own enclave has booted; that is worse, but no reason to fail. */
static void open_meeting(struct nec_heartbeat *heartbeat)
{
	const char *path = heartbeat->meeting_path.text;
	struct nec_path dir = heartbeat->meeting_path;
	struct stat st;

	heartbeat->meeting_fd = nec_listen_unix(path, MEETING_MODE, NULL);
	if (heartbeat->meeting_fd < 0)
		return;
	/* For the users of the directory's group, not only for ours. */
	*strrchr(dir.text, '/') = '\0';
	if (stat(dir.text, &st) == 0)
		(void)!chown(path, (uid_t)-1, st.st_gid);
	if (nec_listener_new(heartbeat->loop, heartbeat->meeting_fd, on_meeting, heartbeat,
			     &heartbeat->meeting, NULL) < 0) {
		(void)unlink(path);
		(void)close(TAKE_FD(heartbeat->meeting_fd));
	}
}

int heartbeat_open_port(struct nec_heartbeat *heartbeat)
{
	int r = heartbeat->device->ops->vsock_listen(heartbeat->device, NEC_CID_PARENT,
						     NEC_PORT_HEARTBEAT);

	if (r < 0)
		return r;
	heartbeat->listener_fd = r;
	r = nec_loop_add_fd(heartbeat->loop, heartbeat->listener_fd, EPOLLIN, on_listener,
			    heartbeat, &heartbeat->listener, NULL);
	if (r < 0) {
		(void)close(TAKE_FD(heartbeat->listener_fd));
		return r;
	}
	open_meeting(heartbeat);
	return 0;
}

void heartbeat_close_port(struct nec_heartbeat *heartbeat)
{
	while (heartbeat->guests)
		remove_guest(heartbeat->guests);
	nec_listener_free(TAKE_PTR(heartbeat->meeting));
	if (heartbeat->meeting_fd >= 0) {
		/* Before the port is free: its next owner makes a socket of the same name. */
		(void)unlink(heartbeat->meeting_path.text);
		(void)close(TAKE_FD(heartbeat->meeting_fd));
	}
	nec_source_free(TAKE_PTR(heartbeat->listener));
	if (heartbeat->listener_fd >= 0)
		(void)close(TAKE_FD(heartbeat->listener_fd));
}

void heartbeat_rest(struct nec_heartbeat *heartbeat)
{
	if (!heartbeat->beaten || heartbeat->guests)
		return;
	heartbeat_close_port(heartbeat);
	while (heartbeat->peers)
		heartbeat_remove_peer(heartbeat->peers);
}
