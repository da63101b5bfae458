/* SPDX-License-Identifier: Apache-2.0 */
/* The DockerInfo of the metadata: what `docker image inspect` would say and every machine agrees
 * on. */
#ifndef NEC_IMAGE_DOCKER_INFO_H
#define NEC_IMAGE_DOCKER_INFO_H

#include "image/source.h"

/*
 * Appends a JSON object made from the image's own configuration: Architecture, Config, Created, Id,
 * Os, RepoTags, RootFS, as far as the image has them. Nothing is written for a folder. @uri is what
 * the image was fetched by, or NULL: then its own names are the tags. (Which names a fetched image
 * comes with depends on the program that fetched it.)
 * Returns 0, -ENOMEM, or -EBADMSG (NEC_E_JSON).
 */
int nec_docker_info_write(const struct nec_source_config *config, const char *uri,
			  struct nec_buffer *to, nec_error *err);

#endif
