/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A holder in a process of its own, over a backend that the test commands, with the test as its
 * launcher.
 */
#ifndef NEC_TESTS_FAKE_HOLDER_H
#define NEC_TESTS_FAKE_HOLDER_H

#include <sys/types.h>

#include "base/frame.h"
#include "enclave/client.h"
#include "enclave/holder.h"

#define FAKE_HOLDER_SLOT UINT64_C(0x18f2a3b4c5d6e7f8)
#define FAKE_HOLDER_CID  20

/* What both processes see. */
struct fake_world {
	uid_t peer;       /* who connects, as the holder is told */
	bool refuse;      /* the backend does not start */
	bool late_end;    /* a signal comes while the backend starts, which it does all the same */
	bool cancelled;   /* a signal comes while memory is taken, and the backend does not start */
	bool slow_end;    /* the backend's end waits for fake_holder_tell('g') */
	bool other_image; /* the file was changed before the holder opened it */
	bool no_debug;    /* the enclave is not in debug mode */
	uint64_t timeout; /* microseconds for the boot; 0 for a long time */
	uint64_t client_usec;     /* that a client has; 0 for ten seconds */
	unsigned int descriptors; /* that the holder may have; 0 for many */
};

struct fake_holder {
	char dir[64];
	struct nec_path socket;
	struct fake_world *world;
	pid_t pid;
	int launcher;
	int wire;    /* to the backend */
	int console; /* the enclave's end */
	struct nec_frame_reader reader;
};

int fake_holder_set_up(void **state);
int fake_holder_tear_down(void **state);

/* Starts the process and sends the request. */
void fake_holder_start(struct fake_holder *f);

/* The next message that is no phase; 0 bytes of it are waited for in vain at the end of file. */
struct nec_launch_message fake_holder_expect(struct fake_holder *f, enum nec_launch_kind kind);
void fake_holder_expect_launcher_closed(struct fake_holder *f);

void fake_holder_describe_image(struct fake_holder *f, const char *image);

/* All of it, up to READY. */
void fake_holder_boot(struct fake_holder *f, const char *image);

/* 'h': heartbeat, 'e': the enclave ends, 'g': the backend's end goes on. */
void fake_holder_tell(struct fake_holder *f, char what);

/* Waits for what the backend says: 'f' when it is released. */
void fake_holder_expect_backend(struct fake_holder *f, char what);

/* Closes what is left of one that has ended, so that another can be started. */
void fake_holder_forget(struct fake_holder *f);

/* Waits for the process, whose exit status it returns. */
int fake_holder_wait(struct fake_holder *f);

#endif
