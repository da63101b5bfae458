/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata section of an image that is being built: AWS's keys in AWS's order. */
#ifndef NEC_IMAGE_BUILD_METADATA_H
#define NEC_IMAGE_BUILD_METADATA_H

#include "base/buffer.h"
#include "nec.h"

/* Most bytes of --metadata, as nitro-cli has it. */
#define NEC_BUILD_MAX_CUSTOM_METADATA 4096

struct nec_build_metadata {
	const char *image_name;
	const char *image_version;
	const char *build_time;
	const char *build_tool;
	const char *build_tool_version;
	const char *operating_system;
	const char *kernel_version;
	const char *docker_info; /* JSON text, or NULL for null; its keys come out sorted */
	size_t docker_info_size;
	const char *custom; /* from nec_build_metadata_read_custom(), or NULL; sorted likewise */
	size_t custom_size;
};

/*
 * Appends a file of custom metadata to @to, if it can be one: an object without a key that
 * nitro-cli prints beside its own ("BuildTime", "DockerInfo" ...), as `describe-eif` puts both into
 * one object. Returns 0, -EINVAL (NEC_E_EIF_METADATA), -EBADMSG (NEC_E_JSON), -EFBIG
 * (NEC_E_TOO_LARGE), or what reading gives.
 */
int nec_build_metadata_read_custom(const char *path, struct nec_buffer *to, nec_error *err);

/**
 * nec_build_metadata_write() - make the section's text
 * @to: the compact JSON is appended
 *
 * Returns 0, -EINVAL (NEC_E_EIF_METADATA: not UTF-8), -EBADMSG (NEC_E_JSON), -EFBIG
 * (NEC_E_TOO_LARGE), or -ENOMEM.
 */
int nec_build_metadata_write(const struct nec_build_metadata *metadata, struct nec_buffer *to,
			     nec_error *err);

#endif
