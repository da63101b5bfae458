/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that comes over the allocator's socket: frames cut from a stream, requests, replies
 * with outcomes. The first byte chooses; a request that is taken must be written and read back the
 * same.
 */
#include <string.h>
#include <sys/mman.h>

#include "allocator/outcome.h"
#include "allocator/protocol.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void take_request(const uint8_t *data, size_t size)
{
	cleanup_buffer struct nec_buffer frame = { 0 };
	struct nec_allocator_request request;
	struct nec_allocator_request again;

	if (nec_allocator_request_decode(data, size, &request, NULL) < 0)
		return;
	if (request.verb >= NEC_ALLOCATOR_ASK_VERBS ||
	    nec_allocator_request_encode(&request, &frame, NULL) < 0 ||
	    nec_allocator_request_decode(frame.data + NEC_FRAME_HEADER,
					 frame.size - NEC_FRAME_HEADER, &again, NULL) < 0)
		__builtin_trap();
	if (again.verb != request.verb || !same(again.name, request.name) ||
	    !same(again.text, request.text))
		__builtin_trap();
	nec_allocator_request_free(&request);
	nec_allocator_request_free(&again);
}

static void take_reply(const uint8_t *data, size_t size)
{
	struct nec_allocator_outcome outcome;
	struct nec_allocator_reply reply;

	if (nec_allocator_reply_decode(data, size, &reply, NULL) < 0)
		return;
	if (reply.kind == NEC_ALLOCATOR_RESULT &&
	    nec_allocator_outcome_from_json(reply.result, &outcome, NULL) == 0) {
		cleanup_buffer struct nec_buffer text = { 0 };

		nec_allocator_outcome_describe(&outcome, &text);
	}
	nec_allocator_reply_free(&reply);
}

/* As the daemon reads them from somebody who may only look. */
static void take_frames(const uint8_t *data, size_t size)
{
	struct nec_frame_reader reader = { .limit = NEC_ALLOCATOR_REQUEST_MAX };
	cleanup_close int fd = memfd_create("frames", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		return;
	while (nec_frame_read(&reader, fd, NULL) > 0) {
		if (reader.payload.size > NEC_ALLOCATOR_REQUEST_MAX)
			__builtin_trap();
		take_request(reader.payload.data, reader.payload.size);
		nec_frame_next(&reader);
	}
	nec_frame_reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (data[0] % 3) {
	case 0:
		take_request(data + 1, size - 1);
		break;
	case 1:
		take_reply(data + 1, size - 1);
		break;
	default:
		take_frames(data + 1, size - 1);
	}
	return 0;
}
