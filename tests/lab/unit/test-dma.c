/* SPDX-License-Identifier: Apache-2.0 */
/* The parent VM's memory: ranges that come, go, touch and are held. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma.h"

#define PAGE       UINT64_C(4096)
#define FILE_PAGES UINT64_C(64)

enum { RW = LAB_DMA_READ | LAB_DMA_WRITE };

struct fixture {
	struct lab_dma *dma;
	int fd;
	uint8_t *bytes; /* of the file */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *bytes;

	*state = f;
	f->dma = lab_dma_new();
	f->fd = memfd_create("guest", MFD_CLOEXEC);
	if (ftruncate(f->fd, FILE_PAGES * PAGE) < 0)
		return -1;
	bytes = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	f->bytes = bytes;
	return bytes == MAP_FAILED ? -1 : 0;
}

/* Mappings of the file in this process. */
static size_t count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	size_t count = 0;

	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "/memfd:guest") != NULL;
	(void)fclose(maps);
	return count;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	size_t left;

	lab_dma_free(f->dma);
	(void)munmap(f->bytes, FILE_PAGES * PAGE);
	left = count_mappings();
	(void)close(f->fd);
	free(f);
	return left == 0 ? 0 : -1;
}

/* Pages of guest and of file. */
static int map(struct fixture *f, uint64_t page, uint64_t count, uint64_t at, uint32_t flags)
{
	const struct lab_dma_range range = {
		.address = page * PAGE,
		.size = count * PAGE,
		.offset = at * PAGE,
		.flags = flags,
	};

	return lab_dma_map(f->dma, &range, f->fd);
}

static bool is_memory(struct fixture *f, uint64_t page, uint64_t count)
{
	return lab_dma_is_memory(f->dma, page * PAGE, count * PAGE);
}

static void map__takes_whole_pages_that_are_in_their_file(void **state)
{
	static const struct lab_dma_range bad[] = {
		{ .size = 0, .flags = RW },
		{ .size = PAGE + 1, .flags = RW },
		{ .address = 1, .size = PAGE, .flags = RW },
		{ .size = PAGE, .offset = 8, .flags = RW },
		{ .size = PAGE, .flags = 4 },
		{ .size = (FILE_PAGES + 1) * PAGE, .flags = RW },
		{ .size = PAGE, .offset = FILE_PAGES * PAGE, .flags = RW },
		{ .address = -PAGE, .size = 2 * PAGE, .flags = RW },
		{ .size = PAGE, .offset = -PAGE, .flags = RW },
		{ .size = PAGE, .offset = INT64_MAX - PAGE + 1, .flags = RW },
	};
	struct fixture *f = *state;
	int ends[2];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(lab_dma_map(f->dma, &bad[i], f->fd), -EINVAL);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(
		lab_dma_map(f->dma, &(struct lab_dma_range){ .size = PAGE, .flags = RW }, ends[0]),
		-EINVAL);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(lab_dma_count(f->dma), 0);
	/* The last page of all is one, too. */
	assert_int_equal(map(f, UINT64_MAX / PAGE, 1, 0, RW), 0);
	assert_true(is_memory(f, UINT64_MAX / PAGE, 1));
}

static void map__refuses_what_overlaps(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(map(f, 10, 4, 0, RW), 0);
	assert_int_equal(map(f, 10, 4, 0, RW), -EEXIST);
	assert_int_equal(map(f, 13, 1, 0, RW), -EEXIST);
	assert_int_equal(map(f, 8, 3, 0, RW), -EEXIST);
	assert_int_equal(map(f, 8, 20, 0, RW), -EEXIST);
	assert_int_equal(map(f, 14, 1, 0, RW), 0);
	assert_int_equal(map(f, 9, 1, 0, RW), 0);
	assert_int_equal(lab_dma_count(f->dma), 3);
}

static void map__has_a_limit(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < LAB_DMA_MAX_MAPS; i++)
		assert_int_equal(map(f, 2 * i, 1, 0, RW), 0);
	assert_int_equal(map(f, 1, 1, 0, RW), -ENOSPC);
	assert_int_equal(lab_dma_unmap(f->dma, 0, PAGE), 0);
	assert_int_equal(map(f, 1, 1, 0, RW), 0);
}

static void memory__may_lie_in_several_ranges_without_a_gap(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(map(f, 20, 4, 8, RW), 0);
	assert_int_equal(map(f, 10, 10, 30, RW), 0);
	assert_int_equal(map(f, 25, 4, 0, RW), 0);
	assert_true(is_memory(f, 10, 14));
	assert_true(is_memory(f, 12, 9));
	assert_false(is_memory(f, 10, 15));
	assert_false(is_memory(f, 23, 3));
	assert_false(is_memory(f, 9, 2));
	assert_false(is_memory(f, 28, 2));
	assert_false(is_memory(f, 10, 0));
}

static void memory__is_what_can_be_read_and_written(void **state)
{
	struct fixture *f = *state;
	const struct lab_dma_range unreachable = { .address = 8 * PAGE, .size = PAGE, .flags = RW };

	assert_int_equal(map(f, 0, 4, 0, LAB_DMA_READ), 0);
	assert_int_equal(lab_dma_map(f->dma, &unreachable, -1), 0);
	assert_false(is_memory(f, 0, 1));
	assert_false(is_memory(f, 8, 1));
	assert_int_equal(lab_dma_unmap(f->dma, 8 * PAGE, PAGE), 0);
}

static void unmap__takes_whole_ranges(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(map(f, 10, 4, 0, RW), 0);
	assert_int_equal(map(f, 14, 4, 0, RW), 0);
	assert_int_equal(map(f, 20, 4, 0, RW), 0);
	assert_int_equal(lab_dma_unmap(f->dma, 10 * PAGE, 5 * PAGE), -EINVAL);
	assert_int_equal(lab_dma_unmap(f->dma, 11 * PAGE, 7 * PAGE), -EINVAL);
	assert_int_equal(lab_dma_unmap(f->dma, 0, 0), -EINVAL);
	assert_int_equal(lab_dma_unmap(f->dma, PAGE, UINT64_MAX), -EINVAL);
	assert_int_equal(lab_dma_count(f->dma), 3);
	assert_int_equal(lab_dma_unmap(f->dma, 10 * PAGE, 9 * PAGE), 0);
	assert_int_equal(lab_dma_count(f->dma), 1);
	assert_int_equal(lab_dma_unmap(f->dma, 0, 4 * PAGE), 0); /* nothing there */
	lab_dma_unmap_all(f->dma);
	assert_int_equal(lab_dma_count(f->dma), 0);
}

static void hold__gives_the_pages_in_order(void **state)
{
	struct fixture *f = *state;
	struct lab_dma_piece *pieces = NULL;
	size_t count = 0;

	assert_int_equal(map(f, 10, 4, 30, RW), 0);
	assert_int_equal(map(f, 14, 4, 0, RW), 0);
	assert_int_equal(lab_dma_hold(f->dma, 12 * PAGE, 7 * PAGE, &pieces, &count), -EFAULT);
	assert_int_equal(lab_dma_hold(f->dma, 12 * PAGE, 4 * PAGE, &pieces, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(pieces[0].size, 2 * PAGE);
	assert_int_equal(pieces[1].size, 2 * PAGE);
	f->bytes[32 * PAGE] = 1;
	f->bytes[0] = 2;
	assert_int_equal(pieces[0].bytes[0], 1);
	assert_int_equal(pieces[1].bytes[0], 2);
	for (size_t i = 0; i < count; i++)
		lab_dma_release(&pieces[i]);
	free(pieces);
}

static void hold__outlives_the_range_and_the_table(void **state)
{
	struct fixture *f = *state;
	struct lab_dma_piece *pieces = NULL;
	size_t count = 0;

	assert_int_equal(map(f, 10, 4, 0, RW), 0);
	assert_int_equal(lab_dma_hold(f->dma, 10 * PAGE, PAGE, &pieces, &count), 0);
	assert_int_equal(lab_dma_unmap(f->dma, 10 * PAGE, 4 * PAGE), 0);
	lab_dma_free(f->dma);
	f->dma = NULL;
	memset(pieces[0].bytes, 7, PAGE);
	assert_int_equal(f->bytes[PAGE - 1], 7);
	lab_dma_release(&pieces[0]);
	free(pieces);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(map__takes_whole_pages_that_are_in_their_file),
		TEST(map__refuses_what_overlaps),
		TEST(map__has_a_limit),
		TEST(memory__may_lie_in_several_ranges_without_a_gap),
		TEST(memory__is_what_can_be_read_and_written),
		TEST(unmap__takes_whole_ranges),
		TEST(hold__gives_the_pages_in_order),
		TEST(hold__outlives_the_range_and_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
