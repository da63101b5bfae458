/* SPDX-License-Identifier: Apache-2.0 */
/* The enclave of the end-to-end tests: a process that does what the file "guest" says. */
#ifndef NEC_TESTS_E2E_GUEST_H
#define NEC_TESTS_E2E_GUEST_H

#include "fake-device.h"

enum { GUEST_CONSOLE_FD = 3, GUEST_CONTROL_FD = 4, GUEST_FIRST_FREE_FD = 10 };

/* Where it takes lines from the test, at its own CID. */
#define GUEST_CONTROL_PORT 1u

/*
 * Plays the enclave until it ends itself or the parent lets go of it. Its listeners are at the two
 * descriptors above. Returns in the caller once the enclave is there; what goes on is a child.
 */
int guest_start(struct fake_device *fake, uint32_t cid);

/* Sends a line to a guest. Returns 0 or a negative errno. */
int guest_tell(struct fake_device *fake, uint32_t cid, const char *line);

#endif
