/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands. Help, man pages, shell completions and the parser are all made from these
 * rows, so they cannot drift. One file a command (cmd-<name>.c) defines its `const struct
 * cli_command` and is listed in commands.c.
 *
 * A command's function is short: options into library structs, one library call, the result to
 * cli_print_json() (output.h) and every failure through cli_fail() (report.h). Numbers in options
 * are checked with cli_parse_...() (values.h).
 */
#ifndef NEC_CLI_COMMAND_H
#define NEC_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "nec.h"

/* What is stored for an option or operand that may be given several times. */
struct cli_list {
	const char **items; /* the texts are borrowed from argv */
	size_t count;
};

enum cli_option_type {
	CLI_FLAG,  /* stores bool */
	CLI_VALUE, /* stores const char *; checking it is the command's business (cli_parse_...) */
	CLI_LIST,  /* stores struct cli_list: the option may be repeated, one value each time */
	CLI_WORDS, /* stores struct cli_list: one option, one or more values as separate words */
};

/* What a value is: for completion, and for the placeholder's meaning in the man page. */
enum cli_value_kind { CLI_ANY, CLI_FILE, CLI_DIRECTORY, CLI_NUMBER, CLI_CHOICE };

struct cli_option {
	const char *name; /* without the dashes; for an operand its name in the synopsis, "FILE" */
	enum cli_option_type type;
	const char *value;     /* name of the value in help; NULL means the option's own name */
	const char *help;      /* one sentence, lower-case start, no full stop */
	size_t offset;         /* of the target in the command's options struct */
	bool required;         /* must be given ... */
	const char *unless;    /* ... or one of these for it (names separated by spaces) */
	const char *conflicts; /* cannot be used together with these (one direction is enough) */
	const char *requires;  /* needs all of these as well */
	enum cli_value_kind kind;
	const char *choices; /* for CLI_CHOICE: the words, separated by spaces; the parser checks */
};

struct cli_example {
	const char *text;    /* what it does */
	const char *command; /* what to type */
	bool tested;         /* run as a test, with the files that tests/cli/run-examples makes */
};

/* Under which heading `nec --help` lists a command. */
enum cli_topic { CLI_TOPIC_IMAGES, CLI_TOPIC_ENCLAVES, CLI_TOPIC_OTHER };

struct nec_logger;

struct cli {
	nec_context *context;
	bool as_nitro_cli; /* called by the old name: behave as nitro-cli where the two differ */
	bool json_errors;  /* --output json: a failure is one JSON object on stderr */
	const volatile int *cancel;        /* the signal that asked us to stop, or 0 */
	const struct cli_command *command; /* the one that runs; NULL before */
	const char *backend;       /* its option --backend, if it has one and it was given */
	struct nec_logger *logger; /* NULL for commands that work on files alone */
	bool sets_aside; /* it is the allocator: how memory is set aside is not what it must be told
			  */
};

struct cli_command {
	const char *name;        /* "describe-eif", or two words as in "eif lint" */
	const char *summary;     /* one line for the list of commands */
	const char *description; /* paragraphs for help and man page, separated by empty lines */
	const struct cli_option *options; /* ends with a row whose name is NULL; may be NULL */
	const struct cli_option
		*operands; /* in order; only the last may be a CLI_LIST; may be NULL */
	const struct cli_example *examples; /* ends with a row whose command is NULL; may be NULL */
	size_t options_size; /* size of the struct that the offsets are in; starts as zeros */
	bool nitro_cli;      /* nitro-cli has it too */
	/* Returns the program's exit status. @options points to the filled struct. */
	int (*run)(struct cli *cli, const void *options);
	enum cli_topic topic;
};

/* commands.c: ends with NULL. */
extern const struct cli_command *const cli_commands[];

/* The rows that a command accepts, and a program with them under one of its two names. */
#define CLI_MAX_OPTIONS 48

struct cli_program {
	const char *name;    /* as in messages: "nec" or "nitro-cli" */
	const char *version; /* the line that --version prints */
	const struct cli_command *const *commands;
	bool as_nitro_cli; /* only the commands that nitro-cli has */
};

/* The program as it was called: argv[0] decides between our two names. */
struct cli_program cli_program_called(const char *argv0);

/* Whether a command exists under the program's name. */
bool cli_program_has(const struct cli_program *program, const struct cli_command *command);

/* Whether @word is one of the names in @list, which are separated by spaces; NULL has none. */
bool cli_names_contain(const char *list, const char *word);

/* Length of the first word of a two-word command's name (its group), or 0 if it has one word. */
size_t cli_group_size(const struct cli_command *command);

/* One line about a group; "" for what is none. */
const char *cli_group_summary(const char *group, size_t size);

#endif
