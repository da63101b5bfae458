/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons in words and in JSON. */
#include "enclave/end.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "base/utf8.h"

static const struct {
	const char *name;
	const char *value_key; /* what the number is; NULL when there is none */
} reasons[] = {
	[NEC_END_UNKNOWN] = { "unknown", NULL },
	[NEC_END_EXITED] = { "exited", "ExitStatus" },
	[NEC_END_CRASHED] = { "crashed", "ExitSignal" },
	[NEC_END_PANIC] = { "panic", NULL },
	[NEC_END_MEMORY] = { "out-of-memory", NULL },
	[NEC_END_STOPPED] = { "stopped", NULL },
	[NEC_END_KILLED] = { "killed", "ExitSignal" },
	[NEC_END_FAILED] = { "failed", "ExitStatus" },
	[NEC_END_TERMINATED] = { "terminated", NULL },
	[NEC_END_BOOT] = { "boot-failed", NULL },
	[NEC_END_LOST] = { "lost", NULL },
};

const char *nec_end_name(enum nec_end_reason reason)
{
	return reasons[reason].name;
}

void nec_end_set(struct nec_end *end, enum nec_end_reason reason, int value, const char *format,
		 ...)
{
	va_list arguments;

	end->reason = reason;
	end->value = value;
	va_start(arguments, format);
	(void)vsnprintf(end->text, sizeof(end->text), format, arguments);
	va_end(arguments);
	nec_utf8_make_printable(end->text);
}

void nec_end_describe(const struct nec_end *end, int64_t time, struct nec_buffer *to)
{
	const char *key = reasons[end->reason].value_key;

	if (time > 0)
		nec_buffer_printf(to, ",\"EndTime\":%" PRId64, time);
	nec_buffer_printf(to, ",\"ExitReason\":\"%s\"", nec_end_name(end->reason));
	if (key)
		nec_buffer_printf(to, ",\"%s\":%d", key, end->value);
	nec_buffer_append_text(to, ",\"ExitMessage\":");
	nec_json_print_string(end->text, to);
}
