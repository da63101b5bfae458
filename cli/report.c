/* SPDX-License-Identifier: Apache-2.0 */
/* Failures on the screen. */
#include "report.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "error-codes.h"
#include "output.h"

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

static void print_block(const nec_error *err, int number)
{
	const struct cli_error_code *row = cli_error_code(number);
	char start[16];

	(void)snprintf(start, sizeof(start), "[ E%02d ]", number);
	cli_print_styled(CLI_STYLE_ERROR, start, strlen(start));
	(void)fprintf(stderr, " %s. %s\n", row ? row->title : "Unspecified error", err->message);
	if (err->hint[0])
		(void)fprintf(stderr, "%s\n", err->hint);
	(void)fprintf(stderr, "\nFor more details, please visit " DETAILS_LINK "#E%02d\n", number);
}

/* False when the object could not be made; then the block must do. */
static bool print_object(const nec_error *err, int number)
{
	cleanup_json cJSON *object = nec_json_object();
	cleanup_buffer struct nec_buffer text = { 0 };
	char code[16];

	(void)snprintf(code, sizeof(code), "E%02d", number);
	if (!nec_json_add_string(object, "code", code) ||
	    !nec_json_add_string(object, "name", nec_error_name(err->code)) ||
	    !nec_json_add_string(object, "message", err->message) ||
	    !nec_json_add_string(object, "hint", err->hint) ||
	    !nec_json_add_u64(object, "exit", (uint64_t)number))
		return false;
	nec_json_print(object, &text);
	if (text.failed)
		return false;
	(void)fprintf(stderr, "%s\n", nec_buffer_text(&text));
	return true;
}

int cli_fail(const struct cli *cli, const nec_error *err, int number)
{
	cli_progress_clear();
	/* Programs that we ran got the same Ctrl-C, so any error may be how it shows. */
	if (cli->cancel && *cli->cancel) {
		(void)fprintf(stderr, "Interrupted.\n");
		return 128 + *cli->cancel;
	}
	if (number == 0)
		number = nec_error_exit_status(err->code);
	if (!cli->json_errors || !print_object(err, number))
		print_block(err, number);
	return number;
}
