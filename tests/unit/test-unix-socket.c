/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets by name, and accepting from them: what is left of dead processes, and full tables.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/listener.h"
#include "base/unix-socket.h"
#include "leftovers.h"

static char dir[64];
static char path[96];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/nec-socket-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/1.sock", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir); /* fails when something else was left in it */
}

/* The socket of a process that is gone. */
static void leave_dead_socket(void)
{
	int fd = nec_listen_unix(path, 0600, NULL);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void assert_alive(void)
{
	int fd = nec_connect_unix(path);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void remove_dead__takes_the_dead_and_nothing_else(void **state)
{
	cleanup_close int listener = -1;
	struct stat st;

	(void)state;
	assert_int_equal(nec_remove_dead_socket(path), 0);
	leave_dead_socket();
	assert_int_equal(nec_remove_dead_socket(path), 0);
	assert_int_equal(lstat(path, &st), -1);

	listener = nec_listen_unix(path, 0600, NULL);
	assert_true(listener >= 0);
	assert_int_equal(nec_remove_dead_socket(path), -EADDRINUSE);
	assert_alive();
	(void)unlink(path);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(nec_remove_dead_socket(path), -ENOTSOCK);
	assert_int_equal(lstat(path, &st), 0);
}

static bool is_of_ours(const char *name)
{
	return strcmp(name, "1.sock") == 0;
}

static bool exists(const char *name)
{
	char at[128];
	struct stat st;

	(void)snprintf(at, sizeof(at), "%s/%s", dir, name);
	return lstat(at, &st) == 0;
}

static void rename_to(const char *name)
{
	char at[128];

	(void)snprintf(at, sizeof(at), "%s/%s", dir, name);
	assert_int_equal(rename(path, at), 0);
}

static void remove_name(const char *name)
{
	char at[128];

	(void)snprintf(at, sizeof(at), "%s/%s", dir, name);
	assert_int_equal(unlink(at), 0);
}

/* A process killed while it began to listen leaves the name that a socket has before its own. */
static void remove_dead__of_a_folder_takes_what_is_ours_and_dead(void **state)
{
	(void)state;
	leave_dead_socket();
	rename_to("other.sock");
	leave_dead_socket();
	rename_to(".0123abcd");
	leave_dead_socket();
	rename_to(".0123abcd.sock");
	leave_dead_socket();
	nec_remove_dead_sockets(dir, is_of_ours);
	assert_false(exists("1.sock"));
	assert_false(exists(".0123abcd"));
	assert_true(exists("other.sock"));
	assert_true(exists(".0123abcd.sock"));
	remove_name("other.sock");
	remove_name(".0123abcd.sock");
}

/* While it has its first name, too, which it has before it listens. */
static void remove_dead__of_a_folder_leaves_the_living(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int bound = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_close int listener = nec_listen_unix(path, 0600, NULL);

	(void)state;
	assert_true(listener >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.0123abcd", dir);
	assert_int_equal(bind(bound, (struct sockaddr *)&address, sizeof(address)), 0);
	nec_remove_dead_sockets(dir, is_of_ours);
	assert_alive();
	assert_true(exists(".0123abcd"));
	remove_name(".0123abcd");
}

static void remove_dead__of_a_folder_follows_no_link(void **state)
{
	char link_path[96];

	(void)state;
	leave_dead_socket();
	(void)snprintf(link_path, sizeof(link_path), "%s-link", dir);
	assert_int_equal(symlink(dir, link_path), 0);
	nec_remove_dead_sockets(link_path, is_of_ours);
	assert_int_equal(unlink(link_path), 0);
	assert_true(exists("1.sock"));
}

static void listen__replaces_a_dead_socket_and_no_living_one(void **state)
{
	cleanup_close int listener = -1;

	(void)state;
	leave_dead_socket();
	listener = nec_listen_unix(path, 0640, NULL);
	assert_true(listener >= 0);
	assert_alive();
	assert_int_equal(nec_listen_unix(path, 0640, NULL), -EADDRINUSE);
	assert_alive();
}

static pid_t start_cleaner(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid == 0)
		for (;;) {
			(void)nec_remove_dead_socket(path);
			nec_remove_dead_sockets(dir, is_of_ours);
		}
	return pid;
}

/* A process that starts over a dead socket, while others clean: its own must stay. */
static void cleaners__never_take_the_socket_of_one_that_starts(void **state)
{
	enum { ROUNDS = 1000, CLEANERS = 2 };
	pid_t cleaners[CLEANERS];
	unsigned int lost = 0;

	(void)state;
	for (size_t i = 0; i < CLEANERS; i++)
		cleaners[i] = start_cleaner();
	for (int round = 0; round < ROUNDS; round++) {
		cleanup_close int dead = nec_listen_unix(path, 0600, NULL);
		cleanup_close int listener = -1;
		int client;

		(void)close(TAKE_FD(dead));
		listener = nec_listen_unix(path, 0600, NULL);
		/* Cleaners that looked may have filled its queue: -EAGAIN is a life sign, too. */
		client = listener < 0 ? listener
				      : nec_connect_unix_type(path, SOCK_STREAM | SOCK_NONBLOCK);
		lost += client < 0 && client != -EAGAIN;
		if (client >= 0)
			(void)close(client);
		(void)unlink(path);
	}
	for (size_t i = 0; i < CLEANERS; i++) {
		(void)kill(cleaners[i], SIGKILL);
		(void)waitpid(cleaners[i], NULL, 0);
	}
	assert_int_equal(lost, 0);
}

/* ---- accepting ---- */

struct accepting {
	struct nec_loop *loop;
	unsigned int count;
};

static void on_connection(void *userdata, int fd)
{
	struct accepting *accepting = userdata;

	(void)close(fd);
	accepting->count++;
	nec_loop_stop(accepting->loop, 0);
}

static void on_timer(void *userdata, uint32_t events)
{
	struct accepting *accepting = userdata;

	(void)events;
	nec_loop_stop(accepting->loop, 0);
}

static uint64_t cpu_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void set_descriptor_limit(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = count;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void listener__waits_while_descriptors_have_run_out(void **state)
{
	struct accepting accepting = { 0 };
	struct nec_listener *listener = NULL;
	struct nec_source *timer = NULL;
	struct rlimit before;
	uint64_t since;
	int fd;
	int client;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(nec_loop_new(&accepting.loop, NULL), 0);
	fd = nec_listen_unix(path, 0600, NULL);
	assert_int_equal(
		nec_listener_new(accepting.loop, fd, on_connection, &accepting, &listener, NULL),
		0);
	assert_int_equal(
		nec_loop_add_timer(accepting.loop, 500000, on_timer, &accepting, &timer, NULL), 0);
	client = nec_connect_unix(path);
	assert_true(client >= 0);
	set_descriptor_limit((rlim_t)client + 1);
	since = cpu_usec();
	assert_int_equal(nec_loop_run(accepting.loop, NULL), 0);
	assert_int_equal(accepting.count, 0);
	/* It slept: a loop that spins burns half a second here. */
	assert_true(cpu_usec() - since < 100000);
	set_descriptor_limit(before.rlim_cur);
	assert_int_equal(nec_loop_run(accepting.loop, NULL), 0);
	assert_int_equal(accepting.count, 1);
	nec_listener_free(listener);
	nec_source_free(timer);
	nec_loop_free(accepting.loop);
	(void)close(client);
	(void)close(fd);
}

static void descriptor__arrives_with_its_bytes_and_close_on_exec(void **state)
{
	const uint32_t sent = 4711;
	uint32_t received = 0;
	struct stat before;
	struct stat after;
	int pair[2];
	int fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(fstat(pair[0], &before), 0);
	assert_int_equal(nec_send_fd(pair[0], &sent, sizeof(sent), pair[0], 0), 0);
	assert_int_equal(nec_recv_fd(pair[1], &received, sizeof(received), &fd, 0),
			 sizeof(received));
	assert_int_equal(received, sent);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(fd, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	(void)close(fd);
	/* Bytes alone, and the end. */
	assert_int_equal(send(pair[0], &sent, 1, 0), 1);
	assert_int_equal(nec_recv_fd(pair[1], &received, sizeof(received), &fd, 0), 1);
	assert_int_equal(fd, -1);
	assert_int_equal(nec_recv_fd(pair[1], &received, 1, &fd, MSG_DONTWAIT), -EAGAIN);
	(void)close(pair[0]);
	assert_int_equal(nec_recv_fd(pair[1], &received, sizeof(received), &fd, 0), 0);
	assert_int_equal(fd, -1);
	(void)close(pair[1]);
}

static void descriptor__to_one_that_is_gone_is_an_error_and_no_signal(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	(void)close(pair[1]);
	assert_int_equal(nec_send_fd(pair[0], "", 1, pair[0], 0), -EPIPE);
	(void)close(pair[0]);
}

/* A peer that sends more than was agreed on leaves nothing open with us. */
static void descriptor__of_several_only_the_first_is_taken(void **state)
{
	size_t before;
	int pair[2];
	char byte;
	int fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(nec_send_fds(pair[0], "", 1, (int[3]){ pair[0], pair[0], pair[0] }, 3, 0),
			 0);
	before = open_descriptors();
	assert_int_equal(nec_recv_fd(pair[1], &byte, 1, &fd, 0), 1);
	assert_true(fd >= 0);
	assert_int_equal(open_descriptors(), before + 1);
	(void)close(fd);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void descriptors__are_sent_as_many_as_the_kernel_takes_or_none(void **state)
{
	int fds[NEC_MAX_FDS + 1];
	int pair[2];
	char bytes[2];
	int fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (size_t i = 0; i < NEC_MAX_FDS + 1; i++)
		fds[i] = pair[0];
	assert_int_equal(nec_send_fds(pair[0], "abcd", 4, fds, NEC_MAX_FDS + 1, 0), -EINVAL);
	assert_int_equal(nec_send_fds(pair[0], "ab", 2, NULL, 0, 0), 0);
	assert_int_equal(nec_send_fds(pair[0], "cd", 2, fds, NEC_MAX_FDS, 0), 0);
	assert_int_equal(nec_recv_fd(pair[1], bytes, sizeof(bytes), &fd, 0), 2);
	assert_int_equal(fd, -1);
	assert_int_equal(nec_recv_fd(pair[1], bytes, sizeof(bytes), &fd, 0), 2);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(remove_dead__takes_the_dead_and_nothing_else),
		TEST(remove_dead__of_a_folder_takes_what_is_ours_and_dead),
		TEST(remove_dead__of_a_folder_leaves_the_living),
		TEST(remove_dead__of_a_folder_follows_no_link),
		TEST(listen__replaces_a_dead_socket_and_no_living_one),
		TEST(cleaners__never_take_the_socket_of_one_that_starts),
		TEST(listener__waits_while_descriptors_have_run_out),
		TEST(descriptor__arrives_with_its_bytes_and_close_on_exec),
		TEST(descriptor__to_one_that_is_gone_is_an_error_and_no_signal),
		TEST(descriptor__of_several_only_the_first_is_taken),
		TEST(descriptors__are_sent_as_many_as_the_kernel_takes_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
