/* SPDX-License-Identifier: Apache-2.0 */
/* Reading lists of faults. */
#include "sim/inject.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
	MAX_SECONDS = 86400,
	MAX_NUMBER = 4095, /* the highest error number that a system call can give */
	MAX_ERRNO = 133,   /* the highest that has a name */
	MAX_DIGITS = 5
};

/* A fault of the simulation itself: a word, or a word and a number of seconds. */
#define FLAG(member)    offsetof(struct nec_sim_faults, member)
#define SECONDS(member) offsetof(struct nec_sim_faults, member)
static const struct fault {
	const char *name;
	size_t flag;    /* where the bool is in struct nec_sim_faults */
	size_t seconds; /* where the time is; 0, where no time is: it has none */
} fault_table[] = {
	{ "boot-hang", FLAG(boot_hang), 0 },
	{ "boot-crash", FLAG(boot_crash), 0 },
	{ "heartbeat-late", FLAG(heartbeat_late), SECONDS(heartbeat_late_usec) },
	{ "heartbeat-missing", FLAG(heartbeat_missing), 0 },
	{ "heartbeat-wrong", FLAG(heartbeat_wrong), 0 },
	{ "crash", FLAG(crash), SECONDS(crash_usec) },
	{ "slow-load", FLAG(slow_load), SECONDS(slow_load_usec) },
	{ "no-memory", FLAG(no_memory), 0 },
};

/* In the order of a launch. */
static const struct call {
	const char *name; /* with the colon: as it is typed */
	enum nec_driver_call call;
} call_table[NEC_SIM_CALLS] = {
	{ "open:", NEC_DRIVER_OPEN },
	{ "NE_CREATE_VM:", NEC_DRIVER_CREATE_VM },
	{ "NE_ADD_VCPU:", NEC_DRIVER_ADD_VCPU },
	{ "NE_GET_IMAGE_LOAD_INFO:", NEC_DRIVER_GET_IMAGE_LOAD_INFO },
	{ "NE_SET_USER_MEMORY_REGION:", NEC_DRIVER_SET_MEMORY_REGION },
	{ "NE_START_ENCLAVE:", NEC_DRIVER_START },
};

/* A piece of the list. */
struct word {
	const char *text;
	size_t size;
};

static bool equals(struct word word, const char *name)
{
	return strlen(name) == word.size && memcmp(word.text, name, word.size) == 0;
}

/* Digits only: false for anything else, and above @limit. */
static bool parse_number(struct word word, uint32_t limit, uint32_t *ret)
{
	uint32_t value = 0;

	if (word.size == 0 || word.size > MAX_DIGITS)
		return false;
	for (size_t i = 0; i < word.size; i++) {
		if (word.text[i] < '0' || word.text[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(word.text[i] - '0');
	}
	*ret = value;
	return value <= limit;
}

/* ---- faults of the simulation ---- */

static const struct fault *find_fault(struct word name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fault_table); i++)
		if (equals(name, fault_table[i].name))
			return &fault_table[i];
	return NULL;
}

static int set_fault(const struct fault *fault, struct word word, const char *equal,
		     struct nec_sim_faults *faults, nec_error *err)
{
	char *bytes = (char *)faults;
	uint32_t seconds = 0;

	if (!fault->seconds && equal)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "the fault %s has no number", fault->name);
	if (fault->seconds) {
		struct word number = { .text = equal ? equal + 1 : "" };

		number.size = equal ? word.size - (size_t)(number.text - word.text) : 0;
		if (!parse_number(number, MAX_SECONDS, &seconds))
			return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
					     "the fault %s needs a number of seconds up to %d: "
					     "%s=5",
					     fault->name, MAX_SECONDS, fault->name);
		*(uint64_t *)(void *)(bytes + fault->seconds) = (uint64_t)seconds * 1000000;
	}
	*(bool *)(bytes + fault->flag) = true;
	return 0;
}

/* ---- answers of the driver ---- */

static size_t index_of(enum nec_driver_call call)
{
	return (size_t)__builtin_ctz(call);
}

/* Cuts the call off; NULL when none is named. */
static const struct call *take_call(struct word *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(call_table); i++) {
		size_t size = strlen(call_table[i].name);

		if (word->size <= size || memcmp(word->text, call_table[i].name, size) != 0)
			continue;
		word->text += size;
		word->size -= size;
		return &call_table[i];
	}
	return NULL;
}

static const struct call *first_call(unsigned int calls)
{
	for (size_t i = 0; i < ARRAY_SIZE(call_table); i++)
		if (calls & call_table[i].call)
			return &call_table[i];
	return NULL;
}

/* A name that the driver's table has for this call, or for any: then @call is found, too. */
static bool find_answer(struct word name, const struct call **call, int *ret)
{
	struct nec_driver_answer answer;
	unsigned int calls = 0;

	for (size_t i = 0; nec_driver_answer_get(i, &answer); i++) {
		if (!equals(name, answer.name))
			continue;
		*ret = answer.number;
		calls |= answer.calls;
	}
	if (calls && !*call)
		*call = first_call(calls);
	return calls && (calls & (*call)->call);
}

/* What no table has comes from the device behind the driver: any name of errno, any number. */
static bool find_number(struct word name, int *ret)
{
	uint32_t number = 0;

	if (parse_number(name, MAX_NUMBER, &number) && number > 0) {
		*ret = (int)number;
		return true;
	}
	for (int i = 1; i <= MAX_ERRNO; i++) {
		const char *known = strerrorname_np(i);

		if (!known || !equals(name, known))
			continue;
		*ret = i;
		return true;
	}
	return false;
}

static int set_answer(struct word word, struct nec_sim_faults *faults, nec_error *err)
{
	struct word name = word;
	const struct call *call = take_call(&name);
	bool called = call;
	int number = 0;
	int *answer;

	if (!find_answer(name, &call, &number) && !(called && find_number(name, &number))) {
		if (number == 0 || !call)
			return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -ENOENT,
					     "there is no fault \"%.*s\"", (int)word.size,
					     word.text);
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "%s never gives this answer: \"%.*s\"",
				     nec_driver_call_name(call->call), (int)word.size, word.text);
	}
	answer = &faults->answers[index_of(call->call)];
	if (*answer)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "two answers are asked for from %s",
				     nec_driver_call_name(call->call));
	*answer = -number;
	return 0;
}

/* ---- the list ---- */

static int parse_word(struct word word, struct nec_sim_faults *faults, nec_error *err)
{
	const char *equal = memchr(word.text, '=', word.size);
	struct word name = {
		.text = word.text,
		.size = equal ? (size_t)(equal - word.text) : word.size,
	};
	const struct fault *fault = find_fault(name);

	return fault ? set_fault(fault, word, equal, faults, err) : set_answer(word, faults, err);
}

int nec_sim_faults_parse(const char *text, struct nec_sim_faults *ret, nec_error *err)
{
	struct nec_sim_faults faults = { 0 };

	while (text && *text) {
		struct word word = { .text = text, .size = strcspn(text, ",") };
		int r = parse_word(word, &faults, err);

		if (r < 0)
			return r;
		text += word.size;
		if (*text)
			text++;
	}
	*ret = faults;
	return 0;
}

int nec_sim_faults_answer(const struct nec_sim_faults *faults, enum nec_driver_call call)
{
	return faults->answers[index_of(call)];
}

const char *nec_sim_fault_name(size_t index)
{
	struct nec_driver_answer answer;

	if (index < ARRAY_SIZE(fault_table))
		return fault_table[index].name;
	index -= ARRAY_SIZE(fault_table);
	if (index < ARRAY_SIZE(call_table))
		return call_table[index].name;
	return nec_driver_answer_get(index - ARRAY_SIZE(call_table), &answer) ? answer.name : NULL;
}
