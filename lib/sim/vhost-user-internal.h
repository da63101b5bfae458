/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of the vhost-user back end: messages (vhost-user.c) and rings
 * (vhost-user-rings.c). */
#ifndef NEC_SIM_VHOST_USER_INTERNAL_H
#define NEC_SIM_VHOST_USER_INTERNAL_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/fd-message.h"
#include "sim/vhost-user.h"

/* Message numbers and bits of the specification. */
enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
	REQUESTS,
};

enum { FLAG_VERSION = 1, FLAG_VERSION_MASK = 3, FLAG_REPLY = 4, FLAG_NEED_REPLY = 8 };
enum { PROTOCOL_REPLY_ACK = 3, PROTOCOL_CONFIG = 9 };
enum { F_PROTOCOL_FEATURES = 30 };
enum { VRING_INDEX_MASK = 0xff, VRING_NO_FD = 0x100 };

#define BIT64(n) (UINT64_C(1) << (n))

struct header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct vring_state {
	uint32_t index;
	uint32_t value;
};

struct vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t descriptors;
	uint64_t used;
	uint64_t available;
	uint64_t log;
};

struct memory_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct memory_table {
	uint32_t count;
	uint32_t padding;
	struct memory_region regions[NEC_GUEST_MAX_REGIONS];
};

struct config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[256];
};

union payload {
	uint64_t number;
	struct vring_state state;
	struct vring_addr addr;
	struct memory_table memory;
	struct config config;
};

struct ring {
	struct nec_vhost_user *back_end;
	enum nec_vsock_queue index;
	uint16_t size;
	uint16_t base;
	struct vring_addr addr;
	bool has_addr;
	bool enabled;
	bool running;
	int kick_fd;
	int call_fd;
	struct nec_source *kick;
};

struct nec_vhost_user {
	struct nec_loop *loop;
	int fd;
	struct nec_source *source;
	struct nec_vsock *vsock;
	uint64_t guest_cid;
	nec_vhost_user_ended_fn ended;
	void *userdata;

	uint64_t features;
	uint64_t protocol_features;
	struct nec_guest_memory memory;
	struct ring rings[NEC_VSOCK_QUEUES];

	/* The message that is arriving. */
	struct header header;
	union payload payload;
	struct nec_fd_message message;
};

/* ---- vhost-user.c ---- */

/* Answers the message that is handled. The front end never makes us wait: one that does not read
 * its answers breaks the protocol. */
int nec_vhost_reply(struct nec_vhost_user *back_end, const void *payload, size_t size,
		    nec_error *err);

/* ---- vhost-user-rings.c ---- */

void nec_vhost_rings_init(struct nec_vhost_user *back_end);
/* Before the guest's memory changes, and after that. */
void nec_vhost_rings_stop(struct nec_vhost_user *back_end);
int nec_vhost_rings_start(struct nec_vhost_user *back_end, nec_error *err);
void nec_vhost_rings_free(struct nec_vhost_user *back_end);

/* The vsock device's way to interrupt the guest. */
void nec_vhost_interrupt(void *userdata, enum nec_vsock_queue queue);

/* Each handles the message in back_end->payload. */
int nec_vhost_set_ring_size(struct nec_vhost_user *back_end, nec_error *err);
int nec_vhost_set_ring_base(struct nec_vhost_user *back_end, nec_error *err);
int nec_vhost_set_ring_addr(struct nec_vhost_user *back_end, nec_error *err);
int nec_vhost_set_ring_enable(struct nec_vhost_user *back_end, nec_error *err);
int nec_vhost_get_ring_base(struct nec_vhost_user *back_end, nec_error *err);
int nec_vhost_set_ring_kick(struct nec_vhost_user *back_end, nec_error *err);
int nec_vhost_set_ring_call(struct nec_vhost_user *back_end, nec_error *err);
int nec_vhost_set_ring_err(struct nec_vhost_user *back_end, nec_error *err);

#endif
