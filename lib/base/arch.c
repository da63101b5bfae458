/* SPDX-License-Identifier: Apache-2.0 */
/* The two architectures that enclaves come in, and their names. */
#include <string.h>
#include <sys/utsname.h>

#include "base/arch.h"
#include "base/cleanup.h"
#include "base/error.h"

static const struct {
	enum nec_arch arch;
	const char *name;
	const char *docker_name;
} arch_table[] = {
	{ NEC_ARCH_X86_64, "x86_64", "amd64" },
	{ NEC_ARCH_AARCH64, "aarch64", "arm64" },
};

const char *nec_arch_name(enum nec_arch arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(arch_table); i++)
		if (arch_table[i].arch == arch)
			return arch_table[i].name;
	return "unknown";
}

const char *nec_arch_docker_name(enum nec_arch arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(arch_table); i++)
		if (arch_table[i].arch == arch)
			return arch_table[i].docker_name;
	return "unknown";
}

int nec_arch_parse(const char *name, enum nec_arch *ret, nec_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(arch_table); i++) {
		if (strcmp(name, arch_table[i].name) == 0 ||
		    strcmp(name, arch_table[i].docker_name) == 0) {
			*ret = arch_table[i].arch;
			return 0;
		}
	}
	return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			     "\"%s\" is no architecture of enclaves: x86_64 and aarch64 are", name);
}

enum nec_arch nec_arch_of_machine(void)
{
	struct utsname name;
	enum nec_arch arch = NEC_ARCH_UNKNOWN;

	if (uname(&name) == 0)
		(void)nec_arch_parse(name.machine, &arch, NULL);
	return arch;
}
