/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about a wrong command line. */
#include "refuse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "suggest.h"
#include "usage.h"

static void add_usage(struct cli_parser *parser)
{
	const struct cli_parsed *parsed = parser->parsed;
	struct nec_buffer *message = &parser->parsed->message;
	struct cli_wrap wrap = { .to = message, .width = CLI_NO_WRAP };

	nec_buffer_append_text(message, "\nUsage:");
	cli_usage(parser->program, parsed->command, parsed->group, parsed->group_size, &wrap);
	nec_buffer_append_text(message, "\n");
}

static bool finish(struct cli_parser *parser)
{
	struct nec_buffer *message = &parser->parsed->message;

	nec_buffer_append_text(message, "\nFor more information, try '--help'.\n");
	if (!message->failed)
		nec_utf8_make_printable((char *)message->data);
	parser->parsed->action = CLI_REFUSED;
	return false;
}

static bool finish_with_usage(struct cli_parser *parser)
{
	add_usage(parser);
	return finish(parser);
}

/* "a similar argument exists: '--memory'" or "some similar subcommands exist: 'a', 'b'". */
static void add_tip(struct nec_buffer *message, const struct cli_suggestions *suggestions,
		    const char *what, const char *dashes)
{
	const char *separator = " ";

	if (suggestions->count == 0)
		return;
	if (suggestions->count == 1)
		nec_buffer_printf(message, "\n  tip: a similar %s exists:", what);
	else
		nec_buffer_printf(message, "\n  tip: some similar %ss exist:", what);
	for (size_t i = 0; i < suggestions->count; i++) {
		nec_buffer_printf(message, "%s'%s%.*s'", separator, dashes,
				  (int)suggestions->found[i].size, suggestions->found[i].text);
		separator = ", ";
	}
	nec_buffer_append_text(message, "\n");
}

/* Of options and values only the most similar is named, of commands all. */
static void keep_best(struct cli_suggestions *suggestions)
{
	if (suggestions->count == 0)
		return;
	suggestions->found[0] = suggestions->found[suggestions->count - 1];
	suggestions->count = 1;
}

static void tip_option(struct cli_parser *parser, const char *name, size_t size)
{
	const struct cli_command *command = parser->parsed->command;
	struct cli_suggestions suggestions = { .word = name, .word_size = size };

	for (const struct cli_option *row = command ? command->options : NULL; row && row->name;
	     row++)
		cli_suggest(&suggestions, row->name, strlen(row->name));
	cli_suggest(&suggestions, "help", strlen("help"));
	if (!command && !parser->parsed->group)
		cli_suggest(&suggestions, "version", strlen("version"));
	keep_best(&suggestions);
	add_tip(&parser->parsed->message, &suggestions, "argument", "--");
}

bool cli_refuse_argument(struct cli_parser *parser, const char *word)
{
	struct nec_buffer *message = &parser->parsed->message;
	const struct cli_command *command = parser->parsed->command;
	bool is_long = strncmp(word, "--", 2) == 0;
	/* Of "--name=value" the name, of "-xyz" the first letter, of another word all of it. */
	size_t size = is_long ? 2 + strcspn(word + 2, "=") : strlen(word);

	if (word[0] == '-' && word[1] != '-' && size > 2)
		size = 2;
	nec_buffer_printf(message, "error: unexpected argument '%.*s' found\n", (int)size, word);
	if (is_long)
		tip_option(parser, word + 2, size - 2);
	if (word[0] == '-' && command && command->operands && !parser->options_ended)
		nec_buffer_printf(message, "\n  tip: to pass '%s' as a value, use '-- %s'\n", word,
				  word);
	return finish_with_usage(parser);
}

/* Last words of the commands of the group that was named, or first words of all. */
static void suggest_commands(const struct cli_parser *parser, struct cli_suggestions *suggestions)
{
	const struct cli_parsed *parsed = parser->parsed;
	const char *last_group = "";

	for (const struct cli_command *const *row = parser->program->commands; *row; row++) {
		const char *name = (*row)->name;
		size_t group_size = cli_group_size(*row);

		if (!cli_program_has(parser->program, *row))
			continue;
		if (parsed->group) {
			if (group_size == parsed->group_size &&
			    memcmp(name, parsed->group, group_size) == 0)
				cli_suggest(suggestions, name + group_size + 1,
					    strlen(name + group_size + 1));
		} else if (group_size == 0) {
			cli_suggest(suggestions, name, strlen(name));
		} else if (strncmp(name, last_group, group_size + 1) != 0) {
			/* The rows of a group stand together, so it is offered once. */
			cli_suggest(suggestions, name, group_size);
			last_group = name;
		}
	}
}

bool cli_refuse_command(struct cli_parser *parser, const char *word)
{
	struct cli_suggestions suggestions = { .word = word, .word_size = strlen(word) };
	struct nec_buffer *message = &parser->parsed->message;

	nec_buffer_printf(message, "error: unrecognized subcommand '%s'\n", word);
	suggest_commands(parser, &suggestions);
	cli_suggest(&suggestions, "help", strlen("help"));
	add_tip(message, &suggestions, "subcommand", "");
	return finish_with_usage(parser);
}

bool cli_refuse_no_value(struct cli_parser *parser, const struct cli_option *option)
{
	struct nec_buffer *message = &parser->parsed->message;

	nec_buffer_append_text(message, "error: a value is required for '");
	cli_option_text(option, message);
	nec_buffer_append_text(message, "' but none was supplied\n");
	return finish(parser);
}

bool cli_refuse_repeated(struct cli_parser *parser, const struct cli_option *option)
{
	struct nec_buffer *message = &parser->parsed->message;

	nec_buffer_append_text(message, "error: the argument '");
	cli_option_text(option, message);
	nec_buffer_append_text(message, "' cannot be used multiple times\n");
	return finish_with_usage(parser);
}

bool cli_refuse_choice(struct cli_parser *parser, const struct cli_option *option,
		       const char *value)
{
	struct nec_buffer *message = &parser->parsed->message;
	struct cli_suggestions suggestions = { .word = value, .word_size = strlen(value) };
	const char *separator = "\n  [possible values: ";

	nec_buffer_printf(message, "error: invalid value '%s' for '", value);
	cli_option_text(option, message);
	nec_buffer_append_text(message, "'");
	for (const char *choice = option->choices; *choice;) {
		size_t size = strcspn(choice, " ");

		nec_buffer_printf(message, "%s%.*s", separator, (int)size, choice);
		separator = ", ";
		cli_suggest(&suggestions, choice, size);
		choice += size + strspn(choice + size, " ");
	}
	nec_buffer_append_text(message, "]\n");
	keep_best(&suggestions);
	add_tip(message, &suggestions, "value", "");
	return finish(parser);
}

bool cli_refuse_extra_value(struct cli_parser *parser, const char *word, const char *value)
{
	nec_buffer_printf(&parser->parsed->message,
			  "error: unexpected value '%s' for '%.*s' found; no more were accepted\n",
			  value, (int)strcspn(word, "="), word);
	return finish_with_usage(parser);
}

static bool excludes(const struct cli_option *a, const struct cli_option *b)
{
	return cli_names_contain(a->conflicts, b->name) || cli_names_contain(b->conflicts, a->name);
}

/* True when @option gets on with all others that were given. */
static bool check_conflicts(struct cli_parser *parser, const struct cli_option *option)
{
	struct nec_buffer *message = &parser->parsed->message;
	const struct cli_option *others[CLI_MAX_OPTIONS];
	size_t count = 0;

	for (size_t i = 0; i < parser->given_count; i++)
		if (parser->given[i] != option && excludes(parser->given[i], option))
			others[count++] = parser->given[i];
	if (count == 0)
		return true;
	nec_buffer_append_text(message, "error: the argument '");
	cli_option_text(option, message);
	nec_buffer_append_text(message,
			       count == 1 ? "' cannot be used with '" : "' cannot be used with:");
	for (size_t i = 0; i < count; i++) {
		if (count > 1)
			nec_buffer_append_text(message, "\n  ");
		cli_option_text(others[i], message);
	}
	nec_buffer_append_text(message, count == 1 ? "'\n" : "\n");
	return finish_with_usage(parser);
}

static bool is_given(const struct cli_parser *parser, const char *name, size_t size)
{
	for (size_t i = 0; i < parser->given_count; i++)
		if (strlen(parser->given[i]->name) == size &&
		    memcmp(parser->given[i]->name, name, size) == 0)
			return true;
	return false;
}

static bool any_given(const struct cli_parser *parser, const char *names)
{
	for (size_t i = 0; i < parser->given_count; i++)
		if (cli_names_contain(names, parser->given[i]->name))
			return true;
	return false;
}

static bool is_missing(const struct cli_parser *parser, const struct cli_option *option)
{
	if (is_given(parser, option->name, strlen(option->name)) ||
	    any_given(parser, option->unless))
		return false;
	if (option->required)
		return true;
	for (size_t i = 0; i < parser->given_count; i++)
		if (cli_names_contain(parser->given[i]->requires, option->name))
			return true;
	return false;
}

static void add_missing(struct cli_parser *parser, struct nec_buffer *lines)
{
	const struct cli_command *command = parser->parsed->command;
	size_t number = 0;

	for (const struct cli_option *row = command->options; row && row->name; row++) {
		if (!is_missing(parser, row))
			continue;
		nec_buffer_append_text(lines, "  ");
		cli_option_text(row, lines);
		nec_buffer_append_text(lines, "\n");
	}
	for (const struct cli_option *row = command->operands; row && row->name; row++) {
		if (number++ < parser->operands_given || !row->required)
			continue;
		nec_buffer_append_text(lines, "  ");
		cli_operand_text(row, lines);
		nec_buffer_append_text(lines, "\n");
	}
}

bool cli_check_combination(struct cli_parser *parser)
{
	cleanup_buffer struct nec_buffer missing = { 0 };

	for (size_t i = 0; i < parser->given_count; i++)
		if (!check_conflicts(parser, parser->given[i]))
			return false;
	add_missing(parser, &missing);
	parser->no_memory |= missing.failed;
	if (missing.size == 0)
		return !parser->no_memory;
	nec_buffer_printf(&parser->parsed->message,
			  "error: the following required arguments were not provided:\n%s",
			  nec_buffer_text(&missing));
	return finish_with_usage(parser);
}
