/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan means for the machine. */
#include "allocator/target.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static const struct nec_hugepages *find_pages(const struct nec_host *host, int32_t node,
					      uint64_t page_bytes)
{
	const struct nec_hugepage_table *table = &host->hugepages;

	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].node == node && table->rows[i].page_bytes == page_bytes)
			return &table->rows[i];
	return NULL;
}

/* Pages of ours cannot be more than there are. */
void nec_target_set_nothing(const struct nec_host *host, struct nec_ledger *ledger)
{
	for (size_t i = 0; i < ledger->row_count; i++) {
		struct nec_ledger_row *row = &ledger->rows[i];
		const struct nec_hugepages *pages = find_pages(host, row->node, row->page_bytes);
		uint64_t total = pages ? pages->total : 0;

		if (row->ours > total)
			row->ours = total;
		row->before = row->ours;
		row->after = 0;
		row->coarse_after = 0;
		row->found_after = 0;
	}
}

/* For the moment: @found_after counts all that are at hand, @after those to be made. */
static int add_parts(const struct nec_allocator_plan *plan, struct nec_ledger *ledger,
		     nec_error *err)
{
	for (size_t i = 0; i < plan->part_count; i++) {
		const struct nec_plan_part *part = &plan->parts[i];
		struct nec_ledger_row *row = nec_ledger_row(ledger, plan->node, part->page_bytes);

		if (!row)
			return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
					     "huge pages of too many sizes and nodes");
		row->found_after += part->at_hand;
		row->after += part->to_make;
		row->coarse_after += part->coarse;
	}
	return 0;
}

/* Ours are kept first: they are the ones that nobody else counts on. */
static void share(struct nec_ledger_row *row)
{
	uint64_t kept = row->found_after < row->ours ? row->found_after : row->ours;

	row->after += kept;
	row->found_after -= kept;
	if (row->coarse_after > row->after)
		row->coarse_after = row->after;
}

static int print_pool(const struct nec_allocator_plan *plan, char ret[NEC_LEDGER_POOL_SIZE],
		      nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_cpulist_print(&plan->cpus, &text);
	if (text.failed)
		return nec_error_no_memory(err);
	if (text.size >= NEC_LEDGER_POOL_SIZE)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "the pool's list has %zu characters, the driver takes %d",
				     text.size, NEC_LEDGER_POOL_SIZE - 1);
	(void)snprintf(ret, NEC_LEDGER_POOL_SIZE, "%s", nec_buffer_text(&text));
	return 0;
}

int nec_target_set(const struct nec_host *host, const struct nec_allocator_plan *plan,
		   struct nec_ledger *ledger, struct nec_target *ret, nec_error *err)
{
	struct nec_target target = { .make = plan->make_bytes > 0 };
	const struct nec_cpu_pool *pool = &host->pool;
	int r;

	nec_target_set_nothing(host, ledger);
	r = add_parts(plan, ledger, err);
	if (r >= 0)
		r = print_pool(plan, target.pool, err);
	if (r < 0)
		return r;
	target.new_counts = !ledger->reserved || ledger->node != plan->node;
	for (size_t i = 0; i < ledger->row_count; i++) {
		struct nec_ledger_row *row = &ledger->rows[i];

		share(row);
		target.give_back = target.give_back || row->after < row->before;
		target.new_counts = target.new_counts || row->found != row->found_after ||
				    row->coarse != row->coarse_after;
	}
	/* A dynamic pool has every core that can be had, and takes no list. */
	target.set_pool = pool->info.state != NEC_POOL_DYNAMIC &&
			  memcmp(&pool->cpus, &plan->cpus, sizeof(plan->cpus)) != 0;
	*ret = target;
	return 0;
}

bool nec_target_stands(const struct nec_target *target)
{
	return !target->set_pool && !target->make && !target->give_back && !target->new_counts;
}

static int check_row(const struct nec_host *host, const struct nec_ledger_row *row, nec_error *err)
{
	const struct nec_hugepages *pages = find_pages(host, row->node, row->page_bytes);
	uint64_t available = pages ? pages->available : 0;
	uint64_t surplus = row->before > row->after ? row->before - row->after : 0;

	if (surplus <= available)
		return 0;
	return nec_error_set(err, NEC_E_ALLOCATOR_ENCLAVES, -EBUSY,
			     "%" PRIu64 " huge pages of %" PRIu64
			     " MiB on NUMA node %d would be given back, but only %" PRIu64
			     " are not in use",
			     surplus, row->page_bytes >> 20, row->node, available);
}

int nec_target_check(const struct nec_host *host, const struct nec_ledger *ledger,
		     const struct nec_target *target, bool in_use, nec_error *err)
{
	if (target->set_pool && in_use && !target->pool[0])
		return nec_error_set(err, NEC_E_ALLOCATOR_ENCLAVES, -EBUSY,
				     "the CPU pool \"%s\" would be released, but enclaves are "
				     "running or starting",
				     host->pool.info.text);
	if (target->set_pool && in_use)
		return nec_error_set(
			err, NEC_E_ALLOCATOR_ENCLAVES, -EBUSY,
			"the CPU pool would change from \"%s\" to \"%s\", but enclaves "
			"are running or starting",
			host->pool.info.text, target->pool);
	for (size_t i = 0; i < ledger->row_count; i++) {
		int r = check_row(host, &ledger->rows[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
