/* SPDX-License-Identifier: Apache-2.0 */
/* How options and commands are written in messages, help and man pages. */
#ifndef NEC_CLI_USAGE_H
#define NEC_CLI_USAGE_H

#include "command.h"
#include "wrap.h"

/* "--memory <memory>", "--cpu-ids <cpu-ids>...", "--all". */
void cli_option_text(const struct cli_option *option, struct nec_buffer *to);

/* "<FILE>", "<FILE>...". */
void cli_operand_text(const struct cli_option *operand, struct nec_buffer *to);

/* Whether @other may be given in place of @option, or is @option itself. */
bool cli_may_replace(const struct cli_option *option, const struct cli_option *other);

/*
 * Whether @option is one of several that stand for each other and an earlier row of @options is
 * the first of them: such a choice is written once, at the first.
 */
bool cli_in_earlier_choice(const struct cli_option *options, const struct cli_option *option);

/*
 * What follows "Usage: ": the program, the command, what it must be given. Without @command that of
 * @group, and without a group that of the program; @group need not end in NUL.
 */
void cli_usage(const struct cli_program *program, const struct cli_command *command,
	       const char *group, size_t group_size, struct cli_wrap *wrap);

#endif
