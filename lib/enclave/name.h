/* SPDX-License-Identifier: Apache-2.0 */
/* The name of an enclave that is being launched: chosen, and kept from other launches. */
#ifndef NEC_ENCLAVE_NAME_H
#define NEC_ENCLAVE_NAME_H

#include "base/cleanup.h"
#include "base/unix-socket.h"
#include "nec.h"

struct nec_name {
	char *text;
	int lock_fd; /* of the file that reserves it; -1 when there is none */
	struct nec_path lock_path;
};
#define NEC_NAME_INIT         \
	{                     \
		.lock_fd = -1 \
	}

/*
 * @wish or, when that is empty, the file name of the image at @eif_path; with _1, _2, ... behind it
 * if an enclave of the sockets directory @dir has it, or another launch has just chosen it. It
 * stays reserved until nec_name_release(), which comes when the enclave answers to it, or has
 * failed. Returns 0 or -ENOMEM.
 */
int nec_name_choose(const char *dir, const char *wish, const char *eif_path, struct nec_name *ret,
		    nec_error *err);
void nec_name_release(struct nec_name *name);

static inline void nec_cleanup_name(struct nec_name *name)
{
	nec_name_release(name);
}
#define cleanup_name NEC_CLEANUP(name)

#endif
