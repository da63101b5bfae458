/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public calls end to end, on the fake machine: a program as a user of the library writes it,
 * with nec.h and nothing else of ours.
 *
 *   api TEST IMAGE
 */
#include <errno.h>
#include <fcntl.h>
#include <nec.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define check(condition)                                                                   \
	do {                                                                               \
		if (!(condition)) {                                                        \
			(void)fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, \
				      #condition);                                         \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

static void succeed(int result, const nec_error *err)
{
	if (result < 0)
		(void)fprintf(stderr, "%s: %s\n", nec_error_name(err->code), err->message);
	check(result == 0);
}

static struct nec_launch_options options_for(const char *image)
{
	struct nec_launch_options options = NEC_LAUNCH_OPTIONS_INIT;

	options.eif_path = image;
	options.memory_mib = 64;
	options.cpu_count = 2;
	options.boot_timeout_usec = 60000000;
	return options;
}

static size_t count_enclaves(nec_context *context)
{
	nec_enclave_list *list = NULL;
	nec_error err = NEC_ERROR_INIT;
	size_t count;

	succeed(nec_enclave_list_read(context, &list, &err), &err);
	check(nec_enclave_list_get_failed(list) == 0);
	count = nec_enclave_list_get_count(list);
	nec_enclave_list_free(list);
	return count;
}

/* Both handles are of the same enclave. */
static void compare(const nec_enclave *one, const nec_enclave *other)
{
	const struct nec_enclave_info *a = nec_enclave_get_info(one);
	const struct nec_enclave_info *b = nec_enclave_get_info(other);

	check(strcmp(a->id, b->id) == 0 && strcmp(a->name, b->name) == 0);
	check(a->state == b->state && a->backend == b->backend && a->debug == b->debug);
	check(a->cid == b->cid && a->holder_pid == b->holder_pid);
	check(a->memory_mib == b->memory_mib && a->cpu_count == b->cpu_count);
	check(memcmp(a->cpu_ids, b->cpu_ids, a->cpu_count * sizeof(a->cpu_ids[0])) == 0);
	check(strcmp(a->pcr0, b->pcr0) == 0 && strcmp(a->pcr1, b->pcr1) == 0 &&
	      strcmp(a->pcr2, b->pcr2) == 0);
}

static void check_info(const struct nec_enclave_info *info)
{
	check(strcmp(info->name, "enclave") == 0);
	check(info->state == NEC_ENCLAVE_RUNNING && info->backend == NEC_BACKEND_NITRO);
	check(info->debug && info->memory_mib == 64 && info->cpu_count == 2 && info->cid > 3);
	check(info->holder_pid != getpid());
	check(strlen(info->pcr0) == 96 && !info->pcr8);
}

static void check_console(nec_enclave *enclave)
{
	static const char expected[] = "hello from the enclave\n";
	char text[sizeof(expected)] = "";
	nec_error err = NEC_ERROR_INIT;
	size_t size = 0;
	int fd = -1;

	succeed(nec_enclave_open_console(enclave, &fd, &err), &err);
	while (size < sizeof(expected) - 1) {
		ssize_t n = read(fd, text + size, sizeof(expected) - 1 - size);

		check(n > 0);
		size += (size_t)n;
	}
	check(strcmp(text, expected) == 0);
	(void)close(fd);
}

static void find_both_ways(nec_context *context, const nec_enclave *launched)
{
	const struct nec_enclave_info *info = nec_enclave_get_info(launched);
	nec_enclave *found = NULL;
	nec_error err = NEC_ERROR_INIT;

	succeed(nec_enclave_find(context, info->id, NULL, &found, &err), &err);
	compare(launched, found);
	check(nec_enclave_get_info(found)->start_time > 1700000000);
	check(strstr(nec_enclave_get_json(found), info->pcr0) != NULL);
	nec_enclave_free(found);
	succeed(nec_enclave_find(context, NULL, info->name, &found, &err), &err);
	compare(launched, found);
	nec_enclave_free(found);
}

static void test_life(nec_context *context, const char *image)
{
	struct nec_launch_options options = options_for(NULL);
	nec_enclave *enclave = NULL;
	nec_enclave *gone = NULL;
	nec_error err = NEC_ERROR_INIT;
	int fd = -1;

	check(count_enclaves(context) == 0);
	succeed(nec_host_open_device(context, &fd, &err), &err);
	(void)close(fd);
	options.eif_fd = open(image, O_RDONLY | O_CLOEXEC);
	options.debug = true;
	succeed(nec_enclave_launch(context, &options, &enclave, &err), &err);
	check(lseek(options.eif_fd, 0, SEEK_CUR) == 0);
	(void)close(options.eif_fd);
	check_info(nec_enclave_get_info(enclave));
	find_both_ways(context, enclave);
	check(count_enclaves(context) == 1);
	check_console(enclave);

	succeed(nec_enclave_terminate(enclave, &err), &err);
	check(nec_enclave_terminate(enclave, &err) == -ENOENT && err.code == NEC_E_ENCLAVE_ID);
	check(nec_enclave_open_console(enclave, &fd, &err) == -ENOENT &&
	      err.code == NEC_E_ENCLAVE_ID);
	check(nec_enclave_find(context, nec_enclave_get_info(enclave)->id, NULL, &gone, &err) ==
	      -ENOENT);
	check_info(nec_enclave_get_info(enclave));
	nec_enclave_free(enclave);
	check(count_enclaves(context) == 0);
}

/* What is no enclave, and what is another image, is refused before anything is reserved. */
static void test_refused(nec_context *context, const char *image)
{
	struct nec_pcr_pin pin = { 0, { 0 } };
	struct nec_launch_options options = options_for(image);
	nec_enclave *enclave = NULL;
	nec_error err = NEC_ERROR_INIT;

	options.pins = &pin;
	options.pin_count = 1;
	check(nec_enclave_launch(context, &options, &enclave, &err) == -EBADMSG);
	check(err.code == NEC_E_EIF_PCR_MISMATCH);
	options = options_for("/nowhere.eif");
	check(nec_enclave_launch(context, &options, &enclave, &err) == -ENOENT);
	check(err.code == NEC_E_FILE_OPEN);
	options = options_for(image);
	options.cpu_count = 3;
	check(nec_enclave_launch(context, &options, &enclave, &err) == -EINVAL);
	check(err.code == NEC_E_CORES_INCOMPLETE);
	check(!enclave && count_enclaves(context) == 0);
}

static volatile int cancelled;

static void cancel_at(void *userdata, const struct nec_launch_step *step)
{
	if (strcmp(step->name, userdata) == 0)
		cancelled = SIGINT;
}

/* Raised from the callback of a step, so that it comes at the same point in each run. */
static void test_cancel(nec_context *context, const char *image)
{
	static const char *const steps[] = { "check", "memory", "start" };

	nec_context_set_cancel(context, &cancelled);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct nec_launch_options options = options_for(image);
		nec_enclave *enclave = NULL;
		nec_error err = NEC_ERROR_INIT;

		options.step = cancel_at;
		options.userdata = (void *)steps[i];
		cancelled = 0;
		check(nec_enclave_launch(context, &options, &enclave, &err) == -ECANCELED);
		check(err.code == NEC_E_CANCELLED && !enclave && cancelled);
	}
	cancelled = 0;
	check(count_enclaves(context) == 0);
}

/* An enclave that ends while another one boots is another matter. */
/* One thread, one context, nothing shared: the one may end its enclave while the other's starts. */
static void *live_alone(void *image)
{
	struct nec_launch_options options = options_for(image);
	nec_context *context = NULL;
	nec_enclave *enclave = NULL;
	nec_error err = NEC_ERROR_INIT;

	succeed(nec_context_new(&context, &err), &err);
	succeed(nec_enclave_launch(context, &options, &enclave, &err), &err);
	find_both_ways(context, enclave);
	check(count_enclaves(context) > 0);
	succeed(nec_enclave_terminate(enclave, &err), &err);
	nec_enclave_free(enclave);
	nec_context_free(context);
	return NULL;
}

static void test_threads(nec_context *context, const char *image)
{
	pthread_t threads[2];

	for (size_t i = 0; i < 2; i++)
		check(pthread_create(&threads[i], NULL, live_alone, (void *)image) == 0);
	for (size_t i = 0; i < 2; i++)
		check(pthread_join(threads[i], NULL) == 0);
	check(count_enclaves(context) == 0);
}

static const struct {
	const char *name;
	void (*run)(nec_context *context, const char *image);
} tests[] = {
	{ "life", test_life },
	{ "refused", test_refused },
	{ "cancel", test_cancel },
	{ "threads", test_threads },
};

int main(int argc, char **argv)
{
	nec_context *context = NULL;
	nec_error err = NEC_ERROR_INIT;

	check(argc == 3);
	succeed(nec_context_new(&context, &err), &err);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(tests[i].name, argv[1]) == 0)
			tests[i].run(context, argv[2]);
	nec_context_free(context);
	return 0;
}
