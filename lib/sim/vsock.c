/* SPDX-License-Identifier: Apache-2.0 */
/* The vsock device: its connections, its timers, its life. */
#include "sim/vsock.h"

#include <stdlib.h>

#include "base/error.h"
#include "sim/vsock-internal.h"

/* How long the guest may take to answer REQUEST or SHUTDOWN; Linux waits 8 s for the latter. */
static const uint64_t answer_usec = 8000000;
static const uint64_t sweep_interval_usec = 1000000;
/* Ports of our side start where nobody listens (Firecracker's convention). */
static const uint32_t first_host_port = 1u << 30;

struct nec_vsock_stats nec_vsock_get_stats(const struct nec_vsock *vsock)
{
	struct nec_vsock_stats stats = vsock->stats;

	for (size_t i = 0; i < NEC_VSOCK_QUEUES; i++)
		stats.broken += vsock->queues[i].broken;
	return stats;
}

struct nec_virtqueue *nec_vsock_get_queue(struct nec_vsock *vsock, enum nec_vsock_queue queue)
{
	return &vsock->queues[queue];
}

void nec_vsock_set_interrupt(struct nec_vsock *vsock,
			     void (*interrupt)(void *userdata, enum nec_vsock_queue queue),
			     void *userdata)
{
	vsock->interrupt = interrupt;
	vsock->interrupt_userdata = userdata;
}

static struct connection **bucket(struct nec_vsock *vsock, uint32_t guest_port, uint32_t peer_port)
{
	uint32_t mixed = (guest_port * 0x9e3779b1u) ^ (peer_port * 0x85ebca6bu);

	return &vsock->buckets[(mixed >> 16) % NEC_VSOCK_BUCKETS];
}

struct connection *vsock_find(struct nec_vsock *vsock, uint64_t peer_cid, uint32_t peer_port,
			      uint32_t guest_port)
{
	struct connection *connection = *bucket(vsock, guest_port, peer_port);

	while (connection &&
	       (connection->peer_cid != peer_cid || connection->peer_port != peer_port ||
		connection->guest_port != guest_port || connection->state == DRAINING))
		connection = connection->next;
	return connection;
}

struct connection *vsock_add(struct nec_vsock *vsock, uint64_t peer_cid, uint32_t peer_port,
			     uint32_t guest_port, uint16_t type)
{
	struct connection **head = bucket(vsock, guest_port, peer_port);
	struct connection *connection = NULL;

	if (vsock->stats.open < NEC_VSOCK_MAX_CONNECTIONS)
		connection = calloc(1, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->vsock = vsock;
	connection->peer_cid = peer_cid;
	connection->peer_port = peer_port;
	connection->guest_port = guest_port;
	connection->type = type;
	connection->fd = -1;
	connection->next = *head;
	*head = connection;
	vsock->stats.open++;
	connection->number = vsock->stats.connections++;
	return connection;
}

void vsock_make_ready(struct connection *connection)
{
	struct nec_vsock *vsock = connection->vsock;

	if (connection->ready)
		return;
	connection->ready = true;
	connection->ready_next = NULL;
	connection->ready_prev = vsock->ready_tail;
	if (vsock->ready_tail)
		vsock->ready_tail->ready_next = connection;
	else
		vsock->ready_head = connection;
	vsock->ready_tail = connection;
}

void vsock_make_unready(struct connection *connection)
{
	struct nec_vsock *vsock = connection->vsock;

	if (!connection->ready)
		return;
	connection->ready = false;
	if (connection->ready_prev)
		connection->ready_prev->ready_next = connection->ready_next;
	else
		vsock->ready_head = connection->ready_next;
	if (connection->ready_next)
		connection->ready_next->ready_prev = connection->ready_prev;
	else
		vsock->ready_tail = connection->ready_prev;
}

void vsock_remove(struct connection *connection)
{
	struct nec_vsock *vsock = connection->vsock;
	struct connection **link = bucket(vsock, connection->guest_port, connection->peer_port);

	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	if (vsock->handled == connection)
		vsock->handled = NULL;
	vsock_make_unready(connection);
	connection_close(connection);
	free(connection);
	vsock->stats.open--;
}

static void remove_all(struct nec_vsock *vsock)
{
	for (size_t i = 0; i < NEC_VSOCK_BUCKETS; i++)
		while (vsock->buckets[i])
			vsock_remove(vsock->buckets[i]);
	vsock->reset_count = 0;
	vsock->stalled = false;
}

void vsock_interrupt_if_wanted(struct nec_vsock *vsock, enum nec_vsock_queue queue)
{
	if (nec_virtqueue_should_interrupt(&vsock->queues[queue]) && vsock->interrupt)
		vsock->interrupt(vsock->interrupt_userdata, queue);
}

static void on_again(void *userdata, uint32_t events)
{
	struct nec_vsock *vsock = userdata;

	(void)events;
	vsock_take_packets(vsock);
	vsock_fill(vsock);
}

void nec_vsock_allow_seqpacket(struct nec_vsock *vsock, bool allow)
{
	vsock->seqpacket = allow;
}

void nec_vsock_kick(struct nec_vsock *vsock, enum nec_vsock_queue queue)
{
	if (queue == NEC_VSOCK_FROM_GUEST)
		vsock_take_packets(vsock);
	vsock_fill(vsock);
}

/* A guest that has not read all we sent keeps its socket: an RST would take the rest from it. */
static bool is_late(const struct connection *connection, uint64_t now)
{
	return connection->deadline && connection->deadline <= now &&
	       (connection->state != CLOSING || connection->sent == connection->guest_consumed);
}

/* Ends connections whose guest did not answer in time. */
static void on_sweep(void *userdata, uint32_t events)
{
	struct nec_vsock *vsock = userdata;
	uint64_t now = nec_loop_now();
	bool waiting = false;

	(void)events;
	for (size_t i = 0; i < NEC_VSOCK_BUCKETS; i++) {
		struct connection *next;

		for (struct connection *c = vsock->buckets[i]; c; c = next) {
			next = c->next;
			if (is_late(c, now))
				vsock_remove(c);
			else if (c->deadline)
				waiting = true;
		}
	}
	vsock->sweeping = waiting;
	if (waiting)
		nec_source_set_timer(vsock->sweep, sweep_interval_usec);
}

void vsock_expect_answer(struct connection *connection)
{
	struct nec_vsock *vsock = connection->vsock;

	connection->deadline = nec_loop_now() + answer_usec;
	if (!vsock->sweeping)
		nec_source_set_timer(vsock->sweep, sweep_interval_usec);
	vsock->sweeping = true;
}

int nec_vsock_new(struct nec_loop *loop, uint64_t guest_cid, const struct nec_vsock_host *host,
		  struct nec_vsock **ret, nec_error *err)
{
	struct nec_vsock *vsock = calloc(1, sizeof(*vsock));
	int r;

	if (!vsock)
		return nec_error_no_memory(err);
	vsock->loop = loop;
	vsock->guest_cid = guest_cid;
	vsock->host = *host;
	vsock->next_port = first_host_port;
	r = nec_loop_add_timer(loop, UINT64_MAX, on_again, vsock, &vsock->again, err);
	if (r == 0)
		r = nec_loop_add_timer(loop, UINT64_MAX, on_sweep, vsock, &vsock->sweep, err);
	if (r < 0) {
		nec_vsock_free(vsock);
		return r;
	}
	*ret = vsock;
	return 0;
}

void nec_vsock_free(struct nec_vsock *vsock)
{
	if (!vsock)
		return;
	remove_all(vsock);
	nec_source_free(vsock->again);
	nec_source_free(vsock->sweep);
	free(vsock);
}

void nec_vsock_reset(struct nec_vsock *vsock)
{
	remove_all(vsock);
}

/* The port that the call comes from: the one it names, if there is one and it is free. */
static uint32_t calling_port(struct nec_vsock *vsock, const struct nec_vsock_call *call)
{
	if (call->port && !vsock_find(vsock, call->cid, call->port, call->guest_port))
		return call->port;
	do {
		if (++vsock->next_port < first_host_port)
			vsock->next_port = first_host_port;
	} while (vsock_find(vsock, call->cid, vsock->next_port, call->guest_port));
	return vsock->next_port;
}

int nec_vsock_connect(struct nec_vsock *vsock, int fd, const struct nec_vsock_call *call,
		      nec_vsock_connected_fn connected, void *userdata, nec_error *err)
{
	uint16_t type = call->seqpacket ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM;
	struct connection *connection;
	int r;

	if (vsock->queues[NEC_VSOCK_TO_GUEST].size == 0)
		return nec_error_set(err, NEC_E_SYSTEM, -ENOTCONN,
				     "the enclave's vsock driver is not ready");
	if (call->seqpacket && !vsock->seqpacket)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTOTYPE,
				     "the enclave's vsock driver has no SOCK_SEQPACKET");
	connection = vsock_add(vsock, call->cid, calling_port(vsock, call), call->guest_port, type);
	if (!connection)
		return nec_error_set(err, NEC_E_SYSTEM, -EMFILE,
				     "the enclave has %d vsock connections, no more are possible",
				     NEC_VSOCK_MAX_CONNECTIONS);
	connection->state = GUEST_CONNECTING;
	r = connection_use(connection, fd, 0);
	if (r < 0) {
		connection->fd = -1;
		vsock_remove(connection);
		return nec_error_no_memory(err);
	}
	connection->connected = connected;
	connection->connected_userdata = userdata;
	connection->send = SEND_REQUEST;
	vsock_expect_answer(connection);
	vsock_make_ready(connection);
	vsock_fill(vsock);
	return 0;
}

void nec_vsock_answer(struct nec_vsock *vsock, const struct nec_vsock_call *call)
{
	struct connection *connection = vsock_find(vsock, call->cid, call->port, call->guest_port);

	if (!connection || connection->number != call->number || !connection->held)
		return;
	connection_answer(connection);
	vsock_fill(vsock);
}
