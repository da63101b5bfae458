/* SPDX-License-Identifier: Apache-2.0 */
#include "eif-data.h"

#include <pthread.h>

#include "base/crypto.h"
#include "base/error.h"
#include "image/pcr.h"

/* What PCR2 is when there is nothing but the first ramdisk. */
static const char pcr_of_nothing[] =
	"21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
	"10edb30948c90ba67310f7b964fc500a";

static void assert_measured(nec_eif *eif, const cJSON *row)
{
	const cJSON *pcrs = nec_json_get(row, "pcrs");
	struct nec_eif_measurements sums;
	uint32_t crc = (uint32_t)strtoul(json_string(row, "crc_computed"), NULL, 16);
	nec_error err = NEC_ERROR_INIT;

	if (nec_eif_measure(eif, &sums, &err) < 0)
		fail_msg("%s", err.message);
	assert_hex(sums.pcr0, NEC_PCR_SIZE, json_string(pcrs, "PCR0"));
	assert_hex(sums.pcr1, NEC_PCR_SIZE, json_string(pcrs, "PCR1"));
	assert_hex(sums.pcr2, NEC_PCR_SIZE, json_string(pcrs, "PCR2"));
	assert_int_equal(sums.crc32, crc);
	assert_int_equal(sums.crc32 == nec_eif_get_header(eif)->crc32, json_bool(row, "crc_ok"));
}

static void measure__agrees_with_expected_json_on_every_image(void **state)
{
	cleanup_json cJSON *rows = eif_expected();
	size_t measured = 0;

	(void)state;
	for (const cJSON *row = rows->child; row; row = row->next) {
		cleanup_eif nec_eif *eif = NULL;
		char path[512];

		(void)snprintf(path, sizeof(path), EIF_DATA "%s", json_string(row, "file"));
		if (nec_eif_open(NULL, path, &eif, NULL) < 0)
			continue;
		assert_measured(eif, row);
		measured++;
	}
	assert_true(measured >= 20);
}

static void check__gives_the_verdict_of_expected_json(void **state)
{
	static const struct {
		const char *file;
		enum nec_error_code code; /* NEC_E_NONE: accepted */
	} rows[] = {
		{ "x86-2rd.eif", NEC_E_NONE },
		{ "arm64-2rd.eif", NEC_E_NONE },
		{ "x86-1rd-gz.eif", NEC_E_NONE },
		{ "x86-4rd-meta.eif", NEC_E_NONE },
		{ "v2-nometadata.eif", NEC_E_NONE },
		{ "v4-gap64.eif", NEC_E_NONE },
		{ "v4-metadata-last.eif", NEC_E_NONE },
		{ "bad-crc.eif", NEC_E_EIF_CRC },
		{ "bad-magic.eif", NEC_E_EIF_MAGIC },
		{ "bad-two-kernels.eif", NEC_E_EIF_SECTION_REPEATED },
		{ "bad-v4-nometadata.eif", NEC_E_EIF_SECTION_MISSING },
		{ "x86-resigned-p256-to-p521-stalesize.eif", NEC_E_EIF_SECTION_SIZE },
		{ "arm64-signed-p521.eif", NEC_E_NONE },
		{ "v3-signed-nometadata.eif", NEC_E_NONE },
		{ "x86-signed-after-p384.eif", NEC_E_NONE },
		{ "x86-signed-p256.eif", NEC_E_NONE },
		{ "x86-signed-p384.eif", NEC_E_NONE },
		{ "signed-kernel-tampered-crcfixed.eif", NEC_E_SIGNATURE_PCR0 },
		{ "x86-signed-certmismatch.eif", NEC_E_SIGNATURE_INVALID },
		{ "x86-signed-expired.eif", NEC_E_CERTIFICATE_DATES },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_eif nec_eif *eif = NULL;
		nec_error err = NEC_ERROR_INIT;
		char path[512];

		(void)snprintf(path, sizeof(path), EIF_DATA "%s", rows[i].file);
		assert_int_equal(nec_eif_open(NULL, path, &eif, NULL), 0);
		assert_int_equal(nec_eif_check(eif, &err), rows[i].code ? -EBADMSG : 0);
		assert_int_equal(err.code, rows[i].code);
	}
}

/* A section of a small image of our own. */
struct part {
	enum nec_eif_section_type type;
	const char *data;
};

static void build(const struct part *parts, size_t count, struct nec_buffer *to)
{
	uint64_t offset = NEC_EIF_HEADER_SIZE;

	nec_buffer_append_zeros(to, NEC_EIF_HEADER_SIZE);
	eif_patch(to, 0, 4, NEC_EIF_MAGIC);
	eif_patch(to, NEC_EIF_VERSION_AT, 2, 2);
	eif_patch(to, NEC_EIF_COUNT_AT, 2, count);
	for (size_t i = 0; i < count; i++) {
		eif_patch(to, NEC_EIF_OFFSETS_AT + 8 * i, 8, offset);
		eif_patch(to, NEC_EIF_SIZES_AT + 8 * i, 8, strlen(parts[i].data));
		nec_buffer_append_u16be(to, (uint16_t)parts[i].type);
		nec_buffer_append_u16be(to, 0);
		nec_buffer_append_u64be(to, strlen(parts[i].data));
		nec_buffer_append_text(to, parts[i].data);
		offset += NEC_EIF_SECTION_HEADER + strlen(parts[i].data);
	}
}

static void assert_pcr(const uint8_t pcr[NEC_PCR_SIZE], const char *content)
{
	uint8_t digest[NEC_SHA384_SIZE];
	uint8_t expected[NEC_PCR_SIZE];

	assert_int_equal(nec_sha384_digest(content, strlen(content), digest, NULL), 0);
	assert_int_equal(nec_pcr_extend(digest, expected, NULL), 0);
	assert_memory_equal(pcr, expected, NEC_PCR_SIZE);
}

static void measure__takes_sections_in_file_order(void **state)
{
	static const struct {
		struct part parts[6];
		size_t count;
		const char *contents[3];
	} rows[] = {
		{ { { NEC_EIF_KERNEL, "K" },
		    { NEC_EIF_RAMDISK, "one" },
		    { NEC_EIF_METADATA, "{}" },
		    { NEC_EIF_RAMDISK, "two" },
		    { NEC_EIF_CMDLINE, "C" },
		    { NEC_EIF_RAMDISK, "three" } },
		  6,
		  { "KonetwoCthree", "KoneC", "twothree" } },
		{ { { NEC_EIF_RAMDISK, "one" }, { NEC_EIF_KERNEL, "K" }, { NEC_EIF_CMDLINE, "C" } },
		  3,
		  { "oneKC", "oneKC", "" } },
		{ { { NEC_EIF_KERNEL, "K" },
		    { NEC_EIF_CMDLINE, "C" },
		    { NEC_EIF_RAMDISK, "one" },
		    { NEC_EIF_RAMDISK, "" },
		    { NEC_EIF_KERNEL, "L" } },
		  5,
		  { "KConeL", "KConeL", "" } },
		{ { { NEC_EIF_KERNEL, "K" }, { NEC_EIF_RAMDISK, "" }, { NEC_EIF_RAMDISK, "two" } },
		  3,
		  { "Ktwo", "K", "two" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buffer struct nec_buffer image = { 0 };
		cleanup_eif nec_eif *eif = NULL;
		struct nec_eif_measurements sums;

		build(rows[i].parts, rows[i].count, &image);
		assert_int_equal(eif_open_bytes(image.data, image.size, &eif, NULL), 0);
		assert_int_equal(nec_eif_measure(eif, &sums, NULL), 0);
		assert_pcr(sums.pcr0, rows[i].contents[0]);
		assert_pcr(sums.pcr1, rows[i].contents[1]);
		assert_pcr(sums.pcr2, rows[i].contents[2]);
	}
}

static void measure__gives_the_known_constant_for_one_ramdisk(void **state)
{
	cleanup_eif nec_eif *eif = NULL;
	struct nec_eif_measurements sums;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-1rd-gz.eif", &eif, NULL), 0);
	assert_int_equal(nec_eif_measure(eif, &sums, NULL), 0);
	assert_hex(sums.pcr2, NEC_PCR_SIZE, pcr_of_nothing);
	assert_memory_equal(sums.pcr0, sums.pcr1, NEC_PCR_SIZE);
}

/*
 * A sparse image of this many bytes takes weeks to measure and no memory: who does not stop is
 * stopped by the test's time limit. The progress callback is where the tests do what happens
 * "meanwhile".
 */
static const uint64_t big_bytes = (uint64_t)1 << 50;

struct meanwhile {
	int fd;
	volatile int cancel;
	void (*act)(struct meanwhile *meanwhile);
	unsigned int calls;
	uint64_t last_done;
	pthread_t caller;
};

static void on_progress(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	struct meanwhile *meanwhile = userdata;

	assert_string_equal(phase, "measuring");
	assert_int_equal(total, big_bytes - NEC_EIF_HEADER_SIZE);
	assert_true(done >= meanwhile->last_done && done <= total);
	assert_true(pthread_equal(pthread_self(), meanwhile->caller));
	meanwhile->last_done = done;
	if (meanwhile->calls++ == 1)
		meanwhile->act(meanwhile);
}

/* Opens a big image and measures it with @meanwhile at work. Returns what measuring returned. */
static int measure_big(struct meanwhile *meanwhile, nec_error *err)
{
	static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cleanup_buffer struct nec_buffer image = { 0 };
	nec_context *context = NULL;
	nec_eif *eif = NULL;
	int r;

	eif_load("x86-1rd-gz.eif", &image); /* last section: ramdisk at 5948 */
	eif_patch(&image, 5948 + 4, 8, big_bytes - 5960);
	meanwhile->fd = eif_memfd(image.data, image.size);
	meanwhile->caller = pthread_self();
	assert_int_equal(ftruncate(meanwhile->fd, (off_t)big_bytes), 0);
	assert_int_equal(futimens(meanwhile->fd, long_ago), 0);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_progress(context, on_progress, meanwhile);
	nec_context_set_cancel(context, &meanwhile->cancel);
	assert_int_equal(nec_eif_open_fd(context, meanwhile->fd, "big", &eif, NULL), 0);
	r = nec_eif_measure(eif, NULL, err);
	nec_eif_free(eif);
	nec_context_free(context);
	(void)close(meanwhile->fd);
	return r;
}

static void raise_cancel(struct meanwhile *meanwhile)
{
	meanwhile->cancel = 1;
}

static void measure__reports_progress_and_can_be_cancelled(void **state)
{
	struct meanwhile meanwhile = { .act = raise_cancel };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(measure_big(&meanwhile, &err), -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	assert_int_equal(meanwhile.calls, 2);
	assert_true(meanwhile.last_done > 0);
}

static void cut_short(struct meanwhile *meanwhile)
{
	assert_int_equal(ftruncate(meanwhile->fd, 6000), 0);
}

static void measure__notices_a_file_that_shrinks(void **state)
{
	struct meanwhile meanwhile = { .act = cut_short };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(measure_big(&meanwhile, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
}

static void measure__notices_a_byte_that_changed_since_opening(void **state)
{
	static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	cleanup_close int fd = -1;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	eif_load("x86-2rd.eif", &image);
	fd = eif_memfd(image.data, image.size);
	assert_int_equal(futimens(fd, long_ago), 0);
	assert_int_equal(nec_eif_open_fd(NULL, fd, "changing", &eif, NULL), 0);
	assert_int_equal(nec_file_write_at(fd, "memfd", "!", 1, 600, NULL), 0);
	assert_int_equal(nec_eif_measure(eif, NULL, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
	assert_string_equal(err.message, "changing changed while it was read");
}

static void check__notices_a_byte_that_changed_since_measuring(void **state)
{
	static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	cleanup_close int fd = -1;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	eif_load("x86-2rd.eif", &image);
	fd = eif_memfd(image.data, image.size);
	assert_int_equal(futimens(fd, long_ago), 0);
	assert_int_equal(nec_eif_open_fd(NULL, fd, "changing", &eif, NULL), 0);
	assert_int_equal(nec_eif_check(eif, NULL), 0);
	assert_int_equal(nec_file_write_at(fd, "memfd", "!", 1, 600, NULL), 0);
	assert_int_equal(nec_eif_check(eif, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
}

/* At a time when every certificate of the test data is valid, and long before any was. */
static void find__judges_the_certificate_by_the_time_that_is_given(void **state)
{
	static const struct {
		int64_t now;
		const char *rule;
	} rows[] = { { 1577836800, NULL },         /* 2020-01-01 */
		     { 0, "certificate-not-yet" }, /* 1970-01-01 */
		     { 1893456000, "certificate-expired" } /* 2030-01-01 */ };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_eif nec_eif *eif = NULL;

		assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-signed-expired.eif", &eif, NULL),
				 0);
		assert_int_equal(nec_eif_find_signature(eif, rows[i].now, NULL), 0);
		assert_int_equal(nec_eif_find_signature(eif, rows[i].now, NULL), 0);
		assert_int_equal(nec_eif_get_finding_count(eif), rows[i].rule ? 1 : 0);
		if (rows[i].rule)
			assert_string_equal(nec_eif_get_finding(eif, 0)->rule, rows[i].rule);
	}
}

/* The first finding of both is the CRC. */
static void find__tells_what_is_wrong_inside_the_signature_section(void **state)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *bad_cbor = NULL;
	cleanup_eif nec_eif *bad_pem = NULL;

	(void)state;
	eif_load("x86-signed-after-p384.eif", &image); /* signature at 8303 */
	image.data[8315 + 26] = '+'; /* one of the five dashes that a PEM begins with */
	assert_int_equal(eif_open_bytes(image.data, image.size, &bad_pem, NULL), 0);
	assert_int_equal(nec_eif_find_signature(bad_pem, 0, NULL), 0);
	assert_string_equal(nec_eif_get_finding(bad_pem, 1)->rule, "certificate");
	image.data[8315] = 0xff;
	assert_int_equal(eif_open_bytes(image.data, image.size, &bad_cbor, NULL), 0);
	assert_int_equal(nec_eif_find_signature(bad_cbor, 0, NULL), 0);
	assert_string_equal(nec_eif_get_finding(bad_cbor, 1)->rule, "signature-format");
}

static void measure__keeps_its_result(void **state)
{
	cleanup_eif nec_eif *eif = NULL;
	struct nec_eif_measurements first;
	struct nec_eif_measurements second;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "bad-crc.eif", &eif, NULL), 0);
	assert_int_equal(nec_eif_measure(eif, &first, NULL), 0);
	assert_int_equal(nec_eif_measure(eif, &second, NULL), 0);
	assert_memory_equal(&first, &second, sizeof(first));
	assert_int_equal(nec_eif_get_finding_count(eif), 1);
	assert_string_equal(nec_eif_get_finding(eif, 0)->rule, "crc");
}

static void pcr__of_a_file_hashes_twice(void **state)
{
	uint8_t pcr[NEC_PCR_SIZE];
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_pcr_of_file(NULL, "/dev/null", pcr, NULL), 0);
	assert_hex(pcr, sizeof(pcr), pcr_of_nothing);
	assert_int_equal(nec_pcr_of_file(NULL, "/nowhere", pcr, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measure__agrees_with_expected_json_on_every_image),
		cmocka_unit_test(check__gives_the_verdict_of_expected_json),
		cmocka_unit_test(measure__takes_sections_in_file_order),
		cmocka_unit_test(measure__gives_the_known_constant_for_one_ramdisk),
		cmocka_unit_test(measure__reports_progress_and_can_be_cancelled),
		cmocka_unit_test(measure__notices_a_file_that_shrinks),
		cmocka_unit_test(measure__notices_a_byte_that_changed_since_opening),
		cmocka_unit_test(check__notices_a_byte_that_changed_since_measuring),
		cmocka_unit_test(find__judges_the_certificate_by_the_time_that_is_given),
		cmocka_unit_test(find__tells_what_is_wrong_inside_the_signature_section),
		cmocka_unit_test(measure__keeps_its_result),
		cmocka_unit_test(pcr__of_a_file_hashes_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
