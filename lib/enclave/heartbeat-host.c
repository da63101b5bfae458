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

/* A guest that does not take what is sent loses it: it has one enclave. */
static bool send_descriptor(const struct guest *guest, uint32_t cid, int fd)
{
	return nec_send_fd(guest->fd, &cid, sizeof(cid), fd, MSG_DONTWAIT) == 0;
}

bool heartbeat_hand_over(struct nec_heartbeat *heartbeat, const struct peer *peer)
{
	const struct guest *guest = heartbeat->guests;

	while (guest && guest->cid != peer->cid)
		guest = guest->next;
	if (!guest)
		return false;
	(void)send_descriptor(guest, peer->cid, peer->fd);
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
	    !send_descriptor(guest, CID_OF_LISTENER, heartbeat->port_fd))
		remove_guest(guest);
}

/*
 * It may be of any guest that has not said its CID yet, and we may end before it does so: each of
 * them gets it as well.
 */
static void offer(struct nec_heartbeat *heartbeat, uint32_t cid, int fd)
{
	if (is_claimed(heartbeat, cid))
		return;
	for (const struct guest *guest = heartbeat->guests; guest; guest = guest->next)
		if (guest->cid == 0)
			(void)send_descriptor(guest, cid, fd);
}

static int take_connection(void *userdata, int listener_fd)
{
	struct nec_heartbeat *heartbeat = userdata;
	uint32_t cid = 0;
	int fd = heartbeat->device->ops->vsock_accept(heartbeat->device, listener_fd, &cid);

	if (fd < 0)
		return fd;
	if (cid == 0) {
		/* The hypervisor's; to us it is a CID that is not known. */
		(void)close(fd);
		return 0;
	}
	offer(heartbeat, cid, fd);
	heartbeat_add_peer(heartbeat, fd, cid);
	return 0;
}

static void close_meeting(struct nec_heartbeat *heartbeat)
{
	nec_listener_free(TAKE_PTR(heartbeat->meeting));
	if (heartbeat->meeting_fd >= 0) {
		/* While it lives nobody else makes a socket of this name. */
		(void)unlink(heartbeat->meeting_path.text);
		(void)close(TAKE_FD(heartbeat->meeting_fd));
	}
}

/* -EADDRINUSE: another has made one. Of several that try, one succeeds. */
static int open_meeting(struct nec_heartbeat *heartbeat)
{
	const char *path = heartbeat->meeting_path.text;
	struct nec_path dir = heartbeat->meeting_path;
	struct stat st;
	int r = nec_listen_unix(path, MEETING_MODE, NULL);

	if (r < 0)
		return r;
	heartbeat->meeting_fd = r;
	/* For the users of the directory's group, not only for ours. */
	*strrchr(dir.text, '/') = '\0';
	if (stat(dir.text, &st) == 0)
		(void)!chown(path, (uid_t)-1, st.st_gid);
	r = nec_listener_new(heartbeat->loop, heartbeat->meeting_fd, on_meeting, heartbeat,
			     &heartbeat->meeting, NULL);
	if (r < 0)
		close_meeting(heartbeat);
	return r;
}

int heartbeat_open_port(struct nec_heartbeat *heartbeat)
{
	const bool inherited = heartbeat->port_fd >= 0;
	int r = 0;

	if (!inherited)
		r = heartbeat->device->ops->vsock_listen(heartbeat->device, NEC_CID_PARENT,
							 NEC_PORT_HEARTBEAT);
	if (r < 0)
		return r;
	if (!inherited)
		heartbeat->port_fd = r;
	/*
	 * Other guests may have inherited the port, too: the socket decides who listens there. To
	 * one who has opened it for himself it is a help for others: without it they wait until
	 * our own enclave has booted, which is worse, but no reason to fail.
	 */
	r = open_meeting(heartbeat);
	if (r < 0 && inherited)
		return r;
	r = nec_listener_new_taking(heartbeat->loop, heartbeat->port_fd, take_connection, heartbeat,
				    &heartbeat->listener, NULL);
	if (r < 0) {
		close_meeting(heartbeat);
		if (!inherited)
			(void)close(TAKE_FD(heartbeat->port_fd));
	}
	return r;
}

void heartbeat_close_port(struct nec_heartbeat *heartbeat)
{
	/* Before the guests are told and the port is free: the next one makes it anew. */
	close_meeting(heartbeat);
	while (heartbeat->guests)
		remove_guest(heartbeat->guests);
	nec_listener_free(TAKE_PTR(heartbeat->listener));
	if (heartbeat->port_fd >= 0)
		(void)close(TAKE_FD(heartbeat->port_fd));
}

void heartbeat_rest(struct nec_heartbeat *heartbeat)
{
	if (!heartbeat->beaten || heartbeat->guests)
		return;
	heartbeat_close_port(heartbeat);
	while (heartbeat->peers)
		heartbeat_remove_peer(heartbeat->peers);
}
