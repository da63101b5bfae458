/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending QEMU. */
#include "sim/machine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"

enum { MAX_ARGUMENTS = 64 };

/* Where the machine's descriptors are in QEMU: above what a program expects open, below its own. */
enum { KERNEL_FD = 40, INITRD_FD, VSOCK_FD, CONSOLE_FD };

struct arguments {
	char **items; /* MAX_ARGUMENTS and a NULL */
	size_t count;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments,
						      const char *format, ...)
{
	va_list args;
	char *item = NULL;

	va_start(args, format);
	if (vasprintf(&item, format, args) < 0)
		item = NULL;
	va_end(args);
	if (!item || arguments->count == MAX_ARGUMENTS) {
		free(item);
		arguments->failed = true;
		return;
	}
	arguments->items[arguments->count++] = item;
}

void nec_machine_free_arguments(char **arguments)
{
	for (size_t i = 0; arguments && arguments[i]; i++)
		free(arguments[i]);
	free(arguments);
}

const char *nec_machine_program(enum nec_arch arch)
{
	return arch == NEC_ARCH_AARCH64 ? "qemu-system-aarch64" : "qemu-system-x86_64";
}

struct nec_machine_ticks nec_machine_read_ticks(void)
{
	struct nec_machine_ticks now = { 0 };
	struct timespec time;

#if defined(__x86_64__)
	now.ticks = __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(now.ticks));
#endif
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	now.nsec = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	return now;
}

/* kHz of the counter; 0 when too little time has passed to tell. */
static uint64_t counter_khz(struct nec_machine_ticks since)
{
	struct nec_machine_ticks now = nec_machine_read_ticks();
	uint64_t usec = (now.nsec - since.nsec) / 1000;

	return usec >= 1000 ? (now.ticks - since.ticks) * 1000 / usec : 0;
}

/*
 * The virt board's serial line is not called ttyS0. On microvm an x86 kernel can learn the speed of
 * its cycle counter only by racing against the timer chip, which an emulator on a busy machine
 * makes it lose, and then it hangs: so it is told.
 */
void nec_machine_choose_words(struct nec_machine_options *options)
{
	uint64_t khz = counter_khz(options->since);
	size_t size = sizeof(options->words);

	options->words[0] = '\0';
	if (options->arch == NEC_ARCH_AARCH64)
		(void)snprintf(options->words, size, "console=ttyAMA0");
	else if (options->accel == NEC_MACHINE_TCG && khz > 0)
		(void)snprintf(options->words, size, "tsc_early_khz=%" PRIu64, khz);
}

static void add_command_line(struct arguments *arguments, const struct nec_machine_options *options)
{
	add(arguments, "-append");
	add(arguments, "%s%s%s", options->cmdline, *options->words ? " " : "", options->words);
}

/*
 * x86_64: microvm has just what an enclave has: virtio-mmio, a serial line, no PCI. Debian's
 * kernels find the devices by ACPI; those that nitro-cli ships read them from the command line and
 * want no ACPI.
 */
static void add_board(struct arguments *arguments, const struct nec_machine_options *options)
{
	bool kvm = options->accel == NEC_MACHINE_KVM;
	const char *cpu = getenv("NEC_SIM_CPU");

	add(arguments, "-machine");
	if (options->arch == NEC_ARCH_AARCH64)
		add(arguments, "virt,memory-backend=ram");
	else
		add(arguments, "microvm,acpi=%s,memory-backend=ram",
		    options->mmio_on_cmdline ? "off" : "on");
	add(arguments, "-accel");
	add(arguments, kvm ? "kvm" : "tcg");
	add(arguments, "-cpu");
	add(arguments, "%s", cpu && *cpu ? cpu : kvm ? "host" : "max");
	add(arguments, "-smp");
	add(arguments, "%" PRIu32, options->cpu_count);
	add(arguments, "-m");
	add(arguments, "%" PRIu64 "M", options->memory_mib);
	/* Shared, so that the vsock device reaches the guest's rings. */
	add(arguments, "-object");
	add(arguments, "memory-backend-memfd,id=ram,size=%" PRIu64 "M,share=on",
	    options->memory_mib);
}

static void add_devices(struct arguments *arguments)
{
	add(arguments, "-chardev");
	add(arguments, "socket,id=console,fd=%d", CONSOLE_FD);
	add(arguments, "-serial");
	add(arguments, "chardev:console");
	add(arguments, "-chardev");
	add(arguments, "socket,id=vsock,fd=%d", VSOCK_FD);
	add(arguments, "-device");
	add(arguments, "vhost-user-vsock-device,chardev=vsock");
}

static void add_all(struct arguments *arguments, const struct nec_machine_options *options)
{
	add(arguments, "%s", nec_machine_program(options->arch));
	add(arguments, "-nodefaults");
	add(arguments, "-no-user-config");
	add(arguments, "-display");
	add(arguments, "none");
	add(arguments, "-no-reboot"); /* an enclave that reboots has ended */
	if (options->paused)
		add(arguments, "-S");
	add_board(arguments, options);
	add(arguments, "-kernel");
	add(arguments, "/proc/self/fd/%d", KERNEL_FD);
	add(arguments, "-initrd");
	add(arguments, "/proc/self/fd/%d", INITRD_FD);
	add_command_line(arguments, options);
	add_devices(arguments);
}

char **nec_machine_build_arguments(const struct nec_machine_options *options)
{
	struct arguments arguments = { .items = calloc(MAX_ARGUMENTS + 1, sizeof(char *)) };

	if (!arguments.items)
		return NULL;
	add_all(&arguments, options);
	if (!arguments.failed)
		return arguments.items;
	nec_machine_free_arguments(arguments.items);
	return NULL;
}

/* Moves @fd to @target in the child; false on failure. */
static bool place(int fd, int target)
{
	if (fd == target)
		return fcntl(fd, F_SETFD, 0) == 0;
	return dup2(fd, target) == target;
}

/* In the child. Only calls that are safe after fork in a process with threads. */
static void become_qemu(const struct nec_machine_options *options, char **argv, pid_t parent,
			int report_fd)
{
	sigset_t none;
	int error;

	/* The machine never outlives the holder, however that ends. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	/* The holder's blocked signals are its own business. */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (place(options->kernel_fd, KERNEL_FD) && place(options->initrd_fd, INITRD_FD) &&
	    place(options->vsock_fd, VSOCK_FD) && place(options->console_fd, CONSOLE_FD) &&
	    place(options->log_fd, STDERR_FILENO) && place(options->log_fd, STDOUT_FILENO))
		(void)execvp(argv[0], argv);
	error = errno;
	(void)!write(report_fd, &error, sizeof(error));
	_exit(127);
}

/* The child's errno if it could not become QEMU, 0 once it has: exec closes the pipe. */
static int exec_result(int report_fd)
{
	int error = 0;
	ssize_t n;

	do
		n = read(report_fd, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	return n == sizeof(error) ? -error : 0;
}

static int report_exec_failure(const char *program, int result, nec_error *err)
{
	if (result != -ENOENT)
		return nec_error_set_system(err, NEC_E_TOOL_FAILED, result, "cannot run %s",
					    program);
	(void)nec_error_set(err, NEC_E_TOOL_MISSING, result,
			    "the simulation needs %s, which is not on the PATH", program);
	nec_error_set_hint(err, "On Debian: apt-get install %s",
			   strstr(program, "aarch64") ? "qemu-system-arm" : "qemu-system-x86");
	return result;
}

static int start_process(const struct nec_machine_options *options, char **argv,
			 struct nec_machine *ret, nec_error *err)
{
	pid_t parent = getpid();
	int report[2];
	pid_t pid;
	int r;

	/* Descriptors above those that are placed, so that placing overwrites none still needed. */
	if (pipe2(report, O_CLOEXEC) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0)
		become_qemu(options, argv, parent, report[1]);
	r = pid < 0 ? -errno : 0;
	(void)close(report[1]);
	if (r == 0)
		r = exec_result(report[0]);
	(void)close(report[0]);
	if (r < 0) {
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
		return report_exec_failure(argv[0], r, err);
	}
	ret->pid = pid;
	ret->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ret->pid_fd < 0) {
		r = -errno;
		(void)nec_machine_end(ret);
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot watch process %d",
					    (int)pid);
	}
	(void)fcntl(ret->pid_fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* A copy of a descriptor that lies above the numbers which the child places them at. */
static int lift(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, CONSOLE_FD + 1);
}

static int start_lifted(const struct nec_machine_options *options, char **argv,
			struct nec_machine *ret, nec_error *err)
{
	struct nec_machine_options lifted = *options;
	int *fds[] = { &lifted.kernel_fd, &lifted.initrd_fd, &lifted.vsock_fd, &lifted.console_fd,
		       &lifted.log_fd };
	size_t count = 0;
	int r = 0;

	for (; count < ARRAY_SIZE(fds) && r == 0; count++) {
		*fds[count] = lift(*fds[count]);
		if (*fds[count] < 0)
			r = nec_error_set_system(err, NEC_E_SYSTEM, -errno,
						 "cannot duplicate a descriptor");
	}
	if (r == 0)
		r = start_process(&lifted, argv, ret, err);
	while (count-- > 0)
		if (*fds[count] >= 0)
			(void)close(*fds[count]);
	return r;
}

int nec_machine_start(const struct nec_machine_options *options, struct nec_machine *ret,
		      nec_error *err)
{
	char **arguments = nec_machine_build_arguments(options);
	int r = arguments ? start_lifted(options, arguments, ret, err) : nec_error_no_memory(err);

	nec_machine_free_arguments(arguments);
	return r;
}

int nec_machine_end(struct nec_machine *machine)
{
	int status = 0;

	if (machine->pid <= 0)
		return 0;
	(void)kill(machine->pid, SIGKILL); /* a process that has ended is still ours to wait for */
	while (waitpid(machine->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (machine->pid_fd >= 0)
		(void)close(machine->pid_fd);
	*machine = (struct nec_machine){ .pid_fd = -1 };
	return status;
}
