/* SPDX-License-Identifier: Apache-2.0 */
/* Registers: extending once, and the register of any file. */
#include "image/pcr.h"

#include <string.h>

#include "base/error.h"
#include "base/files.h"

int nec_pcr_extend(const uint8_t digest[NEC_SHA384_SIZE], uint8_t pcr[NEC_PCR_SIZE], nec_error *err)
{
	uint8_t bytes[NEC_PCR_SIZE + NEC_SHA384_SIZE] = { 0 };

	memcpy(bytes + NEC_PCR_SIZE, digest, NEC_SHA384_SIZE);
	return nec_sha384_digest(bytes, sizeof(bytes), pcr, err);
}

int nec_pcr_final(struct nec_sha384 *sha, uint8_t pcr[NEC_PCR_SIZE], nec_error *err)
{
	uint8_t digest[NEC_SHA384_SIZE];
	int r = nec_sha384_final(sha, digest, err);

	return r < 0 ? r : nec_pcr_extend(digest, pcr, err);
}

static int hash_stream(int fd, const char *path, struct nec_sha384 *sha,
		       struct nec_progress *progress, nec_error *err)
{
	enum { BUFFER_BYTES = 256 * 1024 };
	cleanup_free uint8_t *buffer = malloc(BUFFER_BYTES);

	if (!buffer)
		return nec_error_no_memory(err);
	for (;;) {
		ssize_t n = read(fd, buffer, BUFFER_BYTES);
		int r;

		if (n < 0 && errno != EINTR)
			return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read %s",
						    path);
		if (n == 0)
			return 0;
		if (n > 0)
			nec_sha384_update(sha, buffer, (size_t)n);
		r = nec_progress_add(progress, n > 0 ? (uint64_t)n : 0, err);
		if (r < 0)
			return r;
	}
}

int nec_pcr_of_file(nec_context *context, const char *path, uint8_t pcr[NEC_PCR_SIZE],
		    nec_error *err)
{
	cleanup_sha384 struct nec_sha384 sha = { 0 };
	cleanup_close int fd = nec_file_open(path, err);
	struct nec_progress progress;
	int r;

	if (fd < 0)
		return fd;
	r = nec_sha384_init(&sha, err);
	if (r < 0)
		return r;
	nec_progress_start(&progress, context, "measuring", 0);
	r = hash_stream(fd, path, &sha, &progress, err);
	if (r < 0)
		return r;
	nec_progress_finish(&progress);
	return nec_pcr_final(&sha, pcr, err);
}
