/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --help, made from the table. */
#ifndef NEC_CLI_HELP_H
#define NEC_CLI_HELP_H

#include "command.h"
#include "wrap.h"

/*
 * Help of @command; without one the list of the commands of @group; without that of all.
 * @width: columns of a line, at least 40.
 */
void cli_help(const struct cli_program *program, const struct cli_command *command,
	      const char *group, size_t group_size, size_t width, struct nec_buffer *to);

/* What stands beside an option: its sentence, its choices, and that it may be repeated. */
void cli_option_help(const struct cli_option *option, struct nec_buffer *to);

#endif
