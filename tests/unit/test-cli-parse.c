/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser's rules and messages, with rows as nitro-cli's commands have them. The lists of
 * accepted and rejected lines are those of nitro-cli's own tests of its arguments.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/similarity.h"
#include "nitro-cli-table.h"
#include "parse.h"
#include "suggest.h"

enum { MAX_WORDS = 32, MAX_LINE = 512 };

/* A command line that was parsed; its texts are borrowed from `line`. */
struct attempt {
	char line[MAX_LINE];
	char *argv[MAX_WORDS];
	struct cli_parsed parsed;
};

static struct cli_program program_named(const char *name)
{
	struct cli_program program = cli_program_called(name);

	program.commands = nitro_cli_table;
	return program;
}

/* Words are separated by one space; two spaces in a row make an empty word. */
static struct attempt *try_as(const char *name, const char *line)
{
	struct cli_program program = program_named(name);
	struct attempt *attempt = calloc(1, sizeof(*attempt));
	int argc = 0;

	assert_non_null(attempt);
	assert_true((size_t)snprintf(attempt->line, MAX_LINE, "%s%s%s", name, *line ? " " : "",
				     line) < MAX_LINE);
	for (char *rest = attempt->line; rest;)
		attempt->argv[argc++] = strsep(&rest, " ");
	assert_true(argc < MAX_WORDS);
	assert_int_equal(cli_parse(&program, argc, attempt->argv, &attempt->parsed, NULL), 0);
	return attempt;
}

static struct attempt *try(const char *line)
{
	return try_as("nitro-cli", line);
}

static void end(struct attempt *attempt)
{
	cli_parsed_clear(&attempt->parsed);
	free(attempt);
}

static void expect_action(const char *name, const char *line, enum cli_action action)
{
	struct attempt *attempt = try_as(name, line);

	if (attempt->parsed.action != action)
		fail_msg("'%s' gave action %d, not %d: %s", line, attempt->parsed.action, action,
			 nec_buffer_text(&attempt->parsed.message));
	end(attempt);
}

static void accepts(const char *line)
{
	expect_action("nitro-cli", line, CLI_RUN);
}

static void rejects(const char *line)
{
	expect_action("nitro-cli", line, CLI_REFUSED);
}

static void says_as(const char *name, const char *line, const char *message)
{
	struct attempt *attempt = try_as(name, line);

	assert_int_equal(attempt->parsed.action, CLI_REFUSED);
	assert_string_equal(nec_buffer_text(&attempt->parsed.message), message);
	end(attempt);
}

/* @message is what stands between "error: " and the block that every message ends with. */
static void says(const char *line, const char *message, const char *usage)
{
	char expected[2048];

	(void)snprintf(expected, sizeof(expected),
		       "error: %s\n%s%s%s\nFor more information, try '--help'.\n", message,
		       usage ? "\nUsage: nitro-cli" : "", usage ? usage : "", usage ? "\n" : "");
	says_as("nitro-cli", line, expected);
}

#define RUN_USAGE                                                                  \
	" run-enclave [OPTIONS]"                                                   \
	" <--cpu-ids <cpu-ids>...|--cpu-count <cpu-count>|--config <json-config>>" \
	" <--memory <memory>|--config <json-config>>"                              \
	" <--eif-path <eif-path>|--config <json-config>>"
#define TERMINATE_USAGE      \
	" terminate-enclave" \
	" <--enclave-id <enclave-id>|--enclave-name <enclave-name>|--all>"

/* -- what nitro-cli's own tests accept and reject ------------------------------------------- */

static void terminate_enclave__lines_of_nitro_cli(void **state)
{
	(void)state;
	accepts("terminate-enclave --enclave-id i-1-enc2");
	accepts("terminate-enclave --enclave-name n");
	accepts("terminate-enclave --all");
	rejects("terminate-enclave");
	rejects("terminate-enclave --enclave-id");
	rejects("terminate-enclave --enclave-name");
	rejects("terminate-enclave --enclave-id 1 2");
	rejects("terminate-enclave --enclave-name a b");
	rejects("terminate-enclave --enclave-name a --all");
	rejects("terminate-enclave --enclave-id 1 --enclave-name a");
}

static void describe_and_console__lines_of_nitro_cli(void **state)
{
	(void)state;
	accepts("describe-enclaves");
	accepts("describe-enclaves --metadata");
	accepts("describe-eif --eif-path x.eif");
	rejects("describe-eif");
	accepts("console --enclave-id 1");
	accepts("console --enclave-name a");
	accepts("console --enclave-id 1 --disconnect-timeout 10");
	accepts("console --enclave-name a --disconnect-timeout 10");
	rejects("console");
	rejects("console --enclave-id");
	rejects("console --enclave-name");
	rejects("console --enclave-id 1 2");
	rejects("console --enclave-name a b");
	rejects("console --enclave-id 1 --disconnect-timeout");
}

static void build_sign_and_pcr__lines_of_nitro_cli(void **state)
{
	(void)state;
	accepts("build-enclave --docker-uri u --output-file o");
	accepts("build-enclave --docker-uri u --docker-dir d --output-file o");
	accepts("build-enclave --docker-uri u --output-file o --signing-certificate c "
		"--private-key k");
	accepts("build-enclave --docker-uri u --output-file o --signing-certificate c "
		"--private-key arn:aws:kms:eu-west-1:000000000000:key/a");
	accepts("build-enclave --docker-uri u --output-file o --name n --version v --metadata m");
	rejects("build-enclave --output-file o");
	rejects("build-enclave --docker-uri u");
	rejects("build-enclave --docker-uri u --output-file o --private-key k");
	rejects("build-enclave --docker-uri u --output-file o --metadata");
	accepts("sign-eif --eif-path x --signing-certificate c --private-key k");
	accepts("sign-eif");
	rejects("sign-eif --eif-path x --private-key k");
	rejects("sign-eif --eif-path x --signing-certificate c");
	accepts("pcr --signing-certificate c");
	accepts("pcr --input f");
	rejects("pcr --input");
	rejects("pcr --signing-certificate");
	rejects("pcr --signing-certificate c --input f");
}

static void run_enclave__lines_of_nitro_cli(void **state)
{
	(void)state;
	accepts("run-enclave --cpu-ids 1 2 --memory 64 --eif-path x --enclave-cid 10 --debug-mode");
	accepts("run-enclave --cpu-ids 1 2 --memory 64 --eif-path x --enclave-cid 10 --debug-mode "
		"--enclave-name n");
	accepts("run-enclave --config c");
	accepts("run-enclave --config c --attach-console");
	rejects("run-enclave --memory 64 --eif-path x");
	rejects("run-enclave --cpu-ids --memory 64 --eif-path x");
	rejects("run-enclave --cpu-ids 1 --eif-path x");
	rejects("run-enclave --cpu-ids 1 --memory --eif-path x");
	rejects("run-enclave --cpu-ids 1 --memory 64 --eif-path x --enclave-cid");
	rejects("run-enclave --cpu-ids 1 --memory 64 --eif-path");
	rejects("run-enclave --cpu-ids 1 --memory 64 --eif-path x --enclave-name");
	rejects("run-enclave --config");
	rejects("run-enclave --cpu-ids 1 --memory 64 --eif-path x --debug-mode yes");
	rejects("run-enclave --cpu-ids 1 --memory 64");
	rejects("run-enclave --config a b");
	rejects("run-enclave --config c --memory 64");
	rejects("run-enclave --config c --cpu-ids 1 2 --eif-path x");
	rejects("run-enclave --config c --debug-mode");
	rejects("run-enclave --config c --enclave-name n");
}

/* -- messages ------------------------------------------------------------------------------- */

static void missing_options__are_listed_one_a_line(void **state)
{
	(void)state;
	says("run-enclave --eif-path x --cpu-count 2",
	     "the following required arguments were not provided:\n  --memory <memory>", RUN_USAGE);
	says("run-enclave",
	     "the following required arguments were not provided:\n  --cpu-ids <cpu-ids>...\n"
	     "  --cpu-count <cpu-count>\n  --memory <memory>\n  --eif-path <eif-path>",
	     RUN_USAGE);
	says("sign-eif --private-key k",
	     "the following required arguments were not provided:\n"
	     "  --signing-certificate <signing-certificate>",
	     " sign-eif [OPTIONS]");
}

static void conflicts__name_the_first_and_the_other(void **state)
{
	(void)state;
	says("run-enclave --cpu-count 2 --cpu-ids 1 --memory 64 --eif-path x",
	     "the argument '--cpu-count <cpu-count>' cannot be used with '--cpu-ids <cpu-ids>...'",
	     RUN_USAGE);
	says("run-enclave --config c --memory 64 --debug-mode",
	     "the argument '--config <json-config>' cannot be used with:\n  --memory <memory>\n"
	     "  --debug-mode",
	     RUN_USAGE);
	says("terminate-enclave --all --enclave-id 1",
	     "the argument '--all' cannot be used with '--enclave-id <enclave-id>'",
	     TERMINATE_USAGE);
}

static void unknown_option__gets_a_tip_when_one_is_similar(void **state)
{
	(void)state;
	says("describe-enclaves --bogus", "unexpected argument '--bogus' found",
	     " describe-enclaves [OPTIONS]");
	says("run-enclave --mem 64",
	     "unexpected argument '--mem' found\n\n"
	     "  tip: a similar argument exists: '--memory'",
	     RUN_USAGE);
	says("run-enclave --mem=64",
	     "unexpected argument '--mem' found\n\n"
	     "  tip: a similar argument exists: '--memory'",
	     RUN_USAGE);
	says("describe-enclaves -xyz", "unexpected argument '-x' found",
	     " describe-enclaves [OPTIONS]");
	says("describe-enclaves word", "unexpected argument 'word' found",
	     " describe-enclaves [OPTIONS]");
	says("--versoin",
	     "unexpected argument '--versoin' found\n\n"
	     "  tip: a similar argument exists: '--version'",
	     " <COMMAND>");
}

static void unknown_command__gets_every_similar_one_as_tip(void **state)
{
	(void)state;
	says("run-enclaves",
	     "unrecognized subcommand 'run-enclaves'\n\n"
	     "  tip: some similar subcommands exist: 'build-enclave', 'run-enclave'",
	     " <COMMAND>");
	says("explian",
	     "unrecognized subcommand 'explian'\n\n"
	     "  tip: a similar subcommand exists: 'explain'",
	     " <COMMAND>");
	says("zzz", "unrecognized subcommand 'zzz'", " <COMMAND>");
	/* What nitro-cli does not have is not offered under its name. */
	says("eif", "unrecognized subcommand 'eif'", " <COMMAND>");
}

static void missing_value__is_said_without_usage(void **state)
{
	(void)state;
	says("run-enclave --cpu-ids",
	     "a value is required for '--cpu-ids <cpu-ids>...' but none was supplied", NULL);
	says("run-enclave --memory --debug-mode",
	     "a value is required for '--memory <memory>' but none was supplied", NULL);
	says("run-enclave --memory --help",
	     "a value is required for '--memory <memory>' but none was supplied", NULL);
	says("run-enclave --memory -h",
	     "a value is required for '--memory <memory>' but none was supplied", NULL);
	says("run-enclave --memory --",
	     "a value is required for '--memory <memory>' but none was supplied", NULL);
}

static void value_with_a_dash__is_taken_for_an_option(void **state)
{
	(void)state;
	says("run-enclave --cpu-count -3", "unexpected argument '-3' found", RUN_USAGE);
	rejects("run-enclave --cpu-ids 1 -3");
	rejects("run-enclave --memory --bogus");
	accepts("run-enclave --cpu-count=-3 --memory 64 --eif-path x");
	accepts("run-enclave --cpu-count 2 --memory 64 --eif-path -");
}

static void repeated_option__is_refused_unless_it_is_a_list(void **state)
{
	(void)state;
	says("run-enclave --cpu-count 1 --cpu-count 2",
	     "the argument '--cpu-count <cpu-count>' cannot be used multiple times", RUN_USAGE);
	says("run-enclave --cpu-count=1 --cpu-count=1",
	     "the argument '--cpu-count <cpu-count>' cannot be used multiple times", RUN_USAGE);
	says("describe-enclaves --metadata --metadata",
	     "the argument '--metadata' cannot be used multiple times",
	     " describe-enclaves [OPTIONS]");
	says("run-enclave --cpu-ids 1 --cpu-ids 2",
	     "the argument '--cpu-ids <cpu-ids>...' cannot be used multiple times", RUN_USAGE);
	expect_action("nec", "eif build --ramdisk a --ramdisk a", CLI_RUN);
}

static void flag__takes_no_value(void **state)
{
	(void)state;
	says("describe-enclaves --metadata=yes",
	     "unexpected value 'yes' for '--metadata' found; no more were accepted",
	     " describe-enclaves [OPTIONS]");
	rejects("describe-enclaves --help=yes");
}

static void choice__is_checked_by_the_parser(void **state)
{
	(void)state;
	accepts("describe-eif --eif-path x --output text");
	says("describe-eif --eif-path x --output jsn",
	     "invalid value 'jsn' for '--output <output>'\n  [possible values: json, text]\n\n"
	     "  tip: a similar value exists: 'json'",
	     NULL);
	says("describe-eif --eif-path x --output=",
	     "invalid value '' for '--output <output>'\n  [possible values: json, text]", NULL);
}

static void first_mistake__is_the_one_reported(void **state)
{
	(void)state;
	says("describe-eif --bogus --help", "unexpected argument '--bogus' found",
	     " describe-eif [OPTIONS] --eif-path <eif-path>");
	expect_action("nitro-cli", "describe-eif --help --bogus", CLI_HELP);
	/* Conflicts come before what is missing. */
	says("run-enclave --cpu-count 2 --cpu-ids 1",
	     "the argument '--cpu-count <cpu-count>' cannot be used with '--cpu-ids <cpu-ids>...'",
	     RUN_USAGE);
}

/* -- values --------------------------------------------------------------------------------- */

static void values__come_as_words_or_after_an_equals_sign(void **state)
{
	struct attempt *attempt =
		try("run-enclave --memory=64 --cpu-ids 2 3 --eif-path a=b --enclave-name= "
		    "--attach-console --enclave-cid ");
	const struct run_options *options = attempt->parsed.options;

	(void)state;
	assert_int_equal(attempt->parsed.action, CLI_RUN);
	assert_string_equal(attempt->parsed.command->name, "run-enclave");
	assert_string_equal(options->memory, "64");
	assert_string_equal(options->eif_path, "a=b");
	assert_string_equal(options->enclave_name, "");
	assert_string_equal(options->enclave_cid, "");
	assert_int_equal(options->cpu_ids.count, 2);
	assert_string_equal(options->cpu_ids.items[0], "2");
	assert_string_equal(options->cpu_ids.items[1], "3");
	assert_true(options->attach_console);
	assert_false(options->debug_mode);
	assert_null(options->cpu_count);
	end(attempt);
}

static void words_after_an_equals_sign__are_one(void **state)
{
	(void)state;
	accepts("run-enclave --cpu-ids=2 --memory 64 --eif-path x");
	rejects("run-enclave --cpu-ids=2 3 --memory 64 --eif-path x");
}

static void list__keeps_the_order_of_the_command_line(void **state)
{
	struct attempt *attempt = try_as("nec", "eif build --ramdisk a --ramdisk=b --ramdisk c");
	const struct other_options *options = attempt->parsed.options;

	(void)state;
	assert_int_equal(options->ramdisks.count, 3);
	assert_string_equal(options->ramdisks.items[0], "a");
	assert_string_equal(options->ramdisks.items[1], "b");
	assert_string_equal(options->ramdisks.items[2], "c");
	end(attempt);
}

static void operands__are_taken_in_order_and_after_two_dashes(void **state)
{
	struct attempt *attempt = try_as("nec", "eif lint a --metadata b -- -c --metadata");
	const struct other_options *options = attempt->parsed.options;

	(void)state;
	assert_int_equal(attempt->parsed.action, CLI_RUN);
	assert_string_equal(attempt->parsed.command->name, "eif lint");
	assert_string_equal(options->file, "a");
	assert_int_equal(options->files.count, 3);
	assert_string_equal(options->files.items[0], "b");
	assert_string_equal(options->files.items[1], "-c");
	assert_string_equal(options->files.items[2], "--metadata");
	assert_true(options->flag);
	end(attempt);
	says_as("nec", "eif lint",
		"error: the following required arguments were not provided:\n  <FILE>\n\n"
		"Usage: nec eif lint [OPTIONS] <FILE> [MORE]...\n\n"
		"For more information, try '--help'.\n");
	says_as("nec", "eif lint -x",
		"error: unexpected argument '-x' found\n\n"
		"  tip: to pass '-x' as a value, use '-- -x'\n\n"
		"Usage: nec eif lint [OPTIONS] <FILE> [MORE]...\n\n"
		"For more information, try '--help'.\n");
}

static void operand_too_many__is_refused_as_it_was_typed(void **state)
{
	(void)state;
	says_as("nec", "eif show a b",
		"error: unexpected argument 'b' found\n\nUsage: nec eif show <FILE>\n\n"
		"For more information, try '--help'.\n");
	/* After two dashes there is nothing left to advise. */
	says_as("nec", "eif show -- -a -b",
		"error: unexpected argument '-b' found\n\nUsage: nec eif show <FILE>\n\n"
		"For more information, try '--help'.\n");
}

/* -- help, version, groups ------------------------------------------------------------------ */

static void expect_help(const char *name, const char *line, const char *command, const char *group)
{
	struct attempt *attempt = try_as(name, line);
	const struct cli_parsed *parsed = &attempt->parsed;

	assert_int_equal(parsed->action, CLI_HELP);
	if (command)
		assert_string_equal(parsed->command->name, command);
	else
		assert_null(parsed->command);
	if (group)
		assert_memory_equal(parsed->group, group, parsed->group_size);
	end(attempt);
}

static void help__is_found_by_each_of_its_ways(void **state)
{
	(void)state;
	expect_help("nec", "--help", NULL, NULL);
	expect_help("nec", "-h", NULL, NULL);
	expect_help("nec", "help", NULL, NULL);
	expect_help("nec", "run-enclave --help", "run-enclave", NULL);
	expect_help("nec", "run-enclave --memory 64 -h", "run-enclave", NULL);
	expect_help("nec", "help run-enclave", "run-enclave", NULL);
	expect_help("nec", "eif --help", NULL, "eif");
	expect_help("nec", "help eif", NULL, "eif");
	expect_help("nec", "help eif lint", "eif lint", NULL);
	expect_help("nec", "eif help lint", "eif lint", NULL);
	expect_help("nec", "eif lint --help", "eif lint", NULL);
	rejects("help bogus");
	rejects("help pcr more");
	rejects("help --bogus");
}

static void version__exists_at_the_top_level_only(void **state)
{
	(void)state;
	expect_action("nec", "--version", CLI_VERSION);
	expect_action("nec", "-V", CLI_VERSION);
	rejects("pcr -V");
	rejects("pcr --version");
	expect_action("nec", "eif --version", CLI_REFUSED);
}

static void nothing__is_told_apart_from_asking_for_help(void **state)
{
	struct attempt *attempt;

	(void)state;
	expect_action("nitro-cli", "", CLI_NOTHING);
	attempt = try_as("nec", "eif");
	assert_int_equal(attempt->parsed.action, CLI_NOTHING);
	assert_int_equal(attempt->parsed.group_size, strlen("eif"));
	end(attempt);
}

static void group__has_commands_of_its_own(void **state)
{
	(void)state;
	says_as("nec", "eif lnt",
		"error: unrecognized subcommand 'lnt'\n\n"
		"  tip: a similar subcommand exists: 'lint'\n\n"
		"Usage: nec eif <COMMAND>\n\nFor more information, try '--help'.\n");
	/* A group's command is not one of the top level, nor the other way round. */
	expect_action("nec", "lint x", CLI_REFUSED);
	expect_action("nec", "eif pcr", CLI_REFUSED);
	says_as("nec", "eff",
		"error: unrecognized subcommand 'eff'\n\n"
		"  tip: a similar subcommand exists: 'eif'\n\n"
		"Usage: nec <COMMAND>\n\nFor more information, try '--help'.\n");
}

static void nitro_cli__has_only_its_own_commands(void **state)
{
	(void)state;
	rejects("eif lint x");
	rejects("help eif");
	assert_string_equal(cli_program_called("/usr/bin/nitro-cli").version, "Nitro CLI 1.5.0");
	assert_string_equal(cli_program_called("./nec").version, "nec " NEC_VERSION);
	assert_string_equal(cli_program_called(NULL).name, "nec");
}

static void json__is_wanted_by_output_json_alone(void **state)
{
	struct attempt *json = try("describe-eif --eif-path x --output json");
	struct attempt *text = try("describe-eif --eif-path json --output text");
	struct attempt *none = try("describe-eif --eif-path x");
	struct attempt *other = try("pcr --input json");

	(void)state;
	assert_true(cli_wants_json(&json->parsed));
	assert_false(cli_wants_json(&text->parsed));
	assert_false(cli_wants_json(&none->parsed));
	assert_false(cli_wants_json(&other->parsed));
	end(json);
	end(text);
	end(none);
	end(other);
}

static double similarity(const char *a, const char *b)
{
	return nec_similarity(a, strlen(a), b, strlen(b));
}

/* The textbook pairs of this measure. */
static void similarity__is_that_of_jaro(void **state)
{
	char longest[200];

	(void)state;
	assert_float_equal(similarity("martha", "marhta"), 0.944444, 1e-5);
	assert_float_equal(similarity("dixon", "dicksonx"), 0.766667, 1e-5);
	assert_float_equal(similarity("jellyfish", "smellyfish"), 0.896296, 1e-5);
	assert_float_equal(similarity("same", "same"), 1, 1e-9);
	/* Too far apart to match, in words so short. */
	assert_float_equal(similarity("ab", "ba"), 0, 1e-9);
	assert_float_equal(similarity("abc", "xyz"), 0, 1e-9);
	assert_float_equal(similarity("", ""), 1, 1e-9);
	assert_float_equal(similarity("", "a"), 0, 1e-9);
	assert_float_equal(similarity("a", "a"), 1, 1e-9);
	memset(longest, 'a', sizeof(longest));
	assert_float_equal(nec_similarity(longest, sizeof(longest), "a", 1), 0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminate_enclave__lines_of_nitro_cli),
		cmocka_unit_test(describe_and_console__lines_of_nitro_cli),
		cmocka_unit_test(build_sign_and_pcr__lines_of_nitro_cli),
		cmocka_unit_test(run_enclave__lines_of_nitro_cli),
		cmocka_unit_test(missing_options__are_listed_one_a_line),
		cmocka_unit_test(conflicts__name_the_first_and_the_other),
		cmocka_unit_test(unknown_option__gets_a_tip_when_one_is_similar),
		cmocka_unit_test(unknown_command__gets_every_similar_one_as_tip),
		cmocka_unit_test(missing_value__is_said_without_usage),
		cmocka_unit_test(value_with_a_dash__is_taken_for_an_option),
		cmocka_unit_test(repeated_option__is_refused_unless_it_is_a_list),
		cmocka_unit_test(flag__takes_no_value),
		cmocka_unit_test(choice__is_checked_by_the_parser),
		cmocka_unit_test(first_mistake__is_the_one_reported),
		cmocka_unit_test(values__come_as_words_or_after_an_equals_sign),
		cmocka_unit_test(words_after_an_equals_sign__are_one),
		cmocka_unit_test(list__keeps_the_order_of_the_command_line),
		cmocka_unit_test(operands__are_taken_in_order_and_after_two_dashes),
		cmocka_unit_test(operand_too_many__is_refused_as_it_was_typed),
		cmocka_unit_test(help__is_found_by_each_of_its_ways),
		cmocka_unit_test(version__exists_at_the_top_level_only),
		cmocka_unit_test(nothing__is_told_apart_from_asking_for_help),
		cmocka_unit_test(group__has_commands_of_its_own),
		cmocka_unit_test(nitro_cli__has_only_its_own_commands),
		cmocka_unit_test(json__is_wanted_by_output_json_alone),
		cmocka_unit_test(similarity__is_that_of_jaro),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
