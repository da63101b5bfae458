/* SPDX-License-Identifier: Apache-2.0 */
/* What describe-eif tells of an image, as a struct and as nitro-cli's JSON. */
#ifndef NEC_IMAGE_DESCRIBE_H
#define NEC_IMAGE_DESCRIBE_H

#include "image/eif-metadata.h"

struct nec_eif_description {
	uint16_t version;
	struct nec_eif_measurements measurements;
	bool crc_ok;
	nec_signature *signature; /* NULL when the image is not signed */
	bool signed_pcr0_ok;      /* what is signed is the measured PCR0 */
	struct nec_eif_metadata metadata;
};

/**
 * nec_eif_describe() - measure an image, read its metadata and its signature
 *
 * As nitro-cli does: a wrong CRC or magic and a signature over something else are told, not
 * refused; metadata that AWS's tools cannot read and a signature that does not verify with its own
 * certificate are refused; the certificate's dates do not matter. The strict rules are
 * nec_eif_check()'s.
 *
 * Returns 0, or as nec_eif_measure(), nec_eif_read_metadata(), nec_eif_read_signature() and
 * nec_signature_check_key(). @ret is to be released with nec_eif_description_clear().
 */
int nec_eif_describe(nec_eif *eif, struct nec_eif_description *ret, nec_error *err);
void nec_eif_description_clear(struct nec_eif_description *description);

/* The tree of describe-eif; NULL when out of memory. To be freed. */
struct cJSON *nec_eif_description_json(const struct nec_eif_description *description);

/* { "HashAlgorithm": ..., "PCR0": ... }; @pcr8 may be NULL. NULL when out of memory. */
struct cJSON *nec_measurements_json(const struct nec_eif_measurements *measurements,
				    const uint8_t pcr8[NEC_PCR_SIZE]);

/* Adds a register in hex. */
bool nec_json_add_pcr(struct cJSON *object, const char *key, const uint8_t pcr[NEC_PCR_SIZE]);

/* The Metadata object; NULL when out of memory. */
struct cJSON *nec_eif_metadata_json(const struct nec_eif_metadata *metadata);

static inline void nec_cleanup_eif_description(struct nec_eif_description *description)
{
	nec_eif_description_clear(description);
}
#define cleanup_eif_description NEC_CLEANUP(eif_description)

#endif
