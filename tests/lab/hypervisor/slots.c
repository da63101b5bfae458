/* SPDX-License-Identifier: Apache-2.0 */
/* The hypervisor's rules. */
#include "slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Uids look like the hardware's: 16 digits in hexadecimal. */
static const uint64_t uid_base = UINT64_C(0x1ab0000000000000);

static const struct {
	const char *name;
	int error;
} rules[LAB_RULES] = {
	[LAB_RULE_SLOT_LIMIT] = { "slot-limit", ENOSPC },
	[LAB_RULE_SLOT] = { "slot", ENODEV },
	[LAB_RULE_STATE] = { "state", EALREADY },
	[LAB_RULE_RANGE_SIZE] = { "range-size", EINVAL },
	[LAB_RULE_RANGE_ALIGNMENT] = { "range-alignment", EILSEQ },
	[LAB_RULE_RANGE_MEMORY] = { "range-memory", EFAULT },
	[LAB_RULE_RANGE_OVERLAP] = { "range-overlap", EEXIST },
	[LAB_RULE_REGION_LIMIT] = { "region-limit", E2BIG },
	[LAB_RULE_VCPU_NUMBER] = { "vcpu-number", ERANGE },
	[LAB_RULE_VCPU_CORE_0] = { "vcpu-core-0", EPERM },
	[LAB_RULE_VCPU_TAKEN] = { "vcpu-taken", EBUSY },
	[LAB_RULE_VCPU_SHORTAGE] = { "vcpu-shortage", ENXIO },
	[LAB_RULE_MEMORY_MINIMUM] = { "memory-minimum", ENOMEM },
	[LAB_RULE_NO_VCPUS] = { "no-vcpus", ENODATA },
	[LAB_RULE_WHOLE_CORES] = { "whole-cores", EDOM },
	[LAB_RULE_FLAGS] = { "flags", EOPNOTSUPP },
	[LAB_RULE_CID_LEGAL] = { "cid-legal", EADDRNOTAVAIL },
	[LAB_RULE_CID_UNIQUE] = { "cid-unique", EADDRINUSE },
};

const char *lab_rule_name(enum lab_rule rule)
{
	return rules[rule].name;
}

int lab_rule_errno(enum lab_rule rule)
{
	return rules[rule].error;
}

/* Whether the rule is kept; one that is to be refused on demand is not, this time. */
static bool keeps(struct lab_slots *slots, enum lab_rule rule, bool condition)
{
	if (!condition || slots->refuse[rule] == 0)
		return condition;
	if (slots->refuse[rule] != UINT32_MAX)
		slots->refuse[rule]--;
	return false;
}

#define REQUIRE(slots, rule, condition)                   \
	do {                                              \
		if (!keeps((slots), (rule), (condition))) \
			return -lab_rule_errno(rule);     \
	} while (0)

void lab_slots_init(struct lab_slots *slots)
{
	slots->next_cid = LAB_FIRST_CID;
}

static void clear_slot(struct lab_slot *slot)
{
	free(slot->ranges);
	*slot = (struct lab_slot){ 0 };
}

void lab_slots_clear(struct lab_slots *slots)
{
	for (size_t i = 0; i < LAB_MAX_SLOTS; i++)
		clear_slot(&slots->slots[i]);
	memset(slots->vcpu_owner, 0, sizeof(slots->vcpu_owner));
}

/* ---- finding ---- */

struct lab_slot *lab_slots_find(struct lab_slots *slots, uint64_t uid)
{
	for (size_t i = 0; i < LAB_MAX_SLOTS && uid != 0; i++)
		if (slots->slots[i].uid == uid)
			return &slots->slots[i];
	return NULL;
}

struct lab_slot *lab_slots_find_cid(struct lab_slots *slots, uint64_t cid)
{
	for (size_t i = 0; i < LAB_MAX_SLOTS && cid != 0; i++)
		if (slots->slots[i].uid != 0 && slots->slots[i].cid == cid)
			return &slots->slots[i];
	return NULL;
}

struct lab_slot *lab_slots_next(struct lab_slots *slots, uint64_t uid)
{
	struct lab_slot *next = NULL;

	for (size_t i = 0; i < LAB_MAX_SLOTS; i++) {
		struct lab_slot *slot = &slots->slots[i];

		if (slot->uid > uid && (!next || slot->uid < next->uid))
			next = slot;
	}
	return next;
}

size_t lab_slots_count(const struct lab_slots *slots)
{
	size_t count = 0;

	for (size_t i = 0; i < LAB_MAX_SLOTS; i++)
		count += slots->slots[i].uid != 0;
	return count;
}

size_t lab_slots_count_vcpus(const struct lab_slots *slots, uint64_t uid)
{
	size_t count = 0;

	for (uint32_t i = 0; i < slots->vcpu_count; i++)
		count += slots->vcpu_owner[i] == uid;
	return count;
}

int lab_slots_look_up(struct lab_slots *slots, uint64_t uid, struct lab_slot **ret)
{
	struct lab_slot *slot = lab_slots_find(slots, uid);

	REQUIRE(slots, LAB_RULE_SLOT, slot != NULL);
	*ret = slot;
	return 0;
}

/* ---- life ---- */

int lab_slots_alloc(struct lab_slots *slots, struct lab_slot **ret)
{
	struct lab_slot *slot = slots->slots;

	while (slot < &slots->slots[LAB_MAX_SLOTS] && slot->uid != 0)
		slot++;
	REQUIRE(slots, LAB_RULE_SLOT_LIMIT, slot < &slots->slots[LAB_MAX_SLOTS]);
	*slot = (struct lab_slot){ .uid = uid_base + ++slots->allocated };
	*ret = slot;
	return 0;
}

static bool is_whole_cores(const struct lab_slots *slots, uint64_t uid)
{
	for (uint32_t i = 0; i < slots->vcpu_count; i++)
		if ((slots->vcpu_owner[i] == uid) !=
		    (slots->vcpu_owner[i - i % slots->threads] == uid))
			return false;
	return true;
}

/* 1 is the machine itself, 2 its host, 3 the parent; the highest one is nobody. */
static bool is_legal_cid(uint64_t cid)
{
	return cid > 3 && cid < UINT32_MAX;
}

/* The one after the last, as long as there is one; there are fewer slots than CIDs. */
static uint64_t choose_cid(struct lab_slots *slots)
{
	uint64_t cid;

	do {
		cid = slots->next_cid;
		slots->next_cid = cid + 1 < UINT32_MAX ? cid + 1 : LAB_FIRST_CID;
	} while (lab_slots_find_cid(slots, cid));
	return cid;
}

static int check_cid(struct lab_slots *slots, uint64_t cid)
{
	REQUIRE(slots, LAB_RULE_CID_LEGAL, cid == 0 || is_legal_cid(cid));
	REQUIRE(slots, LAB_RULE_CID_UNIQUE, !lab_slots_find_cid(slots, cid));
	return 0;
}

int lab_slots_start(struct lab_slots *slots, struct lab_slot *slot, uint64_t cid, uint64_t flags)
{
	int r;

	REQUIRE(slots, LAB_RULE_STATE, slot->state == LAB_INIT);
	REQUIRE(slots, LAB_RULE_FLAGS, (flags & ~LAB_FLAG_DEBUG) == 0);
	REQUIRE(slots, LAB_RULE_MEMORY_MINIMUM, slot->memory_bytes >= LAB_MEMORY_MIN);
	REQUIRE(slots, LAB_RULE_NO_VCPUS, lab_slots_count_vcpus(slots, slot->uid) > 0);
	REQUIRE(slots, LAB_RULE_WHOLE_CORES, is_whole_cores(slots, slot->uid));
	r = check_cid(slots, cid);
	if (r < 0)
		return r;
	slot->cid = cid ? cid : choose_cid(slots);
	slot->flags = flags;
	slot->state = LAB_RUNNING;
	return 0;
}

void lab_slots_undo_start(struct lab_slot *slot)
{
	slot->cid = 0;
	slot->flags = 0;
	slot->state = LAB_INIT;
}

/* One that has ended by itself may be stopped, too: the two cross on their way. */
int lab_slots_stop(struct lab_slots *slots, struct lab_slot *slot)
{
	REQUIRE(slots, LAB_RULE_STATE, slot->state != LAB_INIT);
	slot->state = LAB_STOPPED;
	return 0;
}

void lab_slots_free(struct lab_slots *slots, struct lab_slot *slot)
{
	for (uint32_t i = 0; i < LAB_MAX_VCPUS; i++)
		if (slots->vcpu_owner[i] == slot->uid)
			slots->vcpu_owner[i] = 0;
	clear_slot(slot);
}

/* ---- memory ---- */

static bool overlaps_slot(const struct lab_slot *slot, uint64_t address, uint64_t size)
{
	for (size_t i = 0; i < slot->range_count; i++) {
		const struct lab_range *range = &slot->ranges[i];

		if (address < range->address + range->size && range->address < address + size)
			return true;
	}
	return false;
}

static bool overlaps_any(const struct lab_slots *slots, uint64_t address, uint64_t size)
{
	for (size_t i = 0; i < LAB_MAX_SLOTS; i++)
		if (overlaps_slot(&slots->slots[i], address, size))
			return true;
	return false;
}

static int check_range(struct lab_slots *slots, uint64_t address, uint64_t size)
{
	uint64_t end;

	REQUIRE(slots, LAB_RULE_RANGE_SIZE, size > 0 && size % LAB_RANGE_UNIT == 0);
	REQUIRE(slots, LAB_RULE_RANGE_ALIGNMENT, address % LAB_RANGE_UNIT == 0);
	REQUIRE(slots, LAB_RULE_RANGE_MEMORY,
		!__builtin_add_overflow(address, size, &end) &&
			slots->is_memory(slots->userdata, address, size));
	REQUIRE(slots, LAB_RULE_RANGE_OVERLAP, !overlaps_any(slots, address, size));
	return 0;
}

int lab_slots_add_memory(struct lab_slots *slots, struct lab_slot *slot, uint64_t address,
			 uint64_t size)
{
	struct lab_range *ranges;
	int r;

	REQUIRE(slots, LAB_RULE_STATE, slot->state == LAB_INIT);
	r = check_range(slots, address, size);
	if (r < 0)
		return r;
	REQUIRE(slots, LAB_RULE_REGION_LIMIT, slot->range_count < slots->max_regions);
	ranges = reallocarray(slot->ranges, slot->range_count + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	slot->ranges = ranges;
	ranges[slot->range_count++] = (struct lab_range){ .address = address, .size = size };
	slot->memory_bytes += size;
	return 0;
}

void lab_slots_undo_memory(struct lab_slot *slot)
{
	slot->memory_bytes -= slot->ranges[--slot->range_count].size;
}

/* ---- vCPUs ---- */

int lab_slots_add_vcpu(struct lab_slots *slots, struct lab_slot *slot, uint64_t id)
{
	REQUIRE(slots, LAB_RULE_STATE, slot->state == LAB_INIT);
	REQUIRE(slots, LAB_RULE_VCPU_NUMBER, id < slots->vcpu_count);
	REQUIRE(slots, LAB_RULE_VCPU_CORE_0, id >= slots->threads);
	REQUIRE(slots, LAB_RULE_VCPU_TAKEN, slots->vcpu_owner[id] == 0);
	slots->vcpu_owner[id] = slot->uid;
	return 0;
}

static bool is_free_core(const struct lab_slots *slots, uint32_t first)
{
	for (uint32_t i = first; i < first + slots->threads; i++)
		if (i >= slots->vcpu_count || slots->vcpu_owner[i] != 0)
			return false;
	return true;
}

static uint32_t count_free(const struct lab_slots *slots)
{
	uint32_t count = 0;

	for (uint32_t i = slots->threads; i < slots->vcpu_count; i += slots->threads)
		if (is_free_core(slots, i))
			count += slots->threads;
	return count;
}

int lab_slots_add_vcpus(struct lab_slots *slots, struct lab_slot *slot, uint64_t count)
{
	REQUIRE(slots, LAB_RULE_STATE, slot->state == LAB_INIT);
	REQUIRE(slots, LAB_RULE_WHOLE_CORES, count > 0 && count % slots->threads == 0);
	REQUIRE(slots, LAB_RULE_VCPU_SHORTAGE, count <= count_free(slots));
	for (uint32_t core = slots->vcpu_count / slots->threads; count > 0;
	     count -= slots->threads) {
		do
			core--;
		while (!is_free_core(slots, core * slots->threads));
		for (uint32_t i = 0; i < slots->threads; i++)
			slots->vcpu_owner[core * slots->threads + i] = slot->uid;
	}
	return 0;
}
