/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and replies as JSON. */
#include "allocator/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

static const struct {
	const char *name;
	bool changes;
} verbs[] = {
	[NEC_ALLOCATOR_ASK_STATE] = { "state", false },
	[NEC_ALLOCATOR_ASK_STATUS] = { "status", false },
	[NEC_ALLOCATOR_ASK_APPLY] = { "apply", true },
	[NEC_ALLOCATOR_ASK_RELOAD] = { "reload", true },
	[NEC_ALLOCATOR_ASK_RELEASE] = { "release", true },
};

const char *nec_allocator_verb_name(enum nec_allocator_verb verb)
{
	return verbs[verb].name;
}

bool nec_allocator_verb_changes(enum nec_allocator_verb verb)
{
	return verbs[verb].changes;
}

void nec_allocator_request_free(struct nec_allocator_request *request)
{
	free(TAKE_PTR(request->name));
	free(TAKE_PTR(request->text));
}

/* Without white space: nobody reads it. */
static void add_frame(const cJSON *object, struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_json_print_compact(object, &text);
	if (text.failed)
		to->failed = true;
	else
		nec_frame_append(to, text.data, text.size);
}

/* ---- requests ---- */

int nec_allocator_request_encode(const struct nec_allocator_request *request, struct nec_buffer *to,
				 nec_error *err)
{
	cleanup_json cJSON *object = nec_json_object();

	if (!nec_json_add_string(object, "Request", nec_allocator_verb_name(request->verb)) ||
	    (request->name && !nec_json_add_string(object, "Name", request->name)) ||
	    (request->text && !nec_json_add_string(object, "Config", request->text)))
		return nec_json_error_not_made(err);
	add_frame(object, to);
	return to->failed ? nec_error_no_memory(err) : 0;
}

static int find_verb(const char *name, enum nec_allocator_verb *ret, nec_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0) {
			*ret = (enum nec_allocator_verb)i;
			return 0;
		}
	return nec_error_set(err, NEC_E_JSON, -EBADMSG, "there is no request \"%s\"", name);
}

/* Keys that we do not know would be left undone: better refused. */
static int check_keys(const cJSON *object, nec_error *err)
{
	static const char *const known[] = { "Request", "Name", "Config" };
	const cJSON *item;

	cJSON_ArrayForEach (item, object) {
		size_t i = 0;

		while (i < ARRAY_SIZE(known) && strcmp(known[i], item->string) != 0)
			i++;
		if (i == ARRAY_SIZE(known))
			return nec_error_set(err, NEC_E_JSON, -EBADMSG,
					     "a request has no key \"%s\"", item->string);
		if (!nec_json_is_string(item))
			return nec_error_set(err, NEC_E_JSON, -EBADMSG,
					     "\"%s\" of a request is no string", item->string);
	}
	return 0;
}

static int take_config(const cJSON *object, struct nec_allocator_request *request, nec_error *err)
{
	const char *name = NULL;
	const char *text = NULL;
	bool named = nec_json_get_string(object, "Name", &name);
	bool given = nec_json_get_string(object, "Config", &text);

	if (!named && !given)
		return 0;
	if (request->verb != NEC_ALLOCATOR_ASK_APPLY || !named || !given)
		return nec_error_set(err, NEC_E_JSON, -EBADMSG,
				     "\"Name\" and \"Config\" belong together, and to \"apply\"");
	request->name = strdup(name);
	request->text = strdup(text);
	return request->name && request->text ? 0 : nec_error_no_memory(err);
}

int nec_allocator_request_decode(const void *payload, size_t size,
				 struct nec_allocator_request *ret, nec_error *err)
{
	struct nec_allocator_request request = { 0 };
	cleanup_json cJSON *object = NULL;
	const char *verb = NULL;
	int r = nec_json_parse(payload, size, &object, err);

	if (r == 0 &&
	    (!nec_json_is_object(object) || !nec_json_get_string(object, "Request", &verb)))
		return nec_error_set(err, NEC_E_JSON, -EBADMSG,
				     "a request is an object with a string \"Request\"");
	if (r == 0)
		r = check_keys(object, err);
	if (r == 0)
		r = find_verb(verb, &request.verb, err);
	if (r == 0)
		r = take_config(object, &request, err);
	if (r < 0) {
		nec_allocator_request_free(&request);
		return r;
	}
	*ret = request;
	return 0;
}

/* ---- replies ---- */

void nec_allocator_reply_free(struct nec_allocator_reply *reply)
{
	nec_json_free(TAKE_PTR(reply->result));
}

/* These are made without a tree: the daemon says them also when cJSON is what is missing. */
static void add_text(const struct nec_buffer *text, struct nec_buffer *to)
{
	if (text->failed)
		to->failed = true;
	else
		nec_frame_append(to, text->data, text->size);
}

void nec_allocator_add_progress(const char *phase, uint64_t done, uint64_t total,
				struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_buffer_append_text(&text, "{\"Progress\":{\"Phase\":");
	nec_json_print_string(phase, &text);
	nec_buffer_printf(&text, ",\"Done\":%" PRIu64 ",\"Total\":%" PRIu64 "}}", done, total);
	add_text(&text, to);
}

void nec_allocator_add_warning(const char *warning, struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_buffer_append_text(&text, "{\"Warning\":");
	nec_json_print_string(warning, &text);
	nec_buffer_append_text(&text, "}");
	add_text(&text, to);
}

void nec_allocator_add_error(const nec_error *error, struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_buffer_append_text(&text, "{\"Error\":{\"Name\":");
	nec_json_print_string(nec_error_name(error->code), &text);
	nec_buffer_append_text(&text, ",\"Message\":");
	nec_json_print_string(error->message, &text);
	nec_buffer_append_text(&text, ",\"Hint\":");
	nec_json_print_string(error->hint, &text);
	nec_buffer_printf(&text, ",\"Number\":%d}}", error->os_error);
	add_text(&text, to);
}

void nec_allocator_add_result(const cJSON *result, struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_buffer_append_text(&text, "{\"Result\":");
	nec_json_print_compact(result, &text);
	nec_buffer_append_text(&text, "}");
	add_text(&text, to);
}

static bool copy_text(const cJSON *object, const char *key, char *to, size_t size)
{
	const char *text = NULL;

	if (!nec_json_get_string(object, key, &text))
		return false;
	(void)snprintf(to, size, "%s", text);
	nec_utf8_make_printable(to);
	return true;
}

static bool take_error(const cJSON *object, nec_error *ret)
{
	const char *name = NULL;
	uint64_t number = 0;

	if (!nec_json_get_string(object, "Name", &name) ||
	    !copy_text(object, "Message", ret->message, sizeof(ret->message)) ||
	    !copy_text(object, "Hint", ret->hint, sizeof(ret->hint)) ||
	    !nec_json_get_u64(object, "Number", &number) || number > INT32_MAX)
		return false;
	ret->code = nec_error_by_name(name);
	ret->os_error = (int)number;
	return ret->code != NEC_E_NONE;
}

static bool take_reply(cJSON *object, struct nec_allocator_reply *ret)
{
	const cJSON *item = object ? object->child : NULL;

	if (!nec_json_is_object(object) || !item || item->next)
		return false;
	if (strcmp(item->string, "Progress") == 0) {
		ret->kind = NEC_ALLOCATOR_PROGRESS;
		return copy_text(item, "Phase", ret->text, sizeof(ret->text)) &&
		       nec_json_get_u64(item, "Done", &ret->done) &&
		       nec_json_get_u64(item, "Total", &ret->total);
	}
	if (strcmp(item->string, "Warning") == 0) {
		ret->kind = NEC_ALLOCATOR_WARNING;
		return copy_text(object, "Warning", ret->text, sizeof(ret->text));
	}
	if (strcmp(item->string, "Error") == 0) {
		ret->kind = NEC_ALLOCATOR_ERROR;
		return take_error(item, &ret->error);
	}
	ret->kind = NEC_ALLOCATOR_RESULT;
	return strcmp(item->string, "Result") == 0 && nec_json_is_object(item);
}

int nec_allocator_reply_decode(const void *payload, size_t size, struct nec_allocator_reply *ret,
			       nec_error *err)
{
	struct nec_allocator_reply reply = { 0 };
	cleanup_json cJSON *object = NULL;
	nec_error why = NEC_ERROR_INIT;
	int r = nec_json_parse(payload, size, &object, &why);

	if (r < 0 && r != -EBADMSG) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0 || !take_reply(object, &reply))
		return nec_error_set(err, NEC_E_ALLOCATOR_DAEMON, -EBADMSG,
				     "nec-allocatord gave an answer that nobody understands");
	if (reply.kind == NEC_ALLOCATOR_RESULT && !(reply.result = nec_json_copy(object->child)))
		return nec_error_no_memory(err);
	*ret = reply;
	return 0;
}
