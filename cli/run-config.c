/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the file of --config. */
#include "run-config.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "report.h"
#include "suggest.h"
#include "values.h"

/* A thousand times what the keys need. */
enum { MAX_BYTES = 1 << 20 };

/* nitro-cli's numbers for a missing and for two contradicting arguments. */
enum { E_MISSING = 1, E_CONFLICTING = 2 };

struct reader {
	const char *path;
	struct nec_buffer text;
	const cJSON *object;
	nec_error *err;
};

/* ---- where a key stands ---- */

/* Past a string that begins at @at; the document is known to be well-formed. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at + 1;
}

/* Whether the string at @at is @key, and a key. */
static bool is_key(const char *at, const char *end, const char *key)
{
	size_t size = strlen(key);

	return (size_t)(end - at) == size + 2 && memcmp(at + 1, key, size) == 0 &&
	       end[strspn(end, " \t\r\n")] == ':';
}

/* The line of a key of the outermost object; 0 when it is written with escapes. */
static size_t line_of(const struct reader *reader, const char *key)
{
	const char *at = nec_buffer_text(&reader->text);
	unsigned int depth = 0;
	size_t line = 1;

	while (*at) {
		const char *end = *at == '"' ? skip_string(at) : at + 1;

		if (*at == '"' && depth == 1 && is_key(at, end, key))
			return line;
		if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		else if (*at == '\n')
			line++;
		at = end;
	}
	return 0;
}

/* "config.json, line 3: memory_mib" */
static void place(const struct reader *reader, const char *key, char *to, size_t size)
{
	size_t line = line_of(reader, key);

	if (line > 0)
		(void)snprintf(to, size, "%s, line %zu: %s", reader->path, line, key);
	else
		(void)snprintf(to, size, "%s: %s", reader->path, key);
}

static int refuse(const struct reader *reader, const char *key, const char *wanted)
{
	char where[512];

	place(reader, key, where, sizeof(where));
	return nec_error_set(reader->err, NEC_E_JSON, -EBADMSG, "%s is not %s", where, wanted);
}

/* ---- values ---- */

/* NULL when the key is absent, or null as nitro-cli's own samples have it. */
static const cJSON *find(const struct reader *reader, const char *key)
{
	const cJSON *item = nec_json_get(reader->object, key);

	return nec_json_is_null(item) ? NULL : item;
}

static int get_text(const struct reader *reader, const char *key, char **ret)
{
	const char *text;

	if (!find(reader, key))
		return 0;
	if (!nec_json_get_string(reader->object, key, &text))
		return refuse(reader, key, "a text");
	*ret = strdup(text);
	return *ret ? 0 : nec_error_no_memory(reader->err);
}

static int get_number(const struct reader *reader, const char *key, uint64_t max, uint64_t *ret)
{
	const cJSON *item = find(reader, key);
	char wanted[80];

	if (!item || (nec_json_to_u64(item, ret) && *ret <= max))
		return 0;
	(void)snprintf(wanted, sizeof(wanted), "a whole number from 0 to %" PRIu64, max);
	return refuse(reader, key, wanted);
}

static int get_bool(const struct reader *reader, const char *key, bool *ret)
{
	if (!find(reader, key) || nec_json_get_bool(reader->object, key, ret))
		return 0;
	return refuse(reader, key, "true or false");
}

static int get_cpus(const struct reader *reader, struct nec_cpu_ids *ret)
{
	static const char wanted[] = "a list of CPU numbers";
	const cJSON *list = find(reader, "cpu_ids");
	const cJSON *item;

	if (!list)
		return 0;
	if (!nec_json_is_array(list))
		return refuse(reader, "cpu_ids", wanted);
	cJSON_ArrayForEach (item, list) {
		uint64_t id;

		if (!nec_json_to_u64(item, &id) || id > UINT32_MAX)
			return refuse(reader, "cpu_ids", wanted);
		if (ret->count == NEC_LAUNCH_MAX_CPUS)
			return refuse(reader, "cpu_ids", "that short: 1024 CPUs are the most");
		ret->ids[ret->count++] = (uint32_t)id;
	}
	return 0;
}

static int check_required(const struct reader *reader)
{
	static const char *const keys[] = { "eif_path", "memory_mib" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!find(reader, keys[i]))
			return nec_error_set(reader->err, NEC_E_JSON, -EBADMSG,
					     "%s: the key %s is missing", reader->path, keys[i]);
	return 0;
}

static int check_cpu_keys(const struct reader *reader, int *ret_number)
{
	bool count = find(reader, "cpu_count");
	bool ids = find(reader, "cpu_ids");

	if (count != ids)
		return 0;
	*ret_number = count ? E_CONFLICTING : E_MISSING;
	return nec_error_set(reader->err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			     count ? "%s: cpu_count and cpu_ids exclude each other"
				   : "%s: one of the keys cpu_count and cpu_ids is missing",
			     reader->path);
}

static int check_cid(const struct reader *reader, uint64_t cid)
{
	char where[512];

	if (cid == 0)
		return 0;
	place(reader, "enclave_cid", where, sizeof(where));
	return cli_check_cid(where, cid, reader->err);
}

/* A slip of the pen would otherwise be found much later, or never. */
static void warn_of_others(const struct reader *reader)
{
	static const char *const known[] = { "eif_path",     "memory_mib",    "cpu_count",
					     "cpu_ids",      "enclave_cid",   "debug_mode",
					     "enclave_name", "attach_console" };
	const cJSON *item;

	cJSON_ArrayForEach (item, reader->object) {
		struct cli_suggestions like = { .word = item->string,
						.word_size = strlen(item->string) };
		bool is_known = false;
		char where[512];
		char text[1024];

		for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
			is_known |= strcmp(item->string, known[i]) == 0;
			cli_suggest(&like, known[i], strlen(known[i]));
		}
		if (is_known)
			continue;
		place(reader, item->string, where, sizeof(where));
		(void)snprintf(text, sizeof(text), "%s is no key that is known, and is ignored%s%s",
			       where, like.count > 0 ? "; did you mean " : "",
			       like.count > 0 ? like.found[like.count - 1].text : "");
		cli_warn(text);
	}
}

static int read_keys(const struct reader *reader, struct run_config *config, int *ret_number)
{
	uint64_t count = 0;
	int r = check_required(reader);

	if (r == 0)
		r = get_text(reader, "eif_path", &config->eif_path);
	if (r == 0)
		r = get_number(reader, "memory_mib", UINT64_MAX, &config->memory_mib);
	if (r == 0)
		r = get_number(reader, "cpu_count", UINT32_MAX, &count);
	if (r == 0)
		r = get_cpus(reader, &config->cpus);
	if (r == 0)
		r = get_number(reader, "enclave_cid", UINT64_MAX, &config->cid);
	if (r == 0)
		r = get_bool(reader, "debug_mode", &config->debug);
	if (r == 0)
		r = get_bool(reader, "attach_console", &config->attach_console);
	if (r == 0)
		r = get_text(reader, "enclave_name", &config->name);
	if (r == 0)
		r = check_cpu_keys(reader, ret_number);
	if (r == 0)
		r = check_cid(reader, config->cid);
	config->cpu_count = (uint32_t)count;
	return r;
}

void run_config_clear(struct run_config *config)
{
	free(config->eif_path);
	free(config->name);
	*config = (struct run_config){ 0 };
}

static int parse(struct reader *reader, cJSON **ret)
{
	int r = nec_file_read_all(reader->path, MAX_BYTES, &reader->text, reader->err);

	if (r < 0)
		return r;
	r = nec_json_parse(nec_buffer_text(&reader->text), reader->text.size, ret, reader->err);
	if (r == -EBADMSG)
		return nec_error_prefix(reader->err, r, "%s", reader->path);
	if (r == 0 && !nec_json_is_object(*ret))
		r = nec_error_set(reader->err, NEC_E_JSON, -EBADMSG, "%s is not a JSON object",
				  reader->path);
	return r;
}

int run_config_read(const char *path, struct run_config *ret, int *ret_number, nec_error *err)
{
	struct reader reader = { .path = path, .err = err };
	struct run_config config = { 0 };
	cleanup_json cJSON *tree = NULL;
	int r = parse(&reader, &tree);

	*ret_number = 0;
	reader.object = tree;
	if (r == 0)
		r = read_keys(&reader, &config, ret_number);
	if (r == 0)
		warn_of_others(&reader);
	nec_buffer_free(&reader.text);
	if (r < 0)
		run_config_clear(&config);
	else
		*ret = config;
	return r;
}
