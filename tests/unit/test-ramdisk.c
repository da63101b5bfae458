/* SPDX-License-Identifier: Apache-2.0 */
#include "image/ramdisk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "samples.h"
#include "test.h"

static const enum nec_compression compressions[] = {
	NEC_COMPRESSION_NONE,  NEC_COMPRESSION_GZIP, NEC_COMPRESSION_XZ,   NEC_COMPRESSION_LZMA,
	NEC_COMPRESSION_BZIP2, NEC_COMPRESSION_LZ4,  NEC_COMPRESSION_ZSTD,
};

/* dev, init, nsm.ko */
static struct nec_buffer first;
/* cmd, env, rootfs and nine more */
static struct nec_buffer second;

static int read_samples(void **state)
{
	(void)state;
	if (nec_file_read_all(NEC_TEST_DATA "/eif/inputs/x86-2rd.ramdisk1", 1 << 20, &first, NULL))
		return -1;
	return nec_file_read_all(NEC_TEST_DATA "/eif/inputs/x86-2rd.ramdisk2", 1 << 20, &second,
				 NULL);
}

static int free_samples(void **state)
{
	(void)state;
	nec_buffer_free(&first);
	nec_buffer_free(&second);
	return 0;
}

/* Entries in the ramdisk, or what reading it gives. It lies in the middle of a file. */
static int count_entries(const struct nec_buffer *ramdisk, uint64_t limit, nec_error *err)
{
	cleanup_buffer struct nec_buffer file = { 0 };
	struct nec_ramdisk_usage usage;
	int fd;
	int r;

	nec_buffer_append_text(&file, "before");
	nec_buffer_append(&file, ramdisk->data, ramdisk->size);
	nec_buffer_append_text(&file, "\x1f\x8b behind");
	fd = sample_fd(file.data, file.size);
	r = nec_ramdisk_measure(fd, "ramdisk", 6, ramdisk->size, limit, NULL, &usage, err);
	(void)close(fd);
	return r < 0 ? r : (int)usage.entries;
}

static void ramdisk__reads_every_compression(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		cleanup_buffer struct nec_buffer ramdisk = { 0 };
		nec_error err = NEC_ERROR_INIT;

		if (compressions[i] == NEC_COMPRESSION_NONE)
			nec_buffer_append(&ramdisk, second.data, second.size);
		else
			sample_compress(&ramdisk, compressions[i], second.data, second.size);
		if (count_entries(&ramdisk, 1 << 20, &err) != 13)
			fail_msg("%s: %s", nec_compression_name(compressions[i]), err.message);
	}
}

static void ramdisk__reads_members_one_after_the_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compressions) * ARRAY_SIZE(compressions); i++) {
		enum nec_compression a = compressions[i % ARRAY_SIZE(compressions)];
		enum nec_compression b = compressions[i / ARRAY_SIZE(compressions)];
		cleanup_buffer struct nec_buffer ramdisk = { 0 };
		nec_error err = NEC_ERROR_INIT;

		/* Where an xz stream ends is not known beforehand, so it has to be the last. */
		if (a == NEC_COMPRESSION_XZ && b != NEC_COMPRESSION_XZ)
			continue;
		if (a == NEC_COMPRESSION_NONE)
			nec_buffer_append(&ramdisk, first.data, first.size);
		else
			sample_compress(&ramdisk, a, first.data, first.size);
		/* Neither has lz4 an end mark: what follows it must not look like a block's size.
		 */
		nec_buffer_append_zeros(&ramdisk, (-ramdisk.size & 3) + 4 * (i % 3));
		nec_buffer_append_zeros(&ramdisk, a == NEC_COMPRESSION_LZ4 ? 4 : 0);
		if (b == NEC_COMPRESSION_NONE)
			nec_buffer_append(&ramdisk, second.data, second.size);
		else
			sample_compress(&ramdisk, b, second.data, second.size);
		nec_buffer_append_zeros(&ramdisk, i % 7);
		if (count_entries(&ramdisk, 1 << 20, &err) != 16)
			fail_msg("%s and %s: %s", nec_compression_name(a), nec_compression_name(b),
				 err.message);
	}
}

/* A frame that says its size in one byte and has neither window nor checksum, with a raw block; and
 * one of the zstd program, with a checksum. Both with more behind them. */
static void ramdisk__finds_the_end_of_any_zstd_frame(void **state)
{
	static const char entry[] =
		"07070100000001000081A400000000000000000000000100000000000000000000000000000000"
		"000000000000000000000002"
		"00000000a";
	cleanup_buffer struct nec_buffer archive = { 0 };
	cleanup_buffer struct nec_buffer ramdisk = { 0 };
	cleanup_buffer struct nec_buffer second_ramdisk = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_buffer_append(&archive, entry, sizeof(entry));
	nec_buffer_append_zeros(&archive, -archive.size & 3);
	nec_buffer_append(&archive, first.data + first.size - 124, 124); /* the trailer */
	assert_true(archive.size < 256);
	nec_buffer_append(&ramdisk, "\x28\xb5\x2f\xfd\x20", 5);
	nec_buffer_append_u8(&ramdisk, (uint8_t)archive.size);
	nec_buffer_append_u8(&ramdisk, (uint8_t)(archive.size << 3 | 1));
	nec_buffer_append_u8(&ramdisk, (uint8_t)(archive.size >> 5));
	nec_buffer_append_u8(&ramdisk, 0);
	nec_buffer_append(&ramdisk, archive.data, archive.size);
	nec_buffer_append_zeros(&ramdisk, -ramdisk.size & 3);
	nec_buffer_append(&ramdisk, first.data, first.size);
	if (count_entries(&ramdisk, 1 << 20, &err) != 4)
		fail_msg("%s", err.message);

	assert_int_equal(nec_file_read_all(NEC_SOURCE_DIR "/tests/fuzz/corpus/cpio/zstd", 1 << 20,
					   &second_ramdisk, NULL),
			 0);
	assert_int_equal(second_ramdisk.data[4] & 4, 4); /* has a checksum */
	nec_buffer_append_zeros(&second_ramdisk, -second_ramdisk.size & 3);
	nec_buffer_append(&second_ramdisk, first.data, first.size);
	if (count_entries(&second_ramdisk, 1 << 20, &err) != 6)
		fail_msg("%s", err.message);
}

static void ramdisk__tells_where_it_is(void **state)
{
	cleanup_buffer struct nec_buffer ramdisk = { 0 };
	NEC_CLEANUP(ramdisk) struct nec_ramdisk *reader = NULL;
	const struct nec_cpio_entry *entry;
	cleanup_close int fd = -1;
	char data[64];

	(void)state;
	nec_buffer_append(&ramdisk, first.data, first.size);
	sample_compress(&ramdisk, NEC_COMPRESSION_ZSTD, second.data, second.size);
	fd = sample_fd(ramdisk.data, ramdisk.size);
	assert_int_equal(nec_ramdisk_open(fd, "r", 0, ramdisk.size, 1 << 20, &reader, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(nec_ramdisk_next(reader, &entry, NULL), 1);
	assert_string_equal(entry->name, "nsm.ko");
	assert_string_equal(nec_ramdisk_compression(reader), "none");
	assert_int_equal(nec_ramdisk_member_offset(reader), 0);
	assert_int_equal(nec_ramdisk_read(reader, data, sizeof(data), NULL), 21);
	assert_memory_equal(data, "placeholder nsm.ko a\n", 21);
	assert_int_equal(nec_ramdisk_next(reader, &entry, NULL), 1);
	assert_string_equal(entry->name, "cmd");
	assert_int_equal(entry->offset, 0);
	assert_string_equal(nec_ramdisk_compression(reader), "zstd");
	assert_int_equal(nec_ramdisk_member_offset(reader), first.size);
}

static void ramdisk__measures_what_it_unpacks_to(void **state)
{
	cleanup_buffer struct nec_buffer ramdisk = { 0 };
	struct nec_ramdisk_usage usage;
	cleanup_close int fd = -1;

	(void)state;
	nec_buffer_append(&ramdisk, first.data, first.size);
	sample_compress(&ramdisk, NEC_COMPRESSION_GZIP, second.data, second.size);
	fd = sample_fd(ramdisk.data, ramdisk.size);
	assert_int_equal(nec_ramdisk_measure(fd, "r", 0, ramdisk.size, 1 << 20, NULL, &usage, NULL),
			 0);
	assert_int_equal(usage.entries, 16);
	assert_int_equal(usage.archive_bytes, first.size + second.size);
	assert_int_equal(usage.file_bytes, 19 + 21 + 17 + 22 + 28 + 13);
	assert_int_equal(usage.page_bytes, 6 * 4096);
}

static void ramdisk__of_nothing_has_no_entries(void **state)
{
	cleanup_buffer struct nec_buffer ramdisk = { 0 };

	(void)state;
	assert_int_equal(count_entries(&ramdisk, 0, NULL), 0);
	nec_buffer_append_zeros(&ramdisk, 10000);
	assert_int_equal(count_entries(&ramdisk, 0, NULL), 0);
	sample_compress(&ramdisk, NEC_COMPRESSION_GZIP, "", 0);
	assert_int_equal(count_entries(&ramdisk, 0, NULL), 0);
}

static void ramdisk__stops_a_decompression_bomb(void **state)
{
	static const uint8_t zeros[1 << 20];

	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(compressions); i++) {
		cleanup_buffer struct nec_buffer bomb = { 0 };
		nec_error err = NEC_ERROR_INIT;

		nec_buffer_append(&bomb, second.data, second.size);
		sample_compress(&bomb, compressions[i], zeros, sizeof(zeros));
		assert_int_equal(count_entries(&bomb, sizeof(zeros) - 1, &err), -EFBIG);
		assert_int_equal(err.code, NEC_E_TOO_LARGE);
		assert_int_equal(count_entries(&bomb, sizeof(zeros), &err), 13);
	}
}

static void ramdisk__limits_all_members_together(void **state)
{
	cleanup_buffer struct nec_buffer ramdisk = { 0 };

	(void)state;
	sample_compress(&ramdisk, NEC_COMPRESSION_ZSTD, second.data, second.size);
	sample_compress(&ramdisk, NEC_COMPRESSION_ZSTD, second.data, second.size);
	assert_int_equal(count_entries(&ramdisk, 2 * second.size, NULL), 26);
	assert_int_equal(count_entries(&ramdisk, 2 * second.size - 1, NULL), -EFBIG);
}

static void ramdisk__refuses_what_the_kernel_would(void **state)
{
	cleanup_buffer struct nec_buffer junk = { 0 };
	cleanup_buffer struct nec_buffer not_cpio = { 0 };
	cleanup_buffer struct nec_buffer unaligned = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_buffer_append(&junk, first.data, first.size);
	nec_buffer_append_text(&junk, "junk");
	assert_int_equal(count_entries(&junk, 1 << 20, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_RAMDISK);
	assert_non_null(strstr(err.message, "offset 520"));

	sample_compress(&not_cpio, NEC_COMPRESSION_GZIP, "no cpio archive at all", 22);
	assert_int_equal(count_entries(&not_cpio, 1 << 20, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_RAMDISK);

	nec_buffer_append_zeros(&unaligned, 2);
	nec_buffer_append(&unaligned, first.data, first.size);
	assert_int_equal(count_entries(&unaligned, 1 << 20, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_RAMDISK);
}

/* What begins with two bytes of magic but is nothing of the kind must not pass as it is. */
static void ramdisk__does_not_take_magic_for_a_promise(void **state)
{
	static const char *const magics[] = { "\x1f\x8b", "\xfd\x37", "\x5d\x01",
					      "BZ",       "\x02\x21", "\x28\xb5" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		cleanup_buffer struct nec_buffer ramdisk = { 0 };
		nec_error err = NEC_ERROR_INIT;

		nec_buffer_append_text(&ramdisk, magics[i]);
		nec_buffer_append(&ramdisk, first.data, first.size);
		assert_int_equal(count_entries(&ramdisk, 1 << 20, &err), -EBADMSG);
		assert_int_equal(err.code, NEC_E_RAMDISK);
	}
}

static void ramdisk__finds_every_truncation(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(compressions); i++) {
		cleanup_buffer struct nec_buffer whole = { 0 };

		sample_compress(&whole, compressions[i], first.data, first.size);
		for (size_t size = 1; size < whole.size; size++) {
			cleanup_buffer struct nec_buffer part = { 0 };
			nec_error err = NEC_ERROR_INIT;
			int r;

			nec_buffer_append(&part, whole.data, size);
			r = count_entries(&part, 1 << 20, &err);
			/* The last bytes of these formats are an end mark or checksum only. */
			if (r == 3 && size + 20 > whole.size)
				continue;
			if (r != -EBADMSG)
				fail_msg("%s cut to %zu of %zu bytes gives %d",
					 nec_compression_name(compressions[i]), size, whole.size,
					 r);
		}
	}
}

static void ramdisk__notices_that_its_file_is_too_short(void **state)
{
	struct nec_ramdisk_usage usage;
	nec_error err = NEC_ERROR_INIT;
	cleanup_close int fd = sample_fd(first.data, first.size);

	(void)state;
	assert_int_equal(
		nec_ramdisk_measure(fd, "r", 0, first.size + 1000, 1 << 20, NULL, &usage, &err),
		-EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_READ);
	assert_int_equal(nec_ramdisk_measure(fd, "r", 1, UINT64_MAX, 1 << 20, NULL, &usage, &err),
			 -EINVAL);
	assert_int_equal(nec_ramdisk_measure(fd, "r", 0, UINT64_C(1) << 63, 1, NULL, &usage, &err),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ramdisk__reads_every_compression),
		cmocka_unit_test(ramdisk__reads_members_one_after_the_other),
		cmocka_unit_test(ramdisk__finds_the_end_of_any_zstd_frame),
		cmocka_unit_test(ramdisk__tells_where_it_is),
		cmocka_unit_test(ramdisk__measures_what_it_unpacks_to),
		cmocka_unit_test(ramdisk__of_nothing_has_no_entries),
		cmocka_unit_test(ramdisk__stops_a_decompression_bomb),
		cmocka_unit_test(ramdisk__limits_all_members_together),
		cmocka_unit_test(ramdisk__refuses_what_the_kernel_would),
		cmocka_unit_test(ramdisk__does_not_take_magic_for_a_promise),
		cmocka_unit_test(ramdisk__finds_every_truncation),
		cmocka_unit_test(ramdisk__notices_that_its_file_is_too_short),
	};

	return cmocka_run_group_tests(tests, read_samples, free_samples);
}
