/* SPDX-License-Identifier: Apache-2.0 */
/* The completion file for fish. */
#include <stdio.h>
#include <string.h>

#include "gen.h"

/*
 * __nec_at A B: the words so far that are no options begin with A B. __nec_just A B: they are A B.
 * Values of options count as words, but they can only come after the command.
 */
static const char beginning[] =
	"# Generated from the table of commands.\n"
	"\n"
	"function __nec_words\n"
	"    set -l words (commandline -opc)\n"
	"    string match -v -- '-*' $words[2..-1] | string match -v -- help\n"
	"end\n"
	"\n"
	"function __nec_at\n"
	"    set -l words (__nec_words)\n"
	"    set -l size (count $argv)\n"
	"    test (count $words) -ge $size; and test \"$words[1..$size]\" = \"$argv\"\n"
	"end\n"
	"\n"
	"function __nec_just\n"
	"    test \"$(__nec_words)\" = \"$argv\"\n"
	"end\n"
	"\n"
	"complete -c nec -f\n"
	"complete -c nec -s h -l help -d 'print help'\n"
	"complete -c nec -n __nec_just -s V -l version -d 'print the version'\n"
	"complete -c nec -n __nec_just -a help -d 'Print help'\n";

static void print_quoted(const char *text)
{
	(void)putchar('\'');
	gen_escaped(text, "'\\");
	(void)putchar('\'');
}

static void print_value(const struct cli_option *row)
{
	switch (row->kind) {
	case CLI_FILE:
		(void)printf(" -r -F");
		break;
	case CLI_DIRECTORY:
		(void)printf(" -x -a '(__fish_complete_directories)'");
		break;
	case CLI_CHOICE:
		(void)printf(" -x -a '%s'", row->choices);
		break;
	case CLI_ANY:
	case CLI_NUMBER:
		(void)printf(" -x");
		break;
	}
}

static void print_option(const struct cli_command *command, const struct cli_option *row)
{
	(void)printf("complete -c nec -n '__nec_at %s' -l %s", command->name, row->name);
	if (row->type != CLI_FLAG)
		print_value(row);
	(void)printf(" -d ");
	print_quoted(row->help);
	(void)putchar('\n');
}

static void print_command(const struct cli_command *command)
{
	size_t group_size = cli_group_size(command);

	(void)printf("\ncomplete -c nec -n '__nec_just%s%.*s' -a %s -d ", group_size ? " " : "",
		     (int)group_size, command->name,
		     command->name + (group_size ? group_size + 1 : 0));
	print_quoted(command->summary);
	(void)putchar('\n');
	for (const struct cli_option *row = command->options; row && row->name; row++)
		print_option(command, row);
	/* Operands are all of one kind, that of the first. */
	if (command->operands && command->operands->kind == CLI_FILE)
		(void)printf("complete -c nec -n '__nec_at %s' -F\n", command->name);
	if (command->operands && command->operands->kind == CLI_DIRECTORY)
		(void)printf(
			"complete -c nec -n '__nec_at %s' -a '(__fish_complete_directories)'\n",
			command->name);
}

static void print_group(const struct cli_command *first)
{
	size_t size = cli_group_size(first);

	(void)printf("\ncomplete -c nec -n __nec_just -a %.*s -d ", (int)size, first->name);
	print_quoted(cli_group_summary(first->name, size));
	(void)putchar('\n');
}

void gen_fish(void)
{
	(void)printf("%s", beginning);
	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		if (gen_begins_group(row))
			print_group(*row);
		print_command(*row);
	}
}
