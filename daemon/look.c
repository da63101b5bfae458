/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking: at the machine, by one process for all who wait; and at the daemon itself. A look that
 * began before somebody asked is not for them: it might not show what they have just changed.
 */
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "daemon.h"

static void begin(struct daemon *daemon);

static void mark(struct daemon_client *client, void *userdata)
{
	bool *any = userdata;

	daemon_client_mark(client);
	*any = true;
}

struct answer {
	const struct nec_allocator_reply *reply;
	const struct nec_buffer *payload;
};

static void answer_marked(struct daemon_client *client, void *userdata)
{
	const struct answer *answer = userdata;

	if (!daemon_client_is_marked(client))
		return;
	if (answer->payload)
		daemon_client_answer(client, answer->payload);
	else
		daemon_client_answer_error(client, &answer->reply->error);
}

static void on_news(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	(void)userdata;
	(void)reply;
	(void)payload;
}

static void on_done(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	struct daemon *daemon = userdata;
	struct answer answer = { .reply = reply, .payload = payload };

	daemon->look = NULL;
	daemon_clients_each(daemon->clients, NEC_ALLOCATOR_ASK_STATUS, answer_marked, &answer);
	begin(daemon);
}

/* For those who wait and are not marked yet: the others had theirs. */
static void begin(struct daemon *daemon)
{
	const struct daemon_job job = { .verb = NEC_ALLOCATOR_ASK_STATUS,
					.config = daemon->options.config };
	struct nec_allocator_reply failed = { .kind = NEC_ALLOCATOR_ERROR };
	struct answer answer = { .reply = &failed };
	bool any = false;

	daemon_clients_each(daemon->clients, NEC_ALLOCATOR_ASK_STATUS, mark, &any);
	if (any && daemon_worker_start(daemon->loop, &job, on_news, on_done, daemon, &daemon->look,
				       &failed.error) < 0)
		daemon_clients_each(daemon->clients, NEC_ALLOCATOR_ASK_STATUS, answer_marked,
				    &answer);
}

void daemon_look(struct daemon *daemon)
{
	if (!daemon->look)
		begin(daemon);
}

/* ---- the daemon itself ---- */

static const char *state_name(const struct daemon *daemon)
{
	switch (daemon->state) {
	case DAEMON_STARTING:
		return "starting";
	case DAEMON_STOPPING:
		return "stopping";
	case DAEMON_READY:
		break;
	}
	return daemon_change_is_under_way(daemon) ? "changing" : "ready";
}

static void count_client(struct daemon_client *client, void *userdata)
{
	(void)client;
	++*(uint64_t *)userdata;
}

/* Those whose turn has not come. */
static uint64_t count_waiting(const struct daemon *daemon)
{
	uint64_t count = daemon->reload ? 1 : 0;

	daemon_clients_each(daemon->clients, NEC_ALLOCATOR_ASK_RELOAD, count_client, &count);
	if (daemon->asker && daemon_client_verb(daemon->asker) == NEC_ALLOCATOR_ASK_RELOAD)
		count--;
	return count;
}

static bool add_work(cJSON *object, const struct daemon *daemon)
{
	cJSON *item;

	if (!daemon_change_is_under_way(daemon))
		return true;
	item = nec_json_object();
	return nec_json_add(object, "Work", item) &&
	       nec_json_add_string(item, "Request", nec_allocator_verb_name(daemon->change_verb)) &&
	       nec_json_add_string(item, "Phase", daemon->phase) &&
	       nec_json_add_u64(item, "Done", daemon->done) &&
	       nec_json_add_u64(item, "Total", daemon->total) &&
	       nec_json_add_u64(item, "Waiting", count_waiting(daemon));
}

static bool add_failure(cJSON *object, const nec_error *failure)
{
	cJSON *item;

	if (failure->code == NEC_E_NONE)
		return true;
	item = nec_json_object();
	return nec_json_add(object, "Failure", item) &&
	       nec_json_add_string(item, "Name", nec_error_name(failure->code)) &&
	       nec_json_add_string(item, "Message", failure->message) &&
	       nec_json_add_string(item, "Hint", failure->hint);
}

static bool fill(cJSON *object, const struct daemon *daemon)
{
	return nec_json_add_string(object, "State", state_name(daemon)) &&
	       nec_json_add_u64(object, "Pid", (uint64_t)getpid()) &&
	       nec_json_add_string(object, "Version", NEC_VERSION) &&
	       nec_json_add_string(object, "Config", daemon->options.config) &&
	       nec_json_add_bool(object, "KeepsWhenStopped", daemon->options.keep) &&
	       nec_json_add_string(object, "Standing", daemon->standing) &&
	       add_work(object, daemon) && add_failure(object, &daemon->failure);
}

void daemon_answer_state(struct daemon *daemon, struct daemon_client *client)
{
	cleanup_json cJSON *object = nec_json_object();
	cleanup_buffer struct nec_buffer frame = { 0 };
	struct nec_buffer payload;
	nec_error err = NEC_ERROR_INIT;

	if (fill(object, daemon))
		nec_allocator_add_result(object, &frame);
	if (frame.size == 0) {
		(void)nec_error_no_memory(&err);
		daemon_client_answer_error(client, &err);
		return;
	}
	payload = (struct nec_buffer){ .data = frame.data + NEC_FRAME_HEADER,
				       .size = frame.size - NEC_FRAME_HEADER };
	daemon_client_answer(client, &payload);
}
