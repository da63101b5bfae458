/* SPDX-License-Identifier: Apache-2.0 */
/* The signature section of an image as the library sees it. */
#ifndef NEC_IMAGE_SIGNATURE_H
#define NEC_IMAGE_SIGNATURE_H

#include "base/certificate.h"
#include "base/cose.h"
#include "nec.h"

/*
 * Most bytes that a PEM file with a signing certificate may have: as an array of integers nearly
 * all of them take two, and the section may have no more than NEC_EIF_MAX_SIGNATURE.
 */
#define NEC_SIGNATURE_MAX_PEM 15360

struct nec_signature {
	struct nec_signature_info info;
	struct nec_certificate certificate;
	struct nec_buffer pem;
	struct nec_buffer encoded; /* the COSE_Sign1; what cose lends */
	struct nec_cose_sign1 cose;
};

/* Reads a PEM file of at most @limit bytes: its whole text to @pem, which may be NULL. */
int nec_signature_read_certificate(const char *path, size_t limit, struct nec_buffer *pem,
				   struct nec_certificate *ret, nec_error *err);

/* Is there a private key in what is, or will be, published with the image? */
bool nec_signature_has_private_key(const struct nec_buffer *pem);

/* The measurement of a certificate: PCR8. */
int nec_signature_measure(const struct nec_certificate *certificate, uint8_t pcr8[NEC_PCR_SIZE],
			  nec_error *err);

/* Appends what is signed for a measured PCR0, byte for byte as AWS encodes it. */
void nec_signature_put_payload(struct nec_buffer *to, const uint8_t pcr0[NEC_PCR_SIZE]);

/* Appends a section with one entry. */
void nec_signature_put_section(struct nec_buffer *to, const struct nec_buffer *pem,
			       const struct nec_buffer *cose);

NEC_DEFINE_CLEANUP(signature, nec_signature *, nec_signature_free)
#define cleanup_signature NEC_CLEANUP(signature)

#endif
