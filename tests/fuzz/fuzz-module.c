/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF reader for kernel modules; what it finds must lie in the module. */
#include <string.h>

#include "image/module-info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nec_module_info info;

	if (nec_module_info_parse(data, size, NEC_ARCH_X86_64, "fuzz", &info, NULL) < 0)
		return 0;
	if (strlen(info.depends) > size || strlen(info.vermagic) > size)
		__builtin_trap();
	return 0;
}
