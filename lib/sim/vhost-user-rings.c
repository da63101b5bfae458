/* SPDX-License-Identifier: Apache-2.0 */
/* The rings of the vhost-user back end: set up by messages, started once all is there, stopped. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "sim/vhost-user-internal.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static struct nec_virtqueue *queue_of(const struct ring *ring)
{
	return nec_vsock_get_queue(ring->back_end->vsock, ring->index);
}

static void stop_ring(struct ring *ring)
{
	if (!ring->running)
		return;
	ring->base = nec_virtqueue_stop(queue_of(ring));
	ring->running = false;
}

/* Starts a ring once everything it needs is there; until then it is not an error. */
static int start_ring(struct ring *ring, nec_error *err)
{
	struct nec_vhost_user *back_end = ring->back_end;
	bool enabled = ring->enabled || !(back_end->features & BIT64(F_PROTOCOL_FEATURES));
	int r;

	if (ring->running || !enabled || !ring->has_addr || ring->kick_fd < 0 ||
	    back_end->memory.count == 0)
		return 0;
	r = nec_virtqueue_start(queue_of(ring), &back_end->memory, ring->size,
				ring->addr.descriptors, ring->addr.available, ring->addr.used,
				ring->base, back_end->features & BIT64(VIRTIO_RING_F_EVENT_IDX),
				err);
	if (r < 0)
		return r;
	ring->running = true;
	/* What the guest offered before we watched. */
	nec_vsock_kick(back_end->vsock, ring->index);
	return 0;
}

void nec_vhost_interrupt(void *userdata, enum nec_vsock_queue queue)
{
	struct nec_vhost_user *back_end = userdata;
	const uint64_t one = 1;

	if (back_end->rings[queue].call_fd >= 0)
		(void)!write(back_end->rings[queue].call_fd, &one, sizeof(one));
}

static void on_kick(void *userdata, uint32_t events)
{
	struct ring *ring = userdata;

	(void)events;
	if (ring->running)
		nec_vsock_kick(ring->back_end->vsock, ring->index);
}

static int ring_at(struct nec_vhost_user *back_end, uint64_t index, struct ring **ret,
		   nec_error *err)
{
	if (index >= NEC_VSOCK_QUEUES)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO, "vhost-user: no queue %" PRIu64,
				     index);
	*ret = &back_end->rings[index];
	return 0;
}

int nec_vhost_set_ring_size(struct nec_vhost_user *back_end, nec_error *err)
{
	struct ring *ring;
	int r = ring_at(back_end, back_end->payload.state.index, &ring, err);

	if (r < 0)
		return r;
	if (back_end->payload.state.value > NEC_VIRTQUEUE_MAX_SIZE)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: a queue of %" PRIu32 " entries",
				     back_end->payload.state.value);
	ring->size = (uint16_t)back_end->payload.state.value;
	return 0;
}

int nec_vhost_set_ring_base(struct nec_vhost_user *back_end, nec_error *err)
{
	struct ring *ring;
	int r = ring_at(back_end, back_end->payload.state.index, &ring, err);

	if (r == 0)
		ring->base = (uint16_t)back_end->payload.state.value;
	return r;
}

int nec_vhost_set_ring_addr(struct nec_vhost_user *back_end, nec_error *err)
{
	struct ring *ring;
	int r = ring_at(back_end, back_end->payload.addr.index, &ring, err);

	if (r < 0)
		return r;
	stop_ring(ring);
	ring->addr = back_end->payload.addr;
	ring->has_addr = true;
	return start_ring(ring, err);
}

int nec_vhost_set_ring_enable(struct nec_vhost_user *back_end, nec_error *err)
{
	struct ring *ring;
	int r = ring_at(back_end, back_end->payload.state.index, &ring, err);

	if (r < 0)
		return r;
	ring->enabled = back_end->payload.state.value != 0;
	if (ring->enabled)
		return start_ring(ring, err);
	stop_ring(ring);
	return 0;
}

/* Stops the ring for good: the guest's driver is reset, and its connections are gone with it. */
int nec_vhost_get_ring_base(struct nec_vhost_user *back_end, nec_error *err)
{
	struct vring_state state = back_end->payload.state;
	struct ring *ring;
	int r = ring_at(back_end, state.index, &ring, err);

	if (r < 0)
		return r;
	stop_ring(ring);
	nec_source_free(TAKE_PTR(ring->kick));
	close_fd(&ring->kick_fd);
	nec_vsock_reset(back_end->vsock);
	state.value = ring->base;
	return nec_vhost_reply(back_end, &state, sizeof(state), err);
}

/* The ring and the descriptor (or none) of a KICK, CALL or ERR message. */
static int take_ring_fd(struct nec_vhost_user *back_end, struct ring **ring, int *fd,
			nec_error *err)
{
	uint64_t value = back_end->payload.number;
	int r = ring_at(back_end, value & VRING_INDEX_MASK, ring, err);

	if (r < 0)
		return r;
	if (back_end->message.fd_count != (value & VRING_NO_FD ? 0 : 1))
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: request %" PRIu32 " with %zu descriptors",
				     back_end->header.request, back_end->message.fd_count);
	*fd = nec_fd_message_take_fd(&back_end->message);
	return 0;
}

/* Of all files only these never make us wait, whatever the front end does to them. */
static int check_eventfd(const struct nec_vhost_user *back_end, int fd, nec_error *err)
{
	static const char eventfd[] = "anon_inode:[eventfd]";
	char path[32];
	char target[sizeof(eventfd)];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target)) == sizeof(eventfd) - 1 &&
	    memcmp(target, eventfd, sizeof(eventfd) - 1) == 0)
		return 0;
	return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
			     "vhost-user: the descriptor of request %" PRIu32 " is no eventfd",
			     back_end->header.request);
}

int nec_vhost_set_ring_kick(struct nec_vhost_user *back_end, nec_error *err)
{
	struct ring *ring;
	int fd;
	int r = take_ring_fd(back_end, &ring, &fd, err);

	if (r < 0)
		return r;
	nec_source_free(TAKE_PTR(ring->kick));
	close_fd(&ring->kick_fd);
	if (fd < 0)
		return 0;
	ring->kick_fd = fd;
	r = check_eventfd(back_end, fd, err);
	/* Edge-triggered, so that the count need not be read: each kick is an edge. */
	if (r == 0)
		r = nec_loop_add_fd(back_end->loop, fd, EPOLLIN | EPOLLET, on_kick, ring,
				    &ring->kick, err);
	return r < 0 ? r : start_ring(ring, err);
}

int nec_vhost_set_ring_call(struct nec_vhost_user *back_end, nec_error *err)
{
	struct ring *ring;
	int fd;
	int r = take_ring_fd(back_end, &ring, &fd, err);

	if (r < 0)
		return r;
	close_fd(&ring->call_fd);
	ring->call_fd = fd;
	return fd < 0 ? 0 : check_eventfd(back_end, fd, err);
}

int nec_vhost_set_ring_err(struct nec_vhost_user *back_end, nec_error *err)
{
	struct ring *ring;
	int fd;
	int r = take_ring_fd(back_end, &ring, &fd, err);

	if (r == 0)
		close_fd(&fd); /* we have nothing to say there */
	return r;
}

void nec_vhost_rings_init(struct nec_vhost_user *back_end)
{
	for (size_t i = 0; i < NEC_VSOCK_QUEUES; i++)
		back_end->rings[i] = (struct ring){
			.back_end = back_end,
			.index = (enum nec_vsock_queue)i,
			.kick_fd = -1,
			.call_fd = -1,
		};
}

void nec_vhost_rings_stop(struct nec_vhost_user *back_end)
{
	for (size_t i = 0; i < NEC_VSOCK_QUEUES; i++)
		stop_ring(&back_end->rings[i]);
}

int nec_vhost_rings_start(struct nec_vhost_user *back_end, nec_error *err)
{
	int r = 0;

	for (size_t i = 0; i < NEC_VSOCK_QUEUES && r == 0; i++)
		r = start_ring(&back_end->rings[i], err);
	return r;
}

void nec_vhost_rings_free(struct nec_vhost_user *back_end)
{
	nec_vhost_rings_stop(back_end);
	for (size_t i = 0; i < NEC_VSOCK_QUEUES; i++) {
		struct ring *ring = &back_end->rings[i];

		nec_source_free(TAKE_PTR(ring->kick));
		close_fd(&ring->kick_fd);
		close_fd(&ring->call_fd);
	}
}
