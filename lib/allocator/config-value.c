/* SPDX-License-Identifier: Apache-2.0 */
/* Values of allocator.yaml. */
#include "allocator/config-value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/device.h"

/* The biggest page that Linux knows. */
#define PAGE_BYTES_MAX (UINT64_C(16) << 30)

/* The digits at the start of @text, at most @max; how many characters they are, 0 for no number. */
static size_t read_digits(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	size_t used = 0;

	for (; text[used] >= '0' && text[used] <= '9'; used++) {
		uint64_t digit = (uint64_t)(text[used] - '0');

		if (value > (max - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	*ret = value;
	return used;
}

static bool parse_number(const char *text, size_t size, uint64_t min, uint64_t max, uint64_t *ret,
			 struct nec_buffer *why)
{
	size_t digits = strspn(text, "0123456789");

	/* Eight to some readers of YAML and to shells, ten to others. */
	if (digits > 1 && digits == size && text[0] == '0') {
		nec_buffer_append_text(why, "must be written without a zero in front, "
					    "which some programs take for octal");
		return false;
	}
	if (digits > 0 && digits == size && read_digits(text, max, ret) == size && *ret >= min)
		return true;
	nec_buffer_printf(why, "must be a whole number from %" PRIu64 " to %" PRIu64, min, max);
	return false;
}

/* "4G", "512 MiB": the amount in MiB, which is what has to be written instead. */
static bool parse_unit(const char *text, uint64_t *ret_mib)
{
	size_t used = read_digits(text, NEC_ALLOCATOR_MIB_MAX >> 10, ret_mib);
	const char *unit = text + used;

	if (used == 0)
		return false;
	unit += strspn(unit, " ");
	if (*unit != 'M' && *unit != 'm' && *unit != 'G' && *unit != 'g')
		return false;
	if (*unit == 'G' || *unit == 'g')
		*ret_mib <<= 10;
	unit++;
	return !*unit || strcmp(unit, "B") == 0 || strcmp(unit, "iB") == 0 ||
	       strcmp(unit, "b") == 0 || strcmp(unit, "ib") == 0;
}

bool nec_config_memory_mib(const char *text, size_t size, struct nec_allocator_entry *entry,
			   struct nec_buffer *why)
{
	uint64_t mib;

	if (strlen(text) == size && parse_unit(text, &mib)) {
		nec_buffer_printf(why, "is in MiB and takes no unit: write %" PRIu64, mib);
		return false;
	}
	return parse_number(text, size, 0, NEC_ALLOCATOR_MIB_MAX, &entry->memory_mib, why);
}

bool nec_config_cpu_count(const char *text, size_t size, struct nec_allocator_entry *entry,
			  struct nec_buffer *why)
{
	uint64_t count = 0;

	if (!parse_number(text, size, 1, NEC_CPUS_MAX - 1, &count, why))
		return false;
	entry->cpu_count = (uint32_t)count;
	return true;
}

bool nec_config_cpu_pool(const char *text, size_t size, struct nec_allocator_entry *entry,
			 struct nec_buffer *why)
{
	struct nec_cpuset cpus;
	nec_error err = NEC_ERROR_INIT;

	if (size >= sizeof(entry->cpu_pool)) {
		nec_buffer_printf(why, "has %zu characters, the driver takes %zu", size,
				  sizeof(entry->cpu_pool) - 1);
		return false;
	}
	if (strlen(text) != size || nec_cpulist_parse(text, NEC_CPUS_MAX - 1, &cpus, &err) < 0) {
		nec_buffer_printf(why, "must be a list of CPUs such as 2,3,6-9%s%s",
				  err.message[0] ? ": " : "", err.message);
		return false;
	}
	if (nec_cpuset_count(&cpus) == 0) {
		nec_buffer_append_text(why, "must name a CPU");
		return false;
	}
	if (nec_cpuset_has(&cpus, 0)) {
		nec_buffer_append_text(why, "must not have CPU 0: it stays with the parent");
		return false;
	}
	(void)snprintf(entry->cpu_pool, sizeof(entry->cpu_pool), "%s", text);
	return true;
}

bool nec_config_numa_node(const char *text, size_t size, struct nec_allocator_entry *entry,
			  struct nec_buffer *why)
{
	uint64_t node = 0;

	if (!parse_number(text, size, 0, NEC_CPUS_MAX - 1, &node, why))
		return false;
	entry->numa_node = (int32_t)node;
	return true;
}

bool nec_config_page_size(const char *text, size_t size, struct nec_allocator_entry *entry,
			  struct nec_buffer *why)
{
	uint64_t bytes = 0;
	size_t used = read_digits(text, PAGE_BYTES_MAX, &bytes);

	if (used > 0 && used + 1 == size && (text[used] == 'M' || text[used] == 'G')) {
		bytes = bytes > PAGE_BYTES_MAX >> 20 ? 0 : bytes << (text[used] == 'M' ? 20 : 30);
		if (bytes >= NEC_REGION_ALIGNMENT && bytes <= PAGE_BYTES_MAX &&
		    (bytes & (bytes - 1)) == 0) {
			entry->page_bytes = bytes;
			return true;
		}
	}
	nec_buffer_append_text(why, "must be a size of huge pages such as 2M, 32M or 1G");
	return false;
}
