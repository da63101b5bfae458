/* SPDX-License-Identifier: Apache-2.0 */
/* One stream between a guest port and a host socket: credit, half-close, back-pressure. */
#include "sim/vsock-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

uint32_t connection_credit(const struct connection *connection)
{
	uint32_t in_flight = connection->sent - connection->guest_consumed;

	return in_flight < connection->guest_buffer ? connection->guest_buffer - in_flight : 0;
}

struct nec_vsock_packet connection_packet(struct connection *connection, uint16_t op)
{
	connection->told_consumed = connection->consumed;
	connection->send &= ~(unsigned int)SEND_CREDIT;
	return (struct nec_vsock_packet){
		.src_cid = connection->peer_cid,
		.src_port = connection->peer_port,
		.dst_port = connection->guest_port,
		.type = connection->type,
		.op = op,
		.buf_alloc = NEC_VSOCK_CREDIT,
		.fwd_cnt = connection->consumed,
	};
}

static void send_later(struct connection *connection, unsigned int what)
{
	if (connection->state == DRAINING)
		return; /* the guest may use the port for another one already */
	connection->send |= what;
	vsock_make_ready(connection);
}

/* Whether something of the guest's waits for the host socket; half a message does not count. */
static bool has_pending(const struct connection *connection)
{
	return connection_is_seqpacket(connection) ? connection->message_count > 0
						   : connection->pending_size > 0;
}

/* What the socket is watched for: reading stops while the guest does not take what was read. */
static void update_events(struct connection *connection)
{
	uint32_t events = 0;

	if (!connection->source || connection->state == HOST_CONNECTING)
		return;
	if (connection->state == OPEN && !connection->readable && !connection->host_sends_no_more &&
	    !connection->guest_receives_no_more)
		events |= EPOLLIN;
	if (has_pending(connection) && !connection->host_receives_no_more)
		events |= EPOLLOUT;
	nec_source_set_events(connection->source, events);
}

static void consume(struct connection *connection, size_t bytes)
{
	connection->consumed += (uint32_t)bytes;
	connection->vsock->stats.from_guest_bytes += bytes;
	/* Tell the guest in time that there is room: at half of what it may have in flight. */
	if (connection->consumed - connection->told_consumed >= NEC_VSOCK_CREDIT / 2)
		send_later(connection, SEND_CREDIT);
}

/* A connection that is idle holds no memory for data. */
static void drop_pending(struct connection *connection)
{
	free(connection->pending);
	connection->pending = NULL;
	connection->pending_size = 0;
	connection->message_count = 0;
}

/* The host socket takes no more: what waits for it is dropped. */
static void stop_host_receiving(struct connection *connection)
{
	connection->host_receives_no_more = true;
	consume(connection, connection->pending_size);
	drop_pending(connection);
}

/* Sends to the host socket. Returns the bytes it took, -1 when it cannot take any now. */
static ssize_t send_to_host(struct connection *connection, const struct iovec *buffers,
			    size_t count, int flags)
{
	struct msghdr message = { .msg_iov = (struct iovec *)buffers, .msg_iovlen = count };
	ssize_t n = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | flags);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		stop_host_receiving(connection);
	return n;
}

/* Keeps what the host socket did not take. The caller has checked that it fits the credit. */
static bool keep(struct connection *connection, const struct iovec *buffers, size_t count,
		 size_t skip)
{
	if (!connection->pending) {
		connection->pending = malloc(NEC_VSOCK_CREDIT);
		if (!connection->pending)
			return false;
	}
	if (connection->pending_size == 0)
		connection->pending_start = 0;
	for (size_t i = 0; i < count; i++) {
		size_t taken = skip < buffers[i].iov_len ? skip : buffers[i].iov_len;
		size_t rest = buffers[i].iov_len - taken;

		skip -= taken;
		if (connection->pending_start + connection->pending_size + rest >
		    NEC_VSOCK_CREDIT) {
			memmove(connection->pending,
				connection->pending + connection->pending_start,
				connection->pending_size);
			connection->pending_start = 0;
		}
		memcpy(connection->pending + connection->pending_start + connection->pending_size,
		       (const uint8_t *)buffers[i].iov_base + taken, rest);
		connection->pending_size += rest;
	}
	return true;
}

static bool receive_stream(struct connection *connection, const struct iovec *buffers, size_t count,
			   size_t size)
{
	size_t taken = 0;

	if (connection->pending_size == 0) {
		ssize_t n = send_to_host(connection, buffers, count, 0);

		if (connection->host_receives_no_more)
			taken = size;
		else if (n > 0)
			taken = (size_t)n;
		consume(connection, taken);
	}
	return taken == size || keep(connection, buffers, count, taken);
}

static void take_pending(struct connection *connection, size_t bytes)
{
	connection->pending_start += bytes;
	connection->pending_size -= bytes;
	consume(connection, bytes);
	if (connection->pending_size == 0)
		drop_pending(connection);
}

/* Sends a complete message with one call, so that its boundary is kept. False when it must wait. */
static bool flush_message(struct connection *connection, uint32_t message)
{
	uint32_t size = message & ~NEC_VSOCK_END_OF_RECORD;
	struct iovec buffer = {
		.iov_base = connection->pending + connection->pending_start,
		.iov_len = size,
	};
	int flags = message & NEC_VSOCK_END_OF_RECORD ? MSG_EOR : 0;

	if (send_to_host(connection, &buffer, 1, flags) != size)
		return false;
	connection->pending_start += size;
	connection->pending_size -= size;
	consume(connection, size);
	return true;
}

static void flush_messages(struct connection *connection)
{
	size_t done = 0;

	while (done < connection->message_count &&
	       flush_message(connection, connection->messages[done]))
		done++;
	if (connection->host_receives_no_more)
		return;
	connection->message_count -= done;
	if (done > 0 && connection->message_count > 0)
		memmove(connection->messages, connection->messages + done,
			connection->message_count * sizeof(*connection->messages));
	if (connection->pending_size == 0 && connection->message_count == 0)
		drop_pending(connection);
}

static bool keep_message(struct connection *connection, const struct nec_vsock_packet *packet)
{
	uint32_t record = packet->flags & VIRTIO_VSOCK_SEQ_EOR ? NEC_VSOCK_END_OF_RECORD : 0;

	if (!connection->messages)
		connection->messages =
			malloc(NEC_VSOCK_MAX_MESSAGES * sizeof(*connection->messages));
	if (!connection->messages || connection->message_count == NEC_VSOCK_MAX_MESSAGES)
		return false;
	connection->messages[connection->message_count++] = connection->message_size | record;
	connection->message_size = 0;
	return true;
}

static bool receive_message(struct connection *connection, const struct nec_vsock_packet *packet,
			    const struct iovec *buffers, size_t count)
{
	if (!keep(connection, buffers, count, 0))
		return false;
	connection->message_size += packet->len;
	if (!(packet->flags & VIRTIO_VSOCK_SEQ_EOM))
		return true;
	if (!keep_message(connection, packet))
		return false;
	/* Those before it wait for the socket already; it tells when it takes more. */
	if (connection->message_count == 1)
		flush_messages(connection);
	return true;
}

bool connection_receive(struct connection *connection, const struct nec_vsock_packet *packet,
			const struct iovec *buffers, size_t count)
{
	bool good;

	if (connection->guest_sends_no_more)
		return false;
	connection->received += packet->len;
	if (connection->received - connection->consumed > NEC_VSOCK_CREDIT)
		return false; /* more than the credit it was given */
	if (connection->host_receives_no_more) {
		consume(connection, packet->len);
		return true;
	}
	good = connection_is_seqpacket(connection)
		       ? receive_message(connection, packet, buffers, count)
		       : receive_stream(connection, buffers, count, packet->len);
	connection_settle(connection);
	return good;
}

static void flush_stream(struct connection *connection)
{
	while (connection->pending_size > 0) {
		struct iovec buffer = {
			.iov_base = connection->pending + connection->pending_start,
			.iov_len = connection->pending_size,
		};
		ssize_t taken = send_to_host(connection, &buffer, 1, 0);

		if (taken <= 0)
			return;
		take_pending(connection, (size_t)taken);
	}
}

void connection_shut_down(struct connection *connection, uint32_t flags)
{
	if (flags & VIRTIO_VSOCK_SHUTDOWN_SEND)
		connection->guest_sends_no_more = true;
	if (flags & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		connection->guest_receives_no_more = true;
		connection->readable = false;
		if (connection->fd >= 0)
			(void)shutdown(connection->fd, SHUT_RD);
	}
	connection_settle(connection);
}

static void tell_connected(struct connection *connection, int result)
{
	nec_vsock_connected_fn connected = connection->connected;

	connection->connected = NULL;
	if (connected)
		connected(connection->connected_userdata, connection->fd, result);
}

void connection_established(struct connection *connection)
{
	connection->state = OPEN;
	connection->deadline = 0;
	tell_connected(connection, 0);
	connection_settle(connection);
}

void connection_close(struct connection *connection)
{
	tell_connected(connection, -ECONNRESET);
	connection->held = false;
	nec_source_free(connection->source);
	connection->source = NULL;
	if (connection->fd >= 0)
		(void)close(connection->fd);
	connection->fd = -1;
	drop_pending(connection);
	free(connection->messages);
	free(connection->outgoing);
	connection->messages = NULL;
	connection->outgoing = NULL;
	connection->readable = false;
}

void connection_reset(struct connection *connection)
{
	connection_close(connection);
	connection->send = 0;
	send_later(connection, SEND_RST);
}

/* Both directions have ended on our side: say so and wait for the guest's RST. */
static void begin_closing(struct connection *connection)
{
	connection_close(connection);
	connection->state = CLOSING;
	vsock_expect_answer(connection);
	send_later(connection, SEND_SHUTDOWN);
}

void connection_finish(struct connection *connection)
{
	if (connection->guest_sends_no_more && has_pending(connection)) {
		vsock_make_unready(connection);
		connection->send = 0;
		connection->state = DRAINING;
		update_events(connection);
	} else {
		vsock_remove(connection);
	}
}

/* The guest has closed: an RST confirms it at once, with all it sent delivered or not. */
static void confirm_closed(struct connection *connection)
{
	connection->send = 0;
	send_later(connection, SEND_RST);
}

static void tell_what_ended(struct connection *connection)
{
	uint32_t told = 0;

	if (connection->host_sends_no_more)
		told |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (connection->host_receives_no_more && !connection->guest_sends_no_more)
		told |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	if (told & ~connection->told_shutdown)
		send_later(connection, SEND_SHUTDOWN);
}

static void settle_open(struct connection *connection)
{
	/* The guest said that it sends no more, and all it sent is with the host: pass that on. */
	if (connection->guest_sends_no_more && !has_pending(connection) &&
	    !connection->host_receives_no_more) {
		connection->host_receives_no_more = true;
		(void)shutdown(connection->fd, SHUT_WR);
	}
	if (connection->guest_sends_no_more && connection->guest_receives_no_more)
		confirm_closed(connection);
	else if (connection->host_sends_no_more && connection->hung_up)
		begin_closing(connection);
	else
		tell_what_ended(connection);
}

void connection_settle(struct connection *connection)
{
	if (connection->state != OPEN)
		return;
	if (!(connection->send & SEND_RST))
		settle_open(connection);
	/* The host need not wait until the guest takes the RST. */
	if ((connection->send & SEND_RST) && !has_pending(connection))
		connection_close(connection);
	update_events(connection);
}

/* The host socket that the guest asked for has connected, or not. */
static void finish_host_connect(struct connection *connection)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
		connection_reset(connection);
		return;
	}
	connection->state = OPEN;
	send_later(connection, SEND_RESPONSE);
	update_events(connection);
}

/* Unix sockets are connected at once, others later, which they tell by being writable. */
static bool is_connected(int fd)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

/* Hang-up is reported for ever, whatever is asked for: stop watching, and read to the end. */
static void note_hang_up(struct connection *connection)
{
	connection->hung_up = true;
	nec_source_free(connection->source);
	connection->source = NULL;
	stop_host_receiving(connection);
	if (connection->state == GUEST_CONNECTING) {
		connection_reset(connection);
		return;
	}
	if (!connection->guest_receives_no_more)
		connection->readable = true;
	else
		connection->host_sends_no_more = true;
}

static void flush(struct connection *connection)
{
	if (connection_is_seqpacket(connection))
		flush_messages(connection);
	else
		flush_stream(connection);
}

/* The guest has forgotten this connection; nothing is sent to it any more. */
static void drain(struct connection *connection, uint32_t events)
{
	if (events & EPOLLOUT)
		flush(connection);
	if ((events & (EPOLLHUP | EPOLLERR)) || !has_pending(connection))
		vsock_remove(connection);
}

static void take_host_event(struct connection *connection, uint32_t events)
{
	if (events & EPOLLOUT)
		flush(connection);
	if (events & EPOLLIN)
		connection->readable = true;
	if (events & (EPOLLHUP | EPOLLERR))
		note_hang_up(connection);
	if (connection->readable)
		vsock_make_ready(connection);
}

static void on_host_event(void *userdata, uint32_t events)
{
	struct connection *connection = userdata;
	struct nec_vsock *vsock = connection->vsock;

	if (connection->state == DRAINING) {
		drain(connection, events);
		return;
	}
	vsock->handled = connection;
	if (connection->held)
		connection_reset(connection); /* nothing but its end is watched for */
	else if (connection->state == HOST_CONNECTING)
		finish_host_connect(connection);
	else
		take_host_event(connection, events);
	vsock_fill(vsock);
	/* Only now: mostly the guest took all there was, and the socket is watched as before. */
	if (vsock->handled)
		connection_settle(connection);
	vsock->handled = NULL;
}

int connection_use(struct connection *connection, int fd, uint32_t events)
{
	const int room = NEC_VSOCK_CREDIT;

	connection->fd = fd;
	/* The largest message that the guest may send has to go in one piece. */
	if (connection_is_seqpacket(connection))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return nec_loop_add_fd(connection->vsock->loop, fd, events, on_host_event, connection,
			       &connection->source, NULL);
}

int connection_accept(struct connection *connection, int fd)
{
	if (connection->held)
		return connection_use(connection, fd, 0);
	if (!is_connected(fd))
		return connection_use(connection, fd, EPOLLOUT);
	connection->state = OPEN;
	send_later(connection, SEND_RESPONSE);
	return connection_use(connection, fd, EPOLLIN);
}

void connection_answer(struct connection *connection)
{
	connection->held = false;
	connection->state = OPEN;
	send_later(connection, SEND_RESPONSE);
	update_events(connection);
}
