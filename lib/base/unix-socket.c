/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets by name. */
#include "base/unix-socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"

enum { LISTEN_BACKLOG = 64 };

/* Two seconds: nobody has the lock longer than a connect and an unlink take. */
enum { LOCK_RETRIES = 200, LOCK_RETRY_NSEC = 10000000 };

/* Each time it takes somebody who looks at the very moment in which a socket is made. */
enum { LISTEN_ATTEMPTS = 8 };

/* A name that a socket has before it gets its own: a point and these. */
enum { TEMPORARY_DIGITS = 8 };

int nec_path_socket(struct nec_path *ret, nec_error *err, const char *format, ...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(ret->text, sizeof(ret->text), format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -ENAMETOOLONG,
				     "the path of a socket is too long: %.200s", ret->text);
	return 0;
}

/* A path that is cut would be another socket's. */
static int address_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

int nec_connect_unix(const char *path)
{
	return nec_connect_unix_type(path, SOCK_STREAM);
}

int nec_connect_unix_type(const char *path, int type)
{
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : nec_connect_unix_fd(fd, path);

	return r < 0 ? r : TAKE_FD(fd);
}

int nec_connect_unix_fd(int fd, const char *path)
{
	struct sockaddr_un address;
	int r = address_of(path, &address);

	if (r == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	return r;
}

/*
 * Between finding a socket dead and removing it, its name may have got a new owner: therefore
 * whoever removes one holds a lock on the folder, which needs no file and ends with its process.
 * Everybody who may read the folder can take it, so it is waited for only so long.
 */
static int lock_folder_of(const char *path)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_NSEC };
	const char *slash = strrchr(path, '/');
	struct nec_path folder;
	cleanup_close int fd = -1;

	(void)snprintf(folder.text, sizeof(folder.text), "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	fd = open(*folder.text ? folder.text : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (i == LOCK_RETRIES || (errno != EWOULDBLOCK && errno != EINTR))
			return -errno;
		(void)nanosleep(&pause, NULL);
	}
	return TAKE_FD(fd);
}

/* 1 for one that is dead, 0 when there is none of that name. */
static int find_dead(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	/* Of another type than any listener's: that tells without a connection for it to accept. */
	fd = nec_connect_unix_type(path, SOCK_DGRAM);
	if (fd >= 0)
		(void)close(fd);
	return fd == -ECONNREFUSED ? 1 : -EADDRINUSE;
}

/* For who has the lock. */
static int remove_if_dead(const char *path)
{
	int r = find_dead(path);

	if (r == 1)
		r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	return r;
}

int nec_remove_dead_socket(const char *path)
{
	cleanup_close int lock = lock_folder_of(path);

	return lock < 0 ? lock : remove_if_dead(path);
}

static bool is_temporary(const char *name)
{
	return name[0] == '.' && strlen(name) == 1 + TEMPORARY_DIGITS &&
	       strspn(name + 1, "0123456789abcdef") == TEMPORARY_DIGITS;
}

void nec_remove_dead_sockets(const char *folder, bool (*is_ours)(const char *name))
{
	cleanup_closedir DIR *dir = nec_opendir_no_link(folder);
	cleanup_close int lock = -1;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct nec_path path;

		if ((!is_temporary(entry->d_name) && !is_ours(entry->d_name)) ||
		    nec_path_socket(&path, NULL, "%s/%s", folder, entry->d_name) < 0 ||
		    find_dead(path.text) != 1)
			continue;
		/* Once, and only when it is needed: it may have to be waited for. */
		if (lock < 0)
			lock = lock_folder_of(path.text);
		if (lock < 0)
			return;
		(void)remove_if_dead(path.text);
	}
}

/* A name of its own in the folder of @path, no longer than that of any socket of ours. */
static int temporary_beside(const char *path, struct sockaddr_un *ret)
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash - path) + 1 : 0;
	struct nec_path temporary;
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -errno;
	(void)snprintf(temporary.text, sizeof(temporary.text), "%.*s.%0*x", folder, path,
		       TEMPORARY_DIGITS, number);
	return address_of(temporary.text, ret);
}

/* Gives a listening socket its name, which a dead one may have. */
static int publish(const char *temporary, const char *path)
{
	int r = 0;

	while (r == 0 && link(temporary, path) < 0)
		r = errno == EEXIST ? nec_remove_dead_socket(path) : -errno;
	return r == -ENOTSOCK ? -EADDRINUSE : r;
}

/*
 * The name appears when the socket listens already: whoever found it before would take it for that
 * of a process that is gone, and remove it.
 */
static int listen_at(int fd, const char *path, unsigned int mode)
{
	struct sockaddr_un address;
	int r = address_of(path, &address);

	if (r == 0)
		r = temporary_beside(path, &address);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (chmod(address.sun_path, mode) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		r = -errno;
	else
		r = publish(address.sun_path, path);
	(void)unlink(address.sun_path);
	return r;
}

static int listen_once(const char *path, unsigned int mode)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -errno : listen_at(fd, path, mode);

	return r < 0 ? r : TAKE_FD(fd);
}

int nec_listen_unix(const char *path, unsigned int mode, nec_error *err)
{
	int r = -ENOENT;

	/*
	 * The kernel makes the file a moment before the socket can be found by it: who looks for
	 * dead ones just then takes it away, under its first name, which is no loss.
	 */
	for (int i = 0; i < LISTEN_ATTEMPTS && r == -ENOENT; i++)
		r = listen_once(path, mode);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot listen at %s", path);
	return r;
}

/* Aligned as the kernel wants it. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * NEC_MAX_FDS)];
};

static void put_fds(struct msghdr *message, union control *control, const int *fds, size_t count)
{
	size_t size = sizeof(int) * count;
	struct cmsghdr *c = &control->align;

	memset(control, 0, CMSG_SPACE(size));
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(size);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), fds, size);
}

int nec_send_fds(int socket, const void *data, size_t size, const int *fds, size_t count, int flags)
{
	union control control;
	struct iovec part = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (count > NEC_MAX_FDS)
		return -EINVAL;
	if (count > 0)
		put_fds(&message, &control, fds, count);
	n = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

int nec_send_fd(int socket, const void *data, size_t size, int fd, int flags)
{
	return nec_send_fds(socket, data, size, &fd, 1, flags);
}

/* Keeps the first and closes the others: an emulated kernel lets go of none that had no room. */
static int take_first(struct cmsghdr *c)
{
	size_t size = c->cmsg_len - CMSG_LEN(0);
	int first = -1;

	for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
		if (first < 0)
			first = fd;
		else
			(void)close(fd);
	}
	return first;
}

ssize_t nec_recv_fd(int socket, void *data, size_t size, int *ret_fd, int flags)
{
	union control control;
	struct iovec part = { .iov_base = data, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*ret_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		*ret_fd = take_first(c);
	return n < 0 ? -errno : n;
}

int nec_socket_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}
