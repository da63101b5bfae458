/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing an image: sections go straight to their place in the output, the header comes last.
 *
 *	nec_eif_writer_init(&writer, context, output.fd, output.path, arch);
 *	nec_eif_writer_add(&writer, NEC_EIF_CMDLINE, text, size, err);
 *	nec_eif_writer_add_range(&writer, NEC_EIF_RAMDISK, fd, path, 0, size, &progress, err);
 *	nec_eif_writer_measure(&writer, &sums, err);
 *	nec_eif_writer_add(&writer, NEC_EIF_SIGNATURE, ...);
 *	nec_eif_writer_finish(&writer, err);
 *
 * What was measured is not read again for the CRC. Until the end the file has no magic, so nobody
 * takes a torso for an image. Sections stand in the order they are added; AWS's order is kernel,
 * command line, metadata, ramdisks, signature.
 */
#ifndef NEC_IMAGE_EIF_WRITE_H
#define NEC_IMAGE_EIF_WRITE_H

#include "base/progress.h"
#include "image/eif-measure.h"

struct nec_eif_writer {
	const nec_context *context;
	int fd;           /* borrowed; open for reading and writing */
	const char *name; /* borrowed; for messages */
	struct nec_eif_header header;
	struct nec_eif_layout layout; /* of what is written so far */
	bool in_section;              /* between begin and end */
	uint64_t summed_to;           /* end of what body_crc covers */
	uint32_t body_crc;
};

/* For a new image: version 4, AWS's usual defaults for memory and CPUs. */
void nec_eif_writer_init(struct nec_eif_writer *writer, const nec_context *context, int fd,
			 const char *name, enum nec_arch arch);

/*
 * Each adds one section. Returns 0, -E2BIG (NEC_E_EIF_SECTION_COUNT: there are 32 already), or what
 * writing and nec_file_copy_range() give.
 */
int nec_eif_writer_add(struct nec_eif_writer *writer, enum nec_eif_section_type type,
		       const void *data, size_t size, nec_error *err);
int nec_eif_writer_add_range(struct nec_eif_writer *writer, enum nec_eif_section_type type,
			     int from, const char *from_name, uint64_t offset, uint64_t size,
			     struct nec_progress *progress, nec_error *err);

/* For a producer that writes by itself, from @ret_offset on; then tells how much it was. */
int nec_eif_writer_begin(struct nec_eif_writer *writer, enum nec_eif_section_type type,
			 uint64_t *ret_offset, nec_error *err);
int nec_eif_writer_end(struct nec_eif_writer *writer, uint64_t size, nec_error *err);

/* The registers of what is written so far. Returns as nec_eif_measure(). */
int nec_eif_writer_measure(struct nec_eif_writer *writer, struct nec_eif_sums *ret, nec_error *err);

/* Ends the file: length, CRC, header. Syncing and renaming is the caller's. */
int nec_eif_writer_finish(struct nec_eif_writer *writer, nec_error *err);

#endif
