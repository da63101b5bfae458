/* SPDX-License-Identifier: Apache-2.0 */
/* The table of rules, and images whose tables cannot be followed all the way. */
#include "eif-data.h"

#include "base/cursor.h"

static void rules__have_unique_names_and_texts_in_the_form_the_page_uses(void **state)
{
	const struct nec_eif_rule *rule;
	size_t count = 0;

	(void)state;
	for (; (rule = nec_eif_get_rule(count)); count++) {
		assert_non_null(rule->name);
		assert_int_equal(strspn(rule->name, "abcdefghijklmnopqrstuvwxyz0-"),
				 strlen(rule->name));
		/* The page puts a full stop behind hints as they are, and none behind summaries. */
		assert_true(rule->summary[0] && rule->summary[strlen(rule->summary) - 1] != '.');
		assert_true(strchr(".?", rule->hint[strlen(rule->hint) - 1]));
		assert_null(strchr(rule->summary, '|'));
		assert_null(strchr(rule->hint, '|'));
		for (size_t i = 0; i < count; i++)
			assert_string_not_equal(nec_eif_get_rule(i)->name, rule->name);
	}
	assert_int_equal(count, NEC_RULE_COUNT);
}

/* Every row of the page that begins with a rule's name, one after the other. */
static void rules__stand_on_their_page(void **state)
{
	static const char *const severities[] = { "note", "warning", "error" };
	cleanup_buffer struct nec_buffer page = { 0 };
	const struct nec_eif_rule *rule;
	const char *at;
	size_t count = 0;

	(void)state;
	assert_int_equal(
		nec_file_read_all(NEC_SOURCE_DIR "/docs/eif-lint.md", 1 << 20, &page, NULL), 0);
	at = nec_buffer_text(&page);
	for (; (at = strstr(at, "\n| `")); at++, count++) {
		cleanup_buffer struct nec_buffer row = { 0 };

		rule = nec_eif_get_rule(count);
		assert_non_null(rule);
		nec_buffer_printf(&row, "\n| `%s` | %s | %s | %s |\n", rule->name,
				  severities[rule->severity], rule->summary, rule->hint);
		if (strncmp(at, nec_buffer_text(&row), row.size) != 0)
			fail_msg("docs/eif-lint.md should have this row here:%s",
				 nec_buffer_text(&row));
	}
	assert_int_equal(count, NEC_RULE_COUNT);
}

/* Opens altered copies of x86-2rd.eif: sections at 548, 5560, 5691, 5947 and 6479, end 8303. */
static void open_damaged(const struct nec_buffer *image, size_t size, nec_eif **ret)
{
	cleanup_close int fd = eif_memfd(image->data, size);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(nec_eif_open_damaged(NULL, path, ret, NULL), 0);
}

static void assert_only(const nec_eif *eif, const char *rule, uint64_t offset, const char *text)
{
	const struct nec_eif_finding *finding = nec_eif_get_finding(eif, 0);

	assert_int_equal(nec_eif_get_finding_count(eif), 1);
	assert_string_equal(finding->rule, rule);
	assert_int_equal(finding->offset, offset);
	if (!strstr(finding->message, text))
		fail_msg("\"%s\" does not contain \"%s\"", finding->message, text);
}

static void damaged__leaves_out_what_cannot_be_followed_and_keeps_the_rest(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		const char *rule;
		uint64_t offset;
		const char *text;
		size_t sections; /* that are left */
	} rows[] = {
		{ NEC_EIF_OFFSETS_AT + 8, 600, "section-overlap", NEC_EIF_OFFSETS_AT + 8,
		  "section 1", 4 },
		{ NEC_EIF_OFFSETS_AT + 24, 8300, "truncated", NEC_EIF_OFFSETS_AT + 24, "at 8303",
		  4 },
		{ 6479 + 4, 1813, "truncated", 6479, "1812 are left", 4 },
		{ 548 + 4, UINT64_MAX, "truncated", 548, "section 0", 4 },
	};
	cleanup_buffer struct nec_buffer original = { 0 };

	(void)state;
	eif_load("x86-2rd.eif", &original);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buffer struct nec_buffer image = { 0 };
		cleanup_eif nec_eif *eif = NULL;

		nec_buffer_append(&image, original.data, original.size);
		nec_put_u64be(image.data + rows[i].at, rows[i].value);
		open_damaged(&image, image.size, &eif);
		assert_only(eif, rows[i].rule, rows[i].offset, rows[i].text);
		assert_int_equal(nec_eif_get_section_count(eif), rows[i].sections);
		assert_true(eif->incomplete);
	}
}

static void damaged__numbers_sections_by_the_tables(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;

	(void)state;
	eif_load("x86-2rd.eif", &image);
	image.data[5560 + 1] = 9; /* section 1: no such type */
	image.data[5691 + 3] = 7; /* section 2: flags */
	open_damaged(&image, image.size, &eif);
	assert_int_equal(nec_eif_get_finding_count(eif), 2);
	assert_string_equal(nec_eif_get_finding(eif, 0)->rule, "section-type");
	assert_string_equal(nec_eif_get_finding(eif, 1)->message,
			    "section 2 (metadata) has flags 0x0007");
}

static void damaged__finds_one_fault_in_what_is_no_image(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;

	(void)state;
	nec_buffer_append_text(&image, "#!/bin/sh\n");
	nec_buffer_append_zeros(&image, 1000);
	open_damaged(&image, image.size, &eif);
	assert_only(eif, "magic", 0, "23 21 2f 62");
	assert_int_equal(nec_eif_get_section_count(eif), 0);
}

static void damaged__opens_every_truncation(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };

	(void)state;
	eif_load("x86-1rd-gz.eif", &image);
	for (size_t size = 0; size < image.size; size++) {
		cleanup_eif nec_eif *eif = NULL;

		open_damaged(&image, size, &eif);
		assert_true(nec_eif_get_finding_count(eif) >= 1);
		assert_string_equal(nec_eif_get_finding(eif, 0)->rule,
				    size > 0 && size < 4 ? "magic" : "truncated");
	}
}

static void damaged__says_when_there_are_no_sections_or_too_many(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *none = NULL;
	cleanup_eif nec_eif *many = NULL;

	(void)state;
	eif_load("x86-2rd.eif", &image);
	nec_put_u16be(image.data + NEC_EIF_COUNT_AT, 0);
	open_damaged(&image, image.size, &none);
	assert_only(none, "section-count", NEC_EIF_COUNT_AT, "0 sections");
	nec_put_u16be(image.data + NEC_EIF_COUNT_AT, 33);
	open_damaged(&image, image.size, &many);
	assert_only(many, "section-count", NEC_EIF_COUNT_AT, "33 sections");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules__have_unique_names_and_texts_in_the_form_the_page_uses),
		cmocka_unit_test(rules__stand_on_their_page),
		cmocka_unit_test(damaged__leaves_out_what_cannot_be_followed_and_keeps_the_rest),
		cmocka_unit_test(damaged__numbers_sections_by_the_tables),
		cmocka_unit_test(damaged__finds_one_fault_in_what_is_no_image),
		cmocka_unit_test(damaged__opens_every_truncation),
		cmocka_unit_test(damaged__says_when_there_are_no_sections_or_too_many),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
