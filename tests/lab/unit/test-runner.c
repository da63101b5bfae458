/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enclaves that are started, end, and are ended. Their machine is this program itself, by QEMU's
 * name on the PATH: it does what the variable LAB_TEST_MACHINE says.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arch.h"
#include "base/cleanup.h"
#include "base/files.h"
#include "base/unix-socket.h"
#include "leftovers.h"
#include "runner.h"
#include "sim/machine.h"
#include "switch.h"

enum { SLOT = 7, CID = 16, MEMORY_MIB = 256 };

/* Where lib/sim/machine puts the descriptors. */
enum { KERNEL_FD = 40, INITRD_FD = 41, VSOCK_FD = 42, CONSOLE_FD = 43 };

struct fixture {
	size_t fds; /* that were open before */
	char dir[64];
	char path[128]; /* of the folder with "QEMU" */
	struct nec_loop *loop;
	struct lab_runner *runner;
	int image;
	unsigned int ended;
	uint64_t ended_slot;
	bool stop_when_ended;
};

static const char *host_image(bool other)
{
	bool arm = nec_arch_of_machine() == NEC_ARCH_AARCH64;

	return arm != other ? NEC_TEST_DATA "/eif/arm64-2rd.eif" : NEC_TEST_DATA "/eif/x86-2rd.eif";
}

/* ---- the machine ---- */

static int be_machine(int argc, char **argv)
{
	const char *what = getenv("LAB_TEST_MACHINE");
	struct stat kernel;
	struct stat initrd;

	if (!what || fstat(KERNEL_FD, &kernel) < 0 || fstat(INITRD_FD, &initrd) < 0)
		return 99;
	for (int i = 1; i < argc; i++)
		(void)dprintf(CONSOLE_FD, "%s ", argv[i]);
	(void)dprintf(CONSOLE_FD, "kernel %ld initrd %ld\n", (long)kernel.st_size,
		      (long)initrd.st_size);
	if (strcmp(what, "exit") == 0)
		return 3;
	if (strcmp(what, "nonsense") == 0)
		(void)!write(VSOCK_FD, "nonsense, nonsense, nonsense", 28);
	for (;;)
		(void)pause();
}

/* ---- the fixture ---- */

static void on_ended(void *userdata, uint64_t slot_uid)
{
	struct fixture *f = userdata;

	f->ended++;
	f->ended_slot = slot_uid;
	if (f->stop_when_ended)
		lab_runner_stop(f->runner, slot_uid);
}

static int make_path(struct fixture *f)
{
	char self[256] = { 0 };
	char qemu[256];

	(void)snprintf(f->path, sizeof(f->path), "%s/bin", f->dir);
	(void)snprintf(qemu, sizeof(qemu), "%s/%s", f->path,
		       nec_machine_program(nec_arch_of_machine()));
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || mkdir(f->path, 0700) < 0)
		return -1;
	return symlink(self, qemu);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct lab_runner_events events = { .userdata = f, .ended = on_ended };

	*state = f;
	f->fds = open_descriptors();
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nec-runner-XXXXXX");
	if (!mkdtemp(f->dir) || make_path(f) < 0)
		return -1;
	(void)setenv("PATH", f->path, 1);
	(void)setenv("NEC_SIM_ACCEL", "tcg", 1);
	(void)setenv("LAB_TEST_MACHINE", "run", 1);
	f->image = open(host_image(false), O_RDONLY | O_CLOEXEC);
	if (f->image < 0 || nec_loop_new(&f->loop, NULL) < 0)
		return -1;
	return lab_runner_new(f->loop, f->dir, &events, &f->runner, NULL);
}

/* Nothing is left: no process, no descriptor, no file. */
static int tear_down(void **state)
{
	struct fixture *f = *state;
	char qemu[256];
	int r = 0;

	lab_runner_free(f->runner);
	nec_loop_free(f->loop);
	(void)close(f->image);
	if (waitpid(-1, NULL, WNOHANG) != -1 || open_descriptors() != f->fds)
		r = -1;
	(void)snprintf(qemu, sizeof(qemu), "%s/%s", f->path,
		       nec_machine_program(nec_arch_of_machine()));
	(void)unlink(qemu);
	(void)rmdir(f->path);
	if (rmdir(f->dir) < 0)
		r = -1;
	free(f);
	return r;
}

static struct lab_enclave_spec spec_of(const struct fixture *f)
{
	struct stat status;

	assert_int_equal(fstat(f->image, &status), 0);
	return (struct lab_enclave_spec){
		.slot_uid = SLOT,
		.cid = CID,
		.debug = true,
		.memory_bytes = (uint64_t)MEMORY_MIB << 20,
		.vcpu_count = 2,
		.eif_fd = f->image,
		.eif_size = (uint64_t)status.st_size,
	};
}

static void start(struct fixture *f, const struct lab_enclave_spec *spec)
{
	nec_error err = NEC_ERROR_INIT;

	if (lab_runner_start(f->runner, spec, &err) < 0)
		fail_msg("%s", err.message);
}

static void round_of(struct fixture *f, int msec)
{
	assert_int_equal(nec_loop_run_once(f->loop, msec, NULL), 0);
}

static void wait_for_end(struct fixture *f, unsigned int count)
{
	while (f->ended < count)
		round_of(f, 1000);
}

static int console_of(const struct fixture *f, uint64_t cid)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/console-%d.sock", f->dir, (int)cid);
	return nec_connect_unix(path);
}

/* All lines that the console has said up to one that begins with @word, which it will. */
static void read_console(struct fixture *f, int fd, const char *word, char *to, size_t size)
{
	size_t got = 0;

	to[0] = '\0';
	while (!strstr(to, word)) {
		ssize_t n = recv(fd, to + got, size - 1 - got, MSG_DONTWAIT);

		if (n == 0)
			fail_msg("the console ended: %s", to);
		got += n > 0 ? (size_t)n : 0;
		to[got] = '\0';
		if (n < 0)
			round_of(f, 100);
	}
}

static int memfd_with(const void *data, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	return fd;
}

/* ---- the start ---- */

static void start__runs_a_machine_as_the_spec_says(void **state)
{
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);
	cleanup_close int console = -1;
	char said[4096];

	start(f, &spec);
	console = console_of(f, CID);
	read_console(f, console, "initrd ", said, sizeof(said));
	assert_non_null(strstr(said, "-m 256M "));
	assert_non_null(strstr(said, "-smp 2 "));
	assert_null(strstr(said, "kernel 0 "));
	assert_null(strstr(said, "initrd 0\n"));
	assert_int_equal(f->ended, 0);
}

static void start__leaves_the_image_to_its_owner(void **state)
{
	struct fixture *f = *state;
	struct lab_enclave_spec spec = spec_of(f);

	spec.eif_fd = dup(f->image);
	start(f, &spec);
	assert_int_equal(close(spec.eif_fd), 0);
}

static void start__without_debug_mode_has_no_console_to_read(void **state)
{
	struct fixture *f = *state;
	struct lab_enclave_spec spec = spec_of(f);

	spec.debug = false;
	start(f, &spec);
	assert_int_equal(console_of(f, CID), -ENOENT);
}

static void start__of_a_slot_or_cid_in_use_is_refused(void **state)
{
	struct fixture *f = *state;
	struct lab_enclave_spec spec = spec_of(f);

	start(f, &spec);
	assert_int_equal(lab_runner_start(f->runner, &spec, NULL), -EEXIST);
	spec.slot_uid++;
	assert_int_equal(lab_runner_start(f->runner, &spec, NULL), -EEXIST);
	spec.cid++;
	start(f, &spec);
}

static void start__fails_where_there_is_no_emulator(void **state)
{
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);
	nec_error err = NEC_ERROR_INIT;

	(void)setenv("PATH", f->dir, 1);
	assert_int_equal(lab_runner_start(f->runner, &spec, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_TOOL_MISSING);
	(void)setenv("PATH", f->path, 1);
	start(f, &spec);
}

/* Each descriptor that cannot be had in turn. What is left is seen at the end. */
static void start__fails_as_a_whole_when_descriptors_run_out(void **state)
{
	enum { MOST = 64 };
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);
	struct rlimit before;
	struct rlimit limit;
	size_t open_before = open_descriptors();
	int lowest = dup(STDIN_FILENO);
	int r = -1;

	(void)close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	for (int more = 0; r < 0 && more < MOST; more++) {
		limit.rlim_cur = (rlim_t)(lowest + more);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		r = lab_runner_start(f->runner, &spec, NULL);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		if (r < 0) {
			assert_int_equal(open_descriptors(), open_before);
			assert_int_equal(console_of(f, CID), -ENOENT);
		}
	}
	assert_int_equal(r, 0);
	assert_int_equal(f->ended, 0);
}

/* ---- ends ---- */

static void end__of_the_machine_is_told_once_and_the_console_stays(void **state)
{
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);
	cleanup_close int console = -1;
	char said[4096];

	(void)setenv("LAB_TEST_MACHINE", "exit", 1);
	start(f, &spec);
	assert_int_equal(f->ended, 0);
	wait_for_end(f, 1);
	assert_int_equal(f->ended_slot, SLOT);
	console = console_of(f, CID);
	read_console(f, console, "initrd ", said, sizeof(said));
	lab_runner_stop(f->runner, SLOT);
	assert_int_equal(console_of(f, CID), -ENOENT);
	for (int i = 0; i < 5; i++)
		round_of(f, 0);
	assert_int_equal(f->ended, 1);
}

static void end__may_be_answered_by_stopping_at_once(void **state)
{
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);

	(void)setenv("LAB_TEST_MACHINE", "exit", 1);
	f->stop_when_ended = true;
	start(f, &spec);
	wait_for_end(f, 1);
	start(f, &spec);
	wait_for_end(f, 2);
}

static void crash__is_an_end_as_any_other(void **state)
{
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);

	lab_runner_crash(f->runner, SLOT);
	start(f, &spec);
	lab_runner_crash(f->runner, SLOT);
	assert_int_equal(f->ended, 0);
	wait_for_end(f, 1);
	lab_runner_crash(f->runner, SLOT);
	lab_runner_stop(f->runner, SLOT);
}

static void nonsense__from_the_machine_is_its_end(void **state)
{
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);

	(void)setenv("LAB_TEST_MACHINE", "nonsense", 1);
	start(f, &spec);
	wait_for_end(f, 1);
}

static void expect_dead(struct fixture *f, int image)
{
	struct lab_enclave_spec spec = spec_of(f);
	unsigned int before = f->ended;

	spec.eif_fd = image;
	start(f, &spec);
	assert_int_equal(f->ended, before); /* not from within the call */
	wait_for_end(f, before + 1);
	lab_runner_crash(f->runner, SLOT);
	lab_runner_stop(f->runner, SLOT);
	(void)close(image);
}

static void image__that_is_none_dies_soon(void **state)
{
	struct fixture *f = *state;
	cleanup_buffer struct nec_buffer whole = { 0 };

	expect_dead(f, memfd_with("", 0));
	expect_dead(f, memfd_with("no image at all", 15));
	expect_dead(f, open(NEC_TEST_DATA "/eif/bad-magic.eif", O_RDONLY | O_CLOEXEC));
	expect_dead(f, open(NEC_TEST_DATA "/eif/bad-two-kernels.eif", O_RDONLY | O_CLOEXEC));
	expect_dead(f, open(host_image(true), O_RDONLY | O_CLOEXEC));
	assert_int_equal(nec_file_read_all(host_image(false), 1 << 20, &whole, NULL), 0);
	expect_dead(f, memfd_with(whole.data, whole.size - 1));
}

static void image__may_have_anything_behind_it(void **state)
{
	struct fixture *f = *state;
	struct lab_enclave_spec spec = spec_of(f);
	cleanup_buffer struct nec_buffer whole = { 0 };
	cleanup_close int console = -1;
	char said[4096];

	assert_int_equal(nec_file_read_all(host_image(false), 1 << 20, &whole, NULL), 0);
	nec_buffer_append_text(&whole, "what was in the memory before");
	spec.eif_fd = memfd_with(whole.data, whole.size);
	start(f, &spec);
	(void)close(spec.eif_fd);
	console = console_of(f, CID);
	read_console(f, console, "initrd ", said, sizeof(said));
}

static void stop__of_an_image_that_is_none_comes_before_its_end(void **state)
{
	struct fixture *f = *state;
	struct lab_enclave_spec spec = spec_of(f);

	spec.eif_fd = memfd_with("", 0);
	start(f, &spec);
	lab_runner_stop(f->runner, SLOT);
	(void)close(spec.eif_fd);
	for (int i = 0; i < 5; i++)
		round_of(f, 0);
	assert_int_equal(f->ended, 0);
}

static void stop__ends_the_machine_and_frees_slot_and_cid(void **state)
{
	struct fixture *f = *state;
	const struct lab_enclave_spec spec = spec_of(f);
	pid_t gone = 0;

	lab_runner_stop(f->runner, SLOT);
	start(f, &spec);
	lab_runner_stop(f->runner, SLOT);
	assert_int_equal(console_of(f, CID), -ENOENT);
	start(f, &spec);
	lab_runner_stop(f->runner, SLOT);
	/* The processes are waited for in the loop. */
	while (gone != -1) {
		round_of(f, 10);
		gone = waitpid(-1, NULL, WNOHANG | WNOWAIT);
		assert_int_equal(gone > 0, 0);
	}
	assert_int_equal(f->ended, 0);
}

static void free__ends_all_that_runs(void **state)
{
	struct fixture *f = *state;
	struct lab_enclave_spec spec = spec_of(f);

	for (int i = 0; i < 4; i++) {
		start(f, &spec);
		spec.slot_uid++;
		spec.cid++;
	}
	lab_runner_stop(f->runner, SLOT);
	lab_runner_crash(f->runner, SLOT + 1);
}

static void folder__that_is_missing_is_told(void **state)
{
	struct fixture *f = *state;
	struct lab_runner_events events = { .userdata = f, .ended = on_ended };
	struct lab_runner *none = NULL;

	assert_true(lab_runner_new(f->loop, "/nonexistent", &events, &none, NULL) < 0);
	assert_null(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(start__runs_a_machine_as_the_spec_says),
		TEST(start__leaves_the_image_to_its_owner),
		TEST(start__without_debug_mode_has_no_console_to_read),
		TEST(start__of_a_slot_or_cid_in_use_is_refused),
		TEST(start__fails_where_there_is_no_emulator),
		TEST(start__fails_as_a_whole_when_descriptors_run_out),
		TEST(end__of_the_machine_is_told_once_and_the_console_stays),
		TEST(end__may_be_answered_by_stopping_at_once),
		TEST(crash__is_an_end_as_any_other),
		TEST(nonsense__from_the_machine_is_its_end),
		TEST(image__that_is_none_dies_soon),
		TEST(image__may_have_anything_behind_it),
		TEST(stop__of_an_image_that_is_none_comes_before_its_end),
		TEST(stop__ends_the_machine_and_frees_slot_and_cid),
		TEST(free__ends_all_that_runs),
		TEST(folder__that_is_missing_is_told),
	};

	if (argc > 1)
		return be_machine(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
