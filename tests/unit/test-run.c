/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher, with a shell script as the holder. The script says what it has to say and ends, and
 * only then the launcher goes on to send: what it sends finds nobody, and what was said is what the
 * caller must hear.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "enclave/holder.h"
#include "enclave/run.h"

static char folder[64];
static char sockets_dir[96];
static char image[] = NEC_TEST_DATA "/eif/x86-signed-p256.eif"; /* a signed one is measured first */
static nec_context *context;

static void file_path(char *to, size_t size, const char *name)
{
	(void)snprintf(to, size, "%s/%s", folder, name);
}

static void write_file(const char *name, const void *data, size_t size, mode_t mode)
{
	char path[96];
	int fd;

	file_path(path, sizeof(path), name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(close(fd), 0);
}

/* The end of file of the pipe comes when the socket is closed; nobody else has it open. */
static void make_holder(void)
{
	char script[512];
	char path[96];

	(void)snprintf(script, sizeof(script),
		       "#!/bin/sh\n"
		       "exec 9> %s/gone\n"
		       "cat %s/answer >&%d\n"
		       "exec %d>&-\n",
		       folder, folder, NEC_HOLDER_FD, NEC_HOLDER_FD);
	write_file("holder", script, strlen(script), 0755);
	file_path(path, sizeof(path), "gone");
	assert_int_equal(mkfifo(path, 0600), 0);
	file_path(path, sizeof(path), "holder");
	assert_int_equal(setenv("NEC_HOLDER", path, 1), 0);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/nec-run-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(sockets_dir, sizeof(sockets_dir), "%s/s", folder);
	make_holder();
	return nec_context_new(&context, NULL);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	nec_context_free(context);
	(void)unsetenv("NEC_HOLDER");
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c) */
}

/* As a holder leaves it that is killed, whose end the launcher sees. */
static void leave_socket(const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", sockets_dir, name);
	fd = nec_listen_unix(path, 0600, NULL);
	assert_true(fd >= 0);
	(void)close(fd);
}

static bool is_there(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", sockets_dir, name);
	return access(path, F_OK) == 0;
}

static const char *const holders_sockets[] = {
	"heartbeat", "18f2a3b4c5d6e7f8.sock", "console/18f2a3b4c5d6e7f8.sock", "sim/16.vsock",
	".0123abcd",
};
static bool leave_sockets;

/* Called before the description is sent: nothing goes on until the holder has gone. */
static void on_phase(void *userdata, const struct nec_launch_phase *phase)
{
	unsigned int *sent = userdata;
	char path[96];
	char byte;
	int fd;

	if (strcmp(phase->name, "measure") != 0)
		return;
	file_path(path, sizeof(path), "gone");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	(void)close(fd);
	for (size_t i = 0; leave_sockets && i < ARRAY_SIZE(holders_sockets); i++)
		leave_socket(holders_sockets[i]);
	++*sent;
}

/* What the launch comes to when the holder says this and goes. */
static int launch(const struct nec_buffer *answer, nec_error *err)
{
	const struct nec_pcr_pins no_pins = { 0 };
	const struct nec_launch_request request = {
		.backend = NEC_BACKEND_QEMU,
		.name = (char *)"hello",
		.sockets_dir = sockets_dir,
		.memory_mib = 64,
		.cpu_count = 2,
		.console_limit = 65536,
	};
	unsigned int sent = 0;
	const struct nec_run_callbacks callbacks = { .userdata = &sent, .phase = on_phase };
	struct nec_run_result result = { 0 };
	int r;

	write_file("answer", answer->data, answer->size, 0600);
	r = nec_run(context, image, &no_pins, &request, &callbacks, &result, err);
	assert_int_equal(sent, 1);
	nec_run_result_free(&result);
	return r;
}

static void holder__that_has_gone_is_heard_all_the_same(void **state)
{
	const struct nec_launch_message said = {
		.kind = NEC_LAUNCH_FAILED,
		.failed = { .code = NEC_E_DEVICE_ANSWER,
			    .os_error = EIO,
			    .message = "the device answered -5",
			    .hint = "try again" },
	};
	cleanup_buffer struct nec_buffer answer = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_launch_message_encode(&said, &answer);
	assert_int_equal(launch(&answer, &err), -EIO);
	assert_int_equal(err.code, NEC_E_DEVICE_ANSWER);
	assert_string_equal(err.message, "the device answered -5");
	assert_string_equal(err.hint, "try again");
}

static void holder__that_has_gone_without_a_word_is_an_error(void **state)
{
	const struct nec_launch_message notice = {
		.kind = NEC_LAUNCH_NOTICE,
		.notice = (char *)"so far so good",
	};
	cleanup_buffer struct nec_buffer answer = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_launch_message_encode(&notice, &answer);
	assert_int_equal(launch(&answer, &err), -EPROTO);
	assert_int_equal(err.code, NEC_E_HOLDER);
	assert_non_null(strstr(err.message, "ended unexpectedly"));
}

/* It was up when it went, and then the enclave is not a failed launch, but one that has ended. */
static void holder__that_went_after_ready_was_ready(void **state)
{
	const struct nec_launch_message started = {
		.kind = NEC_LAUNCH_STARTED,
		.started = { .pid = 7, .slot_uid = 1, .cid = 16, .memory_mib = 64 },
	};
	const struct nec_launch_message ready = { .kind = NEC_LAUNCH_READY };
	cleanup_buffer struct nec_buffer answer = { 0 };

	(void)state;
	nec_launch_message_encode(&started, &answer);
	nec_launch_message_encode(&ready, &answer);
	assert_int_equal(launch(&answer, NULL), 0);
}

static void holder__that_was_killed_leaves_no_sockets(void **state)
{
	cleanup_buffer struct nec_buffer nothing = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	leave_sockets = true;
	assert_int_equal(launch(&nothing, &err), -EPROTO);
	leave_sockets = false;
	for (size_t i = 0; i < ARRAY_SIZE(holders_sockets); i++)
		assert_false(is_there(holders_sockets[i]));
}

/* Its launcher was killed, too: here it has got no further than to end. */
static void holder__that_was_killed_before_is_cleared_up_after(void **state)
{
	const struct nec_launch_message ready = { .kind = NEC_LAUNCH_READY };
	cleanup_buffer struct nec_buffer answer = { 0 };

	(void)state;
	assert_int_equal(nec_sockets_dir_make(sockets_dir, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(holders_sockets); i++)
		leave_socket(holders_sockets[i]);
	leave_socket("somebodys.sock");
	nec_launch_message_encode(&ready, &answer);
	assert_int_equal(launch(&answer, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(holders_sockets); i++)
		assert_false(is_there(holders_sockets[i]));
	assert_true(is_there("somebodys.sock"));
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN_TEST(holder__that_has_gone_is_heard_all_the_same),
		RUN_TEST(holder__that_has_gone_without_a_word_is_an_error),
		RUN_TEST(holder__that_went_after_ready_was_ready),
		RUN_TEST(holder__that_was_killed_leaves_no_sockets),
		RUN_TEST(holder__that_was_killed_before_is_cleared_up_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
