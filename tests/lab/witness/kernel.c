/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own driver. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "witness.h"

static int open_device(int flags)
{
	int fd = open("/dev/nitro_enclaves", flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int call(int fd, unsigned long request, void *argument)
{
	int r = ioctl(fd, request, argument);

	return r < 0 ? -errno : r;
}

static ssize_t write_parameter(const char *text, size_t size)
{
	int fd = open(NE_CPUS, O_WRONLY | O_CLOEXEC);
	ssize_t r;

	if (fd < 0)
		bail_out("%s cannot be opened: %d", NE_CPUS, errno);
	r = write(fd, text, size);
	r = r < 0 ? -errno : r;
	(void)close(fd);
	return r;
}

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* A mapping has pages of one node only; a kernel without nodes does not know the call. */
static bool bind_to(void *memory, uint64_t bytes, int node)
{
	unsigned long nodes = 1UL << node;

	return syscall(SYS_mbind, memory, bytes, MPOL_BIND, &nodes, 8 * sizeof(nodes), 0) == 0 ||
	       errno == ENOSYS;
}

/* Memory that is there before a child could copy it, and that no child gets; else NULL. */
static void *settle(void *memory, uint64_t bytes, int node)
{
	if (memory == MAP_FAILED)
		return NULL;
	if (bind_to(memory, bytes, node) && madvise(memory, bytes, MADV_POPULATE_WRITE) == 0 &&
	    madvise(memory, bytes, MADV_DONTFORK) == 0)
		return memory;
	(void)munmap(memory, bytes);
	return NULL;
}

static void *map_pages(uint64_t page_bytes, size_t pages, int node)
{
	int size = __builtin_ctzll(page_bytes) << MAP_HUGE_SHIFT;
	void *memory = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size, -1, 0);

	return settle(memory, pages * page_bytes, node);
}

/* A file's pages, which come in ascending order as far as they can, from the last to the first. */
static void *map_backwards(size_t pages, int node)
{
	uint64_t bytes = pages * PAGE_2M;
	int file = memfd_create("witness", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	char *forwards;
	char *memory;

	if (file < 0 || ftruncate(file, (off_t)bytes) < 0)
		bail_out("no file of huge pages: %d", errno);
	forwards =
		settle(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), bytes, node);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	for (size_t i = 0; forwards && memory != MAP_FAILED && i < pages; i++)
		(void)mmap(memory + i * PAGE_2M, PAGE_2M, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, file, (off_t)((pages - 1 - i) * PAGE_2M));
	(void)close(file);
	if (forwards)
		(void)munmap(forwards, bytes);
	return forwards ? settle(memory, bytes, node) : NULL;
}

static uint64_t physical(const void *address)
{
	const uint64_t frame = (UINT64_C(1) << 55) - 1;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	(void)!pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)address / 4096 * sizeof(entry)));
	(void)close(fd);
	return (entry & frame) * 4096;
}

static void unmap_pages(void *address, uint64_t bytes)
{
	(void)munmap(address, bytes);
}

/* Nobody has to: what is no image does not live long. */
static void end(uint64_t cid)
{
	(void)cid;
}

/* Whoever runs us tells the hypervisor, and us what it answered. */
static bool refuse(const char *command, int number)
{
	char answer[256] = "";

	(void)printf("control: fault %s error %d\n", command, number);
	(void)fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && strstr(answer, "\"ok\":true");
}

const struct machine machine = {
	.name = "the kernel's driver",
	.is_kernel = true,
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
