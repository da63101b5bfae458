/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing kernel, command line, metadata and signature. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "image/diff.h"
#include "image/kernel.h"

/* The sections of one type; false when both images have none, or the same bytes. */
static int find_differing(nec_diff *diff, enum nec_eif_section_type type,
			  const struct nec_eif_section *ret[SIDES], nec_error *err)
{
	int r;

	for (size_t i = 0; i < SIDES; i++)
		ret[i] = nec_eif_find_section(diff->eif[i], type);
	if (!ret[BEFORE] && !ret[AFTER])
		return 0;
	if (!ret[BEFORE] || !ret[AFTER])
		return 1;
	r = nec_diff_same_bytes(diff, ret[BEFORE], ret[AFTER], err);
	return r < 0 ? r : !r;
}

/* ---- kernel ---- */

static const char *known(const char *text)
{
	return text[0] ? text : NULL;
}

int nec_diff_kernel(nec_diff *diff, nec_error *err)
{
	const struct nec_eif_section *sections[SIDES];
	struct nec_kernel kernels[SIDES] = { 0 };
	int r = find_differing(diff, NEC_EIF_KERNEL, sections, err);

	if (r <= 0)
		return r;
	for (size_t i = 0; i < SIDES; i++) {
		if (!sections[i])
			continue;
		r = nec_kernel_probe(diff->eif[i]->fd, diff->eif[i]->name, sections[i]->data_offset,
				     sections[i]->size_bytes, &kernels[i], err);
		if (r < 0)
			return r;
	}
	nec_diff_texts(diff, NEC_DIFF_KERNEL, "release", known(kernels[BEFORE].release),
		       known(kernels[AFTER].release));
	nec_diff_texts(diff, NEC_DIFF_KERNEL, "architecture", nec_arch_name(kernels[BEFORE].arch),
		       nec_arch_name(kernels[AFTER].arch));
	return nec_diff_sums(diff, NEC_DIFF_KERNEL, 0, sections[BEFORE], sections[AFTER], err);
}

/* ---- command line ---- */

/* Lines with more words are compared as a whole. */
enum { MAX_WORDS = 512 };

struct words {
	struct nec_buffer text;
	const char *list[MAX_WORDS];
	size_t count;
	bool too_many;
};

static int read_words(const nec_eif *eif, const struct nec_eif_section *section,
		      struct words *words, nec_error *err)
{
	char *rest;
	char *word;
	int r = section ? nec_eif_read_whole(eif, section, NEC_EIF_MAX_CMDLINE, &words->text, err)
			: 0;

	if (r < 0)
		return r;
	/* A NUL ends the line for the kernel, but not for who compares. */
	for (size_t i = 0; i < words->text.size; i++)
		if (words->text.data[i] == '\0')
			words->text.data[i] = '\n';
	rest = (char *)words->text.data;
	while (rest && (word = strsep(&rest, " \t\n"))) {
		if (*word == '\0')
			continue;
		words->too_many |= words->count == MAX_WORDS;
		if (!words->too_many)
			words->list[words->count++] = word;
	}
	return 0;
}

/*
 * Length of the longest common subsequence of the words from i and j on, for all i and j: the
 * fewest words are then reported as removed and added.
 */
static void measure_common(const struct words words[SIDES], uint16_t (*common)[MAX_WORDS + 1])
{
	for (size_t i = words[BEFORE].count; i-- > 0;)
		for (size_t j = words[AFTER].count; j-- > 0;) {
			bool same = strcmp(words[BEFORE].list[i], words[AFTER].list[j]) == 0;
			uint16_t skip = common[i + 1][j] > common[i][j + 1] ? common[i + 1][j]
									    : common[i][j + 1];

			common[i][j] = same ? (uint16_t)(common[i + 1][j + 1] + 1) : skip;
		}
}

static void report_words(nec_diff *diff, const struct words words[SIDES],
			 uint16_t (*common)[MAX_WORDS + 1])
{
	size_t i = 0;
	size_t j = 0;

	while (i < words[BEFORE].count || j < words[AFTER].count) {
		const char *before = i < words[BEFORE].count ? words[BEFORE].list[i] : NULL;
		const char *after = j < words[AFTER].count ? words[AFTER].list[j] : NULL;

		if (before && after && strcmp(before, after) == 0) {
			i++;
			j++;
		} else if (before && (!after || common[i + 1][j] >= common[i][j + 1])) {
			nec_diff_texts(diff, NEC_DIFF_CMDLINE, "word", before, NULL);
			i++;
		} else {
			nec_diff_texts(diff, NEC_DIFF_CMDLINE, "word", NULL, after);
			j++;
		}
	}
}

static int compare_words(nec_diff *diff, const struct nec_eif_section *const sections[SIDES],
			 struct words words[SIDES], nec_error *err)
{
	uint16_t(*common)[MAX_WORDS + 1];
	size_t count = diff->count;

	for (size_t i = 0; i < SIDES; i++) {
		int r = read_words(diff->eif[i], sections[i], &words[i], err);

		if (r < 0)
			return r;
	}
	if (!words[BEFORE].too_many && !words[AFTER].too_many) {
		common = calloc(MAX_WORDS + 1, sizeof(*common));
		if (!common)
			return nec_error_no_memory(err);
		measure_common(words, common);
		report_words(diff, words, common);
		free(common);
	}
	/* Too many words, or other white space between the same ones. */
	if (diff->count == count)
		return nec_diff_sums(diff, NEC_DIFF_CMDLINE, 0, sections[BEFORE], sections[AFTER],
				     err);
	return 0;
}

int nec_diff_cmdline(nec_diff *diff, nec_error *err)
{
	const struct nec_eif_section *sections[SIDES];
	struct words *words;
	int r = find_differing(diff, NEC_EIF_CMDLINE, sections, err);

	if (r <= 0)
		return r;
	words = calloc(SIDES, sizeof(*words));
	if (!words)
		return nec_error_no_memory(err);
	r = compare_words(diff, sections, words, err);
	for (size_t i = 0; i < SIDES; i++)
		nec_buffer_free(&words[i].text);
	free(words);
	return r;
}

/* ---- metadata ---- */

static void print_value(const cJSON *item, struct nec_buffer *to)
{
	if (item)
		nec_json_print_compact(item, to);
}

static void diff_values(nec_diff *diff, const char *path, const cJSON *before, const cJSON *after)
{
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };

	print_value(before, &a);
	print_value(after, &b);
	diff->no_memory |= a.failed || b.failed;
	nec_diff_texts(diff, NEC_DIFF_METADATA, path, before ? nec_buffer_text(&a) : NULL,
		       after ? nec_buffer_text(&b) : NULL);
}

/* Recursion ends at NEC_JSON_MAX_DEPTH. */
static void diff_trees(nec_diff *diff, const char *path, const cJSON *before, const cJSON *after);

/* NOLINTNEXTLINE(misc-no-recursion): see above */
static void diff_member(nec_diff *diff, const char *path, const char *key, const cJSON *before,
			const cJSON *after)
{
	cleanup_buffer struct nec_buffer below = { 0 };

	nec_buffer_printf(&below, "%s%s%s", path, *path ? "." : "", key);
	diff->no_memory |= below.failed;
	diff_trees(diff, nec_buffer_text(&below), before, after);
}

/* NOLINTNEXTLINE(misc-no-recursion): see above */
static void diff_trees(nec_diff *diff, const char *path, const cJSON *before, const cJSON *after)
{
	if (!before || !after || !nec_json_is_object(before) || !nec_json_is_object(after)) {
		diff_values(diff, path, before, after);
		return;
	}
	for (const cJSON *item = before->child; item; item = item->next)
		diff_member(diff, path, item->string, item, nec_json_get(after, item->string));
	for (const cJSON *item = after->child; item; item = item->next)
		if (!nec_json_get(before, item->string))
			diff_member(diff, path, item->string, NULL, item);
}

/* NULL in *@ret when there is none, or it is no JSON. */
static int read_tree(const nec_eif *eif, const struct nec_eif_section *section, cJSON **ret,
		     nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error problem = NEC_ERROR_INIT;
	int r;

	if (!section || section->size_bytes > NEC_EIF_MAX_METADATA)
		return 0;
	r = nec_eif_read_whole(eif, section, NEC_EIF_MAX_METADATA, &text, err);
	if (r < 0)
		return r;
	r = nec_json_parse(nec_buffer_text(&text), text.size, ret, &problem);
	if (r == 0 || r == -EBADMSG)
		return 0;
	if (err)
		*err = problem;
	return r;
}

int nec_diff_metadata(nec_diff *diff, nec_error *err)
{
	const struct nec_eif_section *sections[SIDES];
	cleanup_json cJSON *before = NULL;
	cleanup_json cJSON *after = NULL;
	size_t count = diff->count;
	int r = find_differing(diff, NEC_EIF_METADATA, sections, err);

	if (r <= 0)
		return r;
	r = read_tree(diff->eif[BEFORE], sections[BEFORE], &before, err);
	if (r == 0)
		r = read_tree(diff->eif[AFTER], sections[AFTER], &after, err);
	if (r < 0)
		return r;
	if (before && after)
		diff_trees(diff, "", before, after);
	/* Not both are JSON, or they say the same in another form. */
	if (diff->count == count)
		return nec_diff_sums(diff, NEC_DIFF_METADATA, 0, sections[BEFORE], sections[AFTER],
				     err);
	return 0;
}

/* ---- signature ---- */

/* "commonName=x, organizationName=y" */
static void print_name(const struct nec_name_entry *entries, size_t count, struct nec_buffer *to)
{
	nec_buffer_append_text(to, "");
	for (size_t i = 0; i < count; i++)
		nec_buffer_printf(to, "%s%s=%s", i > 0 ? ", " : "", entries[i].name,
				  entries[i].value);
}

static void diff_names(nec_diff *diff, const char *aspect, const struct nec_name_entry *before,
		       size_t before_count, const struct nec_name_entry *after, size_t after_count)
{
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };

	print_name(before, before_count, &a);
	print_name(after, after_count, &b);
	diff->no_memory |= a.failed || b.failed;
	nec_diff_texts(diff, NEC_DIFF_SIGNATURE, aspect, nec_buffer_text(&a), nec_buffer_text(&b));
}

static void diff_hex(nec_diff *diff, const char *aspect, const uint8_t *before,
		     const uint8_t *after, size_t size)
{
	char texts[SIDES][2 * NEC_PCR_SIZE + 1];

	nec_hex_encode(before, size, texts[BEFORE]);
	nec_hex_encode(after, size, texts[AFTER]);
	nec_diff_texts(diff, NEC_DIFF_SIGNATURE, aspect, texts[BEFORE], texts[AFTER]);
}

/* SHA-256 of the certificate, as everybody shows it. */
static int diff_fingerprints(nec_diff *diff, nec_error *err)
{
	uint8_t digests[SIDES][NEC_SHA256_SIZE];

	for (size_t i = 0; i < SIDES; i++) {
		cleanup_buffer struct nec_buffer der = { 0 };
		int r = nec_certificate_der(&diff->signature[i]->certificate, &der, err);

		if (r == 0)
			r = nec_sha256_digest(der.data, der.size, digests[i], err);
		if (r < 0)
			return r;
	}
	diff_hex(diff, "fingerprint", digests[BEFORE], digests[AFTER], NEC_SHA256_SIZE);
	return 0;
}

static void diff_signatures(nec_diff *diff, const struct nec_signature_info *before,
			    const struct nec_signature_info *after)
{
	const struct nec_certificate_info *a = &before->certificate;
	const struct nec_certificate_info *b = &after->certificate;

	diff_names(diff, "subject", a->subject, a->subject_count, b->subject, b->subject_count);
	diff_names(diff, "issuer", a->issuer, a->issuer_count, b->issuer, b->issuer_count);
	nec_diff_texts(diff, NEC_DIFF_SIGNATURE, "not before", a->not_before, b->not_before);
	nec_diff_texts(diff, NEC_DIFF_SIGNATURE, "not after", a->not_after, b->not_after);
	diff_hex(diff, "signed value", before->register_value, after->register_value, NEC_PCR_SIZE);
}

/* One that cannot be decoded stays NULL: it is compared as bytes. */
static int read_signature(nec_diff *diff, size_t side, nec_error *err)
{
	nec_error problem = NEC_ERROR_INIT;
	int r = nec_eif_read_signature(diff->eif[side], &diff->signature[side], &problem);

	if (r >= 0 || r == -EBADMSG || r == -EFBIG)
		return 0;
	if (err)
		*err = problem;
	return r;
}

int nec_diff_signature(nec_diff *diff, nec_error *err)
{
	const struct nec_eif_section *sections[SIDES];
	int r;

	for (size_t i = 0; i < SIDES; i++) {
		r = read_signature(diff, i, err);
		if (r < 0)
			return r;
	}
	r = find_differing(diff, NEC_EIF_SIGNATURE, sections, err);
	if (r <= 0)
		return r;
	if (diff->signature[BEFORE] && diff->signature[AFTER]) {
		diff_signatures(diff, nec_signature_get_info(diff->signature[BEFORE]),
				nec_signature_get_info(diff->signature[AFTER]));
		r = diff_fingerprints(diff, err);
		if (r < 0)
			return r;
	}
	return nec_diff_sums(diff, NEC_DIFF_SIGNATURE, 0, sections[BEFORE], sections[AFTER], err);
}
