/* SPDX-License-Identifier: Apache-2.0 */
/* Which file or folder a build takes its root file system from. */
#ifndef NEC_IMAGE_BUILD_SOURCE_H
#define NEC_IMAGE_BUILD_SOURCE_H

#include "image/fetch.h"

struct nec_build_source {
	char *path;             /* for nec_source_load(); NULL: no root file system is asked for */
	char *reference;        /* which image in it, or NULL */
	char *name;             /* that the caller's words give the image, or NULL */
	struct nec_fetch fetch; /* where it was fetched to, if it was */
};

/**
 * nec_build_source_open() - find, fetch or build what rootfs, docker_uri and docker_folder name
 * @ret: to be released with nec_build_source_close(), also after a failure
 */
int nec_build_source_open(const nec_context *context, const struct nec_build_options *options,
			  enum nec_arch arch, struct nec_build_source *ret, nec_error *err);
void nec_build_source_close(struct nec_build_source *source);

/* "host:5000/group/name:tag@sha256:..." is of "host:5000/group/name". To be freed. */
char *nec_build_name_of(const char *uri);

#endif
