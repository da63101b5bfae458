/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of an image source share: the load that is going on, blobs, layers, configuration.
 */
#ifndef NEC_IMAGE_SOURCE_PRIVATE_H
#define NEC_IMAGE_SOURCE_PRIVATE_H

#include "base/crypto.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/stream.h"
#include "image/source.h"

/* The OCI distribution specification lets registries refuse manifests above 4 MiB. */
enum { SOURCE_MAX_JSON_BYTES = 8 * 1024 * 1024 };

enum {
	SOURCE_MAX_LAYERS = 1024,      /* engines stop at 127 */
	SOURCE_MAX_MANIFESTS = 4096,   /* in all indexes of one source */
	SOURCE_MAX_INDEX_DEPTH = 4,    /* an index in an index ... */
	SOURCE_MAX_MEMBERS = 65536,    /* files in an OCI or docker archive */
	SOURCE_MAX_FOLDER_DEPTH = 256, /* each level needs a file descriptor */
};

/* "sha256:" and 64 hex digits, and a NUL. */
#define SOURCE_DIGEST_SIZE (7 + 2 * NEC_SHA256_SIZE + 1)

/* One call of nec_source_load(). */
struct source_load {
	const nec_context *context;
	const struct nec_source_options *options;
	const char *path; /* as given, for messages */
	struct nec_tree *tree;
	struct nec_tree_entry *base;
	struct nec_progress progress;

	/* Contents of the layers' files: one unnamed file, which belongs to the tree. */
	int spool_fd;
	uint32_t spool_origin;
	uint64_t spool_size;
	uint64_t bytes_left;      /* that layers may still unpack to */
	uint64_t file_bytes_left; /* the same for the sizes of files, which may be sparse */
};

/* ---- where blobs are (source-store.c) ---- */

/* An OCI layout folder, or an archive with the same or docker's files in it. */
struct source_store {
	int folder_fd; /* -1 for an archive */
	int archive_fd;
	const char *name;
	bool flat;                     /* blobs are not below blobs/sha256/ but at the top */
	struct source_member *members; /* of the archive, by name */
	size_t member_count;
};
#define SOURCE_STORE_INIT                         \
	{                                         \
		.folder_fd = -1, .archive_fd = -1 \
	}

/* The fd is taken, also on failure. @limit: most bytes that it may decompress to. */
int source_store_open_archive(struct source_store *store, int fd, const char *name, uint64_t limit,
			      nec_error *err);
void source_store_close(struct source_store *store);

bool source_store_has(const struct source_store *store, const char *name);

/* A file of the store as a range; *@ret_fd has to be closed. */
int source_store_find(const struct source_store *store, const char *name, int *ret_fd,
		      struct nec_file_range *ret, nec_error *err);

/* Appends a whole document to @to, which is empty; @digest (may be NULL) gets its "sha256:...". */
int source_store_read(const struct source_store *store, const char *name, struct nec_buffer *to,
		      char digest[SOURCE_DIGEST_SIZE], nec_error *err);

/* Parses what was read; @name is for messages. */
int source_store_parse(const struct source_store *store, const char *name,
		       const struct nec_buffer *text, cJSON **ret, nec_error *err);

/* Both, for a document without a digest. */
int source_store_read_json(const struct source_store *store, const char *name, cJSON **ret,
			   nec_error *err);

/* True for a text that is "sha256:" and 64 lower-case hex digits. */
bool source_digest_valid(const char *digest);

/* Writes "sha256:..." of a finished hash. */
int source_digest_final(struct nec_sha256 *sha, char digest[SOURCE_DIGEST_SIZE], nec_error *err);

/* ---- one layer (source-blob.c, source-layer.c) ---- */

struct source_layer {
	char *name;                       /* in the store */
	char digest[SOURCE_DIGEST_SIZE];  /* of the blob; empty if not known */
	char diff_id[SOURCE_DIGEST_SIZE]; /* of the uncompressed tar archive */
	uint64_t size;                    /* of the blob; UINT64_MAX if not known */
};

/* Applies the layer to the tree and verifies it. @number counts from 1. */
int source_apply_layer(struct source_load *load, const struct source_store *store,
		       const struct source_layer *layer, uint32_t number, nec_error *err);

/* The same for the uncompressed tar archive of a layer, up to its end mark. */
int source_apply_tar(struct source_load *load, const struct nec_stream *stream, const char *name,
		     uint32_t number, nec_error *err);

/* Gives the tree the file that contents are kept in. */
int source_open_spool(struct source_load *load, nec_error *err);

/* False for extended attributes that only the host needs. */
bool source_xattr_matters(const char *name);

/* ---- images (source-config.c, source-oci.c, source-docker.c, source-folder.c) ---- */

struct source_image {
	struct nec_source_config config;
	struct source_layer *layers;
	size_t layer_count;
};

void source_image_clear(struct source_image *image);

/* Reads a configuration document: fills image->config but for kind, digests and tags, and gives the
 * image as many layers as it has diff_ids. @text is taken on success. */
int source_parse_config(struct source_image *image, const cJSON *json, struct nec_buffer *text,
			nec_error *err);

/* NULL-terminated copies of the strings of a JSON array; null or missing gives an empty list. */
int source_string_list(const cJSON *array, const char *what, char ***ret, nec_error *err);

/* True for an image for Linux and the architecture that was asked for, if any. */
bool source_wants(const struct nec_source_options *options, const char *os,
		  const char *architecture);

/* True when @name, which the source has, can be meant by @reference. */
bool source_name_matches(const char *name, const char *reference);

int source_read_oci(const struct nec_source_options *options, const struct source_store *store,
		    struct source_image *ret, nec_error *err);
int source_read_dir(const struct nec_source_options *options, const struct source_store *store,
		    struct source_image *ret, nec_error *err);
int source_read_docker(const struct nec_source_options *options, const struct source_store *store,
		       struct source_image *ret, nec_error *err);

/* Adds the files of a root file system folder. The fd is taken, also on failure. */
int source_scan_folder(struct source_load *load, int fd, nec_error *err);

#endif
