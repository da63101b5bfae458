/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the manifest from the finished ramdisks, so that it says what the kernel will unpack. */
#include "image/manifest.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "image/ramdisk.h"

enum { READ_BYTES = 64 * 1024, FLUSH_BYTES = 64 * 1024 };

struct manifest {
	struct nec_buffer text; /* not written yet */
	uint64_t written;
	int to;
	const char *to_name;
	struct nec_progress progress;
	uint8_t chunk[READ_BYTES];
};

static int flush(struct manifest *manifest, nec_error *err)
{
	int r;

	if (manifest->text.failed)
		return nec_error_no_memory(err);
	r = nec_file_write_at(manifest->to, manifest->to_name, manifest->text.data,
			      manifest->text.size, manifest->written, err);
	if (r < 0)
		return r;
	manifest->written += manifest->text.size;
	manifest->text.size = 0;
	return 0;
}

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFCHR:
		return "character-device";
	case S_IFBLK:
		return "block-device";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "unknown";
	}
}

/* Reads the entry's data to its end. */
static int hash_data(struct manifest *manifest, struct nec_ramdisk *ramdisk,
		     char text[2 * NEC_SHA384_SIZE + 1], nec_error *err)
{
	cleanup_sha384 struct nec_sha384 sha = { 0 };
	uint8_t digest[NEC_SHA384_SIZE];
	int r = nec_sha384_init(&sha, err);

	while (r == 0) {
		ssize_t n =
			nec_ramdisk_read(ramdisk, manifest->chunk, sizeof(manifest->chunk), err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		nec_sha384_update(&sha, manifest->chunk, (size_t)n);
		r = nec_progress_add(&manifest->progress, (uint64_t)n, err);
	}
	if (r == 0)
		r = nec_sha384_final(&sha, digest, err);
	if (r == 0)
		nec_hex_encode(digest, sizeof(digest), text);
	return r;
}

/* Of hard-linked files only one entry carries the data; Inode says which belong together. */
static bool add_file(cJSON *object, const struct nec_cpio_entry *entry, const char *hash)
{
	bool carries = entry->links <= 1 || entry->size > 0;

	if (entry->links > 1 && !nec_json_add_u64(object, "Inode", entry->inode))
		return false;
	return !carries || (nec_json_add_u64(object, "Size", entry->size) &&
			    nec_json_add_string(object, "Sha384", hash));
}

static bool add_device(cJSON *object, const struct nec_cpio_entry *entry)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%u:%u", entry->rdev_major, entry->rdev_minor);
	return nec_json_add_string(object, "Device", text);
}

/* Names are any bytes, JSON is UTF-8: others come out as "PathHex". */
static bool add_name(cJSON *object, const char *key, const char *hex_key, const char *name)
{
	cleanup_free char *hex = NULL;
	size_t size = strlen(name);

	if (nec_utf8_valid(name, size))
		return nec_json_add_string(object, key, name);
	hex = malloc(2 * size + 1);
	if (!hex)
		return false;
	nec_hex_encode((const uint8_t *)name, size, hex);
	return nec_json_add_string(object, hex_key, hex);
}

static cJSON *entry_object(const struct nec_cpio_entry *entry, const char *hash)
{
	cleanup_json cJSON *object = nec_json_object();
	char mode[16];
	bool done;

	(void)snprintf(mode, sizeof(mode), "%04o", entry->mode & 07777);
	done = add_name(object, "Path", "PathHex", entry->name) &&
	       nec_json_add_string(object, "Type", type_name(entry->mode)) &&
	       nec_json_add_string(object, "Mode", mode) &&
	       nec_json_add_u64(object, "Uid", entry->uid) &&
	       nec_json_add_u64(object, "Gid", entry->gid);
	if (done && S_ISREG(entry->mode))
		done = add_file(object, entry, hash);
	else if (done && entry->target)
		done = add_name(object, "Target", "TargetHex", entry->target);
	else if (done && (S_ISCHR(entry->mode) || S_ISBLK(entry->mode)))
		done = add_device(object, entry);
	return done ? TAKE_PTR(object) : NULL;
}

static int add_entry(struct manifest *manifest, struct nec_ramdisk *ramdisk,
		     const struct nec_cpio_entry *entry, nec_error *err)
{
	cleanup_json cJSON *object = NULL;
	char hash[2 * NEC_SHA384_SIZE + 1] = "";
	int r = S_ISREG(entry->mode) ? hash_data(manifest, ramdisk, hash, err) : 0;

	if (r < 0)
		return r;
	object = entry_object(entry, hash);
	if (!object)
		return nec_error_no_memory(err);
	nec_json_print_compact(object, &manifest->text);
	return manifest->text.size >= FLUSH_BYTES ? flush(manifest, err) : 0;
}

static int add_ramdisk(struct manifest *manifest, int fd, const char *name,
		       const struct nec_eif_section *section, nec_error *err)
{
	cleanup_ramdisk struct nec_ramdisk *ramdisk = NULL;
	const struct nec_cpio_entry *entry;
	const char *separator = "\n    ";
	int r = nec_ramdisk_open(fd, name, section->data_offset, section->size_bytes,
				 NEC_RAMDISK_MAX_UNPACKED, &ramdisk, err);

	nec_buffer_append_text(&manifest->text, "{\"Entries\": [");
	while (r == 0 && (r = nec_ramdisk_next(ramdisk, &entry, err)) > 0) {
		nec_buffer_append_text(&manifest->text, separator);
		separator = ",\n    ";
		r = add_entry(manifest, ramdisk, entry, err);
	}
	nec_buffer_append_text(&manifest->text, "\n  ]}");
	return r;
}

int nec_manifest_write(const nec_context *context, int fd, const char *name,
		       const struct nec_eif_layout *layout, int to, const char *to_name,
		       nec_error *err)
{
	struct manifest *manifest = calloc(1, sizeof(*manifest));
	const char *separator = "";
	int r = 0;

	if (!manifest)
		return nec_error_no_memory(err);
	manifest->to = to;
	manifest->to_name = to_name;
	nec_progress_start(&manifest->progress, context, "listing files", layout->size_bytes);
	nec_buffer_append_text(&manifest->text, "{\"Ramdisks\": [\n  ");
	for (size_t i = 0; i < layout->count && r == 0; i++) {
		if (layout->sections[i].type != NEC_EIF_RAMDISK)
			continue;
		nec_buffer_append_text(&manifest->text, separator);
		separator = ",\n  ";
		r = add_ramdisk(manifest, fd, name, &layout->sections[i], err);
	}
	nec_buffer_append_text(&manifest->text, "\n]}\n");
	if (r == 0)
		r = flush(manifest, err);
	nec_progress_finish(&manifest->progress);
	nec_buffer_free(&manifest->text);
	free(manifest);
	return r;
}
