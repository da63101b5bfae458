/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32: bulk by libdeflate, joining by our own arithmetic. */
#include "base/crc32.h"

#include <libdeflate.h>

#include "base/dynlib.h"

#define LIBDEFLATE_SYMBOLS(X) X(libdeflate_crc32)

NEC_DYNLIB_DECLARE(libdeflate, LIBDEFLATE_SYMBOLS)
NEC_DYNLIB_DEFINE(libdeflate, LIBDEFLATE_SYMBOLS, "libdeflate.so.0", "libdeflate0")

int nec_crc32_load(nec_error *err)
{
	return nec_libdeflate_load(err);
}

uint32_t nec_crc32(uint32_t crc, const void *data, size_t size)
{
	return nec_libdeflate_symbols.libdeflate_crc32(crc, data, size);
}

/*
 * Polynomials over GF(2) of degree below 32, bits reflected as CRC-32 has them: the highest bit is
 * the coefficient of x^0. The modulus is CRC-32's.
 */
static const uint32_t modulus = 0xedb88320u;
static const uint32_t one = 1u << 31;
static const uint32_t x_to_the_8 = 1u << 23;

static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = one; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? b >> 1 ^ modulus : b >> 1; /* b times x */
	}
	return product;
}

/* @a times x^(8 * size), the power by squaring. */
static uint32_t shift(uint32_t a, uint64_t size)
{
	uint32_t factor = one;

	for (uint32_t power = x_to_the_8; size; size >>= 1) {
		if (size & 1)
			factor = multiply(factor, power);
		power = multiply(power, power);
	}
	return multiply(factor, a);
}

/* A followed by B is A times x^(8 * size of B), plus B. */
uint32_t nec_crc32_combine(uint32_t first, uint32_t second, uint64_t second_size)
{
	return shift(first, second_size) ^ second;
}

/*
 * The modulus is primitive: x to the power of 2^32 - 1 is 1. So shifting by what is missing to a
 * multiple of that many bytes undoes a shift.
 */
uint32_t nec_crc32_cut(uint32_t whole, uint32_t second, uint64_t second_size)
{
	return shift(whole ^ second, UINT32_MAX - second_size % UINT32_MAX);
}
