/* SPDX-License-Identifier: Apache-2.0 */
/* An enclave on the device: launched by the driver, heard by vsock, ended by closing its fd. */
#include <inttypes.h>
#include <string.h>

#include "base/background.h"
#include "base/error.h"
#include "enclave/backend.h"
#include "enclave/heartbeat.h"
#include "enclave/launch.h"

/* As nitro-cli has it. */
enum { CONSOLE_TIMEOUT_USEC = 20000000 };

struct nitro {
	struct nec_backend base;
	struct nec_loop *loop;
	struct nec_backend_events events;
	struct nec_device device;
	struct nec_launch launch;
	struct nec_heartbeat *heartbeat;
	struct nec_source *hangup;
	struct nec_background *ending;
	bool ready;     /* somebody listens for the heartbeat */
	bool timed_out; /* before that */
};

static void free_nitro(struct nec_backend *backend)
{
	struct nitro *nitro = (struct nitro *)backend;

	nec_background_free(nitro->ending);
	nec_heartbeat_free(nitro->heartbeat);
	nec_source_free(nitro->hangup);
	if (nitro->base.console_fd >= 0)
		(void)close(nitro->base.console_fd);
	nec_launch_end(&nitro->launch);
	nec_device_close(&nitro->device);
	free(nitro);
}

static void end_launch(void *userdata)
{
	struct nitro *nitro = userdata;

	nec_launch_end(&nitro->launch);
	nitro->base.kept = nitro->launch.kept;
}

static void on_gone(void *userdata)
{
	struct nitro *nitro = userdata;

	nitro->events.gone(nitro->events.userdata);
}

/* The driver may take minutes to close an enclave. */
static void end_nitro(struct nec_backend *backend)
{
	struct nitro *nitro = (struct nitro *)backend;

	nec_heartbeat_free(TAKE_PTR(nitro->heartbeat));
	nec_source_free(TAKE_PTR(nitro->hangup));
	if (nec_background_start(nitro->loop, end_launch, on_gone, nitro, &nitro->ending, NULL) <
	    0) {
		end_launch(nitro);
		on_gone(nitro);
	}
}

/* No name: describe says nothing of a backend, as nitro-cli's does. */
static const struct nec_backend_ops nitro_ops = { .end = end_nitro, .free = free_nitro };

static void on_end(void *userdata, uint32_t events)
{
	struct nitro *nitro = userdata;
	struct nec_end end;

	(void)events;
	/* It would be reported for ever. */
	nec_source_free(TAKE_PTR(nitro->hangup));
	nec_end_set(&end, NEC_END_UNKNOWN, 0, "%s", NEC_BACKEND_END_OF_DEVICE);
	nitro->events.ended(nitro->events.userdata, &end);
}

static void on_ready(void *userdata)
{
	struct nitro *nitro = userdata;

	nitro->ready = true;
	nec_loop_stop(nitro->loop, 0);
}

static void on_beat(void *userdata)
{
	struct nitro *nitro = userdata;

	nitro->events.heartbeat(nitro->events.userdata);
}

static void on_port_timeout(void *userdata, uint32_t events)
{
	struct nitro *nitro = userdata;

	(void)events;
	nitro->timed_out = true;
	nec_loop_stop(nitro->loop, 0);
}

/* Runs the loop until the heartbeat can be heard, or whoever owns the loop has stopped it. */
static int wait_for_port(struct nitro *nitro, uint64_t timeout_usec, nec_error *err)
{
	struct nec_source *timer = NULL;
	int r;

	if (nitro->ready)
		return 0;
	r = nec_loop_add_timer(nitro->loop, timeout_usec, on_port_timeout, nitro, &timer, err);
	if (r >= 0)
		r = nec_loop_run(nitro->loop, err);
	nec_source_free(timer);
	if (r < 0 || nitro->ready)
		return r;
	if (!nitro->timed_out)
		return nec_error_set(err, NEC_E_CANCELLED, -ECANCELED, "interrupted");
	return nec_error_set(err, NEC_E_ENCLAVE_BOOT, -EADDRINUSE,
			     "another program listens for heartbeats at vsock port %u and did not "
			     "stop within %" PRIu64 " s",
			     NEC_PORT_HEARTBEAT, timeout_usec / 1000000);
}

static int listen_for_heartbeat(struct nitro *nitro, const struct nec_launch_request *request,
				nec_error *err)
{
	const struct nec_heartbeat_events events = {
		.userdata = nitro,
		.ready = on_ready,
		.beat = on_beat,
	};
	int r = nec_heartbeat_new(nitro->loop, &nitro->device, request->sockets_dir, &events,
				  &nitro->heartbeat, err);

	return r < 0 ? r : wait_for_port(nitro, request->boot_timeout_usec, err);
}

static uint64_t count_pages(const struct nec_memory *memory)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < memory->count; i++)
		pages += memory->mappings[i].pages;
	return pages;
}

static void tell_phases(const struct nitro *nitro, uint64_t image_bytes)
{
	const struct nec_launch_times *times = &nitro->launch.times;
	const struct nec_memory *memory = &nitro->launch.memory;
	const uint64_t pages = count_pages(memory);
	const struct nec_launch_phase phases[] = {
		{ .name = (char *)"create", .usec = times->create_usec },
		{ .name = (char *)"cpus", .usec = times->cpus_usec },
		{ .name = (char *)"memory",
		  .usec = times->memory_usec,
		  .bytes = memory->bytes,
		  .pages = pages },
		{ .name = (char *)"load", .usec = times->load_usec, .bytes = image_bytes },
		{ .name = (char *)"donate",
		  .usec = times->donate_usec,
		  .bytes = memory->bytes,
		  .pages = pages,
		  .calls = memory->count },
	};

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		nitro->events.phase(nitro->events.userdata, &phases[i]);
}

static int prepare(struct nitro *nitro, const nec_context *context,
		   const struct nec_launch_request *request, const nec_eif *eif, nec_error *err)
{
	cleanup_host struct nec_host *host = NULL;
	int r = nec_host_take(&nitro->device, &host, err);

	if (r >= 0)
		r = nec_cpu_pool_check(&host->pool, err);
	if (r >= 0)
		r = nec_launch_prepare(&nitro->device, context, nec_launch_node(host, request),
				       request, eif, &nitro->launch, err);
	if (r >= 0)
		tell_phases(nitro, eif->layout.size_bytes);
	return r;
}

/* The enclave runs without one, too: it is only its debugging that suffers. */
static void connect_console(struct nitro *nitro)
{
	uint32_t port = NEC_PORT_CONSOLE((uint32_t)nitro->launch.cid);
	int fd = nitro->device.ops->vsock_connect(&nitro->device, NEC_CID_HYPERVISOR, port,
						  CONSOLE_TIMEOUT_USEC);

	if (fd >= 0)
		nitro->base.console_fd = fd;
}

static int start(struct nitro *nitro, const struct nec_launch_request *request, nec_error *err)
{
	struct nec_launch_phase phase = { .name = (char *)"start" };
	int r = nec_launch_start(&nitro->launch, request, err);

	if (r < 0)
		return r;
	phase.usec = nitro->launch.times.start_usec;
	nitro->events.phase(nitro->events.userdata, &phase);
	nec_heartbeat_expect(nitro->heartbeat, (uint32_t)nitro->launch.cid);
	/* Whatever is asked for, hang-up is all that this fd ever reports. */
	r = nec_loop_add_fd(nitro->loop, nitro->launch.enclave_fd, 0, on_end, nitro, &nitro->hangup,
			    err);
	if (r >= 0 && request->debug)
		connect_console(nitro);
	return r;
}

static void fill_started(struct nitro *nitro)
{
	nitro->base.started.slot_uid = nitro->launch.slot_uid;
	nitro->base.started.cid = nitro->launch.cid;
	nitro->base.started.memory_mib = nitro->launch.memory.bytes >> 20;
	nitro->base.started.cpus = nitro->launch.cpus;
}

int nec_backend_nitro_start(struct nec_loop *loop, const nec_context *context,
			    const struct nec_launch_request *request, const nec_eif *eif,
			    const struct nec_backend_events *events, struct nec_backend **ret,
			    nec_error *err)
{
	struct nitro *nitro = calloc(1, sizeof(*nitro));
	int r;

	if (!nitro)
		return nec_error_no_memory(err);
	*nitro = (struct nitro){
		.base = { .ops = &nitro_ops, .console_fd = -1 },
		.loop = loop,
		.events = *events,
		.device = NEC_DEVICE_INIT,
		.launch = NEC_LAUNCH_INIT,
	};
	r = nec_device_open(context, &nitro->device, err);
	if (r >= 0)
		r = prepare(nitro, context, request, eif, err);
	if (r >= 0)
		r = listen_for_heartbeat(nitro, request, err);
	if (r >= 0)
		r = start(nitro, request, err);
	if (r < 0) {
		end_launch(nitro);
		if (nitro->base.kept && events->notice)
			events->notice(events->userdata, NEC_BACKEND_KEPT);
		free_nitro(&nitro->base);
		return r;
	}
	fill_started(nitro);
	*ret = &nitro->base;
	return 0;
}
