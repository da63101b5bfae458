/* SPDX-License-Identifier: Apache-2.0 */
/* The signature section: what it says, whether it holds, and its encoding. */
#include "image/signature.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "image/eif.h"
#include "image/pcr.h"

/* Certificates that are only measured may stand in a longer file: bundles have a few hundred KiB.
 */
enum { MAX_PEM_FILE_BYTES = 1024 * 1024 };

static const char section_name[] = "signature section";

struct entry {
	bool has_certificate;
	bool has_signature;
};

static int repeated(nec_error *err, const char *key)
{
	return nec_error_set(err, NEC_E_SIGNATURE_FORMAT, -EBADMSG, "%s: key \"%s\" is repeated",
			     section_name, key);
}

static int read_member(struct nec_cbor *cbor, nec_signature *signature, struct entry *entry,
		       nec_error *err)
{
	struct nec_cbor_string key;
	int r = nec_cbor_text(cbor, &key, err);

	if (r < 0)
		return r;
	if (nec_cbor_is(&key, "signing_certificate")) {
		if (entry->has_certificate)
			return repeated(err, "signing_certificate");
		entry->has_certificate = true;
		return nec_cbor_copy_bytes(cbor, NEC_EIF_MAX_SIGNATURE, &signature->pem, err);
	}
	if (nec_cbor_is(&key, "signature")) {
		if (entry->has_signature)
			return repeated(err, "signature");
		entry->has_signature = true;
		return nec_cbor_copy_bytes(cbor, NEC_EIF_MAX_SIGNATURE, &signature->encoded, err);
	}
	return nec_cbor_skip(cbor, err);
}

static int read_entry(struct nec_cbor *cbor, nec_signature *signature, nec_error *err)
{
	struct entry entry = { 0 };
	struct nec_cbor_list map;
	int r = nec_cbor_map(cbor, &map, err);

	while (r == 0 && (r = nec_cbor_more(cbor, &map, err)) > 0)
		r = read_member(cbor, signature, &entry, err);
	if (r < 0)
		return r;
	if (!entry.has_certificate || !entry.has_signature)
		return nec_error_set(err, NEC_E_SIGNATURE_FORMAT, -EBADMSG,
				     "%s: key \"%s\" is missing", section_name,
				     entry.has_certificate ? "signature" : "signing_certificate");
	return 0;
}

static int read_entries(struct nec_cbor *cbor, nec_signature *signature, nec_error *err)
{
	size_t *count = &signature->info.entry_count;
	struct nec_cbor_list entries;
	int r = nec_cbor_array(cbor, &entries, err);

	while (r == 0 && (r = nec_cbor_more(cbor, &entries, err)) > 0) {
		r = *count == 0 ? read_entry(cbor, signature, err) : nec_cbor_skip(cbor, err);
		++*count;
	}
	if (r < 0)
		return r;
	if (*count == 0)
		return nec_error_set(err, NEC_E_SIGNATURE_FORMAT, -EBADMSG, "%s: it has no entry",
				     section_name);
	return nec_cbor_end(cbor, err);
}

static int read_value(struct nec_cbor *cbor, uint8_t value[NEC_PCR_SIZE])
{
	struct nec_buffer bytes = { 0 };
	int r = nec_cbor_copy_bytes(cbor, NEC_PCR_SIZE, &bytes, NULL);

	if (r == 0 && bytes.size != NEC_PCR_SIZE)
		r = -EBADMSG;
	if (r == 0)
		memcpy(value, bytes.data, NEC_PCR_SIZE);
	nec_buffer_free(&bytes);
	return r;
}

enum { HAS_INDEX = 1, HAS_VALUE = 2 };

/* Adds what was found to @found; anything unknown or repeated is not what AWS signs. */
static int read_register(struct nec_cbor *cbor, struct nec_signature_info *info,
			 unsigned int *found)
{
	struct nec_cbor_string key = { 0 };
	int r = nec_cbor_text(cbor, &key, NULL);

	if (r == 0 && nec_cbor_is(&key, "register_index") && !(*found & HAS_INDEX)) {
		*found |= HAS_INDEX;
		return nec_cbor_uint(cbor, &info->register_index, NULL);
	}
	if (r == 0 && nec_cbor_is(&key, "register_value") && !(*found & HAS_VALUE)) {
		*found |= HAS_VALUE;
		return read_value(cbor, info->register_value);
	}
	return -EBADMSG;
}

/* What is signed may be anything: whether it is a register is only noted. */
static void read_payload(nec_signature *signature)
{
	const struct nec_cbor_string *payload = &signature->cose.payload;
	struct nec_cbor cbor =
		nec_cbor_over(payload->data, payload->size, "payload", NEC_E_SIGNATURE_FORMAT);
	struct nec_signature_info *info = &signature->info;
	struct nec_cbor_list map;
	unsigned int found = 0;
	int r = nec_cbor_map(&cbor, &map, NULL);

	while (r == 0 && (r = nec_cbor_more(&cbor, &map, NULL)) > 0)
		r = read_register(&cbor, info, &found);
	info->has_value =
		r == 0 && found == (HAS_INDEX | HAS_VALUE) && nec_cbor_end(&cbor, NULL) == 0;
}

static int read_cose(nec_signature *signature, nec_error *err)
{
	struct nec_cose_sign1 *cose = &signature->cose;
	int r = nec_cose_decode(signature->encoded.data, signature->encoded.size, "signature",
				NEC_E_SIGNATURE_FORMAT, cose, err);

	if (r < 0)
		return r;
	if (!cose->algorithm_protected)
		return nec_error_set(err, NEC_E_SIGNATURE_FORMAT, -EBADMSG,
				     "signature: its algorithm is not in the protected header");
	signature->info.algorithm = cose->algorithm;
	read_payload(signature);
	return 0;
}

static int read_certificate(nec_signature *signature, nec_error *err)
{
	int r = nec_certificate_parse(signature->pem.data, signature->pem.size,
				      "signing certificate", &signature->certificate, err);

	signature->info.has_private_key = nec_signature_has_private_key(&signature->pem);
	if (r == 0)
		r = nec_certificate_info(&signature->certificate, "signing certificate",
					 &signature->info.certificate, err);
	if (r == 0)
		r = nec_signature_measure(&signature->certificate, signature->info.pcr8, err);
	return r;
}

bool nec_signature_has_private_key(const struct nec_buffer *pem)
{
	static const char words[] = "PRIVATE KEY-----";

	return pem->size > 0 && memmem(pem->data, pem->size, words, strlen(words));
}

int nec_signature_decode(const void *data, size_t size, nec_signature **ret, nec_error *err)
{
	struct nec_cbor cbor = nec_cbor_over(data, size, section_name, NEC_E_SIGNATURE_FORMAT);
	cleanup_signature nec_signature *signature = NULL;
	int r;

	if (size > NEC_EIF_MAX_SIGNATURE)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s: it has %zu bytes, at most %d are allowed", section_name,
				     size, NEC_EIF_MAX_SIGNATURE);
	signature = calloc(1, sizeof(*signature));
	if (!signature)
		return nec_error_no_memory(err);
	r = read_entries(&cbor, signature, err);
	if (r == 0)
		r = read_certificate(signature, err);
	if (r == 0)
		r = read_cose(signature, err);
	if (r == 0)
		*ret = TAKE_PTR(signature);
	return r;
}

int nec_eif_read_signature(nec_eif *eif, nec_signature **ret, nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_find_section(eif, NEC_EIF_SIGNATURE);
	cleanup_buffer struct nec_buffer data = { 0 };
	int r;

	if (!section)
		return 0;
	r = nec_eif_read_whole(eif, section, NEC_EIF_MAX_SIGNATURE, &data, err);
	if (r < 0)
		return r;
	r = nec_signature_decode(data.data, data.size, ret, err);
	return r < 0 ? nec_error_prefix(err, r, "%s", eif->name) : 1;
}

void nec_signature_free(nec_signature *signature)
{
	if (!signature)
		return;
	nec_certificate_info_clear(&signature->info.certificate);
	nec_certificate_free(&signature->certificate);
	nec_buffer_free(&signature->pem);
	nec_buffer_free(&signature->encoded);
	free(signature);
}

const struct nec_signature_info *nec_signature_get_info(const nec_signature *signature)
{
	return &signature->info;
}

/* ---- checks ---- */

int nec_signature_check_algorithm(const nec_signature *signature, nec_error *err)
{
	cleanup_key struct nec_key key = { 0 };
	int r = nec_certificate_key(&signature->certificate, "signing certificate", &key, err);

	return r < 0 ? r : nec_cose_check_algorithm(&signature->cose, key.curve, err);
}

int nec_signature_check_key(const nec_signature *signature, nec_error *err)
{
	static const struct nec_cbor_string nothing = { 0 };
	cleanup_key struct nec_key key = { 0 };
	int r = nec_certificate_key(&signature->certificate, "signing certificate", &key, err);

	return r < 0 ? r : nec_cose_verify(&signature->cose, &key, &nothing, err);
}

static int pcr0_differs(const struct nec_signature_info *info, nec_error *err)
{
	if (!info->has_value)
		return nec_error_set(err, NEC_E_SIGNATURE_PCR0, -EBADMSG,
				     "what is signed is not a register");
	if (info->register_index != 0)
		return nec_error_set(err, NEC_E_SIGNATURE_PCR0, -EBADMSG,
				     "what is signed is PCR%" PRIu64 ", not PCR0",
				     info->register_index);
	return nec_error_set(err, NEC_E_SIGNATURE_PCR0, -EBADMSG,
			     "the signed PCR0 is not the measured one");
}

int nec_signature_check_pcr0(const nec_signature *signature, const uint8_t pcr0[NEC_PCR_SIZE],
			     nec_error *err)
{
	const struct nec_cbor_string *payload = &signature->cose.payload;
	const struct nec_signature_info *info = &signature->info;
	cleanup_buffer struct nec_buffer expected = { 0 };

	nec_signature_put_payload(&expected, pcr0);
	if (expected.failed)
		return nec_error_no_memory(err);
	if (payload->size == expected.size &&
	    memcmp(payload->data, expected.data, expected.size) == 0)
		return 0;
	if (info->has_value && info->register_index == 0 &&
	    memcmp(info->register_value, pcr0, NEC_PCR_SIZE) == 0)
		return nec_error_set(err, NEC_E_SIGNATURE_PCR0, -EBADMSG,
				     "the measured PCR0 was signed, but in another encoding than "
				     "AWS compares with");
	return pcr0_differs(info, err);
}

int nec_signature_check_dates(const nec_signature *signature, int64_t now, nec_error *err)
{
	return nec_certificate_check_dates(&signature->info.certificate, now, err);
}

int nec_signature_verify(const nec_signature *signature, const uint8_t pcr0[NEC_PCR_SIZE],
			 int64_t now, nec_error *err)
{
	int r = nec_signature_check_key(signature, err);

	if (r == 0)
		r = nec_signature_check_pcr0(signature, pcr0, err);
	return r < 0 ? r : nec_signature_check_dates(signature, now, err);
}

/* ---- certificates in files ---- */

int nec_signature_read_certificate(const char *path, size_t limit, struct nec_buffer *pem,
				   struct nec_certificate *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = nec_file_read_all(path, limit, &text, err);

	if (r == 0)
		r = nec_certificate_parse(text.data, text.size, path, ret, err);
	if (r == 0 && pem) {
		*pem = text;
		text = (struct nec_buffer){ 0 };
	}
	return r;
}

int nec_signature_measure(const struct nec_certificate *certificate, uint8_t pcr8[NEC_PCR_SIZE],
			  nec_error *err)
{
	cleanup_buffer struct nec_buffer der = { 0 };
	uint8_t digest[NEC_SHA384_SIZE];
	int r = nec_certificate_der(certificate, &der, err);

	if (r == 0)
		r = nec_sha384_digest(der.data, der.size, digest, err);
	return r < 0 ? r : nec_pcr_extend(digest, pcr8, err);
}

int nec_certificate_measure(const char *path, uint8_t ret[NEC_PCR_SIZE], nec_error *err)
{
	cleanup_certificate struct nec_certificate certificate = { 0 };
	int r = nec_signature_read_certificate(path, MAX_PEM_FILE_BYTES, NULL, &certificate, err);

	return r < 0 ? r : nec_signature_measure(&certificate, ret, err);
}

/* ---- encoding ---- */

void nec_signature_put_payload(struct nec_buffer *to, const uint8_t pcr0[NEC_PCR_SIZE])
{
	nec_cbor_put_map(to, 2);
	nec_cbor_put_text(to, "register_index");
	nec_cbor_put_uint(to, 0);
	nec_cbor_put_text(to, "register_value");
	nec_cbor_put_byte_array(to, pcr0, NEC_PCR_SIZE);
}

void nec_signature_put_section(struct nec_buffer *to, const struct nec_buffer *pem,
			       const struct nec_buffer *cose)
{
	nec_cbor_put_array(to, 1);
	nec_cbor_put_map(to, 2);
	nec_cbor_put_text(to, "signing_certificate");
	nec_cbor_put_byte_array(to, pem->data, pem->size);
	nec_cbor_put_text(to, "signature");
	nec_cbor_put_byte_array(to, cose->data, cose->size);
}
