/* SPDX-License-Identifier: Apache-2.0 */
/* The fake's huge pages: plain memory, and an account of pages by node and size. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fake-state.h"

#define SYSFS_ALL_NODES "/sys/kernel/mm/hugepages"

bool fake_memory_is_free(const struct fake_page *page)
{
	return !page->absent && !page->mapping && !page->pins && !page->taken;
}

uint32_t fake_memory_count_free(const struct fake_page_row *row)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < row->count; i++)
		count += fake_memory_is_free(&row->pages[i]);
	return count;
}

uint32_t fake_memory_count(const struct fake_page_row *row)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < row->count; i++)
		count += !row->pages[i].absent;
	return count;
}

/* Pages of a size that mappings will want when they are touched. */
uint64_t fake_memory_count_promised(const struct fake_state *state, uint64_t page_bytes)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < state->row_count; i++)
		if (state->rows[i].page_bytes == page_bytes)
			count += state->rows[i].promised;
	for (size_t i = 0; i < FAKE_MAPPINGS_MAX; i++)
		if (state->mappings[i].pid && state->mappings[i].page_bytes == page_bytes)
			count += state->mappings[i].count - state->mappings[i].present;
	return count;
}

uint64_t fake_memory_count_all_free(const struct fake_state *state, uint64_t page_bytes)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < state->row_count; i++)
		if (state->rows[i].page_bytes == page_bytes)
			count += fake_memory_count_free(&state->rows[i]);
	return count;
}

static void write_count(const struct fake_state *state, const char *folder, uint64_t page_bytes,
			const char *file, uint64_t count)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/hugepages-%llukB/%s", folder,
		       (unsigned long long)(page_bytes / 1024), file);
	/* Always of one length, so that a reader never sees half of it. */
	fake_machine_write(state, path, "%-20llu\n", (unsigned long long)count);
}

static void update_all_nodes(const struct fake_state *state, uint64_t page_bytes)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < state->row_count; i++)
		if (state->rows[i].page_bytes == page_bytes)
			total += fake_memory_count(&state->rows[i]);
	write_count(state, SYSFS_ALL_NODES, page_bytes, "nr_hugepages", total);
	write_count(state, SYSFS_ALL_NODES, page_bytes, "free_hugepages",
		    fake_memory_count_all_free(state, page_bytes));
	write_count(state, SYSFS_ALL_NODES, page_bytes, "resv_hugepages",
		    fake_memory_count_promised(state, page_bytes));
}

void fake_machine_update_pages(const struct fake_state *state)
{
	for (uint32_t i = 0; i < state->row_count; i++) {
		const struct fake_page_row *row = &state->rows[i];
		char folder[96];

		update_all_nodes(state, row->page_bytes);
		if (state->machine.no_numa)
			continue;
		(void)snprintf(folder, sizeof(folder), "/sys/devices/system/node/node%u/hugepages",
			       row->node);
		write_count(state, folder, row->page_bytes, "nr_hugepages", fake_memory_count(row));
		write_count(state, folder, row->page_bytes, "free_hugepages",
			    fake_memory_count_free(row));
		write_count(state, folder, row->page_bytes, "surplus_hugepages", row->surplus);
	}
}

static bool has_size(const struct fake_state *state, uint64_t page_bytes)
{
	for (uint32_t i = 0; i < state->row_count; i++)
		if (state->rows[i].page_bytes == page_bytes)
			return true;
	return false;
}

/* Address space that begins at a multiple of the page size, as hugetlb mappings do. */
static void *map_aligned(uint64_t bytes, uint64_t alignment)
{
	char *whole = mmap(NULL, bytes + alignment, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t head;

	if (whole == MAP_FAILED)
		fake_die("no address space");
	head = -(uintptr_t)whole & (alignment - 1);
	if (head)
		(void)munmap(whole, head);
	if (alignment - head)
		(void)munmap(whole + head + bytes, alignment - head);
	(void)madvise(whole + head, bytes, MADV_DONTFORK);
	return whole + head;
}

static int map(struct fake_state *state, uint64_t page_bytes, uint64_t count, int node, void **ret)
{
	size_t i = 0;

	if (!has_size(state, page_bytes))
		return -EINVAL;
	/* Reserved on the machine, not on the node: what the node cannot give shows later. */
	if (fake_memory_count_all_free(state, page_bytes) <
	    fake_memory_count_promised(state, page_bytes) + count)
		return -ENOMEM;
	while (i < FAKE_MAPPINGS_MAX && state->mappings[i].pid)
		i++;
	if (i == FAKE_MAPPINGS_MAX)
		fake_die("too many mappings");
	*ret = map_aligned(page_bytes * count, page_bytes);
	state->mappings[i] = (struct fake_mapping){
		.pid = getpid(),
		.address = (uintptr_t)*ret,
		.page_bytes = page_bytes,
		.count = count,
		.node = node,
	};
	fake_machine_update_pages(state);
	return 0;
}

int fake_memory_map(const struct nec_device *device, uint64_t page_bytes, uint64_t count, int node,
		    void **ret, int *ret_fd)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_MAP_PAGES);

	if (r == 0)
		r = map(state, page_bytes, count, node, ret);
	/* It knows by itself who has which page. */
	*ret_fd = -1;
	fake_leave(state);
	return r;
}

static struct fake_mapping *find_mapping(struct fake_state *state, uint64_t address)
{
	for (size_t i = 0; i < FAKE_MAPPINGS_MAX; i++) {
		struct fake_mapping *mapping = &state->mappings[i];

		if (mapping->pid == getpid() && address >= mapping->address &&
		    address - mapping->address < mapping->count * mapping->page_bytes)
			return mapping;
	}
	return NULL;
}

/* The next free page in the order in which this kernel hands them out; row->count for none. */
static uint32_t next_free(const struct fake_state *state, const struct fake_page_row *row)
{
	uint32_t half = (row->count + 1) / 2;

	for (uint32_t i = 0; i < row->count; i++) {
		uint32_t page = i;

		if (state->order == FAKE_PAGES_DESCENDING)
			page = row->count - 1 - i;
		if (state->order == FAKE_PAGES_SCATTERED)
			page = i < half ? 2 * i : 2 * (i - half) + 1;
		if (fake_memory_is_free(&row->pages[page]))
			return page;
	}
	return row->count;
}

static bool row_serves(const struct fake_state *state, const struct fake_page_row *row,
		       const struct fake_mapping *mapping)
{
	int node = state->misplaced_node >= 0 ? state->misplaced_node : mapping->node;

	return row->page_bytes == mapping->page_bytes &&
	       (node == NEC_NODE_ANY || row->node == (uint32_t)node);
}

/* Makes a page of the mapping present. */
static int fault(struct fake_state *state, struct fake_mapping *mapping, uint32_t index,
		 struct fake_spot *ret)
{
	for (uint32_t i = 0; i < state->row_count; i++) {
		struct fake_page_row *row = &state->rows[i];
		uint32_t page;

		if (!row_serves(state, row, mapping))
			continue;
		page = next_free(state, row);
		if (page == row->count)
			continue;
		row->pages[page].mapping = (uint16_t)(mapping - state->mappings + 1);
		row->pages[page].index = index;
		mapping->present++;
		/* The files follow at the end of a mapping: page by page would cost too much. */
		if (mapping->present == mapping->count)
			fake_machine_update_pages(state);
		*ret = (struct fake_spot){ .row = i, .page = page };
		return 0;
	}
	return -EFAULT;
}

static bool find_present(const struct fake_state *state, const struct fake_mapping *mapping,
			 uint32_t index, struct fake_spot *ret)
{
	uint16_t number = (uint16_t)(mapping - state->mappings + 1);

	for (uint32_t i = 0; i < state->row_count; i++) {
		const struct fake_page_row *row = &state->rows[i];

		if (row->page_bytes != mapping->page_bytes)
			continue;
		for (uint32_t page = 0; page < row->count; page++)
			if (row->pages[page].mapping == number && row->pages[page].index == index) {
				*ret = (struct fake_spot){ .row = i, .page = page };
				return true;
			}
	}
	return false;
}

int fake_memory_find(struct fake_state *state, uint64_t address, struct fake_spot *ret)
{
	struct fake_mapping *mapping = find_mapping(state, address);
	unsigned char present;
	uint32_t index;
	int r = 0;

	if (!mapping) {
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): as the driver gets it */
		void *page = (void *)(uintptr_t)(address & ~UINT64_C(4095));

		return mincore(page, 1, &present) < 0 ? -EFAULT : -ENOENT;
	}
	index = (uint32_t)((address - mapping->address) / mapping->page_bytes);
	if (!find_present(state, mapping, index, ret))
		r = fault(state, mapping, index, ret);
	ret->offset = (address - mapping->address) % mapping->page_bytes;
	return r;
}

uint64_t fake_memory_physical(const struct fake_state *state, const struct fake_spot *spot)
{
	/* Rows lie far apart, so that pages of different ones never look like neighbours. */
	return ((uint64_t)(spot->row + 1) << 44) + spot->page * state->rows[spot->row].page_bytes;
}

int fake_memory_populate(const struct nec_device *device, void *address, uint64_t page_bytes)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_POPULATE);
	bool touch = state->touch;
	struct fake_spot spot;

	if (r == 0 && !find_mapping(state, (uintptr_t)address))
		fake_die("populate() of memory that is not mapped");
	if (r == 0 && fake_memory_find(state, (uintptr_t)address, &spot) < 0)
		r = -ENOMEM;
	fake_leave(state);
	if (r == 0 && touch && madvise(address, page_bytes, MADV_POPULATE_WRITE) < 0)
		fake_die("no memory");
	return r;
}

static void forget_mapping(struct fake_state *state, struct fake_mapping *mapping)
{
	uint16_t number = (uint16_t)(mapping - state->mappings + 1);

	for (uint32_t i = 0; i < state->row_count; i++)
		for (uint32_t page = 0; page < state->rows[i].count; page++)
			if (state->rows[i].pages[page].mapping == number)
				state->rows[i].pages[page].mapping = 0;
	*mapping = (struct fake_mapping){ 0 };
	fake_machine_update_pages(state);
}

static bool is_pinned(const struct fake_state *state, const struct fake_mapping *mapping)
{
	uint16_t number = (uint16_t)(mapping - state->mappings + 1);

	for (uint32_t i = 0; i < state->row_count; i++)
		for (uint32_t page = 0; page < state->rows[i].count; page++)
			if (state->rows[i].pages[page].mapping == number &&
			    state->rows[i].pages[page].pins)
				return true;
	return false;
}

int fake_memory_unmap(const struct nec_device *device, void *address, uint64_t bytes, int fd)
{
	struct fake_state *state = fake_enter(fake_of(device));
	struct fake_mapping *mapping = find_mapping(state, (uintptr_t)address);
	bool pinned;

	(void)fd;
	(void)fake_count(state, FAKE_UNMAP_PAGES);
	if (!mapping || mapping->address != (uintptr_t)address ||
	    mapping->count * mapping->page_bytes != bytes)
		fake_die("unmap_pages() of something that map_pages() did not make");
	pinned = is_pinned(state, mapping);
	forget_mapping(state, mapping);
	(void)munmap(address, bytes);
	fake_leave(state);
	return pinned ? -EBUSY : 0;
}

/* A zombie has no memory any more; it may wait long for somebody who takes notice of it. */
static bool is_gone(pid_t pid)
{
	char path[32];
	char text[256] = "";
	const char *name_end;
	cleanup_close int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return kill(pid, 0) < 0 && errno == ESRCH;
	name_end = strrchr(text, ')');
	return name_end && strncmp(name_end, ") Z", 3) == 0;
}

void fake_memory_sweep(struct fake_state *state)
{
	for (size_t i = 0; i < FAKE_MAPPINGS_MAX; i++)
		if (state->mappings[i].pid && state->mappings[i].pid != getpid() &&
		    is_gone(state->mappings[i].pid))
			forget_mapping(state, &state->mappings[i]);
}

void fake_device_set_page_order(struct fake_device *fake, enum fake_page_order order)
{
	fake->state->order = order;
}

void fake_device_misplace_pages(struct fake_device *fake, int node)
{
	fake->state->misplaced_node = node;
}

void fake_device_touch_pages(struct fake_device *fake, bool touch)
{
	fake->state->touch = touch;
}

static struct fake_page_row *find_row(struct fake_state *state, uint32_t node, uint64_t page_bytes)
{
	for (uint32_t i = 0; i < state->row_count; i++)
		if (state->rows[i].node == node && state->rows[i].page_bytes == page_bytes)
			return &state->rows[i];
	fake_die("no huge pages of %llu bytes on node %u", (unsigned long long)page_bytes, node);
}

void fake_device_take_pages(struct fake_device *fake, uint32_t node, uint64_t page_bytes, int pages)
{
	struct fake_state *state = fake_enter(fake);
	struct fake_page_row *row = find_row(state, node, page_bytes);
	bool take = pages > 0;

	pages = take ? pages : -pages;
	for (uint32_t i = 0; i < row->count && pages > 0; i++)
		if (take ? fake_memory_is_free(&row->pages[i]) : row->pages[i].taken) {
			row->pages[i].taken = take;
			pages--;
		}
	if (pages)
		fake_die("not that many pages");
	fake_machine_update_pages(state);
	fake_leave(state);
}

void fake_device_promise_pages(struct fake_device *fake, uint64_t page_bytes, int pages)
{
	struct fake_state *state = fake_enter(fake);
	uint32_t i = 0;

	while (i < state->row_count && state->rows[i].page_bytes != page_bytes)
		i++;
	if (i == state->row_count)
		fake_die("no huge pages of that size");
	state->rows[i].promised += (uint32_t)pages;
	fake_machine_update_pages(state);
	fake_leave(state);
}

uint64_t fake_device_mapped_bytes(struct fake_device *fake)
{
	struct fake_state *state = fake_enter(fake);
	uint64_t bytes = 0;

	for (size_t i = 0; i < FAKE_MAPPINGS_MAX; i++)
		if (state->mappings[i].pid)
			bytes += state->mappings[i].count * state->mappings[i].page_bytes;
	fake_leave(state);
	return bytes;
}

uint32_t fake_device_free_pages(struct fake_device *fake, uint32_t node, uint64_t page_bytes)
{
	struct fake_state *state = fake_enter(fake);
	uint32_t count = fake_memory_count_free(find_row(state, node, page_bytes));

	fake_leave(state);
	return count;
}
