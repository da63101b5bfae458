/* SPDX-License-Identifier: Apache-2.0 */
/* Making the archives, folders and open files that tests of images read. */
#ifndef NEC_TESTS_UNIT_SAMPLES_H
#define NEC_TESTS_UNIT_SAMPLES_H

#include "base/archive.h"
#include "base/buffer.h"

/* A temporary folder for one test: use as setup and teardown. */
extern char sample_folder[64];
int sample_make_folder(void **state);
int sample_remove_folder(void **state);

/* "<folder>/<name>", valid until the call after the next seven. */
const char *sample_path(const char *name);
void sample_write(const char *name, const void *data, size_t size);
void sample_write_text(const char *name, const char *text);
void sample_mkdir(const char *name);

/* An unnamed file with these bytes. */
int sample_fd(const void *data, size_t size);

/* Appends @data to @to in compressed form. */
void sample_compress(struct nec_buffer *to, enum nec_compression compression, const void *data,
		     size_t size);

/* One entry of a tar archive. */
struct sample_entry {
	char type; /* as in the header: '0' file, '1' hard link, '2' symlink, '5' folder ... */
	const char *name;
	const char *link;
	const void *data;
	size_t size;
	unsigned int mode; /* 0: 0755 for folders, else 0644 */
	unsigned int uid;
	unsigned int gid;
	unsigned int major;
	unsigned int minor;
	const char *pax; /* "key=value" of a pax header before the entry */
};

void sample_tar_add(struct nec_buffer *tar, const struct sample_entry *entry);
void sample_tar_file(struct nec_buffer *tar, const char *name, const char *text);
void sample_tar_dir(struct nec_buffer *tar, const char *name);
void sample_tar_end(struct nec_buffer *tar);

#endif
