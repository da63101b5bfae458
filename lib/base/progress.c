/* SPDX-License-Identifier: Apache-2.0 */
/* Throttled progress reports. */
#include "base/progress.h"

#include <time.h>

static const uint64_t report_interval_usec = 100000;

static uint64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void report(struct nec_progress *progress)
{
	const nec_context *context = progress->context;

	if (context && context->progress)
		context->progress(context->progress_userdata, progress->phase, progress->done,
				  progress->total);
}

void nec_progress_start(struct nec_progress *progress, const nec_context *context,
			const char *phase, uint64_t total)
{
	*progress = (struct nec_progress){
		.context = context,
		.phase = phase,
		.total = total,
		.last_usec = now_usec(),
	};
}

int nec_progress_add(struct nec_progress *progress, uint64_t bytes, nec_error *err)
{
	uint64_t now;

	progress->done += bytes;
	now = now_usec();
	if (now - progress->last_usec >= report_interval_usec) {
		progress->last_usec = now;
		report(progress);
	}
	return nec_check_cancel(progress->context, err);
}

void nec_progress_finish(struct nec_progress *progress)
{
	if (progress->total)
		progress->done = progress->total;
	report(progress);
}
