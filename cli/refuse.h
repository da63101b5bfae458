/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said about a wrong command line, in the words and the layout of nitro-cli's parser:
 *
 *	error: <message>
 *
 *	  tip: <only for suggestions>
 *
 *	Usage: nitro-cli <subcommand> <usage tail>
 *
 *	For more information, try '--help'.
 *
 * Internal to the parser. Every function here returns false, so that a refusal is one `return`.
 */
#ifndef NEC_CLI_REFUSE_H
#define NEC_CLI_REFUSE_H

#include "parse.h"

struct cli_parser {
	const struct cli_program *program;
	struct cli_parsed *parsed;
	const char *const *words; /* argv */
	size_t count;
	size_t next; /* index of the first word not yet looked at */

	const struct cli_option *given[CLI_MAX_OPTIONS]; /* in the order of the command line */
	size_t given_count;
	const struct cli_option *operand; /* the next one to fill */
	size_t operands_given;
	bool options_ended; /* by "--" */
	bool no_memory;
};

/* An option or operand that is not known here; @word as typed. */
bool cli_refuse_argument(struct cli_parser *parser, const char *word);
bool cli_refuse_command(struct cli_parser *parser, const char *word);
bool cli_refuse_no_value(struct cli_parser *parser, const struct cli_option *option);
bool cli_refuse_repeated(struct cli_parser *parser, const struct cli_option *option);
bool cli_refuse_choice(struct cli_parser *parser, const struct cli_option *option,
		       const char *value);

/* A value for a flag: @word begins with the flag's name. */
bool cli_refuse_extra_value(struct cli_parser *parser, const char *word, const char *value);

/* What can only be judged at the end: conflicts, then what is missing. True when all is well. */
bool cli_check_combination(struct cli_parser *parser);

#endif
