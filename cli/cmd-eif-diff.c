/* SPDX-License-Identifier: Apache-2.0 */
/* nec eif diff: what two images differ in. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "command.h"
#include "output.h"
#include "report.h"

struct diff_options {
	const char *before;
	const char *after;
	const char *output;
};

/* As diff(1); trouble is any other status. */
enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1 };

enum { SHOWN_OF_HASH = 16 };

static const struct cli_option diff_options[] = {
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print the differences, text if not given",
	  .offset = offsetof(struct diff_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "text json" },
	{ .name = NULL },
};

static const struct cli_option diff_operands[] = {
	{ .name = "BEFORE",
	  .type = CLI_VALUE,
	  .help = "an image",
	  .offset = offsetof(struct diff_options, before),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = "AFTER",
	  .type = CLI_VALUE,
	  .help = "the image to compare it with",
	  .offset = offsetof(struct diff_options, after),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example diff_examples[] = {
	{ .text = "Why does the new image have another PCR2",
	  .command = "nec eif diff old.eif new.eif" },
	{ .text = "Is a build reproducible",
	  .command = "nec eif diff hello.eif hello.eif && echo same",
	  .tested = true },
	{ .command = NULL },
};

/* A hash is told by its beginning; the JSON form has all of it. */
static int shown(const struct nec_difference *difference, const char *value)
{
	bool hash = difference->aspect && strcmp(difference->aspect, "sha384") == 0;

	return hash ? SHOWN_OF_HASH : (int)strlen(value);
}

static void print_difference(const struct nec_difference *difference, struct nec_buffer *to)
{
	const char *before = difference->before;
	const char *after = difference->after;

	nec_buffer_append_text(to, nec_diff_part_name(difference->part));
	if (difference->ramdisk)
		nec_buffer_printf(to, " %u", difference->ramdisk);
	if (difference->path)
		nec_buffer_printf(to, ": %s", difference->path);
	if (difference->aspect)
		nec_buffer_printf(to, ": %s", difference->aspect);
	if (before && after)
		nec_buffer_printf(to, ": %.*s -> %.*s\n", shown(difference, before), before,
				  shown(difference, after), after);
	else
		nec_buffer_printf(to, ": %s: %s\n", before ? "removed" : "added",
				  before ? before : after);
}

static void make_text(const nec_diff *diff, struct nec_buffer *to)
{
	const struct nec_diff_register *pcr;

	if (nec_diff_get_count(diff) == 0) {
		nec_buffer_append_text(to, "The images are the same.\n");
		return;
	}
	for (size_t i = 0; i < nec_diff_get_count(diff); i++)
		print_difference(nec_diff_get(diff, i), to);
	if (nec_diff_get_omitted(diff) > 0)
		nec_buffer_printf(to, "and %zu differences more\n", nec_diff_get_omitted(diff));
	for (size_t i = 0; (pcr = nec_diff_get_register(diff, i)); i++) {
		if (pcr->differs)
			nec_buffer_printf(to, "PCR%u differs because of %s\n", pcr->index,
					  pcr->reason);
		else if (pcr->before[0])
			nec_buffer_printf(to, "PCR%u is the same\n", pcr->index);
	}
}

static bool add_text(cJSON *object, const char *key, const char *text)
{
	return !text || nec_json_add_string(object, key, text);
}

static bool add_difference(cJSON *list, const struct nec_difference *difference)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) &&
	       nec_json_add_string(item, "Part", nec_diff_part_name(difference->part)) &&
	       (!difference->ramdisk || nec_json_add_u64(item, "Ramdisk", difference->ramdisk)) &&
	       add_text(item, "Path", difference->path) &&
	       add_text(item, "Aspect", difference->aspect) &&
	       add_text(item, "Before", difference->before) &&
	       add_text(item, "After", difference->after);
}

static bool add_register(cJSON *object, const struct nec_diff_register *pcr)
{
	cJSON *item = nec_json_object();
	char name[16];

	(void)snprintf(name, sizeof(name), "PCR%u", pcr->index);
	return nec_json_add(object, name, item) &&
	       nec_json_add_bool(item, "Differs", pcr->differs) &&
	       add_text(item, "Before", pcr->before[0] ? pcr->before : NULL) &&
	       add_text(item, "After", pcr->after[0] ? pcr->after : NULL) &&
	       add_text(item, "Reason", pcr->differs ? pcr->reason : NULL);
}

static bool fill_json(cJSON *tree, const nec_diff *diff)
{
	const struct nec_diff_register *pcr;
	cJSON *list = nec_json_array();
	cJSON *registers = nec_json_object();
	bool ok = nec_json_add_bool(tree, "Same", nec_diff_get_count(diff) == 0);

	ok = nec_json_add(tree, "Measurements", registers) && ok;
	ok = nec_json_add(tree, "Differences", list) && ok;
	for (size_t i = 0; ok && (pcr = nec_diff_get_register(diff, i)); i++)
		if (pcr->before[0] || pcr->after[0])
			ok = add_register(registers, pcr);
	for (size_t i = 0; ok && i < nec_diff_get_count(diff); i++)
		ok = add_difference(list, nec_diff_get(diff, i));
	if (nec_diff_get_omitted(diff) > 0)
		ok = ok && nec_json_add_u64(tree, "Omitted", nec_diff_get_omitted(diff));
	return ok;
}

static int print(const struct cli *cli, const nec_diff *diff, bool json)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *tree = NULL;

	if (!json) {
		make_text(diff, &text);
		return cli_print_text(cli, &text);
	}
	tree = nec_json_object();
	return cli_print_json(cli, fill_json(tree, diff) ? tree : NULL);
}

static int run(struct cli *cli, const void *data)
{
	const struct diff_options *options = data;
	nec_diff *diff = NULL;
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (nec_diff_run(cli->context, options->before, options->after, &diff, &err) < 0)
		return cli_fail(cli, &err, 0);
	status = print(cli, diff, cli->json_errors);
	if (status == 0)
		status = nec_diff_get_count(diff) > 0 ? EXIT_DIFFERENT : EXIT_SAME;
	nec_diff_free(diff);
	return status;
}

const struct cli_command cli_cmd_eif_diff = {
	.name = "eif diff",
	.summary = "Show what two images differ in, and which registers that changes",
	.description =
		"Compares header, kernel, command line (word by word), metadata (key by key), "
		"signature and certificate, and the ramdisks file by file: what was added or "
		"removed, and of the others what changed of type, mode, owner, time, size, contents "
		"and link target. Then says for each register whether it differs, and why.\n\n"
		"The exit status is 0 if the images are the same byte for byte, 1 if they differ, "
		"and the error's number if they cannot be compared.",
	.options = diff_options,
	.operands = diff_operands,
	.examples = diff_examples,
	.options_size = sizeof(struct diff_options),
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
