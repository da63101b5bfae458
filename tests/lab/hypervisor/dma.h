/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent VM's memory as vfio-user's DMA_MAP gives it: ranges of guest physical addresses, of
 * files mapped here. QEMU gives the same file in many pieces, and changes them while firmware runs.
 *
 * Who needs pages beyond that holds them: a donated range stays reachable after DMA_UNMAP.
 */
#ifndef LAB_DMA_H
#define LAB_DMA_H

#include <stddef.h>
#include <stdint.h>

#include "nec.h"

/* Ranges at a time. QEMU has some dozens for a machine of ours; a server has to have some limit. */
#define LAB_DMA_MAX_MAPS 1024

enum { LAB_DMA_READ = 1, LAB_DMA_WRITE = 2 };

struct lab_dma;
struct lab_dma_mapping;

struct lab_dma_range {
	uint64_t address; /* guest physical */
	uint64_t size;
	uint64_t offset; /* into the file */
	uint32_t flags;  /* LAB_DMA_READ, LAB_DMA_WRITE */
};

/* A run of pages that somebody holds. */
struct lab_dma_piece {
	uint8_t *bytes;
	uint64_t size;
	struct lab_dma_mapping *mapping;
};

struct lab_dma *lab_dma_new(void);
/* Pages that are held stay until they are released. Accepts NULL. */
void lab_dma_free(struct lab_dma *dma);

/*
 * Maps a range of the file @fd, which stays the caller's; -1: there is a range, but nothing of it
 * can be reached from here. Returns 0, -EINVAL (not whole pages, wraps around, beyond the end of
 * the file), -EEXIST (overlaps another), -ENOSPC (too many), or the errno of mmap().
 */
int lab_dma_map(struct lab_dma *dma, const struct lab_dma_range *range, int fd);

/* Forgets all ranges inside this one; -EINVAL when one lies there only in part. */
int lab_dma_unmap(struct lab_dma *dma, uint64_t address, uint64_t size);
void lab_dma_unmap_all(struct lab_dma *dma);

/* Whether all of it is memory that can be read and written here. */
bool lab_dma_is_memory(const struct lab_dma *dma, uint64_t address, uint64_t size);

/*
 * Holds the pages of a range. @ret: an array for free(), its pieces for lab_dma_release().
 * Returns 0, -EFAULT when some of it is no memory, or -ENOMEM.
 */
int lab_dma_hold(struct lab_dma *dma, uint64_t address, uint64_t size, struct lab_dma_piece **ret,
		 size_t *ret_count);
void lab_dma_release(struct lab_dma_piece *piece);

size_t lab_dma_count(const struct lab_dma *dma);

#endif
