/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of one enclave, each as one call: where it is, its CID, its console, a port, its
 * end. The command line and the public calls both stand on them.
 */
#ifndef NEC_ENCLAVE_CALLS_H
#define NEC_ENCLAVE_CALLS_H

#include "base/context.h"
#include "enclave/client.h"
#include "enclave/paths.h"

/* As nec_client_find(), in every sockets directory of this machine. */
int nec_call_find(const char *id, const char *name, char **ret, nec_error *err);

/* The sockets directory that a control socket is in. */
void nec_call_dir(const char *control, struct nec_path *ret);

/* The enclave's CID. Returns 0, -ECONNREFUSED or -EPROTO (NEC_E_ENCLAVE_CONNECTION). */
int nec_call_cid(const char *control, uint64_t *ret, nec_error *err);

/*
 * What it says of itself and its image: one JSON object, to be released with nec_json_free().
 * Returns as above.
 */
int nec_call_describe(const char *control, struct cJSON **ret, nec_error *err);

/* Whether it has a console: 0, -ENOENT (NEC_E_CONSOLE: not in debug mode), or as above. */
int nec_call_check_console(const char *control, nec_error *err);

/*
 * Connects to its console: the recording of the process that holds it and what follows, or the
 * hypervisor's when that process has none, as nitro-cli's. Returns the fd, or a negative errno
 * (NEC_E_CONSOLE).
 */
int nec_call_console(const nec_context *context, const char *control, uint32_t cid, nec_error *err);

/*
 * As nec_port_connect(); a refusal is tried again until @deadline (of nec_loop_now()): an enclave
 * runs before its program listens.
 */
int nec_call_port(const nec_context *context, const char *sockets_dir, uint64_t cid, uint32_t port,
		  uint64_t deadline, nec_error *err);

/*
 * Ends the enclave and waits until everything is given back. What its process has to say for
 * stderr is appended to @messages. Returns 0 with the object that confirms it, -EACCES
 * (NEC_E_ENCLAVE_REFUSED: it is another user's), -EBUSY (NEC_E_DEVICE_ANSWER: the device did not
 * let it go), -ECONNREFUSED when nobody is there, or -EPROTO (NEC_E_ENCLAVE_CONNECTION).
 */
int nec_call_terminate(const char *control, struct nec_buffer *messages, struct cJSON **ret,
		       nec_error *err);

/*
 * The record of an enclave that has ended, whose control socket was @control. Its process may be
 * about to end: that is waited for, five seconds at most. NULL when there is none, as of
 * nitro-cli's.
 */
struct cJSON *nec_call_record(const char *control);

#endif
