/* SPDX-License-Identifier: Apache-2.0 */
/* Launching an enclave. */
#include "enclave/run.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/unix-socket.h"
#include "enclave/frame.h"
#include "enclave/holder.h"
#include "enclave/name.h"
#include "enclave/run-check.h"
#include "image/describe.h"

/* How often Ctrl-C is looked at while waiting for the holder. */
enum { CANCEL_MSEC = 100 };

/* The driver's two commands for ending an enclave may take 120 s each. */
enum { END_MSEC = 250000 };

void nec_run_result_free(struct nec_run_result *result)
{
	free(result->name);
	*result = (struct nec_run_result){ 0 };
}

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
			(void)snprintf(ret->text, sizeof(ret->text), "/usr/libexec/nec/nec-holder");
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

/* ---- measuring, beside loading and booting ---- */

struct measuring {
	pthread_t thread;
	bool running;
	nec_eif *eif;
	int done_fd; /* the write end of a pipe: closed when the thread is done */
	int result;
	nec_error err;
	struct nec_launch_description description;
};

static char *json_text(const cJSON *tree)
{
	struct nec_buffer text = { 0 };

	nec_json_print_compact(tree, &text);
	return (char *)text.data; /* NULL when out of memory */
}

static cJSON *image_json(const struct nec_eif_metadata *metadata)
{
	cJSON *image = nec_json_object();

	if (!metadata->image_name)
		return image;
	(void)nec_json_add_string(image, "ImageName", metadata->image_name);
	(void)nec_json_add_string(image, "ImageVersion", metadata->image_version);
	(void)nec_json_add(image, "Metadata", nec_eif_metadata_json(metadata));
	return image;
}

static int describe_image(struct measuring *measuring)
{
	cleanup_eif_description struct nec_eif_description description = { 0 };
	cleanup_json cJSON *measurements = NULL;
	cleanup_json cJSON *image = NULL;
	const uint8_t *pcr8 = NULL;
	int r = nec_eif_describe(measuring->eif, &description, &measuring->err);

	if (r == 0)
		r = nec_eif_check(measuring->eif, &measuring->err);
	if (r < 0)
		return r;
	if (description.signature)
		pcr8 = nec_signature_get_info(description.signature)->pcr8;
	measurements = nec_measurements_json(&description.measurements, pcr8);
	image = image_json(&description.metadata);
	measuring->description.measurements = measurements ? json_text(measurements) : NULL;
	measuring->description.image = image ? json_text(image) : NULL;
	if (!measuring->description.measurements || !measuring->description.image)
		return nec_error_no_memory(&measuring->err);
	return 0;
}

static void *measure(void *userdata)
{
	struct measuring *measuring = userdata;

	measuring->result = describe_image(measuring);
	(void)close(measuring->done_fd);
	return NULL;
}

static void end_measuring(struct measuring *measuring)
{
	if (measuring->running)
		(void)pthread_join(measuring->thread, NULL);
	measuring->running = false;
	free(TAKE_PTR(measuring->description.measurements));
	free(TAKE_PTR(measuring->description.image));
}

/* ---- the conversation ---- */

struct launch {
	nec_context *context;
	const struct nec_run_callbacks *callbacks;
	int fd;      /* to the holder */
	int done_fd; /* of the measuring; -1 once it is done */
	struct measuring measuring;
	struct nec_frame_reader reader;
	struct nec_run_result *result;
	bool ready;
};

static int send_message(int fd, const struct nec_launch_message *message, nec_error *err)
{
	cleanup_buffer struct nec_buffer frame = { 0 };

	nec_launch_message_encode(message, &frame);
	if (frame.failed)
		return nec_error_no_memory(err);
	if (send(fd, frame.data, frame.size, MSG_NOSIGNAL) != (ssize_t)frame.size)
		return nec_error_set_system(err, NEC_E_HOLDER, -errno,
					    "cannot talk to the process that holds the enclave");
	return 0;
}

/* One byte that carries the open image: what is measured here is what is loaded there. */
static int send_image(int fd, int eif_fd, nec_error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	uint8_t byte = 0;
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &eif_fd, sizeof(eif_fd));
	if (sendmsg(fd, &message, MSG_NOSIGNAL) != 1)
		return nec_error_set_system(err, NEC_E_HOLDER, -errno,
					    "cannot talk to the process that holds the enclave");
	return 0;
}

/* A holder that has gone has said why, and that is still to be read: no failure of its own. */
static int send_description(struct launch *launch, nec_error *err)
{
	const struct nec_launch_message message = {
		.kind = NEC_LAUNCH_DESCRIPTION,
		.description = launch->measuring.description,
	};
	int r;

	(void)close(TAKE_FD(launch->done_fd));
	if (launch->measuring.result < 0) {
		if (err)
			*err = launch->measuring.err;
		return launch->measuring.result;
	}
	r = send_message(launch->fd, &message, err);
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

static int handle_message(struct launch *launch, const struct nec_launch_message *message,
			  nec_error *err)
{
	switch (message->kind) {
	case NEC_LAUNCH_PHASE:
		if (launch->callbacks->phase)
			launch->callbacks->phase(launch->callbacks->userdata, &message->phase);
		return 0;
	case NEC_LAUNCH_NOTICE:
		if (launch->callbacks->notice)
			launch->callbacks->notice(launch->callbacks->userdata, message->notice);
		return 0;
	case NEC_LAUNCH_STARTED:
		launch->result->started = message->started;
		if (launch->callbacks->started)
			launch->callbacks->started(launch->callbacks->userdata, &message->started);
		return 0;
	case NEC_LAUNCH_READY:
		launch->ready = true;
		return 0;
	case NEC_LAUNCH_FAILED:
		if (err)
			*err = message->failed;
		return message->failed.os_error ? -message->failed.os_error : -EIO;
	default:
		return nec_error_set(err, NEC_E_HOLDER, -EPROTO,
				     "the process that holds the enclave sent nonsense");
	}
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

static int converse(struct launch *launch, nec_error *err)
{
	int r = 0;

	while (r == 0 && !launch->ready) {
		struct pollfd fds[] = {
			{ .fd = launch->fd, .events = POLLIN },
			{ .fd = launch->done_fd, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), CANCEL_MSEC) < 0 && errno != EINTR)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot wait");
		r = nec_check_cancel(launch->context, err);
		if (r == 0 && fds[0].revents)
			r = take_message(launch, err);
		if (r == 0 && !launch->ready && fds[1].revents)
			r = send_description(launch, err);
	}
	return r;
}

/*
 * Our end of file before READY ends the enclave; the holder's comes when it has given everything
 * back, which the driver may take its time for.
 */
static void end_conversation(struct launch *launch)
{
	struct pollfd ended = { .fd = launch->fd, .events = POLLIN };
	char dropped[256];

	(void)shutdown(launch->fd, SHUT_WR);
	while (!launch->ready && poll(&ended, 1, END_MSEC) > 0 &&
	       recv(launch->fd, dropped, sizeof(dropped), 0) > 0)
		;
	(void)close(launch->fd);
}

static int start_measuring(struct launch *launch, nec_eif *eif, nec_error *err)
{
	int ends[2];
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make a pipe");
	launch->done_fd = ends[0];
	launch->measuring.eif = eif;
	launch->measuring.done_fd = ends[1];
	r = -pthread_create(&launch->measuring.thread, NULL, measure, &launch->measuring);
	if (r < 0) {
		(void)close(ends[1]);
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot start a thread");
	}
	launch->measuring.running = true;
	return 0;
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
	r = spawn_holder(pair[1], err);
	(void)close(pair[1]);
	if (r == 0)
		r = send_image(launch->fd, eif->fd, err);
	if (r == 0)
		r = send_message(launch->fd, &message, err);
	if (r == 0)
		r = nec_socket_set_nonblocking(launch->fd);
	if (r == 0)
		r = start_measuring(launch, eif, err);
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

int nec_run(nec_context *context, const char *eif_path, const struct nec_launch_request *request,
	    const struct nec_run_callbacks *callbacks, struct nec_run_result *ret, nec_error *err)
{
	struct nec_launch_request named = *request;
	struct nec_run_result result = { 0 };
	cleanup_name struct nec_name name = NEC_NAME_INIT;
	struct launch launch = {
		.context = context,
		.callbacks = callbacks,
		.fd = -1,
		.done_fd = -1,
		.reader = { .limit = NEC_LAUNCH_MAX_FRAME },
		.result = &result,
	};
	cleanup_eif nec_eif *eif = NULL;
	int r = nec_eif_open(context, eif_path, &eif, err);

	if (r == 0)
		r = check_image(eif, err);
	if (r == 0 && request->backend == NEC_BACKEND_NITRO)
		r = nec_run_check(context, request, eif, err);
	if (r == 0)
		r = nec_sockets_dir_make(request->sockets_dir, err);
	if (r == 0)
		r = nec_name_choose(request->sockets_dir, request->name, eif_path, &name, err);
	if (r == 0)
		r = (result.name = strdup(name.text)) ? 0 : nec_error_no_memory(err);
	if (r == 0) {
		named.name = result.name;
		if (named.boot_timeout_usec == 0)
			named.boot_timeout_usec = nec_run_boot_timeout_usec(
				(uint64_t)eif->stat.st_size, named.memory_mib);
		r = run_holder(&launch, eif, &named, err);
	}
	if (launch.fd >= 0)
		end_conversation(&launch);
	end_measuring(&launch.measuring);
	if (launch.done_fd >= 0)
		(void)close(launch.done_fd);
	nec_frame_reader_free(&launch.reader);
	if (r < 0)
		nec_run_result_free(&result);
	else
		*ret = result;
	return r;
}
