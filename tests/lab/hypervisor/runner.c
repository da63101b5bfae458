/* SPDX-License-Identifier: Apache-2.0 */
/* Enclaves as processes: started, watched, ended. */
#include "runner.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/files.h"
#include "base/unix-socket.h"
#include "enclave/console.h"
#include "sim/boot.h"
#include "sim/vhost-user.h"
#include "switch.h"

/* What is kept of a console; of one that says more the newest. */
static const uint64_t console_bytes = UINT64_C(4) << 20;

struct enclave {
	struct lab_runner *runner;
	struct enclave *next;
	uint64_t slot_uid;
	uint64_t cid;
	bool in_switch;
	struct nec_vhost_user *vhost;
	struct nec_console *console;
	struct nec_machine machine;
	struct nec_source *machine_source;
	struct nec_source *stillborn; /* its machine was never started: the image is none */
	int log_fd;                   /* what QEMU says */
};

/* A machine that was told to end. A large one takes its time to die. */
struct corpse {
	struct lab_runner *runner;
	struct corpse *next;
	struct nec_machine machine;
	struct nec_source *source;
};

struct lab_runner {
	struct nec_loop *loop;
	char *dir;
	struct lab_runner_events events;
	struct lab_switch *lab_switch;
	enum nec_machine_accel accel;
	struct enclave *enclaves;
	struct corpse *corpses;
};

static struct enclave *find(const struct lab_runner *runner, uint64_t slot_uid)
{
	struct enclave *enclave = runner->enclaves;

	while (enclave && enclave->slot_uid != slot_uid)
		enclave = enclave->next;
	return enclave;
}

/* What goes wrong in an enclave is nobody's error: whoever looks after the lab may read it. */
__attribute__((format(printf, 2, 3))) static void say(const struct enclave *enclave,
						      const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "lab: enclave %016" PRIx64 " (CID %" PRIu64 "): ", enclave->slot_uid,
		      enclave->cid);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

/* ---- the end ---- */

static void free_corpse(struct corpse *corpse)
{
	struct corpse **link = &corpse->runner->corpses;

	while (*link != corpse)
		link = &(*link)->next;
	*link = corpse->next;
	nec_source_free(corpse->source);
	(void)nec_machine_end(&corpse->machine);
	free(corpse);
}

static void on_corpse(void *userdata, uint32_t events)
{
	(void)events;
	free_corpse(userdata);
}

/* Kills the machine; it is waited for in the loop, or here when that is not possible. */
static void kill_machine(struct lab_runner *runner, struct nec_machine *machine)
{
	struct corpse *corpse;

	if (machine->pid <= 0)
		return;
	(void)kill(machine->pid, SIGKILL);
	corpse = calloc(1, sizeof(*corpse));
	if (!corpse || nec_loop_add_fd(runner->loop, machine->pid_fd, EPOLLIN, on_corpse, corpse,
				       &corpse->source, NULL) < 0) {
		free(corpse);
		(void)nec_machine_end(machine);
		return;
	}
	corpse->runner = runner;
	corpse->machine = *machine;
	corpse->next = runner->corpses;
	runner->corpses = corpse;
	*machine = (struct nec_machine){ .pid_fd = -1 };
}

static void free_enclave(struct enclave *enclave)
{
	nec_source_free(enclave->stillborn);
	nec_source_free(enclave->machine_source);
	kill_machine(enclave->runner, &enclave->machine);
	nec_vhost_user_free(enclave->vhost);
	if (enclave->in_switch)
		lab_switch_remove(enclave->runner->lab_switch, enclave->cid);
	nec_console_free(enclave->console);
	if (enclave->log_fd >= 0)
		(void)close(enclave->log_fd);
	free(enclave);
}

static void say_qemus_words(const struct enclave *enclave)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	if (lseek(enclave->log_fd, 0, SEEK_SET) != 0 ||
	    nec_file_read_all_fd(enclave->log_fd, "QEMU's messages", 65536, &text, NULL) < 0 ||
	    text.size == 0)
		return;
	say(enclave, "QEMU: %s", nec_buffer_text(&text));
}

static void say_why(const struct enclave *enclave, int status)
{
	const struct nec_end *end = nec_console_get_end(enclave->console);

	say_qemus_words(enclave);
	if (end->reason != NEC_END_UNKNOWN)
		say(enclave, "ended: %s", end->text);
	else if (WIFSIGNALED(status))
		say(enclave, "ended: killed by signal %d", WTERMSIG(status));
	else
		say(enclave, "ended: status %d", WEXITSTATUS(status));
}

/* The console stays, for what it said last, until the slot is given back. */
static void on_machine_ended(void *userdata, uint32_t events)
{
	struct enclave *enclave = userdata;
	struct lab_runner *runner = enclave->runner;
	int status;

	(void)events;
	nec_source_free(TAKE_PTR(enclave->machine_source));
	status = nec_machine_end(&enclave->machine);
	nec_console_drain(enclave->console);
	say_why(enclave, status);
	nec_vhost_user_free(TAKE_PTR(enclave->vhost));
	runner->events.ended(runner->events.userdata, enclave->slot_uid);
}

static void on_stillborn(void *userdata, uint32_t events)
{
	struct enclave *enclave = userdata;
	struct lab_runner *runner = enclave->runner;

	(void)events;
	runner->events.ended(runner->events.userdata, enclave->slot_uid);
}

/* Mostly because the machine has ended, which its process tells. */
static void on_vhost_ended(void *userdata, const nec_error *err)
{
	struct enclave *enclave = userdata;

	if (!err || enclave->machine.pid <= 0)
		return;
	say(enclave, "its vsock device failed: %s", err->message);
	(void)kill(enclave->machine.pid, SIGKILL);
}

/* ---- the start ---- */

static int socket_pair(int pair[2], nec_error *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make a socket pair");
	return 0;
}

/* Returns QEMU's end of the vsock device. */
static int add_vsock(struct enclave *enclave, const char *console_path, nec_error *err)
{
	struct lab_runner *runner = enclave->runner;
	struct nec_vsock *vsock = NULL;
	int pair[2] = { -1, -1 };
	int r = lab_switch_add(runner->lab_switch, enclave->cid, console_path, &vsock, err);

	if (r < 0)
		return r;
	enclave->in_switch = true;
	r = socket_pair(pair, err);
	if (r < 0)
		return r;
	r = nec_vhost_user_new(runner->loop, pair[0], vsock, enclave->cid, on_vhost_ended, enclave,
			       &enclave->vhost, err);
	if (r == 0)
		return pair[1];
	(void)close(pair[0]);
	(void)close(pair[1]);
	return r;
}

/* Returns QEMU's end of the serial line. @path: its socket, NULL without debug mode. */
static int add_console(struct enclave *enclave, const char *path, nec_error *err)
{
	struct nec_path recording;
	int pair[2] = { -1, -1 };
	int r = nec_path_socket(&recording, err, "%s/console-%" PRIu64 ".log", enclave->runner->dir,
				enclave->cid);

	if (r == 0)
		r = socket_pair(pair, err);
	if (r < 0)
		return r;
	r = nec_console_new(enclave->runner->loop, pair[0], path, recording.text, console_bytes,
			    &enclave->console, err);
	/* It is open: without a name nothing is left of it, however we end. */
	(void)unlink(recording.text);
	if (r == 0)
		return pair[1];
	(void)close(pair[1]);
	return r;
}

static int boot(struct enclave *enclave, const struct lab_enclave_spec *spec,
		struct nec_machine_options *options, nec_error *err)
{
	int r;

	options->memory_mib = spec->memory_bytes >> 20;
	options->cpu_count = spec->vcpu_count;
	options->accel = enclave->runner->accel;
	options->log_fd = enclave->log_fd;
	nec_machine_choose_words(options);
	r = nec_machine_start(options, &enclave->machine, err);
	if (r < 0)
		return r;
	return nec_loop_add_fd(enclave->runner->loop, enclave->machine.pid_fd, EPOLLIN,
			       on_machine_ended, enclave, &enclave->machine_source, err);
}

static int start_machine(struct enclave *enclave, const struct lab_enclave_spec *spec,
			 struct nec_machine_options *options, nec_error *err)
{
	cleanup_close int vsock = -1;
	cleanup_close int console = -1;
	struct nec_path path;
	const char *console_path = spec->debug ? path.text : NULL;
	int r = nec_path_socket(&path, err, "%s/console-%" PRIu64 ".sock", enclave->runner->dir,
				enclave->cid);

	if (r == 0)
		r = vsock = add_vsock(enclave, console_path, err);
	if (r >= 0)
		r = console = add_console(enclave, console_path, err);
	if (r < 0)
		return r;
	options->vsock_fd = vsock;
	options->console_fd = console;
	return boot(enclave, spec, options, err);
}

/* What follows the image in the enclave's memory is no part of it; all else has to be right. */
static int check(const nec_eif *eif, nec_error *err)
{
	for (size_t i = 0; i < nec_eif_get_finding_count(eif); i++) {
		const struct nec_eif_finding *finding = nec_eif_get_finding(eif, i);

		if (finding->severity == NEC_SEVERITY_ERROR && finding->code != NEC_E_EIF_TRAILING)
			return nec_error_set(err, finding->code, -EBADMSG, "%s", finding->message);
	}
	if (nec_eif_get_arch(eif) != nec_arch_of_machine())
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EBADMSG, "the image is for %s",
				     nec_arch_name(nec_eif_get_arch(eif)));
	return 0;
}

/* What the enclave boots. -EBADMSG when this machine cannot boot it. */
static int load(const struct lab_enclave_spec *spec, struct nec_boot *to, nec_error *err)
{
	cleanup_eif nec_eif *eif = NULL;
	int r = nec_eif_open_fd(NULL, spec->eif_fd, "the image in the enclave's memory", &eif, err);

	if (r == 0)
		r = check(eif, err);
	return r < 0 ? r : nec_boot_load(eif, NULL, to, err);
}

/* The hardware takes any image and lets the enclave die. */
static int bear_dead(struct enclave *enclave, const nec_error *why, nec_error *err)
{
	say(enclave, "ended: %s", why->message);
	return nec_loop_add_timer(enclave->runner->loop, 0, on_stillborn, enclave,
				  &enclave->stillborn, err);
}

static int start(struct enclave *enclave, const struct lab_enclave_spec *spec, nec_error *err)
{
	struct nec_machine_options options = {
		.arch = nec_arch_of_machine(),
		.since = nec_machine_read_ticks(),
	};
	cleanup_boot struct nec_boot image = NEC_BOOT_INIT;
	nec_error why = NEC_ERROR_INIT;
	int r = load(spec, &image, &why);

	if (r == -EBADMSG)
		return bear_dead(enclave, &why, err);
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	r = enclave->log_fd = nec_file_temporary(err);
	if (r < 0)
		return r;
	nec_boot_set_options(&image, &options);
	return start_machine(enclave, spec, &options, err);
}

int lab_runner_start(struct lab_runner *runner, const struct lab_enclave_spec *spec, nec_error *err)
{
	struct enclave *enclave;
	int r;

	if (find(runner, spec->slot_uid))
		return nec_error_set(err, NEC_E_SYSTEM, -EEXIST,
				     "slot %016" PRIx64 " has an enclave already", spec->slot_uid);
	enclave = calloc(1, sizeof(*enclave));
	if (!enclave)
		return nec_error_no_memory(err);
	enclave->runner = runner;
	enclave->slot_uid = spec->slot_uid;
	enclave->cid = spec->cid;
	enclave->machine.pid_fd = -1;
	enclave->log_fd = -1;
	r = start(enclave, spec, err);
	if (r < 0) {
		free_enclave(enclave);
		return r;
	}
	enclave->next = runner->enclaves;
	runner->enclaves = enclave;
	return 0;
}

/* ---- life ---- */

void lab_runner_stop(struct lab_runner *runner, uint64_t slot_uid)
{
	struct enclave **link = &runner->enclaves;
	struct enclave *enclave;

	while (*link && (*link)->slot_uid != slot_uid)
		link = &(*link)->next;
	enclave = *link;
	if (!enclave)
		return;
	*link = enclave->next;
	free_enclave(enclave);
}

struct lab_switch *lab_runner_get_switch(struct lab_runner *runner)
{
	return runner->lab_switch;
}

void lab_runner_crash(struct lab_runner *runner, uint64_t slot_uid)
{
	const struct enclave *enclave = find(runner, slot_uid);

	if (enclave && enclave->machine.pid > 0)
		(void)kill(enclave->machine.pid, SIGKILL);
}

int lab_runner_new(struct nec_loop *loop, const char *dir, const struct lab_runner_events *events,
		   struct lab_runner **ret, nec_error *err)
{
	struct lab_runner *runner = calloc(1, sizeof(*runner));
	int r;

	if (!runner)
		return nec_error_no_memory(err);
	runner->loop = loop;
	runner->events = *events;
	runner->accel = nec_machine_probe(nec_arch_of_machine(), NULL);
	runner->dir = strdup(dir);
	r = runner->dir ? lab_switch_new(loop, dir, &runner->lab_switch, err)
			: nec_error_no_memory(err);
	if (r < 0) {
		lab_runner_free(runner);
		return r;
	}
	*ret = runner;
	return 0;
}

void lab_runner_free(struct lab_runner *runner)
{
	if (!runner)
		return;
	while (runner->enclaves)
		lab_runner_stop(runner, runner->enclaves->slot_uid);
	while (runner->corpses)
		free_corpse(runner->corpses);
	lab_switch_free(runner->lab_switch);
	free(runner->dir);
	free(runner);
}
