/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text. */
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

/* The last second of the year 9999, the end of what RFC 3339 can say. */
static const int64_t last_second = 253402300799;

void nec_time_text(int64_t seconds, char text[NEC_TIME_TEXT_SIZE])
{
	time_t when = (time_t)seconds;
	struct tm tm = { 0 };

	(void)gmtime_r(&when, &tm);
	(void)strftime(text, NEC_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S+00:00", &tm);
}

/* Exactly @count digits, not above @max. Moves *@text behind them. */
static bool take_number(const char **text, int count, int max, int *ret)
{
	*ret = 0;
	for (int i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*ret = *ret * 10 + (**text - '0');
	}
	return *ret <= max;
}

static bool take_char(const char **text, const char *accepted)
{
	if (!**text || !strchr(accepted, **text))
		return false;
	(*text)++;
	return true;
}

static bool take_date(const char **text, struct tm *tm)
{
	if (!take_number(text, 4, 9999, &tm->tm_year) || !take_char(text, "-") ||
	    !take_number(text, 2, 12, &tm->tm_mon) || !take_char(text, "-") ||
	    !take_number(text, 2, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return tm->tm_mon >= 0 && tm->tm_mday > 0;
}

/* "01:21:07", a fraction that is passed over, and "Z" or "+01:00". */
static bool take_clock(const char **text, struct tm *tm, int *offset)
{
	int hours = 0;
	int minutes = 0;
	char sign;

	if (!take_number(text, 2, 23, &tm->tm_hour) || !take_char(text, ":") ||
	    !take_number(text, 2, 59, &tm->tm_min) || !take_char(text, ":") ||
	    !take_number(text, 2, 60, &tm->tm_sec))
		return false;
	if (**text == '.')
		*text += 1 + strspn(*text + 1, "0123456789");
	sign = **text;
	if (!take_char(text, "Zz+-"))
		return false;
	if ((sign == '+' || sign == '-') &&
	    (!take_number(text, 2, 23, &hours) || !take_char(text, ":") ||
	     !take_number(text, 2, 59, &minutes)))
		return false;
	*offset = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
	return true;
}

static bool parse_seconds(const char *text, int64_t *ret)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || value > last_second)
		return false;
	*ret = value;
	return true;
}

bool nec_time_parse(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	struct tm given;
	int offset = 0;
	time_t seconds;

	if (*text == '@')
		return parse_seconds(text + 1, ret);
	if (!take_date(&text, &tm) ||
	    (*text && (!take_char(&text, "Tt ") || !take_clock(&text, &tm, &offset))) || *text)
		return false;
	given = tm;
	seconds = timegm(&tm);
	/* There is no 30 February: timegm() makes another day of it. */
	if (given.tm_mday != tm.tm_mday && given.tm_sec < 60)
		return false;
	*ret = (int64_t)seconds - offset;
	return true;
}

int nec_time_source_date(int64_t *ret, nec_error *err)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	char *end;
	long long value;

	*ret = 0;
	if (!text || !*text)
		return 0;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end || value < 0 || value > last_second)
		return nec_error_set(
			err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			"SOURCE_DATE_EPOCH is \"%.40s\", a number of seconds since 1970 is needed",
			text);
	*ret = value;
	return 0;
}
