/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does KVM work here? Having /dev/kvm says little: nested virtualisation can be there and broken,
 * so that QEMU aborts, the guest never runs, or runs until it meets an instruction that is emulated
 * and not known (SHLX, which kernels are built of, in KVM's relatives without hardware). A guest of
 * a few instructions tells.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "sim/machine.h"

enum {
	ROM_BYTES = 65536,
	RESET_VECTOR = 0xfff0, /* 16 bytes below 4 GiB, where the ROM ends */
	EXIT_PORT = 0xf4,
	EXIT_VALUE = 0x10,
	EXIT_STATUS = EXIT_VALUE << 1 | 1, /* what isa-debug-exit makes of it */
};

static const int probe_msec = 3000;

/* At the start of the ROM, 4 GiB - ROM_BYTES: into protected mode, SHLX if the CPU has it, out. */
static const uint8_t probe_code[] = {
	0x2e, 0x66,       0x0f, 0x01, 0x16, 0x40, 0x00,       /* lgdt %cs:0x40 */
	0x0f, 0x20,       0xc0,                               /* mov %cr0, %eax */
	0x0c, 0x01,                                           /* or $1, %al */
	0x0f, 0x22,       0xc0,                               /* mov %eax, %cr0 */
	0x66, 0xea,       0x17, 0x00, 0xff, 0xff, 0x08, 0x00, /* ljmp $8, $0xffff0017 */
	0xb8, 0x07,       0x00, 0x00, 0x00,                   /* mov $7, %eax */
	0x31, 0xc9,                                           /* xor %ecx, %ecx */
	0x0f, 0xa2,                                           /* cpuid */
	0x0f, 0xba,       0xe3, 0x08,                         /* bt $8, %ebx: BMI2 */
	0x73, 0x05,                                           /* jnc over the next */
	0xc4, 0xe2,       0x71, 0xf7, 0xc0,                   /* shlx %ecx, %eax, %eax */
	0xb0, EXIT_VALUE,                                     /* mov $EXIT_VALUE, %al */
	0xe6, EXIT_PORT,                                      /* out %al, $EXIT_PORT */
	0xf4,                                                 /* hlt */
};

/* Behind it: limit and address of the descriptor table, and the table, which has its code segment
 * marked as accessed because nothing can be written to a ROM. */
enum { TABLE_OFFSET = 0x40 };
static const uint8_t probe_table[] = {
	0x0f, 0x00, 0x48, 0x00, 0xff, 0xff, 0x00, 0x00, /* 16 bytes at 0xffff0048 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* none */
	0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xcf, 0x00, /* 8: code, all of 4 GiB */
};

/* jmp to the start of the ROM */
static const uint8_t probe_reset[] = { 0xe9, 0x0d, 0x00 };

static bool write_part(int fd, const uint8_t *bytes, size_t size, uint64_t offset)
{
	return nec_file_write_at(fd, "ROM", bytes, size, offset, NULL) == 0;
}

static int make_rom(void)
{
	int fd = memfd_create("nec-kvm-probe", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, ROM_BYTES) < 0 || !write_part(fd, probe_code, sizeof(probe_code), 0) ||
	    !write_part(fd, probe_table, sizeof(probe_table), TABLE_OFFSET) ||
	    !write_part(fd, probe_reset, sizeof(probe_reset), RESET_VECTOR)) {
		(void)close(fd);
		return -EIO;
	}
	return fd;
}

static void run_probe(const char *program, int rom)
{
	char bios[32];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)snprintf(bios, sizeof(bios), "/proc/self/fd/%d", rom);
	(void)fcntl(rom, F_SETFD, 0);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	(void)execlp(program, program, "-nodefaults", "-no-user-config", "-display", "none",
		     "-machine", "microvm", "-accel", "kvm", "-cpu", "host", "-m", "16", "-bios",
		     bios, "-device", "isa-debug-exit,iobase=0xf4,iosize=1", (char *)NULL);
	_exit(127);
}

/* Waits for the probe, which is killed when it hangs. Returns its wait status. */
static int wait_for(pid_t pid)
{
	int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { .fd = pid_fd, .events = POLLIN };
	int status = -1;

	if (pid_fd < 0 || poll(&ended, 1, probe_msec) <= 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid_fd >= 0)
		(void)close(pid_fd);
	return status;
}

static enum nec_machine_accel probe(enum nec_arch arch)
{
	int rom;
	pid_t pid;
	int status;

	if (arch != NEC_ARCH_X86_64 || access("/dev/kvm", R_OK | W_OK) < 0)
		return NEC_MACHINE_TCG;
	rom = make_rom();
	if (rom < 0)
		return NEC_MACHINE_TCG;
	pid = fork();
	if (pid == 0)
		run_probe(nec_machine_program(arch), rom);
	(void)close(rom);
	if (pid < 0)
		return NEC_MACHINE_TCG;
	status = wait_for(pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_STATUS ? NEC_MACHINE_KVM
								       : NEC_MACHINE_TCG;
}

/* What the answer depends on: this boot, /dev/kvm and who may use it, and which QEMU. */
static void describe_host(enum nec_arch arch, char *to, size_t size)
{
	cleanup_buffer struct nec_buffer boot = { 0 };
	struct stat kvm = { 0 };
	struct stat qemu = { 0 };
	char program[PATH_MAX];

	(void)nec_file_read_all("/proc/sys/kernel/random/boot_id", 64, &boot, NULL);
	(void)stat("/dev/kvm", &kvm);
	if (nec_program_find(nec_machine_program(arch), program) == 0)
		(void)stat(program, &qemu);
	(void)snprintf(to, size, "%.36s %llx %u %llx.%llx.%llx", nec_buffer_text(&boot),
		       (unsigned long long)kvm.st_rdev, (unsigned int)getuid(),
		       (unsigned long long)qemu.st_dev, (unsigned long long)qemu.st_ino,
		       (unsigned long long)qemu.st_mtime);
}

/* -1 when the cache does not know. */
static int read_cache(const char *path, const char *host)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	size_t length = strlen(host);

	if (nec_file_read_all(path, 256, &text, NULL) < 0 || text.size < length + 2 ||
	    memcmp(text.data, host, length) != 0 || text.data[length] != ' ')
		return -1;
	return text.data[length + 1] == 'k' ? NEC_MACHINE_KVM : NEC_MACHINE_TCG;
}

/* A cache that cannot be written costs the next start a few milliseconds, no more. */
static void write_cache(const char *path, const char *host, enum nec_machine_accel accel)
{
	struct nec_output output = NEC_OUTPUT_INIT;
	char text[256];
	int size = snprintf(text, sizeof(text), "%s %s\n", host,
			    accel == NEC_MACHINE_KVM ? "kvm" : "tcg");

	if (nec_output_open(&output, path, NULL) < 0)
		return;
	if (nec_file_write_at(output.fd, path, text, (size_t)size, 0, NULL) == 0 &&
	    nec_output_commit(&output, NULL) == 0)
		return;
	nec_output_abort(&output);
}

enum nec_machine_accel nec_machine_probe(enum nec_arch arch, const char *cache)
{
	const char *wish = getenv("NEC_SIM_ACCEL");
	enum nec_machine_accel accel;
	char host[160];
	int cached;

	if (wish && strcmp(wish, "kvm") == 0)
		return NEC_MACHINE_KVM;
	if (wish && strcmp(wish, "tcg") == 0)
		return NEC_MACHINE_TCG;
	describe_host(arch, host, sizeof(host));
	cached = cache ? read_cache(cache, host) : -1;
	if (cached >= 0)
		return (enum nec_machine_accel)cached;
	accel = probe(arch);
	if (cache)
		write_cache(cache, host, accel);
	return accel;
}
