/* SPDX-License-Identifier: Apache-2.0 */
/* The parent instance: heartbeat, Unix sockets, vsock loopback. */
#include "sim/parent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "sim/vsock-name.h"

enum {
	HEARTBEAT_PORT = 9000,
	HEARTBEAT_BYTE = 0xb7,
	MAX_CALLERS = 64, /* connections that have not sent their CONNECT line yet */
	LINE_BYTES = 32,  /* "CONNECT 4294967295\n" */
};

/* How long a caller may take to send its line. */
static const uint64_t line_usec = 10000000;
/* How long no caller is taken after one could not be. */
static const uint64_t pause_usec = 100000;

/* A program that has connected to <cid>.vsock, until its line is complete. */
struct caller {
	struct nec_parent *parent;
	struct caller *next;
	int fd;
	struct nec_source *source;
	struct nec_source *timer;
	char line[LINE_BYTES];
	size_t size;
};

struct nec_parent {
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	char *dir;
	uint64_t cid;
	struct nec_path listener_path;
	int listener;
	struct nec_source *listener_source;
	struct nec_source *listener_pause;
	struct caller *callers;
	size_t caller_count;
	uint32_t named;   /* sockets that were given names so far */
	int heartbeat_fd; /* our end while the guest's is open */
	struct nec_source *heartbeat_source;
	nec_heartbeat_fn heartbeat;
	void *userdata;
	struct nec_parent_fault fault;
	struct nec_source *late; /* the report of a heartbeat that is held back */
};

struct nec_vsock *nec_parent_get_vsock(struct nec_parent *parent)
{
	return parent->vsock;
}

static void end_heartbeat(struct nec_parent *parent)
{
	nec_source_free(TAKE_PTR(parent->heartbeat_source));
	if (parent->heartbeat_fd >= 0)
		(void)close(TAKE_FD(parent->heartbeat_fd));
}

/* Once: from here on the port belongs to the parent's programs, as on the hardware. */
static void report_heartbeat(struct nec_parent *parent)
{
	nec_heartbeat_fn report = parent->heartbeat;

	parent->heartbeat = NULL;
	if (report && !parent->fault.missing)
		report(parent->userdata);
}

static void on_late(void *userdata, uint32_t events)
{
	(void)events;
	report_heartbeat(userdata);
}

static void on_heartbeat(void *userdata, uint32_t events)
{
	struct nec_parent *parent = userdata;
	uint8_t byte = 0;
	ssize_t n = read(parent->heartbeat_fd, &byte, 1);
	bool good;

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (parent->fault.wrong)
		byte = (uint8_t)~byte;
	good = n == 1 && byte == HEARTBEAT_BYTE &&
	       send(parent->heartbeat_fd, &byte, 1, MSG_NOSIGNAL) == 1;
	/* The guest reads the answer from the device; our end is not needed for that. */
	end_heartbeat(parent);
	if (!good)
		return;
	if (parent->late)
		nec_source_set_timer(parent->late, parent->fault.late_usec);
	else
		report_heartbeat(parent);
}

static int open_heartbeat(struct nec_parent *parent)
{
	int pair[2];

	if (parent->heartbeat_fd >= 0)
		return -ECONNREFUSED; /* one at a time, as on the hardware */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (nec_loop_add_fd(parent->loop, pair[0], EPOLLIN, on_heartbeat, parent,
			    &parent->heartbeat_source, NULL) < 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return -ENOMEM;
	}
	parent->heartbeat_fd = pair[0];
	return pair[1];
}

/* By its name a listener sees which enclave comes; one that cannot be named comes all the same. */
static void name_socket(struct nec_parent *parent, int fd, uint32_t port)
{
	const struct nec_vsock_name name = { .cid = (uint32_t)parent->cid,
					     .peer_cid = NEC_VSOCK_PARENT_CID,
					     .peer_port = port };
	struct sockaddr_un address;
	socklen_t size = nec_vsock_name_make(&name, (uint32_t)getpid(), parent->named++, &address);

	(void)!bind(fd, (struct sockaddr *)&address, size);
}

static int open_unix(struct nec_parent *parent, uint32_t port, bool seqpacket)
{
	int type = (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	cleanup_close int fd = socket(AF_UNIX, type, 0);
	struct nec_path path;
	int r;

	if (fd < 0)
		return -errno;
	if (nec_path_socket(&path, NULL, "%s/parent_%" PRIu32, parent->dir, port) < 0)
		return -ENAMETOOLONG;
	name_socket(parent, fd, port);
	r = nec_connect_unix_fd(fd, path.text);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Programs that use AF_VSOCK unchanged listen on any CID; loopback is CID 1. */
static int open_loopback(uint32_t port, bool seqpacket)
{
	const struct sockaddr_vm here = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = port,
	};
	cleanup_close int fd = socket(
		AF_VSOCK, (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0);

	if (fd < 0)
		return -errno;
	/*
	 * Without loopback the kernel of a virtual machine would ask the hypervisor for CID 1, and
	 * the enclave would wait for a time-out instead of being refused. CID 1 can be bound only
	 * where there is loopback.
	 */
	if (bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

static int on_guest_connect(void *userdata, uint64_t cid, uint32_t port, bool seqpacket)
{
	struct nec_parent *parent = userdata;
	int fd;

	(void)cid;
	if (port == HEARTBEAT_PORT && parent->heartbeat && !seqpacket)
		return open_heartbeat(parent);
	fd = open_unix(parent, port, seqpacket);
	return fd >= 0 ? fd : open_loopback(port, seqpacket);
}

/* Callers wait in the listener's backlog while there are too many. */
static void watch_listener(struct nec_parent *parent)
{
	nec_source_set_events(parent->listener_source,
			      parent->caller_count < MAX_CALLERS ? EPOLLIN : 0);
}

static void remove_caller(struct caller *caller)
{
	struct nec_parent *parent = caller->parent;
	struct caller **link = &parent->callers;

	while (*link != caller)
		link = &(*link)->next;
	*link = caller->next;
	parent->caller_count--;
	watch_listener(parent);
	nec_source_free(caller->source);
	nec_source_free(caller->timer);
	if (caller->fd >= 0)
		(void)close(caller->fd);
	free(caller);
}

static void on_connected(void *userdata, int fd, int result)
{
	const char *line = userdata;

	/* The line is lost only on a connection that is broken already. */
	if (result == 0)
		(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
}

/* Hands a caller whose line is complete over to the device. */
static void connect_caller(struct caller *caller)
{
	struct nec_parent *parent = caller->parent;
	unsigned long port;
	char *end;

	if (strncmp(caller->line, "CONNECT ", 8) != 0 || caller->line[8] < '0' ||
	    caller->line[8] > '9') {
		remove_caller(caller);
		return;
	}
	port = strtoul(caller->line + 8, &end, 10);
	if (*end || port >= UINT32_MAX) {
		remove_caller(caller);
		return;
	}
	nec_source_free(TAKE_PTR(caller->source));
	if (nec_vsock_connect(parent->vsock, caller->fd, (uint32_t)port, false, on_connected,
			      (void *)"OK 1073741824\n", NULL) == 0)
		caller->fd = -1; /* the device's now */
	remove_caller(caller);
}

/*
 * Takes no more from the socket than the line: what follows belongs to the enclave. Returns 1 when
 * the line is complete, 0 when more has to come, -1 when it can be no line.
 */
static int take_line(struct caller *caller)
{
	char *to = caller->line + caller->size;
	ssize_t n = recv(caller->fd, to, LINE_BYTES - caller->size, MSG_PEEK);
	const char *end;

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	end = memchr(to, '\n', (size_t)n);
	if (end)
		n = end - to + 1;
	if (n == 0 || recv(caller->fd, to, (size_t)n, 0) != n)
		return -1;
	caller->size += (size_t)n;
	if (!end)
		return caller->size == LINE_BYTES ? -1 : 0;
	caller->line[caller->size - 1] = '\0';
	return 1;
}

static void on_caller(void *userdata, uint32_t events)
{
	struct caller *caller = userdata;
	int r = take_line(caller);

	(void)events;
	if (r > 0)
		connect_caller(caller);
	else if (r < 0)
		remove_caller(caller);
}

static void on_caller_late(void *userdata, uint32_t events)
{
	(void)events;
	remove_caller(userdata);
}

static int add_caller(struct nec_parent *parent, int fd)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	int r;

	if (!caller)
		return -ENOMEM;
	caller->parent = parent;
	caller->fd = fd;
	caller->next = parent->callers;
	parent->callers = caller;
	parent->caller_count++;
	r = nec_loop_add_fd(parent->loop, fd, EPOLLIN, on_caller, caller, &caller->source, NULL);
	if (r == 0)
		r = nec_loop_add_timer(parent->loop, line_usec, on_caller_late, caller,
				       &caller->timer, NULL);
	if (r < 0) {
		caller->fd = -1;
		remove_caller(caller);
	}
	return r;
}

static void on_listener(void *userdata, uint32_t events)
{
	struct nec_parent *parent = userdata;
	int fd = accept4(parent->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r = fd < 0 ? -errno : add_caller(parent, fd);

	(void)events;
	if (fd >= 0 && r < 0)
		(void)close(fd);
	if (r == 0 || r == -EAGAIN || r == -ECONNABORTED || r == -EINTR) {
		watch_listener(parent);
		return;
	}
	/* No descriptor or no memory: the caller stays, so trying at once would be a busy loop. */
	nec_source_set_events(parent->listener_source, 0);
	nec_source_set_timer(parent->listener_pause, pause_usec);
}

static void on_pause_over(void *userdata, uint32_t events)
{
	(void)events;
	watch_listener(userdata);
}

static int listen_for_callers(struct nec_parent *parent, nec_error *err)
{
	int r = nec_path_socket(&parent->listener_path, err, "%s/%" PRIu64 ".vsock", parent->dir,
				parent->cid);

	if (r < 0)
		return r;
	parent->listener = nec_listen_unix(parent->listener_path.text, 0660, err);
	if (parent->listener < 0)
		return parent->listener;
	r = nec_loop_add_timer(parent->loop, UINT64_MAX, on_pause_over, parent,
			       &parent->listener_pause, err);
	if (r < 0)
		return r;
	return nec_loop_add_fd(parent->loop, parent->listener, EPOLLIN, on_listener, parent,
			       &parent->listener_source, err);
}

int nec_parent_new(struct nec_loop *loop, const char *dir, uint64_t cid, nec_heartbeat_fn heartbeat,
		   void *userdata, struct nec_parent **ret, nec_error *err)
{
	struct nec_parent *parent = calloc(1, sizeof(*parent));
	struct nec_vsock_host host = { .userdata = parent, .connect = on_guest_connect };
	int r;

	if (!parent)
		return nec_error_no_memory(err);
	parent->loop = loop;
	parent->cid = cid;
	parent->listener = -1;
	parent->heartbeat_fd = -1;
	parent->heartbeat = heartbeat;
	parent->userdata = userdata;
	parent->dir = strdup(dir);
	r = parent->dir ? listen_for_callers(parent, err) : nec_error_no_memory(err);
	if (r == 0)
		r = nec_vsock_new(loop, cid, &host, &parent->vsock, err);
	if (r < 0) {
		nec_parent_free(parent);
		return r;
	}
	*ret = parent;
	return 0;
}

int nec_parent_set_fault(struct nec_parent *parent, const struct nec_parent_fault *fault,
			 nec_error *err)
{
	parent->fault = *fault;
	if (fault->late_usec == 0)
		return 0;
	return nec_loop_add_timer(parent->loop, UINT64_MAX, on_late, parent, &parent->late, err);
}

void nec_parent_free(struct nec_parent *parent)
{
	if (!parent)
		return;
	nec_source_free(parent->late);
	while (parent->callers)
		remove_caller(parent->callers);
	end_heartbeat(parent);
	nec_vsock_free(parent->vsock);
	nec_source_free(parent->listener_source);
	nec_source_free(parent->listener_pause);
	if (parent->listener >= 0) {
		(void)unlink(parent->listener_path.text);
		(void)close(parent->listener);
	}
	free(parent->dir);
	free(parent);
}
