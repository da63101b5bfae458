/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: words end in NUL bytes, the first one is the program's name. */
#include <string.h>

#include "help.h"
#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_WORDS = 64 };

static int split(char *text, size_t size, char **words)
{
	int count = 0;

	for (size_t begin = 0; begin < size && count < MAX_WORDS;) {
		words[count++] = text + begin;
		begin += strlen(text + begin) + 1;
	}
	return count;
}

/* A refusal explains itself to the end, anything else says nothing. */
static void check_message(const struct cli_parsed *parsed)
{
	static const char end[] = "\nFor more information, try '--help'.\n";
	const char *text = nec_buffer_text(&parsed->message);
	size_t length = strlen(text);

	if (parsed->action != CLI_REFUSED) {
		if (length > 0)
			__builtin_trap();
		return;
	}
	if (strncmp(text, "error: ", strlen("error: ")) != 0 || length < strlen(end) ||
	    strcmp(text + length - strlen(end), end) != 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_buffer struct nec_buffer help = { 0 };
	char *words[MAX_WORDS + 1] = { NULL };
	struct cli_program program;
	struct cli_parsed parsed;
	int count;

	nec_buffer_append(&text, data, size);
	nec_buffer_append_u8(&text, '\0');
	if (text.failed)
		return 0;
	count = split((char *)text.data, text.size, words);
	program = cli_program_called(words[0]);
	if (cli_parse(&program, count, words, &parsed, NULL) < 0)
		return 0;
	check_message(&parsed);
	if (parsed.action == CLI_RUN && (!parsed.command || !parsed.options))
		__builtin_trap();
	cli_help(&program, parsed.command, parsed.group, parsed.group_size, 80, &help);
	cli_parsed_clear(&parsed);
	return 0;
}
