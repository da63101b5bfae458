/* SPDX-License-Identifier: Apache-2.0 */
/* nec allocator plan: what would be set aside on this machine, and what is in the way. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "allocator/plan.h"
#include "base/error.h"
#include "base/json.h"
#include "command.h"
#include "machine-drawing.h"
#include "output.h"
#include "report.h"

struct plan_options {
	const char *config;
	const char *output;
};

/* What both printers print. */
struct result {
	struct nec_allocator_config config;
	struct nec_host *host;
	struct nec_allocator_plan *plan;
	nec_enclave_list *enclaves; /* NULL when nobody can tell */
};

/* The biggest piece that the kernel keeps free lists of, where pages are 4 KiB. */
#define BUDDY_BYTES_MAX (UINT64_C(4) << 20)

static const struct cli_option plan_options[] = {
	{ .name = "config",
	  .type = CLI_VALUE,
	  .value = "FILE",
	  .help = "the file to plan for, " NEC_ALLOCATOR_CONFIG " if not given",
	  .offset = offsetof(struct plan_options, config),
	  .kind = CLI_FILE },
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print the plan, text if not given",
	  .offset = offsetof(struct plan_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "text json" },
	{ .name = NULL },
};

static const struct cli_example plan_examples[] = {
	{ .text = "What the file in use would set aside", .command = "nec allocator plan" },
	{ .text = "Would another file fit this machine",
	  .command = "nec allocator plan --config allocator.yaml" },
	{ .command = NULL },
};

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static int exit_status(const struct nec_allocator_plan *plan)
{
	return plan->problem_count ? nec_error_exit_status(plan->problems[0].code) : 0;
}

/* ---- text ---- */

static void count_planned(const struct nec_allocator_plan *plan, const struct nec_hugepages *row,
			  uint64_t *ret_planned, uint64_t *ret_to_make)
{
	*ret_planned = *ret_to_make = 0;
	for (size_t i = 0; plan->node == row->node && i < plan->part_count; i++) {
		const struct nec_plan_part *part = &plan->parts[i];

		if (part->page_bytes != row->page_bytes)
			continue;
		*ret_planned += part->at_hand + part->to_make;
		*ret_to_make += part->to_make;
	}
}

/* Of those that are planned for, some may be in use: by enclaves, which have them of us. */
static void draw_row(const struct nec_hugepages *row, uint64_t planned, uint64_t to_make,
		     struct nec_buffer *to)
{
	uint64_t left = row->available + to_make;
	uint64_t taken = left < planned ? left : planned;
	const struct cli_bar_part parts[] = {
		{ row->total - row->available, '#', CLI_STYLE_WARNING },
		{ taken, '*', CLI_STYLE_GOOD },
		{ left - taken, '.', CLI_STYLE_PLAIN },
	};

	cli_draw_bar(parts, ARRAY_SIZE(parts), to);
}

static void add_row(const struct result *result, const struct nec_hugepages *row,
		    size_t label_width, struct nec_buffer *to)
{
	uint64_t planned;
	uint64_t to_make;

	count_planned(result->plan, row, &planned, &to_make);
	if (row->total + to_make == 0)
		return;
	cli_draw_page_size(row->page_bytes, label_width, to);
	draw_row(row, planned, to_make, to);
	nec_buffer_printf(to, " %" PRIu64 " of %" PRIu64 " free", row->available, row->total);
	if (planned)
		nec_buffer_printf(to, "; %" PRIu64 " planned", planned);
	if (to_make)
		nec_buffer_printf(to, ", %" PRIu64 " to be made", to_make);
	nec_buffer_append_text(to, "\n");
}

static void add_pages(const struct result *result, int32_t node, size_t label_width,
		      struct nec_buffer *to)
{
	const struct nec_hugepage_table *table = &result->host->hugepages;

	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].node == node)
			add_row(result, &table->rows[i], label_width, to);
}

static void add_node(const struct result *result, const struct nec_plan_node *node, size_t width,
		     struct nec_buffer *to)
{
	const struct cli_drawing drawing = { .topology = &result->host->topology,
					     .planned = &result->plan->cpus,
					     .enclaves = result->enclaves };

	nec_buffer_printf(to, "%sNUMA node %d\n", to->size ? "\n" : "", node->node);
	cli_draw_cores(&drawing, node->node, width, to);
	add_pages(result, node->node, cli_drawing_label_width(&drawing), to);
	nec_buffer_printf(
		to, "  %" PRIu64 " MiB free, %" PRIu64 " MiB of it in pieces of 2 MiB or more\n",
		node->memory.free_bytes >> 20, node->memory.contiguous_bytes >> 20);
	nec_buffer_printf(to, "  largest enclave possible: %u CPU%s, %" PRIu64 " MiB\n",
			  nec_cpuset_count(&node->cpus), plural(nec_cpuset_count(&node->cpus)),
			  (node->at_hand_bytes + node->memory.free_bytes) >> 20);
}

static void add_part(const struct result *result, const struct nec_plan_part *part,
		     struct nec_buffer *to)
{
	nec_buffer_printf(to, "  line %zu: %" PRIu64 " page%s of %" PRIu64 " MiB",
			  result->config.entries[part->entry].line, part->at_hand + part->to_make,
			  plural(part->at_hand + part->to_make), part->page_bytes >> 20);
	if (part->at_hand == 0)
		nec_buffer_append_text(to, ", to be made\n");
	else if (part->to_make == 0)
		nec_buffer_append_text(to, ", which are there\n");
	else
		nec_buffer_printf(to, ", %" PRIu64 " of them to be made\n", part->to_make);
}

/* In the order of the file; the plan has them in that in which they are served. */
static void add_parts(const struct result *result, struct nec_buffer *to)
{
	const struct nec_allocator_plan *plan = result->plan;

	for (size_t entry = 0; entry < result->config.count; entry++)
		for (size_t i = 0; i < plan->part_count; i++)
			if (plan->parts[i].entry == entry)
				add_part(result, &plan->parts[i], to);
}

/* What may fail although it fits. */
static void add_notes(const struct nec_allocator_plan *plan, struct nec_buffer *to)
{
	const struct nec_plan_node *node = plan->nodes;

	while (node->node != plan->node)
		node++;
	if (plan->make_bytes > node->memory.contiguous_bytes)
		nec_buffer_append_text(to, "  free memory is in small pieces; the kernel must move "
					   "pages to make huge ones of it, and may fail\n");
	for (size_t i = 0; i < plan->part_count; i++)
		if (plan->parts[i].to_make && plan->parts[i].page_bytes > BUDDY_BYTES_MAX)
			nec_buffer_printf(to,
					  "  pages of %" PRIu64
					  " MiB are sure to be had at boot only, by "
					  "hugepagesz=%" PRIu64 "M hugepages=%" PRIu64
					  " on the kernel's command line\n",
					  plan->parts[i].page_bytes >> 20,
					  plan->parts[i].page_bytes >> 20, plan->parts[i].to_make);
}

static void add_plan(const struct result *result, struct nec_buffer *to)
{
	const struct nec_allocator_plan *plan = result->plan;
	cleanup_buffer struct nec_buffer list = { 0 };

	nec_cpulist_print(&plan->cpus, &list);
	nec_buffer_printf(to, "\nPlan: on NUMA node %d, cores with a star\n", plan->node);
	nec_buffer_printf(to, "  %u CPU%s: %s\n", nec_cpuset_count(&plan->cpus),
			  plural(nec_cpuset_count(&plan->cpus)), nec_buffer_text(&list));
	add_parts(result, to);
	add_notes(plan, to);
}

static void add_problems(const struct nec_allocator_plan *plan, struct nec_buffer *to)
{
	for (size_t i = 0; i < plan->problem_count; i++) {
		const struct nec_plan_problem *problem = &plan->problems[i];

		cli_append_styled(CLI_STYLE_ERROR, STDOUT_FILENO, "missing:", to);
		nec_buffer_printf(to, " %s\n", problem->message);
		if (problem->change[0])
			nec_buffer_printf(to, "  it would fit: %s\n", problem->change);
	}
	if (plan->problem_count == 0)
		nec_buffer_append_text(to, "This fits.\n");
}

static int print_text(const struct cli *cli, const struct result *result)
{
	size_t width = cli_terminal_width(STDOUT_FILENO);
	cleanup_buffer struct nec_buffer text = { 0 };

	for (size_t i = 0; i < result->plan->node_count; i++)
		add_node(result, &result->plan->nodes[i], width, &text);
	if (result->plan->node >= 0)
		add_plan(result, &text);
	add_problems(result->plan, &text);
	return cli_print_styled_text(cli, &text);
}

/* ---- JSON ---- */

static bool add_cpus(cJSON *object, const char *list_key, const struct nec_cpuset *cpus)
{
	cleanup_buffer struct nec_buffer list = { 0 };

	nec_cpulist_print(cpus, &list);
	return nec_json_add_u64(object, "CpuCount", nec_cpuset_count(cpus)) &&
	       nec_json_add_string(object, list_key, nec_buffer_text(&list));
}

static bool add_memory(cJSON *list, const struct result *result, const struct nec_plan_part *part)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) &&
	       nec_json_add_u64(item, "Line", result->config.entries[part->entry].line) &&
	       nec_json_add_u64(item, "PageSizeMiB", part->page_bytes >> 20) &&
	       nec_json_add_u64(item, "PagesAtHand", part->at_hand) &&
	       nec_json_add_u64(item, "PagesToMake", part->to_make);
}

static bool add_json_node(cJSON *list, const struct nec_plan_node *node)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) &&
	       nec_json_add_u64(item, "NumaNode", (uint64_t)node->node) &&
	       add_cpus(item, "Cpus", &node->cpus) &&
	       nec_json_add_u64(item, "PagesAtHandMiB", node->at_hand_bytes >> 20) &&
	       nec_json_add_u64(item, "FreeMiB", node->memory.free_bytes >> 20) &&
	       nec_json_add_u64(item, "ContiguousMiB", node->memory.contiguous_bytes >> 20);
}

static bool add_problem(cJSON *list, const struct nec_plan_problem *problem)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) &&
	       nec_json_add_string(item, "Error", nec_error_name(problem->code)) &&
	       nec_json_add_string(item, "Message", problem->message) &&
	       nec_json_add_string(item, "Change", problem->change);
}

static bool fill_json(cJSON *tree, const struct result *result)
{
	const struct nec_allocator_plan *plan = result->plan;
	cJSON *memory = nec_json_array();
	cJSON *nodes = nec_json_array();
	cJSON *problems = nec_json_array();
	bool ok = nec_json_add_bool(tree, "Fits", plan->problem_count == 0) &&
		  nec_json_add_u64(tree, "ExitStatus", (uint64_t)exit_status(plan)) &&
		  (plan->node < 0 || nec_json_add_u64(tree, "NumaNode", (uint64_t)plan->node)) &&
		  add_cpus(tree, "CpuPool", &plan->cpus);

	ok = nec_json_add(tree, "Memory", memory) && ok;
	ok = nec_json_add(tree, "Nodes", nodes) && ok;
	ok = nec_json_add(tree, "Problems", problems) && ok;
	for (size_t i = 0; ok && i < plan->part_count; i++)
		ok = add_memory(memory, result, &plan->parts[i]);
	for (size_t i = 0; ok && i < plan->node_count; i++)
		ok = add_json_node(nodes, &plan->nodes[i]);
	for (size_t i = 0; ok && i < plan->problem_count; i++)
		ok = add_problem(problems, &plan->problems[i]);
	return ok;
}

static int print_json(const struct cli *cli, const struct result *result)
{
	cleanup_json cJSON *tree = nec_json_object();

	return cli_print_json(cli, fill_json(tree, result) ? tree : NULL);
}

static int run(struct cli *cli, const void *data)
{
	const struct plan_options *options = data;
	const char *path = options->config ? options->config : NEC_ALLOCATOR_CONFIG;
	struct result result = { .host = NULL };
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (nec_allocator_config_read(path, &result.config, &err) < 0 ||
	    nec_allocator_plan_read(cli->context, &result.config, &result.host, &result.plan,
				    &err) < 0)
		return cli_fail(cli, &err, 0);
	(void)nec_enclave_list_read(cli->context, &result.enclaves, NULL);
	status = cli->json_errors ? print_json(cli, &result) : print_text(cli, &result);
	if (status == 0)
		status = exit_status(result.plan);
	nec_enclave_list_free(result.enclaves);
	nec_host_free(result.host);
	free(result.plan);
	return status;
}

const struct cli_command cli_cmd_allocator_plan = {
	.name = "allocator plan",
	.summary = "Show what would be set aside on this machine",
	.description =
		"Looks at this machine and shows, for each NUMA node, its cores with their CPUs, its "
		"free memory and huge pages, and the largest enclave possible; then which CPUs and "
		"pages the configuration would set aside, what is missing, and the smallest change "
		"of the file that would make it fit. Changes nothing and needs no root.\n\n"
		"CPU 0 and its siblings stay with the parent; only whole cores of one NUMA node "
		"can be in the pool, and the memory is of the same node. Huge pages that are there "
		"and that nobody has are used first.\n\n"
		"The exit status is 0 when all of it fits, and otherwise the number of the first "
		"thing that is missing.",
	.options = plan_options,
	.examples = plan_examples,
	.options_size = sizeof(struct plan_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
