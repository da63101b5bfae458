/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent instance of a simulated enclave: where the enclave's connections to CID 3 go, and the
 * socket through which programs of this machine reach the enclave's ports.
 */
#ifndef NEC_SIM_PARENT_H
#define NEC_SIM_PARENT_H

#include "sim/vsock.h"

struct nec_parent;

/* What an injected fault makes of the heartbeat (sim/inject.h). */
struct nec_parent_fault {
	bool missing; /* answered, but not reported */
	bool wrong;   /* another byte than the enclave sent arrives */
	uint64_t late_usec;
};

/* The enclave has sent its heartbeat and got its answer. */
typedef void (*nec_heartbeat_fn)(void *userdata);

/*
 * @dir: the folder of the simulation's sockets. Guest to parent, port P: the heartbeat (9000,
 * once), a Unix socket <dir>/parent_P, an AF_VSOCK listener where this machine has vsock loopback.
 * Parent to guest: <dir>/<cid>.vsock, "CONNECT <port>\n" answered by "OK <port>\n" (Firecracker's
 * convention). Mode of that socket: 0660, as for the device it stands in for.
 */
int nec_parent_new(struct nec_loop *loop, const char *dir, uint64_t cid, nec_heartbeat_fn heartbeat,
		   void *userdata, struct nec_parent **ret, nec_error *err);

void nec_parent_free(struct nec_parent *parent);

/* Once, before the machine runs. Returns 0 or a negative errno. */
int nec_parent_set_fault(struct nec_parent *parent, const struct nec_parent_fault *fault,
			 nec_error *err);

/* The device, for the vhost-user back end. */
struct nec_vsock *nec_parent_get_vsock(struct nec_parent *parent);

#endif
