/* SPDX-License-Identifier: Apache-2.0 */
/* The runner of tests. */
#include "stub-runner.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"

static uint64_t *find(struct lab_runner *runner, uint64_t slot_uid)
{
	for (size_t i = 0; i < STUB_MAX_ENCLAVES; i++)
		if (runner->uids[i] == slot_uid)
			return &runner->uids[i];
	return NULL;
}

int lab_runner_new(struct nec_loop *loop, const char *dir, const struct lab_runner_events *events,
		   struct lab_runner **ret, nec_error *err)
{
	struct lab_runner *runner = calloc(1, sizeof(*runner));

	(void)loop;
	(void)dir;
	if (!runner)
		return nec_error_no_memory(err);
	runner->events = *events;
	*ret = runner;
	return 0;
}

void lab_runner_free(struct lab_runner *runner)
{
	free(runner);
}

int lab_runner_start(struct lab_runner *runner, const struct lab_enclave_spec *spec, nec_error *err)
{
	uint64_t *place = find(runner, 0);
	int refuse = runner->refuse;
	ssize_t n;

	runner->refuse = 0;
	if (refuse < 0)
		return nec_error_set(err, NEC_E_SYSTEM, refuse, "refused");
	if (!place || find(runner, spec->slot_uid))
		return nec_error_set(err, NEC_E_SYSTEM, -EEXIST, "in use");
	n = pread(spec->eif_fd, runner->image, sizeof(runner->image), 0);
	if (n < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot read the image");
	runner->image_bytes = (size_t)n;
	runner->last = *spec;
	*place = spec->slot_uid;
	runner->started++;
	runner->running++;
	return 0;
}

static void forget(struct lab_runner *runner, uint64_t *place)
{
	if (place) {
		*place = 0;
		runner->running--;
	}
}

void lab_runner_stop(struct lab_runner *runner, uint64_t slot_uid)
{
	runner->stopped++;
	forget(runner, find(runner, slot_uid));
}

void lab_runner_crash(struct lab_runner *runner, uint64_t slot_uid)
{
	stub_runner_end(runner, slot_uid);
}

void stub_runner_end(struct lab_runner *runner, uint64_t slot_uid)
{
	uint64_t *place = slot_uid ? find(runner, slot_uid) : NULL;

	if (!place)
		return;
	forget(runner, place);
	runner->events.ended(runner->events.userdata, slot_uid);
}
