/* SPDX-License-Identifier: Apache-2.0 */
/* OCI layouts: from a manifest to configuration and layers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "image/source-oci.h"

/* "blobs/sha256/" and 64 hex digits, and a NUL. */
enum { BLOB_NAME_SIZE = 13 + 2 * NEC_SHA256_SIZE + 1 };

bool source_is_one_of(const char *media_type, const char *const *list)
{
	while (*list && strcmp(media_type, *list) != 0)
		list++;
	return *list;
}

static bool is_config(const char *media_type)
{
	static const char *const types[] = { "application/vnd.oci.image.config.v1+json",
					     "application/vnd.docker.container.image.v1+json",
					     NULL };

	return source_is_one_of(media_type, types);
}

/* How a layer is compressed is told by its bytes, so only the kind matters here. */
static bool is_layer(const char *media_type)
{
	static const char *const kinds[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar",
	};
	static const char *const forms[] = { "", "+gzip", "+zstd", ".gzip", ".zstd", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(media_type, kinds[i], strlen(kinds[i])) == 0)
			return source_is_one_of(media_type + strlen(kinds[i]), forms);
	return false;
}

int source_read_descriptor(const cJSON *json, const char *where, struct source_descriptor *ret,
			   nec_error *err)
{
	*ret = (struct source_descriptor){ .json = json };
	if (!nec_json_get_string(json, "mediaType", &ret->media_type) ||
	    !nec_json_get_string(json, "digest", &ret->digest) ||
	    !nec_json_get_u64(json, "size", &ret->size))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "%s has a descriptor without media type, digest or size",
				     where);
	if (strncmp(ret->digest, "sha512:", 7) == 0)
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP,
				     "%s has the digest %s; only SHA-256 is supported", where,
				     ret->digest);
	if (!source_digest_valid(ret->digest))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "%s has \"%s\" where a SHA-256 digest should be", where,
				     ret->digest);
	return 0;
}

/* What the blob with a valid digest is called. */
static void blob_name(const struct source_store *store, const char *digest,
		      char name[BLOB_NAME_SIZE])
{
	(void)snprintf(name, BLOB_NAME_SIZE, "%s%s", store->flat ? "" : "blobs/sha256/",
		       digest + strlen("sha256:"));
}

int source_read_blob(const struct source_store *store, const struct source_descriptor *descriptor,
		     struct nec_buffer *text, cJSON **ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer own = { 0 };
	char found[SOURCE_DIGEST_SIZE];
	char name[BLOB_NAME_SIZE];
	int r;

	text = text ? text : &own;
	blob_name(store, descriptor->digest, name);
	r = source_store_read(store, name, text, found, err);
	if (r < 0)
		return r;
	if (text->size != descriptor->size || strcmp(found, descriptor->digest) != 0)
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "%s in %s is damaged: %zu bytes with the digest %s instead of "
				     "%" PRIu64 " bytes",
				     name, store->name, text->size, found, descriptor->size);
	return source_store_parse(store, name, text, ret, err);
}

static int set_layer(const struct source_store *store, struct source_layer *layer,
		     const cJSON *json, nec_error *err)
{
	struct source_descriptor descriptor;
	char name[BLOB_NAME_SIZE];
	int r = source_read_descriptor(json, "a manifest", &descriptor, err);

	if (r < 0)
		return r;
	if (!is_layer(descriptor.media_type))
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP,
				     "a layer of the image is of the unknown kind %s",
				     descriptor.media_type);
	blob_name(store, descriptor.digest, name);
	layer->name = strdup(name);
	if (!layer->name)
		return nec_error_no_memory(err);
	memcpy(layer->digest, descriptor.digest, sizeof(layer->digest));
	layer->size = descriptor.size;
	return 0;
}

static int set_layers(const struct source_store *store, struct source_image *image,
		      const cJSON *layers, nec_error *err)
{
	const cJSON *item = nec_json_is_array(layers) ? layers->child : NULL;
	size_t n = 0;

	for (; item && n < image->layer_count; item = item->next) {
		int r = set_layer(store, &image->layers[n++], item, err);

		if (r < 0)
			return r;
	}
	if (item || n != image->layer_count)
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "manifest and configuration disagree about the number of "
				     "layers (%zu diff_ids)",
				     image->layer_count);
	return 0;
}

/* From a manifest to the image. @digest is the manifest's, @tag what it is called or NULL. */
static int read_image(const struct source_store *store, const cJSON *manifest, const char *digest,
		      const char *tag, struct source_image *image, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *json = NULL;
	struct source_descriptor config;
	int r = source_read_descriptor(nec_json_get(manifest, "config"), "a manifest", &config,
				       err);

	if (r < 0)
		return r;
	if (!is_config(config.media_type))
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP,
				     "%s holds no container image but an artifact (%s)",
				     store->name, config.media_type);
	r = source_read_blob(store, &config, &text, &json, err);
	if (r == 0)
		r = source_parse_config(image, json, &text, err);
	if (r == 0)
		r = set_layers(store, image, nec_json_get(manifest, "layers"), err);
	if (r < 0)
		return r;
	image->config.image_id = strdup(config.digest);
	image->config.manifest_digest = strdup(digest);
	image->config.repo_tags = calloc(2, sizeof(char *));
	if (!image->config.image_id || !image->config.manifest_digest || !image->config.repo_tags)
		return nec_error_no_memory(err);
	if (!tag)
		return 0;
	image->config.repo_tags[0] = strdup(tag);
	return image->config.repo_tags[0] ? 0 : nec_error_no_memory(err);
}

static int check_layout(const struct source_store *store, nec_error *err)
{
	cleanup_json cJSON *layout = NULL;
	const char *version;
	int r = source_store_read_json(store, "oci-layout", &layout, err);

	if (r < 0)
		return r;
	if (!nec_json_get_string(layout, "imageLayoutVersion", &version))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "oci-layout in %s has no imageLayoutVersion", store->name);
	if (strncmp(version, "1.", 2) != 0)
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP,
				     "%s is an OCI layout of version %s; 1 is supported",
				     store->name, version);
	return 0;
}

int source_read_oci(const struct nec_source_options *options, const struct source_store *store,
		    struct source_image *ret, nec_error *err)
{
	struct source_choice choice = { 0 };
	struct source_descriptor manifest = { 0 };
	cleanup_json cJSON *index = NULL;
	cleanup_json cJSON *json = NULL;
	int r = check_layout(store, err);

	if (r == 0)
		r = source_store_read_json(store, "index.json", &index, err);
	if (r == 0)
		r = source_search_index(options, store, index, &choice, err);
	if (r < 0)
		return r;
	manifest.digest = choice.digest;
	manifest.size = choice.size;
	r = source_read_blob(store, &manifest, NULL, &json, err);
	if (r == 0)
		r = read_image(store, json, choice.digest, choice.tag, ret, err);
	free(choice.tag);
	return r;
}

/* skopeo's "dir:": the manifest of one image, byte for byte, with its blobs beside it. */
int source_read_dir(const struct nec_source_options *options, const struct source_store *store,
		    struct source_image *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *manifest = NULL;
	char digest[SOURCE_DIGEST_SIZE];
	int r = source_store_read(store, "manifest.json", &text, digest, err);

	if (r == 0)
		r = source_store_parse(store, "manifest.json", &text, &manifest, err);
	if (r < 0)
		return r;
	if (nec_json_get(manifest, "manifests"))
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP,
				     "%s has a list of images; copy one of them into it",
				     store->name);
	r = read_image(store, manifest, digest, NULL, ret, err);
	if (r == 0 && !source_wants(options, ret->config.os, ret->config.architecture))
		r = nec_error_set(err, NEC_E_SOURCE_ARCH, -ENOENT,
				  "the image in %s is for %s/%s, not for linux/%s", store->name,
				  ret->config.os, ret->config.architecture,
				  options->architecture ? options->architecture
							: ret->config.architecture);
	return r;
}
