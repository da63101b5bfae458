/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real operations, as far as a machine without a device goes: over files of our own where the
 * device would be, and over plain memory for what has to work without dying of a signal.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Older kernel headers want sockaddr before this one. */
#include <linux/vm_sockets.h>

#include "base/error.h"
#include "fake-device.h"

static struct fake_device *fake;
static struct nec_device device;
static unsigned int fds_before;

/* The real operations over the fake's tree. */
static int open_real(void **state)
{
	(void)state;
	fds_before = fake_open_fds();
	fake = fake_device_new(&(struct fake_machine){ 0 });
	if (nec_device_open(NULL, &device, NULL) < 0)
		return -1;
	(void)close(device.root_fd);
	device.root_fd = open(fake_device_root(fake), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return device.root_fd < 0 ? -1 : 0;
}

static int close_real(void **state)
{
	(void)state;
	nec_device_close(&device);
	fake_device_free(fake);
	return fake_open_fds() == fds_before ? 0 : -1;
}

static void device__is_opened_below_the_root(void **state)
{
	int fd = device.ops->open_device(&device);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	(void)close(fd);
	fake_device_write(fake, "/dev/nitro_enclaves", NULL);
	assert_int_equal(device.ops->open_device(&device), -ENOENT);
}

static void device__is_the_contexts_when_it_has_one(void **state)
{
	struct nec_device ours = NEC_DEVICE_INIT;
	nec_context *context = NULL;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	context->device = fake_device_get(fake);
	assert_int_equal(nec_device_open(context, &ours, NULL), 0);
	assert_ptr_equal(ours.ops, fake_device_get(fake)->ops);
	assert_int_equal(nec_device_exists(&ours, "/dev/nitro_enclaves"), 1);
	nec_device_close(&ours);
	/* Its own root is not touched by that. */
	assert_int_equal(nec_device_exists(fake_device_get(fake), "/dev/nitro_enclaves"), 1);
	nec_context_free(context);
}

static void ioctls__give_the_errno_of_the_kernel(void **state)
{
	const struct ne_user_memory_region region = { 0 };
	struct ne_image_load_info info = { 0 };
	struct ne_enclave_start_info start = { 0 };
	int fd = device.ops->open_device(&device);
	uint64_t uid = 0;
	uint32_t cpu = 0;

	(void)state;
	assert_int_equal(device.ops->create_vm(&device, fd, &uid), -ENOTTY);
	assert_int_equal(device.ops->get_image_load_info(&device, fd, &info), -ENOTTY);
	assert_int_equal(device.ops->set_memory_region(&device, fd, &region), -ENOTTY);
	assert_int_equal(device.ops->add_vcpu(&device, fd, &cpu), -ENOTTY);
	assert_int_equal(device.ops->start(&device, fd, &start), -ENOTTY);
	device.ops->close_enclave(&device, fd);
	assert_int_equal(device.ops->add_vcpu(&device, fd, &cpu), -EBADF);
}

static void populate__answers_where_touching_would_kill(void **state)
{
	cleanup_close int fd = memfd_create("short", MFD_CLOEXEC);
	long page = sysconf(_SC_PAGESIZE);
	char *memory;

	(void)state;
	assert_int_equal(ftruncate(fd, page), 0);
	memory = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	assert_int_equal(device.ops->populate(&device, memory, (uint64_t)page), 0);
	/* Beyond the end of the file: SIGBUS for whoever touches it, as with huge pages. */
	assert_int_equal(device.ops->populate(&device, memory + page, (uint64_t)page), -ENOMEM);
	(void)munmap(memory, (size_t)page * 2);
}

static void populate__works_on_kernels_that_cannot_be_asked(void **state)
{
	cleanup_close int fd = memfd_create("short", MFD_CLOEXEC);
	long page = sysconf(_SC_PAGESIZE);
	unsigned char present = 0;
	char *memory;

	(void)state;
	assert_int_equal(ftruncate(fd, page), 0);
	memory = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	assert_int_equal(symlinkat("/dev/zero", device.root_fd, "dev/zero"), 0);
	/* An odd address makes madvise() answer what kernels before 5.14 answer. */
	assert_int_equal(device.ops->populate(&device, memory + 1, (uint64_t)page), 0);
	assert_int_equal(mincore(memory, (size_t)page, &present), 0);
	assert_int_equal(present & 1, 1);
	assert_int_equal(device.ops->populate(&device, memory + page + 1, (uint64_t)page), -ENOMEM);
	(void)munmap(memory, (size_t)page * 2);
}

static void huge_pages__are_mapped_where_the_machine_has_some(void **state)
{
	void *memory = NULL;
	int fd = -1;
	int r = device.ops->map_pages(&device, FAKE_2M, 1, 0, &memory, &fd);

	(void)state;
	/* A machine set up for tests has none, one for enclaves has. */
	assert_true(r == 0 || r == -ENOMEM);
	if (r == 0) {
		r = device.ops->populate(&device, memory, FAKE_2M);
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(device.ops->unmap_pages(&device, memory, FAKE_2M, fd), 0);
	}
	assert_int_equal(device.ops->map_pages(&device, FAKE_2M, UINT64_MAX / 2, 0, &memory, &fd),
			 -ENOMEM);
}

static void huge_pages__of_an_unknown_size_are_refused(void **state)
{
	void *memory = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(device.ops->map_pages(&device, UINT64_C(1) << 42, 1, 0, &memory, &fd),
			 -EINVAL);
	assert_null(memory);
}

static void vsock__listens_and_accepts_where_the_kernel_has_it(void **state)
{
	uint32_t cid = 0;
	int listener = device.ops->vsock_listen(&device, VMADDR_CID_ANY, VMADDR_PORT_ANY);

	(void)state;
	if (listener < 0) {
		assert_true(listener == -EAFNOSUPPORT || listener == -EPERM);
		return;
	}
	assert_int_equal(device.ops->vsock_accept(&device, listener, &cid), -EAGAIN);
	assert_int_equal(fcntl(listener, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	(void)close(listener);
}

static void vsock__to_nowhere_fails_in_time(void **state)
{
	int r = device.ops->vsock_connect(&device, 0xfffffff0, 1, 10000);

	(void)state;
	/* Which errno depends on the transports that are loaded; that it ends does not. */
	assert_true(r < 0);
}

static void text__is_read_without_the_white_space_at_its_end(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error err = NEC_ERROR_INIT;
	uint64_t number = 0;

	(void)state;
	fake_device_write(fake, "/sys/a", "  4-5 \n\n");
	assert_int_equal(nec_device_read_text(&device, "/sys/a", &text, &err), 0);
	assert_string_equal(nec_buffer_text(&text), "  4-5");
	fake_device_write(fake, "/sys/b", "18446744073709551615\n");
	assert_int_equal(nec_device_read_u64(&device, "/sys/b", &number, &err), 0);
	assert_true(number == UINT64_MAX);
	assert_int_equal(nec_device_read_optional(&device, "/sys/none", &text, &err), 0);
	assert_int_equal(nec_device_read_optional(&device, "/sys/a", &text, &err), 1);
	assert_int_equal(err.code, NEC_E_NONE);
	assert_int_equal(nec_device_read_text(&device, "/sys/none", &text, &err), -ENOENT);
	assert_string_equal(err.message, "cannot open /sys/none: No such file or directory");
}

static void path__can_be_asked_for(void **state)
{
	DIR *dir = nec_device_open_dir(&device, "/sys/devices");

	(void)state;
	assert_non_null(dir);
	(void)closedir(dir);
	assert_null(nec_device_open_dir(&device, "/sys/none"));
	assert_int_equal(errno, ENOENT);
	assert_null(nec_device_open_dir(&device, "/dev/nitro_enclaves"));
	assert_int_equal(nec_device_exists(&device, "/sys/none"), 0);
	assert_int_equal(nec_device_exists(&device, "/dev/nitro_enclaves/x"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_real, close_real)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(device__is_opened_below_the_root),
		TEST(device__is_the_contexts_when_it_has_one),
		TEST(ioctls__give_the_errno_of_the_kernel),
		TEST(populate__answers_where_touching_would_kill),
		TEST(populate__works_on_kernels_that_cannot_be_asked),
		TEST(huge_pages__are_mapped_where_the_machine_has_some),
		TEST(huge_pages__of_an_unknown_size_are_refused),
		TEST(vsock__listens_and_accepts_where_the_kernel_has_it),
		TEST(vsock__to_nowhere_fails_in_time),
		TEST(text__is_read_without_the_white_space_at_its_end),
		TEST(path__can_be_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
