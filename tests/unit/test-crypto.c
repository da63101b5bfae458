/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/crc32.h"
#include "base/crypto.h"
#include "base/hex.h"

/* FIPS 180-4 examples: "abc", and the empty message. */
static const char sha384_of_abc[] =
	"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	"8086072ba1e7cc2358baeca134c825a7";
static const char sha384_of_nothing[] =
	"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
	"274edebfe76f65fbd51ad2f14898b95b";

static void assert_digest(const uint8_t digest[NEC_SHA384_SIZE], const char *expected)
{
	char text[2 * NEC_SHA384_SIZE + 1];

	nec_hex_encode(digest, NEC_SHA384_SIZE, text);
	assert_string_equal(text, expected);
}

static void sha384__gives_the_published_answers(void **state)
{
	uint8_t digest[NEC_SHA384_SIZE];

	(void)state;
	assert_int_equal(nec_sha384_digest("abc", 3, digest, NULL), 0);
	assert_digest(digest, sha384_of_abc);
	assert_int_equal(nec_sha384_digest(NULL, 0, digest, NULL), 0);
	assert_digest(digest, sha384_of_nothing);
}

static void sha256__gives_the_published_answers(void **state)
{
	uint8_t digest[NEC_SHA256_SIZE];
	char text[2 * NEC_SHA256_SIZE + 1];

	(void)state;
	assert_int_equal(nec_sha256_digest("abc", 3, digest, NULL), 0);
	nec_hex_encode(digest, NEC_SHA256_SIZE, text);
	assert_string_equal(text,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void sha384__copies_continue_on_their_own(void **state)
{
	cleanup_sha384 struct nec_sha384 first = { 0 };
	cleanup_sha384 struct nec_sha384 second = { 0 };
	uint8_t digest[NEC_SHA384_SIZE];

	(void)state;
	assert_int_equal(nec_sha384_init(&first, NULL), 0);
	nec_sha384_update(&first, "ab", 2);
	assert_int_equal(nec_sha384_copy(&second, &first, NULL), 0);
	nec_sha384_update(&first, "something else", 14);
	nec_sha384_update(&second, "c", 1);
	assert_int_equal(nec_sha384_final(&second, digest, NULL), 0);
	assert_digest(digest, sha384_of_abc);
	assert_int_equal(nec_sha384_final(&first, digest, NULL), 0);
}

static void sha384__tells_a_remembered_failure_at_the_end(void **state)
{
	cleanup_sha384 struct nec_sha384 sha = { 0 };
	cleanup_sha384 struct nec_sha384 copy = { 0 };
	uint8_t digest[NEC_SHA384_SIZE];
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_sha384_init(&sha, NULL), 0);
	sha.failed = true;
	nec_sha384_update(&sha, "abc", 3);
	assert_int_equal(nec_sha384_copy(&copy, &sha, NULL), 0);
	assert_int_equal(nec_sha384_final(&copy, digest, &err), -EIO);
	assert_int_equal(err.code, NEC_E_SYSTEM);
}

static void crc32__gives_the_published_answer(void **state)
{
	(void)state;
	assert_int_equal(nec_crc32_load(NULL), 0);
	assert_int_equal(nec_crc32(0, "123456789", 9), 0xcbf43926);
}

static void crc32__of_two_parts_is_that_of_the_whole(void **state)
{
	uint8_t bytes[300];
	uint32_t whole;

	(void)state;
	assert_int_equal(nec_crc32_load(NULL), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 3);
	whole = nec_crc32(0, bytes, sizeof(bytes));
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		uint32_t first = nec_crc32(0, bytes, size);
		uint32_t second = nec_crc32(0, bytes + size, sizeof(bytes) - size);

		assert_int_equal(nec_crc32_combine(first, second, sizeof(bytes) - size), whole);
		assert_int_equal(nec_crc32_cut(whole, second, sizeof(bytes) - size), first);
	}
}

/* 5 GiB of zeros after one byte, put together by doubling: sizes over 32 bits count too. */
static void crc32__joins_parts_over_4_gib(void **state)
{
	static const uint8_t zeros[1 << 20];
	uint32_t mebibyte;
	uint32_t by_steps;
	uint32_t part;
	uint64_t size = sizeof(zeros);

	(void)state;
	assert_int_equal(nec_crc32_load(NULL), 0);
	mebibyte = nec_crc32(0, zeros, sizeof(zeros));
	part = mebibyte;
	for (; size < (uint64_t)1 << 32; size *= 2)
		part = nec_crc32_combine(part, part, size);
	by_steps = nec_crc32(0, "x", 1);
	for (unsigned int i = 0; i < 5 * 1024; i++)
		by_steps = nec_crc32_combine(by_steps, mebibyte, sizeof(zeros));
	part = nec_crc32_combine(nec_crc32(0, "x", 1), part, size);
	for (unsigned int i = 0; i < 1024; i++)
		part = nec_crc32_combine(part, mebibyte, sizeof(zeros));
	assert_int_equal(part, by_steps);
}

static void crc32__cut_undoes_combine_for_any_size(void **state)
{
	static const uint64_t sizes[] = { 0,          1,          UINT32_MAX - 1, UINT32_MAX,
					  1ull << 32, 1ull << 33, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(nec_crc32_cut(nec_crc32_combine(0x12345678, 0x9abcdef0, sizes[i]),
					       0x9abcdef0, sizes[i]),
				 0x12345678);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha384__gives_the_published_answers),
		cmocka_unit_test(sha256__gives_the_published_answers),
		cmocka_unit_test(sha384__copies_continue_on_their_own),
		cmocka_unit_test(sha384__tells_a_remembered_failure_at_the_end),
		cmocka_unit_test(crc32__gives_the_published_answer),
		cmocka_unit_test(crc32__of_two_parts_is_that_of_the_whole),
		cmocka_unit_test(crc32__joins_parts_over_4_gib),
		cmocka_unit_test(crc32__cut_undoes_combine_for_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
