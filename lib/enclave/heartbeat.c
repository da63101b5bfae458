/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a heartbeat: connections, and the part of a guest. */
#include "enclave/heartbeat.h"

#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "enclave/heartbeat-private.h"

/* What an enclave sends and wants back (AWS's init and every other since). */
enum { HEARTBEAT_BYTE = 0xb7 };

/* How soon to try again while somebody else has the port and does not share it. */
enum { RETRY_USEC = 20000 };

/* More than enclaves a machine can have; the oldest goes when a flood of others comes. */
enum { PEERS_MAX = 64 };

/* ---- connections ---- */

void heartbeat_remove_peer(struct peer *peer)
{
	struct peer **link = &peer->heartbeat->peers;

	while (*link != peer)
		link = &(*link)->next;
	*link = peer->next;
	nec_source_free(peer->source);
	(void)close(peer->fd);
	free(peer);
}

static void leave_host(struct nec_heartbeat *heartbeat)
{
	nec_source_free(TAKE_PTR(heartbeat->host));
	if (heartbeat->host_fd >= 0)
		(void)close(TAKE_FD(heartbeat->host_fd));
}

/* Our enclave is up: from here on we only serve others, if there are any. */
static void beat(struct nec_heartbeat *heartbeat)
{
	const struct nec_heartbeat_events events = heartbeat->events;

	heartbeat->beaten = true;
	leave_host(heartbeat);
	heartbeat_rest(heartbeat);
	events.beat(events.userdata);
}

static void on_peer(void *userdata, uint32_t events)
{
	struct peer *peer = userdata;
	struct nec_heartbeat *heartbeat = peer->heartbeat;
	uint8_t byte = 0;
	ssize_t n = recv(peer->fd, &byte, 1, MSG_DONTWAIT);
	bool good;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	good = n == 1 && byte == HEARTBEAT_BYTE &&
	       send(peer->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
	heartbeat_remove_peer(peer);
	if (good && !heartbeat->beaten)
		beat(heartbeat);
}

static void place(struct peer *peer)
{
	struct nec_heartbeat *heartbeat = peer->heartbeat;

	if (peer->source)
		return;
	if (peer->cid == heartbeat->cid) {
		if (nec_loop_add_fd(heartbeat->loop, peer->fd, EPOLLIN, on_peer, peer,
				    &peer->source, NULL) < 0)
			heartbeat_remove_peer(peer);
		return;
	}
	if (heartbeat_hand_over(heartbeat, peer))
		heartbeat_remove_peer(peer);
}

void heartbeat_place_peers(struct nec_heartbeat *heartbeat)
{
	struct peer *next;

	for (struct peer *peer = heartbeat->peers; peer; peer = next) {
		next = peer->next;
		place(peer);
	}
}

/* Of the connections that nobody has claimed. */
static void drop_oldest(struct nec_heartbeat *heartbeat)
{
	struct peer *oldest = NULL;

	for (struct peer *peer = heartbeat->peers; peer; peer = peer->next)
		if (!peer->source)
			oldest = peer;
	if (!oldest)
		oldest = heartbeat->peers;
	heartbeat_remove_peer(oldest);
}

void heartbeat_add_peer(struct nec_heartbeat *heartbeat, int fd, uint32_t cid)
{
	struct peer *peer = malloc(sizeof(*peer));
	size_t count = 1;

	if (!peer) {
		(void)close(fd);
		return;
	}
	for (const struct peer *other = heartbeat->peers; other; other = other->next)
		count++;
	if (count > PEERS_MAX)
		drop_oldest(heartbeat);
	*peer = (struct peer){
		.next = heartbeat->peers,
		.heartbeat = heartbeat,
		.cid = cid,
		.fd = fd,
	};
	heartbeat->peers = peer;
	place(peer);
}

/* ---- as a guest ---- */

static void send_cid(struct nec_heartbeat *heartbeat)
{
	/* A host that is gone is noticed by its end of file. */
	(void)!send(heartbeat->host_fd, &heartbeat->cid, sizeof(heartbeat->cid), MSG_NOSIGNAL);
}

static void try_again(struct nec_heartbeat *heartbeat);

/* At once, if it has served us: otherwise it has no place for one more, and will have none soon. */
static void lose_host(struct nec_heartbeat *heartbeat)
{
	leave_host(heartbeat);
	if (heartbeat->told)
		try_again(heartbeat);
	else
		nec_source_set_timer(heartbeat->retry, RETRY_USEC);
}

static void inherit_port(struct nec_heartbeat *heartbeat, int fd)
{
	if (heartbeat->port_fd >= 0)
		(void)close(heartbeat->port_fd);
	heartbeat->port_fd = fd;
	heartbeat->told = true;
	heartbeat_become_ready(heartbeat);
}

static void on_host(void *userdata, uint32_t events)
{
	struct nec_heartbeat *heartbeat = userdata;
	uint32_t cid = 0;
	int fd;
	ssize_t n = nec_recv_fd(heartbeat->host_fd, &cid, sizeof(cid), &fd, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == sizeof(cid) && fd >= 0) {
		if (cid == CID_OF_LISTENER)
			inherit_port(heartbeat, fd);
		else
			heartbeat_add_peer(heartbeat, fd, cid);
		return;
	}
	if (fd >= 0)
		(void)close(fd);
	/* Without the port we would not be safe from the host's end. */
	if (n != sizeof(cid) || cid == CID_OF_LISTENER)
		lose_host(heartbeat);
}

static int find_host(struct nec_heartbeat *heartbeat)
{
	int r = nec_connect_unix_type(heartbeat->meeting_path.text, SOCK_STREAM | SOCK_NONBLOCK);

	if (r < 0)
		return r;
	heartbeat->host_fd = r;
	heartbeat->told = false;
	r = nec_loop_add_fd(heartbeat->loop, heartbeat->host_fd, EPOLLIN, on_host, heartbeat,
			    &heartbeat->host, NULL);
	if (r < 0)
		leave_host(heartbeat);
	else if (heartbeat->cid)
		send_cid(heartbeat);
	return r;
}

/* ---- both ---- */

void heartbeat_become_ready(struct nec_heartbeat *heartbeat)
{
	if (heartbeat->ready)
		return;
	heartbeat->ready = true;
	heartbeat->events.ready(heartbeat->events.userdata);
}

/* 0 with the port, a host, or the prospect of either. */
static int take_role(struct nec_heartbeat *heartbeat)
{
	int r = heartbeat_open_port(heartbeat);

	if (r == 0)
		heartbeat_become_ready(heartbeat);
	if (r != -EADDRINUSE)
		return r;
	if (find_host(heartbeat) < 0)
		nec_source_set_timer(heartbeat->retry, RETRY_USEC);
	return 0;
}

/* Once we have begun, what fails now can only be tried again: the boot time-out is the limit. */
static void try_again(struct nec_heartbeat *heartbeat)
{
	if (take_role(heartbeat) < 0)
		nec_source_set_timer(heartbeat->retry, RETRY_USEC);
}

static void on_retry(void *userdata, uint32_t events)
{
	struct nec_heartbeat *heartbeat = userdata;

	(void)events;
	if (!heartbeat->beaten)
		try_again(heartbeat);
}

void nec_heartbeat_expect(struct nec_heartbeat *heartbeat, uint32_t cid)
{
	heartbeat->cid = cid;
	if (heartbeat->host_fd >= 0)
		send_cid(heartbeat);
	heartbeat_place_peers(heartbeat);
}

int nec_heartbeat_new(struct nec_loop *loop, const struct nec_device *device, const char *dir,
		      const struct nec_heartbeat_events *events, struct nec_heartbeat **ret,
		      nec_error *err)
{
	struct nec_heartbeat *heartbeat = calloc(1, sizeof(*heartbeat));
	int r;

	if (!heartbeat)
		return nec_error_no_memory(err);
	*heartbeat = (struct nec_heartbeat){
		.loop = loop,
		.device = device,
		.events = *events,
		.port_fd = -1,
		.meeting_fd = -1,
		.host_fd = -1,
	};
	r = nec_path_socket(&heartbeat->meeting_path, err, "%s/" NEC_HEARTBEAT_SOCKET,
			    nec_state_dir(dir));
	if (r == 0)
		r = nec_loop_add_timer(loop, UINT64_MAX, on_retry, heartbeat, &heartbeat->retry,
				       err);
	if (r == 0) {
		r = take_role(heartbeat);
		if (r < 0)
			(void)nec_error_set_system(err, NEC_E_VSOCK, r,
						   "cannot listen for heartbeats at vsock CID %u, "
						   "port %u",
						   NEC_CID_PARENT, NEC_PORT_HEARTBEAT);
	}
	if (r < 0) {
		nec_heartbeat_free(heartbeat);
		return r;
	}
	*ret = heartbeat;
	return 0;
}

void nec_heartbeat_free(struct nec_heartbeat *heartbeat)
{
	if (!heartbeat)
		return;
	heartbeat_close_port(heartbeat);
	leave_host(heartbeat);
	while (heartbeat->peers)
		heartbeat_remove_peer(heartbeat->peers);
	nec_source_free(heartbeat->retry);
	free(heartbeat);
}
