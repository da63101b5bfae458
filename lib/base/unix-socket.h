/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets by name: paths that fit, listeners that replace what a dead process left,
 * connections. */
#ifndef NEC_BASE_UNIX_SOCKET_H
#define NEC_BASE_UNIX_SOCKET_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "nec.h"

/* The most descriptors that one message can bring: SCM_MAX_FD of the kernel's <net/scm.h>. */
enum { NEC_MAX_FDS = 253 };

struct nec_path {
	char text[PATH_MAX];
};

/* Formats a path; -ENAMETOOLONG when it does not fit a Unix socket's address. */
int nec_path_socket(struct nec_path *ret, nec_error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A non-blocking Unix stream listener at @path with @mode; a dead socket of that name is replaced.
 */
int nec_listen_unix(const char *path, unsigned int mode, nec_error *err);

/*
 * Removes the socket of a process that is gone; one that lives is never touched, not even if it has
 * just come in place of a dead one. Returns 0 when there is none of that name any more, -EADDRINUSE
 * when it lives, -ENOTSOCK, or another negative errno.
 */
int nec_remove_dead_socket(const char *path);

/*
 * The same for those sockets of a folder that have a name for @is_ours, and for what a process left
 * that was killed while it began to listen there. A link to a folder is not followed.
 */
void nec_remove_dead_sockets(const char *folder, bool (*is_ours)(const char *name));

/* Connects a stream. Returns the fd (blocking), or a negative errno. */
int nec_connect_unix(const char *path);

/* The same with a type of its own: SOCK_STREAM or SOCK_SEQPACKET, or'ed with SOCK_NONBLOCK. */
int nec_connect_unix_type(const char *path, int type);

/* The same for a socket that is there already. Returns 0 or a negative errno. */
int nec_connect_unix_fd(int fd, const char *path);

/*
 * Sends @size bytes in one message whose first byte carries a descriptor, which stays the caller's.
 * @flags are sendmsg()'s; a peer that is gone is -EPIPE, never a signal. Returns 0, or a negative
 * errno: -EIO when there was room for a part of the bytes only (a stream may have that).
 */
int nec_send_fd(int socket, const void *data, size_t size, int fd, int flags);

/* The same with @count of them; without any, and for more than NEC_MAX_FDS, which is -EINVAL. */
int nec_send_fds(int socket, const void *data, size_t size, const int *fds, size_t count,
		 int flags);

/*
 * Receives at most @size bytes and the descriptor that came with them, close-on-exec and now the
 * caller's; *ret_fd is -1 when none came or there was no room for it. Of several only the first is
 * taken. @flags are recvmsg()'s. Returns the bytes received, 0 at the end, or a negative errno.
 */
ssize_t nec_recv_fd(int socket, void *data, size_t size, int *ret_fd, int flags);

/* Returns 0 or a negative errno. */
int nec_socket_set_nonblocking(int fd);

#endif
