/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that are not files yet: in a registry, in a local Docker daemon, or to be built from a
 * Dockerfile. The work is done by whichever of skopeo, buildah, podman and docker is installed;
 * what comes out is an archive that nec_source_load() reads.
 */
#ifndef NEC_IMAGE_FETCH_H
#define NEC_IMAGE_FETCH_H

#include "base/context.h"

/* A temporary folder with the image in it; nec_fetch_clear() removes both. */
struct nec_fetch {
	char *folder;
	char *archive;   /* what to give to nec_source_load(): an archive or a folder */
	bool from_local; /* taken from a local daemon, not from a registry */
};
#define NEC_FETCH_INIT \
	{              \
		0      \
	}

void nec_fetch_clear(struct nec_fetch *fetch);
#define cleanup_fetch __attribute__((cleanup(nec_fetch_clear)))

/**
 * nec_fetch_image() - get an image by name
 * @uri:          as `docker pull` takes it: [registry/]name[:tag][@digest]
 * @architecture: "amd64" or "arm64"
 *
 * A local daemon is asked first, then the registry. What the program writes to stdout or stderr
 * goes to stderr. When the context's cancel flag is raised the program is ended. After a failure
 * nothing is left behind. Returns 0, -EINVAL (NEC_E_INVALID_ARGUMENT: no such name is possible),
 * -ENOENT (NEC_E_TOOL_MISSING, the hint says what to install), -EIO (NEC_E_TOOL_FAILED), -ECANCELED
 * (NEC_E_CANCELLED), ...
 */
int nec_fetch_image(const nec_context *context, const char *uri, const char *architecture,
		    struct nec_fetch *ret, nec_error *err);

/*
 * Builds what @folder's file "Dockerfile" says, tags it @uri, and exports it. Otherwise as above;
 * -ENOENT (NEC_E_FILE_OPEN) when there is no such file.
 */
int nec_fetch_build(const nec_context *context, const char *folder, const char *uri,
		    const char *architecture, struct nec_fetch *ret, nec_error *err);

#endif
