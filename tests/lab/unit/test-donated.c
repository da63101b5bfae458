/* SPDX-License-Identifier: Apache-2.0 */
/* Donated memory: what is an image, and what becomes of the pages. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cursor.h"
#include "donated.h"
#include "image/eif-format.h"

#define MIB    UINT64_C(0x100000)
#define MEMORY (32 * MIB)

struct fixture {
	struct lab_dma *dma;
	struct lab_donated donated;
	int fd;
	uint8_t *memory;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct lab_dma_range low = { .size = 4 * MIB, .flags = 3 };
	const struct lab_dma_range high = {
		.address = 4 * MIB, .size = MEMORY - 4 * MIB, .offset = 4 * MIB, .flags = 3
	};
	void *memory;

	*state = f;
	f->donated = (struct lab_donated)LAB_DONATED_INIT;
	f->dma = lab_dma_new();
	f->fd = memfd_create("guest", MFD_CLOEXEC);
	if (ftruncate(f->fd, MEMORY) < 0)
		return -1;
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	f->memory = memory;
	if (memory == MAP_FAILED || lab_dma_map(f->dma, &low, f->fd) < 0)
		return -1;
	return lab_dma_map(f->dma, &high, f->fd);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	lab_donated_clear(&f->donated);
	lab_dma_free(f->dma);
	(void)munmap(f->memory, MEMORY);
	(void)close(f->fd);
	free(f);
	return 0;
}

static void put_header(uint8_t *header, uint16_t count, uint64_t offset, uint64_t size)
{
	memset(header, 0, NEC_EIF_HEADER_SIZE);
	nec_put_u32be(header, NEC_EIF_MAGIC);
	nec_put_u16be(header + NEC_EIF_COUNT_AT, count);
	nec_put_u64be(header + NEC_EIF_OFFSETS_AT, offset);
	nec_put_u64be(header + NEC_EIF_SIZES_AT, size);
}

static void image_size__is_the_end_of_the_last_section(void **state)
{
	uint8_t header[NEC_EIF_HEADER_SIZE];

	(void)state;
	put_header(header, 1, 548, 100);
	assert_int_equal(lab_donated_image_size(header, sizeof(header)), 548 + 100 + 12);
	nec_put_u16be(header + NEC_EIF_COUNT_AT, 2);
	nec_put_u64be(header + NEC_EIF_OFFSETS_AT + 8, 10000);
	assert_int_equal(lab_donated_image_size(header, sizeof(header)), 10012);
	put_header(header, 0, 0, 0);
	assert_int_equal(lab_donated_image_size(header, sizeof(header)), 548);
}

static void image_size__is_none_of_what_is_no_image(void **state)
{
	uint8_t header[NEC_EIF_HEADER_SIZE] = { 0 };

	(void)state;
	assert_int_equal(lab_donated_image_size(header, sizeof(header)), 0);
	put_header(header, 1, 548, 100);
	assert_int_equal(lab_donated_image_size(header, sizeof(header) - 1), 0);
	put_header(header, NEC_EIF_MAX_SECTIONS + 1, 548, 100);
	assert_int_equal(lab_donated_image_size(header, sizeof(header)), 0);
	put_header(header, 1, UINT64_MAX, 1);
	assert_int_equal(lab_donated_image_size(header, sizeof(header)), 0);
	put_header(header, 1, UINT64_MAX - 5, 1);
	assert_int_equal(lab_donated_image_size(header, sizeof(header)), 0);
}

static int add(struct fixture *f, uint64_t address, uint64_t size)
{
	return lab_donated_add(&f->donated, f->dma, address, size);
}

static off_t file_size(const struct fixture *f)
{
	return lseek(f->donated.image_fd, 0, SEEK_END);
}

/* In the middle of a range, over the seam of two pieces of memory, to the next range and its end.
 */
static void image__is_joined_from_wherever_it_lies(void **state)
{
	struct fixture *f = *state;
	const uint64_t size = 5 * MIB + 1234;
	uint8_t *all = malloc(size);

	assert_int_equal(add(f, 20 * MIB, 6 * MIB), 0);
	/* The enclave's memory from 6 MiB on; 2 MiB later comes the image. */
	put_header(f->memory + 2 * MIB + 2 * MIB, 1, 548, size - 548 - 12);
	f->memory[4 * MIB + 2 * MIB - 1] = 1;
	f->memory[10 * MIB] = 2;
	f->memory[10 * MIB + size - 2 * MIB - 1] = 3;
	f->memory[10 * MIB + size - 2 * MIB] = 4;
	assert_int_equal(add(f, 2 * MIB, 4 * MIB), 0);
	assert_int_equal(add(f, 10 * MIB, 8 * MIB), 0);
	assert_int_equal(f->donated.image_bytes, size);
	assert_int_equal(file_size(f), size);
	assert_int_equal(pread(f->donated.image_fd, all, size, 0), size);
	assert_int_equal(all[0], '.');
	assert_int_equal(all[2 * MIB - 1], 1);
	assert_int_equal(all[2 * MIB], 2);
	assert_int_equal(all[size - 1], 3);
	free(all);
}

static void image__that_says_too_much_is_what_is_there(void **state)
{
	struct fixture *f = *state;

	put_header(f->memory + 8 * MIB, 1, 548, UINT64_C(1) << 60);
	assert_int_equal(add(f, 0, 10 * MIB), 0);
	assert_int_equal(file_size(f), 2 * MIB);
}

static void memory__without_an_image_has_no_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, 10 * MIB), 0);
	assert_int_equal(f->donated.image_fd, -1);
	assert_int_equal(f->donated.image_bytes, 0);
}

static void memory__is_poisoned_and_comes_back_as_zeros(void **state)
{
	struct fixture *f = *state;

	memset(f->memory, 0x11, MEMORY);
	assert_int_equal(add(f, 2 * MIB, 4 * MIB), 0);
	assert_int_equal(f->memory[2 * MIB - 1], 0x11);
	assert_int_equal(f->memory[2 * MIB], LAB_POISON);
	assert_memory_equal(f->memory + 2 * MIB, f->memory + 2 * MIB + 1, 4 * MIB - 1);
	assert_int_equal(f->memory[6 * MIB], 0x11);
	assert_int_equal(lab_donated_count_touched(&f->donated), 0);
	lab_donated_clear(&f->donated);
	assert_int_equal(f->memory[2 * MIB - 1], 0x11);
	assert_int_equal(f->memory[2 * MIB], 0);
	assert_memory_equal(f->memory + 2 * MIB, f->memory + 2 * MIB + 1, 4 * MIB - 1);
	assert_int_equal(f->memory[6 * MIB], 0x11);
}

static void memory__that_was_written_to_is_found_page_by_page(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 2 * MIB, 4 * MIB), 0);
	f->memory[2 * MIB] ^= 1;
	f->memory[2 * MIB + 1] = 0;
	f->memory[4 * MIB + 4095] = 0;
	f->memory[6 * MIB - 1] = 0;
	f->memory[6 * MIB] = 9;
	f->memory[3 * MIB] = LAB_POISON; /* that cannot be told */
	assert_int_equal(lab_donated_count_touched(&f->donated), 3);
}

static void memory__that_is_none_is_not_taken(void **state)
{
	struct fixture *f = *state;

	f->memory[MEMORY - 1] = 1;
	assert_int_equal(add(f, MEMORY - 2 * MIB, 4 * MIB), -EFAULT);
	assert_int_equal(f->memory[MEMORY - 1], 1);
	assert_int_equal(f->donated.count, 0);
	assert_int_equal(f->donated.bytes, 0);
}

/* The machine's reset takes its memory away before its enclaves. */
static void memory__goes_back_also_when_its_range_is_gone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 2 * MIB, 4 * MIB), 0);
	lab_dma_unmap_all(f->dma);
	lab_donated_clear(&f->donated);
	assert_int_equal(f->memory[2 * MIB], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_size__is_the_end_of_the_last_section),
		cmocka_unit_test(image_size__is_none_of_what_is_no_image),
		TEST(image__is_joined_from_wherever_it_lies),
		TEST(image__that_says_too_much_is_what_is_there),
		TEST(memory__without_an_image_has_no_file),
		TEST(memory__is_poisoned_and_comes_back_as_zeros),
		TEST(memory__that_was_written_to_is_found_page_by_page),
		TEST(memory__that_is_none_is_not_taken),
		TEST(memory__goes_back_also_when_its_range_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
