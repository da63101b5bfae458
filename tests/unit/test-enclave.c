/* SPDX-License-Identifier: Apache-2.0 */
/* The public calls for enclaves that run, with a holder of which the test has both ends; and the
 * launches that are refused before anything is done. tests/e2e/api.c has whole launches. */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-holder.h"
#include "faults.h"
#include "leftovers.h"

static const char sample_image[] =
	"{\"ImageName\":\"hello\",\"ImageVersion\":\"v1\",\"Metadata\":{}}";

static nec_error err;

/* The library looks where the fake is. */
static int set_up(void **state)
{
	const struct fake_holder *f;
	int r = fake_holder_set_up(state);

	f = *state;
	err = (nec_error)NEC_ERROR_INIT;
	return r == 0 ? setenv("NITRO_CLI_SOCKETS_PATH", f->dir, 1) : r;
}

static nec_enclave *find(const char *id, const char *name)
{
	nec_enclave *enclave = NULL;

	if (nec_enclave_find(NULL, id, name, &enclave, &err) < 0)
		fail_msg("%s", err.message);
	return enclave;
}

static void assert_fails(int result, int expected, enum nec_error_code code)
{
	if (result != expected || err.code != code)
		fail_msg("%d, %s: %s", result, nec_error_name(err.code), err.message);
	assert_string_not_equal(err.message, "");
	err = (nec_error)NEC_ERROR_INIT;
}

/* How many there are; *ret_failed: how many gave no answer. */
static size_t list(size_t *ret_failed)
{
	nec_enclave_list *enclaves = NULL;
	size_t count;

	if (nec_enclave_list_read(NULL, &enclaves, &err) < 0)
		fail_msg("%s", err.message);
	count = nec_enclave_list_get_count(enclaves);
	assert_null(nec_enclave_list_get(enclaves, count));
	*ret_failed = nec_enclave_list_get_failed(enclaves);
	nec_enclave_list_free(enclaves);
	return count;
}

/* ---- finding ---- */

static void find__tells_all_that_the_enclave_says(void **state)
{
	static const uint32_t cpus[] = { 2, 3 };
	const struct nec_enclave_info *info;
	struct fake_holder *f = *state;
	nec_enclave *enclave;
	char id[128];

	fake_holder_boot(f, sample_image);
	nec_enclave_id(FAKE_HOLDER_SLOT, id, sizeof(id));
	enclave = find(NULL, "one");
	info = nec_enclave_get_info(enclave);
	assert_string_equal(info->name, "one");
	assert_string_equal(info->id, id);
	assert_int_equal(info->state, NEC_ENCLAVE_RUNNING);
	/* The fake's word is none of ours. */
	assert_int_equal(info->backend, NEC_BACKEND_DEFAULT);
	assert_true(info->debug);
	assert_int_equal(info->cid, FAKE_HOLDER_CID);
	assert_int_equal(info->holder_pid, f->pid);
	assert_int_equal(info->memory_mib, 64);
	assert_int_equal(info->cpu_count, 2);
	assert_memory_equal(info->cpu_ids, cpus, sizeof(cpus));
	assert_true(info->start_time > 1700000000);
	assert_string_equal(info->pcr0, "00");
	assert_null(info->pcr8);
	assert_string_equal(info->image_name, "hello");
	assert_string_equal(info->image_version, "v1");
	assert_memory_equal(nec_enclave_get_json(enclave), "{\n  \"EnclaveName\": \"one\",", 25);
	nec_enclave_free(enclave);
	enclave = find(id, NULL);
	assert_string_equal(nec_enclave_get_info(enclave)->name, "one");
	nec_enclave_free(enclave);
}

static void find__wants_an_id_or_a_name_that_is_there(void **state)
{
	struct fake_holder *f = *state;
	nec_enclave *enclave = NULL;

	fake_holder_boot(f, "{}");
	assert_fails(nec_enclave_find(NULL, NULL, NULL, &enclave, &err), -EINVAL,
		     NEC_E_INVALID_ARGUMENT);
	assert_fails(nec_enclave_find(NULL, "i-0-enc1", "one", &enclave, &err), -EINVAL,
		     NEC_E_INVALID_ARGUMENT);
	assert_fails(nec_enclave_find(NULL, "i-0-enc1", NULL, &enclave, &err), -ENOENT,
		     NEC_E_ENCLAVE_ID);
	assert_fails(nec_enclave_find(NULL, "../../etc/passwd", NULL, &enclave, &err), -ENOENT,
		     NEC_E_ENCLAVE_ID);
	assert_fails(nec_enclave_find(NULL, NULL, "two", &enclave, &err), -ENOENT,
		     NEC_E_ENCLAVE_NAME);
	assert_int_equal(nec_enclave_find(NULL, NULL, "two", &enclave, NULL), -ENOENT);
	assert_null(enclave);
}

/* ---- listing ---- */

static void list__is_empty_where_nobody_ever_started_an_enclave(void **state)
{
	size_t failed = 1;

	(void)state;
	assert_int_equal(list(&failed), 0);
	assert_int_equal(failed, 0);
	assert_int_equal(setenv("NITRO_CLI_SOCKETS_PATH", "/nowhere/at/all", 1), 0);
	assert_int_equal(list(&failed), 0);
	assert_int_equal(setenv("NITRO_CLI_SOCKETS_PATH", "/dev/null", 1), 0);
	assert_fails(nec_enclave_list_read(NULL, &(nec_enclave_list *){ NULL }, &err), -ENOTDIR,
		     NEC_E_FILE_READ);
}

/* A listener whose process accepts and says nothing, or that nobody has any more. */
static int make_socket(const struct fake_holder *f, const char *name, struct nec_path *path)
{
	int fd;

	assert_int_equal(nec_path_socket(path, NULL, "%s/%s.sock", f->dir, name), 0);
	fd = nec_listen_unix(path->text, 0600, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void *hang_up(void *listener)
{
	int fd = -1;

	while (fd < 0)
		fd = accept(*(int *)listener, NULL, NULL);
	(void)close(fd);
	return NULL;
}

static void list__counts_who_does_not_answer_and_removes_who_is_gone(void **state)
{
	struct fake_holder *f = *state;
	struct nec_path dead;
	struct nec_path rude;
	pthread_t thread;
	size_t failed = 0;
	int listener;

	fake_holder_boot(f, sample_image);
	(void)close(make_socket(f, "1", &dead));
	listener = make_socket(f, "2", &rude);
	assert_int_equal(pthread_create(&thread, NULL, hang_up, &listener), 0);
	assert_int_equal(list(&failed), 1);
	assert_int_equal(failed, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(listener);
	(void)unlink(rude.text);
	assert_int_equal(access(dead.text, F_OK), -1);
	assert_int_equal(list(&failed), 1);
	assert_int_equal(failed, 0);
}

/* ---- console and ports ---- */

static void console__is_read_from_its_first_byte(void **state)
{
	struct fake_holder *f = *state;
	nec_enclave *enclave;
	char text[16] = "";
	int fd = -1;

	fake_holder_boot(f, "{}");
	assert_int_equal(send(f->console, "hello\n", 6, MSG_NOSIGNAL), 6);
	enclave = find(NULL, "one");
	assert_int_equal(nec_enclave_open_console(enclave, &fd, &err), 0);
	assert_int_equal(recv(fd, text, 6, MSG_WAITALL), 6);
	assert_string_equal(text, "hello\n");
	(void)close(fd);
	nec_enclave_free(enclave);
}

static void console__is_for_debug_mode_only(void **state)
{
	struct fake_holder *f = *state;
	nec_enclave *enclave;
	int fd = -1;

	f->world->no_debug = true;
	fake_holder_boot(f, "{}");
	enclave = find(NULL, "one");
	assert_false(nec_enclave_get_info(enclave)->debug);
	assert_fails(nec_enclave_open_console(enclave, &fd, &err), -ENOENT, NEC_E_CONSOLE);
	assert_int_equal(fd, -1);
	nec_enclave_free(enclave);
}

/* Takes a connection as the simulation does: the first is refused, the second is not. */
static void *answer_port(void *listener)
{
	static const char *const answers[] = { "", "OK 1073741824\n" };

	for (size_t i = 0; i < 2; i++) {
		char line[16] = "";
		int fd = -1;

		while (fd < 0)
			fd = accept(*(int *)listener, NULL, NULL);
		assert_int_equal(recv(fd, line, 10, MSG_WAITALL), 10);
		assert_string_equal(line, "CONNECT 7\n");
		assert_int_equal(send(fd, answers[i], strlen(answers[i]), MSG_NOSIGNAL),
				 strlen(answers[i]));
		if (i == 1)
			assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
		(void)close(fd);
	}
	return NULL;
}

static void connect__tries_again_as_long_as_it_is_told(void **state)
{
	struct fake_holder *f = *state;
	nec_enclave *enclave;
	struct nec_path path;
	pthread_t thread;
	char byte = 0;
	int listener;
	int fd = -1;

	fake_holder_boot(f, "{}");
	enclave = find(NULL, "one");
	assert_int_equal(nec_path_socket(&path, NULL, "%s/" NEC_SIM_DIR, f->dir), 0);
	(void)mkdir(path.text, 0700);
	assert_int_equal(nec_path_socket(&path, NULL, "%s/" NEC_SIM_DIR "/20.vsock", f->dir), 0);
	listener = nec_listen_unix(path.text, 0600, NULL);
	assert_true(listener >= 0);
	assert_int_equal(pthread_create(&thread, NULL, answer_port, &listener), 0);
	assert_fails(nec_enclave_connect(enclave, 7, 0, &fd, &err), -ECONNREFUSED, NEC_E_VSOCK);
	assert_int_equal(nec_enclave_connect(enclave, 7, UINT64_MAX, &fd, &err), 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(fd);
	(void)close(listener);
	nec_enclave_free(enclave);
}

/* ---- ending ---- */

static void terminate__waits_for_the_end_and_tells_when_it_was_before(void **state)
{
	struct fake_holder *f = *state;
	nec_enclave *enclave;
	int fd = -1;

	fake_holder_boot(f, "{}");
	enclave = find(NULL, "one");
	assert_int_equal(nec_enclave_terminate(enclave, &err), 0);
	fake_holder_expect_backend(f, 'f');
	assert_int_equal(fake_holder_wait(f), 0);
	assert_fails(nec_enclave_terminate(enclave, &err), -ENOENT, NEC_E_ENCLAVE_ID);
	assert_fails(nec_enclave_open_console(enclave, &fd, &err), -ENOENT, NEC_E_ENCLAVE_ID);
	/* What was known of it still is. */
	assert_string_equal(nec_enclave_get_info(enclave)->name, "one");
	nec_enclave_free(enclave);
}

static void terminate__is_for_the_owner(void **state)
{
	struct fake_holder *f = *state;
	nec_enclave *enclave;
	size_t failed;

	fake_holder_boot(f, "{}");
	enclave = find(NULL, "one");
	f->world->peer = 12345;
	assert_fails(nec_enclave_terminate(enclave, &err), -EACCES, NEC_E_ENCLAVE_REFUSED);
	f->world->peer = geteuid();
	assert_int_equal(list(&failed), 1);
	nec_enclave_free(enclave);
}

/* ---- launches that are none ---- */

static void refuse(const struct nec_launch_options *options, int result, enum nec_error_code code)
{
	nec_enclave *enclave = NULL;

	assert_fails(nec_enclave_launch(NULL, options, &enclave, &err), result, code);
	assert_null(enclave);
}

#define LAUNCH(...)                                                             \
	&(struct nec_launch_options)                                            \
	{                                                                       \
		.struct_size = sizeof(struct nec_launch_options), .eif_fd = -1, \
		.backend = NEC_BACKEND_QEMU, __VA_ARGS__                        \
	}

static void launch__refuses_options_that_make_no_sense(void **state)
{
	static const uint32_t cpus[2000] = { 2, 2 };
	static const struct nec_pcr_pin pins[2] = { { 8, { 0 } }, { 8, { 0 } } };
	static const struct nec_pcr_pin pin = { 3, { 0 } };
	struct nec_launch_options newer = *LAUNCH(.eif_path = "x");
	struct nec_launch_options closed = *LAUNCH(.memory_mib = 64, .cpu_count = 2);
	struct nec_launch_options odd = *LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_count = 2);

	(void)state;
	newer.struct_size++;
	closed.eif_fd = 12345;
	odd.backend = (enum nec_backend_kind)7;
	refuse(NULL, -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(&(struct nec_launch_options){ 0 }, -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(&newer, -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.memory_mib = 64, .cpu_count = 2), -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.eif_path = "x", .cpu_count = 2), -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64), -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_count = 2, .cpu_ids = cpus,
		      .cpu_id_count = 1),
	       -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_ids = cpus, .cpu_id_count = 2),
	       -EINVAL, NEC_E_CPU_REPEATED);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_ids = cpus, .cpu_id_count = 2000),
	       -E2BIG, NEC_E_TOO_LARGE);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_count = 1025), -E2BIG,
	       NEC_E_TOO_LARGE);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_count = 2, .cid = 3), -EINVAL,
	       NEC_E_CID);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_count = 2, .cid = UINT32_MAX),
	       -EINVAL, NEC_E_CID);
	refuse(&odd, -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_count = 2, .pins = &pin,
		      .pin_count = 1),
	       -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.eif_path = "x", .memory_mib = 64, .cpu_count = 2, .pins = pins,
		      .pin_count = 2),
	       -EINVAL, NEC_E_INVALID_ARGUMENT);
	refuse(LAUNCH(.eif_path = "/nowhere.eif", .memory_mib = 64, .cpu_count = 2), -ENOENT,
	       NEC_E_FILE_OPEN);
	refuse(&closed, -EBADF, NEC_E_FILE_OPEN);
}

static void launch__tells_of_a_holder_that_cannot_be_started(void **state)
{
	static const char image[] = NEC_TEST_DATA "/eif/x86-2rd.eif";
	const struct nec_launch_options *options =
		LAUNCH(.eif_path = image, .memory_mib = 64, .cpu_count = 2);

	(void)state;
	assert_int_equal(setenv("NEC_HOLDER", "/nowhere/nec-holder", 1), 0);
	refuse(options, -ENOENT, NEC_E_HOLDER);
	/* One that ends at once */
	assert_int_equal(setenv("NEC_HOLDER", "/bin/false", 1), 0);
	refuse(options, -EPROTO, NEC_E_HOLDER);
	assert_int_equal(unsetenv("NEC_HOLDER"), 0);
}

static void backend__is_chosen_by_the_caller_then_by_the_environment(void **state)
{
	enum nec_backend_kind backend = NEC_BACKEND_DEFAULT;

	(void)state;
	assert_int_equal(nec_backend_parse("qemu", &backend, &err), 0);
	assert_string_equal(nec_backend_name(backend), "qemu");
	assert_int_equal(nec_backend_parse("nitro", &backend, &err), 0);
	assert_string_equal(nec_backend_name(backend), "nitro");
	assert_string_equal(nec_backend_name((enum nec_backend_kind) - 1), "unknown");
	assert_fails(nec_backend_parse("kvm", &backend, &err), -EINVAL, NEC_E_INVALID_ARGUMENT);
	assert_fails(nec_backend_parse(NULL, &backend, &err), -EINVAL, NEC_E_INVALID_ARGUMENT);
	assert_int_equal(setenv("NEC_BACKEND", "qemu", 1), 0);
	assert_int_equal(nec_backend_choose(NEC_BACKEND_DEFAULT, &backend, &err), 0);
	assert_int_equal(backend, NEC_BACKEND_QEMU);
	assert_int_equal(nec_backend_choose(NEC_BACKEND_NITRO, &backend, &err), 0);
	assert_int_equal(backend, NEC_BACKEND_NITRO);
	assert_int_equal(setenv("NEC_BACKEND", "kvm", 1), 0);
	assert_fails(nec_backend_choose(NEC_BACKEND_DEFAULT, &backend, &err), -EINVAL,
		     NEC_E_INVALID_ARGUMENT);
	assert_int_equal(unsetenv("NEC_BACKEND"), 0);
	assert_int_equal(nec_backend_choose(NEC_BACKEND_DEFAULT, &backend, &err), 0);
	assert_int_equal(backend, NEC_BACKEND_NITRO);
}

/* ---- threads, and what fails ---- */

static void *look_often(void *userdata)
{
	nec_context *context = NULL;

	(void)userdata;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	for (int i = 0; i < 10; i++) {
		nec_enclave_list *enclaves = NULL;
		nec_enclave *enclave = NULL;

		assert_int_equal(nec_enclave_list_read(context, &enclaves, NULL), 0);
		assert_int_equal(nec_enclave_list_get_count(enclaves), 1);
		assert_int_equal(nec_enclave_find(context, NULL, "one", &enclave, NULL), 0);
		nec_enclave_free(enclave);
		nec_enclave_list_free(enclaves);
	}
	nec_context_free(context);
	return NULL;
}

static void threads__with_a_context_each_do_not_disturb_each_other(void **state)
{
	pthread_t threads[2];

	fake_holder_boot(*state, sample_image);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_often, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static int try_find(void)
{
	nec_enclave *enclave = NULL;
	int r = nec_enclave_find(NULL, NULL, "one", &enclave, &err);

	nec_enclave_free(enclave);
	return r;
}

static int try_list(void)
{
	nec_enclave_list *enclaves = NULL;
	int r = nec_enclave_list_read(NULL, &enclaves, &err);

	nec_enclave_list_free(enclaves);
	return r;
}

static void calls__survive_that_memory_runs_out(void **state)
{
	static int (*const calls[])(void) = { try_find, try_list };

	fake_holder_boot(*state, sample_image);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int failures = 0;
		int number = 0;
		bool refused;

		assert_int_equal(calls[i](), 0); /* libraries are loaded */
		do {
			size_t fds = open_descriptors();
			int r;

			err = (nec_error)NEC_ERROR_INIT;
			fault_arm(FAULT_MEMORY, ++number, ENOMEM);
			r = calls[i]();
			refused = fault_disarm();
			assert_int_equal(open_descriptors(), fds);
			if (r < 0 && r != -ENOMEM)
				fail_msg("allocation %d: %s", number, err.message);
			failures += r < 0;
		} while (refused);
		assert_true(failures > 10);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_holder_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(find__tells_all_that_the_enclave_says),
		TEST(find__wants_an_id_or_a_name_that_is_there),
		TEST(list__is_empty_where_nobody_ever_started_an_enclave),
		TEST(list__counts_who_does_not_answer_and_removes_who_is_gone),
		TEST(console__is_read_from_its_first_byte),
		TEST(console__is_for_debug_mode_only),
		TEST(connect__tries_again_as_long_as_it_is_told),
		TEST(terminate__waits_for_the_end_and_tells_when_it_was_before),
		TEST(terminate__is_for_the_owner),
		TEST(launch__refuses_options_that_make_no_sense),
		TEST(launch__tells_of_a_holder_that_cannot_be_started),
		TEST(backend__is_chosen_by_the_caller_then_by_the_environment),
		TEST(threads__with_a_context_each_do_not_disturb_each_other),
		TEST(calls__survive_that_memory_runs_out),
	};

	return cmocka_run_group_tests_name("enclave", tests, NULL, NULL);
}
