/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger as text: one line a thing, in one order, and a checksum at the end. */
#include "allocator/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define FIRST_LINE "nec-allocator 1"

/* 4 PiB, what x86 and arm64 can address at all; no number of pages or bytes is above it. */
#define NUMBER_MAX (UINT64_C(1) << 52)

static const char *const work_names[] = {
	[NEC_LEDGER_IDLE] = "idle",
	[NEC_LEDGER_APPLYING] = "applying",
	[NEC_LEDGER_SETTLING] = "settling",
	[NEC_LEDGER_RELEASING] = "releasing",
};

/* FNV-1a: it finds what went wrong by accident; who may write the file needs no forgery. */
static uint64_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

struct nec_ledger_row *nec_ledger_find(struct nec_ledger *ledger, int32_t node, uint64_t page_bytes)
{
	for (size_t i = 0; i < ledger->row_count; i++)
		if (ledger->rows[i].node == node && ledger->rows[i].page_bytes == page_bytes)
			return &ledger->rows[i];
	return NULL;
}

struct nec_ledger_row *nec_ledger_row(struct nec_ledger *ledger, int32_t node, uint64_t page_bytes)
{
	struct nec_ledger_row *row = nec_ledger_find(ledger, node, page_bytes);

	if (row || ledger->row_count == NEC_LEDGER_ROWS_MAX)
		return row;
	row = &ledger->rows[ledger->row_count++];
	*row = (struct nec_ledger_row){ .node = node, .page_bytes = page_bytes };
	return row;
}

/* The numbers of a row, in the order of the file. */
#define ROW_NUMBERS(X)  \
	X(page_bytes)   \
	X(ours)         \
	X(coarse)       \
	X(found)        \
	X(before)       \
	X(after)        \
	X(coarse_after) \
	X(found_after)  \
	X(step_from)    \
	X(step_to)

static void print_row(const struct nec_ledger_row *row, struct nec_buffer *to)
{
	nec_buffer_printf(to, "pages %d", row->node);
#define PRINT(name) nec_buffer_printf(to, " %" PRIu64, row->name);
	ROW_NUMBERS(PRINT)
#undef PRINT
	nec_buffer_append_text(to, "\n");
}

void nec_ledger_print(const struct nec_ledger *ledger, struct nec_buffer *to)
{
	size_t start = to->size;

	nec_buffer_printf(to, FIRST_LINE "\nboot %s\nwork %s\nreserved %d %d %d\n", ledger->boot_id,
			  work_names[ledger->work], ledger->reserved, ledger->node,
			  ledger->node_after);
	nec_buffer_printf(to, "pool %d %s\norigin %s\nfrom %s\nto %s\n", ledger->pool_ours,
			  ledger->pool, ledger->pool_origin, ledger->pool_from, ledger->pool_to);
	for (size_t i = 0; i < ledger->row_count; i++)
		print_row(&ledger->rows[i], to);
	nec_ledger_print_sum(to, start);
}

void nec_ledger_print_sum(struct nec_buffer *to, size_t start)
{
	if (!to->failed)
		nec_buffer_printf(to, "end %016" PRIx64 "\n",
				  checksum(nec_buffer_text(to) + start, to->size - start));
}

/* ---- reading ---- */

/* Every call takes what it was asked for, or makes `good` false, and then all that follow fail. */
struct reader {
	const char *at;
	const char *end;
	bool good;
};

static void take_word(struct reader *reader, const char *word)
{
	size_t size = strlen(word);

	reader->good = reader->good && (size_t)(reader->end - reader->at) >= size &&
		       memcmp(reader->at, word, size) == 0;
	if (reader->good)
		reader->at += size;
}

static bool next_is(const struct reader *reader, const char *word)
{
	struct reader ahead = *reader;

	take_word(&ahead, word);
	return ahead.good;
}

/* A number in the one form that we print. */
static uint64_t take_number(struct reader *reader)
{
	const char *start = reader->at;
	uint64_t value = 0;

	while (reader->good && reader->at < reader->end && *reader->at >= '0' &&
	       *reader->at <= '9') {
		value = value * 10 + (uint64_t)(*reader->at++ - '0');
		reader->good = value <= NUMBER_MAX;
	}
	reader->good =
		reader->good && reader->at > start && (*start != '0' || reader->at == start + 1);
	return value;
}

static bool take_bool(struct reader *reader)
{
	uint64_t value = take_number(reader);

	reader->good = reader->good && value <= 1;
	return value == 1;
}

static int32_t take_node(struct reader *reader)
{
	uint64_t value;

	if (next_is(reader, "-1")) {
		take_word(reader, "-1");
		return -1;
	}
	value = take_number(reader);
	reader->good = reader->good && value < NEC_CPUS_MAX;
	return (int32_t)value;
}

/* The rest of a line: printable characters. */
static void take_line(struct reader *reader, char *to, size_t size)
{
	size_t length = 0;

	while (reader->at + length < reader->end && reader->at[length] >= ' ' &&
	       reader->at[length] <= '~' && length < size)
		length++;
	reader->good = reader->good && length < size && reader->at + length < reader->end &&
		       reader->at[length] == '\n';
	if (!reader->good)
		return;
	memcpy(to, reader->at, length);
	to[length] = '\0';
	reader->at += length + 1;
}

static void take_work(struct reader *reader, struct nec_ledger *ledger)
{
	char name[16] = "";

	take_word(reader, "work ");
	take_line(reader, name, sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(work_names); i++)
		if (reader->good && strcmp(name, work_names[i]) == 0) {
			ledger->work = (enum nec_ledger_work)i;
			return;
		}
	reader->good = false;
}

static void take_row(struct reader *reader, struct nec_ledger *ledger)
{
	struct nec_ledger_row row = { 0 };
	struct nec_ledger_row *place;

	take_word(reader, "pages ");
	row.node = take_node(reader);
#define TAKE(name)              \
	take_word(reader, " "); \
	row.name = take_number(reader);
	ROW_NUMBERS(TAKE)
#undef TAKE
	take_word(reader, "\n");
	reader->good = reader->good && row.node >= 0 && row.page_bytes >= NEC_REGION_ALIGNMENT &&
		       (row.page_bytes & (row.page_bytes - 1)) == 0 &&
		       !nec_ledger_find(ledger, row.node, row.page_bytes);
	place = reader->good ? nec_ledger_row(ledger, row.node, row.page_bytes) : NULL;
	reader->good = place != NULL;
	if (place)
		*place = row;
}

static void take_end(struct reader *reader, const char *text)
{
	char expected[32];

	(void)snprintf(expected, sizeof(expected), "end %016" PRIx64 "\n",
		       checksum(text, (size_t)(reader->at - text)));
	take_word(reader, expected);
	reader->good = reader->good && reader->at == reader->end;
}

int nec_ledger_parse(const char *text, size_t size, struct nec_ledger *ret, nec_error *err)
{
	struct reader reader = { .at = text, .end = text + size, .good = true };

	*ret = (struct nec_ledger){ 0 };
	take_word(&reader, FIRST_LINE "\nboot ");
	take_line(&reader, ret->boot_id, sizeof(ret->boot_id));
	take_work(&reader, ret);
	take_word(&reader, "reserved ");
	ret->reserved = take_bool(&reader);
	take_word(&reader, " ");
	ret->node = take_node(&reader);
	take_word(&reader, " ");
	ret->node_after = take_node(&reader);
	take_word(&reader, "\npool ");
	ret->pool_ours = take_bool(&reader);
	take_word(&reader, " ");
	take_line(&reader, ret->pool, sizeof(ret->pool));
	take_word(&reader, "origin ");
	take_line(&reader, ret->pool_origin, sizeof(ret->pool_origin));
	take_word(&reader, "from ");
	take_line(&reader, ret->pool_from, sizeof(ret->pool_from));
	take_word(&reader, "to ");
	take_line(&reader, ret->pool_to, sizeof(ret->pool_to));
	while (reader.good && next_is(&reader, "pages "))
		take_row(&reader, ret);
	if (reader.good)
		take_end(&reader, text);
	if (reader.good)
		return 0;
	*ret = (struct nec_ledger)NEC_LEDGER_INIT;
	return nec_error_set(err, NEC_E_FILE_READ, -EBADMSG,
			     NEC_ALLOCATOR_STATE " is damaged at byte %zu",
			     (size_t)(reader.at - text));
}
