/* SPDX-License-Identifier: Apache-2.0 */
/* One connection on its way: attempts, addresses, time-outs. */
#include "enclave/dial.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/lookup.h"
#include "base/tcp.h"
#include "base/unix-socket.h"
#include "enclave/port.h"

/* Of one attempt. A busy enclave under emulation may need long; TCP peers that are silent are gone.
 */
static const uint64_t attempt_usec = 30000000;
static const uint64_t retry_usec = 100000;

struct nec_dial {
	struct nec_loop *loop;
	struct nec_dial_target target;
	nec_dial_done_fn done;
	void *userdata;
	uint64_t give_up_usec; /* nec_loop_now() from which on a refusal is final */
	uint64_t late_usec;    /* ... from which on a listener is not busy but stuck */
	struct nec_source *timer;
	struct nec_source *source;
	struct nec_lookup *lookup;
	const struct addrinfo *address; /* that is tried */
	struct nec_port_start port;
	int fd;
};

static void stop_watching(struct nec_dial *dial)
{
	nec_source_free(TAKE_PTR(dial->source));
	if (dial->fd >= 0)
		(void)close(TAKE_FD(dial->fd));
}

static void end(struct nec_dial *dial, int result, const nec_error *err)
{
	nec_source_free(TAKE_PTR(dial->timer));
	dial->done(dial->userdata, result, err);
}

static void succeed(struct nec_dial *dial)
{
	nec_source_free(TAKE_PTR(dial->source));
	end(dial, TAKE_FD(dial->fd), NULL);
}

/* Nobody listens yet: an enclave runs before its program listens, a server may be restarting. */
static bool is_early(int r)
{
	return r == -ECONNREFUSED || r == -ENOENT;
}

static void fail(struct nec_dial *dial, int r, const nec_error *err)
{
	uint64_t now = nec_loop_now();

	stop_watching(dial);
	/* -EAGAIN: the listener has too many to serve, which passes. */
	if ((is_early(r) && now < dial->give_up_usec) || (r == -EAGAIN && now < dial->late_usec)) {
		nec_source_set_timer(dial->timer, retry_usec);
		return;
	}
	end(dial, r, err);
}

static int watch(struct nec_dial *dial, int fd, uint32_t events, nec_source_fn fn, nec_error *err)
{
	return nec_loop_add_fd(dial->loop, fd, events, fn, dial, &dial->source, err);
}

static void on_enclave(void *userdata, uint32_t events)
{
	struct nec_dial *dial = userdata;
	nec_error err = NEC_ERROR_INIT;
	int r = nec_port_proceed(&dial->port, dial->fd, &err);

	(void)events;
	if (r < 0)
		fail(dial, r, &err);
	else if (r > 0)
		succeed(dial);
}

static int start_enclave(struct nec_dial *dial, nec_error *err)
{
	const struct nec_dial_target *target = &dial->target;

	dial->fd = nec_port_start(target->sockets_dir, target->cid, target->vsock_port, &dial->port,
				  err);
	if (dial->fd < 0)
		return dial->fd;
	return watch(dial, dial->fd, dial->port.simulated ? EPOLLIN : EPOLLOUT, on_enclave, err);
}

static int start_unix(struct nec_dial *dial, nec_error *err)
{
	dial->fd = nec_connect_unix_type(dial->target.path, SOCK_STREAM | SOCK_NONBLOCK);
	if (dial->fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, dial->fd, "cannot connect to %s",
					    dial->target.path);
	succeed(dial);
	return 0;
}

static void try_next_address(struct nec_dial *dial, int r);

static void on_tcp(void *userdata, uint32_t events)
{
	struct nec_dial *dial = userdata;
	int error = 0;
	socklen_t size = sizeof(error);

	(void)events;
	(void)getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error == 0) {
		nec_tcp_tune(dial->fd);
		succeed(dial);
		return;
	}
	stop_watching(dial);
	dial->address = dial->address->ai_next;
	try_next_address(dial, -error);
}

/* @r: why the one before failed. */
static void try_next_address(struct nec_dial *dial, int r)
{
	nec_error err = NEC_ERROR_INIT;

	for (; dial->address; dial->address = dial->address->ai_next) {
		r = nec_tcp_connect(dial->address->ai_addr, dial->address->ai_addrlen);
		if (r < 0)
			continue;
		dial->fd = r;
		r = watch(dial, dial->fd, EPOLLOUT, on_tcp, &err);
		if (r == 0)
			return;
		stop_watching(dial);
	}
	(void)nec_error_set_system(&err, NEC_E_SYSTEM, r, "cannot connect to %s, port %u",
				   dial->target.host, dial->target.tcp_port);
	fail(dial, r, &err);
}

static void use_addresses(struct nec_dial *dial)
{
	nec_error err = NEC_ERROR_INIT;
	const char *reason = "";

	dial->address = nec_lookup_get_addresses(dial->lookup, &reason);
	if (dial->address) {
		try_next_address(dial, 0);
		return;
	}
	(void)nec_error_set(&err, NEC_E_SYSTEM, -EHOSTUNREACH, "no address of %s is known: %s",
			    dial->target.host, reason);
	fail(dial, -EHOSTUNREACH, &err);
}

static void on_lookup(void *userdata, uint32_t events)
{
	struct nec_dial *dial = userdata;

	(void)events;
	nec_source_free(TAKE_PTR(dial->source));
	use_addresses(dial);
}

/* Looked up for each attempt: addresses behind a name change. */
static int start_tcp(struct nec_dial *dial, nec_error *err)
{
	bool done = false;
	int r;

	nec_lookup_free(TAKE_PTR(dial->lookup));
	r = nec_lookup_new(dial->target.host, dial->target.tcp_port, &dial->lookup, &done, err);
	if (r == 0 && !done)
		r = watch(dial, nec_lookup_get_fd(dial->lookup), EPOLLIN, on_lookup, err);
	else if (r == 0)
		use_addresses(dial);
	return r;
}

static void start(struct nec_dial *dial)
{
	nec_error err = NEC_ERROR_INIT;
	int r;

	nec_source_set_timer(dial->timer, attempt_usec);
	if (dial->target.path)
		r = start_unix(dial, &err);
	else if (dial->target.host)
		r = start_tcp(dial, &err);
	else
		r = start_enclave(dial, &err);
	/* What has ended already said so. */
	if (r < 0)
		fail(dial, r, &err);
}

/* The next attempt is due, or the one that goes on has taken too long. */
static void on_timer(void *userdata, uint32_t events)
{
	struct nec_dial *dial = userdata;
	nec_error err = NEC_ERROR_INIT;

	(void)events;
	if (!dial->source) {
		start(dial);
		return;
	}
	(void)nec_error_set(&err, NEC_E_SYSTEM, -ETIMEDOUT, "no answer within %u seconds",
			    (unsigned int)(attempt_usec / 1000000));
	fail(dial, -ETIMEDOUT, &err);
}

int nec_dial_new(struct nec_loop *loop, const struct nec_dial_target *target, nec_dial_done_fn done,
		 void *userdata, struct nec_dial **ret, nec_error *err)
{
	struct nec_dial *dial = calloc(1, sizeof(*dial));
	int r;

	if (!dial)
		return nec_error_no_memory(err);
	dial->loop = loop;
	dial->target = *target;
	dial->done = done;
	dial->userdata = userdata;
	dial->fd = -1;
	dial->give_up_usec = nec_loop_now() + target->wait_usec;
	dial->late_usec = nec_loop_now() + attempt_usec;
	r = nec_loop_add_timer(loop, 0, on_timer, dial, &dial->timer, err);
	if (r < 0) {
		free(dial);
		return r;
	}
	*ret = dial;
	return 0;
}

void nec_dial_free(struct nec_dial *dial)
{
	if (!dial)
		return;
	stop_watching(dial);
	nec_source_free(dial->timer);
	nec_lookup_free(dial->lookup);
	free(dial);
}
