/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected. Nothing that a client does holds up another one or the daemon: frames are
 * bounded, a client that does not read loses progress and at last its connection, and those who may
 * only look cannot take all places.
 */
#ifndef NEC_DAEMON_CLIENTS_H
#define NEC_DAEMON_CLIENTS_H

#include <sys/types.h>

#include "allocator/protocol.h"
#include "base/loop.h"

/* What all together have not read yet. */
enum { DAEMON_CLIENTS_UNREAD_MAX = 32 << 20 };

struct daemon_clients;
struct daemon_client;

/**
 * struct daemon_clients_events - what the daemon hears of them
 * @request: one that this client may make; it gets nothing more of that client before the answer.
 *           What @request holds may be taken
 * @left:    the client that waits for an answer does not want it to go on: it has closed its side,
 *           or is gone (then it is not to be touched any more)
 */
struct daemon_clients_events {
	void (*request)(void *userdata, struct daemon_client *client,
			struct nec_allocator_request *request);
	void (*left)(void *userdata, struct daemon_client *client, bool gone);
};

/*
 * Listens at @path, which root, this process's user and the members of @group may connect to; a
 * socket of a dead process is replaced. @group: -1 for none.
 */
int daemon_clients_open(struct nec_loop *loop, const char *path, gid_t group,
			const struct daemon_clients_events *events, void *userdata,
			struct daemon_clients **ret, nec_error *err);

/* Removes the socket, and drops everybody. Accepts NULL. */
void daemon_clients_close(struct daemon_clients *clients);

/* News of what a client waits for; lost when it has not read the last. */
void daemon_client_tell(struct daemon_client *client, const struct nec_buffer *payload);

/* The result or error. The client may be gone afterwards. */
void daemon_client_answer(struct daemon_client *client, const struct nec_buffer *payload);
void daemon_client_answer_error(struct daemon_client *client, const nec_error *error);

/* What it waits for, or waited for last. */
enum nec_allocator_verb daemon_client_verb(const struct daemon_client *client);

/* The user, for the log. */
uid_t daemon_client_uid(const struct daemon_client *client);

/* A note on a client, gone with its next answer: what it waits for has begun. */
void daemon_client_mark(struct daemon_client *client);
bool daemon_client_is_marked(const struct daemon_client *client);

/* Calls @fn with each that waits for an answer to @verb. */
void daemon_clients_each(struct daemon_clients *clients, enum nec_allocator_verb verb,
			 void (*fn)(struct daemon_client *client, void *userdata), void *userdata);

#endif
