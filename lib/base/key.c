/* SPDX-License-Identifier: Apache-2.0 */
/* Elliptic-curve keys by libcrypto. */
#include "base/key.h"

#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "base/openssl.h"

/* A PEM key of P-521 has 400 bytes; the rest is for parameters and comments around it. */
enum { MAX_KEY_FILE_BYTES = 16 * 1024 };

/* More than the DER form of any ECDSA signature of ours: 2 * (66 + 1 + 2) + 3 = 141. */
enum { MAX_DER_BYTES = 160 };

static const struct nec_curve curves[] = {
	{
		.name = "P-256",
		.group = "prime256v1",
		.hash = "SHA256",
		.signature_bytes = 64,
		.cose_algorithm = -7,
	},
	{
		.name = "P-384",
		.group = "secp384r1",
		.hash = "SHA384",
		.signature_bytes = 96,
		.cose_algorithm = -35,
	},
	{
		.name = "P-521",
		.group = "secp521r1",
		.hash = "SHA512",
		.signature_bytes = 132,
		.cose_algorithm = -36,
	},
};

const struct nec_curve *nec_curve_by_cose(int64_t algorithm)
{
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
		if (curves[i].cose_algorithm == algorithm)
			return &curves[i];
	return NULL;
}

int nec_key_adopt(void *pkey, const char *name, enum nec_error_code code, struct nec_key *ret,
		  nec_error *err)
{
	cleanup_key struct nec_key key = { .state = pkey };
	char group[80] = "";
	const char *type = OPENSSL(EVP_PKEY_get0_type_name)(pkey);

	if (OPENSSL(EVP_PKEY_is_a)(pkey, "EC") == 1)
		(void)OPENSSL(EVP_PKEY_get_group_name)(pkey, group, sizeof(group), NULL);
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
		if (strcmp(group, curves[i].group) == 0)
			key.curve = &curves[i];
	OPENSSL(ERR_clear_error)();
	if (!key.curve)
		return nec_error_set(err, code, -EINVAL,
				     "%s: the key is %s%s%s, not one on P-256, P-384 or P-521",
				     name, type ? type : "of an unknown kind", *group ? " " : "",
				     group);
	*ret = (struct nec_key){ .state = TAKE_PTR(key.state), .curve = key.curve };
	return 0;
}

void nec_key_free(struct nec_key *key)
{
	if (key->state)
		OPENSSL(EVP_PKEY_free)(key->state);
	*key = (struct nec_key){ 0 };
}

/* Fills @text with the file's contents; there is nothing of them in any other buffer. */
static int read_secret(const char *path, char *text, size_t capacity, size_t *ret, nec_error *err)
{
	cleanup_close int fd = nec_file_open(path, err);
	size_t size = 0;

	if (fd < 0)
		return fd;
	while (size < capacity) {
		ssize_t n = read(fd, text + size, capacity - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read %s",
						    path);
		if (n == 0) {
			*ret = size;
			return 0;
		}
		size += (size_t)n;
	}
	return nec_error_set(err, NEC_E_PRIVATE_KEY, -EFBIG,
			     "%s has %zu bytes or more: not a private key", path, capacity);
}

/* libcrypto asks for a passphrase; it would otherwise read one from the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *asked)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static int parse_private(const char *text, size_t size, const char *path, struct nec_key *ret,
			 nec_error *err)
{
	bool encrypted = false;
	BIO *bio = OPENSSL(BIO_new_mem_buf)(text, (int)size);
	EVP_PKEY *pkey = NULL;

	if (!bio)
		return nec_error_no_memory(err);
	pkey = OPENSSL(PEM_read_bio_PrivateKey)(bio, NULL, no_passphrase, &encrypted);
	(void)OPENSSL(BIO_free)(bio);
	if (pkey)
		return nec_key_adopt(pkey, path, NEC_E_PRIVATE_KEY, ret, err);
	if (!encrypted)
		return nec_openssl_error(err, NEC_E_PRIVATE_KEY, -EBADMSG,
					 "%s holds no PEM private key that can be read", path);
	OPENSSL(ERR_clear_error)();
	nec_error_set(err, NEC_E_PRIVATE_KEY, -EBADMSG, "%s is encrypted with a passphrase", path);
	nec_error_set_hint(err, "Decrypt it for this call, for example with `--private-key "
				"<(openssl pkey -in FILE)`, or use --signer-command.");
	return -EBADMSG;
}

int nec_key_read_private(const char *path, struct nec_key *ret, nec_error *err)
{
	char text[MAX_KEY_FILE_BYTES];
	size_t size = 0;
	int r = nec_openssl_load(err);

	if (r < 0)
		return r;
	r = read_secret(path, text, sizeof(text), &size, err);
	if (r == 0)
		r = parse_private(text, size, path, ret, err);
	explicit_bzero(text, sizeof(text));
	return r;
}

bool nec_key_equal(const struct nec_key *a, const struct nec_key *b)
{
	bool equal = OPENSSL(EVP_PKEY_eq)(a->state, b->state) == 1;

	OPENSSL(ERR_clear_error)();
	return equal;
}

static int raw_from_signature(const struct nec_curve *curve, const ECDSA_SIG *parsed, uint8_t *raw)
{
	int field = (int)curve->signature_bytes / 2;

	/* Fails when a number is longer than the field. */
	if (OPENSSL(BN_bn2binpad)(OPENSSL(ECDSA_SIG_get0_r)(parsed), raw, field) != field ||
	    OPENSSL(BN_bn2binpad)(OPENSSL(ECDSA_SIG_get0_s)(parsed), raw + field, field) != field)
		return -EBADMSG;
	return 0;
}

/* Returns the size of the DER form of r and s, or a negative errno. */
static int signature_to_der(const struct nec_curve *curve, const uint8_t *signature,
			    uint8_t der[MAX_DER_BYTES])
{
	int field = (int)curve->signature_bytes / 2;
	ECDSA_SIG *parsed = OPENSSL(ECDSA_SIG_new)();
	BIGNUM *number_r = OPENSSL(BN_bin2bn)(signature, field, NULL);
	BIGNUM *number_s = OPENSSL(BN_bin2bn)(signature + field, field, NULL);
	int size = -ENOMEM;

	if (parsed && number_r && number_s &&
	    OPENSSL(ECDSA_SIG_set0)(parsed, number_r, number_s) == 1) {
		uint8_t *end = der;

		number_r = NULL; /* they are the signature's now */
		number_s = NULL;
		if (OPENSSL(i2d_ECDSA_SIG)(parsed, NULL) <= MAX_DER_BYTES)
			size = OPENSSL(i2d_ECDSA_SIG)(parsed, &end);
	}
	OPENSSL(BN_free)(number_r);
	OPENSSL(BN_free)(number_s);
	OPENSSL(ECDSA_SIG_free)(parsed);
	return size;
}

static int parse_der(const struct nec_curve *curve, const uint8_t *der, size_t size,
		     uint8_t signature[NEC_KEY_MAX_SIGNATURE])
{
	const uint8_t *end = der;
	ECDSA_SIG *parsed = OPENSSL(d2i_ECDSA_SIG)(NULL, &end, (long)size);
	uint8_t again[MAX_DER_BYTES];
	int r = parsed ? raw_from_signature(curve, parsed, signature) : -EBADMSG;

	OPENSSL(ECDSA_SIG_free)(parsed);
	if (r < 0)
		return r;
	/* Only the one encoding that DER allows; libcrypto takes more. */
	r = signature_to_der(curve, signature, again);
	return r == (int)size && memcmp(again, der, size) == 0 ? 0 : -EBADMSG;
}

int nec_key_signature_from_der(const struct nec_curve *curve, const uint8_t *der, size_t size,
			       uint8_t signature[NEC_KEY_MAX_SIGNATURE], nec_error *err)
{
	int r = nec_openssl_load(err);

	if (r < 0)
		return r;
	r = size <= MAX_DER_BYTES ? parse_der(curve, der, size, signature) : -EBADMSG;
	OPENSSL(ERR_clear_error)();
	if (r < 0)
		return nec_error_set(err, NEC_E_SIGNER, r,
				     "%zu bytes are no ECDSA signature of %s, neither r and s "
				     "(%zu bytes) nor DER",
				     size, curve->name, curve->signature_bytes);
	return 0;
}

/*
 * The nonce of RFC 6979 instead of a random one. OpenSSL has it since 3.2; older ones do not know
 * the parameter, pass over it and go on with a random nonce.
 */
static void ask_for_fixed_nonce(EVP_PKEY_CTX *context)
{
	unsigned int type = 1;
	const OSSL_PARAM parameters[] = {
		OPENSSL(OSSL_PARAM_construct_uint)("nonce-type", &type),
		OPENSSL(OSSL_PARAM_construct_end)(),
	};

	(void)OPENSSL(EVP_PKEY_CTX_set_params)(context, parameters);
}

static bool sign_der(EVP_MD_CTX *hash, const struct nec_key *key, const void *data, size_t size,
		     uint8_t *der, size_t *der_size)
{
	EVP_PKEY_CTX *context = NULL;

	if (OPENSSL(EVP_DigestSignInit_ex)(hash, &context, key->curve->hash, NULL, NULL, key->state,
					   NULL) != 1)
		return false;
	ask_for_fixed_nonce(context);
	return OPENSSL(EVP_DigestSign)(hash, der, der_size, data, size) == 1;
}

int nec_key_sign(const struct nec_key *key, const void *data, size_t size,
		 uint8_t signature[NEC_KEY_MAX_SIGNATURE], nec_error *err)
{
	EVP_MD_CTX *hash = OPENSSL(EVP_MD_CTX_new)();
	uint8_t der[MAX_DER_BYTES];
	size_t der_size = sizeof(der);
	bool good;

	if (!hash)
		return nec_error_no_memory(err);
	good = sign_der(hash, key, data, size, der, &der_size);
	OPENSSL(EVP_MD_CTX_free)(hash);
	if (!good)
		return nec_openssl_error(err, NEC_E_PRIVATE_KEY, -EIO,
					 "signing with the key on %s failed", key->curve->name);
	return nec_key_signature_from_der(key->curve, der, der_size, signature, err);
}

int nec_key_verify(const struct nec_key *key, const void *data, size_t size,
		   const uint8_t *signature, size_t signature_size, nec_error *err)
{
	uint8_t der[MAX_DER_BYTES];
	EVP_MD_CTX *hash = NULL;
	bool good;
	int der_size;

	if (signature_size != key->curve->signature_bytes)
		return nec_error_set(err, NEC_E_SIGNATURE_INVALID, -EBADMSG,
				     "the signature has %zu bytes, one of %s has %zu",
				     signature_size, key->curve->name, key->curve->signature_bytes);
	der_size = signature_to_der(key->curve, signature, der);
	hash = OPENSSL(EVP_MD_CTX_new)();
	if (der_size < 0 || !hash) {
		OPENSSL(EVP_MD_CTX_free)(hash);
		return nec_error_no_memory(err);
	}
	good = OPENSSL(EVP_DigestVerifyInit_ex)(hash, NULL, key->curve->hash, NULL, NULL,
						key->state, NULL) == 1 &&
	       OPENSSL(EVP_DigestVerify)(hash, der, (size_t)der_size, data, size) == 1;
	OPENSSL(EVP_MD_CTX_free)(hash);
	OPENSSL(ERR_clear_error)();
	if (!good)
		return nec_error_set(err, NEC_E_SIGNATURE_INVALID, -EBADMSG,
				     "the signature was not made by the certificate's key (%s), or "
				     "what it signs was altered",
				     key->curve->name);
	return 0;
}
