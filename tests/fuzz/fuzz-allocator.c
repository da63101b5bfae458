/* SPDX-License-Identifier: Apache-2.0 */
/* allocator.yaml; what is accepted keeps every promise of the structure that it fills. */
#include <string.h>

#include "allocator/config.h"
#include "host/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const struct nec_allocator_entry *entry)
{
	bool pool = entry->cpu_pool[0] != '\0';

	if ((entry->cpu_count > 0) == pool || entry->cpu_count >= NEC_CPUS_MAX ||
	    entry->memory_mib > NEC_ALLOCATOR_MIB_MAX || entry->line == 0)
		__builtin_trap();
	if (memchr(entry->cpu_pool, '\0', sizeof(entry->cpu_pool)) == NULL)
		__builtin_trap();
	if (entry->page_bytes && (entry->page_bytes < NEC_REGION_ALIGNMENT ||
				  (entry->page_bytes & (entry->page_bytes - 1)) != 0))
		__builtin_trap();
	if (entry->numa_node < -1 || entry->numa_node >= NEC_CPUS_MAX)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nec_allocator_config config;
	nec_error err = NEC_ERROR_INIT;

	if (nec_allocator_config_parse((const char *)data, size, "fuzz", &config, &err) < 0) {
		if (err.code == NEC_E_NONE || !err.message[0])
			__builtin_trap();
		return 0;
	}
	if (config.count == 0 || config.count > NEC_ALLOCATOR_ENTRIES_MAX)
		__builtin_trap();
	for (size_t i = 0; i < config.count; i++)
		check_entry(&config.entries[i]);
	return 0;
}
