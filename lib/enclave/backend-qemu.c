/* SPDX-License-Identifier: Apache-2.0 */
/* An enclave in the simulation: a claim on its pool, a parent instance, a machine. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/background.h"
#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"
#include "enclave/backend.h"
#include "enclave/launch.h"
#include "enclave/paths.h"
#include "sim/boot.h"
#include "sim/inject.h"
#include "sim/machine.h"
#include "sim/parent.h"
#include "sim/pool.h"
#include "sim/vhost-user.h"

struct qemu {
	struct nec_backend base;
	struct nec_loop *loop;
	const nec_context *context; /* only while it is being started */
	struct nec_backend_events events;
	struct nec_sim_claim claim;
	struct nec_parent *parent;
	struct nec_vhost_user *vhost;
	struct nec_machine machine;
	struct nec_source *machine_source;
	struct nec_background *ending;
	int log_fd;       /* what QEMU says, in case it does not start */
	char broken[256]; /* why we ended the machine; "" when we did not */
	struct nec_sim_faults faults;
	struct nec_source *crash; /* when it is to happen */
	bool crashed;
	bool waited; /* until loading was slow enough */
};

static void free_qemu(struct nec_backend *backend)
{
	struct qemu *qemu = (struct qemu *)backend;

	nec_background_free(qemu->ending);
	nec_source_free(qemu->crash);
	nec_source_free(qemu->machine_source);
	(void)nec_machine_end(&qemu->machine);
	nec_vhost_user_free(qemu->vhost);
	nec_parent_free(qemu->parent);
	if (qemu->base.console_fd >= 0)
		(void)close(qemu->base.console_fd);
	if (qemu->log_fd >= 0)
		(void)close(qemu->log_fd);
	nec_sim_claim_release(&qemu->claim);
	free(qemu);
}

static void end_machine(void *userdata)
{
	struct qemu *qemu = userdata;

	(void)nec_machine_end(&qemu->machine);
}

static void on_gone(void *userdata)
{
	struct qemu *qemu = userdata;

	qemu->events.gone(qemu->events.userdata);
}

/* A large machine takes its time to die. */
static void end_qemu(struct nec_backend *backend)
{
	struct qemu *qemu = (struct qemu *)backend;

	nec_source_free(TAKE_PTR(qemu->crash));
	nec_source_free(TAKE_PTR(qemu->machine_source));
	if (nec_background_start(qemu->loop, end_machine, on_gone, qemu, &qemu->ending, NULL) < 0) {
		end_machine(qemu);
		on_gone(qemu);
	}
}

static const struct nec_backend_ops qemu_ops = {
	.name = "qemu",
	.end = end_qemu,
	.free = free_qemu,
};

static void on_heartbeat(void *userdata)
{
	struct qemu *qemu = userdata;

	if (qemu->faults.crash && qemu->crash)
		nec_source_set_timer(qemu->crash, qemu->faults.crash_usec);
	qemu->events.heartbeat(qemu->events.userdata);
}

/* The last line that QEMU wrote, which says why it did not go on; "" when it wrote none. */
static void last_words(const struct qemu *qemu, char *to, size_t size)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	char *line;

	to[0] = '\0';
	if (lseek(qemu->log_fd, 0, SEEK_SET) != 0 ||
	    nec_file_read_all_fd(qemu->log_fd, "QEMU's messages", 65536, &text, NULL) < 0 ||
	    text.size == 0)
		return;
	while (text.size > 0 && text.data[text.size - 1] == '\n')
		text.data[--text.size] = '\0';
	line = strrchr((char *)text.data, '\n');
	(void)snprintf(to, size, ": %s", line ? line + 1 : (char *)text.data);
}

/* What the vsock device refused of the guest's driver may explain the end. */
static void add_vsock_faults(const struct qemu *qemu, struct nec_end *end)
{
	struct nec_vsock_stats stats = nec_vsock_get_stats(nec_parent_get_vsock(qemu->parent));
	size_t length = strlen(end->text);

	if (stats.malformed > 0 || stats.broken > 0)
		(void)snprintf(end->text + length, sizeof(end->text) - length,
			       " (vsock: %" PRIu64 " packets that make no sense, %" PRIu64
			       " queues given up)",
			       stats.malformed, stats.broken);
}

static void on_machine_ended(void *userdata, uint32_t events)
{
	struct qemu *qemu = userdata;
	struct nec_end end;
	char words[256];
	int status;

	(void)events;
	nec_source_free(TAKE_PTR(qemu->machine_source));
	status = nec_machine_end(&qemu->machine);
	last_words(qemu, words, sizeof(words));
	if (qemu->crashed)
		nec_end_set(&end, NEC_END_UNKNOWN, 0, "%s", NEC_BACKEND_END_OF_DEVICE);
	else if (qemu->broken[0])
		nec_end_set(&end, NEC_END_FAILED, 0, "its vsock device failed: %s", qemu->broken);
	else if (WIFSIGNALED(status))
		nec_end_set(&end, NEC_END_KILLED, WTERMSIG(status),
			    "its machine was killed by signal %d%s", WTERMSIG(status), words);
	else if (WEXITSTATUS(status) != 0)
		nec_end_set(&end, NEC_END_FAILED, WEXITSTATUS(status),
			    "its machine failed with status %d%s", WEXITSTATUS(status), words);
	else
		nec_end_set(&end, NEC_END_STOPPED, 0, "its machine stopped");
	add_vsock_faults(qemu, &end);
	qemu->events.ended(qemu->events.userdata, &end);
}

/* The machine's end is noticed by its process; a broken protocol has to end the machine. */
static void on_vhost_ended(void *userdata, const nec_error *err)
{
	struct qemu *qemu = userdata;

	/* While it is being ended the machine is its thread's. */
	if (!err || qemu->ending || qemu->machine.pid <= 0)
		return;
	(void)snprintf(qemu->broken, sizeof(qemu->broken), "%.255s", err->message);
	(void)kill(qemu->machine.pid, SIGKILL);
}

/* ---- faults on demand ---- */

/* The machine's end is then noticed as any other. */
static void on_crash(void *userdata, uint32_t events)
{
	struct qemu *qemu = userdata;

	(void)events;
	qemu->crashed = true;
	if (qemu->machine.pid > 0)
		(void)kill(qemu->machine.pid, SIGKILL);
}

static int prepare_faults(struct qemu *qemu, nec_error *err)
{
	const struct nec_sim_faults *faults = &qemu->faults;
	const struct nec_parent_fault fault = {
		.missing = faults->heartbeat_missing,
		.wrong = faults->heartbeat_wrong,
		.late_usec = faults->heartbeat_late_usec,
	};
	int r = nec_parent_set_fault(qemu->parent, &fault, err);

	if (r < 0 || (!faults->crash && !faults->boot_crash))
		return r;
	return nec_loop_add_timer(qemu->loop, UINT64_MAX, on_crash, qemu, &qemu->crash, err);
}

/* The driver's answer to a call that the launch has come to, in the launch's own words. */
static int ask_driver(const struct qemu *qemu, const struct nec_launch_request *request,
		      enum nec_driver_call call, nec_error *err)
{
	const struct nec_launch_refusal refusal = {
		.call = call,
		.result = nec_sim_faults_answer(&qemu->faults, call),
		.request = request,
		.mapping = {
			.page_bytes = NEC_REGION_ALIGNMENT,
			.pages = qemu->claim.memory_mib * 1048576 / NEC_REGION_ALIGNMENT,
		},
	};

	return refusal.result < 0 ? nec_launch_refused(&refusal, err) : 0;
}

/* A node whose huge pages are all taken. */
static int take_no_memory(const struct nec_launch_request *request, nec_error *err)
{
	uint64_t bytes = nec_launch_memory_bytes(request);
	struct nec_hugepages row = {
		.page_bytes = NEC_REGION_ALIGNMENT,
		.total = bytes / NEC_REGION_ALIGNMENT,
	};
	const struct nec_hugepage_table table = { .rows = &row, .count = 1 };
	struct nec_memory_plan plan;

	return nec_memory_plan(&table, 0, bytes, &plan, err);
}

static void on_waited(void *userdata, uint32_t events)
{
	struct qemu *qemu = userdata;

	(void)events;
	qemu->waited = true;
	nec_loop_stop(qemu->loop, 0);
}

/* Runs the loop until loading has taken long enough, or whoever owns the loop has stopped it. */
static int load_slowly(struct qemu *qemu, nec_error *err)
{
	struct nec_source *timer = NULL;
	int r;

	if (!qemu->faults.slow_load)
		return 0;
	r = nec_loop_add_timer(qemu->loop, qemu->faults.slow_load_usec, on_waited, qemu, &timer,
			       err);
	if (r == 0)
		r = nec_loop_run(qemu->loop, err);
	nec_source_free(timer);
	if (r < 0 || qemu->waited)
		return r;
	return nec_error_set(err, NEC_E_CANCELLED, -ECANCELED, "interrupted");
}

/* ---- the machine ---- */

/* What a user may wonder about later, said once. */
static void tell(const struct qemu *qemu, const struct nec_machine_options *options)
{
	char text[256];

	if (!qemu->events.notice)
		return;
	if (options->accel == NEC_MACHINE_TCG)
		qemu->events.notice(qemu->events.userdata,
				    "Simulation without KVM: software emulation, which is slower "
				    "by an order of magnitude");
	if (!*options->words && !options->mmio_on_cmdline)
		return;
	(void)snprintf(text, sizeof(text),
		       "Simulation: added to the kernel's command line, unmeasured: %s%s%s",
		       options->words, *options->words && options->mmio_on_cmdline ? ", " : "",
		       options->mmio_on_cmdline ? "the virtio-mmio devices" : "");
	qemu->events.notice(qemu->events.userdata, text);
}

static void tell_phase(const struct qemu *qemu, const char *name, uint64_t begin, uint64_t bytes)
{
	const struct nec_launch_phase phase = {
		.name = (char *)name,
		.usec = nec_loop_now() - begin,
		.bytes = bytes,
	};

	qemu->events.phase(qemu->events.userdata, &phase);
}

static int start_machine(struct qemu *qemu, const struct nec_launch_request *request,
			 const nec_eif *eif, struct nec_machine_options *options, nec_error *err)
{
	cleanup_boot struct nec_boot boot = NEC_BOOT_INIT;
	struct nec_progress progress;
	uint64_t begin = nec_loop_now();
	int r;

	nec_progress_start(&progress, qemu->context, "loading", eif->layout.size_bytes);
	r = ask_driver(qemu, request, NEC_DRIVER_GET_IMAGE_LOAD_INFO, err);
	if (r == 0)
		r = load_slowly(qemu, err);
	if (r == 0)
		r = nec_boot_load(eif, &progress, &boot, err);
	if (r < 0)
		return r;
	tell_phase(qemu, "load", begin, boot.bytes);
	r = ask_driver(qemu, request, NEC_DRIVER_SET_MEMORY_REGION, err);
	if (r == 0)
		r = ask_driver(qemu, request, NEC_DRIVER_START, err);
	if (r < 0)
		return r;
	begin = nec_loop_now();
	nec_boot_set_options(&boot, options);
	options->log_fd = qemu->log_fd;
	nec_machine_choose_words(options);
	tell(qemu, options);
	options->paused = qemu->faults.boot_hang || qemu->faults.boot_crash;
	r = nec_machine_start(options, &qemu->machine, err);
	if (r == 0 && qemu->faults.boot_crash)
		nec_source_set_timer(qemu->crash, 0);
	if (r == 0)
		r = nec_loop_add_fd(qemu->loop, qemu->machine.pid_fd, EPOLLIN, on_machine_ended,
				    qemu, &qemu->machine_source, err);
	tell_phase(qemu, "start", begin, 0);
	return r;
}

static int socket_pair(int pair[2], nec_error *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make a socket pair");
	return 0;
}

static int connect_devices(struct qemu *qemu, const struct nec_launch_request *request,
			   const nec_eif *eif, const char *dir, nec_error *err)
{
	struct nec_machine_options options = {
		.arch = nec_eif_get_arch(eif),
		.memory_mib = qemu->claim.memory_mib,
		.cpu_count = qemu->claim.cpu_count,
		.since = nec_machine_read_ticks(),
	};
	struct nec_path cache;
	int vsock[2] = { -1, -1 };
	int console[2] = { -1, -1 };
	int r;

	r = nec_path_socket(&cache, err, "%s/kvm", dir);
	if (r == 0)
		r = socket_pair(vsock, err);
	if (r < 0)
		return r;
	options.accel = nec_machine_probe(options.arch, cache.text);
	r = nec_vhost_user_new(qemu->loop, vsock[0], nec_parent_get_vsock(qemu->parent),
			       qemu->claim.cid, on_vhost_ended, qemu, &qemu->vhost, err);
	if (r < 0)
		(void)close(vsock[0]);
	if (r == 0)
		r = socket_pair(console, err);
	if (r == 0) {
		qemu->base.console_fd = console[0];
		options.vsock_fd = vsock[1];
		options.console_fd = console[1];
		r = start_machine(qemu, request, eif, &options, err);
		(void)close(console[1]);
	}
	(void)close(vsock[1]);
	return r;
}

static int take_claim(struct qemu *qemu, const struct nec_launch_request *request, const char *dir,
		      nec_error *err)
{
	const struct nec_sim_wish wish = {
		.cid = request->cid,
		.memory_mib = request->memory_mib,
		.cpu_count = (uint32_t)request->cpu_count,
		.cpus = request->cpus.ids,
		.cpus_size = request->cpus.count,
	};
	uint64_t begin = nec_loop_now();
	int r = ask_driver(qemu, request, NEC_DRIVER_OPEN, err);

	if (r == 0)
		r = ask_driver(qemu, request, NEC_DRIVER_CREATE_VM, err);
	if (r == 0)
		r = nec_sim_claim_take(dir, &wish, &qemu->claim, err);
	if (r == 0)
		r = ask_driver(qemu, request, NEC_DRIVER_ADD_VCPU, err);
	if (r == 0 && qemu->faults.no_memory)
		r = take_no_memory(request, err);
	if (r < 0)
		return r;
	qemu->base.started.slot_uid = qemu->claim.slot_uid;
	qemu->base.started.cid = qemu->claim.cid;
	qemu->base.started.memory_mib = qemu->claim.memory_mib;
	qemu->base.started.cpus.count = qemu->claim.cpu_count;
	memcpy(qemu->base.started.cpus.ids, qemu->claim.cpus, sizeof(qemu->claim.cpus));
	tell_phase(qemu, "memory", begin, qemu->claim.memory_mib << 20);
	return 0;
}

int nec_backend_qemu_start(struct nec_loop *loop, const nec_context *context,
			   const struct nec_launch_request *request, const nec_eif *eif,
			   const struct nec_backend_events *events, struct nec_backend **ret,
			   nec_error *err)
{
	struct qemu *qemu = calloc(1, sizeof(*qemu));
	struct nec_path dir;
	int r;

	if (!qemu)
		return nec_error_no_memory(err);
	*qemu = (struct qemu){
		.base = { .ops = &qemu_ops, .console_fd = -1 },
		.loop = loop,
		.context = context,
		.events = *events,
		.claim = NEC_SIM_CLAIM_INIT,
		.machine = { .pid_fd = -1 },
		.log_fd = -1,
	};
	r = nec_sim_faults_parse(request->inject, &qemu->faults, err);
	if (r == 0)
		r = nec_path_socket(&dir, err, "%s/" NEC_SIM_DIR,
				    nec_state_dir(request->sockets_dir));
	if (r == 0)
		r = qemu->log_fd = nec_file_temporary(err);
	if (r >= 0)
		r = take_claim(qemu, request, dir.text, err);
	if (r == 0)
		r = nec_parent_new(loop, dir.text, qemu->claim.cid, on_heartbeat, qemu,
				   &qemu->parent, err);
	if (r == 0)
		r = prepare_faults(qemu, err);
	if (r == 0)
		r = connect_devices(qemu, request, eif, dir.text, err);
	if (r < 0) {
		free_qemu(&qemu->base);
		return r;
	}
	qemu->context = NULL;
	*ret = &qemu->base;
	return 0;
}
