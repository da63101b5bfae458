/* SPDX-License-Identifier: Apache-2.0 */
/* Enclaves on the device: the backend, and a holder in a process of its own. */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/frame.h"
#include "base/json.h"
#include "enclave/calls.h"
#include "enclave/holder.h"
#include "enclave/record.h"
#include "enclave/run-check.h"
#include "fake-device.h"
#include "image/eif-write.h"

static const struct fake_machine machine = {
	.cores = 5,
	.threads = 2,
	.pool = "1-4,6-9",
	.huge = { { 0, FAKE_2M, 200 } },
};

static struct fake_device *fake;
static nec_context *context;
static char dir[128];
static int image_fd;
static nec_eif *eif;
static unsigned int fds_before;
/* The device keeps an enclave in this test, and so the machine is not as before. */
static bool device_keeps;

static int set_up(void **state)
{
	struct nec_eif_writer writer;

	(void)state;
	image_fd = memfd_create("image", MFD_CLOEXEC);
	nec_eif_writer_init(&writer, NULL, image_fd, "image", nec_arch_of_machine());
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_KERNEL, "kernel", 6, NULL), 0);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_CMDLINE, "quiet", 5, NULL), 0);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_METADATA, "{}", 2, NULL), 0);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_RAMDISK, "ramdisk", 7, NULL), 0);
	assert_int_equal(nec_eif_writer_finish(&writer, NULL), 0);
	assert_int_equal(nec_eif_open_fd(NULL, image_fd, "hello.eif", &eif, NULL), 0);
	fds_before = fake_open_fds();
	fake = fake_device_new(&machine);
	(void)snprintf(dir, sizeof(dir), "%s/run", fake_device_root(fake));
	assert_int_equal(nec_context_new(&context, NULL), 0);
	context->device = fake_device_get(fake);
	return mkdir(dir, 0755);
}

static int tear_down(void **state)
{
	unsigned int fds;

	(void)state;
	nec_context_free(context);
	if (!device_keeps)
		fake_device_expect_clean(fake);
	device_keeps = false;
	fake_device_free(fake);
	fds = fake_open_fds();
	nec_eif_free(eif);
	(void)close(image_fd);
	return fds != fds_before;
}

static struct nec_launch_request request_of(uint64_t cid, bool debug)
{
	return (struct nec_launch_request){
		.backend = NEC_BACKEND_NITRO,
		.name = (char *)"hello",
		.sockets_dir = dir,
		.cid = cid,
		.memory_mib = 64,
		.cpu_count = 2,
		.debug = debug,
		.boot_timeout_usec = 30000000,
		.console_limit = 65536,
		.image = nec_eif_get_state(eif),
	};
}

/* What a well-behaved init does: says that it is up; its connection stays until the process ends.
 */
static void boot(struct fake_device *which, uint32_t cid, void *userdata)
{
	int fd = fake_vsock_call(which, cid, NEC_PORT_HEARTBEAT);

	if (fd >= 0)
		(void)!send(fd, "\xb7", 1, MSG_NOSIGNAL);
	if (userdata)
		*(int *)userdata = fd;
}

/* ---- the backend, in this process ---- */

struct watched {
	struct nec_loop *loop;
	struct nec_backend *backend;
	unsigned int phases;
	unsigned int heartbeats;
	unsigned int ends;
	char phase_names[128];
	struct nec_end end;
	unsigned int gone;
	char notice[256];
};

static void on_phase(void *userdata, const struct nec_launch_phase *phase)
{
	struct watched *watched = userdata;
	size_t used = strlen(watched->phase_names);

	(void)snprintf(watched->phase_names + used, sizeof(watched->phase_names) - used, "%s ",
		       phase->name);
	watched->phases++;
}

static void on_heartbeat(void *userdata)
{
	((struct watched *)userdata)->heartbeats++;
}

static void on_ended(void *userdata, const struct nec_end *end)
{
	struct watched *watched = userdata;

	watched->ends++;
	watched->end = *end;
}

static void on_gone(void *userdata)
{
	struct watched *watched = userdata;

	watched->gone++;
	nec_loop_stop(watched->loop, 0);
}

static void on_notice(void *userdata, const char *text)
{
	struct watched *watched = userdata;

	(void)snprintf(watched->notice, sizeof(watched->notice), "%s", text);
}

static int start(struct watched *watched, const struct nec_launch_request *request, nec_error *err)
{
	const struct nec_backend_events events = {
		.userdata = watched,
		.phase = on_phase,
		.notice = on_notice,
		.heartbeat = on_heartbeat,
		.ended = on_ended,
		.gone = on_gone,
	};

	return nec_backend_nitro_start(watched->loop, context, request, eif, &events,
				       &watched->backend, err);
}

static void settle(struct nec_loop *loop)
{
	for (int i = 0; i < 30; i++)
		assert_int_equal(nec_loop_run_once(loop, 0, NULL), 0);
}

static void backend__boots_and_notices_the_end(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct watched watched = { 0 };
	struct fake_enclave enclave;
	int enclave_fd = -1;

	(void)state;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	fake_device_set_boot(fake, boot, &enclave_fd);
	assert_int_equal(start(&watched, &request, NULL), 0);
	assert_string_equal(watched.phase_names, "create cpus memory load donate start ");
	assert_int_equal(watched.backend->started.cid, 16);
	assert_int_equal(watched.backend->started.memory_mib, 64);
	assert_int_equal(watched.backend->started.cpus.count, 2);
	assert_int_equal(watched.backend->started.cpus.ids[1], 6);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(watched.backend->started.slot_uid, enclave.uid);
	assert_int_equal(watched.backend->console_fd, -1);
	assert_null(watched.backend->ops->name);
	settle(watched.loop);
	assert_int_equal(watched.heartbeats, 1);
	assert_int_equal(watched.ends, 0);
	fake_device_event(fake, 16, FAKE_STOPPED);
	settle(watched.loop);
	assert_int_equal(watched.ends, 1);
	assert_int_equal(watched.end.reason, NEC_END_UNKNOWN);
	assert_string_equal(watched.end.text,
			    "it stopped or crashed; the device does not say which");
	(void)close(enclave_fd);
	nec_backend_free(watched.backend);
	nec_loop_free(watched.loop);
}

static void backend__ends_beside_the_loop(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct watched watched = { 0 };
	struct fake_enclave enclave;
	int enclave_fd = -1;

	(void)state;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	fake_device_set_boot(fake, boot, &enclave_fd);
	assert_int_equal(start(&watched, &request, NULL), 0);
	nec_backend_end(watched.backend);
	assert_int_equal(nec_loop_run(watched.loop, NULL), 0);
	assert_int_equal(watched.gone, 1);
	assert_int_equal(watched.ends, 0);
	assert_false(watched.backend->kept);
	assert_false(fake_device_get_enclave(fake, 0, &enclave));
	(void)close(enclave_fd);
	nec_backend_free(watched.backend);
	nec_loop_free(watched.loop);
}

/* The driver says nothing: its close() is good whatever the device has answered. */
static void backend__knows_that_the_device_keeps_an_enclave(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct watched watched = { 0 };

	(void)state;
	device_keeps = true;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	assert_int_equal(start(&watched, &request, NULL), 0);
	fake_device_refuse(fake, FAKE_ENCLAVE_STOP, 1, EBUSY);
	nec_backend_end(watched.backend);
	assert_int_equal(nec_loop_run(watched.loop, NULL), 0);
	assert_int_equal(watched.gone, 1);
	assert_true(watched.backend->kept);
	nec_backend_free(watched.backend);
	nec_loop_free(watched.loop);
}

/* At each call from which on the enclave has memory. */
static void backend__whose_start_fails_tells_what_the_device_keeps(void **state)
{
	static const enum fake_call calls[] = { FAKE_SET_MEMORY_REGION, FAKE_SLOT_ADD_MEM,
						FAKE_VSOCK_LISTEN, FAKE_START };
	const struct nec_launch_request request = request_of(0, false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct watched watched = { 0 };
		nec_error err = NEC_ERROR_INIT;
		/* Before the first page is donated there is nothing to keep. */
		bool donated = calls[i] != FAKE_SET_MEMORY_REGION;

		assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
		fake_device_refuse(fake, calls[i], 1, EPERM);
		if (donated)
			fake_device_refuse(fake, FAKE_SLOT_FREE, 1, EIO);
		assert_true(start(&watched, &request, &err) < 0);
		assert_string_equal(watched.notice, donated ? NEC_BACKEND_KEPT : "");
		nec_loop_free(watched.loop);
		device_keeps = device_keeps || donated;
	}
}

static void backend__notices_an_end_before_the_heartbeat(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct watched watched = { 0 };

	(void)state;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	assert_int_equal(start(&watched, &request, NULL), 0);
	fake_device_event(fake, 16, FAKE_STOPPED);
	settle(watched.loop);
	assert_int_equal(watched.heartbeats, 0);
	assert_int_equal(watched.ends, 1);
	nec_backend_free(watched.backend);
	nec_loop_free(watched.loop);
}

static void backend__connects_the_console_in_debug_mode_only(void **state)
{
	struct nec_launch_request request = request_of(20, true);
	struct watched watched = { 0 };
	int console = fake_vsock_serve(fake, NEC_CID_HYPERVISOR, NEC_PORT_CONSOLE(20));

	(void)state;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	assert_int_equal(start(&watched, &request, NULL), 0);
	assert_true(watched.backend->console_fd >= 0);
	nec_backend_free(watched.backend);
	request.debug = false;
	assert_int_equal(start(&watched, &request, NULL), 0);
	assert_int_equal(watched.backend->console_fd, -1);
	nec_backend_free(watched.backend);
	(void)close(console);
	/* Nobody serves it: the enclave runs all the same. */
	request.debug = true;
	assert_int_equal(start(&watched, &request, NULL), 0);
	assert_int_equal(watched.backend->console_fd, -1);
	nec_backend_free(watched.backend);
	nec_loop_free(watched.loop);
}

static void backend__leaves_nothing_whichever_call_is_refused(void **state)
{
	struct nec_launch_request request = request_of(0, false);
	struct watched watched = { 0 };
	nec_error err = NEC_ERROR_INIT;
	unsigned int fds;
	unsigned int n = 0;
	int r;

	(void)state;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	fds = fake_open_fds();
	do {
		fake_device_refuse_any(fake, ++n, EPERM);
		r = start(&watched, &request, &err);
		if (r == 0)
			nec_backend_free(watched.backend);
		else
			assert_int_equal(err.os_error, EPERM);
		fake_device_expect_clean(fake);
		assert_int_equal(fake_open_fds(), fds);
	} while (r < 0);
	assert_true(n > 30);
	nec_loop_free(watched.loop);
}

static void backend__waits_only_so_long_for_the_port(void **state)
{
	struct nec_launch_request request = request_of(0, false);
	struct watched watched = { 0 };
	nec_error err = NEC_ERROR_INIT;
	int other = fake_vsock_serve(fake, NEC_CID_PARENT, NEC_PORT_HEARTBEAT);

	(void)state;
	request.boot_timeout_usec = 50000;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	assert_int_equal(start(&watched, &request, &err), -EADDRINUSE);
	assert_int_equal(err.code, NEC_E_ENCLAVE_BOOT);
	assert_int_equal(nec_error_exit_status(err.code), 36);
	assert_int_equal(fake_device_calls(fake, FAKE_START), 0);
	(void)close(other);
	nec_loop_free(watched.loop);
}

static void stop_loop(void *loop, uint32_t events)
{
	(void)events;
	nec_loop_stop(loop, 0);
}

static void backend__gives_up_the_port_when_the_loop_is_stopped(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct watched watched = { 0 };
	struct nec_source *timer = NULL;
	nec_error err = NEC_ERROR_INIT;
	int other = fake_vsock_serve(fake, NEC_CID_PARENT, NEC_PORT_HEARTBEAT);

	(void)state;
	assert_int_equal(nec_loop_new(&watched.loop, NULL), 0);
	assert_int_equal(
		nec_loop_add_timer(watched.loop, 1000, stop_loop, watched.loop, &timer, NULL), 0);
	assert_int_equal(start(&watched, &request, &err), -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	nec_source_free(timer);
	(void)close(other);
	nec_loop_free(watched.loop);
}

/* ---- the check before ---- */

static void check__says_what_is_in_the_way(void **state)
{
	struct nec_launch_request request = request_of(0, false);
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_run_check(context, &request, eif, &err), 0);
	fake_device_refuse(fake, FAKE_OPEN_DEVICE, 1, EACCES);
	assert_int_equal(nec_run_check(context, &request, eif, &err), -EACCES);
	assert_int_equal(err.code, NEC_E_DEVICE_PERMISSION);
	assert_int_equal(fake_device_set_pool(fake, ""), -EINVAL);
	assert_int_equal(nec_run_check(context, &request, eif, &err), -EBUSY);
	assert_int_equal(err.code, NEC_E_POOL_EMPTY);
	fake_device_write(fake, "/dev/nitro_enclaves", NULL);
	assert_int_equal(nec_run_check(context, &request, eif, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_DEVICE_MISSING);
}

/* ---- the holder, in a process of its own ---- */

struct held {
	pid_t pid;
	int fd;
	struct nec_frame_reader reader;
	struct nec_launch_started started;
	bool ready;
	nec_error failed;
};

static void send_message(int fd, const struct nec_launch_message *message)
{
	cleanup_buffer struct nec_buffer frame = { 0 };

	nec_launch_message_encode(message, &frame);
	assert_int_equal(send(fd, frame.data, frame.size, MSG_NOSIGNAL), frame.size);
}

/* The holder's enclave says of itself that it is a simulation. */
static bool simulated;

static int start_on_fake(struct nec_loop *loop, const nec_context *launching,
			 const struct nec_launch_request *request, const nec_eif *image,
			 const struct nec_backend_events *events, struct nec_backend **ret,
			 nec_error *err)
{
	static struct nec_backend_ops ops;
	nec_context on_fake = *launching;
	int r;

	on_fake.device = fake_device_get(fake);
	r = nec_backend_nitro_start(loop, &on_fake, request, image, events, ret, err);

	if (r < 0 || !simulated)
		return r;
	ops = *(*ret)->ops;
	ops.name = "qemu";
	(*ret)->ops = &ops;
	return 0;
}

/* A launcher that has measured already. */
static void hold(struct held *held, const struct nec_launch_request *request)
{
	struct nec_launch_message message = { .kind = NEC_LAUNCH_REQUEST, .request = *request };
	int pair[2];

	*held = (struct held){ .reader = { .limit = NEC_LAUNCH_MAX_FRAME } };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	held->pid = fork();
	if (held->pid == 0) {
		const struct nec_holder_host host = {
			.start_backend = start_on_fake,
			.get_peer = nec_holder_host.get_peer,
		};

		(void)close(pair[0]);
		_exit(nec_holder_run(pair[1], &host));
	}
	(void)close(pair[1]);
	held->fd = pair[0];
	assert_int_equal(nec_send_fd(held->fd, "", 1, image_fd, 0), 0);
	send_message(held->fd, &message);
	message = (struct nec_launch_message){
		.kind = NEC_LAUNCH_DESCRIPTION,
		.description = { .measurements = (char *)"{}", .image = (char *)"{}" },
	};
	/* A holder that is killed early does not take it. */
	{
		cleanup_buffer struct nec_buffer frame = { 0 };

		nec_launch_message_encode(&message, &frame);
		(void)!send(held->fd, frame.data, frame.size, MSG_NOSIGNAL);
	}
}

static void take_message(struct held *held, const struct nec_launch_message *message)
{
	if (message->kind == NEC_LAUNCH_STARTED)
		held->started = message->started;
	if (message->kind == NEC_LAUNCH_READY)
		held->ready = true;
	if (message->kind == NEC_LAUNCH_FAILED)
		held->failed = message->failed;
}

/* Reads until the holder is ready or gone; then true or false. */
static bool wait_until_ready(struct held *held)
{
	struct nec_launch_message message;
	int r;

	while (!held->ready && (r = nec_frame_read(&held->reader, held->fd, NULL)) >= 0) {
		if (r == 0)
			continue;
		assert_int_equal(nec_launch_message_decode(held->reader.payload.data,
							   held->reader.payload.size, &message,
							   NULL),
				 0);
		nec_frame_next(&held->reader);
		take_message(held, &message);
		nec_launch_message_free(&message);
	}
	return held->ready;
}

/* Closes our end; returns the holder's wait status. */
static int let_go(struct held *held)
{
	int status;

	nec_frame_reader_free(&held->reader);
	(void)close(held->fd);
	assert_int_equal(waitpid(held->pid, &status, 0), held->pid);
	return status;
}

static void terminate(const struct held *held)
{
	struct nec_answer answer = { 0 };
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%llx.sock", dir,
		       (unsigned long long)held->started.slot_uid);
	assert_int_equal(nec_client_call(path, NEC_COMMAND_TERMINATE, NULL, 5000, &answer, NULL),
			 0);
	assert_int_equal(answer.status, 0);
	nec_answer_free(&answer);
}

static void holder__holds_an_enclave_until_it_is_terminated(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	cleanup_json cJSON *enclaves = nec_json_array();
	struct fake_enclave enclave;
	unsigned int failed = 0;
	uint64_t cid = 0;
	struct held held;
	int status;

	(void)state;
	fake_device_set_boot(fake, boot, NULL);
	hold(&held, &request);
	if (!wait_until_ready(&held))
		fail_msg("%s", held.failed.message);
	assert_int_equal(held.started.pid, held.pid);
	assert_int_equal(held.started.cid, 16);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.state, FAKE_RUNNING);
	assert_int_equal(nec_client_describe_all(dir, false, enclaves, &failed, NULL), 0);
	assert_true(nec_json_get_u64(enclaves->child, "EnclaveCID", &cid));
	assert_int_equal(cid, 16);
	assert_null(nec_json_get(enclaves->child, "Backend"));
	terminate(&held);
	status = let_go(&held);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fake_device_expect_clean(fake);
}

static void holder__says_that_the_device_keeps_its_enclave(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	cleanup_buffer struct nec_buffer messages = { 0 };
	cleanup_json cJSON *confirmation = NULL;
	cleanup_json cJSON *record = NULL;
	nec_error err = NEC_ERROR_INIT;
	const char *message = "";
	struct held held;
	char path[256];

	(void)state;
	device_keeps = true;
	fake_device_set_boot(fake, boot, NULL);
	hold(&held, &request);
	assert_true(wait_until_ready(&held));
	fake_device_refuse(fake, FAKE_ENCLAVE_STOP, 1, EBUSY);
	(void)snprintf(path, sizeof(path), "%s/%llx.sock", dir,
		       (unsigned long long)held.started.slot_uid);
	assert_int_equal(nec_call_terminate(path, &messages, &confirmation, &err), -EBUSY);
	assert_int_equal(err.code, NEC_E_DEVICE_ANSWER);
	assert_string_equal(err.message, NEC_BACKEND_KEPT);
	assert_null(confirmation);
	(void)let_go(&held);
	record = nec_record_read(dir, held.started.slot_uid);
	assert_true(nec_json_get_string(record, "ExitMessage", &message));
	assert_string_equal(message, "it was terminated: by command; " NEC_BACKEND_KEPT);
}

static void holder__ends_with_its_enclave(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct held held;

	(void)state;
	fake_device_set_boot(fake, boot, NULL);
	hold(&held, &request);
	assert_true(wait_until_ready(&held));
	fake_device_event(fake, 16, FAKE_STOPPED);
	(void)let_go(&held);
	fake_device_expect_clean(fake);
	assert_int_equal(fake_device_calls(fake, FAKE_ENCLAVE_STOP), 0);
}

static void dies_at_once(struct fake_device *which, uint32_t cid, void *userdata)
{
	(void)userdata;
	fake_device_event(which, cid, FAKE_STOPPED);
}

static void holder__says_at_once_that_the_enclave_died_while_booting(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct held held;

	(void)state;
	fake_device_set_boot(fake, dies_at_once, NULL);
	hold(&held, &request);
	assert_false(wait_until_ready(&held));
	assert_int_equal(held.failed.code, NEC_E_ENCLAVE_BOOT);
	assert_string_equal(held.failed.message,
			    "the enclave ended before it was up: it stopped or crashed; the device "
			    "does not say which");
	(void)let_go(&held);
	fake_device_expect_clean(fake);
}

static void holder__ends_a_launch_whose_launcher_is_gone(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct held held;

	(void)state;
	/* It never boots. */
	hold(&held, &request);
	(void)let_go(&held);
	fake_device_expect_clean(fake);
}

static void holder__reports_what_the_driver_refuses(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	struct held held;

	(void)state;
	fake_device_refuse(fake, FAKE_START, 1, NE_ERR_FULL_CORES_NOT_USED);
	hold(&held, &request);
	assert_false(wait_until_ready(&held));
	assert_int_equal(held.failed.code, NEC_E_CORES_INCOMPLETE);
	assert_int_equal(held.failed.os_error, NE_ERR_FULL_CORES_NOT_USED);
	(void)let_go(&held);
	fake_device_expect_clean(fake);
}

static void holder__killed_at_any_step_leaves_nothing(void **state)
{
	const struct nec_launch_request request = request_of(0, false);
	unsigned int n = 0;
	bool ready;

	(void)state;
	fake_device_set_boot(fake, boot, NULL);
	do {
		struct held held;
		int status;

		fake_device_refuse_any(fake, ++n, FAKE_KILL);
		hold(&held, &request);
		ready = wait_until_ready(&held);
		if (ready)
			(void)kill(held.pid, SIGKILL);
		status = let_go(&held);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		fake_device_expect_clean(fake);
	} while (!ready);
	assert_true(n > 30);
}

static void holders__launch_at_the_same_time(void **state)
{
	enum { HOLDERS = 4 };
	const struct nec_launch_request request = request_of(0, false);
	struct held held[HOLDERS];
	uint64_t cids = 0;

	(void)state;
	fake_device_set_boot(fake, boot, NULL);
	for (size_t i = 0; i < HOLDERS; i++)
		hold(&held[i], &request);
	for (size_t i = 0; i < HOLDERS; i++) {
		if (!wait_until_ready(&held[i]))
			fail_msg("%zu: %s", i, held[i].failed.message);
		cids |= UINT64_C(1) << held[i].started.cid;
	}
	assert_int_equal(cids, UINT64_C(15) << 16);
	assert_int_equal(fake_device_free_cores(fake), 0);
	for (size_t i = 0; i < HOLDERS; i++)
		terminate(&held[i]);
	for (size_t i = 0; i < HOLDERS; i++)
		(void)let_go(&held[i]);
	fake_device_expect_clean(fake);
}

static void check__knows_the_cpus_of_enclaves_that_run(void **state)
{
	struct nec_launch_request request = request_of(0, false);
	nec_error err = NEC_ERROR_INIT;
	struct held held;

	(void)state;
	fake_device_set_boot(fake, boot, NULL);
	hold(&held, &request);
	assert_true(wait_until_ready(&held));
	request.cpu_count = 8;
	assert_int_equal(nec_run_check(context, &request, eif, &err), -EBUSY);
	assert_string_equal(err.message,
			    "8 CPUs are asked for, enclaves have 2 of the 8 CPUs in the pool");
	request.cpu_count = 6;
	assert_int_equal(nec_run_check(context, &request, eif, &err), 0);
	terminate(&held);
	(void)let_go(&held);

	/* CPUs of a simulation are none of this machine's. */
	simulated = true;
	request = request_of(0, false);
	hold(&held, &request);
	simulated = false;
	assert_true(wait_until_ready(&held));
	request.cpu_count = 8;
	assert_int_equal(nec_run_check(context, &request, eif, &err), 0);
	terminate(&held);
	(void)let_go(&held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(backend__boots_and_notices_the_end),
		TEST(backend__ends_beside_the_loop),
		TEST(backend__knows_that_the_device_keeps_an_enclave),
		TEST(backend__whose_start_fails_tells_what_the_device_keeps),
		TEST(backend__notices_an_end_before_the_heartbeat),
		TEST(backend__connects_the_console_in_debug_mode_only),
		TEST(backend__leaves_nothing_whichever_call_is_refused),
		TEST(backend__waits_only_so_long_for_the_port),
		TEST(backend__gives_up_the_port_when_the_loop_is_stopped),
		TEST(check__says_what_is_in_the_way),
		TEST(holder__holds_an_enclave_until_it_is_terminated),
		TEST(holder__says_that_the_device_keeps_its_enclave),
		TEST(holder__ends_with_its_enclave),
		TEST(holder__says_at_once_that_the_enclave_died_while_booting),
		TEST(holder__ends_a_launch_whose_launcher_is_gone),
		TEST(holder__reports_what_the_driver_refuses),
		TEST(holder__killed_at_any_step_leaves_nothing),
		TEST(holders__launch_at_the_same_time),
		TEST(check__knows_the_cpus_of_enclaves_that_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
