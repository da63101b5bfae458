/* SPDX-License-Identifier: Apache-2.0 */
/* nec allocator check: is a file an allocator.yaml, and what does it say. */
#include <inttypes.h>

#include "allocator/config.h"
#include "base/json.h"
#include "command.h"
#include "output.h"
#include "report.h"

struct check_options {
	const char *path;
	const char *output;
};

static const struct cli_option check_options[] = {
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print what the file says, text if not given",
	  .offset = offsetof(struct check_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "text json" },
	{ .name = NULL },
};

static const struct cli_option check_operands[] = {
	{ .name = "FILE",
	  .type = CLI_VALUE,
	  .help = "the file",
	  .offset = offsetof(struct check_options, path),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example check_examples[] = {
	{ .text = "Before it replaces the one in use",
	  .command = "nec allocator check allocator.yaml" },
	{ .text = "How much memory all entries want, in MiB",
	  .command = "nec allocator check allocator.yaml --output json | "
		     "jq '[.Entries[].MemoryMiB] | add'" },
	{ .command = NULL },
};

/* ---- text ---- */

static void add_line(const struct nec_allocator_entry *entry, struct nec_buffer *to)
{
	nec_buffer_printf(to, "line %zu: %" PRIu64 " MiB", entry->line, entry->memory_mib);
	if (entry->page_bytes)
		nec_buffer_printf(to, " in pages of %" PRIu64 " MiB", entry->page_bytes >> 20);
	if (entry->cpu_count)
		nec_buffer_printf(to, ", %u CPU%s", entry->cpu_count,
				  entry->cpu_count == 1 ? "" : "s");
	else
		nec_buffer_printf(to, ", the CPUs %s", entry->cpu_pool);
	if (entry->numa_node >= 0)
		nec_buffer_printf(to, ", on NUMA node %d", entry->numa_node);
	nec_buffer_append_text(to, "\n");
}

static int print_text(const struct cli *cli, const struct nec_allocator_config *config)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	for (size_t i = 0; i < config->count; i++)
		add_line(&config->entries[i], &text);
	return cli_print_text(cli, &text);
}

/* ---- JSON ---- */

static bool add_entry(cJSON *list, const struct nec_allocator_entry *entry)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) && nec_json_add_u64(item, "Line", entry->line) &&
	       nec_json_add_u64(item, "MemoryMiB", entry->memory_mib) &&
	       (entry->cpu_count ? nec_json_add_u64(item, "CpuCount", entry->cpu_count)
				 : nec_json_add_string(item, "CpuPool", entry->cpu_pool)) &&
	       (entry->numa_node < 0 ||
		nec_json_add_u64(item, "NumaNode", (uint64_t)entry->numa_node)) &&
	       (!entry->page_bytes ||
		nec_json_add_u64(item, "PageSizeMiB", entry->page_bytes >> 20));
}

static bool fill_json(cJSON *tree, const struct nec_allocator_config *config)
{
	cJSON *list = nec_json_array();
	bool ok = nec_json_add_u64(tree, "SkippedLines", config->skipped_lines);

	ok = nec_json_add(tree, "Entries", list) && ok;
	for (size_t i = 0; ok && i < config->count; i++)
		ok = add_entry(list, &config->entries[i]);
	return ok;
}

static int print_json(const struct cli *cli, const struct nec_allocator_config *config)
{
	cleanup_json cJSON *tree = nec_json_object();

	return cli_print_json(cli, fill_json(tree, config) ? tree : NULL);
}

static int run(struct cli *cli, const void *data)
{
	const struct check_options *options = data;
	struct nec_allocator_config config;
	nec_error err = NEC_ERROR_INIT;

	if (nec_allocator_config_read(options->path, &config, &err) < 0)
		return cli_fail(cli, &err, 0);
	if (config.skipped_lines)
		cli_warn("what stands before the line --- is not read, as by nitro-cli's "
			 "allocator");
	return cli->json_errors ? print_json(cli, &config) : print_text(cli, &config);
}

const struct cli_command cli_cmd_allocator_check = {
	.name = "allocator check",
	.summary = "Check the allocator's configuration file",
	.description =
		"Reads a file as allocator.yaml and prints what it says, a line for each entry. "
		"What is wrong is told with line and column. Whether this machine has what the "
		"file wants is not looked at, so that a file can be checked anywhere.",
	.options = check_options,
	.operands = check_operands,
	.examples = check_examples,
	.options_size = sizeof(struct check_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
