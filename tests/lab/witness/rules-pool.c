/* SPDX-License-Identifier: Apache-2.0 */
/* ne_cpus: which lists are a pool, and what is left of one that is none. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "witness.h"

enum { LIMIT = 512 };

static void read_online(char *to, size_t size)
{
	read_file("/sys/devices/system/cpu/online", to, size);
}

static bool all_online(void)
{
	char online[512];
	char possible[512];

	read_online(online, sizeof(online));
	read_file("/sys/devices/system/cpu/possible", possible, sizeof(possible));
	return strcmp(online, possible) == 0;
}

static bool has_topology(uint32_t cpu)
{
	char path[96];
	char text[64];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/core_id", cpu);
	read_file(path, text, sizeof(text));
	return *text != '\0';
}

/* As a shell writes it. */
static void check_accepted(void)
{
	char line[sizeof(cpus.pool) + 2];
	char raw[sizeof(cpus.pool) + 8] = "";
	int fd;

	(void)snprintf(line, sizeof(line), "%s\n", cpus.pool);
	is(write_pool(line), (int64_t)strlen(line), "%s is a pool, with a newline behind it",
	   cpus.pool);
	ok(pool_is(cpus.pool), "and can be read again");
	ok(!all_online(), "its CPUs are offline");
	ok(!has_topology(cpus.cores[0][0]), "and have no topology");
	if (machine.is_kernel) {
		fd = open(NE_CPUS, O_RDONLY | O_CLOEXEC);
		(void)!read(fd, raw, sizeof(raw) - 1);
		(void)close(fd);
		ok(strlen(raw) == strlen(line) + 1, "with the newline that came, and one more");
		is(machine.write_pool("", 0), 0, "writing nothing at all does nothing");
		ok(pool_is(cpus.pool), "and the pool is as it was");
	}
	is(write_pool(cpus.pool), (int64_t)strlen(cpus.pool), "the same pool can be written again");
}

static void refused(const char *text, int expected, const char *why)
{
	set_pool(cpus.pool);
	is(write_pool(text), expected, "%s", why);
	ok(pool_is("") && all_online(), "and there is no pool any more");
}

static void check_refused(void)
{
	char text[LIMIT + 8];

	refused("\n", -EINVAL, "a newline is EINVAL");
	refused(" ", -EINVAL, "a space is EINVAL");
	refused("x", -EINVAL, "what is no list is EINVAL");
	refused("3-2", -EINVAL, "a range that goes backwards is EINVAL");
	(void)snprintf(text, sizeof(text), "%u", cpus.limit);
	refused(text, -ERANGE, "a CPU that the machine cannot have is ERANGE");
	refused("0", -EINVAL, "CPU 0 is EINVAL");
	(void)snprintf(text, sizeof(text), "0,%s", cpus.pool);
	refused(text, -EINVAL, "CPU 0 among others is EINVAL");
	if (cpus.threads > 1) {
		refused("1", -EINVAL, "a sibling of CPU 0 is EINVAL");
		(void)snprintf(text, sizeof(text), "%u", cpus.cores[0][0]);
		refused(text, -EINVAL, "one thread of a core is EINVAL");
	} else {
		skip("cores have one thread", "a sibling of CPU 0 is EINVAL");
	}
}

static void check_nodes(void)
{
	char text[sizeof(cpus.pool) + sizeof(cpus.other) + 2];

	if (!*cpus.other) {
		skip("there is one node", "cores of two nodes are EINVAL");
		return;
	}
	(void)snprintf(text, sizeof(text), "%s,%s", cpus.pool, cpus.other);
	refused(text, -EINVAL, "cores of two nodes are EINVAL");
	is(write_pool(cpus.other), (int64_t)strlen(cpus.other), "cores of another node are a pool");
	set_pool(cpus.pool);
}

/* The pool's first CPU again and again, until the text has @size characters. */
static void repeat(char *to, size_t size)
{
	size_t used = (size_t)snprintf(to, size + 1, "%s", cpus.pool);

	while (used < size) {
		char item[16];
		int length = snprintf(item, sizeof(item), ",%u", cpus.cores[0][0]);

		/* "007" is 7 to the kernel. */
		if (size - used < 2 * (size_t)length)
			length = snprintf(item, sizeof(item), ",%0*u", (int)(size - used) - 1,
					  cpus.cores[0][0]);
		memcpy(to + used, item, (size_t)length);
		used += (size_t)length;
	}
	to[size] = '\0';
}

static void check_length(void)
{
	char text[LIMIT + 1];

	repeat(text, LIMIT - 1);
	is(write_pool(text), LIMIT - 1, "a text of %d characters is a pool", LIMIT - 1);
	ok(pool_is(text), "and can be read again");
	repeat(text, LIMIT);
	refused(text, -ENOSPC, "one more is ENOSPC");
}

static void check_with_slot(void)
{
	int fd;

	set_pool(cpus.pool);
	fd = create();
	is(write_pool(cpus.pool), -EPERM,
	   "while there is a slot the pool cannot be written: EPERM");
	is(write_pool("x"), -EPERM, "not even badly");
	ok(pool_is(cpus.pool), "and stays as it was");
	(void)close(fd);
	set_pool(cpus.pool);
	(void)write_pool("\n");
	is(try_create(), -NE_ERR_NO_CPUS_AVAIL_IN_POOL, "without a pool there is no slot: 272");
}

static void check_offline(void)
{
	char path[64];
	int fd;

	(void)write_pool("\n");
	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online",
		       cpus.cores[0][0]);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		bail_out("%s cannot be written", path);
	is(write_pool(cpus.pool), -EINVAL, "a CPU that is offline is EINVAL");
	if (write(fd, "1", 1) != 1)
		bail_out("%s cannot be written", path);
	(void)close(fd);
	ok(all_online(), "and that it was offline is not the driver's business");
}

/* Still root, and may open the file. */
static int64_t write_without_capability(int fd)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	(void)fd;
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	return write_pool(cpus.pool);
}

void check_pool(void)
{
	check_accepted();
	check_refused();
	check_nodes();
	check_length();
	check_with_slot();
	if (!machine.is_kernel) {
		skip("the fake has neither", "CPUs that are offline, and capabilities");
		return;
	}
	check_offline();
	is(in_child(write_without_capability, -1), -EPERM,
	   "without CAP_SYS_ADMIN the pool cannot be written: EPERM");
}

/* Returns how modprobe ended. */
static int load_module(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		(void)execlp("modprobe", "modprobe", "nitro_enclaves", (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

void check_module(void)
{
	int device;

	if (!machine.is_kernel) {
		skip("the fake is no module", "unloading");
		return;
	}
	set_pool(cpus.pool);
	device = machine.open_device(O_RDWR);
	is(syscall(SYS_delete_module, "nitro_enclaves", O_NONBLOCK) < 0 ? -errno : 0, -EAGAIN,
	   "the module stays while the device is open: EAGAIN");
	(void)close(device);
	is(syscall(SYS_delete_module, "nitro_enclaves", O_NONBLOCK) < 0 ? -errno : 0, 0,
	   "the module can be unloaded with a pool");
	ok(all_online(), "and its CPUs are online again");
	ok(access("/dev/nitro_enclaves", F_OK) < 0, "and the device is gone");
	is(load_module(), 0, "it can be loaded again");
	ok(access("/dev/nitro_enclaves", F_OK) == 0, "and the device is back");
	set_pool(cpus.pool);
	(void)close(create());
	ok(!slot_exists(), "and makes slots");
}
