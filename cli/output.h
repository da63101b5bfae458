/* SPDX-License-Identifier: Apache-2.0 */
/* The result on stdout, progress on stderr. */
#ifndef NEC_CLI_OUTPUT_H
#define NEC_CLI_OUTPUT_H

#include "base/buffer.h"
#include "command.h"

struct cJSON;

/*
 * Print a result on stdout: JSON and a newline, or text, in which what a terminal could take for a
 * command is replaced by '?' first. Return the exit status: 0, or that of the failure, which was
 * reported. A tree that could not be made (NULL) is reported as lack of memory.
 */
int cli_print_json(const struct cli *cli, const struct cJSON *tree);
int cli_print_text(const struct cli *cli, struct nec_buffer *text);

/* The same for text with styles in it, whose parts from outside were made printable before. */
int cli_print_styled_text(const struct cli *cli, const struct nec_buffer *text);
/* Bytes as they are, such as a console's. */
int cli_print_bytes(const struct cli *cli, const char *bytes, size_t size);

/*
 * Flushes stdout at the program's end, so that a full disk is noticed. Returns @status, or that of
 * the failure.
 */
int cli_finish_output(const struct cli *cli, int status);

/* Columns of the terminal on stdout or stderr; 80 when there is none. */
size_t cli_terminal_width(int fd);

/* A nec_progress_fn: one line on stderr, if that is a terminal. */
void cli_progress(void *userdata, const char *phase, uint64_t done, uint64_t total);

/* The same line with a text of one's own. */
void cli_progress_text(const char *text);

/* Takes the progress line away; to be called before anything else goes to stderr or stdout. */
void cli_progress_clear(void);

#endif
