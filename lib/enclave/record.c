/* SPDX-License-Identifier: Apache-2.0 */
/* Records: written beside their place, locked, then put there. */
#include "enclave/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "enclave/paths.h"
#include "enclave/prune.h"

#define RECORD_SUFFIX ".json"
#define NEW_SUFFIX    ".new"

/* A record that is being written is there for as long as a write takes. */
enum { NEW_SEC = 60 };

/* Far beyond what a record of ours has. */
enum { MAX_RECORD_BYTES = 1 << 20 };

static void folder_of(const char *dir, struct nec_path *ret)
{
	(void)snprintf(ret->text, sizeof(ret->text), "%s/" NEC_RECORDS_DIR, nec_state_dir(dir));
}

static void path_of(const char *dir, uint64_t slot_uid, struct nec_path *ret)
{
	(void)snprintf(ret->text, sizeof(ret->text),
		       "%s/" NEC_RECORDS_DIR "/%" PRIx64 RECORD_SUFFIX, nec_state_dir(dir),
		       slot_uid);
}

/* Everybody may read what everybody may ask the holder for. Returns the fd. */
static int create(int folder_fd, const char *path, const char *json, nec_error *err)
{
	cleanup_close int fd = nec_create_in_folder(folder_fd, path, 0644, err);
	int r;

	if (fd < 0)
		return fd;
	(void)fchmod(fd, 0644);
	r = nec_file_write_at(fd, path, json, strlen(json), 0, err);
	if (r < 0)
		(void)unlinkat(folder_fd, nec_name_in_folder(path), 0);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Locked before it has its name: nobody ever sees it there without a holder. Returns the fd. */
static int put_in(int folder_fd, const struct nec_path *path, const char *json, bool locked,
		  nec_error *err)
{
	cleanup_close int fd = -1;
	struct nec_path beside;
	const char *name;
	int r;

	(void)snprintf(beside.text, sizeof(beside.text), "%.*s" NEW_SUFFIX,
		       (int)(sizeof(beside.text) - sizeof(NEW_SUFFIX)), path->text);
	name = nec_name_in_folder(beside.text);
	fd = create(folder_fd, beside.text, json, err);
	if (fd < 0)
		return fd;
	r = locked && flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	if (r == 0 && renameat(folder_fd, name, folder_fd, nec_name_in_folder(path->text)) < 0)
		r = -errno;
	if (r == 0)
		return TAKE_FD(fd);
	(void)unlinkat(folder_fd, name, 0);
	return nec_error_set_system(err, NEC_E_FILE_WRITE, r, "cannot write %s", path->text);
}

static int put(const struct nec_path *path, const char *json, bool locked, nec_error *err)
{
	cleanup_close int folder_fd = nec_open_folder_of(path->text, err);

	return folder_fd < 0 ? folder_fd : put_in(folder_fd, path, json, locked, err);
}

void nec_record_release(struct nec_record *record)
{
	if (record->fd >= 0)
		(void)close(TAKE_FD(record->fd));
}

int nec_record_write(struct nec_record *record, const char *dir, uint64_t slot_uid,
		     const char *json, nec_error *err)
{
	struct nec_path path;
	int fd;

	path_of(dir, slot_uid, &path);
	fd = put(&path, json, true, err);
	if (fd < 0)
		return fd;
	nec_record_release(record);
	record->path = path;
	record->fd = fd;
	return 0;
}

int nec_record_finish(struct nec_record *record, const char *json, nec_error *err)
{
	int fd;

	if (record->fd < 0)
		return 0;
	fd = put(&record->path, json, false, err);
	nec_record_release(record);
	if (fd < 0)
		return fd;
	(void)close(fd);
	return 0;
}

/* Opens the record of an enclave that has ended; -1 when it has not, or cannot be read. */
static int open_ended(int folder_fd, const char *name)
{
	cleanup_close int fd =
		openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	/* Shared: those who only look do not take each other for a holder. */
	return fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 ? -1 : TAKE_FD(fd);
}

static bool is_held(int folder_fd, const char *folder, const char *name)
{
	cleanup_close int fd = open_ended(folder_fd, name);

	(void)folder;
	return fd < 0;
}

/* What a writer that was killed has left. */
static bool is_being_written(int folder_fd, const char *folder, const char *name)
{
	struct stat st;

	(void)folder;
	return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       st.st_mtim.tv_sec + NEW_SEC > time(NULL);
}

void nec_records_prune(const char *dir, size_t keep)
{
	struct nec_path folder;

	folder_of(dir, &folder);
	nec_prune(folder.text, RECORD_SUFFIX, keep, is_held);
	nec_prune(folder.text, RECORD_SUFFIX NEW_SUFFIX, 0, is_being_written);
}

static cJSON *read_ended(int folder_fd, const char *name)
{
	cleanup_close int fd = open_ended(folder_fd, name);
	cleanup_buffer struct nec_buffer text = { 0 };
	cJSON *object = NULL;

	if (fd < 0 || nec_file_read_all_fd(fd, name, MAX_RECORD_BYTES, &text, NULL) < 0 ||
	    nec_json_parse(nec_buffer_text(&text), text.size, &object, NULL) < 0)
		return NULL;
	if (nec_json_is_object(object))
		return object;
	nec_json_free(object);
	return NULL;
}

int nec_records_list(const char *dir, cJSON *array, nec_error *err)
{
	struct nec_aged_files files;
	cleanup_close int folder_fd = -1;
	struct nec_path folder;
	int r = 0;

	folder_of(dir, &folder);
	folder_fd = open(folder.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder_fd < 0)
		return 0;
	files = nec_aged_files_list(folder.text, RECORD_SUFFIX, is_held);
	for (size_t i = files.count; i-- > 0 && r == 0;) {
		cJSON *object = read_ended(folder_fd, files.names[i]);

		if (object && !nec_json_append(array, object))
			r = nec_error_no_memory(err);
	}
	nec_aged_files_free(&files);
	return r;
}

bool nec_record_exists(const char *dir, uint64_t slot_uid)
{
	struct nec_path path;

	path_of(dir, slot_uid, &path);
	return access(path.text, F_OK) == 0;
}

cJSON *nec_record_read(const char *dir, uint64_t slot_uid)
{
	struct nec_path path;

	path_of(dir, slot_uid, &path);
	return read_ended(AT_FDCWD, path.text);
}
