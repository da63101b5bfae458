/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel module says about itself: its machine and its .modinfo section. */
#ifndef NEC_IMAGE_MODULE_INFO_H
#define NEC_IMAGE_MODULE_INFO_H

#include "nec.h"

/* Texts lie in the module's own bytes, end in NUL and are "" when the module does not have them. */
struct nec_module_info {
	const char *depends;  /* names separated by commas: what must be loaded before */
	const char *vermagic; /* release of its kernel, then build options */
};

/**
 * nec_module_info_parse() - check that @data is a module for @arch and find what it says
 * @data: the whole .ko, uncompressed; must live as long as the result is used
 * @name: of the file, for messages
 *
 * Returns 0, or -EBADMSG (NEC_E_MODULE): no ELF relocatable, damaged, or for another machine.
 */
int nec_module_info_parse(const void *data, size_t size, enum nec_arch arch, const char *name,
			  struct nec_module_info *ret, nec_error *err);

#endif
