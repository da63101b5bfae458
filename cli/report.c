/* SPDX-License-Identifier: Apache-2.0 */
/* Failures on the screen. */
#include "report.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/logger.h"
#include "enclave-options.h"
#include "error-codes.h"
#include "output.h"
#include "trace.h"

#define DETAILS_LINK "https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html"

static const char *const style_start[] = {
	[CLI_STYLE_ERROR] = "\033[1;31m",
	[CLI_STYLE_WARNING] = "\033[1;33m",
	[CLI_STYLE_GOOD] = "\033[32m",
	[CLI_STYLE_PLAIN] = "",
};

static bool has_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(fd) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

void cli_print_styled(enum cli_style style, const char *text, size_t size)
{
	if (has_colour(STDERR_FILENO))
		(void)fprintf(stderr, "%s%.*s\033[0m", style_start[style], (int)size, text);
	else
		(void)fprintf(stderr, "%.*s", (int)size, text);
}

void cli_append_styled(enum cli_style style, int fd, const char *text, struct nec_buffer *to)
{
	if (has_colour(fd) && *style_start[style])
		nec_buffer_printf(to, "%s%s\033[0m", style_start[style], text);
	else
		nec_buffer_append_text(to, text);
}

void cli_warn(const char *text)
{
	cli_progress_clear();
	cli_print_styled(CLI_STYLE_WARNING, "warning:", strlen("warning:"));
	(void)fprintf(stderr, " %s\n", text);
}

/* ---- what is known of a failure ---- */

/* The folder in which the enclaves are that the command is about. */
static void find_sockets_dir(const struct cli *cli, enum nec_backend_kind backend,
			     struct nec_path *ret)
{
	struct nec_path dirs[2];

	if (cli->backend || backend == NEC_BACKEND_QEMU) {
		nec_sockets_dir(backend == NEC_BACKEND_QEMU, ret);
		return;
	}
	(void)nec_sockets_dirs(dirs);
	*ret = dirs[0];
}

/* A look at the machine now, at what has to do with the failure. Failing to look is no news. */
static void look(const struct cli *cli, struct cli_failure *failure)
{
	struct nec_probe_request request = { .about = failure->err->code };
	struct nec_path dir;

	/* A full probe is what NEC_E_NONE asks for; a missing program of doctor's is its result. */
	if (!cli->context || request.about == NEC_E_NONE ||
	    cli_backend(cli->backend, &request.backend, NULL) < 0)
		return;
	/* The check would say what a launch needs: to set memory aside. */
	if (cli->sets_aside && request.about == NEC_E_HUGEPAGES_EXHAUSTED)
		return;
	find_sockets_dir(cli, request.backend, &dir);
	request.sockets_dir = dir.text;
	if (nec_probe_run(cli->context, &request, &failure->probe, NULL) < 0)
		failure->probe.count = 0;
}

/* Whether a check found the failure's cause: then it says better what to do than the hint. */
static bool has_better_hint(const struct cli_failure *failure)
{
	const struct nec_probe_result *first = nec_probe_first_failure(&failure->probe);

	return first && first->fix[0] && nec_error_exit_status(first->code) == failure->number;
}

/* ---- as text ---- */

/* What the error says already is not said again. */
static void add_checks(const struct cli_failure *failure, struct nec_buffer *to)
{
	const struct nec_probe *probe = &failure->probe;
	bool first = true;

	for (size_t i = 0; i < probe->count; i++) {
		const struct nec_probe_result *result = &probe->results[i];

		bool said = strcmp(result->message, failure->err->message) == 0;

		if (result->state == NEC_PROBE_SKIPPED || (said && !result->fix[0]))
			continue;
		nec_buffer_append_text(to, first ? "\n" : "");
		first = false;
		if (!said)
			nec_buffer_printf(to, "%s: %s\n", result->name, result->message);
		if (result->fix[0])
			nec_buffer_printf(to, "%sfix: %s\n", said ? "" : "    ", result->fix);
	}
}

/* From the title on: the start is written in colour. */
static void add_block(const struct cli_failure *failure, struct nec_buffer *to)
{
	const struct cli_error_code *row = cli_error_code(failure->number);
	const nec_error *err = failure->err;

	nec_buffer_printf(to, " %s. %s\n", row ? row->title : "Unspecified error", err->message);
	if (err->hint[0] && !has_better_hint(failure))
		nec_buffer_printf(to, "%s\n", err->hint);
	add_checks(failure, to);
	nec_buffer_printf(to, "\nFor more details, please visit " DETAILS_LINK "#E%02d\n",
			  failure->number);
}

/* What nitro-cli shows only on the screen. */
static void add_tail(const struct cli_failure *failure, struct nec_buffer *to)
{
	const char *wish = getenv("BACKTRACE");

	if (wish && strcmp(wish, "1") == 0 && failure->trace.size > 0)
		nec_buffer_printf(to, "\nBacktrace:\n%s\n", nec_buffer_text(&failure->trace));
	if (failure->report[0])
		nec_buffer_printf(to,
				  "\nIf you open a support ticket, please provide the error log "
				  "found at \"%s\"\n",
				  failure->report);
}

static void print_block(const struct cli_failure *failure)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	char start[16];

	(void)snprintf(start, sizeof(start), "[ E%02d ]", failure->number);
	cli_print_styled(CLI_STYLE_ERROR, start, strlen(start));
	add_block(failure, &text);
	add_tail(failure, &text);
	/* Without memory at least the sentence. */
	(void)fputs(text.failed ? " " : nec_buffer_text(&text), stderr);
	if (text.failed)
		(void)fprintf(stderr, "%s\n", failure->err->message);
}

/* ---- as JSON ---- */

static bool add_check(cJSON *list, const struct nec_probe_result *result)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) && nec_json_add_string(item, "name", result->name) &&
	       nec_json_add_string(item, "state", nec_probe_state_name(result->state)) &&
	       nec_json_add_string(item, "message", result->message) &&
	       nec_json_add_string(item, "fix", result->fix);
}

static bool add_details(cJSON *object, const struct cli *cli, const struct cli_failure *failure)
{
	cJSON *list;
	bool good = true;

	if (failure->probe.count > 0) {
		list = nec_json_array();
		good = nec_json_add(object, "checks", list);
		for (size_t i = 0; good && i < failure->probe.count; i++)
			good = add_check(list, &failure->probe.results[i]);
	}
	if (good && failure->report[0])
		good = nec_json_add_string(object, "report", failure->report);
	if (good && cli->logger && cli->logger->troubled)
		good = nec_json_add_string(object, "warning", cli->logger->trouble.message);
	return good;
}

/* False when the object could not be made; then the block must do. */
static bool print_object(const struct cli *cli, const struct cli_failure *failure)
{
	cleanup_json cJSON *object = nec_json_object();
	cleanup_buffer struct nec_buffer text = { 0 };
	const nec_error *err = failure->err;
	char code[16];

	(void)snprintf(code, sizeof(code), "E%02d", failure->number);
	if (!nec_json_add_string(object, "code", code) ||
	    !nec_json_add_string(object, "name", nec_error_name(err->code)) ||
	    !nec_json_add_string(object, "message", err->message) ||
	    !nec_json_add_string(object, "hint", err->hint) ||
	    !nec_json_add_u64(object, "exit", (uint64_t)failure->number) ||
	    !add_details(object, cli, failure))
		return false;
	nec_json_print(object, &text);
	if (text.failed)
		return false;
	(void)fprintf(stderr, "%s\n", nec_buffer_text(&text));
	return true;
}

/* ---- in the log ---- */

static void keep(const struct cli *cli, struct cli_failure *failure)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	const struct nec_log_record record = {
		.level = NEC_LOG_ERROR,
		.err = failure->err,
		.number = failure->number,
		.file = failure->file,
		.line = failure->line,
	};

	cli_trace(cli, failure, &failure->trace);
	if (!failure->trace.failed &&
	    !nec_logger_write_report(cli->logger, nec_buffer_text(&failure->trace), failure->report,
				     sizeof(failure->report)))
		failure->report[0] = '\0';
	add_block(failure, &text);
	nec_logger_write(cli->logger, &record, "[ E%02d ]%s", failure->number,
			 nec_buffer_text(&text));
}

void cli_warn_of_log(const struct cli *cli)
{
	if (!cli->logger || !cli->logger->troubled || cli->json_errors)
		return;
	cli_warn(cli->logger->trouble.message);
	cli->logger->troubled = false;
	/* Once is enough. */
	cli->logger->places.dir[0] = '\0';
}

int cli_fail_at(const struct cli *cli, const nec_error *err, int number, const char *file, int line)
{
	struct cli_failure failure = { .err = err, .file = file, .line = line };

	cli_progress_clear();
	/* Programs that we ran got the same Ctrl-C, so any error may be how it shows. */
	if (cli->cancel && *cli->cancel) {
		(void)fprintf(stderr, "Interrupted.\n");
		return 128 + *cli->cancel;
	}
	failure.number = number ? number : nec_error_exit_status(err->code);
	if (cli->logger) {
		look(cli, &failure);
		keep(cli, &failure);
		cli_warn_of_log(cli);
	}
	if (!cli->json_errors || !print_object(cli, &failure))
		print_block(&failure);
	nec_buffer_free(&failure.trace);
	return failure.number;
}
