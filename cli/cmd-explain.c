/* SPDX-License-Identifier: Apache-2.0 */
/* nec explain: what an error code means. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "command.h"
#include "error-codes.h"
#include "output.h"
#include "report.h"
#include "trace.h"
#include "wrap.h"

struct explain_options {
	const char *code;
};

/* Reports are small; a log may be given as well. */
enum { REPORT_LIMIT = 16 << 20 };

static const struct cli_option explain_options[] = {
	{ .name = "error-code",
	  .type = CLI_VALUE,
	  .help = "the code, such as E22, or the file of a saved report",
	  .offset = offsetof(struct explain_options, code),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example explain_examples[] = {
	{ .text = "What did [ E22 ] mean",
	  .command = "nec explain --error-code E22",
	  .tested = true },
	{ .text = "Explain the exit status of the last command",
	  .command = "nec explain --error-code $?" },
	{ .text = "Explain the last report that was kept",
	  .command =
		  "nec explain --error-code \"$(ls -t /var/log/nitro_enclaves/err*.log | head -n 1)\"" },
	{ .command = NULL },
};

/* "22", "e22", "E22", "E07" and "7" with us; nitro-cli knows only the form "E22". */
static int parse_code(const char *text, bool strict)
{
	bool prefixed = *text == 'E' || (!strict && *text == 'e');
	const char *digits = prefixed ? text + 1 : text;
	size_t count = strspn(digits, "0123456789");

	if (digits[count] || count < 1 || count > 2 || (strict && (!prefixed || count != 2)))
		return -1;
	return count == 1 ? digits[0] - '0' : (digits[0] - '0') * 10 + digits[1] - '0';
}

static void format_explanation(int number, const struct cli_error_code *code, size_t width,
			       bool as_nitro_cli, struct nec_buffer *to)
{
	struct cli_wrap wrap = { .to = to, .width = width, .fresh = true };

	nec_buffer_printf(to, "E%02d %s: %s\n\n", number, code->name, code->title);
	cli_wrap_text(&wrap, code->explanation);
	nec_buffer_append_text(to, "\n");
	if (cli_error_code_is_foreign(number) && !as_nitro_cli)
		nec_buffer_append_text(to, "\nnec itself never ends with this code.\n");
}

static int refuse_code(const struct cli *cli, const char *text)
{
	nec_error err = NEC_ERROR_INIT;

	(void)nec_error_set(&err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			    "--error-code: there is no error code '%s'", text);
	nec_error_set_hint(&err, "The codes are E00 to E%d.", CLI_LAST_ERROR_CODE);
	return cli_fail(cli, &err, 0);
}

/* Its text goes to stderr, and not knowing a code is no failure. */
static int explain_as_nitro_cli(const char *text, const struct cli_error_code *code,
				const struct nec_buffer *explanation)
{
	if (code)
		(void)fprintf(stderr, "%s", nec_buffer_text(explanation));
	else
		(void)fprintf(stderr, "No such error code %s\n", text);
	return 0;
}

/* ---- saved reports ---- */

static void add_fact(const char *name, const char *value, size_t width, struct nec_buffer *to)
{
	struct cli_wrap wrap = { .to = to, .width = width, .fresh = true };

	if (!value[0])
		return;
	cli_wrap_word(&wrap, name, strlen(name));
	cli_wrap_text(&wrap, value);
	nec_buffer_append_text(to, "\n");
}

static void format_report(const struct cli_trace_facts *facts, size_t width, struct nec_buffer *to)
{
	const struct cli_error_code *code = cli_error_code(facts->number);

	add_fact("What was done:", facts->action, width, to);
	add_fact("What failed:", facts->cause, width, to);
	if (to->size > 0)
		nec_buffer_append_text(to, "\n");
	if (code)
		format_explanation(facts->number, code, width, false, to);
	else
		nec_buffer_append_text(to, "The report does not say which error code it was.\n");
	if (facts->checks)
		nec_buffer_printf(to, "\nWhat was found when it failed:\n\n%s\n", facts->checks);
}

static int explain_report(const struct cli *cli, const char *path)
{
	cleanup_buffer struct nec_buffer report = { 0 };
	cleanup_buffer struct nec_buffer text = { 0 };
	struct cli_trace_facts facts;
	nec_error err = NEC_ERROR_INIT;

	if (nec_file_read_all(path, REPORT_LIMIT, &report, &err) < 0)
		return cli_fail(cli, &err, 0);
	if (!cli_trace_read(nec_buffer_text(&report), &facts)) {
		(void)nec_error_set(&err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				    "--error-code: there is nothing of an error in %s", path);
		nec_error_set_hint(&err, "Reports are err<time>.log in /var/log/nitro_enclaves, or "
					 "in the folder that NITRO_CLI_LOGS_PATH names.");
		return cli_fail(cli, &err, 0);
	}
	format_report(&facts, cli_terminal_width(STDOUT_FILENO), &text);
	return cli_print_text(cli, &text);
}

static int explain_code(const struct cli *cli, const struct explain_options *options)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int number = parse_code(options->code, cli->as_nitro_cli);
	const struct cli_error_code *code = cli_error_code(number);

	if (code)
		format_explanation(number, code, cli_terminal_width(STDOUT_FILENO),
				   cli->as_nitro_cli, &text);
	if (cli->as_nitro_cli)
		return explain_as_nitro_cli(options->code, code, &text);
	if (!code)
		return refuse_code(cli, options->code);
	return cli_print_text(cli, &text);
}

/* A name with a slash or a dot is a file's: no code has one. */
static int run(struct cli *cli, const void *data)
{
	const struct explain_options *options = data;

	if (!cli->as_nitro_cli && strpbrk(options->code, "/."))
		return explain_report(cli, options->code);
	return explain_code(cli, options);
}

const struct cli_command cli_cmd_explain = {
	.name = "explain",
	.summary = "Explain an error code",
	.description =
		"Says what an error code stands for and what can be done. The codes are those in "
		"`[ E22 ]` at the start of an error, and they are also the exit statuses.\n\n"
		"Of the file of a report that was kept of an error (nitro-cli's, nec's, or what was "
		"printed) it tells what was done, what failed, the code, and what was found on the "
		"machine at that time.",
	.options = explain_options,
	.examples = explain_examples,
	.options_size = sizeof(struct explain_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_OTHER,
};
