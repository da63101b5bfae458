/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning, applying and releasing 4 GiB on a fake tree of 128 CPUs and 4 nodes, against its floor:
 * reading the files that the picture of such a machine is made of, once. All in CPU time of the
 * process. The kernel's part costs nothing here: a write changes a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "allocator/apply.h"
#include "base/context.h"
#include "base/error.h"

enum { ROUNDS = 31, NODES = 4, CORES = 64, THREADS = 2, NODE_CORES = CORES / NODES };

static const char file_text[] = "memory_mib: 4096\ncpu_count: 16\n";

static char root[64];
static unsigned int writes;

static void write_file(const char *path, const char *text)
{
	char full[PATH_MAX];
	cleanup_close int fd = -1;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(full, 0755);
		*slash = '/';
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(full);
		exit(1);
	}
}

static void write_format(const char *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void write_format(const char *text, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	write_file(path, text);
}

static void make_cpus(void)
{
	char text[64];

	for (unsigned int cpu = 0; cpu < CORES * THREADS; cpu++) {
		unsigned int core = cpu % CORES;

		(void)snprintf(text, sizeof(text), "%u,%u\n", core, core + CORES);
		write_format(text, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
			     cpu);
		(void)snprintf(text, sizeof(text), "%u\n", core);
		write_format(text, "/sys/devices/system/cpu/cpu%u/topology/core_id", cpu);
		write_format("", "/sys/devices/system/cpu/cpu%u/node%u", cpu, core / NODE_CORES);
	}
	write_file("/sys/devices/system/cpu/present", "0-127\n");
	write_file("/sys/devices/system/cpu/online", "0-127\n");
	write_file("/sys/devices/system/cpu/possible", "0-127\n");
	write_file("/sys/devices/system/node/online", "0-3\n");
}

static const char *const sizes[] = { "2048", "1048576" };
static const char *const counts[] = { "nr", "free", "surplus", "resv" };

static void make_pages(void)
{
	for (size_t size = 0; size < ARRAY_SIZE(sizes); size++)
		for (size_t count = 0; count < ARRAY_SIZE(counts); count++) {
			write_format("0\n", "/sys/kernel/mm/hugepages/hugepages-%skB/%s_hugepages",
				     sizes[size], counts[count]);
			for (int node = 0; node < NODES; node++)
				write_format("0\n",
					     "/sys/devices/system/node/node%d/hugepages/"
					     "hugepages-%skB/%s_hugepages",
					     node, sizes[size], counts[count]);
		}
}

static void make_machine(void)
{
	make_cpus();
	make_pages();
	for (int node = 0; node < NODES; node++)
		write_format("Node 0 MemTotal: 9999999 kB\nNode 0 MemFree: 9999999 kB\n",
			     "/sys/devices/system/node/node%d/meminfo", node);
	write_file("/proc/buddyinfo", "Node 0, zone Normal 1 1 1 1 1 1 1 1 1 9 9\n");
	write_file("/proc/sys/kernel/random/boot_id", "0\n");
	write_file("/sys/module/nitro_enclaves/parameters/ne_cpus", "\n");
	write_file("/sys/module/nitro_enclaves/refcnt", "0\n");
	write_file("/dev/nitro_enclaves", "");
	write_file("/run/utmp", "");
}

/* ---- the seam ---- */

static int write_text(const struct nec_device *device, const char *path, const char *text)
{
	const char *name = strstr(path, "nr_hugepages");
	char other[PATH_MAX];

	(void)device;
	writes++;
	write_file(path, text);
	if (name) {
		(void)snprintf(other, sizeof(other), "%.*sfree_hugepages", (int)(name - path),
			       path);
		write_file(other, text);
		write_file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", text);
	}
	return strcmp(text, "\n") == 0 ? -EINVAL : 0;
}

static int check_rights(const struct nec_device *device)
{
	(void)device;
	return 0;
}

static const struct nec_device_ops ops = { .write_text = write_text, .check_rights = check_rights };

/* ---- the measurements ---- */

static double now_msec(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1000 + (double)time.tv_nsec / 1000000;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return a < b ? -1 : a > b;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

static unsigned int files_read;

static int read_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	cleanup_close int fd = -1;
	char text[4096];

	(void)st;
	(void)ftw;
	if (type != FTW_F)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
		;
	files_read++;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static void must(int r, const nec_error *err)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static void plan_once(nec_context *context, const struct nec_allocator_config *config)
{
	struct nec_allocator_plan *plan = NULL;
	cleanup_host struct nec_host *host = NULL;
	nec_error err = NEC_ERROR_INIT;

	must(nec_allocator_plan_read(context, config, &host, &plan, &err), &err);
	free(plan);
}

static void measure(nec_context *context, const struct nec_allocator_config *config)
{
	const struct nec_allocator_apply_options options = NEC_ALLOCATOR_APPLY_OPTIONS_INIT;
	double times[4][ROUNDS];
	struct nec_allocator_outcome outcome;
	nec_error err = NEC_ERROR_INIT;
	double floor;

	for (int i = 0; i < ROUNDS; i++) {
		double at[5];

		files_read = 0;
		at[0] = now_msec();
		(void)nftw(root, read_one, 16, FTW_PHYS);
		at[1] = now_msec();
		plan_once(context, config);
		at[2] = now_msec();
		writes = 0;
		must(nec_allocator_apply(context, config, &options, &outcome, &err), &err);
		at[3] = now_msec();
		must(nec_allocator_release(context, &outcome, &err), &err);
		at[4] = now_msec();
		for (int part = 0; part < 4; part++)
			times[part][i] = at[part + 1] - at[part];
	}
	floor = median(times[0]);
	(void)printf("%-34s %8s %8s\n", "128 CPUs, 4 nodes, 4 GiB", "CPU ms", "x floor");
	(void)printf("%-34s %8.2f %8s\n", "floor: every file read once", floor, "1.0");
	(void)printf("%-34s %8.2f %8.1f\n", "plan", median(times[1]), times[1][ROUNDS / 2] / floor);
	(void)printf("%-34s %8.2f %8.1f\n", "apply (plans, too)", median(times[2]),
		     times[2][ROUNDS / 2] / floor);
	(void)printf("%-34s %8.2f %8.1f\n", "release", median(times[3]),
		     times[3][ROUNDS / 2] / floor);
	(void)printf("%u files, %u writes of apply and release; plan and apply should stay below "
		     "10 ms\n",
		     files_read, writes);
}

int main(void)
{
	struct nec_device device = { .ops = &ops, .root_fd = -1 };
	nec_context context = { .device = &device };
	struct nec_allocator_config config;
	nec_error err = NEC_ERROR_INIT;

	(void)snprintf(root, sizeof(root), "%s/nec-bench-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(root))
		return 1;
	make_machine();
	device.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(nec_allocator_config_parse(file_text, strlen(file_text), "bench", &config, &err),
	     &err);
	measure(&context, &config);
	(void)close(device.root_fd);
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
