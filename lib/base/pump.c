/* SPDX-License-Identifier: Apache-2.0 */
/* Two sockets, two directions. */
#include "base/pump.h"

#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/tcp.h"

struct side {
	struct nec_pump *pump;
	int fd;
	struct nec_source *source; /* NULL while nothing is waited for */
};

struct direction {
	struct side *from;
	struct side *to;
	uint8_t *rest; /* read and not written yet, or NULL */
	size_t begin;
	size_t end;
	bool ended;    /* nothing more comes from @from */
	bool finished; /* and @to has been told */
};

struct nec_pump {
	struct nec_loop *loop;
	struct nec_pump_buffer *buffer;
	nec_pump_ended_fn ended;
	void *userdata;
	struct side sides[2];
	struct direction directions[2];
	bool over;
	int result;
};

/* Passes the end on, once the last byte is written. */
static void finish(struct direction *direction)
{
	if (!direction->ended || direction->rest || direction->finished)
		return;
	direction->finished = true;
	(void)shutdown(direction->to->fd, SHUT_WR);
}

/* Nobody takes what comes from @from any more. */
static void abandon(struct direction *direction)
{
	if (direction->finished)
		return;
	free(TAKE_PTR(direction->rest));
	direction->ended = direction->finished = true;
	(void)shutdown(direction->from->fd, SHUT_RD);
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* Returns how many bytes were taken, 0 when none can be now, or a negative errno. */
static ssize_t give(struct direction *direction, const uint8_t *bytes, size_t size)
{
	ssize_t n = send(direction->to->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		return n;
	if (is_passing(errno))
		return 0;
	if (errno != EPIPE)
		return -errno;
	abandon(direction);
	return (ssize_t)size;
}

static int keep_rest(struct direction *direction, const uint8_t *bytes, size_t size)
{
	direction->rest = malloc(size);
	if (!direction->rest)
		return -ENOMEM;
	memcpy(direction->rest, bytes, size);
	direction->begin = 0;
	direction->end = size;
	return 0;
}

/* Nothing more comes; where that is because the peer is gone, nothing more is taken there, either.
 */
static void end(struct nec_pump *pump, struct direction *direction)
{
	direction->ended = true;
	for (size_t i = 0; i < ARRAY_SIZE(pump->directions); i++) {
		struct direction *other = &pump->directions[i];

		if (other != direction && other->to == direction->from && !other->finished &&
		    nec_socket_peer_is_gone(other->to->fd))
			abandon(other);
	}
}

static int fill(struct nec_pump *pump, struct direction *direction)
{
	uint8_t *bytes = pump->buffer->bytes;
	ssize_t size = recv(direction->from->fd, bytes, sizeof(pump->buffer->bytes), MSG_DONTWAIT);
	ssize_t given;

	if (size < 0)
		return is_passing(errno) ? 0 : -errno;
	if (size == 0) {
		end(pump, direction);
		return 0;
	}
	given = give(direction, bytes, (size_t)size);
	if (given < 0)
		return (int)given;
	return given == size ? 0 : keep_rest(direction, bytes + given, (size_t)(size - given));
}

static int drain(struct direction *direction)
{
	ssize_t given = give(direction, direction->rest + direction->begin,
			     direction->end - direction->begin);

	if (given < 0)
		return (int)given;
	direction->begin += (size_t)given;
	if (direction->rest && direction->begin == direction->end)
		free(TAKE_PTR(direction->rest));
	return 0;
}

static void on_side(void *userdata, uint32_t events);

static int wait_for(struct side *side, uint32_t events)
{
	if (side->fd < 0)
		return 0;
	/* A hang-up is reported unasked: of a socket that nothing is wanted from it would spin. */
	if (events == 0)
		nec_source_free(TAKE_PTR(side->source));
	else if (side->source)
		nec_source_set_events(side->source, events);
	else
		return nec_loop_add_fd(side->pump->loop, side->fd, events, on_side, side,
				       &side->source, NULL);
	return 0;
}

static uint32_t wanted(const struct nec_pump *pump, const struct side *side)
{
	uint32_t events = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pump->directions); i++) {
		const struct direction *direction = &pump->directions[i];

		if (direction->from == side && !direction->ended && !direction->rest)
			events |= EPOLLIN;
		if (direction->to == side && direction->rest)
			events |= EPOLLOUT;
	}
	return events;
}

static int wait_for_both(struct nec_pump *pump)
{
	int r = wait_for(&pump->sides[0], wanted(pump, &pump->sides[0]));

	return r < 0 ? r : wait_for(&pump->sides[1], wanted(pump, &pump->sides[1]));
}

/* What a side that is ready allows. */
static int move(struct side *side, uint32_t events)
{
	struct nec_pump *pump = side->pump;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pump->directions) && r == 0; i++) {
		struct direction *direction = &pump->directions[i];

		if (direction->to == side && (events & (EPOLLHUP | EPOLLERR)) &&
		    direction->from != side)
			abandon(direction);
		else if (direction->to == side && direction->rest)
			r = drain(direction);
		else if (direction->from == side && !direction->ended && !direction->rest)
			r = fill(pump, direction);
		finish(direction);
	}
	return r;
}

static void on_side(void *userdata, uint32_t events)
{
	struct side *side = userdata;
	struct nec_pump *pump = side->pump;
	int r = move(side, events);
	bool over = r < 0 || (pump->directions[0].finished && pump->directions[1].finished);

	if (!over)
		r = wait_for_both(pump);
	if (!over && r == 0)
		return;
	pump->over = true;
	pump->result = r;
	for (size_t i = 0; i < ARRAY_SIZE(pump->sides); i++)
		nec_source_free(TAKE_PTR(pump->sides[i].source));
	pump->ended(pump->userdata, r);
}

int nec_pump_new(struct nec_loop *loop, int a, int b, struct nec_pump_buffer *buffer,
		 nec_pump_ended_fn ended, void *userdata, struct nec_pump **ret, nec_error *err)
{
	struct nec_pump *pump = calloc(1, sizeof(*pump));
	struct side *sides;
	int r;

	if (!pump)
		return nec_error_no_memory(err);
	sides = pump->sides;
	pump->loop = loop;
	pump->buffer = buffer;
	pump->ended = ended;
	pump->userdata = userdata;
	sides[0] = (struct side){ .pump = pump, .fd = a };
	sides[1] = (struct side){ .pump = pump, .fd = b };
	pump->directions[0] =
		(struct direction){ .from = &sides[0], .to = b < 0 ? &sides[0] : &sides[1] };
	pump->directions[1] = (struct direction){ .from = &sides[1], .to = &sides[0] };
	if (b < 0)
		pump->directions[1].ended = pump->directions[1].finished = true;
	r = wait_for_both(pump);
	if (r < 0) {
		sides[0].fd = sides[1].fd = -1;
		nec_pump_free(pump);
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot carry a connection");
	}
	*ret = pump;
	return 0;
}

void nec_pump_free(struct nec_pump *pump)
{
	if (!pump)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(pump->sides); i++) {
		struct side *side = &pump->sides[i];

		nec_source_free(side->source);
		if (side->fd >= 0 && (!pump->over || pump->result < 0))
			nec_tcp_close_with_reset(side->fd);
		else if (side->fd >= 0)
			(void)close(side->fd);
		free(pump->directions[i].rest);
	}
	free(pump);
}
