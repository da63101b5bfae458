/* SPDX-License-Identifier: Apache-2.0 */
/* What the allocator's daemon and its clients say to each other. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocator/outcome.h"
#include "allocator/protocol.h"
#include "base/error.h"
#include "base/json.h"

/* ---- requests ---- */

static int decode(const char *text, struct nec_allocator_request *ret, nec_error *err)
{
	return nec_allocator_request_decode(text, strlen(text), ret, err);
}

static void refused(const char *text, const char *why)
{
	struct nec_allocator_request request;
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(decode(text, &request, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_JSON);
	assert_non_null(strstr(err.message, why));
}

static void round_trip(const struct nec_allocator_request *request)
{
	cleanup_buffer struct nec_buffer frame = { 0 };
	struct nec_allocator_request back = { 0 };

	assert_int_equal(nec_allocator_request_encode(request, &frame, NULL), 0);
	assert_int_equal(nec_allocator_request_decode(frame.data + NEC_FRAME_HEADER,
						      frame.size - NEC_FRAME_HEADER, &back, NULL),
			 0);
	assert_int_equal(back.verb, request->verb);
	if (request->text) {
		assert_string_equal(back.name, request->name);
		assert_string_equal(back.text, request->text);
	} else {
		assert_null(back.name);
		assert_null(back.text);
	}
	nec_allocator_request_free(&back);
}

static void request__is_read_as_it_was_written(void **state)
{
	(void)state;
	for (enum nec_allocator_verb verb = 0; verb < NEC_ALLOCATOR_ASK_VERBS; verb++)
		round_trip(&(struct nec_allocator_request){ .verb = verb });
	round_trip(
		&(struct nec_allocator_request){ .verb = NEC_ALLOCATOR_ASK_APPLY,
						 .name = (char *)"a \"file\"\n",
						 .text = (char *)"memory_mib: 1\t# \xc3\xbc\n" });
}

/* The largest file, of bytes that need the longest escapes, is not too large for its frame. */
static void request__of_the_largest_file_fits_its_frame(void **state)
{
	cleanup_buffer struct nec_buffer frame = { 0 };
	char *text = malloc(NEC_ALLOCATOR_BYTES_MAX + 1);
	struct nec_allocator_request request = { .verb = NEC_ALLOCATOR_ASK_APPLY,
						 .name = (char *)"allocator.yaml",
						 .text = text };

	(void)state;
	memset(text, 1, NEC_ALLOCATOR_BYTES_MAX);
	text[NEC_ALLOCATOR_BYTES_MAX] = '\0';
	assert_int_equal(nec_allocator_request_encode(&request, &frame, NULL), 0);
	assert_true(frame.size <= NEC_ALLOCATOR_CHANGE_MAX);
	free(text);
}

static void request__that_is_none_is_refused(void **state)
{
	(void)state;
	refused("", "JSON");
	refused("{", "JSON");
	refused("[]", "is an object");
	refused("{}", "is an object");
	refused("{\"Request\":1}", "is an object");
	refused("{\"Request\":\"status\",\"Request\":\"apply\"}", "JSON");
	refused("{\"Request\":\"status\"} {}", "JSON");
	refused("{\"Request\":\"Status\"}", "no request \"Status\"");
	refused("{\"Request\":\"status\",\"Force\":\"yes\"}", "no key \"Force\"");
	refused("{\"Request\":\"apply\",\"Config\":7,\"Name\":\"x\"}", "no string");
	refused("{\"Request\":\"apply\",\"Config\":\"\"}", "belong together");
	refused("{\"Request\":\"apply\",\"Name\":\"\"}", "belong together");
	refused("{\"Request\":\"release\",\"Name\":\"x\",\"Config\":\"\"}", "belong together");
}

static void only_apply_and_release_change_something(void **state)
{
	(void)state;
	assert_false(nec_allocator_verb_changes(NEC_ALLOCATOR_ASK_STATE));
	assert_false(nec_allocator_verb_changes(NEC_ALLOCATOR_ASK_STATUS));
	assert_true(nec_allocator_verb_changes(NEC_ALLOCATOR_ASK_APPLY));
	assert_true(nec_allocator_verb_changes(NEC_ALLOCATOR_ASK_RELEASE));
}

/* ---- replies ---- */

static int decode_reply(const struct nec_buffer *frame, struct nec_allocator_reply *ret,
			nec_error *err)
{
	assert_false(frame->failed);
	return nec_allocator_reply_decode(frame->data + NEC_FRAME_HEADER,
					  frame->size - NEC_FRAME_HEADER, ret, err);
}

static void reply__is_read_as_it_was_written(void **state)
{
	cleanup_buffer struct nec_buffer progress = { 0 };
	cleanup_buffer struct nec_buffer warning = { 0 };
	cleanup_buffer struct nec_buffer failure = { 0 };
	struct nec_allocator_reply reply;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_allocator_add_progress("reserve memory", 3, UINT64_MAX, &progress);
	assert_int_equal(decode_reply(&progress, &reply, NULL), 0);
	assert_int_equal(reply.kind, NEC_ALLOCATOR_PROGRESS);
	assert_string_equal(reply.text, "reserve memory");
	assert_int_equal(reply.done, 3);
	assert_true(reply.total == UINT64_MAX);

	nec_allocator_add_warning("\"x\"\001\ny", &warning);
	assert_int_equal(decode_reply(&warning, &reply, NULL), 0);
	assert_int_equal(reply.kind, NEC_ALLOCATOR_WARNING);
	assert_string_equal(reply.text, "\"x\"?\ny"); /* nothing for a terminal to obey */

	(void)nec_error_set(&err, NEC_E_HUGEPAGES_EXHAUSTED, -ENOMEM, "no pages");
	nec_allocator_add_error(&err, &failure);
	assert_int_equal(decode_reply(&failure, &reply, NULL), 0);
	assert_int_equal(reply.kind, NEC_ALLOCATOR_ERROR);
	assert_int_equal(reply.error.code, NEC_E_HUGEPAGES_EXHAUSTED);
	assert_int_equal(reply.error.os_error, ENOMEM);
	assert_string_equal(reply.error.message, err.message);
	assert_string_equal(reply.error.hint, err.hint);
}

static void reply__that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"1",
		"{\"Result\":1}",
		"{\"Result\":{},\"Warning\":\"\"}",
		"{\"Other\":{}}",
		"{\"Warning\":{}}",
		"{\"Progress\":{\"Phase\":\"x\",\"Done\":-1,\"Total\":2}}",
		"{\"Progress\":7}",
		"{\"Error\":{\"Name\":\"nonsense\",\"Message\":\"\",\"Hint\":\"\",\"Number\":1}}",
		"{\"Error\":{\"Name\":\"none\",\"Message\":\"\",\"Hint\":\"\",\"Number\":1}}",
		"{\"Error\":{\"Name\":\"json\",\"Message\":\"\",\"Hint\":\"\",\"Number\":99999999999}}",
		"{\"Error\":[]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct nec_allocator_reply reply;
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(
			nec_allocator_reply_decode(texts[i], strlen(texts[i]), &reply, &err),
			-EBADMSG);
		assert_int_equal(err.code, NEC_E_ALLOCATOR_DAEMON);
	}
}

/* ---- outcomes ---- */

static struct nec_allocator_outcome sample(void)
{
	struct nec_allocator_outcome outcome = {
		.recovery = NEC_ALLOCATOR_UNDONE,
		.changed = true,
		.device_present = true,
		.node = 1,
		.memory_bytes = UINT64_C(3) << 30,
		.made_bytes = UINT64_C(1) << 30,
		.returned_bytes = UINT64_C(2) << 20,
		.page_count = 2,
		.pages = { { UINT64_C(2) << 20, 512, 0 }, { UINT64_C(1) << 30, 0, 2 } },
	};

	nec_cpuset_add(&outcome.cpus, 1);
	nec_cpuset_add(&outcome.cpus, 5);
	return outcome;
}

static void outcome__is_read_as_it_was_written(void **state)
{
	struct nec_allocator_outcome outcome = sample();
	struct nec_allocator_outcome back;
	cleanup_json cJSON *object = NULL;

	(void)state;
	assert_int_equal(nec_allocator_outcome_to_json(&outcome, &object, NULL), 0);
	assert_int_equal(nec_allocator_outcome_from_json(object, &back, NULL), 0);
	assert_int_equal(back.recovery, outcome.recovery);
	assert_true(back.changed && back.device_present && !back.driver_loaded);
	assert_int_equal(back.node, 1);
	assert_memory_equal(&back.cpus, &outcome.cpus, sizeof(back.cpus));
	assert_true(back.memory_bytes == outcome.memory_bytes);
	assert_true(back.made_bytes == outcome.made_bytes);
	assert_true(back.returned_bytes == outcome.returned_bytes);
	assert_int_equal(back.page_count, 2);
	assert_memory_equal(back.pages, outcome.pages, sizeof(back.pages[0]) * 2);
}

static void outcome__with_more_pages_than_there_are_is_refused(void **state)
{
	struct nec_allocator_outcome outcome = sample();
	struct nec_allocator_outcome back = { .node = 77 };
	cleanup_json cJSON *object = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	outcome.page_count = NEC_PLAN_SIZES_MAX;
	assert_int_equal(nec_allocator_outcome_to_json(&outcome, &object, NULL), 0);
	assert_int_equal(nec_allocator_outcome_from_json(object, &back, NULL), 0);
	assert_true(nec_json_append((cJSON *)nec_json_get(object, "Pages"), nec_json_object()));
	back.node = 77;
	assert_int_equal(nec_allocator_outcome_from_json(object, &back, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_DAEMON);
	assert_int_equal(back.node, 77);
}

static void described(const struct nec_allocator_outcome *outcome, const char *text)
{
	cleanup_buffer struct nec_buffer words = { 0 };

	nec_allocator_outcome_describe(outcome, &words);
	assert_string_equal(nec_buffer_text(&words), text);
}

static void outcome__says_what_stands(void **state)
{
	struct nec_allocator_outcome outcome = sample();

	(void)state;
	described(&outcome, "2 CPUs (1,5) and 3072 MiB on NUMA node 1 are set aside");
	described(&(struct nec_allocator_outcome){ .node = -1 }, "nothing is set aside");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__is_read_as_it_was_written),
		cmocka_unit_test(request__of_the_largest_file_fits_its_frame),
		cmocka_unit_test(request__that_is_none_is_refused),
		cmocka_unit_test(only_apply_and_release_change_something),
		cmocka_unit_test(reply__is_read_as_it_was_written),
		cmocka_unit_test(reply__that_is_none_is_refused),
		cmocka_unit_test(outcome__is_read_as_it_was_written),
		cmocka_unit_test(outcome__with_more_pages_than_there_are_is_refused),
		cmocka_unit_test(outcome__says_what_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
