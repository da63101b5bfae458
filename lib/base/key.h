/* SPDX-License-Identifier: Apache-2.0 */
/* Elliptic-curve keys: reading, signing, verifying. libcrypto does it and is loaded on first use.
 */
#ifndef NEC_BASE_KEY_H
#define NEC_BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "nec.h"

/* r and s of P-521, the longest. */
#define NEC_KEY_MAX_SIGNATURE 132

/* One of the three curves that images are signed with; everything else follows from the curve. */
struct nec_curve {
	const char *name;       /* "P-384" */
	const char *group;      /* OpenSSL's name of it */
	const char *hash;       /* that goes with it, by OpenSSL's name */
	size_t signature_bytes; /* r and s, each as long as the field */
	int64_t cose_algorithm; /* RFC 9053: ES256, ES384, ES512 */
};

struct nec_key {
	void *state; /* NULL when there is none */
	const struct nec_curve *curve;
};

/* NULL when no curve of ours has that algorithm. */
const struct nec_curve *nec_curve_by_cose(int64_t algorithm);

/*
 * Takes over an EVP_PKEY, also on failure. @name and @code are for the error: what the key belongs
 * to. Returns 0, or -EINVAL when it is on none of the three curves.
 */
int nec_key_adopt(void *pkey, const char *name, enum nec_error_code code, struct nec_key *ret,
		  nec_error *err);

/*
 * Reads a PEM private key (PKCS#8 or SEC1) from a file or pipe. Never asks for a passphrase: an
 * encrypted key is an error that says so. Returns 0, or a negative errno (NEC_E_PRIVATE_KEY,
 * NEC_E_FILE_OPEN, NEC_E_FILE_READ, NEC_E_LIBRARY_MISSING).
 */
int nec_key_read_private(const char *path, struct nec_key *ret, nec_error *err);

/* Are the public halves the same? */
bool nec_key_equal(const struct nec_key *a, const struct nec_key *b);

/*
 * Signs @data, hashed as the curve asks; the result is key->curve->signature_bytes long. The nonce
 * is RFC 6979's where libcrypto has it (OpenSSL 3.2), so that signing again gives the same bytes.
 */
int nec_key_sign(const struct nec_key *key, const void *data, size_t size,
		 uint8_t signature[NEC_KEY_MAX_SIGNATURE], nec_error *err);

/* Returns 0, -EBADMSG (NEC_E_SIGNATURE_INVALID), or -ENOMEM. @signature is r and s. */
int nec_key_verify(const struct nec_key *key, const void *data, size_t size,
		   const uint8_t *signature, size_t signature_size, nec_error *err);

/*
 * Turns an ECDSA signature from DER, as most tools write it, into r and s. Returns 0, or -EBADMSG
 * (NEC_E_SIGNER).
 */
int nec_key_signature_from_der(const struct nec_curve *curve, const uint8_t *der, size_t size,
			       uint8_t signature[NEC_KEY_MAX_SIGNATURE], nec_error *err);

void nec_key_free(struct nec_key *key);

static inline void nec_cleanup_key(struct nec_key *key)
{
	nec_key_free(key);
}
#define cleanup_key NEC_CLEANUP(key)

#endif
