/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line against the table of commands, by nitro-cli's rules: long options only, no
 * abbreviations, `--option value` or `--option=value`, a value never begins with a dash as a word
 * of its own, nothing may be given twice. `--` ends the options of a command that has operands.
 */
#ifndef NEC_CLI_PARSE_H
#define NEC_CLI_PARSE_H

#include "base/buffer.h"
#include "command.h"

/* The status that every misuse of the command line ends with. */
#define CLI_EXIT_USAGE 2

enum cli_action {
	CLI_RUN,     /* the command's options are filled */
	CLI_HELP,    /* help was asked for */
	CLI_VERSION, /* --version was asked for */
	CLI_NOTHING, /* no command was given: help, but as an error */
	CLI_REFUSED, /* a mistake, explained in `message` */
};

struct cli_parsed {
	enum cli_action action;
	const struct cli_command *command; /* to run, or to explain; may be NULL */
	const char *group;                 /* "eif" of `nec eif`, not ending in NUL; may be NULL */
	size_t group_size;
	void *options;             /* the command's options struct */
	struct nec_buffer message; /* of CLI_REFUSED: lines with newlines, for stderr */
};

/*
 * Reads argv[1] and what follows. Returns 0 with @parsed filled, or -ENOMEM. The texts in the
 * options struct are borrowed from @argv. To be released with cli_parsed_clear().
 */
int cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_parsed *parsed,
	      nec_error *err);

void cli_parsed_clear(struct cli_parsed *parsed);

/* What was given for an option that is a choice; NULL when nothing was, or there is no such row. */
const char *cli_parsed_value(const struct cli_parsed *parsed, const char *name);

/* Whether the command was asked for JSON, by an option --output whose value is json. */
bool cli_wants_json(const struct cli_parsed *parsed);

#endif
