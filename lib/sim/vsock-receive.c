/* SPDX-License-Identifier: Apache-2.0 */
/* From the guest: packets taken apart, checked, and handed to their connections. */
#include "sim/vsock-internal.h"

static bool queue_reset(struct nec_vsock *vsock, const struct nec_vsock_packet *to)
{
	if (to->op == VIRTIO_VSOCK_OP_RST)
		return true; /* never an RST for an RST */
	if (vsock->reset_count == NEC_VSOCK_MAX_RESETS)
		return false;
	vsock->resets[vsock->reset_count++] = (struct nec_vsock_packet){
		.src_cid = to->dst_cid,
		.src_port = to->dst_port,
		.dst_port = to->src_port,
		.type = to->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};
	return true;
}

static void take_request(struct nec_vsock *vsock, const struct nec_vsock_packet *packet)
{
	struct nec_vsock_call call = {
		.cid = packet->dst_cid,
		.port = packet->dst_port,
		.guest_port = packet->src_port,
		.seqpacket = packet->type == VIRTIO_VSOCK_TYPE_SEQPACKET,
	};
	struct connection *connection;
	int fd;

	connection =
		vsock_add(vsock, packet->dst_cid, packet->dst_port, packet->src_port, packet->type);
	if (!connection) {
		queue_reset(vsock, packet);
		return;
	}
	connection->state = HOST_CONNECTING;
	connection->guest_buffer = packet->buf_alloc;
	connection->guest_consumed = packet->fwd_cnt;
	call.number = connection->number;
	fd = vsock->host.connect(vsock->host.userdata, &call, &connection->held);
	if (fd < 0 || connection_accept(connection, fd) < 0)
		connection_reset(connection);
}

/* A packet of a known connection. False when it makes no sense there. */
static bool take_connected(struct connection *connection, const struct nec_vsock_packet *packet,
			   const struct iovec *buffers, size_t count)
{
	connection->guest_buffer = packet->buf_alloc;
	connection->guest_consumed = packet->fwd_cnt;
	if (connection->readable || connection->outgoing)
		vsock_make_ready(connection); /* there may be credit now */
	switch (packet->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		if (connection->state != GUEST_CONNECTING)
			return false;
		connection_established(connection);
		return true;
	case VIRTIO_VSOCK_OP_RW:
		if (connection->state == CLOSING)
			return true; /* sent before it saw our SHUTDOWN */
		return connection->state == OPEN &&
		       connection_receive(connection, packet, buffers, count);
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		if (connection->state == CLOSING)
			connection_reset(connection);
		else if (connection->state == OPEN)
			connection_shut_down(connection, packet->flags);
		else
			return false;
		return true;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		return true;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		connection->send |= SEND_CREDIT;
		vsock_make_ready(connection);
		return true;
	default:
		return false;
	}
}

static bool known_type(const struct nec_vsock *vsock, uint16_t type)
{
	return type == VIRTIO_VSOCK_TYPE_STREAM ||
	       (type == VIRTIO_VSOCK_TYPE_SEQPACKET && vsock->seqpacket);
}

/* The connection that a packet belongs to. */
static struct connection *find(struct nec_vsock *vsock, const struct nec_vsock_packet *packet)
{
	struct connection *connection =
		vsock_find(vsock, packet->dst_cid, packet->dst_port, packet->src_port);

	/* A guest that begins anew has forgotten the one that we are closing. */
	if (connection && connection->state == CLOSING && packet->op == VIRTIO_VSOCK_OP_REQUEST) {
		vsock_remove(connection);
		return NULL;
	}
	return connection;
}

static void take_packet(struct nec_vsock *vsock, const struct nec_vsock_packet *packet,
			const struct iovec *buffers, size_t count)
{
	struct connection *connection;

	if (packet->src_cid != vsock->guest_cid || !known_type(vsock, packet->type)) {
		vsock->stats.malformed++;
		queue_reset(vsock, packet);
		return;
	}
	connection = find(vsock, packet);
	if (!connection && packet->op == VIRTIO_VSOCK_OP_REQUEST) {
		take_request(vsock, packet);
	} else if (!connection) {
		queue_reset(vsock, packet);
	} else if (packet->op == VIRTIO_VSOCK_OP_RST) {
		connection_finish(connection);
	} else if (connection->type != packet->type ||
		   !take_connected(connection, packet, buffers, count)) {
		vsock->stats.malformed++;
		connection_reset(connection);
	}
}

/* Splits a chain into header and payload. False when it is shorter than it says. */
static bool read_packet(struct nec_chain *chain, struct nec_vsock_packet *packet,
			struct iovec **buffers, size_t *count)
{
	struct virtio_vsock_hdr header;
	uint8_t *to = (uint8_t *)&header;
	size_t left = sizeof(header);
	size_t first = 0;
	size_t payload = 0;

	while (first < chain->readable_count && left > 0) {
		struct iovec *buffer = &chain->readable[first];
		size_t part = buffer->iov_len < left ? buffer->iov_len : left;

		memcpy(to, buffer->iov_base, part);
		to += part;
		left -= part;
		buffer->iov_base = (uint8_t *)buffer->iov_base + part;
		buffer->iov_len -= part;
		if (buffer->iov_len == 0)
			first++;
	}
	if (left > 0)
		return false;
	*packet = nec_vsock_packet_decode(&header);
	*buffers = chain->readable + first;
	*count = 0;
	/* Cut the buffers to the length in the header; more than that is padding. */
	for (size_t i = first; i < chain->readable_count && payload < packet->len; i++) {
		struct iovec *buffer = &chain->readable[i];

		if (buffer->iov_len > packet->len - payload)
			buffer->iov_len = packet->len - payload;
		payload += buffer->iov_len;
		(*count)++;
	}
	return payload == packet->len;
}

void vsock_take_packets(struct nec_vsock *vsock)
{
	struct nec_virtqueue *queue = &vsock->queues[NEC_VSOCK_FROM_GUEST];
	struct nec_chain chain;
	size_t taken = 0;

	vsock->stalled = false;
	while (taken++ < NEC_VSOCK_PACKETS_A_ROUND) {
		struct nec_vsock_packet packet = { 0 };
		struct iovec *buffers = NULL;
		size_t count = 0;

		/* Room for the answer first, so that no refusal is ever lost. */
		if (vsock->reset_count == NEC_VSOCK_MAX_RESETS) {
			vsock->stalled = true;
			break;
		}
		if (nec_virtqueue_peek(queue, 0, &chain) <= 0)
			break;
		if (read_packet(&chain, &packet, &buffers, &count))
			take_packet(vsock, &packet, buffers, count);
		else
			vsock->stats.malformed++;
		nec_virtqueue_push(queue, &chain, 0);
	}
	vsock_interrupt_if_wanted(vsock, NEC_VSOCK_FROM_GUEST);
	if (taken > NEC_VSOCK_PACKETS_A_ROUND)
		nec_source_set_timer(vsock->again, 0);
}
