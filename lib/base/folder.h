/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder that is filled all or not at all: it is new or empty when it is opened, and unless it is
 * committed what was put into it is removed again, and the folder too if it was made here.
 */
#ifndef NEC_BASE_FOLDER_H
#define NEC_BASE_FOLDER_H

#include <stdbool.h>

#include "nec.h"

struct nec_folder {
	int fd;     /* -1: not open, or committed */
	char *path; /* as it was given, for messages */
	bool made;  /* it was not there before */
};
#define NEC_FOLDER_INIT  \
	{                \
		.fd = -1 \
	}

/*
 * Returns 0, -ENOTEMPTY (NEC_E_FILE_WRITE: there is something in it), or what making and opening
 * give (NEC_E_FILE_WRITE).
 */
int nec_folder_open(struct nec_folder *folder, const char *path, nec_error *err);

/* Keeps it. */
void nec_folder_commit(struct nec_folder *folder);

/* Removes what was not committed, as far as that is possible. */
void nec_folder_abort(struct nec_folder *folder);

static inline void nec_cleanup_folder(struct nec_folder *folder)
{
	nec_folder_abort(folder);
}
#define cleanup_folder __attribute__((cleanup(nec_cleanup_folder)))

/*
 * Removes everything in the folder @fd, however deep, without following symbolic links. Returns 0,
 * or the negative errno of what could not be removed first; the rest is removed all the same.
 */
int nec_folder_empty(int fd);

#endif
