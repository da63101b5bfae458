/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at what is set aside. */
#include "allocator/status.h"

#include "allocator/target.h"
#include "base/error.h"

/* Changes that come and go while we look. */
enum { LOOKS_MAX = 4 };

static int fill_rows(struct nec_allocator_status *status, struct nec_ledger *ledger, nec_error *err)
{
	const struct nec_hugepage_table *table = &status->host->hugepages;

	status->rows = calloc(table->count + 1, sizeof(*status->rows));
	if (!status->rows)
		return nec_error_no_memory(err);
	for (size_t i = 0; i < table->count; i++) {
		const struct nec_hugepages *pages = &table->rows[i];
		const struct nec_ledger_row *row =
			nec_ledger_find(ledger, pages->node, pages->page_bytes);
		struct nec_allocator_status_row *to = &status->rows[status->row_count];
		uint64_t ours = row ? row->ours : 0;

		if (pages->total == 0)
			continue;
		/* Somebody may have lowered the number since. */
		ours = ours < pages->total ? ours : pages->total;
		*to = (struct nec_allocator_status_row){
			.node = pages->node,
			.page_bytes = pages->page_bytes,
			.total = pages->total,
			.in_use = pages->total - pages->available,
			.ours = ours,
			.found = row && row->found < pages->total - ours ? row->found
				 : row                                   ? pages->total - ours
									 : 0,
		};
		status->row_count++;
	}
	return 0;
}

static int compare(const struct nec_device *device, const struct nec_allocator_config *config,
		   struct nec_ledger *ledger, struct nec_allocator_status *status, nec_error *err)
{
	cleanup_host struct nec_host *host = NULL;
	struct nec_target target = { 0 };
	int r = nec_allocator_plan_take(device, config, ledger, NULL, &host, &status->plan, err);

	if (r < 0 || status->plan->problem_count)
		return r;
	/* The picture that the plan was made from is the one to show. */
	nec_host_free(status->host);
	status->host = TAKE_PTR(host);
	r = nec_target_set(status->host, status->plan, ledger, &target, err);
	status->matches = r >= 0 && nec_target_stands(&target) && ledger->work == NEC_LEDGER_IDLE;
	return r;
}

/*
 * The ledger, and who is at it. The lock is looked at in between two looks at the ledger that show
 * the same: without it that would be a change that has ended, or one that has begun, meanwhile.
 */
static int read_ledger(const struct nec_device *device, struct nec_ledger *ledger,
		       enum nec_allocator_worker *ret, nec_error *err)
{
	int r = nec_ledger_load(device, ledger, err);

	for (int i = 0; i < LOOKS_MAX; i++) {
		enum nec_ledger_work work = ledger->work;
		int locked = nec_ledger_is_locked(device);

		*ret = locked > 0    ? NEC_ALLOCATOR_WORKER_RUNS
		       : locked == 0 ? NEC_ALLOCATOR_WORKER_NONE
				     : NEC_ALLOCATOR_WORKER_UNKNOWN;
		if (r < 0 || locked != 0 || work == NEC_LEDGER_IDLE)
			break;
		r = nec_ledger_load(device, ledger, err);
		if (r >= 0 && ledger->work == work)
			break;
	}
	return r;
}

static int look(const struct nec_device *device, const struct nec_allocator_config *config,
		struct nec_allocator_status *status, nec_error *err)
{
	struct nec_ledger ledger;
	int r = read_ledger(device, &ledger, &status->worker, err);

	status->damaged = r == -EBADMSG;
	if (r < 0 && !status->damaged)
		return r;
	r = nec_host_take(device, &status->host, err);
	if (r < 0)
		return r;
	status->reserved = ledger.reserved;
	status->work = ledger.work;
	status->pool_ours = ledger.pool_ours && status->host->pool.info.state == NEC_POOL_SET &&
			    nec_cpu_pool_equal(status->host->pool.info.text, ledger.pool);
	status->driver_in_use = nec_driver_in_use(device);
	if (config)
		r = compare(device, config, &ledger, status, err);
	return r < 0 ? r : fill_rows(status, &ledger, err);
}

int nec_allocator_status_read(nec_context *context, const struct nec_allocator_config *config,
			      struct nec_allocator_status **ret, nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	cleanup_allocator_status struct nec_allocator_status *status = calloc(1, sizeof(*status));
	int r;

	if (!status)
		return nec_error_no_memory(err);
	r = nec_device_open(context, &device, err);
	if (r >= 0)
		r = look(&device, config, status, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(status);
	return 0;
}

void nec_allocator_status_free(struct nec_allocator_status *status)
{
	if (!status)
		return;
	nec_host_free(status->host);
	free(status->plan);
	free(status->rows);
	free(status);
}
