/* SPDX-License-Identifier: Apache-2.0 */
/* Telling what a source is, and loading it. */
#include "image/source.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "image/source-private.h"

static void nec_cleanup_source_store(struct source_store *store)
{
	source_store_close(store);
}

static void nec_cleanup_source_image(struct source_image *image)
{
	source_image_clear(image);
}

static int open_source(const char *path, bool *ret_folder, nec_error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read %s", path);
	*ret_folder = S_ISDIR(st.st_mode);
	return TAKE_FD(fd);
}

static bool is_oci(const struct source_store *store)
{
	return source_store_has(store, "oci-layout") && source_store_has(store, "index.json");
}

/*
 * Docker 25 and later write an OCI layout with manifest.json beside it. The latter is preferred: it
 * names the images that were saved, where the index may have platforms whose blobs are not there.
 */
static int read_archive(struct source_load *load, const struct source_store *store,
			struct source_image *image, nec_error *err)
{
	int r;

	if (source_store_has(store, "manifest.json")) {
		r = source_read_docker(load->options, store, image, err);
		image->config.kind = NEC_SOURCE_DOCKER_ARCHIVE;
		return r;
	}
	if (is_oci(store)) {
		r = source_read_oci(load->options, store, image, err);
		image->config.kind = NEC_SOURCE_OCI_ARCHIVE;
		return r;
	}
	r = nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
			  "%s is neither an OCI archive nor one of `docker save`", load->path);
	nec_error_set_hint(err, "An archive of a root file system has to be unpacked into a folder "
				"first.");
	return r;
}

/* The progress of layers is that of their blobs, whose sizes are known when the source says so. */
static uint64_t total_blob_bytes(const struct source_image *image)
{
	uint64_t total = 0;

	for (size_t i = 0; i < image->layer_count; i++) {
		if (image->layers[i].size == UINT64_MAX ||
		    __builtin_add_overflow(total, image->layers[i].size, &total))
			return 0;
	}
	return total;
}

static int apply_layers(struct source_load *load, const struct source_store *store,
			const struct source_image *image, nec_error *err)
{
	int r = source_open_spool(load, err);

	nec_progress_start(&load->progress, load->context, "unpacking layers",
			   total_blob_bytes(image));
	for (size_t i = 0; i < image->layer_count && r == 0; i++)
		r = source_apply_layer(load, store, &image->layers[i], (uint32_t)i + 1, err);
	if (r < 0)
		return r;
	nec_progress_finish(&load->progress);
	/* A file that ends in a hole has to be as long as it says. */
	if (ftruncate(load->spool_fd, (off_t)load->spool_size) < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
					    "cannot extend a temporary file");
	return 0;
}

static bool is_skopeo_dir(const struct source_store *store)
{
	static const char first_words[] = "Directory Transport Version: ";
	cleanup_buffer struct nec_buffer text = { 0 };

	return source_store_has(store, "manifest.json") && source_store_has(store, "version") &&
	       source_store_read(store, "version", &text, NULL, NULL) == 0 &&
	       strncmp(nec_buffer_text(&text), first_words, strlen(first_words)) == 0;
}

/* Puts the files of an image into the tree; its configuration is the result. */
static int load_image(struct source_load *load, const struct source_store *store,
		      struct source_image *image, struct nec_source_config *ret, nec_error *err)
{
	int r = 0;

	if (!source_wants(load->options, image->config.os, image->config.architecture))
		r = nec_error_set(
			err, NEC_E_SOURCE_ARCH, -ENOENT,
			"the image in %s says it is for %s/%s, and its index for linux/%s",
			load->path, image->config.os, image->config.architecture,
			load->options->architecture ? load->options->architecture
						    : image->config.architecture);
	if (r == 0)
		r = apply_layers(load, store, image, err);
	if (r < 0)
		return r;
	*ret = image->config;
	image->config = (struct nec_source_config){ 0 };
	return 0;
}

static int empty_config(struct nec_source_config *config, nec_error *err)
{
	*config = (struct nec_source_config){
		.kind = NEC_SOURCE_FOLDER,
		.entrypoint = calloc(1, sizeof(char *)),
		.cmd = calloc(1, sizeof(char *)),
		.env = calloc(1, sizeof(char *)),
		.repo_tags = calloc(1, sizeof(char *)),
	};
	if (config->entrypoint && config->cmd && config->env && config->repo_tags)
		return 0;
	nec_source_config_clear(config);
	return nec_error_no_memory(err);
}

/* Takes the store's descriptor when it is that of a plain folder. */
static int load_folder(struct source_load *load, struct source_store *store,
		       struct nec_source_config *ret, nec_error *err)
{
	NEC_CLEANUP(source_image) struct source_image image = { 0 };
	int r;

	if (is_oci(store)) {
		r = source_read_oci(load->options, store, &image, err);
		image.config.kind = NEC_SOURCE_OCI_LAYOUT;
	} else if (is_skopeo_dir(store)) {
		store->flat = true;
		r = source_read_dir(load->options, store, &image, err);
		image.config.kind = NEC_SOURCE_DIRECTORY;
	} else {
		r = source_scan_folder(load, TAKE_FD(store->folder_fd), err);
		return r < 0 ? r : empty_config(ret, err);
	}
	return r < 0 ? r : load_image(load, store, &image, ret, err);
}

static int load_archive(struct source_load *load, struct source_store *store, int fd,
			struct nec_source_config *ret, nec_error *err)
{
	NEC_CLEANUP(source_image) struct source_image image = { 0 };
	int r = source_store_open_archive(store, fd, load->path, load->bytes_left, err);

	if (r == 0)
		r = read_archive(load, store, &image, err);
	return r < 0 ? r : load_image(load, store, &image, ret, err);
}

int nec_source_load(const nec_context *context, const char *path,
		    const struct nec_source_options *options, struct nec_tree *tree,
		    struct nec_tree_entry *base, struct nec_source_config *ret, nec_error *err)
{
	static const struct nec_source_options none = { 0 };
	NEC_CLEANUP(source_store) struct source_store store = SOURCE_STORE_INIT;
	struct source_load load = {
		.context = context,
		.options = options ? options : &none,
		.path = path,
		.tree = tree,
		.base = base,
		.spool_fd = -1,
	};
	bool folder = false;
	int fd = open_source(path, &folder, err);

	if (fd < 0)
		return fd;
	load.bytes_left = load.options->max_bytes ? load.options->max_bytes : NEC_SOURCE_MAX_BYTES;
	load.file_bytes_left = load.bytes_left;
	if (!folder)
		return load_archive(&load, &store, fd, ret, err);
	store.folder_fd = fd;
	store.name = path;
	return load_folder(&load, &store, ret, err);
}
