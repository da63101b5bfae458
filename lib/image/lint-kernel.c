/* SPDX-License-Identifier: Apache-2.0 */
/* Lint: is the kernel one that an enclave of the header's architecture could boot? */
#include "base/error.h"
#include "image/kernel.h"
#include "image/lint.h"

static const char *describe(enum nec_kernel_format format)
{
	switch (format) {
	case NEC_KERNEL_GZIP:
		return "compressed with gzip";
	case NEC_KERNEL_EFI_ZBOOT:
		return "a compressed EFI program";
	case NEC_KERNEL_ELF:
		return "an ELF file (vmlinux)";
	default:
		return "neither a bzImage nor an arm64 Image";
	}
}

static void check_format(nec_lint *lint, const struct nec_kernel *kernel, uint64_t offset)
{
	enum nec_arch wanted = nec_eif_get_arch(lint->eif);

	switch (kernel->format) {
	case NEC_KERNEL_BZIMAGE:
	case NEC_KERNEL_ARM64_IMAGE:
		if (kernel->arch != wanted)
			nec_lint_report(lint, NEC_RULE_KERNEL_ARCH, LINT_AT(offset),
					"the header says %s, the kernel is for %s",
					nec_arch_name(wanted), nec_arch_name(kernel->arch));
		break;
	case NEC_KERNEL_GZIP:
	case NEC_KERNEL_EFI_ZBOOT:
		nec_lint_report(lint, NEC_RULE_KERNEL_COMPRESSED, LINT_AT(offset),
				"the kernel is %s", describe(kernel->format));
		break;
	default:
		nec_lint_report(lint, NEC_RULE_KERNEL_FORMAT, LINT_AT(offset), "the kernel is %s",
				describe(kernel->format));
	}
}

int nec_lint_kernel(nec_lint *lint, nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_find_section(lint->eif, NEC_EIF_KERNEL);
	struct nec_kernel kernel;
	int r;

	if (!section)
		return 0;
	r = nec_kernel_probe(lint->eif->fd, lint->eif->name, section->data_offset,
			     section->size_bytes, &kernel, err);
	if (r == 0)
		check_format(lint, &kernel, section->data_offset);
	return r;
}
