/* SPDX-License-Identifier: Apache-2.0 */
/* Files of an OCI layout folder or of an archive, each as a range of an open file. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/archive.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hex.h"
#include "image/source-private.h"

/* Names we look for are far shorter; members with longer ones cannot be meant. */
enum { MAX_MEMBER_NAME = 1023 };

/* A layer that equals another one is a link to it in older `docker save` archives. */
enum { MAX_LINKS = 8 };

enum { SPOOL_STEP_BYTES = 256 * 1024 };

struct source_member {
	char *name;
	char *link; /* of a link: the name it stands for; else NULL */
	uint64_t offset;
	uint64_t size;
	size_t sequence;
};

/* Makes "a/./b/../c" "a/c". False when that would be above the top or is too long. */
static bool clean_name(const char *name, char to[MAX_MEMBER_NAME + 1])
{
	size_t used = 0;

	while (*name) {
		size_t size = strcspn(name, "/");

		if (size == 2 && memcmp(name, "..", 2) == 0) {
			if (used == 0)
				return false;
			while (used > 0 && to[--used] != '/')
				;
		} else if (size > 0 && !(size == 1 && *name == '.')) {
			if (used + size + 2 > MAX_MEMBER_NAME)
				return false;
			if (used > 0)
				to[used++] = '/';
			memcpy(to + used, name, size);
			used += size;
		}
		name += size + strspn(name + size, "/");
	}
	to[used] = '\0';
	return used > 0;
}

/* Sets the name that a link stands for; symbolic ones count from their folder. */
static int set_link(struct source_member *member, struct archive_entry *entry, nec_error *err)
{
	const char *symlink = NEC_ARCHIVE(archive_entry_symlink)(entry);
	const char *target = symlink ? symlink : NEC_ARCHIVE(archive_entry_hardlink)(entry);
	const char *slash = symlink ? strrchr(member->name, '/') : NULL;
	int folder_size = slash ? (int)(slash - member->name) + 1 : 0;
	char clean[MAX_MEMBER_NAME + 1];
	char *path;
	bool inside;

	if (!target)
		return 0;
	if (asprintf(&path, "%.*s%s", folder_size, member->name, target) < 0)
		return nec_error_no_memory(err);
	inside = clean_name(path, clean);
	free(path);
	/* What leads out of the archive leads to nothing. */
	member->link = strdup(inside ? clean : "");
	return member->link ? 0 : nec_error_no_memory(err);
}

static int add_member(struct source_store *store, struct archive_entry *entry, nec_error *err)
{
	const char *raw = NEC_ARCHIVE(archive_entry_pathname)(entry);
	int64_t size = NEC_ARCHIVE(archive_entry_size)(entry);
	char name[MAX_MEMBER_NAME + 1];
	struct source_member *members;

	if (store->member_count >= SOURCE_MAX_MEMBERS)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG, "%s has more than %d files",
				     store->name, SOURCE_MAX_MEMBERS);
	members = realloc(store->members, (store->member_count + 1) * sizeof(*members));
	if (!members)
		return nec_error_no_memory(err);
	store->members = members;
	members += store->member_count;
	*members = (struct source_member){
		.sequence = store->member_count,
		.size = size > 0 ? (uint64_t)size : 0,
		/* One that cannot be asked for still has its place, for the offset of the next. */
		.name = strdup(raw && clean_name(raw, name) ? name : ""),
	};
	if (!members->name)
		return nec_error_no_memory(err);
	store->member_count++;
	return set_link(members, entry, err);
}

/* The data of a member ends, in whole blocks of 512 bytes, where the next header begins. */
static void place_last_member(struct source_store *store, uint64_t next_header)
{
	struct source_member *last;
	uint64_t padded;

	if (store->member_count == 0)
		return;
	last = &store->members[store->member_count - 1];
	padded = (last->size + 511) & ~UINT64_C(511);
	if (padded <= next_header)
		last->offset = next_header - padded;
	else /* a sparse file, so no blob */
		last->name[0] = '\0';
}

static int compare_members(const void *left, const void *right)
{
	const struct source_member *a = left;
	const struct source_member *b = right;
	int r = strcmp(a->name, b->name);

	return r ? r : (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static int whole_file(const struct source_store *store, struct nec_file_range *ret, nec_error *err)
{
	struct stat st;

	if (fstat(store->archive_fd, &st) < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read %s",
					    store->name);
	if (!S_ISREG(st.st_mode))
		return nec_error_set(err, NEC_E_SOURCE, -EINVAL,
				     "%s is neither a folder nor a regular file", store->name);
	*ret = (struct nec_file_range){ .fd = store->archive_fd,
					.name = store->name,
					.end = (uint64_t)st.st_size };
	return 0;
}

/* Writes all of a stream to an unnamed temporary file. */
static int spool(const struct nec_stream *stream, int *ret_fd, nec_error *err)
{
	cleanup_free uint8_t *buffer = malloc(SPOOL_STEP_BYTES);
	cleanup_close int fd = nec_file_temporary(err);
	uint64_t offset = 0;

	if (fd < 0)
		return fd;
	if (!buffer)
		return nec_error_no_memory(err);
	for (;;) {
		ssize_t n = stream->read(stream->userdata, buffer, SPOOL_STEP_BYTES, err);
		int r;

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		r = nec_file_write_at(fd, "a temporary file", buffer, (size_t)n, offset, err);
		if (r < 0)
			return r;
		offset += (uint64_t)n;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Blobs are not read in the order they have in the archive, so a compressed one is unpacked first.
 */
static int unpack_archive(struct source_store *store, uint64_t limit, nec_error *err)
{
	NEC_CLEANUP(decompressor) struct nec_decompressor *decompressor = NULL;
	uint8_t magic[NEC_COMPRESSION_MAGIC_SIZE];
	enum nec_compression compression;
	struct nec_file_range range = { 0 };
	struct nec_stream stream;
	ssize_t n;
	int fd = -1;
	int r = whole_file(store, &range, err);

	if (r < 0)
		return r;
	n = pread(range.fd, magic, sizeof(magic), 0);
	compression = nec_compression_detect(magic, n > 0 ? (size_t)n : 0);
	if (compression == NEC_COMPRESSION_NONE)
		return 0;
	stream = nec_stream_over_range(&range);
	r = nec_decompressor_new(&stream, compression, store->name, NEC_E_SOURCE, limit,
				 &decompressor, err);
	if (r < 0)
		return r;
	stream = nec_decompressor_stream(decompressor);
	r = spool(&stream, &fd, err);
	if (r < 0)
		return r;
	(void)close(store->archive_fd);
	store->archive_fd = fd;
	return 0;
}

static int list_members(struct source_store *store, nec_error *err)
{
	NEC_CLEANUP(tar) struct nec_tar *tar = NULL;
	struct archive_entry *entry;
	struct nec_file_range range;
	struct nec_stream stream;
	int r = whole_file(store, &range, err);

	if (r < 0)
		return r;
	stream = nec_stream_over_range(&range);
	r = nec_tar_new(&stream, store->name, NEC_E_SOURCE, &tar, err);
	if (r < 0)
		return r;
	while ((r = nec_tar_next(tar, &entry, err)) > 0) {
		place_last_member(store, nec_tar_header_offset(tar));
		r = add_member(store, entry, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	place_last_member(store, nec_tar_header_offset(tar));
	if (store->member_count > 0)
		qsort(store->members, store->member_count, sizeof(*store->members),
		      compare_members);
	return 0;
}

int source_store_open_archive(struct source_store *store, int fd, const char *name, uint64_t limit,
			      nec_error *err)
{
	int r;

	*store = (struct source_store){ .folder_fd = -1, .archive_fd = fd, .name = name };
	r = unpack_archive(store, limit, err);
	if (r == 0)
		r = list_members(store, err);
	if (r < 0)
		source_store_close(store);
	return r;
}

void source_store_close(struct source_store *store)
{
	for (size_t i = 0; i < store->member_count; i++) {
		free(store->members[i].name);
		free(store->members[i].link);
	}
	free(store->members);
	if (store->archive_fd >= 0)
		(void)close(store->archive_fd);
	if (store->folder_fd >= 0)
		(void)close(store->folder_fd);
	*store = (struct source_store)SOURCE_STORE_INIT;
}

/* The last member of that name, as in unpacking. */
static const struct source_member *find_named(const struct source_store *store, const char *name)
{
	size_t low = 0;
	size_t high = store->member_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(store->members[middle].name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || strcmp(store->members[low - 1].name, name) != 0)
		return NULL;
	return &store->members[low - 1];
}

static const struct source_member *find_member(const struct source_store *store, const char *name)
{
	char clean[MAX_MEMBER_NAME + 1];
	const struct source_member *member;

	if (!clean_name(name, clean))
		return NULL;
	member = find_named(store, clean);
	for (int i = 0; member && member->link && i < MAX_LINKS; i++)
		member = find_named(store, member->link);
	return member && member->link ? NULL : member;
}

static int missing(const struct source_store *store, const char *name, nec_error *err)
{
	return nec_error_set(err, NEC_E_SOURCE, -ENOENT, "%s has no %s", store->name, name);
}

/* Build systems make layouts of symbolic links, so they are followed: digests tell what is right.
 */
static int find_in_folder(const struct source_store *store, const char *name, int *ret_fd,
			  struct nec_file_range *ret, nec_error *err)
{
	cleanup_close int fd =
		openat(store->folder_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return missing(store, name, err);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s/%s",
					    store->name, name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return nec_error_set(err, NEC_E_SOURCE, -EINVAL, "%s/%s is not a regular file",
				     store->name, name);
	*ret = (struct nec_file_range){ .fd = fd, .name = name, .end = (uint64_t)st.st_size };
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int source_store_find(const struct source_store *store, const char *name, int *ret_fd,
		      struct nec_file_range *ret, nec_error *err)
{
	const struct source_member *member;
	int fd;

	if (store->folder_fd >= 0)
		return find_in_folder(store, name, ret_fd, ret, err);
	member = find_member(store, name);
	if (!member)
		return missing(store, name, err);
	fd = fcntl(store->archive_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot read %s",
					    store->name);
	*ret = (struct nec_file_range){
		.fd = fd,
		.name = name,
		.offset = member->offset,
		.end = member->offset + member->size,
	};
	*ret_fd = fd;
	return 0;
}

bool source_store_has(const struct source_store *store, const char *name)
{
	if (store->folder_fd >= 0)
		return faccessat(store->folder_fd, name, F_OK, 0) == 0;
	return find_member(store, name) != NULL;
}

bool source_digest_valid(const char *digest)
{
	uint8_t bytes[NEC_SHA256_SIZE];

	/* Upper-case digits would be another name of the same blob. */
	return strncmp(digest, "sha256:", 7) == 0 &&
	       nec_hex_decode(digest + 7, bytes, sizeof(bytes)) &&
	       !digest[7 + strcspn(digest + 7, "ABCDEF")];
}

int source_digest_final(struct nec_sha256 *sha, char digest[SOURCE_DIGEST_SIZE], nec_error *err)
{
	uint8_t bytes[NEC_SHA256_SIZE];
	char hex[2 * NEC_SHA256_SIZE + 1];
	int r = nec_sha256_final(sha, bytes, err);

	if (r < 0)
		return r;
	nec_hex_encode(bytes, sizeof(bytes), hex);
	(void)snprintf(digest, SOURCE_DIGEST_SIZE, "sha256:%s", hex);
	return 0;
}

static int digest_of(const struct nec_buffer *text, char digest[SOURCE_DIGEST_SIZE], nec_error *err)
{
	cleanup_sha256 struct nec_sha256 sha = { 0 };
	int r = nec_sha256_init(&sha, err);

	if (r < 0)
		return r;
	nec_sha256_update(&sha, text->data, text->size);
	return source_digest_final(&sha, digest, err);
}

int source_store_read(const struct source_store *store, const char *name, struct nec_buffer *to,
		      char digest[SOURCE_DIGEST_SIZE], nec_error *err)
{
	struct nec_file_range range = { 0 };
	cleanup_close int fd = -1;
	uint64_t size;
	int r = source_store_find(store, name, &fd, &range, err);

	if (r < 0)
		return r;
	size = range.end - range.offset;
	if (size > SOURCE_MAX_JSON_BYTES)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s in %s has %" PRIu64 " bytes, at most %d are accepted",
				     name, store->name, size, SOURCE_MAX_JSON_BYTES);
	nec_buffer_append_zeros(to, (size_t)size);
	if (to->failed)
		return nec_error_no_memory(err);
	r = nec_file_read_at(fd, name, to->data, (size_t)size, range.offset, err);
	return r == 0 && digest ? digest_of(to, digest, err) : r;
}

int source_store_parse(const struct source_store *store, const char *name,
		       const struct nec_buffer *text, cJSON **ret, nec_error *err)
{
	int r = nec_json_parse(nec_buffer_text(text), text->size, ret, err);

	return r < 0 ? nec_error_prefix(err, r, "%s in %s", name, store->name) : 0;
}

int source_store_read_json(const struct source_store *store, const char *name, cJSON **ret,
			   nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = source_store_read(store, name, &text, NULL, err);

	return r < 0 ? r : source_store_parse(store, name, &text, ret, err);
}
