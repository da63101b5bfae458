/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own driver. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

static void read_file(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, size - 1);

	if (fd >= 0)
		(void)close(fd);
	while (n > 0 && strchr(" \t\r\n", to[n - 1]))
		n--;
	to[n > 0 ? n : 0] = '\0';
}

static void *map_pages(uint64_t page_bytes, size_t pages)
{
	int size = __builtin_ctzll(page_bytes) << MAP_HUGE_SHIFT;
	void *memory = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (madvise(memory, pages * page_bytes, MADV_POPULATE_WRITE) < 0 ||
	    madvise(memory, pages * page_bytes, MADV_DONTFORK) < 0)
		bail_out("huge pages cannot be had: %d", errno);
	return memory;
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

const struct machine machine = {
	.name = "the kernel's driver",
	.is_kernel = true,
	.open_device = open_device,
	.call = call,
	.write_pool = write_parameter,
	.read_file = read_file,
	.map = map_pages,
	.unmap = unmap_pages,
	.end = end,
};
