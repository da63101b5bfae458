/* SPDX-License-Identifier: Apache-2.0 */
/* Of the files that ended enclaves leave, the newest stay: otherwise each would stay for ever. */
#ifndef NEC_ENCLAVE_PRUNE_H
#define NEC_ENCLAVE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a file still belongs to a running enclave. */
typedef bool (*nec_prune_in_use_fn)(int folder_fd, const char *folder, const char *name);

/* Files of a folder by name, the newest first. */
struct nec_aged_files {
	char **names;
	size_t count;
};

/* The regular files whose names end in @suffix and that are not in use; memory that is missing
 * makes them fewer. To be freed. */
struct nec_aged_files nec_aged_files_list(const char *folder, const char *suffix,
					  nec_prune_in_use_fn in_use);
void nec_aged_files_free(struct nec_aged_files *files);

/* Removes all of them but the newest @keep. */
void nec_prune(const char *folder, const char *suffix, size_t keep, nec_prune_in_use_fn in_use);

#endif
