/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fault, and a SIGKILL, at every step of apply, release and recovery, on machines of many shapes:
 * afterwards the machine is as it was before, or as it was to be, and what is ours can be given
 * back to the last page.
 *
 * A step is a file of the kernel that is written, or the allocator's own file replaced; a process
 * can be killed before it and after it. $NEC_SEEDS machines are made, a few without it.
 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "allocator/apply.h"
#include "allocator/ledger.h"
#include "allocator/status.h"
#include "base/context.h"
#include "fake-device.h"
#include "faults.h"

enum { SEEDS = 5, SNAPSHOT_SIZE = 2048, YAML_SIZE = 256 };

/* ---- steps ---- */

enum deed { COUNT, KILL, FAIL, LOSE_POOL };

/* Points of this process so far, and what happens at one of them. */
static int points;
static int chosen_point;
static enum deed chosen_deed;

static void plan_deed(enum deed deed, int point)
{
	points = 0;
	chosen_point = point;
	chosen_deed = deed;
}

/* True when the step is to fail. */
static bool pass_point(bool before)
{
	if (++points != chosen_point)
		return false;
	if (chosen_deed == KILL)
		(void)raise(SIGKILL);
	return before && (chosen_deed == FAIL || chosen_deed == LOSE_POOL);
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
int __real_nec_ledger_save(const struct nec_device *device, const struct nec_ledger *ledger,
			   nec_error *err);
int __wrap_nec_ledger_save(const struct nec_device *device, const struct nec_ledger *ledger,
			   nec_error *err);

int __wrap_nec_ledger_save(const struct nec_device *device, const struct nec_ledger *ledger,
			   nec_error *err)
{
	int r;

	if (pass_point(true))
		return -ENOSPC;
	r = __real_nec_ledger_save(device, ledger, err);
	(void)pass_point(false);
	return r;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static struct fake_device *fake;

static int write_text(const struct nec_device *device, const char *path, const char *text)
{
	int suspended;
	int r;

	if (pass_point(true)) {
		/* The driver drops the old pool before it refuses the new one. */
		if (chosen_deed == LOSE_POOL && strstr(path, "ne_cpus"))
			(void)fake_device_set_pool(fake, "\n");
		return -EIO;
	}
	suspended = fault_suspend();
	r = fake_device_get(fake)->ops->write_text(device, path, text);
	fault_resume(suspended);
	(void)pass_point(false);
	return r;
}

/* ---- machines ---- */

static struct nec_device_ops ops;
static struct nec_device device;
static nec_context context;
static uint32_t random_state;

static uint32_t choose(uint32_t count)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 16) % count;
}

struct scene {
	struct fake_machine machine;
	char offline[16];
	char pool[64];
	char before[YAML_SIZE]; /* "" for nothing */
	char after[YAML_SIZE];  /* "" for a release */
};

static uint32_t cpu_number(const struct fake_machine *machine, uint32_t core, uint32_t thread)
{
	uint32_t number = machine->threads_adjacent
				  ? core * machine->threads + thread
				  : thread * machine->nodes * machine->cores + core;

	return number * machine->id_step;
}

/* The last core of a node: never CPU 0's, as there are three at least. */
static void name_core(const struct scene *scene, uint32_t node, char *to, size_t size)
{
	const struct fake_machine *machine = &scene->machine;
	uint32_t core = node * machine->cores + machine->cores - 1;
	size_t used = 0;

	for (uint32_t thread = 0; thread < machine->threads; thread++)
		used += (size_t)snprintf(to + used, size - used, "%s%u", thread ? "," : "",
					 cpu_number(machine, core, thread));
}

static void write_file(const struct scene *scene, char to[YAML_SIZE])
{
	const struct fake_machine *machine = &scene->machine;
	uint32_t node = choose(machine->nodes);
	char pool[64];
	char cpus[96];

	name_core(scene, node, pool, sizeof(pool));
	(void)snprintf(cpus, sizeof(cpus), choose(2) ? "cpu_pool: %s" : "cpu_count: %s", pool);
	if (cpus[4] == 'c')
		(void)snprintf(cpus, sizeof(cpus), "cpu_count: %u\nnuma_node: %u", machine->threads,
			       node);
	(void)snprintf(to, YAML_SIZE, "memory_mib: %u\n%s\n%s", 2 + choose(400), cpus,
		       choose(4) == 0 ? "page_size: 32M\n" : "");
}

static void make_scene(uint32_t seed, struct scene *scene)
{
	struct fake_machine *machine = &scene->machine;

	random_state = seed * 7919 + 17;
	*scene = (struct scene){ 0 };
	machine->nodes = 1 + choose(4);
	machine->cores = 3 + choose(2);
	machine->threads = 1 + choose(2);
	machine->threads_adjacent = choose(2);
	machine->id_step = 1 + choose(2);
	for (uint32_t node = 0; node < machine->nodes; node++) {
		struct fake_hugepages *huge = &machine->huge[(size_t)2 * node];

		huge[0] = (struct fake_hugepages){ node, FAKE_2M, choose(2) * choose(30) };
		huge[1] = (struct fake_hugepages){ node, 32 * FAKE_MIB, choose(2) };
	}
	/* A whole core, so that what is left are whole ones, as the pool wants them. */
	if (choose(2) && machine->cores > 3)
		(void)snprintf(scene->offline, sizeof(scene->offline), "%u",
			       cpu_number(machine, 1, machine->threads - 1));
	if (choose(2))
		name_core(scene, choose(machine->nodes), scene->pool, sizeof(scene->pool));
	machine->offline = scene->offline[0] ? scene->offline : NULL;
	machine->pool = scene->pool[0] ? scene->pool : NULL;
	if (choose(3))
		write_file(scene, scene->before);
	if (!scene->before[0] || choose(3))
		write_file(scene, scene->after);
}

static void boot(const struct scene *scene)
{
	const struct fake_memory memory = {
		.free_mib = 2048,
		.contiguous_mib = 2048,
		.big_pages = 40,
		.pages_a_write = 50,
	};

	fake = fake_device_new(&scene->machine);
	fake_device_write(fake, "/run/utmp", "");
	for (uint32_t node = 0; node < scene->machine.nodes; node++) {
		fake_device_set_memory(fake, node, &memory);
		if (scene->machine.huge[(size_t)2 * node].pages > 3)
			fake_device_take_pages(fake, node, FAKE_2M, 3);
	}
	ops = *fake_device_get(fake)->ops;
	ops.write_text = write_text;
	device = *fake_device_get(fake);
	device.ops = &ops;
	context = (nec_context){ .device = &device };
}

static void take_snapshot(char to[SNAPSHOT_SIZE])
{
	cleanup_host struct nec_host *host = NULL;
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error err = NEC_ERROR_INIT;

	if (nec_host_take(&device, &host, &err) < 0)
		fail_msg("point %d: %s", chosen_point, err.message);
	nec_cpulist_print(&host->pool.cpus, &text);
	for (size_t i = 0; i < host->hugepages.count; i++) {
		const struct nec_hugepages *row = &host->hugepages.rows[i];
		struct nec_page_count count;

		assert_int_equal(
			nec_page_count_read(&device, row->node, row->page_bytes, &count, NULL), 0);
		/* None was lowered under somebody who uses it. */
		assert_int_equal(count.persistent, row->total);
		nec_buffer_printf(&text, "; %d: %llu of %llu", row->node,
				  (unsigned long long)row->total,
				  (unsigned long long)row->page_bytes);
	}
	assert_true(text.size < SNAPSHOT_SIZE);
	(void)snprintf(to, SNAPSHOT_SIZE, "%s", nec_buffer_text(&text));
}

static void expect_snapshot(const char *expected, const char *when)
{
	char now[SNAPSHOT_SIZE];

	take_snapshot(now);
	if (strcmp(now, expected) != 0)
		fail_msg("%s, point %d: the machine is\n%s\nand not\n%s", when, chosen_point, now,
			 expected);
}

/* ---- what is done ---- */

/* "" is a release. */
static int change_to(const char *yaml, nec_error *err)
{
	struct nec_allocator_apply_options options = NEC_ALLOCATOR_APPLY_OPTIONS_INIT;
	struct nec_allocator_outcome outcome;
	struct nec_allocator_config config;

	if (!yaml[0])
		return nec_allocator_release(&context, &outcome, err);
	if (nec_allocator_config_parse(yaml, strlen(yaml), "f", &config, err) < 0)
		fail_msg("%s: %s", yaml, err->message);
	return nec_allocator_apply(&context, &config, &options, &outcome, err);
}

static void must_change_to(const char *yaml)
{
	nec_error err = NEC_ERROR_INIT;

	plan_deed(COUNT, 0);
	if (change_to(yaml, &err) < 0)
		fail_msg("%s: %s", yaml, err.message);
}

/* In a process of its own. Returns false when it came to its end before that point. */
static bool killed(const char *yaml, int point)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		nec_error err = NEC_ERROR_INIT;
		enum nec_allocator_recovery recovery;

		plan_deed(KILL, point);
		if (yaml)
			(void)change_to(yaml, &err);
		else
			(void)nec_allocator_recover(&context, &recovery, &err);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status);
}

static enum nec_allocator_recovery recover(void)
{
	enum nec_allocator_recovery recovery = NEC_ALLOCATOR_NOTHING;
	nec_error err = NEC_ERROR_INIT;

	plan_deed(COUNT, 0);
	if (nec_allocator_recover(&context, &recovery, &err) < 0)
		fail_msg("not recovered: %s", err.message);
	return recovery;
}

static uint32_t count_cpus(const char *list)
{
	struct nec_cpuset cpus;

	assert_int_equal(nec_cpulist_parse(list, NEC_CPUS_MAX - 1, &cpus, NULL), 0);
	return nec_cpuset_count(&cpus);
}

struct states {
	char origin[SNAPSHOT_SIZE];
	char before[SNAPSHOT_SIZE];
	char after[SNAPSHOT_SIZE];
};

/* What is set aside is what the file asks for, as the kernel tells it, and stays so. */
static void expect_reservation(const char *yaml)
{
	cleanup_allocator_status struct nec_allocator_status *status = NULL;
	struct nec_allocator_config config;
	uint64_t bytes = 0;
	nec_error err = NEC_ERROR_INIT;

	if (!yaml[0])
		return;
	assert_int_equal(nec_allocator_config_parse(yaml, strlen(yaml), "f", &config, &err), 0);
	assert_int_equal(nec_allocator_status_read(&context, &config, &status, &err), 0);
	assert_true(status->matches);
	for (size_t i = 0; i < status->row_count; i++)
		if (status->rows[i].node == status->host->pool.info.node)
			bytes += (status->rows[i].ours + status->rows[i].found) *
				 status->rows[i].page_bytes;
	if (bytes < config.entries[0].memory_mib * FAKE_MIB)
		fail_msg("%llu bytes are set aside for %s", (unsigned long long)bytes, yaml);
	assert_int_equal(nec_cpuset_count(&status->host->pool.cpus),
			 config.entries[0].cpu_count ? config.entries[0].cpu_count
						     : count_cpus(config.entries[0].cpu_pool));
}

static void learn(const struct scene *scene, struct states *states)
{
	take_snapshot(states->origin);
	if (scene->before[0])
		must_change_to(scene->before);
	expect_reservation(scene->before);
	take_snapshot(states->before);
	must_change_to(scene->after);
	expect_reservation(scene->after);
	take_snapshot(states->after);
	must_change_to("");
	expect_snapshot(states->origin, "after a release");
}

/* Whichever it is, nothing else; and it is the one that the recovery says. */
static void check_recovered(const struct states *states, enum nec_allocator_recovery recovery)
{
	char now[SNAPSHOT_SIZE];

	take_snapshot(now);
	if (recovery == NEC_ALLOCATOR_UNDONE)
		expect_snapshot(states->before, "undone");
	else if (recovery == NEC_ALLOCATOR_FINISHED)
		expect_snapshot(states->after, "finished");
	else if (strcmp(now, states->before) != 0)
		expect_snapshot(states->after, "nothing left");
	must_change_to("");
	expect_snapshot(states->origin, "released afterwards");
}

static void begin(const struct scene *scene)
{
	if (scene->before[0])
		must_change_to(scene->before);
}

/* Returns how many points there are. */
static int kill_everywhere(const struct scene *scene, const struct states *states)
{
	for (int point = 1;; point++) {
		bool was_killed;

		begin(scene);
		was_killed = killed(scene->after, point);
		check_recovered(states, recover());
		if (!was_killed)
			return point - 1;
	}
}

/* Killed, and whoever recovers is killed, too. */
static void kill_recovery_everywhere(const struct scene *scene, const struct states *states,
				     int point_count)
{
	for (int point = 2; point <= point_count; point += 3) {
		bool was_killed = true;

		for (int second = 1; was_killed; second += 2) {
			begin(scene);
			assert_true(killed(scene->after, point));
			was_killed = killed(NULL, second);
			chosen_point = point;
			check_recovered(states, recover());
			if (second > 100)
				fail_msg("a recovery has no end");
		}
	}
}

static void fail_everywhere(const struct scene *scene, const struct states *states, enum deed deed,
			    int point_count)
{
	for (int point = 1; point <= point_count; point++) {
		nec_error err = NEC_ERROR_INIT;
		int r;

		begin(scene);
		plan_deed(deed, point);
		r = change_to(scene->after, &err);
		/* A release that fails is finished by the next start. */
		if (r < 0)
			assert_true(scene->after[0] || recover() != NEC_ALLOCATOR_UNDONE);
		chosen_point = point;
		if (r >= 0)
			expect_snapshot(states->after, "succeeded");
		else if (scene->after[0])
			expect_snapshot(states->before, "failed");
		(void)recover();
		must_change_to("");
		expect_snapshot(states->origin, "released after a failure");
	}
}

static uint32_t count_seeds(void)
{
	const char *text = getenv("NEC_SEEDS");

	return text ? (uint32_t)strtoul(text, NULL, 10) : SEEDS;
}

static void for_each_scene(void (*run)(const struct scene *, const struct states *))
{
	for (uint32_t seed = 0; seed < count_seeds(); seed++) {
		struct scene scene;
		struct states states;

		make_scene(seed, &scene);
		boot(&scene);
		print_message(
			"machine %u: %u nodes, %u cores of %u, offline %s, pool %s, from {%s} "
			"to {%s}\n",
			seed, scene.machine.nodes, scene.machine.cores, scene.machine.threads,
			scene.offline, scene.pool, scene.before, scene.after);
		learn(&scene, &states);
		run(&scene, &states);
		fake_device_free(fake);
	}
}

static void run_killed(const struct scene *scene, const struct states *states)
{
	int point_count = kill_everywhere(scene, states);

	assert_true(point_count > 0 || strcmp(states->before, states->after) == 0);
	kill_recovery_everywhere(scene, states, point_count);
}

static void killed__at_any_step_it_is_undone_or_finished(void **state)
{
	(void)state;
	for_each_scene(run_killed);
}

static void run_failed(const struct scene *scene, const struct states *states)
{
	int point_count;

	begin(scene);
	must_change_to(scene->after);
	point_count = points;
	must_change_to("");
	fail_everywhere(scene, states, FAIL, point_count);
	fail_everywhere(scene, states, LOSE_POOL, point_count);
}

static void failed__at_any_step_it_is_undone_or_stands(void **state)
{
	(void)state;
	for_each_scene(run_failed);
}

static void run_starved(const struct scene *scene, const struct states *states)
{
	bool starved = true;

	for (int number = 1; starved; number++) {
		nec_error err = NEC_ERROR_INIT;
		int r;

		begin(scene);
		plan_deed(COUNT, 0);
		chosen_point = number;
		fault_arm(FAULT_MEMORY, number, ENOMEM);
		r = change_to(scene->after, &err);
		starved = fault_disarm();
		(void)recover();
		chosen_point = number;
		if (r >= 0)
			expect_snapshot(states->after, "succeeded without memory");
		else if (scene->after[0])
			expect_snapshot(states->before, "failed without memory");
		must_change_to("");
		expect_snapshot(states->origin, "released after a failure");
	}
}

/* One machine: it has hundreds of allocations. */
static void starved__at_any_allocation_it_is_undone_or_stands(void **state)
{
	struct scene scene;
	struct states states;

	(void)state;
	make_scene(2, &scene);
	boot(&scene);
	learn(&scene, &states);
	run_starved(&scene, &states);
	fake_device_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed__at_any_step_it_is_undone_or_finished),
		cmocka_unit_test(failed__at_any_step_it_is_undone_or_stands),
		cmocka_unit_test(starved__at_any_allocation_it_is_undone_or_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
