/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring for a launch. */
#include "enclave/run-measure.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/loop.h"
#include "image/describe.h"

/* Two ticks of the slowest clock (100 Hz) that file systems take their times from. */
enum { TICKS_NSEC = 20000000 };

bool nec_run_measures_first(const nec_eif *eif, const struct nec_pcr_pins *pins)
{
	return pins->count > 0 || nec_eif_find_section(eif, NEC_EIF_SIGNATURE);
}

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

static int fill(struct nec_launch_description *ret, const struct nec_eif_description *description,
		const uint8_t *pcr8, nec_error *err)
{
	cleanup_json cJSON *measurements = nec_measurements_json(&description->measurements, pcr8);
	cleanup_json cJSON *image = image_json(&description->metadata);

	ret->measurements = measurements ? json_text(measurements) : NULL;
	ret->image = image ? json_text(image) : NULL;
	return ret->measurements && ret->image ? 0 : nec_error_no_memory(err);
}

/* The register of that number; NULL when the image has none. */
static const uint8_t *find_pcr(const struct nec_eif_measurements *measurements, const uint8_t *pcr8,
			       uint32_t number)
{
	switch (number) {
	case 0:
		return measurements->pcr0;
	case 1:
		return measurements->pcr1;
	case 2:
		return measurements->pcr2;
	default:
		return pcr8;
	}
}

static int refuse_pin(const nec_eif *eif, const struct nec_pcr_pin *pin, const uint8_t *pcr,
		      nec_error *err)
{
	char wanted[2 * NEC_PCR_SIZE + 1];
	char found[2 * NEC_PCR_SIZE + 1];

	nec_hex_encode(pin->value, NEC_PCR_SIZE, wanted);
	if (!pcr) {
		(void)nec_error_set(err, NEC_E_EIF_PCR_MISMATCH, -EBADMSG,
				    "PCR%u must be %s, but %s is not signed and so has none",
				    pin->number, wanted, eif->name);
		nec_error_set_hint(err, "Sign the image with `nec sign-eif`.");
		return -EBADMSG;
	}
	nec_hex_encode(pcr, NEC_PCR_SIZE, found);
	(void)nec_error_set(err, NEC_E_EIF_PCR_MISMATCH, -EBADMSG,
			    "PCR%u must be %s, but that of %s is %s", pin->number, wanted,
			    eif->name, found);
	nec_error_set_hint(err, "This is another image than the one that is required; nothing was "
				"started. `nec eif diff` tells what two images differ in.");
	return -EBADMSG;
}

static int check_pins(const nec_eif *eif, const struct nec_pcr_pins *pins,
		      const struct nec_eif_measurements *measurements, const uint8_t *pcr8,
		      nec_error *err)
{
	for (size_t i = 0; i < pins->count; i++) {
		const struct nec_pcr_pin *pin = &pins->pins[i];
		const uint8_t *pcr = find_pcr(measurements, pcr8, pin->number);

		if (!pcr || memcmp(pcr, pin->value, NEC_PCR_SIZE) != 0)
			return refuse_pin(eif, pin, pcr, err);
	}
	return 0;
}

static int measure(struct nec_run_measuring *measuring, const struct nec_pcr_pins *pins,
		   nec_error *err)
{
	cleanup_eif_description struct nec_eif_description description = { 0 };
	const uint8_t *pcr8 = NULL;
	uint64_t begin = nec_loop_now();
	int r = nec_eif_describe(measuring->eif, &description, err);

	/* PCR8 counts only when the signature verifies, which is checked here. */
	if (r == 0)
		r = nec_eif_check(measuring->eif, err);
	if (r < 0)
		return r;
	if (description.signature)
		pcr8 = nec_signature_get_info(description.signature)->pcr8;
	r = check_pins(measuring->eif, pins, &description.measurements, pcr8, err);
	if (r == 0)
		r = fill(&measuring->description, &description, pcr8, err);
	measuring->usec = nec_loop_now() - begin;
	measuring->done = r == 0;
	return r;
}

/*
 * A file system's clock ticks slowly. What is written to a file in the tick in which it was changed
 * last leaves no trace; what is written after that tick does. So the tick shall be over before what
 * is read counts.
 */
static void wait_for_tick(const nec_eif *eif)
{
	const struct timespec ticks = { .tv_nsec = TICKS_NSEC };
	const uint64_t changed = nec_eif_get_state(eif).ctime_nsec;
	struct timespec now;
	uint64_t now_nsec;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	now_nsec = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (now_nsec - changed < TICKS_NSEC)
		(void)nanosleep(&ticks, NULL);
}

int nec_run_measure_now(struct nec_run_measuring *measuring, nec_eif *eif,
			const struct nec_pcr_pins *pins, nec_error *err)
{
	measuring->eif = eif;
	wait_for_tick(eif);
	return measure(measuring, pins, err);
}

static void *measure_in_thread(void *userdata)
{
	static const struct nec_pcr_pins none;
	struct nec_run_measuring *measuring = userdata;

	measuring->result = measure(measuring, &none, &measuring->err);
	(void)close(measuring->done_fd);
	return NULL;
}

int nec_run_measure_start(struct nec_run_measuring *measuring, nec_eif *eif, int *ret_fd,
			  nec_error *err)
{
	int ends[2];
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make a pipe");
	measuring->quiet.cancel = &measuring->stop;
	eif->context = &measuring->quiet;
	measuring->eif = eif;
	measuring->done_fd = ends[1];
	r = -pthread_create(&measuring->thread, NULL, measure_in_thread, measuring);
	if (r < 0) {
		(void)close(ends[0]);
		(void)close(ends[1]);
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot start a thread");
	}
	measuring->running = true;
	*ret_fd = ends[0];
	return 0;
}

int nec_run_measure_result(struct nec_run_measuring *measuring, nec_error *err)
{
	if (measuring->running)
		(void)pthread_join(measuring->thread, NULL);
	measuring->running = false;
	if (measuring->result < 0 && err)
		*err = measuring->err;
	return measuring->result;
}

void nec_run_measure_end(struct nec_run_measuring *measuring)
{
	__atomic_store_n(&measuring->stop, 1, __ATOMIC_RELAXED);
	(void)nec_run_measure_result(measuring, NULL);
	free(TAKE_PTR(measuring->description.measurements));
	free(TAKE_PTR(measuring->description.image));
}
