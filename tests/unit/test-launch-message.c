/* SPDX-License-Identifier: Apache-2.0 */
/* What launcher and holder say to each other; the other side may be of another mind, or broken. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cbor.h"
#include "base/frame.h"
#include "enclave/launch-message.h"

static const struct nec_launch_message samples[] = {
	{ .kind = NEC_LAUNCH_REQUEST,
	  .request = {
		  .backend = 1,
		  .name = (char *)"web",
		  .sockets_dir = (char *)"/run/nitro_enclaves",
		  .cid = 4294967294,
		  .memory_mib = UINT64_MAX,
		  .cpu_count = 0,
		  .cpus = { .count = 3, .ids = { 1, 3, UINT32_MAX } },
		  .debug = true,
		  .boot_timeout_usec = 60000000,
		  .console_limit = 1,
		  .image = { .size_bytes = 5, .mtime_nsec = 6, .ctime_nsec = UINT64_MAX },
		  .inject = (char *)"die",
	  } },
	{ .kind = NEC_LAUNCH_DESCRIPTION,
	  .description = { .measurements = (char *)"{\"PCR0\":\"00\"}", .image = (char *)"{}" } },
	{ .kind = NEC_LAUNCH_PHASE,
	  .phase = { .name = (char *)"load", .usec = 1, .bytes = 2, .pages = 3, .calls = 4 } },
	{ .kind = NEC_LAUNCH_NOTICE, .notice = (char *)"a line for people" },
	{ .kind = NEC_LAUNCH_PROGRESS,
	  .progress = { .phase = (char *)"memory", .done = 1, .total = 2 } },
	{ .kind = NEC_LAUNCH_STARTED,
	  .started = { .pid = 7,
		       .slot_uid = UINT64_MAX,
		       .cid = 16,
		       .memory_mib = 64,
		       .cpus = { .count = 1, .ids = { 2 } } } },
	{ .kind = NEC_LAUNCH_READY },
	{ .kind = NEC_LAUNCH_FAILED,
	  .failed = { .code = NEC_E_HUGEPAGES_EXHAUSTED,
		      .os_error = 268,
		      .message = "no pages",
		      .hint = "take some" } },
};

/* Without the header of the frame. */
static void encode(const struct nec_launch_message *message, struct nec_buffer *payload)
{
	cleanup_buffer struct nec_buffer frame = { 0 };

	nec_launch_message_encode(message, &frame);
	assert_false(frame.failed);
	assert_true(frame.size > NEC_FRAME_HEADER);
	nec_buffer_append(payload, frame.data + NEC_FRAME_HEADER, frame.size - NEC_FRAME_HEADER);
}

static int decode(const struct nec_buffer *payload, struct nec_launch_message *ret)
{
	return nec_launch_message_decode(payload->data, payload->size, ret, NULL);
}

static void message__of_each_kind_reads_back_the_same(void **state)
{
	(void)state;
	assert_int_equal(ARRAY_SIZE(samples), NEC_LAUNCH_FAILED + 1);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct nec_launch_message before = samples[i];
		struct nec_launch_message message;
		cleanup_buffer struct nec_buffer once = { 0 };
		cleanup_buffer struct nec_buffer twice = { 0 };

		encode(&samples[i], &once);
		/* Writing changes nothing, though it shares its code with reading. */
		assert_memory_equal(&before, &samples[i], sizeof(before));
		assert_int_equal(decode(&once, &message), 0);
		assert_int_equal(message.kind, samples[i].kind);
		encode(&message, &twice);
		assert_int_equal(once.size, twice.size);
		assert_memory_equal(once.data, twice.data, once.size);
		nec_launch_message_free(&message);
	}
}

static void request__keeps_every_field(void **state)
{
	const struct nec_launch_request *sent = &samples[NEC_LAUNCH_REQUEST].request;
	cleanup_buffer struct nec_buffer payload = { 0 };
	struct nec_launch_message message;
	const struct nec_launch_request *got = &message.request;

	(void)state;
	encode(&samples[NEC_LAUNCH_REQUEST], &payload);
	assert_int_equal(decode(&payload, &message), 0);
	assert_string_equal(got->name, sent->name);
	assert_string_equal(got->sockets_dir, sent->sockets_dir);
	assert_string_equal(got->inject, sent->inject);
	assert_true(got->backend == sent->backend && got->cid == sent->cid &&
		    got->memory_mib == sent->memory_mib && got->debug &&
		    got->boot_timeout_usec == sent->boot_timeout_usec &&
		    got->console_limit == sent->console_limit);
	assert_memory_equal(&got->cpus, &sent->cpus, sizeof(got->cpus));
	assert_memory_equal(&got->image, &sent->image, sizeof(got->image));
	nec_launch_message_free(&message);
}

/* The leak sanitizer looks on. */
static void decode__refuses_every_truncation_and_whatever_follows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		cleanup_buffer struct nec_buffer payload = { 0 };
		struct nec_launch_message message;

		encode(&samples[i], &payload);
		for (size_t size = 0; size < payload.size; size++)
			assert_int_equal(
				nec_launch_message_decode(payload.data, size, &message, NULL),
				-EBADMSG);
		nec_buffer_append(&payload, "", 1);
		assert_int_equal(decode(&payload, &message), -EBADMSG);
	}
}

static void decode__takes_or_refuses_every_changed_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		cleanup_buffer struct nec_buffer payload = { 0 };

		encode(&samples[i], &payload);
		for (size_t at = 0; at < payload.size; at++)
			for (unsigned int bit = 0; bit < 8; bit++) {
				struct nec_launch_message message;

				payload.data[at] ^= (uint8_t)(1U << bit);
				if (decode(&payload, &message) == 0)
					nec_launch_message_free(&message);
				payload.data[at] ^= (uint8_t)(1U << bit);
			}
	}
}

static void decode__refuses_unknown_kinds_and_numbers_out_of_range(void **state)
{
	static const uint64_t beyond[][7] = {
		{ NEC_LAUNCH_FAILED + 1 },
		{ UINT64_MAX },
		{ NEC_LAUNCH_STARTED, 1, 1, 1, 1, NEC_LAUNCH_MAX_CPUS + 1 },
		{ NEC_LAUNCH_STARTED, 1, 1, 1, 1, UINT64_MAX },
		{ NEC_LAUNCH_STARTED, 1, 1, 1, 1, 1, (uint64_t)UINT32_MAX + 1 },
		{ NEC_LAUNCH_FAILED, (uint64_t)INT32_MAX + 1, 0 },
		{ NEC_LAUNCH_FAILED, 1, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(beyond); i++) {
		cleanup_buffer struct nec_buffer payload = { 0 };
		struct nec_launch_message message;

		for (size_t k = 0; k < ARRAY_SIZE(beyond[i]); k++)
			nec_cbor_put_uint(&payload, beyond[i][k]);
		assert_int_equal(decode(&payload, &message), -EBADMSG);
	}
}

static void failed__cuts_a_text_that_is_too_long(void **state)
{
	cleanup_buffer struct nec_buffer payload = { 0 };
	struct nec_launch_message message;
	char text[4096];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	nec_cbor_put_uint(&payload, NEC_LAUNCH_FAILED);
	nec_cbor_put_uint(&payload, NEC_E_SYSTEM);
	nec_cbor_put_uint(&payload, 5);
	nec_cbor_put_text(&payload, text);
	nec_cbor_put_text(&payload, text);
	assert_int_equal(decode(&payload, &message), 0);
	assert_int_equal(strlen(message.failed.message), sizeof(message.failed.message) - 1);
	assert_int_equal(strlen(message.failed.hint), sizeof(message.failed.hint) - 1);
	nec_launch_message_free(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message__of_each_kind_reads_back_the_same),
		cmocka_unit_test(request__keeps_every_field),
		cmocka_unit_test(decode__refuses_every_truncation_and_whatever_follows),
		cmocka_unit_test(decode__takes_or_refuses_every_changed_byte),
		cmocka_unit_test(decode__refuses_unknown_kinds_and_numbers_out_of_range),
		cmocka_unit_test(failed__cuts_a_text_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
