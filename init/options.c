/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "data.h"
#include "log.h"
#include "text.h"

/* The kernel's own limit is 2048 (x86_64, aarch64); more is not a command line. */
#define CMDLINE_MAX 65536

#define PREFIX "nec."

static bool parse_heartbeat(const char *value, struct init_options *options)
{
	if (strcmp(value, "off") == 0) {
		options->heartbeat = false;
		return true;
	}
	if (!init_vsock_address_parse(value, &options->heartbeat_address))
		return false;
	options->heartbeat = true;
	return true;
}

static bool parse_exit(const char *value, struct init_options *options)
{
	if (strcmp(value, "reboot") == 0)
		options->exit = INIT_EXIT_REBOOT;
	else if (strcmp(value, "poweroff") == 0)
		options->exit = INIT_EXIT_POWEROFF;
	else if (strcmp(value, "panic") == 0)
		options->exit = INIT_EXIT_PANIC;
	else
		return false;
	return true;
}

static bool parse_word(const char *word, struct init_options *options)
{
	if (strcmp(word, "debug") == 0)
		return options->debug = true;
	if (strncmp(word, "heartbeat=", 10) == 0)
		return parse_heartbeat(word + 10, options);
	if (strncmp(word, "exit=", 5) == 0)
		return parse_exit(word + 5, options);
	return false;
}

void init_options_parse(char *cmdline, struct init_options *options)
{
	char *next = cmdline;

	while (*next != '\0') {
		char *word = next;

		while (*next != '\0' && *next != ' ' && *next != '\t' && *next != '\n')
			next++;
		if (*next != '\0')
			*next++ = '\0';
		/* What stands behind "--" is for init by the kernel's rule, but in its argv. */
		if (strcmp(word, "--") == 0)
			break;
		if (strncmp(word, PREFIX, sizeof(PREFIX) - 1) == 0 &&
		    !parse_word(word + sizeof(PREFIX) - 1, options))
			init_say("ignoring '%s' of the kernel command line: not understood", word);
	}
}

void init_options_read(struct init_options *options)
{
	struct init_text cmdline;
	int r = init_read_file("/proc/cmdline", CMDLINE_MAX, &cmdline);

	if (r < 0) {
		init_say("cannot read /proc/cmdline: %s", init_errno_name(r));
		return;
	}
	init_options_parse(cmdline.data, options);
	if (options->debug)
		init_debug_enable();
}
