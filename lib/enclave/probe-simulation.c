/* SPDX-License-Identifier: Apache-2.0 */
/* Probe: what a simulation needs. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* clang-format off: needs the type sa_family_t from above */
#include <linux/vm_sockets.h>
/* clang-format on */

#include "base/arch.h"
#include "base/error.h"
#include "base/process.h"
#include "enclave/probe-private.h"
#include "sim/machine.h"

/* The oldest that the simulation is tested with, Debian 12's. */
enum { QEMU_MAJOR = 7, QEMU_MINOR = 2 };

enum { VERSION_LIMIT = 4096 };

/* "QEMU emulator version 7.2.19 (Debian ...)" */
static bool parse_version(const char *text, unsigned long *major, unsigned long *minor)
{
	static const char words[] = "QEMU emulator version ";
	char *end;

	if (strncmp(text, words, sizeof(words) - 1) != 0)
		return false;
	*major = strtoul(text + sizeof(words) - 1, &end, 10);
	*minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return true;
}

void probe_qemu(struct probing *probing, struct nec_probe_result *result)
{
	const char *program = nec_machine_program(nec_arch_of_machine());
	const char *const argv[] = { program, "--version", NULL };
	cleanup_buffer struct nec_buffer text = { 0 };
	const struct nec_process process = {
		.argv = argv,
		.output = &text,
		.output_limit = VERSION_LIMIT,
		.quiet = true,
	};
	nec_error err = NEC_ERROR_INIT;
	unsigned long major = 0;
	unsigned long minor = 0;

	if (nec_process_run(probing->context, &process, &err) < 0) {
		probe_fail_with(result, &err);
		if (err.code == NEC_E_TOOL_MISSING)
			probe_fix(result, "Install it, on Debian with `apt-get install %s`.",
				  strstr(program, "aarch64") ? "qemu-system-arm"
							     : "qemu-system-x86");
		return;
	}
	if (!parse_version(nec_buffer_text(&text), &major, &minor))
		probe_warn(result, "%s does not say which version it is", program);
	else if (major < QEMU_MAJOR || (major == QEMU_MAJOR && minor < QEMU_MINOR))
		probe_warn(result, "%s is version %lu.%lu; %d.%d is the oldest that is known to do",
			   program, major, minor, QEMU_MAJOR, QEMU_MINOR);
	else
		probe_ok(result, "%s is version %lu.%lu", program, major, minor);
}

/* Without it everything works, ten times slower. */
void probe_kvm(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_device *device = &probing->device;

	if (probing_is_broken(probing, "qemu")) {
		probe_skip(result, "not tried without QEMU");
		return;
	}
	if (nec_machine_probe(nec_arch_of_machine(), NULL) == NEC_MACHINE_KVM) {
		probe_ok(result, "guests run with KVM");
		return;
	}
	if (nec_device_exists(device, "/dev/kvm") != 1) {
		probe_warn(result,
			   "there is no /dev/kvm: guests run by software emulation, slowly");
		return;
	}
	if (faccessat(device->root_fd, "dev/kvm", R_OK | W_OK, AT_EACCESS) < 0) {
		probe_warn(result, "you may not open /dev/kvm: guests run by software emulation, "
				   "slowly");
		probe_fix(result, "Join the group: `sudo usermod -aG kvm USER`, then log in "
				  "again.");
		return;
	}
	probe_warn(result, "KVM is there and does not run guests: they run by software emulation, "
			   "slowly");
}

/* A convenience: both ways out are as good. CID 1 can be bound only where there is loopback. */
void probe_loopback(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_device *device = &probing->device;
	int fd = device->ops->vsock_listen(device, VMADDR_CID_LOCAL, VMADDR_PORT_ANY);

	if (fd < 0) {
		probe_ok(result, "there is no vsock loopback: programs that enclaves connect to "
				 "have to use `nec listen` or `nec sim exec`");
		return;
	}
	(void)close(fd);
	probe_ok(result, "enclaves reach programs that listen with AF_VSOCK");
}
