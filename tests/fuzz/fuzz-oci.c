/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents of an image. The input is a list of them, separated by NULs: the first is
 * index.json (or manifest.json of `docker save` if it begins with '['), the others are blobs. In
 * each, "@N" becomes digest and size of the N-th blob behind it, and "#N" its name, so that a
 * changed document is still found: otherwise the digests would stop everything at the first change.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../unit/samples.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/hex.h"
#include "image/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_DOCUMENTS = 8 };

struct document {
	struct nec_buffer text;
	char digest[2 * NEC_SHA256_SIZE + 1];
};

static void finish(struct document *document)
{
	uint8_t digest[NEC_SHA256_SIZE];

	(void)nec_sha256_digest(document->text.data, document->text.size, digest, NULL);
	nec_hex_encode(digest, sizeof(digest), document->digest);
}

/* Copies one document; @next are those behind it. */
static void expand(struct document *document, const uint8_t *data, size_t size,
		   const struct document *next, size_t next_count)
{
	for (size_t i = 0; i < size; i++) {
		size_t n = i + 1 < size ? (size_t)data[i + 1] - '1' : SIZE_MAX;

		if ((data[i] != '@' && data[i] != '#') || n >= next_count) {
			nec_buffer_append_u8(&document->text, data[i]);
			continue;
		}
		if (data[i] == '@')
			nec_buffer_printf(&document->text, "\"digest\":\"sha256:%s\",\"size\":%zu",
					  next[n].digest, next[n].text.size);
		else
			nec_buffer_printf(&document->text, "blobs/sha256/%s", next[n].digest);
		i++;
	}
	finish(document);
}

static size_t split(const uint8_t *data, size_t size, struct document *documents)
{
	size_t begins[MAX_DOCUMENTS];
	size_t ends[MAX_DOCUMENTS];
	size_t count = 0;

	for (size_t at = 0; at <= size && count < MAX_DOCUMENTS; at = ends[count++] + 1) {
		const uint8_t *nul = at < size ? memchr(data + at, 0, size - at) : NULL;

		begins[count] = at;
		ends[count] = nul && count + 1 < MAX_DOCUMENTS ? (size_t)(nul - data) : size;
	}
	for (size_t i = count; i > 0; i--)
		expand(&documents[i - 1], data + begins[i - 1], ends[i - 1] - begins[i - 1],
		       documents + i, count - i);
	return count;
}

static void put(struct nec_buffer *tar, const char *name, const struct nec_buffer *text)
{
	sample_tar_add(tar, &(struct sample_entry){ .type = '0',
						    .name = name,
						    .data = nec_buffer_text(text),
						    .size = text->size });
}

static void make_archive(struct nec_buffer *tar, const struct document *documents, size_t count)
{
	bool docker = nec_buffer_text(&documents[0].text)[0] == '[';

	sample_tar_file(tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	put(tar, docker ? "manifest.json" : "index.json", &documents[0].text);
	for (size_t i = 1; i < count; i++) {
		char name[96];

		(void)snprintf(name, sizeof(name), "blobs/sha256/%s", documents[i].digest);
		put(tar, name, &documents[i].text);
	}
	sample_tar_end(tar);
}

static void load(const struct nec_buffer *tar, const char *architecture)
{
	const struct nec_source_options options = { .architecture = architecture,
						    .max_bytes = 1 << 20 };
	cleanup_source_config struct nec_source_config config = { 0 };
	cleanup_close int fd = memfd_create("image", MFD_CLOEXEC);
	cleanup_tree struct nec_tree *tree = NULL;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nec_file_write_at(fd, path, tar->data, tar->size, 0, NULL) < 0 ||
	    nec_tree_new(&tree, NULL) < 0)
		return;
	(void)nec_source_load(NULL, path, &options, tree, nec_tree_root(tree), &config, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct document documents[MAX_DOCUMENTS] = { 0 };
	cleanup_buffer struct nec_buffer tar = { 0 };
	size_t count = split(data, size, documents);

	make_archive(&tar, documents, count);
	load(&tar, NULL);
	load(&tar, "arm64");
	for (size_t i = 0; i < count; i++)
		nec_buffer_free(&documents[i].text);
	return 0;
}
