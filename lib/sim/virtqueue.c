/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of a split virtqueue. */
#include "sim/virtqueue.h"

#include <endian.h>
#include <linux/virtio_ring.h>

#include "base/error.h"

static const struct vring_desc *descriptors(const struct nec_virtqueue *queue)
{
	return queue->descriptors;
}

static struct vring_avail *available(const struct nec_virtqueue *queue)
{
	return queue->available;
}

static struct vring_used *used(const struct nec_virtqueue *queue)
{
	return queue->used;
}

/* The guest's "interrupt me when you have used up to here", behind the available ring. */
static uint16_t used_event(const struct nec_virtqueue *queue)
{
	return le16toh(__atomic_load_n(&available(queue)->ring[queue->size], __ATOMIC_RELAXED));
}

/* Our "kick me when you have offered this one", behind the used ring. */
static void set_avail_event(struct nec_virtqueue *queue, uint16_t index)
{
	uint16_t *event = (uint16_t *)&used(queue)->ring[queue->size];

	__atomic_store_n(event, htole16(index), __ATOMIC_RELAXED);
}

int nec_virtqueue_start(struct nec_virtqueue *queue, const struct nec_guest_memory *memory,
			uint16_t size, uint64_t desc_addr, uint64_t avail_addr, uint64_t used_addr,
			uint16_t base, bool event_index, nec_error *err)
{
	struct nec_virtqueue started = {
		.memory = memory,
		.size = size,
		.next_available = base,
		.event_index = event_index,
	};

	if (size == 0 || size > NEC_VIRTQUEUE_MAX_SIZE || (size & (size - 1)) != 0)
		return nec_error_set(err, NEC_E_SYSTEM, -EINVAL,
				     "a virtqueue of %u entries is not possible", size);
	/* The alignments are virtio's; with them plain loads of the fields are atomic. */
	if (desc_addr % 16 || avail_addr % 2 || used_addr % 4)
		return nec_error_set(err, NEC_E_SYSTEM, -EINVAL, "a virtqueue is not aligned");
	started.descriptors =
		nec_guest_memory_at_user(memory, desc_addr, sizeof(struct vring_desc) * size);
	started.available = nec_guest_memory_at_user(memory, avail_addr, 6 + 2 * (uint64_t)size);
	started.used = nec_guest_memory_at_user(memory, used_addr, 6 + 8 * (uint64_t)size);
	if (!started.descriptors || !started.available || !started.used)
		return nec_error_set(err, NEC_E_SYSTEM, -EINVAL,
				     "a virtqueue lies outside the guest's memory");
	started.next_used = le16toh(__atomic_load_n(&used(&started)->idx, __ATOMIC_RELAXED));
	started.signalled_used = started.next_used;
	*queue = started;
	return 0;
}

uint16_t nec_virtqueue_stop(struct nec_virtqueue *queue)
{
	uint16_t base = queue->next_available;

	*queue = (struct nec_virtqueue){ 0 };
	return base;
}

/* How many chains the guest offers beyond those taken. More than fit the ring is impossible. */
static uint16_t offered(struct nec_virtqueue *queue)
{
	uint16_t index = le16toh(__atomic_load_n(&available(queue)->idx, __ATOMIC_ACQUIRE));
	uint16_t count = (uint16_t)(index - queue->next_available);

	if (count > queue->size)
		queue->broken = true;
	return queue->broken ? 0 : count;
}

static bool has_more_than(struct nec_virtqueue *queue, uint16_t ahead)
{
	if (queue->size == 0 || queue->broken)
		return false;
	if (offered(queue) > ahead)
		return true;
	if (!queue->event_index)
		return false;
	/* Ask for a kick, then look again: the guest may have offered one in between. */
	set_avail_event(queue, (uint16_t)(queue->next_available + ahead));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return offered(queue) > ahead;
}

/* One read of each field: the guest may change it while we look. */
static struct vring_desc load_descriptor(const struct nec_virtqueue *queue, uint16_t index)
{
	const struct vring_desc *descriptor = &descriptors(queue)[index];

	return (struct vring_desc){
		.addr = le64toh(__atomic_load_n(&descriptor->addr, __ATOMIC_RELAXED)),
		.len = le32toh(__atomic_load_n(&descriptor->len, __ATOMIC_RELAXED)),
		.flags = le16toh(__atomic_load_n(&descriptor->flags, __ATOMIC_RELAXED)),
		.next = le16toh(__atomic_load_n(&descriptor->next, __ATOMIC_RELAXED)),
	};
}

static bool add_buffer(const struct nec_virtqueue *queue, const struct vring_desc *descriptor,
		       struct nec_chain *chain)
{
	struct iovec buffer = {
		.iov_base = nec_guest_memory_at(queue->memory, descriptor->addr, descriptor->len),
		.iov_len = descriptor->len,
	};

	if (!buffer.iov_base)
		return false;
	if (descriptor->flags & VRING_DESC_F_WRITE)
		chain->writable[chain->writable_count++] = buffer;
	else if (chain->writable_count == 0) /* readable ones come first */
		chain->readable[chain->readable_count++] = buffer;
	else
		return false;
	return true;
}

/* Follows the chain from @head. The count bounds loops; indirect tables were not negotiated. */
static bool read_chain(const struct nec_virtqueue *queue, uint16_t head, struct nec_chain *chain)
{
	uint16_t index = head;

	*chain = (struct nec_chain){ .head = head };
	for (size_t count = 0; count < NEC_CHAIN_MAX; count++) {
		struct vring_desc descriptor;

		if (index >= queue->size)
			return false;
		descriptor = load_descriptor(queue, index);
		if ((descriptor.flags & VRING_DESC_F_INDIRECT) ||
		    !add_buffer(queue, &descriptor, chain))
			return false;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return true;
		index = descriptor.next;
	}
	return false;
}

int nec_virtqueue_peek(struct nec_virtqueue *queue, uint16_t ahead, struct nec_chain *ret)
{
	uint16_t slot;
	uint16_t head;

	if (!has_more_than(queue, ahead))
		return queue->broken ? -EINVAL : 0;
	slot = (uint16_t)(queue->next_available + ahead) & (queue->size - 1);
	head = le16toh(__atomic_load_n(&available(queue)->ring[slot], __ATOMIC_RELAXED));
	if (!read_chain(queue, head, ret)) {
		queue->broken = true;
		return -EINVAL;
	}
	return 1;
}

void nec_virtqueue_push(struct nec_virtqueue *queue, const struct nec_chain *chain,
			uint32_t written)
{
	struct vring_used_elem *element = &used(queue)->ring[queue->next_used & (queue->size - 1)];

	element->id = htole32(chain->head);
	element->len = htole32(written);
	queue->next_available++;
	queue->next_used++;
	__atomic_store_n(&used(queue)->idx, htole16(queue->next_used), __ATOMIC_RELEASE);
}

bool nec_virtqueue_should_interrupt(struct nec_virtqueue *queue)
{
	uint16_t before = queue->signalled_used;

	if (queue->size == 0 || before == queue->next_used)
		return false;
	/* The guest must see the used index before we read what it wants. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queue->event_index) {
		uint16_t event = used_event(queue);

		if ((uint16_t)(queue->next_used - event - 1) >=
		    (uint16_t)(queue->next_used - before))
			return false;
	} else if (le16toh(__atomic_load_n(&available(queue)->flags, __ATOMIC_RELAXED)) &
		   VRING_AVAIL_F_NO_INTERRUPT) {
		queue->signalled_used = queue->next_used;
		return false;
	}
	queue->signalled_used = queue->next_used;
	return true;
}
