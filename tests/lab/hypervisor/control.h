/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How tests talk to the hypervisor: a Unix socket, a command a line, an answer a line in JSON.
 * docs/lab.md has the commands.
 */
#ifndef LAB_CONTROL_H
#define LAB_CONTROL_H

#include "base/buffer.h"
#include "hypervisor.h"

enum { LAB_CONTROL_LINE = 512, LAB_CONTROL_MAX_CALLERS = 16 };

struct lab_control;

/* Listens at @path. Returns 0 or a negative errno; @hypervisor stays the caller's. */
int lab_control_new(struct nec_loop *loop, const char *path, struct lab_hypervisor *hypervisor,
		    struct lab_control **ret, nec_error *err);
/* Accepts NULL. */
void lab_control_free(struct lab_control *control);

/* Does what a line (without its end) says, and appends the answer with the end of its line. */
void lab_control_execute(struct lab_hypervisor *hypervisor, const char *line,
			 struct nec_buffer *answer);

#endif
