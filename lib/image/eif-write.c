/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an image. */
#include "image/eif-write.h"

#include <assert.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"

/* What every known builder writes, and no known loader reads. */
static const uint64_t usual_memory_bytes = 1 << 30;
static const uint64_t usual_cpus = 2;

void nec_eif_writer_init(struct nec_eif_writer *writer, const nec_context *context, int fd,
			 const char *name, enum nec_arch arch)
{
	*writer = (struct nec_eif_writer){
		.context = context,
		.fd = fd,
		.name = name,
		.header = {
			.magic = NEC_EIF_MAGIC,
			.version = NEC_EIF_VERSION,
			.flags = arch == NEC_ARCH_AARCH64 ? NEC_EIF_FLAG_AARCH64 : 0,
			.default_memory_bytes = usual_memory_bytes,
			.default_cpus = usual_cpus,
		},
		.layout.size_bytes = NEC_EIF_HEADER_SIZE,
		.summed_to = NEC_EIF_HEADER_SIZE,
	};
}

int nec_eif_writer_begin(struct nec_eif_writer *writer, enum nec_eif_section_type type,
			 uint64_t *ret_offset, nec_error *err)
{
	struct nec_eif_layout *layout = &writer->layout;

	assert(!writer->in_section);
	if (layout->count == NEC_EIF_MAX_SECTIONS)
		return nec_error_set(err, NEC_E_EIF_SECTION_COUNT, -E2BIG,
				     "%s would need more than %d sections, the format's limit",
				     writer->name, NEC_EIF_MAX_SECTIONS);
	layout->sections[layout->count] = (struct nec_eif_section){
		.type = type,
		.offset = layout->size_bytes,
		.data_offset = layout->size_bytes + NEC_EIF_SECTION_HEADER,
	};
	writer->in_section = true;
	*ret_offset = layout->sections[layout->count].data_offset;
	return 0;
}

int nec_eif_writer_end(struct nec_eif_writer *writer, uint64_t size, nec_error *err)
{
	struct nec_eif_section *section = &writer->layout.sections[writer->layout.count];
	uint8_t bytes[NEC_EIF_SECTION_HEADER];

	assert(writer->in_section);
	writer->in_section = false;
	section->size_bytes = size;
	section->table_size_bytes = size;
	writer->layout.size_bytes = section->data_offset + size;
	writer->layout.count++;
	nec_put_u16be(bytes, (uint16_t)section->type);
	nec_put_u16be(bytes + 2, 0);
	nec_put_u64be(bytes + 4, size);
	return nec_file_write_at(writer->fd, writer->name, bytes, sizeof(bytes), section->offset,
				 err);
}

int nec_eif_writer_add(struct nec_eif_writer *writer, enum nec_eif_section_type type,
		       const void *data, size_t size, nec_error *err)
{
	uint64_t offset;
	int r = nec_eif_writer_begin(writer, type, &offset, err);

	if (r == 0)
		r = nec_file_write_at(writer->fd, writer->name, data, size, offset, err);
	return r < 0 ? r : nec_eif_writer_end(writer, size, err);
}

int nec_eif_writer_add_range(struct nec_eif_writer *writer, enum nec_eif_section_type type,
			     int from, const char *from_name, uint64_t from_offset, uint64_t size,
			     struct nec_progress *progress, nec_error *err)
{
	uint64_t offset;
	int r = nec_eif_writer_begin(writer, type, &offset, err);

	if (r == 0)
		r = nec_file_copy_range(from, from_name, from_offset, writer->fd, writer->name,
					offset, size, progress, err);
	return r < 0 ? r : nec_eif_writer_end(writer, size, err);
}

int nec_eif_writer_measure(struct nec_eif_writer *writer, struct nec_eif_sums *ret, nec_error *err)
{
	int r = nec_eif_measure_layout(writer->context, writer->fd, writer->name, &writer->layout,
				       ret, err);

	if (r < 0)
		return r;
	writer->body_crc = ret->body_crc;
	writer->summed_to = writer->layout.size_bytes;
	return 0;
}

/* Sums what was written after measuring, or everything when nobody asked for measurements. */
static int sum_tail(struct nec_eif_writer *writer, nec_error *err)
{
	int r = nec_eif_sum_range(writer->context, writer->fd, writer->name, writer->summed_to,
				  writer->layout.size_bytes, &writer->body_crc, err);

	if (r == 0)
		writer->summed_to = writer->layout.size_bytes;
	return r;
}

static void put_header(const struct nec_eif_writer *writer, uint8_t bytes[NEC_EIF_HEADER_SIZE])
{
	const struct nec_eif_header *header = &writer->header;
	const struct nec_eif_layout *layout = &writer->layout;

	nec_put_u32be(bytes, header->magic);
	nec_put_u16be(bytes + NEC_EIF_VERSION_AT, header->version);
	nec_put_u16be(bytes + NEC_EIF_FLAGS_AT, header->flags);
	nec_put_u64be(bytes + NEC_EIF_MEMORY_AT, header->default_memory_bytes);
	nec_put_u64be(bytes + NEC_EIF_CPUS_AT, header->default_cpus);
	nec_put_u16be(bytes + NEC_EIF_COUNT_AT, (uint16_t)layout->count);
	for (size_t i = 0; i < layout->count; i++) {
		size_t entry = i * sizeof(uint64_t);

		nec_put_u64be(bytes + NEC_EIF_OFFSETS_AT + entry, layout->sections[i].offset);
		nec_put_u64be(bytes + NEC_EIF_SIZES_AT + entry, layout->sections[i].size_bytes);
	}
}

int nec_eif_writer_finish(struct nec_eif_writer *writer, nec_error *err)
{
	uint8_t bytes[NEC_EIF_HEADER_SIZE] = { 0 };
	int r;

	assert(!writer->in_section);
	/* A producer may have written beyond what it kept. */
	if (ftruncate(writer->fd, (off_t)writer->layout.size_bytes) < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
					    "cannot set the length of %s", writer->name);
	r = sum_tail(writer, err);
	if (r < 0)
		return r;
	put_header(writer, bytes);
	writer->header.crc32 =
		nec_eif_whole_crc(bytes, writer->body_crc, writer->layout.size_bytes);
	nec_put_u32be(bytes + NEC_EIF_CRC_AT, writer->header.crc32);
	return nec_file_write_at(writer->fd, writer->name, bytes, sizeof(bytes), 0, err);
}
