/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing an image with a copy of itself that has some bytes changed: the first bytes of the
 * input say which.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGES = 4, CHANGE_BYTES = 4 };

static int make_file(const uint8_t *data, size_t size, char path[64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd >= 0 && nec_file_write_at(fd, "memfd", data, size, 0, NULL) < 0) {
		(void)close(fd);
		return -1;
	}
	(void)snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static void change(uint8_t *data, size_t size, const uint8_t *changes)
{
	for (size_t i = 0; i < CHANGES && size > 0; i++, changes += CHANGE_BYTES)
		data[(changes[0] << 16 | changes[1] << 8 | changes[2]) % size] ^= changes[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_close int before = -1;
	cleanup_close int after = -1;
	cleanup_free uint8_t *copy = NULL;
	char paths[2][64];
	nec_diff *diff = NULL;

	if (size < (size_t)CHANGES * CHANGE_BYTES)
		return 0;
	size -= (size_t)CHANGES * CHANGE_BYTES;
	copy = malloc(size + 1);
	if (!copy)
		return 0;
	memcpy(copy, data + (size_t)CHANGES * CHANGE_BYTES, size);
	before = make_file(copy, size, paths[0]);
	change(copy, size, data);
	after = make_file(copy, size, paths[1]);
	if (before < 0 || after < 0 || nec_diff_run(NULL, paths[0], paths[1], &diff, NULL) < 0)
		return 0;
	/* What is not reported as different is the same. */
	if (nec_diff_get_count(diff) == 0 &&
	    memcmp(copy, data + (size_t)CHANGES * CHANGE_BYTES, size) != 0)
		__builtin_trap();
	nec_diff_free(diff);
	return 0;
}
