/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the files of an image come from: a root file system folder, an OCI layout folder, an OCI
 * archive, an archive made by `docker save`, or a folder made by `skopeo copy ... dir:...`. What it
 * is is told by its contents.
 */
#ifndef NEC_IMAGE_SOURCE_H
#define NEC_IMAGE_SOURCE_H

#include "image/tree.h"

/* What all layers together may unpack to; more does not fit an enclave. */
#define NEC_SOURCE_MAX_BYTES (UINT64_C(64) << 30)

enum nec_source_kind {
	NEC_SOURCE_FOLDER,
	NEC_SOURCE_OCI_LAYOUT,
	NEC_SOURCE_OCI_ARCHIVE,
	NEC_SOURCE_DOCKER_ARCHIVE,
	NEC_SOURCE_DIRECTORY, /* skopeo's "dir:" */
};

struct nec_source_options {
	/* "amd64" or "arm64": what to take of an image for several, and what an image must be for.
	 * NULL takes what there is when that is only one. */
	const char *architecture;
	/* Which image, when the source has several: a tag or a full name. NULL for the only one. */
	const char *reference;
	/* Folders: keep owners as they are on disk. Otherwise the files of the calling user, when
	 * that is not root, belong to root in the tree. Layers always keep what their archive says.
	 */
	bool keep_owner;
	/* Most bytes that the layers may unpack to; 0 for NEC_SOURCE_MAX_BYTES. */
	uint64_t max_bytes;
};

/*
 * How the image wants to be run. Lists end in NULL; a list is empty and a string NULL when the
 * image says nothing, as always for a folder.
 */
struct nec_source_config {
	enum nec_source_kind kind;
	char *architecture; /* "amd64", "arm64" */
	char *os;
	char **entrypoint;
	char **cmd;
	char **env; /* NAME=value */
	char *working_dir;
	char *user;
	char *image_id;        /* "sha256:..." of the configuration */
	char *manifest_digest; /* "sha256:..."; NULL for `docker save` archives without manifests */
	char **repo_tags;      /* names that the source gives the image */
	char *json;            /* the configuration as it is in the image: one JSON document */
	size_t json_size;
};

void nec_source_config_clear(struct nec_source_config *config);
#define cleanup_source_config __attribute__((cleanup(nec_source_config_clear)))

/**
 * nec_source_load() - put the files of an image into a tree
 * @context: for progress, warnings and cancellation; may be NULL
 * @path:    the folder or archive
 * @options: NULL for none
 * @tree, @base: the files appear below this directory of the tree
 * @ret:     on success to be released with nec_source_config_clear()
 *
 * Contents of a folder's files are read when the tree is written, so the folder must stay as it is
 * until then (NEC_E_FILE_CHANGED otherwise); those of layers are kept in an unnamed temporary file
 * that belongs to the tree. Digests and sizes are verified. After a failure the tree may hold a
 * part.
 *
 * Returns 0, -ENOENT or whatever opening gives (NEC_E_FILE_OPEN), -EBADMSG (NEC_E_SOURCE: damaged,
 * NEC_E_SOURCE_UNSAFE: an entry with ".." or an absolute path), -ENOENT (NEC_E_SOURCE_ARCH),
 * -EFBIG (NEC_E_TOO_LARGE), -ENOTSUP (NEC_E_UNSUPPORTED: e.g. encrypted layers), -ELIBACC,
 * -ECANCELED.
 */
int nec_source_load(const nec_context *context, const char *path,
		    const struct nec_source_options *options, struct nec_tree *tree,
		    struct nec_tree_entry *base, struct nec_source_config *ret, nec_error *err);

#define NEC_SOURCE_MAX_GROUPS 64

/* Who runs the image's command. */
struct nec_source_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[NEC_SOURCE_MAX_GROUPS]; /* supplementary, ascending, without gid */
	size_t group_count;
	char home[NEC_TREE_MAX_PATH + 1]; /* from /etc/passwd, else "/" */
};

/**
 * nec_source_resolve_user() - turn USER of an image into numbers, as Docker does
 * @base: the root directory that has /etc/passwd and /etc/group
 * @user: "name", "uid", "name:group", "uid:gid" ...; NULL or "" is 0:0
 *
 * A number need not be in /etc/passwd; its group is then 0. Supplementary groups come from
 * /etc/group, only when @user names no group.
 * Returns 0, -ENOENT (NEC_E_SOURCE: no such user or group), or what reading the files gives.
 */
int nec_source_resolve_user(struct nec_tree *tree, struct nec_tree_entry *base, const char *user,
			    struct nec_source_user *ret, nec_error *err);

#endif
