/* SPDX-License-Identifier: Apache-2.0 */
/* nec: parses, calls the library, prints. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/logger.h"
#include "help.h"
#include "output.h"
#include "parse.h"
#include "report.h"

/* The signal that asked us to stop. Lent to the library, which looks at it often. */
static volatile int cancel_signal;

static void on_cancel(int signal_number)
{
	cancel_signal = signal_number;
}

static void on_broken_pipe(int signal_number)
{
	(void)signal_number;
}

/* What our caller chose to ignore stays ignored, as `nohup` does for SIGHUP. */
static void catch_unless_ignored(int signal_number, const struct sigaction *action)
{
	struct sigaction old;

	if (sigaction(signal_number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		(void)sigaction(signal_number, action, NULL);
}

/*
 * The first Ctrl-C lets the library undo what it did; SA_RESETHAND makes the second one end us at
 * once. A reader that goes away shows as EPIPE: SIGPIPE gets a handler that does nothing instead of
 * being ignored, because programs that we start would inherit the latter.
 */
static void catch_signals(void)
{
	const struct sigaction cancel = { .sa_handler = on_cancel, .sa_flags = SA_RESETHAND };
	const struct sigaction broken_pipe = { .sa_handler = on_broken_pipe };

	catch_unless_ignored(SIGHUP, &cancel);
	catch_unless_ignored(SIGINT, &cancel);
	catch_unless_ignored(SIGTERM, &cancel);
	(void)sigaction(SIGPIPE, &broken_pipe, NULL);
}

/*
 * When a caller closed one of the three standard descriptors, the next file that is opened would
 * take its number and get our messages. What we put there instead fails as a closed one does: it is
 * open the wrong way round.
 */
static void guard_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static void on_warning(void *userdata, const char *text)
{
	(void)userdata;
	cli_warn(text);
}

static void on_log(void *userdata, const char *line)
{
	(void)userdata;
	cli_progress_clear();
	(void)fprintf(stderr, "debug: %s\n", line);
}

static int make_context(struct cli *cli, nec_error *err)
{
	const char *debug = getenv("NEC_DEBUG");
	int r = nec_context_new(&cli->context, err);

	if (r < 0)
		return r;
	nec_context_set_cancel(cli->context, &cancel_signal);
	nec_context_set_progress(cli->context, cli_progress, NULL);
	nec_context_set_warning(cli->context, on_warning, NULL);
	if (debug && *debug && strcmp(debug, "0") != 0)
		nec_context_set_log(cli->context, on_log, NULL);
	return 0;
}

/* The process that holds an enclave has another working folder, and looks there as well. */
static void make_logs_path_absolute(void)
{
	const char *wish = getenv("NITRO_CLI_LOGS_PATH");
	char *folder = wish && *wish && *wish != '/' ? get_current_dir_name() : NULL;
	char path[PATH_MAX];

	if (folder && (size_t)snprintf(path, sizeof(path), "%s/%s", folder, wish) < sizeof(path))
		(void)setenv("NITRO_CLI_LOGS_PATH", path, 1);
	free(folder);
}

/* Commands that have to do with enclaves keep a log; those that work on files do not. */
static void open_log(struct cli *cli, struct nec_logger *logger)
{
	struct nec_log_places places;

	if (cli->command->topic != CLI_TOPIC_ENCLAVES)
		return;
	make_logs_path_absolute();
	nec_log_places_find(&places);
	nec_logger_open(logger, &places, "nec", "nitro-cli");
	cli->logger = logger;
	nec_logger_write(logger, &(struct nec_log_record){ .level = NEC_LOG_DEBUG, NEC_LOG_HERE },
			 "Start nec " NEC_VERSION ": %s", cli->command->name);
}

static int run_command(struct cli *cli, const struct cli_parsed *parsed)
{
	struct nec_logger logger = NEC_LOGGER_INIT;
	nec_error err = NEC_ERROR_INIT;
	int status;

	cli->json_errors = cli_wants_json(parsed);
	cli->command = parsed->command;
	cli->backend = cli_parsed_value(parsed, "backend");
	open_log(cli, &logger);
	if (make_context(cli, &err) < 0)
		return cli_fail(cli, &err, 0);
	status = parsed->command->run(cli, parsed->options);
	cli_progress_clear();
	cli_warn_of_log(cli);
	nec_logger_close(&logger);
	nec_context_free(cli->context);
	return status;
}

static int print_help(const struct cli *cli, const struct cli_program *program,
		      const struct cli_parsed *parsed)
{
	bool asked_for = parsed->action == CLI_HELP;
	size_t width = cli_terminal_width(asked_for ? STDOUT_FILENO : STDERR_FILENO);
	cleanup_buffer struct nec_buffer text = { 0 };

	cli_help(program, parsed->command, parsed->group, parsed->group_size, width, &text);
	if (asked_for)
		return cli_print_text(cli, &text);
	(void)fputs(nec_buffer_text(&text), stderr);
	return CLI_EXIT_USAGE;
}

static int print_version(const struct cli *cli, const struct cli_program *program)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_buffer_printf(&text, "%s\n", program->version);
	return cli_print_text(cli, &text);
}

static int print_refusal(const struct cli_parsed *parsed)
{
	const char *text = nec_buffer_text(&parsed->message);
	size_t prefix = strlen("error:");

	cli_print_styled(CLI_STYLE_ERROR, text, prefix);
	(void)fputs(text + prefix, stderr);
	return CLI_EXIT_USAGE;
}

static int act(struct cli *cli, const struct cli_program *program, const struct cli_parsed *parsed)
{
	switch (parsed->action) {
	case CLI_RUN:
		return run_command(cli, parsed);
	case CLI_VERSION:
		return print_version(cli, program);
	case CLI_REFUSED:
		return print_refusal(parsed);
	case CLI_HELP:
	case CLI_NOTHING:
		break;
	}
	return print_help(cli, program, parsed);
}

int main(int argc, char **argv)
{
	struct cli_program program = cli_program_called(argc > 0 ? argv[0] : NULL);
	struct cli cli = { .as_nitro_cli = program.as_nitro_cli, .cancel = &cancel_signal };
	struct cli_parsed parsed;
	nec_error err = NEC_ERROR_INIT;
	int status;

	guard_standard_descriptors();
	catch_signals();
	if (cli_parse(&program, argc, argv, &parsed, &err) < 0)
		return cli_fail(&cli, &err, 0);
	status = act(&cli, &program, &parsed);
	cli_parsed_clear(&parsed);
	return cli_finish_output(&cli, status);
}
