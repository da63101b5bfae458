/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in and out. cJSON keeps the tree (it is loaded on first use); what it lacks is here: strict
 * reading with line and column, numbers that keep their text, and nitro-cli's way of printing.
 *
 * Only files that handle JSON trees include this header. Members keep the order they were added or
 * read in. A number is a cJSON_Raw item with its text, so 2^53 and above survive; read it with
 * nec_json_get_u64().
 */
#ifndef NEC_BASE_JSON_H
#define NEC_BASE_JSON_H

#include <cjson/cJSON.h>

#include "base/buffer.h"
#include "base/dynlib.h"

#define NEC_CJSON_SYMBOLS(X)         \
	X(cJSON_ParseWithLengthOpts) \
	X(cJSON_Delete)              \
	X(cJSON_CreateObject)        \
	X(cJSON_CreateArray)         \
	X(cJSON_CreateString)        \
	X(cJSON_CreateBool)          \
	X(cJSON_CreateNull)          \
	X(cJSON_CreateRaw)           \
	X(cJSON_Duplicate)           \
	X(cJSON_AddItemToObject)     \
	X(cJSON_AddItemToArray)      \
	X(cJSON_DetachItemViaPointer)

/* Depth of nesting that a document may have. */
#define NEC_JSON_MAX_DEPTH 64

/* Loads cJSON. Every call below that makes or reads a tree loads it by itself. */
NEC_DYNLIB_DECLARE(cjson, NEC_CJSON_SYMBOLS)

/**
 * nec_json_parse() - read one JSON document, strictly by RFC 8259
 * @text, @size: need not end in NUL
 * @ret: on success the tree, to be released with nec_json_free()
 *
 * Refuses what is not UTF-8, repeated keys, anything after the document, depth over
 * NEC_JSON_MAX_DEPTH, and NUL characters (\u0000), which C strings cannot carry.
 * Returns 0, -ENOMEM, -ELIBACC, or -EBADMSG (NEC_E_JSON, the message has line and column).
 */
int nec_json_parse(const char *text, size_t size, cJSON **ret, nec_error *err);

void nec_json_free(cJSON *item);

/* Makers return NULL when memory (or the library) is missing; adders accept NULL as item and fail.
 */
cJSON *nec_json_object(void);
cJSON *nec_json_array(void);
bool nec_json_add(cJSON *object, const char *key, cJSON *item);
bool nec_json_append(cJSON *array, cJSON *item);
bool nec_json_add_string(cJSON *object, const char *key, const char *value);
bool nec_json_add_u64(cJSON *object, const char *key, uint64_t value);
bool nec_json_add_bool(cJSON *object, const char *key, bool value);
bool nec_json_add_null(cJSON *object, const char *key);
bool nec_json_append_string(cJSON *array, const char *value);
bool nec_json_append_u64(cJSON *array, uint64_t value);
cJSON *nec_json_copy(const cJSON *item);
/* Why none of them made anything: -ELIBACC, or -ENOMEM. */
int nec_json_error_not_made(nec_error *err);

/* Getters: false when the key is missing or the value is of another type. Keys match exactly. */
const cJSON *nec_json_get(const cJSON *object, const char *key);
bool nec_json_get_string(const cJSON *object, const char *key, const char **ret);
bool nec_json_get_u64(const cJSON *object, const char *key, uint64_t *ret);
bool nec_json_to_u64(const cJSON *item, uint64_t *ret); /* of an item, such as an array's */
bool nec_json_get_bool(const cJSON *object, const char *key, bool *ret);
bool nec_json_is_object(const cJSON *item);
bool nec_json_is_array(const cJSON *item);
bool nec_json_is_string(const cJSON *item);
bool nec_json_is_null(const cJSON *item);

/* Sorts the members of every object in the tree by key, bytewise: AWS's order for foreign objects.
 */
void nec_json_sort(cJSON *item);

/* Prints as nitro-cli does: two spaces a level, `"key": value`, `[]`, `{}`; no final newline. */
void nec_json_print(const cJSON *item, struct nec_buffer *to);

/* Prints a string with quotes and escapes; needs no tree, and so does not load cJSON. */
void nec_json_print_string(const char *text, struct nec_buffer *to);

/* Prints without any white space, as in the EIF metadata section. */
void nec_json_print_compact(const cJSON *item, struct nec_buffer *to);

static inline void nec_cleanup_json(cJSON **item)
{
	nec_json_free(*item);
}
#define cleanup_json NEC_CLEANUP(json)

#endif
