/* SPDX-License-Identifier: Apache-2.0 */
/* The fake itself: each of the driver's rules that it is there to keep. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/files.h"
#include "fake-device.h"

/* Two nodes of two cores with two threads: 0,4 1,5 and 2,6 3,7; the second is the pool. */
static const struct fake_machine two_nodes = {
	.nodes = 2,
	.cores = 2,
	.threads = 2,
	.pool = "2-3,6-7",
	.huge = { { 0, FAKE_2M, 64 }, { 1, FAKE_2M, 64 }, { 1, FAKE_1G, 2 } },
};

static struct fake_device *fake;
static const struct nec_device *device;
static unsigned int fds_before;

static int make_fake(void **state)
{
	(void)state;
	fds_before = fake_open_fds();
	fake = fake_device_new(&two_nodes);
	device = fake_device_get(fake);
	return 0;
}

static int free_fake(void **state)
{
	(void)state;
	fake_device_free(fake);
	return fake_open_fds() == fds_before ? 0 : -1;
}

static int create(void)
{
	cleanup_close int device_fd = device->ops->open_device(device);
	uint64_t uid = 0;
	int fd = device->ops->create_vm(device, device_fd, &uid);

	assert_true(device_fd >= 0);
	if (fd >= 0) {
		assert_true(uid != 0);
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	}
	return fd;
}

/* The fake needs none for its pages. */
static int no_fd;

static void close_enclave(int fd)
{
	device->ops->close_enclave(device, fd);
}

static void *map_on(int node, uint64_t page_bytes, uint64_t count)
{
	void *address;

	assert_int_equal(device->ops->map_pages(device, page_bytes, count, node, &address, &no_fd),
			 0);
	assert_int_equal((uintptr_t)address % page_bytes, 0);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(
			device->ops->populate(device, (char *)address + i * page_bytes, page_bytes),
			0);
	return address;
}

static int donate(int fd, const void *address, uint64_t bytes)
{
	const struct ne_user_memory_region region = {
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)address,
	};

	return device->ops->set_memory_region(device, fd, &region);
}

static int add_vcpu(int fd, uint32_t cpu)
{
	int r = device->ops->add_vcpu(device, fd, &cpu);

	return r < 0 ? r : (int)cpu;
}

static int start_as(int fd, uint64_t cid, uint64_t flags)
{
	struct ne_enclave_start_info info = { .flags = flags, .enclave_cid = cid };
	int r = device->ops->start(device, fd, &info);

	return r < 0 ? r : (int)info.enclave_cid;
}

static int image_info(int fd, uint64_t flags)
{
	struct ne_image_load_info info = { .flags = flags };
	int r = device->ops->get_image_load_info(device, fd, &info);

	return r < 0 ? r : (int)info.memory_offset;
}

/* An enclave that only has to be started. */
static int prepare(void)
{
	int fd = create();
	void *memory = map_on(1, FAKE_2M, 32);

	assert_true(fd >= 0);
	assert_int_equal(donate(fd, memory, 64 * FAKE_MIB), 0);
	assert_int_equal(add_vcpu(fd, 0), 2);
	assert_int_equal(add_vcpu(fd, 0), 6);
	device->ops->unmap_pages(device, memory, 64 * FAKE_MIB, -1);
	return fd;
}

static int poll_enclave(int fd, short *ret_events)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	int r = poll(&poll_fd, 1, 0);

	*ret_events = poll_fd.revents;
	return r;
}

/* Runs @body in a forked child; its result must be below 128. */
static int in_child(int (*body)(int fd), int fd)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(body(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- NE_CREATE_VM and the life of a slot ---- */

static void create__needs_a_core_left_in_the_pool(void **state)
{
	int first = create();
	int second;

	(void)state;
	assert_int_equal(add_vcpu(first, 2), 2);
	second = create();
	assert_int_equal(add_vcpu(second, 7), 7);
	assert_int_equal(create(), -NE_ERR_NO_CPUS_AVAIL_IN_POOL);
	assert_int_equal(fake_device_slots(fake), 2);
	close_enclave(second);
	close_enclave(first);
	assert_int_equal(fake_device_set_pool(fake, "\n"), -EINVAL);
	assert_int_equal(create(), -NE_ERR_NO_CPUS_AVAIL_IN_POOL);
}

static void create__leaves_nothing_when_the_device_refuses(void **state)
{
	(void)state;
	fake_device_refuse(fake, FAKE_SLOT_ALLOC, 1, 300);
	assert_int_equal(create(), -300);
	fake_device_expect_clean(fake);
}

static void ioctl__on_a_foreign_descriptor_is_enotty(void **state)
{
	cleanup_close int device_fd = device->ops->open_device(device);
	cleanup_close int other = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd = create();
	uint64_t uid;

	(void)state;
	assert_int_equal(device->ops->create_vm(device, fd, &uid), -ENOTTY);
	assert_int_equal(device->ops->create_vm(device, other, &uid), -ENOTTY);
	assert_int_equal(add_vcpu(device_fd, 0), -ENOTTY);
	assert_int_equal(add_vcpu(-1, 0), -EBADF);
	close_enclave(fd);
}

static void slot__lives_until_the_last_copy_of_its_fd_is_closed(void **state)
{
	int fd = prepare();
	int copy = dup(fd);

	(void)state;
	assert_int_equal(start_as(fd, 0, 0), 16);
	close_enclave(fd);
	assert_int_equal(fake_device_slots(fake), 1);
	assert_int_equal(fake_device_calls(fake, FAKE_ENCLAVE_STOP), 0);
	/* A plain close() does it too: what counts is the open file. */
	(void)close(copy);
	assert_int_equal(fake_device_slots(fake), 0);
	assert_int_equal(fake_device_calls(fake, FAKE_ENCLAVE_STOP), 1);
	assert_int_equal(fake_device_calls(fake, FAKE_SLOT_FREE), 1);
	fake_device_expect_clean(fake);
}

static int child_creates_and_dies(int unused)
{
	(void)unused;
	return prepare() >= 0 ? 0 : 1;
}

static void slot__ends_with_the_process_that_holds_it(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_creates_and_dies, -1), 0);
	assert_int_equal(fake_device_calls(fake, FAKE_SLOT_ADD_VCPU), 2);
	assert_int_equal(fake_device_calls(fake, FAKE_SLOT_FREE), 1);
	fake_device_expect_clean(fake);
}

static void slot__not_started_or_stopped_is_freed_without_a_stop(void **state)
{
	int fd = prepare();

	(void)state;
	close_enclave(fd);
	assert_int_equal(fake_device_calls(fake, FAKE_ENCLAVE_STOP), 0);
	assert_int_equal(fake_device_calls(fake, FAKE_SLOT_FREE), 1);
	fd = prepare();
	assert_int_equal(start_as(fd, 20, 0), 20);
	fake_device_event(fake, 20, FAKE_STOPPED);
	close_enclave(fd);
	assert_int_equal(fake_device_calls(fake, FAKE_ENCLAVE_STOP), 0);
	assert_int_equal(fake_device_calls(fake, FAKE_SLOT_FREE), 2);
	fake_device_expect_clean(fake);
}

static void slot__is_lost_when_the_device_does_not_stop_it(void **state)
{
	struct fake_enclave enclave;
	int fd = prepare();

	(void)state;
	assert_int_equal(start_as(fd, 0, 0), 16);
	fake_device_refuse(fake, FAKE_ENCLAVE_STOP, 1, EIO);
	close_enclave(fd);
	assert_int_equal(fake_device_calls(fake, FAKE_SLOT_FREE), 0);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_true(enclave.leaked);
	assert_int_equal(fake_device_free_pages(fake, 1, FAKE_2M), 32);
	assert_int_equal(fake_device_free_cores(fake), 1);
	assert_int_equal(fake_device_set_pool(fake, "3,7"), -EPERM);
}

static void slot__zero_is_never_released(void **state)
{
	cleanup_close int device_fd = device->ops->open_device(device);
	uint64_t uid = 1;
	int fd;

	(void)state;
	fake_device_set_next_uid(fake, 0);
	fd = device->ops->create_vm(device, device_fd, &uid);
	assert_int_equal(uid, 0);
	close_enclave(fd);
	assert_int_equal(fake_device_slots(fake), 1);
	assert_int_equal(fake_device_calls(fake, FAKE_SLOT_FREE), 0);
}

/* ---- NE_ADD_VCPU ---- */

static void vcpu__chosen_by_the_driver_completes_cores_first(void **state)
{
	int fd = create();

	(void)state;
	assert_int_equal(add_vcpu(fd, 7), 7);
	assert_int_equal(add_vcpu(fd, 0), 3);
	assert_int_equal(add_vcpu(fd, 0), 2);
	assert_int_equal(add_vcpu(fd, 0), 6);
	assert_int_equal(add_vcpu(fd, 0), -NE_ERR_NO_CPUS_AVAIL_IN_POOL);
	close_enclave(fd);
}

static void vcpu__is_refused_by_range_use_and_pool(void **state)
{
	int fd = create();
	int other = create();

	(void)state;
	assert_int_equal(add_vcpu(fd, 8), -NE_ERR_INVALID_VCPU);
	assert_int_equal(add_vcpu(fd, UINT32_MAX), -NE_ERR_INVALID_VCPU);
	assert_int_equal(add_vcpu(fd, 1), -NE_ERR_VCPU_NOT_IN_CPU_POOL);
	assert_int_equal(add_vcpu(fd, 2), 2);
	assert_int_equal(add_vcpu(fd, 2), -NE_ERR_VCPU_ALREADY_USED);
	/* The whole core is gone for others. */
	assert_int_equal(add_vcpu(other, 6), -NE_ERR_VCPU_NOT_IN_CPU_POOL);
	close_enclave(fd);
	assert_int_equal(add_vcpu(other, 6), 6);
	close_enclave(other);
}

static void vcpu__takes_the_core_before_the_call_fails(void **state)
{
	int fd = create();

	(void)state;
	fake_device_refuse(fake, FAKE_SLOT_ADD_VCPU, 1, EPERM);
	assert_int_equal(add_vcpu(fd, 2), -EPERM);
	assert_int_equal(fake_device_free_cores(fake), 1);
	/* What was refused can be added again; until then the enclave cannot start. */
	assert_int_equal(add_vcpu(fd, 2), 2);
	close_enclave(fd);
	assert_int_equal(fake_device_free_cores(fake), 2);
}

static int child_adds_vcpu(int fd)
{
	return -add_vcpu(fd, 2);
}

static int child_donates(int fd)
{
	return -donate(fd, map_on(1, FAKE_2M, 1), FAKE_2M);
}

static int child_asks_for_the_offset(int fd)
{
	return image_info(fd, NE_EIF_IMAGE) == 8 * 1024 * 1024 ? 0 : 1;
}

static void address_space__binds_memory_and_vcpus_only(void **state)
{
	int fd = create();

	(void)state;
	assert_int_equal(in_child(child_donates, fd), EIO);
	assert_int_equal(in_child(child_asks_for_the_offset, fd), 0);
	assert_int_equal(in_child(child_adds_vcpu, fd), EIO);
	/* Again with the core taken. */
	assert_int_equal(fake_device_free_cores(fake), 1);
	close_enclave(fd);
	fake_device_expect_clean(fake);
}

/* ---- NE_GET_IMAGE_LOAD_INFO ---- */

static void image_info__wants_the_eif_flag_before_the_start(void **state)
{
	int fd = prepare();

	(void)state;
	assert_int_equal(image_info(fd, 0), -NE_ERR_INVALID_FLAG_VALUE);
	assert_int_equal(image_info(fd, 2), -NE_ERR_INVALID_FLAG_VALUE);
	assert_int_equal(image_info(fd, NE_EIF_IMAGE), 8 * 1024 * 1024);
	assert_int_equal(start_as(fd, 0, 0), 16);
	assert_int_equal(image_info(fd, 0), -NE_ERR_NOT_IN_INIT_STATE);
	close_enclave(fd);
}

/* ---- NE_SET_USER_MEMORY_REGION ---- */

static void region__is_checked_in_the_drivers_order(void **state)
{
	const struct ne_user_memory_region flagged = { .flags = 1 };
	char *memory = map_on(1, FAKE_2M, 4);
	int fd = create();

	(void)state;
	assert_int_equal(device->ops->set_memory_region(device, fd, &flagged),
			 -NE_ERR_INVALID_FLAG_VALUE);
	assert_int_equal(donate(fd, memory + 1, FAKE_2M + 1), -NE_ERR_INVALID_MEM_REGION_SIZE);
	assert_int_equal(donate(fd, memory + 1, FAKE_2M), -NE_ERR_UNALIGNED_MEM_REGION_ADDR);
	assert_int_equal(donate(fd, memory, UINT64_MAX - FAKE_2M + 1),
			 -NE_ERR_INVALID_MEM_REGION_ADDR);
	assert_int_equal(donate(fd, memory, 0), -ENOMEM);
	assert_int_equal(donate(fd, memory, 2 * FAKE_2M), 0);
	assert_int_equal(donate(fd, memory + FAKE_2M, FAKE_2M), -NE_ERR_MEM_REGION_ALREADY_USED);
	assert_int_equal(donate(fd, memory + FAKE_2M, 2 * FAKE_2M),
			 -NE_ERR_MEM_REGION_ALREADY_USED);
	assert_int_equal(donate(fd, memory + 2 * FAKE_2M, FAKE_2M), 0);
	/* Half of it is not mapped at all. */
	assert_int_equal(donate(fd, memory + 3 * FAKE_2M, 2 * FAKE_2M), -EFAULT);
	device->ops->unmap_pages(device, memory, 4 * FAKE_2M, -1);
	close_enclave(fd);
}

static void region__must_be_huge_pages_of_the_pools_node(void **state)
{
	void *elsewhere = map_on(0, FAKE_2M, 1);
	char *plain =
		mmap(NULL, 2 * FAKE_2M, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *aligned = plain + (-(uintptr_t)plain & (FAKE_2M - 1));
	int fd = create();

	(void)state;
	assert_int_equal(donate(fd, elsewhere, FAKE_2M), -NE_ERR_MEM_DIFFERENT_NUMA_NODE);
	assert_int_equal(donate(fd, aligned, FAKE_2M), -NE_ERR_MEM_NOT_HUGE_PAGE);
	(void)munmap(plain, 2 * FAKE_2M);
	assert_int_equal(donate(fd, aligned, FAKE_2M), -EFAULT);
	device->ops->unmap_pages(device, elsewhere, FAKE_2M, -1);
	close_enclave(fd);
	fake_device_expect_clean(fake);
}

static uint32_t regions_for(enum fake_page_order order)
{
	struct fake_enclave enclave;
	void *memory;
	int fd = create();

	fake_device_set_page_order(fake, order);
	memory = map_on(1, FAKE_2M, 8);
	assert_int_equal(donate(fd, memory, 8 * FAKE_2M), 0);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.memory_bytes, 8 * FAKE_2M);
	device->ops->unmap_pages(device, memory, 8 * FAKE_2M, -1);
	close_enclave(fd);
	return enclave.regions;
}

static void region__merges_pages_that_follow_each_other_in_one_call(void **state)
{
	struct fake_enclave enclave;
	char *memory;
	int fd;

	(void)state;
	assert_int_equal(regions_for(FAKE_PAGES_ASCENDING), 1);
	assert_int_equal(regions_for(FAKE_PAGES_DESCENDING), 8);
	assert_int_equal(regions_for(FAKE_PAGES_SCATTERED), 8);

	/* The same pages by two calls are two regions. */
	fake_device_set_page_order(fake, FAKE_PAGES_ASCENDING);
	memory = map_on(1, FAKE_2M, 8);
	fd = create();
	assert_int_equal(donate(fd, memory, 4 * FAKE_2M), 0);
	assert_int_equal(donate(fd, memory + 4 * FAKE_2M, 4 * FAKE_2M), 0);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.regions, 2);
	device->ops->unmap_pages(device, memory, 8 * FAKE_2M, -1);
	close_enclave(fd);
}

static void region__count_is_limited_by_the_device(void **state)
{
	struct fake_enclave enclave;
	char *memory;
	int fd = create();

	(void)state;
	fake_device_set_page_order(fake, FAKE_PAGES_SCATTERED);
	fake_device_set_region_limit(fake, 4);
	memory = map_on(1, FAKE_2M, 5);
	assert_int_equal(donate(fd, memory, 5 * FAKE_2M), -NE_ERR_MEM_MAX_REGIONS);
	/* Refused before anything was donated, so less of it can be. */
	assert_int_equal(donate(fd, memory, 4 * FAKE_2M), 0);
	assert_int_equal(donate(fd, memory + 4 * FAKE_2M, FAKE_2M), -NE_ERR_MEM_MAX_REGIONS);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.regions, 4);
	device->ops->unmap_pages(device, memory, 5 * FAKE_2M, -1);
	close_enclave(fd);
}

static void region__donates_a_gigantic_page_whole_and_from_its_start(void **state)
{
	struct fake_enclave enclave;
	char *memory = map_on(1, FAKE_1G, 1);
	int fd = create();

	(void)state;
	assert_int_equal(donate(fd, memory + FAKE_2M, FAKE_2M), -NE_ERR_INVALID_PAGE_SIZE);
	assert_int_equal(donate(fd, memory, FAKE_2M), 0);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.memory_bytes, FAKE_1G);
	assert_int_equal(enclave.regions, 1);
	device->ops->unmap_pages(device, memory, FAKE_1G, -1);
	close_enclave(fd);
}

static void region__refused_half_way_stays_half_donated(void **state)
{
	struct fake_enclave enclave;
	char *memory;
	int fd = create();

	(void)state;
	fake_device_set_page_order(fake, FAKE_PAGES_SCATTERED);
	memory = map_on(1, FAKE_2M, 4);
	fake_device_refuse(fake, FAKE_SLOT_ADD_MEM, 3, 300);
	assert_int_equal(donate(fd, memory, 4 * FAKE_2M), -300);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.regions, 2);
	assert_int_equal(donate(fd, memory, 4 * FAKE_2M), -NE_ERR_MEM_REGION_ALREADY_USED);
	/* All of its pages are pinned, and only the enclave's end returns them. */
	device->ops->unmap_pages(device, memory, 4 * FAKE_2M, -1);
	assert_int_equal(fake_device_free_pages(fake, 1, FAKE_2M), 60);
	close_enclave(fd);
	fake_device_expect_clean(fake);
}

static void region__of_another_enclave_is_for_the_device_to_refuse(void **state)
{
	void *memory = map_on(1, FAKE_2M, 1);
	int first = create();
	int second = create();

	(void)state;
	assert_int_equal(donate(first, memory, FAKE_2M), 0);
	assert_int_equal(donate(second, memory, FAKE_2M), -EBUSY);
	device->ops->unmap_pages(device, memory, FAKE_2M, -1);
	close_enclave(first);
	close_enclave(second);
	fake_device_expect_clean(fake);
}

static void pages__stay_pinned_until_the_enclave_is_gone(void **state)
{
	int fd = prepare();

	(void)state;
	assert_int_equal(fake_device_mapped_bytes(fake), 0);
	assert_int_equal(fake_device_free_pages(fake, 1, FAKE_2M), 32);
	close_enclave(fd);
	assert_int_equal(fake_device_free_pages(fake, 1, FAKE_2M), 64);
}

/* ---- NE_START_ENCLAVE ---- */

static void start__is_checked_in_the_drivers_order(void **state)
{
	char *memory = map_on(1, FAKE_2M, 32);
	int fd = create();

	(void)state;
	assert_int_equal(start_as(fd, 3, 2), -NE_ERR_INVALID_FLAG_VALUE);
	for (uint64_t cid = 1; cid <= 3; cid++)
		assert_int_equal(start_as(fd, cid, 0), -NE_ERR_INVALID_ENCLAVE_CID);
	assert_int_equal(start_as(fd, UINT32_MAX, 0), -NE_ERR_INVALID_ENCLAVE_CID);
	assert_int_equal(start_as(fd, UINT64_C(1) << 32, 0), -NE_ERR_INVALID_ENCLAVE_CID);
	assert_int_equal(start_as(fd, 0, 0), -NE_ERR_NO_MEM_REGIONS_ADDED);
	assert_int_equal(donate(fd, memory, 31 * FAKE_2M), 0);
	assert_int_equal(start_as(fd, 0, 0), -NE_ERR_ENCLAVE_MEM_MIN_SIZE);
	assert_int_equal(donate(fd, memory + 31 * FAKE_2M, FAKE_2M), 0);
	assert_int_equal(start_as(fd, 0, 0), -NE_ERR_NO_VCPUS_ADDED);
	assert_int_equal(add_vcpu(fd, 3), 3);
	assert_int_equal(start_as(fd, 0, 0), -NE_ERR_FULL_CORES_NOT_USED);
	assert_int_equal(add_vcpu(fd, 7), 7);
	assert_int_equal(start_as(fd, 0, 0), 16);
	assert_int_equal(start_as(fd, 0, 0), -NE_ERR_NOT_IN_INIT_STATE);
	assert_int_equal(start_as(fd, 1, 0), -NE_ERR_INVALID_ENCLAVE_CID);
	assert_int_equal(add_vcpu(fd, 99), -NE_ERR_NOT_IN_INIT_STATE);
	assert_int_equal(donate(fd, memory + 1, 1), -NE_ERR_NOT_IN_INIT_STATE);
	device->ops->unmap_pages(device, memory, 32 * FAKE_2M, -1);
	close_enclave(fd);
	fake_device_expect_clean(fake);
}

static void start__gives_cids_that_are_free(void **state)
{
	struct fake_enclave enclave;
	int first = prepare();
	int second = create();
	void *memory = map_on(1, FAKE_2M, 32);

	(void)state;
	assert_int_equal(start_as(first, 16, NE_ENCLAVE_DEBUG_MODE), 16);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.flags, NE_ENCLAVE_DEBUG_MODE);
	assert_int_equal(enclave.state, FAKE_RUNNING);
	assert_int_equal(donate(second, memory, 32 * FAKE_2M), 0);
	assert_int_equal(add_vcpu(second, 0), 3);
	assert_int_equal(add_vcpu(second, 0), 7);
	assert_int_equal(start_as(second, 16, 0), -EADDRINUSE);
	assert_int_equal(start_as(second, 0, 0), 17);
	device->ops->unmap_pages(device, memory, 32 * FAKE_2M, -1);
	close_enclave(first);
	close_enclave(second);
}

/* ---- poll ---- */

static void poll__reports_nothing_but_a_hang_up_that_stays(void **state)
{
	int fd = prepare();
	short events;

	(void)state;
	assert_int_equal(poll_enclave(fd, &events), 0);
	assert_int_equal(start_as(fd, 0, 0), 16);
	fake_device_event(fake, 16, FAKE_RUNNING);
	assert_int_equal(poll_enclave(fd, &events), 0);
	assert_false(nec_enclave_fd_ended(fd));
	fake_device_event(fake, 16, FAKE_STOPPED);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll_enclave(fd, &events), 1);
		assert_int_equal(events, POLLHUP);
		assert_int_equal(fake_device_slots(fake), 1);
	}
	assert_true(nec_enclave_fd_ended(fd));
	close_enclave(fd);
	fake_device_expect_clean(fake);
}

static void poll__says_nothing_about_an_enclave_that_was_not_started(void **state)
{
	int fd = prepare();
	short events;

	(void)state;
	fake_device_event(fake, 0, FAKE_STOPPED);
	assert_int_equal(poll_enclave(fd, &events), 0);
	close_enclave(fd);
}

static void event__with_a_failed_answer_puts_the_enclave_back(void **state)
{
	int fd = prepare();
	short events;

	(void)state;
	assert_int_equal(start_as(fd, 0, 0), 16);
	fake_device_event(fake, 16, FAKE_INIT);
	assert_int_equal(poll_enclave(fd, &events), 1);
	assert_int_equal(add_vcpu(fd, 3), 3);
	close_enclave(fd);
	assert_int_equal(fake_device_calls(fake, FAKE_ENCLAVE_STOP), 0);
	fake_device_expect_clean(fake);
}

/* ---- the pool parameter ---- */

static void pool__is_refused_as_the_driver_does(void **state)
{
	char long_text[600];

	(void)state;
	assert_int_equal(fake_device_set_pool(fake, "2,6\n"), 0);
	assert_int_equal(fake_device_set_pool(fake, "2,x"), -EINVAL);
	assert_int_equal(fake_device_free_cores(fake), 0); /* the old one is gone */
	assert_int_equal(fake_device_set_pool(fake, "8"), -ERANGE);
	assert_int_equal(fake_device_set_pool(fake, ""), -EINVAL);
	assert_int_equal(fake_device_set_pool(fake, "0,4"), -EINVAL);
	assert_int_equal(fake_device_set_pool(fake, "4"), -EINVAL);
	assert_int_equal(fake_device_set_pool(fake, "1,2,5,6"), -EINVAL);
	assert_int_equal(fake_device_set_pool(fake, "2-3,6"), -EINVAL);
	memset(long_text, ' ', sizeof(long_text));
	(void)snprintf(long_text + 560, sizeof(long_text) - 560, "2,6");
	assert_int_equal(fake_device_set_pool(fake, long_text), -ENOSPC);
	assert_int_equal(fake_device_free_cores(fake), 0);
	assert_int_equal(fake_device_set_pool(fake, "2,6"), 0);
	assert_int_equal(fake_device_free_cores(fake), 1);
}

static void pool__cannot_change_while_an_enclave_exists(void **state)
{
	int fd = create();

	(void)state;
	assert_int_equal(fake_device_set_pool(fake, "2,6"), -EPERM);
	assert_int_equal(fake_device_free_cores(fake), 2);
	close_enclave(fd);
	assert_int_equal(fake_device_set_pool(fake, "2,6"), 0);
}

/* ---- huge pages ---- */

static void pages__are_reserved_on_the_machine_but_found_on_the_node(void **state)
{
	void *memory;

	(void)state;
	assert_int_equal(device->ops->map_pages(device, 32 * FAKE_MIB, 1, 1, &memory, &no_fd),
			 -EINVAL);
	assert_int_equal(device->ops->map_pages(device, FAKE_2M, 129, 1, &memory, &no_fd), -ENOMEM);
	assert_int_equal(device->ops->map_pages(device, FAKE_2M, 65, 1, &memory, &no_fd), 0);
	assert_int_equal(fake_device_mapped_bytes(fake), 65 * FAKE_2M);
	for (uint64_t i = 0; i < 65; i++)
		assert_int_equal(
			device->ops->populate(device, (char *)memory + i * FAKE_2M, FAKE_2M),
			i < 64 ? 0 : -ENOMEM);
	assert_int_equal(fake_device_free_pages(fake, 1, FAKE_2M), 0);
	device->ops->unmap_pages(device, memory, 65 * FAKE_2M, -1);
	fake_device_expect_clean(fake);
}

static void pages__come_from_elsewhere_when_told_to(void **state)
{
	void *memory;
	int fd = create();

	(void)state;
	fake_device_misplace_pages(fake, 0);
	memory = map_on(1, FAKE_2M, 1);
	assert_int_equal(fake_device_free_pages(fake, 0, FAKE_2M), 63);
	assert_int_equal(donate(fd, memory, FAKE_2M), -NE_ERR_MEM_DIFFERENT_NUMA_NODE);
	device->ops->unmap_pages(device, memory, FAKE_2M, -1);
	close_enclave(fd);
}

/* ---- refusals, vsock, memory ---- */

static void refusal__hits_the_nth_call_once(void **state)
{
	cleanup_close int first = device->ops->open_device(device);
	int fd;

	(void)state;
	assert_true(first >= 0);
	fake_device_refuse(fake, FAKE_OPEN_DEVICE, 1, EACCES);
	assert_int_equal(device->ops->open_device(device), -EACCES);
	assert_int_equal(fake_device_refused(fake), FAKE_OPEN_DEVICE);
	fake_device_refuse_any(fake, 2, EIO);
	assert_int_equal(create(), -EIO);
	assert_int_equal(fake_device_refused(fake), FAKE_CREATE_VM);
	assert_string_equal(fake_call_name(FAKE_CREATE_VM), "create_vm");
	fd = create();
	assert_true(fd >= 0);
	assert_int_equal(fake_device_calls(fake, FAKE_OPEN_DEVICE), 4);
	assert_int_equal(fake_device_calls(fake, FAKE_CREATE_VM), 2);
	assert_int_equal(fake_device_calls(fake, FAKE_CALLS), 6);
	close_enclave(fd);
}

static void vsock__tells_who_called(void **state)
{
	int listener = device->ops->vsock_listen(device, NEC_CID_PARENT, NEC_PORT_HEARTBEAT);
	uint32_t cid = 0;
	int call;
	int connection;
	char byte = 0;

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(device->ops->vsock_listen(device, NEC_CID_PARENT, NEC_PORT_HEARTBEAT),
			 -EADDRINUSE);
	assert_int_equal(device->ops->vsock_accept(device, listener, &cid), -EAGAIN);
	call = fake_vsock_call(fake, 17, NEC_PORT_HEARTBEAT);
	assert_true(call >= 0);
	connection = device->ops->vsock_accept(device, listener, &cid);
	assert_true(connection >= 0);
	assert_int_equal(cid, 17);
	assert_int_equal(write(call, "\xb7", 1), 1);
	assert_int_equal(read(connection, &byte, 1), 1);
	assert_int_equal((uint8_t)byte, 0xb7);
	(void)close(connection);
	(void)close(call);
	(void)close(listener);
	assert_int_equal(fake_vsock_call(fake, 17, NEC_PORT_HEARTBEAT), -ECONNRESET);
}

static void vsock__reaches_consoles(void **state)
{
	int console = fake_vsock_serve(fake, NEC_CID_HYPERVISOR, NEC_PORT_CONSOLE(16));
	int fd = device->ops->vsock_connect(device, NEC_CID_HYPERVISOR, 10016, 0);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(console);
	assert_int_equal(device->ops->vsock_connect(device, NEC_CID_HYPERVISOR, 10016, 0),
			 -ECONNRESET);
}

static void boot_calls_home(struct fake_device *which, uint32_t cid, void *userdata)
{
	*(int *)userdata = fake_vsock_call(which, cid, NEC_PORT_HEARTBEAT);
}

static void boot__happens_at_the_start(void **state)
{
	int fd = prepare();
	int call = 0;

	(void)state;
	fake_device_set_boot(fake, boot_calls_home, &call);
	assert_int_equal(start_as(fd, 0, 0), 16);
	assert_int_equal(call, -ECONNRESET); /* nobody listened */
	close_enclave(fd);
}

static void enclave_memory__can_be_read_across_regions(void **state)
{
	int fd = create();
	char *first = map_on(1, FAKE_2M, 1);
	char *second = map_on(1, FAKE_2M, 1);
	char text[3] = "";

	(void)state;
	first[FAKE_2M - 1] = 'a';
	second[0] = 'b';
	assert_int_equal(donate(fd, first, FAKE_2M), 0);
	assert_int_equal(donate(fd, second, FAKE_2M), 0);
	fake_enclave_read(fake, 0, FAKE_2M - 1, text, 2);
	assert_string_equal(text, "ab");
	device->ops->unmap_pages(device, first, FAKE_2M, -1);
	device->ops->unmap_pages(device, second, FAKE_2M, -1);
	close_enclave(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fake, free_fake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create__needs_a_core_left_in_the_pool),
		TEST(create__leaves_nothing_when_the_device_refuses),
		TEST(ioctl__on_a_foreign_descriptor_is_enotty),
		TEST(slot__lives_until_the_last_copy_of_its_fd_is_closed),
		TEST(slot__ends_with_the_process_that_holds_it),
		TEST(slot__not_started_or_stopped_is_freed_without_a_stop),
		TEST(slot__is_lost_when_the_device_does_not_stop_it),
		TEST(slot__zero_is_never_released),
		TEST(vcpu__chosen_by_the_driver_completes_cores_first),
		TEST(vcpu__is_refused_by_range_use_and_pool),
		TEST(vcpu__takes_the_core_before_the_call_fails),
		TEST(address_space__binds_memory_and_vcpus_only),
		TEST(image_info__wants_the_eif_flag_before_the_start),
		TEST(region__is_checked_in_the_drivers_order),
		TEST(region__must_be_huge_pages_of_the_pools_node),
		TEST(region__merges_pages_that_follow_each_other_in_one_call),
		TEST(region__count_is_limited_by_the_device),
		TEST(region__donates_a_gigantic_page_whole_and_from_its_start),
		TEST(region__refused_half_way_stays_half_donated),
		TEST(region__of_another_enclave_is_for_the_device_to_refuse),
		TEST(pages__stay_pinned_until_the_enclave_is_gone),
		TEST(start__is_checked_in_the_drivers_order),
		TEST(start__gives_cids_that_are_free),
		TEST(poll__reports_nothing_but_a_hang_up_that_stays),
		TEST(poll__says_nothing_about_an_enclave_that_was_not_started),
		TEST(event__with_a_failed_answer_puts_the_enclave_back),
		TEST(pool__is_refused_as_the_driver_does),
		TEST(pool__cannot_change_while_an_enclave_exists),
		TEST(pages__are_reserved_on_the_machine_but_found_on_the_node),
		TEST(pages__come_from_elsewhere_when_told_to),
		TEST(refusal__hits_the_nth_call_once),
		TEST(vsock__tells_who_called),
		TEST(vsock__reaches_consoles),
		TEST(boot__happens_at_the_start),
		TEST(enclave_memory__can_be_read_across_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
