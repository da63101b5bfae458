/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the fake's sysfs and procfs that the kernel acts on when they are written: the
 * number of huge pages, memory compaction, the driver's pool.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "fake-state.h"

#define PARAMETER "/sys/module/nitro_enclaves/parameters/ne_cpus"

/* Above that the kernel keeps no lists of free pieces, and has to look for them. */
#define LISTED_BYTES (4 * FAKE_MIB)

/* ---- memory ---- */

static void write_memory(const struct fake_state *state, uint32_t node)
{
	const struct fake_memory *memory = &state->memory[node];
	char path[96];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
	if (state->machine.no_numa)
		(void)snprintf(path, sizeof(path), "/proc/meminfo");
	fake_machine_write(state, path,
			   "Node %u MemFree: %llu kB\nNode %u Active(file): 0 kB\n"
			   "Node %u Inactive(file): %llu kB\n",
			   node, memory->free_mib * 1024ULL, node, node,
			   memory->cache_mib * 1024ULL);
}

static void write_pieces(const struct fake_state *state)
{
	char text[1024] = "";
	size_t used = 0;

	/* Order 9 are 2 MiB. */
	for (uint32_t node = 0; node < FAKE_NODES_MAX; node++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "Node %u, zone Normal 7 0 0 0 0 0 0 0 0 %u 0\n", node,
					 state->memory[node].contiguous_mib / 2);
	fake_machine_write(state, "/proc/buddyinfo", "%s", text);
}

void fake_device_set_memory(struct fake_device *fake, uint32_t node,
			    const struct fake_memory *memory)
{
	struct fake_state *state = fake_enter(fake);

	if (node >= FAKE_NODES_MAX)
		fake_die("no node %u", node);
	state->memory[node] = *memory;
	state->memory_known = true;
	write_memory(state, node);
	write_pieces(state);
	fake_leave(state);
}

struct fake_memory fake_device_get_memory(struct fake_device *fake, uint32_t node)
{
	return fake->state->memory[node];
}

/* Takes the memory of one page from the node. */
static bool take_memory(struct fake_memory *memory, uint64_t page_bytes)
{
	uint32_t mib = (uint32_t)(page_bytes / FAKE_MIB);

	if (page_bytes > LISTED_BYTES ? memory->big_pages == 0 : memory->contiguous_mib < mib)
		return false;
	if (memory->free_mib + memory->cache_mib < mib)
		return false;
	if (page_bytes > LISTED_BYTES)
		memory->big_pages--;
	else
		memory->contiguous_mib -= mib;
	if (memory->free_mib < mib) {
		memory->cache_mib -= mib - memory->free_mib;
		memory->free_mib = mib;
	}
	memory->free_mib -= mib;
	if (memory->contiguous_mib > memory->free_mib + memory->cache_mib)
		memory->contiguous_mib = memory->free_mib + memory->cache_mib;
	return true;
}

static void give_memory(struct fake_memory *memory, uint64_t page_bytes)
{
	uint32_t mib = (uint32_t)(page_bytes / FAKE_MIB);

	memory->free_mib += mib;
	memory->contiguous_mib += mib;
	if (page_bytes > LISTED_BYTES)
		memory->big_pages++;
}

/* ---- the number of huge pages ---- */

static struct fake_page *add_place(struct fake_page_row *row)
{
	for (uint32_t i = 0; i < row->count; i++)
		if (row->pages[i].absent)
			return &row->pages[i];
	if (row->count == FAKE_PAGES_MAX)
		fake_die("too many pages");
	return &row->pages[row->count++];
}

static void raise_count(struct fake_state *state, struct fake_page_row *row, uint64_t pages)
{
	struct fake_memory *memory = &state->memory[row->node];
	uint32_t made = 0;

	/* What is in use beyond the number becomes part of it first. */
	while (pages > 0 && row->surplus > 0) {
		row->surplus--;
		pages--;
	}
	while (pages > 0 && take_memory(memory, row->page_bytes)) {
		*add_place(row) = (struct fake_page){ 0 };
		pages--;
		if (++made == memory->pages_a_write)
			break;
	}
}

/* Pages that are in use, or promised on the whole machine, are not freed but called surplus. */
static void lower_count(struct fake_state *state, struct fake_page_row *row, uint64_t pages)
{
	uint64_t all_free = fake_memory_count_all_free(state, row->page_bytes);
	uint64_t promised = fake_memory_count_promised(state, row->page_bytes);
	uint64_t unpromised = all_free > promised ? all_free - promised : 0;

	for (uint32_t i = row->count; i > 0 && pages > 0 && unpromised > 0; i--) {
		struct fake_page *page = &row->pages[i - 1];

		if (!fake_memory_is_free(page))
			continue;
		page->absent = true;
		give_memory(&state->memory[row->node], row->page_bytes);
		pages--;
		unpromised--;
	}
	row->surplus += (uint32_t)pages;
}

static int set_count(struct fake_state *state, struct fake_page_row *row, const char *text)
{
	uint64_t present = fake_memory_count(row) - row->surplus;
	char *end;
	uint64_t wanted = strtoull(text, &end, 10);

	if (end == text || (*end != '\0' && strcmp(end, "\n") != 0))
		return -EINVAL;
	if (wanted > present)
		raise_count(state, row, wanted - present);
	else
		lower_count(state, row, present - wanted);
	fake_machine_update_pages(state);
	write_memory(state, row->node);
	write_pieces(state);
	return 0;
}

static struct fake_page_row *find_row(struct fake_state *state, const char *path)
{
	for (uint32_t i = 0; i < state->row_count; i++) {
		struct fake_page_row *row = &state->rows[i];
		char file[160];

		(void)snprintf(file, sizeof(file),
			       "/sys/devices/system/node/node%u/hugepages/hugepages-%" PRIu64
			       "kB/nr_hugepages",
			       row->node, row->page_bytes / 1024);
		if (state->machine.no_numa)
			(void)snprintf(file, sizeof(file),
				       "/sys/kernel/mm/hugepages/hugepages-%" PRIu64
				       "kB/nr_hugepages",
				       row->page_bytes / 1024);
		if (strcmp(path, file) == 0)
			return row;
	}
	return NULL;
}

/* ---- compaction ---- */

static void compact(struct fake_state *state, uint32_t node)
{
	struct fake_memory *memory = &state->memory[node];
	uint32_t all = memory->free_mib + memory->cache_mib;

	if (memory->late_compaction > 0) {
		memory->late_compaction--;
		return;
	}
	memory->contiguous_mib += memory->compaction_mib;
	if (memory->contiguous_mib > all)
		memory->contiguous_mib = all;
	write_pieces(state);
}

static bool is_compaction(const char *path, uint32_t node)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "/sys/devices/system/node/node%u/compact", node);
	return strcmp(path, file) == 0;
}

/* ---- the seam ---- */

static int write_file(struct fake_state *state, const char *path, const char *text)
{
	struct fake_page_row *row = find_row(state, path);
	int r;

	if (row)
		return set_count(state, row, text);
	for (uint32_t node = 0; node < FAKE_NODES_MAX; node++)
		if (is_compaction(path, node)) {
			compact(state, node);
			return 0;
		}
	if (strcmp(path, PARAMETER) == 0 && !state->machine.no_driver) {
		r = fake_machine_set_pool(state, text);
		if (r != -EPERM)
			fake_machine_update_cpus(state);
		return r;
	}
	return -ENOENT;
}

int fake_kernel_write(const struct nec_device *device, const char *path, const char *text)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_WRITE_TEXT);

	if (r == -FAKE_POOL_LOST) {
		(void)write_file(state, PARAMETER, "\n");
		r = -EBUSY;
	}
	if (r == 0 && state->no_rights)
		r = -EACCES;
	if (r == 0)
		r = write_file(state, path, text);
	fake_leave(state);
	return r;
}

int fake_kernel_check_rights(const struct nec_device *device)
{
	return fake_of(device)->state->no_rights ? -EPERM : 0;
}

int fake_kernel_load_driver(const struct nec_device *device, const nec_context *context,
			    nec_error *err)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_LOAD_DRIVER);

	(void)context;
	if (r == 0) {
		state->machine.no_driver = false;
		fake_machine_update_cpus(state);
		fake_machine_make_device(state);
	}
	fake_leave(state);
	if (r < 0)
		return nec_error_set(err, NEC_E_DRIVER_MISSING, r,
				     "the fake does not load the driver");
	return 0;
}

void fake_device_set_rights(struct fake_device *fake, bool rights)
{
	fake->state->no_rights = !rights;
}

void fake_device_set_late_device(struct fake_device *fake, bool late)
{
	fake->state->late_device = late;
}
