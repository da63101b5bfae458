/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the vsock device: vsock.c owns the connections, vsock-connection.c is one of them,
 * vsock-receive.c takes packets from the guest, vsock-send.c gives it packets.
 */
#ifndef NEC_SIM_VSOCK_INTERNAL_H
#define NEC_SIM_VSOCK_INTERNAL_H

#include "sim/vsock-packet.h"
#include "sim/vsock.h"

/* Bytes that the guest may send before we have passed them on; the size Linux uses too. */
#define NEC_VSOCK_CREDIT 262144u

/* Messages of a seqpacket connection that may wait; empty ones would cost no credit. */
#define NEC_VSOCK_MAX_MESSAGES 1024

/* In connection->messages, beside the length: the message ends a record. */
#define NEC_VSOCK_END_OF_RECORD (UINT32_C(1) << 31)

/* Connections of one enclave. More are refused, so that a guest cannot use up our descriptors. */
#define NEC_VSOCK_MAX_CONNECTIONS 2048

/* Answers to packets of no connection that may wait; then nothing more is taken from the guest. */
#define NEC_VSOCK_MAX_RESETS 64

/* Packets handled in one go; then the loop's other sources get their turn. */
#define NEC_VSOCK_PACKETS_A_ROUND 512

#define NEC_VSOCK_BUCKETS 256

struct nec_vsock {
	struct nec_loop *loop;
	uint64_t guest_cid;
	struct nec_vsock_host host;
	void (*interrupt)(void *userdata, enum nec_vsock_queue queue);
	void *interrupt_userdata;
	struct nec_virtqueue queues[NEC_VSOCK_QUEUES];
	struct connection *buckets[NEC_VSOCK_BUCKETS];
	struct connection
		*ready_head; /* those that have something to send, first come first served */
	struct connection *ready_tail;
	struct nec_vsock_packet resets[NEC_VSOCK_MAX_RESETS];
	size_t reset_count;
	bool stalled;               /* packets of the guest wait for room among the resets */
	bool seqpacket;             /* the guest's driver knows it */
	struct connection *handled; /* whose event is being handled; NULL once it is removed */
	struct nec_source *again;
	struct nec_source *sweep;
	bool sweeping;
	uint32_t next_port;
	struct nec_vsock_stats stats;
};

enum connection_state {
	HOST_CONNECTING,  /* the guest asked, our socket is still connecting */
	GUEST_CONNECTING, /* we asked the guest */
	OPEN,
	CLOSING,  /* we said SHUTDOWN both ways and wait for the guest's RST */
	DRAINING, /* over for the guest; what it sent still goes to the host socket */
};

/* Packets that a connection still has to send. */
enum {
	SEND_RST = 1,
	SEND_REQUEST = 2,
	SEND_RESPONSE = 4,
	SEND_SHUTDOWN = 8,
	SEND_CREDIT = 16, /* tell the guest how much we consumed */
};

struct connection {
	struct nec_vsock *vsock;
	struct connection *next;       /* in the device's hash chain */
	struct connection *ready_next; /* in the list of those that have something to send */
	struct connection *ready_prev;
	bool ready;

	uint64_t peer_cid; /* the host's side, as the guest addressed it */
	uint32_t peer_port;
	uint32_t guest_port;
	uint16_t type;
	uint64_t number; /* of the call, for nec_vsock_answer() */
	bool held;       /* in HOST_CONNECTING: connected, but not to be answered yet */
	enum connection_state state;
	unsigned int send; /* SEND_... */
	uint64_t deadline; /* in CLOSING and GUEST_CONNECTING, in nec_loop_now() time */

	int fd; /* -1 once closed */
	struct nec_source *source;
	bool readable; /* the host socket has something for the guest */
	bool hung_up;  /* the host's end is closed; what it wrote may still be unread */

	/* Who will not do what any more. */
	bool guest_sends_no_more;
	bool guest_receives_no_more;
	bool host_sends_no_more;
	bool host_receives_no_more;
	uint32_t told_shutdown; /* VIRTIO_VSOCK_SHUTDOWN_... that the guest was told */

	/* Credit, all modulo 2^32: what the guest may still be sent, and what it may still send. */
	uint32_t guest_buffer;
	uint32_t guest_consumed;
	uint32_t sent;
	uint32_t received;
	uint32_t consumed;
	uint32_t told_consumed;

	/* From the guest, not yet taken by the host socket. At most NEC_VSOCK_CREDIT bytes. */
	uint8_t *pending;
	size_t pending_start;
	size_t pending_size;
	uint32_t *messages; /* seqpacket: the complete ones in pending, length and end of record */
	size_t message_count;
	uint32_t message_size; /* of the one that is still arriving */

	/* seqpacket to the guest: the message that is being sent in pieces. */
	uint8_t *outgoing;
	size_t outgoing_size;
	size_t outgoing_offset;
	bool outgoing_ends_record;

	nec_vsock_connected_fn connected;
	void *connected_userdata;
};

static inline bool connection_is_seqpacket(const struct connection *connection)
{
	return connection->type == VIRTIO_VSOCK_TYPE_SEQPACKET;
}

/* Bytes that the guest can take now. */
uint32_t connection_credit(const struct connection *connection);

/* A packet of this connection with addresses and credit filled in. */
struct nec_vsock_packet connection_packet(struct connection *connection, uint16_t op);

/* The connection goes on with the host socket @fd. Starts watching it. */
int connection_use(struct connection *connection, int fd, uint32_t events);

/* The guest's REQUEST goes on with the host socket @fd, connected or still connecting. */
int connection_accept(struct connection *connection, int fd);

/* The guest's REQUEST, which was held, is answered. */
void connection_answer(struct connection *connection);

/* RW from the guest: @count buffers of @size bytes. False when the guest broke the rules. */
bool connection_receive(struct connection *connection, const struct nec_vsock_packet *packet,
			const struct iovec *buffers, size_t count);

/* SHUTDOWN from the guest. */
void connection_shut_down(struct connection *connection, uint32_t flags);

/* The guest answered our REQUEST. */
void connection_established(struct connection *connection);

/* The connection ends: RST to the guest, the host socket is closed. */
void connection_reset(struct connection *connection);

/*
 * The guest knows that the connection is over. What it sent before that still goes to the host
 * socket, however long that takes; then the connection is removed.
 */
void connection_finish(struct connection *connection);

/* Decides after each step whether the connection is at its end, and what is to be told. */
void connection_settle(struct connection *connection);

/* Closes and releases what the connection holds (not the struct itself). */
void connection_close(struct connection *connection);

/* vsock.c: the set of connections */
struct connection *vsock_find(struct nec_vsock *vsock, uint64_t peer_cid, uint32_t peer_port,
			      uint32_t guest_port);
/* NULL when there are too many, or no memory. */
struct connection *vsock_add(struct nec_vsock *vsock, uint64_t peer_cid, uint32_t peer_port,
			     uint32_t guest_port, uint16_t type);
void vsock_remove(struct connection *connection);
/* The list of those that have something to send. */
void vsock_make_ready(struct connection *connection);
void vsock_make_unready(struct connection *connection);
void vsock_interrupt_if_wanted(struct nec_vsock *vsock, enum nec_vsock_queue queue);

/* The guest has to answer within some seconds, else the connection is forgotten. */
void vsock_expect_answer(struct connection *connection);

/* vsock-send.c: sends what is ready, as long as the guest has buffers. */
void vsock_fill(struct nec_vsock *vsock);

/* vsock-receive.c: takes what the guest has sent. */
void vsock_take_packets(struct nec_vsock *vsock);

#endif
