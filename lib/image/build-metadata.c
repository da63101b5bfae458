/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the metadata section. */
#include "image/build-metadata.h"

#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/utf8.h"
#include "image/eif-format.h"

/* What describe-eif prints in the object that the custom keys go into. */
static const char *const described_keys[] = {
	"BuildTime",       "BuildTool",     "BuildToolVersion",
	"OperatingSystem", "KernelVersion", "DockerInfo",
};

static int check_custom(const cJSON *custom, const char *path, nec_error *err)
{
	if (!nec_json_is_object(custom)) {
		nec_error_set(err, NEC_E_EIF_METADATA, -EINVAL,
			      "custom metadata in %s is not a JSON object", path);
		nec_error_set_hint(err, "Write it as {\"key\": value, ...}.");
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(described_keys); i++) {
		if (nec_json_get(custom, described_keys[i])) {
			nec_error_set(err, NEC_E_EIF_METADATA, -EINVAL,
				      "custom metadata in %s has the key \"%s\", which every image "
				      "has already",
				      path, described_keys[i]);
			nec_error_set_hint(err, "Choose another name for the key.");
			return -EINVAL;
		}
	}
	return 0;
}

int nec_build_metadata_read_custom(const char *path, struct nec_buffer *to, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *custom = NULL;
	int r = nec_file_read_all(path, NEC_BUILD_MAX_CUSTOM_METADATA, &text, err);

	if (r < 0)
		return r;
	r = nec_json_parse(nec_buffer_text(&text), text.size, &custom, err);
	if (r < 0)
		return nec_error_prefix(err, r, "%s", path);
	r = check_custom(custom, path, err);
	nec_buffer_append(to, text.data, text.size);
	return r == 0 && to->failed ? nec_error_no_memory(err) : r;
}

/* Sorts a foreign document and adds it; one that is absent is written as null. */
static bool add_foreign(cJSON *object, const char *key, cJSON **item)
{
	if (!*item)
		return nec_json_add_null(object, key);
	nec_json_sort(*item);
	return nec_json_add(object, key, TAKE_PTR(*item));
}

static bool add_build(cJSON *object, const struct nec_build_metadata *metadata)
{
	cleanup_json cJSON *build = nec_json_object();

	return nec_json_add_string(build, "BuildTime", metadata->build_time) &&
	       nec_json_add_string(build, "BuildTool", metadata->build_tool) &&
	       nec_json_add_string(build, "BuildToolVersion", metadata->build_tool_version) &&
	       nec_json_add_string(build, "OperatingSystem", metadata->operating_system) &&
	       nec_json_add_string(build, "KernelVersion", metadata->kernel_version) &&
	       nec_json_add(object, "BuildMetadata", TAKE_PTR(build));
}

static int check_text(const char *what, const char *text, nec_error *err)
{
	if (nec_utf8_valid(text, strlen(text)))
		return 0;
	return nec_error_set(err, NEC_E_EIF_METADATA, -EINVAL,
			     "the %s is not UTF-8, as metadata has to be", what);
}

static int check_texts(const struct nec_build_metadata *metadata, nec_error *err)
{
	const struct {
		const char *what;
		const char *text;
	} texts[] = {
		{ "image name", metadata->image_name },
		{ "image version", metadata->image_version },
		{ "build time", metadata->build_time },
		{ "build tool", metadata->build_tool },
		{ "build tool's version", metadata->build_tool_version },
		{ "operating system", metadata->operating_system },
		{ "kernel version", metadata->kernel_version },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts) && r == 0; i++)
		r = check_text(texts[i].what, texts[i].text, err);
	return r;
}

int nec_build_metadata_write(const struct nec_build_metadata *metadata, struct nec_buffer *to,
			     nec_error *err)
{
	cleanup_json cJSON *object = NULL;
	cleanup_json cJSON *docker = NULL;
	cleanup_json cJSON *custom = NULL;
	size_t before = to->size;
	int r = check_texts(metadata, err);

	if (r == 0 && metadata->docker_info)
		r = nec_json_parse(metadata->docker_info, metadata->docker_info_size, &docker, err);
	if (r == 0 && metadata->custom)
		r = nec_json_parse(metadata->custom, metadata->custom_size, &custom, err);
	if (r == 0)
		r = nec_cjson_load(err);
	if (r < 0)
		return r;
	object = nec_json_object();
	if (!nec_json_add_string(object, "ImageName", metadata->image_name) ||
	    !nec_json_add_string(object, "ImageVersion", metadata->image_version) ||
	    !add_build(object, metadata) || !add_foreign(object, "DockerInfo", &docker) ||
	    !add_foreign(object, "CustomMetadata", &custom))
		return nec_error_no_memory(err);
	nec_json_print_compact(object, to);
	if (to->failed)
		return nec_error_no_memory(err);
	if (to->size - before > NEC_EIF_MAX_METADATA)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "the metadata would be %zu bytes, more than the %d allowed",
				     to->size - before, NEC_EIF_MAX_METADATA);
	return 0;
}
