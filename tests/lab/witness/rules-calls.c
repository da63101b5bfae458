/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, descriptors and pointers: what the kernel makes of each call before its meaning. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "witness.h"

static const struct {
	const char *name;
	unsigned long request;
	unsigned long number;
} calls[] = {
	{ "NE_CREATE_VM", NE_CREATE_VM, 0x8008ae20 },
	{ "NE_ADD_VCPU", NE_ADD_VCPU, 0xc004ae21 },
	{ "NE_GET_IMAGE_LOAD_INFO", NE_GET_IMAGE_LOAD_INFO, 0xc010ae22 },
	{ "NE_SET_USER_MEMORY_REGION", NE_SET_USER_MEMORY_REGION, 0x4018ae23 },
	{ "NE_START_ENCLAVE", NE_START_ENCLAVE, 0xc010ae24 },
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void check_descriptors(int device, int fd)
{
	char name[64] = "";
	char link[32];
	char byte;

	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "an enclave's descriptor is close-on-exec");
	if (!machine.is_kernel)
		return;
	is(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR, "an enclave's descriptor is read-write");
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	(void)!readlink(link, name, sizeof(name) - 1);
	ok(strncmp(name, "anon_inode:ne-vm", 16) == 0, "an enclave is an anonymous inode ne-vm");
	is(read(fd, &byte, 1) < 0 ? -errno : 0, -EINVAL, "an enclave cannot be read");
	is(read(device, &byte, 1) < 0 ? -errno : 0, -EINVAL, "the device cannot be read");
	is(lseek(device, 1, SEEK_SET) < 0 ? -errno : 0, 0, "seeking in the device does nothing");
	ok(mmap(NULL, 4096, PROT_READ, MAP_SHARED, device, 0) == MAP_FAILED && errno == ENODEV,
	   "the device cannot be mapped");
}

void check_numbers(void)
{
	/* Large enough for every call's argument. */
	uint64_t argument[4] = { 0 };
	int device = machine.open_device(O_RDONLY);
	int fd;

	for (size_t i = 0; i < CALLS; i++)
		is((int64_t)calls[i].request, (int64_t)calls[i].number, "%s is 0x%lx",
		   calls[i].name, calls[i].number);
	fd = machine.call(device, NE_CREATE_VM, argument);
	ok(fd >= 0, "a device opened for reading alone makes a slot");
	ok(argument[0] != 0, "the number of the slot comes back");
	check_descriptors(device, fd);
	for (size_t i = 1; i < CALLS; i++)
		is(machine.call(device, calls[i].request, argument), -ENOTTY,
		   "%s on the device is ENOTTY", calls[i].name);
	is(machine.call(fd, NE_CREATE_VM, argument), -ENOTTY,
	   "NE_CREATE_VM on an enclave is ENOTTY");
	is(machine.call(device, _IO(0xAE, 0x00), argument), -ENOTTY,
	   "what the device does not know is ENOTTY");
	is(machine.call(fd, _IO(0xAE, 0x25), argument), -ENOTTY,
	   "what an enclave does not know is ENOTTY");
	(void)close(device);
	is(add_vcpu(fd, 0) > 0, 1, "an enclave does not need the device any more");
	is(close(fd), 0, "close() of an enclave is 0");
	ok(!slot_exists(), "and its slot is gone");
}

/* A page that has @size bytes of @from and can be read only. */
static void *read_only(const void *from, size_t size)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		bail_out("no memory");
	memcpy(page, from, size);
	(void)mprotect(page, 4096, PROT_READ);
	return page;
}

static void check_unreadable(int fd)
{
	for (size_t i = 1; i < CALLS; i++)
		is(machine.call(fd, calls[i].request, NULL), -EFAULT, "%s from nowhere is EFAULT",
		   calls[i].name);
}

static void check_unwritable(int fd)
{
	const struct ne_image_load_info image = { .flags = NE_EIF_IMAGE };
	const struct ne_enclave_start_info info = { .flags = NE_ENCLAVE_PRODUCTION_MODE };
	uint32_t cpu = cpus.cores[0][0];
	void *memory;

	is(machine.call(fd, NE_GET_IMAGE_LOAD_INFO, read_only(&image, sizeof(image))), -EFAULT,
	   "NE_GET_IMAGE_LOAD_INFO that cannot answer is EFAULT");
	is(machine.call(fd, NE_ADD_VCPU, read_only(&cpu, sizeof(cpu))), -EFAULT,
	   "NE_ADD_VCPU that cannot answer is EFAULT");
	is(add_vcpu(fd, cpu), -NE_ERR_VCPU_ALREADY_USED, "but the vCPU is added");
	for (uint32_t i = 1; i < cpus.threads; i++)
		(void)add_vcpu(fd, cpus.cores[0][i]);
	memory = map(MEMORY_64 / PAGE_2M);
	(void)add_memory(fd, memory, MEMORY_64);
	unmap(memory, MEMORY_64 / PAGE_2M);
	is(machine.call(fd, NE_START_ENCLAVE, read_only(&info, sizeof(info))), -EFAULT,
	   "NE_START_ENCLAVE that cannot answer is EFAULT");
	is(start(fd, 0, 0), -NE_ERR_NOT_IN_INIT_STATE, "but the enclave is started");
}

static void check_without_descriptors(int device)
{
	struct rlimit before;
	struct rlimit few;
	uint64_t uid;
	int next = dup(device);

	(void)close(next);
	(void)getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = (rlim_t)next;
	(void)setrlimit(RLIMIT_NOFILE, &few);
	is(machine.call(device, NE_CREATE_VM, &uid), -EMFILE,
	   "NE_CREATE_VM without a descriptor left is EMFILE");
	(void)setrlimit(RLIMIT_NOFILE, &before);
	ok(!slot_exists(), "and leaves no slot");
}

void check_pointers(void)
{
	int device;
	int fd;

	if (!machine.is_kernel) {
		skip("the fake is called, not entered", "pointers that lead nowhere");
		return;
	}
	device = machine.open_device(O_RDWR);
	is(machine.call(device, NE_CREATE_VM, NULL), -EFAULT, "NE_CREATE_VM to nowhere is EFAULT");
	ok(!slot_exists(), "and leaves no slot");
	fd = create();
	check_unreadable(fd);
	check_unwritable(fd);
	(void)close(fd);
	check_without_descriptors(device);
	(void)close(device);
}
