/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files and folders it is given: a plain test under any compiler. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SAMPLE_BYTES = 16 * 1024 * 1024 };

static int replay_file(const char *path)
{
	cleanup_buffer struct nec_buffer sample = { 0 };
	nec_error err = NEC_ERROR_INIT;

	if (nec_file_read_all(path, MAX_SAMPLE_BYTES, &sample, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	/* A block of exactly the sample's size, so that ASan sees one byte too many. */
	uint8_t *exact = malloc(sample.size ? sample.size : 1);

	if (!exact)
		return 1;
	if (sample.size)
		memcpy(exact, sample.data, sample.size);
	(void)LLVMFuzzerTestOneInput(exact, sample.size);
	free(exact);
	return 0;
}

static int replay_folder(const char *path)
{
	cleanup_closedir DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (!dir)
		return replay_file(path);
	while ((entry = readdir(dir))) {
		cleanup_free char *name = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&name, "%s/%s", path, entry->d_name) < 0 || replay_file(name))
			return 1;
		count++;
	}
	(void)printf("%d samples replayed\n", count);
	return count == 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (replay_folder(argv[i]))
			return 1;
	return argc < 2;
}
