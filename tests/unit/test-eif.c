/* SPDX-License-Identifier: Apache-2.0 */
#include "eif-data.h"

#include "base/cursor.h"
#include "base/error.h"
#include "leftovers.h"

/* Changes to make to x86-2rd.eif, and the findings or the error that follow. */
struct patch {
	size_t at;
	size_t size;
	uint64_t value;
};

static const struct nec_eif_finding *find_rule(const nec_eif *eif, const char *rule)
{
	for (size_t i = 0; i < nec_eif_get_finding_count(eif); i++)
		if (strcmp(nec_eif_get_finding(eif, i)->rule, rule) == 0)
			return nec_eif_get_finding(eif, i);
	return NULL;
}

static void assert_section(const struct nec_eif_section *section, const cJSON *row)
{
	assert_string_equal(nec_eif_section_name(section->type), json_string(row, "type"));
	assert_int_equal(section->offset, json_u64(row, "offset"));
	assert_int_equal(section->data_offset, section->offset + NEC_EIF_SECTION_HEADER);
	assert_int_equal(section->size_bytes, json_u64(row, "size"));
	assert_int_equal(section->table_size_bytes, json_u64(row, "header_size_entry"));
}

static void assert_structure(const nec_eif *eif, const cJSON *row)
{
	const struct nec_eif_header *header = nec_eif_get_header(eif);
	const cJSON *sections = nec_json_get(row, "sections");
	uint32_t crc = (uint32_t)strtoul(json_string(row, "crc_header"), NULL, 16);
	const struct nec_eif_section *cmdline = nec_eif_find_section(eif, NEC_EIF_CMDLINE);
	cleanup_buffer struct nec_buffer text = { 0 };
	size_t i = 0;

	assert_int_equal(nec_eif_get_size_bytes(eif), json_u64(row, "bytes"));
	assert_int_equal(header->version, json_u64(row, "version"));
	assert_int_equal(header->crc32, crc);
	assert_int_equal(header->default_memory_bytes, json_u64(row, "default_mem"));
	assert_int_equal(header->default_cpus, json_u64(row, "default_cpus"));
	assert_string_equal(nec_arch_name(nec_eif_get_arch(eif)), json_string(row, "arch"));
	for (const cJSON *section = sections->child; section; section = section->next)
		assert_section(nec_eif_get_section(eif, i++), section);
	assert_int_equal(nec_eif_get_section_count(eif), i);
	assert_null(nec_eif_get_section(eif, i));
	assert_int_equal(nec_eif_read_whole(eif, cmdline, NEC_EIF_MAX_CMDLINE, &text, NULL), 0);
	assert_string_equal(nec_buffer_text(&text), json_string(row, "cmdline"));
}

static void reader__agrees_with_expected_json_on_every_image(void **state)
{
	cleanup_json cJSON *rows = eif_expected();
	size_t images = 0;

	(void)state;
	for (const cJSON *row = rows->child; row; row = row->next, images++) {
		const char *file = json_string(row, "file");
		cleanup_eif nec_eif *eif = NULL;
		char path[512];
		nec_error err = NEC_ERROR_INIT;
		int r;

		(void)snprintf(path, sizeof(path), EIF_DATA "%s", file);
		r = nec_eif_open(NULL, path, &eif, &err);
		if (strcmp(json_string(row, "spec_verdict"), "reject: unknown section type") == 0) {
			assert_int_equal(r, -EBADMSG);
			assert_int_equal(err.code, NEC_E_EIF_SECTION_TYPE);
			continue;
		}
		if (r < 0)
			fail_msg("%s", err.message);
		assert_structure(eif, row);
	}
	assert_true(images >= 21);
}

static void reader__finds_what_is_wrong_in_the_images(void **state)
{
	static const struct {
		const char *file;
		const char *rule; /* the only finding; NULL: none */
		uint64_t offset;
	} rows[] = {
		{ "x86-2rd.eif", NULL, 0 },
		{ "v2-nometadata.eif", NULL, 0 },
		{ "v3-signed-nometadata.eif", NULL, 0 },
		{ "v4-metadata-last.eif", NULL, 0 },
		{ "bad-magic.eif", "magic", 0 },
		{ "bad-two-kernels.eif", "section-repeated", 5560 },
		{ "bad-v4-nometadata.eif", "section-missing", NEC_EIF_COUNT_AT },
		{ "v4-gap64.eif", "section-gap", 548 },
		{ "x86-resigned-p256-to-p521-stalesize.eif", "signature-size-stale",
		  NEC_EIF_SIZES_AT + 5 * 8 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_eif nec_eif *eif = NULL;
		char path[512];

		(void)snprintf(path, sizeof(path), EIF_DATA "%s", rows[i].file);
		assert_int_equal(nec_eif_open(NULL, path, &eif, NULL), 0);
		assert_int_equal(nec_eif_get_finding_count(eif), rows[i].rule ? 1 : 0);
		if (!rows[i].rule)
			continue;
		assert_string_equal(nec_eif_get_finding(eif, 0)->rule, rows[i].rule);
		assert_int_equal(nec_eif_get_finding(eif, 0)->offset, rows[i].offset);
	}
}

/* Sections of x86-2rd.eif: kernel 548, cmdline 5560, metadata 5691, ramdisks 5947 and 6479. */
static void reader__makes_a_finding_of_what_can_be_described(void **state)
{
	static const struct {
		struct patch patch;
		const char *rule;
		enum nec_severity severity;
		const char *message;
	} rows[] = {
		{ { 0, 1, 'X' }, "magic", NEC_SEVERITY_ERROR, "58656966" },
		{ { NEC_EIF_VERSION_AT, 2, 5 }, "version", NEC_SEVERITY_ERROR, "version 5" },
		{ { NEC_EIF_VERSION_AT, 2, 1 }, "version", NEC_SEVERITY_ERROR, "version 1" },
		{ { NEC_EIF_FLAGS_AT, 2, 0x241 }, "flags", NEC_SEVERITY_WARNING, "0x0240" },
		{ { NEC_EIF_RESERVED_AT, 2, 1 }, "reserved", NEC_SEVERITY_WARNING, "reserved" },
		{ { NEC_EIF_OFFSETS_AT + 40, 8, 9 }, "reserved", NEC_SEVERITY_WARNING, "offsets" },
		{ { NEC_EIF_SIZES_AT + 40, 8, 9 }, "reserved", NEC_SEVERITY_WARNING, "sizes" },
		{ { NEC_EIF_UNUSED_AT, 4, 1 }, "reserved", NEC_SEVERITY_WARNING, "unused" },
		{ { NEC_EIF_COUNT_AT, 2, 4 }, "trailing-bytes", NEC_SEVERITY_ERROR, "1824 bytes" },
		{ { NEC_EIF_SIZES_AT, 8, 5001 }, "section-size", NEC_SEVERITY_ERROR, "5001" },
		{ { 5560, 2, NEC_EIF_KERNEL },
		  "section-repeated",
		  NEC_SEVERITY_ERROR,
		  "section 1" },
		{ { 5560, 2, NEC_EIF_RAMDISK }, "section-missing", NEC_SEVERITY_ERROR, "cmdline" },
		{ { 548, 2, NEC_EIF_RAMDISK }, "section-missing", NEC_SEVERITY_ERROR, "kernel" },
		{ { 5562, 2, 7 }, "section-flags", NEC_SEVERITY_WARNING, "0x0007" },
		{ { NEC_EIF_VERSION_AT, 2, 3 },
		  "section-version",
		  NEC_SEVERITY_WARNING,
		  "metadata" },
	};
	cleanup_buffer struct nec_buffer original = { 0 };

	(void)state;
	eif_load("x86-2rd.eif", &original);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buffer struct nec_buffer image = { 0 };
		cleanup_eif nec_eif *eif = NULL;
		const struct nec_eif_finding *finding;

		nec_buffer_append(&image, original.data, original.size);
		eif_patch(&image, rows[i].patch.at, rows[i].patch.size, rows[i].patch.value);
		assert_int_equal(eif_open_bytes(image.data, image.size, &eif, NULL), 0);
		finding = find_rule(eif, rows[i].rule);
		if (!finding) {
			fail_msg("row %zu: no finding \"%s\"", i, rows[i].rule);
			return;
		}
		assert_int_equal(finding->severity, rows[i].severity);
		assert_non_null(strstr(finding->message, rows[i].message));
	}
}

static void reader__finds_a_ramdisk_before_the_kernel(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;

	(void)state;
	eif_load("x86-2rd.eif", &image);
	eif_patch(&image, 548, 2, NEC_EIF_RAMDISK);
	eif_patch(&image, 6479, 2, NEC_EIF_KERNEL);
	assert_int_equal(eif_open_bytes(image.data, image.size, &eif, NULL), 0);
	assert_non_null(find_rule(eif, "section-order"));
}

static void reader__finds_a_signature_that_is_too_big_or_comes_with_version_2(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	uint64_t size = NEC_EIF_MAX_SIGNATURE + 1;

	(void)state;
	eif_load("x86-signed-after-p384.eif", &image); /* section 5 at 8303, 1749 bytes */
	nec_buffer_append_zeros(&image, size - 1749);
	eif_patch(&image, NEC_EIF_VERSION_AT, 2, 2);
	eif_patch(&image, NEC_EIF_SIZES_AT + 40, 8, size);
	eif_patch(&image, 8303 + 4, 8, size);
	assert_int_equal(eif_open_bytes(image.data, image.size, &eif, NULL), 0);
	assert_non_null(find_rule(eif, "signature-size"));
	assert_non_null(find_rule(eif, "section-version"));
}

static void reader__refuses_tables_that_cannot_be_followed(void **state)
{
	static const struct {
		struct patch patch;
		enum nec_error_code code;
		const char *message;
	} rows[] = {
		{ { NEC_EIF_COUNT_AT, 2, 0 }, NEC_E_EIF_SECTION_COUNT, "0 sections" },
		{ { NEC_EIF_COUNT_AT, 2, 33 }, NEC_E_EIF_SECTION_COUNT, "33 sections" },
		{ { NEC_EIF_COUNT_AT, 2, 6 }, NEC_E_EIF_SECTION_ORDER, "section 5" },
		{ { NEC_EIF_OFFSETS_AT, 8, 547 }, NEC_E_EIF_SECTION_ORDER, "at 548" },
		{ { NEC_EIF_OFFSETS_AT + 8, 8, 5559 }, NEC_E_EIF_SECTION_ORDER, "at 5560" },
		{ { NEC_EIF_OFFSETS_AT + 8, 8, 548 }, NEC_E_EIF_SECTION_ORDER, "section 1" },
		{ { NEC_EIF_OFFSETS_AT + 32, 8, 8303 }, NEC_E_EIF_TRUNCATED, "ends at 8303" },
		{ { NEC_EIF_OFFSETS_AT + 32, 8, 8292 }, NEC_E_EIF_TRUNCATED, "ends at 8303" },
		{ { NEC_EIF_OFFSETS_AT + 32, 8, UINT64_MAX }, NEC_E_EIF_TRUNCATED, "ends at" },
		{ { 548, 2, 0 }, NEC_E_EIF_SECTION_TYPE, "type 0" },
		{ { 548, 2, 6 }, NEC_E_EIF_SECTION_TYPE, "type 6" },
		{ { 6479 + 4, 8, 1813 }, NEC_E_EIF_TRUNCATED, "1813 bytes, 1812 are left" },
		{ { 548 + 4, 8, (uint64_t)1 << 63 }, NEC_E_EIF_TRUNCATED, "claims 92233720368" },
		{ { 548 + 4, 8, UINT64_MAX }, NEC_E_EIF_TRUNCATED, "at offset 548" },
	};
	cleanup_buffer struct nec_buffer original = { 0 };

	(void)state;
	eif_load("x86-2rd.eif", &original);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buffer struct nec_buffer image = { 0 };
		nec_eif *eif = NULL;
		nec_error err = NEC_ERROR_INIT;

		nec_buffer_append(&image, original.data, original.size);
		eif_patch(&image, rows[i].patch.at, rows[i].patch.size, rows[i].patch.value);
		assert_int_equal(eif_open_bytes(image.data, image.size, &eif, &err), -EBADMSG);
		assert_null(eif);
		if (err.code != rows[i].code || !strstr(err.message, rows[i].message))
			fail_msg("row %zu: %s", i, err.message);
	}
}

static void reader__refuses_every_truncation(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };

	(void)state;
	eif_load("x86-1rd-gz.eif", &image);
	for (size_t size = 0; size < image.size; size++) {
		nec_eif *eif = NULL;
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(eif_open_bytes(image.data, size, &eif, &err), -EBADMSG);
		assert_int_equal(err.code,
				 size > 0 && size < 4 ? NEC_E_EIF_MAGIC : NEC_E_EIF_TRUNCATED);
	}
}

/* A section of 2^63 bytes in a (sparse) file that truly is that long: nothing may be allocated. */
static void reader__allocates_nothing_for_a_huge_section(void **state)
{
	const uint64_t file_size = (uint64_t)1 << 43; /* what a memfd holds everywhere */
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_buffer struct nec_buffer data = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	cleanup_close int fd = -1;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	eif_load("x86-1rd-gz.eif", &image); /* last section: ramdisk at 5948 */
	eif_patch(&image, 5948 + 4, 8, file_size - 5960);
	fd = eif_memfd(image.data, image.size);
	assert_int_equal(ftruncate(fd, (off_t)file_size), 0);
	assert_int_equal(nec_eif_open_fd(NULL, fd, "huge", &eif, &err), 0);
	assert_int_equal(nec_eif_read_whole(eif, nec_eif_get_section(eif, 3), 1 << 20, &data, &err),
			 -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
	assert_null(data.data);
}

static void reader__says_of_other_files_that_they_are_no_images(void **state)
{
	static const char text[] = "#!/bin/sh\necho hello\n";
	char padded[600] = { 0 };
	nec_eif *eif = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(eif_open_bytes(text, sizeof(text), &eif, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_EIF_MAGIC);
	assert_non_null(strstr(err.message, "23 21 2f 62"));
	memcpy(padded, text, sizeof(text));
	assert_int_equal(eif_open_bytes(padded, sizeof(padded), &eif, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_EIF_MAGIC);
}

static void reader__refuses_what_is_not_a_regular_file(void **state)
{
	nec_eif *eif = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, NEC_TEST_DATA, &eif, &err), -EINVAL);
	assert_non_null(strstr(err.message, "not a regular file"));
	assert_int_equal(nec_eif_open(NULL, "/dev/null", &eif, &err), -EINVAL);
	assert_int_equal(nec_eif_open(NULL, "/nowhere/x.eif", &eif, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
	assert_int_equal(nec_eif_open_fd(NULL, -1, "closed", &eif, &err), -EBADF);
}

/* Opening a FIFO would wait for somebody who writes to it. */
static void reader__does_not_wait_for_a_fifo(void **state)
{
	char folder[] = "/tmp/nec-test-XXXXXX";
	char path[64];
	nec_eif *eif = NULL;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(nec_eif_open(NULL, path, &eif, NULL), -EINVAL);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void reader__leaves_no_descriptor_behind(void **state)
{
	size_t before = open_descriptors();
	nec_eif *eif = NULL;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-2rd.eif", &eif, NULL), 0);
	assert_int_equal(open_descriptors(), before + 1);
	nec_eif_free(eif);
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "bad-section-type6.eif", &eif, NULL),
			 -EBADMSG);
	assert_int_equal(open_descriptors(), before);
	nec_eif_free(NULL);
}

static void read_section__stays_inside_the_section(void **state)
{
	cleanup_eif nec_eif *eif = NULL;
	char text[120];
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-2rd.eif", &eif, NULL), 0);
	assert_int_equal(nec_eif_read_section(eif, 1, 7, text, 6, &err), 0);
	assert_memory_equal(text, "k pani", 6);
	assert_int_equal(nec_eif_read_section(eif, 1, 0, text, 119, &err), 0);
	assert_int_equal(nec_eif_read_section(eif, 1, 0, text, 120, &err), -EINVAL);
	assert_int_equal(nec_eif_read_section(eif, 1, 119, text, 0, &err), 0);
	assert_int_equal(nec_eif_read_section(eif, 1, UINT64_MAX, text, 2, &err), -EINVAL);
	assert_int_equal(nec_eif_read_section(eif, 5, 0, text, 0, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader__agrees_with_expected_json_on_every_image),
		cmocka_unit_test(reader__finds_what_is_wrong_in_the_images),
		cmocka_unit_test(reader__makes_a_finding_of_what_can_be_described),
		cmocka_unit_test(reader__finds_a_ramdisk_before_the_kernel),
		cmocka_unit_test(reader__finds_a_signature_that_is_too_big_or_comes_with_version_2),
		cmocka_unit_test(reader__refuses_tables_that_cannot_be_followed),
		cmocka_unit_test(reader__refuses_every_truncation),
		cmocka_unit_test(reader__allocates_nothing_for_a_huge_section),
		cmocka_unit_test(reader__says_of_other_files_that_they_are_no_images),
		cmocka_unit_test(reader__refuses_what_is_not_a_regular_file),
		cmocka_unit_test(reader__does_not_wait_for_a_fifo),
		cmocka_unit_test(reader__leaves_no_descriptor_behind),
		cmocka_unit_test(read_section__stays_inside_the_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
