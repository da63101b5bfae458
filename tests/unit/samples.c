/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "test.h"

char sample_folder[64];

int sample_make_folder(void **state)
{
	(void)state;
	(void)snprintf(sample_folder, sizeof(sample_folder), "/tmp/nec-test-XXXXXX");
	return mkdtemp(sample_folder) ? 0 : -1;
}

int sample_remove_folder(void **state)
{
	char command[256];

	(void)state;
	(void)snprintf(command, sizeof(command), "chmod -R u+rwX %s && rm -rf %s", sample_folder,
		       sample_folder);
	return system(command); /* NOLINT(cert-env33-c) */
}

const char *sample_path(const char *name)
{
	static char paths[8][512];
	static unsigned int next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", sample_folder, name);
	return path;
}

void sample_write(const char *name, const void *data, size_t size)
{
	cleanup_close int fd =
		open(sample_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
}

void sample_write_text(const char *name, const char *text)
{
	sample_write(name, text, strlen(text));
}

void sample_mkdir(const char *name)
{
	assert_int_equal(mkdir(sample_path(name), 0755), 0);
}

int sample_fd(const void *data, size_t size)
{
	int fd = memfd_create("sample", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	return fd;
}

/* A legacy lz4 frame of literals only: the library that tests have does not write that format. */
static void compress_lz4(struct nec_buffer *to, const uint8_t *data, size_t size)
{
	cleanup_buffer struct nec_buffer block = { 0 };
	static const uint8_t magic[] = { 0x02, 0x21, 0x4c, 0x18 };
	size_t more = size - 15;

	assert_true(size >= 15);
	nec_buffer_append_u8(&block, 0xf0);
	for (; more >= 255; more -= 255)
		nec_buffer_append_u8(&block, 255);
	nec_buffer_append_u8(&block, (uint8_t)more);
	nec_buffer_append(&block, data, size);
	nec_buffer_append(to, magic, sizeof(magic));
	for (unsigned int i = 0; i < 4; i++)
		nec_buffer_append_u8(to, (uint8_t)(block.size >> 8 * i));
	nec_buffer_append(to, block.data, block.size);
}

static la_ssize_t append_output(struct archive *archive, void *userdata, const void *data,
				size_t size)
{
	(void)archive;
	nec_buffer_append(userdata, data, size);
	return (la_ssize_t)size;
}

void sample_compress(struct nec_buffer *to, enum nec_compression compression, const void *data,
		     size_t size)
{
	static const char *const filters[] = {
		[NEC_COMPRESSION_NONE] = "none",   [NEC_COMPRESSION_GZIP] = "gzip",
		[NEC_COMPRESSION_XZ] = "xz",       [NEC_COMPRESSION_LZMA] = "lzma",
		[NEC_COMPRESSION_BZIP2] = "bzip2", [NEC_COMPRESSION_ZSTD] = "zstd",
	};
	struct archive_entry *entry = archive_entry_new();
	struct archive *archive = archive_write_new();

	if (compression == NEC_COMPRESSION_LZ4) {
		compress_lz4(to, data, size);
	} else {
		assert_int_equal(archive_write_add_filter_by_name(archive, filters[compression]),
				 ARCHIVE_OK);
		assert_int_equal(archive_write_set_format_raw(archive), ARCHIVE_OK);
		(void)archive_write_set_bytes_per_block(archive, 0);
		assert_int_equal(archive_write_open(archive, to, NULL, append_output, NULL),
				 ARCHIVE_OK);
		archive_entry_set_filetype(entry, AE_IFREG);
		assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
		assert_int_equal(archive_write_data(archive, data, size), size);
		assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	}
	archive_entry_free(entry);
	assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
}

/* The fields of a ustar header (POSIX.1-2017, pax). */
struct tar_header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[8];
	char user[32];
	char group[32];
	char major[8];
	char minor[8];
	char prefix[167];
};

static void put_octal(char *to, size_t width, unsigned long long value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%0*llo", (int)width - 1, value);
	memcpy(to, text, width);
}

static void add_pax(struct nec_buffer *tar, const char *pax)
{
	cleanup_buffer struct nec_buffer record = { 0 };
	int length = (int)strlen(pax) + 3;
	char digits[16];

	/* The length counts its own digits. */
	while (snprintf(digits, sizeof(digits), "%d", length) + (int)strlen(pax) + 2 > length)
		length++;
	nec_buffer_printf(&record, "%d %s\n", length, pax);
	sample_tar_add(tar, &(struct sample_entry){ .type = 'x',
						    .name = "pax",
						    .data = nec_buffer_text(&record),
						    .size = record.size });
}

void sample_tar_add(struct nec_buffer *tar, const struct sample_entry *entry)
{
	struct tar_header header = { .type = entry->type, .magic = "ustar\00000" };
	unsigned int mode = entry->mode ? entry->mode : entry->type == '5' ? 0755 : 0644;
	unsigned int sum = 0;

	_Static_assert(sizeof(header) == 512, "a tar header is one block");
	if (entry->pax)
		add_pax(tar, entry->pax);
	memcpy(header.name, entry->name, strnlen(entry->name, sizeof(header.name)));
	if (entry->link)
		memcpy(header.link, entry->link, strnlen(entry->link, sizeof(header.link)));
	put_octal(header.mode, sizeof(header.mode), mode);
	put_octal(header.uid, sizeof(header.uid), entry->uid);
	put_octal(header.gid, sizeof(header.gid), entry->gid);
	put_octal(header.size, sizeof(header.size), entry->size);
	put_octal(header.mtime, sizeof(header.mtime), 1000000000);
	put_octal(header.major, sizeof(header.major), entry->major);
	put_octal(header.minor, sizeof(header.minor), entry->minor);
	memset(header.checksum, ' ', sizeof(header.checksum));
	for (size_t i = 0; i < sizeof(header); i++)
		sum += ((const unsigned char *)&header)[i];
	put_octal(header.checksum, 7, sum);
	nec_buffer_append(tar, &header, sizeof(header));
	if (entry->data) {
		nec_buffer_append(tar, entry->data, entry->size);
		nec_buffer_append_zeros(tar, -entry->size & 511);
	}
}

void sample_tar_file(struct nec_buffer *tar, const char *name, const char *text)
{
	sample_tar_add(tar,
		       &(struct sample_entry){
			       .type = '0', .name = name, .data = text, .size = strlen(text) });
}

void sample_tar_dir(struct nec_buffer *tar, const char *name)
{
	sample_tar_add(tar, &(struct sample_entry){ .type = '5', .name = name });
}

void sample_tar_end(struct nec_buffer *tar)
{
	nec_buffer_append_zeros(tar, 1024);
	assert_false(tar->failed);
}
