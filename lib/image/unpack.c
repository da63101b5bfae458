/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking a ramdisk. Every path is walked from the folder, component by component, without
 * following symbolic links, so that nothing an archive says can lead out of it.
 *
 * Modes and times of folders, and of files with several links, are set at the end: until then
 * files still have to be made in them, and data may still come.
 */
#include "image/unpack.h"

#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/files.h"
#include "image/hard-links.h"

enum {
	CHUNK_BYTES = 256 * 1024,
	MAX_PATH = 4096, /* with the NUL; the kernel skips longer names */
	MAX_LATER = 1000000,
};

/* What is set at the end. */
struct later {
	char *path;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t mtime;
};

struct unpacking {
	struct nec_ramdisk *ramdisk;
	int folder;
	const char *name;
	bool root; /* owners and device nodes are possible */
	uint8_t *chunk;
	struct nec_progress *progress;
	struct nec_hard_links links; /* values: struct later */
	void *later_by_path;         /* of tsearch(); its nodes are struct later */
	size_t later_count;
	size_t left_out;        /* device nodes */
	char parent[MAX_PATH];  /* path of the folder that is open ... */
	int parent_fd;          /* ... here; -1: none */
	char path[MAX_PATH];    /* of the entry, cleaned */
	const char *entry_name; /* its last component */
};

/* ---- paths ---- */

static int refuse(const struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		  const char *why, nec_error *err)
{
	return nec_error_set(err, NEC_E_SOURCE_UNSAFE, -EBADMSG, "%s: the entry \"%s\" %s",
			     unpacking->name, entry->name, why);
}

/* Cleans the name into unpacking->path; "" for the root. */
static int clean_path(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		      nec_error *err)
{
	const char *from = entry->name;
	size_t used = 0;

	if (*from == '/')
		return refuse(unpacking, entry, "has an absolute name", err);
	unpacking->path[0] = '\0';
	while (*from) {
		size_t size = strcspn(from, "/");

		if (size == 2 && memcmp(from, "..", 2) == 0)
			return refuse(unpacking, entry, "has a name with ..", err);
		if (size > 0 && !(size == 1 && *from == '.')) {
			if (size + 2 > sizeof(unpacking->path) - used)
				return refuse(unpacking, entry, "has too long a name", err);
			if (used > 0)
				unpacking->path[used++] = '/';
			memcpy(unpacking->path + used, from, size);
			used += size;
			unpacking->path[used] = '\0';
		}
		from += size;
		from += *from == '/';
	}
	return 0;
}

static void close_parent(struct unpacking *unpacking)
{
	if (unpacking->parent_fd >= 0)
		(void)close(unpacking->parent_fd);
	unpacking->parent_fd = -1;
}

/* Goes down one folder, which is made if it is missing. Closes @fd. */
static int enter(int fd, const char *name)
{
	int below;

	if (mkdirat(fd, name, S_IRWXU) < 0 && errno != EEXIST) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		below = -errno;
	(void)close(fd);
	return below;
}

static int walk(int folder, char *path)
{
	int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	char *rest = path;
	const char *name;

	if (fd < 0)
		return -errno;
	while (fd >= 0 && (name = strsep(&rest, "/")))
		if (*name)
			fd = enter(fd, name);
	return fd;
}

/*
 * Opens the folder that @path lies in and sets unpacking->entry_name to its last component.
 * Returns the descriptor, which stays the unpacking's.
 */
static int open_parent(struct unpacking *unpacking, const char *path, nec_error *err)
{
	const char *slash = strrchr(path, '/');
	size_t size = slash ? (size_t)(slash - path) : 0;
	char parent[MAX_PATH];
	int fd;

	unpacking->entry_name = slash ? slash + 1 : path;
	if (unpacking->parent_fd >= 0 && strlen(unpacking->parent) == size &&
	    memcmp(unpacking->parent, path, size) == 0)
		return unpacking->parent_fd;
	close_parent(unpacking);
	memcpy(parent, path, size);
	parent[size] = '\0';
	fd = walk(unpacking->folder, parent);
	if (fd == -ELOOP || fd == -ENOTDIR)
		return nec_error_set(err, NEC_E_SOURCE_UNSAFE, -EBADMSG,
				     "%s: the path %s leads through something that is no folder",
				     unpacking->name, path);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, fd,
					    "%s: cannot make the folder of %s", unpacking->name,
					    path);
	memcpy(unpacking->parent, path, size);
	unpacking->parent[size] = '\0';
	unpacking->parent_fd = fd;
	return fd;
}

/* ---- what is set later ---- */

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct later *)a)->path, ((const struct later *)b)->path);
}

static void free_later(void *later)
{
	free(((struct later *)later)->path);
	free(later);
}

/* What there is for the path of the entry, made if it is missing. */
static int find_later(struct unpacking *unpacking, struct later **ret, nec_error *err)
{
	struct later key = { .path = unpacking->path };
	struct later **found = tfind(&key, &unpacking->later_by_path, compare_paths);
	struct later *later;

	if (found) {
		*ret = *found;
		return 0;
	}
	if (unpacking->later_count == MAX_LATER)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s has more than %d folders and links", unpacking->name,
				     MAX_LATER);
	later = calloc(1, sizeof(*later));
	if (!later)
		return nec_error_no_memory(err);
	later->path = strdup(unpacking->path);
	if (!later->path || !tsearch(later, &unpacking->later_by_path, compare_paths)) {
		free_later(later);
		return nec_error_no_memory(err);
	}
	unpacking->later_count++;
	*ret = later;
	return 0;
}

static int set_later(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		     struct later **ret, nec_error *err)
{
	struct later *later = NULL;
	int r = find_later(unpacking, &later, err);

	if (r < 0)
		return r;
	later->mode = entry->mode;
	later->uid = entry->uid;
	later->gid = entry->gid;
	later->mtime = entry->mtime;
	if (ret)
		*ret = later;
	return 0;
}

/* Another entry takes the path; what was to be set was for the one before it. */
static void forget_later(struct unpacking *unpacking)
{
	struct later key = { .path = unpacking->path };
	struct later **found = tfind(&key, &unpacking->later_by_path, compare_paths);

	if (found)
		(*found)->mode = 0; /* which no entry has */
}

/* ---- entries ---- */

static int fail(const struct unpacking *unpacking, int r, const char *what, nec_error *err)
{
	return nec_error_set_system(err, NEC_E_FILE_WRITE, r, "%s: cannot %s %s", unpacking->name,
				    what, unpacking->path);
}

static uint32_t mode_of(const struct unpacking *unpacking, uint32_t mode)
{
	/* A setuid file would run with the rights of whoever unpacks. */
	return mode & (unpacking->root ? 07777 : 01777);
}

/*
 * Opens the folder of the entry and makes room for it there: what has its name goes, but a folder
 * only when it is empty. So a folder with something in it stays one, and the open folder stays what
 * it is.
 */
static int open_place(struct unpacking *unpacking, nec_error *err)
{
	int parent = open_parent(unpacking, unpacking->path, err);

	if (parent < 0)
		return parent;
	if (unlinkat(parent, unpacking->entry_name, 0) == 0 || errno == ENOENT ||
	    ((errno == EISDIR || errno == EPERM) &&
	     unlinkat(parent, unpacking->entry_name, AT_REMOVEDIR) == 0))
		return parent;
	return fail(unpacking, -errno, "replace", err);
}

/*
 * Whether what has that name is a regular file. Asked before it is opened: it may have become the
 * device node of a disk, which must not be written to.
 */
static bool is_file(int parent, const char *name)
{
	struct stat stat;

	return fstatat(parent, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(stat.st_mode);
}

/* Owner before mode: changing the owner takes setuid bits away. */
static int set_attributes(const struct unpacking *unpacking, int fd, uint32_t mode, uint32_t uid,
			  uint32_t gid, uint32_t mtime)
{
	const struct timespec times[] = { { .tv_sec = mtime }, { .tv_sec = mtime } };

	if ((unpacking->root && fchown(fd, uid, gid) < 0) ||
	    fchmod(fd, mode_of(unpacking, mode)) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

static int write_contents(struct unpacking *unpacking, int fd, nec_error *err)
{
	uint64_t offset = 0;
	ssize_t size;

	while ((size = nec_ramdisk_read(unpacking->ramdisk, unpacking->chunk, CHUNK_BYTES, err)) >
	       0) {
		int r = nec_file_write_at(fd, unpacking->path, unpacking->chunk, (size_t)size,
					  offset, err);

		if (r == 0 && unpacking->progress)
			r = nec_progress_add(unpacking->progress, (uint64_t)size, err);
		if (r < 0)
			return r;
		offset += (uint64_t)size;
	}
	return (int)size;
}

static int make_file(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		     nec_error *err)
{
	int parent = open_place(unpacking, err);
	cleanup_close int fd = -1;
	int r;

	if (parent < 0)
		return parent;
	fd = openat(parent, unpacking->entry_name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return fail(unpacking, -errno, "make", err);
	r = write_contents(unpacking, fd, err);
	if (r < 0 || nec_hard_links_may_be(entry))
		return r;
	r = set_attributes(unpacking, fd, entry->mode, entry->uid, entry->gid, entry->mtime);
	return r < 0 ? fail(unpacking, r, "set mode and times of", err) : 0;
}

/* Data that comes with a further link to a file is written over what it has. */
static int rewrite_file(struct unpacking *unpacking, int parent, nec_error *err)
{
	cleanup_close int fd = openat(parent, unpacking->entry_name,
				      O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return fail(unpacking, -errno, "write", err);
	return write_contents(unpacking, fd, err);
}

/* Another name for the file at @first->path. */
static int make_link(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		     const struct later *first, nec_error *err)
{
	cleanup_close int from = -1;
	const char *from_name;
	int parent = open_parent(unpacking, first->path, err);

	if (parent < 0)
		return parent;
	from = fcntl(parent, F_DUPFD_CLOEXEC, 0);
	from_name = unpacking->entry_name;
	if (from < 0)
		return fail(unpacking, -errno, "make the link", err);
	if (!is_file(from, from_name))
		return refuse(unpacking, entry, "is a link to what is no file any more", err);
	/* The same name once more is the same file. */
	if (strcmp(first->path, unpacking->path) != 0) {
		parent = open_place(unpacking, err);
		if (parent < 0)
			return parent;
		if (linkat(from, from_name, parent, unpacking->entry_name, 0) < 0)
			return fail(unpacking, -errno, "make the link", err);
	}
	return entry->size > 0 ? rewrite_file(unpacking, parent, err) : 0;
}

static int make_folder(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		       nec_error *err)
{
	struct stat stat;
	int parent = open_parent(unpacking, unpacking->path, err);
	bool there;

	if (parent < 0)
		return parent;
	there = fstatat(parent, unpacking->entry_name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && errno != ENOENT)
		return fail(unpacking, -errno, "stat", err);
	if (!there || !S_ISDIR(stat.st_mode)) {
		parent = open_place(unpacking, err);
		if (parent < 0)
			return parent;
		if (mkdirat(parent, unpacking->entry_name, S_IRWXU) < 0)
			return fail(unpacking, -errno, "make the folder", err);
	}
	return set_later(unpacking, entry, NULL, err);
}

static int make_symlink(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
			nec_error *err)
{
	const struct timespec times[] = { { .tv_sec = entry->mtime }, { .tv_sec = entry->mtime } };
	int parent = open_place(unpacking, err);

	if (parent < 0)
		return parent;
	if (symlinkat(entry->target, parent, unpacking->entry_name) < 0)
		return fail(unpacking, -errno, "make the symbolic link", err);
	if ((unpacking->root && fchownat(parent, unpacking->entry_name, entry->uid, entry->gid,
					 AT_SYMLINK_NOFOLLOW) < 0) ||
	    utimensat(parent, unpacking->entry_name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(unpacking, -errno, "set owner and times of", err);
	return 0;
}

/* Devices, FIFOs and sockets. Making a device may be forbidden to root too, as in a container. */
static int make_node(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		     nec_error *err)
{
	const struct timespec times[] = { { .tv_sec = entry->mtime }, { .tv_sec = entry->mtime } };
	bool device = S_ISCHR(entry->mode) || S_ISBLK(entry->mode);
	int parent;

	if (device && !unpacking->root) {
		unpacking->left_out++;
		return 0;
	}
	parent = open_place(unpacking, err);
	if (parent < 0)
		return parent;
	if (mknodat(parent, unpacking->entry_name, (entry->mode & S_IFMT) | S_IRUSR | S_IWUSR,
		    makedev(entry->rdev_major, entry->rdev_minor)) < 0) {
		if (!device || errno != EPERM)
			return fail(unpacking, -errno, "make", err);
		unpacking->left_out++;
		return 0;
	}
	if ((unpacking->root &&
	     fchownat(parent, unpacking->entry_name, entry->uid, entry->gid, 0) < 0) ||
	    fchmodat(parent, unpacking->entry_name, mode_of(unpacking, entry->mode), 0) < 0 ||
	    utimensat(parent, unpacking->entry_name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(unpacking, -errno, "set owner, mode and times of", err);
	return 0;
}

static int make_other(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		      nec_error *err)
{
	switch (entry->mode & S_IFMT) {
	case S_IFREG:
		return make_file(unpacking, entry, err);
	case S_IFLNK:
		return make_symlink(unpacking, entry, err);
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return make_node(unpacking, entry, err);
	default:
		return refuse(unpacking, entry, "is of no type that exists", err);
	}
}

static int make_linked(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		       nec_error *err)
{
	struct later *later = NULL;
	void **slot;
	int r;

	if (!nec_hard_links_slot(&unpacking->links, entry, &slot))
		return nec_error_no_memory(err);
	if (*slot)
		return make_link(unpacking, entry, *slot, err);
	r = make_other(unpacking, entry, err);
	if (r == 0)
		r = set_later(unpacking, entry, &later, err);
	if (r == 0)
		*slot = later;
	return r;
}

static int make_entry(struct unpacking *unpacking, const struct nec_cpio_entry *entry,
		      nec_error *err)
{
	int r = clean_path(unpacking, entry, err);

	if (r < 0 || unpacking->path[0] == '\0')
		return r;
	if (S_ISDIR(entry->mode))
		return make_folder(unpacking, entry, err);
	/* Links to anything but files are rare, and nothing is gained by keeping them. */
	if (S_ISREG(entry->mode) && nec_hard_links_may_be(entry))
		return make_linked(unpacking, entry, err);
	forget_later(unpacking);
	return make_other(unpacking, entry, err);
}

/* ---- the end ---- */

static int finish_one(struct unpacking *unpacking, const struct later *later, nec_error *err)
{
	cleanup_close int fd = -1;
	struct stat stat;
	int parent = open_parent(unpacking, later->path, err);
	int r;

	if (parent < 0)
		return parent;
	if (fstatat(parent, unpacking->entry_name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "%s: cannot stat %s",
					    unpacking->name, later->path);
	/* Something else has taken its place since. */
	if ((stat.st_mode & S_IFMT) != (later->mode & S_IFMT))
		return 0;
	fd = openat(parent, unpacking->entry_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "%s: cannot open %s",
					    unpacking->name, later->path);
	r = set_attributes(unpacking, fd, later->mode, later->uid, later->gid, later->mtime);
	return r < 0 ? nec_error_set_system(err, NEC_E_FILE_WRITE, r,
					    "%s: cannot set mode and times of %s", unpacking->name,
					    later->path)
		     : 0;
}

struct collecting {
	const struct later **list;
	size_t count;
};

static void collect(const void *node, VISIT visit, void *userdata)
{
	struct collecting *collecting = userdata;

	/* Shown three times on the way; this is the one in the order of the paths. */
	if (visit == postorder || visit == leaf)
		collecting->list[collecting->count++] = *(const struct later *const *)node;
}

/* What lies in a folder before the folder: afterwards we may have shut ourselves out of it. */
static int finish_all(struct unpacking *unpacking, nec_error *err)
{
	struct collecting collecting = { .list = calloc(unpacking->later_count + 1,
							sizeof(const struct later *)) };
	int r = 0;

	if (!collecting.list)
		return nec_error_no_memory(err);
	twalk_r(unpacking->later_by_path, collect, &collecting);
	for (size_t i = collecting.count; r == 0 && i-- > 0;)
		r = finish_one(unpacking, collecting.list[i], err);
	free(collecting.list);
	return r;
}

static void release(struct unpacking *unpacking)
{
	close_parent(unpacking);
	nec_hard_links_clear(&unpacking->links);
	tdestroy(unpacking->later_by_path, free_later);
	free(unpacking->chunk);
}

int nec_ramdisk_unpack(struct nec_ramdisk *ramdisk, int folder, const char *name,
		       const nec_context *context, struct nec_progress *progress, nec_error *err)
{
	struct unpacking unpacking = { .ramdisk = ramdisk,
				       .folder = folder,
				       .name = name,
				       .root = geteuid() == 0,
				       .chunk = malloc(CHUNK_BYTES),
				       .progress = progress,
				       .parent_fd = -1,
				       .entry_name = "" };
	const struct nec_cpio_entry *entry;
	int r = unpacking.chunk ? 0 : nec_error_no_memory(err);

	while (r == 0 && (r = nec_ramdisk_next(ramdisk, &entry, err)) > 0) {
		r = make_entry(&unpacking, entry, err);
		if (r == 0)
			r = nec_check_cancel(context, err);
	}
	if (r == 0)
		r = finish_all(&unpacking, err);
	if (r == 0 && unpacking.left_out > 0)
		nec_warn(context, "%zu device nodes of %s were left out: only root can make them",
			 unpacking.left_out, name);
	release(&unpacking);
	return r;
}
