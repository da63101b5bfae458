/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an image: header and tables, bounds-checked against the size of the file.
 *
 * Two levels. What makes the tables impossible to follow is an error here. What is wrong with an
 * image that can be followed becomes a finding (eif-rules.c), so that it can still be described.
 * nec_eif_open_damaged() makes findings of the first kind too and leaves out what it cannot follow.
 */
#include "image/eif.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"

const char *nec_eif_section_name(enum nec_eif_section_type type)
{
	static const char *const names[] = { "unknown", "kernel",    "cmdline",
					     "ramdisk", "signature", "metadata" };

	return (size_t)type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

/*
 * The tables cannot be followed here: an error, or for who looks at damaged files one more finding.
 * Returns -EBADMSG either way.
 */
static int refuse(nec_eif *eif, enum nec_rule rule, uint64_t offset, nec_error *err,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));

static int refuse(nec_eif *eif, enum nec_rule rule, uint64_t offset, nec_error *err,
		  const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	eif->incomplete = true;
	if (eif->damaged)
		nec_eif_add_finding(eif, rule, offset, "%s", text);
	/* Opening a damaged file succeeds, and success leaves the caller's error alone. */
	return nec_error_set(eif->damaged ? NULL : err, nec_rule_row(rule)->code, -EBADMSG,
			     "%s: %s", eif->name, text);
}

static int check_section_type(nec_eif *eif, size_t i, uint16_t type, uint64_t offset,
			      nec_error *err)
{
	if (type >= NEC_EIF_KERNEL && type <= NEC_EIF_METADATA)
		return 0;
	return refuse(eif, NEC_RULE_SECTION_TYPE, offset, err,
		      "section %zu at offset %" PRIu64 " has type %u, which does not exist (1 to 5 "
		      "do)",
		      i, offset, type);
}

/* @free_from: the end of what came before. Leaves room for the section's header. */
static int check_section_offset(nec_eif *eif, size_t i, uint64_t offset, uint64_t free_from,
				nec_error *err)
{
	uint64_t entry = NEC_EIF_OFFSETS_AT + i * sizeof(uint64_t);

	if (offset < free_from)
		return refuse(eif, NEC_RULE_SECTION_OVERLAP, entry, err,
			      "section %zu begins at offset %" PRIu64
			      ", before the end of what precedes it at %" PRIu64,
			      i, offset, free_from);
	if (offset > eif->layout.size_bytes ||
	    eif->layout.size_bytes - offset < NEC_EIF_SECTION_HEADER)
		return refuse(eif, NEC_RULE_TRUNCATED, entry, err,
			      "section %zu begins at offset %" PRIu64 ", the file ends at %" PRIu64,
			      i, offset, eif->layout.size_bytes);
	return 0;
}

static int check_section_size(nec_eif *eif, size_t i, const struct nec_eif_section *section,
			      nec_error *err)
{
	uint64_t left = eif->layout.size_bytes - section->data_offset;

	if (section->size_bytes <= left)
		return 0;
	return refuse(eif, NEC_RULE_TRUNCATED, section->offset, err,
		      "section %zu (%s) at offset %" PRIu64 " claims %" PRIu64 " bytes, %" PRIu64
		      " are left in the file",
		      i, nec_eif_section_name(section->type), section->offset, section->size_bytes,
		      left);
}

/* Reads the section that is entry @i of the tables to the end of the layout. */
static int read_section_header(nec_eif *eif, size_t i, uint64_t offset, uint64_t table_size,
			       nec_error *err)
{
	struct nec_eif_section *section = &eif->layout.sections[eif->layout.count];
	uint8_t bytes[NEC_EIF_SECTION_HEADER] = { 0 };
	struct nec_cursor cursor = nec_cursor_over(bytes, sizeof(bytes));
	uint16_t type = 0;
	int r;

	r = nec_file_read_at(eif->fd, eif->name, bytes, sizeof(bytes), offset, err);
	if (r < 0)
		return r;
	(void)nec_cursor_u16be(&cursor, &type);
	(void)nec_cursor_u16be(&cursor, &section->flags);
	(void)nec_cursor_u64be(&cursor, &section->size_bytes);
	section->type = (enum nec_eif_section_type)type;
	section->offset = offset;
	section->data_offset = offset + sizeof(bytes);
	section->table_size_bytes = table_size;
	r = check_section_type(eif, i, type, offset, err);
	if (r == 0)
		r = check_section_size(eif, i, section, err);
	if (r == 0)
		eif->table_index[eif->layout.count++] = (uint8_t)i;
	return r;
}

static uint64_t table_entry(const nec_eif *eif, size_t table, size_t i)
{
	struct nec_cursor cursor = nec_cursor_over(eif->raw_header, sizeof(eif->raw_header));
	uint64_t value = 0;

	cursor.offset = table + i * sizeof(value);
	(void)nec_cursor_u64be(&cursor, &value);
	return value;
}

static uint64_t end_of_last(const nec_eif *eif)
{
	const struct nec_eif_section *last;

	if (eif->layout.count == 0)
		return NEC_EIF_HEADER_SIZE;
	last = &eif->layout.sections[eif->layout.count - 1];
	return last->data_offset + last->size_bytes;
}

static int read_sections(nec_eif *eif, nec_error *err)
{
	for (size_t i = 0; i < eif->table_count; i++) {
		uint64_t offset = table_entry(eif, NEC_EIF_OFFSETS_AT, i);
		uint64_t size = table_entry(eif, NEC_EIF_SIZES_AT, i);
		int r = check_section_offset(eif, i, offset, end_of_last(eif), err);

		if (r == 0)
			r = read_section_header(eif, i, offset, size, err);
		if (r < 0 && !(r == -EBADMSG && eif->damaged))
			return r;
	}
	return 0;
}

static void parse_header(nec_eif *eif, uint16_t *ret_count)
{
	struct nec_cursor cursor = nec_cursor_over(eif->raw_header, sizeof(eif->raw_header));
	uint16_t reserved;

	(void)nec_cursor_u32be(&cursor, &eif->header.magic);
	(void)nec_cursor_u16be(&cursor, &eif->header.version);
	(void)nec_cursor_u16be(&cursor, &eif->header.flags);
	(void)nec_cursor_u64be(&cursor, &eif->header.default_memory_bytes);
	(void)nec_cursor_u64be(&cursor, &eif->header.default_cpus);
	(void)nec_cursor_u16be(&cursor, &reserved);
	(void)nec_cursor_u16be(&cursor, ret_count);
	cursor.offset = NEC_EIF_CRC_AT;
	(void)nec_cursor_u32be(&cursor, &eif->header.crc32);
}

/* Even of a file that is too short the first bytes are read: they tell whether it is an EIF. */
static int read_header(nec_eif *eif, nec_error *err)
{
	uint64_t size = eif->layout.size_bytes;
	uint16_t count = 0;
	int r;

	r = nec_file_read_at(eif->fd, eif->name, eif->raw_header,
			     size < NEC_EIF_HEADER_SIZE ? (size_t)size : NEC_EIF_HEADER_SIZE, 0,
			     err);
	if (r < 0)
		return r;
	parse_header(eif, &count);
	if (size < NEC_EIF_HEADER_SIZE)
		return refuse(eif, NEC_RULE_TRUNCATED, size, err,
			      "the file has %" PRIu64 " bytes, the header of an enclave image "
			      "alone has %d",
			      size, NEC_EIF_HEADER_SIZE);
	if (count == 0 || count > NEC_EIF_MAX_SECTIONS)
		return refuse(eif, NEC_RULE_SECTION_COUNT, NEC_EIF_COUNT_AT, err,
			      "the header claims %u sections, 2 to %d are possible", count,
			      NEC_EIF_MAX_SECTIONS);
	eif->table_count = count;
	return 0;
}

/* In a file that is no EIF some table entry is always odd, but that is not what is wrong. */
static int refuse_magic(nec_eif *eif, nec_error *err)
{
	const uint8_t *magic = eif->raw_header;

	nec_buffer_free(&eif->findings);
	eif->layout.count = 0;
	return refuse(eif, NEC_RULE_MAGIC, 0, err,
		      "this is not an enclave image: it begins with the bytes %02x %02x %02x %02x "
		      "instead of \".eif\"",
		      magic[0], magic[1], magic[2], magic[3]);
}

static int read_structure(nec_eif *eif, nec_error *err)
{
	int r = read_header(eif, err);

	if (r == 0)
		r = read_sections(eif, err);
	if (eif->incomplete && eif->header.magic != NEC_EIF_MAGIC && eif->layout.size_bytes > 0)
		r = refuse_magic(eif, err);
	else if (r == 0)
		nec_eif_find_structure(eif);
	return r == -EBADMSG && eif->damaged && eif->incomplete ? 0 : r;
}

static int stat_regular(nec_eif *eif, nec_error *err)
{
	if (fstat(eif->fd, &eif->stat) < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot stat %s",
					    eif->name);
	if (!S_ISREG(eif->stat.st_mode))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "%s is not a regular file", eif->name);
	eif->layout.size_bytes = (uint64_t)eif->stat.st_size;
	return 0;
}

/* Takes @fd, on failure too. */
static int open_taking(nec_context *context, int fd, const char *name, bool damaged, nec_eif **ret,
		       nec_error *err)
{
	cleanup_close int owned = fd;
	cleanup_eif nec_eif *eif = calloc(1, sizeof(*eif));
	int r;

	if (!eif)
		return nec_error_no_memory(err);
	eif->context = context;
	eif->damaged = damaged;
	eif->fd = TAKE_FD(owned);
	eif->name = strdup(name);
	if (!eif->name)
		return nec_error_no_memory(err);
	r = stat_regular(eif, err);
	if (r == 0)
		r = read_structure(eif, err);
	if (r == 0)
		r = nec_eif_findings_result(eif, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(eif);
	return 0;
}

static int open_path(nec_context *context, const char *path, bool damaged, nec_eif **ret,
		     nec_error *err)
{
	/* A FIFO without a writer must not hold us up: only regular files are read anyway. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", path);
	return open_taking(context, fd, path, damaged, ret, err);
}

int nec_eif_open(nec_context *context, const char *path, nec_eif **ret, nec_error *err)
{
	return open_path(context, path, false, ret, err);
}

int nec_eif_open_damaged(nec_context *context, const char *path, nec_eif **ret, nec_error *err)
{
	return open_path(context, path, true, ret, err);
}

int nec_eif_open_fd(nec_context *context, int fd, const char *name, nec_eif **ret, nec_error *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno,
					    "cannot duplicate the descriptor of %s", name);
	return open_taking(context, copy, name, false, ret, err);
}

void nec_eif_free(nec_eif *eif)
{
	if (!eif)
		return;
	nec_buffer_free(&eif->findings);
	if (eif->fd >= 0)
		(void)close(eif->fd);
	free(eif->name);
	free(eif);
}

const struct nec_eif_header *nec_eif_get_header(const nec_eif *eif)
{
	return &eif->header;
}

enum nec_arch nec_eif_get_arch(const nec_eif *eif)
{
	return eif->header.flags & NEC_EIF_FLAG_AARCH64 ? NEC_ARCH_AARCH64 : NEC_ARCH_X86_64;
}

uint64_t nec_eif_get_size_bytes(const nec_eif *eif)
{
	return eif->layout.size_bytes;
}

size_t nec_eif_get_section_count(const nec_eif *eif)
{
	return eif->layout.count;
}

const struct nec_eif_section *nec_eif_get_section(const nec_eif *eif, size_t index)
{
	return index < eif->layout.count ? &eif->layout.sections[index] : NULL;
}

const struct nec_eif_section *nec_eif_find_section(const nec_eif *eif,
						   enum nec_eif_section_type type)
{
	for (size_t i = 0; i < eif->layout.count; i++)
		if (eif->layout.sections[i].type == type)
			return &eif->layout.sections[i];
	return NULL;
}

int nec_eif_read_section(const nec_eif *eif, size_t index, uint64_t offset, void *to, size_t size,
			 nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_get_section(eif, index);

	if (!section || offset > section->size_bytes || size > section->size_bytes - offset)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "%s: section %zu has no %zu bytes at offset %" PRIu64,
				     eif->name, index, size, offset);
	return nec_file_read_at(eif->fd, eif->name, to, size, section->data_offset + offset, err);
}

int nec_eif_read_whole(const nec_eif *eif, const struct nec_eif_section *section, size_t limit,
		       struct nec_buffer *to, nec_error *err)
{
	cleanup_free uint8_t *data = NULL;
	size_t size = (size_t)section->size_bytes;
	int r;

	if (section->size_bytes > limit)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s: the %s section at offset %" PRIu64 " has %" PRIu64
				     " bytes, %zu are allowed",
				     eif->name, nec_eif_section_name(section->type),
				     section->offset, section->size_bytes, limit);
	data = malloc(size + 1);
	if (!data)
		return nec_error_no_memory(err);
	r = nec_file_read_at(eif->fd, eif->name, data, size, section->data_offset, err);
	if (r < 0)
		return r;
	nec_buffer_append(to, data, size);
	return to->failed ? nec_error_no_memory(err) : 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int nec_eif_check_unchanged(const nec_eif *eif, nec_error *err)
{
	struct stat now;

	if (fstat(eif->fd, &now) < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot stat %s",
					    eif->name);
	if (now.st_size == eif->stat.st_size && same_time(now.st_mtim, eif->stat.st_mtim) &&
	    same_time(now.st_ctim, eif->stat.st_ctim))
		return 0;
	return nec_error_set(err, NEC_E_FILE_CHANGED, -EBADMSG, "%s changed while it was read",
			     eif->name);
}

static uint64_t nanoseconds(struct timespec time)
{
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

struct nec_eif_state nec_eif_get_state(const nec_eif *eif)
{
	return (struct nec_eif_state){
		.size_bytes = (uint64_t)eif->stat.st_size,
		.mtime_nsec = nanoseconds(eif->stat.st_mtim),
		.ctime_nsec = nanoseconds(eif->stat.st_ctim),
	};
}

int nec_eif_check_state(const nec_eif *eif, const struct nec_eif_state *state, nec_error *err)
{
	const struct nec_eif_state now = nec_eif_get_state(eif);

	if (now.size_bytes == state->size_bytes && now.mtime_nsec == state->mtime_nsec &&
	    now.ctime_nsec == state->ctime_nsec)
		return 0;
	return nec_error_set(err, NEC_E_FILE_CHANGED, -EBADMSG,
			     "%s changed between two looks at it", eif->name);
}
