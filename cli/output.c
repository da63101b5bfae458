/* SPDX-License-Identifier: Apache-2.0 */
/* The result on stdout, progress on stderr. */
#include "output.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "report.h"

enum { MIN_WIDTH = 40, DEFAULT_WIDTH = 80, MAX_WIDTH = 100 };

/*
 * A reader that went away (`nec ... | head`) is nobody's error: nothing is said, and the status is
 * what the shell shows for any program whose reader left.
 */
static int stdout_failed(const struct cli *cli, int error)
{
	nec_error err = NEC_ERROR_INIT;

	if (error == EPIPE)
		return 128 + SIGPIPE;
	nec_error_set_system(&err, NEC_E_FILE_WRITE, -error, "cannot write the result to stdout");
	return cli_fail(cli, &err, 0);
}

int cli_print_bytes(const struct cli *cli, const char *bytes, size_t size)
{
	cli_progress_clear();
	if (fwrite(bytes, 1, size, stdout) != size || fflush(stdout) != 0)
		return stdout_failed(cli, errno);
	return 0;
}

static int fail_without_memory(const struct cli *cli)
{
	nec_error err = NEC_ERROR_INIT;

	(void)nec_error_no_memory(&err);
	return cli_fail(cli, &err, 0);
}

int cli_print_text(const struct cli *cli, struct nec_buffer *text)
{
	if (text->failed)
		return fail_without_memory(cli);
	if (text->size > 0)
		nec_utf8_make_printable((char *)text->data);
	return cli_print_bytes(cli, nec_buffer_text(text), text->size);
}

int cli_print_styled_text(const struct cli *cli, const struct nec_buffer *text)
{
	if (text->failed)
		return fail_without_memory(cli);
	return cli_print_bytes(cli, nec_buffer_text(text), text->size);
}

int cli_print_json(const struct cli *cli, const cJSON *tree)
{
	cleanup_buffer struct nec_buffer text = { .failed = !tree };

	if (tree)
		nec_json_print(tree, &text);
	nec_buffer_append_text(&text, "\n");
	if (text.failed)
		return fail_without_memory(cli);
	return cli_print_bytes(cli, nec_buffer_text(&text), text.size);
}

int cli_finish_output(const struct cli *cli, int status)
{
	/* Once a write has failed the stream remembers; that was reported where it happened. */
	if (ferror(stdout) || fflush(stdout) == 0)
		return status;
	return status ? status : stdout_failed(cli, errno);
}

size_t cli_terminal_width(int fd)
{
	struct winsize size = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return DEFAULT_WIDTH;
	if (size.ws_col < MIN_WIDTH)
		return MIN_WIDTH;
	return size.ws_col > MAX_WIDTH ? MAX_WIDTH : size.ws_col;
}

/*
 * Progress comes from one thread at a time, but a warning that clears the line may come from
 * another: only the flag is shared. The program has one terminal, hence file scope.
 */
static atomic_bool line_shown;
static struct {
	const char *phase;
	uint64_t first_done;
	struct timespec start;
} current;

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static double mib_per_second(uint64_t done)
{
	double seconds = seconds_since(&current.start);

	return seconds > 0 ? (double)(done - current.first_done) / (1 << 20) / seconds : 0;
}

static const char back_and_erase[] = "\r\033[K";

void cli_progress_text(const char *text)
{
	if (!isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "%s%s", back_and_erase, text);
	(void)fflush(stderr);
	atomic_store(&line_shown, true);
}

void cli_progress(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	(void)userdata;
	if (!isatty(STDERR_FILENO))
		return;
	if (!current.phase || strcmp(current.phase, phase) != 0 || done < current.first_done) {
		current.phase = phase;
		current.first_done = done;
		(void)clock_gettime(CLOCK_MONOTONIC, &current.start);
	}
	if (total)
		(void)fprintf(stderr, "%s%s %3.0f%% %.0f MiB/s", back_and_erase, phase,
			      (double)done * 100 / (double)total, mib_per_second(done));
	else
		(void)fprintf(stderr, "%s%s %.0f MiB %.0f MiB/s", back_and_erase, phase,
			      (double)done / (1 << 20), mib_per_second(done));
	(void)fflush(stderr);
	atomic_store(&line_shown, true);
}

void cli_progress_clear(void)
{
	if (!atomic_exchange(&line_shown, false))
		return;
	(void)fputs(back_and_erase, stderr);
	(void)fflush(stderr);
}
