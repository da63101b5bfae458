/* SPDX-License-Identifier: Apache-2.0 */
/* NE_GET_IMAGE_LOAD_INFO and NE_SET_USER_MEMORY_REGION. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "witness.h"

enum { RUN_PAGES = 16 };

/* Of 2 MiB, on the pool's node. */
static uint64_t free_pages(void)
{
	char path[96];
	char text[32];

	(void)snprintf(path, sizeof(path),
		       "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/free_hugepages",
		       cpus.node);
	read_file(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

static int64_t ask_for_image(int fd)
{
	return image_offset(fd, NE_EIF_IMAGE);
}

void check_image_info(void)
{
	int fd = create();

	is(image_offset(fd, 0), -NE_ERR_INVALID_FLAG_VALUE, "no kind of image is 274");
	is(image_offset(fd, NE_IMAGE_LOAD_MAX_FLAG_VAL), -NE_ERR_INVALID_FLAG_VALUE,
	   "an unknown kind of image is 274");
	is(image_offset(fd, NE_EIF_IMAGE), 8 * (int64_t)MIB, "an EIF belongs at 8 MiB");
	is(in_child(ask_for_image, fd), 8 * (int64_t)MIB, "says the driver to a forked child, too");
	(void)close(fd);
}

/* Memory that is no huge page, at an address that could be one's. */
static char *map_small(void)
{
	char *memory =
		mmap(NULL, 2 * PAGE_2M, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bail_out("no memory");
	return memory + (-(uintptr_t)memory & (PAGE_2M - 1));
}

static int64_t add_odd_size(int fd)
{
	return add_region(fd, 0, PAGE_2M, 1);
}

static int64_t add_bad_flags(int fd)
{
	return add_region(fd, NE_MEMORY_REGION_MAX_FLAG_VAL, PAGE_2M, PAGE_2M);
}

/* Each is wrong in all that comes after it as well, as far as that can be. */
static void check_order(void)
{
	int fd = create();
	char *small = map_small();

	is(in_child(add_bad_flags, fd), -NE_ERR_INVALID_FLAG_VALUE,
	   "flags come before the process: 274");
	is(in_child(add_odd_size, fd), -EIO,
	   "a forked child cannot add memory: EIO, before the size");
	is(add_region(fd, 0, 4096, PAGE_2M + 4096), -NE_ERR_INVALID_MEM_REGION_SIZE,
	   "an odd size is 259, before the address");
	is(add_region(fd, 0, 4096, UINT64_C(1) << 63), -NE_ERR_UNALIGNED_MEM_REGION_ADDR,
	   "an odd address is 261, before the range");
	is(add_region(fd, 0, PAGE_2M, UINT64_C(1) << 63), -NE_ERR_INVALID_MEM_REGION_ADDR,
	   "what leaves user space is 260");
	is(add_region(fd, 0, UINT64_C(1) << 62, PAGE_2M), -NE_ERR_INVALID_MEM_REGION_ADDR,
	   "and so is what lies outside");
	is(add_memory(fd, small, 0), -ENOMEM, "no memory at all is ENOMEM");
	is(add_memory(fd, small, PAGE_2M), -NE_ERR_MEM_NOT_HUGE_PAGE, "small pages are 263");
	(void)munmap(small, PAGE_2M);
	is(add_memory(fd, small, PAGE_2M), -EFAULT, "what is not mapped is EFAULT");
	(void)close(fd);
}

static void check_transparent(void)
{
	int fd = create();
	char *memory = map_small();

	(void)madvise(memory, PAGE_2M, MADV_HUGEPAGE);
	*memory = 1;
	is(add_memory(fd, memory, PAGE_2M), -NE_ERR_MEM_NOT_HUGE_PAGE,
	   "transparent huge pages are none: 263");
	(void)close(fd);
}

static void check_overlap(void)
{
	int fd = create();
	char *memory = map(8);

	is(add_memory(fd, memory + 2 * PAGE_2M, 3 * PAGE_2M), 0, "huge pages can be added");
	is(add_memory(fd, memory + 2 * PAGE_2M, 3 * PAGE_2M), -NE_ERR_MEM_REGION_ALREADY_USED,
	   "once: 262");
	is(add_memory(fd, memory + 3 * PAGE_2M, PAGE_2M), -NE_ERR_MEM_REGION_ALREADY_USED,
	   "nor what lies within: 262");
	is(add_memory(fd, memory + PAGE_2M, 2 * PAGE_2M), -NE_ERR_MEM_REGION_ALREADY_USED,
	   "nor what reaches into it from below: 262");
	is(add_memory(fd, memory + 4 * PAGE_2M, 2 * PAGE_2M), -NE_ERR_MEM_REGION_ALREADY_USED,
	   "nor from above: 262");
	is(add_memory(fd, memory, 8 * PAGE_2M), -NE_ERR_MEM_REGION_ALREADY_USED,
	   "nor all around it: 262");
	is(add_memory(fd, memory, 2 * PAGE_2M), 0, "neighbours below can be added");
	is(add_memory(fd, memory + 5 * PAGE_2M, PAGE_2M), 0, "and above");
	(void)close(fd);
	unmap(memory, 8);
}

/* What fails before the device is asked has done nothing. */
static void check_hole(void)
{
	int fd;
	char *memory;
	uint64_t before = free_pages();

	if (!machine.is_kernel) {
		skip("the fake gives mappings back whole", "a hole behind huge pages");
		return;
	}
	fd = create();
	memory = map(2);
	(void)munmap(memory + PAGE_2M, PAGE_2M);
	is(add_memory(fd, memory, 2 * PAGE_2M), -EFAULT, "a hole behind huge pages is EFAULT");
	is(add_memory(fd, memory, PAGE_2M), 0, "and the pages before it can be added");
	(void)munmap(memory, PAGE_2M);
	(void)close(fd);
	is((int64_t)free_pages(), (int64_t)before, "nothing stays pinned");
}

static void check_pinning(void)
{
	int fd = create();
	uint64_t before = free_pages();
	char *memory = map(4);

	is(add_memory(fd, memory, 4 * PAGE_2M), 0, "four pages are added");
	unmap(memory, 4);
	is((int64_t)free_pages(), (int64_t)before - 4, "unmapped, they are still not free");
	is(close(fd), 0, "the enclave is closed");
	is((int64_t)free_pages(), (int64_t)before, "and they are");
}

static void *add_in_thread(void *argument)
{
	int *both = argument;
	char *memory = map(1);

	both[1] = add_memory(both[0], memory, PAGE_2M);
	unmap(memory, 1);
	return NULL;
}

static void check_thread(void)
{
	int both[2] = { create(), -1 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, add_in_thread, both) != 0)
		bail_out("no thread");
	(void)pthread_join(thread, NULL);
	is(both[1], 0, "another thread can add memory");
	(void)close(both[0]);
}

/* Only the device knows: the driver looks at the regions of one enclave. */
static void check_two_enclaves(void)
{
	int one = create();
	int other = create();
	char *memory = map(1);
	int r;

	is(add_memory(one, memory, PAGE_2M), 0, "an enclave gets a page");
	r = add_memory(other, memory, PAGE_2M);
	ok(r < 0 && r > -NE_ERR_VCPU_ALREADY_USED,
	   "another gets it not, but by the device's word: %d", r);
	is(add_memory(other, memory, PAGE_2M), -NE_ERR_MEM_REGION_ALREADY_USED,
	   "and yet it counts as that one's now: 262");
	(void)close(one);
	(void)close(other);
	unmap(memory, 1);
}

/* Adds pages one by one until that is refused; returns how many it took, and how it was refused. */
static size_t add_singly(int fd, const char *memory, size_t pages, int *ret)
{
	size_t added = 0;

	*ret = 0;
	while (added < pages && *ret == 0) {
		*ret = add_memory(fd, memory + added * PAGE_2M, PAGE_2M);
		added += *ret == 0 ? 1 : 0;
	}
	return added;
}

/* The regions that the driver makes of one call. */
static size_t count_runs(const char *memory, size_t pages)
{
	uint64_t next = 0;
	size_t runs = 0;

	for (size_t i = 0; i < pages; i++) {
		uint64_t at = machine.physical(memory + i * PAGE_2M);

		runs += i == 0 || at != next;
		next = at + PAGE_2M;
	}
	return runs;
}

/* What one call costs of the limit shows by what is left of it. */
static void check_runs(char *memory, size_t pages, size_t limit, const char *what)
{
	size_t runs = count_runs(memory, pages);
	char *singles = map(limit);
	int fd = create();
	int r;

	is(add_memory(fd, memory, pages * PAGE_2M), 0, "%s: %zu pages can be added", what, pages);
	is((int64_t)add_singly(fd, singles, limit, &r), (int64_t)(limit - runs),
	   "%s: and are the %zu regions that they are physically", what, runs);
	(void)close(fd);
	unmap(singles, limit);
	unmap(memory, pages);
}

/* Pages in separate calls are separate regions, neighbours or not. */
static void check_limit(void)
{
	int fd = create();
	size_t pages = (size_t)free_pages();
	char *memory = map(pages);
	int r;
	size_t limit = add_singly(fd, memory, pages, &r);

	(void)close(fd);
	unmap(memory, pages);
	if (r == 0 || pages < limit + RUN_PAGES) {
		skip("there are too few huge pages", "more than %zu regions", limit);
		return;
	}
	is(r, -NE_ERR_MEM_MAX_REGIONS, "more than %zu regions are 265", limit);
	check_runs(map(RUN_PAGES), RUN_PAGES, limit, "in ascending order");
	check_runs(machine.map_backwards(RUN_PAGES, cpus.node), RUN_PAGES, limit,
		   "a file's, in descending order");
}

/* A whole page is given even when less is asked for. */
static void check_gigabyte(void)
{
	char *memory = machine.map(PAGE_1G, 1, cpus.node);
	int fd;

	if (!memory) {
		skip("there is none", "a page of 1 GiB");
		return;
	}
	fd = create();
	is(add_memory(fd, memory + PAGE_2M, PAGE_2M), -NE_ERR_INVALID_PAGE_SIZE,
	   "the middle of a page of 1 GiB is 273");
	is(add_memory(fd, memory, PAGE_2M), 0, "2 MiB at its beginning can be added");
	add_core(fd, 0);
	ok(start(fd, 0, 0) > 3, "and they are enough for an enclave: all of it was given");
	(void)close(fd);
	machine.unmap(memory, PAGE_1G);
}

static void check_nodes(void)
{
	char *memory;
	int fd;

	if (!*cpus.other) {
		skip("there is one node", "memory of another node than the pool's");
		return;
	}
	fd = create();
	memory = machine.map(PAGE_2M, 1, cpus.other_node);
	if (!memory)
		bail_out("there is no huge page on node %d", cpus.other_node);
	is(add_memory(fd, memory, PAGE_2M), -NE_ERR_MEM_DIFFERENT_NUMA_NODE,
	   "memory of another node than the pool's is 264");
	machine.unmap(memory, PAGE_2M);
	memory = map(1);
	is(add_memory(fd, memory, PAGE_2M), 0, "and of the pool's it can be added");
	unmap(memory, 1);
	(void)close(fd);
}

void check_memory(void)
{
	set_pool(cpus.pool);
	check_order();
	check_transparent();
	check_overlap();
	check_hole();
	check_pinning();
	check_thread();
	check_two_enclaves();
	check_limit();
	check_gigabyte();
	check_nodes();
}
