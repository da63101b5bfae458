/* SPDX-License-Identifier: Apache-2.0 */
/* What changes the machine: one thing at a time, whoever wants it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocator/outcome.h"
#include "base/error.h"
#include "base/json.h"
#include "daemon.h"

static void on_done(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload);

/* ---- what is said while it goes on ---- */

static void on_news(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	struct daemon *daemon = userdata;

	if (reply->kind == NEC_ALLOCATOR_WARNING) {
		daemon_log(daemon, NEC_LOG_WARN, "%s", reply->text);
	} else {
		(void)snprintf(daemon->phase, sizeof(daemon->phase), "%.63s", reply->text);
		daemon->done = reply->done;
		daemon->total = reply->total;
		daemon_notify_status(&daemon->notifier, "", "%s: %" PRIu64 " of %" PRIu64 " MiB",
				     daemon->phase, daemon->done >> 20, daemon->total >> 20);
	}
	if (daemon->asker)
		daemon_client_tell(daemon->asker, payload);
}

static void say_begin(struct daemon *daemon)
{
	const char *name = nec_allocator_verb_name(daemon->change_verb);

	if (daemon->asker)
		daemon_log(daemon, NEC_LOG_INFO, "%s, for user %u", name,
			   daemon_client_uid(daemon->asker));
	else
		daemon_log(daemon, NEC_LOG_INFO, "%s", name);
	daemon_notify_status(&daemon->notifier, "", "%s is under way", name);
	/* The time belongs to it: systemd knows by it which reload it hears of. */
	if (daemon->state == DAEMON_READY)
		daemon_notify(&daemon->notifier, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
			      nec_loop_now());
}

/* ---- begin ---- */

static int begin(struct daemon *daemon, const struct daemon_job *job, struct daemon_client *asker,
		 nec_error *err)
{
	int r = daemon_worker_start(daemon->loop, job, on_news, on_done, daemon, &daemon->change,
				    err);

	if (r < 0)
		return r;
	daemon->change_verb = job->verb;
	daemon->asker = asker;
	daemon->phase[0] = '\0';
	daemon->done = daemon->total = 0;
	say_begin(daemon);
	return 0;
}

int daemon_change_begin(struct daemon *daemon, const struct daemon_job *job,
			struct daemon_client *asker, nec_error *err)
{
	if (daemon->state == DAEMON_STOPPING)
		return nec_error_set(err, NEC_E_ALLOCATOR_BUSY, -EAGAIN,
				     "nec-allocatord is stopping");
	if (daemon->change)
		return nec_error_set(err, NEC_E_ALLOCATOR_BUSY, -EAGAIN,
				     "nec-allocatord is at another %s; try again when it is done",
				     nec_allocator_verb_name(daemon->change_verb));
	return begin(daemon, job, asker, err);
}

static void apply_own_file(struct daemon *daemon)
{
	const struct daemon_job job = { .verb = NEC_ALLOCATOR_ASK_APPLY,
					.config = daemon->options.config };
	nec_error err = NEC_ERROR_INIT;

	if (begin(daemon, &job, NULL, &err) < 0)
		daemon_log_failure(daemon, "the file cannot be applied", &err);
}

void daemon_reload(struct daemon *daemon)
{
	if (daemon->state == DAEMON_STOPPING)
		return;
	if (daemon->change)
		daemon->reload = true;
	else
		apply_own_file(daemon);
}

/* ---- end ---- */

static void finish(struct daemon *daemon, int status)
{
	nec_loop_stop(daemon->loop, status);
}

/* All that was under way is done: what is set aside is given back, and we are through. */
static void stop_now(struct daemon *daemon)
{
	const struct daemon_job job = { .verb = NEC_ALLOCATOR_ASK_RELEASE,
					.config = daemon->options.config };
	nec_error err = NEC_ERROR_INIT;

	if (daemon->options.keep) {
		daemon_log(daemon, NEC_LOG_INFO, "stopped; %s, and stay so", daemon->standing);
		finish(daemon, 0);
	} else if (begin(daemon, &job, NULL, &err) < 0) {
		daemon_log_failure(daemon, "nothing can be given back", &err);
		finish(daemon, nec_error_exit_status(err.code));
	} else {
		daemon->releasing = true;
	}
}

void daemon_stop(struct daemon *daemon)
{
	if (daemon->state == DAEMON_STOPPING)
		return;
	daemon->state = DAEMON_STOPPING;
	daemon->reload = false;
	daemon_notify(&daemon->notifier, "STOPPING=1");
	if (daemon->change)
		daemon_worker_cancel(daemon->change);
	else
		stop_now(daemon);
}

static void say_recovery(struct daemon *daemon, enum nec_allocator_recovery recovery)
{
	static const char *const texts[] = {
		[NEC_ALLOCATOR_FINISHED] = "a change that had been interrupted was finished",
		[NEC_ALLOCATOR_UNDONE] = "a change that had been interrupted was undone",
		[NEC_ALLOCATOR_FORGOTTEN] =
			"the allocator's record of its pages was damaged and was moved aside; "
			"what was set aside before is no longer known to be ours",
	};

	if (recovery != NEC_ALLOCATOR_NOTHING)
		daemon_log(daemon, NEC_LOG_WARN, "%s", texts[recovery]);
}

static void take_success(struct daemon *daemon, const struct nec_allocator_reply *reply)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_allocator_outcome outcome;

	daemon->failure = (nec_error)NEC_ERROR_INIT;
	if (nec_allocator_outcome_from_json(reply->result, &outcome, NULL) < 0)
		return;
	say_recovery(daemon, outcome.recovery);
	nec_allocator_outcome_describe(&outcome, &text);
	(void)snprintf(daemon->standing, sizeof(daemon->standing), "%s", nec_buffer_text(&text));
	daemon_log(daemon, NEC_LOG_INFO, "%s%s", daemon->standing,
		   outcome.changed ? "" : "; nothing had to be changed");
	daemon_notify_status(&daemon->notifier, daemon->state == DAEMON_STOPPING ? "" : "READY=1\n",
			     "%s", daemon->standing);
}

/* Somebody sees it in the log and in `systemctl status`, whoever asked for it. */
static void take_failure(struct daemon *daemon, const nec_error *err)
{
	char what[64];

	daemon->failure = *err;
	(void)snprintf(what, sizeof(what), "%s failed",
		       nec_allocator_verb_name(daemon->change_verb));
	daemon_log_failure(daemon, what, err);
	if (daemon->state == DAEMON_READY)
		daemon_notify_status(&daemon->notifier, "READY=1\n", "%s: %s; still %s", what,
				     err->message, daemon->standing);
	else
		daemon_notify_status(&daemon->notifier, "", "%s: %s %s", what, err->message,
				     err->hint);
}

static void answer(struct daemon *daemon, const struct nec_allocator_reply *reply,
		   const struct nec_buffer *payload)
{
	struct daemon_client *asker = TAKE_PTR(daemon->asker);

	if (!asker)
		return;
	if (payload)
		daemon_client_answer(asker, payload);
	else
		daemon_client_answer_error(asker, &reply->error);
}

/* What comes after a change. */
static void go_on(struct daemon *daemon, bool good)
{
	int status = good ? 0 : nec_error_exit_status(daemon->failure.code);

	if (daemon->state == DAEMON_STOPPING) {
		/* Before that it was a change that had to end first. */
		if (daemon->releasing)
			finish(daemon, status);
		else
			stop_now(daemon);
	} else if (daemon->state == DAEMON_STARTING && !good) {
		finish(daemon, status);
	} else {
		daemon->state = DAEMON_READY;
		if (daemon->reload) {
			daemon->reload = false;
			apply_own_file(daemon);
		}
	}
}

static void on_done(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	struct daemon *daemon = userdata;
	bool good = reply->kind == NEC_ALLOCATOR_RESULT;

	daemon->change = NULL;
	if (good)
		take_success(daemon, reply);
	else
		take_failure(daemon, &reply->error);
	answer(daemon, reply, payload);
	go_on(daemon, good);
}
