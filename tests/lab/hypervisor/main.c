/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab-hypervisor: the hypervisor of a parent instance that is a virtual machine of ours. It serves
 * below its folder ne.sock (the device, vfio-user), control, and what runner.h says. docs/lab.md.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "control.h"
#include "server.h"

enum { EXIT_USAGE = 2 };

struct options {
	const char *dir;
	struct lab_config config;
};

struct lab {
	struct nec_loop *loop;
	struct lab_dma *dma;
	struct lab_hypervisor *hypervisor;
	struct lab_runner *runner;
	struct lab_ne_device *device;
	struct lab_server *server;
	struct lab_control *control;
	int signal_fd;
	struct nec_source *signal;
};

static const char usage[] =
	"usage: lab-hypervisor --dir DIR [--cpus N] [--threads N] [--regions N]\n"
	"\n"
	"  --dir DIR      an existing folder, for ne.sock, vsock.sock, 3.vsock and control\n"
	"  --cpus N       CPUs of the parent VM (default 4)\n"
	"  --threads N    threads of each of its cores (default 2)\n"
	"  --regions N    memory regions that a slot may have (default 1024)\n";

/* ---- options ---- */

static bool parse_number(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool take_option(struct options *options, int option, const char *value)
{
	switch (option) {
	case 'd':
		options->dir = value;
		return true;
	case 'c':
		return parse_number(value, &options->config.vcpu_count);
	case 't':
		return parse_number(value, &options->config.threads);
	case 'r':
		return parse_number(value, &options->config.max_regions);
	default:
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct options *options)
{
	static const struct option rows[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "threads", required_argument, NULL, 't' },
		{ "regions", required_argument, NULL, 'r' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", rows, NULL)) >= 0)
		if (!take_option(options, option, optarg))
			return false;
	return optind == argc && options->dir;
}

/* ---- parts ---- */

static void on_signal(void *userdata, uint32_t events)
{
	(void)events;
	nec_loop_stop(userdata, 0);
}

static int watch_signals(struct lab *lab, nec_error *err)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	/* The descriptors that a machine gives us to signal it by are written to, not sent to. */
	(void)signal(SIGPIPE, SIG_IGN);
	lab->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (lab->signal_fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot watch signals");
	return nec_loop_add_fd(lab->loop, lab->signal_fd, EPOLLIN, on_signal, lab->loop,
			       &lab->signal, err);
}

static int make_hypervisor(struct lab *lab, const struct options *options, nec_error *err)
{
	int r;

	lab->dma = lab_dma_new();
	if (!lab->dma)
		return nec_error_no_memory(err);
	r = lab_hypervisor_new(lab->dma, &options->config, &lab->hypervisor, err);
	if (r < 0)
		return r;
	r = lab_hypervisor_equip(lab->hypervisor, lab->loop, options->dir, err);
	lab->runner = lab->hypervisor->runner;
	lab->device = lab->hypervisor->device;
	return r;
}

/* The device's socket is the last one: who sees it finds the others there. */
static int listen_at(struct lab *lab, const char *dir, nec_error *err)
{
	struct nec_path control;
	struct nec_path device;
	int r;

	r = nec_path_socket(&control, err, "%s/control", dir);
	if (r >= 0)
		r = nec_path_socket(&device, err, "%s/ne.sock", dir);
	if (r >= 0)
		r = lab_control_new(lab->loop, control.text, lab->hypervisor, &lab->control, err);
	if (r >= 0)
		r = lab_server_new(lab->loop, device.text, lab->dma, lab->device, &lab->server,
				   err);
	return r;
}

/* Two for each vsock connection: as many as this machine lets us have. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct lab *lab, const struct options *options, nec_error *err)
{
	int r;

	allow_descriptors();
	r = nec_loop_new(&lab->loop, err);
	if (r >= 0)
		r = watch_signals(lab, err);
	if (r >= 0)
		r = make_hypervisor(lab, options, err);
	return r < 0 ? r : listen_at(lab, options->dir, err);
}

/* The device goes before what it has to do with; slots end before the machines that run them. */
static void stop(struct lab *lab)
{
	lab_control_free(lab->control);
	lab_server_free(lab->server);
	lab_ne_device_free(lab->device);
	lab_hypervisor_free(lab->hypervisor);
	lab_runner_free(lab->runner);
	lab_dma_free(lab->dma);
	nec_source_free(lab->signal);
	if (lab->signal_fd >= 0)
		(void)close(lab->signal_fd);
	if (lab->loop)
		nec_loop_free(lab->loop);
}

int main(int argc, char **argv)
{
	struct options options = {
		.config = { .vcpu_count = 4, .threads = 2, .max_regions = 1024 },
	};
	struct lab lab = { .signal_fd = -1 };
	nec_error err = NEC_ERROR_INIT;
	int r;

	if (!parse_options(argc, argv, &options)) {
		(void)fputs(usage, stderr);
		return EXIT_USAGE;
	}
	r = start(&lab, &options, &err);
	if (r >= 0)
		r = nec_loop_run(lab.loop, &err);
	if (r < 0)
		(void)fprintf(stderr, "lab-hypervisor: %s\n", err.message);
	stop(&lab);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
