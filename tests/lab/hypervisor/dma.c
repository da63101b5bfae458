/* SPDX-License-Identifier: Apache-2.0 */
/* The parent VM's memory: a sorted table of ranges, each with a mapping that is counted. */
#include "dma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum { PAGE_BYTES = 4096 };

struct lab_dma_mapping {
	size_t users;
	uint8_t *bytes; /* NULL: not reachable */
	uint64_t size;
};

struct map {
	uint64_t address;
	uint64_t size;
	bool memory; /* reachable, to be read and written */
	struct lab_dma_mapping *mapping;
};

struct lab_dma {
	size_t count;
	struct map maps[LAB_DMA_MAX_MAPS]; /* by address */
};

struct lab_dma *lab_dma_new(void)
{
	return calloc(1, sizeof(struct lab_dma));
}

static void drop(struct lab_dma_mapping *mapping)
{
	if (--mapping->users > 0)
		return;
	if (mapping->bytes)
		(void)munmap(mapping->bytes, mapping->size);
	free(mapping);
}

void lab_dma_free(struct lab_dma *dma)
{
	if (!dma)
		return;
	lab_dma_unmap_all(dma);
	free(dma);
}

static bool is_whole_pages(const struct lab_dma_range *range)
{
	uint64_t end;

	return range->size > 0 &&
	       (range->address | range->size | range->offset) % PAGE_BYTES == 0 &&
	       !__builtin_add_overflow(range->address, range->size - 1, &end) &&
	       !__builtin_add_overflow(range->offset, range->size, &end) && end <= INT64_MAX;
}

/* Touching a mapping beyond the end of its file would kill us with SIGBUS. */
static bool is_in_file(const struct lab_dma_range *range, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size >= range->offset + range->size;
}

/* The first range that ends behind @address, which is where a new one there would be put. */
static size_t find(const struct lab_dma *dma, uint64_t address)
{
	size_t i = 0;

	while (i < dma->count && dma->maps[i].address + (dma->maps[i].size - 1) < address)
		i++;
	return i;
}

static int map_file(struct lab_dma_mapping *mapping, const struct lab_dma_range *range, int fd)
{
	int protection = PROT_READ | (range->flags & LAB_DMA_WRITE ? PROT_WRITE : 0);
	void *bytes;

	if (!is_in_file(range, fd))
		return -EINVAL;
	bytes = mmap(NULL, range->size, protection, MAP_SHARED, fd, (off_t)range->offset);
	if (bytes == MAP_FAILED)
		return -errno;
	mapping->bytes = bytes;
	return 0;
}

static int make_mapping(const struct lab_dma_range *range, int fd, struct lab_dma_mapping **ret)
{
	cleanup_free struct lab_dma_mapping *mapping = calloc(1, sizeof(*mapping));
	int r;

	if (!mapping)
		return -ENOMEM;
	mapping->users = 1;
	mapping->size = range->size;
	r = fd < 0 ? 0 : map_file(mapping, range, fd);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(mapping);
	return 0;
}

int lab_dma_map(struct lab_dma *dma, const struct lab_dma_range *range, int fd)
{
	const uint32_t both = LAB_DMA_READ | LAB_DMA_WRITE;
	struct lab_dma_mapping *mapping = NULL;
	size_t at;
	int r;

	if (!is_whole_pages(range) || (range->flags & ~both))
		return -EINVAL;
	at = find(dma, range->address);
	if (at < dma->count && dma->maps[at].address <= range->address + (range->size - 1))
		return -EEXIST;
	if (dma->count == LAB_DMA_MAX_MAPS)
		return -ENOSPC;
	r = make_mapping(range, fd, &mapping);
	if (r < 0)
		return r;
	memmove(&dma->maps[at + 1], &dma->maps[at], (dma->count - at) * sizeof(dma->maps[0]));
	dma->maps[at] = (struct map){
		.address = range->address,
		.size = range->size,
		.memory = mapping->bytes && range->flags == both,
		.mapping = mapping,
	};
	dma->count++;
	return 0;
}

int lab_dma_unmap(struct lab_dma *dma, uint64_t address, uint64_t size)
{
	size_t first = find(dma, address);
	size_t end = first;
	uint64_t last;

	if (size == 0 || __builtin_add_overflow(address, size - 1, &last))
		return -EINVAL;
	while (end < dma->count && dma->maps[end].address <= last) {
		const struct map *map = &dma->maps[end++];

		if (map->address < address || map->address + (map->size - 1) > last)
			return -EINVAL;
	}
	for (size_t i = first; i < end; i++)
		drop(dma->maps[i].mapping);
	memmove(&dma->maps[first], &dma->maps[end], (dma->count - end) * sizeof(dma->maps[0]));
	dma->count -= end - first;
	return 0;
}

void lab_dma_unmap_all(struct lab_dma *dma)
{
	for (size_t i = 0; i < dma->count; i++)
		drop(dma->maps[i].mapping);
	dma->count = 0;
}

/* How many ranges, from the first one on, cover it without a gap; 0 when they do not. */
static size_t cover(const struct lab_dma *dma, uint64_t address, uint64_t size)
{
	size_t first = find(dma, address);

	for (size_t i = first; size > 0 && i < dma->count; i++) {
		const struct map *map = &dma->maps[i];
		uint64_t left;

		if (!map->memory || map->address > address)
			return 0;
		left = map->size - (address - map->address);
		if (size <= left)
			return i - first + 1;
		size -= left;
		address += left;
		if (address == 0) /* the end of all addresses */
			return 0;
	}
	return 0;
}

bool lab_dma_is_memory(const struct lab_dma *dma, uint64_t address, uint64_t size)
{
	return cover(dma, address, size) > 0;
}

static struct lab_dma_piece hold_piece(const struct map *map, uint64_t address, uint64_t size)
{
	uint64_t offset = address - map->address;
	uint64_t left = map->size - offset;

	map->mapping->users++;
	return (struct lab_dma_piece){
		.bytes = map->mapping->bytes + offset,
		.size = size < left ? size : left,
		.mapping = map->mapping,
	};
}

int lab_dma_hold(struct lab_dma *dma, uint64_t address, uint64_t size, struct lab_dma_piece **ret,
		 size_t *ret_count)
{
	size_t count = cover(dma, address, size);
	const struct map *first = &dma->maps[find(dma, address)];
	struct lab_dma_piece *pieces;

	if (count == 0)
		return -EFAULT;
	pieces = calloc(count, sizeof(*pieces));
	if (!pieces)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		pieces[i] = hold_piece(&first[i], address, size);
		address += pieces[i].size;
		size -= pieces[i].size;
	}
	*ret = pieces;
	*ret_count = count;
	return 0;
}

void lab_dma_release(struct lab_dma_piece *piece)
{
	drop(piece->mapping);
	*piece = (struct lab_dma_piece){ 0 };
}

size_t lab_dma_count(const struct lab_dma *dma)
{
	return dma->count;
}
