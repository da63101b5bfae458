/* SPDX-License-Identifier: Apache-2.0 */
/* The real table's rows make sense, every error has its text, numbers and help are read and laid
 * out as promised. */
#include "test.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error-codes.h"
#include "help.h"
#include "nitro-cli-table.h"
#include "values.h"

/* -- the table of commands ------------------------------------------------------------------- */

static const struct cli_option *find(const struct cli_command *command, const char *name,
				     size_t size)
{
	for (const struct cli_option *row = command->options; row && row->name; row++)
		if (strlen(row->name) == size && memcmp(row->name, name, size) == 0)
			return row;
	return NULL;
}

static void check_names(const struct cli_command *command, const char *list)
{
	for (const char *name = list; name && *name;) {
		size_t size = strcspn(name, " ");

		if (!find(command, name, size))
			fail_msg("%s: no option '%.*s'", command->name, (int)size, name);
		name += size + strspn(name + size, " ");
	}
}

static size_t target_size(enum cli_option_type type)
{
	switch (type) {
	case CLI_FLAG:
		return sizeof(bool);
	case CLI_VALUE:
		return sizeof(const char *);
	case CLI_LIST:
	case CLI_WORDS:
		break;
	}
	return sizeof(struct cli_list);
}

/* "prints this": a sentence that goes beside its option. */
static void check_help(const struct cli_command *command, const struct cli_option *row)
{
	assert_non_null(row->help);
	if (row->help[0] == '\0' || row->help[strlen(row->help) - 1] == '.')
		fail_msg("%s: help of '%s' is empty or ends in a full stop", command->name,
			 row->name);
	/* A name in capitals, as PEM, may begin a sentence. */
	if (isupper((unsigned char)row->help[0]) && !isupper((unsigned char)row->help[1]))
		fail_msg("%s: help of '%s' begins with a capital", command->name, row->name);
}

static void check_row(const struct cli_command *command, const struct cli_option *row)
{
	check_help(command, row);
	if (row->offset + target_size(row->type) > command->options_size)
		fail_msg("%s: '%s' lies outside the options struct", command->name, row->name);
	if ((row->kind == CLI_CHOICE) != (row->choices != NULL))
		fail_msg("%s: '%s' needs both or none of CLI_CHOICE and choices", command->name,
			 row->name);
}

static void check_options(const struct cli_command *command)
{
	size_t count = 0;

	for (const struct cli_option *row = command->options; row && row->name; row++) {
		check_row(command, row);
		check_names(command, row->unless);
		check_names(command, row->conflicts);
		check_names(command, row->requires);
		if (row->name[0] == '-' || strcmp(row->name, "help") == 0 ||
		    find(command, row->name, strlen(row->name)) != row)
			fail_msg("%s: option name '%s'", command->name, row->name);
		count++;
	}
	assert_true(count <= CLI_MAX_OPTIONS);
}

static void check_operands(const struct cli_command *command)
{
	bool optional = false;

	for (const struct cli_option *row = command->operands; row && row->name; row++) {
		check_row(command, row);
		if (row->type == CLI_LIST ? row[1].name != NULL : row->type != CLI_VALUE)
			fail_msg("%s: '%s' cannot be an operand here", command->name, row->name);
		if (optional && row->required)
			fail_msg("%s: '%s' is required after an optional one", command->name,
				 row->name);
		optional = !row->required;
	}
}

static void check_examples(const struct cli_command *command)
{
	for (const struct cli_example *row = command->examples; row && row->command; row++) {
		if (!row->text || row->text[0] == '\0' ||
		    strchr(".:", row->text[strlen(row->text) - 1]))
			fail_msg("%s: text of an example", command->name);
		if (!strstr(row->command, command->name))
			fail_msg("%s: the example '%s' is not about it", command->name,
				 row->command);
	}
}

static void table__rows_make_sense(void **state)
{
	(void)state;
	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		assert_non_null((*row)->run);
		assert_non_null((*row)->description);
		assert_true(isupper((unsigned char)(*row)->summary[0]));
		if ((*row)->summary[strlen((*row)->summary) - 1] == '.')
			fail_msg("%s: summary ends in a full stop", (*row)->name);
		check_options(*row);
		check_operands(*row);
		check_examples(*row);
	}
}

static void table__keeps_the_rows_of_a_group_together(void **state)
{
	(void)state;
	for (const struct cli_command *const *row = cli_commands; *row; row++)
		for (const struct cli_command *const *later = row + 1; *later; later++) {
			size_t size = cli_group_size(*row);

			assert_string_not_equal((*row)->name, (*later)->name);
			if (size > 0 && strncmp((*row)->name, (*later)->name, size + 1) == 0 &&
			    strncmp((*row)->name, later[-1]->name, size + 1) != 0)
				fail_msg("'%s' stands apart from '%s'", (*later)->name,
					 (*row)->name);
		}
}

static void names__are_found_whole(void **state)
{
	(void)state;
	assert_true(cli_names_contain("cpu-ids cpu-count", "cpu-count"));
	assert_true(cli_names_contain("cpu-ids cpu-count", "cpu-ids"));
	assert_false(cli_names_contain("cpu-ids cpu-count", "cpu"));
	assert_false(cli_names_contain("cpu-ids cpu-count", ""));
	assert_false(cli_names_contain(NULL, "cpu"));
}

/* -- error codes ----------------------------------------------------------------------------- */

static void error_codes__all_have_name_title_and_text(void **state)
{
	(void)state;
	for (int number = 0; number <= CLI_LAST_ERROR_CODE; number++) {
		const struct cli_error_code *code = cli_error_code(number);

		assert_non_null(code);
		if (!code->name || !code->title || !code->explanation || !code->explanation[0])
			fail_msg("E%02d lacks a text", number);
	}
	assert_null(cli_error_code(-1));
	assert_null(cli_error_code(CLI_LAST_ERROR_CODE + 1));
	assert_string_equal(cli_error_code(22)->title, "Insufficient CPUs available in the pool");
	assert_string_equal(cli_error_code(60)->name, "EIFSigningError");
}

/* Every error of the library ends in a status that is one of nitro-cli's codes. */
static void error_codes__cover_every_library_error(void **state)
{
	size_t known = 0;

	(void)state;
	for (int value = 1; value < 1000; value++) {
		int status = nec_error_exit_status((enum nec_error_code)value);

		if (strcmp(nec_error_name((enum nec_error_code)value), "unknown") == 0)
			continue;
		known++;
		assert_in_range(status, 1, CLI_LAST_ERROR_CODE);
		assert_non_null(cli_error_code(status));
	}
	assert_true(known > 20);
}

/* -- values ---------------------------------------------------------------------------------- */

static void expect_mib(const char *text, uint64_t mib)
{
	uint64_t value = 0;

	assert_int_equal(cli_parse_memory("memory", text, &value, NULL), 0);
	assert_int_equal(value, mib);
}

static void memory__has_units_of_1024(void **state)
{
	(void)state;
	expect_mib("256", 256);
	expect_mib("0", 0);
	expect_mib("100M", 100);
	expect_mib("100m", 100);
	expect_mib("10G", 10240);
	expect_mib("10g", 10240);
	expect_mib("2T", 2097152);
	expect_mib("2t", 2097152);
	expect_mib("17592186044415T", UINT64_C(17592186044415) << 20);
}

static void memory__refuses_everything_else_as_e03(void **state)
{
	static const char *const texts[] = { "",
					     "M",
					     "256_mb",
					     "256MB",
					     "1.5G",
					     "-10",
					     "+10",
					     " 10",
					     "10 ",
					     "VVV",
					     "0x10",
					     "10 G",
					     "10K",
					     "10MM",
					     "17592186044416T",
					     "18446744073709551616" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		nec_error err = NEC_ERROR_INIT;
		uint64_t value = 77;

		if (cli_parse_memory("memory", texts[i], &value, &err) != -EINVAL)
			fail_msg("'%s' was accepted", texts[i]);
		assert_int_equal(value, 77);
		assert_int_equal(nec_error_exit_status(err.code), 3);
		assert_non_null(strstr(err.message, "--memory"));
		assert_non_null(strstr(err.message, texts[i]));
	}
}

static void numbers__are_unsigned_decimal_with_an_optional_plus(void **state)
{
	uint32_t u32;
	uint64_t u64;

	(void)state;
	assert_int_equal(cli_parse_u32("cpu-count", "4294967295", &u32, NULL), 0);
	assert_int_equal(u32, UINT32_MAX);
	assert_int_equal(cli_parse_u32("cpu-count", "+007", &u32, NULL), 0);
	assert_int_equal(u32, 7);
	assert_int_equal(cli_parse_u64("enclave-cid", "18446744073709551615", &u64, NULL), 0);
	assert_int_equal(u64, UINT64_MAX);
}

static void numbers__refuse_everything_else_as_e03(void **state)
{
	static const char *const texts[] = { "",   "+",  "-1",  "++1", "1z", "0x1",
					     " 1", "1 ", "2,3", "zzz", "1.", "4294967296" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		nec_error err = NEC_ERROR_INIT;
		uint32_t value = 77;

		if (cli_parse_u32("cpu-count", texts[i], &value, &err) != -EINVAL)
			fail_msg("'%s' was accepted", texts[i]);
		assert_int_equal(value, 77);
		assert_int_equal(nec_error_exit_status(err.code), 3);
		assert_non_null(strstr(err.message, "--cpu-count"));
	}
}

/* -- help ------------------------------------------------------------------------------------ */

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");

		if (length > longest)
			longest = length;
		text += length + (text[length] == '\n');
	}
	return longest;
}

static void help__aligns_and_wraps_to_the_width(void **state)
{
	struct cli_program program = cli_program_called("nec");
	cleanup_buffer struct nec_buffer text = { 0 };

	(void)state;
	program.commands = nitro_cli_table;
	cli_help(&program, nitro_cli_table[1], NULL, 0, 50, &text);
	assert_string_equal(
		nec_buffer_text(&text),
		"Summary of terminate-enclave\n"
		"\n"
		"Usage: nec terminate-enclave\n"
		"       <--enclave-id <enclave-id>|--enclave-name <enclave-name>|--all>\n"
		"\n"
		"Options:\n"
		"      --enclave-id <enclave-id>      id of the\n"
		"                                     enclave\n"
		"      --enclave-name <enclave-name>  name of the\n"
		"                                     enclave\n"
		"      --all                          all of them\n"
		"  -h, --help                         print help\n");
}

static void help__breaks_the_usage_between_options(void **state)
{
	struct cli_program program = cli_program_called("nec");
	cleanup_buffer struct nec_buffer text = { 0 };

	(void)state;
	program.commands = nitro_cli_table;
	cli_help(&program, nitro_cli_table[3], NULL, 0, 50, &text);
	assert_non_null(strstr(nec_buffer_text(&text), "\nUsage: nec describe-eif [OPTIONS]\n"
						       "       --eif-path <eif-path>\n"));
}

static void help__lists_commands_by_topic_and_those_of_a_group(void **state)
{
	struct cli_program program = cli_program_called("nec");
	cleanup_buffer struct nec_buffer all = { 0 };
	cleanup_buffer struct nec_buffer group = { 0 };
	cleanup_buffer struct nec_buffer nitro = { 0 };

	(void)state;
	program.commands = nitro_cli_table;
	cli_help(&program, NULL, NULL, 0, 80, &all);
	assert_non_null(strstr(nec_buffer_text(&all), "\nEnclave images:\n  eif lint  "));
	assert_non_null(strstr(nec_buffer_text(&all), "\nEnclaves:\n  run-enclave  "));
	cli_help(&program, NULL, "eif lint", 3, 80, &group);
	assert_non_null(strstr(nec_buffer_text(&group), "Usage: nec eif <COMMAND>\n"));
	assert_non_null(strstr(nec_buffer_text(&group), "  eif build"));
	assert_null(strstr(nec_buffer_text(&group), "run-enclave"));
	program.as_nitro_cli = true;
	cli_help(&program, NULL, NULL, 0, 80, &nitro);
	assert_null(strstr(nec_buffer_text(&nitro), "eif lint"));
	assert_non_null(strstr(nec_buffer_text(&nitro), "\nCommands:\n  run-enclave  "));
}

/* Only what must not be broken (usage, examples, a long left column) may be wider. */
static void help__of_every_command_fits_the_terminal(void **state)
{
	struct cli_program program = cli_program_called("nec");

	(void)state;
	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		cleanup_buffer struct nec_buffer text = { 0 };

		char *examples;

		cli_help(&program, *row, NULL, 0, 100, &text);
		examples = strstr(nec_buffer_text(&text), "\nExamples:\n");
		if (examples)
			*examples = '\0';
		if (longest_line(nec_buffer_text(&text)) > 100)
			fail_msg("%s", nec_buffer_text(&text));
	}
}

static void wrap__keeps_paragraphs_and_never_breaks_a_word(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct cli_wrap wrap = { .to = &text, .width = 10, .indent = 2, .fresh = true };

	(void)state;
	cli_wrap_text(&wrap, "one two three\n\nanunbreakableword x\n");
	assert_string_equal(nec_buffer_text(&text), "one two\n  three\n\n  anunbreakableword\n  x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table__rows_make_sense),
		cmocka_unit_test(table__keeps_the_rows_of_a_group_together),
		cmocka_unit_test(names__are_found_whole),
		cmocka_unit_test(error_codes__all_have_name_title_and_text),
		cmocka_unit_test(error_codes__cover_every_library_error),
		cmocka_unit_test(memory__has_units_of_1024),
		cmocka_unit_test(memory__refuses_everything_else_as_e03),
		cmocka_unit_test(numbers__are_unsigned_decimal_with_an_optional_plus),
		cmocka_unit_test(numbers__refuse_everything_else_as_e03),
		cmocka_unit_test(help__aligns_and_wraps_to_the_width),
		cmocka_unit_test(help__breaks_the_usage_between_options),
		cmocka_unit_test(help__lists_commands_by_topic_and_those_of_a_group),
		cmocka_unit_test(help__of_every_command_fits_the_terminal),
		cmocka_unit_test(wrap__keeps_paragraphs_and_never_breaks_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
