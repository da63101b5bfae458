/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing an image that is there already.
 *
 * The new file is the old one with its signature section exchanged, or with one more at its end:
 *
 *	before   header | front | old section, if any | back
 *	after    header'| front | new section         | back
 *
 * Everything else keeps its bytes, whatever it is. The checksum of the new file follows from those
 * of the parts, so the image is read once, for the measurements that are signed.
 */
#include <string.h>

#include "base/crc32.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"
#include "image/eif-measure.h"
#include "image/signer.h"

/* The first version that knows signatures; 2 is treated alike by everybody. */
enum { VERSION_WITH_SIGNATURE = 3 };

struct edit {
	const nec_eif *eif;
	uint64_t cut;              /* end of the front */
	uint64_t back;             /* where the back begins in the old file */
	struct nec_buffer section; /* the new one, with its header */
	size_t entry;              /* of the tables, that is the signature's */
	size_t entry_count;
	uint64_t size; /* of the new file */
};

/* Where the new section goes. */
static int plan(const nec_eif *eif, struct edit *edit, nec_error *err)
{
	const struct nec_eif_layout *layout = &eif->layout;
	const struct nec_eif_section *old = nec_eif_find_section(eif, NEC_EIF_SIGNATURE);

	edit->eif = eif;
	if (old) {
		edit->cut = old->offset;
		edit->back = old->data_offset + old->size_bytes;
		edit->entry = eif->table_index[old - layout->sections];
		edit->entry_count = eif->table_count;
		return 0;
	}
	if (eif->table_count == NEC_EIF_MAX_SECTIONS)
		return nec_error_set(err, NEC_E_EIF_SECTION_COUNT, -E2BIG,
				     "%s has %d sections already, the format's limit: there is no "
				     "room for a signature",
				     eif->name, NEC_EIF_MAX_SECTIONS);
	edit->cut = layout->size_bytes;
	edit->back = layout->size_bytes;
	edit->entry = eif->table_count;
	edit->entry_count = eif->table_count + 1;
	return 0;
}

static int make_section(struct edit *edit, const struct nec_signer *signer,
			const uint8_t pcr0[NEC_PCR_SIZE], nec_error *err)
{
	struct nec_buffer *section = &edit->section;
	int r;

	nec_buffer_append_u16be(section, NEC_EIF_SIGNATURE);
	nec_buffer_append_u16be(section, 0);
	nec_buffer_append_u64be(section, 0);
	r = nec_signer_sign(signer, pcr0, section, err);
	if (r < 0)
		return r;
	nec_put_u64be(section->data + 4, section->size - NEC_EIF_SECTION_HEADER);
	edit->size = edit->cut + section->size + (edit->eif->layout.size_bytes - edit->back);
	return 0;
}

static void put_table_entry(uint8_t *header, size_t i, uint64_t offset, uint64_t size)
{
	nec_put_u64be(header + NEC_EIF_OFFSETS_AT + i * sizeof(uint64_t), offset);
	nec_put_u64be(header + NEC_EIF_SIZES_AT + i * sizeof(uint64_t), size);
}

static void put_header(const struct edit *edit, uint8_t header[NEC_EIF_HEADER_SIZE])
{
	const nec_eif *eif = edit->eif;

	memcpy(header, eif->raw_header, NEC_EIF_HEADER_SIZE);
	if (eif->header.version < VERSION_WITH_SIGNATURE)
		nec_put_u16be(header + NEC_EIF_VERSION_AT, VERSION_WITH_SIGNATURE);
	nec_put_u16be(header + NEC_EIF_COUNT_AT, (uint16_t)edit->entry_count);
	for (size_t i = 0; i < eif->layout.count; i++) {
		const struct nec_eif_section *section = &eif->layout.sections[i];

		/* What follows moves by as much as the signature grows. */
		if (section->offset >= edit->back)
			put_table_entry(header, eif->table_index[i],
					section->offset - edit->back + edit->cut +
						edit->section.size,
					section->size_bytes);
	}
	put_table_entry(header, edit->entry, edit->cut,
			edit->section.size - NEC_EIF_SECTION_HEADER);
}

/* The new checksum of everything after the header. */
static int sum_body(const struct edit *edit, uint32_t *ret, nec_error *err)
{
	const nec_eif *eif = edit->eif;
	uint64_t end = eif->layout.size_bytes;
	uint64_t back_size = end - edit->back;
	uint32_t old_section = 0;
	uint32_t back = 0;
	uint32_t front;
	uint32_t tail;
	int r = nec_eif_sum_range(eif->context, eif->fd, eif->name, edit->cut, edit->back,
				  &old_section, err);

	if (r == 0)
		r = nec_eif_sum_range(eif->context, eif->fd, eif->name, edit->back, end, &back,
				      err);
	if (r < 0)
		return r;
	tail = nec_crc32_combine(old_section, back, back_size);
	front = nec_crc32_cut(eif->body_crc, tail, end - edit->cut);
	tail = nec_crc32_combine(nec_crc32(0, edit->section.data, edit->section.size), back,
				 back_size);
	*ret = nec_crc32_combine(front, tail, edit->section.size + back_size);
	return 0;
}

/* The whole old file first: a file system that shares blocks can then do so with all of it. */
static int write_body(const struct edit *edit, const struct nec_output *output, nec_error *err)
{
	const nec_eif *eif = edit->eif;
	const struct nec_buffer *section = &edit->section;
	struct nec_progress progress;
	int r;

	nec_progress_start(&progress, eif->context, "writing", eif->layout.size_bytes);
	r = nec_file_copy_range(eif->fd, eif->name, 0, output->fd, output->path, 0,
				eif->layout.size_bytes, &progress, err);
	if (r < 0)
		return r;
	if (ftruncate(output->fd, (off_t)edit->cut) < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
					    "cannot set the length of %s", output->path);
	r = nec_file_write_at(output->fd, output->path, section->data, section->size, edit->cut,
			      err);
	if (r == 0)
		r = nec_file_copy_range(eif->fd, eif->name, edit->back, output->fd, output->path,
					edit->cut + section->size,
					eif->layout.size_bytes - edit->back, NULL, err);
	if (r == 0)
		nec_progress_finish(&progress);
	return r;
}

static int write_image(const struct edit *edit, struct nec_output *output, nec_error *err)
{
	uint8_t header[NEC_EIF_HEADER_SIZE];
	uint32_t body_crc = 0;
	int r = sum_body(edit, &body_crc, err);

	if (r == 0)
		r = write_body(edit, output, err);
	if (r == 0)
		r = nec_eif_check_unchanged(edit->eif, err);
	if (r < 0)
		return r;
	put_header(edit, header);
	nec_put_u32be(header + NEC_EIF_CRC_AT, nec_eif_whole_crc(header, body_crc, edit->size));
	r = nec_file_write_at(output->fd, output->path, header, sizeof(header), 0, err);
	if (r == 0)
		r = nec_check_cancel(edit->eif->context, err);
	return r < 0 ? r : nec_output_commit(output, err);
}

static int sign_image(nec_eif *eif, struct nec_output *output, const struct nec_signer *signer,
		      const struct nec_eif_measurements *measurements, nec_error *err)
{
	struct edit edit = { 0 };
	int r = plan(eif, &edit, err);

	if (r == 0)
		r = make_section(&edit, signer, measurements->pcr0, err);
	if (r == 0)
		r = write_image(&edit, output, err);
	nec_buffer_free(&edit.section);
	return r;
}

int nec_eif_sign(nec_context *context, const char *path, const char *output_path,
		 const struct nec_sign_options *options, struct nec_sign_result *ret,
		 nec_error *err)
{
	cleanup_signer struct nec_signer *signer = NULL;
	cleanup_output struct nec_output output = NEC_OUTPUT_INIT;
	cleanup_eif nec_eif *eif = NULL;
	struct nec_sign_result result;
	int r = nec_signer_open(context, options, &signer, err);

	if (r == 0)
		r = nec_eif_open(context, path, &eif, err);
	/* Nobody should have to type a PIN to learn that the result cannot be written. */
	if (r == 0)
		r = nec_output_open(&output, output_path ? output_path : path, err);
	if (r == 0)
		r = nec_eif_measure(eif, &result.measurements, err);
	/* Signing vouches for the image: one that is damaged is not signed. */
	if (r == 0)
		r = nec_eif_refuse_errors(eif, false, err);
	if (r == 0)
		r = sign_image(eif, &output, signer, &result.measurements, err);
	if (r < 0)
		return r;
	memcpy(result.pcr8, nec_signer_pcr8(signer), sizeof(result.pcr8));
	if (ret)
		*ret = result;
	return 0;
}
