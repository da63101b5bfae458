/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of failures: writing ours, reading ours and nitro-cli's. */
#include "trace.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "error-codes.h"

static const struct {
	const char *command;
	const char *action;
} actions[] = {
	{ "run-enclave", "Run Enclave" },
	{ "describe-enclaves", "Describe Enclave" },
	{ "terminate-enclave", "Terminate Enclave" },
	{ "console", "Enclave Console" },
};

const char *cli_action_name(const struct cli_command *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(actions[i].command, command->name) == 0)
			return actions[i].action;
	return command->name;
}

/* A text of several lines, each indented. */
static void add_lines(const char *indent, const char *text, struct nec_buffer *to)
{
	while (*text) {
		size_t size = strcspn(text, "\n");

		nec_buffer_printf(to, "%s%.*s\n", indent, (int)size, text);
		text += size + (text[size] ? 1 : 0);
	}
}

static void add_checks(const struct nec_probe *probe, struct nec_buffer *to)
{
	if (probe->count > 0)
		nec_buffer_append_text(to, "  Checks:\n");
	for (size_t i = 0; i < probe->count; i++) {
		const struct nec_probe_result *result = &probe->results[i];

		nec_buffer_printf(to, "    %s: %s: %s\n", result->name,
				  nec_probe_state_name(result->state), result->message);
		if (result->fix[0])
			nec_buffer_printf(to, "      fix: %s\n", result->fix);
	}
}

void cli_trace(const struct cli *cli, const struct cli_failure *failure, struct nec_buffer *to)
{
	const struct cli_error_code *row = cli_error_code(failure->number);
	const nec_error *err = failure->err;

	nec_buffer_printf(to, "  Action: %s\n  Subactions:\n    %s\n",
			  cli_action_name(cli->command), row ? row->title : "Unspecified error");
	add_lines("    ", err->message, to);
	nec_buffer_printf(to, "  Reported at: %s:%d\n  Version: nec " NEC_VERSION "\n",
			  failure->file, failure->line);
	nec_buffer_printf(to, "  Error code: E%02d\n  Error: %s\n", failure->number,
			  nec_error_name(err->code));
	if (err->os_error)
		nec_buffer_printf(to, "  Number: %d\n", err->os_error);
	if (err->hint[0])
		nec_buffer_printf(to, "  Hint: %s\n", err->hint);
	add_checks(&failure->probe, to);
	/* As with nitro-cli the last line has no end. */
	if (to->size > 0)
		to->data[--to->size] = '\0';
}

/* ---- reading ---- */

/*
 * nitro-cli's files do not say which code it was. All that the driver refuses is its E29, and only
 * there is an ioctl in the chain.
 */
static const char *const ioctl_words = "ioctl";
enum { E_IOCTL_FAILURE = 29 };

/* The two digits behind @before, e.g. "[ E" or "Error code: E": the last ones in the text. */
static int find_number(const char *text, const char *before)
{
	int number = -1;

	for (const char *at = strstr(text, before); at; at = strstr(at + 1, before)) {
		const char *digits = at + strlen(before);

		if (digits[0] >= '0' && digits[0] <= '9' && digits[1] >= '0' && digits[1] <= '9')
			number = (digits[0] - '0') * 10 + digits[1] - '0';
	}
	return number <= CLI_LAST_ERROR_CODE ? number : -1;
}

static void copy_line(const char *from, char *to, size_t size)
{
	(void)snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

/* The last line of the list below "Subactions:". */
static void find_cause(const char *text, char *to, size_t size)
{
	static const char title[] = "  Subactions:\n";
	static const char indent[] = "    ";
	const char *line = strstr(text, title);

	if (!line)
		return;
	line += strlen(title);
	while (strncmp(line, indent, strlen(indent)) == 0) {
		copy_line(line + strlen(indent), to, size);
		line += strcspn(line, "\n");
		if (*line)
			line++;
	}
}

static void read_chain(const char *text, struct cli_trace_facts *facts)
{
	static const char action[] = "  Action: ";
	static const char checks[] = "  Checks:\n";
	const char *at = strstr(text, action);

	if (at)
		copy_line(at + strlen(action), facts->action, sizeof(facts->action));
	find_cause(text, facts->cause, sizeof(facts->cause));
	at = strstr(text, checks);
	facts->checks = at ? at + strlen(checks) : NULL;
	facts->number = find_number(text, "  Error code: E");
	if (facts->number < 0 && facts->cause[0] && strstr(text, ioctl_words))
		facts->number = E_IOCTL_FAILURE;
}

/* What `--output json` wrote: the last thing on stderr, behind lines of other kinds. */
static void read_object(const char *text, struct cli_trace_facts *facts)
{
	cleanup_json cJSON *object = NULL;
	const char *start = strstr(text, "\n{\n");
	const char *value;

	if (start)
		text = start + 1;
	if (nec_json_parse(text, strlen(text), &object, NULL) < 0)
		return;
	if (nec_json_get_string(object, "code", &value))
		facts->number = find_number(value, "E");
	if (nec_json_get_string(object, "message", &value))
		(void)snprintf(facts->cause, sizeof(facts->cause), "%s", value);
}

bool cli_trace_read(const char *text, struct cli_trace_facts *ret)
{
	*ret = (struct cli_trace_facts){ .number = -1 };
	read_chain(text, ret);
	if (ret->number < 0)
		ret->number = find_number(text, "[ E");
	if (ret->number < 0)
		read_object(text, ret);
	return ret->number >= 0 || ret->cause[0];
}
