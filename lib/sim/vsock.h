/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vsock device of a simulated enclave: streams between the guest's vsock and host sockets.
 *
 * It runs in the holder's event loop. What the guest sends is never trusted: packets that make no
 * sense are counted and answered by RST, a connection's memory is bounded by the credit it was
 * given, and when the guest takes no packets, nothing more is read from the host sockets.
 */
#ifndef NEC_SIM_VSOCK_H
#define NEC_SIM_VSOCK_H

#include "base/loop.h"
#include "sim/virtqueue.h"

/* Well-known CIDs, <linux/vm_sockets.h>: the parent instance is 3 for an enclave (AWS). */
#define NEC_VSOCK_PARENT_CID 3

enum nec_vsock_queue { NEC_VSOCK_TO_GUEST = 0, NEC_VSOCK_FROM_GUEST = 1, NEC_VSOCK_QUEUES = 2 };

struct nec_vsock;

/* A connection as the guest's vsock knows it. */
struct nec_vsock_call {
	uint64_t cid; /* of the far end: whom the guest calls, or who calls the guest */
	uint32_t port;
	uint32_t guest_port;
	bool seqpacket;
	uint64_t number; /* tells the guest's calls apart; the device counts them */
};

/* What lies on the host's side of the device. */
struct nec_vsock_host {
	void *userdata;
	/*
	 * The guest calls. Returns a non-blocking socket that is connected or connecting and
	 * becomes the device's, or a negative errno, which becomes an RST. With *@hold set, a
	 * connected one is not the answer yet: the guest waits for nec_vsock_answer(), and is
	 * refused when the socket hangs up before that.
	 */
	int (*connect)(void *userdata, const struct nec_vsock_call *call, bool *hold);
};

struct nec_vsock_stats {
	uint64_t connections; /* opened, either way */
	uint64_t open;        /* now */
	uint64_t to_guest_bytes;
	uint64_t from_guest_bytes;
	uint64_t malformed; /* packets that make no sense */
	uint64_t resets;    /* RST sent */
	uint64_t broken;    /* queues given up, because something impossible was in them */
};

int nec_vsock_new(struct nec_loop *loop, uint64_t guest_cid, const struct nec_vsock_host *host,
		  struct nec_vsock **ret, nec_error *err);
void nec_vsock_free(struct nec_vsock *vsock);

/* The queue, for whoever starts and stops it (vhost-user). Call nec_vsock_reset() when one stops.
 */
struct nec_virtqueue *nec_vsock_get_queue(struct nec_vsock *vsock, enum nec_vsock_queue queue);

/* How to interrupt the guest when buffers of a queue were used; set by whoever starts the queues.
 */
void nec_vsock_set_interrupt(struct nec_vsock *vsock,
			     void (*interrupt)(void *userdata, enum nec_vsock_queue queue),
			     void *userdata);

/* Whether the guest's driver knows SOCK_SEQPACKET; until it says so, such packets are malformed. */
void nec_vsock_allow_seqpacket(struct nec_vsock *vsock, bool allow);

/* The guest offers new buffers in a queue. */
void nec_vsock_kick(struct nec_vsock *vsock, enum nec_vsock_queue queue);

/* The guest was reset or is gone: every connection ends. */
void nec_vsock_reset(struct nec_vsock *vsock);

/* @result: 0 when the guest accepted, else a negative errno; called once, before any data flows. */
typedef void (*nec_vsock_connected_fn)(void *userdata, int fd, int result);

/*
 * Connects the non-blocking socket @fd to call->guest_port of the guest, as whom the call names;
 * port 0 there, or one that has such a connection already, is replaced by a free one. On success
 * @fd belongs to the device. Returns 0, -ENOTCONN when the guest's driver is not ready,
 * -EPROTOTYPE when it has no SOCK_SEQPACKET, or -EMFILE.
 */
int nec_vsock_connect(struct nec_vsock *vsock, int fd, const struct nec_vsock_call *call,
		      nec_vsock_connected_fn connected, void *userdata, nec_error *err);

/* The guest's call that was held is accepted. Does nothing when it has ended meanwhile. */
void nec_vsock_answer(struct nec_vsock *vsock, const struct nec_vsock_call *call);

struct nec_vsock_stats nec_vsock_get_stats(const struct nec_vsock *vsock);

#endif
