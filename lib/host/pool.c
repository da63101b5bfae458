/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's CPU pool. */
#include "host/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/error.h"
#include "base/loop.h"

#define POOL_PARAMETER "/sys/module/nitro_enclaves/parameters/ne_cpus"

enum { DEVICE_TURN_MSEC = 50 };

int nec_cpu_pool_read(const struct nec_device *device, struct nec_cpu_pool *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_cpu_pool pool = { .info = { .state = NEC_POOL_NO_DRIVER, .node = -1 } };
	int r;

	pool.info.device_present = nec_device_exists(device, "/dev/nitro_enclaves") == 1;
	r = nec_device_read_optional(device, POOL_PARAMETER, &text, err);
	if (r == 0)
		*ret = pool;
	if (r <= 0)
		return r;
	if (text.size >= sizeof(pool.info.text))
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     POOL_PARAMETER " has %zu characters, the driver takes %zu",
				     text.size, sizeof(pool.info.text) - 1);
	(void)snprintf(pool.info.text, sizeof(pool.info.text), "%s", nec_buffer_text(&text));
	if (strcmp(pool.info.text, "dynamic") == 0) {
		pool.info.state = NEC_POOL_DYNAMIC;
		*ret = pool;
		return 0;
	}
	r = nec_cpulist_parse(pool.info.text, NEC_CPUS_MAX - 1, &pool.cpus, err);
	if (r < 0)
		return nec_error_prefix(err, r, POOL_PARAMETER);
	pool.info.cpu_count = nec_cpuset_count(&pool.cpus);
	pool.info.state = pool.info.cpu_count ? NEC_POOL_SET : NEC_POOL_EMPTY;
	*ret = pool;
	return 0;
}

/* Amazon's driver leaves the parent CPU 0 with its siblings; every other core is the pool's. */
static void fill_dynamic(struct nec_cpu_pool *pool, const struct nec_topology *topology)
{
	const struct nec_cpu *parents = nec_topology_find(topology, 0);

	for (size_t i = 0; i < topology->count; i++) {
		const struct nec_cpu *cpu = &topology->cpus[i];

		if (cpu->online && (!parents || cpu->core != parents->core))
			nec_cpuset_add(&pool->cpus, cpu->id);
	}
	pool->info.cpu_count = nec_cpuset_count(&pool->cpus);
}

void nec_cpu_pool_place(struct nec_cpu_pool *pool, const struct nec_topology *topology)
{
	bool first = true;

	if (pool->info.state == NEC_POOL_DYNAMIC)
		fill_dynamic(pool, topology);
	pool->info.node = -1;
	NEC_CPUSET_FOR_EACH (id, &pool->cpus) {
		const struct nec_cpu *cpu = nec_topology_find(topology, id);
		int32_t node = cpu ? cpu->node : -1;

		if (!first && node != pool->info.node) {
			pool->info.node = -1;
			return;
		}
		pool->info.node = node;
		first = false;
	}
}

int nec_cpu_pool_check(const struct nec_cpu_pool *pool, nec_error *err)
{
	if (pool->info.state == NEC_POOL_NO_DRIVER)
		return nec_error_set(
			err, NEC_E_DRIVER_MISSING, -ENOENT,
			"the driver nitro_enclaves is not loaded: there is no " POOL_PARAMETER);
	if (!pool->info.device_present)
		return nec_error_set(
			err, NEC_E_DEVICE_MISSING, -ENOENT,
			"the driver is loaded but found no enclave device: there is no "
			"/dev/nitro_enclaves");
	if (pool->info.state == NEC_POOL_EMPTY)
		return nec_error_set(err, NEC_E_POOL_EMPTY, -EBUSY,
				     "no CPU is set aside for enclaves: " POOL_PARAMETER
				     " is empty");
	return 0;
}

/* What the driver's numbers mean for the pool; "" when nothing better is known. */
static const char *pool_reason(int number)
{
	switch (-number) {
	case EINVAL:
		return ": it takes whole cores of one NUMA node, all online, none of them CPU 0's";
	case ERANGE:
		return ": there is no such CPU";
	case ENOSPC:
		return ": the list is too long";
	case EBUSY:
		return ": a CPU could not be taken offline";
	default:
		return "";
	}
}

static int refuse_pool(int number, const char *text, nec_error *err)
{
	if (number == -EPERM)
		return nec_error_set(err, NEC_E_ALLOCATOR_ENCLAVES, -EBUSY,
				     "the driver keeps the CPU pool as it is while enclaves exist");
	(void)nec_error_set_system(err, NEC_E_ALLOCATOR_POOL, number,
				   "the driver refuses the CPU pool \"%s\"%s", text,
				   pool_reason(number));
	/* A unit's view of /sys is of the driver that was loaded when the unit was started. */
	if (nec_device_is_read_only(number))
		nec_error_set_hint(err, NEC_DEVICE_READ_ONLY_HINT
				   " If nitro-enclaves-allocator.service says this, the driver has "
				   "been loaded anew since it was started: `systemctl restart "
				   "nitro-enclaves-allocator`.");
	return number == -EBUSY ? -EIO : number;
}

bool nec_cpu_pool_equal(const char *a, const char *b)
{
	struct nec_cpuset left;
	struct nec_cpuset right;

	if (nec_cpulist_parse(a, NEC_CPUS_MAX - 1, &left, NULL) < 0 ||
	    nec_cpulist_parse(b, NEC_CPUS_MAX - 1, &right, NULL) < 0)
		return strcmp(a, b) == 0;
	return memcmp(&left, &right, sizeof(left)) == 0;
}

int nec_cpu_pool_write(const struct nec_device *device, const char *text, nec_error *err)
{
	cleanup_buffer struct nec_buffer line = { 0 };
	struct nec_cpu_pool now = { 0 };
	int written;
	int r;

	if (strlen(text) >= sizeof(now.info.text))
		return nec_error_set(err, NEC_E_ALLOCATOR_POOL, -EFBIG,
				     "the pool's list has %zu characters, the driver takes %zu",
				     strlen(text), sizeof(now.info.text) - 1);
	/*
	 * No newline: the driver would keep it, and it counts. Alone it is the way to release the
	 * pool, which the driver answers with EINVAL all the same.
	 */
	nec_buffer_append_text(&line, *text ? text : "\n");
	if (line.failed)
		return nec_error_no_memory(err);
	written = device->ops->write_text(device, POOL_PARAMETER, nec_buffer_text(&line));
	if (written == -EPERM || (written < 0 && *text))
		return refuse_pool(written, text, err);
	r = nec_cpu_pool_read(device, &now, err);
	if (r < 0)
		return r;
	if (!nec_cpu_pool_equal(now.info.text, text) && nec_device_is_read_only(written))
		return refuse_pool(written, text, err);
	if (!nec_cpu_pool_equal(now.info.text, text))
		return nec_error_set(err, NEC_E_ALLOCATOR_POOL, written < 0 ? written : -EIO,
				     "the CPU pool was to become \"%s\", the driver has \"%s\"",
				     text, now.info.text);
	return 0;
}

bool nec_driver_in_use(const struct nec_device *device)
{
	uint64_t count = 0;

	return nec_device_read_u64(device, "/sys/module/nitro_enclaves/refcnt", &count, NULL) ==
		       0 &&
	       count > 0;
}

/* Told when something appears in /dev; -1 when that cannot be had. */
static int watch_dev(const struct nec_device *device)
{
	cleanup_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	cleanup_close int dev = openat(device->root_fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dev);
	if (fd < 0 || dev < 0 || inotify_add_watch(fd, path, IN_CREATE | IN_ATTRIB) < 0)
		return -1;
	return TAKE_FD(fd);
}

int nec_device_wait(const nec_context *context, const struct nec_device *device, uint64_t usec,
		    nec_error *err)
{
	uint64_t end = nec_loop_now() + usec;
	cleanup_close int watch = watch_dev(device);

	for (;;) {
		struct pollfd poll_fd = { .fd = watch, .events = POLLIN };
		char events[512];
		int r = nec_check_cancel(context, err);

		if (r < 0)
			return r;
		if (nec_device_exists(device, "/dev/nitro_enclaves") == 1)
			return 1;
		if (nec_loop_now() >= end)
			return 0;
		/* A short turn each: the cancel flag wakes nobody. */
		(void)poll(&poll_fd, 1, DEVICE_TURN_MSEC);
		(void)!read(watch, events, sizeof(events));
	}
}
