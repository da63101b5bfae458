/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the daemon's socket. */
#include "allocator/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/context.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/unix-socket.h"

/* How often the cancel flag is looked at: a signal may come between a look and a wait. */
enum { WAIT_MSEC = 200 };

/* How long a daemon with many connections waiting is tried. */
enum { RETRIES = 500, RETRY_NSEC = 10000000 };

/*
 * A daemon may be stopped, or hang: its state it says at once or not at all, and a change that is
 * not wanted any more it undoes by itself, with us or without us.
 */
enum { STATE_USEC = 5000000, UNDO_USEC = 15000000 };

const char *nec_allocator_socket(void)
{
	const char *wish = getenv("NEC_ALLOCATOR_SOCKET");

	return wish && *wish ? wish : NEC_ALLOCATOR_SOCKET;
}

/* ---- connecting ---- */

static int refuse_connection(const char *socket, int result, bool changes, nec_error *err)
{
	if (result == -ENOENT || result == -ECONNREFUSED || result == -ENOTDIR)
		return nec_error_set(err, NEC_E_ALLOCATOR_DAEMON, -ENOENT,
				     "nec-allocatord does not run: nobody listens at %s", socket);
	if (result == -EACCES || result == -EPERM) {
		(void)nec_error_set(err, NEC_E_ALLOCATOR_RIGHTS, -EACCES,
				    changes ? "what is set aside may be changed by root only"
					    : "nec-allocatord may be asked by root and the group "
					      "ne");
		nec_error_set_hint(err, changes ? "Run it as root."
						: "Join the group (`usermod -aG ne USER`, then log "
						  "in again).");
		return -EACCES;
	}
	return nec_error_set_system(err, NEC_E_ALLOCATOR_DAEMON, result, "cannot connect to %s",
				    socket);
}

/* Somebody else's answers are worth nothing, and files are not for them to read. */
static int check_owner(int fd, const char *socket, nec_error *err)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return nec_error_set_system(err, NEC_E_ALLOCATOR_DAEMON, -errno,
					    "cannot tell whose %s is", socket);
	if (peer.uid != 0 && peer.uid != geteuid())
		return nec_error_set(err, NEC_E_ALLOCATOR_DAEMON, -EPROTO,
				     "the process behind %s is user %u's, not root's", socket,
				     peer.uid);
	return 0;
}

static int connect_to(const nec_context *context, const char *socket, bool changes, nec_error *err)
{
	const struct timespec pause = { .tv_nsec = RETRY_NSEC };
	cleanup_close int fd = -1;
	int r = -EAGAIN;

	for (int i = 0; i < RETRIES && r == -EAGAIN; i++) {
		if (nec_check_cancel(context, err) < 0)
			return -ECANCELED;
		if (i > 0)
			(void)nanosleep(&pause, NULL);
		r = nec_connect_unix_type(socket, SOCK_STREAM | SOCK_NONBLOCK);
	}
	if (r < 0)
		return refuse_connection(socket, r, changes, err);
	fd = r;
	r = check_owner(fd, socket, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* ---- talking ---- */

struct talk {
	nec_context *context;
	int fd;
	struct nec_frame_reader reader;
	bool changes;   /* there may be something to undo */
	bool cancelled; /* the daemon was told */
	uint64_t end;   /* of our patience, 0 for none */
};

/* Tells the daemon, once, that we do not want it any more; it answers all the same. */
static void look_at_cancel(struct talk *talk)
{
	if (talk->cancelled || nec_check_cancel(talk->context, NULL) == 0)
		return;
	talk->cancelled = true;
	talk->end = nec_loop_now() + (talk->changes ? UNDO_USEC : 0);
	(void)shutdown(talk->fd, SHUT_WR);
}

static int lose_patience(const struct talk *talk, nec_error *err)
{
	if (talk->cancelled)
		return nec_error_set(err, NEC_E_CANCELLED, -ECANCELED, "interrupted%s",
				     talk->changes ? "; nec-allocatord, which has been told, does "
						     "not answer"
						   : "");
	return nec_error_set(err, NEC_E_ALLOCATOR_DAEMON, -ETIMEDOUT,
			     "nec-allocatord runs, but does not answer");
}

static int wait_for(struct talk *talk, short events, nec_error *err)
{
	struct pollfd ready = { .fd = talk->fd, .events = events };

	for (;;) {
		int r;

		look_at_cancel(talk);
		r = poll(&ready, 1, WAIT_MSEC);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
						    "cannot wait for nec-allocatord");
		if (talk->end && nec_loop_now() >= talk->end)
			return lose_patience(talk, err);
	}
}

/* A daemon that refuses us may answer before it has read all of it: its answer is there then. */
static int send_all(struct talk *talk, const struct nec_buffer *frame, nec_error *err)
{
	size_t sent = 0;

	while (sent < frame->size && !talk->cancelled) {
		ssize_t n = send(talk->fd, frame->data + sent, frame->size - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN || errno == EINTR)
			r = wait_for(talk, POLLOUT, err);
		else
			return 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* A progress must carry a static string. */
static const char *phase_of(const char *text)
{
	static const char *const phases[] = { "reserve memory", "return memory" };

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (strcmp(text, phases[i]) == 0)
			return phases[i];
	return "allocator";
}

/* Returns 1 when it was the last. */
static int take_reply(const struct talk *talk, struct nec_allocator_reply *reply, cJSON **ret,
		      nec_error *err)
{
	const nec_context *context = talk->context;

	switch (reply->kind) {
	case NEC_ALLOCATOR_PROGRESS:
		if (context && context->progress)
			context->progress(context->progress_userdata, phase_of(reply->text),
					  reply->done, reply->total);
		return 0;
	case NEC_ALLOCATOR_WARNING:
		nec_warn(context, "%s", reply->text);
		return 0;
	case NEC_ALLOCATOR_RESULT:
		*ret = TAKE_PTR(reply->result);
		return 1;
	case NEC_ALLOCATOR_ERROR:
		break;
	}
	if (err)
		*err = reply->error;
	return -EREMOTEIO;
}

/* Returns 1 when there is one, 0 when more has to come. */
static int read_reply(struct talk *talk, struct nec_allocator_reply *ret, nec_error *err)
{
	nec_error why = NEC_ERROR_INIT;
	int r = wait_for(talk, POLLIN, err);

	if (r < 0)
		return r;
	r = nec_frame_read(&talk->reader, talk->fd, &why);
	/* It had not even understood what we wanted. */
	if (r < 0 && talk->cancelled)
		return nec_check_cancel(talk->context, err);
	if (r < 0)
		return nec_error_set(err, NEC_E_ALLOCATOR_DAEMON, -EPROTO,
				     "nec-allocatord gave no answer: %s", why.message);
	if (r > 0) {
		r = nec_allocator_reply_decode(talk->reader.payload.data, talk->reader.payload.size,
					       ret, err);
		nec_frame_next(&talk->reader);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int talk_to_end(struct talk *talk, cJSON **ret, nec_error *err)
{
	int r = 0;

	while (r == 0) {
		struct nec_allocator_reply reply;

		r = read_reply(talk, &reply, err);
		if (r > 0) {
			r = take_reply(talk, &reply, ret, err);
			nec_allocator_reply_free(&reply);
		}
	}
	return r < 0 ? r : 0;
}

int nec_allocator_ask(nec_context *context, const char *socket,
		      const struct nec_allocator_request *request, cJSON **ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer frame = { 0 };
	bool changes = nec_allocator_verb_changes(request->verb);
	cleanup_close int fd = connect_to(context, socket, changes, err);
	struct talk talk = { .context = context,
			     .fd = fd,
			     .changes = changes,
			     .end = request->verb == NEC_ALLOCATOR_ASK_STATE
					    ? nec_loop_now() + STATE_USEC
					    : 0,
			     .reader.limit = NEC_ALLOCATOR_REPLY_MAX };
	int r = fd < 0 ? fd : nec_allocator_request_encode(request, &frame, err);

	if (r == 0)
		r = send_all(&talk, &frame, err);
	if (r == 0)
		r = talk_to_end(&talk, ret, err);
	nec_frame_reader_free(&talk.reader);
	return r;
}
