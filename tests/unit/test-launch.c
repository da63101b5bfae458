/* SPDX-License-Identifier: Apache-2.0 */
/* The launch on a machine that keeps the driver's rules. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/files.h"
#include "enclave/launch.h"
#include "fake-device.h"
#include "image/eif-write.h"

/* 0,4 1,5 and 2,6 3,7; the second node is the pool. */
static const struct fake_machine machine = {
	.nodes = 2,
	.cores = 2,
	.threads = 2,
	.pool = "2-3,6-7",
	.huge = { { 0, FAKE_2M, 8 }, { 1, FAKE_2M, 64 }, { 1, FAKE_1G, 1 } },
};

/* Three pieces of the loader, the last one odd. */
enum { RAMDISK_BYTES = (9 << 20) + 12345 };

static struct fake_device *fake;
static const struct nec_device *device;
static unsigned int fds_before;
static int image_fd; /* a memfd: nothing to clean up */
static nec_eif *eif;
static nec_error err;

static cpu_set_t all_cpus;

/* With several threads pages may come in another order, and be merged into more regions. */
static void use_one_thread(void)
{
	cpu_set_t one;
	int cpu = 0;

	CPU_ZERO(&one);
	while (!CPU_ISSET(cpu, &all_cpus))
		cpu++;
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void write_image(enum nec_arch arch)
{
	struct nec_eif_writer writer;
	uint8_t *ramdisk = malloc(RAMDISK_BYTES);

	assert_non_null(ramdisk);
	for (size_t i = 0; i < RAMDISK_BYTES; i++)
		ramdisk[i] = (uint8_t)(i * 2654435761U >> 13);
	nec_eif_writer_init(&writer, NULL, image_fd, "image", arch);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_KERNEL, "kernel", 6, NULL), 0);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_CMDLINE, "quiet", 5, NULL), 0);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_METADATA, "{}", 2, NULL), 0);
	assert_int_equal(nec_eif_writer_add(&writer, NEC_EIF_RAMDISK, ramdisk, RAMDISK_BYTES, NULL),
			 0);
	assert_int_equal(nec_eif_writer_finish(&writer, NULL), 0);
	free(ramdisk);
}

static void open_image(enum nec_arch arch)
{
	image_fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(image_fd >= 0);
	write_image(arch);
	assert_int_equal(nec_eif_open_fd(NULL, image_fd, "hello.eif", &eif, &err), 0);
}

static int set_up(void **state)
{
	(void)state;
	/* The checksum's library stays loaded, with a descriptor or two of its own. */
	open_image(nec_arch_of_machine());
	fds_before = fake_open_fds();
	fake = fake_device_new(&machine);
	device = fake_device_get(fake);
	err = (nec_error)NEC_ERROR_INIT;
	return sched_getaffinity(0, sizeof(all_cpus), &all_cpus);
}

static int tear_down(void **state)
{
	unsigned int fds;

	(void)state;
	(void)sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
	fake_device_expect_clean(fake);
	fake_device_free(fake);
	fds = fake_open_fds();
	nec_eif_free(eif);
	(void)close(image_fd);
	return fds == fds_before ? 0 : -1;
}

/* ---- the check ---- */

static int check(const struct nec_launch_request *request, const char *used)
{
	cleanup_host struct nec_host *host = NULL;
	struct nec_cpuset used_cpus = { 0 };
	int r;

	assert_int_equal(nec_host_take(device, &host, NULL), 0);
	if (used)
		assert_int_equal(nec_cpulist_parse(used, NEC_CPUS_MAX - 1, &used_cpus, NULL), 0);
	err = (nec_error)NEC_ERROR_INIT;
	r = nec_launch_check(host, used ? &used_cpus : NULL, request, eif, &err);
	/* Nothing was asked of the driver, and nothing taken. */
	assert_int_equal(fake_device_calls(fake, FAKE_CALLS), 0);
	return r;
}

static void refuse(const struct nec_launch_request *request, const char *used, int result,
		   enum nec_error_code code, int exit_status, const char *message)
{
	assert_int_equal(check(request, used), result);
	assert_int_equal(err.code, code);
	assert_int_equal(nec_error_exit_status(err.code), exit_status);
	assert_string_equal(err.message, message);
}

static void check__passes_what_can_be_launched(void **state)
{
	(void)state;
	assert_int_equal(
		check(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 2 }, NULL), 0);
	assert_int_equal(
		check(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 2 }, "3,7"), 0);
	assert_int_equal(check(&(struct nec_launch_request){ .memory_mib = 1088,
							     .cpus = { 4, { 7, 2, 6, 3 } },
							     .cid = 4294967294 },
			       ""),
			 0);
}

static void check__wants_whole_cores(void **state)
{
	(void)state;
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 3 }, NULL, -EINVAL,
	       NEC_E_CORES_INCOMPLETE, 29,
	       "an enclave gets whole cores of 2 CPUs, 3 are asked for");
	refuse(&(struct nec_launch_request){ .memory_mib = 64 }, NULL, -EINVAL, NEC_E_NO_VCPUS, 29,
	       "an enclave needs a CPU");
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpus = { 2, { 2, 3 } } }, NULL,
	       -EINVAL, NEC_E_CORES_INCOMPLETE, 29,
	       "CPU 2 is asked for without CPU 6, which is of the same core (by the numbering of "
	       "the cores that are online)");
}

static void check__counts_the_cpus_that_are_free(void **state)
{
	(void)state;
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 6 }, NULL, -EBUSY,
	       NEC_E_CPUS_INSUFFICIENT, 22, "6 CPUs are asked for, the CPU pool (2-3,6-7) has 4");
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 4 }, "2,6", -EBUSY,
	       NEC_E_CPUS_INSUFFICIENT, 22,
	       "4 CPUs are asked for, enclaves have 2 of the 4 CPUs in the pool");
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = UINT64_MAX }, NULL,
	       -EBUSY, NEC_E_CPUS_INSUFFICIENT, 22,
	       "18446744073709551615 CPUs are asked for, the CPU pool (2-3,6-7) has 4");
}

static void check__looks_at_each_cpu_that_is_named(void **state)
{
	(void)state;
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpus = { 3, { 2, 6, 2 } } }, NULL,
	       -EINVAL, NEC_E_CPU_REPEATED, 20, "CPU 2 is named twice");
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpus = { 2, { 2, 1 } } }, NULL,
	       -EBUSY, NEC_E_VCPU_NOT_IN_POOL, 21, "CPU 1 is not in the CPU pool (2-3,6-7)");
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpus = { 1, { UINT32_MAX } } },
	       NULL, -EBUSY, NEC_E_VCPU_NOT_IN_POOL, 21,
	       "CPU 4294967295 is not in the CPU pool (2-3,6-7)");
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpus = { 2, { 2, 6 } } }, "2,6",
	       -EBUSY, NEC_E_VCPU_NOT_IN_POOL, 21, "CPU 2 belongs to another enclave");
}

static void check__wants_memory_for_the_image_and_the_driver(void **state)
{
	(void)state;
	refuse(&(struct nec_launch_request){ .memory_mib = 36, .cpu_count = 2 }, NULL, -EINVAL,
	       NEC_E_MEMORY_FOR_IMAGE, 26, "36 MiB are asked for, hello.eif needs at least 40 MiB");
	refuse(&(struct nec_launch_request){ .memory_mib = 62, .cpu_count = 2 }, NULL, -EINVAL,
	       NEC_E_MEMORY_MINIMUM, 26, "62 MiB are asked for, an enclave needs at least 64 MiB");
	assert_int_equal(
		check(&(struct nec_launch_request){ .memory_mib = 63, .cpu_count = 2 }, NULL), 0);
	refuse(&(struct nec_launch_request){ .memory_mib = 2048, .cpu_count = 2 }, NULL, -ENOMEM,
	       NEC_E_HUGEPAGES_EXHAUSTED, 27,
	       "2048 MiB of huge pages are not free on NUMA node 1: it has 64 of 64 pages of 2 "
	       "MiB, 1 of 1 pages of 1024 MiB; on node 0 8 of 8 pages of 2 MiB");
	assert_int_equal(
		check(&(struct nec_launch_request){ .memory_mib = UINT64_MAX, .cpu_count = 2 },
		      NULL),
		-ENOMEM);
}

static void check__refuses_reserved_cids(void **state)
{
	static const uint64_t cids[] = { 1, 2, 3, UINT32_MAX, UINT64_C(1) << 32 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cids); i++) {
		assert_int_equal(check(&(struct nec_launch_request){ .memory_mib = 64,
								     .cpu_count = 2,
								     .cid = cids[i] },
				       NULL),
				 -EINVAL);
		assert_int_equal(err.code, NEC_E_CID);
	}
}

static void check__refuses_an_image_of_another_architecture(void **state)
{
	bool arm = nec_arch_of_machine() == NEC_ARCH_AARCH64;

	(void)state;
	nec_eif_free(eif);
	(void)close(image_fd);
	open_image(arm ? NEC_ARCH_X86_64 : NEC_ARCH_AARCH64);
	refuse(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 2 }, NULL, -EBADMSG,
	       NEC_E_EIF_ARCH, 35,
	       arm ? "hello.eif is for x86_64, this machine is aarch64"
		   : "hello.eif is for aarch64, this machine is x86_64");
}

static void check__refuses_a_machine_without_a_pool(void **state)
{
	(void)state;
	assert_int_equal(fake_device_set_pool(fake, ""), -EINVAL);
	assert_int_equal(
		check(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 2 }, NULL),
		-EBUSY);
	assert_int_equal(err.code, NEC_E_POOL_EMPTY);
}

static void node__is_that_of_the_pool_or_of_the_cpus(void **state)
{
	static const struct fake_machine dynamic = {
		.nodes = 2, .cores = 2, .threads = 2, .dynamic_pool = true
	};
	cleanup_host struct nec_host *host = NULL;
	cleanup_host struct nec_host *other = NULL;

	(void)state;
	assert_int_equal(nec_host_take(device, &host, NULL), 0);
	assert_int_equal(nec_launch_node(host, &(struct nec_launch_request){ 0 }), 1);
	fake_device_free(fake);
	fake = fake_device_new(&dynamic);
	device = fake_device_get(fake);
	assert_int_equal(nec_host_take(device, &other, NULL), 0);
	assert_int_equal(nec_launch_node(other, &(struct nec_launch_request){ .cpu_count = 2 }), 0);
	assert_int_equal(
		nec_launch_node(other, &(struct nec_launch_request){ .cpus = { 2, { 3, 7 } } }), 1);
}

/* ---- the launch ---- */

static const struct nec_launch_request usual = { .memory_mib = 64, .cpu_count = 2 };

static int launch(const struct nec_launch_request *request, struct nec_launch *ret)
{
	int r = nec_launch_prepare(device, NULL, 1, request, eif, ret, &err);

	return r < 0 ? r : nec_launch_start(ret, request, &err);
}

static void expect_image_at(uint64_t offset)
{
	uint64_t size = eif->layout.size_bytes;
	char *file = malloc(size);
	char *memory = malloc(size);

	assert_true(file && memory);
	assert_int_equal(nec_file_read_at(image_fd, "image", file, size, 0, NULL), 0);
	fake_enclave_read(fake, 0, offset, memory, size);
	assert_memory_equal(file, memory, size);
	free(file);
	free(memory);
}

static void launch__starts_the_enclave_that_was_asked_for(void **state)
{
	const struct nec_launch_request request = {
		.memory_mib = 63, .cpus = { 2, { 7, 3 } }, .cid = 20, .debug = true
	};
	struct nec_launch started = NEC_LAUNCH_INIT;
	struct fake_enclave enclave;

	(void)state;
	use_one_thread();
	if (launch(&request, &started) < 0)
		fail_msg("%s", err.message);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.state, FAKE_RUNNING);
	assert_int_equal(enclave.cid, 20);
	assert_int_equal(enclave.flags, NE_ENCLAVE_DEBUG_MODE);
	assert_int_equal(enclave.memory_bytes, 64 * FAKE_MIB);
	assert_int_equal(enclave.regions, 1);
	assert_int_equal(enclave.vcpus, 1 << 3 | 1 << 7);
	assert_int_equal(started.slot_uid, enclave.uid);
	assert_int_equal(started.cid, 20);
	assert_int_equal(started.cpus.count, 2);
	assert_int_equal(started.cpus.ids[0], 7);
	assert_int_equal(started.memory.bytes, 64 * FAKE_MIB);
	expect_image_at(8 * FAKE_MIB);
	assert_false(nec_enclave_fd_ended(started.enclave_fd));
	nec_launch_end(&started);
	assert_int_equal(fake_device_calls(fake, FAKE_ENCLAVE_STOP), 1);
}

static void launch__lets_the_driver_and_the_hypervisor_choose(void **state)
{
	struct nec_launch started = NEC_LAUNCH_INIT;

	(void)state;
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 4 }, &started),
		0);
	assert_int_equal(started.cid, 16);
	assert_int_equal(started.cpus.count, 4);
	assert_int_equal(started.cpus.ids[0], 2);
	assert_int_equal(started.cpus.ids[1], 6);
	assert_int_equal(started.cpus.ids[2], 3);
	assert_int_equal(started.cpus.ids[3], 7);
	nec_launch_end(&started);
}

static void launch__spreads_the_image_over_mappings(void **state)
{
	static const struct fake_machine odd = {
		.cores = 2,
		.pool = "1",
		.huge = { { 0, FAKE_2M, 40 }, { 0, 4 * FAKE_MIB, 2 }, { 0, 8 * FAKE_MIB, 1 } },
	};
	struct nec_launch started = NEC_LAUNCH_INIT;
	struct fake_enclave enclave;

	(void)state;
	use_one_thread();
	fake_device_free(fake);
	fake = fake_device_new(&odd);
	device = fake_device_get(fake);
	/* 8 MiB, 2 × 4 MiB, then small ones: the image begins where the first mapping ends. */
	assert_int_equal(
		nec_launch_prepare(device, NULL, 0,
				   &(struct nec_launch_request){ .memory_mib = 70, .cpu_count = 1 },
				   eif, &started, &err),
		0);
	assert_int_equal(started.memory.count, 3);
	assert_true(fake_device_get_enclave(fake, 0, &enclave));
	assert_int_equal(enclave.regions, 3);
	expect_image_at(8 * FAKE_MIB);
	nec_launch_end(&started);
	/* And where it lies across their borders. */
	fake_device_set_image_offset(fake, 6 * FAKE_MIB + 4096);
	assert_int_equal(
		nec_launch_prepare(device, NULL, 0,
				   &(struct nec_launch_request){ .memory_mib = 70, .cpu_count = 1 },
				   eif, &started, &err),
		0);
	expect_image_at(6 * FAKE_MIB + 4096);
	nec_launch_end(&started);
}

static void launch__leaves_nothing_whichever_call_is_refused(void **state)
{
	static const struct {
		enum fake_call call;
		enum nec_error_code code;
	} codes[] = {
		{ FAKE_OPEN_DEVICE, NEC_E_DEVICE_PERMISSION },
		{ FAKE_CREATE_VM, NEC_E_DEVICE_ANSWER },
		{ FAKE_ADD_VCPU, NEC_E_DEVICE_ANSWER },
		{ FAKE_MAP_PAGES, NEC_E_HUGEPAGES_MAP },
		{ FAKE_POPULATE, NEC_E_HUGEPAGES_MAP },
		{ FAKE_GET_IMAGE_LOAD_INFO, NEC_E_DEVICE_ANSWER },
		{ FAKE_SET_MEMORY_REGION, NEC_E_DEVICE_ANSWER },
		{ FAKE_START, NEC_E_DEVICE_ANSWER },
	};
	unsigned int seen = 0;

	(void)state;
	for (unsigned int n = 1;; n++) {
		struct nec_launch started = NEC_LAUNCH_INIT;
		size_t i = 0;
		int r;

		fake_device_refuse_any(fake, n, EPERM);
		r = launch(&usual, &started);
		nec_launch_end(&started);
		fake_device_expect_clean(fake);
		assert_int_equal(fake_open_fds(), fds_before + 1);
		if (r == 0)
			break;
		while (i < ARRAY_SIZE(codes) && codes[i].call != fake_device_refused(fake))
			i++;
		assert_true(i < ARRAY_SIZE(codes));
		if (err.code != codes[i].code)
			fail_msg("%s: %s", fake_call_name(codes[i].call), err.message);
		seen |= 1U << i;
		assert_int_equal(err.os_error, EPERM);
	}
	assert_int_equal(seen, (1U << ARRAY_SIZE(codes)) - 1);
}

static void launch__leaves_nothing_whatever_the_device_refuses(void **state)
{
	static const enum fake_call commands[] = { FAKE_SLOT_ALLOC, FAKE_SLOT_ADD_VCPU,
						   FAKE_SLOT_ADD_MEM, FAKE_ENCLAVE_START };

	(void)state;
	fake_device_set_page_order(fake, FAKE_PAGES_SCATTERED);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		for (unsigned int n = 1;; n++) {
			struct nec_launch started = NEC_LAUNCH_INIT;
			int r;

			fake_device_refuse(fake, commands[i], n, 300);
			r = launch(&usual, &started);
			nec_launch_end(&started);
			fake_device_expect_clean(fake);
			if (r == 0)
				break;
			assert_int_equal(err.code, NEC_E_DEVICE_ANSWER);
			assert_int_equal(err.os_error, 300);
		}
}

static void launch__names_what_the_driver_refuses(void **state)
{
	struct nec_launch started = NEC_LAUNCH_INIT;
	struct nec_launch second = NEC_LAUNCH_INIT;

	(void)state;
	/* As if nobody had checked. */
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 1 }, &started),
		-EINVAL);
	assert_int_equal(err.code, NEC_E_CORES_INCOMPLETE);
	assert_string_equal(err.message,
			    "cannot start the enclave: a thread of one of the enclave's CPU cores "
			    "was not added (NE_START_ENCLAVE: NE_ERR_FULL_CORES_NOT_USED, 269)");
	nec_launch_end(&started);
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 64, .cpus = { 1, { 4 } } },
		       &started),
		-EBUSY);
	assert_string_equal(err.message,
			    "CPU 4: the CPU is not in the CPU pool, or another enclave has its "
			    "core (NE_ADD_VCPU: NE_ERR_VCPU_NOT_IN_CPU_POOL, 257)");
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 6 }, &started),
		-EBUSY);
	assert_int_equal(err.code, NEC_E_POOL_EXHAUSTED);
	assert_non_null(strstr(err.message, "CPU 5 of 6: "));
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = UINT64_MAX },
		       &started),
		-EBUSY);
	assert_int_equal(err.code, NEC_E_CPUS_INSUFFICIENT);

	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 2, .cid = 20 },
		       &started),
		0);
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 64, .cpu_count = 2, .cid = 20 },
		       &second),
		-EREMOTEIO);
	assert_non_null(strstr(err.message, "cannot start the enclave with CID 20: the device "));
	nec_launch_end(&second);
	nec_launch_end(&started);
}

static void launch__says_which_memory_the_driver_refuses(void **state)
{
	struct nec_launch started = NEC_LAUNCH_INIT;

	(void)state;
	fake_device_set_page_order(fake, FAKE_PAGES_SCATTERED);
	fake_device_set_region_limit(fake, 31);
	assert_int_equal(launch(&usual, &started), -ENOSPC);
	assert_int_equal(err.code, NEC_E_REGION_LIMIT);
	assert_string_equal(err.message,
			    "memory of 32 huge pages of 2 MiB on NUMA node 1: with it the enclave "
			    "would have more memory regions than the device allows "
			    "(NE_SET_USER_MEMORY_REGION: NE_ERR_MEM_MAX_REGIONS, 265)");
	fake_device_set_region_limit(fake, 32);
	assert_int_equal(launch(&usual, &started), 0);
	nec_launch_end(&started);
	fake_device_misplace_pages(fake, 0);
	fake_device_set_region_limit(fake, 64);
	assert_int_equal(nec_launch_prepare(device, NULL, 1, &usual, eif, &started, &err), -ENOMEM);
	assert_int_equal(err.code, NEC_E_HUGEPAGES_EXHAUSTED);
}

static void launch__needs_room_for_the_image(void **state)
{
	struct nec_launch started = NEC_LAUNCH_INIT;

	(void)state;
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 16, .cpu_count = 2 }, &started),
		-EINVAL);
	assert_int_equal(err.code, NEC_E_MEMORY_FOR_IMAGE);
	assert_string_equal(err.message, "the image has 9450138 bytes and begins 8 MiB into the "
					 "memory, which has 16 MiB");
	assert_int_equal(
		launch(&(struct nec_launch_request){ .memory_mib = 6, .cpu_count = 2 }, &started),
		-EINVAL);
	assert_int_equal(err.code, NEC_E_MEMORY_FOR_IMAGE);
}

static void change_image(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	if (strcmp(phase, userdata) == 0)
		assert_int_equal(pwrite(image_fd, "x", 1, 100), 1);
}

static void launch__notices_that_the_file_changed_meanwhile(void **state)
{
	struct nec_launch started = NEC_LAUNCH_INIT;
	struct timespec long_ago[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	nec_context *context = NULL;

	(void)state;
	/* So that a change within the same tick of the clock shows. */
	assert_int_equal(futimens(image_fd, long_ago), 0);
	nec_eif_free(eif);
	assert_int_equal(nec_eif_open_fd(NULL, image_fd, "hello.eif", &eif, &err), 0);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_progress(context, change_image, "memory");
	assert_int_equal(nec_launch_prepare(device, context, 1, &usual, eif, &started, &err),
			 -EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
	fake_device_expect_clean(fake);
	/* Shorter than it was: the read itself ends early, and that is why. */
	nec_context_set_progress(context, NULL, NULL);
	assert_int_equal(ftruncate(image_fd, 1000), 0);
	assert_int_equal(nec_launch_prepare(device, context, 1, &usual, eif, &started, &err),
			 -EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
	nec_context_free(context);
}

static void raise_flag(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	struct cancel_at {
		const char *phase;
		int flag;
	} *cancel = userdata;

	if (strcmp(phase, cancel->phase) == 0 && done == total)
		cancel->flag = 1;
}

static void launch__can_be_cancelled_in_every_phase(void **state)
{
	struct {
		const char *phase;
		int flag;
	} cancel[] = { { "memory", 0 }, { "loading", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cancel); i++) {
		struct nec_launch started = NEC_LAUNCH_INIT;
		nec_context *context = NULL;

		assert_int_equal(nec_context_new(&context, NULL), 0);
		nec_context_set_progress(context, raise_flag, &cancel[i]);
		nec_context_set_cancel(context, &cancel[i].flag);
		assert_int_equal(
			nec_launch_prepare(device, context, 1, &usual, eif, &started, &err),
			-ECANCELED);
		assert_int_equal(err.code, NEC_E_CANCELLED);
		assert_int_equal(fake_device_calls(fake, FAKE_SET_MEMORY_REGION), 0);
		fake_device_expect_clean(fake);
		nec_context_free(context);
	}
}

static void launch__tells_how_long_each_step_took(void **state)
{
	struct nec_launch started = NEC_LAUNCH_INIT;

	(void)state;
	assert_int_equal(launch(&usual, &started), 0);
	/* Not how long, but that it was measured at all: copying 9 MiB takes its time. */
	assert_true(started.times.load_usec > 0);
	assert_true(started.times.memory_usec > 0);
	nec_launch_end(&started);
}

static void end__of_nothing_does_no_harm(void **state)
{
	struct nec_launch none = NEC_LAUNCH_INIT;

	(void)state;
	nec_launch_end(&none);
	nec_launch_end(&none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/*
 * Threads that make pages present race for the next physical page, as in the kernel; with one CPU
 * there is one thread, and the number of regions is certain.
 */
static void use_one_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned int)sched_getcpu(), &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(check__passes_what_can_be_launched),
		TEST(check__wants_whole_cores),
		TEST(check__counts_the_cpus_that_are_free),
		TEST(check__looks_at_each_cpu_that_is_named),
		TEST(check__wants_memory_for_the_image_and_the_driver),
		TEST(check__refuses_reserved_cids),
		TEST(check__refuses_an_image_of_another_architecture),
		TEST(check__refuses_a_machine_without_a_pool),
		TEST(node__is_that_of_the_pool_or_of_the_cpus),
		TEST(launch__starts_the_enclave_that_was_asked_for),
		TEST(launch__lets_the_driver_and_the_hypervisor_choose),
		TEST(launch__spreads_the_image_over_mappings),
		TEST(launch__leaves_nothing_whichever_call_is_refused),
		TEST(launch__leaves_nothing_whatever_the_device_refuses),
		TEST(launch__names_what_the_driver_refuses),
		TEST(launch__says_which_memory_the_driver_refuses),
		TEST(launch__needs_room_for_the_image),
		TEST(launch__notices_that_the_file_changed_meanwhile),
		TEST(launch__can_be_cancelled_in_every_phase),
		TEST(launch__tells_how_long_each_step_took),
		TEST(end__of_nothing_does_no_harm),
	};

	use_one_cpu();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
