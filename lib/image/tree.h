/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file tree in memory: what a ramdisk will contain, before it is written.
 *
 * Entries (names in directories) and inodes (what they name) are apart, so a hard link is simply a
 * second entry for one inode. Nothing here touches the host's file system by name except to read
 * contents beneath a folder that was given as a source; a symbolic link is only text.
 *
 * Paths are relative to a directory of the tree, the `base`, and empty or "." components in them do
 * not count; ".." is not accepted. Entries are owned by the tree; a pointer to one stays valid
 * until the tree is freed, also after its removal.
 */
#ifndef NEC_IMAGE_TREE_H
#define NEC_IMAGE_TREE_H

#include <sys/stat.h>

#include "base/buffer.h"
#include "base/context.h"

/* More would not fit into an enclave's memory in any useful way; stops a hostile image early. */
#define NEC_TREE_MAX_ENTRIES (4U << 20)

/* The kernel skips names of a ramdisk that need more than PATH_MAX (4096) bytes with their NUL. */
#define NEC_TREE_MAX_PATH 4095
#define NEC_TREE_MAX_NAME 255

/* How many symbolic links one path may go through, as in the kernel. */
#define NEC_TREE_MAX_SYMLINKS 40

struct nec_tree;

/* Where the bytes of a regular file are. */
enum nec_tree_content {
	NEC_TREE_EMPTY,
	NEC_TREE_LITERAL, /* in the tree's memory */
	NEC_TREE_RANGE,   /* a range of an open file, e.g. of the spool */
	NEC_TREE_FOLDER,  /* a file beneath a source folder, opened when it is needed */
};

struct nec_tree_inode {
	uint32_t mode; /* type and permissions, as st_mode */
	uint32_t uid;
	uint32_t gid;
	uint32_t links;  /* entries that name it */
	uint32_t walk;   /* see nec_tree_first_visit() */
	uint32_t number; /* for the visitor's use, e.g. its number in an archive */
	uint32_t rdev_major;
	uint32_t rdev_minor;
	int64_t mtime;
	uint64_t size; /* of a regular file, or of a symbolic link's target */
	enum nec_tree_content content;
	uint32_t origin; /* NEC_TREE_RANGE, NEC_TREE_FOLDER: which of the tree's open files */
	union {
		const void *literal;                /* NEC_TREE_LITERAL */
		const char *target;                 /* symbolic link, ends in NUL */
		uint64_t offset;                    /* NEC_TREE_RANGE */
		const struct nec_tree_entry *named; /* NEC_TREE_FOLDER: has the path */
	};
};

struct nec_tree_entry {
	struct nec_tree_entry *parent; /* NULL for the root */
	struct nec_tree_entry *first_child;
	struct nec_tree_entry *next;
	struct nec_tree_entry *previous;
	struct nec_tree_entry *hash_next;
	struct nec_tree_inode *inode;
	const char *name;    /* one component, ends in NUL */
	uint32_t generation; /* the tree's generation when this was last added: the image layer */
	uint16_t name_size;
	uint16_t path_size; /* of the whole path below the root */
};

/* What a new entry is; the rest of the inode follows with nec_tree_set_...(). */
struct nec_tree_attributes {
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	int64_t mtime;
};

/* An empty tree: a root directory 0755 that belongs to 0:0. */
int nec_tree_new(struct nec_tree **ret, nec_error *err);
void nec_tree_free(struct nec_tree *tree);
NEC_DEFINE_CLEANUP(tree, struct nec_tree *, nec_tree_free)
#define cleanup_tree NEC_CLEANUP(tree)

struct nec_tree_entry *nec_tree_root(struct nec_tree *tree);

/* Entries in the tree, the root not counted. */
size_t nec_tree_count(const struct nec_tree *tree);

/* Sum of the sizes of regular files below @base, a hard-linked one counted once. */
int nec_tree_total_bytes(struct nec_tree *tree, struct nec_tree_entry *base, uint64_t *ret,
			 nec_error *err);

/* Later additions carry @generation. Used to tell an image layer's entries from those below it. */
void nec_tree_set_generation(struct nec_tree *tree, uint32_t generation);

static inline bool nec_tree_is_dir(const struct nec_tree_entry *entry)
{
	return S_ISDIR(entry->inode->mode);
}

/* The child of that name, NULL if there is none. */
struct nec_tree_entry *nec_tree_child(const struct nec_tree *tree,
				      const struct nec_tree_entry *parent, const char *name,
				      size_t name_size);

/* What @path names, NULL if nothing. Symbolic links are not followed. */
struct nec_tree_entry *nec_tree_lookup(const struct nec_tree *tree, struct nec_tree_entry *base,
				       const char *path);

/*
 * What @path names for a process whose root directory is @base: symbolic links are followed, also
 * the last one, and ".." stops at @base. NULL if it leads nowhere.
 */
struct nec_tree_entry *nec_tree_resolve(struct nec_tree *tree, struct nec_tree_entry *base,
					const char *path);

/*
 * As above, and what is missing becomes a directory, as in nec_tree_add_dirs(). A file in the way
 * is -ENOTDIR (NEC_E_SOURCE), too many symbolic links -ELOOP (NEC_E_SOURCE).
 */
int nec_tree_resolve_dir(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
			 struct nec_tree_entry **ret, nec_error *err);

/**
 * nec_tree_add() - give @parent a child
 * @name: one component of @name_size bytes, not "." or "..", without '/' or NUL; copied
 * @ret:  the entry, may be NULL
 *
 * A directory over a directory changes its attributes and keeps its children; in every other case
 * what was there is removed with all below it.
 * Returns 0, -ENOMEM, -EINVAL, -ENAMETOOLONG or -ENOTDIR (NEC_E_SOURCE: no name for a file, too
 * long a one, parent is no directory), or -EFBIG (NEC_E_TOO_LARGE: too many entries).
 */
int nec_tree_add(struct nec_tree *tree, struct nec_tree_entry *parent, const char *name,
		 size_t name_size, const struct nec_tree_attributes *attributes,
		 struct nec_tree_entry **ret, nec_error *err);

/* Gives @parent another name for @inode, which is not a directory's. */
int nec_tree_add_link(struct nec_tree *tree, struct nec_tree_entry *parent, const char *name,
		      size_t name_size, struct nec_tree_inode *inode, nec_error *err);

/* As `mkdir -p`: what is missing on the way becomes a directory 0755 of 0:0 with mtime 0. */
int nec_tree_add_dirs(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
		      struct nec_tree_entry **ret, nec_error *err);

/* nec_tree_add() of @path's last component, with the directories that are missing on the way. */
int nec_tree_add_path(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
		      const struct nec_tree_attributes *attributes, struct nec_tree_entry **ret,
		      nec_error *err);

/* A regular file of 0:0 with @mode (permissions only); @data is copied. */
int nec_tree_add_literal(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
			 uint32_t mode, const void *data, size_t size, nec_error *err);

/* A regular file of 0:0 with the contents of the host's file @from, which is kept open. */
int nec_tree_add_file(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
		      uint32_t mode, const char *from, nec_error *err);

int nec_tree_add_symlink(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
			 const char *target, nec_error *err);

/* Removes the entry and all below it. The root cannot be removed. */
void nec_tree_remove(struct nec_tree *tree, struct nec_tree_entry *entry);

/* Hands over an open file to the tree. Returns the number to use as origin, or a negative errno.
 * @fd is taken only on success; @name is for messages. */
int nec_tree_adopt_fd(struct nec_tree *tree, int fd, const char *name, nec_error *err);

/* As above for a source folder whose files appear below @base. */
int nec_tree_adopt_folder(struct nec_tree *tree, int fd, const char *name,
			  const struct nec_tree_entry *base, nec_error *err);

/* Contents of a regular file that was just added. */
int nec_tree_set_literal(struct nec_tree *tree, struct nec_tree_inode *inode, const void *data,
			 size_t size, nec_error *err);
int nec_tree_set_target(struct nec_tree *tree, struct nec_tree_inode *inode, const char *target,
			size_t size, nec_error *err);
void nec_tree_set_range(struct nec_tree_inode *inode, uint32_t origin, uint64_t offset,
			uint64_t size);
void nec_tree_set_folder(struct nec_tree_entry *entry, uint32_t origin, uint64_t size);

/**
 * struct nec_tree_data - a regular file's contents, ready to be read
 * @literal: the bytes, or NULL when they are in @fd
 * @fd:      range @offset, @size of it; closed by nec_tree_data_close() if it has to be
 * @name:    for messages; belongs to the tree and lasts until it opens another one
 */
struct nec_tree_data {
	const void *literal;
	int fd;
	bool close_fd;
	uint64_t offset;
	uint64_t size;
	const char *name;
};

/*
 * Opens the contents of @inode. A file of a source folder that is not the regular file it was when
 * the folder was scanned is -ESTALE (NEC_E_FILE_CHANGED).
 */
int nec_tree_data_open(struct nec_tree *tree, const struct nec_tree_inode *inode,
		       struct nec_tree_data *ret, nec_error *err);
void nec_tree_data_close(struct nec_tree_data *data);
static inline void nec_cleanup_tree_data(struct nec_tree_data *data)
{
	nec_tree_data_close(data);
}

/* All of it into memory: @to has room for data->size bytes. */
int nec_tree_data_read(const struct nec_tree_data *data, void *to, nec_error *err);

/* Appends a regular file's contents to @to; more than @limit is -EFBIG (NEC_E_TOO_LARGE). */
int nec_tree_read(struct nec_tree *tree, const struct nec_tree_entry *entry, size_t limit,
		  struct nec_buffer *to, nec_error *err);

/* The path of @entry below @base (which is above it), to be freed; NULL when out of memory. */
char *nec_tree_path(const struct nec_tree_entry *entry, const struct nec_tree_entry *base);

/**
 * nec_tree_visit_fn - is shown one entry
 * @path: below the root, without a leading '/'; valid during the call only
 *
 * Anything but 0 ends the walk and is its result.
 */
typedef int (*nec_tree_visit_fn)(void *userdata, const char *path, size_t path_size,
				 struct nec_tree_entry *entry, nec_error *err);

/*
 * Shows every entry below @base (not @base itself) in the order of their paths, compared bytewise,
 * as `find | LC_ALL=C sort` lists them. Parents come before their children. The visitor must not
 * change the tree.
 */
int nec_tree_walk(struct nec_tree *tree, struct nec_tree_entry *base, nec_tree_visit_fn visit,
		  void *userdata, nec_error *err);

/* True when the walk that is going on has not asked for @inode before: for hard links. */
bool nec_tree_first_visit(const struct nec_tree *tree, struct nec_tree_inode *inode);

/*
 * Notes that the file has extended attributes (or anything else) that a ramdisk cannot carry;
 * @what is e.g. "security.capability". nec_tree_warn() tells the user once, with the number of
 * files and one example.
 */
void nec_tree_note_xattr(struct nec_tree *tree, const struct nec_tree_entry *entry,
			 const char *what);
void nec_tree_warn(const struct nec_tree *tree, const nec_context *context);

#endif
