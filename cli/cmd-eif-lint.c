/* SPDX-License-Identifier: Apache-2.0 */
/* nec eif lint: everything wrong or risky in an image. */
#include <inttypes.h>

#include "base/error.h"
#include "base/json.h"
#include "command.h"
#include "output.h"
#include "report.h"
#include "values.h"

struct lint_options {
	const char *path;
	const char *memory;
	const char *at;
	const char *output;
	bool strict;
};

/* What the finding makes of the exit status: nitro-cli's number for an image that is not right. */
enum { EXIT_WARNINGS = 1, EXIT_ERRORS = 35 };

static const struct cli_option lint_options[] = {
	{ .name = "memory",
	  .type = CLI_VALUE,
	  .value = "MiB",
	  .help = "check that the image fits an enclave with that much memory; or 4G, 1T",
	  .offset = offsetof(struct lint_options, memory),
	  .kind = CLI_NUMBER },
	{ .name = "at",
	  .type = CLI_VALUE,
	  .value = "TIME",
	  .help = "check certificates against that time instead of now",
	  .offset = offsetof(struct lint_options, at) },
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print the findings, text if not given",
	  .offset = offsetof(struct lint_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "text json" },
	{ .name = "strict",
	  .type = CLI_FLAG,
	  .help = "end with status 1 if there are warnings",
	  .offset = offsetof(struct lint_options, strict) },
	{ .name = NULL },
};

static const struct cli_option lint_operands[] = {
	{ .name = "FILE",
	  .type = CLI_VALUE,
	  .help = "the image",
	  .offset = offsetof(struct lint_options, path),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example lint_examples[] = {
	{ .text = "Check an image before it is deployed with 2 GiB of memory",
	  .command = "nec eif lint hello.eif --memory 2G" },
	{ .text = "Will the certificate still be valid next year",
	  .command = "nec eif lint hello.eif --at 2027-01-01" },
	{ .text = "In a pipeline: fail on warnings too, and keep the findings",
	  .command = "nec eif lint hello.eif --strict --output json > findings.json" },
	{ .command = NULL },
};

static const char *severity_name(enum nec_severity severity)
{
	static const char *const names[] = { "note", "warning", "error" };

	return names[severity];
}

static void print_place(const struct nec_lint_finding *finding, struct nec_buffer *to)
{
	nec_buffer_printf(to, "at %" PRIu64, finding->offset);
	if (finding->ramdisk)
		nec_buffer_printf(to, ", ramdisk %u", finding->ramdisk);
	if (finding->path)
		nec_buffer_printf(to, ", %s", finding->path);
}

static void print_count(const nec_lint *lint, enum nec_severity severity, const char *end,
			struct nec_buffer *to)
{
	size_t count = nec_lint_count(lint, severity);

	nec_buffer_printf(to, "%zu %s%s%s", count, severity_name(severity), count == 1 ? "" : "s",
			  end);
}

static void make_text(const nec_lint *lint, struct nec_buffer *to)
{
	uint64_t memory_mib = nec_lint_get_minimum_memory_mib(lint);

	for (size_t i = 0; i < nec_lint_get_finding_count(lint); i++) {
		const struct nec_lint_finding *finding = nec_lint_get_finding(lint, i);

		nec_buffer_printf(to, "%s: %s: ", severity_name(finding->severity), finding->rule);
		print_place(finding, to);
		nec_buffer_printf(to, ": %s\n    %s\n", finding->message, finding->hint);
	}
	print_count(lint, NEC_SEVERITY_ERROR, ", ", to);
	print_count(lint, NEC_SEVERITY_WARNING, ", ", to);
	print_count(lint, NEC_SEVERITY_NOTE, "", to);
	if (memory_mib)
		nec_buffer_printf(to, "; at least %" PRIu64 " MiB of memory are needed",
				  memory_mib);
	nec_buffer_append_text(to, "\n");
}

static bool add_finding(cJSON *list, const struct nec_lint_finding *finding)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) &&
	       nec_json_add_string(item, "Severity", severity_name(finding->severity)) &&
	       nec_json_add_string(item, "Rule", finding->rule) &&
	       nec_json_add_u64(item, "Offset", finding->offset) &&
	       (!finding->ramdisk || nec_json_add_u64(item, "Ramdisk", finding->ramdisk)) &&
	       (!finding->path || nec_json_add_string(item, "Path", finding->path)) &&
	       nec_json_add_string(item, "Message", finding->message) &&
	       nec_json_add_string(item, "Hint", finding->hint);
}

static bool fill_json(cJSON *tree, const nec_lint *lint)
{
	uint64_t memory_mib = nec_lint_get_minimum_memory_mib(lint);
	cJSON *list = nec_json_array();
	bool ok = nec_json_add_u64(tree, "Errors", nec_lint_count(lint, NEC_SEVERITY_ERROR)) &&
		  nec_json_add_u64(tree, "Warnings", nec_lint_count(lint, NEC_SEVERITY_WARNING)) &&
		  nec_json_add_u64(tree, "Notes", nec_lint_count(lint, NEC_SEVERITY_NOTE)) &&
		  (!memory_mib || nec_json_add_u64(tree, "MinimumMemoryMiB", memory_mib));

	ok = nec_json_add(tree, "Findings", list) && ok;
	for (size_t i = 0; ok && i < nec_lint_get_finding_count(lint); i++)
		ok = add_finding(list, nec_lint_get_finding(lint, i));
	return ok;
}

static int print(const struct cli *cli, const nec_lint *lint, bool json)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *tree = NULL;

	if (!json) {
		make_text(lint, &text);
		return cli_print_text(cli, &text);
	}
	tree = nec_json_object();
	return cli_print_json(cli, fill_json(tree, lint) ? tree : NULL);
}

static int read_options(const struct lint_options *options, struct nec_lint_options *ret,
			nec_error *err)
{
	int r = 0;

	ret->has_now = options->at != NULL;
	if (options->memory)
		r = cli_parse_memory("memory", options->memory, &ret->memory_mib, err);
	if (r == 0 && options->memory && ret->memory_mib == 0)
		r = nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				  "--memory: an enclave without memory is not possible");
	if (r == 0 && options->at)
		r = cli_parse_time("at", options->at, &ret->now, err);
	return r;
}

static int exit_status(const nec_lint *lint, bool strict)
{
	if (nec_lint_count(lint, NEC_SEVERITY_ERROR) > 0)
		return EXIT_ERRORS;
	return strict && nec_lint_count(lint, NEC_SEVERITY_WARNING) > 0 ? EXIT_WARNINGS : 0;
}

static int run(struct cli *cli, const void *data)
{
	const struct lint_options *options = data;
	struct nec_lint_options checks = NEC_LINT_OPTIONS_INIT;
	nec_lint *lint = NULL;
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (read_options(options, &checks, &err) < 0 ||
	    nec_lint_run(cli->context, options->path, &checks, &lint, &err) < 0)
		return cli_fail(cli, &err, 0);
	status = print(cli, lint, cli->json_errors);
	if (status == 0)
		status = exit_status(lint, options->strict);
	nec_lint_free(lint);
	return status;
}

const struct cli_command cli_cmd_eif_lint = {
	.name = "eif lint",
	.summary = "Find everything wrong or risky in an image",
	.description =
		"Checks the container, the kernel, its command line, the signature and its "
		"certificate, the metadata, and the files in the ramdisks: whether what they hold "
		"can run, and whether debug settings or secrets were left in them. A damaged file "
		"is checked as far as it can be followed.\n\n"
		"Each finding has a severity (error, warning or note), the name of its rule, the "
		"offset in the file, and for a file inside a ramdisk its path; below it stands what "
		"to do.\n\n"
		"The exit status is 35 if there are errors, 1 with --strict if there are warnings, "
		"and otherwise 0.",
	.options = lint_options,
	.operands = lint_operands,
	.examples = lint_examples,
	.options_size = sizeof(struct lint_options),
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
