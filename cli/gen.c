/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nec-gen: a program of the build, not installed.
 *
 *	nec-gen completion bash|zsh|fish    the completion file
 *	nec-gen page FILE.scd               the man page's source with its generated parts
 *	nec-gen commands                    the names of all commands
 *	nec-gen examples                    the examples that can be tested, one a line
 *	nec-gen errors                      the tables of errors, for tests/cli/check-errors
 */
#include "gen.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "error-codes.h"

static const struct {
	const char *shell;
	void (*print)(void);
} completions[] = {
	{ "bash", gen_bash },
	{ "zsh", gen_zsh },
	{ "fish", gen_fish },
};

bool gen_begins_group(const struct cli_command *const *row)
{
	return cli_group_size(*row) > 0 && (row == cli_commands || !gen_same_group(row[-1], *row));
}

bool gen_same_group(const struct cli_command *first, const struct cli_command *command)
{
	size_t size = cli_group_size(first);

	return size > 0 && cli_group_size(command) == size &&
	       memcmp(first->name, command->name, size) == 0;
}

void gen_escaped(const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			(void)putchar('\\');
		(void)putchar(*text);
	}
}

static int print_completion(const char *shell)
{
	for (size_t i = 0; i < sizeof(completions) / sizeof(completions[0]); i++) {
		if (strcmp(completions[i].shell, shell) != 0)
			continue;
		completions[i].print();
		return 0;
	}
	return -1;
}

static void print_commands(void)
{
	for (const struct cli_command *const *row = cli_commands; *row; row++)
		(void)puts((*row)->name);
}

static void print_examples(void)
{
	for (const struct cli_command *const *row = cli_commands; *row; row++)
		for (const struct cli_example *example = (*row)->examples;
		     example && example->command; example++)
			if (example->tested)
				(void)puts(example->command);
}

/* Far above the last code. */
enum { CODES_END = 1000 };

/* Fields with tabs between them: what it is, the number, name, then the title or the hint. */
static void print_errors(void)
{
	for (int number = 0; number <= CLI_LAST_ERROR_CODE; number++) {
		const struct cli_error_code *code = cli_error_code(number);

		(void)printf("block\t%d\t%s\t%s\t%s\n", number, code->name, code->title,
			     cli_error_code_is_foreign(number) ? "foreign" : "ours");
	}
	for (int code = NEC_E_NONE + 1; code < CODES_END; code++) {
		const char *name = nec_error_name((enum nec_error_code)code);

		if (strcmp(name, "unknown") != 0)
			(void)printf("error\t%d\t%s\t%s\t%d\n", code, name,
				     nec_error_hint((enum nec_error_code)code),
				     nec_error_exit_status((enum nec_error_code)code));
	}
}

static int act(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "completion") == 0)
		return print_completion(argv[2]);
	if (argc == 3 && strcmp(argv[1], "page") == 0)
		return gen_page(argv[2]);
	if (argc == 2 && strcmp(argv[1], "commands") == 0)
		print_commands();
	else if (argc == 2 && strcmp(argv[1], "examples") == 0)
		print_examples();
	else if (argc == 2 && strcmp(argv[1], "errors") == 0)
		print_errors();
	else
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	if (act(argc, argv) < 0 || fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "nec-gen: failed\n");
		return 1;
	}
	return 0;
}
