/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heartbeat of enclaves on the device: each connects to CID 3, port 9000, sends a byte and
 * wants it back. There is one such port on a machine, and many enclaves may boot at the same time,
 * so whoever has the port listens for all: others find it at a Unix socket in the sockets directory
 * and are handed the connections of their enclaves, and the port itself: it stays open when the one
 * who has it ends, in whatever way. docs/launch.md tells how.
 */
#ifndef NEC_ENCLAVE_HEARTBEAT_H
#define NEC_ENCLAVE_HEARTBEAT_H

#include "base/loop.h"
#include "host/device.h"

struct nec_heartbeat;

struct nec_heartbeat_events {
	void *userdata;
	/*
	 * The port is open, and stays so as long as we live: the enclave can be started, also when
	 * the loop does not run for a while. At most once.
	 */
	void (*ready)(void *userdata);
	/* The enclave has booted. At most once; the heartbeat may be freed in it. */
	void (*beat)(void *userdata);
};

/**
 * nec_heartbeat_new() - get ready for an enclave's heartbeat
 * @dir: the sockets directory
 *
 * While a program of others (nitro-cli) has the port, it waits for its turn. Serves others until
 * none is left, even after our own enclave has booted; the port is given back then.
 *
 * Returns 0 (ready() may have been called), -ENOMEM, or a negative errno (NEC_E_VSOCK).
 */
int nec_heartbeat_new(struct nec_loop *loop, const struct nec_device *device, const char *dir,
		      const struct nec_heartbeat_events *events, struct nec_heartbeat **ret,
		      nec_error *err);

/* The enclave has been started, with this CID. Whatever comes from another one changes nothing. */
void nec_heartbeat_expect(struct nec_heartbeat *heartbeat, uint32_t cid);

/* Accepts NULL. */
void nec_heartbeat_free(struct nec_heartbeat *heartbeat);

#endif
