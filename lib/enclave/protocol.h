/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nitro-cli's control protocol (version 1.5), in both roles: what goes over <slot>.sock. A client
 * sends each command as two equal frames, then its arguments if it has any; the process that holds
 * the enclave answers with raw numbers and reply frames, and closes.
 */
#ifndef NEC_ENCLAVE_PROTOCOL_H
#define NEC_ENCLAVE_PROTOCOL_H

#include <sys/types.h>

#include "base/buffer.h"
#include "base/cbor.h"

enum nec_command {
	NEC_COMMAND_RUN,
	NEC_COMMAND_TERMINATE,
	NEC_COMMAND_DESCRIBE,
	NEC_COMMAND_GET_ENCLAVE_NAME,
	NEC_COMMAND_GET_ID_BY_NAME,
	NEC_COMMAND_GET_ENCLAVE_CID,
	NEC_COMMAND_GET_ENCLAVE_FLAGS,
	NEC_COMMANDS,
};

/* Most bytes of a frame: a command with its arguments, which are names and paths, no more ... */
#define NEC_FRAME_MAX_COMMAND 16384

/* ... and a reply, the description of an enclave with its metadata. */
#define NEC_FRAME_MAX_REPLY (32u << 20)

/* Sent as a plain number before the reply frames of a command that is broadcast. */
#define NEC_PROTOCOL_CONFIRM UINT64_C(0xEEC0)

/* Statuses that nitro-cli knows: 0, EEXIST for a second Run, EINVAL; EACCES is ours for a refusal.
 */

/* What a command carries besides its name. */
struct nec_command_arguments {
	bool metadata; /* Describe */
	char *name;    /* GetIDbyName; to be freed with nec_command_arguments_free() */
};
void nec_command_arguments_free(struct nec_command_arguments *arguments);

const char *nec_command_name(enum nec_command command);
bool nec_command_has_arguments(enum nec_command command);

/* Whether any local user may give it; the others are for the owner and root. */
bool nec_command_is_public(enum nec_command command);

/* Reads the first frame. Returns 0, or -EBADMSG for what is no command that a socket takes. */
int nec_command_decode(const void *payload, size_t size, enum nec_command *ret, nec_error *err);
int nec_command_decode_arguments(enum nec_command command, const void *payload, size_t size,
				 struct nec_command_arguments *ret, nec_error *err);

/* The client's bytes for a command: two frames, and a third when it has arguments. */
void nec_command_encode(enum nec_command command, const struct nec_command_arguments *arguments,
			struct nec_buffer *to);

/* The holder's answers. */
void nec_reply_number(struct nec_buffer *to, uint64_t number);
void nec_reply_stdout(struct nec_buffer *to, const char *text);
void nec_reply_stderr(struct nec_buffer *to, const char *text);
void nec_reply_status(struct nec_buffer *to, int status);

/* One reply frame, read by a client. */
enum nec_reply_kind { NEC_REPLY_STDOUT, NEC_REPLY_STDERR, NEC_REPLY_STATUS };
struct nec_reply {
	enum nec_reply_kind kind;
	struct nec_buffer text; /* of the first two */
	int64_t status;
};
void nec_reply_free(struct nec_reply *reply);
int nec_reply_decode(const void *payload, size_t size, struct nec_reply *ret, nec_error *err);

#endif
