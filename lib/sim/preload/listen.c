/* SPDX-License-Identifier: Apache-2.0 */
/* A port of the parent that a program listens at: the file parent_<port> of the simulation. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload.h"
#include "sim/vsock-name.h"

/* Ports from here on are given to programs that want any. */
static const uint32_t first_free_port = 1024;

/* How long another program's removing is waited for. */
enum { LOCK_RETRIES = 100, LOCK_RETRY_MSEC = 10 };

/* What is taken away when the program ends by itself; one that is killed leaves a dead file, which
 * the next listener replaces. */
enum { PUBLISHED = 32 };
static struct published {
	pid_t process;
	int fd;
	ino_t socket;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
} published[PUBLISHED];

static uint32_t random_number(void)
{
	uint32_t number = 0;

	(void)!getrandom(&number, sizeof(number), 0);
	return number;
}

__attribute__((format(printf, 2, 3))) static bool path_of(struct sockaddr_un *to,
							  const char *format, ...)
{
	va_list args;
	int size;

	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	va_start(args, format);
	size = vsnprintf(to->sun_path, sizeof(to->sun_path), format, args);
	va_end(args);
	return size > 0 && (size_t)size < sizeof(to->sun_path);
}

/*
 * 0 when there is somebody, else ECONNREFUSED, ENOENT, ... A socket of another type cannot connect:
 * the kernel says so only if somebody is there, who does not notice it.
 */
static int probe(const struct sockaddr_un *address)
{
	int fd = PRELOAD_NEXT(socket)(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0 ||
	    PRELOAD_NEXT(connect)(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		error = errno;
	if (fd >= 0)
		(void)close(fd);
	return error == EPROTOTYPE ? 0 : error;
}

static bool is_taken(uint32_t port)
{
	struct sockaddr_un address;

	return path_of(&address, "%s/parent_%" PRIu32, preload_dir(), port) && probe(&address) == 0;
}

int preload_bind(int fd, const struct sockaddr_vm *address)
{
	struct fresh fresh = { .cid = address->svm_cid, .port = address->svm_port };

	if (fresh.cid != VMADDR_CID_ANY && fresh.cid != PRELOAD_PARENT_CID &&
	    fresh.cid != VMADDR_CID_LOCAL)
		return preload_fail(EADDRNOTAVAIL);
	if (fresh.port == VMADDR_PORT_ANY)
		do
			fresh.port = first_free_port + random_number() / 2;
		while (is_taken(fresh.port));
	else if (is_taken(fresh.port))
		return preload_fail(EADDRINUSE);
	preload_fresh_add(fd, &fresh);
	return 0;
}

/*
 * Between finding a file dead and removing it somebody else may have replaced it, so whoever
 * removes one has the folder's lock, as in lib/base/unix-socket.c. Returns whether it is gone.
 */
static bool remove_dead(const struct sockaddr_un *address)
{
	int folder = PRELOAD_NEXT(open)(preload_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool gone = false;

	for (int i = 0; folder >= 0 && flock(folder, LOCK_EX | LOCK_NB) < 0; i++) {
		if (i == LOCK_RETRIES || (errno != EWOULDBLOCK && errno != EINTR)) {
			(void)close(folder);
			return false;
		}
		(void)poll(NULL, 0, LOCK_RETRY_MSEC);
	}
	if (folder >= 0 && probe(address) == ECONNREFUSED)
		gone = unlink(address->sun_path) == 0 || errno == ENOENT;
	if (folder >= 0)
		(void)close(folder);
	return gone;
}

/* Gives the socket, which listens already, the name that enclaves find. */
static int link_as(const char *own, const struct sockaddr_un *address)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		if (link(own, address->sun_path) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
		/* Of a program that was killed. */
		if (!remove_dead(address))
			return preload_fail(EADDRINUSE);
	}
	return preload_fail(EADDRINUSE);
}

static void remember(int fd, const struct sockaddr_un *address)
{
	struct stat st;

	for (size_t i = 0; i < PUBLISHED; i++) {
		if (published[i].path[0])
			continue;
		if (fstat(fd, &st) < 0)
			return;
		published[i].process = getpid();
		published[i].fd = fd;
		published[i].socket = st.st_ino;
		memcpy(published[i].path, address->sun_path, sizeof(published[i].path));
		return;
	}
}

int preload_publish(int fd, uint32_t port, int backlog)
{
	struct sockaddr_un own;
	struct sockaddr_un address;
	int r;

	if (!path_of(&own, "%s/.p%" PRIu32 ".%06" PRIx32, preload_dir(), port,
		     random_number() & 0xffffff) ||
	    !path_of(&address, "%s/parent_%" PRIu32, preload_dir(), port))
		return preload_fail(ENAMETOOLONG);
	if (PRELOAD_NEXT(bind)(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
		return -1;
	r = chmod(own.sun_path, 0660);
	if (r == 0)
		r = PRELOAD_NEXT(listen)(fd, backlog);
	if (r == 0)
		r = link_as(own.sun_path, &address);
	if (r == 0)
		remember(fd, &address);
	(void)unlink(own.sun_path);
	return r;
}

bool preload_listener_port(const struct sockaddr_un *address, socklen_t size, uint32_t *ret)
{
	const char *dir = preload_dir();
	size_t length = strlen(dir);
	const char *name;

	if (size <= offsetof(struct sockaddr_un, sun_path) + length + 3 ||
	    address->sun_family != AF_UNIX || strncmp(address->sun_path, dir, length) != 0)
		return false;
	name = address->sun_path + length + 3;
	return strncmp(name - 3, "/.p", 3) == 0 && nec_vsock_name_number(&name, '.', ret);
}

/* A listener that a child of ours still has stays. */
__attribute__((destructor)) static void take_away(void)
{
	for (size_t i = 0; i < PUBLISHED; i++) {
		struct sockaddr_un address;
		struct stat st;

		if (!published[i].path[0] || published[i].process != getpid())
			continue;
		if (fstat(published[i].fd, &st) == 0 && st.st_ino == published[i].socket)
			(void)close(published[i].fd);
		if (path_of(&address, "%s", published[i].path))
			(void)remove_dead(&address);
	}
}
