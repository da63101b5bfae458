/* SPDX-License-Identifier: Apache-2.0 */
/* From run-enclave's options to a launch. */
#include "run-options.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "enclave-options.h"
#include "inject.h"
#include "values.h"

/* Of the console, what is kept for later. */
static const uint64_t console_limit = 1 << 20;

const uint32_t run_pcr_numbers[NEC_PCR_PINS_MAX] = { 0, 1, 2, 8 };

static int parse_cid(const char *text, uint64_t *ret, nec_error *err)
{
	int r = cli_parse_u64("enclave-cid", text, ret, err);

	if (r < 0)
		return r;
	if (*ret == 0) {
		(void)fprintf(stderr,
			      "The enclave CID will be auto-generated as the provided CID is 0\n");
		return 0;
	}
	return cli_check_cid("--enclave-cid", *ret, err);
}

static int parse_cpu_ids(const struct cli_list *list, struct nec_cpu_ids *ret, nec_error *err)
{
	if (list->count > NEC_LAUNCH_MAX_CPUS)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "--cpu-ids has %zu CPUs, %d are the most", list->count,
				     NEC_LAUNCH_MAX_CPUS);
	for (size_t i = 0; i < list->count; i++) {
		int r = cli_parse_u32("cpu-ids", list->items[i], &ret->ids[i], err);

		if (r < 0)
			return r;
		ret->count++;
	}
	return 0;
}

static int parse_boot_timeout(const char *text, uint64_t *ret_usec, nec_error *err)
{
	uint32_t seconds = 0;
	int r = text ? cli_parse_u32("boot-timeout", text, &seconds, err) : 0;

	*ret_usec = (uint64_t)seconds * 1000000;
	return r;
}

static int parse_pcrs(const struct run_options *options, struct nec_pcr_pins *pins, nec_error *err)
{
	for (size_t i = 0; i < NEC_PCR_PINS_MAX; i++) {
		struct nec_pcr_pin *pin = &pins->pins[pins->count];

		if (!options->pcrs[i])
			continue;
		if (!nec_hex_decode(options->pcrs[i], pin->value, sizeof(pin->value)))
			return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
					     "--require-pcr%u: '%s' is not a register of %d hex "
					     "digits",
					     run_pcr_numbers[i], options->pcrs[i],
					     2 * NEC_PCR_SIZE);
		pin->number = run_pcr_numbers[i];
		pins->count++;
	}
	return 0;
}

/* What nitro-cli has options for. */
static int take_options(const struct run_options *options, struct run_wish *wish, nec_error *err)
{
	struct nec_launch_request *request = &wish->request;
	uint32_t count = 0;
	int r = 0;

	if (options->cpu_count)
		r = cli_parse_u32("cpu-count", options->cpu_count, &count, err);
	if (r == 0 && options->cid)
		r = parse_cid(options->cid, &request->cid, err);
	if (r == 0)
		r = cli_parse_memory("memory", options->memory, &request->memory_mib, err);
	if (r == 0)
		r = parse_cpu_ids(&options->cpu_ids, &request->cpus, err);
	request->cpu_count = count;
	request->debug = options->debug;
	request->name = (char *)options->name;
	wish->eif_path = options->eif_path;
	return r;
}

static void take_config(struct run_wish *wish)
{
	const struct run_config *config = &wish->config;
	struct nec_launch_request *request = &wish->request;

	request->cpu_count = config->cpu_count;
	request->cpus = config->cpus;
	request->cid = config->cid;
	request->memory_mib = config->memory_mib;
	request->debug = config->debug;
	request->name = config->name;
	wish->eif_path = config->eif_path;
	wish->attach_console = config->attach_console;
}

int run_wish_read(const struct run_options *options, struct run_wish *wish, int *ret_number,
		  nec_error *err)
{
	struct nec_launch_request *request = &wish->request;
	enum nec_backend_kind backend = NEC_BACKEND_NITRO;
	int r;

	*ret_number = 0;
	if (options->config)
		r = run_config_read(options->config, &wish->config, ret_number, err);
	else
		r = take_options(options, wish, err);
	if (r == 0 && options->config)
		take_config(wish);
	if (r == 0)
		r = cli_backend(options->backend, &backend, err);
	if (r == 0)
		r = parse_boot_timeout(options->boot_timeout, &request->boot_timeout_usec, err);
	if (r == 0)
		r = parse_pcrs(options, &wish->pins, err);
	if (r == 0)
		r = cli_inject(&options->inject, backend == NEC_BACKEND_QEMU, &wish->faults, err);
	wish->attach_console |= options->attach_console;
	request->debug |= wish->attach_console;
	request->backend = backend;
	request->inject = (char *)nec_buffer_text(&wish->faults);
	request->console_limit = console_limit;
	return r;
}

void run_wish_clear(struct run_wish *wish)
{
	run_config_clear(&wish->config);
	nec_buffer_free(&wish->faults);
}
