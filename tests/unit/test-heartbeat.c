/* SPDX-License-Identifier: Apache-2.0 */
/* Heartbeats: one port, many enclaves that boot at the same time. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "enclave/heartbeat.h"
#include "enclave/paths.h"
#include "fake-device.h"

enum { WAITERS = 5 };

/* One that launches an enclave. */
struct waiter {
	struct nec_heartbeat *heartbeat;
	unsigned int ready;
	unsigned int beats;
	bool free_in_beat;
};

static struct fake_device *fake;
static struct nec_loop *loop;
static struct waiter waiters[WAITERS];
static char dir[128];
static unsigned int fds_before;

static int set_up(void **state)
{
	(void)state;
	fds_before = fake_open_fds();
	fake = fake_device_new(&(struct fake_machine){ 0 });
	(void)snprintf(dir, sizeof(dir), "%s/run", fake_device_root(fake));
	memset(waiters, 0, sizeof(waiters));
	return mkdir(dir, 0755) < 0 || nec_loop_new(&loop, NULL) < 0;
}

static int tear_down(void **state)
{
	struct nec_path path;
	int left;

	(void)state;
	for (size_t i = 0; i < WAITERS; i++)
		nec_heartbeat_free(waiters[i].heartbeat);
	(void)snprintf(path.text, sizeof(path.text), "%s/" NEC_HEARTBEAT_SOCKET, dir);
	left = access(path.text, F_OK) == 0;
	nec_loop_free(loop);
	fake_device_free(fake);
	return left || fake_open_fds() != fds_before;
}

static void on_ready(void *userdata)
{
	((struct waiter *)userdata)->ready++;
}

static void on_beat(void *userdata)
{
	struct waiter *waiter = userdata;

	waiter->beats++;
	if (waiter->free_in_beat)
		nec_heartbeat_free(TAKE_PTR(waiter->heartbeat));
}

static int begin(struct waiter *waiter, nec_error *err)
{
	const struct nec_heartbeat_events events = {
		.userdata = waiter,
		.ready = on_ready,
		.beat = on_beat,
	};

	return nec_heartbeat_new(loop, fake_device_get(fake), dir, &events, &waiter->heartbeat,
				 err);
}

/* Lets the loop do whatever there is to do. */
static void settle(void)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(nec_loop_run_once(loop, 0, NULL), 0);
}

/* The same when something has to happen that takes a timer; at most some seconds. */
static void settle_until(const unsigned int *what)
{
	for (int i = 0; i < 500 && *what == 0; i++)
		assert_int_equal(nec_loop_run_once(loop, 20, NULL), 0);
	assert_true(*what > 0);
}

static int call(uint32_t cid)
{
	int fd = fake_vsock_call(fake, cid, NEC_PORT_HEARTBEAT);

	assert_true(fd >= 0);
	return fd;
}

static int call_and_send(uint32_t cid, const char *bytes)
{
	int fd = call(cid);

	assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
	return fd;
}

/* What the enclave gets: the byte and then the end, and nothing else. */
static void expect_answer(int fd)
{
	uint8_t bytes[2] = { 0 };

	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), 1);
	assert_int_equal(bytes[0], 0xb7);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), 0);
	(void)close(fd);
}

static void expect_no_answer(int fd)
{
	uint8_t byte;

	assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
	(void)close(fd);
}

static bool port_is_free(void)
{
	int fd = fake_vsock_call(fake, 99, NEC_PORT_HEARTBEAT);

	if (fd >= 0)
		(void)close(fd);
	return fd == -ECONNRESET;
}

static void heartbeat__is_answered_and_frees_the_port(void **state)
{
	int fd;

	(void)state;
	assert_true(port_is_free());
	assert_int_equal(begin(&waiters[0], NULL), 0);
	assert_int_equal(waiters[0].ready, 1);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	settle();
	assert_int_equal(waiters[0].beats, 0);
	fd = call_and_send(16, "\xb7");
	settle();
	assert_int_equal(waiters[0].beats, 1);
	expect_answer(fd);
	assert_true(port_is_free());
	assert_int_equal(waiters[0].ready, 1);
}

static void heartbeat__may_come_before_the_cid_is_known(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	fd = call_and_send(16, "\xb7");
	settle();
	assert_int_equal(waiters[0].beats, 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	settle();
	assert_int_equal(waiters[0].beats, 1);
	expect_answer(fd);
}

static void heartbeat__may_take_its_time_after_connecting(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	fd = call(16);
	settle();
	assert_int_equal(waiters[0].beats, 0);
	assert_int_equal(send(fd, "\xb7", 1, MSG_NOSIGNAL), 1);
	settle();
	assert_int_equal(waiters[0].beats, 1);
	expect_answer(fd);
}

static void heartbeat__is_not_disturbed_by_others(void **state)
{
	int foreign;
	int wrong;
	int silent;
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	foreign = call_and_send(17, "\xb7");
	wrong = call_and_send(16, "x");
	silent = call(16);
	(void)close(call(16));
	settle();
	assert_int_equal(waiters[0].beats, 0);
	fd = call_and_send(16, "\xb7");
	settle();
	assert_int_equal(waiters[0].beats, 1);
	expect_answer(fd);
	expect_no_answer(foreign);
	expect_no_answer(wrong);
	expect_no_answer(silent);
}

static void heartbeat__survives_a_flood_of_others(void **state)
{
	int foreign[100];
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		foreign[i] = call(100 + (uint32_t)i);
		assert_int_equal(nec_loop_run_once(loop, 0, NULL), 0);
	}
	/* Their own ends, and not all of ours. */
	assert_in_range(fake_open_fds() - fds_before, 100, 100 + 64 + 10);
	fd = call_and_send(16, "\xb7");
	settle();
	assert_int_equal(waiters[0].beats, 1);
	expect_answer(fd);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		(void)close(foreign[i]);
}

static void heartbeat__may_be_freed_when_it_has_come(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	waiters[0].free_in_beat = true;
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	fd = call_and_send(16, "\xb7");
	settle();
	assert_int_equal(waiters[0].beats, 1);
	assert_null(waiters[0].heartbeat);
	expect_answer(fd);
}

static void begin_all(void)
{
	for (size_t i = 0; i < WAITERS; i++)
		assert_int_equal(begin(&waiters[i], NULL), 0);
	settle();
	for (size_t i = 0; i < WAITERS; i++) {
		assert_int_equal(waiters[i].ready, 1);
		nec_heartbeat_expect(waiters[i].heartbeat, 16 + (uint32_t)i);
	}
	settle();
}

static void launches__at_the_same_time_all_get_their_heartbeat(void **state)
{
	/* The one who has the port comes first, last, or in between. */
	static const unsigned int orders[][WAITERS] = { { 0, 1, 2, 3, 4 },
							{ 4, 3, 2, 1, 0 },
							{ 2, 4, 0, 3, 1 } };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(orders); k++) {
		begin_all();
		for (size_t i = 0; i < WAITERS; i++) {
			struct waiter *waiter = &waiters[orders[k][i]];
			int fd = call_and_send(16 + orders[k][i], "\xb7");

			assert_int_equal(waiter->beats, 0);
			settle();
			assert_int_equal(waiter->beats, 1);
			expect_answer(fd);
		}
		assert_true(port_is_free());
		for (size_t i = 0; i < WAITERS; i++) {
			assert_int_equal(waiters[i].ready, 1);
			assert_int_equal(waiters[i].beats, 1);
			nec_heartbeat_free(waiters[i].heartbeat);
			waiters[i] = (struct waiter){ 0 };
		}
	}
}

static void launches__beat_all_at_once(void **state)
{
	int fds[WAITERS];

	(void)state;
	begin_all();
	for (uint32_t i = 0; i < WAITERS; i++)
		fds[i] = call_and_send(16 + i, "\xb7");
	settle();
	for (size_t i = 0; i < WAITERS; i++) {
		assert_int_equal(waiters[i].beats, 1);
		expect_answer(fds[i]);
	}
}

static void launches__go_on_when_the_one_with_the_port_ends(void **state)
{
	int fd;

	(void)state;
	begin_all();
	/* Each time the one who has the port is ended before its enclave has booted. */
	for (size_t i = 0; i + 1 < WAITERS; i++) {
		nec_heartbeat_free(TAKE_PTR(waiters[i].heartbeat));
		for (int k = 0; k < 20; k++)
			assert_int_equal(nec_loop_run_once(loop, 10, NULL), 0);
		assert_false(port_is_free());
	}
	fd = call_and_send(16 + WAITERS - 1, "\xb7");
	settle();
	assert_int_equal(waiters[WAITERS - 1].beats, 1);
	assert_int_equal(waiters[WAITERS - 1].ready, 1);
	expect_answer(fd);
}

static void launches__are_known_to_the_next_one_with_the_port(void **state)
{
	(void)state;
	begin_all();
	nec_heartbeat_free(TAKE_PTR(waiters[0].heartbeat));
	for (int k = 0; k < 20; k++)
		assert_int_equal(nec_loop_run_once(loop, 10, NULL), 0);
	for (uint32_t i = 1; i < WAITERS; i++) {
		int fd = call_and_send(16 + i, "\xb7");

		settle();
		assert_int_equal(waiters[i].beats, 1);
		expect_answer(fd);
	}
	assert_true(port_is_free());
}

static void guest__hears_of_its_enclave_that_was_early(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	assert_int_equal(begin(&waiters[1], NULL), 0);
	settle();
	fd = call_and_send(17, "\xb7");
	settle();
	nec_heartbeat_expect(waiters[1].heartbeat, 17);
	settle();
	assert_int_equal(waiters[1].beats, 1);
	expect_answer(fd);
	/* The port stays the other's. */
	assert_false(port_is_free());
	assert_int_equal(waiters[0].beats, 0);
}

/* As while its enclave is started: its loop does not run. */
static void guest__loses_nothing_when_the_one_with_the_port_ends_meanwhile(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	assert_int_equal(begin(&waiters[1], NULL), 0);
	settle();
	assert_int_equal(waiters[1].ready, 1);
	nec_heartbeat_free(TAKE_PTR(waiters[0].heartbeat));
	fd = call_and_send(17, "\xb7");
	nec_heartbeat_expect(waiters[1].heartbeat, 17);
	settle();
	assert_int_equal(waiters[1].beats, 1);
	expect_answer(fd);
	assert_true(port_is_free());
}

static void guests__share_the_port_that_they_have_from_one_who_ended(void **state)
{
	int fds[WAITERS];

	(void)state;
	for (size_t i = 0; i < WAITERS; i++)
		assert_int_equal(begin(&waiters[i], NULL), 0);
	settle();
	nec_heartbeat_free(TAKE_PTR(waiters[0].heartbeat));
	for (uint32_t i = 1; i < WAITERS; i++) {
		assert_int_equal(waiters[i].ready, 1);
		fds[i] = call_and_send(16 + i, "\xb7");
		nec_heartbeat_expect(waiters[i].heartbeat, 16 + i);
	}
	for (size_t i = 1; i < WAITERS; i++) {
		settle_until(&waiters[i].beats);
		assert_int_equal(waiters[i].beats, 1);
	}
	settle();
	for (size_t i = 1; i < WAITERS; i++)
		expect_answer(fds[i]);
	assert_true(port_is_free());
}

static void guest__keeps_a_connection_that_the_one_who_ended_had_accepted(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	assert_int_equal(begin(&waiters[1], NULL), 0);
	settle();
	fd = call_and_send(17, "\xb7");
	settle();
	nec_heartbeat_free(TAKE_PTR(waiters[0].heartbeat));
	settle();
	nec_heartbeat_expect(waiters[1].heartbeat, 17);
	settle();
	assert_int_equal(waiters[1].beats, 1);
	expect_answer(fd);
	assert_true(port_is_free());
}

/* It is not asked again and again by one for whom it has no place. */
static void guest__that_is_turned_away_waits_a_little(void **state)
{
	struct nec_path path;
	int other = fake_vsock_serve(fake, NEC_CID_PARENT, NEC_PORT_HEARTBEAT);
	unsigned int asked;
	int host;

	(void)state;
	(void)snprintf(path.text, sizeof(path.text), "%s/" NEC_HEARTBEAT_SOCKET, dir);
	host = nec_listen_unix(path.text, 0600, NULL);
	assert_true(host >= 0);
	assert_int_equal(begin(&waiters[0], NULL), 0);
	(void)close(accept(host, NULL, NULL));
	asked = fake_device_calls(fake, FAKE_VSOCK_LISTEN);
	assert_int_equal(nec_loop_run_once(loop, 0, NULL), 0);
	assert_int_equal(fake_device_calls(fake, FAKE_VSOCK_LISTEN), asked);
	assert_int_equal(waiters[0].ready, 0);
	(void)unlink(path.text);
	(void)close(host);
	(void)close(other);
	settle_until(&waiters[0].ready);
}

static int visit(void)
{
	struct nec_path path;
	int fd;

	(void)snprintf(path.text, sizeof(path.text), "%s/" NEC_HEARTBEAT_SOCKET, dir);
	fd = nec_connect_unix(path.text);
	assert_true(fd >= 0);
	return fd;
}

static void guest__that_misbehaves_disturbs_nobody(void **state)
{
	static const uint32_t cids[] = { 0, 16, 17 };
	int visitors[ARRAY_SIZE(cids)];
	uint8_t listening[8];
	int talker;
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	assert_int_equal(begin(&waiters[1], NULL), 0);
	settle();
	nec_heartbeat_expect(waiters[1].heartbeat, 17);
	settle();
	/* No CID, the host's, another guest's. */
	for (size_t i = 0; i < ARRAY_SIZE(cids); i++) {
		visitors[i] = visit();
		assert_int_equal(send(visitors[i], &cids[i], 4, MSG_NOSIGNAL), 4);
	}
	(void)close(visit());
	talker = visit();
	assert_int_equal(send(talker, "\x12\x34\x00\x00too much", 12, MSG_NOSIGNAL), 12);
	settle();
	for (size_t i = 0; i < ARRAY_SIZE(cids); i++) {
		assert_int_equal(recv(visitors[i], listening, sizeof(listening), MSG_DONTWAIT), 4);
		assert_int_equal(recv(visitors[i], listening, sizeof(listening), MSG_DONTWAIT), 0);
		(void)close(visitors[i]);
	}
	(void)close(talker);
	fd = call_and_send(17, "\xb7");
	settle();
	assert_int_equal(waiters[1].beats, 1);
	expect_answer(fd);
	fd = call_and_send(16, "\xb7");
	settle();
	assert_int_equal(waiters[0].beats, 1);
	expect_answer(fd);
	assert_true(port_is_free());
}

static void guests__beyond_all_measure_are_turned_away(void **state)
{
	int visitors[80];
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	for (size_t i = 0; i < ARRAY_SIZE(visitors); i++) {
		visitors[i] = visit();
		assert_int_equal(nec_loop_run_once(loop, 0, NULL), 0);
	}
	assert_in_range(fake_open_fds() - fds_before, 80, 80 + 64 + 10);
	fd = call_and_send(16, "\xb7");
	settle();
	assert_int_equal(waiters[0].beats, 1);
	expect_answer(fd);
	for (size_t i = 0; i < ARRAY_SIZE(visitors); i++)
		(void)close(visitors[i]);
	settle();
	assert_true(port_is_free());
}

static void port__of_another_program_is_waited_for(void **state)
{
	int other = fake_vsock_serve(fake, NEC_CID_PARENT, NEC_PORT_HEARTBEAT);

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(nec_loop_run_once(loop, 10, NULL), 0);
	assert_int_equal(waiters[0].ready, 0);
	(void)close(other);
	settle_until(&waiters[0].ready);
}

static void port__is_left_alone_for_a_while_when_descriptors_run_out(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(begin(&waiters[0], NULL), 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	fake_device_refuse(fake, FAKE_VSOCK_ACCEPT, 1, EMFILE);
	fd = call_and_send(16, "\xb7");
	assert_int_equal(nec_loop_run_once(loop, 0, NULL), 0);
	assert_int_equal(fake_device_calls(fake, FAKE_VSOCK_ACCEPT), 1);
	/* Readable all the time, and yet there is nothing to do but wait for the pause's end. */
	settle_until(&waiters[0].beats);
	assert_int_equal(fake_device_calls(fake, FAKE_VSOCK_ACCEPT), 2);
	expect_answer(fd);
}

static void port__that_cannot_be_had_is_an_error(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	fake_device_refuse(fake, FAKE_VSOCK_LISTEN, 1, EAFNOSUPPORT);
	assert_int_equal(begin(&waiters[0], &err), -EAFNOSUPPORT);
	assert_int_equal(err.code, NEC_E_VSOCK);
	assert_string_equal(err.message,
			    "cannot listen for heartbeats at vsock CID 3, port 9000: Address "
			    "family not supported by protocol");
	assert_null(waiters[0].heartbeat);
}

static void directory__that_cannot_be_used_only_ends_the_sharing(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(begin(&waiters[0], NULL), 0);
	assert_int_equal(waiters[0].ready, 1);
	assert_int_equal(begin(&waiters[1], NULL), 0);
	settle();
	assert_int_equal(waiters[1].ready, 0);
	nec_heartbeat_expect(waiters[0].heartbeat, 16);
	fd = call_and_send(16, "\xb7");
	settle();
	expect_answer(fd);
	/* One after the other, then. */
	settle_until(&waiters[1].ready);
}

static void socket__that_a_dead_process_left_is_replaced(void **state)
{
	struct nec_path path;

	(void)state;
	(void)snprintf(path.text, sizeof(path.text), "%s/" NEC_HEARTBEAT_SOCKET, dir);
	(void)close(nec_listen_unix(path.text, 0600, NULL));
	assert_int_equal(begin(&waiters[0], NULL), 0);
	assert_int_equal(begin(&waiters[1], NULL), 0);
	settle();
	assert_int_equal(waiters[1].ready, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(heartbeat__is_answered_and_frees_the_port),
		TEST(heartbeat__may_come_before_the_cid_is_known),
		TEST(heartbeat__may_take_its_time_after_connecting),
		TEST(heartbeat__is_not_disturbed_by_others),
		TEST(heartbeat__survives_a_flood_of_others),
		TEST(heartbeat__may_be_freed_when_it_has_come),
		TEST(launches__at_the_same_time_all_get_their_heartbeat),
		TEST(launches__beat_all_at_once),
		TEST(launches__go_on_when_the_one_with_the_port_ends),
		TEST(launches__are_known_to_the_next_one_with_the_port),
		TEST(guest__hears_of_its_enclave_that_was_early),
		TEST(guest__loses_nothing_when_the_one_with_the_port_ends_meanwhile),
		TEST(guests__share_the_port_that_they_have_from_one_who_ended),
		TEST(guest__keeps_a_connection_that_the_one_who_ended_had_accepted),
		TEST(guest__that_is_turned_away_waits_a_little),
		TEST(guest__that_misbehaves_disturbs_nobody),
		TEST(guests__beyond_all_measure_are_turned_away),
		TEST(port__of_another_program_is_waited_for),
		TEST(port__is_left_alone_for_a_while_when_descriptors_run_out),
		TEST(port__that_cannot_be_had_is_an_error),
		TEST(directory__that_cannot_be_used_only_ends_the_sharing),
		TEST(socket__that_a_dead_process_left_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
