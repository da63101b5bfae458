/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the metadata section. */
#include "image/eif-metadata.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

/* Where each text of struct nec_eif_metadata comes from. */
static const struct field {
	const char *key;
	bool in_build_metadata;
	size_t offset;
} fields[] = {
	{ "ImageName", false, offsetof(struct nec_eif_metadata, image_name) },
	{ "ImageVersion", false, offsetof(struct nec_eif_metadata, image_version) },
	{ "BuildTime", true, offsetof(struct nec_eif_metadata, build_time) },
	{ "BuildTool", true, offsetof(struct nec_eif_metadata, build_tool) },
	{ "BuildToolVersion", true, offsetof(struct nec_eif_metadata, build_tool_version) },
	{ "OperatingSystem", true, offsetof(struct nec_eif_metadata, operating_system) },
	{ "KernelVersion", true, offsetof(struct nec_eif_metadata, kernel_version) },
};

/* Says which rule was broken, and how. Returns -EBADMSG. */
#define BROKEN(ret_rule, rule, err, ...)                                               \
	({                                                                             \
		*(ret_rule) = (rule);                                                  \
		nec_error_set((err), nec_rule_row(rule)->code, -EBADMSG, __VA_ARGS__); \
	})

static int read_texts(struct nec_eif_metadata *metadata, enum nec_rule *rule, nec_error *err)
{
	const cJSON *build = nec_json_get(metadata->tree, "BuildMetadata");

	if (!nec_json_is_object(build))
		return BROKEN(rule, NEC_RULE_METADATA_KEYS, err,
			      "the metadata has no object \"BuildMetadata\"");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *field = &fields[i];
		const char **text = (const char **)(void *)((char *)metadata + field->offset);

		if (!nec_json_get_string(field->in_build_metadata ? build : metadata->tree,
					 field->key, text))
			return BROKEN(rule, NEC_RULE_METADATA_KEYS, err,
				      "the metadata has no text \"%s%s\"",
				      field->in_build_metadata ? "BuildMetadata." : "", field->key);
	}
	return 0;
}

static int read_trees(struct nec_eif_metadata *metadata, enum nec_rule *rule, nec_error *err)
{
	metadata->docker_info = nec_json_get(metadata->tree, "DockerInfo");
	if (!metadata->docker_info)
		return BROKEN(rule, NEC_RULE_METADATA_KEYS, err,
			      "the metadata has no \"DockerInfo\"");
	metadata->custom = nec_json_get(metadata->tree, "CustomMetadata");
	if (!metadata->custom)
		return BROKEN(rule, NEC_RULE_METADATA_KEYS, err,
			      "the metadata has no \"CustomMetadata\"");
	if (!nec_json_is_object(metadata->custom) && !nec_json_is_null(metadata->custom))
		return BROKEN(rule, NEC_RULE_METADATA_CUSTOM, err,
			      "\"CustomMetadata\" of the metadata is neither an object nor null");
	return 0;
}

static int parse(const char *text, size_t size, struct nec_eif_metadata *ret, enum nec_rule *rule,
		 nec_error *err)
{
	nec_error problem = NEC_ERROR_INIT;
	int r = nec_json_parse(text, size, &ret->tree, &problem);

	if (r == -EBADMSG)
		return BROKEN(rule, NEC_RULE_METADATA_JSON, err, "the metadata is not JSON: %s",
			      problem.message);
	if (r < 0) {
		if (err)
			*err = problem;
		return r;
	}
	if (nec_json_is_null(ret->tree)) {
		nec_eif_metadata_clear(ret);
		return 0;
	}
	if (!nec_json_is_object(ret->tree))
		return BROKEN(rule, NEC_RULE_METADATA_JSON, err,
			      "the metadata is not a JSON object");
	r = read_texts(ret, rule, err);
	return r < 0 ? r : read_trees(ret, rule, err);
}

int nec_eif_metadata_parse(const char *text, size_t size, struct nec_eif_metadata *ret,
			   enum nec_rule *ret_rule, nec_error *err)
{
	cleanup_eif_metadata struct nec_eif_metadata metadata = { 0 };
	enum nec_rule ignored;
	int r = parse(text, size, &metadata, ret_rule ? ret_rule : &ignored, err);

	if (r < 0)
		return r;
	*ret = metadata;
	metadata.tree = NULL;
	return 0;
}

void nec_eif_metadata_clear(struct nec_eif_metadata *metadata)
{
	nec_json_free(metadata->tree);
	*metadata = (struct nec_eif_metadata){ 0 };
}

/* Reads and parses the section; messages are without the file's name. */
static int load(const nec_eif *eif, const struct nec_eif_section *section,
		struct nec_eif_metadata *ret, enum nec_rule *rule, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r;

	if (section->size_bytes > NEC_EIF_MAX_METADATA)
		return BROKEN(rule, NEC_RULE_METADATA_JSON, err,
			      "the metadata has %" PRIu64 " bytes, %d are allowed",
			      section->size_bytes, NEC_EIF_MAX_METADATA);
	r = nec_eif_read_whole(eif, section, NEC_EIF_MAX_METADATA, &text, err);
	return r < 0 ? r
		     : nec_eif_metadata_parse(nec_buffer_text(&text), text.size, ret, rule, err);
}

int nec_eif_read_metadata(const nec_eif *eif, struct nec_eif_metadata *ret, nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_find_section(eif, NEC_EIF_METADATA);
	enum nec_rule rule = NEC_RULE_COUNT;
	int r;

	*ret = (struct nec_eif_metadata){ 0 };
	if (!section)
		return 0;
	r = load(eif, section, ret, &rule, err);
	if (r < 0 && rule != NEC_RULE_COUNT)
		return nec_error_prefix(err, r, "%s: offset %" PRIu64, eif->name, section->offset);
	return r;
}

bool nec_eif_metadata_is_fixed_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].in_build_metadata && strcmp(fields[i].key, key) == 0)
			return true;
	return strcmp(key, "DockerInfo") == 0;
}

static void find_shadowed(nec_eif *eif, const struct nec_eif_metadata *metadata, uint64_t offset)
{
	if (!metadata->custom)
		return;
	for (const cJSON *item = metadata->custom->child; item; item = item->next)
		if (nec_eif_metadata_is_fixed_key(item->string))
			nec_eif_add_finding(eif, NEC_RULE_METADATA_SHADOWED, offset,
					    "the custom metadata has a key \"%s\" of its own",
					    item->string);
}

int nec_eif_find_metadata(nec_eif *eif, nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_find_section(eif, NEC_EIF_METADATA);
	cleanup_eif_metadata struct nec_eif_metadata metadata = { 0 };
	enum nec_rule rule = NEC_RULE_COUNT;
	nec_error problem = NEC_ERROR_INIT;
	int r;

	if (!section || eif->metadata_checked)
		return 0;
	r = load(eif, section, &metadata, &rule, &problem);
	if (r < 0 && rule == NEC_RULE_COUNT) {
		if (err)
			*err = problem;
		return r;
	}
	eif->metadata_checked = true;
	if (r < 0)
		nec_eif_add_finding(eif, rule, section->offset, "%s", problem.message);
	find_shadowed(eif, &metadata, section->offset);
	return nec_eif_findings_result(eif, err);
}
