/* SPDX-License-Identifier: Apache-2.0 */
/* Planning: for each NUMA node that is possible, and the one that lacks least is taken. */
#include "allocator/plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MIB(bytes) ((bytes) >> 20)

struct planner {
	const struct nec_allocator_config *config;
	const struct nec_plan_machine *machine;
	const struct nec_host *host;
	struct nec_allocator_plan *plan;
};

/* ---- problems ---- */

static struct nec_plan_problem *add_problem(struct nec_allocator_plan *plan,
					    enum nec_error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static struct nec_plan_problem *add_problem(struct nec_allocator_plan *plan,
					    enum nec_error_code code, const char *format, ...)
{
	/* Too many: the last place has the last one. */
	size_t last = NEC_PLAN_PROBLEMS_MAX - 1;
	size_t index = plan->problem_count < last ? plan->problem_count : last;
	struct nec_plan_problem *problem = &plan->problems[index];
	va_list args;

	problem->code = code;
	problem->change[0] = '\0';
	va_start(args, format);
	(void)vsnprintf(problem->message, sizeof(problem->message), format, args);
	va_end(args);
	plan->problem_count = index + 1;
	return problem;
}

static void set_change(struct nec_plan_problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void set_change(struct nec_plan_problem *problem, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(problem->change, sizeof(problem->change), format, args);
	va_end(args);
}

/* ---- CPUs ---- */

static bool is_parents(const struct nec_topology *topology, const struct nec_cpu *cpu)
{
	const struct nec_cpu *first = nec_topology_find(topology, 0);

	return cpu->id == 0 || (first && first->core >= 0 && cpu->core == first->core);
}

/*
 * A core that the pool can have: all threads known, and there for the driver. One with a thread
 * that is offline is left out: when that thread comes back it would be the parent's, on the
 * enclave's core.
 */
static bool core_is_whole(const struct nec_topology *topology, const struct nec_cpu *lowest,
			  struct nec_cpuset *ret)
{
	if (lowest->core != (int32_t)lowest->id || is_parents(topology, lowest))
		return false;
	nec_topology_core(topology, lowest->core, ret);
	if (nec_cpuset_count(ret) != topology->threads_per_core)
		return false;
	NEC_CPUSET_FOR_EACH (id, ret) {
		const struct nec_cpu *cpu = nec_topology_find(topology, id);

		if (cpu->node != lowest->node || (!cpu->online && !cpu->in_pool))
			return false;
	}
	return true;
}

static void add_all(struct nec_cpuset *to, const struct nec_cpuset *from)
{
	NEC_CPUSET_FOR_EACH (cpu, from)
		nec_cpuset_add(to, cpu);
}

static void find_cores(const struct nec_topology *topology, struct nec_plan_node *node)
{
	for (size_t i = 0; i < topology->count; i++) {
		struct nec_cpuset core;

		if (topology->cpus[i].node == node->node &&
		    core_is_whole(topology, &topology->cpus[i], &core))
			add_all(&node->cpus, &core);
	}
}

static uint32_t count_wanted(const struct nec_allocator_config *config)
{
	uint64_t count = 0;

	for (size_t i = 0; i < config->count; i++)
		count += config->entries[i].cpu_count;
	return (uint32_t)count;
}

/* All CPUs that entries name. What does not exist is a problem, and left out. */
static void read_pools(struct planner *planner, struct nec_cpuset *ret)
{
	const struct nec_topology *topology = &planner->host->topology;

	for (size_t i = 0; i < planner->config->count; i++) {
		const struct nec_allocator_entry *entry = &planner->config->entries[i];
		struct nec_cpuset named = { 0 };

		(void)nec_cpulist_parse(entry->cpu_pool, NEC_CPUS_MAX - 1, &named, NULL);
		NEC_CPUSET_FOR_EACH (cpu, &named) {
			if (nec_topology_find(topology, cpu)) {
				nec_cpuset_add(ret, cpu);
				continue;
			}
			set_change(add_problem(planner->plan, NEC_E_VCPU_RANGE,
					       "CPU %u of the cpu_pool in line %zu is not there",
					       cpu, entry->line),
				   "take it out of cpu_pool");
			break;
		}
	}
}

/* Why a CPU that was named cannot be had. */
static void refuse_cpu(struct planner *planner, uint32_t id)
{
	const struct nec_topology *topology = &planner->host->topology;
	const struct nec_cpu *cpu = nec_topology_find(topology, id);
	struct nec_plan_problem *problem;

	if (is_parents(topology, cpu))
		problem = add_problem(planner->plan, NEC_E_VCPU_NOT_IN_POOL,
				      "CPU %u is on the core of CPU 0, which stays with the parent",
				      id);
	else if (cpu->node != planner->plan->node)
		problem = add_problem(planner->plan, NEC_E_VCPU_NOT_IN_POOL,
				      "CPU %u is on NUMA node %d, the pool on node %d", id,
				      cpu->node, planner->plan->node);
	else
		problem = add_problem(planner->plan, NEC_E_VCPU_NOT_IN_POOL,
				      "CPU %u is offline, or a thread of its core is", id);
	set_change(problem, "take it out of cpu_pool");
}

/* The CPUs that were named, as far as they can be had; only whole cores. */
static void take_named(struct planner *planner, const struct nec_plan_node *node,
		       const struct nec_cpuset *named)
{
	const struct nec_topology *topology = &planner->host->topology;

	NEC_CPUSET_FOR_EACH (id, named) {
		struct nec_cpuset core;

		if (!nec_cpuset_has(&node->cpus, id)) {
			refuse_cpu(planner, id);
			continue;
		}
		nec_topology_core(topology, nec_topology_find(topology, id)->core, &core);
		NEC_CPUSET_FOR_EACH (sibling, &core)
			if (!nec_cpuset_has(named, sibling) &&
			    !nec_cpuset_has(&planner->plan->cpus, sibling))
				set_change(add_problem(planner->plan, NEC_E_CORES_INCOMPLETE,
						       "CPU %u is named without its sibling %u", id,
						       sibling),
					   "add %u to cpu_pool", sibling);
		add_all(&planner->plan->cpus, &core);
	}
}

/* Cores that are in the pool already come first, so that planning again changes nothing. */
static uint32_t take_cores(struct planner *planner, const struct nec_plan_node *node, bool in_pool,
			   uint32_t wanted)
{
	const struct nec_topology *topology = &planner->host->topology;

	NEC_CPUSET_FOR_EACH (id, &node->cpus) {
		const struct nec_cpu *cpu = nec_topology_find(topology, id);
		struct nec_cpuset core;

		if (wanted < topology->threads_per_core)
			break;
		if (nec_cpuset_has(&planner->plan->cpus, id) || cpu->in_pool != in_pool)
			continue;
		nec_topology_core(topology, cpu->core, &core);
		add_all(&planner->plan->cpus, &core);
		wanted -= topology->threads_per_core;
	}
	return wanted;
}

/* "to 4", or for a list, whose entries may share it as they like, "to 4 in all". */
static const char *in_all(const struct planner *planner)
{
	return planner->config->count > 1 ? " in all" : "";
}

static void plan_cpus(struct planner *planner, const struct nec_plan_node *node,
		      const struct nec_cpuset *named)
{
	uint32_t threads = planner->host->topology.threads_per_core;
	uint32_t wanted = count_wanted(planner->config);
	uint32_t whole = wanted % threads ? wanted + threads - wanted % threads : wanted;
	struct nec_plan_problem *problem;
	uint32_t left;

	take_named(planner, node, named);
	left = take_cores(planner, node, true, whole);
	left = take_cores(planner, node, false, left);
	if (left > 0) {
		problem = add_problem(planner->plan, NEC_E_CPUS_INSUFFICIENT,
				      "NUMA node %d has %u CPUs for enclaves, %u are missing",
				      node->node, nec_cpuset_count(&node->cpus), left);
		if (whole > left)
			set_change(problem, "lower cpu_count to %u%s", whole - left,
				   in_all(planner));
	} else if (whole != wanted) {
		problem = add_problem(planner->plan, NEC_E_CORES_INCOMPLETE,
				      "cpu_count is %u%s, a core has %u threads, and only whole "
				      "cores can be had",
				      wanted, in_all(planner), threads);
		set_change(problem, "raise cpu_count to %u%s", whole, in_all(planner));
	}
}

/* ---- memory ---- */

static const struct nec_ledger_row *ledger_row(const struct planner *planner,
					       const struct nec_hugepages *row)
{
	if (!planner->machine->ledger)
		return NULL;
	return nec_ledger_find(planner->machine->ledger, row->node, row->page_bytes);
}

/*
 * Pages for enclaves. Those of the reservation count when enclaves have them, too: that is what
 * they are for. Of the others only those that nobody has. Who has which sysfs does not say, so the
 * two are not added up: that might count pages twice.
 */
static uint64_t reserved_pages(const struct planner *planner, const struct nec_hugepages *row)
{
	const struct nec_ledger_row *ours = ledger_row(planner, row);
	uint64_t reserved = ours ? ours->ours + ours->found : 0;
	uint64_t pages = reserved > row->available ? reserved : row->available;

	return pages < row->total ? pages : row->total;
}

static uint64_t count_taken(const struct planner *planner, const struct nec_hugepages *row)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < planner->plan->part_count; i++)
		if (planner->plan->parts[i].page_bytes == row->page_bytes)
			pages += planner->plan->parts[i].at_hand;
	return pages;
}

/* Of these, what no entry before took. */
static uint64_t at_hand(const struct planner *planner, const struct nec_hugepages *row)
{
	return reserved_pages(planner, row) - count_taken(planner, row);
}

/* The same, of the reservation that stands. */
static uint64_t standing(const struct planner *planner, const struct nec_hugepages *row)
{
	const struct nec_ledger_row *ours = ledger_row(planner, row);
	uint64_t pages = ours ? ours->ours + ours->found : 0;
	uint64_t taken = count_taken(planner, row);

	pages = pages < row->total ? pages : row->total;
	return pages > taken ? pages - taken : 0;
}

/* One part for each size of an entry. */
static struct nec_plan_part *find_part(struct nec_allocator_plan *plan, size_t entry,
				       uint64_t page_bytes)
{
	for (size_t i = 0; i < plan->part_count; i++)
		if (plan->parts[i].entry == entry && plan->parts[i].page_bytes == page_bytes)
			return &plan->parts[i];
	plan->parts[plan->part_count] = (struct nec_plan_part){
		.entry = entry,
		.page_bytes = page_bytes,
	};
	return &plan->parts[plan->part_count++];
}

static void add_part(struct planner *planner, size_t entry, uint64_t page_bytes, uint64_t ready,
		     uint64_t to_make)
{
	struct nec_plan_part *part;

	if (ready + to_make == 0)
		return;
	part = find_part(planner->plan, entry, page_bytes);
	part->at_hand += ready;
	part->to_make += to_make;
	planner->plan->make_bytes += to_make * page_bytes;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Bigger pages that were made because smaller ones could not be had, and that nobody needs
 * otherwise: with them the plan of a reservation that stands is that reservation. True when they
 * were enough for the rest of the entry.
 */
static bool take_coarse(struct planner *planner, size_t index, uint64_t left)
{
	const struct nec_hugepage_table *table = &planner->host->hugepages;

	for (size_t i = 0; i < table->count; i++) {
		const struct nec_hugepages *row = &table->rows[i];
		const struct nec_ledger_row *ours = ledger_row(planner, row);
		uint64_t pages = (left - 1) / row->page_bytes + 1;

		if (row->node != planner->plan->node || !ours || ours->coarse < pages ||
		    at_hand(planner, row) < pages)
			continue;
		add_part(planner, index, row->page_bytes, pages, 0);
		find_part(planner->plan, index, row->page_bytes)->coarse += pages;
		return true;
	}
	return false;
}

/*
 * Pages that are there, the biggest that waste nothing. Returns the smallest size that the entry
 * can have; NULL when there is none.
 */
static const struct nec_hugepages *
take_present(struct planner *planner, size_t index, uint64_t *left,
	     uint64_t (*count)(const struct planner *planner, const struct nec_hugepages *row))
{
	const struct nec_allocator_entry *entry = &planner->config->entries[index];
	const struct nec_hugepage_table *table = &planner->host->hugepages;
	const struct nec_hugepages *smallest = NULL;

	for (size_t i = table->count; i > 0; i--) {
		const struct nec_hugepages *row = &table->rows[i - 1];
		uint64_t pages;

		if (row->node != planner->plan->node || row->page_bytes < NEC_REGION_ALIGNMENT ||
		    (entry->page_bytes && entry->page_bytes != row->page_bytes))
			continue;
		smallest = row;
		pages = smaller(*left / row->page_bytes, count(planner, row));
		add_part(planner, index, row->page_bytes, pages, 0);
		*left -= pages * row->page_bytes;
	}
	return smallest;
}

/*
 * Pages that are there come first, and of these those of the reservation: bigger ones that came
 * since are somebody's, and what enclaves have could not be given back for them. The rest is made
 * of the smallest size, which wastes least and which a machine that has been running can still
 * make.
 */
static void plan_entry(struct planner *planner, size_t index)
{
	const struct nec_allocator_entry *entry = &planner->config->entries[index];
	uint64_t left = entry->memory_mib ? entry->memory_mib << 20 : 1;
	const struct nec_hugepages *smallest;

	(void)take_present(planner, index, &left, standing);
	smallest = take_present(planner, index, &left, at_hand);
	if (!smallest) {
		set_change(add_problem(planner->plan, NEC_E_REGION_PAGE_SIZE,
				       "the kernel has no huge pages of %" PRIu64
				       " MiB on NUMA node %d",
				       entry->page_bytes ? MIB(entry->page_bytes) : 2,
				       planner->plan->node),
			   "%s", entry->page_bytes ? "leave page_size out" : "");
	} else if (left > 0) {
		uint64_t pages = (left - 1) / smallest->page_bytes + 1;
		uint64_t ready = smaller(pages, at_hand(planner, smallest));

		if (ready == pages || entry->page_bytes || !take_coarse(planner, index, left))
			add_part(planner, index, smallest->page_bytes, ready, pages - ready);
	}
}

/*
 * Fewer pages of the one size that is to be made; entries with several such sizes can be made
 * smaller in many ways, and we name none. Nothing left is no reservation.
 */
static void suggest_memory(const struct planner *planner, uint64_t free_bytes,
			   struct nec_plan_problem *problem)
{
	const struct nec_allocator_plan *plan = planner->plan;
	uint64_t page_bytes = 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < plan->part_count; i++) {
		const struct nec_plan_part *part = &plan->parts[i];

		bytes += part->at_hand * part->page_bytes;
		if (part->to_make && page_bytes && page_bytes != part->page_bytes)
			return;
		if (part->to_make)
			page_bytes = part->page_bytes;
	}
	if (page_bytes == 0)
		return;
	bytes += free_bytes / page_bytes * page_bytes;
	if (planner->config->count == 1 && bytes > 0)
		set_change(problem, "lower memory_mib to %" PRIu64, MIB(bytes));
	else if (planner->config->count > 1 && bytes > 0)
		set_change(problem, "lower memory_mib by %" PRIu64 " in all, in whole pages",
			   MIB(plan->make_bytes - free_bytes / page_bytes * page_bytes));
}

static void plan_memory(struct planner *planner, const struct nec_plan_node *node)
{
	uint64_t free_bytes = node->memory.free_bytes + node->memory.reclaimable_bytes;
	struct nec_plan_problem *problem;

	/* Entries that want a size of their own come before those that take what there is. */
	for (size_t i = 0; i < planner->config->count; i++)
		if (planner->config->entries[i].page_bytes)
			plan_entry(planner, i);
	for (size_t i = 0; i < planner->config->count; i++)
		if (!planner->config->entries[i].page_bytes)
			plan_entry(planner, i);
	if (planner->plan->make_bytes <= free_bytes)
		return;
	problem = add_problem(planner->plan, NEC_E_HUGEPAGES_EXHAUSTED,
			      "NUMA node %d has %" PRIu64 " MiB free, %" PRIu64
			      " MiB must become huge pages",
			      node->node, MIB(free_bytes), MIB(planner->plan->make_bytes));
	suggest_memory(planner, free_bytes, problem);
}

/* ---- which node ---- */

static void plan_node(struct planner *planner, const struct nec_plan_node *node)
{
	struct nec_cpuset named = { 0 };
	cleanup_buffer struct nec_buffer list = { 0 };

	planner->plan->node = node->node;
	read_pools(planner, &named);
	plan_cpus(planner, node, &named);
	plan_memory(planner, node);
	nec_cpulist_print(&planner->plan->cpus, &list);
	if (list.size >= NEC_ALLOCATOR_POOL_SIZE)
		(void)add_problem(planner->plan, NEC_E_TOO_LARGE,
				  "the pool's list has %zu characters, the driver takes %d",
				  list.size, NEC_ALLOCATOR_POOL_SIZE - 1);
}

/* The node that the file asks for by number or by its first CPU; -1 when any will do. */
static int32_t asked_node(const struct nec_allocator_config *config, const struct nec_host *host)
{
	for (size_t i = 0; i < config->count; i++)
		if (config->entries[i].numa_node >= 0)
			return config->entries[i].numa_node;
	for (size_t i = 0; i < config->count; i++) {
		struct nec_cpuset named = { 0 };

		(void)nec_cpulist_parse(config->entries[i].cpu_pool, NEC_CPUS_MAX - 1, &named,
					NULL);
		NEC_CPUSET_FOR_EACH (id, &named) {
			const struct nec_cpu *cpu = nec_topology_find(&host->topology, id);

			if (cpu && cpu->node >= 0)
				return cpu->node;
		}
	}
	return -1;
}

static void forget_choice(struct nec_allocator_plan *plan)
{
	plan->node = -1;
	plan->cpus = (struct nec_cpuset){ 0 };
	plan->part_count = 0;
	plan->make_bytes = 0;
	plan->problem_count = 0;
}

static bool is_avoided(const struct planner *planner, int32_t node)
{
	return planner->machine->avoid && nec_cpuset_has(planner->machine->avoid, (uint32_t)node);
}

/* Where to begin: with the node of the reservation that stands, so that it stays what it is. */
static size_t first_node(const struct planner *planner)
{
	const struct nec_ledger *ledger = planner->machine->ledger;

	for (size_t i = 0; ledger && i < planner->plan->node_count; i++)
		if (ledger->reserved && planner->plan->nodes[i].node == ledger->node)
			return i;
	return 0;
}

static bool may_use(const struct planner *planner, int32_t asked, int32_t node)
{
	return asked >= 0 ? node == asked : !is_avoided(planner, node);
}

/* The first node that fits, as nitro-cli goes through them; else the one with fewest problems. */
static void choose_node(struct planner *planner)
{
	struct nec_allocator_plan *plan = planner->plan;
	int32_t asked = asked_node(planner->config, planner->host);
	size_t first = first_node(planner);
	size_t fewest = SIZE_MAX;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i <= plan->node_count && fewest > 0; i++) {
		size_t at = i == 0 ? first : i - 1;

		if (at == plan->node_count || !may_use(planner, asked, plan->nodes[at].node))
			continue;
		forget_choice(plan);
		plan_node(planner, &plan->nodes[at]);
		if (plan->problem_count < fewest) {
			fewest = plan->problem_count;
			best = at;
		}
	}
	forget_choice(plan);
	if (best != SIZE_MAX)
		plan_node(planner, &plan->nodes[best]);
	else
		set_change(add_problem(plan, NEC_E_CPU_TOPOLOGY, "there is no NUMA node %d", asked),
			   "leave numa_node out");
}

bool nec_allocator_plan_is_bound(const struct nec_allocator_config *config,
				 const struct nec_host *host)
{
	return asked_node(config, host) >= 0;
}

static void look_at_nodes(struct planner *planner)
{
	struct nec_allocator_plan *plan = planner->plan;
	const struct nec_hugepage_table *table = &planner->host->hugepages;

	NEC_CPUSET_FOR_EACH (id, &planner->host->topology.nodes) {
		struct nec_plan_node *node = &plan->nodes[plan->node_count];

		node->node = (int32_t)id;
		node->memory = planner->machine->memory[plan->node_count++];
		find_cores(&planner->host->topology, node);
		for (size_t i = 0; i < table->count; i++)
			if (table->rows[i].node == node->node &&
			    table->rows[i].page_bytes >= NEC_REGION_ALIGNMENT)
				node->at_hand_bytes += reserved_pages(planner, &table->rows[i]) *
						       table->rows[i].page_bytes;
	}
}

int nec_allocator_plan_make(const struct nec_allocator_config *config,
			    const struct nec_plan_machine *machine, struct nec_allocator_plan **ret,
			    nec_error *err)
{
	struct planner planner = { .config = config, .machine = machine, .host = machine->host };

	if (nec_cpuset_count(&machine->host->topology.nodes) > NEC_PLAN_NODES_MAX)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG, "more than %d NUMA nodes",
				     NEC_PLAN_NODES_MAX);
	planner.plan = calloc(1, sizeof(*planner.plan));
	if (!planner.plan)
		return nec_error_no_memory(err);
	look_at_nodes(&planner);
	choose_node(&planner);
	*ret = planner.plan;
	return 0;
}

int nec_allocator_plan_take(const struct nec_device *device,
			    const struct nec_allocator_config *config, struct nec_ledger *ledger,
			    const struct nec_cpuset *avoid, struct nec_host **ret_host,
			    struct nec_allocator_plan **ret, nec_error *err)
{
	struct nec_node_memory memory[NEC_PLAN_NODES_MAX] = { 0 };
	struct nec_plan_machine machine = { .memory = memory, .ledger = ledger, .avoid = avoid };
	cleanup_host struct nec_host *host = NULL;
	size_t count = 0;
	int r = nec_host_take(device, &host, err);

	if (r < 0)
		return r;
	NEC_CPUSET_FOR_EACH (node, &host->topology.nodes) {
		if (count == NEC_PLAN_NODES_MAX)
			break;
		r = nec_node_memory_read(device, (int32_t)node, &memory[count++], err);
		if (r < 0)
			return r;
	}
	machine.host = host;
	r = nec_allocator_plan_make(config, &machine, ret, err);
	if (r == 0)
		*ret_host = TAKE_PTR(host);
	return r;
}

int nec_allocator_plan_read(nec_context *context, const struct nec_allocator_config *config,
			    struct nec_host **ret_host, struct nec_allocator_plan **ret,
			    nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	struct nec_ledger ledger;
	int r = nec_device_open(context, &device, err);

	if (r < 0)
		return r;
	/* Without it every page counts as somebody else's. */
	(void)nec_ledger_load(&device, &ledger, NULL);
	return nec_allocator_plan_take(&device, config, &ledger, NULL, ret_host, ret, err);
}
