/* SPDX-License-Identifier: Apache-2.0 */
/* allocator.yaml, from libyaml's events to entries. */
#include "allocator/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "allocator/config-value.h"
#include "base/error.h"
#include "base/files.h"
#include "base/similarity.h"
#include "base/yaml.h"

struct reader {
	const char *name;
	const char *text; /* what libyaml reads */
	size_t size;
	size_t first_line; /* lines in front of @text */
	yaml_parser_t parser;
	yaml_event_t event; /* the last one; to be deleted before the next */
	struct nec_allocator_config config;
	nec_error *err;
};

enum key { MEMORY_MIB, CPU_COUNT, CPU_POOL, NUMA_NODE, PAGE_SIZE, KEYS };

static const struct {
	const char *name;
	nec_config_value_fn read;
} keys[KEYS] = {
	[MEMORY_MIB] = { "memory_mib", nec_config_memory_mib },
	[CPU_COUNT] = { "cpu_count", nec_config_cpu_count },
	[CPU_POOL] = { "cpu_pool", nec_config_cpu_pool },
	[NUMA_NODE] = { "numa_node", nec_config_numa_node },
	[PAGE_SIZE] = { "page_size", nec_config_page_size },
};

/* ---- refusing ---- */

static int refuse(const struct reader *reader, yaml_mark_t mark, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct reader *reader, yaml_mark_t mark, const char *format, ...)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	va_list args;

	va_start(args, format);
	nec_buffer_vprintf(&text, format, args);
	va_end(args);
	return nec_error_set(reader->err, NEC_E_CONFIG, -EBADMSG, "%s, line %zu, column %zu: %s",
			     reader->name, reader->first_line + mark.line + 1, mark.column + 1,
			     nec_buffer_text(&text));
}

/* Bytes that are no text have an offset only. */
static yaml_mark_t mark_of_offset(const struct reader *reader, size_t offset)
{
	yaml_mark_t mark = { .index = offset };

	for (size_t i = 0; i < offset && i < reader->size; i++) {
		mark.column++;
		if (reader->text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

static int refuse_yaml(const struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;

	if (parser->error == YAML_MEMORY_ERROR)
		return nec_error_no_memory(reader->err);
	if (parser->error == YAML_READER_ERROR)
		return refuse(reader, mark_of_offset(reader, parser->problem_offset),
			      "this is no text: %s", parser->problem);
	return refuse(reader, parser->problem_mark, "this is no YAML: %s%s%s",
		      parser->problem ? parser->problem : "", parser->context ? ", " : "",
		      parser->context ? parser->context : "");
}

/* ---- events ---- */

/* Names, types and copies of values: nothing that these files need, much that can surprise. */
static int check_plain(const struct reader *reader)
{
	const yaml_event_t *event = &reader->event;
	const yaml_char_t *anchor = NULL;
	const yaml_char_t *tag = NULL;

	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	}
	if (event->type == YAML_ALIAS_EVENT || anchor)
		return refuse(reader, event->start_mark,
			      "anchors (&) and aliases (*) cannot be used in this file");
	if (tag)
		return refuse(reader, event->start_mark, "tags (!) cannot be used in this file");
	return 0;
}

static int next(struct reader *reader)
{
	YAML(yaml_event_delete)(&reader->event);
	reader->event = (yaml_event_t){ .type = YAML_NO_EVENT };
	if (!YAML(yaml_parser_parse)(&reader->parser, &reader->event))
		return refuse_yaml(reader);
	return check_plain(reader);
}

/* ---- an entry ---- */

/* Where an entry begins, which keys it has, and where their values are. */
struct place {
	yaml_mark_t start;
	unsigned int seen;
	yaml_mark_t values[KEYS];
};

/* What is shorter is like everything. */
enum { SUGGESTED_MIN = 3 };

static int refuse_key(const struct reader *reader, const char *name, size_t size)
{
	double best = NEC_SIMILARITY_MENTION;
	const char *meant = NULL;

	for (size_t i = 0; size >= SUGGESTED_MIN && i < KEYS; i++) {
		double alike = nec_similarity(name, size, keys[i].name, strlen(keys[i].name));

		if (alike > best) {
			best = alike;
			meant = keys[i].name;
		}
	}
	if (meant)
		return refuse(reader, reader->event.start_mark,
			      "unknown key \"%.60s\"; did you mean \"%s\"?", name, meant);
	return refuse(reader, reader->event.start_mark,
		      "unknown key \"%.60s\"; this version knows memory_mib, cpu_count, cpu_pool, "
		      "numa_node and page_size",
		      name);
}

/* The key that the last event is. */
static int read_key(const struct reader *reader, unsigned int seen, enum key *ret)
{
	const yaml_event_t *event = &reader->event;
	const char *name = (const char *)event->data.scalar.value;
	enum key key = MEMORY_MIB;

	if (event->type != YAML_SCALAR_EVENT || strlen(name) != event->data.scalar.length)
		return refuse(reader, event->start_mark, "a key must be a word");
	while (key < KEYS && strcmp(name, keys[key].name) != 0)
		key++;
	if (key == KEYS)
		return refuse_key(reader, name, event->data.scalar.length);
	if (seen & 1u << key)
		return refuse(reader, event->start_mark, "%s is given twice", name);
	if ((key == CPU_COUNT && seen & 1u << CPU_POOL) ||
	    (key == CPU_POOL && seen & 1u << CPU_COUNT))
		return refuse(reader, event->start_mark,
			      "cpu_count conflicts with cpu_pool: give one of them");
	*ret = key;
	return 0;
}

static int read_value(struct reader *reader, enum key key, struct nec_allocator_entry *entry)
{
	cleanup_buffer struct nec_buffer why = { 0 };
	const yaml_event_t *event = &reader->event;
	const char *text;
	int r = next(reader);

	if (r < 0)
		return r;
	if (event->type != YAML_SCALAR_EVENT)
		return refuse(reader, event->start_mark,
			      "the value of %s must be a number or a word%s", keys[key].name,
			      key == CPU_POOL ? ": write the CPUs without brackets" : "");
	text = (const char *)event->data.scalar.value;
	if (event->data.scalar.length == 0)
		return refuse(reader, event->start_mark, "missing value for %s", keys[key].name);
	if (keys[key].read(text, event->data.scalar.length, entry, &why))
		return 0;
	return refuse(reader, event->start_mark, "%s is \"%.60s\", it %s", keys[key].name, text,
		      nec_buffer_text(&why));
}

/* The driver has one pool, on one node. */
static int check_node(const struct reader *reader, yaml_mark_t value,
		      const struct nec_allocator_entry *entry)
{
	for (size_t i = 0; i < reader->config.count && entry->numa_node >= 0; i++) {
		const struct nec_allocator_entry *other = &reader->config.entries[i];

		if (other->numa_node >= 0 && other->numa_node != entry->numa_node)
			return refuse(reader, value,
				      "numa_node is %d here and %d in the entry of line %zu, but "
				      "the driver's pool is on one node",
				      entry->numa_node, other->numa_node, other->line);
	}
	return 0;
}

static int check_overlap(const struct reader *reader, yaml_mark_t value,
			 const struct nec_allocator_entry *entry)
{
	struct nec_cpuset mine = { 0 };

	(void)nec_cpulist_parse(entry->cpu_pool, NEC_CPUS_MAX - 1, &mine, NULL);
	for (size_t i = 0; i < reader->config.count && entry->cpu_pool[0]; i++) {
		const struct nec_allocator_entry *other = &reader->config.entries[i];
		struct nec_cpuset theirs = { 0 };

		(void)nec_cpulist_parse(other->cpu_pool, NEC_CPUS_MAX - 1, &theirs, NULL);
		NEC_CPUSET_FOR_EACH (cpu, &mine)
			if (nec_cpuset_has(&theirs, cpu))
				return refuse(reader, value,
					      "CPU %u is named in the entry of line %zu, too", cpu,
					      other->line);
	}
	return 0;
}

static int check_entry(const struct reader *reader, const struct place *place, bool in_list,
		       const struct nec_allocator_entry *entry)
{
	int r;

	if (!(place->seen & 1u << MEMORY_MIB))
		return refuse(reader, place->start, "missing memory reservation (memory_mib)");
	if (!(place->seen & (1u << CPU_COUNT | 1u << CPU_POOL)))
		return refuse(reader, place->start,
			      "missing CPU reservation (either cpu_count or cpu_pool)");
	if (in_list && entry->memory_mib == 0)
		return refuse(reader, place->values[MEMORY_MIB],
			      "memory_mib must be above 0 in a list");
	r = check_node(reader, place->values[NUMA_NODE], entry);
	return r < 0 ? r : check_overlap(reader, place->values[CPU_POOL], entry);
}

/* From behind the start of a mapping to its end. */
static int read_entry(struct reader *reader, bool in_list)
{
	struct place place = { .start = reader->event.start_mark };
	struct nec_allocator_entry entry = { .numa_node = -1 };
	int r;

	entry.line = reader->first_line + place.start.line + 1;
	if (reader->config.count == NEC_ALLOCATOR_ENTRIES_MAX)
		return refuse(reader, place.start, "more than %d entries",
			      NEC_ALLOCATOR_ENTRIES_MAX);
	while ((r = next(reader)) == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
		enum key key;

		r = read_key(reader, place.seen, &key);
		if (r == 0)
			r = read_value(reader, key, &entry);
		if (r < 0)
			return r;
		place.seen |= 1u << key;
		place.values[key] = reader->event.start_mark;
	}
	if (r == 0)
		r = check_entry(reader, &place, in_list, &entry);
	if (r == 0)
		reader->config.entries[reader->config.count++] = entry;
	return r;
}

/* ---- the document ---- */

static int read_list(struct reader *reader)
{
	yaml_mark_t start = reader->event.start_mark;
	int r;

	while ((r = next(reader)) == 0 && reader->event.type != YAML_SEQUENCE_END_EVENT) {
		if (reader->event.type != YAML_MAPPING_START_EVENT)
			return refuse(reader, reader->event.start_mark,
				      "an entry of the list must be keys with values");
		r = read_entry(reader, true);
		if (r < 0)
			return r;
	}
	if (r == 0 && reader->config.count == 0)
		return refuse(reader, start, "the list is empty");
	return r;
}

static int read_root(struct reader *reader)
{
	if (reader->event.type == YAML_MAPPING_START_EVENT)
		return read_entry(reader, false);
	if (reader->event.type == YAML_SEQUENCE_START_EVENT)
		return read_list(reader);
	if (reader->event.type == YAML_SCALAR_EVENT && reader->event.data.scalar.length == 0)
		return refuse(reader, reader->event.start_mark,
			      "missing memory reservation (memory_mib)");
	return refuse(reader, reader->event.start_mark,
		      "here must be keys with values, or a list of entries");
}

static int read_document(struct reader *reader)
{
	int r = next(reader); /* the stream's start */

	if (r == 0)
		r = next(reader);
	if (r == 0 && reader->event.type == YAML_STREAM_END_EVENT)
		return refuse(reader, reader->event.start_mark,
			      "missing memory reservation (memory_mib)");
	if (r == 0)
		r = next(reader);
	if (r == 0)
		r = read_root(reader);
	if (r == 0)
		r = next(reader); /* the document's end */
	if (r == 0)
		r = next(reader);
	if (r == 0 && reader->event.type != YAML_STREAM_END_EVENT)
		return refuse(reader, reader->event.start_mark, "a second document begins here");
	return r;
}

/* ---- what stands in front of "---" ---- */

static void skip_byte_order_mark(struct reader *reader)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };

	if (reader->size < sizeof(mark) || memcmp(reader->text, mark, sizeof(mark)) != 0)
		return;
	reader->text += sizeof(mark);
	reader->size -= sizeof(mark);
}

static bool is_comment(const char *line, size_t size)
{
	while (size > 0 && (*line == ' ' || *line == '\t' || *line == '\r')) {
		line++;
		size--;
	}
	return size == 0 || *line == '#';
}

/*
 * nitro-cli's allocator reads from the first line that is exactly "---" and nothing before it, so
 * neither do we; without such a line, all.
 */
static void skip_preamble(struct reader *reader)
{
	size_t lines = 0;
	size_t skipped = 0;

	for (size_t at = 0; at < reader->size;) {
		const char *line = reader->text + at;
		const char *end = memchr(line, '\n', reader->size - at);
		size_t size = end ? (size_t)(end - line) : reader->size - at;

		if (size == 3 && memcmp(line, "---", 3) == 0) {
			reader->text = line;
			reader->size -= at;
			reader->first_line = lines;
			reader->config.skipped_lines = skipped;
			return;
		}
		skipped += !is_comment(line, size);
		lines++;
		at += size + 1;
	}
}

int nec_allocator_config_parse(const char *text, size_t size, const char *name,
			       struct nec_allocator_config *ret, nec_error *err)
{
	struct reader reader = { .name = name, .text = text, .size = size, .err = err };
	int r = nec_yaml_load(err);

	if (r < 0)
		return r;
	if (size > NEC_ALLOCATOR_BYTES_MAX)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s has %zu bytes, %d are the most", name, size,
				     NEC_ALLOCATOR_BYTES_MAX);
	if (!YAML(yaml_parser_initialize)(&reader.parser))
		return nec_error_no_memory(err);
	skip_byte_order_mark(&reader);
	skip_preamble(&reader);
	YAML(yaml_parser_set_encoding)(&reader.parser, YAML_UTF8_ENCODING);
	YAML(yaml_parser_set_input_string)
	(&reader.parser, (const unsigned char *)reader.text, reader.size);
	r = read_document(&reader);
	YAML(yaml_event_delete)(&reader.event);
	YAML(yaml_parser_delete)(&reader.parser);
	if (r == 0)
		*ret = reader.config;
	return r;
}

int nec_allocator_config_read(const char *path, struct nec_allocator_config *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = nec_file_read_all(path, NEC_ALLOCATOR_BYTES_MAX, &text, err);

	if (r < 0)
		return r;
	return nec_allocator_config_parse(nec_buffer_text(&text), text.size, path, ret, err);
}
