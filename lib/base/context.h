/* SPDX-License-Identifier: Apache-2.0 */
/* The context as the library sees it. */
#ifndef NEC_BASE_CONTEXT_H
#define NEC_BASE_CONTEXT_H

#include "nec.h"

struct nec_device;

struct nec_context {
	nec_log_fn log;
	void *log_userdata;
	nec_progress_fn progress;
	void *progress_userdata;
	nec_warning_fn warning;
	void *warning_userdata;
	const volatile int *cancel;
	const struct nec_device *device; /* what stands for this machine in a test; else NULL */
};

/* Debug line; nothing happens without a log callback. @context may be NULL. */
void nec_log(const nec_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Something the user should know; nothing happens without a callback. @context may be NULL. */
void nec_warn(const nec_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* -ECANCELED (NEC_E_CANCELLED) when the caller's flag is raised, else 0. @context may be NULL. */
int nec_check_cancel(const nec_context *context, nec_error *err);

#endif
