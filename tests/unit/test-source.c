/* SPDX-License-Identifier: Apache-2.0 */
/* OCI layouts and archives, and archives of `docker save`. */
#include "image/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "leftovers.h"
#include "sample-image.h"
#include "test.h"

static struct nec_tree *tree;
static struct nec_source_config config;
static struct sample_image amd64;
static struct sample_image arm64;
static const struct sample_sink to_folder = { .folder = "image" };

static int make_images(void **state)
{
	amd64 = (struct sample_image){ .architecture = "amd64",
				       .compression = NEC_COMPRESSION_GZIP };
	arm64 = (struct sample_image){ .architecture = "arm64",
				       .compression = NEC_COMPRESSION_GZIP };
	sample_image_add_file(&amd64, "arch", "amd64");
	sample_image_add_file(&arm64, "arch", "arm64");
	return sample_make_folder(state);
}

static int free_images(void **state)
{
	sample_image_free(&amd64);
	sample_image_free(&arm64);
	nec_source_config_clear(&config);
	nec_tree_free(TAKE_PTR(tree));
	return sample_remove_folder(state);
}

/* Loads "image" of the sample folder into a new tree. */
static int load(const char *architecture, const char *reference, nec_error *err)
{
	const struct nec_source_options options = { .architecture = architecture,
						    .reference = reference };

	nec_source_config_clear(&config);
	nec_tree_free(TAKE_PTR(tree));
	assert_int_equal(nec_tree_new(&tree, NULL), 0);
	return nec_source_load(NULL, sample_path("image"), &options, tree, nec_tree_root(tree),
			       &config, err);
}

static void assert_loads(const char *architecture)
{
	nec_error err = NEC_ERROR_INIT;

	if (load(architecture, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

static void assert_fails(const char *architecture, const char *reference, enum nec_error_code code,
			 const char *words)
{
	size_t fds = open_descriptors();
	nec_error err = NEC_ERROR_INIT;

	nec_tree_free(TAKE_PTR(tree));
	fds = open_descriptors();
	assert_true(load(architecture, reference, &err) < 0);
	if (err.code != code || !strstr(err.message, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", nec_error_name(err.code), err.message,
			 words);
	nec_tree_free(TAKE_PTR(tree));
	assert_int_equal(open_descriptors(), fds);
}

static void assert_file(const char *path, const char *text)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	struct nec_tree_entry *entry = nec_tree_lookup(tree, nec_tree_root(tree), path);

	if (!entry)
		fail_msg("%s is missing", path);
	assert_int_equal(nec_tree_read(tree, entry, 1 << 20, &data, NULL), 0);
	assert_string_equal(nec_buffer_text(&data), text);
}

static void put_layout(const struct sample_sink *sink, const struct sample_image *image)
{
	struct sample_descriptor manifest;

	sample_put_image(sink, image, NULL, &manifest);
	sample_put_layout(sink, &manifest, 1);
}

static void write_tar(struct nec_buffer *tar)
{
	sample_tar_end(tar);
	sample_write("image", tar->data, tar->size);
	nec_buffer_free(tar);
}

/* ---- OCI ---- */

static void oci_layout__gives_files_and_configuration(void **state)
{
	struct sample_descriptor manifest;

	(void)state;
	amd64.config = "{\"Entrypoint\":[\"/bin/app\",\"-x\"],\"Cmd\":[\"a b\"],"
		       "\"Env\":[\"PATH=/bin\"],\"WorkingDir\":\"/srv\",\"User\":\"app:web\"}";
	sample_image_add_file(&amd64, "second", "2");
	sample_put_image(&to_folder, &amd64,
			 ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}",
			 &manifest);
	sample_put_layout(&to_folder, &manifest, 1);
	assert_loads(NULL);
	assert_file("arch", "amd64");
	assert_file("second", "2");
	assert_int_equal(config.kind, NEC_SOURCE_OCI_LAYOUT);
	assert_string_equal(config.architecture, "amd64");
	assert_string_equal(config.os, "linux");
	assert_string_equal(config.entrypoint[0], "/bin/app");
	assert_string_equal(config.entrypoint[1], "-x");
	assert_null(config.entrypoint[2]);
	assert_string_equal(config.cmd[0], "a b");
	assert_string_equal(config.env[0], "PATH=/bin");
	assert_string_equal(config.working_dir, "/srv");
	assert_string_equal(config.user, "app:web");
	assert_string_equal(config.repo_tags[0], "v1");
	assert_string_equal(config.manifest_digest, manifest.digest);
	assert_int_equal(strncmp(config.image_id, "sha256:", 7), 0);
	assert_int_equal(strncmp(config.json, "{\"architecture\":\"amd64\"", 23), 0);
	assert_int_equal(config.json_size, strlen(config.json));
}

static void oci_layout__may_say_nothing_about_running_it(void **state)
{
	(void)state;
	amd64.config = "{\"Entrypoint\":null,\"Cmd\":[],\"User\":\"\",\"WorkingDir\":null}";
	put_layout(&to_folder, &amd64);
	assert_loads("amd64");
	assert_null(config.entrypoint[0]);
	assert_null(config.cmd[0]);
	assert_null(config.env[0]);
	assert_null(config.working_dir);
	assert_null(config.user);
}

static void oci_layout__may_be_made_of_symlinks(void **state)
{
	const struct sample_sink store = { .folder = "store" };

	(void)state;
	put_layout(&store, &amd64);
	sample_mkdir("image");
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "oci-layout", "index.json", "blobs" };
		char target[64];
		char link[64];

		(void)snprintf(target, sizeof(target), "../store/%s", names[i]);
		(void)snprintf(link, sizeof(link), "image/%s", names[i]);
		assert_int_equal(symlink(target, sample_path(link)), 0);
	}
	assert_loads("amd64");
	assert_int_equal(config.kind, NEC_SOURCE_OCI_LAYOUT);
}

static void oci_archive__is_known_by_its_contents(void **state)
{
	struct nec_buffer tar = { 0 };
	const struct sample_sink to_tar = { .tar = &tar };

	(void)state;
	put_layout(&to_tar, &amd64);
	write_tar(&tar);
	assert_loads("amd64");
	assert_int_equal(config.kind, NEC_SOURCE_OCI_ARCHIVE);
	assert_file("arch", "amd64");
}

static void archive__may_be_compressed_itself(void **state)
{
	cleanup_buffer struct nec_buffer tar = { 0 };
	const struct sample_sink to_tar = { .tar = &tar };

	(void)state;
	put_layout(&to_tar, &amd64);
	sample_tar_end(&tar);
	for (int i = 0; i < 2; i++) {
		cleanup_buffer struct nec_buffer compressed = { 0 };

		sample_compress(&compressed, i ? NEC_COMPRESSION_ZSTD : NEC_COMPRESSION_GZIP,
				tar.data, tar.size);
		sample_write("image", compressed.data, compressed.size);
		assert_loads("amd64");
		assert_file("arch", "amd64");
	}
}

static void layers__may_be_plain_gzip_or_zstd(void **state)
{
	static const enum nec_compression compressions[] = {
		NEC_COMPRESSION_NONE, NEC_COMPRESSION_GZIP, NEC_COMPRESSION_ZSTD, NEC_COMPRESSION_XZ
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		amd64.compression = compressions[i];
		put_layout(&to_folder, &amd64);
		assert_loads("amd64");
		assert_file("arch", "amd64");
	}
}

static void index__is_searched_for_the_architecture(void **state)
{
	struct sample_descriptor descriptors[2];
	struct sample_descriptor index;
	char text[4096];

	(void)state;
	sample_put_image(&to_folder, &amd64,
			 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}",
			 &descriptors[0]);
	sample_put_image(
		&to_folder, &arm64,
		",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}",
		&descriptors[1]);
	(void)snprintf(text, sizeof(text), "{\"manifests\":[%s,%s]}", descriptors[0].json,
		       descriptors[1].json);
	sample_put_blob(&to_folder, SAMPLE_INDEX_TYPE, text, strlen(text), NULL, &index);
	sample_put_layout(&to_folder, &index, 1);
	assert_loads("arm64");
	assert_file("arch", "arm64");
	assert_loads("amd64");
	assert_file("arch", "amd64");
	assert_fails("riscv64", NULL, NEC_E_SOURCE_ARCH, "only linux/amd64, linux/arm64/v8");
	assert_fails(NULL, NULL, NEC_E_SOURCE_ARCH, "several images");
}

static void index__without_platforms_is_asked_through_the_configurations(void **state)
{
	struct sample_descriptor descriptors[2];

	(void)state;
	sample_put_image(&to_folder, &amd64, NULL, &descriptors[0]);
	sample_put_image(&to_folder, &arm64, NULL, &descriptors[1]);
	sample_put_layout(&to_folder, descriptors, 2);
	assert_loads("arm64");
	assert_file("arch", "arm64");
}

static void index__passes_over_attestations_and_artifacts(void **state)
{
	struct sample_descriptor descriptors[4];

	(void)state;
	sample_put_image(&to_folder, &arm64,
			 ",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}",
			 &descriptors[0]);
	sample_put_image(&to_folder, &arm64,
			 ",\"annotations\":{\"vnd.docker.reference.type\":\"attestation\"}",
			 &descriptors[1]);
	sample_put_blob(&to_folder, "application/vnd.example+json", "{}", 2, NULL, &descriptors[2]);
	sample_put_image(&to_folder, &amd64, NULL, &descriptors[3]);
	sample_put_layout(&to_folder, descriptors, 4);
	assert_loads(NULL);
	assert_file("arch", "amd64");
}

static void index__prefers_the_plain_variant(void **state)
{
	static const char *const variants[] = {
		",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\",\"variant\":\"v3\"}",
		",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}",
		",\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\"}",
	};
	struct sample_descriptor descriptors[3];

	(void)state;
	sample_put_image(&to_folder, &arm64, variants[0], &descriptors[0]);
	sample_put_image(&to_folder, &amd64, variants[1], &descriptors[1]);
	sample_put_image(&to_folder, &arm64, variants[2], &descriptors[2]);
	sample_put_layout(&to_folder, descriptors, 3);
	assert_loads("amd64");
	assert_file("arch", "amd64");
}

static void index__is_searched_for_the_name(void **state)
{
	struct sample_descriptor descriptors[2];

	(void)state;
	sample_image_add_file(&amd64, "second", "2");
	sample_put_image(&to_folder, &amd64,
			 ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"v2\"}",
			 &descriptors[0]);
	sample_put_image(&to_folder, &arm64,
			 ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\","
			 "\"io.containerd.image.name\":\"docker.io/library/app:latest\"}",
			 &descriptors[1]);
	sample_put_layout(&to_folder, descriptors, 2);
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = { "latest", "app:latest", "app",
						     "library/app:latest" };

		assert_int_equal(load(NULL, names[i], NULL), 0);
		assert_file("arch", "arm64");
	}
	assert_int_equal(load(NULL, "v2", NULL), 0);
	assert_file("arch", "amd64");
	assert_fails(NULL, "v3", NEC_E_SOURCE, "no image called v3");
	assert_fails(NULL, "pp", NEC_E_SOURCE, "no image called pp");
}

static void index__refuses_nesting_without_end(void **state)
{
	struct sample_descriptor index;
	char text[2048];

	(void)state;
	sample_put_image(&to_folder, &amd64, NULL, &index);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(text, sizeof(text), "{\"manifests\":[%s]}", index.json);
		sample_put_blob(&to_folder, SAMPLE_INDEX_TYPE, text, strlen(text), NULL, &index);
	}
	sample_put_layout(&to_folder, &index, 1);
	assert_loads("amd64");
	(void)snprintf(text, sizeof(text), "{\"manifests\":[%s]}", index.json);
	sample_put_blob(&to_folder, SAMPLE_INDEX_TYPE, text, strlen(text), NULL, &index);
	sample_put_layout(&to_folder, &index, 1);
	assert_fails("amd64", NULL, NEC_E_TOO_LARGE, "nested deeper than 4");
}

static void image__must_be_for_what_its_index_says(void **state)
{
	struct sample_descriptor descriptor;

	(void)state;
	sample_put_image(&to_folder, &arm64,
			 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}",
			 &descriptor);
	sample_put_layout(&to_folder, &descriptor, 1);
	assert_fails("amd64", NULL, NEC_E_SOURCE_ARCH,
		     "says it is for linux/arm64, and its index for linux/amd64");
}

/* Changes one byte of a blob; its size stays. */
static void damage(const char *digest)
{
	char name[128];
	FILE *file;
	int byte;

	(void)snprintf(name, sizeof(name), "image/blobs/sha256/%s", digest + 7);
	file = fopen(sample_path(name), "r+e");
	assert_non_null(file);
	assert_int_equal(fseek(file, -9, SEEK_END), 0);
	byte = fgetc(file);
	assert_int_equal(fseek(file, -9, SEEK_END), 0);
	(void)fputc(byte ^ 1, file);
	assert_int_equal(fclose(file), 0);
}

static void blobs__must_have_their_digests(void **state)
{
	struct sample_descriptor layer;
	struct sample_descriptor manifest;

	(void)state;
	/* A plain layer: one that is compressed would not even decompress. */
	amd64.compression = NEC_COMPRESSION_NONE;
	sample_put_image(&to_folder, &amd64, NULL, &manifest);
	sample_put_layout(&to_folder, &manifest, 1);
	sample_put_blob(&to_folder, "x", amd64.layers[0].data, amd64.layers[0].size, NULL, &layer);
	assert_loads("amd64");
	damage(layer.digest);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "damaged: the digest of its contents");
	damage(layer.digest);
	assert_loads("amd64");
	damage(manifest.digest);
	assert_fails("amd64", NULL, NEC_E_SOURCE, manifest.digest + 7);
}

/* A manifest of our own for amd64's configuration, with one layer that is described like this. */
static void put_with_layer(const char *layer)
{
	cleanup_buffer struct nec_buffer manifest = { 0 };
	struct sample_descriptor descriptor;

	put_layout(&to_folder, &amd64);
	assert_loads("amd64");
	sample_put_blob(&to_folder, SAMPLE_CONFIG_TYPE, config.json, config.json_size, NULL,
			&descriptor);
	nec_buffer_printf(&manifest, "{\"config\":%s,\"layers\":[%s]}", descriptor.json, layer);
	sample_put_blob(&to_folder, SAMPLE_MANIFEST_TYPE, manifest.data, manifest.size, NULL,
			&descriptor);
	sample_put_layout(&to_folder, &descriptor, 1);
}

static void blobs__are_verified_to_their_last_byte(void **state)
{
	cleanup_buffer struct nec_buffer blob = { 0 };
	struct sample_descriptor layer;

	(void)state;
	/* Bytes behind the end of the gzip data belong to the blob, so to its digest. */
	sample_compress(&blob, NEC_COMPRESSION_GZIP, amd64.layers[0].data, amd64.layers[0].size);
	nec_buffer_append_text(&blob, "trailing bytes");
	sample_put_blob(&to_folder, "application/vnd.oci.image.layer.v1.tar+gzip", blob.data,
			blob.size, NULL, &layer);
	put_with_layer(layer.json);
	assert_loads("amd64");
	damage(layer.digest);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "damaged: the digest of the file");
}

static void blobs__must_have_their_sizes(void **state)
{
	struct sample_descriptor descriptor;
	char *size;

	(void)state;
	sample_put_image(&to_folder, &amd64, NULL, &descriptor);
	size = strstr(descriptor.json, "\"size\":");
	size[7]++;
	sample_put_layout(&to_folder, &descriptor, 1);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "damaged");
}

static void layers__must_have_their_sizes(void **state)
{
	struct sample_descriptor layer;
	char *size;

	(void)state;
	sample_put_blob(&to_folder, "application/vnd.oci.image.layer.v1.tar", amd64.layers[0].data,
			amd64.layers[0].size, NULL, &layer);
	put_with_layer(layer.json);
	assert_loads("amd64");
	size = strstr(layer.json, "\"size\":");
	size[7]++;
	put_with_layer(layer.json);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "bytes instead of");
}

/* tar pads archives to whole records of 10 KiB and more; all of that belongs to the digest. */
static void layers__may_be_padded(void **state)
{
	static const size_t paddings[] = { 512, 10240, 1000000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paddings); i++) {
		nec_buffer_append_zeros(&amd64.layers[0], paddings[i]);
		amd64.compression = i % 2 ? NEC_COMPRESSION_NONE : NEC_COMPRESSION_ZSTD;
		put_layout(&to_folder, &amd64);
		assert_loads("amd64");
		assert_file("arch", "amd64");
	}
}

/* GNU's sparse format 1.0: the last file of all ends in a hole. */
static void layers__may_end_in_a_hole(void **state)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	struct nec_buffer *layer = &amd64.layers[1];
	char map[512 + 4] = "1\n0\n4\n";
	const struct sample_entry file = {
		.type = '0', .name = "GNUSparseFile.0/sparse", .data = map, .size = sizeof(map)
	};
	const char *pax = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
			  "26 GNU.sparse.name=sparse\n30 GNU.sparse.realsize=500000\n";

	(void)state;
	memcpy(map + 512, "data", 4);
	sample_tar_add(layer,
		       &(struct sample_entry){
			       .type = 'x', .name = "pax", .data = pax, .size = strlen(pax) });
	sample_tar_add(layer, &file);
	sample_tar_end(layer);
	amd64.layer_count++;
	put_layout(&to_folder, &amd64);
	assert_loads("amd64");
	assert_int_equal(nec_tree_read(tree, nec_tree_lookup(tree, nec_tree_root(tree), "sparse"),
				       1 << 20, &data, NULL),
			 0);
	assert_int_equal(data.size, 500000);
	assert_memory_equal(data.data, "data\0\0\0\0", 8);
	assert_int_equal(data.data[499999], 0);
}

static void layers__must_have_the_contents_of_the_configuration(void **state)
{
	(void)state;
	amd64.diff_id = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";
	put_layout(&to_folder, &amd64);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "instead of sha256:00000");
	amd64.diff_id = "sha256:xyz";
	put_layout(&to_folder, &amd64);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "diff_id 0 of the image is no SHA-256 digest");
	amd64.diff_id = NULL;
	amd64.extra_diff_ids = 1;
	put_layout(&to_folder, &amd64);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "disagree about the number of layers");
}

static void layers__of_unknown_kinds_are_refused(void **state)
{
	(void)state;
	amd64.layer_media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
	put_layout(&to_folder, &amd64);
	assert_fails("amd64", NULL, NEC_E_UNSUPPORTED, "tar+gzip+encrypted");
	amd64.layer_media_type = "application/vnd.docker.image.rootfs.diff.tar.gzip";
	put_layout(&to_folder, &amd64);
	assert_loads("amd64");
}

static void documents__that_are_wrong_are_refused(void **state)
{
	static const struct {
		const char *manifest;
		enum nec_error_code code;
		const char *words;
	} bad[] = {
		{ "{}", NEC_E_SOURCE, "descriptor without media type" },
		{ "[", NEC_E_JSON, "line 1" },
		{ "{\"config\":{\"mediaType\":\"" SAMPLE_CONFIG_TYPE "\",\"size\":1,\"digest\":"
		  "\"sha256:../../../../../../etc/passwd\"}}",
		  NEC_E_SOURCE, "where a SHA-256 digest should be" },
		{ "{\"config\":{\"mediaType\":\"" SAMPLE_CONFIG_TYPE "\",\"size\":1,\"digest\":"
		  "\"sha512:00\"}}",
		  NEC_E_UNSUPPORTED, "only SHA-256" },
		{ "{\"config\":{\"mediaType\":\"application/vnd.helm\",\"size\":1,\"digest\":"
		  "\"sha256:00000000000000000000000000000000000000000000000000000000000000ff\"}}",
		  NEC_E_UNSUPPORTED, "an artifact" },
		{ "{\"config\":{\"mediaType\":\"" SAMPLE_CONFIG_TYPE "\",\"size\":1,\"digest\":"
		  "\"sha256:00000000000000000000000000000000000000000000000000000000000000ff\"}}",
		  NEC_E_SOURCE, "has no blobs/sha256/0000" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct sample_descriptor descriptor;

		amd64.manifest = bad[i].manifest;
		sample_put_image(&to_folder, &amd64,
				 ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}",
				 &descriptor);
		sample_put_layout(&to_folder, &descriptor, 1);
		assert_fails("amd64", NULL, bad[i].code, bad[i].words);
	}
}

static void configuration__that_is_wrong_is_refused(void **state)
{
	static const struct {
		const char *config;
		const char *words;
	} bad[] = {
		{ "[]", "not what it should be" },
		{ "{\"Env\":\"A=b\"}", "Env is not a list" },
		{ "{\"Cmd\":[1]}", "Cmd has something else than strings" },
		{ "{\"User\":0}", "User that is not a string" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		amd64.config = bad[i].config;
		put_layout(&to_folder, &amd64);
		assert_fails("amd64", NULL, NEC_E_SOURCE, bad[i].words);
	}
	amd64.config = "{}";
	amd64.architecture = "";
	put_layout(&to_folder, &amd64);
	assert_fails(NULL, NULL, NEC_E_SOURCE, "for which architecture");
}

static void layout__of_another_version_is_refused(void **state)
{
	(void)state;
	put_layout(&to_folder, &amd64);
	sample_put_text(&to_folder, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
	assert_fails("amd64", NULL, NEC_E_UNSUPPORTED, "version 2.0.0");
	sample_put_text(&to_folder, "oci-layout", "{}");
	assert_fails("amd64", NULL, NEC_E_SOURCE, "no imageLayoutVersion");
}

static void layers__may_not_unpack_without_end(void **state)
{
	struct nec_source_options options = { .max_bytes = 4096 };
	nec_error err = NEC_ERROR_INIT;
	static char zeros[4096];

	(void)state;
	memset(zeros, 'z', sizeof(zeros) - 1);
	sample_image_add_file(&amd64, "zeros", zeros);
	put_layout(&to_folder, &amd64);
	assert_int_equal(nec_tree_new(&tree, NULL), 0);
	assert_int_equal(nec_source_load(NULL, sample_path("image"), &options, tree,
					 nec_tree_root(tree), &config, &err),
			 -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
}

/* ---- docker ---- */

static void put_docker(struct nec_buffer *tar, const char *amd64_tags, const char *arm64_tags)
{
	const struct sample_sink to_tar = { .tar = tar };
	cleanup_buffer struct nec_buffer manifest = { 0 };

	if (amd64_tags)
		sample_put_docker(&to_tar, &amd64, amd64_tags, &manifest);
	if (arm64_tags)
		sample_put_docker(&to_tar, &arm64, arm64_tags, &manifest);
	nec_buffer_append_text(&manifest, "]");
	sample_put(&to_tar, "manifest.json", manifest.data, manifest.size);
}

static void docker_archive__gives_files_and_configuration(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	amd64.config = "{\"Cmd\":[\"sh\"]}";
	sample_image_add_file(&amd64, "second", "2");
	put_docker(&tar, "[\"app:v1\",\"app:latest\"]", NULL);
	write_tar(&tar);
	assert_loads("amd64");
	assert_file("arch", "amd64");
	assert_file("second", "2");
	assert_int_equal(config.kind, NEC_SOURCE_DOCKER_ARCHIVE);
	assert_string_equal(config.cmd[0], "sh");
	assert_string_equal(config.repo_tags[0], "app:v1");
	assert_string_equal(config.repo_tags[1], "app:latest");
	assert_null(config.manifest_digest);
	assert_fails("arm64", NULL, NEC_E_SOURCE_ARCH, "only linux/amd64 (app:v1)");
}

static void docker_archive__is_searched_for_name_and_architecture(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	put_docker(&tar, "[\"one:1\"]", "[\"example.org/two:latest\"]");
	write_tar(&tar);
	assert_loads("amd64");
	assert_file("arch", "amd64");
	assert_int_equal(load(NULL, "two", NULL), 0);
	assert_file("arch", "arm64");
	assert_fails(NULL, NULL, NEC_E_SOURCE_ARCH, "several images");
	assert_fails("amd64", "two", NEC_E_SOURCE_ARCH, "no image for linux/amd64");
	assert_fails("amd64", "three", NEC_E_SOURCE, "no image called three");
}

static void docker_archive__may_name_one_image_twice(void **state)
{
	struct nec_buffer tar = { 0 };
	const struct sample_sink to_tar = { .tar = &tar };
	cleanup_buffer struct nec_buffer manifest = { 0 };

	(void)state;
	sample_put_docker(&to_tar, &amd64, "[\"one:1\"]", &manifest);
	sample_put_docker(&to_tar, &amd64, "null", &manifest);
	nec_buffer_append_text(&manifest, "]");
	sample_put(&to_tar, "manifest.json", manifest.data, manifest.size);
	write_tar(&tar);
	assert_loads(NULL);
	assert_string_equal(config.repo_tags[0], "one:1");
}

/* Older versions of Docker store a layer that repeats as a link to its first place. */
static void docker_archive__follows_its_own_links(void **state)
{
	static const struct {
		const char *link;
		bool loads;
	} cases[] = {
		{ "../x/./y/../moved.tar", true }, /* from the folder of the link */
		{ "../x/link.tar", true },
		{ "layer.tar", false }, /* to itself */
		{ "../x/a", false },    /* in a circle */
		{ "../x/gone.tar", false },
		{ "../../x/moved.tar", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nec_buffer tar = { 0 };
		const struct sample_sink to_tar = { .tar = &tar };
		cleanup_buffer struct nec_buffer manifest = { 0 };
		char name[64];

		sample_put_docker(&to_tar, &amd64, "[\"one:1\"]", &manifest);
		nec_buffer_append_text(&manifest, "]");
		sample_put(&to_tar, "./manifest.json", manifest.data, manifest.size);
		sample_put(&to_tar, "x/moved.tar", amd64.layers[0].data, amd64.layers[0].size);
		sample_tar_add(&tar, &(struct sample_entry){ .type = '1',
							     .name = "x/link.tar",
							     .link = "x/moved.tar" });
		sample_tar_add(&tar,
			       &(struct sample_entry){ .type = '2', .name = "x/a", .link = "b" });
		sample_tar_add(&tar,
			       &(struct sample_entry){ .type = '2', .name = "x/b", .link = "./a" });
		/* Behind the layer itself: the last entry of a name counts. */
		(void)sscanf(strstr((char *)manifest.data, "Layers"), "Layers\":[\"%63[^\"]", name);
		sample_tar_add(&tar, &(struct sample_entry){
					     .type = '2', .name = name, .link = cases[i].link });
		write_tar(&tar);
		if (cases[i].loads)
			assert_loads("amd64");
		else
			assert_fails("amd64", NULL, NEC_E_SOURCE, name);
	}
}

static void docker_archive__must_have_all_layers(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	amd64.extra_diff_ids = 1;
	put_docker(&tar, "[\"one:1\"]", NULL);
	write_tar(&tar);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "disagree about the number of layers");
}

static void docker_archive__of_newer_versions_is_an_oci_layout_too(void **state)
{
	struct nec_buffer tar = { 0 };
	const struct sample_sink to_tar = { .tar = &tar };
	cleanup_buffer struct nec_buffer manifest = { 0 };
	struct sample_descriptor descriptors[2];
	struct sample_descriptor layer;

	(void)state;
	amd64.compression = NEC_COMPRESSION_NONE;
	sample_put_image(&to_tar, &amd64, NULL, &descriptors[0]);
	sample_put_blob(&to_tar, "x", amd64.layers[0].data, amd64.layers[0].size, NULL, &layer);
	sample_put_layout(&to_tar, descriptors, 1);
	write_tar(&tar);
	assert_loads("amd64");

	sample_put_image(&to_tar, &amd64, NULL, &descriptors[0]);
	sample_put_layout(&to_tar, descriptors, 1);
	nec_buffer_printf(&manifest,
			  "[{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[\"new:1\"],"
			  "\"Layers\":[\"blobs/sha256/%s\"]}]",
			  config.image_id + 7, layer.digest + 7);
	sample_put(&to_tar, "manifest.json", manifest.data, manifest.size);
	write_tar(&tar);
	assert_loads("amd64");
	assert_int_equal(config.kind, NEC_SOURCE_DOCKER_ARCHIVE);
	assert_string_equal(config.repo_tags[0], "new:1");
	assert_file("arch", "amd64");
}

static void docker_archive__must_have_the_configuration_that_it_names(void **state)
{
	struct nec_buffer tar = { 0 };
	const struct sample_sink to_tar = { .tar = &tar };

	(void)state;
	sample_put_text(&to_tar, "0123.json", "{\"architecture\":\"amd64\"}");
	sample_put_text(&to_tar, "manifest.json",
			"[{\"Config\":\"0123.json\",\"RepoTags\":null,\"Layers\":[]}]");
	write_tar(&tar);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "0123.json in");
	sample_put_text(&to_tar, "manifest.json", "{}");
	write_tar(&tar);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "not a list");
	sample_put_text(&to_tar, "manifest.json", "[{}]");
	write_tar(&tar);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "without Config");
	sample_put_text(&to_tar, "manifest.json", "[]");
	write_tar(&tar);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "has no image");
}

static void archive__of_something_else_is_refused(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "etc/passwd", "");
	write_tar(&tar);
	assert_fails("amd64", NULL, NEC_E_SOURCE, "neither an OCI archive nor");
	sample_write_text("image", "#!/bin/sh\n");
	assert_fails("amd64", NULL, NEC_E_SOURCE, "image");
	sample_write_text("image", "");
	assert_fails("amd64", NULL, NEC_E_SOURCE, "neither an OCI archive nor");
	assert_int_equal(unlink(sample_path("image")), 0);
	assert_fails("amd64", NULL, NEC_E_FILE_OPEN, "No such file");
}

static void archive__that_is_cut_is_refused(void **state)
{
	cleanup_buffer struct nec_buffer tar = { 0 };

	(void)state;
	put_docker(&tar, "[\"a:1\"]", NULL);
	/* The last 511 bytes may be padding, which nobody needs. */
	for (size_t size = 1; size < tar.size - 512; size += 97) {
		sample_write("image", tar.data, size);
		assert_true(load("amd64", NULL, NULL) < 0);
	}
}

static void load__can_be_interrupted(void **state)
{
	volatile int cancel = 1;
	nec_context *context;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	put_layout(&to_folder, &amd64);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancel);
	assert_int_equal(nec_tree_new(&tree, NULL), 0);
	assert_int_equal(nec_source_load(context, sample_path("image"), NULL, tree,
					 nec_tree_root(tree), &config, &err),
			 -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	nec_context_free(context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_images, free_images)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(oci_layout__gives_files_and_configuration),
		TEST(oci_layout__may_say_nothing_about_running_it),
		TEST(oci_layout__may_be_made_of_symlinks),
		TEST(oci_archive__is_known_by_its_contents),
		TEST(archive__may_be_compressed_itself),
		TEST(layers__may_be_plain_gzip_or_zstd),
		TEST(index__is_searched_for_the_architecture),
		TEST(index__without_platforms_is_asked_through_the_configurations),
		TEST(index__passes_over_attestations_and_artifacts),
		TEST(index__prefers_the_plain_variant),
		TEST(index__is_searched_for_the_name),
		TEST(index__refuses_nesting_without_end),
		TEST(image__must_be_for_what_its_index_says),
		TEST(blobs__must_have_their_digests),
		TEST(blobs__are_verified_to_their_last_byte),
		TEST(blobs__must_have_their_sizes),
		TEST(layers__must_have_their_sizes),
		TEST(layers__may_be_padded),
		TEST(layers__may_end_in_a_hole),
		TEST(layers__must_have_the_contents_of_the_configuration),
		TEST(layers__of_unknown_kinds_are_refused),
		TEST(documents__that_are_wrong_are_refused),
		TEST(configuration__that_is_wrong_is_refused),
		TEST(layout__of_another_version_is_refused),
		TEST(layers__may_not_unpack_without_end),
		TEST(docker_archive__gives_files_and_configuration),
		TEST(docker_archive__is_searched_for_name_and_architecture),
		TEST(docker_archive__may_name_one_image_twice),
		TEST(docker_archive__follows_its_own_links),
		TEST(docker_archive__must_have_all_layers),
		TEST(docker_archive__of_newer_versions_is_an_oci_layout_too),
		TEST(docker_archive__must_have_the_configuration_that_it_names),
		TEST(archive__of_something_else_is_refused),
		TEST(archive__that_is_cut_is_refused),
		TEST(load__can_be_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
