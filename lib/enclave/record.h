/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of an enclave, in a small file that outlives it: <sockets>/records/<slot>.json.
 *
 * The holder keeps the file locked. What it says until the holder replaces it is what will be true
 * if the holder is killed: so whoever finds a record that nobody has locked finds an enclave that
 * ended, and why.
 */
#ifndef NEC_ENCLAVE_RECORD_H
#define NEC_ENCLAVE_RECORD_H

#include "base/unix-socket.h"

struct cJSON;

/* The holder's hand on its record. */
struct nec_record {
	struct nec_path path; /* "" before the first write */
	int fd;               /* locked; -1 when there is none */
};
#define NEC_RECORD_INIT  \
	{                \
		.fd = -1 \
	}

/* Writes the record, at once or not at all, and keeps it locked. Returns 0 or a negative errno. */
int nec_record_write(struct nec_record *record, const char *dir, uint64_t slot_uid,
		     const char *json, nec_error *err);

/* Writes what remains to be said and lets it go. */
int nec_record_finish(struct nec_record *record, const char *json, nec_error *err);

/* Lets it go as it stands, as the death of the process would. */
void nec_record_release(struct nec_record *record);

/* Keeps the records of the newest @keep enclaves that have ended. */
void nec_records_prune(const char *dir, size_t keep);

/*
 * Appends the records of the enclaves of a sockets directory that have ended, the oldest first. A
 * directory without any is none; what cannot be read is left out.
 * Returns 0 or -ENOMEM.
 */
int nec_records_list(const char *dir, struct cJSON *array, nec_error *err);

/* The record of one enclave that has ended; NULL when there is none. */
struct cJSON *nec_record_read(const char *dir, uint64_t slot_uid);

/* Whether there is one, be it of an enclave that runs. */
bool nec_record_exists(const char *dir, uint64_t slot_uid);

#endif
