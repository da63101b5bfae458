/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user back end: messages in, answers out. */

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/virtio_vsock.h>

#include "base/error.h"
#include "sim/vhost-user-internal.h"

_Static_assert(NEC_GUEST_MAX_REGIONS == NEC_FD_MESSAGE_MAX_FDS, "each region has a descriptor");

static const uint64_t offered_features = BIT64(F_PROTOCOL_FEATURES) | BIT64(VIRTIO_F_VERSION_1) |
					 BIT64(VIRTIO_RING_F_EVENT_IDX) |
					 BIT64(VIRTIO_VSOCK_F_SEQPACKET);
static const uint64_t offered_protocol_features =
	BIT64(PROTOCOL_REPLY_ACK) | BIT64(PROTOCOL_CONFIG);

int nec_vhost_reply(struct nec_vhost_user *back_end, const void *payload, size_t size,
		    nec_error *err)
{
	struct header header = {
		.request = back_end->header.request,
		.flags = FLAG_VERSION | FLAG_REPLY,
		.size = (uint32_t)size,
	};
	struct iovec parts[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)payload, .iov_len = size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };
	ssize_t n = sendmsg(back_end->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n != (ssize_t)(sizeof(header) + size))
		return nec_error_set_system(err, NEC_E_SYSTEM, n < 0 ? -errno : -EPROTO,
					    "vhost-user: cannot answer request %" PRIu32,
					    back_end->header.request);
	return 0;
}

static int reply_number(struct nec_vhost_user *back_end, uint64_t value, nec_error *err)
{
	return nec_vhost_reply(back_end, &value, sizeof(value), err);
}

static int get_features(struct nec_vhost_user *back_end, nec_error *err)
{
	return reply_number(back_end, offered_features, err);
}

static int set_features(struct nec_vhost_user *back_end, nec_error *err)
{
	if (back_end->payload.number & ~offered_features)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: features 0x%" PRIx64 " were not offered",
				     back_end->payload.number & ~offered_features);
	back_end->features = back_end->payload.number;
	nec_vsock_allow_seqpacket(back_end->vsock,
				  back_end->features & BIT64(VIRTIO_VSOCK_F_SEQPACKET));
	return 0;
}

static int get_protocol_features(struct nec_vhost_user *back_end, nec_error *err)
{
	return reply_number(back_end, offered_protocol_features, err);
}

static int set_protocol_features(struct nec_vhost_user *back_end, nec_error *err)
{
	(void)err;
	back_end->protocol_features = back_end->payload.number & offered_protocol_features;
	return 0;
}

static int do_nothing(struct nec_vhost_user *back_end, nec_error *err)
{
	(void)back_end;
	(void)err;
	return 0;
}

static int set_memory(struct nec_vhost_user *back_end, nec_error *err)
{
	const struct memory_table *table = &back_end->payload.memory;
	struct nec_guest_region regions[NEC_GUEST_MAX_REGIONS] = { 0 };
	int r;

	if (table->count > NEC_GUEST_MAX_REGIONS || table->count != back_end->message.fd_count ||
	    back_end->header.size < 8 + table->count * sizeof(table->regions[0]))
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: a memory table of %" PRIu32
				     " regions with %zu descriptors",
				     table->count, back_end->message.fd_count);
	for (size_t i = 0; i < table->count; i++)
		regions[i] = (struct nec_guest_region){
			.guest_addr = table->regions[i].guest_addr,
			.size = table->regions[i].size,
			.user_addr = table->regions[i].user_addr,
			.mmap_offset = table->regions[i].mmap_offset,
		};
	nec_vhost_rings_stop(back_end);
	nec_guest_memory_unmap(&back_end->memory);
	r = nec_guest_memory_map(&back_end->memory, regions, back_end->message.fds, table->count,
				 err);
	nec_fd_message_drop_fds(&back_end->message); /* the mappings hold the memory */
	return r < 0 ? r : nec_vhost_rings_start(back_end, err);
}

/* The device's configuration space is the guest's CID. */
static int get_config(struct nec_vhost_user *back_end, nec_error *err)
{
	struct config *config = &back_end->payload.config;
	const struct virtio_vsock_config space = { .guest_cid = htole64(back_end->guest_cid) };

	if (config->size > sizeof(config->data) || config->offset > sizeof(space) ||
	    config->size > sizeof(space) - config->offset)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: %" PRIu32 " bytes of configuration at %" PRIu32,
				     config->size, config->offset);
	memcpy(config->data, (const uint8_t *)&space + config->offset, config->size);
	return nec_vhost_reply(back_end, config, offsetof(struct config, data) + config->size, err);
}

static const struct {
	int (*handle)(struct nec_vhost_user *back_end, nec_error *err);
	size_t size;   /* of the payload, at least */
	bool answered; /* has a reply of its own */
} handlers[REQUESTS] = {
	[GET_FEATURES] = { get_features, 0, true },
	[SET_FEATURES] = { set_features, sizeof(uint64_t), false },
	[SET_OWNER] = { do_nothing, 0, false },
	[RESET_OWNER] = { do_nothing, 0, false },
	[SET_MEM_TABLE] = { set_memory, offsetof(struct memory_table, regions), false },
	[SET_VRING_NUM] = { nec_vhost_set_ring_size, sizeof(struct vring_state), false },
	[SET_VRING_ADDR] = { nec_vhost_set_ring_addr, sizeof(struct vring_addr), false },
	[SET_VRING_BASE] = { nec_vhost_set_ring_base, sizeof(struct vring_state), false },
	[GET_VRING_BASE] = { nec_vhost_get_ring_base, sizeof(struct vring_state), true },
	[SET_VRING_KICK] = { nec_vhost_set_ring_kick, sizeof(uint64_t), false },
	[SET_VRING_CALL] = { nec_vhost_set_ring_call, sizeof(uint64_t), false },
	[SET_VRING_ERR] = { nec_vhost_set_ring_err, sizeof(uint64_t), false },
	[GET_PROTOCOL_FEATURES] = { get_protocol_features, 0, true },
	[SET_PROTOCOL_FEATURES] = { set_protocol_features, sizeof(uint64_t), false },
	[SET_VRING_ENABLE] = { nec_vhost_set_ring_enable, sizeof(struct vring_state), false },
	[GET_CONFIG] = { get_config, offsetof(struct config, data), true },
};

static int handle_message(struct nec_vhost_user *back_end, nec_error *err)
{
	uint32_t request = back_end->header.request;
	int r;

	if (request >= REQUESTS || !handlers[request].handle)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: request %" PRIu32 " is not known", request);
	if (back_end->header.size < handlers[request].size)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: request %" PRIu32 " with only %" PRIu32 " bytes",
				     request, back_end->header.size);
	r = handlers[request].handle(back_end, err);
	if (r == 0 && back_end->message.fd_count > 0)
		r = nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				  "vhost-user: request %" PRIu32 " with %zu descriptors too many",
				  request, back_end->message.fd_count);
	if (r == 0 && (back_end->header.flags & FLAG_NEED_REPLY) && !handlers[request].answered &&
	    (back_end->protocol_features & BIT64(PROTOCOL_REPLY_ACK)))
		r = reply_number(back_end, 0, err);
	return r;
}

static ssize_t receive_part(struct nec_vhost_user *back_end)
{
	const struct iovec header = { &back_end->header, sizeof(back_end->header) };
	const struct iovec payload = { &back_end->payload, back_end->header.size };

	return nec_fd_message_receive(&back_end->message, back_end->fd, header, payload);
}

static int check_header(const struct nec_vhost_user *back_end, nec_error *err)
{
	if ((back_end->header.flags & FLAG_VERSION_MASK) != FLAG_VERSION ||
	    (back_end->header.flags & FLAG_REPLY))
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: flags 0x%" PRIx32 " of request %" PRIu32,
				     back_end->header.flags, back_end->header.request);
	if (back_end->header.size > sizeof(back_end->payload))
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vhost-user: request %" PRIu32 " of %" PRIu32 " bytes",
				     back_end->header.request, back_end->header.size);
	return 0;
}

/* Takes what has arrived. Returns 1 while there may be more, 0 at the end, or a negative errno. */
static int take_input(struct nec_vhost_user *back_end, nec_error *err)
{
	ssize_t n = receive_part(back_end);
	int r;

	if (n == -EAGAIN || n == -EINTR)
		return 1;
	if (n < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, (int)n,
					    "vhost-user: cannot receive");
	if (n == 0)
		return 0;
	if (back_end->message.received < sizeof(back_end->header))
		return 1;
	r = check_header(back_end, err);
	if (r < 0)
		return r;
	if (back_end->message.received < sizeof(back_end->header) + back_end->header.size)
		return 1;
	r = handle_message(back_end, err);
	nec_fd_message_next(&back_end->message);
	memset(&back_end->payload, 0, sizeof(back_end->payload));
	return r < 0 ? r : 1;
}

static void on_message(void *userdata, uint32_t events)
{
	struct nec_vhost_user *back_end = userdata;
	nec_error err = NEC_ERROR_INIT;
	int r = take_input(back_end, &err);

	(void)events;
	if (r > 0)
		return;
	nec_source_free(TAKE_PTR(back_end->source));
	back_end->ended(back_end->userdata, r < 0 ? &err : NULL);
}

int nec_vhost_user_new(struct nec_loop *loop, int fd, struct nec_vsock *vsock, uint64_t guest_cid,
		       nec_vhost_user_ended_fn ended, void *userdata, struct nec_vhost_user **ret,
		       nec_error *err)
{
	struct nec_vhost_user *back_end = calloc(1, sizeof(*back_end));
	int r;

	if (!back_end)
		return nec_error_no_memory(err);
	*back_end = (struct nec_vhost_user){
		.loop = loop,
		.fd = -1,
		.vsock = vsock,
		.guest_cid = guest_cid,
		.ended = ended,
		.userdata = userdata,
	};
	nec_vhost_rings_init(back_end);
	r = nec_loop_add_fd(loop, fd, EPOLLIN, on_message, back_end, &back_end->source, err);
	if (r < 0) {
		nec_vhost_user_free(back_end);
		return r;
	}
	back_end->fd = fd;
	nec_vsock_set_interrupt(vsock, nec_vhost_interrupt, back_end);
	*ret = back_end;
	return 0;
}

void nec_vhost_user_free(struct nec_vhost_user *back_end)
{
	if (!back_end)
		return;
	nec_vsock_set_interrupt(back_end->vsock, NULL, NULL);
	nec_vsock_reset(back_end->vsock);
	nec_vhost_rings_free(back_end);
	nec_guest_memory_unmap(&back_end->memory);
	nec_fd_message_drop_fds(&back_end->message);
	nec_source_free(back_end->source);
	if (back_end->fd >= 0)
		(void)close(back_end->fd);
	free(back_end);
}
