/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --help, made from the table. */
#include "help.h"

#include <string.h>

#include "usage.h"

enum {
	MARGIN = 2,    /* in front of the left column */
	GAP = 2,       /* between the columns */
	MAX_LEFT = 34, /* a longer left side gets a line of its own */
};

static const char *const topic_titles[] = {
	[CLI_TOPIC_IMAGES] = "Enclave images",
	[CLI_TOPIC_ENCLAVES] = "Enclaves",
	[CLI_TOPIC_OTHER] = "Other commands",
};

/* Two columns; what is on the left is as wide as the widest that is not too wide. */
struct columns {
	struct nec_buffer *to;
	size_t width;
	size_t left;
};

static void fit(struct columns *columns, size_t size)
{
	if (size <= MAX_LEFT && size > columns->left)
		columns->left = size;
}

static void add_row(const struct columns *columns, const char *left, size_t left_size,
		    const char *right)
{
	struct cli_wrap wrap = {
		.to = columns->to,
		.width = columns->width,
		.indent = MARGIN + columns->left + GAP,
		.column = MARGIN + columns->left + GAP,
		.fresh = true,
	};

	nec_buffer_printf(columns->to, "%*s%.*s", MARGIN, "", (int)left_size, left);
	if (left_size > columns->left)
		nec_buffer_printf(columns->to, "\n%*s", (int)wrap.indent, "");
	else
		nec_buffer_printf(columns->to, "%*s", (int)(columns->left - left_size + GAP), "");
	cli_wrap_text(&wrap, right);
	nec_buffer_append_text(columns->to, "\n");
}

static void add_paragraphs(struct nec_buffer *to, size_t width, const char *text)
{
	struct cli_wrap wrap = { .to = to, .width = width, .fresh = true };

	cli_wrap_text(&wrap, text);
	nec_buffer_append_text(to, "\n");
}

static void add_usage(const struct cli_program *program, const struct cli_command *command,
		      const char *group, size_t group_size, size_t width, struct nec_buffer *to)
{
	struct cli_wrap wrap = { .to = to, .width = width, .indent = strlen("Usage: ") };

	nec_buffer_append_text(to, "\nUsage:");
	wrap.column = strlen("Usage:");
	cli_usage(program, command, group, group_size, &wrap);
	nec_buffer_append_text(to, "\n");
}

void cli_option_help(const struct cli_option *option, struct nec_buffer *to)
{
	const char *separator = " [";

	nec_buffer_append_text(to, option->help);
	for (const char *choice = option->choices; choice && *choice;) {
		size_t size = strcspn(choice, " ");

		nec_buffer_printf(to, "%s%.*s", separator, (int)size, choice);
		separator = ", ";
		choice += size + strspn(choice + size, " ");
	}
	if (option->choices)
		nec_buffer_append_text(to, "]");
	if (option->type == CLI_LIST)
		nec_buffer_append_text(to, " (may be repeated)");
}

/* Options are set in by the width of "-h, ", so that the short ones stand in front. */
static void option_left(const struct cli_option *option, struct nec_buffer *to)
{
	nec_buffer_append_text(to, "    ");
	cli_option_text(option, to);
}

static void add_option_row(const struct columns *columns, const struct cli_option *option,
			   void (*left_of)(const struct cli_option *, struct nec_buffer *))
{
	cleanup_buffer struct nec_buffer left = { 0 };
	cleanup_buffer struct nec_buffer right = { 0 };

	left_of(option, &left);
	cli_option_help(option, &right);
	add_row(columns, nec_buffer_text(&left), left.size, nec_buffer_text(&right));
}

static void fit_options(struct columns *columns, const struct cli_option *rows,
			void (*left_of)(const struct cli_option *, struct nec_buffer *))
{
	for (const struct cli_option *row = rows; row && row->name; row++) {
		cleanup_buffer struct nec_buffer left = { 0 };

		left_of(row, &left);
		fit(columns, left.size);
	}
}

static void add_common_options(const struct columns *columns, bool version)
{
	add_row(columns, "-h, --help", strlen("-h, --help"), "print help");
	if (version)
		add_row(columns, "-V, --version", strlen("-V, --version"), "print the version");
}

static void add_operands(const struct cli_command *command, size_t width, struct nec_buffer *to)
{
	struct columns columns = { .to = to, .width = width };

	if (!command->operands)
		return;
	nec_buffer_append_text(to, "\nArguments:\n");
	fit_options(&columns, command->operands, cli_operand_text);
	for (const struct cli_option *row = command->operands; row->name; row++)
		add_option_row(&columns, row, cli_operand_text);
}

static void add_options(const struct cli_command *command, size_t width, struct nec_buffer *to)
{
	struct columns columns = { .to = to, .width = width };

	nec_buffer_append_text(to, "\nOptions:\n");
	fit(&columns, strlen("-h, --help"));
	fit_options(&columns, command->options, option_left);
	for (const struct cli_option *row = command->options; row && row->name; row++)
		add_option_row(&columns, row, option_left);
	add_common_options(&columns, false);
}

static void add_examples(const struct cli_command *command, size_t width, struct nec_buffer *to)
{
	if (!command->examples)
		return;
	nec_buffer_append_text(to, "\nExamples:\n");
	for (const struct cli_example *row = command->examples; row->command; row++) {
		struct cli_wrap wrap = {
			.to = to,
			.width = width,
			.indent = MARGIN,
			.column = MARGIN,
			.fresh = true,
		};

		nec_buffer_printf(to, "%*s", MARGIN, "");
		cli_wrap_text(&wrap, row->text);
		/* Never broken: it is there to be copied. */
		nec_buffer_printf(to, ":\n%*s%s\n", MARGIN + 4, "", row->command);
	}
}

static void command_help(const struct cli_program *program, const struct cli_command *command,
			 size_t width, struct nec_buffer *to)
{
	add_paragraphs(to, width, command->summary);
	add_usage(program, command, NULL, 0, width, to);
	if (command->description) {
		nec_buffer_append_text(to, "\n");
		add_paragraphs(to, width, command->description);
	}
	add_operands(command, width, to);
	add_options(command, width, to);
	add_examples(command, width, to);
}

struct selection {
	const struct cli_program *program;
	const char *group;
	size_t group_size;
	bool any_topic;
	enum cli_topic topic;
};

static bool selected(const struct selection *selection, const struct cli_command *command)
{
	if (!cli_program_has(selection->program, command))
		return false;
	if (selection->group &&
	    (cli_group_size(command) != selection->group_size ||
	     memcmp(command->name, selection->group, selection->group_size) != 0))
		return false;
	return selection->any_topic || command->topic == selection->topic;
}

static void add_commands(const struct selection *selection, const char *title,
			 const struct columns *columns)
{
	bool titled = false;

	for (const struct cli_command *const *row = selection->program->commands; *row; row++) {
		if (!selected(selection, *row))
			continue;
		if (!titled)
			nec_buffer_printf(columns->to, "\n%s:\n", title);
		titled = true;
		add_row(columns, (*row)->name, strlen((*row)->name), (*row)->summary);
	}
}

static void add_help_command(const struct columns *columns)
{
	add_row(columns, "help", strlen("help"), "print this, or the help of the command named");
}

static void add_all_commands(struct selection selection, const struct columns *columns)
{
	if (selection.group || selection.program->as_nitro_cli) {
		selection.any_topic = true;
		add_commands(&selection, "Commands", columns);
		add_help_command(columns);
		return;
	}
	for (selection.topic = CLI_TOPIC_IMAGES; selection.topic <= CLI_TOPIC_OTHER;
	     selection.topic++)
		add_commands(&selection, topic_titles[selection.topic], columns);
	add_help_command(columns);
}

void cli_help(const struct cli_program *program, const struct cli_command *command,
	      const char *group, size_t group_size, size_t width, struct nec_buffer *to)
{
	struct selection selection = {
		.program = program,
		.group = group,
		.group_size = group_size,
	};
	struct columns columns = { .to = to, .width = width };

	if (command) {
		command_help(program, command, width, to);
		return;
	}
	add_paragraphs(to, width,
		       group ? cli_group_summary(group, group_size)
			     : "Build, check, run and describe AWS Nitro Enclaves");
	add_usage(program, NULL, group, group_size, width, to);
	for (const struct cli_command *const *row = program->commands; *row; row++)
		fit(&columns, strlen((*row)->name));
	add_all_commands(selection, &columns);
	nec_buffer_append_text(to, "\nOptions:\n");
	fit(&columns, strlen("-V, --version"));
	add_common_options(&columns, !group);
}
