/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings: what is wrong with an image that can be read all the same, and the strict verdict.
 *
 * The rules (rules.c) are those of AWS's format description; where another loader is known to be
 * stricter, the finding is a warning that says which.
 */
#include "image/eif-metadata.h"
#include "image/eif.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/utf8.h"

void nec_eif_add_finding(nec_eif *eif, enum nec_rule rule, uint64_t offset, const char *format, ...)
{
	const struct nec_eif_rule *row = nec_rule_row(rule);
	struct nec_eif_finding finding = {
		.rule = row->name,
		.severity = row->severity,
		.code = row->code,
		.offset = offset,
		.hint = row->hint,
	};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(finding.message, sizeof(finding.message), format, args);
	va_end(args);
	nec_utf8_make_printable(finding.message);
	nec_buffer_append(&eif->findings, &finding, sizeof(finding));
}

int nec_eif_findings_result(const nec_eif *eif, nec_error *err)
{
	return eif->findings.failed ? nec_error_no_memory(err) : 0;
}

size_t nec_eif_get_finding_count(const nec_eif *eif)
{
	return eif->findings.size / sizeof(struct nec_eif_finding);
}

const struct nec_eif_finding *nec_eif_get_finding(const nec_eif *eif, size_t index)
{
	if (index >= nec_eif_get_finding_count(eif))
		return NULL;
	return (const struct nec_eif_finding *)(const void *)eif->findings.data + index;
}

static void check_header(nec_eif *eif)
{
	const struct nec_eif_header *header = &eif->header;
	unsigned int unknown = header->flags & ~(unsigned int)NEC_EIF_FLAG_AARCH64;

	if (header->magic != NEC_EIF_MAGIC)
		nec_eif_add_finding(eif, NEC_RULE_MAGIC, 0,
				    "the magic is %08" PRIx32 " instead of %08x (\".eif\")",
				    header->magic, NEC_EIF_MAGIC);
	if (header->version < NEC_EIF_MIN_VERSION || header->version > NEC_EIF_VERSION)
		nec_eif_add_finding(eif, NEC_RULE_VERSION, NEC_EIF_VERSION_AT,
				    "version %u does not exist", header->version);
	if (unknown)
		nec_eif_add_finding(eif, NEC_RULE_FLAGS, NEC_EIF_FLAGS_AT,
				    "the flags 0x%04x have bits beside the architecture: 0x%04x",
				    header->flags, unknown);
}

static void check_zero(nec_eif *eif, size_t from, size_t to, const char *what)
{
	for (size_t at = from; at < to; at++) {
		if (eif->raw_header[at]) {
			nec_eif_add_finding(eif, NEC_RULE_RESERVED, at, "%s is not 0", what);
			return;
		}
	}
}

static void check_reserved(nec_eif *eif)
{
	size_t used = eif->table_count * sizeof(uint64_t);

	check_zero(eif, NEC_EIF_RESERVED_AT, NEC_EIF_RESERVED_AT + 2, "the reserved field");
	check_zero(eif, NEC_EIF_OFFSETS_AT + used, NEC_EIF_SIZES_AT,
		   "an unused entry of the table of offsets");
	check_zero(eif, NEC_EIF_SIZES_AT + used, NEC_EIF_UNUSED_AT,
		   "an unused entry of the table of sizes");
	check_zero(eif, NEC_EIF_UNUSED_AT, NEC_EIF_CRC_AT, "the unused field before the CRC");
}

static void check_sizes(nec_eif *eif, size_t i)
{
	const struct nec_eif_section *section = &eif->layout.sections[i];
	unsigned int number = eif->table_index[i];
	bool signature = section->type == NEC_EIF_SIGNATURE;

	if (section->size_bytes != section->table_size_bytes)
		nec_eif_add_finding(
			eif, signature ? NEC_RULE_SIGNATURE_SIZE_STALE : NEC_RULE_SECTION_SIZE,
			NEC_EIF_SIZES_AT + number * sizeof(uint64_t),
			"section %u (%s) has %" PRIu64 " bytes by its own header, %" PRIu64
			" by the file's table",
			number, nec_eif_section_name(section->type), section->size_bytes,
			section->table_size_bytes);
	if (signature && section->size_bytes > NEC_EIF_MAX_SIGNATURE)
		nec_eif_add_finding(eif, NEC_RULE_SIGNATURE_SIZE, section->offset,
				    "the signature section has %" PRIu64 " bytes, %d are allowed",
				    section->size_bytes, NEC_EIF_MAX_SIGNATURE);
}

static void check_section(nec_eif *eif, size_t i)
{
	const struct nec_eif_section *section = &eif->layout.sections[i];
	const char *name = nec_eif_section_name(section->type);
	uint16_t version = eif->header.version;

	check_sizes(eif, i);
	if (section->flags)
		nec_eif_add_finding(eif, NEC_RULE_SECTION_FLAGS, section->offset + 2,
				    "section %u (%s) has flags 0x%04x", eif->table_index[i], name,
				    section->flags);
	if ((section->type == NEC_EIF_SIGNATURE && version < 3) ||
	    (section->type == NEC_EIF_METADATA && version < 4))
		nec_eif_add_finding(eif, NEC_RULE_SECTION_VERSION, section->offset,
				    "section %u (%s) does not exist in version %u",
				    eif->table_index[i], name, version);
}

/* Bytes that belong to no section: before, between, after. */
static void check_gaps(nec_eif *eif)
{
	uint64_t end = NEC_EIF_HEADER_SIZE;

	for (size_t i = 0; i < eif->layout.count; i++) {
		const struct nec_eif_section *section = &eif->layout.sections[i];

		if (section->offset > end)
			nec_eif_add_finding(eif, NEC_RULE_SECTION_GAP, end,
					    "%" PRIu64 " bytes before section %zu belong to no "
					    "section",
					    section->offset - end, i);
		end = section->data_offset + section->size_bytes;
	}
	if (eif->layout.size_bytes > end)
		nec_eif_add_finding(eif, NEC_RULE_TRAILING_BYTES, end,
				    "%" PRIu64 " bytes follow the last section",
				    eif->layout.size_bytes - end);
}

static void check_counts(nec_eif *eif)
{
	static const struct {
		enum nec_eif_section_type type;
		bool repeatable;
		uint16_t needed_from; /* version; 0: never needed */
	} rows[] = {
		{ NEC_EIF_KERNEL, false, 1 },   { NEC_EIF_CMDLINE, false, 1 },
		{ NEC_EIF_RAMDISK, true, 1 },   { NEC_EIF_SIGNATURE, false, 0 },
		{ NEC_EIF_METADATA, false, 4 },
	};

	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		const char *name = nec_eif_section_name(rows[row].type);
		size_t count = 0;

		for (size_t i = 0; i < eif->layout.count; i++) {
			const struct nec_eif_section *section = &eif->layout.sections[i];

			if (section->type != rows[row].type)
				continue;
			if (++count > 1 && !rows[row].repeatable)
				nec_eif_add_finding(eif, NEC_RULE_SECTION_REPEATED, section->offset,
						    "section %u is another %s section, one is "
						    "allowed",
						    eif->table_index[i], name);
		}
		if (count == 0 && !eif->incomplete && rows[row].needed_from &&
		    eif->header.version >= rows[row].needed_from)
			nec_eif_add_finding(eif, NEC_RULE_SECTION_MISSING, NEC_EIF_COUNT_AT,
					    "there is no %s section", name);
	}
}

static void check_order(nec_eif *eif)
{
	const struct nec_eif_section *kernel = nec_eif_find_section(eif, NEC_EIF_KERNEL);
	const struct nec_eif_section *ramdisk = nec_eif_find_section(eif, NEC_EIF_RAMDISK);

	if (kernel && ramdisk && ramdisk->offset < kernel->offset)
		nec_eif_add_finding(eif, NEC_RULE_SECTION_ORDER, ramdisk->offset,
				    "a ramdisk stands before the kernel");
}

void nec_eif_find_structure(nec_eif *eif)
{
	check_header(eif);
	check_reserved(eif);
	for (size_t i = 0; i < eif->layout.count; i++)
		check_section(eif, i);
	/* What was left out is neither a gap nor missing. */
	if (!eif->incomplete)
		check_gaps(eif);
	check_counts(eif);
	check_order(eif);
}

int nec_eif_refuse_errors(const nec_eif *eif, bool with_signature, nec_error *err)
{
	static const char signature_rules[] = "signature-";

	for (size_t i = 0; i < nec_eif_get_finding_count(eif); i++) {
		const struct nec_eif_finding *finding = nec_eif_get_finding(eif, i);

		if (finding->severity != NEC_SEVERITY_ERROR ||
		    (!with_signature &&
		     strncmp(finding->rule, signature_rules, strlen(signature_rules)) == 0))
			continue;
		nec_error_set(err, finding->code, -EBADMSG, "%s: offset %" PRIu64 ": %s", eif->name,
			      finding->offset, finding->message);
		nec_error_set_hint(err, "%s", finding->hint);
		return -EBADMSG;
	}
	return 0;
}

int nec_eif_check(nec_eif *eif, nec_error *err)
{
	int r = nec_eif_measure(eif, NULL, err);

	if (r == 0)
		r = nec_eif_find_metadata(eif, err);
	if (r == 0)
		r = nec_eif_find_signature(eif, time(NULL), err);
	if (r == 0)
		r = nec_eif_check_unchanged(eif, err);
	return r < 0 ? r : nec_eif_refuse_errors(eif, true, err);
}
