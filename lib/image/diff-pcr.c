/* SPDX-License-Identifier: Apache-2.0 */
/* Which registers differ, and which of the differences are to blame. */
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "image/diff.h"

/* Files that are named for one ramdisk; the others are counted. */
enum { MAX_NAMED = 3 };

static const struct pcr {
	unsigned int index;
	size_t offset; /* in struct nec_eif_measurements */
} pcrs[NEC_DIFF_REGISTERS] = {
	{ 0, offsetof(struct nec_eif_measurements, pcr0) },
	{ 1, offsetof(struct nec_eif_measurements, pcr1) },
	{ 2, offsetof(struct nec_eif_measurements, pcr2) },
	{ 8, 0 },
};

/* Whether a register covers that part: eif(5), MEASUREMENTS. */
static bool covers(unsigned int pcr, const struct nec_difference *difference)
{
	switch (difference->part) {
	case NEC_DIFF_KERNEL:
	case NEC_DIFF_CMDLINE:
		return pcr == 0 || pcr == 1;
	case NEC_DIFF_RAMDISK:
		return pcr == 0 || (pcr == 1 && difference->ramdisk == 1) ||
		       (pcr == 2 && difference->ramdisk > 1);
	case NEC_DIFF_SIGNATURE:
		return pcr == 8;
	default:
		return false;
	}
}

static const struct nec_difference *item(const nec_diff *diff, size_t i)
{
	return &diff->items[i].difference;
}

static bool same_ramdisk(const nec_diff *diff, size_t i, const struct nec_difference *as)
{
	return i < diff->count && item(diff, i)->part == as->part &&
	       item(diff, i)->ramdisk == as->ramdisk;
}

static const char *verb(const struct nec_difference *difference)
{
	if (difference->aspect)
		return "changed";
	return difference->before ? "removed" : "added";
}

/* Names the files of the ramdisk whose differences begin at @i. Returns where they end. */
static size_t name_files(const nec_diff *diff, size_t i, struct nec_buffer *to)
{
	const struct nec_difference *first = item(diff, i);
	const char *last_path = NULL;
	size_t files = 0;

	for (; same_ramdisk(diff, i, first); i++) {
		const char *path = item(diff, i)->path;

		if (!path || (last_path && strcmp(path, last_path) == 0))
			continue;
		last_path = path;
		if (++files <= MAX_NAMED)
			nec_buffer_printf(to, "%s %s %s", files > 1 ? "," : ":", path,
					  verb(item(diff, i)));
	}
	if (files > MAX_NAMED)
		nec_buffer_printf(to, " and %zu more", files - MAX_NAMED);
	return i;
}

static const char *blamed(enum nec_diff_part part)
{
	switch (part) {
	case NEC_DIFF_CMDLINE:
		return "command line";
	case NEC_DIFF_SIGNATURE:
		return "certificate";
	default:
		return nec_diff_part_name(part);
	}
}

/* The items are sorted, so those of one part and one ramdisk stand together. */
static void find_reason(const nec_diff *diff, unsigned int pcr, struct nec_buffer *to)
{
	size_t i = 0;

	while (i < diff->count) {
		const struct nec_difference *first = item(diff, i);
		bool covered = covers(pcr, first);

		if (covered)
			nec_buffer_printf(to, "%s%s", to->size ? "; " : "", blamed(first->part));
		if (covered && first->part == NEC_DIFF_RAMDISK) {
			nec_buffer_printf(to, " %u", first->ramdisk);
			i = name_files(diff, i, to);
			continue;
		}
		while (same_ramdisk(diff, i, first))
			i++;
	}
	if (to->size == 0)
		nec_buffer_append_text(to, "order of the sections");
}

/* The value in hex, "" when the image has no such register. */
static char *value_of(const nec_diff *diff, size_t side, const struct pcr *pcr)
{
	const uint8_t *measurements = (const uint8_t *)&diff->eif[side]->measurements;
	char text[2 * NEC_PCR_SIZE + 1] = "";

	if (pcr->index != 8)
		nec_hex_encode(measurements + pcr->offset, NEC_PCR_SIZE, text);
	else if (diff->signature[side])
		nec_hex_encode(nec_signature_get_info(diff->signature[side])->pcr8, NEC_PCR_SIZE,
			       text);
	return strdup(text);
}

int nec_diff_registers(nec_diff *diff, nec_error *err)
{
	for (size_t i = 0; i < NEC_DIFF_REGISTERS; i++) {
		struct nec_diff_register *ret = &diff->registers[i];
		struct nec_buffer reason = { 0 };

		ret->index = pcrs[i].index;
		ret->before = value_of(diff, BEFORE, &pcrs[i]);
		ret->after = value_of(diff, AFTER, &pcrs[i]);
		ret->differs = ret->before && ret->after && strcmp(ret->before, ret->after) != 0;
		if (ret->differs)
			find_reason(diff, ret->index, &reason);
		nec_buffer_append_text(&reason, "");
		ret->reason = (char *)reason.data;
		if (!ret->before || !ret->after || !ret->reason)
			return nec_error_no_memory(err);
	}
	return 0;
}
