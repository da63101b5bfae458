/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the C library that a program's AF_VSOCK sockets go through. */
#include "preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "sim/vsock-name.h"

#define EXPORTED __attribute__((visibility("default")))

/* Options of vsock, <linux/vm_sockets.h>: what the kernel says of a new socket. */
static const uint64_t buffer_bytes = 262144;
static const uint64_t buffer_min_bytes = 128;
static const struct timeval connect_timeout = { .tv_sec = 2 };

void *preload_next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* Once: a program may change its environment at any time, in any thread. */
static char sockets[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

__attribute__((constructor)) static void read_dir(void)
{
	const char *wish = getenv("NEC_SIM_SOCKETS");

	if (wish && strlen(wish) < sizeof(sockets))
		memcpy(sockets, wish, strlen(wish) + 1);
}

const char *preload_dir(void)
{
	return sockets;
}

int preload_fail(int error)
{
	errno = error;
	return -1;
}

/* ---- what a socket is ---- */

enum kind { KIND_OTHER, KIND_FRESH, KIND_LISTENER, KIND_CONNECTED };

static struct sockaddr_vm vm_address(uint32_t cid, uint32_t port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static bool is_connected(int fd)
{
	struct sockaddr_un peer;
	socklen_t size = sizeof(peer);

	return PRELOAD_NEXT(getpeername)(fd, (struct sockaddr *)&peer, &size) == 0;
}

/* *self: its own address. *peer: as its name tells, CID 0 when it does not. */
static enum kind kind_of(int fd, struct sockaddr_vm *self, struct sockaddr_vm *peer)
{
	struct sockaddr_un own = { 0 };
	socklen_t size = sizeof(own);
	struct nec_vsock_name name;
	struct fresh fresh;
	uint32_t port;

	*peer = vm_address(0, 0);
	if (PRELOAD_NEXT(getsockname)(fd, (struct sockaddr *)&own, &size) < 0 ||
	    own.sun_family != AF_UNIX)
		return KIND_OTHER;
	if (nec_vsock_name_parse(&own, size, &name)) {
		*self = vm_address(name.cid, name.port);
		*peer = vm_address(name.peer_cid, name.peer_port);
		return KIND_CONNECTED;
	}
	if (preload_listener_port(&own, size, &port)) {
		/* What it accepted has its name. */
		bool connected = is_connected(fd);

		*self = vm_address(connected ? PRELOAD_PARENT_CID : VMADDR_CID_ANY, port);
		return connected ? KIND_CONNECTED : KIND_LISTENER;
	}
	if (size > sizeof(sa_family_t) || !preload_fresh_get(fd, &fresh))
		return KIND_OTHER;
	*self = vm_address(fresh.cid, fresh.port);
	return KIND_FRESH;
}

/* Who came, by the name of the socket; a local program that has none is CID 1. */
static struct sockaddr_vm peer_address(const struct sockaddr_un *address, socklen_t size)
{
	struct nec_vsock_name name;

	if (nec_vsock_name_parse(address, size, &name))
		return vm_address(name.cid, name.port);
	return vm_address(VMADDR_CID_LOCAL, 0);
}

/* As the kernel hands out addresses: cut to the caller's room, with the full size. */
static void hand_out(const void *value, size_t bytes, void *to, socklen_t *size)
{
	if (!to || !size)
		return;
	memcpy(to, value, *size < bytes ? *size : bytes);
	*size = (socklen_t)bytes;
}

/* ---- the functions ---- */

EXPORTED int socket(int domain, int type, int protocol)
{
	const struct fresh unbound = { .cid = VMADDR_CID_ANY, .port = VMADDR_PORT_ANY };
	int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	int fd;

	if (domain != AF_VSOCK)
		return PRELOAD_NEXT(socket)(domain, type, protocol);
	if (protocol != 0 && protocol != AF_VSOCK)
		return preload_fail(EPROTONOSUPPORT);
	if (kind != SOCK_STREAM && kind != SOCK_SEQPACKET)
		return preload_fail(ESOCKTNOSUPPORT);
	fd = PRELOAD_NEXT(socket)(AF_UNIX, type, 0);
	if (fd >= 0)
		preload_fresh_add(fd, &unbound);
	return fd;
}

static const struct sockaddr_vm *as_vsock(const struct sockaddr *address, socklen_t size)
{
	if (!address || size < sizeof(struct sockaddr_vm) || address->sa_family != AF_VSOCK)
		return NULL;
	return (const struct sockaddr_vm *)address;
}

EXPORTED int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_vm *to = as_vsock(address, size);
	struct sockaddr_vm self;
	struct sockaddr_vm peer;

	if (!to)
		return PRELOAD_NEXT(bind)(fd, address, size);
	if (kind_of(fd, &self, &peer) != KIND_FRESH || self.svm_port != VMADDR_PORT_ANY)
		return preload_fail(EINVAL);
	return preload_bind(fd, to);
}

EXPORTED int listen(int fd, int backlog)
{
	struct fresh fresh;

	if (!preload_fresh_get(fd, &fresh) || fresh.port == VMADDR_PORT_ANY)
		return PRELOAD_NEXT(listen)(fd, backlog);
	if (preload_publish(fd, fresh.port, backlog) < 0)
		return -1;
	preload_fresh_remove(fd);
	return 0;
}

EXPORTED int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_vm *to = as_vsock(address, size);

	return to ? preload_connect(fd, to) : PRELOAD_NEXT(connect)(fd, address, size);
}

EXPORTED int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	struct sockaddr_un name = { 0 };
	socklen_t name_size = sizeof(name);
	struct sockaddr_vm self;
	struct sockaddr_vm peer;
	int accepted;

	if (kind_of(fd, &self, &peer) != KIND_LISTENER)
		return PRELOAD_NEXT(accept4)(fd, address, size, flags);
	accepted = PRELOAD_NEXT(accept4)(fd, (struct sockaddr *)&name, &name_size, flags);
	if (accepted < 0)
		return accepted;
	peer = peer_address(&name, name_size);
	hand_out(&peer, sizeof(peer), address, size);
	return accepted;
}

EXPORTED int accept(int fd, struct sockaddr *address, socklen_t *size)
{
	return accept4(fd, address, size, 0);
}

EXPORTED int getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
	struct sockaddr_vm self;
	struct sockaddr_vm peer;

	if (kind_of(fd, &self, &peer) == KIND_OTHER)
		return PRELOAD_NEXT(getsockname)(fd, address, size);
	hand_out(&self, sizeof(self), address, size);
	return 0;
}

EXPORTED int getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
	struct sockaddr_un name = { 0 };
	socklen_t name_size = sizeof(name);
	struct sockaddr_vm self;
	struct sockaddr_vm peer;

	if (kind_of(fd, &self, &peer) == KIND_OTHER)
		return PRELOAD_NEXT(getpeername)(fd, address, size);
	if (PRELOAD_NEXT(getpeername)(fd, (struct sockaddr *)&name, &name_size) < 0)
		return -1;
	if (peer.svm_cid == 0)
		peer = peer_address(&name, name_size);
	hand_out(&peer, sizeof(peer), address, size);
	return 0;
}

static int vsock_option(int name, void *value, socklen_t *size)
{
	switch (name) {
	case SO_VM_SOCKETS_BUFFER_SIZE:
	case SO_VM_SOCKETS_BUFFER_MAX_SIZE:
		hand_out(&buffer_bytes, sizeof(buffer_bytes), value, size);
		return 0;
	case SO_VM_SOCKETS_BUFFER_MIN_SIZE:
		hand_out(&buffer_min_bytes, sizeof(buffer_min_bytes), value, size);
		return 0;
	case SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD:
	case SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW:
		hand_out(&connect_timeout, sizeof(connect_timeout), value, size);
		return 0;
	default:
		return preload_fail(ENOPROTOOPT);
	}
}

EXPORTED int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	const int domain = AF_VSOCK;
	struct sockaddr_vm self;
	struct sockaddr_vm peer;
	bool is_question = level == AF_VSOCK || (level == SOL_SOCKET && name == SO_DOMAIN);

	if (!is_question || kind_of(fd, &self, &peer) == KIND_OTHER)
		return PRELOAD_NEXT(getsockopt)(fd, level, name, value, size);
	if (level == AF_VSOCK)
		return vsock_option(name, value, size);
	hand_out(&domain, sizeof(domain), value, size);
	return 0;
}

/* Sizes of buffers and time-outs are the simulation's business. */
EXPORTED int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	struct sockaddr_vm self;
	struct sockaddr_vm peer;

	if (level == AF_VSOCK && kind_of(fd, &self, &peer) != KIND_OTHER)
		return 0;
	return PRELOAD_NEXT(setsockopt)(fd, level, name, value, size);
}

EXPORTED int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	if (request == IOCTL_VM_SOCKETS_GET_LOCAL_CID && argument) {
		*(unsigned int *)argument = PRELOAD_PARENT_CID;
		return 0;
	}
	return PRELOAD_NEXT(ioctl)(fd, request, argument);
}

/* ---- /dev/vsock, which there may be none: a descriptor to ask for the CID ---- */

static const char *path_to_open(const char *path)
{
	return path && strcmp(path, "/dev/vsock") == 0 ? "/dev/null" : path;
}

/* There is a mode only if a file may be made; else what is read here is not used. */
#define MODE_OF(flags)                                 \
	({                                             \
		mode_t mode_ = 0;                      \
		va_list args_;                         \
		va_start(args_, flags);                \
		if ((flags) & (O_CREAT | O_TMPFILE))   \
			mode_ = va_arg(args_, mode_t); \
		va_end(args_);                         \
		mode_;                                 \
	})

EXPORTED int open(const char *path, int flags, ...)
{
	return PRELOAD_NEXT(open)(path_to_open(path), flags, MODE_OF(flags));
}

EXPORTED int open64(const char *path, int flags, ...)
{
	return PRELOAD_NEXT(open64)(path_to_open(path), flags, MODE_OF(flags));
}

EXPORTED int openat(int dir, const char *path, int flags, ...)
{
	return PRELOAD_NEXT(openat)(dir, path_to_open(path), flags, MODE_OF(flags));
}

EXPORTED int openat64(int dir, const char *path, int flags, ...)
{
	return PRELOAD_NEXT(openat64)(dir, path_to_open(path), flags, MODE_OF(flags));
}

/* What programs call that were compiled with _FORTIFY_SOURCE. */
EXPORTED int __open_2(const char *path, int flags);
EXPORTED int __open_2(const char *path, int flags)
{
	return PRELOAD_NEXT(__open_2)(path_to_open(path), flags);
}

EXPORTED int __open64_2(const char *path, int flags);
EXPORTED int __open64_2(const char *path, int flags)
{
	return PRELOAD_NEXT(__open64_2)(path_to_open(path), flags);
}
