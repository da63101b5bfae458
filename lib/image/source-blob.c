/* SPDX-License-Identifier: Apache-2.0 */
/* The blob of a layer: decompressed, verified and applied in one pass over it. */
#include <inttypes.h>
#include <string.h>

#include "base/archive.h"
#include "base/error.h"
#include "base/files.h"
#include "image/source-private.h"

/* A stream whose bytes are hashed as they pass. */
struct hashed_stream {
	struct nec_stream from;
	struct nec_sha256 sha;
	const char *expected;          /* "sha256:...", or "" when there is nothing to compare */
	struct nec_progress *progress; /* may be NULL */
	uint64_t bytes;
};

static void nec_cleanup_hashed(struct hashed_stream *hashed)
{
	nec_sha256_free(&hashed->sha);
}

static ssize_t hashed_read(void *userdata, void *to, size_t size, nec_error *err)
{
	struct hashed_stream *hashed = userdata;
	ssize_t n = hashed->from.read(hashed->from.userdata, to, size, err);
	int r = 0;

	if (n <= 0)
		return n;
	hashed->bytes += (uint64_t)n;
	if (hashed->expected[0])
		nec_sha256_update(&hashed->sha, to, (size_t)n);
	if (hashed->progress)
		r = nec_progress_add(hashed->progress, (uint64_t)n, err);
	return r < 0 ? r : n;
}

/* To its end: what a reader leaves, such as the padding of a tar archive, belongs to the digest. */
static int hashed_finish(struct hashed_stream *hashed, const char *name, const char *what,
			 nec_error *err)
{
	char digest[SOURCE_DIGEST_SIZE];
	uint8_t scratch[16384];
	ssize_t n;
	int r;

	do
		n = hashed_read(hashed, scratch, sizeof(scratch), err);
	while (n > 0);
	if (n < 0 || !hashed->expected[0])
		return (int)n;
	r = source_digest_final(&hashed->sha, digest, err);
	if (r < 0)
		return r;
	if (strcmp(digest, hashed->expected) != 0)
		return nec_error_set(
			err, NEC_E_SOURCE, -EBADMSG,
			"the layer %s is damaged: the digest of %s is %s instead of %s", name, what,
			digest, hashed->expected);
	return 0;
}

int source_open_spool(struct source_load *load, nec_error *err)
{
	cleanup_close int fd = nec_file_temporary(err);
	int origin;

	if (fd < 0)
		return fd;
	origin = nec_tree_adopt_fd(load->tree, fd, "the unpacked layers", err);
	if (origin < 0)
		return origin;
	load->spool_fd = TAKE_FD(fd);
	load->spool_origin = (uint32_t)origin;
	return 0;
}

/* The file that is beneath the streams: opened, of the right size, and how it is compressed. */
static int open_blob(const struct source_store *store, const struct source_layer *layer,
		     int *ret_fd, struct nec_file_range *ret, enum nec_compression *ret_compression,
		     nec_error *err)
{
	uint8_t magic[NEC_COMPRESSION_MAGIC_SIZE] = { 0 };
	uint64_t size;
	int r = source_store_find(store, layer->name, ret_fd, ret, err);

	if (r < 0)
		return r;
	size = ret->end - ret->offset;
	if (layer->size != UINT64_MAX && layer->size != size)
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
				     "the layer %s has %" PRIu64 " bytes instead of %" PRIu64,
				     layer->name, size, layer->size);
	if (size >= sizeof(magic))
		r = nec_file_read_at(ret->fd, layer->name, magic, sizeof(magic), ret->offset, err);
	*ret_compression = nec_compression_detect(magic, sizeof(magic));
	return r;
}

int source_apply_layer(struct source_load *load, const struct source_store *store,
		       const struct source_layer *layer, uint32_t number, nec_error *err)
{
	NEC_CLEANUP(decompressor) struct nec_decompressor *decompressor = NULL;
	NEC_CLEANUP(hashed)
	struct hashed_stream blob = { .expected = layer->digest, .progress = &load->progress };
	NEC_CLEANUP(hashed) struct hashed_stream tar = { .expected = layer->diff_id };
	const struct nec_stream from_blob = { .read = hashed_read, .userdata = &blob };
	const struct nec_stream from_tar = { .read = hashed_read, .userdata = &tar };
	enum nec_compression compression;
	struct nec_file_range range;
	cleanup_close int fd = -1;
	int r = open_blob(store, layer, &fd, &range, &compression, err);

	if (r == 0)
		r = nec_sha256_init(&blob.sha, err);
	if (r == 0)
		r = nec_sha256_init(&tar.sha, err);
	if (r == 0)
		r = nec_decompressor_new(&from_blob, compression, layer->name, NEC_E_SOURCE,
					 load->bytes_left, &decompressor, err);
	if (r < 0)
		return r;
	blob.from = nec_stream_over_range(&range);
	tar.from = nec_decompressor_stream(decompressor);
	r = source_apply_tar(load, &from_tar, layer->name, number, err);
	if (r == 0)
		r = hashed_finish(&tar, layer->name, "its contents", err);
	if (r == 0)
		r = hashed_finish(&blob, layer->name, "the file", err);
	load->bytes_left -= tar.bytes < load->bytes_left ? tar.bytes : load->bytes_left;
	return r;
}
