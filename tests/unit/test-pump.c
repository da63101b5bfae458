/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pump.h"
#include "base/unix-socket.h"

/* Two programs, the pump between them. */
struct fixture {
	struct nec_loop *loop;
	struct nec_pump *pump;
	struct nec_pump_buffer buffer;
	int left;
	int right; /* -1: an echo */
	bool ended;
	int result;
};

static void on_ended(void *userdata, int result)
{
	struct fixture *f = userdata;

	assert_false(f->ended);
	f->ended = true;
	f->result = result;
}

static void start(struct fixture *f, bool echo)
{
	int left[2];
	int right[2] = { -1, -1 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, left), 0);
	if (!echo)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, right), 0);
	f->left = left[0];
	f->right = right[0];
	assert_int_equal(
		nec_pump_new(f->loop, left[1], right[1], &f->buffer, on_ended, f, &f->pump, NULL),
		0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->left = f->right = -1;
	return nec_loop_new(&f->loop, NULL);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	nec_pump_free(f->pump);
	nec_loop_free(f->loop);
	if (f->left >= 0)
		(void)close(f->left);
	if (f->right >= 0)
		(void)close(f->right);
	free(f);
	return 0;
}

static void run_until_idle(struct fixture *f)
{
	for (int i = 0; i < 100; i++)
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
}

static size_t fill(int fd, size_t size)
{
	static const char bytes[65536];
	size_t sent = 0;

	while (sent < size) {
		size_t left = size - sent;
		ssize_t n = send(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), 0);

		if (n < 0)
			break;
		sent += (size_t)n;
	}
	return sent;
}

static size_t empty(int fd)
{
	static char bytes[65536];
	size_t received = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		received += (size_t)n;
	return received;
}

static void pump__takes_no_more_than_the_other_end_does(void **state)
{
	struct fixture *f = *state;
	size_t sent = 0;
	size_t received = 0;
	size_t last;

	start(f, false);
	do {
		last = fill(f->left, SIZE_MAX);
		sent += last;
		run_until_idle(f);
	} while (last > 0);
	/* The kernel's buffers of two sockets and one of ours. */
	assert_in_range(sent, 1, 2 << 20);
	do {
		last = empty(f->right);
		received += last;
		run_until_idle(f);
	} while (last > 0);
	assert_int_equal(received, sent);
}

static void pump__passes_the_end_of_one_direction_on_and_the_other_goes_on(void **state)
{
	struct fixture *f = *state;
	char byte;

	start(f, false);
	assert_int_equal(fill(f->left, 10), 10);
	assert_int_equal(shutdown(f->left, SHUT_WR), 0);
	run_until_idle(f);
	assert_int_equal(empty(f->right), 10);
	assert_int_equal(recv(f->right, &byte, 1, 0), 0);
	assert_int_equal(fill(f->right, 20), 20);
	run_until_idle(f);
	assert_int_equal(empty(f->left), 20);
	assert_false(f->ended);
	assert_int_equal(shutdown(f->right, SHUT_WR), 0);
	run_until_idle(f);
	assert_true(f->ended);
	assert_int_equal(f->result, 0);
}

static void pump__delivers_what_a_peer_sent_that_has_gone(void **state)
{
	struct fixture *f = *state;
	size_t sent = 0;
	size_t received = 0;
	size_t last;

	start(f, false);
	do {
		last = fill(f->left, SIZE_MAX);
		sent += last;
		run_until_idle(f);
	} while (last > 0);
	(void)close(TAKE_FD(f->left));
	for (int i = 0; i < 1000 && !f->ended; i++) {
		received += empty(f->right);
		run_until_idle(f);
	}
	assert_int_equal(received + empty(f->right), sent);
	assert_true(f->ended);
	assert_int_equal(f->result, 0);
}

/* It must neither spin nor wait for the other end, who has nothing to say. */
static void pump__ends_when_an_end_has_gone_that_the_other_only_listens_to(void **state)
{
	struct fixture *f = *state;

	start(f, false);
	(void)close(TAKE_FD(f->right));
	run_until_idle(f);
	assert_true(f->ended);
	assert_int_equal(f->result, 0);
}

static void pump__breaks_when_an_end_did_not_read_everything(void **state)
{
	struct fixture *f = *state;

	start(f, false);
	assert_int_equal(fill(f->left, 10), 10);
	run_until_idle(f);
	(void)close(TAKE_FD(f->right));
	run_until_idle(f);
	assert_true(f->ended);
	assert_int_equal(f->result, -ECONNRESET);
}

static void pump__with_one_end_is_an_echo(void **state)
{
	struct fixture *f = *state;
	char byte;

	start(f, true);
	assert_int_equal(fill(f->left, 100), 100);
	run_until_idle(f);
	assert_int_equal(empty(f->left), 100);
	assert_int_equal(shutdown(f->left, SHUT_WR), 0);
	run_until_idle(f);
	assert_int_equal(recv(f->left, &byte, 1, 0), 0);
	assert_true(f->ended);
	assert_int_equal(f->result, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(pump__takes_no_more_than_the_other_end_does),
		TEST(pump__passes_the_end_of_one_direction_on_and_the_other_goes_on),
		TEST(pump__delivers_what_a_peer_sent_that_has_gone),
		TEST(pump__ends_when_an_end_has_gone_that_the_other_only_listens_to),
		TEST(pump__breaks_when_an_end_did_not_read_everything),
		TEST(pump__with_one_end_is_an_echo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
