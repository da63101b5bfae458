/* SPDX-License-Identifier: Apache-2.0 */
/* An enclave as the public calls see it: what was said of it once, and where it can be reached. */
#ifndef NEC_ENCLAVE_ENCLAVE_H
#define NEC_ENCLAVE_ENCLAVE_H

#include "base/buffer.h"
#include "nec.h"

struct cJSON;

struct nec_enclave {
	nec_context *context;
	char *control;             /* its control socket */
	struct cJSON *tree;        /* the texts of info are in it */
	struct nec_buffer json;    /* for nec_enclave_get_json() */
	struct nec_buffer cpu_ids; /* uint32_t */
	struct nec_enclave_info info;
};

/*
 * @tree becomes the handle's, also on failure; it has nitro-cli's keys, of which EnclaveID must be
 * there. Returns 0, -EPROTO (NEC_E_ENCLAVE_CONNECTION), or -ENOMEM.
 */
int nec_enclave_new(nec_context *context, const char *control, struct cJSON *tree,
		    nec_enclave **ret, nec_error *err);

NEC_DEFINE_CLEANUP(enclave, nec_enclave *, nec_enclave_free)
#define cleanup_enclave NEC_CLEANUP(enclave)

#endif
