/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's vsock driver, as far as its virtqueues go: what the device under test talks to. */
#ifndef NEC_TESTS_FAKE_GUEST_H
#define NEC_TESTS_FAKE_GUEST_H

#include "sim/vsock-packet.h"
#include "sim/vsock.h"

#define FAKE_GUEST_CID       16
#define FAKE_GUEST_QUEUE     128
#define FAKE_GUEST_MEMORY    (16 * 1024 * 1024)
#define FAKE_GUEST_BUFFER    4096          /* of a receive buffer, header included */
#define FAKE_GUEST_BASE      0x40000000ull /* guest physical */
#define FAKE_GUEST_USER_BASE 0x7f0000000000ull

struct fake_guest {
	int memory_fd;
	uint8_t *bytes; /* our own mapping of the memory */
	struct nec_guest_memory memory;
	struct nec_vsock *vsock; /* kicked at once; NULL: the test does it its own way */
	uint16_t available[2];   /* next index of each available ring */
	uint16_t taken[2];       /* next index of each used ring */
	unsigned int interrupts[2];
	uint32_t consumed; /* for credit */
	uint32_t buffer;   /* credit that the guest gives */
	bool event_index;  /* set before attaching: interrupts and kicks by VIRTIO_RING_F_EVENT_IDX
			    */
};

/* Makes memory and rings; attaches them when @vsock is not NULL. */
void fake_guest_init(struct fake_guest *guest);
void fake_guest_attach(struct fake_guest *guest, struct nec_vsock *vsock);
void fake_guest_free(struct fake_guest *guest);

/* With event_index: interrupts the guest when used buffer number @after is there. */
void fake_guest_want_interrupt(struct fake_guest *guest, enum nec_vsock_queue queue,
			       uint16_t after);
/* With event_index: the number of the available buffer that the device wants to be kicked for. */
uint16_t fake_guest_kick_wanted_at(struct fake_guest *guest, enum nec_vsock_queue queue);

/* Offers @count receive buffers. */
void fake_guest_offer(struct fake_guest *guest, unsigned int count);

/* Sends a packet as header and payload in two descriptors; src_cid, buf_alloc, fwd_cnt filled in.
 */
void fake_guest_send(struct fake_guest *guest, struct nec_vsock_packet packet, const void *payload);

/* Sends a chain of one descriptor as it is, to be malformed at will. */
void fake_guest_send_raw(struct fake_guest *guest, uint64_t address, uint32_t size, uint16_t flags,
			 uint16_t next);

/* Takes the next packet that the device sent. False when there is none. */
bool fake_guest_receive(struct fake_guest *guest, struct nec_vsock_packet *packet, void *payload,
			size_t payload_size);

#endif
