/* SPDX-License-Identifier: Apache-2.0 */
#include "sample-image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "base/hex.h"
#include "test.h"

static void digest_of(const void *data, size_t size, char digest[80])
{
	uint8_t bytes[NEC_SHA256_SIZE];

	assert_int_equal(nec_sha256_digest(data, size, bytes, NULL), 0);
	memcpy(digest, "sha256:", 7);
	nec_hex_encode(bytes, sizeof(bytes), digest + 7);
}

void sample_put(const struct sample_sink *sink, const char *name, const void *data, size_t size)
{
	char path[256];

	if (sink->tar) {
		sample_tar_add(sink->tar,
			       &(struct sample_entry){
				       .type = '0', .name = name, .data = data, .size = size });
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", sink->folder, name);
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(sample_path(path), 0755);
		*slash = '/';
	}
	sample_write(path, data, size);
}

void sample_put_text(const struct sample_sink *sink, const char *name, const char *text)
{
	sample_put(sink, name, text, strlen(text));
}

void sample_put_blob(const struct sample_sink *sink, const char *media_type, const void *data,
		     size_t size, const char *more, struct sample_descriptor *ret)
{
	char name[96];

	digest_of(data, size, ret->digest);
	(void)snprintf(name, sizeof(name), "blobs/sha256/%s", ret->digest + 7);
	sample_put(sink, name, data, size);
	(void)snprintf(ret->json, sizeof(ret->json),
		       "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu%s}", media_type,
		       ret->digest, size, more ? more : "");
}

/* The configuration, with the digests of the uncompressed layers. */
static void print_config(const struct sample_image *image, struct nec_buffer *to)
{
	nec_buffer_printf(to,
			  "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":%s,"
			  "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
			  image->architecture, image->config ? image->config : "{}");
	for (size_t i = 0; i < image->layer_count + image->extra_diff_ids; i++) {
		const struct nec_buffer *layer = &image->layers[i % image->layer_count];
		char digest[80];

		digest_of(layer->data, layer->size, digest);
		nec_buffer_printf(to, "%s\"%s\"", i ? "," : "",
				  image->diff_id ? image->diff_id : digest);
	}
	nec_buffer_append_text(to, "]}}");
}

static void put_layer(const struct sample_sink *sink, const struct sample_image *image, size_t i,
		      struct sample_descriptor *ret)
{
	const struct nec_buffer *layer = &image->layers[i];
	cleanup_buffer struct nec_buffer blob = { 0 };

	if (image->compression == NEC_COMPRESSION_NONE)
		nec_buffer_append(&blob, layer->data, layer->size);
	else
		sample_compress(&blob, image->compression, layer->data, layer->size);
	sample_put_blob(sink,
			image->layer_media_type ? image->layer_media_type
						: "application/vnd.oci.image.layer.v1.tar+gzip",
			blob.data, blob.size, NULL, ret);
}

void sample_put_image(const struct sample_sink *sink, const struct sample_image *image,
		      const char *more, struct sample_descriptor *ret)
{
	cleanup_buffer struct nec_buffer config = { 0 };
	cleanup_buffer struct nec_buffer manifest = { 0 };
	struct sample_descriptor descriptor;

	print_config(image, &config);
	sample_put_blob(sink, SAMPLE_CONFIG_TYPE, config.data, config.size, NULL, &descriptor);
	nec_buffer_printf(&manifest, "{\"schemaVersion\":2,\"config\":%s,\"layers\":[",
			  descriptor.json);
	for (size_t i = 0; i < image->layer_count; i++) {
		put_layer(sink, image, i, &descriptor);
		nec_buffer_printf(&manifest, "%s%s", i ? "," : "", descriptor.json);
	}
	nec_buffer_append_text(&manifest, "]}");
	if (image->manifest)
		sample_put_blob(sink, SAMPLE_MANIFEST_TYPE, image->manifest,
				strlen(image->manifest), more, ret);
	else
		sample_put_blob(sink, SAMPLE_MANIFEST_TYPE, manifest.data, manifest.size, more,
				ret);
}

void sample_put_layout(const struct sample_sink *sink, const struct sample_descriptor *descriptors,
		       size_t count)
{
	cleanup_buffer struct nec_buffer index = { 0 };

	nec_buffer_append_text(&index, "{\"schemaVersion\":2,\"manifests\":[");
	for (size_t i = 0; i < count; i++)
		nec_buffer_printf(&index, "%s%s", i ? "," : "", descriptors[i].json);
	nec_buffer_append_text(&index, "]}");
	sample_put_text(sink, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	sample_put(sink, "index.json", index.data, index.size);
}

void sample_put_docker(const struct sample_sink *sink, const struct sample_image *image,
		       const char *tags, struct nec_buffer *manifest)
{
	cleanup_buffer struct nec_buffer config = { 0 };
	char digest[80];
	char name[96];

	print_config(image, &config);
	digest_of(config.data, config.size, digest);
	(void)snprintf(name, sizeof(name), "%s.json", digest + 7);
	sample_put(sink, name, config.data, config.size);
	nec_buffer_printf(manifest, "%s{\"Config\":\"%s\",\"RepoTags\":%s,\"Layers\":[",
			  manifest->size ? "," : "[", name, tags);
	for (size_t i = 0; i < image->layer_count; i++) {
		(void)snprintf(name, sizeof(name), "%.8s-%zu/layer.tar", digest + 7, i);
		sample_put(sink, name, image->layers[i].data, image->layers[i].size);
		nec_buffer_printf(manifest, "%s\"%s\"", i ? "," : "", name);
	}
	nec_buffer_append_text(manifest, "]}");
}

void sample_image_add_file(struct sample_image *image, const char *name, const char *text)
{
	struct nec_buffer *layer = &image->layers[image->layer_count++];

	sample_tar_file(layer, name, text);
	sample_tar_end(layer);
}

void sample_image_free(struct sample_image *image)
{
	for (size_t i = 0; i < image->layer_count; i++)
		nec_buffer_free(&image->layers[i]);
	*image = (struct sample_image){ 0 };
}
