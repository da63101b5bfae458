/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

bool init_number(const char **text, uint32_t *ret)
{
	const char *digit = *text;
	uint64_t value = 0;

	for (; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (uint64_t)(*digit - '0');
		if (value > UINT32_MAX)
			return false;
	}
	if (digit == *text)
		return false;
	*text = digit;
	*ret = (uint32_t)value;
	return true;
}
