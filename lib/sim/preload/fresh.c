/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets between socket() and listen() or connect(): the kernel has nothing to remember by them.
 */
#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>

#include "preload.h"

/* Those that were closed again are never seen; the oldest one makes room. */
enum { ENTRIES = 256 };

struct entry {
	ino_t inode; /* of the socket, which no other ever has while this one lives; 0: unused */
	struct fresh fresh;
};

static struct entry entries[ENTRIES];
static unsigned int oldest;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A child of fork() has only the thread that forked: another one's lock would stay for ever. */
static void take_lock(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void drop_lock(void)
{
	(void)pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void keep_lock_over_fork(void)
{
	(void)pthread_atfork(take_lock, drop_lock, drop_lock);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

static struct entry *find(ino_t inode)
{
	for (size_t i = 0; i < ENTRIES; i++)
		if (inode && entries[i].inode == inode)
			return &entries[i];
	return NULL;
}

void preload_fresh_add(int fd, const struct fresh *fresh)
{
	ino_t inode = inode_of(fd);
	struct entry *entry;

	take_lock();
	entry = find(inode);
	if (!entry)
		entry = &entries[oldest++ % ENTRIES];
	*entry = (struct entry){ .inode = inode, .fresh = *fresh };
	drop_lock();
}

bool preload_fresh_get(int fd, struct fresh *ret)
{
	ino_t inode = inode_of(fd);
	const struct entry *entry;

	take_lock();
	entry = find(inode);
	if (entry)
		*ret = entry->fresh;
	drop_lock();
	return entry != NULL;
}

void preload_fresh_remove(int fd)
{
	ino_t inode = inode_of(fd);
	struct entry *entry;

	take_lock();
	entry = find(inode);
	if (entry)
		entry->inode = 0;
	drop_lock();
}
