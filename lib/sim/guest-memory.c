/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping the guest's memory and looking addresses up in it. */
#include "sim/guest-memory.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"

static int check_region(const struct nec_guest_region *region, int fd, nec_error *err)
{
	struct stat st;
	uint64_t end;

	if (region->size == 0 || __builtin_add_overflow(region->guest_addr, region->size, &end) ||
	    __builtin_add_overflow(region->user_addr, region->size, &end) ||
	    __builtin_add_overflow(region->mmap_offset, region->size, &end) || end > INT64_MAX)
		return nec_error_set(err, NEC_E_SYSTEM, -EINVAL,
				     "guest memory of %" PRIu64 " bytes at 0x%" PRIx64
				     " wraps around",
				     region->size, region->guest_addr);
	/* Touching a mapping beyond the end of its file would kill us with SIGBUS. */
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < end)
		return nec_error_set(err, NEC_E_SYSTEM, -EINVAL,
				     "guest memory at 0x%" PRIx64 " reaches beyond its file",
				     region->guest_addr);
	return 0;
}

static bool overlaps(const struct nec_guest_memory *memory, const struct nec_guest_region *region)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct nec_guest_region *other = &memory->regions[i];

		if (region->guest_addr < other->guest_addr + other->size &&
		    other->guest_addr < region->guest_addr + region->size)
			return true;
	}
	return false;
}

static int map_region(struct nec_guest_memory *memory, const struct nec_guest_region *region,
		      int fd, nec_error *err)
{
	struct nec_guest_region *slot = &memory->regions[memory->count];
	void *mapping;
	int r;

	r = check_region(region, fd, err);
	if (r < 0)
		return r;
	if (overlaps(memory, region))
		return nec_error_set(err, NEC_E_SYSTEM, -EINVAL,
				     "guest memory at 0x%" PRIx64 " is given twice",
				     region->guest_addr);
	mapping = mmap(NULL, region->size + region->mmap_offset, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	if (mapping == MAP_FAILED)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
					    "cannot map %" PRIu64 " bytes of guest memory",
					    region->size);
	*slot = *region;
	slot->mapping = mapping;
	memory->count++;
	return 0;
}

int nec_guest_memory_map(struct nec_guest_memory *memory, const struct nec_guest_region *regions,
			 const int *fds, size_t count, nec_error *err)
{
	int r = 0;

	*memory = (struct nec_guest_memory){ 0 };
	if (count > NEC_GUEST_MAX_REGIONS)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EINVAL,
				     "%zu regions of guest memory, at most %d are possible", count,
				     NEC_GUEST_MAX_REGIONS);
	for (size_t i = 0; i < count && r == 0; i++)
		r = map_region(memory, &regions[i], fds[i], err);
	if (r < 0)
		nec_guest_memory_unmap(memory);
	return r;
}

void nec_guest_memory_unmap(struct nec_guest_memory *memory)
{
	for (size_t i = 0; i < memory->count; i++) {
		struct nec_guest_region *region = &memory->regions[i];

		(void)munmap(region->mapping, region->size + region->mmap_offset);
	}
	*memory = (struct nec_guest_memory){ 0 };
}

static void *at(const struct nec_guest_region *region, uint64_t start, uint64_t address,
		uint64_t size)
{
	uint64_t offset = address - start;

	if (address < start || offset > region->size || size > region->size - offset)
		return NULL;
	return region->mapping + region->mmap_offset + offset;
}

void *nec_guest_memory_at(const struct nec_guest_memory *memory, uint64_t guest_addr, uint64_t size)
{
	void *found = NULL;

	for (size_t i = 0; i < memory->count && !found; i++)
		found = at(&memory->regions[i], memory->regions[i].guest_addr, guest_addr, size);
	return found;
}

void *nec_guest_memory_at_user(const struct nec_guest_memory *memory, uint64_t user_addr,
			       uint64_t size)
{
	void *found = NULL;

	for (size_t i = 0; i < memory->count && !found; i++)
		found = at(&memory->regions[i], memory->regions[i].user_addr, user_addr, size);
	return found;
}
