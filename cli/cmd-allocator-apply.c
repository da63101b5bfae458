/* SPDX-License-Identifier: Apache-2.0 */
/* nec allocator apply: set aside what the configuration asks for. */
#include <string.h>

#include "allocator-change.h"
#include "base/error.h"
#include "base/files.h"
#include "report.h"

struct apply_options {
	const char *path;
	const char *output;
};

static const struct cli_option apply_options[] = {
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print what was done, text if not given",
	  .offset = offsetof(struct apply_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "text json" },
	{ .name = NULL },
};

static const struct cli_option apply_operands[] = {
	{ .name = "FILE",
	  .type = CLI_VALUE,
	  .help = "the configuration, that of the daemon or " NEC_ALLOCATOR_CONFIG " if not given",
	  .offset = offsetof(struct apply_options, path),
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example apply_examples[] = {
	{ .text = "After a change of the configuration", .command = "nec allocator apply" },
	{ .text = "Another file, until the next reload or start",
	  .command = "nec allocator apply big.yaml" },
	{ .command = NULL },
};

static int apply_here(nec_context *context, const struct nec_allocator_request *request,
		      struct nec_allocator_outcome *ret, nec_error *err)
{
	const struct nec_allocator_apply_options options = NEC_ALLOCATOR_APPLY_OPTIONS_INIT;
	struct nec_allocator_config config;
	int r = request->text ? nec_allocator_config_parse(request->text, strlen(request->text),
							   request->name, &config, err)
			      : nec_allocator_config_read(NEC_ALLOCATOR_CONFIG, &config, err);

	return r < 0 ? r : nec_allocator_apply(context, &config, &options, ret, err);
}

/* What a JSON string and a C string can carry; libyaml would take UTF-16, too. */
static int read_text(const char *path, struct nec_buffer *to, nec_error *err)
{
	struct nec_allocator_config config;
	int r = nec_file_read_all(path, NEC_ALLOCATOR_BYTES_MAX, to, err);

	if (r == 0)
		r = nec_allocator_config_parse((const char *)to->data, to->size, path, &config,
					       err);
	if (r == 0 && memchr(to->data, '\0', to->size))
		return nec_error_set(err, NEC_E_CONFIG, -EBADMSG, "%s is not UTF-8", path);
	return r;
}

static int run(struct cli *cli, const void *data)
{
	const struct apply_options *options = data;
	struct nec_allocator_request request = { .verb = NEC_ALLOCATOR_ASK_APPLY };
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error err = NEC_ERROR_INIT;

	if (options->path) {
		if (read_text(options->path, &text, &err) < 0)
			return cli_fail(cli, &err, 0);
		request.name = (char *)options->path;
		request.text = (char *)text.data;
	}
	return cli_allocator_change(cli, &request, apply_here);
}

const struct cli_command cli_cmd_allocator_apply = {
	.name = "allocator apply",
	.summary = "Set memory and CPUs aside as configured",
	.description =
		"Sets aside what a configuration asks for: all of it, or nothing is changed. When "
		"nec-allocatord runs (nitro-enclaves-allocator.service), it does it, as for a "
		"reload; otherwise it is done here. Both need root.\n\n"
		"Huge pages that others have reserved are never taken away, and enclaves that run "
		"are not disturbed: what cannot be changed while they run is refused before "
		"anything is touched. Ctrl-C undoes what was done so far.\n\n"
		"A FILE that is given holds until the next reload or start of the daemon, which "
		"has a configuration of its own. `nec allocator plan --config FILE` shows what "
		"would be done.",
	.options = apply_options,
	.operands = apply_operands,
	.examples = apply_examples,
	.options_size = sizeof(struct apply_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
