/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a launcher and the holder it has started say to each other, over a socket pair that nobody
 * else sees: frames that are a CBOR sequence: the kind, then its fields. The launcher sends REQUEST
 * with the open image, then DESCRIPTION when it has measured it; the holder answers with PHASE,
 * PROGRESS and NOTICE lines, STARTED, and in the end READY or FAILED. Either side takes the other's
 * end of file as the end of the launch.
 */
#ifndef NEC_ENCLAVE_LAUNCH_MESSAGE_H
#define NEC_ENCLAVE_LAUNCH_MESSAGE_H

#include "base/buffer.h"
#include "image/eif.h"

/* CPUs that one enclave can have; more than any instance sells. */
#define NEC_LAUNCH_MAX_CPUS 1024

/* Name, JSON of the measurements, JSON of the metadata: bounded by the image's own caps. */
#define NEC_LAUNCH_MAX_FRAME (40u << 20)

enum nec_launch_kind {
	NEC_LAUNCH_REQUEST,
	NEC_LAUNCH_DESCRIPTION,
	NEC_LAUNCH_PHASE,
	NEC_LAUNCH_NOTICE,
	NEC_LAUNCH_PROGRESS,
	NEC_LAUNCH_STARTED,
	NEC_LAUNCH_READY,
	NEC_LAUNCH_FAILED,
};

struct nec_cpu_ids {
	uint32_t count;
	uint32_t ids[NEC_LAUNCH_MAX_CPUS];
};

struct nec_launch_request {
	uint64_t backend; /* enum nec_backend_kind, chosen */
	char *name;
	char *sockets_dir;
	uint64_t cid; /* 0: to be chosen */
	uint64_t memory_mib;
	uint64_t cpu_count; /* 0 when cpu_ids says which */
	struct nec_cpu_ids cpus;
	bool debug;
	uint64_t boot_timeout_usec;
	uint64_t console_limit;     /* bytes of console that are kept */
	struct nec_eif_state image; /* what the launcher has checked */
	char *inject;               /* faults of a simulated enclave (sim/inject.h); NULL: none */
};

/* What describe tells of the image, as JSON text: the holder only passes it on. */
struct nec_launch_description {
	char *measurements; /* an object */
	char *image;        /* members ImageName, ImageVersion and Metadata, or an empty object */
};

struct nec_launch_phase {
	char *name;
	uint64_t usec;  /* that it took */
	uint64_t bytes; /* that it moved, 0 when it moved none */
	uint64_t pages; /* of the enclave's memory, when that is what it is about */
	uint64_t calls; /* in which they were given to the driver */
};

/* In the middle of a phase, for a person who waits. */
struct nec_launch_progress {
	char *phase; /* of the library's progress callback */
	uint64_t done;
	uint64_t total;
};

struct nec_launch_started {
	uint64_t pid; /* of the holder */
	uint64_t slot_uid;
	uint64_t cid;
	uint64_t memory_mib;
	struct nec_cpu_ids cpus;
};

struct nec_launch_message {
	enum nec_launch_kind kind;
	struct nec_launch_request request;
	struct nec_launch_description description;
	struct nec_launch_phase phase;
	char *notice; /* a line for people: what is worth knowing of how the enclave runs */
	struct nec_launch_progress progress;
	struct nec_launch_started started;
	nec_error failed;
};

/* Appends the message, by its kind, as a frame. */
void nec_launch_message_encode(const struct nec_launch_message *message, struct nec_buffer *to);

/* To be released with nec_launch_message_free(). Returns 0, -EBADMSG or -ENOMEM. */
int nec_launch_message_decode(const void *payload, size_t size, struct nec_launch_message *ret,
			      nec_error *err);
void nec_launch_message_free(struct nec_launch_message *message);

#endif
