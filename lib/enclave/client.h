/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the control protocol: ask the processes that hold enclaves. */
#ifndef NEC_ENCLAVE_CLIENT_H
#define NEC_ENCLAVE_CLIENT_H

#include "enclave/protocol.h"

struct cJSON;

/* What one process answered. */
struct nec_answer {
	uint64_t
		number; /* GetEnclaveCID, GetEnclaveFlags; the confirmation of broadcast commands */
	struct nec_buffer text;     /* everything for stdout: one JSON value */
	struct nec_buffer messages; /* everything for stderr */
	int64_t status;
	bool has_status;
};
void nec_answer_free(struct nec_answer *answer);

/*
 * Sends a command to the process behind a control socket and collects its answer, for at most
 * @msec. Returns 0, -ECONNREFUSED when nobody is there, or -EPROTO (NEC_E_ENCLAVE_CONNECTION).
 */
int nec_client_call(const char *socket_path, enum nec_command command,
		    const struct nec_command_arguments *arguments, int msec, struct nec_answer *ret,
		    nec_error *err);

/* The same on a connection that is there, its only command. */
int nec_client_call_on(int fd, enum nec_command command,
		       const struct nec_command_arguments *arguments, int msec,
		       struct nec_answer *ret, nec_error *err);

/* Called with each control socket; returns false to stop. */
typedef bool (*nec_client_visit_fn)(void *userdata, const char *socket_path);

/*
 * Visits the control sockets of a directory in the order of their names. With a directory that is
 * not there: -ENOENT (NEC_E_FILE_READ).
 */
int nec_client_visit(const char *dir, nec_client_visit_fn visit, void *userdata, nec_error *err);

/* Removes a socket whose process is gone. */
void nec_client_remove_dead(const char *socket_path);

/*
 * The descriptions of all enclaves of a directory, appended to @array; *failed counts the processes
 * that gave no usable answer. Dead sockets are removed.
 */
int nec_client_describe_all(const char *dir, bool metadata, struct cJSON *array,
			    unsigned int *failed, nec_error *err);

/*
 * The control socket of an enclave by id ("...-enc<slot>") or by name; exactly one is given.
 * Returns 0, or -ENOENT (NEC_E_ENCLAVE_ID, NEC_E_ENCLAVE_NAME), -ENOTUNIQ (NEC_E_ENCLAVE_NAME).
 */
int nec_client_find(const char *dir, const char *id, const char *name, char **ret, nec_error *err);

#endif
