/* SPDX-License-Identifier: Apache-2.0 */
/* How long an enclave lives, and what poll() says of its end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "witness.h"

static void check_dup(void)
{
	int fd = create();
	int copy = dup(fd);

	(void)close(fd);
	ok(slot_exists(), "a slot lives as long as a copy of its descriptor");
	is(image_offset(copy, NE_EIF_IMAGE), 8 * (int64_t)MIB, "which is as good");
	(void)close(copy);
	ok(!slot_exists(), "and ends with it");
}

/* A child that has copies of all descriptors and ends when the pipe does, whose end is returned. */
static int hold_in_child(pid_t *ret_pid)
{
	int ends[2];
	char byte;

	if (pipe(ends) < 0)
		bail_out("no pipe");
	(void)fflush(stdout);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		(void)close(ends[1]);
		(void)!read(ends[0], &byte, 1);
		_exit(0);
	}
	(void)close(ends[0]);
	return ends[1];
}

static void check_fork(void)
{
	int fd = create();
	pid_t pid;
	int hold = hold_in_child(&pid);

	(void)close(fd);
	ok(slot_exists(), "a slot lives as long as a forked child has its descriptor");
	(void)close(hold);
	(void)waitpid(pid, NULL, 0);
	ok(!slot_exists(), "and ends with it");
}

static void send_descriptor(int socket, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	struct iovec part = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(socket, &message, 0) != 1)
		bail_out("a descriptor cannot be sent: %d", errno);
}

static void check_passed(void)
{
	int fd = create();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		bail_out("no sockets");
	send_descriptor(pair[0], fd);
	(void)close(fd);
	(void)close(pair[0]);
	ok(slot_exists(), "a slot lives while its descriptor is on its way");
	(void)close(pair[1]);
	ok(!slot_exists(), "and ends with the last who could have received it");
}

/* A process with a started enclave. */
static pid_t run_in_child(int *ret_ready)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		bail_out("no pipe");
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		bool started = start(prepare(), 0, 0) > 0;

		(void)!write(ends[1], &started, 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	*ret_ready = ends[0];
	return pid;
}

static void check_killed(void)
{
	bool started = false;
	int ready;
	pid_t pid = run_in_child(&ready);

	(void)!read(ready, &started, 1);
	ok(started, "a process starts an enclave");
	ok(slot_exists(), "there is a slot");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(ready);
	ok(!slot_exists(), "and with the process that is killed it is gone");
}

static void check_hangup(void)
{
	struct pollfd ended = { .events = POLLIN };
	int fd = prepare();
	int64_t cid;
	int copy;

	is(polled(fd), 0, "poll() says nothing of an enclave that is not started");
	cid = start(fd, 0, NE_ENCLAVE_DEBUG_MODE);
	ok(cid > 3, "it is started");
	machine.end((uint64_t)cid);
	ended.fd = fd;
	/* Without a time: whoever runs this has one for all of it. */
	is(poll(&ended, 1, -1), 1, "and when it ends");
	is(ended.revents, POLLHUP, "poll() says POLLHUP, and nothing else");
	is(polled(fd), POLLHUP, "again and again, whatever is asked for");
	copy = dup(fd);
	is(polled(copy), POLLHUP, "of each copy");
	(void)close(copy);
	is(start(fd, 0, 0), -NE_ERR_NOT_IN_INIT_STATE, "it is not started again: 270");
	ok(slot_exists(), "its slot stays");
	is(close(fd), 0, "until its descriptor is closed");
	ok(!slot_exists(), "and then it is gone");
}

void check_life(void)
{
	set_pool(cpus.pool);
	check_dup();
	check_fork();
	check_passed();
	check_killed();
	check_hangup();
}
