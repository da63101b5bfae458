/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's file: always whole, one writer at a time. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "allocator/ledger.h"
#include "base/error.h"
#include "base/files.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Names within NEC_ALLOCATOR_DIR. */
#define STATE   "state"
#define FRESH   "state.new"
#define DAMAGED "state.damaged"
#define LOCK    "lock"

static const char *const below_root = &NEC_ALLOCATOR_DIR[1];

static int open_folder(const struct nec_device *device)
{
	int fd = openat(device->root_fd, below_root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int read_boot_id(const struct nec_device *device, char ret[NEC_LEDGER_BOOT_ID_SIZE],
			nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = nec_device_read_optional(device, BOOT_ID, &text, err);

	if (r < 0)
		return r;
	(void)snprintf(ret, NEC_LEDGER_BOOT_ID_SIZE, "%s", nec_buffer_text(&text));
	return 0;
}

int nec_ledger_load(const struct nec_device *device, struct nec_ledger *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	char boot_id[NEC_LEDGER_BOOT_ID_SIZE];
	cleanup_close int folder = open_folder(device);
	cleanup_close int fd = -1;
	int r;

	*ret = (struct nec_ledger)NEC_LEDGER_INIT;
	r = read_boot_id(device, boot_id, err);
	if (r < 0)
		return r;
	memcpy(ret->boot_id, boot_id, sizeof(boot_id));
	if (folder == -ENOENT)
		return 0;
	if (folder >= 0)
		fd = openat(folder, STATE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (folder >= 0 && fd < 0 && errno == ENOENT)
		return 0;
	if (folder < 0 || fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, folder < 0 ? folder : -errno,
					    "cannot open " NEC_ALLOCATOR_STATE);
	r = nec_file_read_all_fd(fd, NEC_ALLOCATOR_STATE, NEC_LEDGER_BYTES_MAX, &text, err);
	if (r == -EFBIG)
		return -EBADMSG;
	if (r >= 0)
		r = nec_ledger_parse(nec_buffer_text(&text), text.size, ret, err);
	if (r >= 0 && strcmp(ret->boot_id, boot_id) == 0)
		return 1;
	*ret = (struct nec_ledger)NEC_LEDGER_INIT;
	memcpy(ret->boot_id, boot_id, sizeof(boot_id));
	return r;
}

/* Nothing of ours on the machine, and nothing under way. */
static bool says_nothing(const struct nec_ledger *ledger)
{
	for (size_t i = 0; i < ledger->row_count; i++)
		if (ledger->rows[i].ours || ledger->rows[i].found)
			return false;
	return ledger->work == NEC_LEDGER_IDLE && !ledger->reserved && !ledger->pool_ours;
}

static int write_fresh(int folder, const struct nec_buffer *text)
{
	cleanup_close int fd =
		openat(folder, FRESH, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	/* Whatever the umask: anybody may read it. */
	if (fchmod(fd, 0644) < 0)
		return -errno;
	while (done < text->size) {
		ssize_t count = pwrite(fd, text->data + done, text->size - done, (off_t)done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count < 0 ? -errno : -EIO;
		done += (size_t)count;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int replace(int folder, const struct nec_buffer *text)
{
	int r = write_fresh(folder, text);

	if (r == 0 && renameat(folder, FRESH, folder, STATE) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(folder, FRESH, 0);
	return r;
}

int nec_ledger_save(const struct nec_device *device, const struct nec_ledger *ledger,
		    nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_close int folder = open_folder(device);
	int r = folder < 0 ? folder : 0;

	nec_ledger_print(ledger, &text);
	if (text.failed)
		return nec_error_no_memory(err);
	if (r == 0 && !says_nothing(ledger))
		r = replace(folder, &text);
	else if (r == 0 && unlinkat(folder, STATE, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, r,
					    "cannot replace " NEC_ALLOCATOR_STATE);
	return 0;
}

int nec_ledger_set_aside(const struct nec_device *device, nec_error *err)
{
	cleanup_close int folder = open_folder(device);

	if (folder < 0 || renameat(folder, STATE, folder, DAMAGED) < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, folder < 0 ? folder : -errno,
					    "cannot move " NEC_ALLOCATOR_STATE " aside");
	return 0;
}

/* Returns an fd of it. */
static int make_folder(const struct nec_device *device, nec_error *err)
{
	int r = mkdirat(device->root_fd, below_root, 0711) < 0 ? -errno : 0;

	/*
	 * Whatever the umask: anybody may look at the file. Who could open the folder could lock
	 * it, and keep the daemon from replacing its dead socket.
	 */
	if (r == 0 && fchmodat(device->root_fd, below_root, 0711, 0) < 0)
		r = -errno;
	if (r == 0 || r == -EEXIST)
		r = open_folder(device);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, r,
					    "cannot make " NEC_ALLOCATOR_DIR);
	return r;
}

/*
 * A second lock on the same file, of the kind that can be asked about without being taken: who only
 * looks must not be in the way of who wants to change something. Where the kernel has none, nobody
 * can tell, and that is all.
 */
static void show_lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	(void)fcntl(fd, F_OFD_SETLK, &whole);
}

/* The lock is for those who may write: others could only use it to be in the way. */
int nec_ledger_lock(const struct nec_device *device, nec_error *err)
{
	cleanup_close int folder = make_folder(device, err);
	cleanup_close int fd = -1;

	if (folder < 0)
		return folder;
	fd = openat(folder, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno,
					    "cannot open " NEC_ALLOCATOR_DIR "/" LOCK);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		show_lock(fd);
		return TAKE_FD(fd);
	}
	if (errno == EWOULDBLOCK)
		return nec_error_set(err, NEC_E_ALLOCATOR_BUSY, -EAGAIN,
				     "another process is changing what is set aside");
	return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
				    "cannot lock " NEC_ALLOCATOR_DIR "/" LOCK);
}

int nec_ledger_is_locked(const struct nec_device *device)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cleanup_close int folder = open_folder(device);
	cleanup_close int fd = -1;

	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	fd = openat(folder, LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_OFD_GETLK, &whole) < 0)
		return -errno;
	return whole.l_type == F_UNLCK ? 0 : 1;
}
