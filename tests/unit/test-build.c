/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "image/describe.h"
#include "image/eif.h"
#include "image/signature.h"
#include "leftovers.h"
#include "samples.h"

#define INPUTS  NEC_TEST_DATA "/eif/inputs/"
#define KEYS    NEC_TEST_DATA "/keys/"
#define PACKAGE NEC_TEST_DATA "/kernel"

#define LIST(...)                                                            \
	(struct nec_list)                                                    \
	{                                                                    \
		.items = (const char *const[]){ __VA_ARGS__ },               \
		.count = ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })), \
	}

static nec_context *context;
static char warnings[2048];
static volatile int cancel;
static unsigned int reports_until_cancel; /* 0: never */

static void on_warning(void *userdata, const char *text)
{
	(void)userdata;
	(void)strncat(warnings, text, sizeof(warnings) - strlen(warnings) - 1);
}

static void on_progress(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	(void)userdata;
	(void)phase;
	(void)done;
	(void)total;
	if (reports_until_cancel > 0 && --reports_until_cancel == 0)
		cancel = 1;
}

static int setup(void **state)
{
	warnings[0] = '\0';
	cancel = 0;
	reports_until_cancel = 0;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, on_warning, NULL);
	nec_context_set_progress(context, on_progress, NULL);
	nec_context_set_cancel(context, &cancel);
	return sample_make_folder(state);
}

static int teardown(void **state)
{
	nec_context_free(context);
	return sample_remove_folder(state);
}

/* The options that the images of the test data were made with. */
static struct nec_build_options reference_options(const char *kernel)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;

	options.kernel = kernel;
	options.build_time = "1970-01-01T00:00:00+00:00";
	options.build_tool = "eif_build";
	options.build_tool_version = "0.3.1";
	options.operating_system = "Linux";
	options.kernel_version = "4.14.256";
	options.output = sample_path("image.eif");
	return options;
}

static const char *const small_ramdisks[] = { INPUTS "x86-2rd.ramdisk1",
					      INPUTS "x86-2rd.ramdisk2" };

static struct nec_build_options small_options(void)
{
	struct nec_build_options options = reference_options(INPUTS "x86-2rd.kernel");

	options.ramdisks = (struct nec_list){ small_ramdisks, ARRAY_SIZE(small_ramdisks) };
	return options;
}

static int build(const struct nec_build_options *options, nec_error *err)
{
	struct nec_build_result result;

	return nec_eif_build(context, options, &result, err);
}

static void assert_same_file(const char *a, const char *b)
{
	cleanup_buffer struct nec_buffer a_data = { 0 };
	cleanup_buffer struct nec_buffer b_data = { 0 };

	assert_int_equal(nec_file_read_all(a, 1 << 20, &a_data, NULL), 0);
	assert_int_equal(nec_file_read_all(b, 1 << 20, &b_data, NULL), 0);
	assert_int_equal(a_data.size, b_data.size);
	assert_memory_equal(a_data.data, b_data.data, a_data.size);
}

static void build__equals_what_aws_builds(void **state)
{
	static const char cmdline_arm[] = "reboot=k panic=30 pci=off nomodules console=ttyS0 "
					  "random.trust_cpu=on root=/dev/ram0";
	const struct {
		const char *image;
		const char *kernel;
		const char *name;
		const char *version;
		const char *metadata;
		const char *docker_info;
		struct nec_list ramdisks;
	} cases[] = {
		{ "x86-2rd", INPUTS "x86-2rd.kernel", "hello", NULL, NULL, NULL,
		  LIST(INPUTS "x86-2rd.ramdisk1", INPUTS "x86-2rd.ramdisk2") },
		{ "x86-1rd-gz", INPUTS "x86-1rd-gz.kernel", "single", NULL, NULL, NULL,
		  LIST(INPUTS "x86-1rd-gz.ramdisk1") },
		{ "arm64-2rd", INPUTS "arm64-2rd.kernel", "hello-arm", "2.1.0-rc1", NULL, NULL,
		  LIST(INPUTS "arm64-2rd.ramdisk1", INPUTS "arm64-2rd.ramdisk2") },
		{ "x86-4rd-meta", INPUTS "x86-4rd-meta.kernel", "four", "7",
		  NEC_TEST_DATA "/build/custom.json", NEC_TEST_DATA "/build/docker-info.json",
		  LIST(INPUTS "x86-4rd-meta.ramdisk1", INPUTS "x86-4rd-meta.ramdisk2",
		       INPUTS "x86-4rd-meta.ramdisk3", INPUTS "x86-4rd-meta.ramdisk4") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nec_build_options options = reference_options(cases[i].kernel);
		nec_error err = NEC_ERROR_INIT;
		char expected[256];

		options.name = cases[i].name;
		options.version = cases[i].version;
		options.metadata = cases[i].metadata;
		options.docker_info = cases[i].docker_info;
		options.ramdisks = cases[i].ramdisks;
		if (strstr(cases[i].kernel, "arm64"))
			options.cmdline = cmdline_arm;
		if (build(&options, &err) < 0)
			fail_msg("%s: %s", cases[i].image, err.message);
		(void)snprintf(expected, sizeof(expected), NEC_TEST_DATA "/eif/%s.eif",
			       cases[i].image);
		assert_same_file(options.output, expected);
	}
	assert_string_equal(warnings, "");
}

/* What the image says of itself, in one line. */
static void describe(const char *path, char *text, size_t size)
{
	cleanup_eif_description struct nec_eif_description description = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	const struct nec_eif_metadata *metadata = &description.metadata;

	assert_int_equal(nec_eif_open(context, path, &eif, NULL), 0);
	assert_int_equal(nec_eif_check(eif, NULL), 0);
	assert_int_equal(nec_eif_describe(eif, &description, NULL), 0);
	(void)snprintf(text, size, "%s|%s|%s|%s|%s|%s|%s", metadata->image_name,
		       metadata->image_version, metadata->build_time, metadata->build_tool,
		       metadata->build_tool_version, metadata->operating_system,
		       metadata->kernel_version);
}

static void metadata__has_fixed_defaults(void **state)
{
	struct nec_build_options options = small_options();
	char text[256];

	(void)state;
	options.build_time = NULL;
	options.build_tool = NULL;
	options.build_tool_version = NULL;
	options.operating_system = NULL;
	options.kernel_version = NULL;
	assert_int_equal(build(&options, NULL), 0);
	describe(options.output, text, sizeof(text));
	assert_string_equal(text, "x86-2rd.kernel|1.0|1970-01-01T00:00:00+00:00|nec|" NEC_VERSION
				  "|Linux|Unknown");
	(void)setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
	options.kernel_config = PACKAGE "/boot/config-6.1.0-1-test";
	assert_int_equal(build(&options, NULL), 0);
	(void)unsetenv("SOURCE_DATE_EPOCH");
	describe(options.output, text, sizeof(text));
	assert_string_equal(text, "x86-2rd.kernel|1.0|2023-11-14T22:13:20+00:00|nec|" NEC_VERSION
				  "|Linux|6.1.99");
	options.kernel_config = NULL;
	options.kernel = PACKAGE;
	options.arch = NEC_ARCH_X86_64;
	assert_int_equal(build(&options, NULL), 0);
	describe(options.output, text, sizeof(text));
	assert_string_equal(text,
			    "vmlinuz-6.1.0-1-test|1.0|1970-01-01T00:00:00+00:00|nec|" NEC_VERSION
			    "|Linux|6.1.99");
}

/* In eif_build the config wins, and --version is the name again. */
static void metadata__takes_what_the_options_say(void **state)
{
	struct nec_build_options options = small_options();
	char text[256];

	(void)state;
	options.kernel_config = PACKAGE "/boot/config-6.1.0-1-test";
	options.name = "n";
	options.version = "v";
	options.operating_system = "o";
	assert_int_equal(build(&options, NULL), 0);
	describe(options.output, text, sizeof(text));
	assert_string_equal(text, "n|v|1970-01-01T00:00:00+00:00|eif_build|0.3.1|o|4.14.256");
}

static void kernel__file_tells_the_architecture(void **state)
{
	struct nec_build_options options = small_options();
	cleanup_eif nec_eif *eif = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	options.kernel = INPUTS "arm64-2rd.kernel";
	assert_int_equal(build(&options, NULL), 0);
	assert_int_equal(nec_eif_open(context, options.output, &eif, NULL), 0);
	assert_int_equal(nec_eif_get_arch(eif), NEC_ARCH_AARCH64);
	options.arch = NEC_ARCH_X86_64;
	assert_int_equal(build(&options, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_EIF_ARCH);
}

static void kernel__without_devices_from_its_command_line_gets_a_warning(void **state)
{
	struct nec_build_options options = small_options();

	(void)state;
	options.kernel = PACKAGE;
	options.arch = NEC_ARCH_X86_64;
	assert_int_equal(build(&options, NULL), 0);
	assert_non_null(strstr(warnings, "VIRTIO_MMIO_CMDLINE_DEVICES"));
}

/* The data of the image's section number @index. */
static void read_section(const char *path, size_t index, struct nec_buffer *to)
{
	cleanup_eif nec_eif *eif = NULL;
	const struct nec_eif_section *section;

	assert_int_equal(nec_eif_open(context, path, &eif, NULL), 0);
	section = nec_eif_get_section(eif, index);
	assert_non_null(section);
	assert_int_equal(nec_eif_read_whole(eif, section, 1 << 20, to, NULL), 0);
}

static void kernel__of_the_blobs_brings_its_command_line(void **state)
{
	struct nec_build_options options = small_options();
	cleanup_buffer struct nec_buffer kernel = { 0 };
	cleanup_buffer struct nec_buffer cmdline = { 0 };
	cleanup_buffer struct nec_buffer given = { 0 };

	(void)state;
	assert_int_equal(nec_file_read_all(options.kernel, 1 << 20, &kernel, NULL), 0);
	sample_mkdir("blobs");
	sample_write("blobs/bzImage", kernel.data, kernel.size);
	sample_write_text("blobs/cmdline", " \tconsole=ttyS0 quiet \n\n");
	options.kernel = sample_path("blobs");
	options.arch = NEC_ARCH_X86_64;
	assert_int_equal(build(&options, NULL), 0);
	read_section(options.output, 1, &cmdline);
	assert_string_equal(nec_buffer_text(&cmdline), "console=ttyS0 quiet");
	options.cmdline = " as given ";
	assert_int_equal(build(&options, NULL), 0);
	read_section(options.output, 1, &given);
	assert_string_equal(nec_buffer_text(&given), " as given ");
}

static void ramdisks__follow_those_of_the_root_file_system(void **state)
{
	struct nec_build_options options = small_options();
	cleanup_buffer struct nec_buffer expected = { 0 };
	cleanup_buffer struct nec_buffer last = { 0 };
	cleanup_buffer struct nec_buffer bootstrap = { 0 };
	const char *const words[] = { "/x" };

	(void)state;
	sample_mkdir("root");
	options.rootfs = sample_path("root");
	options.entrypoint = (struct nec_list){ words, 1 };
	options.init = INPUTS "x86-2rd.cmdline";
	assert_int_equal(build(&options, NULL), 0);
	read_section(options.output, 3, &bootstrap);
	assert_memory_equal(bootstrap.data, "07070100000001", 14);
	assert_string_equal((const char *)bootstrap.data + 110, "dev");
	assert_int_equal(nec_file_read_all(small_ramdisks[1], 1 << 20, &expected, NULL), 0);
	read_section(options.output, 6, &last);
	assert_int_equal(last.size, expected.size);
	assert_memory_equal(last.data, expected.data, last.size);
}

static void ramdisk__that_no_kernel_unpacks_gets_a_warning(void **state)
{
	struct nec_build_options options = small_options();

	(void)state;
	options.ramdisks = LIST(INPUTS "x86-1rd-gz.ramdisk1", INPUTS "x86-2rd.cmdline");
	assert_int_equal(build(&options, NULL), 0);
	assert_null(strstr(warnings, "ramdisk1"));
	assert_non_null(strstr(warnings, "x86-2rd.cmdline is neither"));
}

static void side_files__say_what_is_in_the_image(void **state)
{
	struct nec_build_options options = small_options();
	cleanup_buffer struct nec_buffer pcrs = { 0 };
	cleanup_buffer struct nec_buffer manifest = { 0 };

	(void)state;
	options.ramdisks = LIST(INPUTS "x86-2rd.ramdisk1", INPUTS "x86-1rd-gz.ramdisk1");
	options.pcr_json = sample_path("pcr.json");
	options.manifest = sample_path("manifest.json");
	assert_int_equal(build(&options, NULL), 0);
	assert_int_equal(nec_file_read_all(options.pcr_json, 1 << 20, &pcrs, NULL), 0);
	assert_int_equal(strncmp(nec_buffer_text(&pcrs),
				 "{\n  \"HashAlgorithm\": \"Sha384 { ... }\",\n  \"PCR0\": \"", 49),
			 0);
	assert_int_equal(nec_file_read_all(options.manifest, 1 << 20, &manifest, NULL), 0);
	assert_same_file(options.manifest, NEC_TEST_DATA "/build/manifest.json");
}

static void signing__is_part_of_the_build(void **state)
{
	struct nec_sign_options signing = NEC_SIGN_OPTIONS_INIT;
	struct nec_build_options options = small_options();
	cleanup_signature nec_signature *signature = NULL;
	cleanup_eif nec_eif *eif = NULL;
	struct nec_build_result result;
	uint8_t pcr8[NEC_PCR_SIZE];
	const int64_t year_2030 = 1893456000;

	(void)state;
	signing.certificate = KEYS "p384.pem";
	signing.private_key = KEYS "p384.key";
	options.signing = &signing;
	assert_int_equal(nec_eif_build(context, &options, &result, NULL), 0);
	assert_true(result.is_signed);
	assert_int_equal(nec_certificate_measure(signing.certificate, pcr8, NULL), 0);
	assert_memory_equal(result.pcr8, pcr8, NEC_PCR_SIZE);
	assert_int_equal(nec_eif_open(context, options.output, &eif, NULL), 0);
	assert_int_equal(nec_eif_check(eif, NULL), 0);
	assert_int_equal(nec_eif_read_signature(eif, &signature, NULL), 1);
	assert_int_equal(nec_signature_verify(signature, result.measurements.pcr0, year_2030, NULL),
			 0);
}

static void signing__with_a_wrong_key_fails_before_the_work(void **state)
{
	struct nec_sign_options signing = NEC_SIGN_OPTIONS_INIT;
	struct nec_build_options options = small_options();
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	signing.certificate = KEYS "p384.pem";
	signing.private_key = KEYS "p256.key";
	options.signing = &signing;
	options.kernel = "/nowhere";
	assert_true(build(&options, &err) < 0);
	assert_int_equal(err.code, NEC_E_PRIVATE_KEY);
	assert_int_equal(count_entries(sample_folder), 0);
}

static void failure__leaves_nothing(void **state)
{
	const struct nec_list one = LIST(INPUTS "x86-2rd.ramdisk1");
	const struct nec_list many =
		LIST("", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "",
		     "", "", "", "", "", "", "", "", "");
	const struct {
		struct nec_build_options options;
		enum nec_error_code code;
		const char *word;
	} cases[] = {
		{ { .kernel = INPUTS "x86-2rd.kernel" }, NEC_E_INVALID_ARGUMENT, "neither" },
		{ { .ramdisks = one }, NEC_E_INVALID_ARGUMENT, "kernel of your own" },
		{ { .kernel = "/nowhere", .ramdisks = one }, NEC_E_FILE_OPEN, "/nowhere" },
		{ { .kernel = "/dev/null", .ramdisks = one }, NEC_E_FILE_OPEN, "regular" },
		{ { .kernel = INPUTS "x86-2rd.cmdline", .ramdisks = one },
		  NEC_E_KERNEL,
		  "bzImage" },
		{ { .kernel = INPUTS "x86-2rd.kernel", .ramdisks = LIST("/nowhere") },
		  NEC_E_FILE_OPEN,
		  "/nowhere" },
		{ { .kernel = INPUTS "x86-2rd.kernel", .ramdisks = many },
		  NEC_E_EIF_SECTION_COUNT,
		  "room for 28" },
		{ { .kernel = INPUTS "x86-2rd.kernel", .ramdisks = one, .cmdline = "a\nb" },
		  NEC_E_INVALID_ARGUMENT,
		  "newline" },
		{ { .kernel = INPUTS "x86-2rd.kernel",
		    .ramdisks = one,
		    .kernel_config = INPUTS "x86-2rd.cmdline" },
		  NEC_E_KERNEL,
		  "line 3" },
		{ { .kernel = INPUTS "x86-2rd.kernel",
		    .ramdisks = one,
		    .metadata = INPUTS "x86-2rd.cmdline" },
		  NEC_E_JSON,
		  "line 1" },
		{ { .kernel = INPUTS "x86-2rd.kernel", .ramdisks = one, .pcr_json = "/nowhere/p" },
		  NEC_E_FILE_WRITE,
		  "/nowhere/p" },
		{ { .kernel = INPUTS "x86-2rd.kernel", .ramdisks = one, .manifest = "/nowhere/m" },
		  NEC_E_FILE_WRITE,
		  "/nowhere/m" },
		{ { .kernel = INPUTS "x86-2rd.kernel",
		    .ramdisks = LIST(INPUTS "x86-2rd.cmdline"),
		    .manifest = "never-made.json" },
		  NEC_E_RAMDISK,
		  "" },
		{ { .kernel = INPUTS "x86-2rd.kernel",
		    .ramdisks = one,
		    .pcr_json = "never-made.json",
		    .manifest = "never-made.json" },
		  NEC_E_INVALID_ARGUMENT,
		  "the same" },
		{ { .kernel = INPUTS "x86-2rd.kernel", .rootfs = "/nowhere" },
		  NEC_E_INVALID_ARGUMENT,
		  "struct_size of 8" },
	};
	size_t fds;

	(void)state;
	(void)build(&cases[0].options, NULL); /* whatever is loaded once is loaded now */
	fds = open_descriptors();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nec_build_options options = cases[i].options;
		nec_error err = NEC_ERROR_INIT;

		options.struct_size = i + 1 < ARRAY_SIZE(cases) ? sizeof(options) : 8;
		options.output = sample_path("image.eif");
		assert_true(build(&options, &err) < 0);
		if (!strstr(err.message, cases[i].word))
			fail_msg("case %zu: %s", i, err.message);
		assert_int_equal(err.code, cases[i].code);
		assert_int_equal(count_entries(sample_folder), 0);
		assert_int_equal(open_descriptors(), fds);
	}
}

static void failure__keeps_what_was_there(void **state)
{
	struct nec_build_options options = small_options();

	(void)state;
	sample_write_text("image.eif", "old");
	options.manifest = "/nowhere/manifest";
	assert_true(build(&options, NULL) < 0);
	assert_int_equal(count_entries(sample_folder), 1);
	options.manifest = NULL;
	options.output = "/nowhere/image.eif";
	assert_true(build(&options, NULL) < 0);
}

/* The flag is raised at the first, second, third ... report of progress until one comes through. */
static void cancel__at_any_point_leaves_nothing(void **state)
{
	struct nec_build_options options = small_options();
	nec_error err = NEC_ERROR_INIT;
	unsigned int point;
	size_t fds;
	int r = -1;

	(void)state;
	assert_int_equal(build(&options, NULL), 0);
	assert_int_equal(unlink(options.output), 0);
	fds = open_descriptors();
	options.pcr_json = sample_path("pcr.json");
	options.manifest = sample_path("manifest.json");
	for (point = 1; r < 0 && point < 1000; point++) {
		cancel = 0;
		reports_until_cancel = point;
		r = build(&options, &err);
		assert_int_equal(open_descriptors(), fds);
		if (r == 0)
			break;
		assert_int_equal(r, -ECANCELED);
		assert_int_equal(err.code, NEC_E_CANCELLED);
		assert_int_equal(count_entries(sample_folder), 0);
	}
	assert_true(point > 3);
	assert_int_equal(count_entries(sample_folder), 3);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(build__equals_what_aws_builds),
		IN_FOLDER(metadata__has_fixed_defaults),
		IN_FOLDER(metadata__takes_what_the_options_say),
		IN_FOLDER(kernel__file_tells_the_architecture),
		IN_FOLDER(kernel__without_devices_from_its_command_line_gets_a_warning),
		IN_FOLDER(kernel__of_the_blobs_brings_its_command_line),
		IN_FOLDER(ramdisks__follow_those_of_the_root_file_system),
		IN_FOLDER(ramdisk__that_no_kernel_unpacks_gets_a_warning),
		IN_FOLDER(side_files__say_what_is_in_the_image),
		IN_FOLDER(signing__is_part_of_the_build),
		IN_FOLDER(signing__with_a_wrong_key_fails_before_the_work),
		IN_FOLDER(failure__leaves_nothing),
		IN_FOLDER(failure__keeps_what_was_there),
		IN_FOLDER(cancel__at_any_point_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
