/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signer of images: made before the work begins, so that a key or certificate that will not do is
 * found before a long build, and used once PCR0 is known.
 */
#ifndef NEC_IMAGE_SIGNER_H
#define NEC_IMAGE_SIGNER_H

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/context.h"

struct nec_signer;

/*
 * Reads and checks certificate and key; warns when the certificate is not valid now. @options and
 * the context are borrowed until nec_signer_free(). Errors as nec_eif_sign().
 */
int nec_signer_open(const nec_context *context, const struct nec_sign_options *options,
		    struct nec_signer **ret, nec_error *err);
void nec_signer_free(struct nec_signer *signer);

/* PCR8 of the images that it signs; lent. */
const uint8_t *nec_signer_pcr8(const struct nec_signer *signer);

/*
 * Appends the data of a signature section for an image with that PCR0, after verifying it with the
 * certificate. Runs the signer command, if that is who signs. Errors as nec_eif_sign().
 */
int nec_signer_sign(const struct nec_signer *signer, const uint8_t pcr0[NEC_PCR_SIZE],
		    struct nec_buffer *section, nec_error *err);

NEC_DEFINE_CLEANUP(signer, struct nec_signer *, nec_signer_free)
#define cleanup_signer NEC_CLEANUP(signer)

#endif
