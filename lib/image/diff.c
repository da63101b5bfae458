/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing two images: the order of things, the list, and what is left over. */
#include "image/diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hex.h"
#include "base/printable.h"

enum { CHUNK_BYTES = 256 * 1024 };

NEC_DEFINE_CLEANUP(diff, nec_diff *, nec_diff_free)

const char *nec_diff_part_name(enum nec_diff_part part)
{
	static const char *const names[] = { "header",    "kernel",  "cmdline", "metadata",
					     "signature", "ramdisk", "file" };

	return (size_t)part < ARRAY_SIZE(names) ? names[part] : "unknown";
}

/* ---- the list ---- */

static void free_texts(struct nec_difference *difference)
{
	free((char *)difference->path);
	free((char *)difference->aspect);
	free((char *)difference->before);
	free((char *)difference->after);
}

static bool copy_text(const char **text)
{
	if (*text)
		*text = nec_printable(*text);
	else
		return true;
	return *text != NULL;
}

static bool reserve(nec_diff *diff)
{
	size_t capacity = diff->capacity ? diff->capacity * 2 : 64;
	struct diff_item *items;

	if (diff->count < diff->capacity)
		return true;
	items = reallocarray(diff->items, capacity, sizeof(*items));
	if (!items)
		return false;
	diff->items = items;
	diff->capacity = capacity;
	return true;
}

void nec_diff_add(nec_diff *diff, const struct nec_difference *difference)
{
	struct diff_item item = { .difference = *difference, .sequence = diff->count };
	struct nec_difference *copy = &item.difference;
	bool ok;

	if (diff->count == NEC_DIFF_MAX) {
		diff->omitted++;
		return;
	}
	/* Every copy is made, so that all or nothing has to be released. */
	ok = copy_text(&copy->path);
	ok = copy_text(&copy->aspect) && ok;
	ok = copy_text(&copy->before) && ok;
	ok = copy_text(&copy->after) && ok;
	if (ok && reserve(diff)) {
		diff->items[diff->count++] = item;
	} else {
		free_texts(copy);
		diff->no_memory = true;
	}
}

void nec_diff_texts(nec_diff *diff, enum nec_diff_part part, const char *aspect, const char *before,
		    const char *after)
{
	if ((!before && !after) || (before && after && strcmp(before, after) == 0))
		return;
	nec_diff_add(diff,
		     &(struct nec_difference){
			     .part = part, .aspect = aspect, .before = before, .after = after });
}

void nec_diff_numbers(nec_diff *diff, enum nec_diff_part part, const char *aspect, uint64_t before,
		      uint64_t after)
{
	char texts[SIDES][32];

	(void)snprintf(texts[BEFORE], sizeof(texts[BEFORE]), "%" PRIu64, before);
	(void)snprintf(texts[AFTER], sizeof(texts[AFTER]), "%" PRIu64, after);
	nec_diff_texts(diff, part, aspect, texts[BEFORE], texts[AFTER]);
}

static int compare_texts(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int compare_items(const void *a, const void *b)
{
	const struct diff_item *first = a;
	const struct diff_item *second = b;
	const struct nec_difference *x = &first->difference;
	const struct nec_difference *y = &second->difference;
	int order = (x->part > y->part) - (x->part < y->part);

	if (order == 0)
		order = (x->ramdisk > y->ramdisk) - (x->ramdisk < y->ramdisk);
	if (order == 0)
		order = compare_texts(x->path, y->path);
	return order ? order
		     : (first->sequence > second->sequence) - (first->sequence < second->sequence);
}

/* ---- bytes ---- */

static int compare_ranges(nec_diff *diff, uint64_t before, uint64_t after, uint64_t size,
			  nec_error *err)
{
	cleanup_free uint8_t *chunks = malloc((size_t)SIDES * CHUNK_BYTES);

	if (!chunks)
		return nec_error_no_memory(err);
	while (size > 0) {
		size_t part = size < CHUNK_BYTES ? (size_t)size : CHUNK_BYTES;
		int r = nec_file_read_at(diff->eif[BEFORE]->fd, diff->eif[BEFORE]->name, chunks,
					 part, before, err);

		if (r == 0)
			r = nec_file_read_at(diff->eif[AFTER]->fd, diff->eif[AFTER]->name,
					     chunks + CHUNK_BYTES, part, after, err);
		if (r == 0)
			r = nec_progress_add(&diff->progress, part, err);
		if (r < 0)
			return r;
		if (memcmp(chunks, chunks + CHUNK_BYTES, part) != 0)
			return 0;
		before += part;
		after += part;
		size -= part;
	}
	return 1;
}

int nec_diff_same_bytes(nec_diff *diff, const struct nec_eif_section *before,
			const struct nec_eif_section *after, nec_error *err)
{
	if (before->size_bytes != after->size_bytes)
		return 0;
	return compare_ranges(diff, before->data_offset, after->data_offset, before->size_bytes,
			      err);
}

/* SHA-384 of a section in hex. */
static int sum_section(nec_diff *diff, const nec_eif *eif, const struct nec_eif_section *section,
		       char text[2 * NEC_SHA384_SIZE + 1], nec_error *err)
{
	cleanup_sha384 struct nec_sha384 sha = { 0 };
	cleanup_free uint8_t *chunk = malloc(CHUNK_BYTES);
	uint8_t digest[NEC_SHA384_SIZE];
	int r = chunk ? nec_sha384_init(&sha, err) : nec_error_no_memory(err);

	for (uint64_t at = 0; r == 0 && at < section->size_bytes;) {
		uint64_t left = section->size_bytes - at;
		size_t part = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

		r = nec_file_read_at(eif->fd, eif->name, chunk, part, section->data_offset + at,
				     err);
		if (r < 0)
			return r;
		nec_sha384_update(&sha, chunk, part);
		r = nec_progress_add(&diff->progress, part, err);
		at += part;
	}
	if (r == 0)
		r = nec_sha384_final(&sha, digest, err);
	if (r == 0)
		nec_hex_encode(digest, sizeof(digest), text);
	return r;
}

/* One that is only in one of the images: a difference as a whole. */
static void add_whole(nec_diff *diff, struct nec_difference difference, size_t side,
		      uint64_t size_bytes, const char *sum)
{
	char text[64 + 2 * NEC_SHA384_SIZE];

	(void)snprintf(text, sizeof(text), "%" PRIu64 " bytes, SHA-384 %s", size_bytes, sum);
	difference.before = side == BEFORE ? text : NULL;
	difference.after = side == AFTER ? text : NULL;
	nec_diff_add(diff, &difference);
}

static void add_sums(nec_diff *diff, struct nec_difference difference, uint64_t before,
		     uint64_t after, const char *before_sum, const char *after_sum)
{
	char sizes[SIDES][32];

	(void)snprintf(sizes[BEFORE], sizeof(sizes[BEFORE]), "%" PRIu64, before);
	(void)snprintf(sizes[AFTER], sizeof(sizes[AFTER]), "%" PRIu64, after);
	difference.aspect = "size";
	difference.before = sizes[BEFORE];
	difference.after = sizes[AFTER];
	if (before != after)
		nec_diff_add(diff, &difference);
	difference.aspect = "sha384";
	difference.before = before_sum;
	difference.after = after_sum;
	nec_diff_add(diff, &difference);
}

int nec_diff_sums(nec_diff *diff, enum nec_diff_part part, unsigned int ramdisk,
		  const struct nec_eif_section *before, const struct nec_eif_section *after,
		  nec_error *err)
{
	const struct nec_eif_section *sections[SIDES] = { before, after };
	const struct nec_difference difference = { .part = part, .ramdisk = ramdisk };
	char sums[SIDES][2 * NEC_SHA384_SIZE + 1];

	for (size_t i = 0; i < SIDES; i++) {
		int r = sections[i] ? sum_section(diff, diff->eif[i], sections[i], sums[i], err)
				    : 0;

		if (r < 0)
			return r;
	}
	if (before && after)
		add_sums(diff, difference, before->size_bytes, after->size_bytes, sums[BEFORE],
			 sums[AFTER]);
	else if (before)
		add_whole(diff, difference, BEFORE, before->size_bytes, sums[BEFORE]);
	else if (after)
		add_whole(diff, difference, AFTER, after->size_bytes, sums[AFTER]);
	return 0;
}

/* ---- the header ---- */

static void list_sections(const nec_eif *eif, struct nec_buffer *to)
{
	nec_buffer_append_text(to, "");
	for (size_t i = 0; i < eif->layout.count; i++)
		nec_buffer_printf(to, i > 0 ? " %s" : "%s",
				  nec_eif_section_name(eif->layout.sections[i].type));
}

static int diff_header(nec_diff *diff, nec_error *err)
{
	const struct nec_eif_header *a = &diff->eif[BEFORE]->header;
	const struct nec_eif_header *b = &diff->eif[AFTER]->header;
	cleanup_buffer struct nec_buffer before = { 0 };
	cleanup_buffer struct nec_buffer after = { 0 };

	nec_diff_numbers(diff, NEC_DIFF_HEADER, "magic", a->magic, b->magic);
	nec_diff_numbers(diff, NEC_DIFF_HEADER, "version", a->version, b->version);
	nec_diff_texts(diff, NEC_DIFF_HEADER, "architecture",
		       nec_arch_name(nec_eif_get_arch(diff->eif[BEFORE])),
		       nec_arch_name(nec_eif_get_arch(diff->eif[AFTER])));
	nec_diff_numbers(diff, NEC_DIFF_HEADER, "flags", a->flags, b->flags);
	nec_diff_numbers(diff, NEC_DIFF_HEADER, "default memory", a->default_memory_bytes,
			 b->default_memory_bytes);
	nec_diff_numbers(diff, NEC_DIFF_HEADER, "default CPUs", a->default_cpus, b->default_cpus);
	list_sections(diff->eif[BEFORE], &before);
	list_sections(diff->eif[AFTER], &after);
	if (before.failed || after.failed)
		return nec_error_no_memory(err);
	nec_diff_texts(diff, NEC_DIFF_HEADER, "sections", nec_buffer_text(&before),
		       nec_buffer_text(&after));
	return 0;
}

/* What no part explains: the checksum, gaps, reserved fields. */
static int diff_rest(nec_diff *diff, nec_error *err)
{
	const nec_eif *a = diff->eif[BEFORE];
	const nec_eif *b = diff->eif[AFTER];
	char texts[SIDES][16];
	int r;

	if (diff->count > 0)
		return 0;
	(void)snprintf(texts[BEFORE], sizeof(texts[BEFORE]), "%08" PRIx32, a->header.crc32);
	(void)snprintf(texts[AFTER], sizeof(texts[AFTER]), "%08" PRIx32, b->header.crc32);
	nec_diff_texts(diff, NEC_DIFF_HEADER, "crc32", texts[BEFORE], texts[AFTER]);
	nec_diff_numbers(diff, NEC_DIFF_FILE, "size", a->layout.size_bytes, b->layout.size_bytes);
	if (diff->count > 0)
		return 0;
	r = compare_ranges(diff, 0, 0, a->layout.size_bytes, err);
	if (r == 0)
		nec_diff_texts(diff, NEC_DIFF_FILE, "bytes", "of its own",
			       "others, where there is no section");
	return r < 0 ? r : 0;
}

static int run_comparisons(nec_diff *diff, nec_error *err)
{
	static int (*const comparisons[])(nec_diff *, nec_error *) = {
		diff_header,        nec_diff_kernel,   nec_diff_cmdline, nec_diff_metadata,
		nec_diff_signature, nec_diff_ramdisks, diff_rest,        nec_diff_registers,
	};

	nec_progress_start(&diff->progress, diff->context, "comparing", 0);
	for (size_t i = 0; i < ARRAY_SIZE(comparisons); i++) {
		int r;

		if (comparisons[i] == nec_diff_registers && diff->count > 0)
			qsort(diff->items, diff->count, sizeof(*diff->items), compare_items);
		r = comparisons[i](diff, err);
		if (r == 0 && diff->no_memory)
			r = nec_error_no_memory(err);
		if (r < 0)
			return r;
	}
	nec_progress_finish(&diff->progress);
	return 0;
}

int nec_diff_run(nec_context *context, const char *before, const char *after, nec_diff **ret,
		 nec_error *err)
{
	const char *const paths[SIDES] = { before, after };
	NEC_CLEANUP(diff) nec_diff *diff = calloc(1, sizeof(*diff));
	int r = 0;

	if (!diff)
		return nec_error_no_memory(err);
	diff->context = context;
	for (size_t i = 0; r == 0 && i < SIDES; i++) {
		r = nec_eif_open(context, paths[i], &diff->eif[i], err);
		if (r == 0)
			r = nec_eif_measure(diff->eif[i], NULL, err);
	}
	if (r == 0)
		r = run_comparisons(diff, err);
	for (size_t i = 0; r == 0 && i < SIDES; i++)
		r = nec_eif_check_unchanged(diff->eif[i], err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(diff);
	return 0;
}

void nec_diff_free(nec_diff *diff)
{
	if (!diff)
		return;
	for (size_t i = 0; i < diff->count; i++)
		free_texts(&diff->items[i].difference);
	for (size_t i = 0; i < NEC_DIFF_REGISTERS; i++) {
		free((char *)diff->registers[i].before);
		free((char *)diff->registers[i].after);
		free((char *)diff->registers[i].reason);
	}
	for (size_t i = 0; i < SIDES; i++) {
		nec_signature_free(diff->signature[i]);
		nec_eif_free(diff->eif[i]);
	}
	free(diff->items);
	free(diff);
}

size_t nec_diff_get_count(const nec_diff *diff)
{
	return diff->count;
}

const struct nec_difference *nec_diff_get(const nec_diff *diff, size_t index)
{
	return index < diff->count ? &diff->items[index].difference : NULL;
}

size_t nec_diff_get_omitted(const nec_diff *diff)
{
	return diff->omitted;
}

const struct nec_diff_register *nec_diff_get_register(const nec_diff *diff, size_t index)
{
	return index < NEC_DIFF_REGISTERS ? &diff->registers[index] : NULL;
}
