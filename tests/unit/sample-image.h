/* SPDX-License-Identifier: Apache-2.0 */
/* Container images for tests: layers and documents, as an OCI layout or a `docker save` archive. */
#ifndef NEC_TESTS_UNIT_SAMPLE_IMAGE_H
#define NEC_TESTS_UNIT_SAMPLE_IMAGE_H

#include "samples.h"

/* Where the files of an image go. */
struct sample_sink {
	struct nec_buffer *tar; /* an archive in the making; NULL: below the sample folder */
	const char *folder;     /* in the sample folder */
};

enum { SAMPLE_MAX_LAYERS = 4 };

struct sample_image {
	const char *architecture;
	const char *config; /* the member "config" of the configuration; NULL: "{}" */
	struct nec_buffer layers[SAMPLE_MAX_LAYERS]; /* tar archives, with their end */
	enum nec_compression compression;            /* of the blobs */
	size_t layer_count;
	/* For images that are wrong. */
	const char *layer_media_type;
	const char *diff_id;  /* of every layer */
	const char *manifest; /* instead of the one that is right */
	size_t extra_diff_ids;
};

/* A descriptor as JSON: what an index says about a blob. */
struct sample_descriptor {
	char json[1024];
	char digest[80];
};

void sample_put(const struct sample_sink *sink, const char *name, const void *data, size_t size);
void sample_put_text(const struct sample_sink *sink, const char *name, const char *text);

/* Puts the text as a blob and describes it; @more is further members such as ",\"platform\":{}". */
void sample_put_blob(const struct sample_sink *sink, const char *media_type, const void *data,
		     size_t size, const char *more, struct sample_descriptor *ret);

/* The image's blobs, and what its manifest is called. */
void sample_put_image(const struct sample_sink *sink, const struct sample_image *image,
		      const char *more, struct sample_descriptor *ret);

/* oci-layout, and index.json with these descriptors. */
void sample_put_layout(const struct sample_sink *sink, const struct sample_descriptor *descriptors,
		       size_t count);

/* The files of an image in a `docker save` archive, and its entry for manifest.json. */
void sample_put_docker(const struct sample_sink *sink, const struct sample_image *image,
		       const char *tags, struct nec_buffer *manifest);

/* One layer with one file. */
void sample_image_add_file(struct sample_image *image, const char *name, const char *text);
void sample_image_free(struct sample_image *image);

#define SAMPLE_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define SAMPLE_INDEX_TYPE    "application/vnd.oci.image.index.v1+json"
#define SAMPLE_CONFIG_TYPE   "application/vnd.oci.image.config.v1+json"

#endif
