/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lint: the ramdisks. Each is read to its end; their files are merged into one tree, which the
 * checks after this one look at.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "image/lint-files.h"
#include "image/ramdisk-tree.h"

/* What kept texts may come to in all. */
static const uint64_t max_text_bytes = UINT64_C(32) << 20;

/* What a ramdisk may unpack to before it is taken for a decompression bomb. */
static const uint64_t max_unpacked_bytes = UINT64_C(64) << 30;

enum { PAGE_BYTES = 4096 };

struct reading {
	nec_lint *lint;
	struct lint_place place;
	char name[sizeof("ramdisk 32")]; /* what it is called in messages */
	uint64_t text_bytes;             /* of all ramdisks */
	bool texts_left_out;
};

const struct lint_file *nec_lint_file_of(const struct nec_tree_entry *entry)
{
	const struct nec_tree_inode *inode = entry->inode;

	if (!S_ISREG(inode->mode) || inode->content != NEC_TREE_LITERAL)
		return NULL;
	return inode->literal;
}

/* Up to @size bytes; how many there were, or a negative errno. */
static ssize_t read_head(struct nec_ramdisk *ramdisk, uint8_t *to, size_t size, nec_error *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t r = nec_ramdisk_read(ramdisk, to + done, size - done, err);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static int set_file(struct reading *reading, struct nec_tree_inode *inode,
		    const struct lint_file *file, const void *text, size_t size, nec_error *err)
{
	cleanup_buffer struct nec_buffer literal = { 0 };

	nec_buffer_append(&literal, file, sizeof(*file));
	nec_buffer_append(&literal, text, size);
	nec_buffer_append_u8(&literal, 0);
	if (literal.failed)
		return nec_error_no_memory(err);
	((struct lint_file *)(void *)literal.data)->text_size = (uint32_t)size;
	return nec_tree_set_literal(reading->lint->files.tree, inode, literal.data, literal.size,
				    err);
}

static int keep_text(struct reading *reading, struct nec_ramdisk *ramdisk,
		     struct nec_tree_inode *inode, nec_error *err)
{
	const struct lint_file file = { .is_text = true };
	cleanup_free uint8_t *text = malloc(NEC_LINT_MAX_TEXT);
	ssize_t size;

	if (!text)
		return nec_error_no_memory(err);
	size = read_head(ramdisk, text, NEC_LINT_MAX_TEXT, err);
	if (size < 0)
		return (int)size;
	if ((uint64_t)size > max_text_bytes - reading->text_bytes) {
		reading->texts_left_out = true;
		return 0;
	}
	reading->text_bytes += (uint64_t)size;
	return set_file(reading, inode, &file, text, (size_t)size, err);
}

static int keep_program(struct reading *reading, struct nec_ramdisk *ramdisk,
			struct nec_tree_inode *inode, nec_error *err)
{
	uint8_t bytes[LINT_PROGRAM_HEAD];
	struct lint_head head;
	ssize_t size = read_head(ramdisk, bytes, sizeof(bytes), err);

	if (size < 0)
		return (int)size;
	nec_lint_parse_head(bytes, (size_t)size, &head);
	return set_file(reading, inode,
			&(struct lint_file){ .program = head.program, .machine = head.machine },
			head.interpreter, strlen(head.interpreter), err);
}

static int on_file(void *userdata, struct nec_ramdisk *ramdisk, const struct nec_cpio_entry *entry,
		   struct nec_tree_inode *inode, nec_error *err)
{
	struct reading *reading = userdata;
	uint64_t pages = ((uint64_t)entry->size + PAGE_BYTES - 1) / PAGE_BYTES;

	reading->lint->files.page_bytes += pages * PAGE_BYTES;
	if (nec_lint_wants_text(entry->name))
		return keep_text(reading, ramdisk, inode, err);
	if (entry->mode & 0111)
		return keep_program(reading, ramdisk, inode, err);
	return 0;
}

static void on_odd(void *userdata, const struct nec_cpio_entry *entry,
		   enum nec_ramdisk_oddity oddity)
{
	struct reading *reading = userdata;
	struct lint_place place = reading->place;

	place.path = entry->name;
	if (oddity == NEC_RAMDISK_ODD_NAME)
		nec_lint_report(reading->lint, NEC_RULE_RAMDISK_NAME, place,
				"the name is absolute, has .. parts or is too long");
	else
		nec_lint_report(reading->lint, NEC_RULE_RAMDISK_PARENT, place,
				"the folder that it is in does not come before it");
}

/* 0 when @problem became a finding; else its own result, with @err filled. */
static int report_problem(struct reading *reading, int result, const nec_error *problem,
			  bool nothing_read, nec_error *err)
{
	enum nec_rule rule;

	if (problem->code == NEC_E_CPIO || problem->code == NEC_E_RAMDISK)
		rule = nothing_read ? NEC_RULE_RAMDISK_FORMAT : NEC_RULE_RAMDISK_DAMAGED;
	else if (problem->code == NEC_E_TOO_LARGE || problem->code == NEC_E_LIBRARY_MISSING)
		rule = NEC_RULE_RAMDISK_LIMIT;
	else {
		if (err)
			*err = *problem;
		return result;
	}
	reading->lint->files.complete = false;
	nec_lint_report(reading->lint, rule, reading->place, "%s", problem->message);
	return 0;
}

static int read_ramdisk(struct reading *reading, const struct nec_eif_section *section,
			struct nec_progress *progress, nec_error *err)
{
	const struct nec_ramdisk_tree_visitor visitor = { .file = on_file,
							  .odd = on_odd,
							  .userdata = reading };
	nec_lint *lint = reading->lint;
	cleanup_ramdisk struct nec_ramdisk *ramdisk = NULL;
	nec_error problem = NEC_ERROR_INIT;
	uint64_t entries = 0;
	int r;

	(void)snprintf(reading->name, sizeof(reading->name), "ramdisk %u", reading->place.ramdisk);
	r = nec_ramdisk_open(lint->eif->fd, reading->name, section->data_offset,
			     section->size_bytes, max_unpacked_bytes, &ramdisk, &problem);
	if (r == 0)
		r = nec_ramdisk_tree_add(lint->files.tree, ramdisk, &visitor, progress, &entries,
					 &problem);
	if (r < 0)
		return report_problem(reading, r, &problem, entries == 0, err);
	if (entries == 0)
		nec_lint_report(lint, NEC_RULE_RAMDISK_EMPTY, reading->place,
				"ramdisk %u has no files", reading->place.ramdisk);
	return 0;
}

int nec_lint_ramdisks(nec_lint *lint, nec_error *err)
{
	struct reading reading = { .lint = lint };
	struct nec_progress progress;
	int r = 0;

	lint->files.complete = !lint->eif->incomplete;
	nec_progress_start(&progress, lint->context, "unpacking", 0);
	for (size_t i = 0; r == 0 && i < lint->eif->layout.count; i++) {
		const struct nec_eif_section *section = &lint->eif->layout.sections[i];

		if (section->type != NEC_EIF_RAMDISK)
			continue;
		reading.place.offset = section->data_offset;
		reading.place.ramdisk++;
		lint->files.offsets[reading.place.ramdisk] = section->data_offset;
		nec_tree_set_generation(lint->files.tree, reading.place.ramdisk);
		r = read_ramdisk(&reading, section, &progress, err);
	}
	if (reading.texts_left_out)
		nec_lint_report(lint, NEC_RULE_RAMDISK_LIMIT, reading.place,
				"settings files have more than %" PRIu64 " MiB in all; not all of "
				"them were looked into",
				max_text_bytes >> 20);
	nec_progress_finish(&progress);
	return r;
}
