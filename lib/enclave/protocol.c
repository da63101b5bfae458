/* SPDX-License-Identifier: Apache-2.0 */
/* nitro-cli's control protocol: one table of commands, encoding and decoding. */
#include "enclave/protocol.h"

#include <endian.h>
#include <string.h>

#include "base/error.h"
#include "base/frame.h"

static const struct {
	const char *name;
	bool has_arguments;
	bool is_public;
} commands[NEC_COMMANDS] = {
	[NEC_COMMAND_RUN] = { "Run", true, false },
	[NEC_COMMAND_TERMINATE] = { "Terminate", false, false },
	[NEC_COMMAND_DESCRIBE] = { "Describe", true, true },
	[NEC_COMMAND_GET_ENCLAVE_NAME] = { "GetEnclaveName", false, true },
	[NEC_COMMAND_GET_ID_BY_NAME] = { "GetIDbyName", true, true },
	[NEC_COMMAND_GET_ENCLAVE_CID] = { "GetEnclaveCID", false, true },
	[NEC_COMMAND_GET_ENCLAVE_FLAGS] = { "GetEnclaveFlags", false, true },
};

static const char *const reply_keys[] = {
	[NEC_REPLY_STDOUT] = "StdOutMessage",
	[NEC_REPLY_STDERR] = "StdErrMessage",
	[NEC_REPLY_STATUS] = "Status",
};

void nec_command_arguments_free(struct nec_command_arguments *arguments)
{
	free(arguments->name);
	*arguments = (struct nec_command_arguments){ 0 };
}

const char *nec_command_name(enum nec_command command)
{
	return commands[command].name;
}

bool nec_command_has_arguments(enum nec_command command)
{
	return commands[command].has_arguments;
}

bool nec_command_is_public(enum nec_command command)
{
	return commands[command].is_public;
}

static struct nec_cbor frame_over(const void *payload, size_t size)
{
	return nec_cbor_over(payload, size, "control frame", NEC_E_SYSTEM);
}

int nec_command_decode(const void *payload, size_t size, enum nec_command *ret, nec_error *err)
{
	struct nec_cbor cbor = frame_over(payload, size);
	struct nec_cbor_string name;
	int r;

	r = nec_cbor_text(&cbor, &name, err);
	if (r == 0)
		r = nec_cbor_end(&cbor, err);
	if (r < 0)
		return r;
	/* Names that only nitro-cli's own threads send each other are no commands here. */
	for (size_t i = 0; i < NEC_COMMANDS; i++) {
		if (nec_cbor_is(&name, commands[i].name)) {
			*ret = (enum nec_command)i;
			return 0;
		}
	}
	return nec_error_set(err, NEC_E_SYSTEM, -EBADMSG, "\"%.*s\" is no command",
			     (int)(name.size < 64 ? name.size : 64), (const char *)name.data);
}

static int decode_describe(struct nec_cbor *cbor, struct nec_command_arguments *arguments,
			   nec_error *err)
{
	struct nec_cbor_list map;
	struct nec_cbor_string key;
	int r = nec_cbor_map(cbor, &map, err);

	while (r == 0 && (r = nec_cbor_more(cbor, &map, err)) > 0) {
		r = nec_cbor_text(cbor, &key, err);
		if (r == 0 && nec_cbor_is(&key, "metadata"))
			r = nec_cbor_bool(cbor, &arguments->metadata, err);
		else if (r == 0)
			r = nec_cbor_skip(cbor, err);
	}
	return r;
}

static int decode_name(struct nec_cbor *cbor, struct nec_command_arguments *arguments,
		       nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = nec_cbor_copy_text(cbor, NEC_FRAME_MAX_COMMAND, &text, err);

	if (r < 0)
		return r;
	arguments->name = strdup(nec_buffer_text(&text));
	return arguments->name ? 0 : nec_error_no_memory(err);
}

int nec_command_decode_arguments(enum nec_command command, const void *payload, size_t size,
				 struct nec_command_arguments *ret, nec_error *err)
{
	struct nec_cbor cbor = frame_over(payload, size);
	struct nec_command_arguments arguments = { 0 };
	int r;

	if (command == NEC_COMMAND_DESCRIBE)
		r = decode_describe(&cbor, &arguments, err);
	else if (command == NEC_COMMAND_GET_ID_BY_NAME)
		r = decode_name(&cbor, &arguments, err);
	else
		r = nec_cbor_skip(&cbor, err); /* a Run that comes too late */
	if (r == 0)
		r = nec_cbor_end(&cbor, err);
	if (r < 0) {
		nec_command_arguments_free(&arguments);
		return r;
	}
	*ret = arguments;
	return 0;
}

static void append_frame(struct nec_buffer *to, struct nec_buffer *payload)
{
	if (payload->failed)
		to->failed = true;
	else
		nec_frame_append(to, payload->data, payload->size);
}

void nec_command_encode(enum nec_command command, const struct nec_command_arguments *arguments,
			struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer name = { 0 };
	cleanup_buffer struct nec_buffer more = { 0 };

	nec_cbor_put_text(&name, commands[command].name);
	append_frame(to, &name);
	append_frame(to, &name);
	if (command == NEC_COMMAND_DESCRIBE) {
		nec_cbor_put_map(&more, 1);
		nec_cbor_put_text(&more, "metadata");
		nec_cbor_put_bool(&more, arguments->metadata);
		append_frame(to, &more);
	} else if (command == NEC_COMMAND_GET_ID_BY_NAME) {
		nec_cbor_put_text(&more, arguments->name);
		append_frame(to, &more);
	}
}

void nec_reply_number(struct nec_buffer *to, uint64_t number)
{
	uint64_t raw = htole64(number);

	nec_buffer_append(to, &raw, sizeof(raw));
}

static void append_text_reply(struct nec_buffer *to, enum nec_reply_kind kind, const char *text)
{
	cleanup_buffer struct nec_buffer payload = { 0 };

	nec_cbor_put_map(&payload, 1);
	nec_cbor_put_text(&payload, reply_keys[kind]);
	nec_cbor_put_text(&payload, text);
	append_frame(to, &payload);
}

void nec_reply_stdout(struct nec_buffer *to, const char *text)
{
	append_text_reply(to, NEC_REPLY_STDOUT, text);
}

void nec_reply_stderr(struct nec_buffer *to, const char *text)
{
	append_text_reply(to, NEC_REPLY_STDERR, text);
}

void nec_reply_status(struct nec_buffer *to, int status)
{
	cleanup_buffer struct nec_buffer payload = { 0 };

	nec_cbor_put_map(&payload, 1);
	nec_cbor_put_text(&payload, reply_keys[NEC_REPLY_STATUS]);
	nec_cbor_put_int(&payload, status);
	append_frame(to, &payload);
}

void nec_reply_free(struct nec_reply *reply)
{
	nec_buffer_free(&reply->text);
}

static int decode_reply_value(struct nec_cbor *cbor, struct nec_reply *reply, nec_error *err)
{
	if (reply->kind == NEC_REPLY_STATUS)
		return nec_cbor_int(cbor, &reply->status, err);
	return nec_cbor_copy_text(cbor, NEC_FRAME_MAX_REPLY, &reply->text, err);
}

static int find_reply_kind(const struct nec_cbor_string *key, struct nec_reply *reply,
			   nec_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(reply_keys); i++) {
		if (nec_cbor_is(key, reply_keys[i])) {
			reply->kind = (enum nec_reply_kind)i;
			return 0;
		}
	}
	return nec_error_set(err, NEC_E_SYSTEM, -EBADMSG, "control frame: a reply of unknown kind");
}

int nec_reply_decode(const void *payload, size_t size, struct nec_reply *ret, nec_error *err)
{
	struct nec_cbor cbor = frame_over(payload, size);
	struct nec_cbor_list map;
	struct nec_cbor_string key;
	struct nec_reply reply = { 0 };
	int r;

	r = nec_cbor_map(&cbor, &map, err);
	if (r == 0)
		r = nec_cbor_more(&cbor, &map, err);
	if (r == 0)
		r = nec_error_set(err, NEC_E_SYSTEM, -EBADMSG, "control frame: an empty reply");
	if (r > 0)
		r = nec_cbor_text(&cbor, &key, err);
	if (r == 0)
		r = find_reply_kind(&key, &reply, err);
	if (r == 0)
		r = decode_reply_value(&cbor, &reply, err);
	if (r == 0)
		r = nec_cbor_more(&cbor, &map, err);
	if (r > 0)
		r = nec_error_set(err, NEC_E_SYSTEM, -EBADMSG,
				  "control frame: a reply of two kinds");
	if (r == 0)
		r = nec_cbor_end(&cbor, err);
	if (r < 0) {
		nec_reply_free(&reply);
		return r;
	}
	*ret = reply;
	return 0;
}
