/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing ramdisks. Those that differ are unpacked in a stream into lists of files, where a hash
 * stands for a file's contents; only one pair of lists is in memory at a time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/error.h"
#include "base/hex.h"
#include "image/diff.h"
#include "image/ramdisk-tree.h"

enum { CHUNK_BYTES = 64 * 1024 };

/* What stands for a regular file's contents: its literal in the tree. */
struct contents {
	uint32_t size;
	uint8_t digest[NEC_SHA384_SIZE];
};

/* One ramdisk of one image. */
struct side {
	struct nec_tree *tree;
	const char *compression; /* of its last archive; static */
};

struct comparison {
	nec_diff *diff;
	unsigned int ramdisk;
	struct side sides[SIDES];
	size_t here; /* whose files are being walked over */
};

/* ---- listing ---- */

static int hash_contents(struct nec_ramdisk *ramdisk, uint8_t digest[NEC_SHA384_SIZE],
			 nec_error *err)
{
	cleanup_sha384 struct nec_sha384 sha = { 0 };
	cleanup_free uint8_t *chunk = malloc(CHUNK_BYTES);
	ssize_t size;
	int r = chunk ? nec_sha384_init(&sha, err) : nec_error_no_memory(err);

	if (r < 0)
		return r;
	while ((size = nec_ramdisk_read(ramdisk, chunk, CHUNK_BYTES, err)) > 0)
		nec_sha384_update(&sha, chunk, (size_t)size);
	return size < 0 ? (int)size : nec_sha384_final(&sha, digest, err);
}

static int on_file(void *userdata, struct nec_ramdisk *ramdisk, const struct nec_cpio_entry *entry,
		   struct nec_tree_inode *inode, nec_error *err)
{
	struct side *side = userdata;
	struct contents contents = { .size = entry->size };
	int r = hash_contents(ramdisk, contents.digest, err);

	return r < 0 ? r
		     : nec_tree_set_literal(side->tree, inode, &contents, sizeof(contents), err);
}

static int list_files(nec_diff *diff, const nec_eif *eif, const struct nec_eif_section *section,
		      struct side *side, nec_error *err)
{
	const struct nec_ramdisk_tree_visitor visitor = { .file = on_file,
							  .make_parents = true,
							  .userdata = side };
	cleanup_ramdisk struct nec_ramdisk *ramdisk = NULL;
	uint64_t entries;
	int r = nec_tree_new(&side->tree, err);

	if (r == 0)
		r = nec_ramdisk_open(eif->fd, eif->name, section->data_offset, section->size_bytes,
				     NEC_RAMDISK_MAX_UNPACKED, &ramdisk, err);
	if (r == 0)
		r = nec_ramdisk_tree_add(side->tree, ramdisk, &visitor, &diff->progress, &entries,
					 err);
	if (r == 0)
		side->compression = nec_ramdisk_compression(ramdisk);
	return r;
}

/* ---- comparing two entries ---- */

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "regular file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symbolic link";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFIFO:
		return "FIFO";
	case S_IFSOCK:
		return "socket";
	default:
		return "file of unknown type";
	}
}

static const struct contents *contents_of(const struct nec_tree_inode *inode)
{
	static const struct contents none;

	return inode->content == NEC_TREE_LITERAL ? inode->literal : &none;
}

static void add(const struct comparison *comparison, const char *path, const char *aspect,
		const char *before, const char *after)
{
	if (before && after && strcmp(before, after) == 0)
		return;
	nec_diff_add(comparison->diff, &(struct nec_difference){ .part = NEC_DIFF_RAMDISK,
								 .ramdisk = comparison->ramdisk,
								 .path = path,
								 .aspect = aspect,
								 .before = before,
								 .after = after });
}

/* Both values in the same printf form. */
#define ADD_FORMATTED(comparison, path, aspect, format, before, after)                  \
	do {                                                                            \
		char texts_[SIDES][128];                                                \
                                                                                        \
		(void)snprintf(texts_[BEFORE], sizeof(texts_[BEFORE]), format, before); \
		(void)snprintf(texts_[AFTER], sizeof(texts_[AFTER]), format, after);    \
		add((comparison), (path), (aspect), texts_[BEFORE], texts_[AFTER]);     \
	} while (0)

static void compare_owners(const struct comparison *comparison, const char *path,
			   const struct nec_tree_inode *before, const struct nec_tree_inode *after)
{
	char texts[SIDES][32];

	(void)snprintf(texts[BEFORE], sizeof(texts[BEFORE]), "%u:%u", before->uid, before->gid);
	(void)snprintf(texts[AFTER], sizeof(texts[AFTER]), "%u:%u", after->uid, after->gid);
	add(comparison, path, "owner", texts[BEFORE], texts[AFTER]);
}

static void compare_devices(const struct comparison *comparison, const char *path,
			    const struct nec_tree_inode *before, const struct nec_tree_inode *after)
{
	char texts[SIDES][32];

	(void)snprintf(texts[BEFORE], sizeof(texts[BEFORE]), "%u:%u", before->rdev_major,
		       before->rdev_minor);
	(void)snprintf(texts[AFTER], sizeof(texts[AFTER]), "%u:%u", after->rdev_major,
		       after->rdev_minor);
	add(comparison, path, "device", texts[BEFORE], texts[AFTER]);
}

static void compare_contents(const struct comparison *comparison, const char *path,
			     const struct nec_tree_inode *before,
			     const struct nec_tree_inode *after)
{
	const struct contents *a = contents_of(before);
	const struct contents *b = contents_of(after);
	char texts[SIDES][2 * NEC_SHA384_SIZE + 1];

	ADD_FORMATTED(comparison, path, "size", "%" PRIu32, a->size, b->size);
	nec_hex_encode(a->digest, sizeof(a->digest), texts[BEFORE]);
	nec_hex_encode(b->digest, sizeof(b->digest), texts[AFTER]);
	add(comparison, path, "sha384", texts[BEFORE], texts[AFTER]);
}

static void compare_entries(const struct comparison *comparison, const char *path,
			    const struct nec_tree_inode *before, const struct nec_tree_inode *after)
{
	if ((before->mode & S_IFMT) != (after->mode & S_IFMT)) {
		add(comparison, path, "type", type_name(before->mode), type_name(after->mode));
		return;
	}
	ADD_FORMATTED(comparison, path, "mode", "%04o", before->mode & 07777, after->mode & 07777);
	compare_owners(comparison, path, before, after);
	ADD_FORMATTED(comparison, path, "mtime", "%" PRId64, before->mtime, after->mtime);
	if (S_ISREG(before->mode))
		compare_contents(comparison, path, before, after);
	else if (S_ISLNK(before->mode))
		add(comparison, path, "target", before->target, after->target);
	else if (S_ISCHR(before->mode) || S_ISBLK(before->mode))
		compare_devices(comparison, path, before, after);
}

/* "regular file 0755 0:0, 28 bytes" */
static void describe(const struct nec_tree_inode *inode, struct nec_buffer *to)
{
	nec_buffer_printf(to, "%s %04o %u:%u", type_name(inode->mode), inode->mode & 07777,
			  inode->uid, inode->gid);
	if (S_ISREG(inode->mode))
		nec_buffer_printf(to, ", %" PRIu32 " bytes", contents_of(inode)->size);
	else if (S_ISLNK(inode->mode))
		nec_buffer_printf(to, " to %s", inode->target);
}

/* ---- comparing two ramdisks ---- */

static int visit(void *userdata, const char *path, size_t path_size, struct nec_tree_entry *entry,
		 nec_error *err)
{
	struct comparison *comparison = userdata;
	struct nec_tree *other = comparison->sides[!comparison->here].tree;
	const struct nec_tree_entry *found = nec_tree_lookup(other, nec_tree_root(other), path);
	cleanup_buffer struct nec_buffer text = { 0 };

	(void)path_size;
	if (found && comparison->here == BEFORE)
		compare_entries(comparison, path, entry->inode, found->inode);
	if (!found) {
		describe(entry->inode, &text);
		comparison->diff->no_memory |= text.failed;
		add(comparison, path, NULL,
		    comparison->here == BEFORE ? nec_buffer_text(&text) : NULL,
		    comparison->here == AFTER ? nec_buffer_text(&text) : NULL);
	}
	return nec_check_cancel(comparison->diff->context, err);
}

static int compare_files(struct comparison *comparison, nec_error *err)
{
	int r = 0;

	add(comparison, NULL, "compression", comparison->sides[BEFORE].compression,
	    comparison->sides[AFTER].compression);
	for (size_t i = 0; r == 0 && i < SIDES; i++) {
		struct nec_tree *tree = comparison->sides[i].tree;

		comparison->here = i;
		r = nec_tree_walk(tree, nec_tree_root(tree), visit, comparison, err);
	}
	return r;
}

/* Returns 1 when both could be listed, 0 when one cannot be unpacked. */
static int list_both(struct comparison *comparison,
		     const struct nec_eif_section *const sections[SIDES], nec_error *err)
{
	for (size_t i = 0; i < SIDES; i++) {
		nec_error problem = NEC_ERROR_INIT;
		const nec_eif *eif = comparison->diff->eif[i];
		int r = list_files(comparison->diff, eif, sections[i], &comparison->sides[i],
				   &problem);

		if (r >= 0)
			continue;
		if (r == -ENOMEM || r == -ECANCELED || problem.code == NEC_E_FILE_READ) {
			if (err)
				*err = problem;
			return r;
		}
		nec_warn(comparison->diff->context, "ramdisk %u is compared as a whole: %s",
			 comparison->ramdisk, problem.message);
		return 0;
	}
	return 1;
}

static int compare_ramdisks(nec_diff *diff, unsigned int ramdisk,
			    const struct nec_eif_section *const sections[SIDES], nec_error *err)
{
	struct comparison comparison = { .diff = diff, .ramdisk = ramdisk };
	int r = nec_diff_same_bytes(diff, sections[BEFORE], sections[AFTER], err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = nec_diff_sums(diff, NEC_DIFF_RAMDISK, ramdisk, sections[BEFORE], sections[AFTER], err);
	if (r == 0)
		r = list_both(&comparison, sections, err);
	if (r > 0)
		r = compare_files(&comparison, err);
	for (size_t i = 0; i < SIDES; i++)
		nec_tree_free(comparison.sides[i].tree);
	return r;
}

/* The @number-th ramdisk, counted from 1; NULL when there are fewer. */
static const struct nec_eif_section *find_ramdisk(const nec_eif *eif, unsigned int number)
{
	for (size_t i = 0; i < eif->layout.count; i++)
		if (eif->layout.sections[i].type == NEC_EIF_RAMDISK && --number == 0)
			return &eif->layout.sections[i];
	return NULL;
}

int nec_diff_ramdisks(nec_diff *diff, nec_error *err)
{
	for (unsigned int number = 1;; number++) {
		const struct nec_eif_section *sections[SIDES];
		int r;

		for (size_t i = 0; i < SIDES; i++)
			sections[i] = find_ramdisk(diff->eif[i], number);
		if (!sections[BEFORE] && !sections[AFTER])
			return 0;
		if (sections[BEFORE] && sections[AFTER])
			r = compare_ramdisks(diff, number, sections, err);
		else
			r = nec_diff_sums(diff, NEC_DIFF_RAMDISK, number, sections[BEFORE],
					  sections[AFTER], err);
		if (r < 0)
			return r;
	}
}
