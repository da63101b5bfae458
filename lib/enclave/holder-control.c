/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket. Every local user can connect to it, so: credentials are looked at before any
 * command is, a client's mistake closes its connection and nothing else, frames are bounded, every
 * connection has a deadline, and nobody waits for anybody.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/listener.h"
#include "enclave/holder.h"

/* Others than the owner and root together: they cannot keep those from their enclave. */
enum { MAX_CLIENTS = 256, MAX_FOREIGN_CLIENTS = 128 };

enum { MAX_LOGGED_REFUSALS = 100 };

/* From connect to the last byte of the answer. */
enum { CLIENT_USEC = 10000000 };

struct client {
	struct control *control;
	struct client *next;
	int fd;
	uid_t uid;
	bool privileged; /* the owner or root */
	struct nec_source *source;
	struct nec_source *deadline;
	struct nec_frame_reader reader;
	unsigned int frames; /* of the command, so far */
	enum nec_command command;
	struct nec_buffer answer;
	size_t sent;
	bool answering;
	bool terminate; /* waits for the end of the enclave */
};

struct control {
	struct holder *holder;
	int listener_fd;
	struct nec_listener *listener;
	struct nec_path path;
	struct client *clients;
	size_t client_count;
	size_t foreign_count;
	unsigned int refusals;
};

static void remove_client(struct client *client)
{
	struct control *control = client->control;
	struct client **link = &control->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	control->client_count--;
	control->foreign_count -= client->privileged ? 0 : 1;
	nec_source_free(client->source);
	nec_source_free(client->deadline);
	nec_frame_reader_free(&client->reader);
	nec_buffer_free(&client->answer);
	(void)close(client->fd);
	free(client);
}

/* Sends what the client takes; it is gone afterwards when it has all, or takes no more. */
static void send_answer(struct client *client)
{
	while (!client->answer.failed && client->sent < client->answer.size) {
		ssize_t n = send(client->fd, client->answer.data + client->sent,
				 client->answer.size - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		client->sent += (size_t)n;
	}
	remove_client(client);
}

static void answer_text(struct client *client, const char *text)
{
	nec_reply_stdout(&client->answer, text);
	nec_reply_status(&client->answer, 0);
}

static void answer_json_string(struct client *client, const char *text)
{
	cleanup_buffer struct nec_buffer json = { 0 };

	nec_json_print_string(text, &json);
	nec_buffer_append_text(&json, "\n");
	answer_text(client, nec_buffer_text(&json));
}

static void answer_describe(struct client *client, bool metadata)
{
	cleanup_buffer struct nec_buffer json = { 0 };

	holder_describe(client->control->holder, metadata, &json);
	nec_buffer_append_text(&json, "\n");
	answer_text(client, nec_buffer_text(&json));
}

static void answer_terminate(struct client *client)
{
	const struct holder *holder = client->control->holder;
	cleanup_buffer struct nec_buffer json = { 0 };
	cleanup_buffer struct nec_buffer line = { 0 };
	char id[128];

	holder_enclave_id(holder, id, sizeof(id));
	nec_buffer_printf(&line, "Successfully terminated enclave %s.\n", id);
	nec_buffer_append_text(&json, "{\"EnclaveName\":");
	nec_json_print_string(holder->request.name, &json);
	nec_buffer_printf(&json, ",\"EnclaveID\":\"%s\",\"Terminated\":true}\n", id);
	nec_reply_stderr(&client->answer, nec_buffer_text(&line));
	answer_text(client, nec_buffer_text(&json));
}

/* A client of nitro-cli's shows the line and fails; ours has words of its own for the status. */
static void answer_kept(struct client *client)
{
	nec_reply_stderr(&client->answer, NEC_BACKEND_KEPT ".\n");
	nec_reply_status(&client->answer, EBUSY);
}

static void answer_by_name(struct client *client, const char *name)
{
	const struct holder *holder = client->control->holder;
	char id[128];

	if (!name || strcmp(name, holder->request.name) != 0) {
		nec_reply_status(&client->answer, 0);
		return;
	}
	holder_enclave_id(holder, id, sizeof(id));
	answer_json_string(client, id);
}

static void answer_command(struct client *client, const struct nec_command_arguments *arguments)
{
	const struct holder *holder = client->control->holder;

	switch (client->command) {
	case NEC_COMMAND_TERMINATE:
		client->terminate = true; /* the answer follows when it is done: control_close() */
		return;
	case NEC_COMMAND_DESCRIBE:
		nec_reply_number(&client->answer, NEC_PROTOCOL_CONFIRM);
		answer_describe(client, arguments->metadata);
		break;
	case NEC_COMMAND_GET_ENCLAVE_NAME:
		nec_reply_number(&client->answer, NEC_PROTOCOL_CONFIRM);
		answer_json_string(client, holder->request.name);
		break;
	case NEC_COMMAND_GET_ID_BY_NAME:
		nec_reply_number(&client->answer, NEC_PROTOCOL_CONFIRM);
		answer_by_name(client, arguments->name);
		break;
	case NEC_COMMAND_GET_ENCLAVE_CID:
		nec_reply_number(&client->answer, holder->started.cid);
		break;
	case NEC_COMMAND_GET_ENCLAVE_FLAGS:
		nec_reply_number(&client->answer, holder->request.debug ? 1 : 0);
		break;
	case NEC_COMMAND_RUN:
	case NEC_COMMANDS:
		nec_reply_status(&client->answer, EEXIST);
		break;
	}
}

/* Answers from here on: nothing more is read. */
static void begin_answer(struct client *client)
{
	client->answering = true;
	nec_source_set_events(client->source, EPOLLOUT);
	send_answer(client);
}

/* Anybody can have as many refusals as they like, but not fill the log with them. */
static void log_refusal(const struct client *client)
{
	struct control *control = client->control;

	if (control->refusals++ < MAX_LOGGED_REFUSALS)
		holder_log(control->holder, NEC_LOG_WARN,
			   "%s is refused to user %u, whose enclave it is not",
			   nec_command_name(client->command), client->uid);
}

static void refuse(struct client *client)
{
	log_refusal(client);
	nec_reply_stderr(
		&client->answer,
		"You have no permission to do this: the enclave belongs to another user.\n");
	nec_reply_status(&client->answer, EACCES);
	begin_answer(client);
}

static bool may(const struct client *client, enum nec_command command)
{
	return client->privileged || nec_command_is_public(command);
}

static void finish_command(struct client *client, const struct nec_command_arguments *arguments)
{
	struct holder *holder = client->control->holder;

	holder_log(holder, client->command == NEC_COMMAND_TERMINATE ? NEC_LOG_INFO : NEC_LOG_DEBUG,
		   "Received command: %s from user %u", nec_command_name(client->command),
		   client->uid);
	answer_command(client, arguments);
	if (!client->terminate) {
		begin_answer(client);
		return;
	}
	/* What else it sends is not read any more. */
	nec_source_set_events(client->source, 0);
	holder_terminate(holder, "by command");
}

/* The command's second frame is its first once more. */
static int check_copy(const struct client *client, const struct nec_buffer *payload)
{
	enum nec_command copy;
	int r = nec_command_decode(payload->data, payload->size, &copy, NULL);

	return r == 0 && copy != client->command ? -EBADMSG : r;
}

static int decode_frame(struct client *client, struct nec_command_arguments *arguments)
{
	const struct nec_buffer *payload = &client->reader.payload;

	if (client->frames == 1)
		return nec_command_decode(payload->data, payload->size, &client->command, NULL);
	if (client->frames == 2)
		return check_copy(client, payload);
	/* Nothing is looked at that comes from somebody who may not. */
	if (!may(client, client->command))
		return 0;
	return nec_command_decode_arguments(client->command, payload->data, payload->size,
					    arguments, NULL);
}

/*
 * One frame is complete: the command, its copy, or its arguments. A refusal, too, waits for the
 * last: closing a socket with something unread in it would tell the client of a broken connection.
 */
static void take_frame(struct client *client)
{
	struct nec_command_arguments arguments = { 0 };
	int r;

	client->frames++;
	r = decode_frame(client, &arguments);
	nec_frame_next(&client->reader);
	if (r < 0)
		remove_client(client);
	else if (client->frames < (nec_command_has_arguments(client->command) ? 3U : 2U))
		return;
	else if (may(client, client->command))
		finish_command(client, &arguments);
	else
		refuse(client);
	nec_command_arguments_free(&arguments);
}

static void on_client(void *userdata, uint32_t events)
{
	struct client *client = userdata;
	int r;

	if (client->terminate) {
		/* It waits for the end of the enclave, or no longer: a hang-up would be told for
		 * ever. */
		if (events & (EPOLLHUP | EPOLLERR))
			remove_client(client);
		return;
	}
	if (client->answering) {
		send_answer(client);
		return;
	}
	r = nec_frame_read(&client->reader, client->fd, NULL);
	if (r < 0)
		remove_client(client);
	else if (r > 0)
		take_frame(client);
}

static void on_deadline(void *userdata, uint32_t events)
{
	struct client *client = userdata;

	(void)events;
	if (!client->terminate)
		remove_client(client);
}

/* Before anything is read from it. False when it cannot be told, or there are too many. */
static bool admit(struct control *control, int fd, uid_t *uid, bool *privileged)
{
	if (control->holder->host->get_peer(fd, uid) < 0)
		return false;
	*privileged = *uid == 0 || *uid == geteuid();
	return control->client_count < MAX_CLIENTS &&
	       (*privileged || control->foreign_count < MAX_FOREIGN_CLIENTS);
}

static struct client *add_client(struct control *control, int fd, uid_t uid, bool privileged)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->control = control;
	client->fd = fd;
	client->uid = uid;
	client->privileged = privileged;
	client->reader.limit = NEC_FRAME_MAX_COMMAND;
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
	control->foreign_count += privileged ? 0 : 1;
	return client;
}

static uint64_t time_of_client(const struct control *control)
{
	uint64_t wish = control->holder->host->client_usec;

	return wish ? wish : CLIENT_USEC;
}

static void on_connection(void *userdata, int fd)
{
	struct control *control = userdata;
	struct nec_loop *loop = control->holder->loop;
	struct client *client = NULL;
	bool privileged = false;
	uid_t uid = 0;

	if (admit(control, fd, &uid, &privileged))
		client = add_client(control, fd, uid, privileged);
	if (!client)
		(void)close(fd);
	else if (nec_loop_add_fd(loop, fd, EPOLLIN, on_client, client, &client->source, NULL) < 0 ||
		 nec_loop_add_timer(loop, time_of_client(control), on_deadline, client,
				    &client->deadline, NULL) < 0)
		remove_client(client);
}

int control_open(struct holder *holder, nec_error *err)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return nec_error_no_memory(err);
	control->holder = holder;
	control->listener_fd = -1;
	holder->control = control;
	r = nec_path_socket(&control->path, err, "%s/%" PRIx64 ".sock", holder->request.sockets_dir,
			    holder->started.slot_uid);
	if (r < 0)
		return r;
	/* nitro-cli's mode: every user may connect, and ask what everybody may know. */
	control->listener_fd = nec_listen_unix(control->path.text, 0766, err);
	if (control->listener_fd < 0)
		return control->listener_fd;
	return nec_listener_new(holder->loop, control->listener_fd, on_connection, control,
				&control->listener, err);
}

/* The enclave is gone: those who asked for that hear of it, whatever else they do. */
static void tell_terminators(struct control *control)
{
	struct client *next;

	for (struct client *client = control->clients; client; client = next) {
		next = client->next;
		if (!client->terminate)
			continue;
		client->terminate = false;
		if (control->holder->kept)
			answer_kept(client);
		else
			answer_terminate(client);
		(void)!send(client->fd, client->answer.data, client->answer.size,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

void control_close(struct holder *holder)
{
	struct control *control = holder->control;

	if (!control)
		return;
	holder->control = NULL;
	nec_listener_free(control->listener);
	if (control->listener_fd >= 0) {
		(void)unlink(control->path.text);
		(void)close(control->listener_fd);
	}
	tell_terminators(control);
	while (control->clients)
		remove_client(control->clients);
	free(control);
}
