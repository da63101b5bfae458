/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel headers and kernel configs. */
#include <sys/mman.h>

#include "base/files.h"
#include "image/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct nec_kernel kernel;
	struct nec_kernel_config config;

	if (fd < 0 || nec_file_write_at(fd, "fuzz", data, size, 0, NULL) < 0)
		return 0;
	if (nec_kernel_probe(fd, "fuzz", 0, size, &kernel, NULL) < 0)
		__builtin_trap();
	(void)nec_kernel_check(&kernel, NEC_ARCH_X86_64, "fuzz", NULL);
	(void)nec_kernel_config_parse((const char *)data, size, "fuzz", &config, NULL);
	return 0;
}
