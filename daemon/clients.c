/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: who may, one request at a time, answers as fast as they are read. */
#include "clients.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/listener.h"
#include "base/unix-socket.h"
#include "peer.h"

/* Those who may only look cannot keep root out. */
enum { MAX_CLIENTS = 256, MAX_LOOKERS = 128 };

/* How long somebody may be connected and want nothing, or not read what they wanted. */
enum { IDLE_USEC = 60000000 };

enum { SOCKET_MODE = 0660 };

struct daemon_client {
	struct daemon_clients *all;
	struct daemon_client *next;
	int fd;
	struct daemon_peer peer;
	struct nec_source *source;
	struct nec_source *deadline;
	struct nec_frame_reader reader;
	struct nec_buffer unread; /* what it is to get */
	size_t sent;              /* of that */
	enum nec_allocator_verb verb;
	bool waits;  /* for the answer to @verb */
	bool marked; /* see daemon_client_mark() */
	bool closed; /* its side: it will ask for nothing more */
	bool last;   /* gets what is in @unread, and no more */
};

struct daemon_clients {
	struct nec_loop *loop;
	int listener_fd;
	struct nec_listener *listener;
	struct nec_path path;
	gid_t group;
	const struct daemon_clients_events *events;
	void *userdata;
	struct daemon_client *first;
	size_t count;
	size_t lookers;
	size_t unread_bytes;
};

enum nec_allocator_verb daemon_client_verb(const struct daemon_client *client)
{
	return client->verb;
}

uid_t daemon_client_uid(const struct daemon_client *client)
{
	return client->peer.uid;
}

void daemon_client_mark(struct daemon_client *client)
{
	client->marked = true;
}

bool daemon_client_is_marked(const struct daemon_client *client)
{
	return client->marked;
}

static void remove_client(struct daemon_client *client)
{
	struct daemon_clients *all = client->all;
	struct daemon_client **link = &all->first;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	all->count--;
	all->lookers -= client->peer.may_change ? 0 : 1;
	all->unread_bytes -= client->unread.size - client->sent;
	if (client->waits)
		all->events->left(all->userdata, client, true);
	nec_source_free(client->source);
	nec_source_free(client->deadline);
	nec_frame_reader_free(&client->reader);
	nec_buffer_free(&client->unread);
	(void)close(client->fd);
	free(client);
}

/* What has to be waited for now. Of one that has closed its side, that would be told for ever. */
static void set_events(struct daemon_client *client)
{
	uint32_t events = client->unread.size > client->sent ? EPOLLOUT : 0;

	if (!client->closed)
		events |= client->waits ? EPOLLRDHUP : EPOLLIN;
	/* One answer at a time: who does not read does not get to ask. */
	if (!client->waits && (events & EPOLLOUT))
		events &= ~(uint32_t)EPOLLIN;
	nec_source_set_events(client->source, events);
}

/* False when the client is gone. */
static bool send_unread(struct daemon_client *client)
{
	while (client->sent < client->unread.size) {
		ssize_t n = send(client->fd, client->unread.data + client->sent,
				 client->unread.size - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			set_events(client);
			return true;
		}
		if (n < 0) {
			remove_client(client);
			return false;
		}
		client->sent += (size_t)n;
		client->all->unread_bytes -= (size_t)n;
	}
	nec_buffer_free(&client->unread);
	client->sent = 0;
	if (!client->waits && (client->last || client->closed)) {
		remove_client(client);
		return false;
	}
	set_events(client);
	return true;
}

static bool add_frame(struct daemon_client *client, const struct nec_buffer *payload)
{
	struct daemon_clients *all = client->all;
	size_t before = client->unread.size - client->sent;
	size_t room = DAEMON_CLIENTS_UNREAD_MAX - all->unread_bytes;

	if (room < NEC_FRAME_HEADER || payload->size > room - NEC_FRAME_HEADER)
		return false;
	nec_frame_append(&client->unread, payload->data, payload->size);
	if (client->unread.failed) {
		all->unread_bytes -= before;
		client->sent = 0;
		return false;
	}
	all->unread_bytes += client->unread.size - client->sent - before;
	return true;
}

void daemon_client_tell(struct daemon_client *client, const struct nec_buffer *payload)
{
	if (client->unread.size == client->sent && add_frame(client, payload))
		(void)send_unread(client);
}

void daemon_client_answer(struct daemon_client *client, const struct nec_buffer *payload)
{
	client->waits = false;
	client->marked = false;
	nec_source_set_timer(client->deadline, IDLE_USEC);
	if (add_frame(client, payload))
		(void)send_unread(client);
	else
		remove_client(client);
}

void daemon_client_answer_error(struct daemon_client *client, const nec_error *error)
{
	cleanup_buffer struct nec_buffer frame = { 0 };
	struct nec_buffer payload;

	nec_allocator_add_error(error, &frame);
	if (frame.failed) {
		client->waits = false;
		remove_client(client);
		return;
	}
	payload = (struct nec_buffer){ .data = frame.data + NEC_FRAME_HEADER,
				       .size = frame.size - NEC_FRAME_HEADER };
	daemon_client_answer(client, &payload);
}

void daemon_clients_each(struct daemon_clients *clients, enum nec_allocator_verb verb,
			 void (*fn)(struct daemon_client *client, void *userdata), void *userdata)
{
	struct daemon_client *next;

	for (struct daemon_client *client = clients->first; client; client = next) {
		next = client->next;
		if (client->waits && client->verb == verb)
			fn(client, userdata);
	}
}

/* ---- requests ---- */

/* Says why, and nothing more is heard of it. */
static void refuse_all(struct daemon_client *client, const nec_error *error)
{
	client->last = true;
	client->waits = false;
	daemon_client_answer_error(client, error);
}

static int check_rights(const struct daemon_client *client, enum nec_allocator_verb verb,
			nec_error *err)
{
	if (!client->peer.may_look)
		return nec_error_set(err, NEC_E_ALLOCATOR_RIGHTS, -EPERM,
				     "user %u is neither root nor in the allocator's group",
				     client->peer.uid);
	if (nec_allocator_verb_changes(verb) && !client->peer.may_change)
		return nec_error_set(err, NEC_E_ALLOCATOR_RIGHTS, -EPERM,
				     "%s is for root; user %u may look only",
				     nec_allocator_verb_name(verb), client->peer.uid);
	return 0;
}

static void take_request(struct daemon_client *client)
{
	const struct nec_buffer *payload = &client->reader.payload;
	struct nec_allocator_request request;
	nec_error err = NEC_ERROR_INIT;
	int r = nec_allocator_request_decode(payload->data, payload->size, &request, &err);

	nec_frame_next(&client->reader);
	if (r < 0) {
		refuse_all(client, &err);
		return;
	}
	client->verb = request.verb;
	if (check_rights(client, request.verb, &err) < 0) {
		daemon_client_answer_error(client, &err);
	} else {
		client->waits = true;
		set_events(client);
		client->all->events->request(client->all->userdata, client, &request);
	}
	nec_allocator_request_free(&request);
}

static void read_request(struct daemon_client *client)
{
	nec_error err = NEC_ERROR_INIT;
	int r = nec_frame_read(&client->reader, client->fd, &err);

	if (r > 0) {
		take_request(client);
	} else if (r == -EFBIG) {
		refuse_all(client, &err);
	} else if (r < 0) {
		client->closed = true;
		remove_client(client);
	}
}

/* It closed its side while it waits: it still hears how it ends. */
static void note_closed(struct daemon_client *client)
{
	client->closed = true;
	set_events(client);
	client->all->events->left(client->all->userdata, client, false);
}

static void on_client(void *userdata, uint32_t events)
{
	struct daemon_client *client = userdata;

	if (events & (EPOLLHUP | EPOLLERR)) {
		remove_client(client);
		return;
	}
	if ((events & EPOLLOUT) && !send_unread(client))
		return;
	if (client->waits && (events & EPOLLRDHUP) && !client->closed)
		note_closed(client);
	else if (!client->waits && (events & EPOLLIN) && client->unread.size == 0)
		read_request(client);
}

static void on_deadline(void *userdata, uint32_t events)
{
	struct daemon_client *client = userdata;

	(void)events;
	if (!client->waits)
		remove_client(client);
}

/* ---- connections ---- */

static bool has_room(const struct daemon_clients *clients, const struct daemon_peer *peer)
{
	return clients->count < MAX_CLIENTS && (peer->may_change || clients->lookers < MAX_LOOKERS);
}

static void on_connection(void *userdata, int fd)
{
	struct daemon_clients *clients = userdata;
	struct daemon_client *client = NULL;
	struct daemon_peer peer;

	if (daemon_peer_get(fd, clients->group, &peer) == 0 && has_room(clients, &peer))
		client = calloc(1, sizeof(*client));
	if (!client) {
		(void)close(fd);
		return;
	}
	*client = (struct daemon_client){ .all = clients, .next = clients->first, .fd = fd };
	client->peer = peer;
	client->reader.limit =
		peer.may_change ? NEC_ALLOCATOR_CHANGE_MAX : NEC_ALLOCATOR_REQUEST_MAX;
	clients->first = client;
	clients->count++;
	clients->lookers += peer.may_change ? 0 : 1;
	if (nec_loop_add_fd(clients->loop, fd, EPOLLIN, on_client, client, &client->source, NULL) <
		    0 ||
	    nec_loop_add_timer(clients->loop, IDLE_USEC, on_deadline, client, &client->deadline,
			       NULL) < 0)
		remove_client(client);
}

/* A group that this process is in, so that its owner may give it without further rights. */
static int share_socket(const struct daemon_clients *clients, nec_error *err)
{
	const char *path = clients->path.text;

	if (clients->group != (gid_t)-1 && lchown(path, (uid_t)-1, clients->group) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot give %s to group %u",
					    path, clients->group);
	return 0;
}

static int listen_at(struct daemon_clients *clients, const char *path, nec_error *err)
{
	int r = nec_path_socket(&clients->path, err, "%s", path);

	if (r < 0)
		return r;
	clients->listener_fd = nec_listen_unix(path, SOCKET_MODE, err);
	if (clients->listener_fd < 0)
		return clients->listener_fd;
	r = share_socket(clients, err);
	if (r < 0)
		return r;
	return nec_listener_new(clients->loop, clients->listener_fd, on_connection, clients,
				&clients->listener, err);
}

int daemon_clients_open(struct nec_loop *loop, const char *path, gid_t group,
			const struct daemon_clients_events *events, void *userdata,
			struct daemon_clients **ret, nec_error *err)
{
	struct daemon_clients *clients = calloc(1, sizeof(*clients));
	int r;

	if (!clients)
		return nec_error_no_memory(err);
	*clients = (struct daemon_clients){ .loop = loop, .listener_fd = -1, .group = group };
	clients->events = events;
	clients->userdata = userdata;
	r = listen_at(clients, path, err);
	if (r < 0) {
		daemon_clients_close(clients);
		return r;
	}
	*ret = clients;
	return 0;
}

void daemon_clients_close(struct daemon_clients *clients)
{
	if (!clients)
		return;
	nec_listener_free(clients->listener);
	if (clients->listener_fd >= 0) {
		(void)unlink(clients->path.text);
		(void)close(clients->listener_fd);
	}
	while (clients->first) {
		clients->first->waits = false;
		remove_client(clients->first);
	}
	free(clients);
}
