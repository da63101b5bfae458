/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hex.h"
#include "base/printable.h"
#include "base/time.h"

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

static size_t entries_in_folder(void)
{
	cleanup_closedir DIR *dir = opendir(folder);
	size_t count = 0;

	while (readdir(dir))
		count++;
	return count - 2;
}

static void error_table__has_a_row_for_every_code_of_the_header(void **state)
{
	cleanup_buffer struct nec_buffer header = { 0 };
	char *line;
	char *rest;
	size_t codes = 0;

	(void)state;
	assert_int_equal(nec_file_read_all(NEC_SOURCE_DIR "/lib/nec.h", 1 << 20, &header, NULL), 0);
	for (line = strtok_r((char *)header.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char name[64];
		int value;

		if (sscanf(line, " NEC_E_%63[A-Z0-9_] = %d", name, &value) != 2)
			continue;
		codes++;
		if (strcmp(nec_error_name((enum nec_error_code)value), "unknown") == 0)
			fail_msg("NEC_E_%s has no row in the table", name);
	}
	assert_true(codes > 20);
}

static void error__carries_code_message_and_hint(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(
		nec_error_set_system(&err, NEC_E_FILE_OPEN, -ENOENT, "cannot open %s", "x"),
		-ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
	assert_int_equal(err.os_error, ENOENT);
	assert_string_equal(err.message, "cannot open x: No such file or directory");
	assert_true(err.hint[0] != '\0');
	assert_int_equal(nec_error_prefix(&err, -1, "section %d", 3), -1);
	assert_string_equal(err.message, "section 3: cannot open x: No such file or directory");
	assert_int_equal(nec_error_exit_status(NEC_E_FILE_OPEN), 19);
	assert_int_equal(nec_error_set(NULL, NEC_E_SYSTEM, -EIO, "nobody listens"), -EIO);
}

static void error__cannot_carry_commands_for_a_terminal(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_error_set(&err, NEC_E_SYSTEM, -EIO, "%s",
		      "a\033[2Jb\x7f\tc\xc2\x9b\xff\nok \xc3\xa9 \xe2\x82");
	assert_string_equal(err.message, "a?[2Jb??c???\nok \xc3\xa9 ??");
}

static void cursor__takes_all_or_nothing(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct nec_cursor cursor = nec_cursor_over(bytes, sizeof(bytes));
	uint64_t u64;
	uint16_t u16;
	uint32_t u32;
	const uint8_t *lent;

	(void)state;
	assert_true(nec_cursor_u64be(&cursor, &u64));
	assert_int_equal(u64, 0x0102030405060708);
	assert_false(nec_cursor_u16be(&cursor, &u16));
	assert_int_equal(nec_cursor_left(&cursor), 1);
	assert_false(nec_cursor_bytes(&cursor, SIZE_MAX, &lent));
	cursor.offset = 0;
	assert_true(nec_cursor_u32le(&cursor, &u32));
	assert_int_equal(u32, 0x04030201);
}

static void hex__round_trips_and_refuses(void **state)
{
	uint8_t bytes[3];
	char text[7];

	(void)state;
	assert_true(nec_hex_decode("00fFa5", bytes, 3));
	nec_hex_encode(bytes, 3, text);
	assert_string_equal(text, "00ffa5");
	assert_false(nec_hex_decode("00ff", bytes, 3));
	assert_false(nec_hex_decode("00ffa5a5", bytes, 3));
	assert_false(nec_hex_decode("00ffag", bytes, 3));
}

static void output__appears_only_when_committed(void **state)
{
	struct nec_output output = NEC_OUTPUT_INIT;
	char path[80];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/out", folder);
	assert_int_equal(nec_output_open(&output, path, NULL), 0);
	assert_int_equal(nec_file_write_at(output.fd, path, "data", 4, 0, NULL), 0);
	assert_int_equal(stat(path, &st), -1);
	nec_output_abort(&output);
	assert_int_equal(entries_in_folder(), 0);

	assert_int_equal(nec_output_open(&output, path, NULL), 0);
	assert_int_equal(nec_file_write_at(output.fd, path, "data", 4, 0, NULL), 0);
	assert_int_equal(nec_output_commit(&output, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(entries_in_folder(), 1);
}

static void output__replaces_a_file_and_keeps_its_mode(void **state)
{
	struct nec_output output = NEC_OUTPUT_INIT;
	char path[80];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/out", folder);
	for (off_t size = 1; size <= 2; size++) {
		assert_int_equal(nec_output_open(&output, path, NULL), 0);
		assert_int_equal(nec_file_write_at(output.fd, path, "data", (size_t)size, 0, NULL),
				 0);
		assert_int_equal(entries_in_folder(), size - 1);
		assert_int_equal(nec_output_commit(&output, NULL), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, size);
		assert_int_equal(entries_in_folder(), 1);
		assert_int_equal(chmod(path, 0640), 0);
	}
	assert_int_equal(nec_output_open(&output, path, NULL), 0);
	assert_int_equal(nec_output_commit(&output, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void output__follows_a_symbolic_link_and_keeps_the_owner(void **state)
{
	struct nec_output output = NEC_OUTPUT_INIT;
	const uid_t owner = geteuid() == 0 ? 12345 : geteuid();
	char target[80];
	char link[80];
	struct stat st;

	(void)state;
	(void)snprintf(target, sizeof(target), "%s/target", folder);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(nec_output_open(&output, target, NULL), 0);
	assert_int_equal(nec_output_commit(&output, NULL), 0);
	assert_int_equal(chown(target, owner, (gid_t)-1), 0);
	assert_int_equal(symlink("target", link), 0);
	assert_int_equal(nec_output_open(&output, link, NULL), 0);
	assert_int_equal(nec_file_write_at(output.fd, link, "data", 4, 0, NULL), 0);
	assert_int_equal(nec_output_commit(&output, NULL), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(lstat(target, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_uid, owner);
	assert_int_equal(entries_in_folder(), 2);
}

static void output__whose_place_was_taken_leaves_nothing(void **state)
{
	struct nec_output output = NEC_OUTPUT_INIT;
	nec_error err = NEC_ERROR_INIT;
	char path[80];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/out", folder);
	assert_int_equal(nec_output_open(&output, path, NULL), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(nec_output_commit(&output, &err), -EISDIR);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
	nec_output_abort(&output);
	assert_int_equal(entries_in_folder(), 1);
}

static void output__says_where_it_cannot_be(void **state)
{
	struct nec_output output = NEC_OUTPUT_INIT;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_output_open(&output, folder, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
	assert_int_equal(nec_output_open(&output, "/nowhere/out", &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
	assert_non_null(strstr(err.message, "/nowhere/out"));
	assert_int_equal(output.fd, -1);
}

static void copy_range__notices_a_source_that_shrank(void **state)
{
	char path[80];
	nec_error err = NEC_ERROR_INIT;
	int from;
	int to;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/short", folder);
	from = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(from, "12345", 5), 5);
	to = nec_file_temporary(&err);
	assert_true(to >= 0);
	assert_int_equal(nec_file_copy_range(from, path, 0, to, "to", 3, 5, NULL, &err), 0);
	assert_int_equal(nec_file_copy_range(from, path, 1, to, "to", 0, 5, NULL, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
	(void)close(from);
	(void)close(to);
}

static void read_all__refuses_more_than_the_limit(void **state)
{
	cleanup_buffer struct nec_buffer buffer = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_file_read_all("/dev/zero", 100, &buffer, &err), -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
}

static void source_date__is_fixed_unless_told(void **state)
{
	char text[NEC_TIME_TEXT_SIZE];
	int64_t seconds;

	(void)state;
	(void)unsetenv("SOURCE_DATE_EPOCH");
	assert_int_equal(nec_time_source_date(&seconds, NULL), 0);
	nec_time_text(seconds, text);
	assert_string_equal(text, "1970-01-01T00:00:00+00:00");
	(void)setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
	assert_int_equal(nec_time_source_date(&seconds, NULL), 0);
	nec_time_text(seconds, text);
	assert_string_equal(text, "2023-11-14T22:13:20+00:00");
	(void)setenv("SOURCE_DATE_EPOCH", "yesterday", 1);
	assert_int_equal(nec_time_source_date(&seconds, NULL), -EINVAL);
	(void)unsetenv("SOURCE_DATE_EPOCH");
}

static void time__reads_rfc_3339_days_and_seconds(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{ "@0", 0 },
		{ "@1795224067", 1795224067 },
		{ "1970-01-01", 0 },
		{ "2026-11-21", 1795219200 },
		{ "2026-11-21T01:21:07Z", 1795224067 },
		{ "2026-11-21 01:21:07z", 1795224067 },
		{ "2026-11-21T01:21:07.123456789+00:00", 1795224067 },
		{ "2026-11-21T02:51:07+01:30", 1795224067 },
		{ "2026-11-20T20:21:07-05:00", 1795224067 },
		{ "2024-02-29", 1709164800 },
		{ "2016-12-31T23:59:60Z", 1483228800 },
	};
	static const char *const bad[] = {
		"",
		"@",
		"@-1",
		"@1x",
		"2026",
		"2026-11-31",
		"2025-02-29",
		"2026-13-01",
		"2026-00-10",
		"2026-1-1",
		"2026-11-21T01:21",
		"2026-11-21T01:21:07",
		"2026-11-21T24:00:00Z",
		"2026-11-21Z",
		"2026-11-21T01:21:07Zx",
		"2026-11-21T01:21:07+1:00",
		"@99999999999999",
		"now",
	};
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!nec_time_parse(rows[i].text, &seconds))
			fail_msg("%s", rows[i].text);
		assert_int_equal(seconds, rows[i].seconds);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (nec_time_parse(bad[i], &seconds))
			fail_msg("%s", bad[i]);
}

static void printable__keeps_text_and_shows_other_bytes(void **state)
{
	cleanup_free char *text = nec_printable("a\n\x1b[1m\xff\xc3\xa9\xc2\x9b");
	cleanup_free char *empty = nec_printable("");

	(void)state;
	assert_string_equal(text, "a\\x0a\\x1b[1m\\xff\xc3\xa9\\xc2\\x9b");
	assert_string_equal(empty, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time__reads_rfc_3339_days_and_seconds),
		cmocka_unit_test(printable__keeps_text_and_shows_other_bytes),
		cmocka_unit_test(error_table__has_a_row_for_every_code_of_the_header),
		cmocka_unit_test(error__carries_code_message_and_hint),
		cmocka_unit_test(error__cannot_carry_commands_for_a_terminal),
		cmocka_unit_test(cursor__takes_all_or_nothing),
		cmocka_unit_test(hex__round_trips_and_refuses),
		cmocka_unit_test_setup_teardown(output__appears_only_when_committed, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(output__replaces_a_file_and_keeps_its_mode,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(output__follows_a_symbolic_link_and_keeps_the_owner,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(output__whose_place_was_taken_leaves_nothing,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(output__says_where_it_cannot_be, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(copy_range__notices_a_source_that_shrank,
						make_folder, remove_folder),
		cmocka_unit_test(read_all__refuses_more_than_the_limit),
		cmocka_unit_test(source_date__is_fixed_unless_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
