/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nec-allocatord and its clients say to each other: JSON objects in frames (base/frame.h) over
 * a Unix stream socket. A client sends a request and gets any number of progress objects and
 * warnings, then one result or error; then it may send the next. docs/allocator.md has the words.
 */
#ifndef NEC_ALLOCATOR_PROTOCOL_H
#define NEC_ALLOCATOR_PROTOCOL_H

#include "allocator/config.h"
#include "allocator/ledger.h"
#include "base/frame.h"

struct cJSON;

/*
 * In the folder of the ledger, which is root's, and not in nitro-cli's /run/nitro_enclaves: who may
 * write there could put a socket of his own in its place, and nitro-cli takes every *.sock in it
 * for an enclave's.
 */
#define NEC_ALLOCATOR_SOCKET NEC_ALLOCATOR_DIR "/allocator.sock"

enum {
	NEC_ALLOCATOR_REQUEST_MAX = 4096, /* of those who may only look */
	/* Of those who may change something: a whole file, each byte escaped. */
	NEC_ALLOCATOR_CHANGE_MAX = 6 * NEC_ALLOCATOR_BYTES_MAX + NEC_ALLOCATOR_REQUEST_MAX,
	NEC_ALLOCATOR_REPLY_MAX = 4 << 20 /* the status of the largest machine */
};

enum nec_allocator_verb {
	NEC_ALLOCATOR_ASK_STATE,  /* what the daemon does; answered at once */
	NEC_ALLOCATOR_ASK_STATUS, /* the machine, and what is set aside */
	NEC_ALLOCATOR_ASK_APPLY,  /* its file, or the text that comes along */
	NEC_ALLOCATOR_ASK_RELOAD, /* its file, once it is at nothing else */
	NEC_ALLOCATOR_ASK_RELEASE,
	NEC_ALLOCATOR_ASK_VERBS
};

/**
 * struct nec_allocator_request - what a client asks for
 * @name: of the file that @text is from, for messages; NULL when the daemon's own is meant
 * @text: of an allocator.yaml, for NEC_ALLOCATOR_ASK_APPLY only; NULL with @name
 */
struct nec_allocator_request {
	enum nec_allocator_verb verb;
	char *name;
	char *text;
};
void nec_allocator_request_free(struct nec_allocator_request *request);

const char *nec_allocator_verb_name(enum nec_allocator_verb verb);

/* Whether it is root's alone to ask for. */
bool nec_allocator_verb_changes(enum nec_allocator_verb verb);

/* Appends a request as a frame. Returns 0, -ENOMEM, or -ELIBACC. */
int nec_allocator_request_encode(const struct nec_allocator_request *request, struct nec_buffer *to,
				 nec_error *err);

/*
 * Reads the payload of a request's frame. @ret is to be released with nec_allocator_request_free().
 * Returns 0, -ENOMEM, -ELIBACC, or -EBADMSG (NEC_E_JSON).
 */
int nec_allocator_request_decode(const void *payload, size_t size,
				 struct nec_allocator_request *ret, nec_error *err);

enum nec_allocator_reply_kind {
	NEC_ALLOCATOR_PROGRESS,
	NEC_ALLOCATOR_WARNING,
	NEC_ALLOCATOR_RESULT,
	NEC_ALLOCATOR_ERROR,
};

/**
 * struct nec_allocator_reply - one object of an answer
 * @text:   the phase of a progress, or a warning; made printable
 * @done, @total: of a progress
 * @result: what was asked for
 * @error:  why not
 */
struct nec_allocator_reply {
	enum nec_allocator_reply_kind kind;
	char text[NEC_ERROR_MESSAGE_SIZE];
	uint64_t done;
	uint64_t total;
	struct cJSON *result;
	nec_error error;
};
void nec_allocator_reply_free(struct nec_allocator_reply *reply);

/* Append an object as a frame; lack of memory shows as @to->failed. */
void nec_allocator_add_progress(const char *phase, uint64_t done, uint64_t total,
				struct nec_buffer *to);
void nec_allocator_add_warning(const char *text, struct nec_buffer *to);
void nec_allocator_add_error(const nec_error *error, struct nec_buffer *to);
void nec_allocator_add_result(const struct cJSON *result, struct nec_buffer *to);

/* As nec_allocator_request_decode(); -EBADMSG is NEC_E_ALLOCATOR_DAEMON. */
int nec_allocator_reply_decode(const void *payload, size_t size, struct nec_allocator_reply *ret,
			       nec_error *err);

#endif
