/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of CPUs (and of NUMA nodes), and the kernel's way of writing them: "1-3,5". */
#ifndef NEC_HOST_CPULIST_H
#define NEC_HOST_CPULIST_H

#include "base/buffer.h"
#include "nec.h"

/* The most CPUs that a Linux kernel can be built for (NR_CPUS of x86's MAXSMP). */
enum { NEC_CPUS_MAX = 8192 };

struct nec_cpuset {
	uint64_t words[NEC_CPUS_MAX / 64];
};

static inline bool nec_cpuset_has(const struct nec_cpuset *set, uint32_t cpu)
{
	return cpu < NEC_CPUS_MAX && (set->words[cpu / 64] >> (cpu % 64) & 1) != 0;
}

/* @cpu must be below NEC_CPUS_MAX. */
static inline void nec_cpuset_add(struct nec_cpuset *set, uint32_t cpu)
{
	set->words[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

static inline void nec_cpuset_remove(struct nec_cpuset *set, uint32_t cpu)
{
	set->words[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
}

uint32_t nec_cpuset_count(const struct nec_cpuset *set);

/* The lowest member that is @from or above; NEC_CPUS_MAX when there is none. */
uint32_t nec_cpuset_next(const struct nec_cpuset *set, uint32_t from);

#define NEC_CPUSET_FOR_EACH(cpu, set)                                        \
	for (uint32_t cpu = nec_cpuset_next((set), 0); (cpu) < NEC_CPUS_MAX; \
	     (cpu) = nec_cpuset_next((set), (cpu) + 1))

/**
 * nec_cpulist_parse() - read a list of CPUs as the kernel and nitro-cli write them
 * @text: "1,3-5", with blanks and empty items anywhere; groups ("0-15:1/2": of every two the
 * first), "all" and "N" (the last CPU) as in Documentation/admin-guide/kernel-parameters.rst
 * @last: the highest CPU that exists; any number above it is refused. Below NEC_CPUS_MAX.
 *
 * Returns 0 (the set may be empty); -EINVAL (NEC_E_CPU_LIST_NUMBER: not a CPU number;
 * NEC_E_CPU_LIST_RANGE: not an interval or group); -ERANGE (NEC_E_CPU_LIST_NUMBER: above @last).
 */
int nec_cpulist_parse(const char *text, uint32_t last, struct nec_cpuset *ret, nec_error *err);

/* Appends "1-3,5"; nothing for the empty set. */
void nec_cpulist_print(const struct nec_cpuset *set, struct nec_buffer *to);

#endif
