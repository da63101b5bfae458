/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of the virtqueues. Memory: 64 KiB a queue for its rings, then 64 KiB for each
 * slot of the send queue, then the receive buffers.
 */
#include "fake-guest.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <linux/virtio_ring.h>

enum { RINGS = 64 * 1024, SEND_SLOT = 65536 + 64, SEND_SLOTS = FAKE_GUEST_QUEUE / 2 };

static uint64_t rings_at(int queue)
{
	return (uint64_t)queue * RINGS;
}

static struct vring ring_of(struct fake_guest *guest, int queue)
{
	struct vring ring;

	vring_init(&ring, FAKE_GUEST_QUEUE, guest->bytes + rings_at(queue), 4096);
	return ring;
}

static uint64_t send_slot(unsigned int slot)
{
	return 2 * RINGS + (uint64_t)slot * SEND_SLOT;
}

static uint64_t receive_slot(unsigned int slot)
{
	return send_slot(SEND_SLOTS) + (uint64_t)slot * FAKE_GUEST_BUFFER;
}

void fake_guest_init(struct fake_guest *guest)
{
	struct nec_guest_region region = {
		.guest_addr = FAKE_GUEST_BASE,
		.size = FAKE_GUEST_MEMORY,
		.user_addr = FAKE_GUEST_USER_BASE,
	};

	*guest = (struct fake_guest){ .buffer = 65536 };
	guest->memory_fd = memfd_create("guest", MFD_CLOEXEC);
	if (guest->memory_fd < 0 || ftruncate(guest->memory_fd, FAKE_GUEST_MEMORY) < 0)
		abort();
	guest->bytes = mmap(NULL, FAKE_GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
			    guest->memory_fd, 0);
	if (guest->bytes == MAP_FAILED ||
	    nec_guest_memory_map(&guest->memory, &region, &guest->memory_fd, 1, NULL) < 0)
		abort();
}

void fake_guest_attach(struct fake_guest *guest, struct nec_vsock *vsock)
{
	guest->vsock = vsock;
	for (int i = 0; i < NEC_VSOCK_QUEUES; i++) {
		struct vring ring = ring_of(guest, i);
		uint64_t base = FAKE_GUEST_USER_BASE;

		if (nec_virtqueue_start(nec_vsock_get_queue(vsock, (enum nec_vsock_queue)i),
					&guest->memory, FAKE_GUEST_QUEUE,
					base + (uint64_t)((uint8_t *)ring.desc - guest->bytes),
					base + (uint64_t)((uint8_t *)ring.avail - guest->bytes),
					base + (uint64_t)((uint8_t *)ring.used - guest->bytes), 0,
					guest->event_index, NULL) < 0)
			abort();
	}
}

void fake_guest_free(struct fake_guest *guest)
{
	nec_guest_memory_unmap(&guest->memory);
	(void)munmap(guest->bytes, FAKE_GUEST_MEMORY);
	(void)close(guest->memory_fd);
}

void fake_guest_want_interrupt(struct fake_guest *guest, enum nec_vsock_queue queue, uint16_t after)
{
	struct vring ring = ring_of(guest, queue);

	vring_used_event(&ring) = after;
}

uint16_t fake_guest_kick_wanted_at(struct fake_guest *guest, enum nec_vsock_queue queue)
{
	struct vring ring = ring_of(guest, queue);

	return vring_avail_event(&ring);
}

static void offer_chain(struct fake_guest *guest, int queue, uint16_t head)
{
	struct vring ring = ring_of(guest, queue);

	ring.avail->ring[guest->available[queue] % FAKE_GUEST_QUEUE] = head;
	guest->available[queue]++;
	__atomic_store_n(&ring.avail->idx, guest->available[queue], __ATOMIC_RELEASE);
}

void fake_guest_offer(struct fake_guest *guest, unsigned int count)
{
	struct vring ring = ring_of(guest, NEC_VSOCK_TO_GUEST);

	for (unsigned int i = 0; i < count; i++) {
		uint16_t slot = guest->available[NEC_VSOCK_TO_GUEST] % FAKE_GUEST_QUEUE;

		ring.desc[slot] = (struct vring_desc){
			.addr = FAKE_GUEST_BASE + receive_slot(slot),
			.len = FAKE_GUEST_BUFFER,
			.flags = VRING_DESC_F_WRITE,
		};
		offer_chain(guest, NEC_VSOCK_TO_GUEST, slot);
	}
	if (guest->vsock)
		nec_vsock_kick(guest->vsock, NEC_VSOCK_TO_GUEST);
}

void fake_guest_send_raw(struct fake_guest *guest, uint64_t address, uint32_t size, uint16_t flags,
			 uint16_t next)
{
	struct vring ring = ring_of(guest, NEC_VSOCK_FROM_GUEST);
	uint16_t slot = (guest->available[NEC_VSOCK_FROM_GUEST] % SEND_SLOTS) * 2;

	ring.desc[slot] =
		(struct vring_desc){ .addr = address, .len = size, .flags = flags, .next = next };
	offer_chain(guest, NEC_VSOCK_FROM_GUEST, slot);
	if (guest->vsock)
		nec_vsock_kick(guest->vsock, NEC_VSOCK_FROM_GUEST);
}

void fake_guest_send(struct fake_guest *guest, struct nec_vsock_packet packet, const void *payload)
{
	struct vring ring = ring_of(guest, NEC_VSOCK_FROM_GUEST);
	uint16_t slot = guest->available[NEC_VSOCK_FROM_GUEST] % SEND_SLOTS;
	uint64_t at = send_slot(slot);
	struct virtio_vsock_hdr header;

	if (!packet.src_cid)
		packet.src_cid = FAKE_GUEST_CID;
	if (!packet.type)
		packet.type = VIRTIO_VSOCK_TYPE_STREAM;
	packet.buf_alloc = guest->buffer;
	packet.fwd_cnt = guest->consumed;
	header = nec_vsock_packet_encode(&packet);
	memcpy(guest->bytes + at, &header, sizeof(header));
	if (payload)
		memcpy(guest->bytes + at + sizeof(header), payload, packet.len);
	ring.desc[slot * 2 + 1] = (struct vring_desc){
		.addr = FAKE_GUEST_BASE + at + sizeof(header),
		.len = packet.len,
	};
	fake_guest_send_raw(guest, FAKE_GUEST_BASE + at, sizeof(header),
			    payload ? VRING_DESC_F_NEXT : 0, (uint16_t)(slot * 2 + 1));
}

bool fake_guest_receive(struct fake_guest *guest, struct nec_vsock_packet *packet, void *payload,
			size_t payload_size)
{
	struct vring ring = ring_of(guest, NEC_VSOCK_TO_GUEST);
	struct virtio_vsock_hdr header;
	struct vring_used_elem element;
	uint8_t *from;

	if (__atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE) == guest->taken[NEC_VSOCK_TO_GUEST])
		return false;
	element = ring.used->ring[guest->taken[NEC_VSOCK_TO_GUEST]++ % FAKE_GUEST_QUEUE];
	from = guest->bytes + receive_slot(element.id);
	memcpy(&header, from, sizeof(header));
	*packet = nec_vsock_packet_decode(&header);
	if (element.len != sizeof(header) + packet->len || packet->len > payload_size)
		abort();
	if (packet->len)
		memcpy(payload, from + sizeof(header), packet->len);
	return true;
}
