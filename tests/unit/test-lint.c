/* SPDX-License-Identifier: Apache-2.0 */
#include "lint-scenes.h"

#include "base/error.h"
#include "image/lint.h"
#include "leftovers.h"

static const int64_t start_of_2026 = INT64_C(1767225600);

/* Lints bytes in memory. */
static int lint_bytes(const void *bytes, size_t size, const struct nec_lint_options *options,
		      nec_lint **ret, nec_error *err)
{
	cleanup_close int fd = eif_memfd(bytes, size);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return nec_lint_run(NULL, path, options, ret, err);
}

static bool has_rule(const nec_lint *lint, const char *rule, const char *text)
{
	for (size_t i = 0; i < nec_lint_get_finding_count(lint); i++) {
		const struct nec_lint_finding *finding = nec_lint_get_finding(lint, i);

		if (strcmp(finding->rule, rule) == 0 &&
		    (!text || strstr(finding->message, text) ||
		     (finding->path && strstr(finding->path, text))))
			return true;
	}
	return false;
}

/* The rules that were broken, once each, in the order of the table. */
static void list_rules(const nec_lint *lint, struct nec_buffer *to)
{
	const struct nec_eif_rule *rule;

	nec_buffer_append_text(to, "");
	for (size_t i = 0; (rule = nec_eif_get_rule(i)); i++)
		if (has_rule(lint, rule->name, NULL))
			nec_buffer_printf(to, "%s%s", to->size ? " " : "", rule->name);
}

static void print_findings(const nec_lint *lint)
{
	for (size_t i = 0; i < nec_lint_get_finding_count(lint); i++) {
		const struct nec_lint_finding *finding = nec_lint_get_finding(lint, i);

		print_message("  %s: %s: %s\n", finding->rule, finding->path ? finding->path : "-",
			      finding->message);
	}
}

static void assert_rules(const nec_lint *lint, const char *expected, const char *text,
			 const char *what)
{
	cleanup_buffer struct nec_buffer found = { 0 };
	const char *last = strrchr(expected, ' ');

	list_rules(lint, &found);
	if (strcmp(nec_buffer_text(&found), expected) == 0 &&
	    (!text || has_rule(lint, last ? last + 1 : expected, text)))
		return;
	print_findings(lint);
	fail_msg("%s: \"%s\" instead of \"%s\", text \"%s\"", what, nec_buffer_text(&found),
		 expected, text ? text : "");
}

static void rules__are_each_broken_by_one_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < lint_scene_count; i++) {
		const struct scene *scene = &lint_scenes[i];
		struct nec_lint_options options = NEC_LINT_OPTIONS_INIT;
		cleanup_buffer struct nec_buffer image = { 0 };
		nec_lint *lint = NULL;
		nec_error err = NEC_ERROR_INIT;
		char what[64];

		options.has_now = true;
		options.now = scene->now ? scene->now : start_of_2026;
		options.memory_mib = scene->memory_mib;
		scene_make(scene, &image);
		(void)snprintf(what, sizeof(what), "scene %zu", i);
		if (lint_bytes(image.data, image.size, &options, &lint, &err) < 0)
			fail_msg("%s (%s): %s", what, scene->rules, err.message);
		assert_rules(lint, scene->rules, scene->text, what);
		nec_lint_free(lint);
	}
}

static void rules__all_have_a_scene(void **state)
{
	/* Needs more than 64 GiB of unpacked files or 32 MiB of settings. */
	static const char *const elsewhere[] = { "ramdisk-limit" };
	const struct nec_eif_rule *rule;

	(void)state;
	for (size_t i = 0; (rule = nec_eif_get_rule(i)); i++) {
		bool found = strcmp(rule->name, elsewhere[0]) == 0;

		for (size_t s = 0; s < lint_scene_count && !found; s++) {
			const char *at = strstr(lint_scenes[s].rules, rule->name);
			size_t length = strlen(rule->name);

			found = at && (at[length] == ' ' || at[length] == '\0');
		}
		if (!found)
			fail_msg("no scene breaks %s", rule->name);
	}
}

static void images__have_just_the_faults_they_were_made_with(void **state)
{
	/* None of them boots. */
	static const struct {
		const char *file;
		const char *rules;
	} rows[] = {
		{ "arm64-2rd.eif", PLACEHOLDERS },
		{ "arm64-signed-p521.eif", PLACEHOLDERS },
		{ "bad-crc.eif", "crc " PLACEHOLDERS },
		/* AWS's reader finds the checksum wrong as well. */
		{ "bad-magic.eif", "magic crc " PLACEHOLDERS },
		{ "bad-section-type6.eif", "section-type" },
		{ "bad-two-kernels.eif", "section-repeated " PLACEHOLDERS },
		{ "bad-v4-nometadata.eif", "section-missing " PLACEHOLDERS },
		{ "signed-kernel-tampered-crcfixed.eif", "signature-pcr0 " PLACEHOLDERS },
		{ "v2-nometadata.eif", PLACEHOLDERS },
		{ "v3-signed-nometadata.eif", PLACEHOLDERS },
		{ "v4-gap64.eif", "section-gap " PLACEHOLDERS },
		{ "v4-metadata-last.eif", PLACEHOLDERS },
		{ "x86-1rd-gz.eif", "init-missing program-interpreter" },
		{ "x86-2rd.eif", PLACEHOLDERS },
		{ "x86-4rd-meta.eif", PLACEHOLDERS },
		{ "x86-resigned-p256-to-p521-stalesize.eif", "signature-size-stale " PLACEHOLDERS },
		{ "x86-signed-after-p384.eif", PLACEHOLDERS },
		{ "x86-signed-certmismatch.eif", "signature-invalid " PLACEHOLDERS },
		{ "x86-signed-expired.eif", "certificate-expired " PLACEHOLDERS },
		{ "x86-signed-p256.eif", PLACEHOLDERS },
		{ "x86-signed-p384.eif", PLACEHOLDERS },
	};
	cleanup_json cJSON *expected = eif_expected();
	size_t images = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nec_lint_options options = NEC_LINT_OPTIONS_INIT;
		nec_lint *lint = NULL;
		nec_error err = NEC_ERROR_INIT;
		char path[512];

		options.has_now = true;
		options.now = start_of_2026;
		(void)snprintf(path, sizeof(path), EIF_DATA "%s", rows[i].file);
		if (nec_lint_run(NULL, path, &options, &lint, &err) < 0)
			fail_msg("%s: %s", rows[i].file, err.message);
		assert_rules(lint, rows[i].rules, NULL, rows[i].file);
		nec_lint_free(lint);
	}
	for (const cJSON *row = expected->child; row; row = row->next)
		images++;
	assert_int_equal(images, ARRAY_SIZE(rows));
}

static const struct nec_lint_finding *only_finding(const nec_lint *lint)
{
	if (nec_lint_get_finding_count(lint) != 1) {
		print_findings(lint);
		fail_msg("not one finding");
	}
	return nec_lint_get_finding(lint, 0);
}

static void findings__say_where(void **state)
{
	const struct scene scene = { .files = { { "rootfs/etc/shadow", S_IFREG | 0600,
						  "a\x1b\xff::\n" } } };
	cleanup_buffer struct nec_buffer image = { 0 };
	const struct nec_lint_finding *finding;
	nec_lint *lint = NULL;

	(void)state;
	scene_make(&scene, &image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	finding = only_finding(lint);
	assert_int_equal(finding->severity, NEC_SEVERITY_WARNING);
	assert_int_equal(finding->ramdisk, 3);
	assert_int_equal(finding->offset, get_be(&image, NEC_EIF_OFFSETS_AT + 5 * 8, 8) + 12);
	assert_string_equal(finding->path, "rootfs/etc/shadow");
	assert_string_equal(finding->message, "the password of a\\x1b\\xff is empty");
	assert_true(finding->hint[0]);
	assert_int_equal(nec_lint_count(lint, NEC_SEVERITY_WARNING), 1);
	assert_int_equal(nec_lint_count(lint, NEC_SEVERITY_ERROR), 0);
	assert_null(nec_lint_get_finding(lint, 1));
	nec_lint_free(lint);
}

static void findings__come_worst_first(void **state)
{
	const struct scene scene = { .cmdline = "debug nokaslr rdinit=/none" };
	cleanup_buffer struct nec_buffer image = { 0 };
	enum nec_severity before = NEC_SEVERITY_ERROR;
	nec_lint *lint = NULL;

	(void)state;
	scene_make(&scene, &image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	assert_int_equal(nec_lint_get_finding_count(lint), 5);
	for (size_t i = 0; i < 5; i++) {
		assert_true(nec_lint_get_finding(lint, i)->severity <= before);
		before = nec_lint_get_finding(lint, i)->severity;
	}
	assert_string_equal(nec_lint_get_finding(lint, 0)->rule, "init-missing");
	assert_string_equal(nec_lint_get_finding(lint, 1)->rule, "cmdline-weakened");
	nec_lint_free(lint);
}

static void secrets__are_named_but_not_repeated(void **state)
{
	const struct scene scene = {
		.files = { { "env", S_IFREG | 0644, "API_TOKEN=abcdef\n" },
			   { "etc/shadow", S_IFREG | 0600, "root:$6$abcdef:1:\n" },
			   { "etc/ssh/ssh_host_rsa_key", S_IFREG | 0600, "abcdef\n" } }
	};
	cleanup_buffer struct nec_buffer image = { 0 };
	nec_lint *lint = NULL;

	(void)state;
	scene_make(&scene, &image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	assert_int_equal(nec_lint_get_finding_count(lint), 3);
	for (size_t i = 0; i < 3; i++)
		assert_null(strstr(nec_lint_get_finding(lint, i)->message, "abcdef"));
	nec_lint_free(lint);
}

/* What a later ramdisk replaces does not count any more. */
static void ramdisks__are_merged_as_the_kernel_does(void **state)
{
	const struct scene scene = { .files = { { "etc/shadow", S_IFREG | 0600, "root::1:\n" },
						{ "etc/shadow", S_IFREG | 0600, "root:!:1:\n" },
						{ "setuid", S_IFREG | 04755, "#!/init\n" },
						{ "setuid", S_IFDIR | 0755 } } };
	cleanup_buffer struct nec_buffer image = { 0 };
	nec_lint *lint = NULL;

	(void)state;
	scene_make(&scene, &image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	assert_rules(lint, "", NULL, "merged");
	nec_lint_free(lint);
}

/* The data of hard-linked files comes with any of them, here the last (GNU cpio's way). */
static void hard_links__share_their_contents(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_buffer struct nec_buffer archive = { 0 };
	const struct scene clean = { 0 };
	nec_lint *lint = NULL;

	(void)state;
	cpio_add(&archive,
		 &(struct cpio_file){
			 .name = "init", .mode = S_IFREG | 0755, .inode = 5, .links = 2 });
	cpio_add(&archive, &(struct cpio_file){ .name = "busybox",
						.mode = S_IFREG | 0755,
						.text = "no program",
						.inode = 5,
						.links = 2 });
	cpio_end(&archive);
	scene_make_clean(&clean, &image);
	eif_add(&image, NEC_EIF_RAMDISK, archive.data, archive.size);
	eif_fix_crc(&image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	assert_rules(lint, "program-format", "first process", "hard links");
	nec_lint_free(lint);
}

static void files__without_their_folder_are_found(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_buffer struct nec_buffer archive = { 0 };
	const struct scene clean = { 0 };
	nec_lint *lint = NULL;

	(void)state;
	/* The first two folders are in every kernel. */
	cpio_add(&archive, &(struct cpio_file){ "dev/console", S_IFCHR | 0600 });
	cpio_add(&archive, &(struct cpio_file){ "root/x", S_IFREG | 0600, "x" });
	cpio_add(&archive, &(struct cpio_file){ "opt/x", S_IFREG | 0600, "x" });
	cpio_end(&archive);
	scene_make_clean(&clean, &image);
	eif_add(&image, NEC_EIF_RAMDISK, archive.data, archive.size);
	eif_fix_crc(&image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	assert_rules(lint, "ramdisk-parent", "opt/x", "no folder");
	nec_lint_free(lint);
}

/* What cannot be read is not taken for missing. */
static void damaged_ramdisks__hide_no_other_faults(void **state)
{
	const struct scene scene = { .cmdline = "console=ttyS0 panic=1 rdinit=/none nokaslr",
				     .ramdisk = "damaged",
				     .ramdisk_size = 7 };
	cleanup_buffer struct nec_buffer image = { 0 };
	nec_lint *lint = NULL;

	(void)state;
	scene_make(&scene, &image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	assert_rules(lint, "cmdline-weakened ramdisk-format", "ramdisk 3", "damaged");
	assert_int_equal(nec_lint_get_minimum_memory_mib(lint), 0);
	nec_lint_free(lint);
}

static void limit__is_a_warning(void **state)
{
	cleanup_buffer struct nec_buffer big = { 0 };
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_buffer struct nec_buffer archive = { 0 };
	const struct scene clean = { 0 };
	nec_lint *lint = NULL;

	(void)state;
	/* Of each file 64 KiB are kept, 32 MiB in all: 512 fit. */
	for (size_t i = 0; i < NEC_LINT_MAX_TEXT; i++)
		nec_buffer_append_u8(&big, i % 64 ? 'x' : '\n');
	cpio_add_path(&archive,
		      &(struct cpio_file){ "etc/ssh/authorized_keys/x", S_IFREG | 0644, "#" });
	for (unsigned int i = 0; i < 520; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "etc/ssh/sshd_config.d/%u.conf", i);
		cpio_add_path(&archive, &(struct cpio_file){ name, S_IFREG | 0644,
							     (const char *)big.data, big.size });
	}
	cpio_end(&archive);
	scene_make_clean(&clean, &image);
	eif_add(&image, NEC_EIF_RAMDISK, archive.data, archive.size);
	eif_fix_crc(&image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	assert_rules(lint, "ramdisk-limit", "32 MiB", "limit");
	nec_lint_free(lint);
}

static void truncation__at_every_byte_gives_findings(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };

	(void)state;
	eif_load("x86-1rd-gz.eif", &image);
	for (size_t size = 0; size < image.size; size++) {
		nec_lint *lint = NULL;

		assert_int_equal(lint_bytes(image.data, size, NULL, &lint, NULL), 0);
		assert_true(nec_lint_count(lint, NEC_SEVERITY_ERROR) >= 1);
		nec_lint_free(lint);
	}
}

/* A ramdisk cut anywhere is damaged, whatever the cut goes through. */
static void truncation__of_a_ramdisk_is_found_at_every_byte(void **state)
{
	cleanup_buffer struct nec_buffer ramdisk = { 0 };
	cleanup_buffer struct nec_buffer head = { 0 };

	(void)state;
	eif_load("inputs/x86-2rd.ramdisk2", &ramdisk);
	eif_begin(&head);
	eif_add_text(&head, NEC_EIF_CMDLINE, "console=ttyS0 panic=1");
	for (size_t size = 1; size < ramdisk.size; size++) {
		cleanup_buffer struct nec_buffer image = { 0 };
		nec_lint *lint = NULL;

		nec_buffer_append(&image, head.data, head.size);
		eif_add(&image, NEC_EIF_RAMDISK, ramdisk.data, size);
		assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
		assert_true(nec_lint_get_finding_count(lint) > 0);
		nec_lint_free(lint);
	}
}

static void memory__minimum_is_what_the_checks_let_pass(void **state)
{
	const struct scene *found = NULL;
	cleanup_buffer struct nec_buffer image = { 0 };
	struct nec_lint_options options = NEC_LINT_OPTIONS_INIT;
	nec_lint *lint = NULL;

	(void)state;
	for (size_t i = 0; i < lint_scene_count; i++)
		if (strcmp(lint_scenes[i].rules, "memory-unpacked") == 0)
			found = &lint_scenes[i];
	assert_non_null(found);
	scene_make(found, &image);
	assert_int_equal(lint_bytes(image.data, image.size, NULL, &lint, NULL), 0);
	options.memory_mib = nec_lint_get_minimum_memory_mib(lint);
	assert_true(options.memory_mib > 80);
	nec_lint_free(lint);

	assert_int_equal(lint_bytes(image.data, image.size, &options, &lint, NULL), 0);
	assert_int_equal(nec_lint_count(lint, NEC_SEVERITY_ERROR), 0);
	nec_lint_free(lint);
	options.memory_mib--;
	assert_int_equal(lint_bytes(image.data, image.size, &options, &lint, NULL), 0);
	assert_int_equal(nec_lint_count(lint, NEC_SEVERITY_ERROR), 1);
	nec_lint_free(lint);
}

static void failures__leave_nothing_behind(void **state)
{
	const volatile int cancel = 1;
	size_t before = open_descriptors();
	nec_context *context = NULL;
	nec_lint *lint = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_lint_run(NULL, "/nowhere/x.eif", NULL, &lint, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
	assert_int_equal(nec_lint_run(NULL, "/dev/null", NULL, &lint, &err), -EINVAL);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancel);
	assert_int_equal(nec_lint_run(context, EIF_DATA "x86-2rd.eif", NULL, &lint, &err),
			 -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	assert_null(lint);
	assert_int_equal(open_descriptors(), before);
	nec_context_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules__are_each_broken_by_one_fault),
		cmocka_unit_test(rules__all_have_a_scene),
		cmocka_unit_test(images__have_just_the_faults_they_were_made_with),
		cmocka_unit_test(findings__say_where),
		cmocka_unit_test(findings__come_worst_first),
		cmocka_unit_test(secrets__are_named_but_not_repeated),
		cmocka_unit_test(ramdisks__are_merged_as_the_kernel_does),
		cmocka_unit_test(hard_links__share_their_contents),
		cmocka_unit_test(files__without_their_folder_are_found),
		cmocka_unit_test(damaged_ramdisks__hide_no_other_faults),
		cmocka_unit_test(limit__is_a_warning),
		cmocka_unit_test(truncation__at_every_byte_gives_findings),
		cmocka_unit_test(truncation__of_a_ramdisk_is_found_at_every_byte),
		cmocka_unit_test(memory__minimum_is_what_the_checks_let_pass),
		cmocka_unit_test(failures__leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
