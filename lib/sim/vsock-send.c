/* SPDX-License-Identifier: Apache-2.0 */
/* From the host sockets to the guest: data read straight into the guest's buffers, and control
 * packets. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "sim/vsock-internal.h"

/* The guest's buffers that one read of a host socket may fill. */
enum { BATCH_BUFFERS = 16 };

/* One packet's payload at most: what Linux sends too (VIRTIO_VSOCK_MAX_PKT_BUF_SIZE). */
static const size_t max_payload = 65536;

/* Copies the header to the front of a chain's writable buffers. False when they are too small. */
static bool put_header(const struct nec_chain *chain, const struct nec_vsock_packet *packet)
{
	struct virtio_vsock_hdr header = nec_vsock_packet_encode(packet);
	const uint8_t *from = (const uint8_t *)&header;
	size_t left = sizeof(header);

	for (size_t i = 0; i < chain->writable_count && left > 0; i++) {
		size_t part = chain->writable[i].iov_len < left ? chain->writable[i].iov_len : left;

		memcpy(chain->writable[i].iov_base, from, part);
		from += part;
		left -= part;
	}
	return left == 0;
}

/*
 * The writable buffers behind the header, cut to @limit bytes; appended to @to, which has room for
 * NEC_CHAIN_MAX. Returns their bytes.
 */
static size_t payload_buffers(const struct nec_chain *chain, size_t limit, struct iovec *to,
			      size_t *count)
{
	size_t skip = NEC_VSOCK_HEADER_SIZE;
	size_t total = 0;

	for (size_t i = 0; i < chain->writable_count && total < limit; i++) {
		size_t size = chain->writable[i].iov_len;
		size_t skipped = skip < size ? skip : size;
		size_t part = size - skipped;

		skip -= skipped;
		if (part > limit - total)
			part = limit - total;
		if (part == 0)
			continue;
		to[(*count)++] = (struct iovec){
			.iov_base = (uint8_t *)chain->writable[i].iov_base + skipped,
			.iov_len = part,
		};
		total += part;
	}
	return total;
}

static void push_packet(struct nec_vsock *vsock, const struct nec_chain *chain,
			const struct nec_vsock_packet *base)
{
	struct nec_vsock_packet packet = *base;
	uint32_t written = NEC_VSOCK_HEADER_SIZE + packet.len;

	packet.dst_cid = vsock->guest_cid;
	if (!put_header(chain, &packet))
		written = 0; /* a buffer that cannot hold a header: the guest's own loss */
	nec_virtqueue_push(&vsock->queues[NEC_VSOCK_TO_GUEST], chain, written);
	if (packet.op == VIRTIO_VSOCK_OP_RST)
		vsock->stats.resets++;
	vsock->stats.to_guest_bytes += packet.len;
}

/* The next control packet that the connection owes. Returns 0 when it owes none. */
static uint16_t next_control_op(struct connection *connection)
{
	static const struct {
		unsigned int flag;
		uint16_t op;
	} order[] = {
		{ SEND_RST, VIRTIO_VSOCK_OP_RST },
		{ SEND_REQUEST, VIRTIO_VSOCK_OP_REQUEST },
		{ SEND_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE },
		{ SEND_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE },
		{ SEND_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (connection->send & order[i].flag) {
			connection->send &= ~order[i].flag;
			return order[i].op;
		}
	}
	return 0;
}

static uint32_t shutdown_flags(struct connection *connection)
{
	uint32_t flags = 0;

	if (connection->state == CLOSING)
		flags = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (connection->host_sends_no_more)
		flags |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (connection->host_receives_no_more && !connection->guest_sends_no_more)
		flags |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	connection->told_shutdown |= flags;
	return flags;
}

static void send_control(struct connection *connection, uint16_t op, const struct nec_chain *chain)
{
	struct nec_vsock *vsock = connection->vsock;
	struct nec_vsock_packet packet = connection_packet(connection, op);

	if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
		packet.flags = shutdown_flags(connection);
	push_packet(vsock, chain, &packet);
	if (op == VIRTIO_VSOCK_OP_RST)
		connection_finish(connection);
	else if (connection->send || connection->readable || connection->outgoing)
		vsock_make_ready(
			connection); /* data waited behind it: nothing else would wake it */
}

/* The host socket's end of stream. */
static void note_end(struct connection *connection)
{
	connection->readable = false;
	connection->host_sends_no_more = true;
	connection_settle(connection);
}

/* After a read: less than asked for, or an error, means that there is no more for now. */
static bool note_read_result(struct connection *connection, ssize_t n, size_t asked)
{
	if (n == 0) {
		note_end(connection);
		return false;
	}
	if (n < 0 && errno != EINTR && (errno != EAGAIN || connection->hung_up)) {
		note_end(connection);
		return false;
	}
	if ((n < 0 || (size_t)n < asked) && !connection->hung_up) {
		connection->readable = false;
		connection_settle(connection); /* watch it again */
	}
	return n > 0;
}

/* A buffer with no room for data goes back empty, and the connection tries the next one. */
static size_t skip_small_buffer(struct connection *connection, const struct nec_chain *chain)
{
	nec_virtqueue_push(&connection->vsock->queues[NEC_VSOCK_TO_GUEST], chain, 0);
	return 1;
}

/*
 * Reads from the host socket straight into the guest's buffers, as many as one call can fill, then
 * puts a header in front of each. Returns the number of packets sent.
 */
static size_t send_stream_data(struct connection *connection)
{
	struct nec_vsock *vsock = connection->vsock;
	struct nec_virtqueue *queue = &vsock->queues[NEC_VSOCK_TO_GUEST];
	struct nec_chain chains[BATCH_BUFFERS];
	size_t sizes[BATCH_BUFFERS] = { 0 };
	struct iovec buffers[BATCH_BUFFERS + NEC_CHAIN_MAX];
	size_t buffer_count = 0;
	size_t chain_count = 0;
	size_t credit = connection_credit(connection);
	size_t asked = 0;
	size_t sent = 0;
	ssize_t n;

	while (chain_count < BATCH_BUFFERS && buffer_count < BATCH_BUFFERS && asked < credit &&
	       nec_virtqueue_peek(queue, (uint16_t)chain_count, &chains[chain_count]) > 0) {
		size_t limit = credit - asked < max_payload ? credit - asked : max_payload;

		sizes[chain_count] =
			payload_buffers(&chains[chain_count], limit, buffers, &buffer_count);
		asked += sizes[chain_count++];
	}
	if (chain_count == 0)
		return 0; /* the guest took back what it offered */
	if (asked == 0)
		return skip_small_buffer(connection, &chains[0]);
	n = readv(connection->fd, buffers, (int)buffer_count);
	if (!note_read_result(connection, n, asked))
		return 0;
	for (size_t left = (size_t)n; left > 0; sent++) {
		struct nec_vsock_packet packet = connection_packet(connection, VIRTIO_VSOCK_OP_RW);

		packet.len = (uint32_t)(left < sizes[sent] ? left : sizes[sent]);
		connection->sent += packet.len;
		left -= packet.len;
		push_packet(vsock, &chains[sent], &packet);
	}
	return sent;
}

/* Reads the message of @size bytes that waits in a seqpacket host socket. */
static bool read_message(struct connection *connection, size_t size)
{
	struct iovec buffer = { .iov_len = size };
	struct msghdr message = { .msg_iov = &buffer, .msg_iovlen = 1 };

	connection->outgoing = malloc(size);
	buffer.iov_base = connection->outgoing;
	if (!connection->outgoing ||
	    recvmsg(connection->fd, &message, MSG_DONTWAIT) != (ssize_t)size)
		return false;
	connection->outgoing_size = size;
	connection->outgoing_offset = 0;
	connection->outgoing_ends_record = message.msg_flags & MSG_EOR;
	return true;
}

/* Takes the next message of a seqpacket host socket. False when there is none that can be sent. */
static bool take_message(struct connection *connection)
{
	uint8_t probe;
	ssize_t size =
		recv(connection->fd, &probe, sizeof(probe), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (!note_read_result(connection, size, 0))
		return false;
	/* Larger than the guest's whole buffer: it could never be delivered. */
	if ((size_t)size > connection->guest_buffer || !read_message(connection, (size_t)size)) {
		connection_reset(connection);
		return false;
	}
	return true;
}

/* One packet of the message on its way. */
static size_t send_message_data(struct connection *connection)
{
	struct nec_vsock *vsock = connection->vsock;
	struct nec_vsock_packet packet;
	struct iovec buffers[NEC_CHAIN_MAX];
	struct nec_chain chain;
	size_t count = 0;
	size_t limit = connection_credit(connection);
	const uint8_t *from;

	if (!connection->outgoing && !take_message(connection))
		return 0;
	if (limit > connection->outgoing_size - connection->outgoing_offset)
		limit = connection->outgoing_size - connection->outgoing_offset;
	if (limit > max_payload)
		limit = max_payload;
	if (nec_virtqueue_peek(&vsock->queues[NEC_VSOCK_TO_GUEST], 0, &chain) <= 0)
		return 0;
	if (payload_buffers(&chain, limit, buffers, &count) == 0)
		return skip_small_buffer(connection, &chain);
	packet = connection_packet(connection, VIRTIO_VSOCK_OP_RW);
	from = connection->outgoing + connection->outgoing_offset;
	for (size_t i = 0; i < count; i++) {
		memcpy(buffers[i].iov_base, from, buffers[i].iov_len);
		from += buffers[i].iov_len;
		packet.len += (uint32_t)buffers[i].iov_len;
	}
	connection->sent += packet.len;
	connection->outgoing_offset += packet.len;
	if (connection->outgoing_offset == connection->outgoing_size) {
		packet.flags = VIRTIO_VSOCK_SEQ_EOM;
		if (connection->outgoing_ends_record)
			packet.flags |= VIRTIO_VSOCK_SEQ_EOR;
		free(connection->outgoing);
		connection->outgoing = NULL;
	}
	push_packet(vsock, &chain, &packet);
	return 1;
}

static size_t send_data(struct connection *connection)
{
	bool waiting = connection->readable || connection->outgoing;

	if (connection->state != OPEN || connection->guest_receives_no_more || !waiting)
		return 0;
	if (connection_credit(connection) == 0)
		return 0; /* its next packet carries new credit and makes the connection ready again
			   */
	return connection_is_seqpacket(connection) ? send_message_data(connection)
						   : send_stream_data(connection);
}

/* Sends what one connection has to say, a batch at the most. Returns the packets sent. */
static size_t send_one(struct connection *connection, const struct nec_chain *chain)
{
	/* SHUTDOWN comes after the data that was read before the end; all other control before it.
	 */
	unsigned int urgent = connection->send & ~(unsigned int)SEND_SHUTDOWN;
	size_t sent = 0;

	if (!urgent)
		sent = send_data(connection);
	if (sent == 0 && connection->send) {
		send_control(connection, next_control_op(connection), chain);
		return 1;
	}
	if (sent > 0)
		vsock_make_ready(connection); /* at the end: the others come first */
	return sent;
}

static bool send_reset(struct nec_vsock *vsock, const struct nec_chain *chain)
{
	if (vsock->reset_count == 0)
		return false;
	push_packet(vsock, chain, &vsock->resets[0]);
	vsock->reset_count--;
	memmove(vsock->resets, vsock->resets + 1, vsock->reset_count * sizeof(vsock->resets[0]));
	return true;
}

void vsock_fill(struct nec_vsock *vsock)
{
	struct nec_virtqueue *queue = &vsock->queues[NEC_VSOCK_TO_GUEST];
	struct nec_chain chain;
	size_t sent = 0;

	while ((vsock->reset_count > 0 || vsock->ready_head) && sent < NEC_VSOCK_PACKETS_A_ROUND &&
	       nec_virtqueue_peek(queue, 0, &chain) > 0) {
		struct connection *connection = vsock->ready_head;

		if (send_reset(vsock, &chain)) {
			sent++;
			continue;
		}
		vsock_make_unready(connection);
		sent += send_one(connection, &chain);
	}
	vsock_interrupt_if_wanted(vsock, NEC_VSOCK_TO_GUEST);
	if (sent >= NEC_VSOCK_PACKETS_A_ROUND ||
	    (vsock->stalled && vsock->reset_count < NEC_VSOCK_MAX_RESETS / 2))
		nec_source_set_timer(vsock->again, 0);
}
