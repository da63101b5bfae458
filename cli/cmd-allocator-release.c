/* SPDX-License-Identifier: Apache-2.0 */
/* nec allocator release: give back what is set aside. */
#include "allocator-change.h"

struct release_options {
	const char *output;
};

static const struct cli_option release_options[] = {
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print what was done, text if not given",
	  .offset = offsetof(struct release_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "text json" },
	{ .name = NULL },
};

static const struct cli_example release_examples[] = {
	{ .text = "When no enclave is to run for a while", .command = "nec allocator release" },
	{ .command = NULL },
};

static int release_here(nec_context *context, const struct nec_allocator_request *request,
			struct nec_allocator_outcome *ret, nec_error *err)
{
	(void)request;
	return nec_allocator_release(context, ret, err);
}

static int run(struct cli *cli, const void *data)
{
	const struct nec_allocator_request request = { .verb = NEC_ALLOCATOR_ASK_RELEASE };

	(void)data;
	return cli_allocator_change(cli, &request, release_here);
}

const struct cli_command cli_cmd_allocator_release = {
	.name = "allocator release",
	.summary = "Give back the memory and CPUs that were set aside",
	.description =
		"Gives back the huge pages that the allocator made, and sets the CPU pool to what "
		"it was before the allocator changed it. Huge pages that were there before stay. "
		"It is refused while enclaves run. When nec-allocatord runs, it does it, and goes "
		"on running with nothing set aside; `nec allocator apply` or a reload sets it "
		"aside again. Needs root.",
	.options = release_options,
	.examples = release_examples,
	.options_size = sizeof(struct release_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
