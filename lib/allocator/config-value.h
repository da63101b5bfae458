/* SPDX-License-Identifier: Apache-2.0 */
/* Values of allocator.yaml: numbers, CPU lists, page sizes. */
#ifndef NEC_ALLOCATOR_CONFIG_VALUE_H
#define NEC_ALLOCATOR_CONFIG_VALUE_H

#include "allocator/config.h"
#include "base/buffer.h"

/*
 * Each reads a value into its place in @entry, or says in @why what is wrong with it ("must be a
 * ..."): then it returns false. @text ends in NUL and has @size bytes before it.
 */
typedef bool (*nec_config_value_fn)(const char *text, size_t size,
				    struct nec_allocator_entry *entry, struct nec_buffer *why);

bool nec_config_memory_mib(const char *text, size_t size, struct nec_allocator_entry *entry,
			   struct nec_buffer *why);
bool nec_config_cpu_count(const char *text, size_t size, struct nec_allocator_entry *entry,
			  struct nec_buffer *why);
bool nec_config_cpu_pool(const char *text, size_t size, struct nec_allocator_entry *entry,
			 struct nec_buffer *why);
bool nec_config_numa_node(const char *text, size_t size, struct nec_allocator_entry *entry,
			  struct nec_buffer *why);
bool nec_config_page_size(const char *text, size_t size, struct nec_allocator_entry *entry,
			  struct nec_buffer *why);

#endif
