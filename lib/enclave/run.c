/* SPDX-License-Identifier: Apache-2.0 */
/* Launching an enclave. */
#include "enclave/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/files.h"
#include "base/frame.h"
#include "base/loop.h"
#include "base/unix-socket.h"
#include "enclave/holder.h"
#include "enclave/launch.h"
#include "enclave/name.h"
#include "enclave/run-check.h"

/* How often Ctrl-C is looked at while waiting for the holder. */
enum { CANCEL_MSEC = 100 };

/* The driver's two commands for ending an enclave may take 120 s each. */
enum { END_USEC = 250000000 };

uint64_t nec_run_boot_timeout_usec(uint64_t eif_bytes, uint64_t memory_mib)
{
	const uint64_t step_usec = 90000000;
	const uint64_t eif_step = UINT64_C(6) << 30;
	const uint64_t memory_step_mib = 100 << 10;

	return step_usec * (1 + (eif_bytes ? eif_bytes - 1 : 0) / eif_step) +
	       step_usec * (1 + (memory_mib ? memory_mib - 1 : 0) / memory_step_mib);
}

/* ---- the holder's process ---- */

int nec_run_find_holder(struct nec_path *ret, nec_error *err)
{
	const char *wish = getenv("NEC_HOLDER");
	char program[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	if (wish && *wish) {
		(void)snprintf(ret->text, sizeof(ret->text), "%s", wish);
	} else {
		program[size > 0 ? size : 0] = '\0';
		slash = strrchr(program, '/');
		if (slash)
			*slash = '\0';
		if ((size_t)snprintf(ret->text, sizeof(ret->text), "%s/../libexec/nec/nec-holder",
				     program) >= sizeof(ret->text) ||
		    access(ret->text, X_OK) < 0)
			(void)snprintf(ret->text, sizeof(ret->text), NEC_LIBEXEC_DIR "/nec-holder");
	}
	if (access(ret->text, X_OK) < 0)
		return nec_error_set_system(err, NEC_E_HOLDER, -errno, "cannot run %s", ret->text);
	return 0;
}

/*
 * In the grandchild: its own session, nothing of the caller's open, the socket pair at
 * NEC_HOLDER_FD. Only calls that are safe after fork.
 */
static void become_holder(const char *program, int fd)
{
	/* Above what is placed below: without the standard descriptors it may be one of them. */
	int above = fcntl(fd, F_DUPFD, NEC_HOLDER_FD + 1);
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	for (int i = 0; i < 3; i++)
		(void)dup2(null, i);
	if (dup2(above, NEC_HOLDER_FD) != NEC_HOLDER_FD)
		_exit(127);
	(void)syscall(SYS_close_range, NEC_HOLDER_FD + 1, ~0U, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") < 0)
		_exit(127);
	(void)execl(program, "nec-holder", (char *)NULL);
	_exit(127);
}

/* Twice forked, so that the holder is nobody's child and no terminal's. The pid comes by
 * credentials. */
static int spawn_holder(int fd, nec_error *err)
{
	struct nec_path program;
	pid_t child;
	int status = 0;
	int r = nec_run_find_holder(&program, err);

	if (r < 0)
		return r;
	child = fork();
	if (child < 0)
		return nec_error_set_system(err, NEC_E_HOLDER, -errno, "cannot start a process");
	if (child == 0) {
		(void)setsid();
		if (fork() == 0)
			become_holder(program.text, fd);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* ---- the conversation ---- */

struct launch {
	nec_context *context;
	const struct nec_run_callbacks *callbacks;
	const char *sockets_dir;
	int fd;      /* to the holder */
	int done_fd; /* of the measuring; -1 when there is nothing to wait for */
	struct nec_run_measuring measuring;
	struct nec_frame_reader reader;
	struct nec_buffer unsent; /* to the holder, which may be busy */
	size_t sent;              /* of it */
	struct nec_run_result *result;
	uint64_t boot_began; /* nec_loop_now(); 0 before */
	uint64_t boot_timeout_usec;
	uint64_t heard; /* nec_loop_now(), the holder's last word */
	bool ready;
};

static int flush(struct launch *launch, nec_error *err)
{
	while (launch->sent < launch->unsent.size) {
		ssize_t n = send(launch->fd, launch->unsent.data + launch->sent,
				 launch->unsent.size - launch->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		/* A holder that has gone has said why, and that is still to be read. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			launch->sent = launch->unsent.size;
		else if (n < 0 && errno != EINTR)
			return nec_error_set_system(
				err, NEC_E_HOLDER, -errno,
				"cannot talk to the process that holds the enclave");
		if (n > 0)
			launch->sent += (size_t)n;
	}
	return 0;
}

static int send_message(struct launch *launch, const struct nec_launch_message *message,
			nec_error *err)
{
	nec_launch_message_encode(message, &launch->unsent);
	return launch->unsent.failed ? nec_error_no_memory(err) : flush(launch, err);
}

/* One byte that carries the open image: what is measured here is what is loaded there. */
static int send_image(int fd, int eif_fd, nec_error *err)
{
	int r = nec_send_fd(fd, &(uint8_t){ 0 }, 1, eif_fd, 0);

	/* Why a holder went that is gone already shows when it is read from. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return nec_error_set_system(err, NEC_E_HOLDER, r,
					    "cannot talk to the process that holds the enclave");
	return 0;
}

static void tell_phase(const struct launch *launch, const struct nec_launch_phase *phase)
{
	if (launch->callbacks->phase)
		launch->callbacks->phase(launch->callbacks->userdata, phase);
}

static void tell_step(const struct launch *launch, const char *name, uint64_t usec, uint64_t bytes)
{
	const struct nec_launch_phase phase = {
		.name = (char *)name,
		.usec = usec,
		.bytes = bytes,
	};

	tell_phase(launch, &phase);
}

static int send_description(struct launch *launch, nec_error *err)
{
	const struct nec_launch_message message = {
		.kind = NEC_LAUNCH_DESCRIPTION,
		.description = launch->measuring.description,
	};

	tell_step(launch, "measure", launch->measuring.usec,
		  launch->measuring.eif->layout.size_bytes);
	return send_message(launch, &message, err);
}

static int take_measurements(struct launch *launch, nec_error *err)
{
	int r = nec_run_measure_result(&launch->measuring, err);

	(void)close(TAKE_FD(launch->done_fd));
	return r < 0 ? r : send_description(launch, err);
}

/* The callback may keep the name of the phase, so it gets ours. */
static void tell_progress(const struct launch *launch, const struct nec_launch_progress *progress)
{
	static const char *const phases[] = { "memory", "loading" };
	const nec_context *context = launch->context;

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (context->progress && strcmp(progress->phase, phases[i]) == 0)
			context->progress(context->progress_userdata, phases[i], progress->done,
					  progress->total);
}

static void take_started(struct launch *launch, const struct nec_launch_started *started)
{
	launch->result->started = *started;
	launch->boot_began = nec_loop_now();
	if (launch->callbacks->started)
		launch->callbacks->started(launch->callbacks->userdata, started);
}

static int handle_message(struct launch *launch, const struct nec_launch_message *message,
			  nec_error *err)
{
	launch->heard = nec_loop_now();
	switch (message->kind) {
	case NEC_LAUNCH_PHASE:
		tell_phase(launch, &message->phase);
		return 0;
	case NEC_LAUNCH_PROGRESS:
		tell_progress(launch, &message->progress);
		return 0;
	case NEC_LAUNCH_NOTICE:
		if (launch->callbacks->notice)
			launch->callbacks->notice(launch->callbacks->userdata, message->notice);
		return 0;
	case NEC_LAUNCH_STARTED:
		take_started(launch, &message->started);
		return 0;
	case NEC_LAUNCH_READY:
		launch->ready = true;
		return 0;
	case NEC_LAUNCH_FAILED:
		if (err)
			*err = message->failed;
		return message->failed.os_error ? -message->failed.os_error : -EIO;
	case NEC_LAUNCH_REQUEST:
	case NEC_LAUNCH_DESCRIPTION:
		break;
	}
	return nec_error_set(err, NEC_E_HOLDER, -EPROTO,
			     "the process that holds the enclave sent nonsense");
}

static int take_message(struct launch *launch, nec_error *err)
{
	struct nec_launch_message message;
	int r = nec_frame_read(&launch->reader, launch->fd, err);

	if (r == -ENODATA || r == -ECONNRESET)
		return nec_error_set(err, NEC_E_HOLDER, -EPROTO,
				     "the process that holds the enclave ended unexpectedly");
	if (r <= 0)
		return r;
	r = nec_launch_message_decode(launch->reader.payload.data, launch->reader.payload.size,
				      &message, err);
	nec_frame_next(&launch->reader);
	if (r < 0)
		return r;
	r = handle_message(launch, &message, err);
	nec_launch_message_free(&message);
	return r;
}

static void tell_waiting(const struct launch *launch)
{
	if (launch->boot_began > 0 && launch->callbacks->waiting)
		launch->callbacks->waiting(launch->callbacks->userdata,
					   nec_loop_now() - launch->boot_began,
					   launch->boot_timeout_usec);
}

static void tell_quiet(const struct launch *launch, bool ending)
{
	if ((launch->boot_began == 0 || ending) && launch->callbacks->quiet)
		launch->callbacks->quiet(launch->callbacks->userdata,
					 nec_loop_now() - launch->heard, ending);
}

static int converse(struct launch *launch, nec_error *err)
{
	int r = 0;

	while (r == 0 && !launch->ready) {
		bool unsent = launch->sent < launch->unsent.size;
		struct pollfd fds[] = {
			{ .fd = launch->fd, .events = (short)(POLLIN | (unsent ? POLLOUT : 0)) },
			{ .fd = launch->done_fd, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), CANCEL_MSEC) < 0 && errno != EINTR)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot wait");
		tell_waiting(launch);
		tell_quiet(launch, false);
		r = nec_check_cancel(launch->context, err);
		if (r == 0 && (fds[0].revents & ~POLLOUT))
			r = take_message(launch, err);
		if (r == 0 && !launch->ready && fds[1].revents)
			r = take_measurements(launch, err);
		if (r == 0 && !launch->ready && unsent)
			r = flush(launch, err);
	}
	return r;
}

/* What it says does not matter any more, but for one thing. False when it says no more. */
static bool take_last_words(struct launch *launch)
{
	struct pollfd ended = { .fd = launch->fd, .events = POLLIN };
	struct nec_launch_message message;
	int r = poll(&ended, 1, CANCEL_MSEC);

	if (r == 0)
		tell_quiet(launch, true);
	if (r <= 0)
		return (r == 0 || errno == EINTR) && nec_loop_now() - launch->heard < END_USEC;
	r = nec_frame_read(&launch->reader, launch->fd, NULL);
	if (r <= 0)
		return r == 0;
	if (nec_launch_message_decode(launch->reader.payload.data, launch->reader.payload.size,
				      &message, NULL) == 0) {
		(void)handle_message(launch, &message, NULL);
		nec_launch_message_free(&message);
	}
	nec_frame_next(&launch->reader);
	return !launch->ready;
}

/*
 * Our end of file before READY ends the enclave; the holder's comes when it has given everything
 * back, which the driver may take its time for. READY may have been on its way when we gave up:
 * then the enclave is up, and not to be lost.
 */
static int end_conversation(struct launch *launch, int result)
{
	(void)shutdown(launch->fd, SHUT_WR);
	launch->heard = nec_loop_now();
	while (!launch->ready && take_last_words(launch))
		;
	(void)close(launch->fd);
	/* One that was killed leaves its sockets; its end of file was the last of it. */
	if (!launch->ready)
		nec_sockets_dir_clean(launch->sockets_dir);
	return launch->ready ? 0 : result;
}

static int run_holder(struct launch *launch, nec_eif *eif, const struct nec_launch_request *request,
		      nec_error *err)
{
	const struct nec_launch_message message = {
		.kind = NEC_LAUNCH_REQUEST,
		.request = *request,
	};
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return nec_error_set_system(err, NEC_E_HOLDER, -errno, "cannot make a socket pair");
	launch->fd = pair[0];
	launch->heard = nec_loop_now();
	r = spawn_holder(pair[1], err);
	(void)close(pair[1]);
	if (r == 0)
		r = send_image(launch->fd, eif->fd, err);
	if (r == 0)
		r = send_message(launch, &message, err);
	if (r == 0)
		r = nec_socket_set_nonblocking(launch->fd);
	if (r == 0 && launch->measuring.done)
		r = send_description(launch, err);
	else if (r == 0)
		r = nec_run_measure_start(&launch->measuring, eif, &launch->done_fd, err);
	return r == 0 ? converse(launch, err) : r;
}

/* What header and tables show, without reading the image; the rest is checked while it loads. */
static int check_image(const nec_eif *eif, nec_error *err)
{
	for (size_t i = 0; i < nec_eif_get_finding_count(eif); i++) {
		const struct nec_eif_finding *finding = nec_eif_get_finding(eif, i);

		if (finding->severity == NEC_SEVERITY_ERROR)
			return nec_error_set(err, finding->code, -EBADMSG, "%s: %s", eif->name,
					     finding->message);
	}
	return 0;
}

static int check_cpus(const struct nec_cpu_ids *cpus, nec_error *err)
{
	for (uint32_t i = 0; i < cpus->count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (cpus->ids[i] == cpus->ids[j])
				return nec_error_set(err, NEC_E_CPU_REPEATED, -EINVAL,
						     "CPU %u is named twice", cpus->ids[i]);
	return 0;
}

/* Everything that can be known before anything is reserved. */
static int check(struct launch *launch, nec_eif *eif, const struct nec_pcr_pins *pins,
		 const struct nec_launch_request *request, nec_error *err)
{
	uint64_t begin = nec_loop_now();
	int r = check_image(eif, err);

	if (r == 0)
		r = check_cpus(&request->cpus, err);
	if (r == 0 && request->backend == NEC_BACKEND_NITRO)
		r = nec_run_check(launch->context, request, eif, err);
	else if (r == 0)
		r = nec_launch_check_memory(request, eif, err);
	if (r < 0)
		return r;
	tell_step(launch, "check", nec_loop_now() - begin, 0);
	if (nec_run_measures_first(eif, pins))
		r = nec_run_measure_now(&launch->measuring, eif, pins, err);
	return r;
}

static int launch_named(struct launch *launch, nec_eif *eif,
			const struct nec_launch_request *request, nec_error *err)
{
	struct nec_launch_request named = *request;
	int r;

	named.name = launch->result->name;
	named.image = nec_eif_get_state(eif);
	if (named.boot_timeout_usec == 0)
		named.boot_timeout_usec =
			nec_run_boot_timeout_usec(named.image.size_bytes, named.memory_mib);
	launch->boot_timeout_usec = named.boot_timeout_usec;
	if (launch->callbacks->checked)
		launch->callbacks->checked(launch->callbacks->userdata);
	r = run_holder(launch, eif, &named, err);
	return launch->fd >= 0 ? end_conversation(launch, r) : r;
}

static void release(struct launch *launch)
{
	nec_run_measure_end(&launch->measuring);
	if (launch->done_fd >= 0)
		(void)close(launch->done_fd);
	nec_buffer_free(&launch->unsent);
	nec_frame_reader_free(&launch->reader);
}

int nec_run_image(nec_context *context, nec_eif *eif, const struct nec_pcr_pins *pins,
		  const struct nec_launch_request *request,
		  const struct nec_run_callbacks *callbacks, struct nec_run_result *ret,
		  nec_error *err)
{
	struct nec_run_result result = { 0 };
	cleanup_name struct nec_name name = NEC_NAME_INIT;
	struct launch launch = {
		.context = context,
		.callbacks = callbacks,
		.sockets_dir = request->sockets_dir,
		.fd = -1,
		.done_fd = -1,
		.reader = { .limit = NEC_LAUNCH_MAX_FRAME },
		.result = &result,
	};
	uint64_t begin = nec_loop_now();
	int r = check(&launch, eif, pins, request, err);

	if (r == 0)
		r = nec_sockets_dir_make(request->sockets_dir, err);
	if (r == 0) {
		/* Of holders whose launchers were killed with them. */
		nec_sockets_dir_clean(request->sockets_dir);
		r = nec_name_choose(request->sockets_dir, request->name, eif->name, &name, err);
	}
	if (r == 0)
		r = (result.name = strdup(name.text)) ? 0 : nec_error_no_memory(err);
	if (r == 0)
		r = launch_named(&launch, eif, request, err);
	if (r == 0)
		result.measurements = TAKE_PTR(launch.measuring.description.measurements);
	release(&launch);
	if (r < 0) {
		nec_run_result_free(&result);
		return r;
	}
	tell_step(&launch, "total", nec_loop_now() - begin, 0);
	*ret = result;
	return 0;
}

int nec_run(nec_context *context, const char *eif_path, const struct nec_pcr_pins *pins,
	    const struct nec_launch_request *request, const struct nec_run_callbacks *callbacks,
	    struct nec_run_result *ret, nec_error *err)
{
	cleanup_eif nec_eif *eif = NULL;
	int r = nec_eif_open(context, eif_path, &eif, err);

	return r < 0 ? r : nec_run_image(context, eif, pins, request, callbacks, ret, err);
}
