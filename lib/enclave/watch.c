/* SPDX-License-Identifier: Apache-2.0 */
/* A process descriptor of whoever listens at a socket. */
#include "enclave/watch.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/unix-socket.h"

struct nec_watch {
	int fd;
	struct nec_source *source;
	void (*ended)(void *userdata);
	void *userdata;
};

/*
 * The kernel says who listens. That the connection still stands when the process is held shows that
 * the number has not gone to another process in between.
 */
static int open_listener_process(const char *path)
{
	cleanup_close int fd = nec_connect_unix_type(path, SOCK_STREAM | SOCK_NONBLOCK);
	struct pollfd connection = { .fd = fd };
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	cleanup_close int process = -1;

	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	process = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (process < 0)
		return -errno;
	if (poll(&connection, 1, 0) > 0 && (connection.revents & (POLLHUP | POLLERR)))
		return -ECONNREFUSED;
	return TAKE_FD(process);
}

static void on_process(void *userdata, uint32_t events)
{
	struct nec_watch *watch = userdata;

	(void)events;
	nec_source_free(TAKE_PTR(watch->source));
	watch->ended(watch->userdata);
}

int nec_watch_new(struct nec_loop *loop, const char *path, void (*ended)(void *userdata),
		  void *userdata, struct nec_watch **ret, nec_error *err)
{
	struct nec_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return nec_error_no_memory(err);
	watch->ended = ended;
	watch->userdata = userdata;
	watch->fd = r = open_listener_process(path);
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
