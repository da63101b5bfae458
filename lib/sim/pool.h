/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulation has to give: a pool of CPUs and memory, and CIDs, shared by all simulated
 * enclaves of one sockets directory. Each holder keeps a claim: a locked file that the next launch
 * counts, and that counts no more once its process is gone, however it went.
 *
 * $NEC_SIM_CPUS (8) and $NEC_SIM_MEMORY_MIB (half of what the machine has) are the pool's limits.
 * Its CPUs are called 2, 3, ... and two of them are one core, as on most instances:
 * $NEC_SIM_THREADS (2).
 */
#ifndef NEC_SIM_POOL_H
#define NEC_SIM_POOL_H

#include "base/cleanup.h"
#include "base/unix-socket.h"
#include "nec.h"

#define NEC_SIM_MAX_CPUS 256

struct nec_sim_claim {
	int fd; /* locked as long as the claim stands */
	struct nec_path path;
	uint64_t slot_uid;
	uint64_t cid;
	uint64_t memory_mib;
	uint32_t cpu_count;
	uint32_t cpus[NEC_SIM_MAX_CPUS];
};
#define NEC_SIM_CLAIM_INIT \
	{                  \
		.fd = -1   \
	}

/* What is asked for. */
struct nec_sim_wish {
	uint64_t cid; /* 0: the first free one from 16 up, as the hypervisor does */
	uint64_t memory_mib;
	uint32_t cpu_count; /* 0 when cpus says which */
	const uint32_t *cpus;
	uint32_t cpus_size;
};

/**
 * nec_sim_claim_take() - take CPUs, memory and a CID from the simulated pool
 * @dir: the folder of the simulation's files
 *
 * The rules and the errors are the driver's: whole cores (NEC_E_CORES_INCOMPLETE), CPUs of the pool
 * that are free (NEC_E_VCPU_NOT_IN_POOL, NEC_E_POOL_EXHAUSTED), at least
 * 64 MiB (NEC_E_MEMORY_MINIMUM), no more than there is (NEC_E_HUGEPAGES_EXHAUSTED), a CID that is
 * allowed and free (NEC_E_CID). Returns 0 or a negative errno.
 */
int nec_sim_claim_take(const char *dir, const struct nec_sim_wish *wish, struct nec_sim_claim *ret,
		       nec_error *err);
void nec_sim_claim_release(struct nec_sim_claim *claim);

#endif
