/* SPDX-License-Identifier: Apache-2.0 */
/* nitro-cli's frames, byte for byte as its contract has them. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/frame.h"
#include "enclave/protocol.h"

static void describe__is_sent_as_two_frames_and_its_arguments(void **state)
{
	static const uint8_t expected[] = "\x09\0\0\0\0\0\0\0\x68"
					  "Describe"
					  "\x09\0\0\0\0\0\0\0\x68"
					  "Describe"
					  "\x0b\0\0\0\0\0\0\0\xa1\x68metadata\xf4";
	const struct nec_command_arguments arguments = { .metadata = false };
	cleanup_buffer struct nec_buffer sent = { 0 };

	(void)state;
	nec_command_encode(NEC_COMMAND_DESCRIBE, &arguments, &sent);
	assert_int_equal(sent.size, sizeof(expected) - 1);
	assert_memory_equal(sent.data, expected, sent.size);
}

static void status__is_a_map_of_one_entry(void **state)
{
	static const uint8_t expected[] = "\x09\0\0\0\0\0\0\0\xa1\x66Status\0";
	cleanup_buffer struct nec_buffer sent = { 0 };

	(void)state;
	nec_reply_status(&sent, 0);
	assert_int_equal(sent.size, sizeof(expected) - 1);
	assert_memory_equal(sent.data, expected, sent.size);
}

static void commands__read_back_what_was_written(void **state)
{
	(void)state;
	for (int i = NEC_COMMAND_TERMINATE; i < NEC_COMMANDS; i++) {
		struct nec_command_arguments arguments = { .metadata = true,
							   .name = (char *)"web" };
		cleanup_buffer struct nec_buffer sent = { 0 };
		enum nec_command command;
		size_t size;

		nec_command_encode((enum nec_command)i, &arguments, &sent);
		size = sent.data[0];
		assert_int_equal(
			nec_command_decode(sent.data + NEC_FRAME_HEADER, size, &command, NULL), 0);
		assert_int_equal(command, i);
		if (!nec_command_has_arguments(command))
			continue;
		size = sent.size - 3 * NEC_FRAME_HEADER - 2 * size;
		memset(&arguments, 0, sizeof(arguments));
		assert_int_equal(nec_command_decode_arguments(command, sent.data + sent.size - size,
							      size, &arguments, NULL),
				 0);
		assert_true(arguments.metadata || strcmp(arguments.name, "web") == 0);
		nec_command_arguments_free(&arguments);
	}
}

static void internal_commands__are_not_reachable(void **state)
{
	static const char *const names[] = { "TerminateComplete", "ConnectionListenerStop",
					     "NotPermitted", "describe", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_buffer struct nec_buffer frame = { 0 };
		enum nec_command command;

		nec_cbor_put_text(&frame, names[i]);
		assert_int_equal(nec_command_decode(frame.data, frame.size, &command, NULL),
				 -EBADMSG);
	}
}

static void replies__read_back_and_refuse_every_truncation(void **state)
{
	cleanup_buffer struct nec_buffer sent = { 0 };
	struct nec_reply reply;

	(void)state;
	nec_reply_stdout(&sent, "{}\n");
	for (size_t size = 0; size < sent.size - NEC_FRAME_HEADER; size++)
		assert_int_equal(nec_reply_decode(sent.data + NEC_FRAME_HEADER, size, &reply, NULL),
				 -EBADMSG);
	assert_int_equal(nec_reply_decode(sent.data + NEC_FRAME_HEADER,
					  sent.size - NEC_FRAME_HEADER, &reply, NULL),
			 0);
	assert_int_equal(reply.kind, NEC_REPLY_STDOUT);
	assert_string_equal(nec_buffer_text(&reply.text), "{}\n");
	nec_reply_free(&reply);
}

static void reader__takes_frames_in_pieces(void **state)
{
	struct nec_frame_reader reader = { .limit = 100 };
	cleanup_buffer struct nec_buffer sent = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	nec_reply_status(&sent, 22);
	nec_reply_status(&sent, 0);
	for (size_t i = 0; i < sent.size; i++) {
		size_t end_of_frame = i < sent.size / 2 ? sent.size / 2 - 1 : sent.size - 1;

		assert_int_equal(nec_frame_read(&reader, ends[0], NULL), 0);
		assert_int_equal(write(ends[1], sent.data + i, 1), 1);
		if (i != end_of_frame)
			continue;
		assert_int_equal(nec_frame_read(&reader, ends[0], NULL), 1);
		assert_int_equal(reader.payload.size, sent.size / 2 - NEC_FRAME_HEADER);
		nec_frame_next(&reader);
	}
	(void)close(ends[1]);
	assert_int_equal(nec_frame_read(&reader, ends[0], NULL), -ENODATA);
	(void)close(ends[0]);
	nec_frame_reader_free(&reader);
}

static void reader__refuses_large_and_broken_frames(void **state)
{
	static const uint8_t huge[NEC_FRAME_HEADER] = { 0, 0, 0, 0, 0, 0, 0, 0x80 };
	struct nec_frame_reader reader = { .limit = 100 };
	nec_error err = NEC_ERROR_INIT;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], huge, sizeof(huge)), sizeof(huge));
	assert_int_equal(nec_frame_read(&reader, ends[0], &err), -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
	nec_frame_next(&reader);
	assert_int_equal(write(ends[1], "\x05\0\0\0\0\0\0\0ab", 10), 10);
	(void)close(ends[1]);
	assert_int_equal(nec_frame_read(&reader, ends[0], &err), -EPROTO);
	(void)close(ends[0]);
	nec_frame_reader_free(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(describe__is_sent_as_two_frames_and_its_arguments),
		cmocka_unit_test(status__is_a_map_of_one_entry),
		cmocka_unit_test(commands__read_back_what_was_written),
		cmocka_unit_test(internal_commands__are_not_reachable),
		cmocka_unit_test(replies__read_back_and_refuse_every_truncation),
		cmocka_unit_test(reader__takes_frames_in_pieces),
		cmocka_unit_test(reader__refuses_large_and_broken_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
