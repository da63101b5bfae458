/* SPDX-License-Identifier: Apache-2.0 */
/* What changes the machine: one thing at a time, whoever wants it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocator/outcome.h"
#include "base/error.h"
#include "base/json.h"
#include "daemon.h"

/* How long, in microseconds, systemd is to wait from the last step on. */
#define STEP_USEC "180000000"

/* How often, and how long, a lock is tried that a `nec allocator` without us holds. */
enum { RETRY_USEC = 250000, WAIT_USEC = 60000000 };

static void on_done(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload);

/* ---- what is said while it goes on ---- */

/*
 * Start, stop and reload have a time limit, which says nothing of how much memory there is to make:
 * as long as it goes on, systemd is to wait. A reload that waits for its turn is waited for, too.
 */
static void ask_for_time(const struct daemon *daemon)
{
	daemon_notify_repeated(&daemon->notifier, "EXTEND_TIMEOUT_USEC=" STEP_USEC);
}

static void on_news(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	struct daemon *daemon = userdata;

	if (reply->kind == NEC_ALLOCATOR_WARNING) {
		daemon_log(daemon, NEC_LOG_WARN, "%s", reply->text);
	} else {
		if (reply->done != daemon->done || strcmp(reply->text, daemon->phase) != 0)
			ask_for_time(daemon);
		(void)snprintf(daemon->phase, sizeof(daemon->phase), "%.63s", reply->text);
		daemon->done = reply->done;
		daemon->total = reply->total;
		(void)daemon_notify_status(&daemon->notifier, "",
					   "%s: %" PRIu64 " of %" PRIu64 " MiB", daemon->phase,
					   daemon->done >> 20, daemon->total >> 20);
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
	(void)daemon_notify_status(&daemon->notifier, "", "%s is under way", name);
	/* The time belongs to it: systemd knows by it which reload it hears of. */
	if (daemon->state == DAEMON_READY)
		daemon_check_told(daemon, daemon_notify(&daemon->notifier,
							"RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
							nec_loop_now()));
	ask_for_time(daemon);
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
	return 0;
}

bool daemon_change_is_under_way(const struct daemon *daemon)
{
	return daemon->change || daemon->retry;
}

static int refuse_for_stop(nec_error *err)
{
	return nec_error_set(err, NEC_E_ALLOCATOR_BUSY, -EAGAIN, "nec-allocatord is stopping");
}

int daemon_change_begin(struct daemon *daemon, const struct daemon_job *job,
			struct daemon_client *asker, nec_error *err)
{
	int r;

	if (daemon->state == DAEMON_STOPPING)
		return refuse_for_stop(err);
	if (daemon_change_is_under_way(daemon))
		return nec_error_set(err, NEC_E_ALLOCATOR_BUSY, -EAGAIN,
				     "nec-allocatord is at another %s; try again when it is done",
				     nec_allocator_verb_name(daemon->change_verb));
	r = begin(daemon, job, asker, err);
	if (r == 0) {
		daemon->wait_until = 0;
		say_begin(daemon);
	}
	return r;
}

static int begin_own(struct daemon *daemon, enum nec_allocator_verb verb,
		     struct daemon_client *asker, nec_error *err)
{
	const struct daemon_job job = { .verb = verb, .config = daemon->options.config };

	return begin(daemon, &job, asker, err);
}

int daemon_change_begin_own(struct daemon *daemon, enum nec_allocator_verb verb,
			    struct daemon_client *asker, nec_error *err)
{
	int r = begin_own(daemon, verb, asker, err);

	if (r == 0) {
		daemon->wait_until = nec_loop_now() + WAIT_USEC;
		say_begin(daemon);
	}
	return r;
}

static void apply_own_file(struct daemon *daemon)
{
	nec_error err = NEC_ERROR_INIT;

	if (daemon_change_begin_own(daemon, NEC_ALLOCATOR_ASK_APPLY, NULL, &err) < 0)
		daemon_log_failure(daemon, "the file cannot be applied", &err);
}

/* ---- reload ---- */

void daemon_reload(struct daemon *daemon)
{
	if (daemon->state == DAEMON_STOPPING)
		return;
	if (daemon_change_is_under_way(daemon))
		daemon->reload = true;
	else
		apply_own_file(daemon);
}

static void reload_now(struct daemon *daemon, struct daemon_client *client)
{
	nec_error err = NEC_ERROR_INIT;

	if (daemon_change_begin_own(daemon, NEC_ALLOCATOR_ASK_APPLY, client, &err) < 0)
		daemon_client_answer_error(client, &err);
}

/* A client whose turn has not come just goes on waiting for its answer: go_on() sees it. */
void daemon_reload_for(struct daemon *daemon, struct daemon_client *client)
{
	nec_error err = NEC_ERROR_INIT;

	if (daemon->state == DAEMON_STOPPING) {
		(void)refuse_for_stop(&err);
		daemon_client_answer_error(client, &err);
	} else if (!daemon_change_is_under_way(daemon)) {
		reload_now(daemon, client);
	}
}

/* Who came first stands last. */
static void note_first(struct daemon_client *client, void *userdata)
{
	*(struct daemon_client **)userdata = client;
}

static struct daemon_client *find_reloader(struct daemon *daemon)
{
	struct daemon_client *first = NULL;

	daemon_clients_each(daemon->clients, NEC_ALLOCATOR_ASK_RELOAD, note_first, &first);
	return first;
}

/* Nobody's turn comes any more; a change that is under way has its own answer. */
static void refuse_reloader(struct daemon_client *client, void *userdata)
{
	struct daemon *daemon = userdata;
	nec_error err = NEC_ERROR_INIT;

	if (client == daemon->asker && daemon->change)
		return;
	if (client == daemon->asker)
		daemon->asker = NULL;
	(void)refuse_for_stop(&err);
	daemon_client_answer_error(client, &err);
}

/* ---- end ---- */

static void finish(struct daemon *daemon, int status)
{
	daemon_clients_each(daemon->clients, NEC_ALLOCATOR_ASK_RELOAD, refuse_reloader, daemon);
	nec_loop_stop(daemon->loop, status);
}

/* All that was under way is done: what is set aside is given back, and we are through. */
static void stop_now(struct daemon *daemon)
{
	nec_error err = NEC_ERROR_INIT;

	if (daemon->options.keep) {
		daemon_log(daemon, NEC_LOG_INFO, "stopped; %s, and stay so", daemon->standing);
		finish(daemon, 0);
	} else if (daemon_change_begin_own(daemon, NEC_ALLOCATOR_ASK_RELEASE, NULL, &err) < 0) {
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
	nec_source_free(TAKE_PTR(daemon->retry));
	daemon_clients_each(daemon->clients, NEC_ALLOCATOR_ASK_RELOAD, refuse_reloader, daemon);
	daemon_check_told(daemon, daemon_notify(&daemon->notifier, "STOPPING=1"));
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
	if (daemon->state == DAEMON_STOPPING)
		(void)daemon_notify_status(&daemon->notifier, "", "%s", daemon->standing);
	else
		daemon_check_told(daemon, daemon_notify_status(&daemon->notifier, "READY=1\n", "%s",
							       daemon->standing));
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
		daemon_check_told(daemon, daemon_notify_status(&daemon->notifier, "READY=1\n",
							       "%s: %s; still %s", what,
							       err->message, daemon->standing));
	else
		(void)daemon_notify_status(&daemon->notifier, "", "%s: %s %s", what, err->message,
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

/* One reload serves systemd however often it has asked; each client has one of its own. */
static void reload_next(struct daemon *daemon)
{
	struct daemon_client *client = NULL;

	if (daemon->reload) {
		daemon->reload = false;
		apply_own_file(daemon);
	}
	while (!daemon_change_is_under_way(daemon) && (client = find_reloader(daemon)))
		reload_now(daemon, client);
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
		reload_next(daemon);
	}
}

static void end_change(struct daemon *daemon, const struct nec_allocator_reply *reply,
		       const struct nec_buffer *payload)
{
	bool good = reply->kind == NEC_ALLOCATOR_RESULT;

	if (good)
		take_success(daemon, reply);
	else
		take_failure(daemon, &reply->error);
	answer(daemon, reply, payload);
	go_on(daemon, good);
}

/* ---- another process is changing the machine ---- */

static void on_retry(void *userdata, uint32_t events)
{
	struct daemon *daemon = userdata;
	struct nec_allocator_reply lost = { .kind = NEC_ALLOCATOR_ERROR };

	(void)events;
	nec_source_free(TAKE_PTR(daemon->retry));
	if (begin_own(daemon, daemon->change_verb, daemon->asker, &lost.error) < 0)
		end_change(daemon, &lost, NULL);
}

/* It is not waited for any more. Nothing has been touched. */
static void end_wait(struct daemon *daemon)
{
	struct nec_allocator_reply ended = { .kind = NEC_ALLOCATOR_ERROR };

	nec_source_free(TAKE_PTR(daemon->retry));
	(void)nec_error_set(&ended.error, NEC_E_CANCELLED, -ECANCELED, "interrupted");
	end_change(daemon, &ended, NULL);
}

static void forsake_change(struct daemon *daemon, bool gone)
{
	if (gone)
		daemon->asker = NULL;
	daemon->wait_until = 0;
	if (daemon->change)
		daemon_worker_cancel(daemon->change);
	else if (daemon->retry)
		end_wait(daemon);
}

void daemon_change_forsaken(struct daemon *daemon, struct daemon_client *client, bool gone)
{
	nec_error err = NEC_ERROR_INIT;

	if (client == daemon->asker) {
		forsake_change(daemon, gone);
	} else if (!gone && daemon_client_verb(client) == NEC_ALLOCATOR_ASK_RELOAD) {
		(void)nec_error_set(&err, NEC_E_CANCELLED, -ECANCELED, "interrupted");
		daemon_client_answer_error(client, &err);
	}
}

/*
 * A client is told at once and can come again. A start or stop of the service that failed for that
 * would be for good, though it has only to wait. False when there is nothing to wait for.
 */
static bool wait_for_turn(struct daemon *daemon, const struct nec_allocator_reply *reply)
{
	bool stops_first = daemon->state == DAEMON_STOPPING && !daemon->releasing;

	if (reply->kind != NEC_ALLOCATOR_ERROR || reply->error.code != NEC_E_ALLOCATOR_BUSY ||
	    stops_first || nec_loop_now() >= daemon->wait_until)
		return false;
	if (nec_loop_add_timer(daemon->loop, RETRY_USEC, on_retry, daemon, &daemon->retry, NULL) <
	    0)
		return false;
	(void)daemon_notify_status(&daemon->notifier, "", "%s waits: %s",
				   nec_allocator_verb_name(daemon->change_verb),
				   reply->error.message);
	return true;
}

static void on_done(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	struct daemon *daemon = userdata;

	daemon->change = NULL;
	if (!wait_for_turn(daemon, reply))
		end_change(daemon, reply, payload);
}
