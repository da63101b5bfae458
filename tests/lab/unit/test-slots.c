/* SPDX-License-Identifier: Apache-2.0 */
/* The hypervisor's rules: each kept, each broken, each refused on demand. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>

#include "slots.h"

#define MIB UINT64_C(0x100000)
#define GIB (1024 * MIB)

/* Of the tests' machine: 4 GiB, four cores of two threads. */
static bool is_memory(void *userdata, uint64_t address, uint64_t size)
{
	(void)userdata;
	return address + size <= 4 * GIB;
}

static int set_up(void **state)
{
	struct lab_slots *slots = calloc(1, sizeof(*slots));

	slots->vcpu_count = 8;
	slots->threads = 2;
	slots->max_regions = 4;
	slots->is_memory = is_memory;
	lab_slots_init(slots);
	*state = slots;
	return 0;
}

static int tear_down(void **state)
{
	lab_slots_clear(*state);
	free(*state);
	return 0;
}

static struct lab_slot *alloc(struct lab_slots *slots)
{
	struct lab_slot *slot = NULL;

	assert_int_equal(lab_slots_alloc(slots, &slot), 0);
	return slot;
}

/* One that can be started; cores and memory are the @n-th. */
static struct lab_slot *ready(struct lab_slots *slots, uint32_t n)
{
	struct lab_slot *slot = alloc(slots);

	assert_int_equal(lab_slots_add_memory(slots, slot, 64 * MIB * n, 64 * MIB), 0);
	assert_int_equal(lab_slots_add_vcpu(slots, slot, UINT64_C(2) * n), 0);
	assert_int_equal(lab_slots_add_vcpu(slots, slot, UINT64_C(2) * n + 1), 0);
	return slot;
}

static void uids__are_never_zero_and_never_come_again(void **state)
{
	uint64_t last = 0;

	for (int i = 0; i < 200; i++) {
		struct lab_slot *slot = alloc(*state);

		assert_true(slot->uid > last);
		last = slot->uid;
		lab_slots_free(*state, slot);
	}
}

static void slots__are_limited(void **state)
{
	struct lab_slot *slot;

	for (int i = 0; i < LAB_MAX_SLOTS; i++)
		slot = alloc(*state);
	assert_int_equal(lab_slots_alloc(*state, &slot), -ENOSPC);
	assert_int_equal(lab_slots_count(*state), LAB_MAX_SLOTS);
	lab_slots_free(*state, slot);
	(void)alloc(*state);
}

static void slots__are_found_and_walked_in_order(void **state)
{
	struct lab_slots *slots = *state;
	struct lab_slot *first = alloc(slots);
	struct lab_slot *second = alloc(slots);
	struct lab_slot *found;
	uint64_t gone = first->uid;

	assert_ptr_equal(lab_slots_next(slots, 0), first);
	assert_ptr_equal(lab_slots_next(slots, first->uid), second);
	assert_null(lab_slots_next(slots, second->uid));
	lab_slots_free(slots, first);
	assert_ptr_equal(lab_slots_next(slots, 0), second);
	assert_int_equal(lab_slots_look_up(slots, gone, &found), -ENODEV);
	assert_int_equal(lab_slots_look_up(slots, 0, &found), -ENODEV);
}

static void memory__is_whole_pieces_of_2_mib(void **state)
{
	struct lab_slot *slot = alloc(*state);

	assert_int_equal(lab_slots_add_memory(*state, slot, 2 * MIB, 0), -EINVAL);
	assert_int_equal(lab_slots_add_memory(*state, slot, 2 * MIB, MIB), -EINVAL);
	assert_int_equal(lab_slots_add_memory(*state, slot, 2 * MIB, 2 * MIB + 1), -EINVAL);
	assert_int_equal(lab_slots_add_memory(*state, slot, MIB, 2 * MIB), -EILSEQ);
	assert_int_equal(lab_slots_add_memory(*state, slot, 2 * MIB, 2 * MIB), 0);
	assert_int_equal(slot->memory_bytes, 2 * MIB);
}

static void memory__is_the_parents(void **state)
{
	struct lab_slot *slot = alloc(*state);

	assert_int_equal(lab_slots_add_memory(*state, slot, 4 * GIB, 2 * MIB), -EFAULT);
	assert_int_equal(lab_slots_add_memory(*state, slot, 4 * GIB - 2 * MIB, 4 * MIB), -EFAULT);
	assert_int_equal(lab_slots_add_memory(*state, slot, -2 * MIB, 2 * MIB), -EFAULT);
	assert_int_equal(lab_slots_add_memory(*state, slot, 4 * GIB - 2 * MIB, 2 * MIB), 0);
}

static void memory__belongs_to_one_slot(void **state)
{
	struct lab_slot *slot = alloc(*state);
	struct lab_slot *other = alloc(*state);

	assert_int_equal(lab_slots_add_memory(*state, slot, 8 * MIB, 8 * MIB), 0);
	for (int i = 0; i < 2; i++) {
		struct lab_slot *who = i ? other : slot;

		assert_int_equal(lab_slots_add_memory(*state, who, 8 * MIB, 8 * MIB), -EEXIST);
		assert_int_equal(lab_slots_add_memory(*state, who, 14 * MIB, 4 * MIB), -EEXIST);
		assert_int_equal(lab_slots_add_memory(*state, who, 6 * MIB, 4 * MIB), -EEXIST);
		assert_int_equal(lab_slots_add_memory(*state, who, 2 * MIB, 64 * MIB), -EEXIST);
		assert_int_equal(lab_slots_add_memory(*state, who, 10 * MIB, 2 * MIB), -EEXIST);
	}
	assert_int_equal(lab_slots_add_memory(*state, other, 16 * MIB, 2 * MIB), 0);
	assert_int_equal(lab_slots_add_memory(*state, other, 6 * MIB, 2 * MIB), 0);
	lab_slots_free(*state, slot);
	assert_int_equal(lab_slots_add_memory(*state, other, 8 * MIB, 8 * MIB), 0);
}

static void memory__has_as_many_regions_as_the_device_says(void **state)
{
	struct lab_slot *slot = alloc(*state);

	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(lab_slots_add_memory(*state, slot, i * 4 * MIB, 2 * MIB), 0);
	assert_int_equal(lab_slots_add_memory(*state, slot, 64 * MIB, 2 * MIB), -E2BIG);
	lab_slots_undo_memory(slot);
	assert_int_equal(slot->memory_bytes, 6 * MIB);
	assert_int_equal(lab_slots_add_memory(*state, slot, 12 * MIB, 2 * MIB), 0);
}

static void vcpus__are_there_and_not_of_core_0_and_in_one_slot(void **state)
{
	struct lab_slot *slot = alloc(*state);
	struct lab_slot *other = alloc(*state);

	assert_int_equal(lab_slots_add_vcpu(*state, slot, 8), -ERANGE);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, UINT32_MAX), -ERANGE);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, 0), -EPERM);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, 1), -EPERM);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, 2), 0);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, 2), -EBUSY);
	assert_int_equal(lab_slots_add_vcpu(*state, other, 2), -EBUSY);
	assert_int_equal(lab_slots_count_vcpus(*state, slot->uid), 1);
	lab_slots_free(*state, slot);
	assert_int_equal(lab_slots_add_vcpu(*state, other, 2), 0);
}

static void vcpus__come_in_bulk_from_the_last_free_cores(void **state)
{
	struct lab_slots *slots = *state;
	struct lab_slot *slot = alloc(slots);
	struct lab_slot *other = alloc(slots);

	assert_int_equal(lab_slots_add_vcpu(slots, other, 4), 0); /* half of a core */
	assert_int_equal(lab_slots_add_vcpus(slots, slot, 0), -EDOM);
	assert_int_equal(lab_slots_add_vcpus(slots, slot, 3), -EDOM);
	assert_int_equal(lab_slots_add_vcpus(slots, slot, 6), -ENXIO);
	assert_int_equal(lab_slots_add_vcpus(slots, slot, UINT64_MAX - 1), -ENXIO);
	assert_int_equal(lab_slots_count_vcpus(slots, slot->uid), 0);
	assert_int_equal(lab_slots_add_vcpus(slots, slot, 4), 0);
	assert_int_equal(slots->vcpu_owner[2], slot->uid);
	assert_int_equal(slots->vcpu_owner[7], slot->uid);
	assert_int_equal(slots->vcpu_owner[5], 0);
	assert_int_equal(lab_slots_add_vcpus(slots, slot, 2), -ENXIO);
}

static void start__needs_memory_and_whole_cores(void **state)
{
	struct lab_slot *slot = alloc(*state);

	assert_int_equal(lab_slots_add_memory(*state, slot, 0, 62 * MIB), 0);
	assert_int_equal(lab_slots_start(*state, slot, 0, 0), -ENOMEM);
	assert_int_equal(lab_slots_add_memory(*state, slot, 62 * MIB, 2 * MIB), 0);
	assert_int_equal(lab_slots_start(*state, slot, 0, 0), -ENODATA);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, 5), 0);
	assert_int_equal(lab_slots_start(*state, slot, 0, 0), -EDOM);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, 4), 0);
	assert_int_equal(slot->state, LAB_INIT);
	assert_int_equal(slot->cid, 0);
	assert_int_equal(lab_slots_start(*state, slot, 0, 0), 0);
	assert_int_equal(slot->state, LAB_RUNNING);
}

static void start__knows_one_flag(void **state)
{
	struct lab_slot *slot = ready(*state, 1);

	assert_int_equal(lab_slots_start(*state, slot, 0, 2), -EOPNOTSUPP);
	assert_int_equal(lab_slots_start(*state, slot, 0, LAB_FLAG_DEBUG), 0);
	assert_int_equal(slot->flags, LAB_FLAG_DEBUG);
}

static void cids__are_legal_and_unique(void **state)
{
	static const uint64_t illegal[] = { 1, 2, 3, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX };
	struct lab_slot *slot = ready(*state, 1);
	struct lab_slot *other = ready(*state, 2);

	for (size_t i = 0; i < sizeof(illegal) / sizeof(illegal[0]); i++)
		assert_int_equal(lab_slots_start(*state, slot, illegal[i], 0), -EADDRNOTAVAIL);
	assert_int_equal(lab_slots_start(*state, slot, 4, 0), 0);
	assert_int_equal(slot->cid, 4);
	assert_int_equal(lab_slots_start(*state, other, 4, 0), -EADDRINUSE);
	assert_int_equal(lab_slots_start(*state, other, UINT32_MAX - 1, 0), 0);
	assert_ptr_equal(lab_slots_find_cid(*state, 4), slot);
	assert_null(lab_slots_find_cid(*state, 0));
	lab_slots_free(*state, slot);
	assert_null(lab_slots_find_cid(*state, 4));
}

static void cids__are_chosen_from_16_up_past_those_in_use(void **state)
{
	struct lab_slots *slots = *state;
	struct lab_slot *a = ready(slots, 1);
	struct lab_slot *b = ready(slots, 2);
	struct lab_slot *c = ready(slots, 3);

	assert_int_equal(lab_slots_start(slots, a, 17, 0), 0);
	assert_int_equal(lab_slots_start(slots, b, 0, 0), 0);
	assert_int_equal(b->cid, 16);
	slots->next_cid = UINT32_MAX - 1;
	lab_slots_free(slots, b);
	assert_int_equal(lab_slots_start(slots, c, 0, 0), 0);
	assert_int_equal(c->cid, UINT32_MAX - 1);
	assert_int_equal(slots->next_cid, 16);
}

static void states__only_go_forward(void **state)
{
	struct lab_slot *slot = ready(*state, 1);

	assert_int_equal(lab_slots_stop(*state, slot), -EALREADY);
	assert_int_equal(lab_slots_start(*state, slot, 0, 0), 0);
	assert_int_equal(lab_slots_start(*state, slot, 0, 0), -EALREADY);
	assert_int_equal(lab_slots_add_memory(*state, slot, GIB, 2 * MIB), -EALREADY);
	assert_int_equal(lab_slots_add_vcpu(*state, slot, 6), -EALREADY);
	assert_int_equal(lab_slots_add_vcpus(*state, slot, 2), -EALREADY);
	assert_int_equal(lab_slots_stop(*state, slot), 0);
	assert_int_equal(slot->state, LAB_STOPPED);
	/* It had ended by itself when the parent asked. */
	assert_int_equal(lab_slots_stop(*state, slot), 0);
	assert_int_equal(lab_slots_start(*state, slot, 0, 0), -EALREADY);
}

static void start__can_be_taken_back(void **state)
{
	struct lab_slot *slot = ready(*state, 1);

	assert_int_equal(lab_slots_start(*state, slot, 20, LAB_FLAG_DEBUG), 0);
	lab_slots_undo_start(slot);
	assert_int_equal(slot->state, LAB_INIT);
	assert_null(lab_slots_find_cid(*state, 20));
	assert_int_equal(lab_slots_start(*state, slot, 20, 0), 0);
}

/* Everything that a slot goes through; the first refusal ends it. */
static int live(struct lab_slots *slots)
{
	struct lab_slot *slot = NULL;
	int r = lab_slots_alloc(slots, &slot);

	if (r < 0)
		return r;
	r = lab_slots_look_up(slots, slot->uid, &slot);
	if (r == 0)
		r = lab_slots_add_memory(slots, slot, 0, 64 * MIB);
	if (r == 0)
		r = lab_slots_add_vcpu(slots, slot, 2);
	if (r == 0)
		r = lab_slots_add_vcpu(slots, slot, 3);
	if (r == 0)
		r = lab_slots_add_vcpus(slots, slot, 2);
	if (r == 0)
		r = lab_slots_start(slots, slot, 30, 0);
	lab_slots_free(slots, slot);
	return r;
}

static void rules__are_each_refused_on_demand(void **state)
{
	struct lab_slots *slots = *state;

	for (size_t rule = 0; rule < LAB_RULES; rule++) {
		slots->refuse[rule] = 2;
		assert_int_equal(live(slots), -lab_rule_errno(rule));
		assert_int_equal(live(slots), -lab_rule_errno(rule));
		assert_int_equal(slots->refuse[rule], 0);
		assert_int_equal(live(slots), 0);
		slots->refuse[rule] = UINT32_MAX; /* until it is cleared */
		for (int i = 0; i < 3; i++)
			assert_int_equal(live(slots), -lab_rule_errno(rule));
		slots->refuse[rule] = 0;
		assert_int_equal(live(slots), 0);
	}
	assert_int_equal(lab_slots_count(slots), 0);
}

static void rules__have_a_name_and_an_errno_of_their_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < LAB_RULES; i++) {
		assert_non_null(lab_rule_name(i));
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(lab_rule_name(i), lab_rule_name(j));
			assert_int_not_equal(lab_rule_errno(i), lab_rule_errno(j));
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(uids__are_never_zero_and_never_come_again),
		TEST(slots__are_limited),
		TEST(slots__are_found_and_walked_in_order),
		TEST(memory__is_whole_pieces_of_2_mib),
		TEST(memory__is_the_parents),
		TEST(memory__belongs_to_one_slot),
		TEST(memory__has_as_many_regions_as_the_device_says),
		TEST(vcpus__are_there_and_not_of_core_0_and_in_one_slot),
		TEST(vcpus__come_in_bulk_from_the_last_free_cores),
		TEST(start__needs_memory_and_whole_cores),
		TEST(start__knows_one_flag),
		TEST(cids__are_legal_and_unique),
		TEST(cids__are_chosen_from_16_up_past_those_in_use),
		TEST(states__only_go_forward),
		TEST(start__can_be_taken_back),
		TEST(rules__are_each_refused_on_demand),
		cmocka_unit_test(rules__have_a_name_and_an_errno_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
