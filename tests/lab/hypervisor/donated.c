/* SPDX-License-Identifier: Apache-2.0 */
/* Donated memory: the image out, the pattern in, zeros back. */
#include "donated.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/files.h"
#include "image/eif-format.h"

enum { PAGE_BYTES = 4096 };

/* ---- the image ---- */

/* The end of a section, header and all, with the cursors at its two fields. */
static bool take_section(struct nec_cursor *offsets, struct nec_cursor *sizes, uint64_t *ret_end)
{
	uint64_t offset = 0;
	uint64_t size = 0;

	return nec_cursor_u64be(offsets, &offset) && nec_cursor_u64be(sizes, &size) &&
	       !__builtin_add_overflow(offset, size, ret_end) &&
	       !__builtin_add_overflow(*ret_end, NEC_EIF_SECTION_HEADER, ret_end);
}

uint64_t lab_donated_image_size(const uint8_t *header, size_t size)
{
	struct nec_cursor start = nec_cursor_over(header, size);
	struct nec_cursor offsets = start;
	struct nec_cursor sizes = start;
	uint32_t magic = 0;
	uint16_t count = 0;
	uint64_t length = NEC_EIF_HEADER_SIZE;

	if (size < NEC_EIF_HEADER_SIZE || !nec_cursor_u32be(&start, &magic) ||
	    magic != NEC_EIF_MAGIC)
		return 0;
	start.offset = NEC_EIF_COUNT_AT;
	offsets.offset = NEC_EIF_OFFSETS_AT;
	sizes.offset = NEC_EIF_SIZES_AT;
	if (!nec_cursor_u16be(&start, &count) || count > NEC_EIF_MAX_SECTIONS)
		return 0;
	for (uint16_t i = 0; i < count; i++) {
		uint64_t end;

		if (!take_section(&offsets, &sizes, &end))
			return 0;
		if (end > length)
			length = end;
	}
	return length;
}

/* The first bytes that can be an image's: a range has at least 2 MiB, so its header is in one. */
static int begin_image(struct lab_donated *donated, const uint8_t *bytes, uint64_t size)
{
	uint64_t length = lab_donated_image_size(bytes, size);

	if (length == 0)
		return 0;
	donated->image_fd = memfd_create("lab-image", MFD_CLOEXEC);
	if (donated->image_fd < 0)
		return -errno;
	donated->image_bytes = length;
	return 0;
}

/* Copies what of the image lies in a piece at @at of the enclave's memory. */
static int take_image(struct lab_donated *donated, const struct lab_dma_piece *piece, uint64_t at)
{
	uint64_t skip = at < LAB_IMAGE_OFFSET ? LAB_IMAGE_OFFSET - at : 0;
	uint64_t start;
	uint64_t size;
	int r = 0;

	if (skip >= piece->size)
		return 0;
	start = at + skip - LAB_IMAGE_OFFSET;
	size = piece->size - skip;
	if (start == 0)
		r = begin_image(donated, piece->bytes + skip, size);
	if (r < 0 || start >= donated->image_bytes)
		return r;
	if (size > donated->image_bytes - start)
		size = donated->image_bytes - start;
	return nec_file_write_at(donated->image_fd, "image", piece->bytes + skip, size, start,
				 NULL);
}

static void forget_image(struct lab_donated *donated)
{
	if (donated->image_fd >= 0)
		(void)close(donated->image_fd);
	donated->image_fd = -1;
	donated->image_bytes = 0;
}

/* ---- pages ---- */

static int take_images(struct lab_donated *donated, const struct lab_dma_piece *pieces,
		       size_t count)
{
	bool began = donated->image_fd >= 0;
	uint64_t at = donated->bytes;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = take_image(donated, &pieces[i], at);
		at += pieces[i].size;
	}
	if (r < 0 && !began)
		forget_image(donated);
	return r;
}

static int append(struct lab_donated *donated, const struct lab_dma_piece *pieces, size_t count)
{
	struct lab_dma_piece *all =
		reallocarray(donated->pieces, donated->count + count, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	donated->pieces = all;
	r = take_images(donated, pieces, count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		memset(pieces[i].bytes, LAB_POISON, pieces[i].size);
		all[donated->count++] = pieces[i];
		donated->bytes += pieces[i].size;
	}
	return 0;
}

int lab_donated_add(struct lab_donated *donated, struct lab_dma *dma, uint64_t address,
		    uint64_t size)
{
	cleanup_free struct lab_dma_piece *pieces = NULL;
	size_t count = 0;
	int r;

	r = lab_dma_hold(dma, address, size, &pieces, &count);
	if (r < 0)
		return r;
	r = append(donated, pieces, count);
	for (size_t i = 0; i < count && r < 0; i++)
		lab_dma_release(&pieces[i]);
	return r;
}

static uint64_t count_touched(const struct lab_dma_piece *piece)
{
	uint8_t clean[PAGE_BYTES];
	uint64_t count = 0;

	memset(clean, LAB_POISON, sizeof(clean));
	for (uint64_t at = 0; at < piece->size; at += PAGE_BYTES)
		count += memcmp(piece->bytes + at, clean, PAGE_BYTES) != 0;
	return count;
}

uint64_t lab_donated_count_touched(const struct lab_donated *donated)
{
	uint64_t count = 0;

	for (size_t i = 0; i < donated->count; i++)
		count += count_touched(&donated->pieces[i]);
	return count;
}

void lab_donated_clear(struct lab_donated *donated)
{
	for (size_t i = 0; i < donated->count; i++) {
		memset(donated->pieces[i].bytes, 0, donated->pieces[i].size);
		lab_dma_release(&donated->pieces[i]);
	}
	free(donated->pieces);
	forget_image(donated);
	*donated = (struct lab_donated)LAB_DONATED_INIT;
}
