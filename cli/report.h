/* SPDX-License-Identifier: Apache-2.0 */
/* Failures on the screen and the status the program ends with. */
#ifndef NEC_CLI_REPORT_H
#define NEC_CLI_REPORT_H

#include "base/buffer.h"
#include "command.h"

/**
 * cli_fail() - print why a command failed, once, on stderr
 * @err:    what the library said
 * @number: the E number (and exit status) if the command knows better than the error table, as
 *          describe-eif does with E35 for every unreadable image; 0 for the table's
 *
 * The block begins with "[ Exx ]" as scripts expect; in JSON mode it is one object. Being
 * interrupted is not reported as an error. Commands that have to do with enclaves (those with a
 * logger) look at the machine for what explains the error, write it into the log, and keep a report
 * of it.
 *
 * Returns the exit status.
 */
#define cli_fail(cli, err, number) cli_fail_at(cli, err, number, __FILE_NAME__, __LINE__)
int cli_fail_at(const struct cli *cli, const nec_error *err, int number, const char *file,
		int line);

/* Warns, once, when the log could not be written. */
void cli_warn_of_log(const struct cli *cli);

/* Prints "warning: <text>" on stderr. */
void cli_warn(const char *text);

/* The prefix "error:" and the like stand out on a terminal, unless NO_COLOR is set. */
enum cli_style { CLI_STYLE_ERROR, CLI_STYLE_WARNING, CLI_STYLE_GOOD, CLI_STYLE_PLAIN };
void cli_print_styled(enum cli_style style, const char *text, size_t size);

/* The same for text that is going to be written to @fd. */
void cli_append_styled(enum cli_style style, int fd, const char *text, struct nec_buffer *to);

#endif
