/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-vsock packet header (virtio 1.2, section 5.10.6), taken apart and put together. */
#ifndef NEC_SIM_VSOCK_PACKET_H
#define NEC_SIM_VSOCK_PACKET_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include <linux/virtio_vsock.h>

#define NEC_VSOCK_HEADER_SIZE sizeof(struct virtio_vsock_hdr)

/* The header in the machine's byte order. */
struct nec_vsock_packet {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len;
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
};

_Static_assert(sizeof(struct virtio_vsock_hdr) == 44, "the header is packed");

static inline struct nec_vsock_packet nec_vsock_packet_decode(const struct virtio_vsock_hdr *header)
{
	return (struct nec_vsock_packet){
		.src_cid = le64toh(header->src_cid),
		.dst_cid = le64toh(header->dst_cid),
		.src_port = le32toh(header->src_port),
		.dst_port = le32toh(header->dst_port),
		.len = le32toh(header->len),
		.type = le16toh(header->type),
		.op = le16toh(header->op),
		.flags = le32toh(header->flags),
		.buf_alloc = le32toh(header->buf_alloc),
		.fwd_cnt = le32toh(header->fwd_cnt),
	};
}

static inline struct virtio_vsock_hdr nec_vsock_packet_encode(const struct nec_vsock_packet *packet)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(packet->src_cid),
		.dst_cid = htole64(packet->dst_cid),
		.src_port = htole32(packet->src_port),
		.dst_port = htole32(packet->dst_port),
		.len = htole32(packet->len),
		.type = htole16(packet->type),
		.op = htole16(packet->op),
		.flags = htole32(packet->flags),
		.buf_alloc = htole32(packet->buf_alloc),
		.fwd_cnt = htole32(packet->fwd_cnt),
	};
}

#endif
