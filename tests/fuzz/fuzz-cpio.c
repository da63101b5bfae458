/* SPDX-License-Identifier: Apache-2.0 */
/* The cpio reader over bytes in memory, and ramdisks (with their decompression) over a file. */
#include <string.h>
#include <sys/mman.h>

#include "base/cursor.h"
#include "base/files.h"
#include "image/ramdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small, so that a bomb ends soon. */
enum { UNPACKED_LIMIT = 1 << 20 };

static void require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

static void require_sound_entry(const struct nec_cpio_entry *entry, uint64_t before)
{
	require(entry->offset >= before && entry->offset % 4 == 0);
	require(strlen(entry->name) <= NEC_TREE_MAX_PATH);
	require(S_ISLNK(entry->mode) == (entry->target != NULL));
	require(!entry->target || entry->size == 0);
}

static void read_archive(const uint8_t *data, size_t size)
{
	NEC_CLEANUP(cpio_reader) struct nec_cpio_reader *reader = NULL;
	struct nec_cursor cursor = nec_cursor_over(data, size);
	const struct nec_stream stream = nec_stream_over_cursor(&cursor);
	const struct nec_cpio_entry *entry;
	uint64_t before = 0;

	if (nec_cpio_reader_new(&stream, 0, &reader, NULL) < 0)
		return;
	while (nec_cpio_reader_next(reader, &entry, NULL) == NEC_CPIO_ENTRY) {
		uint8_t bytes[100];
		ssize_t n;
		uint64_t total = 0;

		require_sound_entry(entry, before);
		before = entry->offset + 1;
		/* Of every other entry only a part is read. */
		do {
			n = nec_cpio_reader_read(reader, bytes, sizeof(bytes), NULL);
			total += n > 0 ? (uint64_t)n : 0;
		} while (n > 0 && entry->inode % 2);
		require(total <= entry->size && total <= size);
	}
	require(nec_cpio_reader_offset(reader) <= size);
}

static void read_ramdisk(const uint8_t *data, size_t size)
{
	cleanup_close int fd = memfd_create("ramdisk", MFD_CLOEXEC);
	struct nec_ramdisk_usage usage;

	if (fd < 0 || nec_file_write_at(fd, "ramdisk", data, size, 0, NULL) < 0)
		return;
	if (nec_ramdisk_measure(fd, "ramdisk", 0, size, UNPACKED_LIMIT, NULL, &usage, NULL) < 0)
		return;
	require(usage.archive_bytes <= size + UNPACKED_LIMIT);
	require(usage.file_bytes <= usage.archive_bytes);
	require(usage.page_bytes >= usage.file_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_archive(data, size);
	read_ramdisk(data, size);
	return 0;
}
