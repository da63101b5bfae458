/* SPDX-License-Identifier: Apache-2.0 */
/* Release: the pool first, because the driver refuses it while enclaves exist; then our pages. */
#include <string.h>

#include "allocator/apply.h"
#include "allocator/change.h"
#include "allocator/target.h"
#include "base/error.h"

static bool has_anything(const struct nec_ledger *ledger)
{
	for (size_t i = 0; i < ledger->row_count; i++)
		if (ledger->rows[i].ours)
			return true;
	return ledger->reserved || ledger->pool_ours;
}

static int check(struct nec_change *change, nec_error *err)
{
	cleanup_host struct nec_host *host = NULL;
	struct nec_target target = { .give_back = true };
	int r = nec_host_take(&change->device, &host, err);

	if (r < 0)
		return r;
	nec_target_set_nothing(host, &change->ledger);
	target.set_pool = change->ledger.pool_ours && host->pool.info.state != NEC_POOL_NO_DRIVER &&
			  nec_cpu_pool_equal(host->pool.info.text, change->ledger.pool);
	memcpy(target.pool, change->ledger.pool_origin, sizeof(target.pool));
	return nec_target_check(host, &change->ledger, &target, nec_driver_in_use(&change->device),
				err);
}

static int release(struct nec_change *change, nec_error *err)
{
	int r = check(change, err);

	if (r >= 0)
		r = nec_change_begin(change, NEC_LEDGER_RELEASING, err);
	if (r < 0)
		return r;
	r = nec_change_finish(change, err);
	/* From here on there is only one way; what failed may go better the next time. */
	if (r < 0 && change->ledger.work == NEC_LEDGER_RELEASING)
		r = nec_change_finish(change, err);
	return r;
}

int nec_allocator_release(nec_context *context, struct nec_allocator_outcome *ret, nec_error *err)
{
	cleanup_change struct nec_change change = NEC_CHANGE_INIT;
	struct nec_allocator_outcome outcome = { .node = -1 };
	int r = nec_change_open(context, &change, err);

	if (r < 0)
		return r;
	outcome.changed = has_anything(&change.ledger);
	if (outcome.changed)
		r = release(&change, err);
	if (r < 0)
		return r;
	outcome.recovery = change.recovery;
	outcome.returned_bytes = change.returned_bytes;
	outcome.device_present = nec_device_exists(&change.device, "/dev/nitro_enclaves") == 1;
	*ret = outcome;
	return 0;
}
