/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake's vsock: Unix stream sockets with abstract names, so that an address is free again as
 * soon as its socket is closed. A caller's name carries its CID.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
/* older kernel headers want sockaddr before this one */
#include <linux/vm_sockets.h>
#include <sys/un.h>

#include "fake-state.h"

static socklen_t make_name(const struct fake_device *fake, struct sockaddr_un *name,
			   const char *kind, uint32_t cid, uint32_t port)
{
	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int length = snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1, "%s/%s/%u/%u",
			      fake->state->root, kind, cid, port);

	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

/* A listener at (@cid, @port): 0 fd or negative errno. */
static int serve(const struct fake_device *fake, uint32_t cid, uint32_t port, int flags)
{
	struct sockaddr_un name;
	socklen_t size = make_name(fake, &name, "at", cid, port);
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&name, size) < 0)
		return -errno;
	if (listen(fd, 128) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* A connection from @from to (@cid, @port). */
static int call(struct fake_device *fake, uint32_t from, uint32_t cid, uint32_t port)
{
	struct fake_state *state = fake_enter(fake);
	unsigned int number = ++state->peers;
	struct sockaddr_un name;
	socklen_t size = make_name(fake, &name, "from", from, number);
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fake_leave(state);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&name, size) < 0)
		return -errno;
	size = make_name(fake, &name, "at", cid, port);
	if (connect(fd, (const struct sockaddr *)&name, size) < 0)
		return errno == ECONNREFUSED ? -ECONNRESET : -errno; /* as vsock says it */
	return TAKE_FD(fd);
}

static int count(struct fake_device *fake, enum fake_call kind)
{
	struct fake_state *state = fake_enter(fake);
	int r = fake_count(state, kind);

	fake_leave(state);
	return r;
}

int fake_vsock_listen(const struct nec_device *device, uint32_t cid, uint32_t port)
{
	int r = count(fake_of(device), FAKE_VSOCK_LISTEN);

	if (r < 0)
		return r;
	if (cid == VMADDR_CID_ANY)
		cid = NEC_CID_PARENT;
	if (cid != NEC_CID_PARENT)
		return -EADDRNOTAVAIL;
	return serve(fake_of(device), cid, port, SOCK_NONBLOCK);
}

int fake_vsock_accept(const struct nec_device *device, int listener_fd, uint32_t *ret_cid)
{
	const struct fake_device *fake = fake_of(device);
	struct sockaddr_un name = { 0 };
	socklen_t size = sizeof(name);
	char form[128];
	int r = count(fake_of(device), FAKE_VSOCK_ACCEPT);
	cleanup_close int fd = -1;

	if (r < 0)
		return r;
	fd = accept4(listener_fd, (struct sockaddr *)&name, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return -errno;
	(void)snprintf(form, sizeof(form), "%s/from/", fake->state->root);
	if (strncmp(name.sun_path + 1, form, strlen(form)) != 0)
		fake_die("a connection from nobody");
	*ret_cid = (uint32_t)strtoul(name.sun_path + 1 + strlen(form), NULL, 10);
	return TAKE_FD(fd);
}

int fake_vsock_connect(const struct nec_device *device, uint32_t cid, uint32_t port,
		       uint64_t timeout_usec)
{
	int r = count(fake_of(device), FAKE_VSOCK_CONNECT);

	(void)timeout_usec;
	return r < 0 ? r : call(fake_of(device), NEC_CID_PARENT, cid, port);
}

int fake_vsock_call(struct fake_device *fake, uint32_t cid, uint32_t port)
{
	return call(fake, cid, NEC_CID_PARENT, port);
}

int fake_vsock_call_guest(struct fake_device *fake, uint32_t cid, uint32_t port)
{
	return call(fake, NEC_CID_PARENT, cid, port);
}

int fake_vsock_serve(struct fake_device *fake, uint32_t cid, uint32_t port)
{
	int fd = serve(fake, cid, port, 0);

	if (fd < 0)
		fake_die("cannot listen at CID %u, port %u", cid, port);
	return fd;
}
