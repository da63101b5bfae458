/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the images that the indexes of an OCI layout offer. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "image/source-oci.h"

#define ANNOTATION_REF         "org.opencontainers.image.ref.name"
#define ANNOTATION_CONTAINERD  "io.containerd.image.name"
/* BuildKit's attestations are manifests beside the images that they are about. */
#define ANNOTATION_ATTESTATION "vnd.docker.reference.type"

/* A manifest that an index offers. */
struct candidate {
	char digest[SOURCE_DIGEST_SIZE];
	uint64_t size;
	char *architecture;
	char *os;
	char *variant; /* "" for none */
	char *tag;     /* what the top index calls it, or NULL */
};

struct search {
	const struct nec_source_options *options;
	const struct source_store *store;
	struct candidate *candidates;
	size_t count;
	size_t seen; /* descriptors in all indexes */
};

static void search_clear(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		free(search->candidates[i].architecture);
		free(search->candidates[i].os);
		free(search->candidates[i].variant);
		free(search->candidates[i].tag);
	}
	free(search->candidates);
}

static bool is_index(const char *media_type)
{
	static const char *const types[] = {
		"application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", NULL
	};

	return source_is_one_of(media_type, types);
}

static bool is_manifest(const char *media_type)
{
	static const char *const types[] = { "application/vnd.oci.image.manifest.v1+json",
					     "application/vnd.docker.distribution.manifest.v2+json",
					     NULL };

	return source_is_one_of(media_type, types);
}

/* What the top index calls an image: a full name from containerd and docker, else a tag. */
static const char *tag_of(const cJSON *descriptor)
{
	const cJSON *annotations = nec_json_get(descriptor, "annotations");
	const char *tag = NULL;

	if (!nec_json_get_string(annotations, ANNOTATION_CONTAINERD, &tag))
		(void)nec_json_get_string(annotations, ANNOTATION_REF, &tag);
	return tag;
}

static bool has_name(const cJSON *descriptor, const char *reference)
{
	const cJSON *annotations = nec_json_get(descriptor, "annotations");
	const char *tag;

	if (nec_json_get_string(annotations, ANNOTATION_REF, &tag) &&
	    source_name_matches(tag, reference))
		return true;
	return nec_json_get_string(annotations, ANNOTATION_CONTAINERD, &tag) &&
	       source_name_matches(tag, reference);
}

static char *copy_or_empty(const cJSON *object, const char *key)
{
	const char *text = "";

	(void)nec_json_get_string(object, key, &text);
	return strdup(text);
}

/* The platform when the index does not tell it: that of the configuration. */
static int platform_from_config(const struct source_store *store,
				const struct source_descriptor *manifest, cJSON **ret,
				nec_error *err)
{
	cleanup_json cJSON *json = NULL;
	struct source_descriptor config;
	int r = source_read_blob(store, manifest, NULL, &json, err);

	if (r == 0)
		r = source_read_descriptor(nec_json_get(json, "config"), "a manifest", &config,
					   err);
	if (r == 0)
		r = source_read_blob(store, &config, NULL, ret, err);
	return r;
}

static int add_candidate(struct search *search, const struct source_descriptor *descriptor,
			 const char *tag, nec_error *err)
{
	const cJSON *platform = nec_json_get(descriptor->json, "platform");
	cleanup_json cJSON *config = NULL;
	struct candidate *list;
	int r = 0;

	if (!nec_json_is_object(platform)) {
		r = platform_from_config(search->store, descriptor, &config, err);
		platform = config;
	}
	if (r < 0)
		return r;
	list = realloc(search->candidates, (search->count + 1) * sizeof(*list));
	if (!list)
		return nec_error_no_memory(err);
	search->candidates = list;
	list += search->count++;
	*list = (struct candidate){
		.size = descriptor->size,
		.architecture = copy_or_empty(platform, "architecture"),
		.os = copy_or_empty(platform, "os"),
		.variant = copy_or_empty(platform, "variant"),
		.tag = tag ? strdup(tag) : NULL,
	};
	memcpy(list->digest, descriptor->digest, sizeof(list->digest));
	if (!list->architecture || !list->os || !list->variant || (tag && !list->tag))
		return nec_error_no_memory(err);
	return 0;
}

static bool is_attestation(const cJSON *descriptor)
{
	const cJSON *annotations = nec_json_get(descriptor, "annotations");
	const char *os = "";

	(void)nec_json_get_string(nec_json_get(descriptor, "platform"), "os", &os);
	return strcmp(os, "unknown") == 0 || nec_json_get(annotations, ANNOTATION_ATTESTATION);
}

static int search_index(struct search *search, const cJSON *index, const char *tag,
			unsigned int depth, nec_error *err);

static int search_descriptor(struct search *search, const cJSON *json, const char *tag,
			     unsigned int depth, nec_error *err)
{
	cleanup_json cJSON *index = NULL;
	struct source_descriptor descriptor;
	int r = source_read_descriptor(json, "an index", &descriptor, err);

	if (r < 0)
		return r;
	if (++search->seen > SOURCE_MAX_MANIFESTS)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG, "%s has more than %d manifests",
				     search->store->name, SOURCE_MAX_MANIFESTS);
	if (is_attestation(json))
		return 0;
	if (is_manifest(descriptor.media_type))
		return add_candidate(search, &descriptor, tag, err);
	if (!is_index(descriptor.media_type))
		return 0; /* an artifact of another kind */
	if (depth >= SOURCE_MAX_INDEX_DEPTH)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s has indexes nested deeper than %d", search->store->name,
				     SOURCE_MAX_INDEX_DEPTH);
	r = source_read_blob(search->store, &descriptor, NULL, &index, err);
	return r < 0 ? r : search_index(search, index, tag, depth + 1, err);
}

/* Recursion is bounded by SOURCE_MAX_INDEX_DEPTH; depth 0 is index.json, which has the names. */
static int search_index(struct search *search, const cJSON *index, const char *tag,
			unsigned int depth, nec_error *err)
{
	const cJSON *manifests = nec_json_get(index, "manifests");
	const char *reference = search->options->reference;
	int r = 0;

	if (!nec_json_is_array(manifests))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "an index of %s has no list of manifests",
				     search->store->name);
	for (const cJSON *item = manifests->child; item && r == 0; item = item->next) {
		if (depth == 0 && reference && !has_name(item, reference))
			continue;
		r = search_descriptor(search, item, depth == 0 ? tag_of(item) : tag, depth, err);
	}
	return r;
}

/* An image for the plain architecture before one that needs a newer CPU. */
static unsigned int rank(const struct candidate *candidate)
{
	const char *plain = strcmp(candidate->architecture, "arm64") == 0 ? "v8" : "v1";

	return candidate->variant[0] && strcmp(candidate->variant, plain) != 0;
}

static bool is_wanted(const struct search *search, const struct candidate *candidate)
{
	return source_wants(search->options, candidate->os, candidate->architecture);
}

/* Says what there is, when that is not exactly one image that fits. */
static int no_choice(const struct search *search, bool any, nec_error *err)
{
	cleanup_buffer struct nec_buffer list = { 0 };
	const struct nec_source_options *options = search->options;

	for (size_t i = 0; i < search->count; i++) {
		const struct candidate *candidate = &search->candidates[i];

		nec_buffer_printf(&list, "%s%s/%s%s%s", i ? ", " : "", candidate->os,
				  candidate->architecture, candidate->variant[0] ? "/" : "",
				  candidate->variant);
		if (candidate->tag)
			nec_buffer_printf(&list, " (%s)", candidate->tag);
	}
	if (search->count == 0)
		return nec_error_set(err, NEC_E_SOURCE, -ENOENT, "%s has no image%s%s",
				     search->store->name, options->reference ? " called " : "",
				     options->reference ? options->reference : "");
	if (any)
		return nec_error_set(err, NEC_E_SOURCE_ARCH, -ENOENT,
				     "%s has several images that fit: %s", search->store->name,
				     nec_buffer_text(&list));
	return nec_error_set(err, NEC_E_SOURCE_ARCH, -ENOENT,
			     "%s has no image for linux/%s, only %s", search->store->name,
			     options->architecture ? options->architecture : "any architecture",
			     nec_buffer_text(&list));
}

/* The image that fits best, NULL for none; and whether another one is as good. */
static const struct candidate *choose(const struct search *search, bool *ret_unclear)
{
	const struct candidate *best = NULL;

	for (size_t i = 0; i < search->count; i++) {
		const struct candidate *candidate = &search->candidates[i];

		if (is_wanted(search, candidate) && (!best || rank(candidate) < rank(best)))
			best = candidate;
	}
	*ret_unclear = false;
	for (size_t i = 0; i < search->count && best; i++) {
		const struct candidate *candidate = &search->candidates[i];

		if (is_wanted(search, candidate) && strcmp(candidate->digest, best->digest) != 0 &&
		    (rank(candidate) == rank(best) ||
		     strcmp(candidate->architecture, best->architecture) != 0))
			*ret_unclear = true;
	}
	return best;
}

static int take_choice(const struct search *search, struct source_choice *ret, nec_error *err)
{
	bool unclear;
	const struct candidate *chosen = choose(search, &unclear);
	char *tag = NULL;

	if (!chosen || unclear)
		return no_choice(search, unclear, err);
	if (chosen->tag) {
		tag = strdup(chosen->tag);
		if (!tag)
			return nec_error_no_memory(err);
	}
	*ret = (struct source_choice){ .size = chosen->size, .tag = tag };
	memcpy(ret->digest, chosen->digest, sizeof(ret->digest));
	return 0;
}

int source_search_index(const struct nec_source_options *options, const struct source_store *store,
			const cJSON *index, struct source_choice *ret, nec_error *err)
{
	struct search search = { .options = options, .store = store };
	int r = search_index(&search, index, NULL, 0, err);

	if (r == 0)
		r = take_choice(&search, ret, err);
	search_clear(&search);
	return r;
}
