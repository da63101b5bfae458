/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine of a simulated enclave: a QEMU process with the image's kernel, command line and
 * ramdisks, a serial console and our vsock device. It dies with the process that started it.
 */
#ifndef NEC_SIM_MACHINE_H
#define NEC_SIM_MACHINE_H

#include <sys/types.h>

#include "base/cleanup.h"
#include "nec.h"

enum nec_machine_accel { NEC_MACHINE_TCG, NEC_MACHINE_KVM };

/* A reading of the host's cycle counter, which is the guest's too under software emulation. */
struct nec_machine_ticks {
	uint64_t ticks;
	uint64_t nsec;
};
struct nec_machine_ticks nec_machine_read_ticks(void);

struct nec_machine_options {
	enum nec_arch arch;
	uint64_t memory_mib;
	uint32_t cpu_count;
	enum nec_machine_accel accel;
	struct nec_machine_ticks
		since;        /* read some milliseconds ago: tells how fast the counter is */
	int kernel_fd;        /* a regular file with the kernel and nothing else */
	int initrd_fd;        /* all ramdisks, one behind the other */
	const char *cmdline;  /* the image's, unchanged */
	char words[64];       /* what the simulation adds to it: nec_machine_choose_words() */
	bool mmio_on_cmdline; /* the kernel learns of virtio-mmio devices from its command line */
	bool paused;          /* started, but the guest never runs an instruction */
	int vsock_fd;         /* QEMU's end of the socket to the vhost-user back end */
	int console_fd;       /* QEMU's end of the socket that is the serial console */
	int log_fd;           /* where QEMU's own messages go */
};

struct nec_machine {
	pid_t pid;
	int pid_fd; /* readable once the process has ended; -1 when there is none */
};

/*
 * Chooses what is added to the image's command line, "" for nothing. It is no part of the
 * measurements. (With mmio_on_cmdline QEMU itself adds the devices.)
 */
void nec_machine_choose_words(struct nec_machine_options *options);

/*
 * QEMU's arguments for a machine, ending with NULL; to be released with
 * nec_machine_free_arguments(). NULL when there is no memory for them.
 */
char **nec_machine_build_arguments(const struct nec_machine_options *options);
void nec_machine_free_arguments(char **arguments);

/* Starts QEMU; the descriptors stay the caller's. Returns 0 or a negative errno. */
int nec_machine_start(const struct nec_machine_options *options, struct nec_machine *ret,
		      nec_error *err);

/* Ends the process if it still runs, waits for it, and returns its wait status. */
int nec_machine_end(struct nec_machine *machine);

/* The emulator for an architecture: "qemu-system-x86_64". */
const char *nec_machine_program(enum nec_arch arch);

/*
 * Whether this machine's KVM truly runs guests of @arch: $NEC_SIM_ACCEL (kvm or tcg) decides, else
 * a short run tells, whose answer is kept in the file @cache (may be NULL) until the next boot or
 * until the emulator changes. KVM that is there but broken counts as none.
 */
enum nec_machine_accel nec_machine_probe(enum nec_arch arch, const char *cache);

#endif
