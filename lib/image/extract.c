/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the parts of an image to files, or one of them to wherever its bytes are wanted. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/archive.h"
#include "base/error.h"
#include "base/files.h"
#include "base/folder.h"
#include "image/eif.h"
#include "image/signature.h"
#include "image/unpack.h"

enum { CHUNK_BYTES = 256 * 1024, MAX_RAMDISKS = NEC_EIF_MAX_SECTIONS };

/* What a section is called on the command line, and its file. */
static const struct part {
	const char *word;
	enum nec_eif_section_type type;
	const char *file;
	const char *suffix;
} parts[] = {
	{ "kernel", NEC_EIF_KERNEL, "kernel", "" },
	{ "cmdline", NEC_EIF_CMDLINE, "cmdline", "" },
	{ "metadata", NEC_EIF_METADATA, "metadata", ".json" },
	{ "ramdisk", NEC_EIF_RAMDISK, "ramdisk", ".cpio" },
	{ "signature", NEC_EIF_SIGNATURE, "signature", ".cbor" },
};

static const char certificate_word[] = "certificate";
static const char certificate_file[] = "certificate.pem";

/* What is asked for. */
struct wanted {
	const struct part *part; /* NULL: the certificate, or everything */
	bool everything;
	unsigned int number; /* of several sections of the type, from 1 */
};

static int parse_section(const char *word, struct wanted *ret, nec_error *err)
{
	*ret = (struct wanted){ .everything = !word, .number = 1 };
	if (!word || strcmp(word, certificate_word) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t length = strlen(parts[i].word);
		char text[16];

		if (strncmp(word, parts[i].word, length) != 0)
			continue;
		ret->part = &parts[i];
		if (parts[i].type != NEC_EIF_RAMDISK && word[length] == '\0')
			return 0;
		for (unsigned int n = 1; parts[i].type == NEC_EIF_RAMDISK && n <= MAX_RAMDISKS;
		     n++) {
			(void)snprintf(text, sizeof(text), "%u", n);
			ret->number = n;
			if (strcmp(word + length, text) == 0)
				return 0;
		}
	}
	nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL, "there is no section \"%s\"", word);
	nec_error_set_hint(err, "Sections are kernel, cmdline, metadata, signature, certificate, "
				"and ramdisk1, ramdisk2 ...");
	return -EINVAL;
}

/* The @number-th section of a type, counted from 1. */
static const struct nec_eif_section *
find_section(const nec_eif *eif, enum nec_eif_section_type type, unsigned int number)
{
	for (size_t i = 0; i < eif->layout.count; i++)
		if (eif->layout.sections[i].type == type && --number == 0)
			return &eif->layout.sections[i];
	return NULL;
}

static int find_wanted(const nec_eif *eif, const struct wanted *wanted,
		       const struct nec_eif_section **ret, nec_error *err)
{
	enum nec_eif_section_type type = wanted->part ? wanted->part->type : NEC_EIF_SIGNATURE;
	const struct nec_eif_section *found = find_section(eif, type, wanted->number);

	if (found) {
		*ret = found;
		return 0;
	}
	if (type == NEC_EIF_RAMDISK)
		return nec_error_set(err, NEC_E_EIF_SECTION_MISSING, -ENOENT,
				     "%s has no ramdisk %u", eif->name, wanted->number);
	return nec_error_set(err, NEC_E_EIF_SECTION_MISSING, -ENOENT, "%s has no %s", eif->name,
			     nec_eif_section_name(type));
}

/* ---- where the bytes go ---- */

static int write_all(int fd, const uint8_t *data, size_t size, nec_error *err)
{
	while (size > 0) {
		ssize_t written = write(fd, data, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
						    "cannot write the section");
		data += written;
		size -= (size_t)written;
	}
	return 0;
}

static int write_section(const nec_eif *eif, const struct nec_eif_section *section, int fd,
			 struct nec_progress *progress, nec_error *err)
{
	cleanup_free uint8_t *chunk = malloc(CHUNK_BYTES);

	if (!chunk)
		return nec_error_no_memory(err);
	for (uint64_t at = 0; at < section->size_bytes;) {
		uint64_t left = section->size_bytes - at;
		size_t size = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
		int r = nec_file_read_at(eif->fd, eif->name, chunk, size, section->data_offset + at,
					 err);

		if (r == 0)
			r = write_all(fd, chunk, size, err);
		if (r == 0)
			r = nec_progress_add(progress, size, err);
		if (r < 0)
			return r;
		at += size;
	}
	return 0;
}

static int write_certificate(nec_eif *eif, int fd, nec_error *err)
{
	cleanup_signature nec_signature *signature = NULL;
	int r = nec_eif_read_signature(eif, &signature, err);

	return r < 0 ? r : write_all(fd, signature->pem.data, signature->pem.size, err);
}

/* ---- files in a folder ---- */

static int make_file(const struct nec_folder *folder, const char *name, nec_error *err)
{
	int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0666);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot make %s/%s",
					    folder->path, name);
	return fd;
}

/* What compressed ramdisks have behind their names. */
static int compression_suffix(const nec_eif *eif, const struct nec_eif_section *section,
			      const char **ret, nec_error *err)
{
	static const char *const suffixes[] = {
		[NEC_COMPRESSION_NONE] = "",      [NEC_COMPRESSION_GZIP] = ".gz",
		[NEC_COMPRESSION_XZ] = ".xz",     [NEC_COMPRESSION_LZMA] = ".lzma",
		[NEC_COMPRESSION_BZIP2] = ".bz2", [NEC_COMPRESSION_LZ4] = ".lz4",
		[NEC_COMPRESSION_ZSTD] = ".zst",
	};
	uint8_t magic[NEC_COMPRESSION_MAGIC_SIZE];
	size_t size =
		section->size_bytes < sizeof(magic) ? (size_t)section->size_bytes : sizeof(magic);
	int r = nec_file_read_at(eif->fd, eif->name, magic, size, section->data_offset, err);

	*ret = suffixes[nec_compression_detect(magic, size)];
	return r;
}

/* "kernel", "kernel-2", "ramdisk-1.cpio.gz" */
static int name_file(const nec_eif *eif, const struct nec_eif_section *section,
		     const struct part *part, unsigned int number, char name[64], nec_error *err)
{
	const char *compression = "";
	char counted[16] = "";
	int r = 0;

	if (part->type == NEC_EIF_RAMDISK)
		r = compression_suffix(eif, section, &compression, err);
	if (part->type == NEC_EIF_RAMDISK || number > 1)
		(void)snprintf(counted, sizeof(counted), "-%u", number);
	(void)snprintf(name, 64, "%s%s%s%s", part->file, counted, part->suffix, compression);
	return r;
}

static int extract_file(nec_eif *eif, const struct nec_eif_section *section,
			const struct part *part, unsigned int number,
			const struct nec_folder *folder, struct nec_progress *progress,
			nec_error *err)
{
	cleanup_close int fd = -1;
	char name[64];
	int r = name_file(eif, section, part, number, name, err);

	if (r < 0)
		return r;
	fd = make_file(folder, name, err);
	if (fd < 0)
		return fd;
	return nec_file_copy_range(eif->fd, eif->name, section->data_offset, fd, name, 0,
				   section->size_bytes, progress, err);
}

static int extract_certificate(nec_eif *eif, const struct nec_folder *folder, nec_error *err)
{
	cleanup_close int fd = make_file(folder, certificate_file, err);

	return fd < 0 ? fd : write_certificate(eif, fd, err);
}

/* Into a folder that only its owner may enter: there may be setuid files in it. */
static int unpack(const nec_eif *eif, const struct nec_eif_section *section, unsigned int number,
		  const struct nec_folder *folder, struct nec_progress *progress, nec_error *err)
{
	cleanup_ramdisk struct nec_ramdisk *ramdisk = NULL;
	cleanup_close int below = -1;
	char name[32];
	int r;

	(void)snprintf(name, sizeof(name), "ramdisk-%u", number);
	if (mkdirat(folder->fd, name, S_IRWXU) < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
					    "cannot make the folder %s/%s", folder->path, name);
	below = openat(folder->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot open %s/%s",
					    folder->path, name);
	r = nec_ramdisk_open(eif->fd, name, section->data_offset, section->size_bytes,
			     NEC_RAMDISK_MAX_UNPACKED, &ramdisk, err);
	return r < 0 ? r : nec_ramdisk_unpack(ramdisk, below, name, eif->context, progress, err);
}

static int extract_one(nec_eif *eif, const struct nec_eif_section *section, const struct part *part,
		       unsigned int number, const struct nec_folder *folder, bool unpack_too,
		       struct nec_progress *progress, nec_error *err)
{
	int r = extract_file(eif, section, part, number, folder, progress, err);

	if (r == 0 && unpack_too && part->type == NEC_EIF_RAMDISK)
		r = unpack(eif, section, number, folder, progress, err);
	return r;
}

static int extract_everything(nec_eif *eif, const struct nec_folder *folder, bool unpack_too,
			      struct nec_progress *progress, nec_error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct nec_eif_section *section;

		for (unsigned int n = 1; r == 0 && (section = find_section(eif, parts[i].type, n));
		     n++)
			r = extract_one(eif, section, &parts[i], n, folder, unpack_too, progress,
					err);
	}
	if (r == 0 && nec_eif_find_section(eif, NEC_EIF_SIGNATURE))
		r = extract_certificate(eif, folder, err);
	return r;
}

static int extract_wanted(nec_eif *eif, const struct wanted *wanted,
			  const struct nec_folder *folder, bool unpack_too, nec_error *err)
{
	const struct nec_eif_section *section = NULL;
	struct nec_progress progress;
	int r;

	nec_progress_start(&progress, eif->context, "extracting", 0);
	if (wanted->everything) {
		r = extract_everything(eif, folder, unpack_too, &progress, err);
	} else {
		r = find_wanted(eif, wanted, &section, err);
		if (r == 0 && !wanted->part)
			r = extract_certificate(eif, folder, err);
		else if (r == 0)
			r = extract_one(eif, section, wanted->part, wanted->number, folder,
					unpack_too, &progress, err);
	}
	nec_progress_finish(&progress);
	return r < 0 ? r : nec_eif_check_unchanged(eif, err);
}

int nec_extract_run(nec_context *context, const char *path, const char *folder,
		    const struct nec_extract_options *options, nec_error *err)
{
	struct nec_extract_options chosen = { 0 };
	cleanup_folder struct nec_folder target = NEC_FOLDER_INIT;
	cleanup_eif nec_eif *eif = NULL;
	struct wanted wanted;
	int r;

	/* A caller built with an older header has a shorter struct. */
	if (options)
		memcpy(&chosen, options,
		       options->struct_size < sizeof(chosen) ? options->struct_size
							     : sizeof(chosen));
	r = parse_section(chosen.section, &wanted, err);
	if (r == 0)
		r = nec_eif_open(context, path, &eif, err);
	if (r == 0)
		r = nec_folder_open(&target, folder, err);
	if (r == 0)
		r = extract_wanted(eif, &wanted, &target, chosen.unpack, err);
	if (r < 0)
		return r;
	nec_folder_commit(&target);
	return 0;
}

int nec_extract_section(nec_context *context, const char *path, const char *section, int fd,
			nec_error *err)
{
	const struct nec_eif_section *found = NULL;
	cleanup_eif nec_eif *eif = NULL;
	struct nec_progress progress;
	struct wanted wanted;
	int r = parse_section(section, &wanted, err);

	if (r < 0)
		return r;
	if (wanted.everything)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL, "no section is named");
	r = nec_eif_open(context, path, &eif, err);
	if (r < 0)
		return r;
	r = find_wanted(eif, &wanted, &found, err);
	if (r < 0)
		return r;
	nec_progress_start(&progress, context, "extracting", found->size_bytes);
	r = wanted.part ? write_section(eif, found, fd, &progress, err)
			: write_certificate(eif, fd, err);
	nec_progress_finish(&progress);
	return r;
}
