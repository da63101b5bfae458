/* SPDX-License-Identifier: Apache-2.0 */
/* The command line against the table of commands. */
#include "parse.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "refuse.h"

/* Whether a word may be an option's value: "-" alone is one, "" too. */
static bool is_value(const char *word)
{
	return word[0] != '-' || word[1] == '\0';
}

static const char *peek(const struct cli_parser *parser)
{
	return parser->next < parser->count ? parser->words[parser->next] : NULL;
}

static void *target(const struct cli_parser *parser, const struct cli_option *option)
{
	return (char *)parser->parsed->options + option->offset;
}

static const struct cli_option *find_option(const struct cli_command *command, const char *name,
					    size_t size)
{
	for (const struct cli_option *row = command->options; row && row->name; row++)
		if (strlen(row->name) == size && memcmp(row->name, name, size) == 0)
			return row;
	return NULL;
}

static bool append_item(struct cli_parser *parser, const struct cli_option *option,
			const char *value)
{
	struct cli_list *list = target(parser, option);
	const char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	if (!items) {
		parser->no_memory = true;
		return false;
	}
	items[list->count++] = value;
	list->items = items;
	return true;
}

static bool store(struct cli_parser *parser, const struct cli_option *option, const char *value)
{
	if (option->kind == CLI_CHOICE && !cli_names_contain(option->choices, value))
		return cli_refuse_choice(parser, option, value);
	if (option->type != CLI_VALUE)
		return append_item(parser, option, value);
	*(const char **)target(parser, option) = value;
	return true;
}

/* Notes that an option was given; a second time is a mistake, but for lists. */
static bool note(struct cli_parser *parser, const struct cli_option *option)
{
	for (size_t i = 0; i < parser->given_count; i++)
		if (parser->given[i] == option)
			return option->type == CLI_LIST || cli_refuse_repeated(parser, option);
	assert(parser->given_count < CLI_MAX_OPTIONS);
	parser->given[parser->given_count++] = option;
	return true;
}

/* No value follows: it may be that somebody wrote one that begins with a dash. */
static bool refuse_missing_value(struct cli_parser *parser, const struct cli_option *option)
{
	const char *next = peek(parser);

	if (next && strcmp(next, "--") != 0 && strcmp(next, "-h") != 0) {
		const char *name = next[1] == '-' ? next + 2 : "";
		size_t size = strcspn(name, "=");

		if (!find_option(parser->parsed->command, name, size) &&
		    !(size == 4 && memcmp(name, "help", size) == 0))
			return cli_refuse_argument(parser, next);
	}
	return cli_refuse_no_value(parser, option);
}

static bool take_values(struct cli_parser *parser, const struct cli_option *option)
{
	const char *value = peek(parser);

	if (!value || !is_value(value))
		return refuse_missing_value(parser, option);
	if (!note(parser, option))
		return false;
	do {
		if (!store(parser, option, value))
			return false;
		parser->next++;
		value = peek(parser);
	} while (option->type == CLI_WORDS && value && is_value(value));
	return true;
}

static bool ask_for_help(struct cli_parser *parser)
{
	parser->parsed->action = CLI_HELP;
	return false;
}

/* @word begins with two dashes and is not "--". */
static bool parse_long(struct cli_parser *parser, const char *word)
{
	const char *name = word + 2;
	size_t size = strcspn(name, "=");
	const char *value = name[size] == '=' ? name + size + 1 : NULL;
	const struct cli_option *option = find_option(parser->parsed->command, name, size);

	if (!option && size == 4 && memcmp(name, "help", size) == 0)
		return value ? cli_refuse_extra_value(parser, "--help", value)
			     : ask_for_help(parser);
	if (!option)
		return cli_refuse_argument(parser, word);
	if (option->type != CLI_FLAG && !value)
		return take_values(parser, option);
	if (option->type == CLI_FLAG && value)
		return cli_refuse_extra_value(parser, word, value);
	if (!note(parser, option))
		return false;
	if (value)
		return store(parser, option, value);
	*(bool *)target(parser, option) = true;
	return true;
}

static bool parse_operand(struct cli_parser *parser, const char *word)
{
	const struct cli_option *operand = parser->operand;

	if (!operand || !operand->name)
		return cli_refuse_argument(parser, word);
	if (operand->type != CLI_LIST)
		parser->operand++;
	parser->operands_given++;
	return store(parser, operand, word);
}

static bool parse_word(struct cli_parser *parser, const char *word)
{
	if (parser->options_ended || is_value(word))
		return parse_operand(parser, word);
	if (strcmp(word, "--") == 0) {
		parser->options_ended = true;
		return true;
	}
	if (word[1] == '-')
		return parse_long(parser, word);
	return word[1] == 'h' ? ask_for_help(parser) : cli_refuse_argument(parser, word);
}

static bool parse_command(struct cli_parser *parser, const struct cli_command *command)
{
	const char *word;

	parser->parsed->command = command;
	parser->operand = command->operands;
	parser->parsed->options = calloc(1, command->options_size ? command->options_size : 1);
	if (!parser->parsed->options) {
		parser->no_memory = true;
		return false;
	}
	while ((word = peek(parser))) {
		parser->next++;
		if (!parse_word(parser, word))
			return false;
	}
	return cli_check_combination(parser);
}

/* The command whose last (or only) word this is: within the group that was named, or outside. */
static const struct cli_command *find_command(const struct cli_parser *parser, const char *word)
{
	const struct cli_parsed *parsed = parser->parsed;

	for (const struct cli_command *const *row = parser->program->commands; *row; row++) {
		size_t group_size = cli_group_size(*row);
		const char *last = (*row)->name + (group_size ? group_size + 1 : 0);

		if (cli_program_has(parser->program, *row) && strcmp(last, word) == 0 &&
		    group_size == parsed->group_size &&
		    (!parsed->group || memcmp((*row)->name, parsed->group, group_size) == 0))
			return *row;
	}
	return NULL;
}

static bool find_group(struct cli_parser *parser, const char *word)
{
	if (parser->parsed->group)
		return false;
	for (const struct cli_command *const *row = parser->program->commands; *row; row++) {
		size_t size = cli_group_size(*row);

		if (cli_program_has(parser->program, *row) && size > 0 && strlen(word) == size &&
		    memcmp((*row)->name, word, size) == 0) {
			parser->parsed->group = (*row)->name;
			parser->parsed->group_size = size;
			return true;
		}
	}
	return false;
}

/* `help`, `help pcr`, `help eif`, `help eif lint`. */
static bool parse_help(struct cli_parser *parser)
{
	const char *word;

	while ((word = peek(parser))) {
		parser->next++;
		if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
			break;
		if (word[0] == '-')
			return cli_refuse_argument(parser, word);
		if (parser->parsed->command)
			return cli_refuse_command(parser, word);
		if (find_group(parser, word))
			continue;
		parser->parsed->command = find_command(parser, word);
		if (!parser->parsed->command)
			return cli_refuse_command(parser, word);
	}
	return ask_for_help(parser);
}

/* What stands before the command. Returns whether parsing was a success, as all of these. */
static bool parse_program(struct cli_parser *parser)
{
	const char *word;

	while ((word = peek(parser))) {
		const struct cli_command *command;

		parser->next++;
		if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
			return ask_for_help(parser);
		if (!parser->parsed->group &&
		    (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0)) {
			parser->parsed->action = CLI_VERSION;
			return false;
		}
		if (word[0] == '-')
			return cli_refuse_argument(parser, word);
		if (strcmp(word, "help") == 0)
			return parse_help(parser);
		command = find_command(parser, word);
		if (command)
			return parse_command(parser, command);
		if (!find_group(parser, word))
			return cli_refuse_command(parser, word);
	}
	parser->parsed->action = CLI_NOTHING;
	return false;
}

int cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_parsed *parsed,
	      nec_error *err)
{
	struct cli_parser parser = {
		.program = program,
		.parsed = parsed,
		.words = (const char *const *)argv,
		.count = (size_t)argc,
		.next = 1,
	};

	*parsed = (struct cli_parsed){ .action = CLI_RUN };
	(void)parse_program(&parser);
	if (parser.no_memory || parsed->message.failed) {
		cli_parsed_clear(parsed);
		return nec_error_no_memory(err);
	}
	return 0;
}

const char *cli_parsed_value(const struct cli_parsed *parsed, const char *name)
{
	const struct cli_option *option = find_option(parsed->command, name, strlen(name));

	if (!option || option->kind != CLI_CHOICE || option->type != CLI_VALUE)
		return NULL;
	return *(const char *const *)((const char *)parsed->options + option->offset);
}

bool cli_wants_json(const struct cli_parsed *parsed)
{
	const char *value = cli_parsed_value(parsed, "output");

	return value && strcmp(value, "json") == 0;
}

static void free_lists(const struct cli_option *rows, void *options)
{
	for (const struct cli_option *row = rows; row && row->name; row++)
		if (row->type == CLI_LIST || row->type == CLI_WORDS)
			free(((struct cli_list *)((char *)options + row->offset))->items);
}

void cli_parsed_clear(struct cli_parsed *parsed)
{
	if (parsed->options) {
		free_lists(parsed->command->options, parsed->options);
		free_lists(parsed->command->operands, parsed->options);
		free(parsed->options);
	}
	nec_buffer_free(&parsed->message);
	*parsed = (struct cli_parsed){ .action = CLI_NOTHING };
}
