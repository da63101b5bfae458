/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would be set aside on a machine for an allocator.yaml, and what is in the way. Pure: a plan
 * is made from a configuration and a picture of the machine, and changes nothing.
 *
 * The driver's rules: one pool, of whole cores of one NUMA node, without CPU 0 and its siblings;
 * memory from the same node.
 */
#ifndef NEC_ALLOCATOR_PLAN_H
#define NEC_ALLOCATOR_PLAN_H

#include "allocator/config.h"
#include "allocator/ledger.h"
#include "allocator/node-memory.h"
#include "host/host.h"

enum {
	NEC_PLAN_NODES_MAX = 64,
	NEC_PLAN_PROBLEMS_MAX = 8,
	NEC_PLAN_SIZES_MAX = 32 /* powers of two from 2 MiB to 2^52, all that are ever read */
};

/**
 * struct nec_plan_node - what a NUMA node could give
 * @cpus:          CPUs of all its cores that a pool can have
 * @at_hand_bytes: huge pages that are there already for enclaves: see struct nec_plan_part
 * @memory:        beyond these
 */
struct nec_plan_node {
	int32_t node;
	struct nec_cpuset cpus;
	uint64_t at_hand_bytes;
	struct nec_node_memory memory;
};

/**
 * struct nec_plan_part - pages of one size for one entry
 * @at_hand: that are there already: those of our reservation, be they in an enclave or not, or
 *           those that nobody has, whichever are more
 * @to_make: that have to be made
 * @coarse:  of @at_hand: those that stand in for smaller ones, which could not be had once
 */
struct nec_plan_part {
	size_t entry;
	uint64_t page_bytes;
	uint64_t at_hand;
	uint64_t to_make;
	uint64_t coarse;
};

/* Why the plan does not fit, and the smallest change of the file with which it would. */
struct nec_plan_problem {
	enum nec_error_code code;
	char message[256];
	char change[256]; /* "" when no change of the file can help */
};

/**
 * struct nec_allocator_plan - what would be set aside
 * @node:       where; -1 when nothing on this machine will do
 * @cpus:       the pool
 * @make_bytes: memory that has to become huge pages
 */
struct nec_allocator_plan {
	int32_t node;
	struct nec_cpuset cpus;
	size_t part_count;
	struct nec_plan_part parts[NEC_ALLOCATOR_ENTRIES_MAX * NEC_PLAN_SIZES_MAX];
	uint64_t make_bytes;
	size_t node_count;
	struct nec_plan_node nodes[NEC_PLAN_NODES_MAX];
	size_t problem_count; /* 0: it fits */
	struct nec_plan_problem problems[NEC_PLAN_PROBLEMS_MAX];
};

/**
 * struct nec_plan_machine - the picture to plan from
 * @memory: of the nodes that are online, in ascending order
 * @ledger: what is ours; NULL for nothing
 * @avoid:  nodes that have turned out not to do; NULL for none. Not heard when the file names one
 */
struct nec_plan_machine {
	const struct nec_host *host;
	const struct nec_node_memory *memory;
	struct nec_ledger *ledger;
	const struct nec_cpuset *avoid;
};

/**
 * nec_allocator_plan_make() - plan
 * @ret: to be freed with free()
 *
 * A plan that does not fit is no failure: it says so. Returns 0, -ENOMEM, or -EFBIG
 * (NEC_E_TOO_LARGE: more than NEC_PLAN_NODES_MAX nodes).
 */
int nec_allocator_plan_make(const struct nec_allocator_config *config,
			    const struct nec_plan_machine *machine, struct nec_allocator_plan **ret,
			    nec_error *err);

/* Whether the file leaves no choice of the node. */
bool nec_allocator_plan_is_bound(const struct nec_allocator_config *config,
				 const struct nec_host *host);

/* The same from the machine as it is now; @ret_host: to be released with nec_host_free() */
int nec_allocator_plan_take(const struct nec_device *device,
			    const struct nec_allocator_config *config, struct nec_ledger *ledger,
			    const struct nec_cpuset *avoid, struct nec_host **ret_host,
			    struct nec_allocator_plan **ret, nec_error *err);

/* And from that of @context, with its ledger as far as it can be read. */
int nec_allocator_plan_read(nec_context *context, const struct nec_allocator_config *config,
			    struct nec_host **ret_host, struct nec_allocator_plan **ret,
			    nec_error *err);

#endif
