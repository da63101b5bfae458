/* SPDX-License-Identifier: Apache-2.0 */
/* COSE_Sign1. */
#include "base/cose.h"

#include <inttypes.h>

#include "base/error.h"

enum {
	TAG_SIGN1 = 18,
	SIGN1_FIELDS = 4,
};

/* Labels of header parameters. */
enum {
	LABEL_ALGORITHM = 1,
	LABEL_CRITICAL = 2,
};

struct header {
	bool empty;
	bool has_algorithm;
	int64_t algorithm;
};

static int wrong(const struct nec_cbor *cbor, nec_error *err, const char *what)
{
	return nec_error_set(err, cbor->code, -EBADMSG, "%s: %s", cbor->name, what);
}

static int read_parameter(struct nec_cbor *cbor, struct header *header, nec_error *err)
{
	enum nec_cbor_type type = nec_cbor_peek(cbor);
	int64_t label;
	int r;

	if (type != NEC_CBOR_UINT && type != NEC_CBOR_NEGATIVE) {
		r = nec_cbor_skip(cbor, err);
		return r < 0 ? r : nec_cbor_skip(cbor, err);
	}
	r = nec_cbor_int(cbor, &label, err);
	if (r < 0)
		return r;
	if (label == LABEL_CRITICAL)
		return wrong(cbor, err, "it has critical headers, and we know none");
	if (label != LABEL_ALGORITHM)
		return nec_cbor_skip(cbor, err);
	if (header->has_algorithm)
		return wrong(cbor, err, "it names its algorithm twice");
	header->has_algorithm = true;
	return nec_cbor_int(cbor, &header->algorithm, err);
}

static int read_header(struct nec_cbor *cbor, struct header *ret, nec_error *err)
{
	struct nec_cbor_list map;
	int r = nec_cbor_map(cbor, &map, err);

	*ret = (struct header){ .empty = true };
	while (r == 0 && (r = nec_cbor_more(cbor, &map, err)) > 0) {
		ret->empty = false;
		r = read_parameter(cbor, ret, err);
	}
	return r;
}

/* The protected header is an encoded map in a byte string, or no byte at all. */
static int read_protected(struct nec_cbor *cbor, struct nec_cose_sign1 *cose, struct header *ret,
			  nec_error *err)
{
	struct nec_cbor_string *encoded = &cose->protected_header;
	struct nec_cbor inner;
	int r = nec_cbor_bytes(cbor, encoded, err);

	*ret = (struct header){ .empty = true };
	if (r < 0 || encoded->size == 0)
		return r;
	inner = nec_cbor_over(encoded->data, encoded->size, "protected header", cbor->code);
	r = read_header(&inner, ret, err);
	if (r == 0)
		r = nec_cbor_end(&inner, err);
	if (r < 0)
		return nec_error_prefix(err, r, "%s", cbor->name);
	/* RFC 9052, 4.4: an empty map counts as no bytes in what is signed. */
	if (ret->empty)
		encoded->size = 0;
	return 0;
}

static int read_headers(struct nec_cbor *cbor, struct nec_cose_sign1 *cose, nec_error *err)
{
	struct header protected_header = { 0 };
	struct header header = { 0 };
	int r = read_protected(cbor, cose, &protected_header, err);

	if (r == 0)
		r = read_header(cbor, &header, err);
	if (r < 0)
		return r;
	if (protected_header.has_algorithm && header.has_algorithm)
		return wrong(cbor, err, "it names its algorithm twice");
	if (!protected_header.has_algorithm && !header.has_algorithm)
		return wrong(cbor, err, "it names no algorithm");
	cose->algorithm_protected = protected_header.has_algorithm;
	cose->algorithm = cose->algorithm_protected ? protected_header.algorithm : header.algorithm;
	return 0;
}

static int read_fields(struct nec_cbor *cbor, struct nec_cose_sign1 *cose, nec_error *err)
{
	struct nec_cbor_list fields;
	int r = nec_cbor_array(cbor, &fields, err);

	if (r < 0)
		return r;
	if (fields.indefinite || fields.left != SIGN1_FIELDS)
		return wrong(cbor, err, "it is not an array of 4 fields");
	r = read_headers(cbor, cose, err);
	if (r < 0)
		return r;
	if (nec_cbor_null(cbor))
		return wrong(cbor, err, "what it signs is not in it");
	r = nec_cbor_bytes(cbor, &cose->payload, err);
	return r < 0 ? r : nec_cbor_bytes(cbor, &cose->signature, err);
}

int nec_cose_decode(const void *data, size_t size, const char *name, enum nec_error_code code,
		    struct nec_cose_sign1 *ret, nec_error *err)
{
	struct nec_cbor cbor = nec_cbor_over(data, size, name, code);
	struct nec_cose_sign1 cose = { 0 };
	uint64_t tag = TAG_SIGN1;
	int r = nec_cbor_tag(&cbor, &tag, err);

	if (r < 0)
		return r;
	if (tag != TAG_SIGN1)
		return nec_error_set(err, code, -EBADMSG,
				     "%s: its tag %" PRIu64 " is not that of COSE_Sign1 (18)", name,
				     tag);
	r = read_fields(&cbor, &cose, err);
	if (r == 0)
		r = nec_cbor_end(&cbor, err);
	if (r == 0)
		*ret = cose;
	return r;
}

int nec_cose_check_algorithm(const struct nec_cose_sign1 *cose, const struct nec_curve *curve,
			     nec_error *err)
{
	if (cose->algorithm != curve->cose_algorithm)
		return nec_error_set(err, NEC_E_SIGNATURE_INVALID, -EBADMSG,
				     "the signature names algorithm %" PRId64
				     ", a key on %s makes %" PRId64,
				     cose->algorithm, curve->name, curve->cose_algorithm);
	return 0;
}

/* RFC 9052, 4.4. */
static void put_sig_structure(struct nec_buffer *to, const struct nec_cbor_string *header,
			      const struct nec_cbor_string *external, const void *payload,
			      size_t payload_size)
{
	nec_cbor_put_array(to, 4);
	nec_cbor_put_text(to, "Signature1");
	nec_cbor_put_bytes(to, header->data, header->size);
	nec_cbor_put_bytes(to, external->data, external->size);
	nec_cbor_put_bytes(to, payload, payload_size);
}

int nec_cose_verify(const struct nec_cose_sign1 *cose, const struct nec_key *key,
		    const struct nec_cbor_string *external, nec_error *err)
{
	cleanup_buffer struct nec_buffer signed_bytes = { 0 };
	int r = nec_cose_check_algorithm(cose, key->curve, err);

	if (r < 0)
		return r;
	put_sig_structure(&signed_bytes, &cose->protected_header, external, cose->payload.data,
			  cose->payload.size);
	if (signed_bytes.failed)
		return nec_error_no_memory(err);
	return nec_key_verify(key, signed_bytes.data, signed_bytes.size, cose->signature.data,
			      cose->signature.size, err);
}

/* {1: algorithm} */
static void put_protected_header(struct nec_buffer *to, const struct nec_curve *curve)
{
	nec_cbor_put_map(to, 1);
	nec_cbor_put_int(to, LABEL_ALGORITHM);
	nec_cbor_put_int(to, curve->cose_algorithm);
}

/* What was made from a part that failed has failed too. */
static void inherit_failure(struct nec_buffer *to, const struct nec_buffer *part)
{
	if (!part->failed)
		return;
	nec_buffer_free(to);
	to->failed = true;
}

void nec_cose_put_to_be_signed(struct nec_buffer *to, const struct nec_curve *curve,
			       const struct nec_buffer *payload)
{
	static const struct nec_cbor_string nothing = { 0 };
	cleanup_buffer struct nec_buffer header = { 0 };

	put_protected_header(&header, curve);
	put_sig_structure(to, &(struct nec_cbor_string){ .data = header.data, .size = header.size },
			  &nothing, payload->data, payload->size);
	inherit_failure(to, &header);
	inherit_failure(to, payload);
}

void nec_cose_put(struct nec_buffer *to, const struct nec_curve *curve,
		  const struct nec_buffer *payload, const uint8_t *signature)
{
	cleanup_buffer struct nec_buffer header = { 0 };

	put_protected_header(&header, curve);
	nec_cbor_put_array(to, SIGN1_FIELDS);
	nec_cbor_put_bytes(to, header.data, header.size);
	nec_cbor_put_map(to, 0);
	nec_cbor_put_bytes(to, payload->data, payload->size);
	nec_cbor_put_bytes(to, signature, curve->signature_bytes);
	inherit_failure(to, &header);
	inherit_failure(to, payload);
}
