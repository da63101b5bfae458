/* SPDX-License-Identifier: Apache-2.0 */
/* Image names: skopeo's transports that are plain files, and everything else by other programs. */
#include "image/build-source.h"

#include <string.h>

#include "base/arch.h"
#include "base/cleanup.h"
#include "base/error.h"

/* Those whose contents nec_source_load() reads itself. */
static const char *const file_transports[] = { "dir:", "oci:", "oci-archive:", "docker-archive:" };

void nec_build_source_close(struct nec_build_source *source)
{
	free(source->path);
	free(source->reference);
	free(source->name);
	nec_fetch_clear(&source->fetch);
	*source = (struct nec_build_source){ 0 };
}

static const char *skip_transport(const char *uri)
{
	for (size_t i = 0; i < ARRAY_SIZE(file_transports); i++) {
		size_t length = strlen(file_transports[i]);

		if (strncmp(uri, file_transports[i], length) == 0)
			return uri + length;
	}
	return NULL;
}

/* "PATH" or "PATH:REFERENCE"; a path that exists as it stands has no reference behind it. */
static int split_path(const char *text, struct nec_build_source *source, nec_error *err)
{
	const char *colon = access(text, F_OK) == 0 ? NULL : strchr(text, ':');

	source->path = colon ? strndup(text, (size_t)(colon - text)) : strdup(text);
	if (!source->path)
		return nec_error_no_memory(err);
	if (colon && colon[1] != '\0') {
		source->reference = strdup(colon + 1);
		if (!source->reference)
			return nec_error_no_memory(err);
	}
	return 0;
}

char *nec_build_name_of(const char *uri)
{
	char *name = strndup(uri, strcspn(uri, "@"));
	char *slash = name ? strrchr(name, '/') : NULL;
	char *colon = name ? strchr(slash ? slash : name, ':') : NULL;

	if (colon)
		*colon = '\0';
	return name;
}

static int fetch(const nec_context *context, const struct nec_build_options *options,
		 enum nec_arch arch, struct nec_build_source *source, nec_error *err)
{
	const char *word = nec_arch_docker_name(arch);
	int r;

	source->name = nec_build_name_of(options->docker_uri);
	if (!source->name)
		return nec_error_no_memory(err);
	if (options->docker_folder)
		r = nec_fetch_build(context, options->docker_folder, options->docker_uri, word,
				    &source->fetch, err);
	else
		r = nec_fetch_image(context, options->docker_uri, word, &source->fetch, err);
	if (r < 0)
		return r;
	nec_log(context, "%s is %s", options->docker_uri,
		source->fetch.from_local ? "the locally available image" : "from its registry");
	source->path = strdup(source->fetch.archive);
	return source->path ? 0 : nec_error_no_memory(err);
}

int nec_build_source_open(const nec_context *context, const struct nec_build_options *options,
			  enum nec_arch arch, struct nec_build_source *ret, nec_error *err)
{
	const char *path = options->docker_uri ? skip_transport(options->docker_uri) : NULL;
	const char *reference = options->reference;

	*ret = (struct nec_build_source){ .fetch = NEC_FETCH_INIT };
	if (options->docker_uri && !path)
		return fetch(context, options, arch, ret, err);
	if (path)
		return split_path(path, ret, err);
	if (!options->rootfs)
		return 0;
	ret->path = strdup(options->rootfs);
	ret->reference = reference ? strdup(reference) : NULL;
	if (!ret->path || (reference && !ret->reference))
		return nec_error_no_memory(err);
	return 0;
}
