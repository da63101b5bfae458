/* SPDX-License-Identifier: Apache-2.0 */
/* What targets need whose input is a list of things to do: input taken apart, leaks found. */
#ifndef NEC_TESTS_FUZZ_INPUT_H
#define NEC_TESTS_FUZZ_INPUT_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

struct input {
	const uint8_t *data;
	size_t left;
};

static inline void require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

static inline uint8_t take_u8(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->data++;
}

static inline uint16_t take_u16(struct input *input)
{
	uint16_t low = take_u8(input);

	return (uint16_t)(low | take_u8(input) << 8);
}

static inline uint32_t take_u32(struct input *input)
{
	uint32_t low = take_u16(input);

	return low | (uint32_t)take_u16(input) << 16;
}

/* Up to @most bytes, which is at most 255. */
static inline size_t take_bytes(struct input *input, uint8_t *to, size_t most)
{
	size_t size = take_u8(input) % (most + 1);

	for (size_t i = 0; i < size; i++)
		to[i] = take_u8(input);
	return size;
}

/* The lowest free descriptor: the same before and after, unless one was left open. */
static inline int lowest_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	require(fd >= 0);
	(void)close(fd);
	return fd;
}

#endif
