/* SPDX-License-Identifier: Apache-2.0 */
/* describe-eif: the struct and its JSON, keys in nitro-cli's order. */
#include "image/describe.h"

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"

/* The debug form of a hasher in AWS's library; scripts compare it. */
static const char hash_algorithm[] = "Sha384 { ... }";

static int describe_signature(nec_eif *eif, struct nec_eif_description *description, nec_error *err)
{
	int r = nec_eif_read_signature(eif, &description->signature, err);

	if (r <= 0)
		return r;
	r = nec_signature_check_key(description->signature, err);
	if (r < 0)
		return nec_error_prefix(err, r, "%s", eif->name);
	r = nec_signature_check_pcr0(description->signature, description->measurements.pcr0, err);
	description->signed_pcr0_ok = r == 0;
	return r == -EBADMSG ? 0 : r;
}

int nec_eif_describe(nec_eif *eif, struct nec_eif_description *ret, nec_error *err)
{
	cleanup_eif_description struct nec_eif_description description = {
		.version = eif->header.version,
	};
	int r = nec_eif_measure(eif, &description.measurements, err);

	if (r == 0)
		r = nec_eif_read_metadata(eif, &description.metadata, err);
	if (r == 0)
		r = describe_signature(eif, &description, err);
	/* Metadata and signature were read after measuring: all must be of one file. */
	if (r == 0)
		r = nec_eif_check_unchanged(eif, err);
	if (r < 0)
		return r;
	description.crc_ok = description.measurements.crc32 == eif->header.crc32;
	*ret = description;
	description = (struct nec_eif_description){ 0 };
	return 0;
}

void nec_eif_description_clear(struct nec_eif_description *description)
{
	nec_eif_metadata_clear(&description->metadata);
	nec_signature_free(description->signature);
	description->signature = NULL;
}

bool nec_json_add_pcr(cJSON *object, const char *key, const uint8_t pcr[NEC_PCR_SIZE])
{
	char text[2 * NEC_PCR_SIZE + 1];

	nec_hex_encode(pcr, NEC_PCR_SIZE, text);
	return nec_json_add_string(object, key, text);
}

cJSON *nec_measurements_json(const struct nec_eif_measurements *measurements,
			     const uint8_t pcr8[NEC_PCR_SIZE])
{
	cleanup_json cJSON *object = nec_json_object();
	bool ok = nec_json_add_string(object, "HashAlgorithm", hash_algorithm) &&
		  nec_json_add_pcr(object, "PCR0", measurements->pcr0) &&
		  nec_json_add_pcr(object, "PCR1", measurements->pcr1) &&
		  nec_json_add_pcr(object, "PCR2", measurements->pcr2) &&
		  (!pcr8 || nec_json_add_pcr(object, "PCR8", pcr8));

	return ok ? TAKE_PTR(object) : NULL;
}

/* A foreign tree, the members of its objects sorted as AWS's tools have them. */
static bool add_sorted(cJSON *object, const char *key, const cJSON *item)
{
	cJSON *copy = nec_json_copy(item);

	if (copy)
		nec_json_sort(copy);
	return nec_json_add(object, key, copy);
}

/* The user's own keys stand beside the fixed ones, sorted. */
static bool add_custom(cJSON *object, const cJSON *custom)
{
	cleanup_json cJSON *sorted = nec_json_copy(custom);
	bool ok = sorted;

	if (sorted)
		nec_json_sort(sorted);
	for (const cJSON *item = ok ? sorted->child : NULL; item && ok; item = item->next)
		ok = nec_json_add(object, item->string, nec_json_copy(item));
	return ok;
}

cJSON *nec_eif_metadata_json(const struct nec_eif_metadata *metadata)
{
	cleanup_json cJSON *object = nec_json_object();
	bool ok = nec_json_add_string(object, "BuildTime", metadata->build_time) &&
		  nec_json_add_string(object, "BuildTool", metadata->build_tool) &&
		  nec_json_add_string(object, "BuildToolVersion", metadata->build_tool_version) &&
		  nec_json_add_string(object, "OperatingSystem", metadata->operating_system) &&
		  nec_json_add_string(object, "KernelVersion", metadata->kernel_version) &&
		  add_sorted(object, "DockerInfo", metadata->docker_info) &&
		  add_custom(object, metadata->custom);

	return ok ? TAKE_PTR(object) : NULL;
}

static bool add_metadata(cJSON *object, const struct nec_eif_metadata *metadata)
{
	return nec_json_add_string(object, "ImageName", metadata->image_name) &&
	       nec_json_add_string(object, "ImageVersion", metadata->image_version) &&
	       nec_json_add(object, "Metadata", nec_eif_metadata_json(metadata));
}

static cJSON *certificate_json(const struct nec_certificate_info *info)
{
	cleanup_json cJSON *object = nec_json_object();
	cleanup_json cJSON *issuer = nec_json_object();
	bool ok = issuer;

	for (size_t i = 0; i < info->issuer_count && ok; i++)
		ok = nec_json_add_string(issuer, info->issuer[i].name, info->issuer[i].value);
	ok = ok && nec_json_add(object, "IssuerName", TAKE_PTR(issuer)) &&
	     nec_json_add_string(object, "Algorithm", info->algorithm) &&
	     nec_json_add_string(object, "NotBefore", info->not_before) &&
	     nec_json_add_string(object, "NotAfter", info->not_after) &&
	     nec_json_add_string(object, "Signature", info->signature);
	return ok ? TAKE_PTR(object) : NULL;
}

cJSON *nec_eif_description_json(const struct nec_eif_description *description)
{
	const struct nec_signature_info *info =
		description->signature ? nec_signature_get_info(description->signature) : NULL;
	cleanup_json cJSON *object = nec_json_object();
	bool ok = nec_json_add_u64(object, "EifVersion", description->version) &&
		  nec_json_add(object, "Measurements",
			       nec_measurements_json(&description->measurements,
						     info ? info->pcr8 : NULL)) &&
		  nec_json_add_bool(object, "IsSigned", info);

	if (info)
		ok = ok && nec_json_add(object, "SigningCertificate",
					certificate_json(&info->certificate));
	ok = ok && nec_json_add_bool(object, "CheckCRC", description->crc_ok);
	if (info)
		ok = ok && nec_json_add_bool(object, "SignatureCheck", description->signed_pcr0_ok);
	if (description->metadata.tree)
		ok = ok && add_metadata(object, &description->metadata);
	return ok ? TAKE_PTR(object) : NULL;
}
