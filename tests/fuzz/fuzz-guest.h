/* SPDX-License-Identifier: Apache-2.0 */
/* What both fuzz targets of the vsock device need: a guest's memory, and hosts. */
#ifndef NEC_TESTS_FUZZ_GUEST_H
#define NEC_TESTS_FUZZ_GUEST_H

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "fuzz-input.h"
#include "sim/vsock-internal.h"

#define GUEST_CID    16
#define GUEST_MEMORY (256 * 1024u)
#define GUEST_BASE   0x40000000ull     /* guest physical */
#define USER_BASE    0x7f0000000000ull /* the front end's */

/* Each queue has a page: descriptors, available ring, used ring. */
enum { QUEUE_BYTES = 4096, AVAILABLE_AT = 1024, USED_AT = 2048, MAX_QUEUE = 64 };
enum { MAX_HOSTS = 8 };

struct guest {
	int fd;
	uint8_t *bytes;
};

/* The host's ends of the connections that the guest opened, the oldest ones are closed. */
struct hosts {
	int fds[MAX_HOSTS];
	struct nec_vsock_call calls[MAX_HOSTS]; /* of those that the guest opened */
	size_t next;
	bool refuse;
};

static inline void guest_init(struct guest *guest)
{
	guest->fd = memfd_create("guest", MFD_CLOEXEC);
	require(guest->fd >= 0 && ftruncate(guest->fd, GUEST_MEMORY) == 0);
	guest->bytes = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, guest->fd, 0);
	require(guest->bytes != MAP_FAILED);
}

static inline void guest_free(struct guest *guest)
{
	(void)munmap(guest->bytes, GUEST_MEMORY);
	(void)close(guest->fd);
}

/* Writes up to 255 bytes of the input anywhere in the pages of the queues. */
static inline void guest_scribble(struct guest *guest, struct input *input)
{
	size_t at = take_u16(input) % (NEC_VSOCK_QUEUES * QUEUE_BYTES);

	for (size_t left = take_u8(input); left > 0 && at < GUEST_MEMORY; left--)
		guest->bytes[at++] = take_u8(input);
}

static inline void hosts_init(struct hosts *hosts)
{
	for (size_t i = 0; i < MAX_HOSTS; i++)
		hosts->fds[i] = -1;
	memset(hosts->calls, 0, sizeof(hosts->calls));
	hosts->next = 0;
	hosts->refuse = false;
}

static inline void hosts_close(struct hosts *hosts, size_t i)
{
	if (hosts->fds[i] >= 0)
		(void)close(hosts->fds[i]);
	hosts->fds[i] = -1;
}

/* A pair of sockets; one is kept, the other returned. */
static inline int hosts_open(struct hosts *hosts, bool seqpacket)
{
	size_t i = hosts->next++ % MAX_HOSTS;
	int pair[2];

	require(socketpair(AF_UNIX,
			   (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK |
				   SOCK_CLOEXEC,
			   0, pair) == 0);
	hosts_close(hosts, i);
	hosts->fds[i] = pair[0];
	return pair[1];
}

/* Calls to others than the parent are answered later. */
static inline int hosts_connect(void *userdata, const struct nec_vsock_call *call, bool *hold)
{
	struct hosts *hosts = userdata;

	if (hosts->refuse)
		return -ECONNREFUSED;
	*hold = call->cid != NEC_VSOCK_PARENT_CID;
	hosts->calls[hosts->next % MAX_HOSTS] = *call;
	return hosts_open(hosts, call->seqpacket);
}

/* One of them writes, reads, stops or closes. */
static inline void hosts_act(struct hosts *hosts, struct input *input)
{
	static uint8_t bytes[65536];
	size_t i = take_u8(input) % MAX_HOSTS;
	uint8_t what = take_u8(input);
	size_t size = take_u16(input);

	if (hosts->fds[i] < 0)
		return;
	switch (what % 4) {
	case 0:
		(void)!send(hosts->fds[i], bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 1:
		(void)!recv(hosts->fds[i], bytes, size, MSG_DONTWAIT);
		break;
	case 2:
		(void)shutdown(hosts->fds[i], (int)(size % 3));
		break;
	default:
		hosts_close(hosts, i);
	}
}

static inline size_t check_connection(const struct connection *c)
{
	require(c->pending_size <= NEC_VSOCK_CREDIT);
	require(c->pending_start + c->pending_size <= NEC_VSOCK_CREDIT || !c->pending);
	require(c->message_count <= NEC_VSOCK_MAX_MESSAGES);
	require(c->pending || c->pending_size == 0);
	require(c->fd >= 0 || (!c->source && !c->pending && !c->outgoing));
	require(c->state != DRAINING || (!c->ready && c->pending));
	require(c->outgoing_offset <= c->outgoing_size);
	return 1;
}

/* What must be true whatever the guest did. */
static inline void check_device(const struct nec_vsock *vsock)
{
	size_t open = 0;

	for (size_t i = 0; i < NEC_VSOCK_BUCKETS; i++)
		for (const struct connection *c = vsock->buckets[i]; c; c = c->next)
			open += check_connection(c);
	require(vsock->stats.open == open && open <= NEC_VSOCK_MAX_CONNECTIONS);
	require(vsock->reset_count <= NEC_VSOCK_MAX_RESETS);
	require(!vsock->handled);
	for (const struct connection *c = vsock->ready_head; c; c = c->ready_next)
		require(c->ready && (c->ready_next || c == vsock->ready_tail));
}

#endif
