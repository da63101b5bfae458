/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes nec and nec-holder of tests/e2e run on the fake machine of tests/unit: they are linked
 * from the same objects as the real ones, but nec_device_open() comes here first (--wrap). The
 * machine is the one whose folder $NEC_FAKE names. With a FIFO "gate" in that folder the driver's
 * start of an enclave takes until somebody has written to it, or just opened it for that.
 */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "fake-device.h"
#include "guest.h"

int __real_nec_device_open(const nec_context *context, struct nec_device *ret, nec_error *err);
int __wrap_nec_device_open(const nec_context *context, struct nec_device *ret, nec_error *err);

static struct fake_device *fake; /* one a process */

/* At @to in the child; first out of the way of what else is placed there. */
static void place(posix_spawn_file_actions_t *actions, int *fd, int to)
{
	int above = fcntl(*fd, F_DUPFD_CLOEXEC, GUEST_FIRST_FREE_FD);

	(void)close(*fd);
	*fd = above;
	(void)posix_spawn_file_actions_adddup2(actions, above, to);
}

static void wait_at_gate(const struct fake_device *device)
{
	cleanup_close int fd = -1;
	char path[128];
	char byte;

	(void)snprintf(path, sizeof(path), "%s/gate", fake_device_root(device));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!read(fd, &byte, 1);
}

/* The enclave is a process of its own; it leaves ours as soon as it is there. */
static void boot(struct fake_device *device, uint32_t cid, void *userdata)
{
	cleanup_close int console =
		fake_vsock_serve(device, NEC_CID_HYPERVISOR, NEC_PORT_CONSOLE(cid));
	cleanup_close int control = fake_vsock_serve(device, cid, GUEST_CONTROL_PORT);
	posix_spawn_file_actions_t actions;
	char number[16];
	char *arguments[] = { "fake", "guest", number, NULL };
	pid_t child = -1;

	(void)userdata;
	wait_at_gate(device);
	(void)snprintf(number, sizeof(number), "%u", cid);
	(void)posix_spawn_file_actions_init(&actions);
	place(&actions, &console, GUEST_CONSOLE_FD);
	place(&actions, &control, GUEST_CONTROL_FD);
	if (posix_spawn(&child, NEC_FAKE_PROGRAM, &actions, NULL, arguments, environ) == 0)
		(void)waitpid(child, NULL, 0);
	(void)posix_spawn_file_actions_destroy(&actions);
}

static void attach(void)
{
	const char *root = getenv("NEC_FAKE");

	if (!root) {
		(void)fprintf(stderr, "NEC_FAKE is not set: see tests/e2e/e2e-lib\n");
		exit(99);
	}
	fake = fake_device_attach(root);
	fake_device_set_boot(fake, boot, NULL);
#ifdef NEC_FAKE_LAUNCHER
	fake_device_set_launcher(fake, getpid());
#endif
}

int __wrap_nec_device_open(const nec_context *context, struct nec_device *ret, nec_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	nec_context on_fake = { 0 };

	(void)context;
	(void)pthread_once(&once, attach);
	on_fake.device = fake_device_get(fake);
	return __real_nec_device_open(&on_fake, ret, err);
}
