/* SPDX-License-Identifier: Apache-2.0 */
/* Free memory of a NUMA node, from sysfs and procfs. */
#include "allocator/node-memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Numbers are cut there, so that no sum overflows whatever the kernel claims. */
#define BYTES_MAX (UINT64_C(1) << 52)

/* The orders of buddyinfo: order n are pieces of 2^n pages. */
enum { ORDERS_MAX = 32 };

static uint64_t capped(uint64_t count, uint64_t bytes_each)
{
	return count > BYTES_MAX / bytes_each ? BYTES_MAX : count * bytes_each;
}

/* "MemFree:  123 kB", as "Node 0 MemFree: ..." on a node and at a line's start in /proc. */
static uint64_t find_amount(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? capped(strtoull(at + strlen(name), NULL, 10), 1024) : 0;
}

/* "Node 0, zone   Normal   8330  14334 ...", the pieces of each order. */
static uint64_t count_line(const char *line, uint64_t page_bytes)
{
	const char *at = strstr(line, "zone");
	uint64_t bytes = 0;

	if (!at)
		return 0;
	at += strlen("zone");
	at += strspn(at, " ");
	at += strcspn(at, " \n");
	for (unsigned int order = 0; order < ORDERS_MAX; order++) {
		char *end;
		uint64_t count;

		at += strspn(at, " ");
		if (*at < '0' || *at > '9')
			break;
		count = strtoull(at, &end, 10);
		at = end;
		if (page_bytes << order >= NEC_REGION_ALIGNMENT)
			bytes += capped(count, page_bytes << order);
	}
	return bytes;
}

static uint64_t find_contiguous(const char *text, int32_t node, uint64_t page_bytes)
{
	uint64_t bytes = 0;
	char start[32];

	(void)snprintf(start, sizeof(start), "Node %d,", node);
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, start, strlen(start)) == 0)
			bytes += count_line(line, page_bytes);
	}
	return bytes < BYTES_MAX ? bytes : BYTES_MAX;
}

int nec_node_memory_read(const struct nec_device *device, int32_t node, struct nec_node_memory *ret,
			 nec_error *err)
{
	cleanup_buffer struct nec_buffer meminfo = { 0 };
	cleanup_buffer struct nec_buffer buddyinfo = { 0 };
	char path[96];
	int r;

	(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	r = nec_device_read_optional(device, path, &meminfo, err);
	if (r == 0) /* without NUMA */
		r = nec_device_read_optional(device, "/proc/meminfo", &meminfo, err);
	if (r >= 0)
		r = nec_device_read_optional(device, "/proc/buddyinfo", &buddyinfo, err);
	if (r < 0)
		return r;
	ret->free_bytes = find_amount(nec_buffer_text(&meminfo), "MemFree:");
	ret->reclaimable_bytes = find_amount(nec_buffer_text(&meminfo), "Active(file):") +
				 find_amount(nec_buffer_text(&meminfo), "Inactive(file):");
	ret->contiguous_bytes =
		find_contiguous(nec_buffer_text(&buddyinfo), node, (uint64_t)sysconf(_SC_PAGESIZE));
	return 0;
}
