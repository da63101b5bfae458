/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the targets share whose other side is QEMU over a Unix socket (vhost-user, vfio-user): its
 * end of the connection, and the descriptors that it sends along.
 */
#ifndef NEC_TESTS_FUZZ_PEER_H
#define NEC_TESTS_FUZZ_PEER_H

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "fuzz-input.h"

enum { PEER_MAX_FDS = 12 };

struct peer {
	int fd;
	int memory_fd; /* the guest's memory; the caller's */
	int events[2];
	unsigned int ended; /* how often the other side said that it is over */
};

/* Returns the other end of the connection, which is the caller's. */
static inline int peer_init(struct peer *peer, int memory_fd)
{
	int pair[2];

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	*peer = (struct peer){ .fd = pair[0], .memory_fd = memory_fd };
	for (size_t i = 0; i < 2; i++)
		peer->events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return pair[1];
}

static inline void peer_free(struct peer *peer)
{
	(void)close(peer->fd);
	(void)close(peer->events[0]);
	(void)close(peer->events[1]);
}

/* For the side that is tested; @userdata is the peer. */
static inline void peer_on_ended(void *userdata, const nec_error *err)
{
	struct peer *peer = userdata;

	require(!err || err->code != NEC_E_NONE);
	peer->ended++;
}

/* Up to PEER_MAX_FDS of the four that it has. */
static inline size_t peer_take_fds(const struct peer *peer, struct input *input, int *fds)
{
	const int choice[] = { peer->memory_fd, peer->events[0], peer->events[1], peer->fd };
	size_t count = take_u8(input) % (PEER_MAX_FDS + 1);

	for (size_t i = 0; i < count; i++)
		fds[i] = choice[take_u8(input) % 4];
	return count;
}

static inline void peer_send(const struct peer *peer, const void *bytes, size_t size,
			     const int *fds, size_t count)
{
	(void)nec_send_fds(peer->fd, bytes, size, fds, count, MSG_DONTWAIT);
}

/* A message without its own form: up to @most bytes (at most 255), in any pieces. */
static inline void peer_send_anything(const struct peer *peer, struct input *input, size_t most)
{
	uint8_t bytes[256];
	size_t size = take_bytes(input, bytes, most);

	if (size > 0)
		peer_send(peer, bytes, size, NULL, 0);
}

static inline void peer_read_answers(const struct peer *peer)
{
	uint8_t bytes[8192];

	(void)!recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
}

#endif
