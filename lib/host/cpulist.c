/* SPDX-License-Identifier: Apache-2.0 */
/* CPU lists: reader and printer. The grammar is that of the kernel's bitmap_parselist(). */
#include "host/cpulist.h"

#include <string.h>

#include "base/error.h"

uint32_t nec_cpuset_count(const struct nec_cpuset *set)
{
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(set->words); i++)
		count += (uint32_t)__builtin_popcountll(set->words[i]);
	return count;
}

uint32_t nec_cpuset_next(const struct nec_cpuset *set, uint32_t from)
{
	for (uint32_t cpu = from; cpu < NEC_CPUS_MAX; cpu = (cpu / 64 + 1) * 64) {
		uint64_t rest = set->words[cpu / 64] >> (cpu % 64);

		if (rest)
			return cpu + (uint32_t)__builtin_ctzll(rest);
	}
	return NEC_CPUS_MAX;
}

struct list_reader {
	const char *text;
	const char *at;
	uint32_t last;
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(struct list_reader *reader)
{
	while (is_blank(*reader->at))
		reader->at++;
}

/* Takes @c if it comes next, with the blanks around it. */
static bool take(struct list_reader *reader, char c)
{
	const char *start = reader->at;

	skip_blanks(reader);
	if (*reader->at != c) {
		reader->at = start;
		return false;
	}
	reader->at++;
	skip_blanks(reader);
	return true;
}

static int refuse(const struct list_reader *reader, enum nec_error_code code, const char *what,
		  nec_error *err)
{
	return nec_error_set(err, code, -EINVAL, "%s at character %zu of the CPU list \"%.80s\"",
			     what, (size_t)(reader->at - reader->text) + 1, reader->text);
}

/* What ends a number: nothing else may follow its digits, so 0x06 and 3a are no numbers. */
static bool ends_number(char c)
{
	return c == '\0' || c == ',' || c == '-' || c == ':' || c == '/' || is_blank(c);
}

static int read_number(struct list_reader *reader, uint32_t limit, uint32_t *ret, nec_error *err)
{
	const char *start = reader->at;
	uint64_t value = 0;

	if (*reader->at == 'N' && ends_number(reader->at[1])) {
		reader->at++;
		*ret = reader->last;
		return 0;
	}
	while (*reader->at >= '0' && *reader->at <= '9' && value <= limit)
		value = value * 10 + (uint64_t)(*reader->at++ - '0');
	if (value > limit)
		return nec_error_set(err, NEC_E_CPU_LIST_NUMBER, -ERANGE,
				     "%.20s in the CPU list \"%.80s\" is too high, the last is %u",
				     start, reader->text, limit);
	if (reader->at == start || !ends_number(*reader->at))
		return refuse(reader, NEC_E_CPU_LIST_NUMBER, "malformed CPU ID", err);
	*ret = (uint32_t)value;
	return 0;
}

struct list_region {
	uint32_t first;
	uint32_t last;
	uint32_t used; /* of every @group CPUs the first @used */
	uint32_t group;
};

/* ":used/group" behind an interval */
static int read_group(struct list_reader *reader, struct list_region *region, nec_error *err)
{
	int r;

	if (!take(reader, ':'))
		return 0;
	r = read_number(reader, NEC_CPUS_MAX, &region->used, err);
	if (r < 0)
		return r;
	if (!take(reader, '/'))
		return refuse(reader, NEC_E_CPU_LIST_RANGE, "group without a size", err);
	r = read_number(reader, NEC_CPUS_MAX, &region->group, err);
	if (r < 0)
		return r;
	if (region->group == 0 || region->used > region->group)
		return refuse(reader, NEC_E_CPU_LIST_RANGE, "impossible group", err);
	return 0;
}

static int read_region(struct list_reader *reader, struct list_region *region, nec_error *err)
{
	int r;

	*region = (struct list_region){ .last = reader->last, .used = 1, .group = 1 };
	if (strncmp(reader->at, "all", 3) == 0 && ends_number(reader->at[3])) {
		reader->at += 3;
		return read_group(reader, region, err);
	}
	r = read_number(reader, reader->last, &region->first, err);
	if (r < 0)
		return r;
	region->last = region->first;
	if (!take(reader, '-'))
		return 0;
	r = read_number(reader, reader->last, &region->last, err);
	if (r < 0)
		return r;
	if (region->last < region->first)
		return refuse(reader, NEC_E_CPU_LIST_RANGE, "interval that runs backwards", err);
	r = read_group(reader, region, err);
	if (r < 0)
		return r;
	if (take(reader, '-'))
		return refuse(reader, NEC_E_CPU_LIST_RANGE, "interval with three ends", err);
	return 0;
}

static void add_region(struct nec_cpuset *set, const struct list_region *region)
{
	for (uint32_t cpu = region->first; cpu <= region->last; cpu++)
		if ((cpu - region->first) % region->group < region->used)
			nec_cpuset_add(set, cpu);
}

int nec_cpulist_parse(const char *text, uint32_t last, struct nec_cpuset *ret, nec_error *err)
{
	struct list_reader reader = { .text = text, .at = text, .last = last };
	struct nec_cpuset set = { 0 };

	for (;;) {
		struct list_region region;
		int r;

		while (*reader.at == ',' || is_blank(*reader.at))
			reader.at++;
		if (*reader.at == '\0')
			break;
		r = read_region(&reader, &region, err);
		if (r < 0)
			return r;
		if (*reader.at != '\0' && *reader.at != ',' && !is_blank(*reader.at))
			return refuse(&reader, NEC_E_CPU_LIST_RANGE, "misplaced sign", err);
		add_region(&set, &region);
	}
	*ret = set;
	return 0;
}

void nec_cpulist_print(const struct nec_cpuset *set, struct nec_buffer *to)
{
	const char *separator = "";

	NEC_CPUSET_FOR_EACH (first, set) {
		uint32_t last = first;

		while (nec_cpuset_has(set, last + 1))
			last++;
		if (last == first)
			nec_buffer_printf(to, "%s%u", separator, first);
		else
			nec_buffer_printf(to, "%s%u-%u", separator, first, last);
		separator = ",";
		first = last;
	}
}
