/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger as text, and its file. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "allocator/ledger.h"
#include "base/files.h"
#include "faults.h"
#include "leftovers.h"

static char root[64];
static struct nec_device device;

static int set_up(void **state)
{
	char path[96];

	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/nec-ledger-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/run", root);
	(void)mkdir(path, 0755);
	device = (struct nec_device){ .root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	return device.root_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)close(device.root_fd);
	remove_tree(root);
	return 0;
}

static struct nec_ledger sample(void)
{
	struct nec_ledger ledger = NEC_LEDGER_INIT;

	ledger.work = NEC_LEDGER_APPLYING;
	ledger.reserved = true;
	ledger.node = 1;
	ledger.node_after = 0;
	ledger.pool_ours = true;
	(void)snprintf(ledger.pool, sizeof(ledger.pool), "2-3");
	(void)snprintf(ledger.pool_to, sizeof(ledger.pool_to), "2-3,6");
	*nec_ledger_row(&ledger, 1, UINT64_C(2) << 20) = (struct nec_ledger_row){
		.node = 1,
		.page_bytes = UINT64_C(2) << 20,
		.ours = 256,
		.coarse = 1,
		.found = 3,
		.before = 256,
		.after = 300,
		.coarse_after = 2,
		.found_after = 4,
		.step_from = 256,
		.step_to = 300,
	};
	(void)nec_ledger_row(&ledger, 8191, UINT64_C(1) << 52);
	return ledger;
}

static int parse(const struct nec_buffer *text, struct nec_ledger *ret)
{
	nec_error err = NEC_ERROR_INIT;
	int r = nec_ledger_parse(nec_buffer_text(text), text->size, ret, &err);

	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		assert_int_equal(err.code, NEC_E_FILE_READ);
		assert_non_null(strstr(err.message, "is damaged at byte"));
		assert_int_equal(ret->row_count, 0);
		assert_false(ret->reserved);
	}
	return r;
}

static void text__says_everything(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_buffer struct nec_buffer again = { 0 };
	struct nec_ledger ledger = sample();
	struct nec_ledger copy;
	const struct nec_ledger_row *row;

	(void)state;
	nec_ledger_print(&ledger, &text);
	assert_int_equal(parse(&text, &copy), 0);
	assert_int_equal(copy.work, NEC_LEDGER_APPLYING);
	assert_int_equal(copy.node, 1);
	assert_int_equal(copy.node_after, 0);
	assert_string_equal(copy.pool_to, "2-3,6");
	row = nec_ledger_find(&copy, 1, UINT64_C(2) << 20);
	assert_non_null(row);
	assert_memory_equal(row, nec_ledger_find(&ledger, 1, UINT64_C(2) << 20), sizeof(*row));
	assert_null(nec_ledger_find(&copy, 0, UINT64_C(2) << 20));
	nec_ledger_print(&copy, &again);
	assert_string_equal(nec_buffer_text(&again), nec_buffer_text(&text));
}

static void text__that_is_not_whole_is_refused(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_ledger ledger = sample();
	struct nec_ledger copy;

	(void)state;
	nec_ledger_print(&ledger, &text);
	for (size_t size = 0; size < text.size; size++) {
		struct nec_buffer part = { .data = text.data, .size = size };

		assert_int_equal(parse(&part, &copy), -EBADMSG);
	}
	for (size_t i = 0; i < text.size; i++) {
		text.data[i] ^= 1;
		assert_int_equal(parse(&text, &copy), -EBADMSG);
		text.data[i] ^= 1;
	}
	nec_buffer_append_text(&text, "\n");
	assert_int_equal(parse(&text, &copy), -EBADMSG);
}

static void refuse_row(int32_t node, uint64_t page_bytes, uint64_t ours)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_ledger ledger = sample();
	struct nec_ledger copy;
	struct nec_ledger_row *row = nec_ledger_row(&ledger, node, page_bytes);

	row->ours = ours;
	nec_ledger_print(&ledger, &text);
	assert_int_equal(parse(&text, &copy), -EBADMSG);
}

/* The sum is right; what it sums up is not. */
static void text__with_values_that_cannot_be_is_refused(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_ledger ledger = sample();
	struct nec_ledger copy;

	(void)state;
	refuse_row(-1, UINT64_C(2) << 20, 1);
	refuse_row(NEC_CPUS_MAX, UINT64_C(2) << 20, 1);
	refuse_row(0, UINT64_C(1) << 20, 1);
	refuse_row(0, UINT64_C(3) << 20, 1);
	refuse_row(0, UINT64_C(2) << 20, (UINT64_C(1) << 52) + 1);
	refuse_row(0, UINT64_C(2) << 20, UINT64_MAX);
	ledger.rows[1] = ledger.rows[0];
	nec_ledger_print(&ledger, &text);
	assert_int_equal(parse(&text, &copy), -EBADMSG);
}

static void rows__have_an_end(void **state)
{
	struct nec_ledger ledger = NEC_LEDGER_INIT;
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_ledger copy;

	(void)state;
	for (int32_t i = 0; i < NEC_LEDGER_ROWS_MAX; i++) {
		struct nec_ledger_row *row = nec_ledger_row(&ledger, i, UINT64_C(1) << 52);

		assert_non_null(row);
		row->ours = row->coarse = row->found = row->before = UINT64_C(1) << 52;
		row->after = row->coarse_after = row->found_after = UINT64_C(1) << 52;
		row->step_from = row->step_to = UINT64_C(1) << 52;
	}
	assert_null(nec_ledger_row(&ledger, NEC_LEDGER_ROWS_MAX, UINT64_C(1) << 52));
	assert_non_null(nec_ledger_row(&ledger, 0, UINT64_C(1) << 52));
	nec_ledger_print(&ledger, &text);
	assert_true(text.size <= NEC_LEDGER_BYTES_MAX);
	assert_int_equal(parse(&text, &copy), 0);
}

static void file__is_replaced_or_stays_whichever_call_fails(void **state)
{
	struct nec_ledger ledger = sample();
	struct nec_ledger now;
	nec_error err = NEC_ERROR_INIT;
	int lock = nec_ledger_lock(&device, &err);
	bool failed = true;

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(nec_ledger_save(&device, &ledger, &err), 0);
	ledger.node = 0;
	for (int number = 1; failed; number++) {
		int r;

		fault_arm(FAULT_FILES, number, EIO);
		err = (nec_error)NEC_ERROR_INIT;
		r = nec_ledger_save(&device, &ledger, &err);
		failed = fault_disarm();
		assert_int_equal(r, failed ? -EIO : 0);
		assert_int_equal(err.code, failed ? NEC_E_FILE_WRITE : NEC_E_NONE);
		assert_int_equal(nec_ledger_load(&device, &now, &err), 1);
		assert_int_equal(now.node, failed ? 1 : 0);
	}
	assert_int_equal(nec_device_exists(&device, NEC_ALLOCATOR_DIR "/state.new"), 0);
	(void)close(lock);
}

static void file__that_says_nothing_is_removed(void **state)
{
	struct nec_ledger ledger = sample();
	struct nec_ledger now;
	nec_error err = NEC_ERROR_INIT;
	int lock = nec_ledger_lock(&device, &err);

	(void)state;
	assert_int_equal(nec_ledger_load(&device, &now, &err), 0);
	assert_int_equal(nec_ledger_save(&device, &ledger, &err), 0);
	ledger = (struct nec_ledger)NEC_LEDGER_INIT;
	assert_int_equal(nec_ledger_save(&device, &ledger, &err), 0);
	assert_int_equal(nec_device_exists(&device, NEC_ALLOCATOR_STATE), 0);
	assert_int_equal(nec_ledger_save(&device, &ledger, &err), 0);
	assert_int_equal(nec_ledger_load(&device, &now, &err), 0);
	assert_int_equal(now.node, -1);
	(void)close(lock);
}

static void file__that_is_too_big_or_no_file_is_no_ledger(void **state)
{
	char path[128];
	struct nec_ledger now;
	nec_error err = NEC_ERROR_INIT;
	int lock = nec_ledger_lock(&device, &err);
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s" NEC_ALLOCATOR_STATE, root);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, NEC_LEDGER_BYTES_MAX + 1), 0);
	(void)close(fd);
	assert_int_equal(nec_ledger_load(&device, &now, &err), -EBADMSG);
	assert_int_equal(nec_ledger_set_aside(&device, &err), 0);
	assert_int_equal(nec_ledger_load(&device, &now, &err), 0);
	assert_int_equal(symlink("state.damaged", path), 0);
	assert_int_equal(nec_ledger_load(&device, &now, &err), -ELOOP);
	(void)close(lock);
}

static void lock__is_one_s_alone_and_goes_with_its_descriptor(void **state)
{
	nec_error err = NEC_ERROR_INIT;
	int lock = nec_ledger_lock(&device, &err);

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(nec_ledger_lock(&device, &err), -EAGAIN);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_BUSY);
	(void)close(lock);
	lock = nec_ledger_lock(&device, &err);
	assert_true(lock >= 0);
	(void)close(lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text__says_everything),
		cmocka_unit_test(text__that_is_not_whole_is_refused),
		cmocka_unit_test(text__with_values_that_cannot_be_is_refused),
		cmocka_unit_test(rows__have_an_end),
		TEST(file__is_replaced_or_stays_whichever_call_fails),
		TEST(file__that_says_nothing_is_removed),
		TEST(file__that_is_too_big_or_no_file_is_no_ledger),
		TEST(lock__is_one_s_alone_and_goes_with_its_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
