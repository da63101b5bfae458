/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: callers, and lines in and out. */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/listener.h"
#include "base/unix-socket.h"

struct caller {
	struct lab_control *control;
	struct caller *next;
	int fd;
	struct nec_source *source;
	char line[LAB_CONTROL_LINE];
	size_t size;
	struct nec_buffer output;
	size_t sent;
};

struct lab_control {
	struct nec_loop *loop;
	struct lab_hypervisor *hypervisor;
	char *path;
	int fd;
	struct nec_listener *listener;
	struct caller *callers;
	size_t caller_count;
};

static void drop_caller(struct caller *caller)
{
	struct caller **place = &caller->control->callers;

	while (*place != caller)
		place = &(*place)->next;
	*place = caller->next;
	caller->control->caller_count--;
	nec_source_free(caller->source);
	(void)close(caller->fd);
	nec_buffer_free(&caller->output);
	free(caller);
}

/* Returns false when the caller is gone, or no answer can be made. */
static bool send_output(struct caller *caller)
{
	struct nec_buffer *output = &caller->output;

	while (caller->sent < output->size) {
		ssize_t n = send(caller->fd, output->data + caller->sent,
				 output->size - caller->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			break;
		caller->sent += (size_t)n;
	}
	if (caller->sent < output->size && errno != EAGAIN && errno != EINTR)
		return false;
	if (caller->sent == output->size) {
		caller->sent = 0;
		output->size = 0;
	}
	/* Who does not read its answers may ask nothing more. */
	nec_source_set_events(caller->source, output->size > 0 ? EPOLLOUT : EPOLLIN);
	return !output->failed;
}

/* Executes the lines that are whole; the rest stays. */
static void take_lines(struct caller *caller)
{
	char *line = caller->line;
	size_t left = caller->size;
	char *end;

	while ((end = memchr(line, '\n', left))) {
		*end = '\0';
		lab_control_execute(caller->control->hypervisor, line, &caller->output);
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(caller->line, line, left);
	caller->size = left;
}

/* Returns false when the caller is done with. */
static bool take_input(struct caller *caller)
{
	ssize_t n = recv(caller->fd, caller->line + caller->size,
			 sizeof(caller->line) - caller->size, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	caller->size += (size_t)n;
	take_lines(caller);
	/* Longer than any command is. */
	return caller->size < sizeof(caller->line) && send_output(caller);
}

static void on_caller(void *userdata, uint32_t events)
{
	struct caller *caller = userdata;
	bool stays;

	if (caller->output.size > 0)
		stays = !(events & (EPOLLHUP | EPOLLERR)) && send_output(caller);
	else
		stays = take_input(caller);
	if (!stays)
		drop_caller(caller);
}

static void on_connection(void *userdata, int fd)
{
	struct lab_control *control = userdata;
	struct caller *caller = NULL;

	if (control->caller_count < LAB_CONTROL_MAX_CALLERS)
		caller = calloc(1, sizeof(*caller));
	if (!caller) {
		(void)close(fd);
		return;
	}
	caller->control = control;
	caller->fd = fd;
	caller->next = control->callers;
	control->callers = caller;
	control->caller_count++;
	if (nec_loop_add_fd(control->loop, fd, EPOLLIN, on_caller, caller, &caller->source, NULL) <
	    0)
		drop_caller(caller);
}

int lab_control_new(struct nec_loop *loop, const char *path, struct lab_hypervisor *hypervisor,
		    struct lab_control **ret, nec_error *err)
{
	struct lab_control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return nec_error_no_memory(err);
	*control = (struct lab_control){ .loop = loop, .hypervisor = hypervisor, .fd = -1 };
	control->path = strdup(path);
	r = control->path ? nec_listen_unix(path, 0600, err) : nec_error_no_memory(err);
	if (r >= 0) {
		control->fd = r;
		r = nec_listener_new(loop, r, on_connection, control, &control->listener, err);
	}
	if (r < 0) {
		lab_control_free(control);
		return r;
	}
	*ret = control;
	return 0;
}

void lab_control_free(struct lab_control *control)
{
	if (!control)
		return;
	while (control->callers)
		drop_caller(control->callers);
	nec_listener_free(control->listener);
	if (control->fd >= 0) {
		(void)unlink(control->path);
		(void)close(control->fd);
	}
	free(control->path);
	free(control);
}
