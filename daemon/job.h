/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon does to the machine, and what it reads of it. All of it may take its time in the
 * kernel, so it is done by a process of its own (worker.h), which says how it goes in the words of
 * the protocol.
 */
#ifndef NEC_DAEMON_JOB_H
#define NEC_DAEMON_JOB_H

#include "allocator/protocol.h"

/**
 * struct daemon_job - one piece of work
 * @verb:   NEC_ALLOCATOR_ASK_STATUS, _APPLY or _RELEASE
 * @config: the daemon's own file
 * @name, @text: a configuration that a client sent instead; NULL for none
 */
struct daemon_job {
	enum nec_allocator_verb verb;
	const char *config;
	const char *name;
	const char *text;
};

/*
 * Does it, and writes frames of replies to @fd (which may block): progress and warnings, then one
 * result or error. @cancel: see nec_context_set_cancel().
 */
void daemon_job_run(const struct daemon_job *job, int fd, const volatile int *cancel);

#endif
