/* SPDX-License-Identifier: Apache-2.0 */
/* A root file system folder: what is there now; contents are read when the tree is written. */
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "image/source-private.h"

enum {
	XATTR_LIST_BYTES = 64 * 1024, /* XATTR_LIST_MAX: the kernel gives no more */
	UNREADABLE_SHOWN = 3,
};

/* A file with several names, by its numbers on disk. */
struct linked {
	dev_t device;
	ino_t number;
	struct nec_tree_inode *inode;
};

struct scan {
	struct source_load *load;
	uint32_t origin;
	uid_t caller;
	uid_t user;        /* whose files become root's; 0 for nobody's */
	void *linked;      /* struct linked, a tree of search.h */
	size_t unreadable; /* files; the names of the first ones follow */
	struct nec_buffer unreadable_names;
	size_t sockets;
	char *xattrs; /* room for the names of one file */
	bool no_xattrs;
};

static int compare_linked(const void *left, const void *right)
{
	const struct linked *a = left;
	const struct linked *b = right;

	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

/* The inode that the tree already has for this file, or room to note the one it will have. */
static int find_linked(struct scan *scan, const struct stat *st, struct linked **ret,
		       nec_error *err)
{
	struct linked *linked = calloc(1, sizeof(*linked));
	struct linked **slot;

	if (!linked)
		return nec_error_no_memory(err);
	linked->device = st->st_dev;
	linked->number = st->st_ino;
	slot = tsearch(linked, &scan->linked, compare_linked);
	if (!slot || *slot != linked)
		free(linked);
	if (!slot)
		return nec_error_no_memory(err);
	*ret = *slot;
	return 0;
}

static int failed(const struct scan *scan, const struct nec_tree_entry *parent, const char *name,
		  const char *what, nec_error *err)
{
	int result = -errno;
	cleanup_free char *path = nec_tree_path(parent, scan->load->base);

	return nec_error_set_system(err, NEC_E_FILE_OPEN, result, "cannot %s %s/%s%s%s", what,
				    scan->load->path, path ? path : "?", path && *path ? "/" : "",
				    name);
}

/* Remembers a file that will not open, so that all of them can be told at once. */
static void check_readable(struct scan *scan, int dir, const struct nec_tree_entry *entry,
			   const struct stat *st)
{
	mode_t needed = st->st_uid == scan->caller ? S_IRUSR : S_IROTH;
	cleanup_free char *path = NULL;

	if ((st->st_mode & needed) || faccessat(dir, entry->name, R_OK, AT_EACCESS) == 0)
		return;
	if (scan->unreadable++ >= UNREADABLE_SHOWN)
		return;
	path = nec_tree_path(entry, scan->load->base);
	nec_buffer_printf(&scan->unreadable_names, "%s%s", scan->unreadable > 1 ? ", " : "",
			  path ? path : entry->name);
}

static void note_xattrs(struct scan *scan, int dir, const struct nec_tree_entry *entry)
{
	char path[64 + NEC_TREE_MAX_NAME];
	ssize_t size;

	if (scan->no_xattrs)
		return;
	/* There is no llistxattrat(). */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, entry->name);
	size = llistxattr(path, scan->xattrs, XATTR_LIST_BYTES);
	scan->no_xattrs = size < 0 && errno == ENOSYS;
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(scan->xattrs + at) + 1)
		if (source_xattr_matters(scan->xattrs + at))
			nec_tree_note_xattr(scan->load->tree, entry, scan->xattrs + at);
}

static void read_attributes(const struct scan *scan, const struct stat *st,
			    struct nec_tree_attributes *ret)
{
	bool mine = scan->user != 0 && st->st_uid == scan->user;

	*ret = (struct nec_tree_attributes){
		.mode = st->st_mode,
		.uid = mine ? 0 : st->st_uid,
		.gid = mine ? 0 : st->st_gid,
		.rdev_major = major(st->st_rdev),
		.rdev_minor = minor(st->st_rdev),
		.mtime = st->st_mtim.tv_sec,
	};
}

static int read_target(struct scan *scan, int dir, struct nec_tree_entry *entry, nec_error *err)
{
	char target[NEC_TREE_MAX_PATH + 1];
	ssize_t size = readlinkat(dir, entry->name, target, sizeof(target));

	if (size < 0)
		return failed(scan, entry->parent, entry->name, "read", err);
	return nec_tree_set_target(scan->load->tree, entry->inode, target, (size_t)size, err);
}

/* Adds what is no directory. */
static int add_file(struct scan *scan, int dir, struct nec_tree_entry *parent, const char *name,
		    const struct stat *st, nec_error *err)
{
	struct nec_tree *tree = scan->load->tree;
	struct nec_tree_attributes attributes;
	struct linked *linked = NULL;
	struct nec_tree_entry *entry;
	int r = 0;

	if (st->st_nlink > 1)
		r = find_linked(scan, st, &linked, err);
	if (r < 0)
		return r;
	if (linked && linked->inode)
		return nec_tree_add_link(tree, parent, name, strlen(name), linked->inode, err);
	read_attributes(scan, st, &attributes);
	r = nec_tree_add(tree, parent, name, strlen(name), &attributes, &entry, err);
	if (r < 0)
		return r;
	if (linked)
		linked->inode = entry->inode;
	if (S_ISLNK(st->st_mode))
		return read_target(scan, dir, entry, err);
	if (S_ISREG(st->st_mode)) {
		nec_tree_set_folder(entry, scan->origin, (uint64_t)st->st_size);
		check_readable(scan, dir, entry, st);
		note_xattrs(scan, dir, entry);
	}
	return 0;
}

static int scan_folder(struct scan *scan, int fd, struct nec_tree_entry *folder, unsigned int depth,
		       nec_error *err);

static int add_folder(struct scan *scan, int dir, struct nec_tree_entry *parent, const char *name,
		      const struct stat *st, unsigned int depth, nec_error *err)
{
	struct nec_tree_attributes attributes;
	struct nec_tree_entry *entry;
	int fd;
	int r;

	if (depth >= SOURCE_MAX_FOLDER_DEPTH)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s has folders nested deeper than %d", scan->load->path,
				     SOURCE_MAX_FOLDER_DEPTH);
	read_attributes(scan, st, &attributes);
	r = nec_tree_add(scan->load->tree, parent, name, strlen(name), &attributes, &entry, err);
	if (r < 0)
		return r;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return failed(scan, parent, name, "open", err);
	return scan_folder(scan, fd, entry, depth + 1, err);
}

static int scan_entry(struct scan *scan, int dir, struct nec_tree_entry *folder, const char *name,
		      unsigned int depth, nec_error *err)
{
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(scan, folder, name, "read", err);
	if (S_ISDIR(st.st_mode))
		return add_folder(scan, dir, folder, name, &st, depth, err);
	if (S_ISSOCK(st.st_mode)) {
		scan->sockets++;
		return 0;
	}
	return add_file(scan, dir, folder, name, &st, err);
}

/* Takes @fd. Recursion is bounded by SOURCE_MAX_FOLDER_DEPTH. */
static int scan_folder(struct scan *scan, int fd, struct nec_tree_entry *folder, unsigned int depth,
		       nec_error *err)
{
	cleanup_closedir DIR *dir = fdopendir(fd);
	int r = 0;

	if (!dir) {
		r = failed(scan, folder, "", "read", err);
		(void)close(fd);
		return r;
	}
	while (r == 0) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			return failed(scan, folder, "", "read", err);
		if (!entry)
			return nec_check_cancel(scan->load->context, err);
		r = scan_entry(scan, fd, folder, entry->d_name, depth, err);
	}
	return r;
}

static int report(const struct scan *scan, nec_error *err)
{
	if (scan->sockets > 0)
		nec_warn(scan->load->context, "sockets in %s are left out: %zu", scan->load->path,
			 scan->sockets);
	if (scan->unreadable == 0)
		return 0;
	(void)nec_error_set(err, NEC_E_FILE_OPEN, -EACCES, "cannot read files in %s: %s%s",
			    scan->load->path, nec_buffer_text(&scan->unreadable_names),
			    scan->unreadable > UNREADABLE_SHOWN ? ", ..." : "");
	nec_error_set_hint(err, "Change their permissions, or remove them from the folder.");
	return -EACCES;
}

int source_scan_folder(struct source_load *load, int fd, nec_error *err)
{
	struct scan scan = {
		.load = load,
		.caller = geteuid(),
		.user = load->options->keep_owner ? 0 : geteuid(),
		.xattrs = malloc(XATTR_LIST_BYTES),
	};
	int origin = nec_tree_adopt_folder(load->tree, fd, load->path, load->base, err);
	int r = origin;

	if (origin < 0) {
		(void)close(fd);
	} else if (!scan.xattrs) {
		r = nec_error_no_memory(err);
	} else {
		/* A descriptor of its own: the tree's must not be read from. */
		fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		scan.origin = (uint32_t)origin;
		r = fd < 0 ? failed(&scan, load->base, "", "open", err)
			   : scan_folder(&scan, fd, load->base, 0, err);
	}
	if (r == 0)
		r = report(&scan, err);
	tdestroy(scan.linked, free);
	nec_buffer_free(&scan.unreadable_names);
	free(scan.xattrs);
	return r;
}
