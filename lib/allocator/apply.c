/* SPDX-License-Identifier: Apache-2.0 */
/* Apply: everything that can be known is checked, then memory, then the pool, then the rest goes.
 */
#include "allocator/apply.h"

#include <inttypes.h>
#include <string.h>

#include "allocator/change.h"
#include "allocator/make-memory.h"
#include "allocator/target.h"
#include "base/error.h"

/* ---- the driver and its device ---- */

static int require_driver(const struct nec_change *change,
			  const struct nec_allocator_apply_options *options, bool *ret_loaded,
			  nec_error *err)
{
	const struct nec_device *device = &change->device;
	struct nec_cpu_pool pool;
	int r = nec_cpu_pool_read(device, &pool, err);

	if (r < 0 || pool.info.state != NEC_POOL_NO_DRIVER)
		return r;
	if (!options->load_driver)
		return nec_error_set(err, NEC_E_DRIVER_MISSING, -ENOENT,
				     "the driver nitro_enclaves is not loaded");
	nec_log(change->context, "loading the driver nitro_enclaves");
	r = device->ops->load_driver(device, change->context, err);
	if (r < 0)
		return r;
	r = nec_cpu_pool_read(device, &pool, err);
	if (r >= 0 && pool.info.state == NEC_POOL_NO_DRIVER)
		return nec_error_set(err, NEC_E_DRIVER_MISSING, -ENOENT,
				     "the driver nitro_enclaves was loaded, but has no parameter "
				     "ne_cpus");
	*ret_loaded = true;
	return r;
}

/*
 * The device follows its driver within a moment, or it is not there: who only wants to be warned
 * need not wait for it each time.
 */
static int require_device(const struct nec_change *change,
			  const struct nec_allocator_apply_options *options, bool loaded,
			  bool *ret_present, nec_error *err)
{
	bool wait = options->device == NEC_ALLOCATOR_DEVICE_REQUIRE ||
		    (options->device == NEC_ALLOCATOR_DEVICE_WARN && loaded);
	int r = nec_device_wait(change->context, &change->device,
				wait ? options->device_wait_usec : 0, err);

	if (r < 0)
		return r;
	*ret_present = r == 1;
	if (r == 1 || options->device == NEC_ALLOCATOR_DEVICE_IGNORE)
		return 0;
	if (options->device == NEC_ALLOCATOR_DEVICE_REQUIRE)
		return nec_error_set(err, NEC_E_DEVICE_MISSING, -ENOENT,
				     "the driver is loaded, but there is no /dev/nitro_enclaves");
	nec_warn(change->context, "there is no /dev/nitro_enclaves: enclaves cannot be started, "
				  "even though memory and CPUs are set aside");
	return 0;
}

/* ---- one node ---- */

static int refuse_plan(const struct nec_allocator_plan *plan, nec_error *err)
{
	const struct nec_plan_problem *problem = &plan->problems[0];

	(void)nec_error_set(err, problem->code, -ENOSPC, "%s", problem->message);
	if (problem->change[0])
		nec_error_set_hint(err, "To make it fit: %s.", problem->change);
	else
		nec_error_set_hint(err, "`nec allocator plan` shows what the machine could give.");
	return -ENOSPC;
}

/* The reason for the failure stays; that the way back failed, too, is added. */
static int go_back(struct nec_change *change, int reason, nec_error *err)
{
	nec_error undo_err = NEC_ERROR_INIT;
	char why[256];
	int r = nec_change_undo(change, &undo_err);

	if (r >= 0 || !err)
		return r < 0 ? r : reason;
	(void)snprintf(why, sizeof(why), "%.250s", err->message);
	return nec_error_set(err, NEC_E_ALLOCATOR_UNDO, r, "%s; going back failed: %.400s", why,
			     undo_err.message);
}

static int change_machine(struct nec_change *change, const struct nec_allocator_config *config,
			  const struct nec_host *host, const struct nec_allocator_plan *plan,
			  const struct nec_target *target, nec_error *err)
{
	int r = nec_change_begin(change, NEC_LEDGER_APPLYING, err);

	if (r < 0)
		return r;
	r = nec_make_memory(change, config, host, plan, err);
	/* The pool comes last: when it stands, everything does. */
	if (r >= 0)
		r = nec_check_cancel(change->context, err);
	if (r >= 0 && target->set_pool)
		r = nec_change_set_pool(change, target->pool, err);
	if (r >= 0)
		r = nec_change_commit(change, err);
	if (r < 0)
		return go_back(change, r, err);
	r = nec_change_finish(change, err);
	if (r >= 0)
		return 0;
	/* It stands, and it is written down that the rest has to go. One more try is free. */
	return nec_change_finish(change, err);
}

/* The pool is ours only as long as nobody else has set another one. */
static void check_pool_owner(struct nec_ledger *ledger, const struct nec_cpu_pool *pool)
{
	if (ledger->pool_ours && !nec_cpu_pool_equal(pool->info.text, ledger->pool))
		ledger->pool_ours = false;
}

static int apply_plan(struct nec_change *change, const struct nec_allocator_config *config,
		      const struct nec_host *host, const struct nec_allocator_plan *plan,
		      bool *ret_changed, nec_error *err)
{
	struct nec_ledger *ledger = &change->ledger;
	struct nec_target target;
	int r;

	if (plan->problem_count)
		return refuse_plan(plan, err);
	check_pool_owner(ledger, &host->pool);
	r = nec_target_set(host, plan, ledger, &target, err);
	if (r >= 0)
		r = nec_target_check(host, ledger, &target, nec_driver_in_use(&change->device),
				     err);
	if (r < 0)
		return r;
	*ret_changed = target.set_pool || target.make || target.give_back;
	if (nec_target_stands(&target))
		return 0;
	ledger->node_after = plan->node;
	return change_machine(change, config, host, plan, &target, err);
}

/* ---- all of them ---- */

static void tell_outcome(const struct nec_change *change, const struct nec_allocator_plan *plan,
			 struct nec_allocator_outcome *ret)
{
	const struct nec_ledger *ledger = &change->ledger;

	ret->recovery = change->recovery;
	ret->node = plan->node;
	ret->cpus = plan->cpus;
	ret->made_bytes = change->made_bytes;
	ret->returned_bytes = change->returned_bytes;
	for (size_t i = 0; i < ledger->row_count && ret->page_count < NEC_PLAN_SIZES_MAX; i++) {
		const struct nec_ledger_row *row = &ledger->rows[i];

		if (row->node != plan->node)
			continue;
		ret->memory_bytes += (row->ours + row->found) * row->page_bytes;
		ret->pages[ret->page_count++] = (struct nec_allocator_pages){
			.page_bytes = row->page_bytes,
			.ours = row->ours,
			.found = row->found,
		};
	}
}

/*
 * A node whose memory is in too small pieces is left for the next, as nitro-cli does. When none
 * will do, the first one's reason is told.
 */
static int apply_somewhere(struct nec_change *change, const struct nec_allocator_config *config,
			   struct nec_allocator_outcome *outcome, nec_error *err)
{
	struct nec_cpuset avoid = { 0 };
	nec_error first_err = NEC_ERROR_INIT;
	int first_r = 0;

	for (;;) {
		cleanup_free struct nec_allocator_plan *plan = NULL;
		cleanup_host struct nec_host *host = NULL;
		nec_error try_err = NEC_ERROR_INIT;
		int r = nec_allocator_plan_take(&change->device, config, &change->ledger, &avoid,
						&host, &plan, &try_err);

		if (r >= 0)
			r = apply_plan(change, config, host, plan, &outcome->changed, &try_err);
		if (r >= 0) {
			tell_outcome(change, plan, outcome);
			return 0;
		}
		if (first_r == 0) {
			first_r = r;
			first_err = try_err;
		}
		if (r == -ENOMEM && try_err.code == NEC_E_HUGEPAGES_EXHAUSTED &&
		    !nec_allocator_plan_is_bound(config, host)) {
			nec_log(change->context, "not on node %d: %s", plan->node, try_err.message);
			nec_cpuset_add(&avoid, (uint32_t)plan->node);
			continue;
		}
		/* Another node does not fit at all: what was wrong with the first is the reason. */
		if (err)
			*err = r == -ENOSPC ? first_err : try_err;
		return r == -ENOSPC ? first_r : r;
	}
}

int nec_allocator_apply(nec_context *context, const struct nec_allocator_config *config,
			const struct nec_allocator_apply_options *options,
			struct nec_allocator_outcome *ret, nec_error *err)
{
	cleanup_change struct nec_change change = NEC_CHANGE_INIT;
	struct nec_allocator_outcome outcome = { .node = -1 };
	int r = nec_change_open(context, &change, err);

	if (r >= 0)
		r = require_driver(&change, options, &outcome.driver_loaded, err);
	if (r >= 0)
		r = require_device(&change, options, outcome.driver_loaded, &outcome.device_present,
				   err);
	if (r >= 0)
		r = apply_somewhere(&change, config, &outcome, err);
	if (r < 0)
		return r;
	*ret = outcome;
	return 0;
}

int nec_allocator_recover(nec_context *context, enum nec_allocator_recovery *ret, nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	cleanup_change struct nec_change change = NEC_CHANGE_INIT;
	struct nec_ledger ledger;
	int r = nec_device_open(context, &device, err);

	if (r < 0)
		return r;
	r = nec_ledger_load(&device, &ledger, err);
	if (r < 0 && r != -EBADMSG)
		return r;
	if (r >= 0 && ledger.work == NEC_LEDGER_IDLE) {
		*ret = NEC_ALLOCATOR_NOTHING;
		return 0;
	}
	r = nec_change_open(context, &change, err);
	if (r < 0)
		return r;
	*ret = change.recovery;
	return 0;
}
