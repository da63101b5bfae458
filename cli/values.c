/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and times on the command line. */
#include "values.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"

/* Reads the digits at the start of @text; false when there are none or they are too many. */
static bool scan_u64(const char *text, uint64_t *ret, const char **rest)
{
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	*ret = value;
	*rest = text;
	return true;
}

static int parse_number(const char *option, const char *text, uint64_t max, uint64_t *ret,
			nec_error *err)
{
	const char *rest = NULL;
	uint64_t value;

	if (!scan_u64(text[0] == '+' ? text + 1 : text, &value, &rest) || *rest || value > max)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "--%s: '%s' is not a whole number from 0 to %" PRIu64, option,
				     text, max);
	*ret = value;
	return 0;
}

int cli_parse_u32(const char *option, const char *text, uint32_t *ret, nec_error *err)
{
	uint64_t value;
	int r = parse_number(option, text, UINT32_MAX, &value, err);

	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int cli_parse_u64(const char *option, const char *text, uint64_t *ret, nec_error *err)
{
	return parse_number(option, text, UINT64_MAX, ret, err);
}

int cli_check_cid(const char *where, uint64_t cid, nec_error *err)
{
	const char *why = NULL;

	if (cid < 3)
		why = "0 to 2 have a meaning of their own";
	else if (cid == 3)
		why = "that is the parent instance";
	else if (cid == UINT32_MAX)
		why = "that means any";
	else if (cid > UINT32_MAX)
		why = "vsock addresses have 32 bits";
	if (!why)
		return 0;
	return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			     "%s: %" PRIu64 " cannot be an enclave's CID, %s; it can be 4 to "
			     "4294967294, or 0 to have one chosen",
			     where, cid, why);
}

/* MiB in one of the unit at @text, or 0 when it is none. */
static uint64_t unit_mib(const char *text)
{
	if (text[0] && text[1])
		return 0;
	switch (text[0]) {
	case '\0':
	case 'M':
	case 'm':
		return 1;
	case 'G':
	case 'g':
		return UINT64_C(1) << 10;
	case 'T':
	case 't':
		return UINT64_C(1) << 20;
	default:
		return 0;
	}
}

int cli_parse_memory(const char *option, const char *text, uint64_t *ret_mib, nec_error *err)
{
	const char *rest = NULL;
	uint64_t value;
	uint64_t unit;

	if (!scan_u64(text, &value, &rest) || !(unit = unit_mib(rest)))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "--%s: '%s' is not an amount of memory such as 512 (MiB), "
				     "512M, 4G or 1T",
				     option, text);
	if (__builtin_mul_overflow(value, unit, &value))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "--%s: '%s' is more than any machine has", option, text);
	*ret_mib = value;
	return 0;
}

int cli_parse_time(const char *option, const char *text, int64_t *ret_seconds, nec_error *err)
{
	if (nec_time_parse(text, ret_seconds))
		return 0;
	return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			     "--%s: '%s' is not a time such as 2026-11-21T01:21:07Z, 2026-11-21 or "
			     "@1795224067 (seconds since 1970)",
			     option, text);
}
