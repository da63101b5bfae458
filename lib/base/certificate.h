/* SPDX-License-Identifier: Apache-2.0 */
/* X.509 certificates: what they say, and the key in them. libcrypto is loaded on first use. */
#ifndef NEC_BASE_CERTIFICATE_H
#define NEC_BASE_CERTIFICATE_H

#include "base/buffer.h"
#include "base/key.h"
#include "nec.h"

struct nec_certificate {
	void *state; /* NULL when there is none */
};

/*
 * Reads the first certificate block of a PEM text; what stands around it does not matter.
 * @name is for messages. Returns 0, -EBADMSG (NEC_E_CERTIFICATE), -ENOMEM, or -ELIBACC.
 */
int nec_certificate_parse(const void *pem, size_t size, const char *name,
			  struct nec_certificate *ret, nec_error *err);

/* Appends the certificate's DER form to @to. */
int nec_certificate_der(const struct nec_certificate *certificate, struct nec_buffer *to,
			nec_error *err);

/* The public key. Returns 0, or -EINVAL (NEC_E_CERTIFICATE) when it is on none of our curves. */
int nec_certificate_key(const struct nec_certificate *certificate, const char *name,
			struct nec_key *ret, nec_error *err);

/* What the certificate says, to be released with nec_certificate_info_clear(). */
int nec_certificate_info(const struct nec_certificate *certificate, const char *name,
			 struct nec_certificate_info *ret, nec_error *err);
void nec_certificate_info_clear(struct nec_certificate_info *info);

/* Returns 0, or -EKEYEXPIRED (NEC_E_CERTIFICATE_DATES) when @now is outside the validity. */
int nec_certificate_check_dates(const struct nec_certificate_info *info, int64_t now,
				nec_error *err);

void nec_certificate_free(struct nec_certificate *certificate);

static inline void nec_cleanup_certificate(struct nec_certificate *certificate)
{
	nec_certificate_free(certificate);
}
#define cleanup_certificate NEC_CLEANUP(certificate)

static inline void nec_cleanup_certificate_info(struct nec_certificate_info *info)
{
	nec_certificate_info_clear(info);
}
#define cleanup_certificate_info NEC_CLEANUP(certificate_info)

#endif
