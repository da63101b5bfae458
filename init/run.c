/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "log.h"
#include "syscall.h"
#include "text.h"

/* What a shell answers for a program that is not there, and for one that cannot be run. */
#define STATUS_NOT_FOUND  127
#define STATUS_CANNOT_RUN 126

/* Time for the others to end after SIGTERM: they hold nothing that outlives the enclave. */
#define GRACE_SEC 2

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

/* Not passed on: SIGCHLD is ours, the others the kernel sends for what the receiver itself did. */
#define KEPT_SIGNALS                                                                            \
	(BIT(SIGCHLD) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGABRT) | BIT(SIGBUS) | BIT(SIGFPE) | \
	 BIT(SIGSEGV) | BIT(SIGSYS) | BIT(SIGPIPE) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))

bool init_status_is_signal(int status)
{
	return (status & 0x7f) != 0;
}

int init_status_value(int status)
{
	return init_status_is_signal(status) ? status & 0x7f : (status >> 8) & 0xff;
}

/* As Docker does: made with its parents, owned by root. */
static int enter_workdir(char *path)
{
	int r;

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)sys_mkdir(path, 0755);
		*slash = '/';
	}
	(void)sys_mkdir(path, 0755);
	r = sys_chdir(path);
	if (r < 0)
		init_say("cannot enter the working directory %s: %s", path, init_errno_name(r));
	return r;
}

/*
 * The console becomes the session's terminal, and the user's: /dev/stdout is opened anew by him.
 * The session is process 1's: when a session's leader ends, the kernel hangs its terminal up, and
 * what the leader wrote last, which the serial line had not sent yet, would be lost.
 */
static void take_console(uint32_t uid)
{
	(void)sys_setsid();
	/* Fails where there is none and /dev/null stands in its place. */
	if (sys_ioctl_value(0, TIOCSCTTY, 0) >= 0 && uid != 0)
		(void)sys_fchown(0, uid, UINT32_MAX);
}

static int become_user(const struct init_user *user)
{
	int r = sys_setgroups(user->group_count, user->groups);

	if (r >= 0)
		r = sys_setgid(user->gid);
	if (r >= 0)
		r = sys_setuid(user->uid);
	if (r < 0)
		init_say("cannot become user %u, group %u: %s", user->uid, user->gid,
			 init_errno_name(r));
	return r;
}

/* A group of its own in the foreground. Signals are still blocked, so it may take it. */
static void take_foreground(void)
{
	int group = sys_getpid();

	(void)sys_setpgid(0, 0);
	(void)sys_ioctl(0, TIOCSPGRP, &group);
}

/* The new process. Its exit status tells what failed, like a shell's. */
__attribute__((noreturn)) static void start(const struct init_config *config)
{
	const char *path = init_env_get(&config->env, "PATH=");
	int r;

	take_foreground();
	if (config->workdir && enter_workdir(config->workdir) < 0)
		sys_exit(STATUS_CANNOT_RUN);
	if (become_user(&config->user) < 0)
		sys_exit(STATUS_CANNOT_RUN);
	(void)sys_sigprocmask(SIG_SETMASK, 0);
	r = init_exec(config->cmd.vector, config->env.vector, path);
	init_say("cannot run '%s': %s (PATH=%s)", config->cmd.vector[0], init_errno_name(r), path);
	sys_exit(r == -ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

/*
 * Reaps all that have ended. Returns true when @main_pid is among them, with its *@status; pass 0
 * to reap only. *@childless says that nobody is left.
 */
static bool reap(int main_pid, int *status, bool *childless)
{
	bool main_ended = false;
	int one = 0;
	int pid;

	while ((pid = sys_wait(-1, &one, WNOHANG)) > 0) {
		if (pid != main_pid)
			continue;
		*status = one;
		main_ended = true;
	}
	*childless = pid == -ECHILD;
	return main_ended;
}

static void forward(int main_pid, int signal)
{
	if (BIT(signal) & KEPT_SIGNALS)
		return;
	init_debug("passing signal %d on", signal);
	/* Its group, so that a shell's children get it too; no group yet: it has just been made. */
	if (sys_kill(-main_pid, signal) < 0)
		(void)sys_kill(main_pid, signal);
}

static int wait_for_main(int main_pid)
{
	bool childless;
	int status = 0;

	while (!reap(main_pid, &status, &childless)) {
		int signal = sys_sigwait(~UINT64_C(0), NULL);

		if (signal > 0)
			forward(main_pid, signal);
	}
	return status;
}

/* Returns true when every process has ended within @seconds. */
static bool wait_for_all(int64_t seconds)
{
	struct timespec start_time = { 0 };
	struct timespec now = { 0 };
	const struct timespec step = { .tv_nsec = 100000000 };
	bool childless;
	int status;

	(void)sys_clock_monotonic(&start_time);
	do {
		(void)reap(0, &status, &childless);
		if (childless)
			return true;
		(void)sys_sigwait(BIT(SIGCHLD), &step);
		(void)sys_clock_monotonic(&now);
	} while (now.tv_sec - start_time.tv_sec <= seconds);
	return false;
}

static void end_the_others(void)
{
	/* -1: everyone but the kernel's threads and the caller */
	if (sys_kill(-1, SIGTERM) < 0 || wait_for_all(GRACE_SEC))
		return;
	init_debug("killing what does not end");
	(void)sys_kill(-1, SIGKILL);
	(void)wait_for_all(GRACE_SEC);
}

int init_run(const struct init_config *config)
{
	int status;
	int pid;

	take_console(config->user.uid);
	pid = sys_fork();
	if (pid == 0)
		start(config);
	if (pid < 0) {
		init_say("cannot make a process: %s", init_errno_name(pid));
		return pid;
	}
	init_debug("main process '%s' is %d", config->cmd.vector[0], pid);
	status = wait_for_main(pid);
	if (init_status_is_signal(status))
		init_say("main process killed by signal %d", init_status_value(status));
	else
		init_say("main process exited with status %d", init_status_value(status));
	end_the_others();
	return status;
}
