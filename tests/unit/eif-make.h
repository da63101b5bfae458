/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images and ramdisks put together byte by byte, right or wrong as a test wants them. Nothing here
 * uses the library's writers: what they would refuse to write is just what is needed.
 */
#ifndef NEC_TESTS_UNIT_EIF_MAKE_H
#define NEC_TESTS_UNIT_EIF_MAKE_H

#include "eif-data.h"

#include <elf.h>
#include <sys/stat.h>

#include "base/crc32.h"
#include "base/cursor.h"

/* ------------------------------------------------------------------------------------ cpio -- */

struct cpio_file {
	const char *name;
	uint32_t mode;    /* with the type */
	const char *text; /* data, or a link's target */
	size_t size;      /* 0: the length of @text */
	uint32_t uid;
	uint32_t gid;
	uint32_t mtime;
	uint32_t inode;
	uint32_t links; /* 0: 1 */
};

static inline void cpio_add(struct nec_buffer *to, const struct cpio_file *file)
{
	size_t size = file->size || !file->text ? file->size : strlen(file->text);
	size_t name_size = strlen(file->name) + 1;

	nec_buffer_printf(to, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X",
			  file->inode, file->mode, file->uid, file->gid,
			  file->links ? file->links : 1, file->mtime, size, 0, 0, 0, 0, name_size,
			  0);
	nec_buffer_append(to, file->name, name_size);
	nec_buffer_append_zeros(to, -to->size & 3);
	if (size > 0)
		nec_buffer_append(to, file->text, size);
	nec_buffer_append_zeros(to, -to->size & 3);
}

static inline void cpio_end(struct nec_buffer *to)
{
	cpio_add(to, &(struct cpio_file){ .name = "TRAILER!!!" });
}

/* With the folders above it that are not in @to yet. */
static inline void cpio_add_path(struct nec_buffer *to, const struct cpio_file *file)
{
	char folder[512];

	for (const char *slash = strchr(file->name, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file->name),
			       file->name);
		if (!to->data || !memmem(to->data, to->size, folder, strlen(folder) + 1))
			cpio_add(to, &(struct cpio_file){ folder, S_IFDIR | 0755 });
	}
	cpio_add(to, file);
}

/* ------------------------------------------------------------------------------------- ELF -- */

/* A program of the given machine, without code; with an interpreter unless that is NULL. */
static inline void elf_make(struct nec_buffer *to, uint16_t machine, const char *interpreter)
{
	const Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = interpreter ? 1 : 0,
	};
	const Elf64_Phdr segment = {
		.p_type = PT_INTERP,
		.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
		.p_filesz = interpreter ? strlen(interpreter) + 1 : 0,
	};

	nec_buffer_append(to, &header, sizeof(header));
	nec_buffer_append(to, &segment, sizeof(segment));
	if (interpreter)
		nec_buffer_append(to, interpreter, strlen(interpreter) + 1);
}

/* ------------------------------------------------------------------------------------- EIF -- */

static inline uint64_t get_be(const struct nec_buffer *image, size_t at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | image->data[at + i];
	return value;
}

/* An image without sections. */
static inline void eif_begin(struct nec_buffer *image)
{
	nec_buffer_append_u32be(image, NEC_EIF_MAGIC);
	nec_buffer_append_u16be(image, 4);
	nec_buffer_append_u16be(image, 0);
	nec_buffer_append_u64be(image, UINT64_C(1) << 30);
	nec_buffer_append_u64be(image, 2);
	nec_buffer_append_zeros(image, NEC_EIF_HEADER_SIZE - image->size);
}

/* Adds a section at the end and to the tables. */
static inline void eif_add(struct nec_buffer *image, enum nec_eif_section_type type,
			   const void *data, size_t size)
{
	size_t i = get_be(image, NEC_EIF_COUNT_AT, 2);

	eif_patch(image, NEC_EIF_OFFSETS_AT + i * 8, 8, image->size);
	eif_patch(image, NEC_EIF_SIZES_AT + i * 8, 8, size);
	eif_patch(image, NEC_EIF_COUNT_AT, 2, i + 1);
	nec_buffer_append_u16be(image, (uint16_t)type);
	nec_buffer_append_u16be(image, 0);
	nec_buffer_append_u64be(image, size);
	if (size > 0)
		nec_buffer_append(image, data, size);
}

static inline void eif_add_text(struct nec_buffer *image, enum nec_eif_section_type type,
				const char *text)
{
	eif_add(image, type, text, strlen(text));
}

/* A file of tests/data/eif as a section. */
static inline void eif_add_file(struct nec_buffer *image, enum nec_eif_section_type type,
				const char *file)
{
	cleanup_buffer struct nec_buffer data = { 0 };

	eif_load(file, &data);
	eif_add(image, type, data.data, data.size);
}

/* Makes the checksum right, which anything done after it makes wrong. */
static inline void eif_fix_crc(struct nec_buffer *image)
{
	uint32_t crc;

	assert_int_equal(nec_crc32_load(NULL), 0);
	crc = nec_crc32(0, image->data, NEC_EIF_CRC_AT);
	crc = nec_crc32(crc, image->data + NEC_EIF_HEADER_SIZE, image->size - NEC_EIF_HEADER_SIZE);
	eif_patch(image, NEC_EIF_CRC_AT, 4, crc);
}

#endif
