/* SPDX-License-Identifier: Apache-2.0 */
/* nec allocator status: what is set aside, and whose it is. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "allocator/client.h"
#include "allocator/status-json.h"
#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "command.h"
#include "machine-drawing.h"
#include "output.h"
#include "report.h"

struct status_options {
	const char *config;
	const char *output;
};

/* What both printers print. */
struct result {
	const char *config; /* what the reservation is compared with */
	bool has_config;
	cJSON *daemon;          /* what it says of itself; NULL when it does not */
	nec_error daemon_error; /* why not */
	struct nec_allocator_status *status;
	nec_enclave_list *enclaves; /* NULL when nobody can tell */
};

static const struct cli_option status_options[] = {
	{ .name = "config",
	  .type = CLI_VALUE,
	  .value = "FILE",
	  .help = "the file to compare with, that of the daemon or " NEC_ALLOCATOR_CONFIG
		  " if not given",
	  .offset = offsetof(struct status_options, config),
	  .kind = CLI_FILE },
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print it, text if not given",
	  .offset = offsetof(struct status_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "text json" },
	{ .name = NULL },
};

static const struct cli_example status_examples[] = {
	{ .text = "What is set aside, and who has it", .command = "nec allocator status" },
	{ .text = "Huge pages of each size, by owner",
	  .command = "nec allocator status --output json | jq .Pages" },
	{ .command = NULL },
};

/* ---- text ---- */

static const char *daemon_text(const struct result *result, const char *key)
{
	const char *text = "";

	(void)nec_json_get_string(result->daemon, key, &text);
	return text;
}

/* ": apply, reserve memory, 256 of 512 MiB" */
static void add_work(const struct result *result, struct nec_buffer *to)
{
	const cJSON *work = nec_json_get(result->daemon, "Work");
	const char *request = "";
	const char *phase = "";
	uint64_t done = 0;
	uint64_t total = 0;

	if (!work || !nec_json_get_string(work, "Request", &request))
		return;
	nec_buffer_printf(to, ": %s", request);
	if (nec_json_get_string(work, "Phase", &phase) && *phase &&
	    nec_json_get_u64(work, "Done", &done) && nec_json_get_u64(work, "Total", &total))
		nec_buffer_printf(to, ", %s, %" PRIu64 " of %" PRIu64 " MiB", phase, done >> 20,
				  total >> 20);
}

static void add_daemon(const struct result *result, struct nec_buffer *to)
{
	const cJSON *failure = nec_json_get(result->daemon, "Failure");
	const char *message = NULL;
	uint64_t pid = 0;

	if (!result->daemon) {
		nec_buffer_printf(to, "daemon:      %s\n",
				  result->daemon_error.code == NEC_E_ALLOCATOR_DAEMON &&
						  result->daemon_error.os_error == ENOENT
					  ? "does not run"
					  : result->daemon_error.message);
		return;
	}
	(void)nec_json_get_u64(result->daemon, "Pid", &pid);
	nec_buffer_printf(to, "daemon:      %s, process %" PRIu64, daemon_text(result, "State"),
			  pid);
	add_work(result, to);
	nec_buffer_append_text(to, "\n");
	if (failure && nec_json_get_string(failure, "Message", &message)) {
		cli_append_styled(CLI_STYLE_ERROR, STDOUT_FILENO, "last failure:", to);
		nec_buffer_printf(to, " %s\n", message);
	}
}

/* Of the daemon's own changes it tells those, too, who may not see the lock. */
static bool is_changing(const struct result *result)
{
	return result->status->worker == NEC_ALLOCATOR_WORKER_RUNS ||
	       nec_json_get(result->daemon, "Work");
}

static const char *reservation_text(const struct result *result)
{
	const struct nec_allocator_status *status = result->status;

	if (is_changing(result))
		return "is being changed";
	if (status->work != NEC_LEDGER_IDLE && status->worker == NEC_ALLOCATOR_WORKER_NONE)
		return "a change was interrupted; the next apply, release or start of the service "
		       "undoes or finishes it";
	if (status->work != NEC_LEDGER_IDLE)
		return "a change is under way, or was interrupted: root can tell which";
	if (!status->reserved)
		return "none";
	if (!status->plan)
		return "stands";
	return status->matches ? "stands, as configured"
			       : "stands, and is not what the configuration asks for";
}

static void add_pool(const struct result *result, struct nec_buffer *to)
{
	const struct nec_cpu_pool *pool = &result->status->host->pool;
	cleanup_buffer struct nec_buffer list = { 0 };

	nec_cpulist_print(&pool->cpus, &list);
	if (pool->info.state == NEC_POOL_NO_DRIVER)
		nec_buffer_append_text(to,
				       "CPU pool:    the driver nitro_enclaves is not loaded\n");
	else
		nec_buffer_printf(to, "CPU pool:    %s%s%s%s\n",
				  pool->info.state == NEC_POOL_EMPTY ? "empty"
								     : nec_buffer_text(&list),
				  result->status->pool_ours ? ", set by the allocator" : "",
				  result->status->driver_in_use ? ", in use" : "",
				  pool->info.device_present ? "" : "; there is no device");
}

static void add_summary(const struct result *result, struct nec_buffer *to)
{
	add_daemon(result, to);
	nec_buffer_printf(to, "reservation: %s\n", reservation_text(result));
	if (!result->has_config)
		nec_buffer_printf(to, "             %s cannot be read: see `nec allocator check`\n",
				  result->config);
	if (result->status->damaged)
		nec_buffer_append_text(to, "             the allocator's record is damaged: no "
					   "page is known to be its own\n");
	add_pool(result, to);
}

/*
 * How many pages of a row enclaves have. The kernel tells only that somebody has them, so it is
 * known where no other size of the node is in use.
 */
static uint64_t count_enclave_pages(const struct result *result,
				    const struct nec_allocator_status_row *row)
{
	const struct nec_allocator_status *status = result->status;
	size_t count = result->enclaves ? nec_enclave_list_get_count(result->enclaves) : 0;
	uint64_t pages = 0;

	for (size_t i = 0; i < status->row_count; i++)
		if (&status->rows[i] != row && status->rows[i].node == row->node &&
		    status->rows[i].in_use)
			return 0;
	for (size_t i = 0; i < count; i++) {
		const struct nec_enclave_info *info =
			nec_enclave_get_info(nec_enclave_list_get(result->enclaves, i));

		if (cli_enclave_node(&status->host->topology, info) == row->node)
			pages += ((info->memory_mib << 20) + row->page_bytes - 1) / row->page_bytes;
	}
	return pages < row->in_use ? pages : row->in_use;
}

/* Two bars: by owner, and by use. Which page of whom is in use the kernel does not tell. */
static void add_row(const struct result *result, const struct nec_allocator_status_row *row,
		    size_t label_width, struct nec_buffer *to)
{
	uint64_t enclaves = count_enclave_pages(result, row);
	const struct cli_bar_part owners[] = {
		{ row->ours, '=', CLI_STYLE_GOOD },
		{ row->total - row->ours, '-', CLI_STYLE_PLAIN },
	};
	const struct cli_bar_part uses[] = {
		{ enclaves, '#', CLI_STYLE_WARNING },
		{ row->in_use - enclaves, '+', CLI_STYLE_PLAIN },
		{ row->total - row->in_use, '.', CLI_STYLE_PLAIN },
	};

	cli_draw_page_size(row->page_bytes, label_width, to);
	cli_draw_bar(owners, ARRAY_SIZE(owners), to);
	nec_buffer_printf(to, " %" PRIu64 " page%s: %" PRIu64 " ours, %" PRIu64 " others'\n",
			  row->total, row->total == 1 ? "" : "s", row->ours,
			  row->total - row->ours);
	nec_buffer_printf(to, "  %*s ", (int)label_width, "");
	cli_draw_bar(uses, ARRAY_SIZE(uses), to);
	nec_buffer_printf(to, " %" PRIu64 " in use", row->in_use);
	if (enclaves)
		nec_buffer_printf(to, ", %" PRIu64 " by enclaves", enclaves);
	nec_buffer_printf(to, "; %" PRIu64 " free\n", row->total - row->in_use);
}

static void add_enclaves(const struct result *result, int32_t node, struct nec_buffer *to)
{
	size_t count = result->enclaves ? nec_enclave_list_get_count(result->enclaves) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct nec_enclave_info *info =
			nec_enclave_get_info(nec_enclave_list_get(result->enclaves, i));
		char name[64];

		if (cli_enclave_node(&result->status->host->topology, info) != node)
			continue;
		(void)snprintf(name, sizeof(name), "%s", info->name ? info->name : info->id);
		nec_utf8_make_printable(name);
		nec_buffer_printf(to, "  enclave %s: %" PRIu64 " MiB, %zu CPUs\n", name,
				  info->memory_mib, info->cpu_count);
	}
}

static void add_node(const struct result *result, int32_t node, size_t width, struct nec_buffer *to)
{
	const struct nec_allocator_status *status = result->status;
	const struct cli_drawing drawing = { .topology = &status->host->topology,
					     .enclaves = result->enclaves };

	nec_buffer_printf(to, "\nNUMA node %d\n", node);
	cli_draw_cores(&drawing, node, width, to);
	for (size_t i = 0; i < status->row_count; i++)
		if (status->rows[i].node == node)
			add_row(result, &status->rows[i], cli_drawing_label_width(&drawing), to);
	add_enclaves(result, node, to);
}

static int print_text(const struct cli *cli, const struct result *result)
{
	size_t width = cli_terminal_width(STDOUT_FILENO);
	cleanup_buffer struct nec_buffer text = { 0 };

	add_summary(result, &text);
	NEC_CPUSET_FOR_EACH (node, &result->status->host->topology.nodes)
		add_node(result, (int32_t)node, width, &text);
	return cli_print_styled_text(cli, &text);
}

/* ---- JSON ---- */

static bool add_json_enclave(cJSON *list, const struct result *result,
			     const struct nec_enclave_info *info)
{
	int32_t node = cli_enclave_node(&result->status->host->topology, info);
	cJSON *item;
	cJSON *cpus;
	bool good;

	if (info->backend == NEC_BACKEND_QEMU)
		return true;
	item = nec_json_object();
	cpus = nec_json_array();
	good = nec_json_append(list, item) &&
	       nec_json_add_string(item, "EnclaveName", info->name ? info->name : "") &&
	       nec_json_add_string(item, "EnclaveID", info->id ? info->id : "") &&
	       (node < 0 || nec_json_add_u64(item, "NumaNode", (uint64_t)node)) &&
	       nec_json_add_u64(item, "MemoryMiB", info->memory_mib);
	good = nec_json_add(item, "CPUIDs", cpus) && good;
	for (size_t i = 0; good && i < info->cpu_count; i++)
		good = nec_json_append_u64(cpus, info->cpu_ids[i]);
	return good;
}

static bool fill_json(cJSON *tree, const struct result *result)
{
	size_t count = result->enclaves ? nec_enclave_list_get_count(result->enclaves) : 0;
	cJSON *enclaves = nec_json_array();
	bool good = nec_json_add(tree, "Enclaves", enclaves);

	if (result->daemon)
		good = nec_json_add(tree, "Daemon", nec_json_copy(result->daemon)) && good;
	for (size_t i = 0; good && i < count; i++)
		good = add_json_enclave(
			enclaves, result,
			nec_enclave_get_info(nec_enclave_list_get(result->enclaves, i)));
	return good;
}

static int print_json(const struct cli *cli, const struct result *result)
{
	cleanup_json cJSON *tree = NULL;
	nec_error err = NEC_ERROR_INIT;

	if (nec_allocator_status_to_json(result->status, &tree, &err) < 0)
		return cli_fail(cli, &err, 0);
	return cli_print_json(cli, fill_json(tree, result) ? tree : NULL);
}

/* ---- looking ---- */

static int look(struct cli *cli, struct result *result, nec_error *err)
{
	const struct nec_allocator_request request = { .verb = NEC_ALLOCATOR_ASK_STATE };
	struct nec_allocator_config config;
	int r;

	r = nec_allocator_ask(cli->context, nec_allocator_socket(), &request, &result->daemon,
			      &result->daemon_error);
	if (r == -ECANCELED) {
		*err = result->daemon_error;
		return r;
	}
	if (r == -ETIMEDOUT)
		cli_warn("nec-allocatord runs, but does not answer: only the machine is looked at");
	if (!result->config && result->daemon)
		(void)nec_json_get_string(result->daemon, "Config", &result->config);
	if (!result->config)
		result->config = NEC_ALLOCATOR_CONFIG;
	result->has_config = nec_allocator_config_read(result->config, &config, NULL) == 0;
	r = nec_allocator_status_read(cli->context, result->has_config ? &config : NULL,
				      &result->status, err);
	if (r == 0)
		(void)nec_enclave_list_read(cli->context, &result->enclaves, NULL);
	return r;
}

static int run(struct cli *cli, const void *data)
{
	const struct status_options *options = data;
	struct result result = { .config = options->config };
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (look(cli, &result, &err) < 0)
		status = cli_fail(cli, &err, 0);
	else
		status = cli->json_errors ? print_json(cli, &result) : print_text(cli, &result);
	nec_json_free(result.daemon);
	nec_enclave_list_free(result.enclaves);
	nec_allocator_status_free(result.status);
	return status;
}

const struct cli_command cli_cmd_allocator_status = {
	.name = "allocator status",
	.summary = "Show what is set aside, and who has it",
	.description =
		"Shows what nec-allocatord does, whether the reservation stands and is what the "
		"configuration asks for, and the machine: for each NUMA node its cores with their "
		"CPUs by owner (the parent, the free part of the CPU pool, each enclave by its "
		"name), and its huge pages by size: how many are in use, how many the allocator "
		"made, and how many are others'. Changes nothing and needs no root; what "
		"nec-allocatord does is for root and the group ne to know.",
	.options = status_options,
	.examples = status_examples,
	.options_size = sizeof(struct status_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
