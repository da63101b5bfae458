/* SPDX-License-Identifier: Apache-2.0 */
/* Checking faults before anything happens. */
#include "inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sim/inject.h"
#include "suggest.h"

/* The name that a word of @size bytes is most similar to; NULL when it is to none. */
static const char *closest(const char *word, size_t size)
{
	const char *best = NULL;
	double similarity = 0;
	const char *name;

	for (size_t i = 0; (name = nec_sim_fault_name(i)); i++) {
		struct cli_suggestions one = { .word = word, .word_size = size };

		cli_suggest(&one, name, strlen(name));
		if (one.count == 0 || one.found[0].similarity <= similarity)
			continue;
		similarity = one.found[0].similarity;
		best = name;
	}
	return best;
}

/* Either half of CALL:ANSWER may be the wrong one. */
static const char *meant(const char *word)
{
	size_t call_size = strcspn(word, ":") + 1;
	const char *call;

	if (call_size > strlen(word))
		return closest(word, strcspn(word, "="));
	call = closest(word, call_size);
	if (!call || strncmp(call, word, call_size) != 0)
		return call;
	return closest(word + call_size, strlen(word + call_size));
}

/* The first word of the list that is no fault at all. */
static const char *unknown_word(const char *list, struct nec_buffer *to)
{
	struct nec_sim_faults faults;
	const char *end;

	for (; *list; list = *end ? end + 1 : end) {
		end = list + strcspn(list, ",");
		to->size = 0;
		nec_buffer_append(to, list, (size_t)(end - list));
		if (nec_sim_faults_parse(nec_buffer_text(to), &faults, NULL) == -ENOENT)
			break;
	}
	return nec_buffer_text(to);
}

static void suggest(const char *list, nec_error *err)
{
	cleanup_buffer struct nec_buffer word = { 0 };
	const char *name = meant(unknown_word(list, &word));

	if (name)
		nec_error_set_hint(err, "Did you mean %s? `nec run-enclave --help` lists all.",
				   name);
	else
		nec_error_set_hint(err, "`nec run-enclave --help` lists all.");
}

static int check(const char *list, const char *from, nec_error *err)
{
	struct nec_sim_faults faults;
	int r = nec_sim_faults_parse(list, &faults, err);

	if (r == 0)
		return 0;
	if (r == -ENOENT)
		suggest(list, err);
	return nec_error_prefix(err, -EINVAL, "%s", from);
}

static int check_words(const struct cli_list *words, struct nec_buffer *ret, nec_error *err)
{
	for (size_t i = 0; i < words->count; i++) {
		int r = check(words->items[i], "--inject", err);

		if (r < 0)
			return r;
		nec_buffer_printf(ret, "%s%s", i > 0 ? "," : "", words->items[i]);
	}
	if (ret->failed)
		return nec_error_no_memory(err);
	/* Once more: two of them may contradict each other. */
	return check(nec_buffer_text(ret), "--inject", err);
}

int cli_inject(const struct cli_list *words, bool simulated, struct nec_buffer *ret, nec_error *err)
{
	const char *list = getenv("NEC_SIM_INJECT");
	int r;

	if (words->count > 0 && !simulated) {
		r = nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				  "--inject is for the simulation only");
		nec_error_set_hint(err, "Add --backend qemu.");
		return r;
	}
	if (words->count > 0)
		return check_words(words, ret, err);
	if (!simulated || !list)
		return 0;
	r = check(list, "NEC_SIM_INJECT", err);
	if (r < 0)
		return r;
	nec_buffer_append_text(ret, list);
	return ret->failed ? nec_error_no_memory(err) : 0;
}
