/* SPDX-License-Identifier: Apache-2.0 */
/* The completion file for bash. It needs no other file of bash-completion. */
#include <stdio.h>
#include <string.h>

#include "gen.h"

static const char beginning[] =
	"# bash completion for nec                                  -*- shell-script -*-\n"
	"# Generated from the table of commands.\n"
	"\n"
	"_nec_words()\n"
	"{\n"
	"    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n"
	"}\n"
	"\n"
	"_nec_paths()\n"
	"{\n"
	"    compopt -o filenames\n"
	"    mapfile -t COMPREPLY < <(compgen -A \"$1\" -- \"$cur\")\n"
	"}\n"
	"\n"
	"_nec()\n"
	"{\n"
	"    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' i\n"
	"    COMPREPLY=()\n"
	"    # Bash cuts --option=value into three words.\n"
	"    if [[ $cur == '=' ]]; then\n"
	"        cur=''\n"
	"    elif [[ $prev == '=' ]]; then\n"
	"        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"    fi\n"
	"    for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"        # `help eif lint` is completed as `eif lint` is.\n"
	"        [[ ${COMP_WORDS[i]} == @(-*|help) ]] && continue\n"
	"        command+=${command:+ }${COMP_WORDS[i]}\n";

static const char end[] = "}\n"
			  "\n"
			  "complete -F _nec nec\n";

static void print_groups(const char *separator)
{
	const char *before = "";

	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		if (!gen_begins_group(row))
			continue;
		(void)printf("%s%.*s", before, (int)cli_group_size(*row), (*row)->name);
		before = separator;
	}
}

/* The command that completes a value; ":" does nothing. */
static void print_value(const struct cli_option *row)
{
	switch (row->kind) {
	case CLI_FILE:
		(void)printf("_nec_paths file");
		break;
	case CLI_DIRECTORY:
		(void)printf("_nec_paths directory");
		break;
	case CLI_CHOICE:
		(void)printf("_nec_words '%s'", row->choices);
		break;
	case CLI_ANY:
	case CLI_NUMBER:
		(void)putchar(':');
		break;
	}
}

/* After an option comes its value and nothing else. */
static void print_values(void)
{
	(void)printf("\n    case $command:$prev in\n");
	for (const struct cli_command *const *row = cli_commands; *row; row++)
		for (const struct cli_option *option = (*row)->options; option && option->name;
		     option++) {
			if (option->type == CLI_FLAG)
				continue;
			(void)printf("    '%s:--%s')\n        ", (*row)->name, option->name);
			print_value(option);
			(void)printf("\n        return\n        ;;\n");
		}
	(void)printf("    esac\n");
}

static void print_option_words(const struct cli_command *command)
{
	for (const struct cli_option *row = command->options; row && row->name; row++)
		(void)printf("--%s ", row->name);
	(void)printf("--help");
}

/* Operands are all of one kind: a file here and a word there cannot be told apart in bash. */
static void print_command(const struct cli_command *command)
{
	(void)printf("    '%s')\n        if [[ $cur == -* ]]; then\n            _nec_words '",
		     command->name);
	print_option_words(command);
	(void)printf("'\n");
	if (command->operands) {
		(void)printf("        else\n            ");
		print_value(command->operands);
		(void)printf("\n");
	}
	(void)printf("        fi\n        ;;\n");
}

static void print_group(const struct cli_command *const *first)
{
	int size = (int)cli_group_size(*first);

	(void)printf("    '%.*s') _nec_words '", size, (*first)->name);
	for (const struct cli_command *const *row = first; *row; row++)
		if (gen_same_group(*first, *row))
			(void)printf("%s ", (*row)->name + size + 1);
	(void)printf("help --help' ;;\n");
}

static void print_all_words(void)
{
	for (const struct cli_command *const *row = cli_commands; *row; row++)
		if (cli_group_size(*row) == 0)
			(void)printf("%s ", (*row)->name);
		else if (gen_begins_group(row))
			(void)printf("%.*s ", (int)cli_group_size(*row), (*row)->name);
}

void gen_bash(void)
{
	(void)printf("%s        [[ $command == @(", beginning);
	print_groups("|");
	(void)printf(") ]] || break\n    done\n");
	print_values();
	(void)printf("\n    case $command in\n    '') _nec_words '");
	print_all_words();
	(void)printf("help --help --version' ;;\n");
	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		if (gen_begins_group(row))
			print_group(row);
		print_command(*row);
	}
	(void)printf("    esac\n%s", end);
}
