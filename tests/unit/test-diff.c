/* SPDX-License-Identifier: Apache-2.0 */
#include "eif-make.h"

#include "base/error.h"
#include "leftovers.h"

#define FOLDER (S_IFDIR | 0755)
#define REG    (S_IFREG | 0644)
#define LINK   (S_IFLNK | 0777)

/* What an image is made of; NULL for the usual. */
struct parts {
	const char *cmdline;
	const char *metadata;
	const char *kernel;
	struct cpio_file first[8];
	struct cpio_file second[8];
	bool three; /* ramdisks */
};

static void add_ramdisk(struct nec_buffer *image, const struct cpio_file files[8])
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	for (size_t i = 0; i < 8 && files[i].name; i++)
		cpio_add(&archive, &files[i]);
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

static void make(const struct parts *parts, struct nec_buffer *image)
{
	eif_begin(image);
	eif_add_text(image, NEC_EIF_KERNEL, parts->kernel ? parts->kernel : "kernel");
	eif_add_text(image, NEC_EIF_CMDLINE, parts->cmdline ? parts->cmdline : "a b c");
	eif_add_text(image, NEC_EIF_METADATA,
		     parts->metadata ? parts->metadata : "{\"a\":1,\"b\":{\"c\":[2],\"d\":\"x\"}}");
	add_ramdisk(image, parts->first);
	add_ramdisk(image, parts->second);
	if (parts->three)
		eif_add(image, NEC_EIF_RAMDISK, "", 0);
	eif_fix_crc(image);
}

static int diff_bytes(nec_context *context, const struct nec_buffer *before,
		      const struct nec_buffer *after, nec_diff **ret, nec_error *err)
{
	cleanup_close int first = eif_memfd(before->data, before->size);
	cleanup_close int second = eif_memfd(after->data, after->size);
	char paths[2][64];

	(void)snprintf(paths[0], sizeof(paths[0]), "/proc/self/fd/%d", first);
	(void)snprintf(paths[1], sizeof(paths[1]), "/proc/self/fd/%d", second);
	return nec_diff_run(context, paths[0], paths[1], ret, err);
}

/* All differences as lines "part ramdisk path aspect before after", "-" for NULL. */
static void list(const nec_diff *diff, struct nec_buffer *to)
{
	nec_buffer_append_text(to, "");
	for (size_t i = 0; i < nec_diff_get_count(diff); i++) {
		const struct nec_difference *d = nec_diff_get(diff, i);
		bool sum = d->aspect && strcmp(d->aspect, "sha384") == 0;

		nec_buffer_printf(to, "%s %u %s %s", nec_diff_part_name(d->part), d->ramdisk,
				  d->path ? d->path : "-", d->aspect ? d->aspect : "-");
		if (!sum)
			nec_buffer_printf(to, " %s | %s", d->before ? d->before : "-",
					  d->after ? d->after : "-");
		nec_buffer_append_text(to, "\n");
	}
}

/* The registers that differ, as "PCR0: reason" lines. */
static void list_registers(const nec_diff *diff, struct nec_buffer *to)
{
	const struct nec_diff_register *pcr;

	nec_buffer_append_text(to, "");
	for (size_t i = 0; (pcr = nec_diff_get_register(diff, i)); i++) {
		assert_int_equal(pcr->differs, strcmp(pcr->before, pcr->after) != 0);
		assert_int_equal(pcr->differs, pcr->reason[0] != '\0');
		if (pcr->differs)
			nec_buffer_printf(to, "PCR%u: %s\n", pcr->index, pcr->reason);
	}
}

static void assert_lists(const nec_diff *diff, const char *expected, const char *registers)
{
	cleanup_buffer struct nec_buffer lines = { 0 };
	cleanup_buffer struct nec_buffer pcrs = { 0 };

	list(diff, &lines);
	list_registers(diff, &pcrs);
	assert_string_equal(nec_buffer_text(&lines), expected);
	if (registers)
		assert_string_equal(nec_buffer_text(&pcrs), registers);
}

static void assert_diff(const struct parts *before, const struct parts *after, const char *expected,
			const char *registers)
{
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };
	nec_diff *diff = NULL;
	nec_error err = NEC_ERROR_INIT;

	make(before, &a);
	make(after, &b);
	if (diff_bytes(NULL, &a, &b, &diff, &err) < 0)
		fail_msg("%s", err.message);
	assert_lists(diff, expected, registers);
	nec_diff_free(diff);
}

static void same__images_have_no_differences(void **state)
{
	const struct parts parts = { .first = { { "x", REG, "1" } } };

	(void)state;
	assert_diff(&parts, &parts, "", "");
}

static void header__is_compared_field_by_field(void **state)
{
	const struct parts parts = { 0 };
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };
	nec_diff *diff = NULL;

	(void)state;
	make(&parts, &a);
	make(&parts, &b);
	eif_patch(&b, NEC_EIF_VERSION_AT, 2, 3);
	eif_patch(&b, NEC_EIF_FLAGS_AT, 2, 1);
	eif_patch(&b, 8, 8, 7);
	eif_patch(&b, 16, 8, 5);
	eif_fix_crc(&b);
	assert_int_equal(diff_bytes(NULL, &a, &b, &diff, NULL), 0);
	assert_lists(diff,
		     "header 0 - version 4 | 3\n"
		     "header 0 - architecture x86_64 | aarch64\n"
		     "header 0 - flags 0 | 1\n"
		     "header 0 - default memory 1073741824 | 7\n"
		     "header 0 - default CPUs 2 | 5\n",
		     "");
	nec_diff_free(diff);
}

static void kernel__and_cmdline_change_two_registers(void **state)
{
	(void)state;
	assert_diff(&(struct parts){ .kernel = "one" }, &(struct parts){ .kernel = "three" },
		    "kernel 0 - size 3 | 5\nkernel 0 - sha384\n", "PCR0: kernel\nPCR1: kernel\n");
	assert_diff(&(struct parts){ .cmdline = "a" }, &(struct parts){ .cmdline = "b" },
		    "cmdline 0 - word a | -\ncmdline 0 - word - | b\n",
		    "PCR0: command line\nPCR1: command line\n");
}

static void cmdline__is_compared_word_by_word(void **state)
{
	static const struct {
		const char *before;
		const char *after;
		const char *expected;
	} rows[] = {
		{ "a b c d", "a c x d", "cmdline 0 - word b | -\ncmdline 0 - word - | x\n" },
		{ "a b", "b a", "cmdline 0 - word a | -\ncmdline 0 - word - | a\n" },
		{ "a", "a a a", "cmdline 0 - word - | a\ncmdline 0 - word - | a\n" },
		{ "", "a", "cmdline 0 - word - | a\n" },
		/* Only the white space is another. */
		{ "a b", "a  b", "cmdline 0 - size 3 | 4\ncmdline 0 - sha384\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_diff(&(struct parts){ .cmdline = rows[i].before },
			    &(struct parts){ .cmdline = rows[i].after }, rows[i].expected, NULL);
}

static void cmdline__with_too_many_words_is_compared_as_a_whole(void **state)
{
	cleanup_buffer struct nec_buffer words = { 0 };

	(void)state;
	for (size_t i = 0; i < 600; i++)
		nec_buffer_append_text(&words, "w ");
	assert_diff(&(struct parts){ .cmdline = "w" },
		    &(struct parts){ .cmdline = nec_buffer_text(&words) },
		    "cmdline 0 - size 1 | 1200\ncmdline 0 - sha384\n", NULL);
}

static void metadata__is_compared_key_by_key_and_never_measured(void **state)
{
	static const struct {
		const char *after;
		const char *expected;
	} rows[] = {
		{ "{\"a\":1,\"b\":{\"c\":[2],\"d\":\"y\"}}", "metadata 0 - b.d \"x\" | \"y\"\n" },
		{ "{\"b\":{\"c\":[2,3],\"d\":\"x\"},\"e\":null}",
		  "metadata 0 - a 1 | -\nmetadata 0 - b.c [2] | [2,3]\n"
		  "metadata 0 - e - | null\n" },
		{ "{\"a\":1,\"b\":5}", "metadata 0 - b {\"c\":[2],\"d\":\"x\"} | 5\n" },
		/* The same in another order, and no JSON at all. */
		{ "{\"b\":{\"c\":[2],\"d\":\"x\"},\"a\":1}", "metadata 0 - sha384\n" },
		{ "none", "metadata 0 - size 29 | 4\nmetadata 0 - sha384\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_diff(&(struct parts){ 0 }, &(struct parts){ .metadata = rows[i].after },
			    rows[i].expected, "");
}

static void files__are_compared_by_what_they_are(void **state)
{
	const struct parts before = { .second = { { "d", FOLDER },
						  { "d/mode", REG, "x" },
						  { "d/owner", REG, "x" },
						  { "d/time", REG, "x" },
						  { "d/text", REG, "abc" },
						  { "gone", FOLDER },
						  { "link", LINK, "one" },
						  { "type", FOLDER } } };
	const struct parts after = { .second = { { "d", FOLDER },
						 { "d/mode", S_IFREG | 0755, "x" },
						 { "d/owner", REG, "x", 0, 5, 6 },
						 { "d/time", REG, "x", 0, 0, 0, 7 },
						 { "d/text", REG, "abcd" },
						 { "d/new", REG, "12345" },
						 { "link", LINK, "two" },
						 { "type", LINK, "x" } } };

	(void)state;
	assert_diff(&before, &after,
		    "ramdisk 2 - size 1084 | 1096\n"
		    "ramdisk 2 - sha384\n"
		    "ramdisk 2 d/mode mode 0644 | 0755\n"
		    "ramdisk 2 d/new - - | regular file 0644 0:0, 5 bytes\n"
		    "ramdisk 2 d/owner owner 0:0 | 5:6\n"
		    "ramdisk 2 d/text size 3 | 4\n"
		    "ramdisk 2 d/text sha384\n"
		    "ramdisk 2 d/time mtime 0 | 7\n"
		    "ramdisk 2 gone - directory 0755 0:0 | -\n"
		    "ramdisk 2 link target one | two\n"
		    "ramdisk 2 type type directory | symbolic link\n",
		    "PCR0: ramdisk 2: d/mode changed, d/new added, d/owner changed and 5 more\n"
		    "PCR2: ramdisk 2: d/mode changed, d/new added, d/owner changed and 5 more\n");
}

static void files__of_the_first_ramdisk_change_pcr1(void **state)
{
	(void)state;
	assert_diff(&(struct parts){ .first = { { "x", REG, "1" } } },
		    &(struct parts){ .first = { { "x", REG, "2" } } },
		    "ramdisk 1 - sha384\nramdisk 1 x sha384\n",
		    "PCR0: ramdisk 1: x changed\nPCR1: ramdisk 1: x changed\n");
}

static void files__names_are_made_printable(void **state)
{
	(void)state;
	assert_diff(&(struct parts){ 0 },
		    &(struct parts){ .first = { { "a\x1b\n\xff", LINK, "\x07" } } },
		    "ramdisk 1 - size 124 | 244\n"
		    "ramdisk 1 - sha384\n"
		    "ramdisk 1 a\\x1b\\x0a\\xff - - | symbolic link 0777 0:0 to \\x07\n",
		    NULL);
}

/* Folders may be in another ramdisk. */
static void files__need_no_folder_of_their_own(void **state)
{
	(void)state;
	assert_diff(&(struct parts){ .second = { { "a/b/c", REG, "1" } } },
		    &(struct parts){ .second = { { "a/b/c", REG, "2" } } },
		    "ramdisk 2 - sha384\nramdisk 2 a/b/c sha384\n", NULL);
}

static void ramdisks__with_the_same_files_may_differ_all_the_same(void **state)
{
	(void)state;
	assert_diff(&(struct parts){ .first = { { "x", REG, "1" }, { "y", REG, "2" } } },
		    &(struct parts){ .first = { { "y", REG, "2" }, { "x", REG, "1" } } },
		    "ramdisk 1 - sha384\n", "PCR0: ramdisk 1\nPCR1: ramdisk 1\n");
}

static void ramdisks__more_of_them_are_added_as_a_whole(void **state)
{
	(void)state;
	assert_diff(
		&(struct parts){ 0 }, &(struct parts){ .three = true },
		"header 0 - sections kernel cmdline metadata ramdisk ramdisk | kernel cmdline "
		"metadata ramdisk ramdisk ramdisk\n"
		"ramdisk 3 - - - | 0 bytes, SHA-384 "
		"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65f"
		"bd51ad2f14898b95b\n",
		"");
}

static void ramdisks__show_their_compression(void **state)
{
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };
	nec_diff *diff = NULL;

	(void)state;
	eif_begin(&a);
	eif_add_file(&a, NEC_EIF_RAMDISK, "inputs/x86-2rd.ramdisk2");
	eif_begin(&b);
	eif_add_file(&b, NEC_EIF_RAMDISK, "inputs/x86-4rd-meta.ramdisk2");
	assert_int_equal(diff_bytes(NULL, &a, &b, &diff, NULL), 0);
	assert_lists(diff,
		     "ramdisk 1 - size 1812 | 298\n"
		     "ramdisk 1 - sha384\n"
		     "ramdisk 1 - compression none | gzip\n"
		     "ramdisk 1 rootfs/bin/hello sha384\n",
		     NULL);
	nec_diff_free(diff);
}

static void keep_warning(void *userdata, const char *text)
{
	(void)snprintf(userdata, 256, "%s", text);
}

static void ramdisks__that_cannot_be_unpacked_are_compared_as_a_whole(void **state)
{
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };
	char warning[256] = "";
	nec_context *context = NULL;
	nec_diff *diff = NULL;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, keep_warning, warning);
	eif_begin(&a);
	eif_add_file(&a, NEC_EIF_RAMDISK, "inputs/x86-2rd.ramdisk2");
	eif_begin(&b);
	eif_add_text(&b, NEC_EIF_RAMDISK, "not an archive");
	assert_int_equal(diff_bytes(context, &a, &b, &diff, NULL), 0);
	assert_lists(diff, "ramdisk 1 - size 1812 | 14\nramdisk 1 - sha384\n",
		     "PCR0: ramdisk 1\nPCR1: ramdisk 1\n");
	assert_non_null(strstr(warning, "ramdisk 1 is compared as a whole"));
	nec_diff_free(diff);
	nec_context_free(context);
}

static void signature__added_changes_pcr8_alone(void **state)
{
	nec_diff *diff = NULL;
	cleanup_buffer struct nec_buffer signed_image = { 0 };
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_buffer struct nec_buffer lines = { 0 };

	(void)state;
	/* The same image, its last section taken away. */
	eif_load("x86-signed-after-p384.eif", &signed_image);
	nec_buffer_append(&image, signed_image.data, 8303);
	eif_patch(&image, NEC_EIF_COUNT_AT, 2, 5);
	eif_patch(&image, NEC_EIF_OFFSETS_AT + 40, 8, 0);
	eif_patch(&image, NEC_EIF_SIZES_AT + 40, 8, 0);
	eif_fix_crc(&image);
	assert_int_equal(diff_bytes(NULL, &image, &signed_image, &diff, NULL), 0);
	list(diff, &lines);
	assert_non_null(
		strstr(nec_buffer_text(&lines), "signature 0 - - - | 1749 bytes, SHA-384 "));
	assert_int_equal(nec_diff_get_count(diff), 2);
	for (size_t i = 0; i < 3; i++)
		assert_false(nec_diff_get_register(diff, i)->differs);
	assert_string_equal(nec_diff_get_register(diff, 3)->before, "");
	assert_string_equal(nec_diff_get_register(diff, 3)->reason, "certificate");
	nec_diff_free(diff);
}

static void signature__is_compared_by_its_certificate(void **state)
{
	static const char *const expected[] = {
		"signature 0 - subject commonName=eif-test-p256, countryName=US, ",
		" | commonName=eif-test-expired, countryName=US, ",
		"signature 0 - issuer commonName=eif-test-p256",
		"signature 0 - not before Jan  1 00:00:00 2024 GMT | Jan  1 00:00:00 2020 GMT\n",
		"signature 0 - not after Dec 27 00:00:00 2043 GMT | Jan 31 00:00:00 2020 GMT\n",
		"signature 0 - signed value 3e9c3b14be49",
		"signature 0 - fingerprint 13901978bebc4f8aacbcb36dfaba7fc94d58c4e282f6e0cf9c1d58d444bc9dfb | d9d5afe68a8fdf5547b9997fc77180573d8e675c7668d004f7e4600a6ba9e331\n",
		"signature 0 - sha384\n",
	};
	cleanup_buffer struct nec_buffer lines = { 0 };
	nec_diff *diff = NULL;

	(void)state;
	assert_int_equal(nec_diff_run(NULL, EIF_DATA "x86-signed-p256.eif",
				      EIF_DATA "x86-signed-expired.eif", &diff, NULL),
			 0);
	list(diff, &lines);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (!strstr(nec_buffer_text(&lines), expected[i]))
			fail_msg("no \"%s\" in\n%s", expected[i], nec_buffer_text(&lines));
	nec_diff_free(diff);
}

static void order__of_the_sections_is_a_reason(void **state)
{
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };
	nec_diff *diff = NULL;

	(void)state;
	eif_begin(&a);
	eif_add_text(&a, NEC_EIF_KERNEL, "k");
	eif_add_text(&a, NEC_EIF_CMDLINE, "c");
	eif_begin(&b);
	eif_add_text(&b, NEC_EIF_CMDLINE, "c");
	eif_add_text(&b, NEC_EIF_KERNEL, "k");
	assert_int_equal(diff_bytes(NULL, &a, &b, &diff, NULL), 0);
	assert_lists(diff, "header 0 - sections kernel cmdline | cmdline kernel\n",
		     "PCR0: order of the sections\nPCR1: order of the sections\n");
	nec_diff_free(diff);
}

/* Nothing that differs goes unseen, wherever it is. */
static void any__changed_byte_is_a_difference(void **state)
{
	const struct parts parts = { .first = { { "x", REG, "1" } } };
	cleanup_buffer struct nec_buffer a = { 0 };
	cleanup_buffer struct nec_buffer b = { 0 };

	(void)state;
	make(&parts, &a);
	nec_buffer_append_text(&a, "trailing");
	nec_buffer_append(&b, a.data, a.size);
	for (size_t i = 0; i < a.size; i++) {
		nec_diff *diff = NULL;

		b.data[i] ^= 0x20;
		/* Where the tables cannot be followed any more there is nothing to compare. */
		if (diff_bytes(NULL, &a, &b, &diff, NULL) == 0) {
			if (nec_diff_get_count(diff) == 0)
				fail_msg("byte %zu", i);
			nec_diff_free(diff);
		}
		b.data[i] ^= 0x20;
	}
}

static void failures__leave_nothing_behind(void **state)
{
	const volatile int cancel = 1;
	size_t before = open_descriptors();
	nec_context *context = NULL;
	nec_diff *diff = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_diff_run(NULL, EIF_DATA "x86-2rd.eif", "/nowhere", &diff, &err),
			 -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
	assert_int_equal(
		nec_diff_run(NULL, EIF_DATA "expected.json", EIF_DATA "x86-2rd.eif", &diff, &err),
		-EBADMSG);
	assert_int_equal(err.code, NEC_E_EIF_MAGIC);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancel);
	assert_int_equal(nec_diff_run(context, EIF_DATA "x86-2rd.eif", EIF_DATA "x86-4rd-meta.eif",
				      &diff, &err),
			 -ECANCELED);
	assert_null(diff);
	assert_int_equal(open_descriptors(), before);
	nec_context_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same__images_have_no_differences),
		cmocka_unit_test(header__is_compared_field_by_field),
		cmocka_unit_test(kernel__and_cmdline_change_two_registers),
		cmocka_unit_test(cmdline__is_compared_word_by_word),
		cmocka_unit_test(cmdline__with_too_many_words_is_compared_as_a_whole),
		cmocka_unit_test(metadata__is_compared_key_by_key_and_never_measured),
		cmocka_unit_test(files__are_compared_by_what_they_are),
		cmocka_unit_test(files__of_the_first_ramdisk_change_pcr1),
		cmocka_unit_test(files__names_are_made_printable),
		cmocka_unit_test(files__need_no_folder_of_their_own),
		cmocka_unit_test(ramdisks__with_the_same_files_may_differ_all_the_same),
		cmocka_unit_test(ramdisks__more_of_them_are_added_as_a_whole),
		cmocka_unit_test(ramdisks__show_their_compression),
		cmocka_unit_test(ramdisks__that_cannot_be_unpacked_are_compared_as_a_whole),
		cmocka_unit_test(signature__added_changes_pcr8_alone),
		cmocka_unit_test(signature__is_compared_by_its_certificate),
		cmocka_unit_test(order__of_the_sections_is_a_reason),
		cmocka_unit_test(any__changed_byte_is_a_difference),
		cmocka_unit_test(failures__leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
