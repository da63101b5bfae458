/* SPDX-License-Identifier: Apache-2.0 */
/* Enclaves: found, filtered, laid out. */
#include "enclave-list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "enclave-options.h"
#include "enclave/client.h"
#include "enclave/record.h"

const char *cli_enclave_text(const cJSON *enclave, const char *key)
{
	const char *text;

	return nec_json_get_string(enclave, key, &text) ? text : "";
}

bool cli_enclave_has_ended(const cJSON *enclave)
{
	return strcmp(cli_enclave_text(enclave, "State"), "ENDED") == 0;
}

const char *cli_enclave_slot(const char *id)
{
	const char *slot = id;

	for (const char *next = id; (next = strstr(next, "-enc")); next++)
		slot = next + 4;
	return slot;
}

bool cli_enclave_matches(const struct cli_enclave_filter *filter, const cJSON *enclave)
{
	const char *backend = cli_enclave_text(enclave, "Backend");
	uint64_t cid;

	if (filter->name && strcmp(filter->name, cli_enclave_text(enclave, "EnclaveName")) != 0)
		return false;
	if (filter->id && strcmp(cli_enclave_slot(filter->id),
				 cli_enclave_slot(cli_enclave_text(enclave, "EnclaveID"))) != 0)
		return false;
	if (filter->state && strcasecmp(filter->state, cli_enclave_text(enclave, "State")) != 0)
		return false;
	/* Enclaves of the device do not say so: nitro-cli knows no other. */
	if (filter->backend && strcmp(filter->backend, *backend ? backend : "nitro") != 0)
		return false;
	return !filter->has_cid ||
	       (nec_json_get_u64(enclave, "EnclaveCID", &cid) && cid == filter->cid);
}

/* Up to now, or to its end. */
static bool get_uptime(const cJSON *enclave, uint64_t *ret)
{
	uint64_t start;
	uint64_t end = (uint64_t)time(NULL);

	if (!nec_json_get_u64(enclave, "StartTime", &start))
		return false;
	if (cli_enclave_has_ended(enclave) && !nec_json_get_u64(enclave, "EndTime", &end))
		return false;
	*ret = end > start ? end - start : 0;
	return true;
}

const cJSON *cli_find_like(const cJSON *array, const cJSON *like)
{
	const char *id = cli_enclave_text(like, "EnclaveID");
	const cJSON *enclave;

	cJSON_ArrayForEach (enclave, array) {
		if (strcmp(cli_enclave_text(enclave, "EnclaveID"), id) == 0)
			return enclave;
	}
	return NULL;
}

/* But those that are among @newer. */
static bool append_matching(const struct cli_enclave_filter *filter, const cJSON *found,
			    const cJSON *newer, cJSON *to)
{
	const cJSON *enclave;

	cJSON_ArrayForEach (enclave, found) {
		cJSON *copy;
		uint64_t uptime;

		if (!cli_enclave_matches(filter, enclave) || cli_find_like(newer, enclave))
			continue;
		copy = nec_json_copy(enclave);
		if (!copy || !nec_json_append(to, copy))
			return false;
		if (get_uptime(copy, &uptime) && !nec_json_add_u64(copy, "Uptime", uptime))
			return false;
	}
	return true;
}

int cli_list_enclaves(const struct cli_enclave_filter *filter, bool metadata, bool ended,
		      cJSON *array, unsigned int *failed, nec_error *err)
{
	cleanup_json cJSON *found = nec_json_array();
	cleanup_json cJSON *records = nec_json_array();
	struct nec_path dirs[2];
	size_t count = nec_sockets_dirs(dirs);
	int r = found && records ? 0 : nec_error_no_memory(err);

	for (size_t i = 0; i < count && r == 0; i++)
		r = nec_client_describe_all(dirs[i].text, metadata, found, failed, err);
	/* In this order, so that one that ends meanwhile is missed by neither. */
	for (size_t i = 0; ended && i < count && r == 0; i++)
		r = nec_records_list(dirs[i].text, records, err);
	if (r == 0 && (!append_matching(filter, found, records, array) ||
		       !append_matching(filter, records, NULL, array)))
		r = nec_error_no_memory(err);
	return r;
}

/* ---- the table ---- */

enum { COLUMNS = 8, CELL_BYTES = 384 };

struct row {
	char cells[COLUMNS][CELL_BYTES];
};

static void print_duration(uint64_t seconds, char *to)
{
	uint64_t minutes = seconds / 60;
	uint64_t hours = minutes / 60;

	if (hours >= 48)
		(void)snprintf(to, CELL_BYTES, "%" PRIu64 "d%" PRIu64 "h", hours / 24, hours % 24);
	else if (hours > 0)
		(void)snprintf(to, CELL_BYTES, "%" PRIu64 "h%02" PRIu64 "m", hours, minutes % 60);
	else if (minutes > 0)
		(void)snprintf(to, CELL_BYTES, "%" PRIu64 "m%02" PRIu64 "s", minutes, seconds % 60);
	else
		(void)snprintf(to, CELL_BYTES, "%" PRIu64 "s", seconds);
}

static void print_number(const cJSON *enclave, const char *key, char *to)
{
	uint64_t number;

	if (nec_json_get_u64(enclave, key, &number))
		(void)snprintf(to, CELL_BYTES, "%" PRIu64, number);
}

static struct row row_of(const cJSON *enclave)
{
	struct row row = { { { 0 } } };
	uint64_t uptime;

	(void)snprintf(row.cells[0], CELL_BYTES, "%s", cli_enclave_text(enclave, "EnclaveName"));
	(void)snprintf(row.cells[1], CELL_BYTES, "%s", cli_enclave_text(enclave, "EnclaveID"));
	print_number(enclave, "EnclaveCID", row.cells[2]);
	print_number(enclave, "NumberOfCPUs", row.cells[3]);
	print_number(enclave, "MemoryMiB", row.cells[4]);
	(void)snprintf(row.cells[5], CELL_BYTES, "%s", cli_enclave_text(enclave, "State"));
	if (get_uptime(enclave, &uptime))
		print_duration(uptime, row.cells[6]);
	(void)snprintf(row.cells[7], CELL_BYTES, "%s", cli_enclave_text(enclave, "ExitMessage"));
	return row;
}

static void append_row(const struct row *row, const size_t widths[COLUMNS], struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer line = { 0 };

	for (size_t i = 0; i < COLUMNS; i++)
		nec_buffer_printf(&line, "%-*s  ", (int)widths[i], row->cells[i]);
	while (line.size > 0 && line.data[line.size - 1] == ' ')
		line.size--;
	nec_buffer_append(to, line.data, line.size);
	nec_buffer_append_text(to, "\n");
	to->failed |= line.failed;
}

static void widen(size_t widths[COLUMNS], const struct row *row)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (strlen(row->cells[i]) > widths[i])
			widths[i] = strlen(row->cells[i]);
}

void cli_print_enclave_table(const cJSON *array, struct nec_buffer *to)
{
	struct row heading = { { "NAME", "ID", "CID", "CPUS", "MIB", "STATE", "UPTIME", "" } };
	size_t widths[COLUMNS] = { 0 };
	const cJSON *enclave;
	struct row row;

	cJSON_ArrayForEach (enclave, array) {
		row = row_of(enclave);
		if (row.cells[COLUMNS - 1][0])
			(void)snprintf(heading.cells[COLUMNS - 1], CELL_BYTES, "END");
		widen(widths, &row);
	}
	widen(widths, &heading);
	append_row(&heading, widths, to);
	cJSON_ArrayForEach (enclave, array) {
		row = row_of(enclave);
		append_row(&row, widths, to);
	}
}
