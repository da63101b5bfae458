/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a change, and the ways out of it. */
#include "allocator/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "host/hugepages.h"
#include "host/pool.h"

#define MIB(bytes) ((bytes) >> 20)

static int save(struct nec_change *change, nec_error *err)
{
	return nec_ledger_save(&change->device, &change->ledger, err);
}

/* ---- pages ---- */

/*
 * What the step of a row has brought: the difference that the kernel shows, as far as the step can
 * have made it. Others who change the same number at the same time can be told from us no better.
 *
 * A higher number first makes others' surplus pages, which are in use, part of it. New are those by
 * which the sum of both has grown.
 */
static int settle_step(struct nec_change *change, struct nec_ledger_row *row, nec_error *err)
{
	struct nec_page_count now;
	uint64_t total;
	int r;

	if (row->step_from == row->step_to)
		return 0;
	r = nec_page_count_read(&change->device, row->node, row->page_bytes, &now, err);
	if (r < 0)
		return r;
	total = now.persistent + now.surplus;
	if (row->step_to > row->step_from && total > row->step_from) {
		uint64_t most = row->step_to - row->step_from;
		uint64_t gained = total - row->step_from;

		row->ours += gained < most ? gained : most;
	} else if (row->step_to < row->step_from && now.persistent < row->step_from) {
		uint64_t most = row->step_from - row->step_to;
		uint64_t lost = row->step_from - now.persistent;

		lost = lost < most ? lost : most;
		row->ours -= lost < row->ours ? lost : row->ours;
	}
	row->step_from = 0;
	row->step_to = 0;
	return 0;
}

static int step(struct nec_change *change, struct nec_ledger_row *row, uint64_t from, uint64_t to,
		nec_error *err)
{
	nec_error set_err = NEC_ERROR_INIT;
	int set_r;
	int r;

	row->step_from = from;
	row->step_to = to;
	r = save(change, err);
	if (r < 0) {
		row->step_from = 0;
		row->step_to = 0;
		return r;
	}
	set_r = nec_page_count_set(&change->device, row->node, row->page_bytes, to, &set_err);
	r = settle_step(change, row, err);
	if (r >= 0 && set_r < 0 && err)
		*err = set_err;
	return r < 0 ? r : set_r;
}

int nec_change_add_pages(struct nec_change *change, struct nec_ledger_row *row, uint64_t count,
			 uint64_t *ret_got, nec_error *err)
{
	struct nec_page_count now;
	uint64_t ours = row->ours;
	uint64_t total;
	int r = nec_page_count_read(&change->device, row->node, row->page_bytes, &now, err);

	if (r < 0)
		return r;
	total = now.persistent + now.surplus;
	r = step(change, row, total, total + count, err);
	*ret_got = row->ours - ours;
	change->made_bytes += *ret_got * row->page_bytes;
	return r;
}

int nec_change_return_pages(struct nec_change *change, struct nec_ledger_row *row, uint64_t count,
			    uint64_t *ret_gone, nec_error *err)
{
	struct nec_page_count now;
	uint64_t ours = row->ours;
	int r = nec_page_count_read(&change->device, row->node, row->page_bytes, &now, err);

	*ret_gone = 0;
	if (r < 0)
		return r;
	count = count < ours ? count : ours;
	count = count < now.available ? count : now.available;
	count = count < now.persistent ? count : now.persistent;
	if (count == 0)
		return 0;
	r = step(change, row, now.persistent, now.persistent - count, err);
	*ret_gone = ours - row->ours;
	change->returned_bytes += *ret_gone * row->page_bytes;
	return r;
}

/* ---- the pool ---- */

static bool pool_step_is_open(const struct nec_ledger *ledger)
{
	return strcmp(ledger->pool_from, ledger->pool_to) != 0;
}

static void close_pool_step(struct nec_ledger *ledger)
{
	ledger->pool_from[0] = '\0';
	ledger->pool_to[0] = '\0';
}

/* The driver takes and keeps line breaks and tabs between numbers; the ledger has one line for it.
 */
static void set_text(char to[NEC_LEDGER_POOL_SIZE], const char *text)
{
	(void)snprintf(to, NEC_LEDGER_POOL_SIZE, "%s", text);
	for (char *c = to; *c; c++)
		if (*c < ' ')
			*c = ' ';
}

int nec_change_set_pool(struct nec_change *change, const char *pool, nec_error *err)
{
	struct nec_ledger *ledger = &change->ledger;
	struct nec_cpu_pool now;
	int r = nec_cpu_pool_read(&change->device, &now, err);

	if (r < 0)
		return r;
	set_text(ledger->pool_from, now.info.text);
	set_text(ledger->pool_to, pool);
	r = save(change, err);
	if (r < 0) {
		close_pool_step(ledger);
		return r;
	}
	return nec_cpu_pool_write(&change->device, pool, err);
}

/*
 * Puts back what stood before the step, if it is ours to do: the pool is what the step was to make
 * of it, or, after a failure, none. A driver that is gone has given its CPUs back itself. A refusal
 * may be a matter of the moment here, too: see put_back_pool().
 */
static int restore_pool(struct nec_change *change, nec_error *err)
{
	struct nec_ledger *ledger = &change->ledger;
	struct nec_cpu_pool now;
	int r;

	if (!pool_step_is_open(ledger))
		return 0;
	r = nec_cpu_pool_read(&change->device, &now, err);
	if (r < 0)
		return r;
	if (now.info.state == NEC_POOL_NO_DRIVER ||
	    nec_cpu_pool_equal(now.info.text, ledger->pool_from))
		return 0;
	if (now.info.state != NEC_POOL_EMPTY && !nec_cpu_pool_equal(now.info.text, ledger->pool_to))
		return 0;
	r = nec_cpu_pool_write(&change->device, ledger->pool_from, err);
	if (r < 0 && r != -EBUSY)
		r = nec_cpu_pool_write(&change->device, ledger->pool_from, err);
	return r;
}

/*
 * The old pool could not be put back: what the step has left of it is ours, be it nothing, so that
 * a release still knows what stood before.
 */
static void own_what_is_left(struct nec_change *change)
{
	struct nec_ledger *ledger = &change->ledger;
	struct nec_cpu_pool now;

	if (nec_cpu_pool_read(&change->device, &now, NULL) < 0)
		return;
	if (now.info.state != NEC_POOL_EMPTY &&
	    (now.info.state != NEC_POOL_SET || !nec_cpu_pool_equal(now.info.text, ledger->pool_to)))
		return;
	if (!ledger->pool_ours)
		set_text(ledger->pool_origin, ledger->pool_from);
	ledger->pool_ours = true;
	set_text(ledger->pool, now.info.text);
}

/* Whether a change of ours has taken the pool down, and nothing has come in its place. */
static bool pool_is_lost(const struct nec_ledger *ledger)
{
	return ledger->pool_ours && !ledger->pool[0];
}

/* Whether the new pool of an open step stands. */
static int new_pool_stands(struct nec_change *change, nec_error *err)
{
	struct nec_cpu_pool now;
	int r;

	if (!pool_step_is_open(&change->ledger))
		return 0;
	r = nec_cpu_pool_read(&change->device, &now, err);
	if (r < 0)
		return r;
	return now.info.state == NEC_POOL_SET &&
	       nec_cpu_pool_equal(now.info.text, change->ledger.pool_to);
}

/* ---- begin, undo, commit, finish ---- */

int nec_change_begin(struct nec_change *change, enum nec_ledger_work work, nec_error *err)
{
	int r;

	change->ledger.work = work;
	r = save(change, err);
	if (r < 0)
		change->ledger.work = NEC_LEDGER_IDLE;
	return r;
}

/* Nothing is under way any more; rows that say nothing go. */
static int become_idle(struct nec_change *change, nec_error *err)
{
	const struct nec_ledger before = change->ledger;
	struct nec_ledger *ledger = &change->ledger;
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < ledger->row_count; i++) {
		struct nec_ledger_row row = ledger->rows[i];

		if (row.ours == 0 && row.found == 0)
			continue;
		ledger->rows[kept++] = (struct nec_ledger_row){
			.node = row.node,
			.page_bytes = row.page_bytes,
			.ours = row.ours,
			.coarse = row.coarse < row.ours ? row.coarse : row.ours,
			.found = row.found,
		};
	}
	ledger->row_count = kept;
	ledger->work = NEC_LEDGER_IDLE;
	ledger->node_after = -1;
	close_pool_step(ledger);
	r = save(change, err);
	/* What the rows were to become is still needed then. */
	if (r < 0)
		*ledger = before;
	return r;
}

/* Our pages of a row beyond @before or @after: those that go. */
static uint64_t count_surplus(const struct nec_ledger_row *row, bool to_before)
{
	uint64_t kept = to_before ? row->before : row->after;

	return row->ours > kept ? row->ours - kept : 0;
}

/* What steps have left open is closed first: then it is known how much there is to return. */
static int start_lowering(struct nec_change *change, bool to_before, struct nec_progress *progress,
			  nec_error *err)
{
	struct nec_ledger *ledger = &change->ledger;
	uint64_t bytes = 0;

	for (size_t i = 0; i < ledger->row_count; i++) {
		struct nec_ledger_row *row = &ledger->rows[i];
		int r = settle_step(change, row, err);

		if (r < 0)
			return r;
		bytes += count_surplus(row, to_before) * row->page_bytes;
	}
	nec_progress_start(progress, change->context, "return memory", bytes);
	return 0;
}

/* By slices, so that whoever waits hears of it. It is not cancelled: there is no way back. */
static int lower_row(struct nec_change *change, struct nec_ledger_row *row, uint64_t count,
		     struct nec_progress *progress, nec_error *err)
{
	uint64_t slice = NEC_CHANGE_SLICE_PAGES(row->page_bytes);

	while (count > 0) {
		uint64_t wanted = count < slice ? count : slice;
		uint64_t gone = 0;
		int r = nec_change_return_pages(change, row, wanted, &gone, err);

		(void)nec_progress_add(progress, gone * row->page_bytes, NULL);
		if (r < 0)
			return r;
		count -= gone;
		if (gone < wanted)
			return nec_error_set(err, NEC_E_ALLOCATOR_ENCLAVES, -EBUSY,
					     "%" PRIu64 " huge pages of %" PRIu64
					     " MiB on NUMA node %d came into use meanwhile, and "
					     "stay",
					     count, MIB(row->page_bytes), row->node);
	}
	return 0;
}

/* Brings each row down to @before or @after. Returns 0; -EBUSY when pages are in use by now. */
static int lower_rows(struct nec_change *change, bool to_before, nec_error *err)
{
	struct nec_ledger *ledger = &change->ledger;
	struct nec_progress progress;
	int result = start_lowering(change, to_before, &progress, err);

	if (result < 0)
		return result;
	for (size_t i = 0; i < ledger->row_count; i++) {
		struct nec_ledger_row *row = &ledger->rows[i];
		int r = lower_row(change, row, count_surplus(row, to_before), &progress, err);

		if (r < 0 && r != -EBUSY)
			return r;
		result = r < 0 ? r : result;
	}
	if (progress.total > 0 && result == 0)
		nec_progress_finish(&progress);
	return result;
}

int nec_change_undo(struct nec_change *change, nec_error *err)
{
	nec_error pool_err = NEC_ERROR_INIT;
	int pool_r = restore_pool(change, &pool_err);
	int r = lower_rows(change, true, err);
	int idle_r;

	/* What cannot be written is left for the next start to undo; what is in use is not. */
	if (r < 0 && r != -EBUSY)
		return r;
	if (pool_r < 0)
		own_what_is_left(change);
	idle_r = become_idle(change, err);
	if (idle_r < 0)
		return idle_r;
	if (pool_r < 0 && err)
		*err = pool_err;
	return pool_r < 0 ? pool_r : r;
}

static void take_over_pool(struct nec_ledger *ledger)
{
	if (!pool_step_is_open(ledger))
		return;
	if (!ledger->pool_ours)
		set_text(ledger->pool_origin, ledger->pool_from);
	ledger->pool_ours = true;
	set_text(ledger->pool, ledger->pool_to);
	close_pool_step(ledger);
}

int nec_change_commit(struct nec_change *change, nec_error *err)
{
	const struct nec_ledger before = change->ledger;
	struct nec_ledger *ledger = &change->ledger;
	int r;

	take_over_pool(ledger);
	ledger->reserved = true;
	ledger->node = ledger->node_after;
	ledger->work = NEC_LEDGER_SETTLING;
	for (size_t i = 0; i < ledger->row_count; i++) {
		ledger->rows[i].found = ledger->rows[i].found_after;
		ledger->rows[i].coarse = ledger->rows[i].coarse_after;
	}
	r = save(change, err);
	if (r < 0)
		*ledger = before;
	return r;
}

/* Whether the pool is still what we set, or was taken down by a write of ours that failed. */
static bool pool_is_ours(const struct nec_ledger *ledger, const struct nec_cpu_pool *now)
{
	if (now->info.state == NEC_POOL_EMPTY)
		return pool_step_is_open(ledger) || pool_is_lost(ledger);
	return now->info.state == NEC_POOL_SET && nec_cpu_pool_equal(now->info.text, ledger->pool);
}

/*
 * Puts back the pool that stood before ours. A refusal may be a matter of the moment, a CPU that
 * would not go offline; where the driver does not take it any more, there is none.
 */
static int put_back_pool(struct nec_change *change, nec_error *err)
{
	const char *origin = change->ledger.pool_origin;
	int r = nec_change_set_pool(change, origin, err);

	if (r < 0 && r != -EBUSY)
		r = nec_change_set_pool(change, origin, err);
	if (r < 0 && r != -EBUSY && *origin) {
		nec_warn(change->context, "the CPU pool \"%s\" of before cannot be put back: %s",
			 origin, err->message);
		r = nec_change_set_pool(change, "", err);
	}
	return r;
}

static int release_pool(struct nec_change *change, nec_error *err)
{
	struct nec_ledger *ledger = &change->ledger;
	nec_error pool_err = NEC_ERROR_INIT;
	struct nec_cpu_pool now;
	int r;

	if (!ledger->pool_ours)
		return 0;
	r = nec_cpu_pool_read(&change->device, &now, err);
	if (r < 0)
		return r;
	if (pool_is_ours(ledger, &now))
		r = put_back_pool(change, &pool_err);
	if (r < 0 && err)
		*err = pool_err;
	if (r < 0)
		return r;
	ledger->pool_ours = false;
	ledger->pool[0] = '\0';
	ledger->pool_origin[0] = '\0';
	close_pool_step(ledger);
	return 0;
}

static int finish_release(struct nec_change *change, nec_error *err)
{
	struct nec_ledger *ledger = &change->ledger;
	int r = release_pool(change, err);
	int idle_r;

	/* An enclave was faster: the pool comes first, so nothing has been given back yet. */
	if (r == -EBUSY) {
		idle_r = become_idle(change, NULL);
		return idle_r < 0 ? idle_r : r;
	}
	if (r >= 0)
		r = lower_rows(change, false, err);
	if (r < 0 && r != -EBUSY)
		return r;
	ledger->reserved = false;
	ledger->node = -1;
	for (size_t i = 0; i < ledger->row_count; i++)
		ledger->rows[i].found = 0;
	idle_r = become_idle(change, r < 0 ? NULL : err);
	return idle_r < 0 ? idle_r : r;
}

int nec_change_finish(struct nec_change *change, nec_error *err)
{
	nec_error lower_err = NEC_ERROR_INIT;
	int r;

	if (change->ledger.work == NEC_LEDGER_RELEASING)
		return finish_release(change, err);
	r = lower_rows(change, false, &lower_err);
	/* The reservation stands, with more than it needs. */
	if (r == -EBUSY)
		nec_warn(change->context, "%s", lower_err.message);
	else if (r < 0) {
		if (err)
			*err = lower_err;
		return r;
	}
	return become_idle(change, err);
}

/* ---- what somebody has left behind ---- */

static int recover_apply(struct nec_change *change, nec_error *err)
{
	int r = new_pool_stands(change, err);

	if (r < 0)
		return r;
	if (r == 0) {
		change->recovery = NEC_ALLOCATOR_UNDONE;
		return nec_change_undo(change, err);
	}
	/* Everything was there, only nobody could say so any more. Enclaves may be using it. */
	change->recovery = NEC_ALLOCATOR_FINISHED;
	r = nec_change_commit(change, err);
	return r < 0 ? r : nec_change_finish(change, err);
}

static int recover_work(struct nec_change *change, nec_error *err)
{
	switch (change->ledger.work) {
	case NEC_LEDGER_IDLE:
		return 0;
	case NEC_LEDGER_APPLYING:
		return recover_apply(change, err);
	case NEC_LEDGER_SETTLING:
	case NEC_LEDGER_RELEASING:
		break;
	}
	change->recovery = NEC_ALLOCATOR_FINISHED;
	return nec_change_finish(change, err);
}

/*
 * What is in use by now stays, and the ledger says so: that is all that can be done, and no reason
 * to refuse what comes next. A release that the driver did not let begin was none.
 */
static int recover(struct nec_change *change, nec_error *err)
{
	bool releasing = change->ledger.work == NEC_LEDGER_RELEASING;
	nec_error why = NEC_ERROR_INIT;
	char pool[NEC_LEDGER_POOL_SIZE];
	int r;

	set_text(pool, change->ledger.pool_from);
	r = recover_work(change, &why);

	if (r == -EBUSY && change->ledger.work == NEC_LEDGER_IDLE) {
		if (!releasing && pool[0] && pool_is_lost(&change->ledger)) {
			change->recovery = NEC_ALLOCATOR_NOTHING;
			nec_warn(change->context,
				 "a change that had been interrupted could not be undone: the CPU "
				 "pool \"%s\" cannot be put back: %s",
				 pool, why.message);
			return 0;
		}
		nec_warn(change->context, "%s", why.message);
		if (releasing && change->ledger.pool_ours)
			change->recovery = NEC_ALLOCATOR_UNDONE;
		return 0;
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

static int load(struct nec_change *change, nec_error *err)
{
	nec_error load_err = NEC_ERROR_INIT;
	int r = nec_ledger_load(&change->device, &change->ledger, &load_err);

	if (r == -EBADMSG) {
		nec_warn(change->context,
			 "%s: it is moved aside, and no huge page counts as ours any more",
			 load_err.message);
		change->recovery = NEC_ALLOCATOR_FORGOTTEN;
		return nec_ledger_set_aside(&change->device, err);
	}
	if (r < 0 && err)
		*err = load_err;
	return r;
}

int nec_change_open(const nec_context *context, struct nec_change *change, nec_error *err)
{
	int r;

	*change = (struct nec_change)NEC_CHANGE_INIT;
	change->context = context;
	r = nec_device_open(context, &change->device, err);
	if (r < 0)
		return r;
	if (change->device.ops->check_rights(&change->device) < 0)
		return nec_error_set(err, NEC_E_ALLOCATOR_RIGHTS, -EPERM,
				     "setting memory and CPUs aside needs root's rights");
	change->lock_fd = nec_ledger_lock(&change->device, err);
	if (change->lock_fd < 0)
		return change->lock_fd;
	r = load(change, err);
	return r < 0 ? r : recover(change, err);
}

void nec_change_close(struct nec_change *change)
{
	if (change->lock_fd >= 0)
		(void)close(change->lock_fd);
	change->lock_fd = -1;
	nec_device_close(&change->device);
}
