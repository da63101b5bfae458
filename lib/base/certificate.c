/* SPDX-License-Identifier: Apache-2.0 */
/* X.509 certificates by libcrypto. */
#include "base/certificate.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/openssl.h"

/* A certificate that wants a passphrase is not one; without this libcrypto asks on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *userdata)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)userdata;
	return -1;
}

int nec_certificate_parse(const void *pem, size_t size, const char *name,
			  struct nec_certificate *ret, nec_error *err)
{
	BIO *bio;
	X509 *x509;
	int r = nec_openssl_load(err);

	if (r < 0)
		return r;
	if (size == 0 || size > INT_MAX)
		return nec_error_set(err, NEC_E_CERTIFICATE, -EBADMSG,
				     "%s has %zu bytes: not a certificate", name, size);
	bio = OPENSSL(BIO_new_mem_buf)(pem, (int)size);
	if (!bio)
		return nec_error_no_memory(err);
	x509 = OPENSSL(PEM_read_bio_X509)(bio, NULL, no_passphrase, NULL);
	(void)OPENSSL(BIO_free)(bio);
	if (!x509)
		return nec_openssl_error(err, NEC_E_CERTIFICATE, -EBADMSG,
					 "%s holds no PEM certificate that can be read", name);
	/* Damaged blocks before the good one leave traces. */
	OPENSSL(ERR_clear_error)();
	ret->state = x509;
	return 0;
}

void nec_certificate_free(struct nec_certificate *certificate)
{
	if (certificate->state)
		OPENSSL(X509_free)(certificate->state);
	certificate->state = NULL;
}

int nec_certificate_der(const struct nec_certificate *certificate, struct nec_buffer *to,
			nec_error *err)
{
	unsigned char *der = NULL;
	int size = OPENSSL(i2d_X509)(certificate->state, &der);

	if (size < 0)
		return nec_openssl_error(err, NEC_E_CERTIFICATE, -EBADMSG,
					 "the certificate cannot be written as DER");
	nec_buffer_append(to, der, (size_t)size);
	OPENSSL(CRYPTO_free)(der, __FILE__, __LINE__);
	return to->failed ? nec_error_no_memory(err) : 0;
}

int nec_certificate_key(const struct nec_certificate *certificate, const char *name,
			struct nec_key *ret, nec_error *err)
{
	EVP_PKEY *pkey = OPENSSL(X509_get_pubkey)(certificate->state);

	if (!pkey)
		return nec_openssl_error(err, NEC_E_CERTIFICATE, -EINVAL,
					 "%s: the certificate's key cannot be read", name);
	return nec_key_adopt(pkey, name, NEC_E_CERTIFICATE, ret, err);
}

/* ---- what a certificate says ---- */

/* Text of an ASN.1 string as UTF-8; a NUL inside, which C text cannot have, becomes U+FFFD. */
static int text_of_string(const ASN1_STRING *string, char **ret)
{
	struct nec_buffer text = { 0 };
	unsigned char *utf8 = NULL;
	int size = OPENSSL(ASN1_STRING_to_UTF8)(&utf8, string);

	if (size < 0)
		return -EBADMSG;
	for (int i = 0; i < size; i++) {
		if (utf8[i])
			nec_buffer_append_u8(&text, utf8[i]);
		else
			nec_buffer_append_text(&text, "\xef\xbf\xbd");
	}
	OPENSSL(CRYPTO_free)(utf8, __FILE__, __LINE__);
	nec_buffer_append_text(&text, "");
	*ret = (char *)text.data;
	return text.failed ? -ENOMEM : 0;
}

/* The entries of a name, sorted; of two with the same name the later one stays. */
struct name {
	struct nec_name_entry *entries;
	size_t count;
};

/* The entry with that name, or where it belongs. */
static size_t find_entry(const struct name *name, const char *key, bool *found)
{
	size_t i = 0;
	int order = -1;

	while (i < name->count && (order = strcmp(name->entries[i].name, key)) < 0)
		i++;
	*found = i < name->count && order == 0;
	return i;
}

static int add_entry(struct name *name, const X509_NAME_ENTRY *entry)
{
	const ASN1_OBJECT *object = OPENSSL(X509_NAME_ENTRY_get_object)(entry);
	const char *key = OPENSSL(OBJ_nid2ln)(OPENSSL(OBJ_obj2nid)(object));
	struct nec_name_entry *at;
	char *value = NULL;
	bool found;
	int r = text_of_string(OPENSSL(X509_NAME_ENTRY_get_data)(entry), &value);

	if (r < 0)
		return r;
	at = &name->entries[find_entry(name, key, &found)];
	if (found) {
		free(at->value);
	} else {
		memmove(at + 1, at, (name->count - (size_t)(at - name->entries)) * sizeof(*at));
		name->count++;
	}
	*at = (struct nec_name_entry){ .name = key, .value = value };
	return 0;
}

/* What was read before a failure is in *@ret too. */
static int read_name(const X509_NAME *x509_name, struct nec_name_entry **ret, size_t *ret_count)
{
	int count = OPENSSL(X509_NAME_entry_count)(x509_name);
	struct name name = { .entries = calloc((size_t)count + 1, sizeof(*name.entries)) };
	int r = name.entries ? 0 : -ENOMEM;

	for (int i = 0; i < count && r == 0; i++)
		r = add_entry(&name, OPENSSL(X509_NAME_get_entry)(x509_name, i));
	*ret = name.entries;
	*ret_count = name.count;
	return r;
}

static void free_name(struct nec_name_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(entries[i].value);
	free(entries);
}

/* OpenSSL's print form, "Jan  1 00:00:00 2024 GMT", and the same in seconds. */
static int read_time(const ASN1_TIME *when, char **text, int64_t *seconds)
{
	BIO *bio = OPENSSL(BIO_new)(OPENSSL(BIO_s_mem)());
	char *printed = NULL;
	struct tm tm;
	long size;

	if (!bio)
		return -ENOMEM;
	if (OPENSSL(ASN1_TIME_to_tm)(when, &tm) != 1 || OPENSSL(ASN1_TIME_print)(bio, when) != 1) {
		(void)OPENSSL(BIO_free)(bio);
		return -EBADMSG;
	}
	size = OPENSSL(BIO_ctrl)(bio, BIO_CTRL_INFO, 0, &printed);
	*text = strndup(printed, (size_t)size);
	*seconds = (int64_t)timegm(&tm);
	(void)OPENSSL(BIO_free)(bio);
	return *text ? 0 : -ENOMEM;
}

static int read_dates(X509 *x509, struct nec_certificate_info *info)
{
	int r = read_time(OPENSSL(X509_get0_notBefore)(x509), &info->not_before,
			  &info->not_before_seconds);

	if (r < 0)
		return r;
	return read_time(OPENSSL(X509_get0_notAfter)(x509), &info->not_after,
			 &info->not_after_seconds);
}

/* The signature on the certificate, as "30:65:02". */
static int read_signature(X509 *x509, struct nec_certificate_info *info)
{
	const ASN1_BIT_STRING *signature = NULL;
	struct nec_buffer text = { 0 };
	const unsigned char *bytes;
	int size;

	OPENSSL(X509_get0_signature)(&signature, NULL, x509);
	bytes = OPENSSL(ASN1_STRING_get0_data)(signature);
	size = OPENSSL(ASN1_STRING_length)(signature);
	nec_buffer_append_text(&text, "");
	for (int i = 0; i < size; i++)
		nec_buffer_printf(&text, i > 0 ? ":%02X" : "%02X", bytes[i]);
	info->signature = (char *)text.data;
	return text.failed ? -ENOMEM : 0;
}

static int read_info(X509 *x509, struct nec_certificate_info *info)
{
	int r = read_name(OPENSSL(X509_get_issuer_name)(x509), &info->issuer, &info->issuer_count);

	if (r == 0)
		r = read_name(OPENSSL(X509_get_subject_name)(x509), &info->subject,
			      &info->subject_count);
	info->algorithm = OPENSSL(OBJ_nid2ln)(OPENSSL(X509_get_signature_nid)(x509));
	if (r == 0)
		r = read_dates(x509, info);
	return r == 0 ? read_signature(x509, info) : r;
}

int nec_certificate_info(const struct nec_certificate *certificate, const char *name,
			 struct nec_certificate_info *ret, nec_error *err)
{
	struct nec_certificate_info info = { 0 };
	int r = read_info(certificate->state, &info);

	if (r == 0) {
		*ret = info;
		return 0;
	}
	nec_certificate_info_clear(&info);
	if (r == -ENOMEM)
		return nec_error_no_memory(err);
	return nec_openssl_error(err, NEC_E_CERTIFICATE, r,
				 "%s: a name or date of the certificate cannot be read", name);
}

void nec_certificate_info_clear(struct nec_certificate_info *info)
{
	free_name(info->issuer, info->issuer_count);
	free_name(info->subject, info->subject_count);
	free(info->not_before);
	free(info->not_after);
	free(info->signature);
	*info = (struct nec_certificate_info){ 0 };
}

int nec_certificate_check_dates(const struct nec_certificate_info *info, int64_t now,
				nec_error *err)
{
	if (now < info->not_before_seconds)
		return nec_error_set(err, NEC_E_CERTIFICATE_DATES, -EKEYEXPIRED,
				     "the certificate is not valid before %s", info->not_before);
	if (now > info->not_after_seconds)
		return nec_error_set(err, NEC_E_CERTIFICATE_DATES, -EKEYEXPIRED,
				     "the certificate was valid until %s", info->not_after);
	return 0;
}
