/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the control socket. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "control.h"

enum { MAX_WORDS = 8 };

struct words {
	size_t count;
	char *word[MAX_WORDS];
};

/* ---- words ---- */

static bool split(char *line, struct words *ret)
{
	char *rest = NULL;

	*ret = (struct words){ 0 };
	for (char *word = strtok_r(line, " \t\r", &rest); word;
	     word = strtok_r(NULL, " \t\r", &rest)) {
		if (ret->count == MAX_WORDS)
			return false;
		ret->word[ret->count++] = word;
	}
	return ret->count > 0;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno != 0 || *end != '\0' || value > most)
		return false;
	*ret = value;
	return true;
}

/* How often; once unless it is said. */
static bool parse_count(const struct words *words, size_t at, uint32_t *ret)
{
	uint64_t value = 1;

	if (at < words->count && strcmp(words->word[at], "always") == 0)
		value = LAB_FAULT_ALWAYS;
	else if (at < words->count &&
		 (!parse_number(words->word[at], LAB_FAULT_ALWAYS - 1, &value) || value == 0))
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool parse_command(const char *name, uint32_t *ret)
{
	for (uint32_t i = 1; i < LAB_COMMANDS; i++) {
		if (strcmp(lab_command_name(i), name) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* ---- status ---- */

static bool add_uid(cJSON *object, uint64_t uid)
{
	char text[17];

	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)uid);
	return nec_json_add_string(object, "slot", text);
}

static cJSON *list_vcpus(const struct lab_hypervisor *hypervisor, const struct lab_slot *slot)
{
	cJSON *list = nec_json_array();

	for (uint32_t i = 0; i < hypervisor->slots.vcpu_count; i++)
		if (hypervisor->slots.vcpu_owner[i] == slot->uid)
			(void)nec_json_append_u64(list, i);
	return list;
}

static cJSON *list_ranges(const struct lab_slot *slot)
{
	cJSON *list = nec_json_array();

	for (size_t i = 0; i < slot->range_count; i++) {
		cJSON *range = nec_json_object();

		(void)nec_json_add_u64(range, "address", slot->ranges[i].address);
		(void)nec_json_add_u64(range, "size", slot->ranges[i].size);
		(void)nec_json_append(list, range);
	}
	return list;
}

static const char *state_name(enum lab_state state)
{
	return state == LAB_INIT ? "init" : state == LAB_RUNNING ? "running" : "stopped";
}

static cJSON *describe_slot(const struct lab_hypervisor *hypervisor, const struct lab_slot *slot)
{
	const struct lab_donated *donated = lab_hypervisor_get_donated(hypervisor, slot);
	cJSON *object = nec_json_object();

	(void)add_uid(object, slot->uid);
	(void)nec_json_add_string(object, "state", state_name(slot->state));
	(void)nec_json_add_u64(object, "cid", slot->cid);
	(void)nec_json_add_bool(object, "debug", slot->flags & LAB_FLAG_DEBUG);
	(void)nec_json_add_u64(object, "memory_bytes", slot->memory_bytes);
	(void)nec_json_add_u64(object, "regions", slot->range_count);
	(void)nec_json_add_u64(object, "image_bytes", donated->image_bytes);
	(void)nec_json_add_u64(object, "touched_pages", lab_donated_count_touched(donated));
	(void)nec_json_add(object, "vcpus", list_vcpus(hypervisor, slot));
	(void)nec_json_add(object, "ranges", list_ranges(slot));
	return object;
}

static cJSON *list_slots(struct lab_hypervisor *hypervisor)
{
	const struct lab_slot *slot = lab_slots_next(&hypervisor->slots, 0);
	cJSON *list = nec_json_array();

	for (; slot; slot = lab_slots_next(&hypervisor->slots, slot->uid))
		(void)nec_json_append(list, describe_slot(hypervisor, slot));
	return list;
}

static cJSON *describe_counts(const struct lab_counts *counts)
{
	cJSON *object = nec_json_object();

	for (uint32_t i = 1; i < LAB_COMMANDS; i++)
		(void)nec_json_add_u64(object, lab_command_name(i), counts->commands[i]);
	(void)nec_json_add_u64(object, "unknown", counts->commands[0]);
	(void)nec_json_add_u64(object, "failed", counts->failed);
	(void)nec_json_add_u64(object, "events", counts->events);
	(void)nec_json_add_u64(object, "ended", counts->ended);
	(void)nec_json_add_u64(object, "freed_running", counts->freed_running);
	(void)nec_json_add_u64(object, "touched_pages", counts->touched_pages);
	return object;
}

static bool add_count(cJSON *object, uint32_t count)
{
	return count == LAB_FAULT_ALWAYS ? nec_json_add_string(object, "count", "always")
					 : nec_json_add_u64(object, "count", count);
}

static cJSON *list_faults(const struct lab_faults *faults)
{
	cJSON *list = nec_json_array();

	for (size_t i = 0; i < faults->count; i++) {
		const struct lab_fault *fault = &faults->list[i];
		cJSON *object = nec_json_object();

		(void)nec_json_add_string(object, "command", lab_command_name(fault->command));
		(void)nec_json_add_string(object, "kind", lab_fault_kind_name(fault->kind));
		(void)nec_json_add_u64(object, "value", fault->value);
		(void)add_count(object, fault->count);
		(void)nec_json_add_u64(object, "skip", fault->skip);
		(void)nec_json_append(list, object);
	}
	return list;
}

static cJSON *list_refusals(const struct lab_slots *slots)
{
	cJSON *list = nec_json_array();

	for (size_t i = 0; i < LAB_RULES; i++) {
		cJSON *object;

		if (slots->refuse[i] == 0)
			continue;
		object = nec_json_object();
		(void)nec_json_add_string(object, "rule", lab_rule_name(i));
		(void)add_count(object, slots->refuse[i]);
		(void)nec_json_append(list, object);
	}
	return list;
}

static int status(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	(void)words;
	(void)nec_json_add(answer, "slots", list_slots(hypervisor));
	(void)nec_json_add(answer, "counts", describe_counts(&hypervisor->counts));
	(void)nec_json_add(answer, "faults", list_faults(&hypervisor->faults));
	(void)nec_json_add(answer, "refusals", list_refusals(&hypervisor->slots));
	(void)nec_json_add_u64(answer, "maps", lab_dma_count(hypervisor->dma));
	return 0;
}

static cJSON *describe_entry(const struct lab_log_entry *entry)
{
	const char *name = lab_command_name(entry->command);
	cJSON *object = nec_json_object();
	cJSON *arguments = nec_json_array();

	(void)nec_json_add_u64(object, "number", entry->number);
	(void)nec_json_add_string(object, "command", name ? name : "unknown");
	(void)add_uid(object, entry->slot_uid);
	for (size_t i = 0; i < 2; i++)
		(void)nec_json_append_u64(arguments, entry->arguments[i]);
	(void)nec_json_add(object, "arguments", arguments);
	(void)nec_json_add_u64(object, "errno", entry->result < 0 ? (uint64_t)-entry->result : 0);
	(void)nec_json_add_bool(object, "lost", entry->lost);
	(void)nec_json_add_u64(object, "delay_msec", entry->delay_msec);
	return object;
}

static int list_log(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	uint64_t end = hypervisor->logged;
	uint64_t begin = end > LAB_LOG_ENTRIES ? end - LAB_LOG_ENTRIES : 0;
	cJSON *list = nec_json_array();

	(void)words;
	for (uint64_t i = begin; i < end; i++)
		(void)nec_json_append(list, describe_entry(&hypervisor->log[i % LAB_LOG_ENTRIES]));
	(void)nec_json_add(answer, "log", list);
	return 0;
}

/* ---- faults ---- */

static bool parse_kind(const char *name, enum lab_fault_kind *ret)
{
	for (size_t i = 0; i < LAB_FAULT_KINDS; i++) {
		if (strcmp(lab_fault_kind_name(i), name) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* The driver takes what is at most 4095 for an errno; an hour is longer than anybody waits. */
static bool parse_value(const char *text, struct lab_fault *fault)
{
	static const uint64_t most[LAB_FAULT_KINDS] = {
		[LAB_FAULT_ERROR] = 4095,
		[LAB_FAULT_LATE] = 3600000,
		[LAB_FAULT_STATE] = UINT16_MAX,
	};

	return parse_number(text, most[fault->kind], &fault->value) &&
	       (fault->kind != LAB_FAULT_ERROR || fault->value > 0);
}

/* fault COMMAND error|late|lost|state [VALUE] [COUNT [SKIP]] */
static int add_fault(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	struct lab_fault fault = { 0 };
	uint64_t skip = 0;
	size_t at = 3;

	(void)answer;
	if (words->count < 3 || !parse_command(words->word[1], &fault.command) ||
	    !parse_kind(words->word[2], &fault.kind))
		return -EINVAL;
	if (fault.kind != LAB_FAULT_LOST &&
	    (at >= words->count || !parse_value(words->word[at++], &fault)))
		return -EINVAL;
	if (fault.kind == LAB_FAULT_STATE && fault.command != LAB_SLOT_INFO)
		return -EINVAL;
	if (!parse_count(words, at, &fault.count) || words->count > at + 2 ||
	    (words->count == at + 2 && !parse_number(words->word[at + 1], UINT32_MAX, &skip)))
		return -EINVAL;
	fault.skip = (uint32_t)skip;
	return lab_faults_add(&hypervisor->faults, &fault);
}

/* refuse RULE [COUNT] */
static int refuse(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	(void)answer;
	if (words->count < 2 || words->count > 3)
		return -EINVAL;
	for (size_t i = 0; i < LAB_RULES; i++)
		if (strcmp(lab_rule_name(i), words->word[1]) == 0)
			return parse_count(words, 2, &hypervisor->slots.refuse[i]) ? 0 : -EINVAL;
	return -EINVAL;
}

static int clear(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	(void)words;
	(void)answer;
	hypervisor->faults.count = 0;
	memset(hypervisor->slots.refuse, 0, sizeof(hypervisor->slots.refuse));
	return 0;
}

static int forget(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	(void)words;
	(void)answer;
	hypervisor->counts = (struct lab_counts){ 0 };
	hypervisor->logged = 0;
	return 0;
}

/* By CID, or by the 16 digits of a slot. */
static const struct lab_slot *find_enclave(struct lab_hypervisor *hypervisor, const char *text)
{
	uint64_t number;
	char *end;

	if (strlen(text) == 16) {
		errno = 0;
		number = strtoull(text, &end, 16);
		return errno == 0 && *end == '\0' ? lab_slots_find(&hypervisor->slots, number)
						  : NULL;
	}
	return parse_number(text, UINT32_MAX, &number) ? lab_hypervisor_find(hypervisor, number)
						       : NULL;
}

/* crash ENCLAVE */
static int crash(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	const struct lab_slot *slot;

	(void)answer;
	if (words->count != 2)
		return -EINVAL;
	slot = find_enclave(hypervisor, words->word[1]);
	if (!slot || slot->state != LAB_RUNNING)
		return -ESRCH;
	lab_runner_crash(hypervisor->runner, slot->uid);
	return 0;
}

/* regions NUMBER: what slots may have that come from now on */
static int limit_regions(struct lab_hypervisor *hypervisor, const struct words *words,
			 cJSON *answer)
{
	uint64_t number;

	(void)answer;
	if (words->count != 2 || !parse_number(words->word[1], LAB_MAX_REGIONS, &number) ||
	    number == 0)
		return -EINVAL;
	hypervisor->slots.max_regions = (uint32_t)number;
	return 0;
}

/* interrupt 0|1: one that has no reason */
static int interrupt(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	uint64_t vector;

	(void)answer;
	if (words->count != 2 || !parse_number(words->word[1], LAB_NE_VECTORS - 1, &vector))
		return -EINVAL;
	lab_ne_device_interrupt(hypervisor->device, (uint32_t)vector);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer);
} commands[] = {
	{ "status", status }, { "log", list_log },        { "fault", add_fault },
	{ "refuse", refuse }, { "clear", clear },         { "forget", forget },
	{ "crash", crash },   { "interrupt", interrupt }, { "regions", limit_regions },
};

static int run(struct lab_hypervisor *hypervisor, const struct words *words, cJSON *answer)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, words->word[0]) == 0)
			return commands[i].run(hypervisor, words, answer);
	return -ENOSYS;
}

void lab_control_execute(struct lab_hypervisor *hypervisor, const char *line,
			 struct nec_buffer *answer)
{
	cleanup_json cJSON *json = nec_json_object();
	char copy[LAB_CONTROL_LINE];
	struct words words;
	int r = -EINVAL;

	if (strlen(line) < sizeof(copy)) {
		memcpy(copy, line, strlen(line) + 1);
		if (split(copy, &words))
			r = run(hypervisor, &words, json);
	}
	if (r < 0)
		(void)nec_json_add_string(json, "error", strerror(-r));
	(void)nec_json_add_bool(json, "ok", r == 0);
	nec_json_print_compact(json, answer);
	nec_buffer_append_u8(answer, '\n');
}
