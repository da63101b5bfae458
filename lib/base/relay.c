/* SPDX-License-Identifier: Apache-2.0 */
/* Two buffers and one poll. */
#include "base/relay.h"

#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/tcp.h"

enum {
	BUFFER_BYTES = 65536,
	/* A signal that comes just before poll() is noticed after this time. */
	CANCEL_MSEC = 500,
};

struct direction {
	int from;
	int to;
	size_t begin;
	size_t end;
	bool ended;    /* nothing more comes from @from */
	bool finished; /* and @to has been told */
	uint8_t bytes[BUFFER_BYTES];
};

struct relay {
	int socket;
	int out;
	bool gone; /* the peer has closed both directions */
	struct direction up;
	struct direction down;
};

static bool is_empty(const struct direction *direction)
{
	return direction->begin == direction->end;
}

/* Of a descriptor that poll() called ready: does not block, although the descriptor may. */
static ssize_t read_ready(const struct relay *relay, int fd, void *to, size_t size)
{
	return fd == relay->socket ? recv(fd, to, size, MSG_DONTWAIT) : read(fd, to, size);
}

/* A blocking pipe or terminal that poll() calls ready takes PIPE_BUF bytes at once, not more. */
static ssize_t write_ready(int fd, const void *from, size_t size)
{
	ssize_t n = send(fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, from, size < PIPE_BUF ? size : PIPE_BUF);
	return n;
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

static int fill(const struct relay *relay, struct direction *direction, nec_error *err)
{
	ssize_t n = read_ready(relay, direction->from, direction->bytes, sizeof(direction->bytes));

	if (n < 0 && is_passing(errno))
		return 0;
	if (n < 0 && direction->from == relay->socket)
		return nec_error_set_system(err, NEC_E_VSOCK, -errno, "the connection broke");
	if (n < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read the input");
	direction->begin = 0;
	direction->end = (size_t)n;
	direction->ended = n == 0;
	return 0;
}

static int drain(const struct relay *relay, struct direction *direction, nec_error *err)
{
	ssize_t n = write_ready(direction->to, direction->bytes + direction->begin,
				direction->end - direction->begin);

	if (n >= 0)
		direction->begin += (size_t)n;
	else if (is_passing(errno))
		return 0;
	else if (direction->to != relay->socket)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
					    "cannot write the output");
	else if (errno != EPIPE)
		return nec_error_set_system(err, NEC_E_VSOCK, -errno, "the connection broke");
	else {
		direction->begin = direction->end = 0;
		direction->ended = true;
	}
	return 0;
}

/* Tells @to that no more comes, once the last byte is written. */
static void finish(const struct relay *relay, struct direction *direction)
{
	if (!direction->ended || !is_empty(direction) || direction->finished)
		return;
	direction->finished = true;
	if (direction->to == relay->socket)
		(void)shutdown(relay->socket, SHUT_WR);
	else
		(void)close(relay->out);
}

/* What poll() is to wait for on behalf of a direction. */
static void want(const struct direction *direction, struct pollfd *from, struct pollfd *to)
{
	if (!is_empty(direction))
		to->events |= POLLOUT;
	else if (!direction->ended)
		from->events |= POLLIN;
}

static int step(const struct relay *relay, struct direction *direction, const struct pollfd *from,
		const struct pollfd *to, nec_error *err)
{
	int r = 0;

	if (is_empty(direction) && !direction->ended && from->revents)
		r = fill(relay, direction, err);
	else if (!is_empty(direction) && to->revents)
		r = drain(relay, direction, err);
	finish(relay, direction);
	return r;
}

static bool is_over(const struct relay *relay)
{
	return relay->down.finished && (relay->up.finished || relay->gone);
}

static int round_of(struct relay *relay, const volatile int *cancel, nec_error *err)
{
	struct pollfd fds[] = {
		{ .fd = relay->up.from },
		{ .fd = relay->socket },
		{ .fd = relay->down.to },
	};
	int r;

	want(&relay->up, &fds[0], &fds[1]);
	want(&relay->down, &fds[1], &fds[2]);
	/* poll() reports hang-ups unasked: of a descriptor nobody waits for that would spin. */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i].events == 0 && (i != 1 || relay->gone))
			fds[i].fd = -1;
	r = poll(fds, ARRAY_SIZE(fds), CANCEL_MSEC);
	if (cancel && *cancel)
		return nec_error_set(err, NEC_E_CANCELLED, -ECANCELED, "interrupted");
	if (r <= 0)
		return r == 0 || errno == EINTR ? 0
						: nec_error_set_system(err, NEC_E_SYSTEM, -errno,
								       "cannot wait for data");
	if (fds[1].revents & (POLLHUP | POLLERR))
		relay->gone = true;
	r = step(relay, &relay->up, &fds[0], &fds[1], err);
	return r < 0 ? r : step(relay, &relay->down, &fds[1], &fds[2], err);
}

int nec_relay(int in, int out, int socket, const volatile int *cancel, nec_error *err)
{
	cleanup_free struct relay *relay = calloc(1, sizeof(*relay));
	int r = 0;

	if (!relay)
		return nec_error_no_memory(err);
	relay->socket = socket;
	relay->out = out;
	relay->up.from = in;
	relay->up.to = socket;
	relay->down.from = socket;
	relay->down.to = out;
	while (r == 0 && !is_over(relay)) {
		r = round_of(relay, cancel, err);
		if (relay->down.ended && !relay->up.finished && nec_socket_peer_is_gone(socket))
			relay->gone = true;
	}
	if (!relay->down.finished)
		(void)close(out);
	return r;
}
