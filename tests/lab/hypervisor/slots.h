/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisor's rules: slots, their memory, vCPUs, CIDs and states. No file, no process, no
 * clock: what is refused here depends on what was asked before, and on nothing else.
 *
 * What the hardware answers where the driver cannot tell is not known; docs/lab.md says what we
 * chose. Each rule has an errno of its own as far as there are enough, so that a test sees which.
 */
#ifndef LAB_SLOTS_H
#define LAB_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "nec.h"

enum {
	LAB_MAX_SLOTS = 64,
	LAB_MAX_VCPUS = 256,
	LAB_FIRST_CID = 16, /* of those that we choose, as seen in public logs */
};

#define LAB_RANGE_UNIT  (UINT64_C(2) << 20) /* donated memory comes in whole pieces of this */
#define LAB_MEMORY_MIN  (UINT64_C(64) << 20)
#define LAB_MAX_REGIONS 65536
#define LAB_FLAG_DEBUG  UINT64_C(1)

/* The numbers that SLOT_INFO tells. */
enum lab_state { LAB_INIT = 0, LAB_RUNNING = 2, LAB_STOPPED = 0xffff };

enum lab_rule {
	LAB_RULE_SLOT_LIMIT,
	LAB_RULE_SLOT,
	LAB_RULE_STATE,
	LAB_RULE_RANGE_SIZE,
	LAB_RULE_RANGE_ALIGNMENT,
	LAB_RULE_RANGE_MEMORY,
	LAB_RULE_RANGE_OVERLAP,
	LAB_RULE_REGION_LIMIT,
	LAB_RULE_VCPU_NUMBER,
	LAB_RULE_VCPU_CORE_0,
	LAB_RULE_VCPU_TAKEN,
	LAB_RULE_VCPU_SHORTAGE,
	LAB_RULE_MEMORY_MINIMUM,
	LAB_RULE_NO_VCPUS,
	LAB_RULE_WHOLE_CORES,
	LAB_RULE_FLAGS,
	LAB_RULE_CID_LEGAL,
	LAB_RULE_CID_UNIQUE,
	LAB_RULES,
};

struct lab_range {
	uint64_t address;
	uint64_t size;
};

struct lab_slot {
	uint64_t uid; /* 0: this place is free */
	enum lab_state state;
	uint64_t cid; /* 0 until it is started */
	uint64_t flags;
	struct lab_range *ranges;
	size_t range_count;
	uint64_t memory_bytes;
};

struct lab_slots {
	/* The parent instance; set by the caller. */
	uint32_t vcpu_count; /* at most LAB_MAX_VCPUS */
	uint32_t threads;    /* of each core; CPUs of a core have numbers in a row */
	size_t max_regions;  /* of a slot, at most LAB_MAX_REGIONS */
	bool (*is_memory)(void *userdata, uint64_t address, uint64_t size);
	void *userdata;

	struct lab_slot slots[LAB_MAX_SLOTS];
	uint64_t vcpu_owner[LAB_MAX_VCPUS]; /* the slot's uid */
	uint64_t allocated;                 /* slots, ever: uids never come again */
	uint64_t next_cid;
	uint32_t refuse[LAB_RULES]; /* how often each rule is to be taken as broken */
};

/* The name of a rule ("range-overlap") and its errno, positive. */
const char *lab_rule_name(enum lab_rule rule);
int lab_rule_errno(enum lab_rule rule);

void lab_slots_init(struct lab_slots *slots);
/* Forgets every slot; uids and CIDs still do not come again. */
void lab_slots_clear(struct lab_slots *slots);

/* NULL when there is none. */
struct lab_slot *lab_slots_find(struct lab_slots *slots, uint64_t uid);
struct lab_slot *lab_slots_find_cid(struct lab_slots *slots, uint64_t cid);
/* The slot with the lowest uid above @uid. */
struct lab_slot *lab_slots_next(struct lab_slots *slots, uint64_t uid);
size_t lab_slots_count(const struct lab_slots *slots);
size_t lab_slots_count_vcpus(const struct lab_slots *slots, uint64_t uid);

/* All return 0, or the negative errno of the rule that is broken; then nothing has changed. */
int lab_slots_alloc(struct lab_slots *slots, struct lab_slot **ret);
int lab_slots_look_up(struct lab_slots *slots, uint64_t uid, struct lab_slot **ret);
int lab_slots_add_memory(struct lab_slots *slots, struct lab_slot *slot, uint64_t address,
			 uint64_t size);
void lab_slots_undo_memory(struct lab_slot *slot);
int lab_slots_add_vcpu(struct lab_slots *slots, struct lab_slot *slot, uint64_t id);
/* Whole cores that nobody has, from the last one down. */
int lab_slots_add_vcpus(struct lab_slots *slots, struct lab_slot *slot, uint64_t count);
/* @cid: 0 to have one chosen; the slot has it on success. */
int lab_slots_start(struct lab_slots *slots, struct lab_slot *slot, uint64_t cid, uint64_t flags);
void lab_slots_undo_start(struct lab_slot *slot);
int lab_slots_stop(struct lab_slots *slots, struct lab_slot *slot);
/* Also of one that runs: the driver frees without stopping what it believes was never started. */
void lab_slots_free(struct lab_slots *slots, struct lab_slot *slot);

#endif
