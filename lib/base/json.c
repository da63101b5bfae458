/* SPDX-License-Identifier: Apache-2.0 */
/* The fence around cJSON: strict reading, exact numbers, nitro-cli's layout. */
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/json-scan.h"

#define CJSON(name) (*nec_cjson_symbols.name)

NEC_DYNLIB_DEFINE(cjson, NEC_CJSON_SYMBOLS, "libcjson.so.1", "libcjson1")

/*
 * Turns each number of the tree into raw text, in document order; raw text prints as it was read.
 * NOLINTNEXTLINE(misc-no-recursion)
 */
static bool keep_numbers(cJSON *item, const char *document, struct nec_cursor *numbers)
{
	for (; item; item = item->next) {
		if ((item->type & 0xff) == cJSON_Number) {
			const uint8_t *bytes;
			struct nec_json_number number;
			char *text;

			if (!nec_cursor_bytes(numbers, sizeof(number), &bytes))
				return false;
			memcpy(&number, bytes, sizeof(number));
			text = strndup(document + number.offset, number.size);
			if (!text)
				return false;
			/* cJSON frees valuestring with free(): its default hooks are in force. */
			item->valuestring = text;
			item->type = (item->type & ~0xff) | cJSON_Raw;
		} else if (item->child && !keep_numbers(item->child, document, numbers)) {
			return false;
		}
	}
	return true;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static size_t count_children(const cJSON *item)
{
	size_t count = 0;

	for (const cJSON *child = item->child; child; child = child->next)
		count++;
	return count;
}

/* The members of an object, sorted by key; NULL when out of memory. At least one member. */
static cJSON **sorted_members(const cJSON *object, size_t count)
{
	cJSON **members = calloc(count, sizeof(*members));
	size_t i = 0;

	if (!members)
		return NULL;
	for (cJSON *child = object->child; child; child = child->next)
		members[i++] = child;
	qsort(members, count, sizeof(*members), compare_keys);
	return members;
}

/* Returns 0, -ENOMEM, or -EEXIST with the repeated key. NOLINTNEXTLINE(misc-no-recursion) */
static int find_repeated_key(const cJSON *item, const char **ret)
{
	size_t count = count_children(item);
	int r = 0;

	if ((item->type & 0xff) == cJSON_Object && count > 1) {
		cleanup_free cJSON **members = sorted_members(item, count);

		if (!members)
			return -ENOMEM;
		for (size_t i = 1; i < count; i++) {
			if (strcmp(members[i - 1]->string, members[i]->string) == 0) {
				*ret = members[i]->string;
				return -EEXIST;
			}
		}
	}
	for (const cJSON *child = item->child; child && r == 0; child = child->next)
		r = find_repeated_key(child, ret);
	return r;
}

static int check_repeated_keys(const cJSON *root, nec_error *err)
{
	const char *key = "";
	int r = find_repeated_key(root, &key);

	if (r == -EEXIST)
		return nec_error_set(err, NEC_E_JSON, -EBADMSG, "JSON key \"%.100s\" is repeated",
				     key);
	return r < 0 ? nec_error_no_memory(err) : 0;
}

static int parse_scanned(const char *text, size_t size, const struct nec_buffer *numbers,
			 cJSON **ret, nec_error *err)
{
	cleanup_json cJSON *root = NULL;
	struct nec_cursor cursor;
	int r;

	r = nec_cjson_load(err);
	if (r < 0)
		return r;
	root = CJSON(cJSON_ParseWithLengthOpts)(text, size, NULL, 0);
	if (!root || numbers->failed)
		return nec_error_no_memory(err);
	cursor = nec_cursor_over(numbers->data, numbers->size);
	if (!keep_numbers(root, text, &cursor))
		return nec_error_no_memory(err);
	r = check_repeated_keys(root, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(root);
	return 0;
}

int nec_json_parse(const char *text, size_t size, cJSON **ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer numbers = { 0 };
	int r = nec_json_scan(text, size, &numbers, err);

	return r < 0 ? r : parse_scanned(text, size, &numbers, ret, err);
}

void nec_json_free(cJSON *item)
{
	if (item)
		CJSON(cJSON_Delete)(item);
}

cJSON *nec_json_object(void)
{
	return nec_cjson_load(NULL) < 0 ? NULL : CJSON(cJSON_CreateObject)();
}

cJSON *nec_json_array(void)
{
	return nec_cjson_load(NULL) < 0 ? NULL : CJSON(cJSON_CreateArray)();
}

int nec_json_error_not_made(nec_error *err)
{
	int r = nec_cjson_load(err);

	return r < 0 ? r : nec_error_no_memory(err);
}

bool nec_json_add(cJSON *object, const char *key, cJSON *item)
{
	if (object && item && CJSON(cJSON_AddItemToObject)(object, key, item))
		return true;
	nec_json_free(item);
	return false;
}

bool nec_json_append(cJSON *array, cJSON *item)
{
	if (array && item && CJSON(cJSON_AddItemToArray)(array, item))
		return true;
	nec_json_free(item);
	return false;
}

static cJSON *new_u64(uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return CJSON(cJSON_CreateRaw)(text);
}

bool nec_json_add_string(cJSON *object, const char *key, const char *value)
{
	return object && nec_json_add(object, key, CJSON(cJSON_CreateString)(value));
}

bool nec_json_add_u64(cJSON *object, const char *key, uint64_t value)
{
	return object && nec_json_add(object, key, new_u64(value));
}

bool nec_json_add_bool(cJSON *object, const char *key, bool value)
{
	return object && nec_json_add(object, key, CJSON(cJSON_CreateBool)(value));
}

bool nec_json_add_null(cJSON *object, const char *key)
{
	return object && nec_json_add(object, key, CJSON(cJSON_CreateNull)());
}

bool nec_json_append_string(cJSON *array, const char *value)
{
	return array && nec_json_append(array, CJSON(cJSON_CreateString)(value));
}

bool nec_json_append_u64(cJSON *array, uint64_t value)
{
	return array && nec_json_append(array, new_u64(value));
}

cJSON *nec_json_copy(const cJSON *item)
{
	return item ? CJSON(cJSON_Duplicate)(item, 1) : NULL;
}

static bool is_type(const cJSON *item, int type)
{
	return item && (item->type & 0xff) == type;
}

bool nec_json_is_object(const cJSON *item)
{
	return is_type(item, cJSON_Object);
}

bool nec_json_is_array(const cJSON *item)
{
	return is_type(item, cJSON_Array);
}

bool nec_json_is_string(const cJSON *item)
{
	return is_type(item, cJSON_String);
}

bool nec_json_is_null(const cJSON *item)
{
	return is_type(item, cJSON_NULL);
}

const cJSON *nec_json_get(const cJSON *object, const char *key)
{
	if (!nec_json_is_object(object))
		return NULL;
	for (const cJSON *child = object->child; child; child = child->next)
		if (strcmp(child->string, key) == 0)
			return child;
	return NULL;
}

bool nec_json_get_string(const cJSON *object, const char *key, const char **ret)
{
	const cJSON *item = nec_json_get(object, key);

	if (!nec_json_is_string(item))
		return false;
	*ret = item->valuestring;
	return true;
}

bool nec_json_to_u64(const cJSON *item, uint64_t *ret)
{
	uint64_t value = 0;

	if (!is_type(item, cJSON_Raw))
		return false;
	for (const char *digit = item->valuestring; *digit; digit++) {
		if (*digit < '0' || *digit > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*digit - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

bool nec_json_get_u64(const cJSON *object, const char *key, uint64_t *ret)
{
	return nec_json_to_u64(nec_json_get(object, key), ret);
}

bool nec_json_get_bool(const cJSON *object, const char *key, bool *ret)
{
	const cJSON *item = nec_json_get(object, key);

	if (!is_type(item, cJSON_True) && !is_type(item, cJSON_False))
		return false;
	*ret = is_type(item, cJSON_True);
	return true;
}

/* Relinks the members; left as it was when out of memory. NOLINTNEXTLINE(misc-no-recursion) */
void nec_json_sort(cJSON *item)
{
	size_t count = count_children(item);

	for (cJSON *child = item->child; child; child = child->next)
		nec_json_sort(child);
	if ((item->type & 0xff) == cJSON_Object && count > 1) {
		cleanup_free cJSON **members = sorted_members(item, count);

		if (!members)
			return;
		/* cJSON's list: the first member's prev is the last one, the last one's next is
		 * NULL. */
		for (size_t i = 0; i < count; i++) {
			members[i]->prev = members[i > 0 ? i - 1 : count - 1];
			members[i]->next = i + 1 < count ? members[i + 1] : NULL;
		}
		item->child = members[0];
	}
}

void nec_json_print_string(const char *text, struct nec_buffer *to)
{
	nec_buffer_append_u8(to, '"');
	for (; *text; text++) {
		static const char escaped[] = "\"\\\b\f\n\r\t";
		static const char letters[] = "\"\\bfnrt";
		const char *found = strchr(escaped, *text);

		if (found)
			nec_buffer_printf(to, "\\%c", letters[found - escaped]);
		else if ((unsigned char)*text < 0x20)
			nec_buffer_printf(to, "\\u%04x", (unsigned int)(unsigned char)*text);
		else
			nec_buffer_append_u8(to, (uint8_t)*text);
	}
	nec_buffer_append_u8(to, '"');
}

static void new_line(struct nec_buffer *to, int level)
{
	if (level < 0)
		return;
	nec_buffer_append_u8(to, '\n');
	for (int i = 0; i < level; i++)
		nec_buffer_append_text(to, "  ");
}

/* @level is the depth for the indented form, -1 for the compact one.
 * NOLINTNEXTLINE(misc-no-recursion) */
static void print_item(const cJSON *item, struct nec_buffer *to, int level)
{
	bool object = is_type(item, cJSON_Object);
	int inner = level < 0 ? -1 : level + 1;

	switch (item->type & 0xff) {
	case cJSON_Object:
	case cJSON_Array:
		nec_buffer_append_u8(to, object ? '{' : '[');
		for (const cJSON *child = item->child; child; child = child->next) {
			new_line(to, inner);
			if (object) {
				nec_json_print_string(child->string, to);
				nec_buffer_append_text(to, level < 0 ? ":" : ": ");
			}
			print_item(child, to, inner);
			if (child->next)
				nec_buffer_append_u8(to, ',');
		}
		if (item->child)
			new_line(to, level);
		nec_buffer_append_u8(to, object ? '}' : ']');
		break;
	case cJSON_String:
		nec_json_print_string(item->valuestring, to);
		break;
	case cJSON_Raw:
		nec_buffer_append_text(to, item->valuestring);
		break;
	case cJSON_True:
		nec_buffer_append_text(to, "true");
		break;
	case cJSON_False:
		nec_buffer_append_text(to, "false");
		break;
	default:
		nec_buffer_append_text(to, "null");
	}
}

void nec_json_print(const cJSON *item, struct nec_buffer *to)
{
	print_item(item, to, 0);
}

void nec_json_print_compact(const cJSON *item, struct nec_buffer *to)
{
	print_item(item, to, -1);
}
