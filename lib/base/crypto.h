/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-384, the hash of every measurement, and SHA-256, that of image layers. libcrypto does them
 * and is loaded on first use.
 */
#ifndef NEC_BASE_CRYPTO_H
#define NEC_BASE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "nec.h"

#define NEC_SHA384_SIZE 48

/*
 * A hash in the making. Update freely: a failure is remembered and nec_sha384_final() tells it.
 * One thread at a time per struct.
 */
struct nec_sha384 {
	void *state; /* NULL before init and after free */
	bool failed;
};

/* Returns 0, -ENOMEM, or -ELIBACC (NEC_E_LIBRARY_MISSING). */
int nec_sha384_init(struct nec_sha384 *sha, nec_error *err);

void nec_sha384_update(struct nec_sha384 *sha, const void *data, size_t size);

/* Makes @to (not initialised, or freed) continue from where @from stands now. Errors as init. */
int nec_sha384_copy(struct nec_sha384 *to, const struct nec_sha384 *from, nec_error *err);

/* Ends the hash; only nec_sha384_free() may follow. Returns 0, or -EIO (NEC_E_SYSTEM). */
int nec_sha384_final(struct nec_sha384 *sha, uint8_t digest[NEC_SHA384_SIZE], nec_error *err);

void nec_sha384_free(struct nec_sha384 *sha);

/* The hash of @size bytes in memory. */
int nec_sha384_digest(const void *data, size_t size, uint8_t digest[NEC_SHA384_SIZE],
		      nec_error *err);

static inline void nec_cleanup_sha384(struct nec_sha384 *sha)
{
	nec_sha384_free(sha);
}
#define cleanup_sha384 NEC_CLEANUP(sha384)

#define NEC_SHA256_SIZE 32

/* As nec_sha384 in every respect. */
struct nec_sha256 {
	void *state;
	bool failed;
};

int nec_sha256_init(struct nec_sha256 *sha, nec_error *err);
void nec_sha256_update(struct nec_sha256 *sha, const void *data, size_t size);
int nec_sha256_final(struct nec_sha256 *sha, uint8_t digest[NEC_SHA256_SIZE], nec_error *err);
void nec_sha256_free(struct nec_sha256 *sha);
int nec_sha256_digest(const void *data, size_t size, uint8_t digest[NEC_SHA256_SIZE],
		      nec_error *err);

static inline void nec_cleanup_sha256(struct nec_sha256 *sha)
{
	nec_sha256_free(sha);
}
#define cleanup_sha256 NEC_CLEANUP(sha256)

#endif
