/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader; what it accepts must print and read back to the same text. */
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json cJSON *first = NULL;
	cleanup_json cJSON *second = NULL;
	cleanup_buffer struct nec_buffer once = { 0 };
	cleanup_buffer struct nec_buffer twice = { 0 };

	if (nec_json_parse((const char *)data, size, &first, NULL) < 0)
		return 0;
	nec_json_print(first, &once);
	if (nec_json_parse(nec_buffer_text(&once), once.size, &second, NULL) < 0)
		__builtin_trap();
	nec_json_print(second, &twice);
	if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0)
		__builtin_trap();
	return 0;
}
