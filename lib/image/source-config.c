/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image: what to run, for which architecture, and the layers' contents. */
#include <string.h>

#include "base/error.h"
#include "image/source-private.h"

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void nec_source_config_clear(struct nec_source_config *config)
{
	free(config->architecture);
	free(config->os);
	free_list(config->entrypoint);
	free_list(config->cmd);
	free_list(config->env);
	free(config->working_dir);
	free(config->user);
	free(config->image_id);
	free(config->manifest_digest);
	free_list(config->repo_tags);
	free(config->json);
	*config = (struct nec_source_config){ 0 };
}

void source_image_clear(struct source_image *image)
{
	for (size_t i = 0; i < image->layer_count; i++)
		free(image->layers[i].name);
	free(image->layers);
	nec_source_config_clear(&image->config);
	*image = (struct source_image){ 0 };
}

static size_t count_children(const cJSON *array)
{
	size_t count = 0;

	for (const cJSON *item = array ? array->child : NULL; item; item = item->next)
		count++;
	return count;
}

int source_string_list(const cJSON *array, const char *what, char ***ret, nec_error *err)
{
	bool none = !array || nec_json_is_null(array);
	size_t count = none ? 0 : count_children(array);
	char **list;
	size_t n = 0;

	if (!none && !nec_json_is_array(array))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG, "%s is not a list", what);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return nec_error_no_memory(err);
	for (const cJSON *item = none ? NULL : array->child; item; item = item->next) {
		bool text = nec_json_is_string(item);

		list[n] = text ? strdup(item->valuestring) : NULL;
		if (!list[n++]) {
			free_list(list);
			return text ? nec_error_no_memory(err)
				    : nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
						    "%s has something else than strings", what);
		}
	}
	*ret = list;
	return 0;
}

/* A string, or NULL when it is missing, null or empty. */
static int copy_string(const cJSON *object, const char *key, char **ret, nec_error *err)
{
	const cJSON *item = nec_json_get(object, key);

	if (!item || nec_json_is_null(item))
		return 0;
	if (!nec_json_is_string(item))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "the image's configuration has a %s that is not a string",
				     key);
	if (!item->valuestring[0])
		return 0;
	*ret = strdup(item->valuestring);
	return *ret ? 0 : nec_error_no_memory(err);
}

static int parse_process(struct nec_source_config *config, const cJSON *object, nec_error *err)
{
	int r = source_string_list(nec_json_get(object, "Entrypoint"), "Entrypoint",
				   &config->entrypoint, err);

	if (r == 0)
		r = source_string_list(nec_json_get(object, "Cmd"), "Cmd", &config->cmd, err);
	if (r == 0)
		r = source_string_list(nec_json_get(object, "Env"), "Env", &config->env, err);
	if (r == 0)
		r = copy_string(object, "WorkingDir", &config->working_dir, err);
	if (r == 0)
		r = copy_string(object, "User", &config->user, err);
	return r;
}

/* One layer for each diff_id; where its blob is comes from the manifest. */
static int parse_layers(struct source_image *image, const cJSON *rootfs, nec_error *err)
{
	const cJSON *diff_ids = nec_json_get(rootfs, "diff_ids");
	size_t count = count_children(diff_ids);

	if (!nec_json_is_array(diff_ids))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "the image's configuration has no list rootfs.diff_ids");
	if (count > SOURCE_MAX_LAYERS)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "the image has %zu layers, at most %d are accepted", count,
				     SOURCE_MAX_LAYERS);
	image->layers = calloc(count ? count : 1, sizeof(*image->layers));
	if (!image->layers)
		return nec_error_no_memory(err);
	for (const cJSON *item = diff_ids->child; item; item = item->next) {
		struct source_layer *layer = &image->layers[image->layer_count];

		if (!nec_json_is_string(item) || !source_digest_valid(item->valuestring))
			return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
					     "diff_id %zu of the image is no SHA-256 digest",
					     image->layer_count);
		memcpy(layer->diff_id, item->valuestring, sizeof(layer->diff_id));
		layer->size = UINT64_MAX;
		image->layer_count++;
	}
	return 0;
}

int source_parse_config(struct source_image *image, const cJSON *json, struct nec_buffer *text,
			nec_error *err)
{
	struct nec_source_config *config = &image->config;
	const cJSON *process = nec_json_get(json, "config");
	int r;

	if (!nec_json_is_object(json) ||
	    (process && !nec_json_is_null(process) && !nec_json_is_object(process)))
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "the image's configuration is not what it should be");
	r = parse_process(config, process, err);
	if (r == 0)
		r = copy_string(json, "architecture", &config->architecture, err);
	if (r == 0)
		r = copy_string(json, "os", &config->os, err);
	if (r == 0)
		r = parse_layers(image, nec_json_get(json, "rootfs"), err);
	if (r < 0)
		return r;
	if (!config->architecture || !config->os)
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "the image's configuration does not say for which %s it is",
				     config->os ? "architecture" : "operating system");
	config->json = (char *)text->data;
	config->json_size = text->size;
	*text = (struct nec_buffer){ 0 };
	return 0;
}

bool source_wants(const struct nec_source_options *options, const char *os,
		  const char *architecture)
{
	return strcmp(os, "linux") == 0 &&
	       (!options->architecture || strcmp(options->architecture, architecture) == 0);
}

static bool is_end_of(const char *name, size_t name_size, const char *end)
{
	size_t size = strlen(end);

	return size > 0 && size <= name_size && memcmp(name + name_size - size, end, size) == 0 &&
	       (size == name_size || name[name_size - size - 1] == '/');
}

/* "docker.io/library/alpine:latest" may be asked for as "alpine:latest" and as "alpine". */
bool source_name_matches(const char *name, const char *reference)
{
	static const char latest[] = ":latest";
	size_t size = strlen(name);
	size_t tag = strlen(latest);

	if (is_end_of(name, size, reference))
		return true;
	return size > tag && strcmp(name + size - tag, latest) == 0 &&
	       is_end_of(name, size - tag, reference);
}

/* Labels that the host's security modules and file systems put on files mean nothing elsewhere. */
bool source_xattr_matters(const char *name)
{
	static const char *const ignored[] = {
		"security.selinux", "security.ima",     "security.evm",
		"security.SMACK64", "trusted.overlay.", "btrfs.",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (strncmp(name, ignored[i], strlen(ignored[i])) == 0)
			return false;
	return true;
}
