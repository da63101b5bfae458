/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the metadata section: one JSON object with AWS's keys. Nobody measures or signs it, so it
 * says what the builder claimed and nothing more.
 */
#ifndef NEC_IMAGE_EIF_METADATA_H
#define NEC_IMAGE_EIF_METADATA_H

#include "base/cleanup.h"
#include "image/eif.h"

struct cJSON;

/* The texts and trees belong to @tree. */
struct nec_eif_metadata {
	struct cJSON *tree; /* NULL: the image has none, and so have all others */
	const char *image_name;
	const char *image_version;
	const char *build_time;
	const char *build_tool;
	const char *build_tool_version;
	const char *operating_system;
	const char *kernel_version;
	const struct cJSON *docker_info; /* any JSON value */
	const struct cJSON *custom;      /* an object, or JSON's null */
};

/**
 * nec_eif_metadata_parse() - read the section's text, as strictly as AWS's tools do
 * @ret:      on success what it says; to be released with nec_eif_metadata_clear()
 * @ret_rule: on -EBADMSG which rule was broken; may be NULL
 *
 * All five top-level keys and all five of BuildMetadata are needed; others are passed over; a bare
 * null counts as no metadata. CustomMetadata must be an object or null: nitro-cli cannot describe
 * an image with anything else.
 *
 * Returns 0, -EBADMSG (NEC_E_EIF_METADATA), -ENOMEM or -ELIBACC.
 */
int nec_eif_metadata_parse(const char *text, size_t size, struct nec_eif_metadata *ret,
			   enum nec_rule *ret_rule, nec_error *err);

void nec_eif_metadata_clear(struct nec_eif_metadata *metadata);

/* That of an image. Returns as parsing does, or what reading gives. */
int nec_eif_read_metadata(const nec_eif *eif, struct nec_eif_metadata *ret, nec_error *err);

/* Whether describe-eif prints a key of this name beside the custom ones. */
bool nec_eif_metadata_is_fixed_key(const char *key);

/*
 * Adds a finding for what is wrong with the metadata; a second call adds nothing. Returns 0, or a
 * negative errno when the section cannot be read.
 */
int nec_eif_find_metadata(nec_eif *eif, nec_error *err);

static inline void nec_cleanup_eif_metadata(struct nec_eif_metadata *metadata)
{
	nec_eif_metadata_clear(metadata);
}
#define cleanup_eif_metadata NEC_CLEANUP(eif_metadata)

#endif
