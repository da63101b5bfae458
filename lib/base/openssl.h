/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of OpenSSL's libcrypto that we use, loaded on first use.
 *
 * Only the files that wrap OpenSSL include this header; everybody else includes base/crypto.h,
 * which has none of its types. Whoever needs another function adds it to the list: the list is
 * what a libcrypto must have.
 */
#ifndef NEC_BASE_OPENSSL_H
#define NEC_BASE_OPENSSL_H

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/dynlib.h"

#define NEC_OPENSSL_DIGEST_SYMBOLS(X) \
	X(EVP_DigestFinal_ex)         \
	X(EVP_DigestInit_ex)          \
	X(EVP_DigestUpdate)           \
	X(EVP_MD_CTX_copy_ex)         \
	X(EVP_MD_CTX_free)            \
	X(EVP_MD_CTX_new)             \
	X(EVP_sha256)                 \
	X(EVP_sha384)

#define NEC_OPENSSL_KEY_SYMBOLS(X)   \
	X(BIO_free)                  \
	X(BIO_new_mem_buf)           \
	X(BN_bin2bn)                 \
	X(BN_bn2binpad)              \
	X(BN_free)                   \
	X(ECDSA_SIG_free)            \
	X(ECDSA_SIG_get0_r)          \
	X(ECDSA_SIG_get0_s)          \
	X(ECDSA_SIG_new)             \
	X(ECDSA_SIG_set0)            \
	X(ERR_clear_error)           \
	X(ERR_peek_last_error)       \
	X(ERR_reason_error_string)   \
	X(EVP_DigestSign)            \
	X(EVP_DigestSignInit_ex)     \
	X(EVP_DigestVerify)          \
	X(EVP_DigestVerifyInit_ex)   \
	X(EVP_PKEY_CTX_set_params)   \
	X(EVP_PKEY_eq)               \
	X(EVP_PKEY_free)             \
	X(EVP_PKEY_get0_type_name)   \
	X(EVP_PKEY_get_group_name)   \
	X(EVP_PKEY_is_a)             \
	X(OSSL_PARAM_construct_end)  \
	X(OSSL_PARAM_construct_uint) \
	X(PEM_read_bio_PrivateKey)   \
	X(d2i_ECDSA_SIG)             \
	X(i2d_ECDSA_SIG)

#define NEC_OPENSSL_CERTIFICATE_SYMBOLS(X) \
	X(ASN1_STRING_get0_data)           \
	X(ASN1_STRING_length)              \
	X(ASN1_STRING_to_UTF8)             \
	X(ASN1_TIME_print)                 \
	X(ASN1_TIME_to_tm)                 \
	X(BIO_ctrl)                        \
	X(BIO_new)                         \
	X(BIO_s_mem)                       \
	X(CRYPTO_free)                     \
	X(OBJ_nid2ln)                      \
	X(OBJ_obj2nid)                     \
	X(PEM_read_bio_X509)               \
	X(X509_NAME_ENTRY_get_data)        \
	X(X509_NAME_ENTRY_get_object)      \
	X(X509_NAME_entry_count)           \
	X(X509_NAME_get_entry)             \
	X(X509_free)                       \
	X(X509_get0_notAfter)              \
	X(X509_get0_notBefore)             \
	X(X509_get0_signature)             \
	X(X509_get_issuer_name)            \
	X(X509_get_subject_name)           \
	X(X509_get_pubkey)                 \
	X(X509_get_signature_nid)          \
	X(i2d_X509)

#define NEC_OPENSSL_SYMBOLS(X)        \
	NEC_OPENSSL_DIGEST_SYMBOLS(X) \
	NEC_OPENSSL_KEY_SYMBOLS(X)    \
	NEC_OPENSSL_CERTIFICATE_SYMBOLS(X)

NEC_DYNLIB_DECLARE(openssl, NEC_OPENSSL_SYMBOLS)

#define OPENSSL(name) (*nec_openssl_symbols.name)

/* As nec_error_set(), with what libcrypto said last behind it; empties libcrypto's error queue. */
int nec_openssl_error(nec_error *err, enum nec_error_code code, int result, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
