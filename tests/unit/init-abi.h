/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of init-abi-list.h, compiled once with our header and once with the system's, which do
 * not go into one file.
 */
#ifndef NEC_TESTS_UNIT_INIT_ABI_H
#define NEC_TESTS_UNIT_INIT_ABI_H

#include <stddef.h>

struct abi_value {
	const char *name;
	unsigned long value;
};

/* Both end with a NULL name. */
extern const struct abi_value abi_ours[];
extern const struct abi_value abi_system[];

/* clang-format off: it takes the operator # for a directive */
#define VALUE(name)                          \
	{                                    \
#name, (unsigned long)(name) \
	}
#define SIZE(type)                         \
	{                                  \
#type, sizeof(struct type) \
	}
#define FIELD(type, field)                                     \
	{                                                      \
#type "." #field, offsetof(struct type, field) \
	}
/* clang-format on */

#endif
