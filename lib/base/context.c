/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a context, and the small calls that use its callbacks. */
#include "base/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/utf8.h"

int nec_context_new(nec_context **ret, nec_error *err)
{
	nec_context *context = calloc(1, sizeof(*context));

	if (!context)
		return nec_error_no_memory(err);
	*ret = context;
	return 0;
}

void nec_context_free(nec_context *context)
{
	free(context);
}

void nec_context_set_log(nec_context *context, nec_log_fn log, void *userdata)
{
	context->log = log;
	context->log_userdata = userdata;
}

void nec_context_set_progress(nec_context *context, nec_progress_fn progress, void *userdata)
{
	context->progress = progress;
	context->progress_userdata = userdata;
}

void nec_context_set_warning(nec_context *context, nec_warning_fn warning, void *userdata)
{
	context->warning = warning;
	context->warning_userdata = userdata;
}

void nec_context_set_cancel(nec_context *context, const volatile int *flag)
{
	context->cancel = flag;
}

void nec_log(const nec_context *context, const char *format, ...)
{
	char line[1024];
	va_list args;

	if (!context || !context->log)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	context->log(context->log_userdata, line);
}

void nec_warn(const nec_context *context, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!context || !context->warning)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	nec_utf8_make_printable(text);
	context->warning(context->warning_userdata, text);
}

int nec_check_cancel(const nec_context *context, nec_error *err)
{
	if (context && context->cancel && __atomic_load_n(context->cancel, __ATOMIC_RELAXED))
		return nec_error_set(err, NEC_E_CANCELLED, -ECANCELED, "interrupted");
	return 0;
}
