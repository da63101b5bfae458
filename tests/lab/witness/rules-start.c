/* SPDX-License-Identifier: Apache-2.0 */
/* NE_START_ENCLAVE: what an enclave must have, in which order it is looked at, and what it is
 * after. */
#include <unistd.h>

#include "witness.h"

static void check_arguments(int fd, const char *when)
{
	static const uint64_t cids[] = { 1, 2, 3, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX };

	is(start(fd, 1, NE_ENCLAVE_START_MAX_FLAG_VAL), -NE_ERR_INVALID_FLAG_VALUE,
	   "%s: an unknown flag is 274, before the CID", when);
	for (size_t i = 0; i < sizeof(cids) / sizeof(cids[0]); i++)
		is(start(fd, cids[i], 0), -NE_ERR_INVALID_ENCLAVE_CID, "%s: CID 0x%llx is 275",
		   when, (unsigned long long)cids[i]);
}

static void check_needs(void)
{
	int fd = create();
	char *memory = map(MEMORY_64 / PAGE_2M);

	check_arguments(fd, "new");
	is(start(fd, 0, 0), -NE_ERR_NO_MEM_REGIONS_ADDED, "without memory it is 266");
	(void)add_memory(fd, memory, MEMORY_64 - PAGE_2M);
	is(start(fd, 0, 0), -NE_ERR_ENCLAVE_MEM_MIN_SIZE,
	   "with 62 MiB it is 268, before the vCPUs");
	(void)add_memory(fd, memory + MEMORY_64 - PAGE_2M, PAGE_2M);
	is(start(fd, 0, 0), -NE_ERR_NO_VCPUS_ADDED, "without a vCPU it is 267");
	(void)add_vcpu(fd, cpus.cores[0][0]);
	if (cpus.threads > 1)
		is(start(fd, 0, 0), -NE_ERR_FULL_CORES_NOT_USED, "with a part of a core it is 269");
	for (uint32_t i = 1; i < cpus.threads; i++)
		(void)add_vcpu(fd, cpus.cores[0][i]);
	ok(start(fd, 0, NE_ENCLAVE_DEBUG_MODE) > 3,
	   "with all of it it starts, and the CID comes back");
	unmap(memory, MEMORY_64 / PAGE_2M);
	(void)close(fd);
}

/* A core that is taken by a call that failed counts, too. */
static int64_t add_chosen(int fd)
{
	return add_vcpu(fd, 0);
}

static void check_lost_core(void)
{
	int fd;

	if (cpus.count < 2) {
		skip("needs two cores in the pool", "a core taken in vain must be filled, too");
		return;
	}
	fd = prepare();
	(void)in_child(add_chosen, fd);
	is(start(fd, 0, 0), -NE_ERR_FULL_CORES_NOT_USED,
	   "a core taken in vain must be filled: 269");
	for (uint32_t i = 0; i < cpus.threads; i++)
		(void)add_vcpu(fd, 0);
	ok(start(fd, 0, 0) > 3, "and when it is, the enclave starts");
	(void)close(fd);
}

static void check_started(void)
{
	int fd = prepare();
	char *memory = map(1);

	is(start(fd, 4711, 0), 4711, "the CID is the one that was asked for");
	check_arguments(fd, "started");
	is(start(fd, 0, 0), -NE_ERR_NOT_IN_INIT_STATE, "it cannot be started again: 270");
	is(add_vcpu(fd, 0), -NE_ERR_NOT_IN_INIT_STATE, "it gets no vCPU any more: 270");
	is(add_vcpu(fd, UINT32_MAX), -NE_ERR_NOT_IN_INIT_STATE, "whatever the number: 270");
	is(image_offset(fd, NE_EIF_IMAGE), -NE_ERR_NOT_IN_INIT_STATE, "nor an image: 270");
	is(image_offset(fd, 0), -NE_ERR_NOT_IN_INIT_STATE, "of whatever kind: 270");
	is(add_memory(fd, memory, PAGE_2M), -NE_ERR_NOT_IN_INIT_STATE, "nor memory: 270");
	is(add_region(fd, 0, 4096, 1), -NE_ERR_NOT_IN_INIT_STATE, "however odd: 270");
	is(add_region(fd, NE_MEMORY_REGION_MAX_FLAG_VAL, 4096, 1), -NE_ERR_INVALID_FLAG_VALUE,
	   "but its flags come first: 274");
	unmap(memory, 1);
	(void)close(fd);
}

static int64_t start_in_child(int fd)
{
	return start(fd, 0, 0);
}

void check_start(void)
{
	int fd;

	set_pool(cpus.pool);
	check_needs();
	check_lost_core();
	check_started();
	fd = prepare();
	ok(in_child(start_in_child, fd) > 3, "a forked child can start it");
	is(start(fd, 0, 0), -NE_ERR_NOT_IN_INIT_STATE, "and then it is started for all: 270");
	(void)close(fd);
}
