/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking a ramdisk into a folder. What lies beside the folder must stay as it is, and the folder
 * must be removable whatever was made in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/files.h"
#include "base/folder.h"
#include "image/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOBODY = 65534, MAX_UNPACKED = 1 << 20 };

static char place[] = "/tmp/nec-fuzz-XXXXXX";

static void remove_place(void)
{
	char path[64];

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", place, i == 0 ? "in" : "beside");
		(void)rmdir(path);
	}
	(void)rmdir(place);
}

static void require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

/* Never as root, who could make devices and set owners. */
static void prepare(void)
{
	char path[64];

	/* LeakSanitizer traces its own process, which one that changed users does not allow. */
	if (getuid() == 0)
		require(setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
	require(mkdtemp(place) != NULL);
	(void)snprintf(path, sizeof(path), "%s/beside", place);
	require(mkdir(path, 0700) == 0);
	(void)atexit(remove_place);
}

static void require_untouched(void)
{
	char path[64];
	struct stat stat;

	(void)snprintf(path, sizeof(path), "%s/beside", place);
	require(lstat(path, &stat) == 0 && stat.st_mode == (S_IFDIR | 0700) && stat.st_nlink == 2);
	require(lstat(place, &stat) == 0 && stat.st_nlink == 4);
}

static void unpack(int fd, uint64_t size, int folder)
{
	struct nec_ramdisk *ramdisk = NULL;

	if (nec_ramdisk_open(fd, "fuzz", 0, size, MAX_UNPACKED, &ramdisk, NULL) < 0)
		return;
	(void)nec_ramdisk_unpack(ramdisk, folder, "fuzz", NULL, NULL, NULL);
	nec_ramdisk_free(ramdisk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool prepared;
	cleanup_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	cleanup_close int folder = -1;
	char path[64];

	if (!prepared)
		prepare();
	prepared = true;
	(void)snprintf(path, sizeof(path), "%s/in", place);
	require(mkdir(path, 0700) == 0);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && nec_file_write_at(fd, "memfd", data, size, 0, NULL) == 0)
		unpack(fd, size, folder);
	require_untouched();
	require(nec_folder_empty(folder) == 0);
	require(rmdir(path) == 0);
	return 0;
}
