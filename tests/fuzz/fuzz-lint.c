/* SPDX-License-Identifier: Apache-2.0 */
/* Everything lint does with an image, over whatever bytes. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/files.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_findings(const nec_lint *lint)
{
	for (size_t i = 0; i < nec_lint_get_finding_count(lint); i++) {
		const struct nec_lint_finding *finding = nec_lint_get_finding(lint, i);

		if (!nec_utf8_valid(finding->message, strlen(finding->message)) ||
		    (finding->path && !nec_utf8_valid(finding->path, strlen(finding->path))) ||
		    strchr(finding->message, '\x1b'))
			__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nec_lint_options options = NEC_LINT_OPTIONS_INIT;
	cleanup_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	nec_lint *lint = NULL;
	nec_error err = NEC_ERROR_INIT;
	char path[64];

	options.memory_mib = 16;
	options.has_now = true;
	options.now = INT64_C(1767225600);
	if (fd < 0 || nec_file_write_at(fd, "memfd", data, size, 0, NULL) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* Whatever the bytes are, they are no reason to fail. */
	if (nec_lint_run(NULL, path, &options, &lint, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		__builtin_trap();
	}
	check_findings(lint);
	nec_lint_free(lint);
	return 0;
}
