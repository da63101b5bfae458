/* SPDX-License-Identifier: Apache-2.0 */
/* The enclaves of this machine as objects, filtered, as JSON or as a table. */
#ifndef NEC_CLI_ENCLAVE_LIST_H
#define NEC_CLI_ENCLAVE_LIST_H

#include "base/json.h"
#include "command.h"

/* What an enclave must have to be listed; all that is given. Texts are borrowed. */
struct cli_enclave_filter {
	const char *id;
	const char *name;
	const char *state;   /* in any case */
	const char *backend; /* "nitro" or "qemu" */
	bool has_cid;
	uint64_t cid;
};

/*
 * Appends the enclaves that match to @array: those that run, then, if @ended, those that have ended
 * and are still known, the oldest first. Each has "Uptime" when its start is known. *failed counts
 * the processes that gave no usable answer. Returns 0 or a negative errno (NEC_E_FILE_READ: a
 * sockets directory cannot be read).
 */
int cli_list_enclaves(const struct cli_enclave_filter *filter, bool metadata, bool ended,
		      cJSON *array, unsigned int *failed, nec_error *err);

bool cli_enclave_matches(const struct cli_enclave_filter *filter, const cJSON *enclave);

/* Whether an object is that of an enclave that has ended. */
bool cli_enclave_has_ended(const cJSON *enclave);

/* The part of an id that tells the enclaves of one machine apart: what is behind the last "-enc".
 */
const char *cli_enclave_slot(const char *id);

/* The enclave of an array with the same id; NULL when there is none. */
const cJSON *cli_find_like(const cJSON *array, const cJSON *like);

/* A member that is a text; "" when there is none. */
const char *cli_enclave_text(const cJSON *enclave, const char *key);

/* One line an enclave below a line of headings. */
void cli_print_enclave_table(const cJSON *array, struct nec_buffer *to);

#endif
