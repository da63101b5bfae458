/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A launch of a 256 MiB image into 4 GiB, on the fake device with memory that is truly touched,
 * against its floor: zeroing that much memory and copying that file into it once, with the same
 * threads.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/parallel.h"
#include "enclave/launch.h"
#include "fake-device.h"
#include "image/eif-write.h"

enum { ROUNDS = 5 };

#define IMAGE_BYTES  (256 * FAKE_MIB)
#define MEMORY_BYTES (4096 * FAKE_MIB)

static _Noreturn void give_up(const char *what, const nec_error *err)
{
	(void)fprintf(stderr, "%s: %s\n", what, err->message);
	exit(1);
}

/* An image of about that size, in a file that is in the page cache. */
static nec_eif *make_image(int fd)
{
	struct nec_eif_writer writer;
	nec_error err = NEC_ERROR_INIT;
	char *ramdisk = malloc(IMAGE_BYTES);
	nec_eif *eif = NULL;

	if (!ramdisk)
		exit(1);
	memset(ramdisk, 'x', IMAGE_BYTES);
	nec_eif_writer_init(&writer, NULL, fd, "image", nec_arch_of_machine());
	if (nec_eif_writer_add(&writer, NEC_EIF_KERNEL, "kernel", 6, &err) < 0 ||
	    nec_eif_writer_add(&writer, NEC_EIF_CMDLINE, "quiet", 5, &err) < 0 ||
	    nec_eif_writer_add(&writer, NEC_EIF_METADATA, "{}", 2, &err) < 0 ||
	    nec_eif_writer_add(&writer, NEC_EIF_RAMDISK, ramdisk, IMAGE_BYTES, &err) < 0 ||
	    nec_eif_writer_finish(&writer, &err) < 0 ||
	    nec_eif_open_fd(NULL, fd, "image", &eif, &err) < 0)
		give_up("the image", &err);
	free(ramdisk);
	return eif;
}

struct floor {
	char *memory;
	int fd;
};

static int64_t zero_piece(void *userdata, uint64_t index, nec_error *err)
{
	const struct floor *floor = userdata;

	if (madvise(floor->memory + index * FAKE_2M, FAKE_2M, MADV_POPULATE_WRITE) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot have memory");
	return (int64_t)FAKE_2M;
}

static int64_t copy_piece(void *userdata, uint64_t index, nec_error *err)
{
	const struct floor *floor = userdata;
	uint64_t offset = index * 2 * FAKE_2M;

	if (pread(floor->fd, floor->memory + offset, 2 * FAKE_2M, (off_t)offset) < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot read");
	return (int64_t)(2 * FAKE_2M);
}

static uint64_t run_floor(int fd)
{
	struct floor floor = { .fd = fd };
	struct nec_progress progress;
	nec_error err = NEC_ERROR_INIT;
	uint64_t since = nec_loop_now();

	floor.memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (floor.memory == MAP_FAILED)
		exit(1);
	nec_progress_start(&progress, NULL, "floor", 0);
	if (nec_parallel_run(MEMORY_BYTES / FAKE_2M, zero_piece, &floor, &progress, &err) < 0 ||
	    nec_parallel_run(IMAGE_BYTES / (2 * FAKE_2M), copy_piece, &floor, &progress, &err) < 0)
		give_up("the floor", &err);
	since = nec_loop_now() - since;
	(void)munmap(floor.memory, MEMORY_BYTES);
	return since;
}

static uint64_t run_launch(const nec_eif *eif)
{
	static const struct fake_machine machine = {
		.cores = 2,
		.pool = "1",
		.huge = { { 0, FAKE_2M, (uint32_t)(MEMORY_BYTES / FAKE_2M) } },
	};
	const struct nec_launch_request request = { .memory_mib = MEMORY_BYTES / FAKE_MIB,
						    .cpu_count = 1 };
	struct fake_device *fake = fake_device_new(&machine);
	struct nec_launch launch = NEC_LAUNCH_INIT;
	nec_error err = NEC_ERROR_INIT;
	uint64_t since;

	fake_device_touch_pages(fake, true);
	fake_device_set_region_limit(fake, FAKE_PAGES_MAX);
	since = nec_loop_now();
	if (nec_launch_prepare(fake_device_get(fake), NULL, 0, &request, eif, &launch, &err) < 0 ||
	    nec_launch_start(&launch, &request, &err) < 0)
		give_up("the launch", &err);
	since = nec_loop_now() - since;
	(void)printf("memory %.3f s, load %.3f s (%.1f GB/s), donate %.3f s\n",
		     (double)launch.times.memory_usec / 1e6, (double)launch.times.load_usec / 1e6,
		     (double)IMAGE_BYTES / 1e3 / (double)launch.times.load_usec,
		     (double)launch.times.donate_usec / 1e6);
	nec_launch_end(&launch);
	fake_device_free(fake);
	return since;
}

int main(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	nec_eif *eif = make_image(fd);
	uint64_t best_floor = UINT64_MAX;
	uint64_t best_launch = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t floor = run_floor(fd);
		uint64_t launch = run_launch(eif);

		best_floor = floor < best_floor ? floor : best_floor;
		best_launch = launch < best_launch ? launch : best_launch;
	}
	(void)printf("floor %.3f s, launch %.3f s: %.2f (at most 1.20)\n", (double)best_floor / 1e6,
		     (double)best_launch / 1e6, (double)best_launch / (double)best_floor);
	nec_eif_free(eif);
	(void)close(fd);
	return 0;
}
