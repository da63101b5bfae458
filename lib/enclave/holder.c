/* SPDX-License-Identifier: Apache-2.0 */
/* The holder's life: launch, boot, hold, end. */
#include "enclave/holder.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/context.h"
#include "base/error.h"
#include "base/frame.h"
#include "base/json.h"

/* Of enclaves that have ended: consoles that can still be read, and what was known of them. */
enum { KEPT_RECORDINGS = 16, KEPT_RECORDS = 64 };

/* A guest may have 2048 connections open, and must not keep the holder from being reached. */
enum { DESCRIPTORS = 8192 };

/* Of the kernel's buffer for the launcher (some 200 KiB), what progress may fill. */
enum { PROGRESS_BYTES = 32768 };

static int start_backend_by_kind(struct nec_loop *loop, const nec_context *context,
				 const struct nec_launch_request *request, const nec_eif *eif,
				 const struct nec_backend_events *events, struct nec_backend **ret,
				 nec_error *err)
{
	if (request->backend == NEC_BACKEND_QEMU)
		return nec_backend_qemu_start(loop, context, request, eif, events, ret, err);
	return nec_backend_nitro_start(loop, context, request, eif, events, ret, err);
}

static int get_peer(int fd, uid_t *ret)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	*ret = credentials.uid;
	return 0;
}

const struct nec_holder_host nec_holder_host = {
	.start_backend = start_backend_by_kind,
	.get_peer = get_peer,
};

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void send_message(struct holder *holder, const struct nec_launch_message *message)
{
	cleanup_buffer struct nec_buffer frame = { 0 };

	if (holder->launcher_fd < 0)
		return;
	nec_launch_message_encode(message, &frame);
	/* A launcher that is gone is noticed by its end of file. */
	(void)!send(holder->launcher_fd, frame.data, frame.size, MSG_NOSIGNAL);
}

static void close_launcher(struct holder *holder)
{
	nec_source_free(TAKE_PTR(holder->launcher));
	if (holder->launcher_fd >= 0)
		(void)close(TAKE_FD(holder->launcher_fd));
}

void holder_enclave_id(const struct holder *holder, char *to, size_t size)
{
	nec_enclave_id(holder->started.slot_uid, to, size);
}

static void describe_cpus(const struct nec_cpu_ids *cpus, struct nec_buffer *to)
{
	nec_buffer_printf(to, ",\"NumberOfCPUs\":%" PRIu32 ",\"CPUIDs\":[", cpus->count);
	for (uint32_t i = 0; i < cpus->count; i++)
		nec_buffer_printf(to, "%s%" PRIu32, i > 0 ? "," : "", cpus->ids[i]);
	nec_buffer_append_text(to, "]");
}

/* Without the brace at the end: more may follow. */
static void begin_description(const struct holder *holder, const char *state, bool metadata,
			      struct nec_buffer *to)
{
	const struct nec_launch_started *started = &holder->started;
	const char *image = holder->description.image;
	char id[128];

	holder_enclave_id(holder, id, sizeof(id));
	nec_buffer_append_text(to, "{\"EnclaveName\":");
	nec_json_print_string(holder->request.name, to);
	nec_buffer_printf(to, ",\"EnclaveID\":\"%s\",\"ProcessID\":%d,\"EnclaveCID\":%" PRIu64, id,
			  (int)getpid(), started->cid);
	describe_cpus(&started->cpus, to);
	nec_buffer_printf(to, ",\"MemoryMiB\":%" PRIu64 ",\"State\":\"%s\",\"Flags\":\"%s\"",
			  started->memory_mib, state,
			  holder->request.debug ? "DEBUG_MODE" : "NONE");
	/* Of an enclave that has not come up they may not be known yet. */
	if (holder->has_description)
		nec_buffer_printf(to, ",\"Measurements\":%s", holder->description.measurements);
	/* "{...}" becomes the members after what stands already. */
	if (metadata && image && strlen(image) > 2)
		nec_buffer_printf(to, ",%.*s", (int)strlen(image) - 2, image + 1);
	if (holder->backend_name)
		nec_buffer_printf(to, ",\"Backend\":\"%s\"", holder->backend_name);
	nec_buffer_printf(to, ",\"StartTime\":%" PRId64, holder->started_at);
}

void holder_describe(const struct holder *holder, bool metadata, struct nec_buffer *to)
{
	static const char *const states[] = {
		[HOLDER_BOOTING] = "RUNNING",
		[HOLDER_RUNNING] = "RUNNING",
		[HOLDER_TERMINATING] = "TERMINATING",
	};

	begin_description(holder, states[holder->state], metadata, to);
	nec_buffer_append_text(to, "}");
}

static void describe_ended(const struct holder *holder, const struct nec_end *end, int64_t time,
			   struct nec_buffer *to)
{
	begin_description(holder, "ENDED", false, to);
	nec_end_describe(end, time, to);
	nec_buffer_append_text(to, "}\n");
}

/* What is to be read if this process is killed. Writing it anew also tells who watches the folder
 * of a change. A full disk costs the record, never the enclave. */
static void keep_record(struct holder *holder)
{
	cleanup_buffer struct nec_buffer json = { 0 };
	struct nec_end lost;

	if (!holder->started_at)
		return;
	nec_end_set(&lost, NEC_END_LOST, 0,
		    "the process that held it was killed, and the enclave ended with it");
	describe_ended(holder, &lost, 0, &json);
	if (!json.failed)
		(void)nec_record_write(&holder->record, holder->request.sockets_dir,
				       holder->started.slot_uid, nec_buffer_text(&json), NULL);
}

static void finish_record(struct holder *holder)
{
	cleanup_buffer struct nec_buffer json = { 0 };

	if (holder->record.fd < 0)
		return;
	describe_ended(holder, &holder->end, holder->ended_at, &json);
	if (!json.failed)
		(void)nec_record_finish(&holder->record, nec_buffer_text(&json), NULL);
	nec_record_release(&holder->record);
}

static void on_notice(void *userdata, const char *text)
{
	struct holder *holder = userdata;
	const struct nec_launch_message message = {
		.kind = NEC_LAUNCH_NOTICE,
		.notice = (char *)text,
	};

	send_message(holder, &message);
}

/* For the log, a launcher that waits, and who asks later why it has ended. */
static void tell_kept(struct holder *holder)
{
	size_t used = strlen(holder->end.text);

	holder_log(holder, NEC_LOG_ERROR, "%s", NEC_BACKEND_KEPT);
	on_notice(holder, NEC_BACKEND_KEPT);
	(void)snprintf(holder->end.text + used, sizeof(holder->end.text) - used, "; %s",
		       NEC_BACKEND_KEPT);
}

static void on_gone(void *userdata)
{
	struct holder *holder = userdata;

	holder->gone = true;
	holder->kept = holder->backend && holder->backend->kept;
	if (holder->kept)
		tell_kept(holder);
	nec_loop_stop(holder->loop, 0);
}

/* Whoever asks is answered while the backend takes its time, and what else comes undoes nothing. */
static void begin_end(struct holder *holder)
{
	holder->state = HOLDER_TERMINATING;
	holder->ended_at = (int64_t)time(NULL);
	nec_source_free(TAKE_PTR(holder->boot_timer));
	keep_record(holder);
	if (holder->backend)
		nec_backend_end(holder->backend);
	else
		on_gone(holder);
}

static void fail(struct holder *holder, const nec_error *err)
{
	const struct nec_launch_message message = { .kind = NEC_LAUNCH_FAILED, .failed = *err };
	const struct nec_log_record record = { .level = NEC_LOG_ERROR, .err = err, NEC_LOG_HERE };

	nec_logger_write(&holder->log, &record, "The launch failed: %s", err->message);
	if (holder->end.reason == NEC_END_UNKNOWN)
		nec_end_set(&holder->end, NEC_END_BOOT, 0, "%s", err->message);
	holder->exit_status = 1;
	/* The launcher's descriptor is closed last: its end of file says that nothing is left. */
	send_message(holder, &message);
	nec_source_free(TAKE_PTR(holder->launcher));
	if (holder->state != HOLDER_TERMINATING)
		begin_end(holder);
}

static void on_phase(void *userdata, const struct nec_launch_phase *phase)
{
	struct holder *holder = userdata;
	const struct nec_launch_message message = { .kind = NEC_LAUNCH_PHASE, .phase = *phase };
	const struct nec_log_record record = {
		.level = NEC_LOG_INFO,
		.phase = phase->name,
		NEC_LOG_HERE,
	};

	nec_logger_write(&holder->log, &record, "Phase %s: %" PRIu64 ".%03" PRIu64 " s",
			 phase->name, phase->usec / 1000000, phase->usec / 1000 % 1000);
	send_message(holder, &message);
}

/* A launcher that is stopped (Ctrl-Z) reads nothing: what it must get shall find room. */
static bool has_room(int fd)
{
	int queued = 0;

	return ioctl(fd, SIOCOUTQ, &queued) == 0 && queued < PROGRESS_BYTES;
}

/*
 * Taking memory and loading do not run on the loop, so whoever wants the launch to end is looked
 * for here, ten times a second.
 */
static void on_progress(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	struct holder *holder = userdata;
	struct pollfd fds[] = {
		{ .fd = holder->launcher_fd, .events = POLLRDHUP },
		{ .fd = holder->signal_fd, .events = POLLIN },
	};
	const struct nec_launch_message message = {
		.kind = NEC_LAUNCH_PROGRESS,
		.progress = { .phase = (char *)phase, .done = done, .total = total },
	};

	if (poll(fds, ARRAY_SIZE(fds), 0) > 0)
		holder->cancel = 1;
	else if (has_room(holder->launcher_fd))
		send_message(holder, &message);
}

/* Both are there: the enclave runs and we know what to say of it. From here on it is ours alone. */
static void become_ready(struct holder *holder)
{
	const struct nec_launch_message ready = { .kind = NEC_LAUNCH_READY };
	nec_error err = NEC_ERROR_INIT;

	if (!holder->has_heartbeat || !holder->has_description || holder->state != HOLDER_BOOTING)
		return;
	nec_source_free(TAKE_PTR(holder->boot_timer));
	if (control_open(holder, &err) < 0) {
		fail(holder, &err);
		return;
	}
	holder->state = HOLDER_RUNNING;
	holder_log(holder, NEC_LOG_INFO, "The enclave is up");
	keep_record(holder);
	send_message(holder, &ready);
	close_launcher(holder);
}

static void on_heartbeat(void *userdata)
{
	struct nec_launch_phase phase = { .name = (char *)"heartbeat" };
	struct holder *holder = userdata;

	phase.usec = nec_loop_now() - holder->boot_began;
	on_phase(holder, &phase);
	holder->has_heartbeat = true;
	become_ready(holder);
}

/* Why the enclave ends, by its console; NULL when that does not tell. */
static const struct nec_end *end_told_by_console(struct holder *holder)
{
	const struct nec_end *told;

	if (!holder->console)
		return NULL;
	nec_console_drain(holder->console);
	told = nec_console_get_end(holder->console);
	return told->reason != NEC_END_UNKNOWN ? told : NULL;
}

/* What the console tells goes before what the backend has seen of it. */
static void explain_end(struct holder *holder, const struct nec_end *seen)
{
	const struct nec_end *told = end_told_by_console(holder);

	holder->end = told ? *told : *seen;
}

static void on_ended(void *userdata, const struct nec_end *end)
{
	struct holder *holder = userdata;
	nec_error err = NEC_ERROR_INIT;

	if (holder->state == HOLDER_TERMINATING)
		return;
	explain_end(holder, end);
	if (holder->state == HOLDER_RUNNING) {
		holder_log(holder, NEC_LOG_WARN, "The enclave ended by itself: %s",
			   holder->end.text);
		begin_end(holder);
		return;
	}
	(void)nec_error_set(&err, NEC_E_ENCLAVE_BOOT, -ECONNRESET,
			    "the enclave ended before it was up: %s", holder->end.text);
	fail(holder, &err);
}

static void on_boot_timeout(void *userdata, uint32_t events)
{
	struct holder *holder = userdata;
	const struct nec_end *told;
	nec_error err = NEC_ERROR_INIT;

	(void)events;
	if (holder->state != HOLDER_BOOTING)
		return;
	/* A kernel that has panicked lives on for half a minute, on a busy machine for longer. */
	told = end_told_by_console(holder);
	(void)nec_error_set(&err, NEC_E_ENCLAVE_BOOT, -ETIMEDOUT,
			    "the enclave sent no heartbeat within %" PRIu64 " s%s%s",
			    holder->request.boot_timeout_usec / 1000000,
			    told ? "; its console: " : "", told ? told->text : "");
	fail(holder, &err);
}

void holder_terminate(struct holder *holder, const char *why)
{
	if (holder->state == HOLDER_TERMINATING)
		return;
	nec_end_set(&holder->end, NEC_END_TERMINATED, 0, "it was terminated: %s", why);
	holder_log(holder, NEC_LOG_INFO, "The enclave is to end: %s", why);
	begin_end(holder);
}

/* Otherwise all that a launcher sees is an end of file. */
static void tell_why(struct holder *holder, const char *why)
{
	struct nec_launch_message message = { .kind = NEC_LAUNCH_FAILED };

	if (holder->state != HOLDER_BOOTING)
		return;
	(void)nec_error_set(&message.failed, NEC_E_ENCLAVE_BOOT, -ECANCELED,
			    "the enclave was told to end before it was up: %s", why);
	send_message(holder, &message);
}

static void on_signal(void *userdata, uint32_t events)
{
	struct holder *holder = userdata;
	struct signalfd_siginfo info;
	char why[64];

	(void)events;
	if (read(holder->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	(void)snprintf(why, sizeof(why), "its process got signal %" PRIu32, info.ssi_signo);
	tell_why(holder, why);
	holder_terminate(holder, why);
}

/* The launcher's only further message is the description; its end ends a launch that is not done.
 */
static void on_launcher(void *userdata, uint32_t events)
{
	struct holder *holder = userdata;
	struct nec_launch_message message = { 0 };
	int r = nec_frame_read(holder->launcher_reader, holder->launcher_fd, NULL);

	(void)events;
	if (r == 0)
		return;
	if (r > 0)
		r = nec_launch_message_decode(holder->launcher_reader->payload.data,
					      holder->launcher_reader->payload.size, &message,
					      NULL);
	if (r < 0 || message.kind != NEC_LAUNCH_DESCRIPTION || holder->has_description) {
		if (r == 0)
			nec_launch_message_free(&message);
		holder_terminate(holder, "its launch was given up");
		return;
	}
	nec_frame_next(holder->launcher_reader);
	holder->description = message.description;
	holder->has_description = true;
	become_ready(holder);
}

/* The first message, with the image's descriptor: read before the loop, there is nothing else to
 * do. */
static int receive_request(struct holder *holder, int *eif_fd, nec_error *err)
{
	struct nec_launch_message message = { 0 };
	uint8_t byte;
	int r;

	/* One byte carries the descriptor, the frame follows. */
	if (nec_recv_fd(holder->launcher_fd, &byte, 1, eif_fd, 0) != 1)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO, "the launcher sent nothing");
	if (*eif_fd < 0)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO, "the launcher sent no image");
	r = nec_frame_read(holder->launcher_reader, holder->launcher_fd, err);
	if (r > 0)
		r = nec_launch_message_decode(holder->launcher_reader->payload.data,
					      holder->launcher_reader->payload.size, &message, err);
	if (r < 0)
		return r;
	nec_frame_next(holder->launcher_reader);
	if (message.kind != NEC_LAUNCH_REQUEST) {
		nec_launch_message_free(&message);
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO, "the launcher sent no request");
	}
	holder->request = message.request;
	holder_log(holder, NEC_LOG_INFO, "Launching %s with %" PRIu64 " MiB%s",
		   message.request.name, message.request.memory_mib,
		   message.request.debug ? " in debug mode" : "");
	/* From here on a launcher that is slow, or stopped, holds nothing up. */
	return nec_socket_set_nonblocking(holder->launcher_fd);
}

static int watch_signals(struct holder *holder, nec_error *err)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	sigset_t signals;

	(void)sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		(void)sigaddset(&signals, ends[i]);
		/* A shell ignores some of them for what it runs behind it; we would never see them.
		 */
		(void)signal(ends[i], SIG_DFL);
	}
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	/* The descriptors that a machine gives us to signal it by are written to, not sent to. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* A limit for files, inherited from the launcher, is an error of a write like a full disk.
	 */
	(void)signal(SIGXFSZ, SIG_IGN);
	holder->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (holder->signal_fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot watch signals");
	return nec_loop_add_fd(holder->loop, holder->signal_fd, EPOLLIN, on_signal, holder,
			       &holder->signals, err);
}

static int start_backend(struct holder *holder, int eif_fd, nec_error *err)
{
	const struct nec_backend_events events = {
		.userdata = holder,
		.phase = on_phase,
		.notice = on_notice,
		.heartbeat = on_heartbeat,
		.ended = on_ended,
		.gone = on_gone,
	};
	const nec_context context = {
		.progress = on_progress,
		.progress_userdata = holder,
		.cancel = &holder->cancel,
	};
	cleanup_eif nec_eif *eif = NULL;
	int r = nec_eif_open_fd(NULL, eif_fd, "the image", &eif, err);

	if (r == 0)
		r = nec_eif_check_state(eif, &holder->request.image, err);
	if (r < 0)
		return r;
	r = holder->host->start_backend(holder->loop, &context, &holder->request, eif, &events,
					&holder->backend, err);
	if (r < 0)
		return r;
	holder->boot_began = nec_loop_now();
	holder->started = holder->backend->started;
	holder->started.pid = (uint64_t)getpid();
	holder->backend_name = holder->backend->ops->name;
	return 0;
}

static int open_console(struct holder *holder, nec_error *err)
{
	const char *dir = nec_state_dir(holder->request.sockets_dir);
	uint64_t slot = holder->started.slot_uid;
	bool debug = holder->request.debug;
	int fd = TAKE_FD(holder->backend->console_fd);
	int r;

	if (fd < 0)
		return 0;
	r = nec_path_socket(&holder->console_socket, err, "%s/" NEC_CONSOLE_DIR "/%" PRIx64 ".sock",
			    dir, slot);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	(void)snprintf(holder->console_log.text, sizeof(holder->console_log.text),
		       "%s/" NEC_CONSOLE_DIR, dir);
	nec_console_prune(holder->console_log.text, KEPT_RECORDINGS);
	(void)snprintf(holder->console_log.text, sizeof(holder->console_log.text),
		       "%s/" NEC_CONSOLE_DIR "/%" PRIx64 ".log", dir, slot);
	return nec_console_new(holder->loop, fd, debug ? holder->console_socket.text : NULL,
			       holder->console_log.text, holder->request.console_limit,
			       &holder->console, err);
}

static void tell_started(struct holder *holder)
{
	struct nec_launch_message message = { .kind = NEC_LAUNCH_STARTED };
	char id[128];

	message.started = holder->started;
	holder->started_at = (int64_t)time(NULL);
	nec_records_prune(holder->request.sockets_dir, KEPT_RECORDS);
	keep_record(holder);
	holder_enclave_id(holder, id, sizeof(id));
	nec_logger_set_enclave(&holder->log, id, holder->started.slot_uid, holder->started.cid);
	holder_log(holder, NEC_LOG_INFO,
		   "Started enclave %s (%s) with CID %" PRIu64 ", %" PRIu32 " CPUs and %" PRIu64
		   " MiB",
		   id, holder->request.name, holder->started.cid, holder->started.cpus.count,
		   holder->started.memory_mib);
	send_message(holder, &message);
}

static int launch(struct holder *holder, nec_error *err)
{
	int eif_fd = -1;
	int r = receive_request(holder, &eif_fd, err);

	if (r == 0)
		r = watch_signals(holder, err);
	if (r == 0)
		r = nec_sockets_dir_make(holder->request.sockets_dir, err);
	if (r == 0)
		r = nec_loop_add_fd(holder->loop, holder->launcher_fd, EPOLLIN, on_launcher, holder,
				    &holder->launcher, err);
	if (r == 0)
		r = start_backend(holder, eif_fd, err);
	/* It may have run the loop: a launcher that left meanwhile, or a signal, is not told again.
	 */
	if (r == 0 && holder->state != HOLDER_BOOTING)
		r = nec_error_set(err, NEC_E_CANCELLED, -ECANCELED, "interrupted");
	if (eif_fd >= 0)
		(void)close(eif_fd);
	if (r == 0)
		r = open_console(holder, err);
	if (r == 0)
		r = nec_loop_add_timer(holder->loop, holder->request.boot_timeout_usec,
				       on_boot_timeout, holder, &holder->boot_timer, err);
	if (r == 0)
		tell_started(holder);
	return r;
}

static void clean_up(struct holder *holder)
{
	bool had_enclave = holder->backend != NULL;

	nec_source_free(holder->boot_timer);
	nec_source_free(TAKE_PTR(holder->launcher));
	nec_backend_free(holder->backend);
	if (holder->console)
		nec_console_drain(holder->console);
	/* Only now it is true that the enclave has terminated. */
	if (had_enclave && !holder->kept)
		holder_log(holder, NEC_LOG_INFO,
			   "The enclave is gone, its memory and CPUs are given back");
	finish_record(holder);
	control_close(holder);
	nec_console_free(holder->console);
	nec_source_free(holder->signals);
	if (holder->signal_fd >= 0)
		(void)close(holder->signal_fd);
	nec_frame_reader_free(holder->launcher_reader);
	free(holder->request.name);
	free(holder->request.sockets_dir);
	free(holder->request.inject);
	free(holder->description.measurements);
	free(holder->description.image);
	close_launcher(holder);
	nec_loop_free(holder->loop);
	nec_logger_close(&holder->log);
}

int nec_holder_run(int launcher_fd, const struct nec_holder_host *host)
{
	struct nec_frame_reader reader = { .limit = NEC_LAUNCH_MAX_FRAME };
	struct holder holder = {
		.host = host,
		.launcher_fd = launcher_fd,
		.launcher_reader = &reader,
		.signal_fd = -1,
		.record = NEC_RECORD_INIT,
	};
	struct nec_log_places places;
	nec_error err = NEC_ERROR_INIT;
	int r = nec_loop_new(&holder.loop, &err);

	if (r < 0)
		return 1;
	nec_log_places_find(&places);
	/* Until its slot is known it has nitro-cli's name for that. */
	nec_logger_open(&holder.log, &places, "nec-holder", "enc-xxxxxxx");
	raise_descriptor_limit();
	r = launch(&holder, &err);
	/* What was cancelled for a signal's sake says so, as it would with the loop running. */
	if (r < 0 && holder.cancel)
		on_signal(&holder, 0);
	if (r < 0)
		fail(&holder, &err);
	/* It may have been told to end while there was nothing to end yet. */
	r = holder.gone ? 0 : nec_loop_run(holder.loop, NULL);
	clean_up(&holder);
	return r == 0 ? holder.exit_status : 1;
}
