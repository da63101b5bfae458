/* SPDX-License-Identifier: Apache-2.0 */
/* nec-init: the first process of an enclave. docs/nec-init.md has the order and the reasons. */
#include "config.h"
#include "heartbeat.h"
#include "log.h"
#include "modules.h"
#include "mounts.h"
#include "options.h"
#include "program.h"
#include "run.h"
#include "syscall.h"
#include "text.h"

const char init_program_name[] = "nec-init";

/* A new interface is down, even this one; 127.0.0.1 and ::1 come with its going up. */
static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = sys_socket(AF_INET, SOCK_DGRAM);
	int r = fd;

	if (fd >= 0) {
		r = sys_ioctl(fd, SIOCGIFFLAGS, &request);
		request.ifr_flags |= IFF_UP;
		if (r >= 0)
			r = sys_ioctl(fd, SIOCSIFFLAGS, &request);
		(void)sys_close(fd);
	}
	if (r < 0)
		init_say("cannot bring up the loopback interface: %s", init_errno_name(r));
}

/* A name given by hostname= on the kernel command line stays. */
static void name_machine(void)
{
	static const char name[] = "enclave";
	struct utsname current;

	if (sys_uname(&current) < 0 || strcmp(current.nodename, "(none)") != 0)
		return;
	(void)sys_sethostname(name, sizeof(name) - 1);
}

/* What was written to a terminal is sent by its driver later; a reset would cut it off. */
static void drain_console(void)
{
	(void)sys_ioctl_value(2, TCSBRK, 1);
	sys_sync();
}

/*
 * An enclave ends by its machine ending. When the kernel refuses, or is to panic, process 1 exits:
 * that is a panic too.
 */
__attribute__((noreturn)) static void end_machine(enum init_exit how, int status)
{
	int r = 0;

	drain_console();
	if (how == INIT_EXIT_REBOOT)
		r = sys_reboot(LINUX_REBOOT_CMD_RESTART);
	else if (how == INIT_EXIT_POWEROFF)
		r = sys_reboot(LINUX_REBOOT_CMD_POWER_OFF);
	if (r < 0)
		init_say("cannot end the machine: %s", init_errno_name(r));
	drain_console();
	sys_exit(status);
}

/* The last line is for programs; its three forms are fixed. */
__attribute__((noreturn)) static void fail(const struct init_options *options, const char *what)
{
	init_say("exit failure=%s", what);
	end_machine(options->exit, 1);
}

__attribute__((noreturn)) static void finish(const struct init_options *options, int status)
{
	int value = init_status_value(status);

	init_say("exit %s=%d", init_status_is_signal(status) ? "signal" : "status", value);
	end_machine(options->exit, value);
}

int init_program(int argc, char **argv)
{
	/* Not on the stack: a user has many groups. */
	static struct init_config config;
	struct init_options options = INIT_OPTIONS_DEFAULT;
	int status;

	(void)argc;
	(void)argv;
	if (sys_getpid() != 1) {
		init_say("only the kernel starts this program, as process 1");
		return 1;
	}
	(void)sys_sigprocmask(SIG_BLOCK, ~UINT64_C(0));
	init_mounts_early();
	init_options_read(&options);
	init_modules_load();
	loopback_up();
	if (options.heartbeat && init_heartbeat(&options.heartbeat_address) < 0)
		fail(&options, "heartbeat");
	if (init_config_read(&config) < 0)
		fail(&options, "config");
	if (init_root_switch() < 0)
		fail(&options, "rootfs");
	init_mounts_final();
	name_machine();
	status = init_run(&config);
	if (status < 0)
		fail(&options, "fork");
	finish(&options, status);
}
