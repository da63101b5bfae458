/* SPDX-License-Identifier: Apache-2.0 */
/* One piece of work, by the library's calls. */
#include "job.h"

#include <errno.h>
#include <string.h>

#include "allocator/apply.h"
#include "allocator/outcome.h"
#include "allocator/status-json.h"
#include "base/error.h"
#include "base/json.h"

/* To a daemon that is gone nothing can be said, and what is being done is done all the same. */
static void say(int fd, const struct nec_buffer *frame)
{
	size_t sent = 0;

	while (!frame->failed && sent < frame->size) {
		ssize_t n = write(fd, frame->data + sent, frame->size - sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		sent += (size_t)n;
	}
}

static void on_progress(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	cleanup_buffer struct nec_buffer frame = { 0 };

	nec_allocator_add_progress(phase, done, total, &frame);
	say(*(const int *)userdata, &frame);
}

static void on_warning(void *userdata, const char *text)
{
	cleanup_buffer struct nec_buffer frame = { 0 };

	nec_allocator_add_warning(text, &frame);
	say(*(const int *)userdata, &frame);
}

static int read_config(const struct daemon_job *job, struct nec_allocator_config *ret,
		       nec_error *err)
{
	if (job->text)
		return nec_allocator_config_parse(job->text, strlen(job->text), job->name, ret,
						  err);
	return nec_allocator_config_read(job->config, ret, err);
}

/*
 * What a killed one has left is dealt with even when the file is no good. The driver is the
 * service manager's to load: to load modules is a right that we do not want to have.
 */
static int apply(const struct daemon_job *job, nec_context *context, cJSON **ret, nec_error *err)
{
	struct nec_allocator_apply_options options = NEC_ALLOCATOR_APPLY_OPTIONS_INIT;
	enum nec_allocator_recovery recovery = NEC_ALLOCATOR_NOTHING;
	struct nec_allocator_config config;
	struct nec_allocator_outcome outcome = { .node = -1 };
	int r = nec_allocator_recover(context, &recovery, err);

	options.load_driver = false;
	if (r == 0)
		r = read_config(job, &config, err);
	if (r == 0)
		r = nec_allocator_apply(context, &config, &options, &outcome, err);
	if (r < 0)
		return r;
	if (outcome.recovery == NEC_ALLOCATOR_NOTHING)
		outcome.recovery = recovery;
	return nec_allocator_outcome_to_json(&outcome, ret, err);
}

static int release(nec_context *context, cJSON **ret, nec_error *err)
{
	struct nec_allocator_outcome outcome;
	int r = nec_allocator_release(context, &outcome, err);

	return r < 0 ? r : nec_allocator_outcome_to_json(&outcome, ret, err);
}

/* A file that cannot be read is no reason to say nothing of the machine. */
static int status(const struct daemon_job *job, nec_context *context, cJSON **ret, nec_error *err)
{
	cleanup_allocator_status struct nec_allocator_status *status = NULL;
	struct nec_allocator_config config;
	bool has_config = nec_allocator_config_read(job->config, &config, NULL) == 0;
	int r = nec_allocator_status_read(context, has_config ? &config : NULL, &status, err);

	return r < 0 ? r : nec_allocator_status_to_json(status, ret, err);
}

static int do_work(const struct daemon_job *job, nec_context *context, cJSON **ret, nec_error *err)
{
	switch (job->verb) {
	case NEC_ALLOCATOR_ASK_APPLY:
		return apply(job, context, ret, err);
	case NEC_ALLOCATOR_ASK_RELEASE:
		return release(context, ret, err);
	case NEC_ALLOCATOR_ASK_STATUS:
		return status(job, context, ret, err);
	case NEC_ALLOCATOR_ASK_STATE:
	case NEC_ALLOCATOR_ASK_RELOAD:
	case NEC_ALLOCATOR_ASK_VERBS:
		break;
	}
	return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL, "no such work");
}

void daemon_job_run(const struct daemon_job *job, int fd, const volatile int *cancel)
{
	cleanup_buffer struct nec_buffer frame = { 0 };
	cleanup_json cJSON *result = NULL;
	nec_context *context = NULL;
	nec_error err = NEC_ERROR_INIT;
	int r = nec_context_new(&context, &err);

	if (r == 0) {
		nec_context_set_cancel(context, cancel);
		nec_context_set_progress(context, on_progress, &fd);
		nec_context_set_warning(context, on_warning, &fd);
		r = do_work(job, context, &result, &err);
	}
	if (r < 0)
		nec_allocator_add_error(&err, &frame);
	else
		nec_allocator_add_result(result, &frame);
	say(fd, &frame);
	nec_context_free(context);
}
