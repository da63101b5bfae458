/* SPDX-License-Identifier: Apache-2.0 */
/* The EIF reader, metadata and measuring over a file in memory. */
#include <sys/mman.h>

#include "base/crc32.h"
#include "base/files.h"
#include "base/json.h"
#include "image/describe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

/* What every user of the layout relies on: in order, not overlapping, inside the file. */
static void require_sound_layout(const nec_eif *eif, size_t size)
{
	uint64_t free_from = NEC_EIF_HEADER_SIZE;

	for (size_t i = 0; i < nec_eif_get_section_count(eif); i++) {
		const struct nec_eif_section *section = nec_eif_get_section(eif, i);

		require(section->offset >= free_from && section->offset < size);
		require(section->data_offset == section->offset + NEC_EIF_SECTION_HEADER);
		require(section->data_offset <= size);
		require(section->size_bytes <= size - section->data_offset);
		free_from = section->data_offset + section->size_bytes;
	}
}

static void require_same_crc(nec_eif *eif, const uint8_t *data, size_t size)
{
	struct nec_eif_measurements sums;
	uint32_t crc;

	require(nec_eif_measure(eif, &sums, NULL) == 0);
	crc = nec_crc32(0, data, NEC_EIF_CRC_AT);
	crc = nec_crc32(crc, data + NEC_EIF_HEADER_SIZE, size - NEC_EIF_HEADER_SIZE);
	require(crc == sums.crc32);
}

static void describe(nec_eif *eif)
{
	cleanup_eif_description struct nec_eif_description description = { 0 };

	if (nec_eif_describe(eif, &description, NULL) == 0) {
		cJSON *tree = nec_eif_description_json(&description);

		require(tree != NULL);
		nec_json_free(tree);
	}
	(void)nec_eif_check(eif, NULL);
}

static void open_damaged(int fd, size_t size)
{
	cleanup_eif nec_eif *eif = NULL;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	require(nec_eif_open_damaged(NULL, path, &eif, NULL) == 0);
	require_sound_layout(eif, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	cleanup_eif nec_eif *eif = NULL;

	require(fd >= 0 && nec_file_write_at(fd, "fuzz", data, size, 0, NULL) == 0);
	open_damaged(fd, size);
	if (nec_eif_open_fd(NULL, fd, "fuzz", &eif, NULL) < 0)
		return 0;
	require_sound_layout(eif, size);
	require_same_crc(eif, data, size);
	describe(eif);
	return 0;
}
