/* SPDX-License-Identifier: Apache-2.0 */
/* allocator.yaml: what is taken, what it means, what is refused and where. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocator/config.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"

static struct nec_allocator_config config;
static nec_error err;

static int forget(void **state)
{
	(void)state;
	config = (struct nec_allocator_config){ 0 };
	err = (nec_error)NEC_ERROR_INIT;
	return 0;
}

static void accept_bytes(const char *text, size_t size)
{
	(void)forget(NULL);
	if (nec_allocator_config_parse(text, size, "f", &config, &err) != 0)
		fail_msg("refused: %s", err.message);
}

static void accept(const char *text)
{
	accept_bytes(text, strlen(text));
}

static void expect(size_t index, uint64_t mib, uint32_t count, const char *pool)
{
	assert_true(index < config.count);
	assert_int_equal(config.entries[index].memory_mib, mib);
	assert_int_equal(config.entries[index].cpu_count, count);
	assert_string_equal(config.entries[index].cpu_pool, pool);
}

static void refuse_bytes(const char *text, size_t size, const char *message)
{
	int r;

	(void)forget(NULL);
	r = nec_allocator_config_parse(text, size, "f", &config, &err);
	assert_string_equal(err.message, message);
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(err.code, NEC_E_CONFIG);
	assert_int_equal(config.count, 0);
}

static void refuse(const char *text, const char *message)
{
	refuse_bytes(text, strlen(text), message);
}

/* ---- nitro-cli's files ---- */

static void the_file_we_ship__is_nitro_clis_default(void **state)
{
	(void)state;
	assert_int_equal(nec_allocator_config_read(NEC_SOURCE_DIR
						   "/etc/nitro_enclaves/allocator.yaml",
						   &config, &err),
			 0);
	assert_int_equal(config.count, 1);
	assert_int_equal(config.skipped_lines, 0);
	expect(0, 512, 2, "");
	assert_int_equal(config.entries[0].numa_node, -1);
	assert_int_equal(config.entries[0].page_bytes, 0);
}

static void old_files__mean_the_same(void **state)
{
	(void)state;
	accept("---\nmemory_mib: 512\ncpu_count: 2\n");
	expect(0, 512, 2, "");
	accept("---\n# c\nmemory_mib: \"1024\"\n  # c\ncpu_pool: \"2,3,6-9\"\n");
	expect(0, 1024, 0, "2,3,6-9");
	accept("---\ncpu_pool: 1\nmemory_mib: 3\n");
	expect(0, 3, 0, "1");
	accept("---\nmemory_mib: 0\ncpu_count: 2\n");
	expect(0, 0, 2, "");
}

static void old_files__begin_at_the_dashes(void **state)
{
	(void)state;
	accept("# mine\n\nmemory_mib: 64\n: [ {\n---\nmemory_mib: 512\ncpu_count: 2\n");
	expect(0, 512, 2, "");
	assert_int_equal(config.skipped_lines, 2);
	assert_int_equal(config.entries[0].line, 6);
	accept("# mine\n\n---\nmemory_mib: 512\ncpu_count: 2\n");
	assert_int_equal(config.skipped_lines, 0);
}

static void what_the_old_one_refused__is_taken_where_it_is_clear(void **state)
{
	(void)state;
	accept("memory_mib: 512\n\ncpu_count: 2");
	expect(0, 512, 2, "");
	accept("---\r\nmemory_mib: 512 # half\r\ncpu_count: 2\r\n");
	expect(0, 512, 2, "");
	accept("{memory_mib: 512, cpu_count: 2}");
	expect(0, 512, 2, "");
	accept("\xef\xbb\xbfmemory_mib: 512\ncpu_count: 2\n");
	expect(0, 512, 2, "");
}

/* ---- the list ---- */

static void list__has_an_entry_each(void **state)
{
	(void)state;
	accept("- memory_mib: 512\n  cpu_count: 2\n"
	       "- memory_mib: 2048\n  cpu_pool: 4-7\n  numa_node: 1\n  page_size: 1G\n"
	       "- memory_mib: 4\n  cpu_pool: 8\n  page_size: 2M\n");
	assert_int_equal(config.count, 3);
	expect(0, 512, 2, "");
	expect(1, 2048, 0, "4-7");
	expect(2, 4, 0, "8");
	assert_int_equal(config.entries[0].numa_node, -1);
	assert_int_equal(config.entries[1].numa_node, 1);
	assert_int_equal(config.entries[1].page_bytes, UINT64_C(1) << 30);
	assert_int_equal(config.entries[2].page_bytes, 2 << 20);
	assert_int_equal(config.entries[1].line, 3);
}

static void list__has_a_limit(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	(void)state;
	for (int i = 0; i < NEC_ALLOCATOR_ENTRIES_MAX; i++)
		nec_buffer_append_text(&text, "- {memory_mib: 2, cpu_count: 1}\n");
	accept(nec_buffer_text(&text));
	assert_int_equal(config.count, NEC_ALLOCATOR_ENTRIES_MAX);
	nec_buffer_append_text(&text, "- {memory_mib: 2, cpu_count: 1}\n");
	refuse(nec_buffer_text(&text), "f, line 33, column 3: more than 32 entries");
}

static void list__refuses_what_does_not_go_together(void **state)
{
	(void)state;
	refuse("[]", "f, line 1, column 1: the list is empty");
	refuse("- 1\n", "f, line 1, column 3: an entry of the list must be keys with values");
	refuse("- memory_mib: 0\n  cpu_count: 1\n",
	       "f, line 1, column 15: memory_mib must be above 0 in a list");
	refuse("- memory_mib: 2\n  cpu_count: 1\n  numa_node: 0\n"
	       "- memory_mib: 2\n  cpu_count: 1\n  numa_node: 1\n",
	       "f, line 6, column 14: numa_node is 1 here and 0 in the entry of line 1, but the "
	       "driver's pool is on one node");
	refuse("- memory_mib: 2\n  cpu_pool: 2-4\n- memory_mib: 2\n  cpu_pool: 4,5\n",
	       "f, line 4, column 13: CPU 4 is named in the entry of line 1, too");
}

/* ---- keys ---- */

static void keys__must_be_known(void **state)
{
	(void)state;
	refuse("memory_mb: 512\n", "f, line 1, column 1: unknown key \"memory_mb\"; did you mean "
				   "\"memory_mib\"?");
	refuse("memory_mib: 512\nxyz: 1\n",
	       "f, line 2, column 1: unknown key \"xyz\"; this version knows memory_mib, "
	       "cpu_count, cpu_pool, numa_node and page_size");
	refuse("memory_mib: 512\n\"cpu_count\\0\": 1\n",
	       "f, line 2, column 1: a key must be a word");
	refuse("a: 1\n", "f, line 1, column 1: unknown key \"a\"; this version knows memory_mib, "
			 "cpu_count, cpu_pool, numa_node and page_size");
	refuse("[1]: 2\n", "f, line 1, column 1: a key must be a word");
	refuse("? [1]\n: 2\n", "f, line 1, column 3: a key must be a word");
}

static void keys__are_given_once(void **state)
{
	(void)state;
	refuse("memory_mib: 512\ncpu_count: 2\nmemory_mib: 512\n",
	       "f, line 3, column 1: memory_mib is given twice");
	refuse("memory_mib: 512\ncpu_count: 2\ncpu_pool: 2\n",
	       "f, line 3, column 1: cpu_count conflicts with cpu_pool: give one of them");
	refuse("memory_mib: 512\ncpu_pool: 2\ncpu_count: 2\n",
	       "f, line 3, column 1: cpu_count conflicts with cpu_pool: give one of them");
}

static void keys__must_be_there(void **state)
{
	(void)state;
	refuse("", "f, line 1, column 1: missing memory reservation (memory_mib)");
	refuse("---\n", "f, line 2, column 1: missing memory reservation (memory_mib)");
	refuse("cpu_count: 2\n", "f, line 1, column 1: missing memory reservation (memory_mib)");
	refuse("memory_mib: 2\n", "f, line 1, column 1: missing CPU reservation (either cpu_count "
				  "or cpu_pool)");
	refuse("memory_mib\n",
	       "f, line 1, column 1: here must be keys with values, or a list of entries");
	refuse("memory_mib:\ncpu_count: 2\n", "f, line 1, column 12: missing value for memory_mib");
	refuse("memory_mib: [1]\n",
	       "f, line 1, column 13: the value of memory_mib must be a number or a word");
	refuse("memory_mib: 1\ncpu_pool: [1, 2]\n",
	       "f, line 2, column 11: the value of cpu_pool must be a number or a word: write the "
	       "CPUs without brackets");
}

/* ---- values ---- */

static void refuse_value(const char *key, const char *value, const char *why)
{
	char text[1200];
	char message[800];

	(void)snprintf(text, sizeof(text), "%s: %s\n", key, value);
	(void)snprintf(message, sizeof(message), "f, line 1, column %zu: %s is \"%.60s\", it %s",
		       strlen(key) + 3, key, value, why);
	refuse(text, message);
}

static void numbers__have_ranges(void **state)
{
	static const char memory[] = "must be a whole number from 0 to 4294967296";
	static const char count[] = "must be a whole number from 1 to 8191";

	(void)state;
	refuse_value("memory_mib", "-1", memory);
	refuse_value("memory_mib", "+1", memory);
	refuse_value("memory_mib", "1.5", memory);
	refuse_value("memory_mib", "0x10", memory);
	refuse_value("memory_mib", "1_000", memory);
	refuse_value("memory_mib", "4294967297", memory);
	refuse_value("memory_mib", "18446744073709551617", memory);
	refuse_value("memory_mib", "512 512", memory);
	refuse_value("cpu_count", "0", count);
	refuse_value("cpu_count", "8192", count);
	refuse_value("cpu_count", "two", count);
	refuse_value("numa_node", "8192", "must be a whole number from 0 to 8191");
	refuse_value("memory_mib", "0512",
		     "must be written without a zero in front, which some programs take for octal");
	accept("memory_mib: 4294967296\ncpu_count: 8191\nnuma_node: 8191\n");
	refuse_bytes(
		"memory_mib: \"5\\0\"\n", 18,
		"f, line 1, column 13: memory_mib is \"5\", it must be a whole number from 0 to "
		"4294967296");
}

static void memory__takes_no_unit(void **state)
{
	(void)state;
	refuse_value("memory_mib", "4G", "is in MiB and takes no unit: write 4096");
	refuse_value("memory_mib", "4 GiB", "is in MiB and takes no unit: write 4096");
	refuse_value("memory_mib", "512MB", "is in MiB and takes no unit: write 512");
	refuse_value("memory_mib", "512MX", "must be a whole number from 0 to 4294967296");
}

static void pools__are_cpu_lists(void **state)
{
	char text[560];

	(void)state;
	refuse_value("cpu_pool", "0-3", "must not have CPU 0: it stays with the parent");
	refuse_value("cpu_pool", "all", "must not have CPU 0: it stays with the parent");
	refuse("cpu_pool: ','\n", "f, line 1, column 11: cpu_pool is \",\", it must name a CPU");
	refuse_value(
		"cpu_pool", "5-3",
		"must be a list of CPUs such as 2,3,6-9: interval that runs backwards at character 4 of the CPU list \"5-3\"");
	/* The driver's text has room for 511 characters. */
	(void)snprintf(text, sizeof(text), "memory_mib: 2\ncpu_pool: '7%0510d'\n", 0);
	for (char *zero = strchr(text, '0'); zero; zero = strchr(zero, '0'))
		*zero = ',';
	accept(text);
	assert_int_equal(strlen(config.entries[0].cpu_pool), 511);
	(void)snprintf(text + strlen(text) - 2, 5, ",'\n");
	(void)forget(NULL);
	assert_int_equal(nec_allocator_config_parse(text, strlen(text), "f", &config, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.message, "has 512 characters, the driver takes 511"));
}

static void page_sizes__are_sizes_that_there_are(void **state)
{
	static const char why[] = "must be a size of huge pages such as 2M, 32M or 1G";

	(void)state;
	refuse_value("page_size", "1M", why);
	refuse_value("page_size", "3M", why);
	refuse_value("page_size", "32G", why);
	refuse_value("page_size", "2", why);
	refuse_value("page_size", "2MB", why);
	refuse_value("page_size", "18446744073709551615G", why);
	accept("memory_mib: 2\ncpu_count: 1\npage_size: 16G\n");
	assert_int_equal(config.entries[0].page_bytes, UINT64_C(16) << 30);
}

/* ---- YAML that is none, or more than is needed ---- */

static void anchors_aliases_and_tags__are_refused(void **state)
{
	(void)state;
	refuse("memory_mib: &a 512\ncpu_count: *a\n",
	       "f, line 1, column 13: anchors (&) and aliases (*) cannot be used in this file");
	refuse("memory_mib: 512\ncpu_count: *a\n",
	       "f, line 2, column 12: anchors (&) and aliases (*) cannot be used in this file");
	refuse("- &a {memory_mib: 2, cpu_count: 1}\n- *a\n",
	       "f, line 1, column 3: anchors (&) and aliases (*) cannot be used in this file");
	refuse("memory_mib: !!int 512\n",
	       "f, line 1, column 13: tags (!) cannot be used in this file");
}

static void second_document__is_refused(void **state)
{
	(void)state;
	refuse("---\nmemory_mib: 512\ncpu_count: 2\n---\nmemory_mib: 1024\n",
	       "f, line 4, column 1: a second document begins here");
	accept("---\nmemory_mib: 512\ncpu_count: 2\n...\n");
}

static void broken_yaml__says_where(void **state)
{
	(void)state;
	refuse("memory_mib: 512\ncpu_count: \"2\n",
	       "f, line 3, column 1: this is no YAML: found unexpected end of stream, while "
	       "scanning a quoted scalar");
	refuse("memory_mib: 512\n\tcpu_count: 2\n",
	       "f, line 2, column 1: this is no YAML: found a tab character that violates "
	       "indentation, while scanning a plain scalar");
	refuse("# a\n---\nmemory_mib: 512\ncpu_count: \xff\n",
	       "f, line 4, column 12: this is no text: invalid leading UTF-8 octet");
	refuse_bytes("memory_mib: 5\0\n", 15,
		     "f, line 1, column 14: this is no text: control characters are not allowed");
}

static void file__has_a_limit(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	(void)state;
	nec_buffer_append_text(&text, "memory_mib: 512\ncpu_count: 2\n#");
	while (text.size < NEC_ALLOCATOR_BYTES_MAX)
		nec_buffer_append_text(&text, "x");
	accept_bytes(nec_buffer_text(&text), text.size);
	nec_buffer_append_text(&text, "x");
	assert_int_equal(
		nec_allocator_config_parse(nec_buffer_text(&text), text.size, "f", &config, &err),
		-EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
}

/* Cut anywhere, a file is refused with a place, or is one that says less; never more. */
static void truncation__is_an_ordinary_error_at_every_byte(void **state)
{
	static const char text[] = "# c\n---\n- memory_mib: 512\n  cpu_count: 2\n"
				   "- memory_mib: \"2048\"\n  cpu_pool: 4-7,9\n  page_size: 1G\n"
				   "- {memory_mib: 2, cpu_pool: '12'}\n";
	size_t accepted = 0;

	(void)state;
	for (size_t size = 0; size < sizeof(text); size++) {
		char *exact = malloc(size ? size : 1);

		assert_non_null(exact);
		memcpy(exact, text, size);
		(void)forget(NULL);
		if (nec_allocator_config_parse(exact, size, "f", &config, &err) == 0) {
			accepted++;
			assert_in_range(config.count, 1, 3);
		} else {
			assert_int_equal(err.code, NEC_E_CONFIG);
			assert_non_null(strstr(err.message, ", line "));
		}
		free(exact);
	}
	/* Behind each whole entry, within the last number of one, and the whole. */
	assert_in_range(accepted, 3, 20);
	assert_int_equal(config.count, 3);
}

static void missing_file__is_told(void **state)
{
	(void)state;
	assert_int_equal(nec_allocator_config_read("/nonexistent/allocator.yaml", &config, &err),
			 -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_file_we_ship__is_nitro_clis_default, forget),
		cmocka_unit_test_setup(old_files__mean_the_same, forget),
		cmocka_unit_test_setup(old_files__begin_at_the_dashes, forget),
		cmocka_unit_test_setup(what_the_old_one_refused__is_taken_where_it_is_clear,
				       forget),
		cmocka_unit_test_setup(list__has_an_entry_each, forget),
		cmocka_unit_test_setup(list__has_a_limit, forget),
		cmocka_unit_test_setup(list__refuses_what_does_not_go_together, forget),
		cmocka_unit_test_setup(keys__must_be_known, forget),
		cmocka_unit_test_setup(keys__are_given_once, forget),
		cmocka_unit_test_setup(keys__must_be_there, forget),
		cmocka_unit_test_setup(numbers__have_ranges, forget),
		cmocka_unit_test_setup(memory__takes_no_unit, forget),
		cmocka_unit_test_setup(pools__are_cpu_lists, forget),
		cmocka_unit_test_setup(page_sizes__are_sizes_that_there_are, forget),
		cmocka_unit_test_setup(anchors_aliases_and_tags__are_refused, forget),
		cmocka_unit_test_setup(second_document__is_refused, forget),
		cmocka_unit_test_setup(broken_yaml__says_where, forget),
		cmocka_unit_test_setup(file__has_a_limit, forget),
		cmocka_unit_test_setup(truncation__is_an_ordinary_error_at_every_byte, forget),
		cmocka_unit_test_setup(missing_file__is_told, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
