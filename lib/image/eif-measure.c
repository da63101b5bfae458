/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCR0, PCR1, PCR2 and the CRC, in the time of one SHA-384 over the file.
 *
 * Two walks share the work, each in a thread of its own:
 *
 *   image walk   kernel, command line, ramdisks: PCR0. PCR1 has the same content until the second
 *                ramdisk, so its hash is a copy of PCR0's taken there.
 *   rest walk    everything after the header: CRC; all ramdisks but the first: PCR2.
 *
 * The calling thread only watches: it reports progress (so never from two threads at once), and
 * stops the walks when the caller cancels or one of them fails.
 */
#include "image/eif-measure.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/crc32.h"
#include "base/error.h"
#include "base/files.h"
#include "image/pcr.h"

/* Read once from the page cache, then hashed (and summed) while it is in the L2 cache. */
enum { BUFFER_BYTES = 256 * 1024 };

static const long watch_interval_nsec = 50000000;

/* What a piece of the file goes into. */
enum {
	TO_CRC = 1,
	TO_CHAIN = 2, /* PCR0 in the image walk, PCR2 in the rest walk */
	TO_FORK = 4,  /* PCR1, from where it is another hash than PCR0 */
	FORK_HERE = 8 /* PCR1's hash is copied before this piece */
};

struct piece {
	uint64_t offset;
	uint64_t size;
	unsigned int feeds;
};

struct watch {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned int running;
	int stop; /* accessed atomically */
};

struct walk {
	int fd;
	const char *name;
	struct watch *watch;
	struct piece pieces[2 * NEC_EIF_MAX_SECTIONS + 1];
	size_t count;
	uint64_t total;
	uint64_t done; /* accessed atomically */
	struct nec_sha384 chain;
	struct nec_sha384 fork;
	uint32_t crc;
	pthread_t thread;
	int result;
	nec_error error;
};

/* Neighbours that feed the same are one piece, so that reads stay large. */
static void add_piece(struct walk *walk, uint64_t offset, uint64_t end, unsigned int feeds)
{
	struct piece *last = walk->count ? &walk->pieces[walk->count - 1] : NULL;

	if (offset == end && !(feeds & FORK_HERE))
		return;
	walk->total += end - offset;
	if (last && last->offset + last->size == offset && (last->feeds & ~FORK_HERE) == feeds)
		last->size += end - offset;
	else
		walk->pieces[walk->count++] =
			(struct piece){ .offset = offset, .size = end - offset, .feeds = feeds };
}

static uint64_t section_end(const struct nec_eif_section *section)
{
	return section->data_offset + section->size_bytes;
}

static void plan_image_walk(struct walk *walk, const struct nec_eif_layout *layout)
{
	unsigned int ramdisks = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct nec_eif_section *section = &layout->sections[i];
		unsigned int feeds = TO_CHAIN;

		if (section->type == NEC_EIF_SIGNATURE || section->type == NEC_EIF_METADATA)
			continue;
		if (section->type == NEC_EIF_RAMDISK)
			ramdisks++;
		if (section->type == NEC_EIF_RAMDISK && ramdisks == 2)
			feeds |= FORK_HERE;
		/* A command line may stand after the ramdisks: then it feeds both hashes. */
		if (section->type != NEC_EIF_RAMDISK && ramdisks >= 2)
			feeds |= TO_FORK;
		add_piece(walk, section->data_offset, section_end(section), feeds);
	}
}

static void plan_rest_walk(struct walk *walk, const struct nec_eif_layout *layout)
{
	uint64_t end = NEC_EIF_HEADER_SIZE;
	unsigned int ramdisks = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct nec_eif_section *section = &layout->sections[i];

		if (section->type != NEC_EIF_RAMDISK || ++ramdisks == 1)
			continue;
		add_piece(walk, end, section->data_offset, TO_CRC);
		end = section_end(section);
		add_piece(walk, section->data_offset, end, TO_CRC | TO_CHAIN);
	}
	add_piece(walk, end, layout->size_bytes, TO_CRC);
}

static bool stopped(struct walk *walk)
{
	return __atomic_load_n(&walk->watch->stop, __ATOMIC_RELAXED);
}

static int walk_piece(struct walk *walk, const struct piece *piece, uint8_t *buffer)
{
	uint64_t done = 0;

	while (done < piece->size) {
		uint64_t left = piece->size - done;
		size_t step = left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
		int r;

		if (stopped(walk))
			return -ECANCELED;
		r = nec_file_read_at(walk->fd, walk->name, buffer, step, piece->offset + done,
				     &walk->error);
		if (r < 0)
			return r;
		if (piece->feeds & TO_CRC)
			walk->crc = nec_crc32(walk->crc, buffer, step);
		if (piece->feeds & TO_CHAIN)
			nec_sha384_update(&walk->chain, buffer, step);
		if (piece->feeds & TO_FORK)
			nec_sha384_update(&walk->fork, buffer, step);
		done += step;
		(void)__atomic_add_fetch(&walk->done, step, __ATOMIC_RELAXED);
	}
	return 0;
}

static int walk_pieces(struct walk *walk)
{
	cleanup_free uint8_t *buffer = malloc(BUFFER_BYTES);

	if (!buffer)
		return nec_error_no_memory(&walk->error);
	for (size_t i = 0; i < walk->count; i++) {
		const struct piece *piece = &walk->pieces[i];
		int r = 0;

		if (piece->feeds & FORK_HERE)
			r = nec_sha384_copy(&walk->fork, &walk->chain, &walk->error);
		if (r == 0)
			r = walk_piece(walk, piece, buffer);
		if (r < 0)
			return r;
	}
	return 0;
}

static void *walk_thread(void *argument)
{
	struct walk *walk = argument;

	int r = walk_pieces(walk);

	(void)pthread_mutex_lock(&walk->watch->lock);
	walk->result = r;
	walk->watch->running--;
	(void)pthread_cond_signal(&walk->watch->ended);
	(void)pthread_mutex_unlock(&walk->watch->lock);
	return NULL;
}

/* Signals stay with the caller's threads: a program's handlers expect to run there. */
static int start_walk(struct walk *walk, nec_error *err)
{
	sigset_t all;
	sigset_t before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&walk->thread, NULL, walk_thread, walk);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -r, "cannot start a thread");
	walk->watch->running++;
	return 0;
}

/* Bytes that neither walk has to look at again. The rest walk covers the whole body. */
static uint64_t bytes_done(struct walk *image, struct walk *rest)
{
	uint64_t image_left = image->total - __atomic_load_n(&image->done, __ATOMIC_RELAXED);
	uint64_t rest_left = rest->total - __atomic_load_n(&rest->done, __ATOMIC_RELAXED);

	return rest->total - (image_left > rest_left ? image_left : rest_left);
}

static void wait_a_moment(struct watch *watch)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += watch_interval_nsec;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(&watch->ended, &watch->lock, &until);
}

/*
 * Until both walks have ended. Called with the lock held; gives it up for the callback, which is
 * the caller's code.
 */
static int watch_walks(struct watch *watch, struct walk *image, struct walk *rest,
		       struct nec_progress *progress, nec_error *err)
{
	int result = 0;

	while (watch->running > 0) {
		int r;

		wait_a_moment(watch);
		if (image->result < 0 || rest->result < 0)
			__atomic_store_n(&watch->stop, 1, __ATOMIC_RELAXED);
		if (result < 0)
			continue;
		(void)pthread_mutex_unlock(&watch->lock);
		r = nec_progress_add(progress, bytes_done(image, rest) - progress->done, err);
		(void)pthread_mutex_lock(&watch->lock);
		if (r < 0) {
			result = r;
			__atomic_store_n(&watch->stop, 1, __ATOMIC_RELAXED);
		}
	}
	return result;
}

/* What went wrong first; a walk that was only stopped has nothing to say. */
static int walk_result(const struct walk *image, const struct walk *rest, nec_error *err)
{
	const struct walk *failed = image->result < 0 && image->result != -ECANCELED ? image : rest;

	if (failed->result < 0 && err)
		*err = failed->error;
	return failed->result;
}

static int run_walks(struct watch *watch, struct walk *image, struct walk *rest,
		     struct nec_progress *progress, nec_error *err)
{
	bool image_started;
	bool rest_started;
	int r;

	(void)pthread_mutex_lock(&watch->lock);
	r = start_walk(image, err);
	image_started = r == 0;
	if (r == 0)
		r = start_walk(rest, err);
	rest_started = r == 0;
	if (r < 0)
		__atomic_store_n(&watch->stop, 1, __ATOMIC_RELAXED);
	else
		r = watch_walks(watch, image, rest, progress, err);
	(void)pthread_mutex_unlock(&watch->lock);
	if (image_started)
		(void)pthread_join(image->thread, NULL);
	if (rest_started)
		(void)pthread_join(rest->thread, NULL);
	return r < 0 ? r : walk_result(image, rest, err);
}

static int watch_init(struct watch *watch, nec_error *err)
{
	pthread_condattr_t attributes;
	int r = pthread_condattr_init(&attributes);

	if (r == 0) {
		(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
		r = pthread_cond_init(&watch->ended, &attributes);
		(void)pthread_condattr_destroy(&attributes);
	}
	return r == 0 ? 0 : nec_error_no_memory(err);
}

static int final_sums(struct walk *image, struct walk *rest, struct nec_eif_sums *ret,
		      nec_error *err)
{
	struct nec_eif_sums sums = { .body_crc = rest->crc };
	int r = nec_pcr_final(&image->chain, sums.pcr0, err);

	if (r < 0)
		return r;
	memcpy(sums.pcr1, sums.pcr0, sizeof(sums.pcr1));
	if (image->fork.state)
		r = nec_pcr_final(&image->fork, sums.pcr1, err);
	if (r == 0)
		r = nec_pcr_final(&rest->chain, sums.pcr2, err);
	if (r == 0)
		*ret = sums;
	return r;
}

static int measure(const nec_context *context, const struct nec_eif_layout *layout,
		   struct watch *watch, struct walk *image, struct walk *rest,
		   struct nec_eif_sums *ret, nec_error *err)
{
	struct nec_progress progress;
	int r = nec_crc32_load(err);

	if (r == 0)
		r = nec_sha384_init(&image->chain, err);
	if (r == 0)
		r = nec_sha384_init(&rest->chain, err);
	if (r < 0)
		return r;
	plan_image_walk(image, layout);
	plan_rest_walk(rest, layout);
	nec_progress_start(&progress, context, "measuring", rest->total);
	r = run_walks(watch, image, rest, &progress, err);
	if (r < 0)
		return r;
	nec_progress_finish(&progress);
	return final_sums(image, rest, ret, err);
}

static void walk_clear(struct walk *walk)
{
	nec_sha384_free(&walk->chain);
	nec_sha384_free(&walk->fork);
}

int nec_eif_measure_layout(const nec_context *context, int fd, const char *name,
			   const struct nec_eif_layout *layout, struct nec_eif_sums *ret,
			   nec_error *err)
{
	struct watch watch = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct walk image = { .fd = fd, .name = name, .watch = &watch };
	struct walk rest = { .fd = fd, .name = name, .watch = &watch };
	int r = watch_init(&watch, err);

	if (r < 0)
		return r;
	r = measure(context, layout, &watch, &image, &rest, ret, err);
	walk_clear(&image);
	walk_clear(&rest);
	(void)pthread_cond_destroy(&watch.ended);
	return r;
}

int nec_eif_sum_range(const nec_context *context, int fd, const char *name, uint64_t offset,
		      uint64_t end, uint32_t *crc, nec_error *err)
{
	cleanup_free uint8_t *buffer = malloc(BUFFER_BYTES);
	int r = nec_crc32_load(err);

	if (!buffer)
		return nec_error_no_memory(err);
	while (r == 0 && offset < end) {
		size_t step = end - offset < BUFFER_BYTES ? (size_t)(end - offset) : BUFFER_BYTES;

		r = nec_file_read_at(fd, name, buffer, step, offset, err);
		if (r == 0)
			r = nec_check_cancel(context, err);
		if (r < 0)
			break;
		*crc = nec_crc32(*crc, buffer, step);
		offset += step;
	}
	return r;
}

uint32_t nec_eif_whole_crc(const uint8_t header[NEC_EIF_HEADER_SIZE], uint32_t body_crc,
			   uint64_t file_size)
{
	return nec_crc32_combine(nec_crc32(0, header, NEC_EIF_CRC_AT), body_crc,
				 file_size - NEC_EIF_HEADER_SIZE);
}

static int measure_once(nec_eif *eif, nec_error *err)
{
	struct nec_eif_sums sums = { 0 };
	struct nec_eif_measurements *kept = &eif->measurements;
	int r = nec_eif_measure_layout(eif->context, eif->fd, eif->name, &eif->layout, &sums, err);
	int changed = r == -ECANCELED ? 0 : nec_eif_check_unchanged(eif, err);

	/* A file that shrank shows as a failed read first; say what is behind it. */
	if (changed < 0)
		return changed;
	if (r < 0)
		return r;
	memcpy(kept->pcr0, sums.pcr0, sizeof(kept->pcr0));
	memcpy(kept->pcr1, sums.pcr1, sizeof(kept->pcr1));
	memcpy(kept->pcr2, sums.pcr2, sizeof(kept->pcr2));
	eif->body_crc = sums.body_crc;
	kept->crc32 = nec_eif_whole_crc(eif->raw_header, sums.body_crc, eif->layout.size_bytes);
	eif->measured = true;
	if (kept->crc32 != eif->header.crc32)
		nec_eif_add_finding(eif, NEC_RULE_CRC, NEC_EIF_CRC_AT,
				    "the CRC is %08" PRIx32 ", the header says %08" PRIx32,
				    kept->crc32, eif->header.crc32);
	return nec_eif_findings_result(eif, err);
}

int nec_eif_measure(nec_eif *eif, struct nec_eif_measurements *ret, nec_error *err)
{
	int r = eif->measured ? 0 : measure_once(eif, err);

	if (r == 0 && ret)
		*ret = eif->measurements;
	return r;
}
