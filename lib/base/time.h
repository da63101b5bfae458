/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, and the fixed time of reproducible builds. */
#ifndef NEC_BASE_TIME_H
#define NEC_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "nec.h"

/* "2026-11-21T01:21:07+00:00" and a NUL: 26 bytes for years up to 9999. */
#define NEC_TIME_TEXT_SIZE 40

/* Writes @seconds since the epoch as RFC 3339 in UTC, in the form nitro-cli uses ("+00:00"). */
void nec_time_text(int64_t seconds, char text[NEC_TIME_TEXT_SIZE]);

/*
 * Reads a time: RFC 3339 ("2026-11-21T01:21:07Z", "...+00:00"), a day ("2026-11-21", its first
 * second in UTC), or '@' and a whole number of seconds since 1970. False when it is none of these.
 */
bool nec_time_parse(const char *text, int64_t *ret);

/*
 * The time that a build writes into its result: $SOURCE_DATE_EPOCH when set, else 0 (1970-01-01),
 * so that builds are reproducible by default. See the reproducible-builds.org specification.
 * Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT) when the variable is no whole number of seconds.
 */
int nec_time_source_date(int64_t *ret, nec_error *err);

#endif
