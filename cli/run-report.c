/* SPDX-License-Identifier: Apache-2.0 */
/* run-enclave's words. */
#include "run-report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "output.h"

/* A step's name on stderr and in the JSON. */
static const struct {
	const char *name;
	const char *key;
} steps[] = {
	{ "check", "Check" },   { "measure", "Measure" }, { "create", "Create" },
	{ "cpus", "CPUs" },     { "memory", "Memory" },   { "load", "Load" },
	{ "donate", "Donate" }, { "start", "Start" },     { "heartbeat", "Heartbeat" },
	{ "total", "Total" },
};
_Static_assert(ARRAY_SIZE(steps) <= RUN_PHASES_MAX, "there is room for each");

/* What takes less is no news. */
enum { QUIET_SECONDS = 3 };

static void on_checked(void *userdata)
{
	(void)userdata;
	cli_progress_clear();
	(void)fprintf(stderr, "Start allocating memory...\n");
}

static void on_started(void *userdata, const struct nec_launch_started *started)
{
	(void)userdata;
	cli_progress_clear();
	(void)fprintf(stderr,
		      "Started enclave with enclave-cid: %" PRIu64 ", memory: %" PRIu64
		      " MiB, cpu-ids: [",
		      started->cid, started->memory_mib);
	for (uint32_t i = 0; i < started->cpus.count; i++)
		(void)fprintf(stderr, "%s%" PRIu32, i > 0 ? ", " : "", started->cpus.ids[i]);
	(void)fprintf(stderr, "]\n");
}

static void on_notice(void *userdata, const char *text)
{
	(void)userdata;
	cli_progress_clear();
	(void)fprintf(stderr, "%s\n", text);
}

static void on_waiting(void *userdata, uint64_t usec, uint64_t timeout_usec)
{
	struct run_report *report = userdata;
	uint64_t seconds = usec / 1000000;
	char text[80];

	/* Most are up before a second is over: nothing flickers. */
	if (seconds == report->waited_seconds)
		return;
	report->waited_seconds = seconds;
	(void)snprintf(text, sizeof(text),
		       "waiting for the enclave's heartbeat: %" PRIu64 " s of %" PRIu64, seconds,
		       timeout_usec / 1000000);
	cli_progress_text(text);
}

static void on_quiet(void *userdata, uint64_t usec, bool ending)
{
	struct run_report *report = userdata;
	uint64_t seconds = usec / 1000000;
	char text[96];

	if (report->simulated || seconds < QUIET_SECONDS || seconds == report->waited_seconds)
		return;
	report->waited_seconds = seconds;
	(void)snprintf(text, sizeof(text),
		       "%s for %" PRIu64 " s: the device may take 120 s for an answer",
		       ending ? "giving everything back" : "no progress", seconds);
	cli_progress_text(text);
}

static void print_phase(const struct nec_launch_phase *phase)
{
	cli_progress_clear();
	(void)fprintf(stderr, "%-10s %8.3f s", phase->name, (double)phase->usec / 1e6);
	if (phase->bytes > 0)
		(void)fprintf(stderr, "  %" PRIu64 " MiB", phase->bytes >> 20);
	if (phase->bytes > 0 && phase->usec > 0)
		(void)fprintf(stderr, "  %.2f GB/s",
			      (double)phase->bytes / (double)phase->usec / 1000);
	if (phase->pages > 0)
		(void)fprintf(stderr, "  %" PRIu64 " huge pages", phase->pages);
	if (phase->calls > 0)
		(void)fprintf(stderr, " in %" PRIu64 " call%s", phase->calls,
			      phase->calls == 1 ? "" : "s");
	(void)fprintf(stderr, "\n");
}

static void on_phase(void *userdata, const struct nec_launch_phase *phase)
{
	struct run_report *report = userdata;

	if (!report->timings)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (strcmp(phase->name, steps[i].name) == 0 &&
		    report->phase_count < RUN_PHASES_MAX) {
			struct nec_launch_phase *kept = &report->phases[report->phase_count++];

			*kept = *phase;
			kept->name = (char *)steps[i].key;
		}
	print_phase(phase);
}

struct nec_run_callbacks run_report_callbacks(struct run_report *report)
{
	return (struct nec_run_callbacks){
		.userdata = report,
		.checked = on_checked,
		.started = on_started,
		.phase = on_phase,
		.notice = on_notice,
		.waiting = on_waiting,
		.quiet = on_quiet,
	};
}

static bool add_phase(cJSON *timings, const struct nec_launch_phase *phase)
{
	cJSON *object = nec_json_object();
	bool good = nec_json_add_u64(object, "Microseconds", phase->usec);

	if (phase->bytes > 0)
		good = good && nec_json_add_u64(object, "Bytes", phase->bytes);
	if (phase->pages > 0)
		good = good && nec_json_add_u64(object, "HugePages", phase->pages);
	if (phase->calls > 0)
		good = good && nec_json_add_u64(object, "Calls", phase->calls);
	return nec_json_add(timings, phase->name, object) && good;
}

static bool add_timings(cJSON *tree, const struct run_report *report)
{
	cJSON *timings = nec_json_object();
	bool good = true;

	for (size_t i = 0; i < report->phase_count; i++)
		good = good && add_phase(timings, &report->phases[i]);
	return nec_json_add(tree, "Timings", timings) && good;
}

int run_report_print(const struct cli *cli, const struct run_report *report,
		     const struct nec_run_result *result)
{
	cleanup_json cJSON *tree = nec_run_result_json(result, report->simulated);
	bool good = tree && (!report->timings || add_timings(tree, report));

	return cli_print_json(cli, good ? tree : NULL);
}
