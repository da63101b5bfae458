/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU list reader; what it accepts must print and read back to the same set. */
#include <string.h>

#include "host/cpulist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_buffer struct nec_buffer printed = { 0 };
	struct nec_cpuset once;
	struct nec_cpuset twice;
	uint32_t last;

	/* The first byte chooses the size of the machine. */
	if (size < 1)
		return 0;
	last = data[0] == 255 ? NEC_CPUS_MAX - 1 : data[0];
	nec_buffer_append(&text, data + 1, size - 1);
	if (nec_cpulist_parse(nec_buffer_text(&text), last, &once, NULL) < 0)
		return 0;
	if (nec_cpuset_next(&once, last + 1) != NEC_CPUS_MAX)
		__builtin_trap();
	nec_cpulist_print(&once, &printed);
	if (nec_cpulist_parse(nec_buffer_text(&printed), last, &twice, NULL) < 0 ||
	    memcmp(&once, &twice, sizeof(once)) != 0)
		__builtin_trap();
	return 0;
}
