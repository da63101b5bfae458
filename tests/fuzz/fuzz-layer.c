/* SPDX-License-Identifier: Apache-2.0 */
/* One tar layer applied to a tree, twice, and the tree written as a ramdisk. */
#include <string.h>
#include <sys/mman.h>

#include "base/cursor.h"
#include "image/ramdisk.h"
#include "image/source-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNPACKED_LIMIT = 1 << 20 };

static void require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

static int require_sound_entry(void *userdata, const char *path, size_t path_size,
			       struct nec_tree_entry *entry, nec_error *err)
{
	(void)err;
	require(strlen(path) == path_size && path_size == entry->path_size);
	require(nec_tree_lookup(userdata, nec_tree_root(userdata), path) == entry);
	require(entry->inode->links > 0);
	require(!S_ISLNK(entry->inode->mode) || entry->inode->target);
	return 0;
}

/* What was written must be readable, and have as many entries. */
static void write_and_read(struct nec_tree *tree)
{
	cleanup_close int fd = memfd_create("ramdisk", MFD_CLOEXEC);
	const struct nec_cpio_options options = { .mtime = 0 };
	struct nec_ramdisk_usage usage;
	uint64_t expected;
	uint64_t size;

	if (fd < 0 || nec_cpio_size(tree, &expected, NULL) < 0)
		return;
	require(nec_cpio_write(tree, &options, fd, "ramdisk", 0, NULL, &size, NULL) == 0);
	require(size == expected);
	require(nec_ramdisk_measure(fd, "ramdisk", 0, size, 0, NULL, &usage, NULL) == 0);
	require(usage.entries == nec_tree_count(tree));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct nec_source_options options = { 0 };
	cleanup_tree struct nec_tree *tree = NULL;
	struct source_load load = {
		.options = &options,
		.path = "image",
		.bytes_left = UNPACKED_LIMIT,
		.file_bytes_left = UNPACKED_LIMIT,
	};
	int r = 0;

	if (nec_tree_new(&tree, NULL) < 0)
		return 0;
	load.tree = tree;
	load.base = nec_tree_root(tree);
	if (source_open_spool(&load, NULL) < 0)
		return 0;
	for (uint32_t layer = 1; layer <= 2 && r == 0; layer++) {
		struct nec_cursor cursor = nec_cursor_over(data, size);
		const struct nec_stream stream = nec_stream_over_cursor(&cursor);

		r = source_apply_tar(&load, &stream, "layer", layer, NULL);
	}
	require(nec_tree_walk(tree, nec_tree_root(tree), require_sound_entry, tree, NULL) == 0);
	if (r == 0 && ftruncate(load.spool_fd, (off_t)load.spool_size) == 0)
		write_and_read(tree);
	return 0;
}
