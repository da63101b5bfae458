/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of the control protocol, against a process as nitro-cli's is (its frames, byte
 * for byte as the contract has them) and against such that misbehave.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/unix-socket.h"
#include "enclave/client.h"

enum { SHORT_MSEC = 300, LONG_MSEC = 20000 };

/* With the NUL that C adds taken off. */
#define BYTES(text) .bytes = (text), .size = sizeof(text) - 1

/* What a server does with each connection: send this, then close or stay silent. */
struct server {
	const char *bytes;
	size_t size;
	bool stays;      /* ... open, until the client goes */
	bool trickles;   /* ... one byte in 50 ms */
	bool never_ends; /* sends the same over and over */
	size_t reads;    /* that many bytes first; what came is in `received` */

	char received[256];
	size_t received_size;
	int fd;
	pthread_t thread;
};

static char dir[64];
static char path[96];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/nec-client-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/1f.sock", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static void wait_for_client_to_go(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static void send_slowly(int fd, const struct server *server)
{
	const struct timespec pause = { .tv_nsec = 50000000 };

	for (size_t i = 0; i < server->size; i++) {
		if (send(fd, server->bytes + i, 1, MSG_NOSIGNAL) != 1)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

static void serve(struct server *server, int fd)
{
	while (server->received_size < server->reads) {
		ssize_t n = recv(fd, server->received + server->received_size,
				 server->reads - server->received_size, 0);

		if (n <= 0)
			return;
		server->received_size += (size_t)n;
	}
	if (server->trickles)
		send_slowly(fd, server);
	else if (server->size)
		do
			if (send(fd, server->bytes, server->size, MSG_NOSIGNAL) < 0)
				return;
		while (server->never_ends);
	if (server->stays)
		wait_for_client_to_go(fd);
}

static void *run_server(void *userdata)
{
	struct server *server = userdata;
	int fd;

	/* shutdown() of the listener ends it. */
	while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve(server, fd);
		(void)close(fd);
	}
	return NULL;
}

static void start_server(struct server *server)
{
	server->fd = nec_listen_unix(path, 0600, NULL);
	assert_true(server->fd >= 0);
	/* Blocking, for accept. */
	assert_int_equal(fcntl(server->fd, F_SETFL, 0), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, run_server, server), 0);
}

static void stop_server(struct server *server)
{
	(void)shutdown(server->fd, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->fd);
	(void)unlink(path);
}

static int call(enum nec_command command, int msec, struct nec_answer *ret)
{
	const struct nec_command_arguments arguments = { .name = (char *)"one" };

	return nec_client_call(path, command, &arguments, msec, ret, NULL);
}

/* ---- as nitro-cli's process answers ---- */

#define CONFIRM "\xc0\xee\0\0\0\0\0\0"
#define OK      "\x09\0\0\0\0\0\0\0\xa1\x66Status\0"
#define NAME    "\x16\0\0\0\0\0\0\0\xa1\x6dStdOutMessage\x66\"one\"\n"

static void name__is_asked_and_answered_as_recorded(void **state)
{
	static const char sent[] = "\x0f\0\0\0\0\0\0\0\x6eGetEnclaveName"
				   "\x0f\0\0\0\0\0\0\0\x6eGetEnclaveName";
	struct server server = { BYTES(CONFIRM NAME OK), .reads = sizeof(sent) - 1 };
	struct nec_answer answer;

	(void)state;
	start_server(&server);
	assert_int_equal(call(NEC_COMMAND_GET_ENCLAVE_NAME, LONG_MSEC, &answer), 0);
	stop_server(&server);
	assert_int_equal(server.received_size, sizeof(sent) - 1);
	assert_memory_equal(server.received, sent, sizeof(sent) - 1);
	assert_string_equal(nec_buffer_text(&answer.text), "\"one\"\n");
	assert_true(answer.has_status && answer.status == 0);
	nec_answer_free(&answer);
}

static void cid__is_one_raw_number(void **state)
{
	static const char sent[] = "\x0e\0\0\0\0\0\0\0\x6dGetEnclaveCID"
				   "\x0e\0\0\0\0\0\0\0\x6dGetEnclaveCID";
	struct server server = { BYTES("\x14\0\0\0\0\0\0\0"), .reads = sizeof(sent) - 1 };
	struct nec_answer answer;

	(void)state;
	start_server(&server);
	assert_int_equal(call(NEC_COMMAND_GET_ENCLAVE_CID, LONG_MSEC, &answer), 0);
	stop_server(&server);
	assert_memory_equal(server.received, sent, sizeof(sent) - 1);
	assert_int_equal(answer.number, 20);
}

static void terminate__collects_both_streams_and_the_last_status(void **state)
{
	static const char sent[] = "\x0a\0\0\0\0\0\0\0\x69Terminate"
				   "\x0a\0\0\0\0\0\0\0\x69Terminate";
	struct server server = {
		BYTES("\x14\0\0\0\0\0\0\0\xa1\x6dStdErrMessage\x64"
		      "end\n" NAME "\x09\0\0\0\0\0\0\0\xa1\x66Status\x16" OK),
		.reads = sizeof(sent) - 1,
	};
	struct nec_answer answer;

	(void)state;
	start_server(&server);
	assert_int_equal(call(NEC_COMMAND_TERMINATE, LONG_MSEC, &answer), 0);
	stop_server(&server);
	assert_memory_equal(server.received, sent, sizeof(sent) - 1);
	assert_string_equal(nec_buffer_text(&answer.messages), "end\n");
	assert_string_equal(nec_buffer_text(&answer.text), "\"one\"\n");
	assert_int_equal(answer.status, 0);
	nec_answer_free(&answer);
}

/* ---- as one that misbehaves ---- */

static const struct server broken[] = {
	{ BYTES("") },                                         /* closes at once */
	{ BYTES("\xc0\xee\0\0") },                             /* half a number */
	{ BYTES(CONFIRM "\x09\0\0\0\0\0\0\0\xa1\x66Sta") },    /* half a frame */
	{ BYTES(CONFIRM "\xff\xff\xff\xff\xff\xff\xff\xff") }, /* a giant one */
	{ BYTES(CONFIRM "\x02\0\0\0\0\0\0\0\xff\xff") },       /* no CBOR */
	{ BYTES(CONFIRM "\x01\0\0\0\0\0\0\0\xa0") },           /* an empty reply */
	{ BYTES(CONFIRM "\x00\0\0\0\0\0\0\0") },               /* an empty frame */
	{ BYTES(CONFIRM "\x08\0\0\0\0\0\0\0\xa1\x65Statu\0") },
};

static void call__fails_for_every_broken_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct server server = broken[i];
		struct nec_answer answer = { 0 };

		start_server(&server);
		if (call(NEC_COMMAND_DESCRIBE, LONG_MSEC, &answer) == 0)
			fail_msg("answer %zu was taken", i);
		stop_server(&server);
	}
}

/* Time is up for silence, for a trickle, and for one that talks on and on. */
static void call__ends_in_time_whatever_the_process_does(void **state)
{
	static const struct server slow[] = {
		{ .stays = true },
		{ BYTES(CONFIRM), .stays = true },
		{ BYTES(CONFIRM NAME OK), .stays = true },
		{ BYTES(CONFIRM NAME OK), .trickles = true },
		{ BYTES(CONFIRM OK OK OK OK), .never_ends = true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		struct server server = slow[i];
		struct nec_answer answer = { 0 };
		uint64_t since = nec_loop_now();

		start_server(&server);
		assert_true(call(NEC_COMMAND_DESCRIBE, SHORT_MSEC, &answer) < 0);
		/* Far less than anybody's patience, on a loaded machine, too. */
		assert_true(nec_loop_now() - since < 10000000);
		stop_server(&server);
	}
}

static void call__to_a_process_that_is_gone_is_refused(void **state)
{
	struct nec_answer answer = { 0 };

	(void)state;
	(void)close(nec_listen_unix(path, 0600, NULL));
	assert_int_equal(call(NEC_COMMAND_DESCRIBE, LONG_MSEC, &answer), -ECONNREFUSED);
}

/* ---- all of a folder ---- */

static void describe_all__counts_what_gives_no_usable_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct server server = broken[i];
		cleanup_json cJSON *array = nec_json_array();
		unsigned int failed = 0;

		start_server(&server);
		assert_int_equal(nec_client_describe_all(dir, false, array, &failed, NULL), 0);
		stop_server(&server);
		assert_int_equal(failed, 1);
		assert_null(array->child);
	}
}

static void describe_all__wants_a_value_and_a_good_status(void **state)
{
	static const struct server answers[] = {
		{ BYTES(CONFIRM OK) },   /* no value */
		{ BYTES(CONFIRM NAME) }, /* no status */
		{ BYTES(CONFIRM NAME "\x09\0\0\0\0\0\0\0\xa1\x66Status\x16") },
		{ BYTES(CONFIRM NAME NAME OK) }, /* two values */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct server server = answers[i];
		cleanup_json cJSON *array = nec_json_array();
		unsigned int failed = 0;

		start_server(&server);
		assert_int_equal(nec_client_describe_all(dir, false, array, &failed, NULL), 0);
		stop_server(&server);
		assert_int_equal(failed, 1);
		assert_null(array->child);
	}
}

/* Sockets that are dead and named by a slot; nothing else in the folder is ours. */
static void describe_all__removes_the_dead_that_are_enclaves(void **state)
{
	static const char *const names[] = { "1f.sock", "name.sock", "1F.sock",
					     "0123456789abcdef0.sock", ".sock" };
	cleanup_json cJSON *array = nec_json_array();
	unsigned int failed = 0;
	char other[128];
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(other, sizeof(other), "%s/%s", dir, names[i]);
		(void)close(nec_listen_unix(other, 0600, NULL));
	}
	assert_int_equal(nec_client_describe_all(dir, false, array, &failed, NULL), 0);
	assert_int_equal(failed, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(other, sizeof(other), "%s/%s", dir, names[i]);
		assert_int_equal(lstat(other, &st), i == 0 ? -1 : 0);
		(void)unlink(other);
	}
}

static void find__takes_no_id_that_is_a_path(void **state)
{
	static const char *const ids[] = { "",
					   "i-1",
					   "i-1-enc",
					   "i-1-enc../../x",
					   "i-1-encXY",
					   "i-1-enc1f/",
					   "i-1-enc0123456789abcdef0" };
	char *found = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(nec_client_find(dir, ids[i], NULL, &found, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_ENCLAVE_ID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(name__is_asked_and_answered_as_recorded),
		TEST(cid__is_one_raw_number),
		TEST(terminate__collects_both_streams_and_the_last_status),
		TEST(call__fails_for_every_broken_answer),
		TEST(call__ends_in_time_whatever_the_process_does),
		TEST(call__to_a_process_that_is_gone_is_refused),
		TEST(describe_all__counts_what_gives_no_usable_answer),
		TEST(describe_all__wants_a_value_and_a_good_status),
		TEST(describe_all__removes_the_dead_that_are_enclaves),
		TEST(find__takes_no_id_that_is_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
