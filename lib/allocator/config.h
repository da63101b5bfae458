/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator.yaml: what is to be set aside for enclaves.
 *
 * Every file that nitro-cli's allocator takes means the same here; allocator.yaml(5) has the few
 * exceptions. One mapping is one entry; a list has several.
 */
#ifndef NEC_ALLOCATOR_CONFIG_H
#define NEC_ALLOCATOR_CONFIG_H

#include "host/cpulist.h"

#define NEC_ALLOCATOR_CONFIG "/etc/nitro_enclaves/allocator.yaml"

enum {
	NEC_ALLOCATOR_BYTES_MAX = 1 << 16, /* of a file; a thousand times the usual */
	NEC_ALLOCATOR_ENTRIES_MAX = 32,
	NEC_ALLOCATOR_POOL_SIZE = 512 /* the driver takes 511 characters */
};

/* 4 PiB, what x86 and arm64 can address at all: sums of all entries do not overflow. */
#define NEC_ALLOCATOR_MIB_MAX (UINT64_C(1) << 32)

/**
 * struct nec_allocator_entry - what a set of enclaves gets
 * @memory_mib: 0 is one page of the smallest size, as nitro-cli has it
 * @cpu_count:  CPUs that we choose; 0 when @cpu_pool names them
 * @cpu_pool:   a CPU list as the kernel takes it, checked for its form; "" when there is none
 * @numa_node:  -1 for any
 * @page_bytes: the size of page to use; 0 for any
 * @line:       where it begins in the file
 */
struct nec_allocator_entry {
	uint64_t memory_mib;
	uint32_t cpu_count;
	char cpu_pool[NEC_ALLOCATOR_POOL_SIZE];
	int32_t numa_node;
	uint64_t page_bytes;
	size_t line;
};

/**
 * struct nec_allocator_config - a file that was understood
 * @skipped_lines: lines in front of "---" that nobody reads, and that are no comments
 */
struct nec_allocator_config {
	size_t count;
	size_t skipped_lines;
	struct nec_allocator_entry entries[NEC_ALLOCATOR_ENTRIES_MAX];
};

/**
 * nec_allocator_config_parse() - understand the text of an allocator.yaml
 * @text, @size: need not end in NUL
 * @name: of the file, for messages
 *
 * Returns 0, -ENOMEM, -ELIBACC (no libyaml), -EFBIG (NEC_E_TOO_LARGE), or -EBADMSG (NEC_E_CONFIG,
 * the message has line and column).
 */
int nec_allocator_config_parse(const char *text, size_t size, const char *name,
			       struct nec_allocator_config *ret, nec_error *err);

/* The same for a file; also what opening and reading gives. */
int nec_allocator_config_read(const char *path, struct nec_allocator_config *ret, nec_error *err);

#endif
