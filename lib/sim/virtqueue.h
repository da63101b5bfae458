/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a split virtqueue (virtio 1.2, section 2.7), over memory that the guest may
 * change at any time: every field is read once, into a copy, and checked before it is used.
 */
#ifndef NEC_SIM_VIRTQUEUE_H
#define NEC_SIM_VIRTQUEUE_H

#include <sys/uio.h>

#include "sim/guest-memory.h"

#define NEC_VIRTQUEUE_MAX_SIZE 1024

/* Descriptors of one chain. Linux uses 1 or 2 for vsock, up to 18 with scattered payload. */
#define NEC_CHAIN_MAX 64

struct nec_virtqueue {
	const struct nec_guest_memory *memory;
	uint16_t size; /* entries, a power of two; 0 when the queue is not running */
	void *descriptors;
	void *available;
	void *used;
	uint16_t next_available;
	uint16_t next_used;
	uint16_t signalled_used; /* next_used when the guest was last interrupted */
	bool event_index;        /* VIRTIO_RING_F_EVENT_IDX was negotiated */
	bool broken;             /* the guest gave something impossible: nothing more is taken */
};

struct nec_chain {
	uint16_t head;
	size_t readable_count;
	size_t writable_count;
	struct iovec readable[NEC_CHAIN_MAX]; /* what the guest sends */
	struct iovec writable[NEC_CHAIN_MAX]; /* where the guest wants to receive */
};

/*
 * Attaches to rings at the front end's addresses. @size must be a power of two up to
 * NEC_VIRTQUEUE_MAX_SIZE. Returns 0 or -EINVAL.
 */
int nec_virtqueue_start(struct nec_virtqueue *queue, const struct nec_guest_memory *memory,
			uint16_t size, uint64_t descriptors, uint64_t available, uint64_t used,
			uint16_t base, bool event_index, nec_error *err);

/* Detaches; returns the index to go on from. */
uint16_t nec_virtqueue_stop(struct nec_virtqueue *queue);

/*
 * Looks at the chain @ahead places after the next one without taking it. Returns 1, or 0 when there
 * is none (then the guest is asked to kick when there is), or -EINVAL for a chain that makes no
 * sense.
 */
int nec_virtqueue_peek(struct nec_virtqueue *queue, uint16_t ahead, struct nec_chain *ret);

/* Gives the next chain back to the guest with @written bytes in its writable part. */
void nec_virtqueue_push(struct nec_virtqueue *queue, const struct nec_chain *chain,
			uint32_t written);

/* Whether the guest wants an interrupt for what was pushed since the last time this was asked. */
bool nec_virtqueue_should_interrupt(struct nec_virtqueue *queue);

#endif
