/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with descriptors, from a peer that sends them as it likes. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd-message.h"
#include "base/unix-socket.h"
#include "leftovers.h"

enum { MAX_FDS = NEC_FD_MESSAGE_MAX_FDS, PAYLOAD = 6 };

static struct nec_fd_message message;
static struct {
	char header[4];
	char payload[PAYLOAD];
} bytes;
static int ours;
static int theirs;
static size_t before;

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	before = open_descriptors();
	message = (struct nec_fd_message){ 0 };
	memset(&bytes, 0, sizeof(bytes));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	ours = pair[0];
	theirs = pair[1];
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	nec_fd_message_next(&message);
	(void)close(ours);
	if (theirs >= 0)
		(void)close(theirs);
	return open_descriptors() == before ? 0 : -1;
}

static void say(const char *text, const int *fds, size_t count)
{
	assert_int_equal(nec_send_fds(theirs, text, strlen(text), fds, count, 0), 0);
}

static ssize_t receive(void)
{
	const struct iovec header = { bytes.header, sizeof(bytes.header) };
	const struct iovec payload = { bytes.payload, sizeof(bytes.payload) };

	return nec_fd_message_receive(&message, ours, header, payload);
}

static void assert_same_file(int fd, int as)
{
	struct stat one;
	struct stat other;

	assert_int_equal(fstat(fd, &one), 0);
	assert_int_equal(fstat(as, &other), 0);
	assert_int_equal(one.st_ino, other.st_ino);
}

static void message__is_read_in_the_pieces_it_comes_in_and_not_beyond(void **state)
{
	(void)state;
	assert_int_equal(receive(), -EAGAIN);
	say("he", NULL, 0);
	assert_int_equal(receive(), 2);
	assert_int_equal(receive(), -EAGAIN);
	say("adpay", NULL, 0);
	assert_int_equal(receive(), 2);
	assert_int_equal(message.received, 4);
	assert_int_equal(receive(), 3);
	say("loadnext", NULL, 0);
	assert_int_equal(receive(), 3);
	assert_int_equal(message.received, sizeof(bytes));
	assert_memory_equal(&bytes, "headpayloa", sizeof(bytes));
	nec_fd_message_next(&message);
	assert_int_equal(receive(), 4);
	assert_memory_equal(bytes.header, "dnex", 4);
	(void)close(theirs);
	theirs = -1;
	assert_int_equal(receive(), 1);
	assert_int_equal(receive(), 0);
}

static void descriptors__come_in_order_with_their_own_message(void **state)
{
	const int first[] = { ours, theirs };
	int fd;

	(void)state;
	say("head", first, 2);
	say("payloa", &theirs, 1);
	say("next", &ours, 1);
	assert_int_equal(receive(), 4);
	assert_int_equal(receive(), PAYLOAD);
	assert_int_equal(message.fd_count, 3);
	fd = nec_fd_message_take_fd(&message);
	assert_same_file(fd, ours);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
	fd = nec_fd_message_take_fd(&message);
	assert_same_file(fd, theirs);
	(void)close(fd);
	/* The third is nobody's. */
	nec_fd_message_next(&message);
	assert_int_equal(nec_fd_message_take_fd(&message), -1);
	assert_int_equal(open_descriptors(), before + 2);
	assert_int_equal(receive(), 4);
	assert_int_equal(message.fd_count, 1);
	assert_same_file(message.fds[0], ours);
}

static void descriptors__as_many_as_a_message_may_have_and_no_more(void **state)
{
	int fds[MAX_FDS + 1];

	(void)state;
	for (size_t i = 0; i < MAX_FDS + 1; i++)
		fds[i] = ours;
	say("head", fds, MAX_FDS);
	assert_int_equal(receive(), 4);
	assert_int_equal(message.fd_count, MAX_FDS);
	/* Also when they come one behind the other. */
	say("p", fds, 1);
	assert_int_equal(receive(), -EMFILE);
	nec_fd_message_next(&message);
	assert_int_equal(open_descriptors(), before + 2);
	say("head", fds, MAX_FDS + 1);
	assert_int_equal(receive(), -EMFILE);
	nec_fd_message_next(&message);
	assert_int_equal(open_descriptors(), before + 2);
}

/* As many as the kernel sends at once: it is told of each. */
static void descriptors__of_a_hostile_peer_leave_nothing_open(void **state)
{
	int fds[NEC_MAX_FDS];

	(void)state;
	for (size_t i = 0; i < NEC_MAX_FDS; i++)
		fds[i] = ours;
	say("head", fds, NEC_MAX_FDS);
	assert_int_equal(receive(), -EMFILE);
	assert_int_equal(message.fd_count, MAX_FDS);
	assert_int_equal(open_descriptors(), before + 2 + MAX_FDS);
}

static void descriptors__that_this_process_has_no_room_for_are_an_error(void **state)
{
	const int fds[] = { ours, ours };
	int lowest = dup(ours);
	struct rlimit limit;
	struct rlimit less;
	ssize_t n;

	(void)state;
	(void)close(lowest);
	say("head", fds, 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	less = limit;
	less.rlim_cur = (rlim_t)lowest + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
	n = receive();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(n, -EMFILE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(message__is_read_in_the_pieces_it_comes_in_and_not_beyond),
		TEST(descriptors__come_in_order_with_their_own_message),
		TEST(descriptors__as_many_as_a_message_may_have_and_no_more),
		TEST(descriptors__of_a_hostile_peer_leave_nothing_open),
		TEST(descriptors__that_this_process_has_no_room_for_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
