/* SPDX-License-Identifier: Apache-2.0 */
/* nec-init's parts that do not need to be process 1; tests/boot has the rest. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "data.h"
#include "heartbeat.h"
#include "log.h"
#include "modules.h"
#include "mounts.h"
#include "options.h"
#include "program.h"
#include "run.h"
#include "text.h"

const char init_program_name[] = "test-init";

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/nec-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c) */
}

/* The path lives until the next call. */
static const char *write_file(const char *name, mode_t mode, const void *bytes, size_t size)
{
	static char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(close(fd), 0);
	return path;
}

/* --- words ------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static size_t format(char *to, size_t size, const char *text,
							   ...)
{
	va_list arguments;
	size_t length;

	va_start(arguments, text);
	length = init_format(to, size, text, arguments);
	va_end(arguments);
	return length;
}

static void format__prints_as_libc_does(void **state)
{
	char line[128];
	size_t length;

	(void)state;
	length = format(line, sizeof(line), "%s is %d, %d, %u, 0x%x (100%%)", "this", 0, INT_MIN,
			UINT_MAX, 0xb7u);
	assert_int_equal(length, strlen(line));
	assert_string_equal(line, "this is 0, -2147483648, 4294967295, 0xb7 (100%)");
}

static void format__cuts_what_does_not_fit(void **state)
{
	char line[8];

	(void)state;
	assert_int_equal(format(line, sizeof(line), "%s", "seven!!more"), 7);
	assert_string_equal(line, "seven!!");
	assert_int_equal(format(line, 1, "%d", 5), 0);
	assert_string_equal(line, "");
}

/* What init_say() writes, with stderr turned into a pipe for the time. */
static void said(char *line, size_t size, const char *text)
{
	int saved = dup(2);
	int ends[2];
	ssize_t r;

	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], 2) == 2);
	init_say("%s", text);
	assert_true(dup2(saved, 2) == 2);
	r = read(ends[0], line, size - 1);
	assert_true(r > 0);
	line[r] = '\0';
	close(saved);
	close(ends[0]);
	close(ends[1]);
}

static void message__is_one_line_with_the_programs_name(void **state)
{
	char line[2 * INIT_LINE_MAX];
	char text[2 * INIT_LINE_MAX];

	(void)state;
	said(line, sizeof(line), "hello");
	assert_string_equal(line, "test-init: hello\n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	said(line, sizeof(line), text);
	assert_true(strlen(line) <= INIT_LINE_MAX);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void errno_names__are_libcs(void **state)
{
	(void)state;
	for (int error = 1; error <= 133; error++) {
		const char *name = strerrorname_np(error);

		if (name)
			assert_string_equal(init_errno_name(-error),
					    error == EOPNOTSUPP ? "EOPNOTSUPP" : name);
	}
	assert_string_equal(init_errno_name(EINVAL), "EINVAL");
	assert_string_equal(init_errno_name(-524), "error 524");
	assert_string_equal(init_errno_name(-41), "error 41");
	assert_string_equal(init_errno_name(INT_MIN), "error 2147483648");
}

static void number__has_32_bits_and_begins_with_a_digit(void **state)
{
	const char *text = "4294967295x";
	uint32_t value = 0;

	(void)state;
	assert_true(init_number(&text, &value));
	assert_int_equal(value, UINT32_MAX);
	assert_string_equal(text, "x");
	assert_false(init_number(&text, &value));
	assert_string_equal(text, "x");
	text = "4294967296";
	assert_false(init_number(&text, &value));
	text = "99999999999999999999999999";
	assert_false(init_number(&text, &value));
	text = "";
	assert_false(init_number(&text, &value));
	text = "-1";
	assert_false(init_number(&text, &value));
}

/* --- files and lists --------------------------------------------------------------------- */

static void read_file__reads_large_ones_whole(void **state)
{
	static char bytes[300000];
	struct init_text text;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i % 251);
	assert_int_equal(init_read_file(write_file("large", 0600, bytes, sizeof(bytes)),
					sizeof(bytes), &text),
			 0);
	assert_int_equal(text.size, sizeof(bytes));
	assert_memory_equal(text.data, bytes, sizeof(bytes));
	assert_int_equal(text.data[text.size], '\0');
}

static void read_file__tells_what_it_cannot_read(void **state)
{
	struct init_text text = { 0 };

	(void)state;
	assert_int_equal(init_read_file(write_file("three", 0600, "abc", 3), 2, &text), -EFBIG);
	assert_int_equal(init_read_file("/nonexistent/file", 10, &text), -ENOENT);
	assert_int_equal(init_read_file(folder, 10, &text), -EISDIR);
	assert_null(text.data);
}

static struct init_items split(char *bytes, size_t size, char separator)
{
	struct init_text text = { .data = bytes, .size = size };
	struct init_items items;

	assert_int_equal(init_items_split(&text, separator, &items), 0);
	assert_null(items.vector[items.count]);
	return items;
}

static void items__are_lines_with_or_without_a_last_newline(void **state)
{
	char lines[] = "one\n\ntwo words\n";
	char open_end[] = "one\ntwo";
	struct init_items items = split(lines, strlen(lines), '\n');

	(void)state;
	assert_int_equal(items.count, 3);
	assert_string_equal(items.vector[0], "one");
	assert_string_equal(items.vector[1], "");
	assert_string_equal(items.vector[2], "two words");
	items = split(open_end, strlen(open_end), '\n');
	assert_int_equal(items.count, 2);
	assert_string_equal(items.vector[1], "two");
}

static void items__separated_by_nul_keep_their_newlines(void **state)
{
	char closed[] = "a\nb\0\0c";
	struct init_items items = split(closed, sizeof(closed), '\0');

	(void)state;
	assert_int_equal(items.count, 3);
	assert_string_equal(items.vector[0], "a\nb");
	assert_string_equal(items.vector[1], "");
	assert_string_equal(items.vector[2], "c");
}

static void items__of_nothing_are_none(void **state)
{
	char newline[] = "\n";

	(void)state;
	assert_int_equal(split(NULL, 0, '\n').count, 0);
	assert_int_equal(split(newline, 1, '\n').count, 1);
}

static void items__have_room_for_one_more(void **state)
{
	char lines[] = "A=1\nPATH=/bin\nAB=2";
	struct init_items items = split(lines, strlen(lines), '\n');

	(void)state;
	assert_string_equal(init_env_get(&items, "PATH="), "/bin");
	assert_string_equal(init_env_get(&items, "A="), "1");
	assert_null(init_env_get(&items, "B="));
	items.vector[items.count++] = lines;
	assert_null(items.vector[items.count]);
}

/* --- what the image and the command line say ---------------------------------------------- */

static struct init_options parse_options(const char *cmdline)
{
	struct init_options options = INIT_OPTIONS_DEFAULT;
	char copy[256];

	(void)snprintf(copy, sizeof(copy), "%s", cmdline);
	init_options_parse(copy, &options);
	return options;
}

static void options__default_to_what_enclaves_need(void **state)
{
	struct init_options options = parse_options("reboot=k panic=30 console=ttyS0 nec\n");

	(void)state;
	assert_true(options.heartbeat);
	assert_int_equal(options.heartbeat_address.cid, 3);
	assert_int_equal(options.heartbeat_address.port, 9000);
	assert_int_equal(options.exit, INIT_EXIT_REBOOT);
	assert_false(options.debug);
}

static void options__are_taken_from_anywhere_in_the_line(void **state)
{
	struct init_options options =
		parse_options("nec.debug quiet\tnec.heartbeat=2:77 nec.exit=poweroff\n");

	(void)state;
	assert_true(options.debug);
	assert_true(options.heartbeat);
	assert_int_equal(options.heartbeat_address.cid, 2);
	assert_int_equal(options.heartbeat_address.port, 77);
	assert_int_equal(options.exit, INIT_EXIT_POWEROFF);
	assert_int_equal(parse_options("nec.exit=panic").exit, INIT_EXIT_PANIC);
	assert_int_equal(parse_options("nec.heartbeat=1234").heartbeat_address.port, 1234);
	assert_int_equal(parse_options("nec.heartbeat=1234").heartbeat_address.cid, 3);
	assert_false(parse_options("nec.heartbeat=off").heartbeat);
}

static void options__the_last_of_several_counts(void **state)
{
	(void)state;
	assert_true(parse_options("nec.heartbeat=off nec.heartbeat=9000").heartbeat);
	assert_false(parse_options("nec.heartbeat=9000 nec.heartbeat=off").heartbeat);
}

static void options__not_understood_change_nothing(void **state)
{
	static const char *const lines[] = {
		"nec.heartbeat=",
		"nec.heartbeat=of",
		"nec.heartbeat=1:",
		"nec.heartbeat=1:2:3",
		"nec.heartbeat=:1",
		"nec.heartbeat=9000x",
		"nec.heartbeat=4294967296",
		"nec.exit=halt",
		"nec.debug=1",
		"nec.",
		"nec.unknown",
		"xnec.heartbeat=off",
		"-- nec.heartbeat=off",
		"",
	};
	struct init_options expected = parse_options("");

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct init_options options = parse_options(lines[i]);

		assert_int_equal(options.heartbeat, expected.heartbeat);
		assert_int_equal(options.heartbeat_address.cid, expected.heartbeat_address.cid);
		assert_int_equal(options.heartbeat_address.port, expected.heartbeat_address.port);
		assert_int_equal(options.exit, expected.exit);
		assert_int_equal(options.debug, expected.debug);
	}
}

static void user__is_numeric_with_or_without_groups(void **state)
{
	struct init_user user;

	(void)state;
	assert_true(init_user_parse("1000:100\n", &user));
	assert_int_equal(user.uid, 1000);
	assert_int_equal(user.gid, 100);
	assert_int_equal(user.group_count, 0);
	assert_true(init_user_parse("0:0:4,4294967294,24", &user));
	assert_int_equal(user.group_count, 3);
	assert_int_equal(user.groups[1], 4294967294u);
}

static void user__of_another_form_is_refused(void **state)
{
	static const char *const texts[] = { "",        "\n",     "nobody",  "1000",
					     "1000:",   ":1",     "1:x",     "1:2:",
					     "1:2:3,",  "1:2:,3", "1:2:3 ",  "1:2 3",
					     "1:2\n\n", "-1:0",   "1:2:3:4", "1:2\n3:4" };
	struct init_user user;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (init_user_parse(texts[i], &user))
			fail_msg("'%s' is taken", texts[i]);
	}
}

static void user__has_no_more_groups_than_there_is_room_for(void **state)
{
	char text[2 * INIT_GROUPS_MAX + 16] = "1:1:";
	char *end = text + strlen(text);
	struct init_user user;

	(void)state;
	for (size_t i = 0; i < INIT_GROUPS_MAX; i++, end += 2)
		memcpy(end, "7,", 2);
	end[-1] = '\0';
	assert_true(init_user_parse(text, &user));
	assert_int_equal(user.group_count, INIT_GROUPS_MAX);
	memcpy(end - 1, ",7", 3);
	assert_false(init_user_parse(text, &user));
}

static void modules__are_told_by_their_names(void **state)
{
	bool compressed;

	(void)state;
	assert_true(init_module_name("nsm.ko", &compressed));
	assert_false(compressed);
	assert_true(init_module_name("000-vsock.ko.xz", &compressed));
	assert_true(compressed);
	assert_true(init_module_name("a.ko.zst", &compressed));
	assert_true(init_module_name("a.ko.gz", &compressed));
	assert_false(init_module_name(".ko", &compressed));
	assert_false(init_module_name(".", &compressed));
	assert_false(init_module_name("README", &compressed));
	assert_false(init_module_name("a.ko.bz2", &compressed));
	assert_false(init_module_name("a.ko.", &compressed));
}

static void modules__are_sorted_by_bytes(void **state)
{
	char a[] = "010-a.ko";
	char b[] = "002-b.ko";
	char c[] = "002-B.ko";
	char d[] = "\xc3\xa4.ko";
	char e[] = "002-b.ko.xz";
	char *names[] = { d, a, e, b, c };
	char *sorted[] = { c, b, e, a, d };

	(void)state;
	init_modules_sort(names, 5);
	assert_memory_equal(names, sorted, sizeof(names));
	init_modules_sort(names, 0);
}

static void cgroup_line__gives_the_enabled_controllers(void **state)
{
	char head[] = "#subsys_name\thierarchy\tnum_cgroups\tenabled";
	char enabled[] = "cpuset\t0\t1\t1";
	char disabled[] = "memory\t0\t1\t0";
	char empty[] = "";
	char short_line[] = "memory\t1";

	(void)state;
	assert_false(init_cgroup_line(head));
	assert_true(init_cgroup_line(enabled));
	assert_string_equal(enabled, "cpuset");
	assert_false(init_cgroup_line(disabled));
	assert_false(init_cgroup_line(empty));
	assert_false(init_cgroup_line(short_line));
}

/* --- the main process --------------------------------------------------------------------- */

static void path__is_tried_in_order(void **state)
{
	const char *path = "/sbin:/usr/bin::relative:";
	char file[64];

	(void)state;
	assert_true(init_path_next(&path, "sh", file, sizeof(file)));
	assert_string_equal(file, "/sbin/sh");
	assert_true(init_path_next(&path, "sh", file, sizeof(file)));
	assert_string_equal(file, "/usr/bin/sh");
	assert_true(init_path_next(&path, "sh", file, sizeof(file)));
	assert_string_equal(file, "sh");
	assert_true(init_path_next(&path, "sh", file, sizeof(file)));
	assert_string_equal(file, "relative/sh");
	assert_true(init_path_next(&path, "sh", file, sizeof(file)));
	assert_string_equal(file, "sh");
	assert_false(init_path_next(&path, "sh", file, sizeof(file)));
}

static void path__skips_what_does_not_fit(void **state)
{
	const char *path = "/1234567:/123456:/12345:/a";
	char file[10]; /* "/12345" "/" "sh" NUL */

	(void)state;
	assert_true(init_path_next(&path, "sh", file, sizeof(file)));
	assert_string_equal(file, "/12345/sh");
	assert_true(init_path_next(&path, "sh", file, sizeof(file)));
	assert_string_equal(file, "/a/sh");
	assert_false(init_path_next(&path, "sh", file, sizeof(file)));
	path = "/a";
	assert_false(init_path_next(&path, "123456789012345", file, sizeof(file)));
}

/* Exit status of a process that calls init_exec(); 255 with a negative errno in *@error. */
static int exec_in_child(char *const *argv, const char *path, int *error)
{
	static char *environment[] = { NULL };
	int ends[2];
	int status;
	int r = 0;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		r = init_exec(argv, environment, path);
		(void)!write(ends[1], &r, sizeof(r));
		_exit(255);
	}
	close(ends[1]);
	(void)!read(ends[0], &r, sizeof(r));
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*error = r;
	return init_status_is_signal(status) ? -1 : init_status_value(status);
}

static void exec__finds_programs_and_runs_scripts_by_the_shell(void **state)
{
	char name[] = "nec-test-script";
	char argument[] = "9";
	char *argv[] = { name, argument, NULL };
	char path[128];
	int error;

	(void)state;
	(void)snprintf(path, sizeof(path), "/nonexistent:%s", folder);
	(void)write_file(name, 0700, "exit $1\n", 8);
	assert_int_equal(exec_in_child(argv, path, &error), 9);
	assert_int_equal(error, 0);
}

static void exec__tells_why_not(void **state)
{
	char name[] = "nec-test-text";
	char empty[] = "";
	char with_slash[] = "/nonexistent/program";
	char *argv[] = { name, NULL };
	char path[160];
	int error;

	(void)state;
	/* The one that may not be executed counts, whatever lies behind it. */
	(void)snprintf(path, sizeof(path), "%s:/nonexistent:/dev/null", folder);
	assert_int_equal(exec_in_child(argv, path, &error), 255);
	assert_int_equal(error, -ENOENT);
	(void)write_file(name, 0600, "text", 4);
	assert_int_equal(exec_in_child(argv, path, &error), 255);
	assert_int_equal(error, -EACCES);
	argv[0] = empty;
	assert_int_equal(exec_in_child(argv, path, &error), 255);
	assert_int_equal(error, -ENOENT);
	argv[0] = with_slash;
	assert_int_equal(exec_in_child(argv, path, &error), 255);
	assert_int_equal(error, -ENOENT);
}

static void status__is_read_as_libc_reads_it(void **state)
{
	(void)state;
	for (int status = 0; status < 256; status++) {
		assert_false(init_status_is_signal(status << 8));
		assert_int_equal(init_status_value(status << 8), WEXITSTATUS(status << 8));
	}
	assert_true(init_status_is_signal(9));
	assert_int_equal(init_status_value(9), 9);
	assert_int_equal(init_status_value(0x80 | 6), WTERMSIG(0x80 | 6)); /* with a core */
}

/* --- heartbeat ---------------------------------------------------------------------------- */

/* The exchange with a parent that has answered these bytes beforehand and then closes or not. */
static int exchange(const char *answer, size_t size, bool closes, uint32_t timeout_sec)
{
	unsigned char sent = 0;
	int ends[2];
	int r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(write(ends[1], answer, size), size);
	if (closes)
		assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
	r = init_heartbeat_exchange(ends[0], timeout_sec);
	assert_int_equal(read(ends[1], &sent, 1), 1);
	assert_int_equal(sent, 0xb7);
	close(ends[0]);
	close(ends[1]);
	return r;
}

static void heartbeat__is_the_byte_there_and_back(void **state)
{
	(void)state;
	assert_int_equal(exchange("\xb7", 1, false, 30), 0);
	assert_int_equal(exchange("\xb7", 1, true, 30), 0);
}

static void heartbeat__another_answer_or_none_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(exchange("\xb6", 1, false, 30), -EPROTO);
	assert_int_equal(exchange("", 0, true, 30), -EPIPE);
	assert_int_equal(exchange("", 0, false, 0), -ETIMEDOUT);
}

static void heartbeat__cut_by_the_parent_is_not_taken_for_refused(void **state)
{
	int ends[2];
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		struct pollfd sent = { .fd = ends[1], .events = POLLIN };

		/* Ends with the byte unread: the kernel resets the connection. */
		_exit(poll(&sent, 1, -1) == 1 ? 0 : 1);
	}
	close(ends[1]);
	assert_int_equal(init_heartbeat_exchange(ends[0], 30), -EPIPE);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void heartbeat__to_a_parent_that_is_gone_raises_no_signal(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	close(ends[1]);
	assert_int_equal(init_heartbeat_exchange(ends[0], 30), -EPIPE);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format__prints_as_libc_does),
		cmocka_unit_test(format__cuts_what_does_not_fit),
		cmocka_unit_test(message__is_one_line_with_the_programs_name),
		cmocka_unit_test(errno_names__are_libcs),
		cmocka_unit_test(number__has_32_bits_and_begins_with_a_digit),
		cmocka_unit_test(read_file__reads_large_ones_whole),
		cmocka_unit_test(read_file__tells_what_it_cannot_read),
		cmocka_unit_test(items__are_lines_with_or_without_a_last_newline),
		cmocka_unit_test(items__separated_by_nul_keep_their_newlines),
		cmocka_unit_test(items__of_nothing_are_none),
		cmocka_unit_test(items__have_room_for_one_more),
		cmocka_unit_test(options__default_to_what_enclaves_need),
		cmocka_unit_test(options__are_taken_from_anywhere_in_the_line),
		cmocka_unit_test(options__the_last_of_several_counts),
		cmocka_unit_test(options__not_understood_change_nothing),
		cmocka_unit_test(user__is_numeric_with_or_without_groups),
		cmocka_unit_test(user__of_another_form_is_refused),
		cmocka_unit_test(user__has_no_more_groups_than_there_is_room_for),
		cmocka_unit_test(modules__are_told_by_their_names),
		cmocka_unit_test(modules__are_sorted_by_bytes),
		cmocka_unit_test(cgroup_line__gives_the_enabled_controllers),
		cmocka_unit_test(path__is_tried_in_order),
		cmocka_unit_test(path__skips_what_does_not_fit),
		cmocka_unit_test(exec__finds_programs_and_runs_scripts_by_the_shell),
		cmocka_unit_test(exec__tells_why_not),
		cmocka_unit_test(status__is_read_as_libc_reads_it),
		cmocka_unit_test(heartbeat__is_the_byte_there_and_back),
		cmocka_unit_test(heartbeat__another_answer_or_none_is_a_failure),
		cmocka_unit_test(heartbeat__cut_by_the_parent_is_not_taken_for_refused),
		cmocka_unit_test(heartbeat__to_a_parent_that_is_gone_raises_no_signal),
	};

	return cmocka_run_group_tests_name("init", tests, make_folder, remove_folder);
}
