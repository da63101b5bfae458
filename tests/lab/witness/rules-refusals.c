/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver makes of a refusal by the device: its number, and what is left. */
#include <unistd.h>

#include "witness.h"

/* No number of the driver's, nor of the kernel's: what comes through is the device's. */
enum { NUMBER = 300 };

static bool refuse(const char *command)
{
	if (machine.refuse(command, NUMBER))
		return true;
	skip("the device cannot be told to", "%s that the device refuses", command);
	return false;
}

static void check_alloc(void)
{
	if (!refuse("SLOT_ALLOC"))
		return;
	is(try_create(), -NUMBER, "a slot that the device refuses is the device's number");
	ok(!slot_exists(), "and there is no slot");
}

static void check_vcpu(void)
{
	int fd = create();
	int other = create();
	uint32_t cpu = cpus.cores[0][0];

	if (refuse("SLOT_ADD_VCPU")) {
		is(add_vcpu(fd, cpu), -NUMBER, "a vCPU that the device refuses");
		is(add_vcpu(other, cpu), -NE_ERR_VCPU_NOT_IN_CPU_POOL,
		   "costs its core all the same: 257 for others");
		is(add_vcpu(fd, cpu), (int64_t)cpu, "but it can be added again");
	}
	(void)close(fd);
	(void)close(other);
}

static void check_memory_of_device(void)
{
	int fd = create();
	char *memory = map(1);

	if (refuse("SLOT_ADD_MEM")) {
		is(add_memory(fd, memory, PAGE_2M), -NUMBER, "memory that the device refuses");
		is(add_memory(fd, memory, PAGE_2M), -NE_ERR_MEM_REGION_ALREADY_USED,
		   "counts as the enclave's all the same: 262");
		is(start(fd, 0, 0), -NE_ERR_NO_MEM_REGIONS_ADDED, "which it is not: 266");
	}
	(void)close(fd);
	fd = create();
	is(add_memory(fd, memory, PAGE_2M), 0, "another slot can have it");
	(void)close(fd);
	unmap(memory, 1);
}

static void check_start_of_device(void)
{
	int fd = prepare();

	if (refuse("ENCLAVE_START")) {
		is(start(fd, 0, 0), -NUMBER, "a start that the device refuses");
		is(image_offset(fd, NE_EIF_IMAGE), 8 * (int64_t)MIB,
		   "leaves the enclave as it was");
		ok(start(fd, 0, 0) > 3, "and it can be started again");
	}
	(void)close(fd);
}

void check_refusals(void)
{
	set_pool(cpus.pool);
	check_alloc();
	check_vcpu();
	check_memory_of_device();
	check_start_of_device();
}
