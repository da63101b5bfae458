/* SPDX-License-Identifier: Apache-2.0 */
/* From names of kernel modules to their bytes, in the order to load them. */
#include "image/modules.h"

#include <stdio.h>
#include <string.h>

#include "base/archive.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"
#include "image/module-info.h"

enum {
	MAX_INDEX_BYTES = 16 * 1024 * 1024,  /* Debian's modules.dep has 600 KiB */
	MAX_MODULE_BYTES = 64 * 1024 * 1024, /* the largest (amdgpu) has some 20 MiB */
	MAX_DEPTH = 32,                      /* of dependencies; a real kernel has 6 */
};

static const char *const suffixes[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };

/* Reads a list below the folder that may be missing. Returns 1 when it is there, else 0. */
static int read_list(const char *folder, const char *name, struct nec_buffer *to, nec_error *err)
{
	cleanup_free char *path = NULL;
	int r;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return nec_error_no_memory(err);
	}
	if (access(path, F_OK) < 0)
		return 0;
	r = nec_file_read_all(path, MAX_INDEX_BYTES, to, err);
	return r < 0 ? r : 1;
}

int nec_module_set_open(struct nec_module_set *set, const char *folder, enum nec_arch arch,
			nec_error *err)
{
	int r;

	*set = (struct nec_module_set){ .arch = arch };
	if (!folder)
		return 0;
	set->folder = strdup(folder);
	if (!set->folder)
		return nec_error_no_memory(err);
	r = read_list(folder, "modules.dep", &set->index, err);
	if (r == 0)
		r = read_list(folder, "modules.order", &set->index, err);
	if (r == 0) {
		nec_error_set(err, NEC_E_MODULE, -ENOENT,
			      "%s has neither modules.dep nor modules.order", folder);
		nec_error_set_hint(err, "The folder of a kernel's modules is needed, such as "
					"/lib/modules/$(uname -r).");
		return -ENOENT;
	}
	if (r > 0)
		r = read_list(folder, "modules.builtin", &set->builtin, err);
	return r < 0 ? r : 0;
}

void nec_module_set_free(struct nec_module_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->items[i].name);
		nec_buffer_free(&set->items[i].data);
	}
	free(set->items);
	free(set->folder);
	nec_buffer_free(&set->index);
	nec_buffer_free(&set->builtin);
	*set = (struct nec_module_set){ 0 };
}

static char plain(char c)
{
	return c == '-' ? '_' : c;
}

/* "kernel/net/vmw_vsock/vsock.ko.xz" is the path of "vsock". */
static bool is_path_of(const char *path, size_t size, const char *name)
{
	const char *base = memrchr(path, '/', size);
	const char *end = path + size;

	for (base = base ? base + 1 : path; base < end && *name; base++, name++)
		if (plain(*base) != plain(*name))
			return false;
	return *name == '\0' && base < end && *base == '.';
}

/* In modules.dep a path ends at a colon, in the other lists at the end of its line. */
static bool find_path(const struct nec_buffer *list, const char *name, const char **ret,
		      size_t *ret_size)
{
	const char *line = nec_buffer_text(list);

	while (*line) {
		size_t size = strcspn(line, ":\n");

		if (is_path_of(line, size, name)) {
			*ret = line;
			*ret_size = size;
			return true;
		}
		line += size;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

static bool same_name(const char *a, const char *b)
{
	while (*a && plain(*a) == plain(*b)) {
		a++;
		b++;
	}
	return plain(*a) == plain(*b);
}

const struct nec_module *nec_module_set_find(const struct nec_module_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (same_name(set->items[i].name, name))
			return &set->items[i];
	return NULL;
}

/* The name in a path: its last part without ".ko" and what follows, with '_' for '-'. */
static char *name_of_path(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name;

	base = base ? base + 1 : path;
	name = strndup(base, strcspn(base, "."));
	for (char *c = name; c && *c; c++)
		*c = plain(*c);
	return name;
}

static int read_stream(const struct nec_stream *stream, struct nec_buffer *to, nec_error *err)
{
	uint8_t chunk[16384];

	for (;;) {
		ssize_t n = stream->read(stream->userdata, chunk, sizeof(chunk), err);

		if (n <= 0)
			return n < 0 ? (int)n : to->failed ? nec_error_no_memory(err) : 0;
		nec_buffer_append(to, chunk, (size_t)n);
	}
}

/* The kernel may not be able to, and nobody would see the gain: modules lie in an initramfs. */
static int decompress(struct nec_buffer *data, const char *path, nec_error *err)
{
	NEC_CLEANUP(decompressor) struct nec_decompressor *decompressor = NULL;
	cleanup_buffer struct nec_buffer packed = *data;
	struct nec_cursor cursor = nec_cursor_over(packed.data, packed.size);
	const struct nec_stream from = nec_stream_over_cursor(&cursor);
	struct nec_stream to;
	int r;

	*data = (struct nec_buffer){ 0 };
	r = nec_decompressor_new(&from, nec_compression_detect(packed.data, packed.size), path,
				 NEC_E_MODULE, MAX_MODULE_BYTES, &decompressor, err);
	if (r < 0)
		return r;
	to = nec_decompressor_stream(decompressor);
	return read_stream(&to, data, err);
}

static int read_module(const struct nec_module_set *set, const char *path,
		       struct nec_module *module, struct nec_module_info *info, nec_error *err)
{
	struct nec_buffer *data = &module->data;
	int r = nec_file_read_all(path, MAX_MODULE_BYTES, data, err);

	if (r < 0)
		return r;
	if (nec_compression_detect(data->data, data->size) != NEC_COMPRESSION_NONE) {
		r = decompress(data, path, err);
		if (r < 0)
			return r;
	}
	return nec_module_info_parse(nec_buffer_text(data), data->size, set->arch, path, info, err);
}

static int append(struct nec_module_set *set, const char *path, struct nec_module *module,
		  nec_error *err)
{
	struct nec_module *items;

	if (set->count >= NEC_MODULES_MAX)
		return nec_error_set(err, NEC_E_TOO_LARGE, -E2BIG,
				     "more than %d kernel modules are asked for", NEC_MODULES_MAX);
	items = reallocarray(set->items, set->count + 1, sizeof(*items));
	if (!items)
		return nec_error_no_memory(err);
	set->items = items;
	module->name = name_of_path(path);
	if (!module->name)
		return nec_error_no_memory(err);
	items[set->count++] = *module;
	*module = (struct nec_module){ 0 };
	return 0;
}

/* Packages differ in what they compress, and modules.order does not tell. */
static int locate(const struct nec_module_set *set, const char *path, size_t size, char **ret,
		  nec_error *err)
{
	cleanup_free char *stem = strndup(path, size);
	char *dot = stem ? strrchr(stem, '/') : NULL;

	if (!stem)
		return nec_error_no_memory(err);
	dot = strchr(dot ? dot : stem, '.');
	if (dot)
		*dot = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		cleanup_free char *file = NULL;

		if (asprintf(&file, "%s/%s%s", set->folder, stem, suffixes[i]) < 0) {
			file = NULL;
			return nec_error_no_memory(err);
		}
		if (access(file, F_OK) == 0) {
			*ret = TAKE_PTR(file);
			return 0;
		}
	}
	return nec_error_set(err, NEC_E_MODULE, -ENOENT, "%s lists %s.ko but does not have it",
			     set->folder, stem);
}

static int not_found(const struct nec_module_set *set, const char *name, nec_error *err)
{
	if (set->folder)
		return nec_error_set(err, NEC_E_MODULE, -ENOENT, "%s has no kernel module %s",
				     set->folder, name);
	return nec_error_set(err, NEC_E_MODULE, -ENOENT,
			     "there is no folder of modules to take kernel module %s from", name);
}

static int add(struct nec_module_set *set, const char *name, bool optional, unsigned int depth,
	       nec_error *err);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by MAX_DEPTH */
static int add_dependencies(struct nec_module_set *set, const char *depends, unsigned int depth,
			    nec_error *err)
{
	while (*depends) {
		size_t size = strcspn(depends, ",");
		cleanup_free char *name = strndup(depends, size);
		int r;

		if (!name)
			return nec_error_no_memory(err);
		r = size ? add(set, name, false, depth + 1, err) : 0;
		if (r < 0)
			return r;
		depends += size + (depends[size] == ',');
	}
	return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by MAX_DEPTH */
static int add_found(struct nec_module_set *set, const char *path, unsigned int depth,
		     nec_error *err)
{
	struct nec_module module = { 0 };
	struct nec_module_info info;
	int r = read_module(set, path, &module, &info, err);

	if (r == 0)
		r = add_dependencies(set, info.depends, depth, err);
	if (r == 0) {
		module.vermagic = info.vermagic;
		r = append(set, path, &module, err);
	}
	nec_buffer_free(&module.data);
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by MAX_DEPTH */
static int add(struct nec_module_set *set, const char *name, bool optional, unsigned int depth,
	       nec_error *err)
{
	cleanup_free char *file = NULL;
	const char *path;
	size_t size;
	int r;

	if (depth > MAX_DEPTH)
		return nec_error_set(err, NEC_E_MODULE, -ELOOP,
				     "the dependencies of module %s never end", name);
	if (nec_module_set_find(set, name) || find_path(&set->builtin, name, &path, &size))
		return 0;
	if (!find_path(&set->index, name, &path, &size))
		return optional ? 0 : not_found(set, name, err);
	r = locate(set, path, size, &file, err);
	return r < 0 ? r : add_found(set, file, depth, err);
}

int nec_module_set_add(struct nec_module_set *set, const char *name, bool optional, nec_error *err)
{
	return add(set, name, optional, 0, err);
}

int nec_module_set_add_file(struct nec_module_set *set, const char *path, nec_error *err)
{
	struct nec_module module = { 0 };
	struct nec_module_info info;
	int r = read_module(set, path, &module, &info, err);

	if (r == 0) {
		module.vermagic = info.vermagic;
		r = append(set, path, &module, err);
	}
	nec_buffer_free(&module.data);
	return r;
}
