/* SPDX-License-Identifier: Apache-2.0 */
/* Building an image: the plan, written section by section straight into the output. */
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "image/build-plan.h"
#include "image/describe.h"
#include "image/eif-write.h"
#include "image/manifest.h"

static int total_size(const struct nec_build_plan *plan, uint64_t *ret, nec_error *err)
{
	uint64_t total = plan->kernel.size;

	for (size_t i = 0; i < ARRAY_SIZE(plan->trees); i++) {
		uint64_t size = 0;
		int r = plan->trees[i] ? nec_cpio_size(plan->trees[i], &size, err) : 0;

		if (r < 0)
			return r;
		total += size;
	}
	for (size_t i = 0; i < plan->ramdisk_count; i++)
		total += plan->ramdisks[i].size;
	*ret = total;
	return 0;
}

static int add_file(struct nec_eif_writer *writer, enum nec_eif_section_type type,
		    const struct nec_build_file *file, struct nec_progress *progress,
		    nec_error *err)
{
	return nec_eif_writer_add_range(writer, type, file->fd, file->name, 0, file->size, progress,
					err);
}

/* The archive is made where it will lie. */
static int add_tree(struct nec_eif_writer *writer, struct nec_tree *tree,
		    const struct nec_cpio_options *options, struct nec_progress *progress,
		    nec_error *err)
{
	uint64_t offset;
	uint64_t size;
	int r = nec_eif_writer_begin(writer, NEC_EIF_RAMDISK, &offset, err);

	if (r == 0)
		r = nec_cpio_write(tree, options, writer->fd, writer->name, offset, progress, &size,
				   err);
	if (r == 0)
		r = nec_eif_writer_end(writer, size, err);
	return r;
}

/* In AWS's order. */
static int write_sections(const struct nec_build_plan *plan, struct nec_eif_writer *writer,
			  struct nec_progress *progress, nec_error *err)
{
	int r = add_file(writer, NEC_EIF_KERNEL, &plan->kernel, progress, err);

	if (r == 0)
		r = nec_eif_writer_add(writer, NEC_EIF_CMDLINE, plan->cmdline.data,
				       plan->cmdline.size, err);
	if (r == 0)
		r = nec_eif_writer_add(writer, NEC_EIF_METADATA, plan->metadata.data,
				       plan->metadata.size, err);
	for (size_t i = 0; i < ARRAY_SIZE(plan->trees) && r == 0; i++)
		if (plan->trees[i])
			r = add_tree(writer, plan->trees[i], &plan->cpio, progress, err);
	for (size_t i = 0; i < plan->ramdisk_count && r == 0; i++)
		r = add_file(writer, NEC_EIF_RAMDISK, &plan->ramdisks[i], progress, err);
	return r;
}

/* Only PCR0 is signed, so the signature section can be the last. */
static int add_signature(const struct nec_build_plan *plan, struct nec_eif_writer *writer,
			 struct nec_build_result *result, nec_error *err)
{
	cleanup_buffer struct nec_buffer section = { 0 };
	int r = nec_signer_sign(plan->signer, result->measurements.pcr0, &section, err);

	if (r == 0)
		r = nec_eif_writer_add(writer, NEC_EIF_SIGNATURE, section.data, section.size, err);
	if (r < 0)
		return r;
	result->is_signed = true;
	memcpy(result->pcr8, nec_signer_pcr8(plan->signer), NEC_PCR_SIZE);
	return 0;
}

static int write_image(const struct nec_build_plan *plan, struct nec_eif_writer *writer,
		       struct nec_build_result *result, nec_error *err)
{
	struct nec_progress progress;
	struct nec_eif_sums sums;
	uint64_t total;
	int r = total_size(plan, &total, err);

	if (r < 0)
		return r;
	nec_progress_start(&progress, plan->context, "writing", total);
	r = write_sections(plan, writer, &progress, err);
	nec_progress_finish(&progress);
	if (r == 0)
		r = nec_eif_writer_measure(writer, &sums, err);
	if (r < 0)
		return r;
	memcpy(result->measurements.pcr0, sums.pcr0, NEC_PCR_SIZE);
	memcpy(result->measurements.pcr1, sums.pcr1, NEC_PCR_SIZE);
	memcpy(result->measurements.pcr2, sums.pcr2, NEC_PCR_SIZE);
	if (plan->signer)
		r = add_signature(plan, writer, result, err);
	if (r == 0)
		r = nec_eif_writer_finish(writer, err);
	result->measurements.crc32 = writer->header.crc32;
	return r;
}

/* The measurements as `eif_build` prints them, which is what others keep beside their images. */
static int write_pcr_json(const struct nec_build_result *result, struct nec_output *output,
			  nec_error *err)
{
	cleanup_json cJSON *tree = nec_measurements_json(&result->measurements,
							 result->is_signed ? result->pcr8 : NULL);
	cleanup_buffer struct nec_buffer text = { 0 };

	if (!tree)
		return nec_error_no_memory(err);
	nec_json_print(tree, &text);
	nec_buffer_append_u8(&text, '\n');
	if (text.failed)
		return nec_error_no_memory(err);
	return nec_file_write_at(output->fd, output->path, text.data, text.size, 0, err);
}

/* The files beside the image; both are optional. */
struct side_files {
	struct nec_output pcr_json;
	struct nec_output manifest;
};

static int write_side_files(const struct nec_build_plan *plan, const struct nec_eif_writer *writer,
			    const struct nec_build_result *result, struct side_files *files,
			    nec_error *err)
{
	const struct nec_build_options *options = plan->options;
	int r = 0;

	if (options->pcr_json) {
		r = nec_output_open(&files->pcr_json, options->pcr_json, err);
		if (r == 0)
			r = write_pcr_json(result, &files->pcr_json, err);
	}
	if (r == 0 && options->manifest) {
		r = nec_output_open(&files->manifest, options->manifest, err);
		if (r == 0)
			r = nec_manifest_write(plan->context, writer->fd, writer->name,
					       &writer->layout, files->manifest.fd,
					       files->manifest.path, err);
	}
	return r;
}

/* Once the image is on the disk hardly anything can fail; it appears last, when all else is there.
 */
static int commit(struct nec_output *image, struct side_files *files, nec_error *err)
{
	int r = nec_output_sync(image, err);

	if (r == 0 && files->pcr_json.fd >= 0)
		r = nec_output_commit(&files->pcr_json, err);
	if (r == 0 && files->manifest.fd >= 0)
		r = nec_output_commit(&files->manifest, err);
	return r == 0 ? nec_output_commit(image, err) : r;
}

static int write_all(const struct nec_build_plan *plan, struct nec_build_result *result,
		     nec_error *err)
{
	cleanup_output struct nec_output image = NEC_OUTPUT_INIT;
	struct side_files files = { NEC_OUTPUT_INIT, NEC_OUTPUT_INIT };
	struct nec_eif_writer writer;
	int r = nec_output_open(&image, plan->options->output, err);

	if (r < 0)
		return r;
	nec_eif_writer_init(&writer, plan->context, image.fd, image.path, plan->arch);
	r = write_image(plan, &writer, result, err);
	if (r == 0)
		r = write_side_files(plan, &writer, result, &files, err);
	if (r == 0)
		r = nec_check_cancel(plan->context, err);
	if (r == 0)
		r = commit(&image, &files, err);
	nec_output_abort(&files.pcr_json);
	nec_output_abort(&files.manifest);
	return r;
}

int nec_eif_build(nec_context *context, const struct nec_build_options *options,
		  struct nec_build_result *ret, nec_error *err)
{
	struct nec_build_result result = { 0 };
	struct nec_build_plan plan;
	int r = nec_build_plan_make(&plan, context, options, err);

	if (r == 0)
		r = write_all(&plan, &result, err);
	nec_build_plan_free(&plan);
	if (r == 0)
		*ret = result;
	return r;
}
