/* SPDX-License-Identifier: Apache-2.0 */
#include "eif-data.h"

#include "base/error.h"
#include "image/eif-write.h"

/* The three ways to add a section must give the same file. */
typedef void (*add_fn)(struct nec_eif_writer *writer, enum nec_eif_section_type type,
		       const struct nec_buffer *data);

static void add_bytes(struct nec_eif_writer *writer, enum nec_eif_section_type type,
		      const struct nec_buffer *data)
{
	assert_int_equal(nec_eif_writer_add(writer, type, data->data, data->size, NULL), 0);
}

/* The data stands in the middle of another file. */
static void add_range(struct nec_eif_writer *writer, enum nec_eif_section_type type,
		      const struct nec_buffer *data)
{
	cleanup_buffer struct nec_buffer padded = { 0 };
	cleanup_close int fd = -1;

	nec_buffer_append_zeros(&padded, 100);
	nec_buffer_append(&padded, data->data, data->size);
	nec_buffer_append_zeros(&padded, 100);
	fd = eif_memfd(padded.data, padded.size);
	assert_int_equal(
		nec_eif_writer_add_range(writer, type, fd, "source", 100, data->size, NULL, NULL),
		0);
}

/* A producer that writes more than it keeps. */
static void add_by_producer(struct nec_eif_writer *writer, enum nec_eif_section_type type,
			    const struct nec_buffer *data)
{
	uint64_t offset;

	assert_int_equal(nec_eif_writer_begin(writer, type, &offset, NULL), 0);
	assert_int_equal(nec_file_write_at(writer->fd, "out", data->data, data->size, offset, NULL),
			 0);
	assert_int_equal(nec_file_write_at(writer->fd, "out", "more", 4, offset + data->size, NULL),
			 0);
	assert_int_equal(nec_eif_writer_end(writer, data->size, NULL), 0);
}

static void add_input(struct nec_eif_writer *writer, add_fn add, enum nec_eif_section_type type,
		      const char *file)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	char path[256];

	(void)snprintf(path, sizeof(path), "inputs/%s", file);
	eif_load(path, &data);
	add(writer, type, &data);
}

static void assert_same_bytes(int fd, const char *file)
{
	cleanup_buffer struct nec_buffer expected = { 0 };
	cleanup_buffer struct nec_buffer written = { 0 };

	eif_load(file, &expected);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(nec_file_read_all_fd(fd, file, 1 << 20, &written, NULL), 0);
	assert_int_equal(written.size, expected.size);
	assert_memory_equal(written.data, expected.data, expected.size);
}

static void write_inputs(const cJSON *row, add_fn add, bool measure)
{
	cleanup_close int fd = memfd_create("out", MFD_CLOEXEC);
	struct nec_eif_writer writer;
	struct nec_eif_sums sums;
	enum nec_arch arch;

	assert_int_equal(nec_arch_parse(json_string(row, "arch"), &arch, NULL), 0);
	nec_eif_writer_init(&writer, NULL, fd, "out", arch);
	add_input(&writer, add, NEC_EIF_KERNEL, json_string(row, "kernel"));
	add_input(&writer, add, NEC_EIF_CMDLINE, json_string(row, "cmdline"));
	add_input(&writer, add, NEC_EIF_METADATA, json_string(row, "metadata"));
	for (const cJSON *file = nec_json_get(row, "ramdisks")->child; file; file = file->next)
		add_input(&writer, add, NEC_EIF_RAMDISK, file->valuestring);
	if (measure)
		assert_int_equal(nec_eif_writer_measure(&writer, &sums, NULL), 0);
	assert_int_equal(nec_eif_writer_finish(&writer, NULL), 0);
	assert_same_bytes(fd, json_string(row, "output"));
}

static void writer__gives_the_bytes_of_aws_for_the_same_inputs(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *rows = NULL;
	size_t images = 0;

	(void)state;
	eif_load("inputs/inputs.json", &text);
	assert_int_equal(nec_json_parse((const char *)text.data, text.size, &rows, NULL), 0);
	for (const cJSON *row = rows->child; row; row = row->next, images++) {
		write_inputs(row, add_bytes, false);
		write_inputs(row, add_range, true);
		write_inputs(row, add_by_producer, false);
		write_inputs(row, add_by_producer, true);
	}
	assert_int_equal(images, 4);
}

/* Copies all sections of @file but a signature, as a builder that signs does. */
static void copy_sections(struct nec_eif_writer *writer, const nec_eif *eif)
{
	for (size_t i = 0; i < nec_eif_get_section_count(eif); i++) {
		const struct nec_eif_section *section = nec_eif_get_section(eif, i);

		if (section->type == NEC_EIF_SIGNATURE)
			continue;
		assert_int_equal(nec_eif_writer_add_range(writer, section->type, eif->fd, "in",
							  section->data_offset, section->size_bytes,
							  NULL, NULL),
				 0);
	}
}

static void writer__appends_a_signature_after_measuring(void **state)
{
	cleanup_eif nec_eif *unsigned_eif = NULL;
	cleanup_eif nec_eif *signed_eif = NULL;
	cleanup_buffer struct nec_buffer signature = { 0 };
	cleanup_close int fd = memfd_create("out", MFD_CLOEXEC);
	struct nec_eif_measurements expected;
	struct nec_eif_writer writer;
	struct nec_eif_sums sums;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-2rd.eif", &unsigned_eif, NULL), 0);
	assert_int_equal(
		nec_eif_open(NULL, EIF_DATA "x86-signed-after-p384.eif", &signed_eif, NULL), 0);
	assert_int_equal(nec_eif_measure(unsigned_eif, &expected, NULL), 0);
	assert_int_equal(nec_eif_read_whole(signed_eif,
					    nec_eif_find_section(signed_eif, NEC_EIF_SIGNATURE),
					    NEC_EIF_MAX_SIGNATURE, &signature, NULL),
			 0);
	nec_eif_writer_init(&writer, NULL, fd, "out", NEC_ARCH_X86_64);
	copy_sections(&writer, unsigned_eif);
	assert_int_equal(nec_eif_writer_measure(&writer, &sums, NULL), 0);
	assert_memory_equal(sums.pcr0, expected.pcr0, NEC_PCR_SIZE);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_SIGNATURE, signature.data,
					    signature.size, NULL),
			 0);
	assert_int_equal(nec_eif_writer_finish(&writer, NULL), 0);
	assert_same_bytes(fd, "x86-signed-after-p384.eif");
}

static void writer__refuses_a_33rd_section(void **state)
{
	cleanup_close int fd = memfd_create("out", MFD_CLOEXEC);
	struct nec_eif_writer writer;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_eif_writer_init(&writer, NULL, fd, "out", NEC_ARCH_X86_64);
	for (int i = 0; i < NEC_EIF_MAX_SECTIONS; i++)
		assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_RAMDISK, "x", 1, &err), 0);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_RAMDISK, "x", 1, &err), -E2BIG);
	assert_int_equal(err.code, NEC_E_EIF_SECTION_COUNT);
}

/* Not an image until the last write: an output that cannot be finished has no magic. */
static void writer__leaves_no_magic_in_an_unfinished_file(void **state)
{
	cleanup_close int fd = memfd_create("out", MFD_CLOEXEC);
	struct nec_eif_writer writer;
	nec_eif *eif = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_eif_writer_init(&writer, NULL, fd, "out", NEC_ARCH_X86_64);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_KERNEL, "x", 1, NULL), 0);
	assert_int_equal(nec_eif_open_fd(NULL, fd, "out", &eif, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_EIF_MAGIC);
}

static void writer__reports_a_write_that_fails(void **state)
{
	cleanup_close int fd = memfd_create("out", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct nec_eif_writer writer;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_eif_writer_init(&writer, NULL, fd, "out", NEC_ARCH_X86_64);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_KERNEL, "x", 1, NULL), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(nec_eif_writer_finish(&writer, &err), -EPERM);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer__gives_the_bytes_of_aws_for_the_same_inputs),
		cmocka_unit_test(writer__appends_a_signature_after_measuring),
		cmocka_unit_test(writer__refuses_a_33rd_section),
		cmocka_unit_test(writer__leaves_no_magic_in_an_unfinished_file),
		cmocka_unit_test(writer__reports_a_write_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
