/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of an OCI layout: descriptors, and the search through its indexes. */
#ifndef NEC_IMAGE_SOURCE_OCI_H
#define NEC_IMAGE_SOURCE_OCI_H

#include "image/source-private.h"

/* What a document says about another one; lent by its JSON. */
struct source_descriptor {
	const char *media_type;
	const char *digest; /* valid: source_digest_valid() */
	uint64_t size;
	const cJSON *json;
};

/* @where is what has the descriptor, for messages. */
int source_read_descriptor(const cJSON *json, const char *where, struct source_descriptor *ret,
			   nec_error *err);

/* The document that is described, verified; @text (may be NULL) gets its bytes. */
int source_read_blob(const struct source_store *store, const struct source_descriptor *descriptor,
		     struct nec_buffer *text, cJSON **ret, nec_error *err);

/* True when the list, which ends in NULL, has @media_type. */
bool source_is_one_of(const char *media_type, const char *const *list);

/* The manifest that was chosen. */
struct source_choice {
	char digest[SOURCE_DIGEST_SIZE];
	uint64_t size;
	char *tag; /* what index.json calls it, or NULL; to be freed */
};

/* The one image that fits best, through all indexes from index.json on. */
int source_search_index(const struct nec_source_options *options, const struct source_store *store,
			const cJSON *index, struct source_choice *ret, nec_error *err);

#endif
