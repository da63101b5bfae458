/* SPDX-License-Identifier: Apache-2.0 */
/* The images below tests/data/eif, what expected.json says of them, and altered copies of them. */
#ifndef NEC_TESTS_UNIT_EIF_DATA_H
#define NEC_TESTS_UNIT_EIF_DATA_H

#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/files.h"
#include "base/hex.h"
#include "base/json.h"
#include "image/eif.h"

#define EIF_DATA NEC_TEST_DATA "/eif/"

/* The array of expected.json, to be freed. */
static inline cJSON *eif_expected(void)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cJSON *rows = NULL;

	assert_int_equal(nec_file_read_all(EIF_DATA "expected.json", 1 << 20, &text, NULL), 0);
	assert_int_equal(nec_json_parse((const char *)text.data, text.size, &rows, NULL), 0);
	return rows;
}

static inline const char *json_string(const cJSON *object, const char *key)
{
	const char *value = NULL;

	if (!nec_json_get_string(object, key, &value))
		fail_msg("no string \"%s\"", key);
	return value;
}

static inline uint64_t json_u64(const cJSON *object, const char *key)
{
	uint64_t value = 0;

	if (!nec_json_get_u64(object, key, &value))
		fail_msg("no number \"%s\"", key);
	return value;
}

static inline bool json_bool(const cJSON *object, const char *key)
{
	bool value = false;

	if (!nec_json_get_bool(object, key, &value))
		fail_msg("no bool \"%s\"", key);
	return value;
}

static inline void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
	char text[2 * 64 + 1];

	assert_true(size <= 64);
	nec_hex_encode(bytes, size, text);
	assert_string_equal(text, expected);
}

/* A file of tests/data/eif in memory. */
static inline void eif_load(const char *file, struct nec_buffer *to)
{
	char path[512];

	(void)snprintf(path, sizeof(path), EIF_DATA "%s", file);
	assert_int_equal(nec_file_read_all(path, 1 << 20, to, NULL), 0);
}

/* An unnamed file with these bytes; its descriptor. */
static inline int eif_memfd(const void *bytes, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(nec_file_write_at(fd, "memfd", bytes, size, 0, NULL), 0);
	return fd;
}

/* Writes @size bytes of @value, big-endian, over those at @at. */
static inline void eif_patch(struct nec_buffer *image, size_t at, size_t size, uint64_t value)
{
	assert_true(at + size <= image->size);
	for (size_t i = 0; i < size; i++)
		image->data[at + i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

/* Opens an image that lies in memory, under the name "test". */
static inline int eif_open_bytes(const void *bytes, size_t size, nec_eif **ret, nec_error *err)
{
	cleanup_close int fd = eif_memfd(bytes, size);

	return nec_eif_open_fd(NULL, fd, "test", ret, err);
}

#endif
