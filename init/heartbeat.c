/* SPDX-License-Identifier: Apache-2.0 */
#include "heartbeat.h"

#include "log.h"
#include "syscall.h"
#include "text.h"

/* How long a device may take to appear, and the step of looking again. */
#define DEVICE_TIMEOUT_SEC 5
#define RETRY_STEP_NSEC    10000000

/*
 * How long the parent may take. The kernel's own 2 s for a connect are too few for a parent that
 * is just freeing memory for the next enclave; nobody at all answers with a reset at once.
 */
#define PARENT_TIMEOUT_SEC 30

bool init_vsock_address_parse(const char *text, struct init_vsock_address *address)
{
	struct init_vsock_address parsed = *address;

	if (!init_number(&text, &parsed.port))
		return false;
	if (*text == ':') {
		parsed.cid = parsed.port;
		text++;
		if (!init_number(&text, &parsed.port))
			return false;
	}
	if (*text != '\0')
		return false;
	*address = parsed;
	return true;
}

static int wait_readable(int fd, uint32_t timeout_sec)
{
	const struct timespec timeout = { .tv_sec = timeout_sec };
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int r = sys_poll(&pollfd, 1, &timeout);

	if (r == 0)
		return -ETIMEDOUT;
	return r < 0 ? r : 0;
}

int init_heartbeat_exchange(int fd, uint32_t timeout_sec)
{
	unsigned char byte = INIT_HEARTBEAT_BYTE;
	long r = sys_send(fd, &byte, 1);

	if (r >= 0)
		r = wait_readable(fd, timeout_sec);
	if (r >= 0)
		r = sys_read(fd, &byte, 1);
	/* Somebody did accept: not to be taken for a connection that was refused. */
	if (r == 0 || r == -ECONNRESET)
		return -EPIPE;
	if (r < 0)
		return (int)r;
	return byte == INIT_HEARTBEAT_BYTE ? 0 : -EPROTO;
}

/* Errors of a kernel whose vsock driver or device is not there (yet); they differ by version. */
static bool device_missing(int error)
{
	switch (error) {
	case -EAFNOSUPPORT:
	case -ESOCKTNOSUPPORT:
	case -ENODEV:
	case -ENXIO:
	case -EADDRNOTAVAIL:
	case -ENETUNREACH:
		return true;
	default:
		return false;
	}
}

/* Returns the connected socket. */
static int connect_once(const struct init_vsock_address *address)
{
	const struct timeval timeout = { .tv_sec = PARENT_TIMEOUT_SEC };
	const struct sockaddr_vm name = {
		.svm_family = AF_VSOCK,
		.svm_port = address->port,
		.svm_cid = address->cid,
	};
	int fd = sys_socket(AF_VSOCK, SOCK_STREAM);
	int r;

	if (fd < 0)
		return fd;
	(void)sys_setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout,
			     sizeof(timeout));
	r = sys_connect(fd, &name, sizeof(name));
	if (r == 0)
		return fd;
	(void)sys_close(fd);
	return r;
}

static int connect_when_there(const struct init_vsock_address *address)
{
	const struct timespec step = { .tv_nsec = RETRY_STEP_NSEC };
	struct timespec start = { 0 };
	struct timespec now = { 0 };
	int r;

	(void)sys_clock_monotonic(&start);
	for (;;) {
		r = connect_once(address);
		if (!device_missing(r))
			return r;
		(void)sys_clock_monotonic(&now);
		if (now.tv_sec - start.tv_sec > DEVICE_TIMEOUT_SEC)
			return r;
		(void)sys_nanosleep(&step);
	}
}

static const char *reason(int error)
{
	switch (error) {
	case -ECONNREFUSED:
	case -ECONNRESET:
		return "nobody listens there";
	case -EPIPE:
		return "the connection was closed without an answer";
	case -EPROTO:
		return "the answer is not 0xb7";
	case -ETIMEDOUT:
		return "no answer";
	default:
		return device_missing(error) ? "no vsock device or no driver for it" : "failed";
	}
}

int init_heartbeat(const struct init_vsock_address *address)
{
	int fd = connect_when_there(address);
	int r = fd;

	if (fd >= 0) {
		r = init_heartbeat_exchange(fd, PARENT_TIMEOUT_SEC);
		(void)sys_close(fd);
	}
	if (r < 0)
		init_say("heartbeat to CID %u port %u: %s: %s", address->cid, address->port,
			 init_errno_name(r), reason(r));
	else
		init_debug("heartbeat to CID %u port %u: answered", address->cid, address->port);
	return r < 0 ? r : 0;
}
