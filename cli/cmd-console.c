/* SPDX-License-Identifier: Apache-2.0 */
/* nec console: read what an enclave in debug mode writes. */
#include <inttypes.h>

#include "base/error.h"
#include "base/loop.h"
#include "console-copy.h"
#include "console-recorded.h"
#include "enclave-options.h"
#include "enclave/calls.h"
#include "report.h"
#include "values.h"

struct console_options {
	const char *id;
	const char *name;
	const char *cid;
	const char *timeout;
	bool recorded;
	const char *output;
};

static const struct cli_option console_rows[] = {
	CLI_ENCLAVE_ID_ROW(struct console_options, true),
	CLI_ENCLAVE_NAME_ROW(struct console_options, true),
	CLI_ENCLAVE_CID_ROW(struct console_options, true),
	{ .name = "disconnect-timeout",
	  .type = CLI_VALUE,
	  .value = "seconds",
	  .help = "leave after this time; 0 is never",
	  .offset = offsetof(struct console_options, timeout),
	  .kind = CLI_NUMBER },
	{ .name = "recorded",
	  .type = CLI_FLAG,
	  .help = "print what was written so far and leave; also of an enclave that has ended",
	  .offset = offsetof(struct console_options, recorded),
	  .conflicts = "disconnect-timeout" },
	CLI_ERROR_OUTPUT_ROW(struct console_options),
	{ .name = NULL },
};

static const struct cli_example console_examples[] = {
	{ .text = "Follow the console of an enclave",
	  .command = "nec console --enclave-name hello" },
	{ .text = "What it wrote before it ended",
	  .command = "nec console --enclave-name hello --recorded" },
	{ .command = NULL },
};

static int find_by_cid(uint64_t cid, char **ret, nec_error *err)
{
	const struct cli_enclave_filter filter = { .has_cid = true, .cid = cid };
	cleanup_json cJSON *array = nec_json_array();
	unsigned int failed = 0;
	int r = cli_list_enclaves(&filter, false, false, array, &failed, err);

	if (r < 0)
		return r;
	if (!array->child)
		return nec_error_set(err, NEC_E_ENCLAVE_ID, -ENOENT, "no enclave has CID %" PRIu64,
				     cid);
	return nec_call_find(cli_enclave_text(array->child, "EnclaveID"), NULL, ret, err);
}

static int print_recorded(struct cli *cli, const struct cli_enclave_filter *filter)
{
	nec_error err = NEC_ERROR_INIT;
	cleanup_close int fd = cli_console_open_recorded(filter, &err);

	return fd < 0 ? cli_fail(cli, &err, 0) : cli_console_copy(cli, fd, 0);
}

static int print_live(struct cli *cli, const char *control, uint64_t seconds)
{
	/* 0: none. More than a century is none, too. */
	bool limited = seconds > 0 && seconds <= UINT32_MAX;
	uint64_t deadline = limited ? nec_loop_now() + seconds * 1000000 : 0;
	nec_error err = NEC_ERROR_INIT;
	cleanup_close int fd = cli_console_connect(cli, control, &err);

	return fd < 0 ? cli_fail(cli, &err, 0) : cli_console_follow(cli, control, fd, deadline);
}

static int run(struct cli *cli, const void *data)
{
	const struct console_options *options = data;
	struct cli_enclave_filter filter = {
		.id = options->id,
		.name = options->name,
		.has_cid = options->cid != NULL,
	};
	cleanup_free char *control = NULL;
	uint64_t seconds = 0;
	nec_error err = NEC_ERROR_INIT;
	int r = options->cid ? cli_parse_u64("cid", options->cid, &filter.cid, &err) : 0;

	if (r == 0 && options->recorded)
		return print_recorded(cli, &filter);
	if (r == 0)
		r = options->cid ? find_by_cid(filter.cid, &control, &err)
				 : nec_call_find(options->id, options->name, &control, &err);
	if (r == 0 && options->timeout)
		r = cli_parse_u64("disconnect-timeout", options->timeout, &seconds, &err);
	return r < 0 ? cli_fail(cli, &err, 0) : print_live(cli, control, seconds);
}

const struct cli_command cli_cmd_console = {
	.name = "console",
	.summary = "Read the console of an enclave in debug mode",
	.description =
		"Prints what the enclave has written since its start, then what it writes, until it "
		"ends or --disconnect-timeout is over. Several readers do not disturb each other. When "
		"the enclave has ended, stderr says why, and the exit status is 0.\n\n"
		"With --recorded it prints what the enclave has written so far, and ends. That works "
		"for enclaves that have ended, too, the ones that did not come up among them; of "
		"several with one name for the one that runs, else for the last one.\n\n"
		"An enclave that nitro-cli holds has its console at the hypervisor only: nothing of it "
		"is recorded here.",
	.options = console_rows,
	.examples = console_examples,
	.options_size = sizeof(struct console_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
