/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COSE_Sign1 (RFC 9052, RFC 9053): one ECDSA signature over one payload. Images are signed this way
 * and so are attestation documents.
 */
#ifndef NEC_BASE_COSE_H
#define NEC_BASE_COSE_H

#include "base/cbor.h"
#include "base/key.h"

/* What a COSE_Sign1 consists of; the strings are lent by the bytes it was decoded from. */
struct nec_cose_sign1 {
	struct nec_cbor_string protected_header; /* encoded map; no bytes when the map is empty */
	struct nec_cbor_string payload;
	struct nec_cbor_string signature;
	int64_t algorithm;
	bool algorithm_protected; /* false: it stands where nothing protects it */
};

/*
 * Decodes @size bytes, with the tag for COSE_Sign1 or without. @name and @code are for errors.
 * Refuses a payload that is elsewhere, a missing algorithm, and headers that must be understood
 * ("crit"). Returns 0, or -EBADMSG (@code).
 */
int nec_cose_decode(const void *data, size_t size, const char *name, enum nec_error_code code,
		    struct nec_cose_sign1 *ret, nec_error *err);

/*
 * Is the algorithm the one of that curve? AWS ties the two, COSE itself does not.
 * Returns 0, or -EBADMSG (NEC_E_SIGNATURE_INVALID).
 */
int nec_cose_check_algorithm(const struct nec_cose_sign1 *cose, const struct nec_curve *curve,
			     nec_error *err);

/*
 * Was it signed by that key? @external is what was signed along without being sent, usually
 * nothing. Returns 0, -EBADMSG (NEC_E_SIGNATURE_INVALID), or -ENOMEM.
 */
int nec_cose_verify(const struct nec_cose_sign1 *cose, const struct nec_key *key,
		    const struct nec_cbor_string *external, nec_error *err);

/* Appends what a key on that curve has to sign: the Sig_structure. */
void nec_cose_put_to_be_signed(struct nec_buffer *to, const struct nec_curve *curve,
			       const struct nec_buffer *payload);

/* Appends the COSE_Sign1, untagged; @signature has curve->signature_bytes bytes. */
void nec_cose_put(struct nec_buffer *to, const struct nec_curve *curve,
		  const struct nec_buffer *payload, const uint8_t *signature);

#endif
