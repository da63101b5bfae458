/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the heartbeat share: connections (heartbeat.c) and roles. */
#ifndef NEC_ENCLAVE_HEARTBEAT_PRIVATE_H
#define NEC_ENCLAVE_HEARTBEAT_PRIVATE_H

#include "base/listener.h"
#include "base/unix-socket.h"
#include "enclave/heartbeat.h"
#include "enclave/paths.h"

/*
 * What a host sends is a CID with a descriptor: a connection from there, or, with this one (no
 * enclave's), the port's listener. That comes first and says "we listen".
 */
enum { CID_OF_LISTENER = 0 };

/* A connection to the port. */
struct peer {
	struct peer *next;
	struct nec_heartbeat *heartbeat;
	struct nec_source *source; /* when it is our enclave's */
	uint32_t cid;
	int fd;
};

/* Somebody else whose enclave boots, while we have the port. */
struct guest {
	struct guest *next;
	struct nec_heartbeat *heartbeat;
	struct nec_source *source;
	int fd;
	uint32_t cid; /* 0 until it has said so */
	size_t received;
	uint8_t message[sizeof(uint32_t)];
};

struct nec_heartbeat {
	struct nec_loop *loop;
	const struct nec_device *device;
	struct nec_heartbeat_events events;
	struct nec_path meeting_path;
	bool ready;
	bool beaten;
	uint32_t cid;       /* 0 until our enclave is started */
	struct peer *peers; /* newest first */
	struct nec_source *retry;

	/* The port: ours, or our host's, which stays open with us when the host is gone */
	int port_fd;

	/* As the one who listens there */
	struct nec_listener *listener;
	int meeting_fd;
	struct nec_listener *meeting;
	struct guest *guests;

	/* As the guest of another */
	int host_fd;
	struct nec_source *host;
	bool told; /* by this host that it listens */
};

/* heartbeat.c: a connection, whoever took it; @fd becomes ours. */
void heartbeat_add_peer(struct nec_heartbeat *heartbeat, int fd, uint32_t cid);
void heartbeat_remove_peer(struct peer *peer);
/* Gives each connection to whom it belongs, as far as that is known. */
void heartbeat_place_peers(struct nec_heartbeat *heartbeat);
void heartbeat_become_ready(struct nec_heartbeat *heartbeat);

/* heartbeat-host.c */
/* Begins to listen, at the port of a host that is gone if there was one. -EADDRINUSE: another does.
 */
int heartbeat_open_port(struct nec_heartbeat *heartbeat);
void heartbeat_close_port(struct nec_heartbeat *heartbeat);
/* Closes it if nobody needs it any more. */
void heartbeat_rest(struct nec_heartbeat *heartbeat);
/* Hands the connection to the guest it belongs to; false if there is none. */
bool heartbeat_hand_over(struct nec_heartbeat *heartbeat, const struct peer *peer);

#endif
