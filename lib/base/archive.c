/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive between two streams. */
#include "base/archive.h"

#include <locale.h>
#include <string.h>

#include "base/error.h"

#define ARCHIVE(name) NEC_ARCHIVE(name)

NEC_DYNLIB_DEFINE(archive, NEC_ARCHIVE_SYMBOLS, "libarchive.so.13", "libarchive13")

enum { INPUT_BYTES = 256 * 1024 };

enum { TAR_BLOCK_BYTES = 512 };

/* An archive being read, with what libarchive's callbacks need. */
struct input {
	struct archive *archive;
	struct nec_stream from;
	const char *name;
	enum nec_error_code damaged;
	nec_error error; /* why the source failed, when it did */
	int result;
	bool wants_tail; /* it is a tar archive: zeros may follow its end */
	bool has_tail;   /* they were needed */
	uint64_t bytes;  /* that came from the source */
	uint8_t buffer[];
};

/*
 * Some writers of image layers leave out a tar archive's end mark and even the padding of the last
 * file, and every container runtime takes that. libarchive does not, so it gets them from us.
 */
static ssize_t input_tail(struct input *input)
{
	size_t size = (size_t)(-input->bytes & (TAR_BLOCK_BYTES - 1)) + (size_t)2 * TAR_BLOCK_BYTES;

	if (!input->wants_tail || input->has_tail)
		return 0;
	input->has_tail = true;
	memset(input->buffer, 0, size);
	return (ssize_t)size;
}

/* Remembers how the source answered. Returns what libarchive wants to hear. */
static int64_t input_answer(struct input *input, int64_t n)
{
	if (n < 0) {
		input->result = (int)n;
		return ARCHIVE_FATAL;
	}
	input->bytes += (uint64_t)n;
	return n;
}

static ssize_t input_read(struct archive *archive, void *userdata, const void **ret)
{
	struct input *input = userdata;
	ssize_t n =
		input->from.read(input->from.userdata, input->buffer, INPUT_BYTES, &input->error);

	(void)archive;
	*ret = input->buffer;
	return n == 0 ? input_tail(input) : (ssize_t)input_answer(input, n);
}

static la_int64_t input_skip(struct archive *archive, void *userdata, la_int64_t size)
{
	struct input *input = userdata;

	(void)archive;
	return input_answer(input,
			    input->from.skip(input->from.userdata, (uint64_t)size, &input->error));
}

/* The source's own error when that was it, else what libarchive says. */
static int input_error(const struct input *input, nec_error *err)
{
	const char *text = ARCHIVE(archive_error_string)(input->archive);

	if (input->result < 0) {
		if (err)
			*err = input->error;
		return input->result;
	}
	if (ARCHIVE(archive_errno)(input->archive) == ENOMEM)
		return nec_error_no_memory(err);
	return nec_error_set(err, input->damaged, -EBADMSG, "%s is damaged: %s", input->name,
			     text ? text : "its data cannot be read");
}

/* The archive without any filter or format yet. */
static int input_new(const struct nec_stream *from, const char *name, enum nec_error_code damaged,
		     struct input **ret, nec_error *err)
{
	struct input *input;
	int r = nec_archive_load(err);

	if (r < 0)
		return r;
	input = malloc(sizeof(*input) + INPUT_BYTES);
	if (!input)
		return nec_error_no_memory(err);
	*input = (struct input){
		.archive = ARCHIVE(archive_read_new)(),
		.from = *from,
		.name = name,
		.damaged = damaged,
	};
	if (!input->archive) {
		free(input);
		return nec_error_no_memory(err);
	}
	*ret = input;
	return 0;
}

static int input_open(struct input *input, nec_error *err)
{
	int r = ARCHIVE(archive_read_open2)(input->archive, input, NULL, input_read,
					    input->from.skip ? input_skip : NULL, NULL);

	return r == ARCHIVE_OK ? 0 : input_error(input, err);
}

static void input_free(struct input *input)
{
	if (input)
		(void)ARCHIVE(archive_read_free)(input->archive);
	free(input);
}

enum nec_compression nec_compression_detect(const uint8_t *data, size_t size)
{
	static const struct {
		uint8_t magic[2];
		enum nec_compression compression;
	} table[] = {
		{ { 0x1f, 0x8b }, NEC_COMPRESSION_GZIP }, { { 0xfd, 0x37 }, NEC_COMPRESSION_XZ },
		{ { 0x5d, 0x00 }, NEC_COMPRESSION_LZMA }, { { 0x42, 0x5a }, NEC_COMPRESSION_BZIP2 },
		{ { 0x02, 0x21 }, NEC_COMPRESSION_LZ4 },  { { 0x28, 0xb5 }, NEC_COMPRESSION_ZSTD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table) && size >= sizeof(table[i].magic); i++)
		if (memcmp(data, table[i].magic, sizeof(table[i].magic)) == 0)
			return table[i].compression;
	return NEC_COMPRESSION_NONE;
}

const char *nec_compression_name(enum nec_compression compression)
{
	static const char *const names[] = {
		[NEC_COMPRESSION_NONE] = "none",   [NEC_COMPRESSION_GZIP] = "gzip",
		[NEC_COMPRESSION_XZ] = "xz",       [NEC_COMPRESSION_LZMA] = "lzma",
		[NEC_COMPRESSION_BZIP2] = "bzip2", [NEC_COMPRESSION_LZ4] = "lz4",
		[NEC_COMPRESSION_ZSTD] = "zstd",
	};

	return names[compression];
}

struct nec_decompressor {
	struct input *input;
	enum nec_compression compression;
	uint64_t limit;
	uint64_t produced;
	bool started;
	bool ended;
};

static int support_filter(struct archive *archive, enum nec_compression compression)
{
	switch (compression) {
	case NEC_COMPRESSION_GZIP:
		return ARCHIVE(archive_read_support_filter_gzip)(archive);
	case NEC_COMPRESSION_XZ:
		return ARCHIVE(archive_read_support_filter_xz)(archive);
	case NEC_COMPRESSION_LZMA:
		return ARCHIVE(archive_read_support_filter_lzma)(archive);
	case NEC_COMPRESSION_BZIP2:
		return ARCHIVE(archive_read_support_filter_bzip2)(archive);
	case NEC_COMPRESSION_LZ4:
		return ARCHIVE(archive_read_support_filter_lz4)(archive);
	case NEC_COMPRESSION_ZSTD:
		return ARCHIVE(archive_read_support_filter_zstd)(archive);
	case NEC_COMPRESSION_NONE:
		break;
	}
	return ARCHIVE_OK;
}

int nec_decompressor_new(const struct nec_stream *from, enum nec_compression compression,
			 const char *name, enum nec_error_code damaged, uint64_t limit,
			 struct nec_decompressor **ret, nec_error *err)
{
	NEC_CLEANUP(decompressor)
	struct nec_decompressor *decompressor = calloc(1, sizeof(*decompressor));
	int r;

	if (!decompressor)
		return nec_error_no_memory(err);
	decompressor->compression = compression;
	decompressor->limit = limit;
	r = input_new(from, name, damaged, &decompressor->input, err);
	if (r < 0)
		return r;
	/* A libarchive built without the library would run a program instead and say WARN. */
	if (support_filter(decompressor->input->archive, compression) != ARCHIVE_OK)
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP,
				     "the installed libarchive cannot decompress %s",
				     nec_compression_name(compression));
	(void)ARCHIVE(archive_read_support_format_raw)(decompressor->input->archive);
	(void)ARCHIVE(archive_read_support_format_empty)(decompressor->input->archive);
	*ret = TAKE_PTR(decompressor);
	return 0;
}

void nec_decompressor_free(struct nec_decompressor *decompressor)
{
	if (!decompressor)
		return;
	input_free(decompressor->input);
	free(decompressor);
}

/*
 * Opening reads from the source, so it is left to the first read. libarchive passes through what it
 * does not recognise by more than two bytes of magic; that must not look like decompressed data.
 */
static int start(struct nec_decompressor *decompressor, nec_error *err)
{
	struct input *input = decompressor->input;
	struct archive_entry *entry;
	int r = input_open(input, err);

	decompressor->started = true;
	if (r < 0)
		return r;
	if (decompressor->compression != NEC_COMPRESSION_NONE &&
	    ARCHIVE(archive_filter_code)(input->archive, 0) == ARCHIVE_FILTER_NONE)
		return nec_error_set(err, input->damaged, -EBADMSG,
				     "%s is damaged: it begins like %s data but is none",
				     input->name, nec_compression_name(decompressor->compression));
	r = ARCHIVE(archive_read_next_header)(input->archive, &entry);
	decompressor->ended = r == ARCHIVE_EOF; /* it decompresses to nothing */
	return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0 : input_error(input, err);
}

static ssize_t decompressor_read(void *userdata, void *to, size_t size, nec_error *err)
{
	struct nec_decompressor *decompressor = userdata;
	struct input *input = decompressor->input;
	int r = decompressor->started ? 0 : start(decompressor, err);
	ssize_t n;

	if (r < 0 || decompressor->ended)
		return r;
	n = ARCHIVE(archive_read_data)(input->archive, to, size);
	if (n < 0)
		return input_error(input, err);
	decompressor->ended = n == 0;
	decompressor->produced += (uint64_t)n;
	if (decompressor->produced > decompressor->limit)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s decompresses to more than the %llu bytes allowed",
				     input->name, (unsigned long long)decompressor->limit);
	return n;
}

struct nec_stream nec_decompressor_stream(struct nec_decompressor *decompressor)
{
	return (struct nec_stream){ .read = decompressor_read, .userdata = decompressor };
}

uint64_t nec_decompressor_consumed(const struct nec_decompressor *decompressor)
{
	return (uint64_t)ARCHIVE(archive_filter_bytes)(decompressor->input->archive, -1);
}

struct nec_tar {
	struct input *input;
	locale_t locale;
	bool started;
};

int nec_tar_new(const struct nec_stream *from, const char *name, enum nec_error_code damaged,
		struct nec_tar **ret, nec_error *err)
{
	NEC_CLEANUP(tar) struct nec_tar *tar = calloc(1, sizeof(*tar));
	int r;

	if (!tar)
		return nec_error_no_memory(err);
	r = input_new(from, name, damaged, &tar->input, err);
	if (r < 0)
		return r;
	tar->locale = newlocale(LC_CTYPE_MASK, "C", NULL);
	if (!tar->locale)
		return nec_error_no_memory(err);
	tar->input->wants_tail = true;
	(void)ARCHIVE(archive_read_support_format_tar)(tar->input->archive);
	(void)ARCHIVE(archive_read_support_format_empty)(tar->input->archive);
	*ret = TAKE_PTR(tar);
	return 0;
}

void nec_tar_free(struct nec_tar *tar)
{
	if (!tar)
		return;
	if (tar->locale)
		freelocale(tar->locale);
	input_free(tar->input);
	free(tar);
}

/*
 * libarchive converts UTF-8 names to the locale's character set, and for UTF-8 it composes them
 * (NFC), so two files could become one. In the C locale it finds that it cannot convert, says
 * ARCHIVE_WARN, and leaves the bytes as they are.
 */
int nec_tar_next(struct nec_tar *tar, struct archive_entry **ret, nec_error *err)
{
	locale_t old = uselocale(tar->locale);
	int r = tar->started ? 0 : input_open(tar->input, err);

	tar->started = true;
	if (r == 0) {
		r = ARCHIVE(archive_read_next_header)(tar->input->archive, ret);
		if (r == ARCHIVE_EOF)
			r = 0;
		else if (r == ARCHIVE_OK || r == ARCHIVE_WARN)
			r = 1;
		else
			r = input_error(tar->input, err);
	}
	(void)uselocale(old);
	return r;
}

int nec_tar_data(struct nec_tar *tar, const void **ret, size_t *ret_size, uint64_t *ret_offset,
		 nec_error *err)
{
	la_int64_t offset;
	int r = ARCHIVE(archive_read_data_block)(tar->input->archive, ret, ret_size, &offset);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return input_error(tar->input, err);
	/* Zeros that nobody has written are no data. */
	if (tar->input->has_tail && *ret_size > 0)
		return nec_error_set(err, tar->input->damaged, -EBADMSG,
				     "%s is damaged: it ends within a file", tar->input->name);
	*ret_offset = (uint64_t)offset;
	return 1;
}

uint64_t nec_tar_header_offset(const struct nec_tar *tar)
{
	return (uint64_t)ARCHIVE(archive_read_header_position)(tar->input->archive);
}
