/* SPDX-License-Identifier: Apache-2.0 */
/* The messages between launcher and holder: one walk over the fields serves both directions. */
#include "enclave/launch-message.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/cbor.h"
#include "base/error.h"
#include "base/frame.h"

/*
 * A field is written to `to` or read from `from`, whichever is set; so each message's fields stand
 * in the program once, and the two directions cannot disagree.
 */
struct codec {
	struct nec_buffer *to;
	struct nec_cbor *from;
	nec_error *err;
	int result;
};

static void number(struct codec *codec, uint64_t *value)
{
	if (codec->to)
		nec_cbor_put_uint(codec->to, *value);
	else if (codec->result == 0)
		codec->result = nec_cbor_uint(codec->from, value, codec->err);
}

static void boolean(struct codec *codec, bool *value)
{
	if (codec->to)
		nec_cbor_put_bool(codec->to, *value);
	else if (codec->result == 0)
		codec->result = nec_cbor_bool(codec->from, value, codec->err);
}

static void read_text(struct codec *codec, char **value)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	codec->result = nec_cbor_copy_text(codec->from, NEC_LAUNCH_MAX_FRAME, &text, codec->err);
	if (codec->result < 0)
		return;
	*value = strdup(nec_buffer_text(&text));
	if (!*value)
		codec->result = nec_error_no_memory(codec->err);
}

static void text(struct codec *codec, char **value)
{
	if (codec->to)
		nec_cbor_put_text(codec->to, *value ? *value : "");
	else if (codec->result == 0)
		read_text(codec, value);
}

static void fixed_text(struct codec *codec, char *value, size_t size)
{
	char *copy = value;

	if (codec->to) {
		nec_cbor_put_text(codec->to, value);
		return;
	}
	copy = NULL;
	text(codec, &copy);
	if (copy)
		(void)snprintf(value, size, "%s", copy);
	free(copy);
}

/* At most @max; @what it is, for the message. */
static void small_number(struct codec *codec, uint32_t *value, uint32_t max, const char *what)
{
	uint64_t wide = *value;

	number(codec, &wide);
	if (codec->to || codec->result < 0)
		return;
	if (wide > max)
		codec->result = nec_error_set(codec->err, NEC_E_TOO_LARGE, -EBADMSG,
					      "launch message: %" PRIu64 " is no %s", wide, what);
	else
		*value = (uint32_t)wide;
}

static void cpu_ids(struct codec *codec, struct nec_cpu_ids *cpus)
{
	small_number(codec, &cpus->count, NEC_LAUNCH_MAX_CPUS, "number of CPUs");
	for (uint32_t i = 0; codec->result == 0 && i < cpus->count; i++)
		small_number(codec, &cpus->ids[i], UINT32_MAX, "CPU");
}

static void request_fields(struct codec *codec, struct nec_launch_request *request)
{
	number(codec, &request->backend);
	text(codec, &request->name);
	text(codec, &request->sockets_dir);
	number(codec, &request->cid);
	number(codec, &request->memory_mib);
	number(codec, &request->cpu_count);
	cpu_ids(codec, &request->cpus);
	boolean(codec, &request->debug);
	number(codec, &request->boot_timeout_usec);
	number(codec, &request->console_limit);
	text(codec, &request->inject);
	number(codec, &request->image.size_bytes);
	number(codec, &request->image.mtime_nsec);
	number(codec, &request->image.ctime_nsec);
}

static void started_fields(struct codec *codec, struct nec_launch_started *started)
{
	number(codec, &started->pid);
	number(codec, &started->slot_uid);
	number(codec, &started->cid);
	number(codec, &started->memory_mib);
	cpu_ids(codec, &started->cpus);
}

static void failed_fields(struct codec *codec, nec_error *failed)
{
	uint32_t code = (uint32_t)failed->code;
	uint32_t os_error = (uint32_t)failed->os_error;

	small_number(codec, &code, INT_MAX, "error");
	small_number(codec, &os_error, INT_MAX, "errno");
	if (codec->from) {
		failed->code = (enum nec_error_code)code;
		failed->os_error = (int)os_error;
	}
	fixed_text(codec, failed->message, sizeof(failed->message));
	fixed_text(codec, failed->hint, sizeof(failed->hint));
}

static void fields(struct codec *codec, struct nec_launch_message *message)
{
	switch (message->kind) {
	case NEC_LAUNCH_REQUEST:
		request_fields(codec, &message->request);
		break;
	case NEC_LAUNCH_DESCRIPTION:
		text(codec, &message->description.measurements);
		text(codec, &message->description.image);
		break;
	case NEC_LAUNCH_PHASE:
		text(codec, &message->phase.name);
		number(codec, &message->phase.usec);
		number(codec, &message->phase.bytes);
		number(codec, &message->phase.pages);
		number(codec, &message->phase.calls);
		break;
	case NEC_LAUNCH_PROGRESS:
		text(codec, &message->progress.phase);
		number(codec, &message->progress.done);
		number(codec, &message->progress.total);
		break;
	case NEC_LAUNCH_NOTICE:
		text(codec, &message->notice);
		break;
	case NEC_LAUNCH_STARTED:
		started_fields(codec, &message->started);
		break;
	case NEC_LAUNCH_READY:
		break;
	case NEC_LAUNCH_FAILED:
		failed_fields(codec, &message->failed);
		break;
	}
}

void nec_launch_message_encode(const struct nec_launch_message *message, struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer payload = { 0 };
	struct codec codec = { .to = &payload };

	nec_cbor_put_uint(&payload, message->kind);
	/* Writing changes nothing; the walk is shared with reading, which does. */
	fields(&codec, (struct nec_launch_message *)message);
	if (payload.failed)
		to->failed = true;
	else
		nec_frame_append(to, payload.data, payload.size);
}

int nec_launch_message_decode(const void *payload, size_t size, struct nec_launch_message *ret,
			      nec_error *err)
{
	struct nec_cbor cbor = nec_cbor_over(payload, size, "launch message", NEC_E_SYSTEM);
	struct codec codec = { .from = &cbor, .err = err };
	struct nec_launch_message message = { 0 };
	uint64_t kind = 0;

	number(&codec, &kind);
	if (codec.result == 0 && kind > NEC_LAUNCH_FAILED)
		codec.result =
			nec_error_set(err, NEC_E_SYSTEM, -EBADMSG, "launch message: unknown kind");
	message.kind = (enum nec_launch_kind)kind;
	if (codec.result == 0)
		fields(&codec, &message);
	if (codec.result == 0)
		codec.result = nec_cbor_end(&cbor, err);
	if (codec.result < 0) {
		nec_launch_message_free(&message);
		return codec.result;
	}
	*ret = message;
	return 0;
}

void nec_launch_message_free(struct nec_launch_message *message)
{
	free(message->request.name);
	free(message->request.sockets_dir);
	free(message->request.inject);
	free(message->description.measurements);
	free(message->description.image);
	free(message->phase.name);
	free(message->notice);
	free(message->progress.phase);
	*message = (struct nec_launch_message){ 0 };
}
