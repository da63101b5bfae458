/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the lab's machine beside the device: enclaves, each a QEMU process with the image
 * that was in its memory, and the vsock that joins them to the parent VM.
 *
 * It lives in the hypervisor's loop. Below its folder it serves vsock.sock, the vhost-user socket
 * of the parent VM (guest CID 3), and 3.vsock, by which programs of this machine reach the parent
 * VM's ports: "CONNECT <port>\n", answered by "OK <number>\n" (Firecracker's convention).
 */
#ifndef LAB_RUNNER_H
#define LAB_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "nec.h"

struct lab_runner;

struct lab_enclave_spec {
	uint64_t slot_uid;
	uint64_t cid;
	bool debug; /* its console can be read, at CID 0, port 10000 + cid */
	uint64_t memory_bytes;
	uint32_t vcpu_count; /* more than this machine has are possible */
	int eif_fd;          /* a regular file or memfd with the image from its first byte */
	uint64_t eif_size;   /* of the image; for whoever reads the spec, the image says it too */
};

struct lab_runner_events {
	void *userdata;
	/*
	 * The enclave's machine is gone by itself (crash, exit, an image that is none); from the
	 * loop, never from within a call, at most once, and not after lab_runner_stop(). The slot
	 * stays known, for its console, until that.
	 */
	void (*ended)(void *userdata, uint64_t slot_uid);
};

/* @dir: an existing folder for the sockets. Returns 0 or a negative errno. */
int lab_runner_new(struct nec_loop *loop, const char *dir, const struct lab_runner_events *events,
		   struct lab_runner **ret, nec_error *err);
/* Ends all enclaves and waits for their processes; removes the sockets. Accepts NULL. */
void lab_runner_free(struct lab_runner *runner);

/*
 * Starts an enclave and returns without waiting for it to boot; @spec and its descriptor stay the
 * caller's. What is no image dies a moment later, as an enclave (events.ended). Returns 0, -EEXIST
 * when slot or CID are in use, or another negative errno; then nothing is left.
 */
int lab_runner_start(struct lab_runner *runner, const struct lab_enclave_spec *spec,
		     nec_error *err);

/*
 * Ends the enclave if it still runs, and forgets the slot: its connections end, its CID is free.
 * The process is killed, but not waited for here. Does nothing for a slot that is not known.
 */
void lab_runner_stop(struct lab_runner *runner, uint64_t slot_uid);

/* What joins them to the parent VM; lent. */
struct lab_switch *lab_runner_get_switch(struct lab_runner *runner);

/* A fault: the machine dies as if by itself, then events.ended is called. */
void lab_runner_crash(struct lab_runner *runner, uint64_t slot_uid);

#endif
