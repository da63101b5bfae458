/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisor behind the device: its commands, done by the rules (slots.h), with the donated
 * memory (donated.h), the machines of enclaves (runner.h) and faults on demand (faults.h).
 */
#ifndef LAB_HYPERVISOR_H
#define LAB_HYPERVISOR_H

#include "donated.h"
#include "faults.h"
#include "ne-device.h"
#include "runner.h"
#include "slots.h"

/* Commands of the device, by their numbers. */
enum {
	LAB_ENCLAVE_START = 1,
	LAB_ENCLAVE_GET_SLOT = 2,
	LAB_ENCLAVE_STOP = 3,
	LAB_SLOT_ALLOC = 4,
	LAB_SLOT_FREE = 5,
	LAB_SLOT_ADD_MEM = 6,
	LAB_SLOT_ADD_VCPU = 7,
	LAB_SLOT_COUNT = 8,
	LAB_NEXT_SLOT = 9,
	LAB_SLOT_INFO = 10,
	LAB_SLOT_ADD_BULK_VCPUS = 11,
	LAB_COMMANDS = 12,
};

enum { LAB_LOG_ENTRIES = 4096 };

/* The parent instance. */
struct lab_config {
	uint32_t vcpu_count;
	uint32_t threads; /* of each core */
	uint32_t max_regions;
};

/* A command that was given. */
struct lab_log_entry {
	uint64_t number; /* from 1 */
	uint32_t command;
	uint64_t slot_uid;
	uint64_t arguments[2]; /* address and size, or whatever follows the slot */
	int32_t result;
	bool lost;
	uint64_t delay_msec;
};

struct lab_counts {
	uint64_t commands[LAB_COMMANDS]; /* 0: numbers that are none */
	uint64_t failed;
	uint64_t events;
	uint64_t ended;         /* enclaves that ended by themselves */
	uint64_t freed_running; /* slots that were freed and not stopped */
	uint64_t touched_pages; /* of donated memory, written by the parent; of slots that are gone
				 */
};

struct lab_hypervisor {
	struct lab_dma *dma;
	struct lab_runner *runner;    /* of lab_hypervisor_equip() */
	struct lab_ne_device *device; /* the same */
	struct lab_slots slots;
	struct lab_donated donated[LAB_MAX_SLOTS]; /* of the slots, place by place */
	struct lab_faults faults;
	struct lab_counts counts;
	uint64_t logged;
	struct lab_log_entry log[LAB_LOG_ENTRIES]; /* the newest of them, in a ring */
};

/* "SLOT_ADD_MEM"; NULL for a number that is no command. */
const char *lab_command_name(uint32_t command);

/* Returns 0, or -EINVAL for a machine that cannot be. @dma stays the caller's. */
int lab_hypervisor_new(struct lab_dma *dma, const struct lab_config *config,
		       struct lab_hypervisor **ret, nec_error *err);
/* All enclaves end. */
void lab_hypervisor_free(struct lab_hypervisor *hypervisor);

/* What it does for a device, for lab_ne_device_new(). */
struct lab_ne_commands lab_hypervisor_get_commands(struct lab_hypervisor *hypervisor);

/*
 * Makes what it works with: the runner, whose files are in @dir, and the device. They are the
 * caller's to free, also the one that there may be after a failure: the device before the
 * hypervisor, the runner after it.
 */
int lab_hypervisor_equip(struct lab_hypervisor *hypervisor, struct nec_loop *loop, const char *dir,
			 nec_error *err);

/* An enclave by its CID. */
struct lab_slot *lab_hypervisor_find(struct lab_hypervisor *hypervisor, uint64_t cid);

const struct lab_donated *lab_hypervisor_get_donated(const struct lab_hypervisor *hypervisor,
						     const struct lab_slot *slot);

#endif
