/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that call a guest: their line, then the connection. */
#include "sim/callers.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/unix-socket.h"

enum {
	MAX_CALLERS = 64, /* connections that have not sent their CONNECT line yet */
	LINE_BYTES = 32,  /* "CONNECT 4294967295\n" */
};

/* How long a caller may take to send its line. */
static const uint64_t line_usec = 10000000;
/* How long no caller is taken after one could not be. */
static const uint64_t pause_usec = 100000;

/* A program that has connected, until its line is complete. */
struct caller {
	struct nec_callers *owner;
	struct caller *next;
	int fd;
	struct nec_source *source;
	struct nec_source *timer;
	char line[LINE_BYTES];
	size_t size;
};

struct nec_callers {
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	uint64_t cid;
	struct nec_path path;
	int listener;
	struct nec_source *source;
	struct nec_source *pause;
	struct caller *first;
	size_t count;
};

/* Callers wait in the listener's backlog while there are too many. */
static void watch_listener(struct nec_callers *callers)
{
	nec_source_set_events(callers->source, callers->count < MAX_CALLERS ? EPOLLIN : 0);
}

static void remove_caller(struct caller *caller)
{
	struct nec_callers *callers = caller->owner;
	struct caller **link = &callers->first;

	while (*link != caller)
		link = &(*link)->next;
	*link = caller->next;
	callers->count--;
	watch_listener(callers);
	nec_source_free(caller->source);
	nec_source_free(caller->timer);
	if (caller->fd >= 0)
		(void)close(caller->fd);
	free(caller);
}

static void on_connected(void *userdata, int fd, int result)
{
	const char *line = userdata;

	/* The line is lost only on a connection that is broken already. */
	if (result == 0)
		(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
}

/* Hands a caller whose line is complete over to the device. */
static void connect_caller(struct caller *caller)
{
	struct nec_callers *callers = caller->owner;
	struct nec_vsock_call call = { .cid = callers->cid };
	unsigned long port;
	char *end;

	if (strncmp(caller->line, "CONNECT ", 8) != 0 || caller->line[8] < '0' ||
	    caller->line[8] > '9') {
		remove_caller(caller);
		return;
	}
	port = strtoul(caller->line + 8, &end, 10);
	if (*end || port >= UINT32_MAX) {
		remove_caller(caller);
		return;
	}
	nec_source_free(TAKE_PTR(caller->source));
	call.guest_port = (uint32_t)port;
	if (nec_vsock_connect(callers->vsock, caller->fd, &call, on_connected,
			      (void *)"OK 1073741824\n", NULL) == 0)
		caller->fd = -1; /* the device's now */
	remove_caller(caller);
}

/*
 * Takes no more from the socket than the line: what follows belongs to the guest. Returns 1 when
 * the line is complete, 0 when more has to come, -1 when it can be no line.
 */
static int take_line(struct caller *caller)
{
	char *to = caller->line + caller->size;
	ssize_t n = recv(caller->fd, to, LINE_BYTES - caller->size, MSG_PEEK);
	const char *end;

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	end = memchr(to, '\n', (size_t)n);
	if (end)
		n = end - to + 1;
	if (n == 0 || recv(caller->fd, to, (size_t)n, 0) != n)
		return -1;
	caller->size += (size_t)n;
	if (!end)
		return caller->size == LINE_BYTES ? -1 : 0;
	caller->line[caller->size - 1] = '\0';
	return 1;
}

static void on_caller(void *userdata, uint32_t events)
{
	struct caller *caller = userdata;
	int r = take_line(caller);

	(void)events;
	if (r > 0)
		connect_caller(caller);
	else if (r < 0)
		remove_caller(caller);
}

static void on_caller_late(void *userdata, uint32_t events)
{
	(void)events;
	remove_caller(userdata);
}

static int add_caller(struct nec_callers *callers, int fd)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	int r;

	if (!caller)
		return -ENOMEM;
	caller->owner = callers;
	caller->fd = fd;
	caller->next = callers->first;
	callers->first = caller;
	callers->count++;
	r = nec_loop_add_fd(callers->loop, fd, EPOLLIN, on_caller, caller, &caller->source, NULL);
	if (r == 0)
		r = nec_loop_add_timer(callers->loop, line_usec, on_caller_late, caller,
				       &caller->timer, NULL);
	if (r < 0) {
		caller->fd = -1;
		remove_caller(caller);
	}
	return r;
}

static void on_listener(void *userdata, uint32_t events)
{
	struct nec_callers *callers = userdata;
	int fd = accept4(callers->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r = fd < 0 ? -errno : add_caller(callers, fd);

	(void)events;
	if (fd >= 0 && r < 0)
		(void)close(fd);
	if (r == 0 || r == -EAGAIN || r == -ECONNABORTED || r == -EINTR) {
		watch_listener(callers);
		return;
	}
	/* No descriptor or no memory: the caller stays, so trying at once would be a busy loop. */
	nec_source_set_events(callers->source, 0);
	nec_source_set_timer(callers->pause, pause_usec);
}

static void on_pause_over(void *userdata, uint32_t events)
{
	(void)events;
	watch_listener(userdata);
}

static int begin(struct nec_callers *callers, const char *path, nec_error *err)
{
	int r = nec_path_socket(&callers->path, err, "%s", path);

	if (r < 0)
		return r;
	callers->listener = nec_listen_unix(path, 0660, err);
	if (callers->listener < 0)
		return callers->listener;
	r = nec_loop_add_timer(callers->loop, UINT64_MAX, on_pause_over, callers, &callers->pause,
			       err);
	if (r < 0)
		return r;
	return nec_loop_add_fd(callers->loop, callers->listener, EPOLLIN, on_listener, callers,
			       &callers->source, err);
}

int nec_callers_new(struct nec_loop *loop, const char *path, struct nec_vsock *vsock, uint64_t cid,
		    struct nec_callers **ret, nec_error *err)
{
	struct nec_callers *callers = calloc(1, sizeof(*callers));
	int r;

	if (!callers)
		return nec_error_no_memory(err);
	callers->loop = loop;
	callers->vsock = vsock;
	callers->cid = cid;
	callers->listener = -1;
	r = begin(callers, path, err);
	if (r < 0) {
		nec_callers_free(callers);
		return r;
	}
	*ret = callers;
	return 0;
}

void nec_callers_free(struct nec_callers *callers)
{
	if (!callers)
		return;
	while (callers->first)
		remove_caller(callers->first);
	nec_source_free(callers->source);
	nec_source_free(callers->pause);
	if (callers->listener >= 0) {
		(void)unlink(callers->path.text);
		(void)close(callers->listener);
	}
	free(callers);
}
