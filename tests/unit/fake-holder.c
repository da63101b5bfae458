/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-holder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/context.h"
#include "base/error.h"
#include "leftovers.h"
#include "test.h"

struct fake_backend {
	struct nec_backend base;
	struct nec_backend_events events;
	struct nec_source *source;
	bool ended;
};

/* Of the holder's process, which has one holder and ends with it. */
static struct {
	struct fake_world *world;
	int wire;
	int console;
} inside;

static void say(char what)
{
	(void)!send(inside.wire, &what, 1, MSG_NOSIGNAL);
}

static void free_backend(struct nec_backend *base)
{
	struct fake_backend *backend = (struct fake_backend *)base;

	if (!backend->ended)
		say('f');
	nec_source_free(backend->source);
	if (base->console_fd >= 0)
		(void)close(base->console_fd);
	free(backend);
}

static void end_backend(struct nec_backend *base)
{
	struct fake_backend *backend = (struct fake_backend *)base;

	say('f');
	backend->ended = true;
	if (!inside.world->slow_end)
		backend->events.gone(backend->events.userdata);
}

static void tell_ended(const struct fake_backend *backend)
{
	struct nec_end end;

	nec_end_set(&end, NEC_END_STOPPED, 0, "its machine stopped");
	backend->events.ended(backend->events.userdata, &end);
}

static void on_wire(void *userdata, uint32_t events)
{
	struct fake_backend *backend = userdata;
	char byte = 0;

	(void)events;
	if (recv(inside.wire, &byte, 1, MSG_DONTWAIT) == 0)
		_exit(99); /* the test is gone */
	if (byte == 'h')
		backend->events.heartbeat(backend->events.userdata);
	else if (byte == 'e')
		tell_ended(backend);
	else if (byte == 'g')
		backend->events.gone(backend->events.userdata);
}

static int start_backend(struct nec_loop *loop, const nec_context *context,
			 const struct nec_launch_request *request, const nec_eif *eif,
			 const struct nec_backend_events *events, struct nec_backend **ret,
			 nec_error *err)
{
	static const struct nec_backend_ops ops = {
		.name = "fake",
		.end = end_backend,
		.free = free_backend,
	};
	const struct nec_launch_phase phase = {
		.name = (char *)"memory",
		.usec = 5,
		.bytes = 64 << 20,
	};
	struct fake_backend *backend;

	(void)request;
	(void)eif;
	if (inside.world->refuse)
		return nec_error_set(err, NEC_E_HUGEPAGES_EXHAUSTED, -ENOMEM, "no pages are left");
	if (inside.world->cancelled) {
		(void)kill(getpid(), SIGTERM);
		context->progress(context->progress_userdata, "memory", 0, 1);
		return nec_check_cancel(context, err);
	}
	backend = calloc(1, sizeof(*backend));
	if (!backend)
		return nec_error_no_memory(err);
	*backend = (struct fake_backend){
		.base = { .ops = &ops, .console_fd = inside.console },
		.events = *events,
	};
	backend->base.started = (struct nec_launch_started){
		.slot_uid = FAKE_HOLDER_SLOT,
		.cid = FAKE_HOLDER_CID,
		.memory_mib = 64,
		.cpus = { .count = 2, .ids = { 2, 3 } },
	};
	events->phase(events->userdata, &phase);
	if (inside.world->late_end) {
		(void)kill(getpid(), SIGTERM);
		(void)nec_loop_run(loop, NULL); /* as one does that waits for a port */
	}
	*ret = &backend->base;
	return nec_loop_add_fd(loop, inside.wire, EPOLLIN, on_wire, backend, &backend->source, err);
}

static int get_peer(int fd, uid_t *ret)
{
	(void)fd;
	*ret = inside.world->peer;
	return 0;
}

/* In its process. */
static int run_holder(int launcher)
{
	const struct nec_holder_host host = {
		.start_backend = start_backend,
		.get_peer = get_peer,
		.client_usec = inside.world->client_usec,
	};
	const struct rlimit few = { inside.world->descriptors, inside.world->descriptors };

	if (few.rlim_max && setrlimit(RLIMIT_NOFILE, &few) < 0)
		return 99;
	return nec_holder_run(launcher, &host);
}

int fake_holder_set_up(void **state)
{
	struct fake_holder *f = calloc(1, sizeof(*f));

	*state = f;
	f->reader.limit = NEC_LAUNCH_MAX_FRAME;
	f->launcher = f->wire = f->console = -1;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nec-holder-XXXXXX");
	f->world = mmap(NULL, sizeof(*f->world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (f->world == MAP_FAILED || !mkdtemp(f->dir))
		return -1;
	f->world->peer = geteuid();
	return nec_path_socket(&f->socket, NULL, "%s/%" PRIx64 ".sock", f->dir, FAKE_HOLDER_SLOT);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void fake_holder_forget(struct fake_holder *f)
{
	close_one(&f->launcher);
	close_one(&f->wire);
	close_one(&f->console);
}

int fake_holder_tear_down(void **state)
{
	struct fake_holder *f = *state;

	f->world->slow_end = false;
	if (f->pid > 0) {
		(void)kill(f->pid, SIGKILL);
		(void)waitpid(f->pid, NULL, 0);
	}
	fake_holder_forget(f);
	nec_frame_reader_free(&f->reader);
	remove_tree(f->dir);
	(void)munmap(f->world, sizeof(*f->world));
	free(f);
	return 0;
}

static void send_image(const struct fake_holder *f)
{
	cleanup_close int fd = open(NEC_TEST_DATA "/eif/x86-2rd.eif", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(nec_send_fd(f->launcher, "", 1, fd, 0), 0);
}

static void send_to_holder(struct fake_holder *f, const struct nec_launch_message *message)
{
	cleanup_buffer struct nec_buffer frame = { 0 };

	nec_launch_message_encode(message, &frame);
	assert_int_equal(send(f->launcher, frame.data, frame.size, MSG_NOSIGNAL), frame.size);
}

static void send_request(struct fake_holder *f)
{
	struct nec_launch_message message = {
		.kind = NEC_LAUNCH_REQUEST,
		.request = {
			.backend = NEC_BACKEND_QEMU,
			.name = (char *)"one",
			.sockets_dir = f->dir,
			.memory_mib = 64,
			.cpu_count = 2,
			.debug = !f->world->no_debug,
			.boot_timeout_usec = f->world->timeout ? f->world->timeout : 60000000,
			.console_limit = 65536,
		},
	};
	cleanup_eif nec_eif *eif = NULL;

	send_image(f);
	assert_int_equal(nec_eif_open(NULL, NEC_TEST_DATA "/eif/x86-2rd.eif", &eif, NULL), 0);
	message.request.image = nec_eif_get_state(eif);
	if (f->world->other_image)
		message.request.image.ctime_nsec--;
	send_to_holder(f, &message);
}

void fake_holder_start(struct fake_holder *f)
{
	int launcher[2];
	int wire[2];
	int console[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, launcher), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console), 0);
	(void)fflush(NULL);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		(void)close(launcher[0]);
		(void)close(wire[0]);
		(void)close(console[0]);
		inside.world = f->world;
		inside.wire = wire[1];
		inside.console = console[1];
		exit(run_holder(launcher[1]));
	}
	(void)close(launcher[1]);
	(void)close(wire[1]);
	(void)close(console[1]);
	f->launcher = launcher[0];
	f->wire = wire[0];
	f->console = console[0];
	send_request(f);
}

struct nec_launch_message fake_holder_expect(struct fake_holder *f, enum nec_launch_kind kind)
{
	struct nec_launch_message message = { 0 };

	for (;;) {
		if (nec_frame_read(&f->reader, f->launcher, NULL) != 1)
			fail_msg("the holder ended, message %d was expected", (int)kind);
		assert_int_equal(nec_launch_message_decode(f->reader.payload.data,
							   f->reader.payload.size, &message, NULL),
				 0);
		nec_frame_next(&f->reader);
		if (message.kind != NEC_LAUNCH_PHASE && message.kind != NEC_LAUNCH_NOTICE)
			break;
		nec_launch_message_free(&message);
	}
	if (message.kind == NEC_LAUNCH_FAILED && kind != NEC_LAUNCH_FAILED)
		fail_msg("failed: %s", message.failed.message);
	assert_int_equal(message.kind, kind);
	return message;
}

void fake_holder_expect_launcher_closed(struct fake_holder *f)
{
	assert_int_equal(nec_frame_read(&f->reader, f->launcher, NULL), -ENODATA);
}

void fake_holder_describe_image(struct fake_holder *f, const char *image)
{
	const struct nec_launch_message message = {
		.kind = NEC_LAUNCH_DESCRIPTION,
		.description = {
			.measurements = (char *)"{\"PCR0\":\"00\"}",
			.image = (char *)image,
		},
	};

	send_to_holder(f, &message);
}

void fake_holder_boot(struct fake_holder *f, const char *image)
{
	fake_holder_start(f);
	(void)fake_holder_expect(f, NEC_LAUNCH_STARTED);
	fake_holder_describe_image(f, image);
	fake_holder_tell(f, 'h');
	(void)fake_holder_expect(f, NEC_LAUNCH_READY);
	fake_holder_expect_launcher_closed(f);
}

void fake_holder_tell(struct fake_holder *f, char what)
{
	assert_int_equal(send(f->wire, &what, 1, MSG_NOSIGNAL), 1);
}

void fake_holder_expect_backend(struct fake_holder *f, char what)
{
	char byte = 0;

	assert_int_equal(recv(f->wire, &byte, 1, 0), 1);
	assert_int_equal(byte, what);
}

int fake_holder_wait(struct fake_holder *f)
{
	int status = -1;

	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
