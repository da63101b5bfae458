/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's rules for memory regions: NE_SET_USER_MEMORY_REGION. */
#include <errno.h>

#include "fake-state.h"

/* The end of user space on x86-64. */
#define TASK_SIZE ((UINT64_C(1) << 47) - 4096)

static int check_region(const struct fake_slot *slot, const struct ne_user_memory_region *region)
{
	uint64_t start = region->userspace_addr;
	uint64_t size = region->memory_size;

	if (region->flags >= NE_MEMORY_REGION_MAX_FLAG_VAL)
		return -NE_ERR_INVALID_FLAG_VALUE;
	if (slot->info.state != FAKE_INIT)
		return -NE_ERR_NOT_IN_INIT_STATE;
	if (slot->creator != getpid())
		return -EIO;
	if (size % FAKE_2M)
		return -NE_ERR_INVALID_MEM_REGION_SIZE;
	if (start % FAKE_2M)
		return -NE_ERR_UNALIGNED_MEM_REGION_ADDR;
	if (size > TASK_SIZE || start > TASK_SIZE - size)
		return -NE_ERR_INVALID_MEM_REGION_ADDR;
	for (uint32_t i = 0; i < slot->region_count; i++) {
		const struct fake_region *other = &slot->regions[i];

		if ((other->address <= start && start < other->address + other->bytes) ||
		    (start <= other->address && start + size > other->address))
			return -NE_ERR_MEM_REGION_ALREADY_USED;
	}
	/* An empty region has no pages to keep a list of, and that allocation fails. */
	return size == 0 ? -ENOMEM : 0;
}

/* One physical run: what becomes one SLOT_ADD_MEM. */
struct run {
	uint64_t physical;
	uint64_t bytes;
};

struct pinning {
	struct run runs[FAKE_PAGES_MAX];
	uint32_t run_count;
	struct fake_spot pages[FAKE_PAGES_MAX];
	uint32_t page_count;
	uint64_t bytes;
};

static int pin_page(struct fake_state *state, uint64_t address, struct pinning *pinning)
{
	struct fake_spot spot;
	struct run *last = pinning->run_count ? &pinning->runs[pinning->run_count - 1] : NULL;
	const struct fake_page_row *row;
	uint64_t physical;
	int r = fake_memory_find(state, address, &spot);

	if (r == -ENOENT)
		return -NE_ERR_MEM_NOT_HUGE_PAGE;
	if (r < 0)
		return r;
	row = &state->rows[spot.row];
	/* In the middle of a huge page the driver finds a tail page, whose own size is 4 KiB. */
	if (row->page_bytes % FAKE_2M || spot.offset)
		return -NE_ERR_INVALID_PAGE_SIZE;
	if (state->pool_node >= 0 && row->node != (uint32_t)state->pool_node)
		return -NE_ERR_MEM_DIFFERENT_NUMA_NODE;
	physical = fake_memory_physical(state, &spot);
	if (last && last->physical + last->bytes == physical)
		last->bytes += row->page_bytes;
	else
		pinning->runs[pinning->run_count++] = (struct run){ physical, row->page_bytes };
	pinning->pages[pinning->page_count++] = spot;
	pinning->bytes += row->page_bytes;
	return 0;
}

static bool owned_by_other(const struct fake_state *state, const struct fake_slot *slot,
			   const struct pinning *pinning)
{
	for (uint32_t i = 0; i < pinning->page_count; i++) {
		const struct fake_spot *spot = &pinning->pages[i];

		if (state->rows[spot->row].pages[spot->page].pins >
		    slot->pinned[spot->row][spot->page])
			return true;
	}
	return false;
}

/* From here on nothing is undone, whatever the device says. */
static int donate(struct fake_state *state, struct fake_slot *slot, const struct pinning *pinning,
		  const struct ne_user_memory_region *region)
{
	bool others = owned_by_other(state, slot, pinning);

	if (slot->region_count == FAKE_REGIONS_MAX)
		fake_die("too many calls of set_memory_region()");
	slot->regions[slot->region_count++] = (struct fake_region){
		.address = region->userspace_addr,
		.bytes = region->memory_size,
		.donated = pinning->bytes,
	};
	for (uint32_t i = 0; i < pinning->page_count; i++) {
		const struct fake_spot *spot = &pinning->pages[i];

		slot->pinned[spot->row][spot->page] = true;
		state->rows[spot->row].pages[spot->page].pins++;
	}
	for (uint32_t i = 0; i < pinning->run_count; i++) {
		int r = fake_count(state, FAKE_SLOT_ADD_MEM);

		if (r < 0 || others)
			return r < 0 ? r : -EBUSY;
		slot->info.regions++;
		slot->info.memory_bytes += pinning->runs[i].bytes;
	}
	return 0;
}

static int set_region(struct fake_state *state, int enclave_fd,
		      const struct ne_user_memory_region *region, struct pinning *pinning)
{
	struct fake_slot *slot;
	int r = fake_driver_find(state, enclave_fd, &slot);

	if (r == 0)
		r = check_region(slot, region);
	while (r == 0 && pinning->bytes < region->memory_size)
		r = pin_page(state, region->userspace_addr + pinning->bytes, pinning);
	if (r < 0)
		return r;
	if (slot->info.regions + pinning->run_count > state->region_limit)
		return -NE_ERR_MEM_MAX_REGIONS;
	return donate(state, slot, pinning, region);
}

int fake_driver_set_memory_region(const struct nec_device *device, int enclave_fd,
				  const struct ne_user_memory_region *region)
{
	cleanup_free struct pinning *pinning = calloc(1, sizeof(*pinning));
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_SET_MEMORY_REGION);

	if (!pinning)
		fake_die("no memory");
	if (r == 0)
		r = set_region(state, enclave_fd, region, pinning);
	fake_leave(state);
	return r;
}
