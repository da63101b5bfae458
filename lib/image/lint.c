/* SPDX-License-Identifier: Apache-2.0 */
/* Running the checks, and keeping what they find. */
#include "image/lint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/printable.h"
#include "image/eif-metadata.h"
#include "image/ramdisk-tree.h"

NEC_DEFINE_CLEANUP(lint, nec_lint *, nec_lint_free)

/* Keeps a copy of @finding whose texts are printable. */
static void keep(nec_lint *lint, const struct nec_lint_finding *finding)
{
	struct nec_lint_finding *list =
		reallocarray(lint->findings, lint->count + 1, sizeof(*list));
	struct nec_lint_finding *kept;

	if (!list) {
		lint->no_memory = true;
		return;
	}
	lint->findings = list;
	kept = &list[lint->count++];
	*kept = *finding;
	kept->message = nec_printable(finding->message);
	kept->path = finding->path ? nec_printable(finding->path) : NULL;
	if (!kept->message || (finding->path && !kept->path))
		lint->no_memory = true;
}

__attribute__((format(printf, 4, 0))) static void report(nec_lint *lint, enum nec_rule rule,
							 struct lint_place place,
							 const char *format, va_list args)
{
	const struct nec_eif_rule *row = nec_rule_row(rule);
	cleanup_buffer struct nec_buffer message = { 0 };

	if (++lint->reported[rule] > NEC_LINT_MAX_PER_RULE)
		return;
	nec_buffer_vprintf(&message, format, args);
	lint->no_memory |= message.failed;
	keep(lint, &(struct nec_lint_finding){
			   .rule = row->name,
			   .severity = row->severity,
			   .offset = place.offset,
			   .ramdisk = place.ramdisk,
			   .path = place.path,
			   .message = nec_buffer_text(&message),
			   .hint = row->hint,
		   });
}

void nec_lint_report(nec_lint *lint, enum nec_rule rule, struct lint_place place,
		     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(lint, rule, place, format, args);
	va_end(args);
}

void nec_lint_report_entry(nec_lint *lint, enum nec_rule rule, const struct nec_tree_entry *entry,
			   const char *format, ...)
{
	cleanup_free char *path = nec_tree_path(entry, nec_tree_root(lint->files.tree));
	struct lint_place place = { .offset = lint->files.offsets[entry->generation],
				    .ramdisk = entry->generation,
				    .path = path };
	va_list args;

	lint->no_memory |= !path;
	va_start(args, format);
	report(lint, rule, place, format, args);
	va_end(args);
}

/* What does not fit under the cap of a rule is told by one finding more. */
static void report_overflow(nec_lint *lint)
{
	for (size_t i = 0; i < NEC_RULE_COUNT; i++) {
		size_t more = lint->reported[i];

		if (more <= NEC_LINT_MAX_PER_RULE)
			continue;
		lint->reported[i] = 0;
		nec_lint_report(lint, (enum nec_rule)i, LINT_AT(0),
				"and %zu more of this rule, which are not listed",
				more - NEC_LINT_MAX_PER_RULE);
	}
}

/* What the reader finds. Registers and checksum make sense only over a layout without holes. */
static int lint_container(nec_lint *lint, nec_error *err)
{
	int r = lint->eif->incomplete ? 0 : nec_eif_measure(lint->eif, NULL, err);

	if (r == 0)
		r = nec_eif_find_metadata(lint->eif, err);
	if (r == 0)
		r = nec_lint_signature(lint, err);
	for (size_t i = 0; r == 0 && i < nec_eif_get_finding_count(lint->eif); i++) {
		const struct nec_eif_finding *finding = nec_eif_get_finding(lint->eif, i);

		keep(lint, &(struct nec_lint_finding){
				   .rule = finding->rule,
				   .severity = finding->severity,
				   .offset = finding->offset,
				   .message = finding->message,
				   .hint = finding->hint,
			   });
	}
	return r;
}

/* Each may use what those before it learned. */
static int run_checks(nec_lint *lint, nec_error *err)
{
	static int (*const checks[])(nec_lint *, nec_error *) = {
		lint_container, nec_lint_kernel,    nec_lint_cmdline, nec_lint_ramdisks,
		nec_lint_boot,  nec_lint_leftovers, nec_lint_memory,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](lint, err);

		if (r == 0)
			r = nec_check_cancel(lint->context, err);
		if (r == 0 && lint->no_memory)
			r = nec_error_no_memory(err);
		if (r < 0)
			return r;
	}
	report_overflow(lint);
	return lint->no_memory ? nec_error_no_memory(err) : nec_eif_check_unchanged(lint->eif, err);
}

/* Worst first; a merge by severity keeps the order of the checks otherwise. */
static int sort_findings(nec_lint *lint, nec_error *err)
{
	struct nec_lint_finding *sorted = calloc(lint->count + 1, sizeof(*sorted));
	size_t count = 0;

	if (!sorted)
		return nec_error_no_memory(err);
	for (int severity = NEC_SEVERITY_ERROR; severity >= NEC_SEVERITY_NOTE; severity--)
		for (size_t i = 0; i < lint->count; i++)
			if ((int)lint->findings[i].severity == severity)
				sorted[count++] = lint->findings[i];
	free(lint->findings);
	lint->findings = sorted;
	return 0;
}

int nec_lint_run(nec_context *context, const char *path, const struct nec_lint_options *options,
		 nec_lint **ret, nec_error *err)
{
	NEC_CLEANUP(lint) nec_lint *lint = calloc(1, sizeof(*lint));
	int r;

	if (!lint)
		return nec_error_no_memory(err);
	lint->context = context;
	/* A caller built with an older header has a shorter struct. */
	if (options)
		memcpy(&lint->options, options,
		       options->struct_size < sizeof(*options) ? options->struct_size
							       : sizeof(*options));
	r = nec_eif_open_damaged(context, path, &lint->eif, err);
	if (r == 0)
		r = nec_ramdisk_tree_new(&lint->files.tree, err);
	if (r == 0)
		r = run_checks(lint, err);
	if (r == 0)
		r = sort_findings(lint, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(lint);
	return 0;
}

void nec_lint_free(nec_lint *lint)
{
	if (!lint)
		return;
	for (size_t i = 0; i < lint->count; i++) {
		free((char *)lint->findings[i].message);
		free((char *)lint->findings[i].path);
	}
	free(lint->findings);
	free(lint->cmdline.rdinit);
	nec_tree_free(lint->files.tree);
	nec_eif_free(lint->eif);
	free(lint);
}

size_t nec_lint_get_finding_count(const nec_lint *lint)
{
	return lint->count;
}

const struct nec_lint_finding *nec_lint_get_finding(const nec_lint *lint, size_t index)
{
	return index < lint->count ? &lint->findings[index] : NULL;
}

size_t nec_lint_count(const nec_lint *lint, enum nec_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < lint->count; i++)
		count += lint->findings[i].severity == severity;
	return count;
}

uint64_t nec_lint_get_minimum_memory_mib(const nec_lint *lint)
{
	return lint->minimum_memory_mib;
}
