/* SPDX-License-Identifier: Apache-2.0 */
/* The console of an enclave: what is recorded, who gets it, and what it tells of the end. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/unix-socket.h"
#include "enclave/console.h"

enum { LIMIT = 32768, MAX_READERS = 64 };

struct fixture {
	struct nec_loop *loop;
	struct nec_console *console;
	int enclave; /* where its serial line is written */
	char dir[64];
	char socket[96];
	char recording[96];
};

static void make(struct fixture *f, bool debug)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	f->enclave = ends[0];
	assert_int_equal(nec_console_new(f->loop, ends[1], debug ? f->socket : NULL, f->recording,
					 LIMIT, &f->console, NULL),
			 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->enclave = -1;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nec-console-XXXXXX");
	if (!mkdtemp(f->dir) || nec_loop_new(&f->loop, NULL) < 0)
		return -1;
	(void)snprintf(f->socket, sizeof(f->socket), "%s/socket", f->dir);
	(void)snprintf(f->recording, sizeof(f->recording), "%s/log", f->dir);
	return 0;
}

/* Fails when the socket was left. */
static int tear_down(void **state)
{
	struct fixture *f = *state;
	int r;

	nec_console_free(f->console);
	nec_loop_free(f->loop);
	if (f->enclave >= 0)
		(void)close(f->enclave);
	(void)unlink(f->recording);
	r = rmdir(f->dir);
	free(f);
	return r;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
}

static void print(struct fixture *f, const char *text, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(f->enclave, text + done, size - done);

		if (n > 0)
			done += (size_t)n;
		turn(f);
	}
}

static void say(struct fixture *f, const char *text)
{
	print(f, text, strlen(text));
}

/* What can be read now, at most @size - 1 bytes, as a string. Returns false at the end. */
static bool hear(int fd, char *ret, size_t size)
{
	size_t got = 0;
	ssize_t n = 1;

	while (got < size - 1 && (n = recv(fd, ret + got, size - 1 - got, MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	ret[got] = '\0';
	return n != 0;
}

static void expect_heard(int fd, const char *text)
{
	char heard[256];

	assert_true(hear(fd, heard, sizeof(heard)));
	assert_string_equal(heard, text);
}

static void expect_recorded(const struct fixture *f, const char *text)
{
	char bytes[256];
	cleanup_close int fd = open(f->recording, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);

	assert_true(n >= 0);
	bytes[n] = '\0';
	assert_string_equal(bytes, text);
}

/* ---- recording and readers ---- */

static void reader__gets_all_from_the_first_byte(void **state)
{
	struct fixture *f = *state;
	cleanup_close int early = -1;
	cleanup_close int late = -1;

	make(f, true);
	early = nec_connect_unix(f->socket);
	turn(f);
	say(f, "one\n");
	expect_heard(early, "one\n");
	late = nec_connect_unix(f->socket);
	turn(f);
	expect_heard(late, "one\n");
	say(f, "two\n");
	expect_heard(early, "two\n");
	expect_heard(late, "two\n");
	expect_recorded(f, "one\ntwo\n");
}

static void reader__that_has_closed_its_own_direction_still_listens(void **state)
{
	struct fixture *f = *state;
	cleanup_close int reader = -1;

	make(f, true);
	reader = nec_connect_unix(f->socket);
	turn(f);
	assert_int_equal(shutdown(reader, SHUT_WR), 0);
	turn(f);
	say(f, "text\n");
	expect_heard(reader, "text\n");
}

static void reader__beyond_the_most_is_turned_away(void **state)
{
	struct fixture *f = *state;
	int readers[MAX_READERS];
	cleanup_close int one_more = -1;
	char heard[16];

	make(f, true);
	for (size_t i = 0; i < MAX_READERS; i++) {
		readers[i] = nec_connect_unix(f->socket);
		assert_true(readers[i] >= 0);
		turn(f);
	}
	one_more = nec_connect_unix(f->socket);
	turn(f);
	assert_false(hear(one_more, heard, sizeof(heard)));
	say(f, "text\n");
	for (size_t i = 0; i < MAX_READERS; i++) {
		expect_heard(readers[i], "text\n");
		(void)close(readers[i]);
	}
	turn(f);
	(void)close(one_more);
	one_more = nec_connect_unix(f->socket);
	turn(f);
	expect_heard(one_more, "text\n");
}

/* Lines of 16 bytes, numbered. */
static void say_lines(struct fixture *f, unsigned int first, unsigned int count)
{
	char line[32];

	for (unsigned int i = first; i < first + count; i++) {
		(void)snprintf(line, sizeof(line), "line %010u\n", i);
		say(f, line);
	}
}

static void recording__is_bounded_and_keeps_the_newest(void **state)
{
	struct fixture *f = *state;
	const unsigned int lines = 10 * LIMIT / 16;
	cleanup_free char *bytes = calloc(1, LIMIT + 1);
	struct stat st;
	FILE *file;
	unsigned int first;

	make(f, true);
	say_lines(f, 0, lines);
	assert_int_equal(stat(f->recording, &st), 0);
	assert_true(st.st_size <= LIMIT && st.st_size >= LIMIT / 2);
	file = fopen(f->recording, "re");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, LIMIT, file), st.st_size);
	(void)fclose(file);
	assert_int_equal(sscanf(bytes, "line %u\n", &first), 1);
	for (unsigned int i = first; i < lines; i++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "line %010u\n", i);
		assert_memory_equal(bytes + (size_t)(i - first) * 16, line, 16);
	}
	assert_int_equal((lines - first) * 16, st.st_size);
}

static void reader__that_does_not_read_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	const unsigned int lines = 64 * LIMIT / 16; /* more than any socket's buffer */
	cleanup_close int stuck = -1;
	cleanup_close int reader = -1;
	char heard[64];
	char last[32];

	make(f, true);
	stuck = nec_connect_unix(f->socket);
	reader = nec_connect_unix(f->socket);
	turn(f);
	for (unsigned int i = 0; i < lines; i++) {
		say_lines(f, i, 1);
		(void)snprintf(last, sizeof(last), "line %010u\n", i);
		expect_heard(reader, last);
	}
	/* It goes on with what is left, in whole, and ends with the newest. */
	for (bool more = true; more;) {
		assert_true(hear(stuck, heard, 17));
		more = heard[0] != '\0' && strcmp(heard, last) != 0;
		turn(f);
	}
	assert_string_equal(heard, last);
}

static void recording__outlives_the_console(void **state)
{
	struct fixture *f = *state;
	cleanup_close int reader = -1;
	char heard[16];

	make(f, true);
	say(f, "text\n");
	reader = nec_connect_unix(f->socket);
	turn(f);
	nec_console_free(f->console);
	f->console = NULL;
	assert_false(hear(reader, heard, sizeof(heard))); /* text, then the end */
	assert_string_equal(heard, "text\n");
	assert_int_equal(access(f->socket, F_OK), -1);
	expect_recorded(f, "text\n");
}

static void end_of_the_line__loses_nothing(void **state)
{
	struct fixture *f = *state;

	make(f, true);
	say(f, "text");
	(void)close(f->enclave);
	f->enclave = -1;
	turn(f);
	nec_console_drain(f->console);
	expect_recorded(f, "text");
}

static void end_of_the_line__is_the_end_for_readers_that_have_all(void **state)
{
	struct fixture *f = *state;
	cleanup_close int early = -1;
	cleanup_close int late = -1;
	char heard[64];

	make(f, true);
	early = nec_connect_unix(f->socket);
	say(f, "text");
	(void)close(TAKE_FD(f->enclave));
	turn(f);
	assert_false(hear(early, heard, sizeof(heard)));
	assert_string_equal(heard, "text");
	late = nec_connect_unix(f->socket);
	turn(f);
	assert_false(hear(late, heard, sizeof(heard)));
	assert_string_equal(heard, "text");
}

static void without_debug_mode__nothing_is_kept_but_the_end_is_told(void **state)
{
	struct fixture *f = *state;

	make(f, false);
	say(f, "secret\nKernel panic - not syncing: Attempted to kill init!\n");
	assert_int_equal(access(f->recording, F_OK), -1);
	assert_int_equal(access(f->socket, F_OK), -1);
	assert_int_equal(nec_console_get_end(f->console)->reason, NEC_END_PANIC);
}

static void folder__that_is_missing_is_told_and_nothing_is_left(void **state)
{
	struct fixture *f = *state;
	nec_error err = NEC_ERROR_INIT;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	f->enclave = ends[0];
	assert_true(nec_console_new(f->loop, ends[1], f->socket, "/nonexistent/log", LIMIT,
				    &f->console, &err) < 0);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
	assert_non_null(strstr(err.message, "/nonexistent/log"));
	assert_int_equal(fcntl(ends[1], F_GETFD), -1);
	assert_int_equal(access(f->socket, F_OK), -1);
}

/* A link by the name of a recording is replaced, and what it points to stays as it is. */
static void recording__is_not_written_through_a_link(void **state)
{
	struct fixture *f = *state;
	char target[sizeof(f->recording) + 8];
	struct stat st;

	(void)snprintf(target, sizeof(target), "%s-target", f->recording);
	assert_int_equal(mknod(target, S_IFREG | 0600, 0), 0);
	assert_int_equal(symlink(target, f->recording), 0);
	make(f, true);
	say(f, "text\n");
	assert_int_equal(lstat(f->recording, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_size, 5);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(unlink(target), 0);
}

/* ---- what it tells of the end ---- */

static void end__is_found_in_lines_that_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	const char text[] = "x\0\r\nnec-init: exit status=42\r\n";

	make(f, false);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		print(f, text + i, 1);
	assert_int_equal(nec_console_get_end(f->console)->reason, NEC_END_EXITED);
	assert_int_equal(nec_console_get_end(f->console)->value, 42);
}

static void end__is_found_in_a_last_line_without_an_end(void **state)
{
	struct fixture *f = *state;

	make(f, false);
	say(f, "nec-init: exit signal=11");
	assert_int_equal(nec_console_get_end(f->console)->reason, NEC_END_UNKNOWN);
	nec_console_drain(f->console);
	assert_int_equal(nec_console_get_end(f->console)->reason, NEC_END_CRASHED);
	assert_int_equal(nec_console_get_end(f->console)->value, SIGSEGV);
}

static void end__is_found_behind_a_line_without_measure(void **state)
{
	struct fixture *f = *state;
	char x[4096];

	memset(x, 'x', sizeof(x));
	make(f, false);
	print(f, x, sizeof(x));
	say(f, "\nKernel panic - not syncing: Out of memory: compulsory panic\n");
	assert_int_equal(nec_console_get_end(f->console)->reason, NEC_END_MEMORY);
}

static void judge__knows_the_words_of_kernel_and_init(void **state)
{
	static const struct {
		const char *lines[3];
		enum nec_end_reason reason;
		const char *text;
	} cases[] = {
		{ { "login:" }, NEC_END_UNKNOWN, "" },
		{ { "nec-init: exit status=0" }, NEC_END_EXITED, "status 0" },
		{ { "[    2.5] Kernel panic - not syncing: VFS: no root" },
		  NEC_END_PANIC,
		  "VFS: no root" },
		{ { "Kernel panic - not syncing: System is deadlocked on memory" },
		  NEC_END_MEMORY,
		  "deadlocked" },
		{ { "Out of memory: Killed process 7 (server)", "nec-init: exit signal=9" },
		  NEC_END_MEMORY,
		  "main process" },
		{ { "nec-init: exit signal=9" }, NEC_END_CRASHED, "signal 9" },
		/* It went on after a helper was killed. */
		{ { "Out of memory: Killed process 7 (helper)", "nec-init: exit status=3" },
		  NEC_END_EXITED,
		  "status 3" },
		/* The panic that an init's end brings about is not the cause. */
		{ { "nec-init: exit failure=no-command", "Kernel panic - not syncing: Attempted" },
		  NEC_END_FAILED,
		  "no-command" },
		/* The first panic is. */
		{ { "Kernel panic - not syncing: first", "Kernel panic - not syncing: second" },
		  NEC_END_PANIC,
		  "first" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nec_console_verdict verdict = { .killed_for_memory = false };

		for (size_t j = 0; j < ARRAY_SIZE(cases[i].lines) && cases[i].lines[j]; j++)
			nec_console_judge(cases[i].lines[j], &verdict);
		if (verdict.end.reason != cases[i].reason ||
		    !strstr(verdict.end.text, cases[i].text))
			fail_msg("case %zu: %s, %s", i, nec_end_name(verdict.end.reason),
				 verdict.end.text);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reader__gets_all_from_the_first_byte),
		TEST(reader__that_has_closed_its_own_direction_still_listens),
		TEST(reader__beyond_the_most_is_turned_away),
		TEST(recording__is_bounded_and_keeps_the_newest),
		TEST(reader__that_does_not_read_holds_up_nobody),
		TEST(recording__outlives_the_console),
		TEST(end_of_the_line__loses_nothing),
		TEST(end_of_the_line__is_the_end_for_readers_that_have_all),
		TEST(without_debug_mode__nothing_is_kept_but_the_end_is_told),
		TEST(folder__that_is_missing_is_told_and_nothing_is_left),
		TEST(recording__is_not_written_through_a_link),
		TEST(end__is_found_in_lines_that_come_in_pieces),
		TEST(end__is_found_in_a_last_line_without_an_end),
		TEST(end__is_found_behind_a_line_without_measure),
		TEST(judge__knows_the_words_of_kernel_and_init),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
