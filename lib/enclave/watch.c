/* SPDX-License-Identifier: Apache-2.0 */
/* A process descriptor of whoever listens at a socket. */
#include "enclave/watch.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "enclave/client.h"

struct nec_watch {
	int fd;
	struct nec_source *source;
	void (*ended)(void *userdata);
	void *userdata;
};

enum { ANSWER_MSEC = 3000 };

/*
 * Whether the process is still there. A control socket gets a command: nitro-cli's processes take a
 * connection without one for an error, and an error there can cost the enclave.
 */
static int check_alive(int fd, bool control)
{
	struct pollfd connection = { .fd = fd };
	struct nec_answer answer = { 0 };
	int r;

	if (!control)
		return poll(&connection, 1, 0) > 0 && (connection.revents & (POLLHUP | POLLERR))
			       ? -ECONNREFUSED
			       : 0;
	r = nec_client_call_on(fd, NEC_COMMAND_GET_ENCLAVE_CID, NULL, ANSWER_MSEC, &answer, NULL);
	nec_answer_free(&answer);
	return r;
}

/*
 * The kernel says who listens. That it is alive when the descriptor is open shows that the number
 * has not gone to another process in between.
 */
static int open_listener_process(const char *path, bool control)
{
	cleanup_close int fd = nec_connect_unix_type(path, SOCK_STREAM | SOCK_NONBLOCK);
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	cleanup_close int process = -1;
	int r;

	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	process = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (process < 0)
		return -errno;
	r = check_alive(fd, control);
	return r < 0 ? r : TAKE_FD(process);
}

static void on_process(void *userdata, uint32_t events)
{
	struct nec_watch *watch = userdata;

	(void)events;
	nec_source_free(TAKE_PTR(watch->source));
	watch->ended(watch->userdata);
}

int nec_watch_new(struct nec_loop *loop, const char *path, bool control,
		  void (*ended)(void *userdata), void *userdata, struct nec_watch **ret,
		  nec_error *err)
{
	struct nec_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return nec_error_no_memory(err);
	watch->ended = ended;
	watch->userdata = userdata;
	watch->fd = r = open_listener_process(path, control);
	if (r < 0)
		(void)nec_error_set_system(err, NEC_E_ENCLAVE_CONNECTION, r,
					   "cannot watch the process behind %s", path);
	else
		r = nec_loop_add_fd(loop, watch->fd, EPOLLIN, on_process, watch, &watch->source,
				    err);
	if (r < 0) {
		nec_watch_free(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

void nec_watch_free(struct nec_watch *watch)
{
	if (!watch)
		return;
	nec_source_free(watch->source);
	if (watch->fd >= 0)
		(void)close(watch->fd);
	free(watch);
}
