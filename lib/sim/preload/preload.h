/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object that `nec sim exec` preloads: a program's AF_VSOCK sockets are Unix sockets of the
 * simulation. It stands between a program that knows nothing of us and the C library, so it has
 * nothing of libnec, keeps errno as the kernel would, and leaves every other socket alone.
 *
 * What a socket is shows by its name: a listener's is that of a file in the simulation's folder, a
 * connected one's an abstract one (sim/vsock-name.h). So it survives dup, fork, exec and being sent
 * to another process. Only sockets that have no name yet are kept in a table (fresh.c).
 */
#ifndef NEC_SIM_PRELOAD_H
#define NEC_SIM_PRELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#define PRELOAD_PARENT_CID 3

/* The C library's function of that name. */
#define PRELOAD_NEXT(name)                                              \
	({                                                              \
		static __typeof__(&name) next_;                         \
		if (!next_)                                             \
			next_ = (__typeof__(&name))preload_next(#name); \
		next_;                                                  \
	})
void *preload_next(const char *name);

/* The folder of the simulation's sockets; "" without `nec sim exec`. */
const char *preload_dir(void);

/* Sets errno; for `return fail(EINVAL)`. */
int preload_fail(int error);

/* ---- fresh.c: sockets without a name ---- */

struct fresh {
	uint32_t cid; /* what it is bound to; VMADDR_CID_ANY, VMADDR_PORT_ANY when to nothing */
	uint32_t port;
};

void preload_fresh_add(int fd, const struct fresh *fresh); /* replaces what was known */
bool preload_fresh_get(int fd, struct fresh *ret);
void preload_fresh_remove(int fd);

/* ---- listen.c ---- */

/* What bind() checks. Returns 0 or -1 with errno. */
int preload_bind(int fd, const struct sockaddr_vm *address);
/* The socket was bound to @port and is to listen. */
int preload_publish(int fd, uint32_t port, int backlog);
/* Whether @address is the name of a listener, and the port it stands for. */
bool preload_listener_port(const struct sockaddr_un *address, socklen_t size, uint32_t *ret);

/* ---- connect.c ---- */

int preload_connect(int fd, const struct sockaddr_vm *address);

#endif
