/* SPDX-License-Identifier: Apache-2.0 */
/* Running other programs. */
#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"

/* How often the cancel flag is looked at, and how long SIGTERM may take to work. */
enum {
	CANCEL_POLL_MSEC = 100,
	TERMINATE_MSEC = 2000,
};

struct run {
	const nec_context *context;
	const struct nec_process *process;
	const char *name;
	pid_t pid;  /* 0 when it is not running */
	int pidfd;  /* readable when it has ended */
	int output; /* our end of its stdout, -1 at its end */
};

static enum nec_error_code failure_code(const struct run *run, enum nec_error_code usual)
{
	return run->process->code != NEC_E_NONE ? run->process->code : usual;
}

/* A file in memory with the input, to be read from its start. */
static int open_input(const struct nec_process *process, nec_error *err)
{
	cleanup_close int fd = -1;
	int r;

	if (!process->input) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd < 0 ? nec_error_set_system(err, NEC_E_SYSTEM, -errno,
						     "cannot open /dev/null")
			      : TAKE_FD(fd);
	}
	fd = memfd_create("nec-input", MFD_CLOEXEC);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
					    "cannot make a file in memory");
	r = nec_file_write_at(fd, "file in memory", process->input, process->input_size, 0, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* The attributes: a program starts with no signal blocked and SIGPIPE as usual. */
static int spawn_with(struct run *run, const posix_spawn_file_actions_t *actions)
{
	posix_spawnattr_t attributes;
	sigset_t signals;
	char *const *argv = (char *const *)run->process->argv;
	int r = posix_spawnattr_init(&attributes);

	if (r != 0)
		return -r;
	(void)sigemptyset(&signals);
	(void)posix_spawnattr_setsigmask(&attributes, &signals);
	(void)sigaddset(&signals, SIGPIPE);
	(void)posix_spawnattr_setsigdefault(&attributes, &signals);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawnp(&run->pid, argv[0], actions, &attributes, argv, environ);
	(void)posix_spawnattr_destroy(&attributes);
	if (r != 0)
		run->pid = 0;
	return -r;
}

static int spawn(struct run *run, int input, int output)
{
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	/* First, as its stdout may be our stderr. */
	if (r == 0 && run->process->quiet)
		r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	r = r == 0 ? spawn_with(run, &actions) : -r;
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int start(struct run *run, nec_error *err)
{
	cleanup_close int input = open_input(run->process, err);
	cleanup_close int ours = -1;
	cleanup_close int theirs = -1;
	int pipes[2];
	int r;

	if (input < 0)
		return input;
	if (run->process->output) {
		if (pipe2(pipes, O_CLOEXEC) < 0)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
						    "cannot make a pipe");
		ours = pipes[0];
		theirs = pipes[1];
		(void)fcntl(ours, F_SETFL, O_NONBLOCK);
	}
	r = spawn(run, input, theirs >= 0 ? theirs : STDERR_FILENO);
	if (r == -ENOENT)
		return nec_error_set(err, NEC_E_TOOL_MISSING, r, "there is no program %s",
				     run->name);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot start %s", run->name);
	run->output = TAKE_FD(ours);
	run->pidfd = pidfd_open(run->pid, 0);
	/* Where SIGCHLD is ignored it may have ended, and its status be lost, already. */
	if (run->pidfd < 0 && errno == ESRCH)
		errno = ECHILD;
	if (run->pidfd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot watch %s",
					    run->name);
	return 0;
}

/* Takes what is there. Returns 1 when there is nothing more for now, 0 at the end, or an error. */
static int read_output(struct run *run, nec_error *err)
{
	struct nec_buffer *output = run->process->output;
	char chunk[4096];

	for (;;) {
		ssize_t n = read(run->output, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n < 0)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
						    "cannot read what %s answers", run->name);
		if (n == 0)
			return 0;
		if (output->size + (size_t)n > run->process->output_limit)
			return nec_error_set(err, failure_code(run, NEC_E_TOO_LARGE), -EFBIG,
					     "%s answers more than %zu bytes", run->name,
					     run->process->output_limit);
		nec_buffer_append(output, chunk, (size_t)n);
		if (output->failed)
			return nec_error_no_memory(err);
	}
}

/*
 * Until the program has ended. What a process that it left behind may still write to its stdout is
 * not waited for: that may be a helper that stays for ever.
 */
static int watch(struct run *run, nec_error *err)
{
	struct pollfd fds[] = {
		{ .fd = run->pidfd, .events = POLLIN },
		{ .fd = run->output, .events = POLLIN },
	};
	int r;

	do {
		r = nec_check_cancel(run->context, err);
		if (r < 0)
			return r;
		if (poll(fds, ARRAY_SIZE(fds), CANCEL_POLL_MSEC) < 0 && errno != EINTR)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot poll");
		if (fds[1].fd < 0)
			continue;
		r = read_output(run, err);
		if (r < 0)
			return r;
		if (r == 0)
			fds[1].fd = -1;
	} while (fds[0].revents == 0);
	return 0;
}

static void terminate(struct run *run)
{
	struct pollfd fd = { .fd = run->pidfd, .events = POLLIN };

	(void)kill(run->pid, SIGTERM);
	/* Without a pidfd nothing can be waited for with a time limit. */
	if (run->pidfd < 0 || poll(&fd, 1, TERMINATE_MSEC) <= 0)
		(void)kill(run->pid, SIGKILL);
}

/* A caller that ignores SIGCHLD loses the status: then there is nothing to rely on. */
static int wait_for_status(const struct run *run, int *ret, nec_error *err)
{
	while (waitpid(run->pid, ret, 0) < 0)
		if (errno != EINTR)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
						    "cannot learn how %s ended", run->name);
	return 0;
}

static int check_status(const struct run *run, int status, nec_error *err)
{
	if (WIFSIGNALED(status))
		return nec_error_set(err, failure_code(run, NEC_E_TOOL_FAILED), -EIO,
				     "%s was ended by signal %d (%s)", run->name, WTERMSIG(status),
				     sigdescr_np(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		return nec_error_set(err, failure_code(run, NEC_E_TOOL_FAILED), -EIO,
				     "%s failed with exit status %d", run->name,
				     WEXITSTATUS(status));
	return 0;
}

/* The end of a program that was started. @result: how watching it went. */
static int finish(struct run *run, int result, nec_error *err)
{
	int status = 0;
	int r;

	if (result < 0)
		terminate(run);
	r = wait_for_status(run, &status, result < 0 ? NULL : err);
	if (result < 0)
		return result;
	/* Ctrl-C ends the program too: that is then not its failure. */
	if (r == 0)
		r = nec_check_cancel(run->context, err);
	return r < 0 ? r : check_status(run, status, err);
}

int nec_process_run(const nec_context *context, const struct nec_process *process, nec_error *err)
{
	struct run run = {
		.context = context,
		.process = process,
		.name = process->name ? process->name : process->argv[0],
		.pidfd = -1,
		.output = -1,
	};
	int r = start(&run, err);

	if (r == 0)
		r = watch(&run, err);
	if (run.pid > 0)
		r = finish(&run, r, err);
	if (run.pidfd >= 0)
		(void)close(run.pidfd);
	if (run.output >= 0)
		(void)close(run.output);
	return r;
}

/* ---- which one ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* One that may not be executed is remembered in case there is no other. */
static int find_on_path(const char *name, char ret[PATH_MAX])
{
	const char *list = getenv("PATH");
	int r = -ENOENT;

	for (list = list ? list : "/usr/bin:/bin"; *list;) {
		size_t size = strcspn(list, ":");

		if (snprintf(ret, PATH_MAX, "%.*s%s%s", (int)size, list, size ? "/" : "", name) <
		    PATH_MAX) {
			if (is_program(ret))
				return 0;
			if (access(ret, F_OK) == 0)
				r = -EACCES;
		}
		list += size + (list[size] == ':');
	}
	return r;
}

int nec_program_find(const char *name, char ret[PATH_MAX])
{
	if (!strchr(name, '/'))
		return *name ? find_on_path(name, ret) : -ENOENT;
	if (snprintf(ret, PATH_MAX, "%s", name) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (is_program(ret))
		return 0;
	return access(ret, F_OK) < 0 ? -errno : -EACCES;
}
