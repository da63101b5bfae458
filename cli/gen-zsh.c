/* SPDX-License-Identifier: Apache-2.0 */
/* The completion file for zsh: a function a command, and one a list of commands. */
#include <stdio.h>
#include <string.h>

#include "gen.h"

/* Texts stand in single quotes, where only the quote itself has to be written in another way. */
static void print_quoted(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			(void)printf("'\\'");
		else if (strchr(special, *text))
			(void)putchar('\\');
		(void)putchar(*text);
	}
}

static void print_action(const struct cli_option *row)
{
	switch (row->kind) {
	case CLI_FILE:
		(void)printf("_files");
		break;
	case CLI_DIRECTORY:
		(void)printf("_files -/");
		break;
	case CLI_CHOICE:
		(void)printf("(%s)", row->choices);
		break;
	case CLI_ANY:
	case CLI_NUMBER:
		/* An action of one blank: say what is wanted, offer nothing. */
		(void)putchar(' ');
		break;
	}
}

/* "(--other)" for what is no longer offered once this option is there. */
static void print_exclusions(const struct cli_option *row)
{
	const char *before = "(";

	for (const char *name = row->conflicts; name && *name;) {
		size_t size = strcspn(name, " ");

		(void)printf("%s--%.*s", before, (int)size, name);
		before = " ";
		name += size + strspn(name + size, " ");
	}
	if (row->conflicts)
		(void)putchar(')');
}

static void print_option(const struct cli_option *row)
{
	(void)printf(" \\\n        '");
	if (row->type == CLI_LIST)
		(void)putchar('*');
	else
		print_exclusions(row);
	(void)printf("--%s%s[", row->name, row->type == CLI_FLAG ? "" : "=");
	print_quoted(row->help, "[]:\\");
	(void)putchar(']');
	if (row->type != CLI_FLAG) {
		(void)putchar(':');
		print_quoted(row->value ? row->value : row->name, ":\\");
		(void)putchar(':');
		print_action(row);
	}
	(void)putchar('\'');
}

static void print_operand(const struct cli_option *row)
{
	(void)printf(" \\\n        '%s:", row->type == CLI_LIST ? "*" : "");
	print_quoted(row->name, ":\\");
	(void)putchar(':');
	print_action(row);
	(void)putchar('\'');
}

/* "_nec_eif_lint": function names have no blanks. */
static void print_function_name(const char *name, size_t size)
{
	(void)printf("_nec_");
	for (size_t i = 0; i < size; i++)
		(void)putchar(name[i] == ' ' ? '_' : name[i]);
}

static void print_command(const struct cli_command *command)
{
	print_function_name(command->name, strlen(command->name));
	(void)printf("()\n{\n    _arguments -s -S '(- *)'{-h,--help}'[print help]'");
	for (const struct cli_option *row = command->options; row && row->name; row++)
		print_option(row);
	for (const struct cli_option *row = command->operands; row && row->name; row++)
		print_operand(row);
	(void)printf("\n}\n\n");
}

/* An entry of a list of commands. */
static void print_entry(const char *name, size_t size, const char *summary)
{
	(void)printf("        '%.*s:", (int)size, name);
	print_quoted(summary, ":\\");
	(void)printf("'\n");
}

static void print_list_beginning(void)
{
	(void)printf("()\n{\n"
		     "    local curcontext=$curcontext state line\n"
		     "    local -a commands=(\n");
}

static void print_list_end(const char *options)
{
	print_entry("help", strlen("help"), "Print help");
	(void)printf("    )\n\n"
		     "    _arguments -C '(- *)'{-h,--help}'[print help]'%s \\\n"
		     "        '1: :->command' '*:: :->rest'\n"
		     "    case $state in\n"
		     "    command) _describe command commands ;;\n"
		     "    rest)\n"
		     "        case $line[1] in\n",
		     options);
}

static void print_call(const char *name, size_t size, const char *word, size_t word_size)
{
	(void)printf("        %.*s) ", (int)word_size, word);
	print_function_name(name, size);
	(void)printf(" ;;\n");
}

static const char list_closing[] = "        esac\n"
				   "        ;;\n"
				   "    esac\n"
				   "}\n\n";

static void print_group(const struct cli_command *const *first)
{
	size_t size = cli_group_size(*first);

	print_function_name((*first)->name, size);
	print_list_beginning();
	for (const struct cli_command *const *row = first; *row; row++)
		if (gen_same_group(*first, *row))
			print_entry((*row)->name + size + 1, strlen((*row)->name) - size - 1,
				    (*row)->summary);
	print_list_end("");
	print_call((*first)->name, size, "help", strlen("help"));
	for (const struct cli_command *const *row = first; *row; row++)
		if (gen_same_group(*first, *row))
			print_call((*row)->name, strlen((*row)->name), (*row)->name + size + 1,
				   strlen((*row)->name) - size - 1);
	(void)printf("%s", list_closing);
}

static void print_program(void)
{
	(void)printf("_nec");
	print_list_beginning();
	for (const struct cli_command *const *row = cli_commands; *row; row++)
		if (cli_group_size(*row) == 0)
			print_entry((*row)->name, strlen((*row)->name), (*row)->summary);
		else if (gen_begins_group(row))
			print_entry((*row)->name, cli_group_size(*row),
				    cli_group_summary((*row)->name, cli_group_size(*row)));
	print_list_end(" '(- *)'{-V,--version}'[print the version]'");
	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		size_t group_size = cli_group_size(*row);
		size_t size = group_size ? group_size : strlen((*row)->name);

		if (group_size == 0 || gen_begins_group(row))
			print_call((*row)->name, size, (*row)->name, size);
	}
	(void)printf("        help) _nec ;;\n%s", list_closing);
}

void gen_zsh(void)
{
	(void)printf("#compdef nec\n# Generated from the table of commands.\n\n");
	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		if (gen_begins_group(row))
			print_group(row);
		print_command(*row);
	}
	print_program();
	(void)printf("_nec \"$@\"\n");
}
