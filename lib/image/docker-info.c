/* SPDX-License-Identifier: Apache-2.0 */
/* From an OCI image configuration to the words of `docker image inspect`. */
#include "image/docker-info.h"

#include "base/error.h"
#include "base/json.h"

/* Adds a copy of @from's member under Docker's name for it; a member that is absent is left out. */
static bool copy_member(cJSON *to, const char *to_key, const cJSON *from, const char *from_key)
{
	const cJSON *item = nec_json_get(from, from_key);

	return !item || nec_json_add(to, to_key, nec_json_copy(item));
}

static bool add_root_fs(cJSON *to, const cJSON *image)
{
	const cJSON *root = nec_json_get(image, "rootfs");
	cJSON *object;

	if (!nec_json_is_object(root))
		return true;
	object = nec_json_object();
	if (copy_member(object, "Type", root, "type") &&
	    copy_member(object, "Layers", root, "diff_ids"))
		return nec_json_add(to, "RootFS", object);
	nec_json_free(object);
	return false;
}

static bool add_tags(cJSON *to, char *const *tags)
{
	cJSON *array = nec_json_array();

	for (; tags && *tags; tags++)
		if (!nec_json_append_string(array, *tags)) {
			nec_json_free(array);
			return false;
		}
	return nec_json_add(to, "RepoTags", array);
}

static bool fill(cJSON *info, const cJSON *image, const struct nec_source_config *config,
		 char *const *tags)
{
	return copy_member(info, "Architecture", image, "architecture") &&
	       copy_member(info, "Config", image, "config") &&
	       copy_member(info, "Created", image, "created") &&
	       (!config->image_id || nec_json_add_string(info, "Id", config->image_id)) &&
	       copy_member(info, "Os", image, "os") && add_tags(info, tags) &&
	       add_root_fs(info, image);
}

int nec_docker_info_write(const struct nec_source_config *config, const char *uri,
			  struct nec_buffer *to, nec_error *err)
{
	char *const uri_tags[] = { (char *)uri, NULL };
	cleanup_json cJSON *image = NULL;
	cleanup_json cJSON *info = NULL;
	int r;

	if (!config->json)
		return 0;
	r = nec_json_parse(config->json, config->json_size, &image, err);
	if (r < 0)
		return r;
	info = nec_json_object();
	if (!info || !fill(info, image, config, uri ? uri_tags : config->repo_tags))
		return nec_error_no_memory(err);
	nec_json_print_compact(info, to);
	return to->failed ? nec_error_no_memory(err) : 0;
}
