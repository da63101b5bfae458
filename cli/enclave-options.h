/* SPDX-License-Identifier: Apache-2.0 */
/* Which enclave a command means: by id, by name or by CID; and which backend. */
#ifndef NEC_CLI_ENCLAVE_OPTIONS_H
#define NEC_CLI_ENCLAVE_OPTIONS_H

#include "command.h"
#include "enclave/backend.h"
#include "enclave/paths.h"

/*
 * The rows "enclave-id", "enclave-name" and "cid" of a command whose struct has id, name and cid as
 * const char *: at most one of them, and exactly one where it is required.
 */
#define CLI_ENCLAVE_ID_ROW(options_, required_)                                                    \
	{                                                                                          \
		.name = "enclave-id", .type = CLI_VALUE, .help = "the enclave's id",               \
		.offset = offsetof(options_, id), .required = (required_),                         \
		.unless = (required_) ? "enclave-name cid" : NULL, .conflicts = "enclave-name cid" \
	}
#define CLI_ENCLAVE_NAME_ROW(options_, required_)                                        \
	{                                                                                \
		.name = "enclave-name", .type = CLI_VALUE, .help = "the enclave's name", \
		.offset = offsetof(options_, name), .required = (required_),             \
		.unless = (required_) ? "enclave-id cid" : NULL, .conflicts = "cid"      \
	}
#define CLI_ENCLAVE_CID_ROW(options_, required_)                                             \
	{                                                                                    \
		.name = "cid", .type = CLI_VALUE, .help = "the enclave's CID",               \
		.offset = offsetof(options_, cid), .required = (required_),                  \
		.unless = (required_) ? "enclave-id enclave-name" : NULL, .kind = CLI_NUMBER \
	}

/* The row "output" of a command whose result is JSON, or is no text of ours, whatever it says. */
#define CLI_ERROR_OUTPUT_ROW(options_)                                                           \
	{                                                                                        \
		.name = "output", .type = CLI_VALUE, .help = "json: errors are JSON, too",       \
		.offset = offsetof(options_, output), .kind = CLI_CHOICE, .choices = "json text" \
	}

/*
 * The backend that --backend (may be NULL) or $NEC_BACKEND names; the device is the default, never
 * the simulation. Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT).
 */
int cli_backend(const char *option, enum nec_backend_kind *ret, nec_error *err);

/* An enclave as a client of its ports needs it. */
struct cli_enclave {
	struct nec_path dir;    /* the sockets directory that knows it */
	struct nec_path socket; /* of the process that holds it; "" when only the CID is known */
	uint64_t cid;
};

/*
 * By one of the three, the others NULL. A CID that the simulation does not know is taken for one on
 * the device: whether it is there shows when it is connected to. Returns 0, -ENOENT, or another
 * negative errno.
 */
int cli_locate_enclave(const char *id, const char *name, const char *cid, struct cli_enclave *ret,
		       nec_error *err);

#endif
