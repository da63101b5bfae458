/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the man pages that the table knows, in scdoc's language. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "error-codes.h"
#include "gen.h"
#include "usage.h"

enum { MAX_LINE = 1024 };

static const char scdoc_special[] = "\\*_`#[]<>~|";

static void print_text(const char *text)
{
	gen_escaped(text, scdoc_special);
}

static void print_bold(const char *prefix, const char *text)
{
	(void)printf("*%s", prefix);
	print_text(text);
	(void)putchar('*');
}

static void print_value_name(const struct cli_option *row)
{
	(void)putchar('_');
	print_text(row->value ? row->value : row->name);
	(void)printf("_%s", row->type == CLI_WORDS ? "..." : "");
}

static void print_option(const struct cli_option *row)
{
	print_bold("--", row->name);
	if (row->type == CLI_FLAG)
		return;
	(void)putchar(' ');
	print_value_name(row);
}

static void print_required(const struct cli_option *rows, const struct cli_option *row)
{
	const char *separator = "";

	(void)printf(row->unless ? " {" : " ");
	for (const struct cli_option *other = rows; other->name; other++) {
		if (!cli_may_replace(row, other))
			continue;
		(void)printf("%s", separator);
		print_option(other);
		separator = " \\| ";
	}
	(void)printf(row->unless ? "}" : "");
}

static int print_synopsis(const struct cli_command *command)
{
	bool optional = false;

	print_bold("nec ", command->name);
	for (const struct cli_option *row = command->options; row && row->name; row++) {
		optional |= !row->required;
		if (row->required && !cli_in_earlier_choice(command->options, row))
			print_required(command->options, row);
	}
	if (optional)
		(void)printf(" \\[_options_\\]");
	for (const struct cli_option *row = command->operands; row && row->name; row++) {
		(void)printf(row->required ? " _" : " \\[_");
		print_text(row->name);
		(void)printf(row->required ? "_%s" : "_\\]%s", row->type == CLI_LIST ? "..." : "");
	}
	(void)putchar('\n');
	return 0;
}

static int print_description(const struct cli_command *command)
{
	print_text(command->description);
	(void)putchar('\n');
	return 0;
}

static void print_choices(const char *choices)
{
	const char *separator = " One of";

	for (const char *choice = choices; *choice;) {
		size_t size = strcspn(choice, " ");

		(void)printf("%s *%.*s*", separator, (int)size, choice);
		separator = ",";
		choice += size + strspn(choice + size, " ");
	}
	(void)putchar('.');
}

/* "--a, --b" of the names in a list. */
static void print_names(const char *before, const char *names)
{
	const char *separator = "";

	(void)printf(" %s ", before);
	while (*names) {
		size_t size = strcspn(names, " ");

		(void)printf("%s*--%.*s*", separator, (int)size, names);
		separator = ", ";
		names += size + strspn(names + size, " ");
	}
	(void)putchar('.');
}

/* The row's sentence, as one. */
static void print_help(const struct cli_option *row)
{
	char first[2] = { (char)toupper((unsigned char)row->help[0]), '\0' };

	(void)putchar('\t');
	print_text(first);
	print_text(row->help + 1);
	(void)putchar('.');
	if (row->choices)
		print_choices(row->choices);
	if (row->type == CLI_LIST)
		(void)printf(" May be repeated.");
	if (row->requires)
		print_names("Needs", row->requires);
	if (row->conflicts)
		print_names("Not together with", row->conflicts);
	(void)printf("\n\n");
}

static int print_options(const struct cli_command *command)
{
	for (const struct cli_option *row = command->operands; row && row->name; row++) {
		(void)putchar('_');
		print_text(row->name);
		(void)printf("_%s\n", row->type == CLI_LIST ? "..." : "");
		print_help(row);
	}
	for (const struct cli_option *row = command->options; row && row->name; row++) {
		print_option(row);
		(void)putchar('\n');
		print_help(row);
	}
	(void)printf("*-h*, *--help*\n\tPrint help.\n");
	return 0;
}

static int print_examples(const struct cli_command *command)
{
	for (const struct cli_example *row = command->examples; row && row->command; row++) {
		print_text(row->text);
		(void)printf(":\n\n```\n%s\n```\n%s", row->command, row[1].command ? "\n" : "");
	}
	return 0;
}

static void print_entry(const char *name, size_t page_size, const char *summary)
{
	print_bold("nec ", name);
	(void)printf(", see *nec-%.*s*(1)\n\t", (int)page_size, name);
	print_text(summary);
	(void)printf(".\n\n");
}

static int print_commands(void)
{
	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		size_t group_size = cli_group_size(*row);

		print_entry((*row)->name, group_size ? group_size : strlen((*row)->name),
			    (*row)->summary);
	}
	return 0;
}

/* Every command's page, those of a group once. */
static int print_pages(void)
{
	const char *separator = "";

	for (const struct cli_command *const *row = cli_commands; *row; row++) {
		size_t group_size = cli_group_size(*row);

		if (group_size > 0 && !gen_begins_group(row))
			continue;
		(void)printf("%s*nec-%.*s*(1)", separator,
			     (int)(group_size ? group_size : strlen((*row)->name)), (*row)->name);
		separator = ", ";
	}
	(void)putchar('\n');
	return 0;
}

static int print_errors(void)
{
	(void)printf("```\n");
	for (int number = 1; number <= CLI_LAST_ERROR_CODE; number++)
		(void)printf("%2d  E%02d  %s\n", number, number, cli_error_code(number)->title);
	(void)printf("```\n");
	return 0;
}

static const struct {
	const char *name;
	int (*print)(const struct cli_command *command); /* takes a command's name */
	int (*print_all)(void);                          /* or none */
} directives[] = {
	{ .name = "synopsis", .print = print_synopsis },
	{ .name = "description", .print = print_description },
	{ .name = "options", .print = print_options },
	{ .name = "examples", .print = print_examples },
	{ .name = "commands", .print_all = print_commands },
	{ .name = "errors", .print_all = print_errors },
	{ .name = "pages", .print_all = print_pages },
};

static const struct cli_command *find_command(const char *name)
{
	for (const struct cli_command *const *row = cli_commands; *row; row++)
		if (strcmp((*row)->name, name) == 0)
			return *row;
	return NULL;
}

/* @text: "options eif lint". */
static int follow(const char *text)
{
	size_t size = strcspn(text, " ");
	const struct cli_command *command = text[size] ? find_command(text + size + 1) : NULL;

	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
		if (strlen(directives[i].name) != size ||
		    memcmp(directives[i].name, text, size) != 0)
			continue;
		if (directives[i].print_all)
			return directives[i].print_all();
		return command ? directives[i].print(command) : -1;
	}
	return -1;
}

static int print_line(char *line)
{
	size_t size = strcspn(line, "\n");

	if (size < 2 || line[0] != '@' || line[size - 1] != '@') {
		(void)fputs(line, stdout);
		return 0;
	}
	line[size - 1] = '\0';
	return follow(line + 1);
}

int gen_page(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[MAX_LINE];
	int r = 0;

	if (!file) {
		perror(path);
		return -1;
	}
	while (r == 0 && fgets(line, sizeof(line), file)) {
		r = print_line(line);
		if (r < 0)
			(void)fprintf(stderr, "%s: cannot follow '%s'\n", path, line);
	}
	(void)fclose(file);
	return r;
}
