/* SPDX-License-Identifier: Apache-2.0 */
/* A fork, a pipe for what it says, and a descriptor that tells of its end. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"

enum { WORKER_FD = 3 };

struct daemon_worker {
	struct nec_loop *loop;
	pid_t pid;
	int pidfd;
	int pipe_fd;
	struct nec_source *end;
	struct nec_source *words;
	struct nec_frame_reader reader;
	daemon_news_fn news;
	daemon_done_fn done;
	void *userdata;
	bool has_last;
	struct nec_allocator_reply last;
	struct nec_buffer last_payload;
};

/* ---- in the new process ---- */

static volatile int cancel_signal;

static void on_cancel(int signal_number)
{
	cancel_signal = signal_number;
}

/* Without SA_RESTART: the kernel's search for memory ends early. */
static void listen_to_signals(void)
{
	const struct sigaction cancel = { .sa_handler = on_cancel };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigaction(SIGTERM, &cancel, NULL);
	/* Of the terminal, if there is one: the daemon decides what becomes of us. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * The daemon's sockets are not ours: a client that it lets go must not be held by us.
 */
static void keep_only(int fd)
{
	if (fd != WORKER_FD) {
		(void)dup3(fd, WORKER_FD, O_CLOEXEC);
		(void)close(fd);
	}
	(void)syscall(SYS_close_range, WORKER_FD + 1, ~0U, 0);
}

static _Noreturn void be_worker(const struct daemon_job *job, int fd, pid_t daemon)
{
	keep_only(fd);
	listen_to_signals();
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != daemon)
		cancel_signal = SIGTERM;
	daemon_job_run(job, WORKER_FD, &cancel_signal);
	_exit(0);
}

/* ---- in the daemon ---- */

static void release_all(struct daemon_worker *worker)
{
	nec_source_free(worker->end);
	nec_source_free(worker->words);
	if (worker->pidfd >= 0)
		(void)close(worker->pidfd);
	if (worker->pipe_fd >= 0)
		(void)close(worker->pipe_fd);
	nec_frame_reader_free(&worker->reader);
	nec_allocator_reply_free(&worker->last);
	nec_buffer_free(&worker->last_payload);
	free(worker);
}

static void take_reply(struct daemon_worker *worker)
{
	struct nec_buffer *payload = &worker->reader.payload;
	struct nec_allocator_reply reply;

	if (nec_allocator_reply_decode(payload->data, payload->size, &reply, NULL) < 0)
		return;
	if (reply.kind == NEC_ALLOCATOR_PROGRESS || reply.kind == NEC_ALLOCATOR_WARNING) {
		worker->news(worker->userdata, &reply, payload);
		nec_allocator_reply_free(&reply);
		return;
	}
	nec_allocator_reply_free(&worker->last);
	nec_buffer_free(&worker->last_payload);
	worker->last = reply;
	worker->last_payload = *payload;
	*payload = (struct nec_buffer){ 0 };
	worker->has_last = true;
}

/* All that is there now. */
static void read_words(struct daemon_worker *worker)
{
	int r;

	while (worker->words && (r = nec_frame_read(&worker->reader, worker->pipe_fd, NULL)) != 0) {
		if (r < 0) {
			nec_source_free(TAKE_PTR(worker->words));
			return;
		}
		take_reply(worker);
		nec_frame_next(&worker->reader);
	}
}

static void on_words(void *userdata, uint32_t events)
{
	(void)events;
	read_words(userdata);
}

/* It ended without having said how it went. */
static void say_lost(const struct daemon_worker *worker, const siginfo_t *info,
		     struct nec_allocator_reply *reply)
{
	(void)worker;
	*reply = (struct nec_allocator_reply){ .kind = NEC_ALLOCATOR_ERROR };
	(void)nec_error_set(&reply->error, NEC_E_ALLOCATOR_DAEMON, -EPROTO,
			    "the process that was to do it ended with %s %d and without a word",
			    info->si_code == CLD_EXITED ? "status" : "signal", info->si_status);
}

static void on_end(void *userdata, uint32_t events)
{
	struct daemon_worker *worker = userdata;
	siginfo_t info = { 0 };

	(void)events;
	read_words(worker);
	(void)waitid(P_PID, (id_t)worker->pid, &info, WEXITED);
	if (!worker->has_last)
		say_lost(worker, &info, &worker->last);
	worker->done(worker->userdata, &worker->last,
		     worker->has_last ? &worker->last_payload : NULL);
	release_all(worker);
}

static int start(struct daemon_worker *worker, const struct daemon_job *job, nec_error *err)
{
	cleanup_close int there = -1;
	pid_t daemon = getpid();
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make a pipe");
	worker->pipe_fd = fds[0];
	there = fds[1];
	(void)fcntl(worker->pipe_fd, F_SETFL, O_NONBLOCK);
	r = nec_loop_add_fd(worker->loop, worker->pipe_fd, EPOLLIN, on_words, worker,
			    &worker->words, err);
	if (r < 0)
		return r;
	worker->pid = fork();
	if (worker->pid < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot start a process");
	if (worker->pid == 0)
		be_worker(job, TAKE_FD(there), daemon);
	worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
	if (worker->pidfd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot watch a process");
	return nec_loop_add_fd(worker->loop, worker->pidfd, EPOLLIN, on_end, worker, &worker->end,
			       err);
}

int daemon_worker_start(struct nec_loop *loop, const struct daemon_job *job, daemon_news_fn news,
			daemon_done_fn done, void *userdata, struct daemon_worker **ret,
			nec_error *err)
{
	struct daemon_worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return nec_error_no_memory(err);
	worker->loop = loop;
	worker->pidfd = -1;
	worker->pipe_fd = -1;
	worker->reader.limit = NEC_ALLOCATOR_REPLY_MAX;
	worker->news = news;
	worker->done = done;
	worker->userdata = userdata;
	r = start(worker, job, err);
	if (r < 0) {
		daemon_worker_free(worker);
		return r;
	}
	*ret = worker;
	return 0;
}

void daemon_worker_cancel(struct daemon_worker *worker)
{
	(void)kill(worker->pid, SIGTERM);
}

void daemon_worker_free(struct daemon_worker *worker)
{
	if (!worker)
		return;
	if (worker->pid > 0) {
		daemon_worker_cancel(worker);
		/* It would wait for ever for somebody to read what it still says. */
		nec_source_free(TAKE_PTR(worker->words));
		(void)close(TAKE_FD(worker->pipe_fd));
		while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	release_all(worker);
}
