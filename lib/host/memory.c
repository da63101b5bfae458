/* SPDX-License-Identifier: Apache-2.0 */
/* Taking huge pages: mapping, making them present, giving them back. */
#include "host/memory.h"

#include <sys/file.h>
#include <time.h>

#include "base/error.h"
#include "base/parallel.h"
#include "host/topology.h"

/* Two launches can lose to each other a few times, not for ever. */
enum { TAKE_ATTEMPTS = 8 };

enum { LOCK_PATIENCE_MSEC = 1000 };

static const struct nec_memory_mapping *find_page(const struct nec_memory *memory, uint64_t page,
						  void **ret_address)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct nec_memory_mapping *mapping = &memory->mappings[i];

		if (page < mapping->pages) {
			*ret_address = (char *)mapping->address + page * mapping->page_bytes;
			return mapping;
		}
		page -= mapping->pages;
	}
	return NULL;
}

static int64_t populate_page(void *userdata, uint64_t page, nec_error *err)
{
	const struct nec_memory *memory = userdata;
	const struct nec_memory_mapping *mapping;
	void *address;
	int r;

	mapping = find_page(memory, page, &address);
	r = memory->device->ops->populate(memory->device, address, mapping->page_bytes);
	if (r == -ENOMEM)
		return nec_error_set(err, NEC_E_HUGEPAGES_EXHAUSTED, r,
				     "NUMA node %d ran out of huge pages of %llu MiB", memory->node,
				     (unsigned long long)(mapping->page_bytes >> 20));
	if (r < 0)
		return nec_error_set_system(err, NEC_E_HUGEPAGES_MAP, r,
					    "cannot make huge pages on NUMA node %d present",
					    memory->node);
	return (int64_t)mapping->page_bytes;
}

int nec_memory_populate(struct nec_memory *memory, const nec_context *context, nec_error *err)
{
	struct nec_progress progress;
	uint64_t pages = 0;
	int r;

	for (size_t i = 0; i < memory->count; i++)
		pages += memory->mappings[i].pages;
	nec_progress_start(&progress, context, "memory", memory->bytes);
	r = nec_parallel_run(pages, populate_page, memory, &progress, err);
	if (r == -ENOMEM)
		return nec_error_prefix(err, r, "after %llu of %llu MiB",
					(unsigned long long)(progress.done >> 20),
					(unsigned long long)(memory->bytes >> 20));
	if (r >= 0)
		nec_progress_finish(&progress);
	return r;
}

static int map_part(struct nec_memory *memory, const struct nec_memory_part *part, nec_error *err)
{
	struct nec_memory_mapping mapping = { .page_bytes = part->page_bytes,
					      .pages = part->pages };
	int r = memory->device->ops->map_pages(memory->device, part->page_bytes, part->pages,
					       memory->node, &mapping.address, &mapping.fd);

	if (r < 0)
		return nec_error_set_system(
			err, r == -ENOMEM ? NEC_E_HUGEPAGES_EXHAUSTED : NEC_E_HUGEPAGES_MAP, r,
			"cannot map %llu huge pages of %llu MiB on NUMA node %d",
			(unsigned long long)part->pages,
			(unsigned long long)(part->page_bytes >> 20), memory->node);
	memory->mappings[memory->count++] = mapping;
	memory->bytes += nec_memory_mapping_bytes(&mapping);
	return 0;
}

int nec_memory_map(const struct nec_device *device, const struct nec_memory_plan *plan,
		   struct nec_memory *ret, nec_error *err)
{
	cleanup_memory struct nec_memory memory = { .device = device, .node = plan->node };

	for (size_t i = 0; i < plan->count; i++) {
		int r = map_part(&memory, &plan->parts[i], err);

		if (r < 0)
			return r;
	}
	*ret = memory;
	memory.count = 0;
	return 0;
}

static int plan_and_map(const struct nec_device *device, int32_t node, uint64_t bytes,
			struct nec_memory *ret, nec_error *err)
{
	cleanup_hugepages struct nec_hugepage_table table = { 0 };
	struct nec_memory_plan plan;
	struct nec_cpuset nodes;
	int r = nec_topology_read_nodes(device, &nodes, err);

	if (r >= 0)
		r = nec_hugepages_read(device, &nodes, &table, err);
	if (r >= 0)
		r = nec_memory_plan(&table, node, bytes, &plan, err);
	/* Planning again would not find more. */
	if (r < 0)
		return r == -ENOMEM ? -ENOSPC : r;
	return nec_memory_map(device, &plan, ret, err);
}

/*
 * Waits for its turn, but not for ever: whoever holds the lock only maps, which takes no time,
 * unless it was stopped in the middle. Then a race is the smaller evil.
 */
static void lock_device(int lock_fd)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < LOCK_PATIENCE_MSEC; i++) {
		if (lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

static int take_once(const struct nec_device *device, const nec_context *context, int lock_fd,
		     int32_t node, uint64_t bytes, struct nec_memory *ret, nec_error *err)
{
	cleanup_memory struct nec_memory memory = { 0 };
	int r;

	lock_device(lock_fd);
	r = plan_and_map(device, node, bytes, &memory, err);
	if (lock_fd >= 0)
		(void)flock(lock_fd, LOCK_UN);
	if (r >= 0)
		r = nec_memory_populate(&memory, context, err);
	if (r < 0)
		return r;
	*ret = memory;
	memory.count = 0;
	return 0;
}

int nec_memory_take(const struct nec_device *device, const nec_context *context, int lock_fd,
		    int32_t node, uint64_t bytes, struct nec_memory *ret, nec_error *err)
{
	nec_error last = NEC_ERROR_INIT;
	int r;

	for (int attempt = 1; attempt <= TAKE_ATTEMPTS; attempt++) {
		r = take_once(device, context, lock_fd, node, bytes, ret, &last);
		if (r != -ENOMEM)
			break;
		nec_log(context, "attempt %d: %s", attempt, last.message);
	}
	if (r < 0 && err)
		*err = last;
	return r == -ENOSPC ? -ENOMEM : r;
}

int nec_memory_release(struct nec_memory *memory)
{
	int r = 0;

	while (memory->count > 0) {
		const struct nec_memory_mapping *mapping = &memory->mappings[--memory->count];

		if (memory->device->ops->unmap_pages(memory->device, mapping->address,
						     nec_memory_mapping_bytes(mapping),
						     mapping->fd) < 0)
			r = -EBUSY;
	}
	memory->bytes = 0;
	return r;
}
