/* SPDX-License-Identifier: Apache-2.0 */
/* nec terminate-enclave: end one enclave, or all. */
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "enclave-options.h"
#include "enclave/client.h"
#include "output.h"
#include "report.h"

/* The driver may take 120 s for a command; stopping needs two. */
enum { TERMINATE_MSEC = 300000 };

struct terminate_options {
	const char *id;
	const char *name;
	bool all;
	const char *output;
};

static const struct cli_option terminate_rows[] = {
	{ .name = "enclave-id",
	  .type = CLI_VALUE,
	  .help = "the enclave's id",
	  .offset = offsetof(struct terminate_options, id),
	  .required = true,
	  .unless = "enclave-name all",
	  .conflicts = "enclave-name all" },
	{ .name = "enclave-name",
	  .type = CLI_VALUE,
	  .help = "the enclave's name",
	  .offset = offsetof(struct terminate_options, name),
	  .required = true,
	  .unless = "enclave-id all",
	  .conflicts = "all" },
	{ .name = "all",
	  .type = CLI_FLAG,
	  .help = "every enclave of this machine that is yours",
	  .offset = offsetof(struct terminate_options, all),
	  .required = true,
	  .unless = "enclave-id enclave-name" },
	CLI_ERROR_OUTPUT_ROW(struct terminate_options),
	{ .name = NULL },
};

static const struct cli_example terminate_examples[] = {
	{ .text = "End the enclave called hello",
	  .command = "nec terminate-enclave --enclave-name hello" },
	{ .command = NULL },
};

/* Ends one and gives its object. What the process says for stderr is printed. */
static int terminate(const char *socket_path, cJSON **ret, nec_error *err)
{
	struct nec_answer answer = { 0 };
	int r = nec_client_call(socket_path, NEC_COMMAND_TERMINATE, NULL, TERMINATE_MSEC, &answer,
				err);

	if (r < 0)
		return r;
	(void)fputs(nec_buffer_text(&answer.messages), stderr);
	if (answer.has_status && answer.status == EACCES)
		r = nec_error_set(err, NEC_E_ENCLAVE_REFUSED, -EACCES,
				  "no permission: the enclave belongs to another user");
	else if (!answer.has_status || answer.status != 0)
		r = nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
				  "the process that holds the enclave did not confirm its end");
	else
		r = nec_json_parse(nec_buffer_text(&answer.text), answer.text.size, ret, err);
	nec_answer_free(&answer);
	return r;
}

struct all {
	cJSON *array;
	unsigned int failed;
	nec_error err;
};

static bool terminate_one(void *userdata, const char *path)
{
	struct all *all = userdata;
	cJSON *object = NULL;
	int r = terminate(path, &object, &all->err);

	if (r == -ECONNREFUSED)
		nec_client_remove_dead(path);
	else if (r < 0 || !nec_json_append(all->array, object))
		all->failed++;
	return true;
}

static int terminate_all(const struct cli *cli)
{
	struct all all = { .array = nec_json_array() };
	struct nec_path dirs[2];
	size_t count = cli_sockets_dirs(dirs);
	nec_error err = NEC_ERROR_INIT;
	int status = 0;

	for (size_t i = 0; i < count && status == 0; i++)
		if (nec_client_visit(dirs[i].text, terminate_one, &all, &err) < 0)
			status = cli_fail(cli, &err, 0);
	if (status == 0)
		status = cli_print_json(cli, all.array);
	if (status == 0 && all.failed > 0) {
		(void)fprintf(stderr, "Failed connections: %u\n", all.failed);
		status = cli_fail(cli, &all.err, 0);
	}
	nec_json_free(all.array);
	return status;
}

static int run(struct cli *cli, const void *data)
{
	const struct terminate_options *options = data;
	cleanup_free char *path = NULL;
	cleanup_json cJSON *object = NULL;
	nec_error err = NEC_ERROR_INIT;

	if (options->all)
		return terminate_all(cli);
	if (cli_find_enclave(options->id, options->name, &path, &err) < 0 ||
	    terminate(path, &object, &err) < 0)
		return cli_fail(cli, &err, 0);
	return cli_print_json(cli, object);
}

const struct cli_command cli_cmd_terminate_enclave = {
	.name = "terminate-enclave",
	.summary = "End an enclave",
	.description =
		"Ends the enclave at once, as when its power is cut, and waits until its memory and "
		"CPUs are given back. Prints an object that confirms it; with --all an array of "
		"them.",
	.options = terminate_rows,
	.examples = terminate_examples,
	.options_size = sizeof(struct terminate_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
