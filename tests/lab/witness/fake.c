/* SPDX-License-Identifier: Apache-2.0 */
/* The fake of the unit tests, as a machine like the lab's parent VM. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake-state.h"
#include "witness.h"

static struct fake_device *fake;
static const struct nec_device *device;

__attribute__((constructor)) static void make(void)
{
	static const struct fake_machine parent = {
		.nodes = 2,
		.cores = 4,
		.threads = 2,
		.threads_adjacent = true,
		.huge = { { 0, FAKE_2M, 256 }, { 0, FAKE_1G, 1 }, { 1, FAKE_2M, 2 } },
	};

	fake = fake_device_new(&parent);
	device = fake_device_get(fake);
}

__attribute__((destructor)) static void release(void)
{
	fake_device_free(fake);
}

static int open_device(int flags)
{
	(void)flags;
	return device->ops->open_device(device);
}

static int call(int fd, unsigned long request, void *argument)
{
	switch (request) {
	case NE_CREATE_VM:
		return device->ops->create_vm(device, fd, argument);
	case NE_ADD_VCPU:
		return device->ops->add_vcpu(device, fd, argument);
	case NE_GET_IMAGE_LOAD_INFO:
		return device->ops->get_image_load_info(device, fd, argument);
	case NE_SET_USER_MEMORY_REGION:
		return device->ops->set_memory_region(device, fd, argument);
	case NE_START_ENCLAVE:
		return device->ops->start(device, fd, argument);
	default:
		return -ENOTTY;
	}
}

static ssize_t write_parameter(const char *text, size_t size)
{
	int r = fake_device_set_pool(fake, text);

	return r < 0 ? r : (ssize_t)size;
}

static int open_file(const char *path)
{
	/* What was closed shows when the fake is asked for something. */
	(void)fake_device_slots(fake);
	return openat(device->root_fd, path + 1, O_RDONLY | O_CLOEXEC);
}

static bool exists(const char *path)
{
	return faccessat(device->root_fd, path + 1, F_OK, 0) == 0;
}

static void *map_pages(uint64_t page_bytes, size_t pages, int node)
{
	void *memory;
	int no_fd;

	if (device->ops->map_pages(device, page_bytes, pages, node, &memory, &no_fd) < 0)
		return NULL;
	for (size_t i = 0; i < pages; i++)
		if (device->ops->populate(device, (char *)memory + i * page_bytes, page_bytes) < 0)
			bail_out("huge pages cannot be had");
	return memory;
}

static void *map_backwards(size_t pages, int node)
{
	void *memory;

	fake_device_set_page_order(fake, FAKE_PAGES_DESCENDING);
	memory = map_pages(FAKE_2M, pages, node);
	fake_device_set_page_order(fake, FAKE_PAGES_ASCENDING);
	return memory;
}

static uint64_t physical(const void *address)
{
	struct fake_state *state = fake_enter(fake);
	struct fake_spot spot;
	uint64_t where = 0;

	if (fake_memory_find(state, (uintptr_t)address, &spot) == 0)
		where = fake_memory_physical(state, &spot);
	fake_leave(state);
	return where;
}

static void unmap_pages(void *address, uint64_t bytes)
{
	(void)device->ops->unmap_pages(device, address, bytes, -1);
}

static void end(uint64_t cid)
{
	(void)fake_device_event(fake, (uint32_t)cid, FAKE_STOPPED);
}

static bool refuse(const char *command, int number)
{
	static const struct {
		const char *name;
		enum fake_call call;
	} commands[] = {
		{ "SLOT_ALLOC", FAKE_SLOT_ALLOC },
		{ "SLOT_ADD_MEM", FAKE_SLOT_ADD_MEM },
		{ "SLOT_ADD_VCPU", FAKE_SLOT_ADD_VCPU },
		{ "ENCLAVE_START", FAKE_ENCLAVE_START },
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, command) == 0) {
			fake_device_refuse(fake, commands[i].call, 1, number);
			return true;
		}
	}
	return false;
}

const struct machine machine = {
	.name = "the fake of the unit tests",
	.open_device = open_device,
	.call = call,
	.write_pool = write_parameter,
	.open_file = open_file,
	.exists = exists,
	.map = map_pages,
	.map_backwards = map_backwards,
	.physical = physical,
	.unmap = unmap_pages,
	.end = end,
	.refuse = refuse,
};
