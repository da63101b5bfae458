/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that comes over a control socket or the launcher's socket pair: frames cut from a
 * stream, commands with their arguments, replies, launch messages. The first byte chooses; what is
 * taken must be written and read back the same.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/frame.h"
#include "enclave/launch-message.h"
#include "enclave/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_command(const uint8_t *data, size_t size)
{
	enum nec_command command;

	if (nec_command_decode(data, size, &command, NULL) == 0 && command >= NEC_COMMANDS)
		__builtin_trap();
}

static void take_arguments(enum nec_command command, const uint8_t *data, size_t size)
{
	struct nec_command_arguments arguments = { 0 };

	if (nec_command_decode_arguments(command, data, size, &arguments, NULL) == 0)
		nec_command_arguments_free(&arguments);
}

static void take_reply(const uint8_t *data, size_t size)
{
	struct nec_reply reply;

	if (nec_reply_decode(data, size, &reply, NULL) == 0)
		nec_reply_free(&reply);
}

static void take_launch_message(const uint8_t *data, size_t size)
{
	cleanup_buffer struct nec_buffer once = { 0 };
	cleanup_buffer struct nec_buffer twice = { 0 };
	struct nec_launch_message message;

	if (nec_launch_message_decode(data, size, &message, NULL) < 0)
		return;
	nec_launch_message_encode(&message, &once);
	nec_launch_message_free(&message);
	if (nec_launch_message_decode(once.data + NEC_FRAME_HEADER, once.size - NEC_FRAME_HEADER,
				      &message, NULL) < 0)
		__builtin_trap();
	nec_launch_message_encode(&message, &twice);
	nec_launch_message_free(&message);
	if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0)
		__builtin_trap();
}

static void take_frames(const uint8_t *data, size_t size)
{
	struct nec_frame_reader reader = { .limit = NEC_FRAME_MAX_COMMAND };
	cleanup_close int fd = memfd_create("frames", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		return;
	while (nec_frame_read(&reader, fd, NULL) > 0) {
		if (reader.payload.size > NEC_FRAME_MAX_COMMAND)
			__builtin_trap();
		take_command(reader.payload.data, reader.payload.size);
		nec_frame_next(&reader);
	}
	nec_frame_reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (data[0] % 6) {
	case 0:
		take_command(data + 1, size - 1);
		break;
	case 1:
		take_arguments(NEC_COMMAND_DESCRIBE, data + 1, size - 1);
		break;
	case 2:
		take_arguments(NEC_COMMAND_GET_ID_BY_NAME, data + 1, size - 1);
		break;
	case 3:
		take_reply(data + 1, size - 1);
		break;
	case 4:
		take_launch_message(data + 1, size - 1);
		break;
	default:
		take_frames(data + 1, size - 1);
	}
	return 0;
}
