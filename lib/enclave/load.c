/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: ranges of the file into the mappings, which in their order are the enclave's memory. */
#include "enclave/load.h"

#include "base/error.h"
#include "base/files.h"
#include "base/parallel.h"

/* Big enough that calls do not count, small enough for the threads to share the work evenly. */
#define PIECE_BYTES (UINT64_C(4) << 20)

struct loading {
	const nec_eif *eif;
	struct nec_memory *memory;
	uint64_t offset; /* in the enclave's memory, of the image */
};

/* The address of @offset, and how many bytes follow it without a gap. */
static void *address_of(const struct nec_memory *memory, uint64_t offset, uint64_t *ret_left)
{
	for (size_t i = 0; i < memory->count; i++) {
		uint64_t bytes = nec_memory_mapping_bytes(&memory->mappings[i]);

		if (offset < bytes) {
			*ret_left = bytes - offset;
			return (char *)memory->mappings[i].address + offset;
		}
		offset -= bytes;
	}
	*ret_left = 0;
	return NULL;
}

static int64_t load_piece(void *userdata, uint64_t index, nec_error *err)
{
	const struct loading *loading = userdata;
	uint64_t file_bytes = loading->eif->layout.size_bytes;
	uint64_t start = index * PIECE_BYTES;
	uint64_t size = file_bytes - start < PIECE_BYTES ? file_bytes - start : PIECE_BYTES;
	uint64_t done = 0;

	while (done < size) {
		uint64_t left;
		void *to = address_of(loading->memory, loading->offset + start + done, &left);
		uint64_t step = size - done < left ? size - done : left;
		int r = nec_file_read_at(loading->eif->fd, loading->eif->name, to, step,
					 start + done, err);

		if (r < 0)
			return r;
		done += step;
	}
	return (int64_t)size;
}

int nec_load_image(const nec_context *context, const nec_eif *eif, struct nec_memory *memory,
		   uint64_t offset, nec_error *err)
{
	struct loading loading = { .eif = eif, .memory = memory, .offset = offset };
	uint64_t size = eif->layout.size_bytes;
	struct nec_progress progress;
	int changed;
	int r;

	if (offset > memory->bytes || size > memory->bytes - offset)
		return nec_error_set(
			err, NEC_E_MEMORY_FOR_IMAGE, -EINVAL,
			"the image has %llu bytes and begins %llu MiB into the memory, "
			"which has %llu MiB",
			(unsigned long long)size, (unsigned long long)(offset >> 20),
			(unsigned long long)(memory->bytes >> 20));
	nec_progress_start(&progress, context, "loading", size);
	r = nec_parallel_run(size / PIECE_BYTES + (size % PIECE_BYTES != 0), load_piece, &loading,
			     &progress, err);
	/* A file that shrank shows as a failed read first; say what is behind it. */
	changed = r == -ECANCELED ? 0 : nec_eif_check_unchanged(eif, err);
	if (changed < 0)
		return changed;
	if (r >= 0)
		nec_progress_finish(&progress);
	return r;
}
