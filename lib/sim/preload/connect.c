/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that a program opens: to enclaves by the simulation's sockets, to other programs of
 * the parent directly. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "preload.h"
#include "sim/vsock-name.h"

/* Longer than the kernel's two seconds: a machine that is emulated answers late. */
enum { ANSWER_MSEC = 10000, RETRY_MSEC = 10, NAME_ATTEMPTS = 16 };

static int64_t now_msec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Our end's name tells the other end who we are, and later ourselves whom we are connected to. */
static int name_end(int fd, const struct sockaddr_vm *to)
{
	struct fresh fresh = { .port = VMADDR_PORT_ANY };

	(void)preload_fresh_get(fd, &fresh);
	for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
		struct nec_vsock_name name = { .cid = PRELOAD_PARENT_CID,
					       .port = fresh.port,
					       .peer_cid = to->svm_cid,
					       .peer_port = to->svm_port };
		struct sockaddr_un address;
		uint32_t unique[2] = { 0 };
		socklen_t size;

		(void)!getrandom(unique, sizeof(unique), 0);
		if (name.port == VMADDR_PORT_ANY)
			name.port = 1024 + unique[1] / 2;
		size = nec_vsock_name_make(&name, (uint32_t)getpid(), unique[0], &address);
		if (PRELOAD_NEXT(bind)(fd, (struct sockaddr *)&address, size) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -1;
	}
	return -1;
}

/* A blocking socket waits by itself while too many others do; another one gets EAGAIN. */
static int connect_unix(int fd, const struct sockaddr_un *address, int64_t deadline)
{
	for (;;) {
		if (PRELOAD_NEXT(connect)(fd, (const struct sockaddr *)address, sizeof(*address)) ==
		    0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		if (now_msec() >= deadline)
			return preload_fail(ETIMEDOUT);
		(void)poll(NULL, 0, RETRY_MSEC);
	}
}

static int wait_readable(int fd, int64_t deadline)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int64_t left = deadline - now_msec();

	if (left <= 0)
		return preload_fail(ETIMEDOUT);
	return poll(&ready, 1, (int)left) < 0 && errno != EINTR ? -1 : 0;
}

/* "CONNECT <port>", and a line that says yes. Byte by byte: what follows is the program's. */
static int ask_for_port(int fd, uint32_t port, int64_t deadline)
{
	char line[32];
	size_t size = (size_t)snprintf(line, sizeof(line), "CONNECT %" PRIu32 "\n", port);

	if (send(fd, line, size, MSG_NOSIGNAL) != (ssize_t)size)
		return preload_fail(ECONNRESET);
	size = 0;
	do {
		ssize_t n = recv(fd, line + size, 1, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (wait_readable(fd, deadline) < 0)
				return -1;
			continue;
		}
		if (n <= 0)
			return preload_fail(ECONNRESET);
		size++;
	} while (size == 0 || (line[size - 1] != '\n' && size < sizeof(line)));
	return strncmp(line, "OK ", 3) == 0 ? 0 : preload_fail(ECONNRESET);
}

static bool path_to(const struct sockaddr_vm *to, struct sockaddr_un *ret)
{
	bool is_parent = to->svm_cid == PRELOAD_PARENT_CID || to->svm_cid == VMADDR_CID_LOCAL;
	int size;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	size = is_parent ? snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/parent_%" PRIu32,
				    preload_dir(), to->svm_port)
			 : snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%" PRIu32 ".vsock",
				    preload_dir(), to->svm_cid);
	return size > 0 && (size_t)size < sizeof(ret->sun_path);
}

static int establish(int fd, const struct sockaddr_vm *to)
{
	int64_t deadline = now_msec() + ANSWER_MSEC;
	struct sockaddr_un address;

	if (!path_to(to, &address))
		return preload_fail(ENAMETOOLONG);
	if (name_end(fd, to) < 0)
		return -1;
	if (connect_unix(fd, &address, deadline) < 0) {
		/* As if the hypervisor said that nobody is there. */
		if (errno == ENOENT || errno == ECONNREFUSED)
			errno = ECONNRESET;
		return -1;
	}
	if (to->svm_cid == PRELOAD_PARENT_CID || to->svm_cid == VMADDR_CID_LOCAL)
		return 0;
	return ask_for_port(fd, to->svm_port, deadline);
}

static void copy_option(int from, int to, int name)
{
	struct timeval value;
	socklen_t size = sizeof(value);

	if (PRELOAD_NEXT(getsockopt)(from, SOL_SOCKET, name, &value, &size) == 0)
		(void)PRELOAD_NEXT(setsockopt)(to, SOL_SOCKET, name, &value, size);
}

/* A vsock socket may be tried again after a refusal; a Unix socket that was named may not. */
static void renew(int fd)
{
	const struct fresh unbound = { .cid = VMADDR_CID_ANY, .port = VMADDR_PORT_ANY };
	int type = SOCK_STREAM;
	socklen_t size = sizeof(type);
	int status = fcntl(fd, F_GETFL);
	int descriptor = fcntl(fd, F_GETFD);
	int fresh;

	(void)PRELOAD_NEXT(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &size);
	fresh = PRELOAD_NEXT(socket)(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fresh < 0)
		return;
	copy_option(fd, fresh, SO_RCVTIMEO);
	copy_option(fd, fresh, SO_SNDTIMEO);
	(void)fcntl(fresh, F_SETFL, status);
	(void)dup3(fresh, fd, descriptor & FD_CLOEXEC ? O_CLOEXEC : 0);
	(void)close(fresh);
	preload_fresh_add(fd, &unbound);
}

/*
 * Also of a socket that does not block it waits for the answer, which comes within milliseconds:
 * that connecting succeeds at once is something that every program must reckon with.
 */
int preload_connect(int fd, const struct sockaddr_vm *address)
{
	struct sockaddr_un peer;
	socklen_t size = sizeof(peer);
	int error;

	if (PRELOAD_NEXT(getpeername)(fd, (struct sockaddr *)&peer, &size) == 0)
		return preload_fail(EISCONN);
	if (establish(fd, address) == 0) {
		preload_fresh_remove(fd);
		return 0;
	}
	error = errno;
	renew(fd);
	return preload_fail(error);
}
