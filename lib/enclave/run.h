/* SPDX-License-Identifier: Apache-2.0 */
/* Launching: start a holder, tell it what to run, measure the image beside it, wait until it is up.
 */
#ifndef NEC_ENCLAVE_RUN_H
#define NEC_ENCLAVE_RUN_H

#include "base/context.h"
#include "enclave/backend.h"
#include "enclave/paths.h"
#include "enclave/run-measure.h"

struct nec_run_result {
	char *name;         /* with a number behind it when it was taken */
	char *measurements; /* of the image: a JSON object */
	struct nec_launch_started started;
};
void nec_run_result_free(struct nec_run_result *result);

/* As run-enclave prints it. NULL when memory (or cJSON) is missing. */
struct cJSON *nec_run_result_json(const struct nec_run_result *result, bool simulated);

struct nec_run_callbacks {
	void *userdata;
	/* Nothing is reserved yet, and all that can be known is well; may be NULL. */
	void (*checked)(void *userdata);
	void (*started)(void *userdata, const struct nec_launch_started *started);
	/* Of a step that is done; "measure" runs beside others, "total" comes last. */
	void (*phase)(void *userdata, const struct nec_launch_phase *phase);
	void (*notice)(void *userdata, const char *text);
	/* Often, from the start to the heartbeat; may be NULL. */
	void (*waiting)(void *userdata, uint64_t usec, uint64_t timeout_usec);
	/* Often, before the start and while a launch that failed is ended: for how long the holder
	 * has said nothing, because the driver waits for the device; may be NULL. */
	void (*quiet)(void *userdata, uint64_t usec, bool ending);
};

/*
 * Launches @request with the image at @eif_path; its `image` is filled in here. Whatever can be
 * known is checked before anything is reserved: the image's structure, the machine, and of a signed
 * image or with @pins the bytes, the signature and the registers. Of other images the bytes are
 * checked beside, and what nec_eif_check() refuses does not get past its boot.
 *
 * The context's progress callback hears of "measuring", "memory" and "loading". Returns 0 once the
 * enclave's init has reported; on failure or cancellation the enclave is gone. A cancellation that
 * comes too late is none.
 */
int nec_run(nec_context *context, const char *eif_path, const struct nec_pcr_pins *pins,
	    const struct nec_launch_request *request, const struct nec_run_callbacks *callbacks,
	    struct nec_run_result *ret, nec_error *err);

/* The same with an image that is open already; it is needed for this call only. */
int nec_run_image(nec_context *context, nec_eif *eif, const struct nec_pcr_pins *pins,
		  const struct nec_launch_request *request,
		  const struct nec_run_callbacks *callbacks, struct nec_run_result *ret,
		  nec_error *err);

/*
 * The program that holds an enclave: $NEC_HOLDER, else the one beside the running program as in the
 * build tree and when installed. Returns 0 or a negative errno (NEC_E_HOLDER) when it cannot be
 * run.
 */
int nec_run_find_holder(struct nec_path *ret, nec_error *err);

/* The default time for the heartbeat, nitro-cli's: grows with image and memory, 180 s at least. */
uint64_t nec_run_boot_timeout_usec(uint64_t eif_bytes, uint64_t memory_mib);

#endif
