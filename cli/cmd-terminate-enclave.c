/* SPDX-License-Identifier: Apache-2.0 */
/* nec terminate-enclave: end one enclave, or all. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "enclave-options.h"
#include "enclave/calls.h"
#include "output.h"
#include "report.h"

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

/* One enclave's end, which may take its time: in a thread of its own when there are several. */
struct ending {
	struct nec_path path;
	pthread_t thread;
	bool running;
	int result;
	nec_error err;
	struct nec_buffer messages;
	cJSON *object;
};

static void *end_one(void *userdata)
{
	struct ending *ending = userdata;

	ending->result = nec_call_terminate(ending->path.text, &ending->messages, &ending->object,
					    &ending->err);
	return NULL;
}

/* The object that confirms it; what the process says for stderr is printed. */
static int take_answer(struct ending *ending, cJSON **ret, nec_error *err)
{
	(void)fputs(nec_buffer_text(&ending->messages), stderr);
	nec_buffer_free(&ending->messages);
	if (ending->result < 0) {
		*err = ending->err;
		return ending->result;
	}
	*ret = TAKE_PTR(ending->object);
	return 0;
}

static int terminate(const char *socket_path, cJSON **ret, nec_error *err)
{
	struct ending ending = { .result = 0 };
	int r = nec_path_socket(&ending.path, err, "%s", socket_path);

	if (r < 0)
		return r;
	(void)end_one(&ending);
	return take_answer(&ending, ret, err);
}

struct all {
	struct ending *endings;
	size_t size;
	size_t count;
	cJSON *array;
	unsigned int failed;
	nec_error first; /* what the first failure was */
};

static bool begin_one(void *userdata, const char *path)
{
	struct all *all = userdata;
	struct ending *ending = &all->endings[all->count];

	if (nec_path_socket(&ending->path, NULL, "%s", path) < 0)
		return true;
	ending->running = pthread_create(&ending->thread, NULL, end_one, ending) == 0;
	if (!ending->running)
		(void)end_one(ending);
	all->count++;
	return all->count < all->size;
}

static bool count_one(void *userdata, const char *path)
{
	(void)path;
	++*(size_t *)userdata;
	return true;
}

static void finish_one(struct all *all, struct ending *ending)
{
	nec_error err = NEC_ERROR_INIT;
	cJSON *object = NULL;
	int r;

	if (ending->running)
		(void)pthread_join(ending->thread, NULL);
	r = take_answer(ending, &object, &err);
	if (r == -ECONNREFUSED)
		nec_client_remove_dead(ending->path.text);
	/* One that ended by itself meanwhile has what was wanted. */
	if (r == -ECONNREFUSED || r == -ENOENT)
		return;
	if (r == 0 && nec_json_append(all->array, object))
		return;
	if (r == 0)
		(void)nec_error_no_memory(&err);
	(void)fprintf(stderr, "%s: %s\n", strrchr(ending->path.text, '/') + 1, err.message);
	if (all->failed++ == 0)
		all->first = err;
}

/* All of a directory at the same time. What comes up meanwhile is not meant. */
static int terminate_in(const char *dir, struct all *all, nec_error *err)
{
	int r;

	all->size = all->count = 0;
	r = nec_client_visit(dir, count_one, &all->size, err);
	if (r < 0 || all->size == 0)
		return r;
	all->endings = calloc(all->size, sizeof(*all->endings));
	if (!all->endings)
		return nec_error_no_memory(err);
	r = nec_client_visit(dir, begin_one, all, err);
	for (size_t i = 0; i < all->count; i++)
		finish_one(all, &all->endings[i]);
	free(TAKE_PTR(all->endings));
	return r;
}

static int terminate_all(const struct cli *cli)
{
	struct all all = { .array = nec_json_array() };
	struct nec_path dirs[2];
	size_t count = nec_sockets_dirs(dirs);
	nec_error err = NEC_ERROR_INIT;
	int status = 0;

	for (size_t i = 0; i < count && status == 0; i++)
		if (terminate_in(dirs[i].text, &all, &err) < 0)
			status = cli_fail(cli, &err, 0);
	if (all.failed > 0)
		(void)fprintf(stderr, "Failed connections: %u\n", all.failed);
	if (status == 0)
		status = cli_print_json(cli, all.array);
	if (status == 0 && all.failed > 0)
		status = cli_fail(cli, &all.first, 0);
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
	if (nec_call_find(options->id, options->name, &path, &err) < 0 ||
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
		"them. With --all they end at the same time, and one that cannot be ended holds up no "
		"other: each failure is named, and the exit status is that of the first.\n\n"
		"Status 29 when the device did not let the enclave go: it may still run, and has its "
		"memory and CPUs until the machine is booted again.",
	.options = terminate_rows,
	.examples = terminate_examples,
	.options_size = sizeof(struct terminate_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
