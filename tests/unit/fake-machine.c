/* SPDX-License-Identifier: Apache-2.0 */
/* The fake's sysfs tree and its CPU pool. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fake-state.h"

#define SYSFS_CPU  "/sys/devices/system/cpu"
#define SYSFS_NODE "/sys/devices/system/node"
#define PARAMETER  "/sys/module/nitro_enclaves/parameters/ne_cpus"

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			fake_die("cannot make %s", path);
		*slash = '/';
	}
}

static void full_path(const struct fake_state *state, const char *path, char *full, size_t size)
{
	if (snprintf(full, size, "%s%s", state->root, path) >= (int)size)
		fake_die("path too long: %s", path);
}

/* In place: replacing the file by another one makes ext4 wait for the disk. */
static void write_text(const struct fake_state *state, const char *path, const char *text)
{
	size_t size = strlen(text);
	char full[256];
	int fd;

	full_path(state, path, full, sizeof(full));
	fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 && errno == ENOENT) {
		make_parents(full);
		fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	}
	if (fd < 0 || pwrite(fd, text, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)size) < 0)
		fake_die("cannot write %s", full);
	(void)close(fd);
}

void fake_machine_write(const struct fake_state *state, const char *path, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_text(state, path, text);
}

void fake_machine_remove(const struct fake_state *state, const char *path)
{
	char full[256];

	full_path(state, path, full, sizeof(full));
	(void)remove(full);
}

void fake_device_write(struct fake_device *fake, const char *path, const char *text)
{
	if (text)
		write_text(fake->state, path, text);
	else
		fake_machine_remove(fake->state, path);
}

static void write_list(const struct fake_state *state, const char *path,
		       const struct nec_cpuset *set)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_cpulist_print(set, &text);
	nec_buffer_append_text(&text, "\n");
	write_text(state, path, nec_buffer_text(&text));
}

static struct nec_cpuset online_cpus(const struct fake_state *state)
{
	struct nec_cpuset set = { 0 };

	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++)
		if (state->cpus[cpu].online)
			nec_cpuset_add(&set, cpu);
	return set;
}

/* As the kernel: only CPUs that are online have a topology folder, and are listed in others'. */
static void write_topology(const struct fake_state *state, uint32_t id,
			   const struct nec_cpuset *online)
{
	static const char *const files[] = { "thread_siblings_list", "core_id",
					     "physical_package_id", "" };
	const struct fake_cpu *cpu = &state->cpus[id];
	struct nec_cpuset siblings = { 0 };
	char path[128];

	if (!cpu->online) {
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			(void)snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/topology/%s", id,
				       files[i]);
			fake_machine_remove(state, path);
		}
		return;
	}
	NEC_CPUSET_FOR_EACH (other, online)
		if (state->cpus[other].core == cpu->core)
			nec_cpuset_add(&siblings, other);
	(void)snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/topology/thread_siblings_list", id);
	write_list(state, path, &siblings);
	(void)snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/topology/core_id", id);
	fake_machine_write(state, path, "%u\n", cpu->core);
	(void)snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/topology/physical_package_id", id);
	fake_machine_write(state, path, "%u\n", cpu->node);
}

void fake_machine_update_cpus(const struct fake_state *state)
{
	struct nec_cpuset online = online_cpus(state);
	struct nec_cpuset offline = { 0 };

	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++) {
		if (!state->cpus[cpu].present)
			continue;
		if (!state->cpus[cpu].online)
			nec_cpuset_add(&offline, cpu);
		write_topology(state, cpu, &online);
	}
	write_list(state, SYSFS_CPU "/online", &online);
	write_list(state, SYSFS_CPU "/offline", &offline);
	if (!state->machine.no_driver)
		fake_machine_write(state, PARAMETER, "%s\n", state->pool_text);
}

/* The module counts open enclaves. */
void fake_machine_update_users(const struct fake_state *state)
{
	unsigned int users = 0;

	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		users += state->slots[i].used && !state->slots[i].info.leaked;
	if (!state->machine.no_driver)
		fake_machine_write(state, "/sys/module/nitro_enclaves/refcnt", "%u\n", users);
}

static uint32_t or_else(uint32_t value, uint32_t fallback)
{
	return value ? value : fallback;
}

static void make_cpus(struct fake_state *state)
{
	const struct fake_machine *machine = &state->machine;
	uint32_t nodes = or_else(machine->nodes, 1);
	uint32_t cores = or_else(machine->cores, 2);
	uint32_t step = or_else(machine->id_step, 1);

	state->threads = or_else(machine->threads, 1);
	state->core_count = nodes * cores;
	for (uint32_t core = 0; core < state->core_count; core++)
		for (uint32_t thread = 0; thread < state->threads; thread++) {
			uint32_t number = machine->threads_adjacent
						  ? core * state->threads + thread
						  : thread * state->core_count + core;
			uint32_t id = number * step;

			if (id >= FAKE_CPUS_MAX)
				fake_die("too many CPUs");
			state->cpus[id] = (struct fake_cpu){
				.present = true,
				.online = true,
				.node = core / cores,
				.core = core,
			};
			if (id >= state->cpu_limit)
				state->cpu_limit = id + 1;
		}
}

static void make_offline(struct fake_state *state)
{
	struct nec_cpuset offline;

	if (!state->machine.offline)
		return;
	if (nec_cpulist_parse(state->machine.offline, FAKE_CPUS_MAX - 1, &offline, NULL) < 0)
		fake_die("not a CPU list: %s", state->machine.offline);
	NEC_CPUSET_FOR_EACH (cpu, &offline)
		state->cpus[cpu].online = false;
}

void fake_machine_make_device(const struct fake_state *state)
{
	fake_machine_update_users(state);
	if (!state->machine.no_device && !state->late_device)
		fake_machine_write(state, "/dev/nitro_enclaves", "%s", "");
}

static void write_fixed_files(const struct fake_state *state)
{
	struct nec_cpuset present = { 0 };
	uint32_t nodes = or_else(state->machine.nodes, 1);
	char path[128];

	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++) {
		if (!state->cpus[cpu].present)
			continue;
		nec_cpuset_add(&present, cpu);
		(void)snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/node%u", cpu,
			       state->cpus[cpu].node);
		if (!state->machine.no_numa)
			fake_machine_write(state, path, "%s", "");
	}
	write_list(state, SYSFS_CPU "/present", &present);
	fake_machine_write(state, SYSFS_CPU "/possible", "0-%u\n", state->cpu_limit - 1);
	if (!state->machine.no_numa && nodes == 1)
		fake_machine_write(state, SYSFS_NODE "/online", "0\n");
	else if (!state->machine.no_numa)
		fake_machine_write(state, SYSFS_NODE "/online", "0-%u\n", nodes - 1);
	fake_machine_write(state, "/dev/null", "%s", "");
	fake_machine_write(state, "/proc/sys/kernel/random/boot_id",
			   "6f8d0c4e-1a7b-4a5c-9a3e-0123456789ab\n");
	if (!state->machine.no_driver)
		fake_machine_make_device(state);
	fake_machine_write(state, "/sys/devices/virtual/dmi/id/board_asset_tag", "%s\n",
			   "i-0123456789abcdef0");
}

static void make_dynamic_pool(struct fake_state *state)
{
	(void)snprintf(state->pool_text, sizeof(state->pool_text), "dynamic");
	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++) {
		if (!state->cpus[cpu].present || state->cpus[cpu].core == state->cpus[0].core)
			continue;
		state->cpus[cpu].in_pool = true;
		state->core_free[state->cpus[cpu].core] = true;
	}
}

static void make_pages(struct fake_state *state)
{
	for (uint32_t i = 0; i < FAKE_HUGEPAGE_ROWS_MAX && state->machine.huge[i].page_bytes; i++) {
		const struct fake_hugepages *huge = &state->machine.huge[i];

		if (huge->pages > FAKE_PAGES_MAX)
			fake_die("too many pages");
		state->rows[i].node = huge->node;
		state->rows[i].page_bytes = huge->page_bytes;
		state->rows[i].count = huge->pages;
		state->row_count++;
	}
}

void fake_machine_build(struct fake_device *fake)
{
	struct fake_state *state = fake->state;
	const char *pool = state->machine.pool;

	make_cpus(state);
	make_offline(state);
	make_pages(state);
	write_fixed_files(state);
	state->pool_node = -1;
	if (state->machine.dynamic_pool)
		make_dynamic_pool(state);
	fake_machine_update_cpus(state);
	fake_machine_update_pages(state);
	if (pool && fake_device_set_pool(fake, pool) < 0)
		fake_die("the driver refuses the pool %s", pool);
}

static void release_pool(struct fake_state *state)
{
	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++) {
		if (!state->cpus[cpu].in_pool)
			continue;
		state->cpus[cpu].in_pool = false;
		state->cpus[cpu].online = true;
		state->core_free[state->cpus[cpu].core] = false;
	}
	state->pool_node = -1;
	state->pool_text[0] = '\0';
}

static bool core_is_whole(const struct fake_state *state, uint32_t core,
			  const struct nec_cpuset *pool)
{
	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++)
		if (state->cpus[cpu].present && state->cpus[cpu].core == core &&
		    !nec_cpuset_has(pool, cpu))
			return false;
	return true;
}

/* In the driver's order; each test runs over all CPUs before the next one. */
static int check_pool(const struct fake_state *state, const struct nec_cpuset *pool)
{
	uint32_t first = nec_cpuset_next(pool, 0);

	if (first == NEC_CPUS_MAX)
		return -EINVAL;
	NEC_CPUSET_FOR_EACH (cpu, pool)
		if (!state->cpus[cpu].online)
			return -EINVAL;
	NEC_CPUSET_FOR_EACH (cpu, pool)
		if (state->cpus[cpu].node != state->cpus[first].node)
			return -EINVAL;
	NEC_CPUSET_FOR_EACH (cpu, pool)
		if (state->cpus[cpu].core == state->cpus[0].core)
			return -EINVAL;
	NEC_CPUSET_FOR_EACH (cpu, pool)
		if (!core_is_whole(state, state->cpus[cpu].core, pool))
			return -EINVAL;
	return 0;
}

int fake_machine_set_pool(struct fake_state *state, const char *text)
{
	struct nec_cpuset pool;
	int r;

	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		if (state->slots[i].used)
			return -EPERM;
	release_pool(state);
	r = nec_cpulist_parse(text, state->cpu_limit - 1, &pool, NULL);
	if (r >= 0)
		r = check_pool(state, &pool);
	if (r < 0)
		return r;
	if (strlen(text) >= 512)
		return -ENOSPC;
	NEC_CPUSET_FOR_EACH (cpu, &pool) {
		state->cpus[cpu].in_pool = true;
		state->cpus[cpu].online = false;
		state->core_free[state->cpus[cpu].core] = true;
	}
	state->pool_node = (int)state->cpus[nec_cpuset_next(&pool, 0)].node;
	(void)snprintf(state->pool_text, sizeof(state->pool_text), "%s", text);
	return 0;
}

int fake_device_set_pool(struct fake_device *fake, const char *text)
{
	struct fake_state *state = fake_enter(fake);
	int r = fake_machine_set_pool(state, text);

	if (r != -EPERM)
		fake_machine_update_cpus(state);
	fake_leave(state);
	return r;
}

unsigned int fake_device_free_cores(struct fake_device *fake)
{
	struct fake_state *state = fake_enter(fake);
	unsigned int count = 0;

	for (uint32_t core = 0; core < FAKE_CPUS_MAX; core++)
		count += state->core_free[core];
	fake_leave(state);
	return count;
}
