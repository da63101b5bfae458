/* SPDX-License-Identifier: Apache-2.0 */
/* NE_ADD_VCPU: which CPU an enclave gets, and what a call that fails costs. */
#include <errno.h>
#include <unistd.h>

#include "witness.h"

static uint32_t cpu_of(uint32_t core, uint32_t thread)
{
	return cpus.cores[core][thread];
}

static void check_numbers_of_cpus(void)
{
	int fd = create();

	is(add_vcpu(fd, cpus.limit), -NE_ERR_INVALID_VCPU, "a CPU beyond the last is 271");
	is(add_vcpu(fd, UINT32_MAX), -NE_ERR_INVALID_VCPU, "and so is any number above");
	if (cpu_of(0, 0) > 1)
		is(add_vcpu(fd, 1), -NE_ERR_VCPU_NOT_IN_CPU_POOL,
		   "a CPU that is not in the pool is 257");
	is(add_vcpu(fd, cpu_of(0, 0)), cpu_of(0, 0), "a CPU of the pool can be added");
	is(add_vcpu(fd, cpu_of(0, 0)), -NE_ERR_VCPU_ALREADY_USED, "once: 256");
	(void)close(fd);
}

static void check_choice(void)
{
	int fd = create();

	for (uint32_t core = 0; core < cpus.count; core++)
		for (uint32_t thread = 0; thread < cpus.threads; thread++)
			is(add_vcpu(fd, 0), cpu_of(core, thread),
			   "0 chooses thread %u of the pool's core %u", thread, core);
	is(add_vcpu(fd, 0), -NE_ERR_NO_CPUS_AVAIL_IN_POOL, "0 is 272 when there is none left");
	is(try_create(), -NE_ERR_NO_CPUS_AVAIL_IN_POOL, "and so is another slot");
	(void)close(fd);
	fd = create();
	ok(fd >= 0, "the cores come back with the end of the descriptor");
	(void)close(fd);
}

/* The cores that an enclave has begun go first. */
static void check_choice_of_siblings(void)
{
	uint32_t last = cpus.count - 1;
	uint32_t thread = cpus.threads - 1;
	int fd;

	if (cpus.threads < 2 || cpus.count < 2) {
		skip("needs two cores of two threads in the pool", "0 chooses siblings first");
		return;
	}
	fd = create();
	is(add_vcpu(fd, cpu_of(last, thread)), cpu_of(last, thread),
	   "the last thread of the last core can be added");
	is(add_vcpu(fd, 0), cpu_of(last, 0), "0 chooses its sibling");
	for (uint32_t i = 1; i < thread; i++)
		(void)add_vcpu(fd, 0);
	is(add_vcpu(fd, 0), cpu_of(0, 0), "and then a thread of the lowest core");
	(void)close(fd);
}

static void check_two_enclaves(void)
{
	int one = create();
	int other = create();

	is(add_vcpu(one, cpu_of(0, 0)), cpu_of(0, 0), "an enclave takes a thread");
	is(add_vcpu(other, cpu_of(0, cpus.threads - 1)), -NE_ERR_VCPU_NOT_IN_CPU_POOL,
	   "another one cannot have any of that core: 257");
	if (cpus.count > 1)
		is(add_vcpu(other, 0), cpu_of(1, 0), "and 0 chooses another core for it");
	(void)close(one);
	is(add_vcpu(other, cpu_of(0, 0)), cpu_of(0, 0), "until the first is gone");
	(void)close(other);
}

static int64_t add_chosen(int fd)
{
	return add_vcpu(fd, 0);
}

static int64_t add_none(int fd)
{
	return add_vcpu(fd, cpus.limit);
}

/* The driver takes the core first and looks at the process then. */
static void check_other_process(void)
{
	int fd = create();
	int other = create();

	is(in_child(add_none, fd), -NE_ERR_INVALID_VCPU,
	   "in a forked child a bad number is a bad number");
	is(in_child(add_chosen, fd), -EIO, "a forked child cannot add a vCPU: EIO");
	is(add_vcpu(other, cpu_of(0, 0)), -NE_ERR_VCPU_NOT_IN_CPU_POOL,
	   "but the core is taken from the pool");
	is(add_vcpu(fd, 0), cpu_of(0, 0), "and is the enclave's");
	(void)close(fd);
	is(add_vcpu(other, cpu_of(0, 0)), cpu_of(0, 0), "until that is gone");
	(void)close(other);
}

void check_vcpus(void)
{
	set_pool(cpus.pool);
	check_numbers_of_cpus();
	check_choice();
	check_choice_of_siblings();
	check_two_enclaves();
	check_other_process();
}
