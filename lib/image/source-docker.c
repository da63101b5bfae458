/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of `docker save`: manifest.json names each image's configuration and layers. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "image/source-private.h"

static bool has_tag(const cJSON *entry, const char *reference)
{
	const cJSON *tags = nec_json_get(entry, "RepoTags");

	for (const cJSON *tag = nec_json_is_array(tags) ? tags->child : NULL; tag; tag = tag->next)
		if (nec_json_is_string(tag) && source_name_matches(tag->valuestring, reference))
			return true;
	return false;
}

/*
 * The name of a configuration has its digest: "<hex>.json", or "blobs/sha256/<hex>" since
 * Docker 25. True when @digest is that one.
 */
static bool name_agrees(const char *name, const char *digest)
{
	const char *slash = strrchr(name, '/');
	const char *last = slash ? slash + 1 : name;
	const char *hex = digest + strlen("sha256:");

	return strncmp(last, hex, strlen(hex)) == 0 &&
	       (last[strlen(hex)] == '\0' || strcmp(last + strlen(hex), ".json") == 0);
}

static int set_layers(struct source_image *image, const cJSON *layers, nec_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = source_string_list(layers, "Layers in manifest.json", &names, err);

	if (r < 0)
		return r;
	for (; n < image->layer_count && names[n]; n++)
		image->layers[n].name = TAKE_PTR(names[n]);
	if (names[n] || n != image->layer_count)
		r = nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				  "manifest.json and configuration disagree about the number of "
				  "layers (%zu diff_ids)",
				  image->layer_count);
	while (names[n])
		free(names[n++]);
	free(names);
	return r;
}

static int read_image(const struct source_store *store, const cJSON *entry,
		      struct source_image *image, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *json = NULL;
	char digest[SOURCE_DIGEST_SIZE];
	const char *name;
	int r;

	if (!nec_json_get_string(entry, "Config", &name))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "manifest.json in %s has an image without Config",
				     store->name);
	r = source_store_read(store, name, &text, digest, err);
	if (r < 0)
		return r;
	if (!name_agrees(name, digest))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "%s in %s is damaged: its digest is %s", name, store->name,
				     digest);
	r = source_store_parse(store, name, &text, &json, err);
	if (r == 0)
		r = source_parse_config(image, json, &text, err);
	if (r == 0)
		r = set_layers(image, nec_json_get(entry, "Layers"), err);
	if (r == 0)
		r = source_string_list(nec_json_get(entry, "RepoTags"), "RepoTags",
				       &image->config.repo_tags, err);
	if (r < 0)
		return r;
	image->config.image_id = strdup(digest);
	return image->config.image_id ? 0 : nec_error_no_memory(err);
}

/* For messages. */
static const char *name_of(const struct source_image *image)
{
	char **tags = image->config.repo_tags;

	return tags && tags[0] ? tags[0] : image->config.image_id;
}

/* What is said when not exactly one image fits. */
static int no_choice(const struct nec_source_options *options, const struct source_store *store,
		     const struct nec_buffer *list, size_t fitting, nec_error *err)
{
	if (list->size == 0)
		return nec_error_set(err, NEC_E_SOURCE, -ENOENT, "%s has no image%s%s", store->name,
				     options->reference ? " called " : "",
				     options->reference ? options->reference : "");
	if (fitting > 1)
		return nec_error_set(err, NEC_E_SOURCE_ARCH, -ENOENT,
				     "%s has several images that fit: %s", store->name,
				     nec_buffer_text(list));
	return nec_error_set(err, NEC_E_SOURCE_ARCH, -ENOENT,
			     "%s has no image for linux/%s, only %s", store->name,
			     options->architecture ? options->architecture : "any architecture",
			     nec_buffer_text(list));
}

/* Several names of one image may be several entries. */
static int choose(const struct nec_source_options *options, const struct source_store *store,
		  const cJSON *manifest, struct source_image *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer list = { 0 };
	size_t fitting = 0;
	size_t seen = 0;

	for (const cJSON *entry = manifest->child; entry; entry = entry->next) {
		struct source_image image = { 0 };
		int r;

		if (options->reference && !has_tag(entry, options->reference))
			continue;
		if (++seen > SOURCE_MAX_MANIFESTS)
			return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
					     "%s has more than %d images", store->name,
					     SOURCE_MAX_MANIFESTS);
		r = read_image(store, entry, &image, err);
		if (r < 0) {
			source_image_clear(&image);
			return r;
		}
		nec_buffer_printf(&list, "%s%s/%s (%s)", list.size ? ", " : "", image.config.os,
				  image.config.architecture, name_of(&image));
		if (source_wants(options, image.config.os, image.config.architecture) &&
		    (fitting == 0 || strcmp(ret->config.image_id, image.config.image_id) != 0)) {
			fitting++;
			source_image_clear(ret);
			*ret = image;
		} else {
			source_image_clear(&image);
		}
	}
	return fitting == 1 ? 0 : no_choice(options, store, &list, fitting, err);
}

int source_read_docker(const struct nec_source_options *options, const struct source_store *store,
		       struct source_image *ret, nec_error *err)
{
	cleanup_json cJSON *manifest = NULL;
	int r = source_store_read_json(store, "manifest.json", &manifest, err);

	if (r < 0)
		return r;
	if (!nec_json_is_array(manifest))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "manifest.json in %s is not a list", store->name);
	return choose(options, store, manifest, ret, err);
}
