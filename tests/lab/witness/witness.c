/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks stand on: TAP, the CPUs of the machine, the calls. */
#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES_MAX = 8, POOL_CORES = 3 };

struct cpus cpus;

static unsigned int checks;
static unsigned int failures;

/* ---- TAP ---- */

static void say(bool good, const char *why, const char *format, va_list args)
{
	(void)printf("%s %u - ", good ? "ok" : "not ok", ++checks);
	(void)vprintf(format, args);
	if (why)
		(void)printf(" # SKIP %s", why);
	(void)printf("\n");
	failures += good ? 0 : 1;
}

void is(int64_t got, int64_t expected, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(got == expected, NULL, format, args);
	va_end(args);
	if (got != expected)
		(void)printf("#   got %lld, expected %lld\n", (long long)got, (long long)expected);
	(void)fflush(stdout);
}

void ok(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(good, NULL, format, args);
	va_end(args);
	(void)fflush(stdout);
}

void skip(const char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(true, why, format, args);
	va_end(args);
	(void)fflush(stdout);
}

void note(const char *format, ...)
{
	va_list args;

	(void)printf("# ");
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)printf("\n");
	(void)fflush(stdout);
}

void bail_out(const char *format, ...)
{
	va_list args;

	(void)printf("Bail out! ");
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)printf("\n");
	exit(1);
}

int finish(void)
{
	(void)printf("1..%u\n", checks);
	if (failures)
		(void)printf("# %u of %u checks failed\n", failures, checks);
	return failures ? 1 : 0;
}

void read_file(const char *path, char *to, size_t size)
{
	int fd = machine.open_file(path);
	ssize_t n = fd < 0 ? 0 : read(fd, to, size - 1);

	if (fd >= 0)
		(void)close(fd);
	while (n > 0 && strchr(" \t\r\n", to[n - 1]))
		n--;
	to[n > 0 ? n : 0] = '\0';
}

/* ---- CPUs and the pool ---- */

/* "2-3" or "1,5": the numbers in it. Returns how many. */
static uint32_t parse_list(const char *text, uint32_t *to, uint32_t max)
{
	uint32_t count = 0;
	char *end;

	while (*text >= '0' && *text <= '9') {
		unsigned long first = strtoul(text, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

		for (; first <= last && count < max; first++)
			to[count++] = (uint32_t)first;
		text = *end == ',' ? end + 1 : end;
	}
	return count;
}

static int node_of(uint32_t cpu)
{
	char path[96];

	for (int node = 0; node < NODES_MAX; node++) {
		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%d", cpu,
			       node);
		if (machine.exists(path))
			return node;
	}
	return 0;
}

static void note_core(const char *list, int node)
{
	size_t used = strlen(cpus.pool);

	if (cpus.count == 0)
		cpus.node = node;
	if (node != cpus.node) {
		(void)snprintf(cpus.other, sizeof(cpus.other), "%s", list);
		cpus.other_node = node;
		return;
	}
	/* Enough for every rule; each CPU more takes its time whenever the pool is written. */
	if (cpus.count == POOL_CORES)
		return;
	cpus.threads = parse_list(list, cpus.cores[cpus.count++], 8);
	(void)snprintf(cpus.pool + used, sizeof(cpus.pool) - used, "%s%s", used ? "," : "", list);
}

void find_cpus(void)
{
	uint32_t possible[1024];
	char siblings[128];
	char path[96];
	char list[512];

	/* The lists of siblings have online CPUs only. That it fails is the driver's way. */
	(void)write_pool("\n");
	read_file("/sys/devices/system/cpu/possible", list, sizeof(list));
	cpus.limit = parse_list(list, possible, 1024);
	for (uint32_t cpu = 1; cpu < cpus.limit && cpu < CPUS_MAX; cpu++) {
		(void)snprintf(path, sizeof(path),
			       "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
		read_file(path, siblings, sizeof(siblings));
		/* Each core once, by its first thread, and CPU 0's never. */
		if (*siblings && strtoul(siblings, NULL, 10) == cpu)
			note_core(siblings, node_of(cpu));
	}
	if (cpus.count == 0)
		bail_out("there is no core that a pool could have");
	note("%u cores of %u threads for the pool: %s, on node %d", cpus.count, cpus.threads,
	     cpus.pool, cpus.node);
}

ssize_t write_pool(const char *text)
{
	return machine.write_pool(text, strlen(text));
}

void set_pool(const char *text)
{
	ssize_t r = write_pool(text);

	if (r != (ssize_t)strlen(text))
		bail_out("%s cannot be the pool: %zd", text, r);
}

bool pool_is(const char *text)
{
	char now[1024];

	read_file(NE_CPUS, now, sizeof(now));
	return strcmp(now, text) == 0;
}

bool slot_exists(void)
{
	return write_pool(cpus.pool) == -EPERM;
}

/* ---- calls ---- */

int try_create(void)
{
	int device = machine.open_device(O_RDWR);
	uint64_t uid = 0;
	int fd;

	if (device < 0)
		bail_out("/dev/nitro_enclaves cannot be opened: %d", device);
	fd = machine.call(device, NE_CREATE_VM, &uid);
	(void)close(device);
	if (fd >= 0 && uid == 0)
		bail_out("the slot has number 0");
	return fd;
}

int create(void)
{
	int fd = try_create();

	if (fd < 0)
		bail_out("no slot: %d", fd);
	return fd;
}

int add_vcpu(int fd, uint32_t cpu)
{
	int r = machine.call(fd, NE_ADD_VCPU, &cpu);

	return r < 0 ? r : (int)cpu;
}

void add_core(int fd, uint32_t core)
{
	for (uint32_t i = 0; i < cpus.threads; i++)
		if (add_vcpu(fd, cpus.cores[core][i]) < 0)
			bail_out("the enclave does not take its vCPUs");
}

int add_region(int fd, uint64_t flags, uint64_t address, uint64_t bytes)
{
	struct ne_user_memory_region region = {
		.flags = flags,
		.memory_size = bytes,
		.userspace_addr = address,
	};

	return machine.call(fd, NE_SET_USER_MEMORY_REGION, &region);
}

int add_memory(int fd, const void *address, uint64_t bytes)
{
	return add_region(fd, NE_DEFAULT_MEMORY_REGION, (uintptr_t)address, bytes);
}

int64_t start(int fd, uint64_t cid, uint64_t flags)
{
	struct ne_enclave_start_info info = { .flags = flags, .enclave_cid = cid };
	int r = machine.call(fd, NE_START_ENCLAVE, &info);

	return r < 0 ? r : (int64_t)info.enclave_cid;
}

int64_t image_offset(int fd, uint64_t flags)
{
	struct ne_image_load_info info = { .flags = flags };
	int r = machine.call(fd, NE_GET_IMAGE_LOAD_INFO, &info);

	return r < 0 ? r : (int64_t)info.memory_offset;
}

void *map(size_t pages)
{
	void *memory = machine.map(PAGE_2M, pages, cpus.node);

	if (!memory)
		bail_out("%zu huge pages of 2 MiB are not free", pages);
	return memory;
}

void unmap(void *address, size_t pages)
{
	machine.unmap(address, pages * PAGE_2M);
}

int prepare(void)
{
	void *memory = map(MEMORY_64 / PAGE_2M);
	int fd = create();

	if (add_memory(fd, memory, MEMORY_64) < 0)
		bail_out("the enclave does not take its memory");
	unmap(memory, MEMORY_64 / PAGE_2M);
	add_core(fd, 0);
	return fd;
}

int polled(int fd)
{
	struct pollfd nothing = { .fd = fd };
	struct pollfd everything = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };

	if (poll(&nothing, 1, 0) < 0 || poll(&everything, 1, 0) < 0)
		return -errno;
	return nothing.revents == everything.revents ? nothing.revents : -1;
}

int64_t in_child(int64_t (*body)(int fd), int fd)
{
	int64_t *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t value;
	pid_t pid;

	if (result == MAP_FAILED)
		bail_out("no memory");
	(void)fflush(stdout);
	*result = -1;
	pid = fork();
	if (pid == 0) {
		*result = body(fd);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		bail_out("no child");
	value = *result;
	(void)munmap(result, sizeof(*result));
	return value;
}
