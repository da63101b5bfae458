/* SPDX-License-Identifier: Apache-2.0 */
/* How options and commands are written in messages, help and man pages. */
#include "usage.h"

#include <string.h>

void cli_option_text(const struct cli_option *option, struct nec_buffer *to)
{
	nec_buffer_printf(to, "--%s", option->name);
	if (option->type != CLI_FLAG)
		nec_buffer_printf(to, " <%s>%s", option->value ? option->value : option->name,
				  option->type == CLI_WORDS ? "..." : "");
}

void cli_operand_text(const struct cli_option *operand, struct nec_buffer *to)
{
	nec_buffer_printf(to, "<%s>%s", operand->name, operand->type == CLI_LIST ? "..." : "");
}

static void add_word(struct cli_wrap *wrap, const struct nec_buffer *word)
{
	cli_wrap_word(wrap, nec_buffer_text(word), word->size);
}

bool cli_may_replace(const struct cli_option *option, const struct cli_option *other)
{
	return other == option || cli_names_contain(option->unless, other->name);
}

bool cli_in_earlier_choice(const struct cli_option *options, const struct cli_option *option)
{
	for (const struct cli_option *row = options; row < option; row++)
		if (row->required && cli_may_replace(row, option) && cli_may_replace(option, row))
			return true;
	return false;
}

/* "--memory <memory>", or "<--cpu-ids <cpu-ids>...|--cpu-count <cpu-count>>" for a choice. */
static void add_required(const struct cli_option *options, const struct cli_option *option,
			 struct cli_wrap *wrap)
{
	cleanup_buffer struct nec_buffer word = { 0 };
	const char *separator = "<";

	if (!option->unless) {
		cli_option_text(option, &word);
		add_word(wrap, &word);
		return;
	}
	if (cli_in_earlier_choice(options, option))
		return;
	for (const struct cli_option *row = options; row->name; row++) {
		if (!cli_may_replace(option, row))
			continue;
		nec_buffer_append_text(&word, separator);
		cli_option_text(row, &word);
		separator = "|";
	}
	nec_buffer_append_text(&word, ">");
	add_word(wrap, &word);
}

static void add_options(const struct cli_option *options, struct cli_wrap *wrap)
{
	bool optional = false;

	for (const struct cli_option *row = options; row && row->name; row++)
		optional |= !row->required;
	if (optional)
		cli_wrap_text(wrap, "[OPTIONS]");
	for (const struct cli_option *row = options; row && row->name; row++)
		if (row->required)
			add_required(options, row, wrap);
}

static void add_operands(const struct cli_option *operands, struct cli_wrap *wrap)
{
	for (const struct cli_option *row = operands; row && row->name; row++) {
		cleanup_buffer struct nec_buffer word = { 0 };

		if (row->required)
			cli_operand_text(row, &word);
		else
			nec_buffer_printf(&word, "[%s]%s", row->name,
					  row->type == CLI_LIST ? "..." : "");
		add_word(wrap, &word);
	}
}

void cli_usage(const struct cli_program *program, const struct cli_command *command,
	       const char *group, size_t group_size, struct cli_wrap *wrap)
{
	cli_wrap_text(wrap, program->name);
	if (command) {
		cli_wrap_text(wrap, command->name);
		add_options(command->options, wrap);
		add_operands(command->operands, wrap);
		return;
	}
	if (group)
		cli_wrap_word(wrap, group, group_size);
	cli_wrap_text(wrap, "<COMMAND>");
}
