/* SPDX-License-Identifier: Apache-2.0 */
/* The table of driver errors: NE_ERR_... of <linux/nitro_enclaves.h>, and plain errno values. */
#include "host/driver-error.h"

#include <linux/nitro_enclaves.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
	OPEN = NEC_DRIVER_OPEN,
	CREATE = NEC_DRIVER_CREATE_VM,
	IMAGE = NEC_DRIVER_GET_IMAGE_LOAD_INFO,
	REGION = NEC_DRIVER_SET_MEMORY_REGION,
	VCPU = NEC_DRIVER_ADD_VCPU,
	START = NEC_DRIVER_START,
	IOCTLS = CREATE | IMAGE | REGION | VCPU | START,
	/* those that send a command to the device and wait for it */
	COMMANDS = CREATE | REGION | VCPU | START
};

/* Amazon Linux's driver: codes that upstream's header does not have. */
enum {
	/* "not running" there; upstream can only have it from the device */
	AMAZON_NOT_RUNNING = 276,
	/* The device's answers -276 to -298, moved out of the way of the driver's own codes. */
	AMAZON_DEVICE_FIRST = 532,
	AMAZON_DEVICE_LAST = 554,
	AMAZON_DEVICE_SHIFT = 256
};

static const struct driver_row {
	unsigned int calls;
	int number;
	const char *name;
	enum nec_error_code code;
	int result; /* the errno value for our callers */
	const char *meaning;
} driver_table[] = {
	{ VCPU, NE_ERR_VCPU_ALREADY_USED, "NE_ERR_VCPU_ALREADY_USED", NEC_E_VCPU_ALREADY_USED,
	  EEXIST, "this enclave has the CPU already" },
	{ VCPU, NE_ERR_VCPU_NOT_IN_CPU_POOL, "NE_ERR_VCPU_NOT_IN_CPU_POOL", NEC_E_VCPU_NOT_IN_POOL,
	  EBUSY, "the CPU is not in the CPU pool, or another enclave has its core" },
	{ VCPU, NE_ERR_VCPU_INVALID_CPU_CORE, "NE_ERR_VCPU_INVALID_CPU_CORE", NEC_E_VCPU_CORE,
	  ERANGE, "the CPU's core number is out of range" },
	{ REGION, NE_ERR_INVALID_MEM_REGION_SIZE, "NE_ERR_INVALID_MEM_REGION_SIZE",
	  NEC_E_REGION_SIZE, EINVAL, "the size is not a multiple of 2 MiB" },
	{ REGION, NE_ERR_INVALID_MEM_REGION_ADDR, "NE_ERR_INVALID_MEM_REGION_ADDR",
	  NEC_E_REGION_ADDRESS, EFAULT, "the addresses are not a program's" },
	{ REGION, NE_ERR_UNALIGNED_MEM_REGION_ADDR, "NE_ERR_UNALIGNED_MEM_REGION_ADDR",
	  NEC_E_REGION_ALIGNMENT, EINVAL, "the address is not a multiple of 2 MiB" },
	{ REGION, NE_ERR_MEM_REGION_ALREADY_USED, "NE_ERR_MEM_REGION_ALREADY_USED",
	  NEC_E_REGION_USED, EEXIST, "it overlaps a region that this enclave has already" },
	{ REGION, NE_ERR_MEM_NOT_HUGE_PAGE, "NE_ERR_MEM_NOT_HUGE_PAGE", NEC_E_REGION_NOT_HUGE,
	  EINVAL, "the memory is not made of huge pages" },
	{ REGION, NE_ERR_MEM_DIFFERENT_NUMA_NODE, "NE_ERR_MEM_DIFFERENT_NUMA_NODE",
	  NEC_E_REGION_NUMA_NODE, EINVAL,
	  "a huge page lies on another NUMA node than the CPU pool" },
	{ REGION, NE_ERR_MEM_MAX_REGIONS, "NE_ERR_MEM_MAX_REGIONS", NEC_E_REGION_LIMIT, ENOSPC,
	  "with it the enclave would have more memory regions than the device allows" },
	{ START, NE_ERR_NO_MEM_REGIONS_ADDED, "NE_ERR_NO_MEM_REGIONS_ADDED", NEC_E_NO_REGIONS,
	  EINVAL, "the enclave has no memory" },
	{ START, NE_ERR_NO_VCPUS_ADDED, "NE_ERR_NO_VCPUS_ADDED", NEC_E_NO_VCPUS, EINVAL,
	  "the enclave has no vCPU" },
	{ START, NE_ERR_ENCLAVE_MEM_MIN_SIZE, "NE_ERR_ENCLAVE_MEM_MIN_SIZE", NEC_E_MEMORY_MINIMUM,
	  EINVAL, "the enclave has less than 64 MiB of memory" },
	{ START, NE_ERR_FULL_CORES_NOT_USED, "NE_ERR_FULL_CORES_NOT_USED", NEC_E_CORES_INCOMPLETE,
	  EINVAL, "a thread of one of the enclave's CPU cores was not added" },
	{ IMAGE | REGION | VCPU | START, NE_ERR_NOT_IN_INIT_STATE, "NE_ERR_NOT_IN_INIT_STATE",
	  NEC_E_ENCLAVE_STATE, EALREADY, "the enclave has been started already" },
	{ VCPU, NE_ERR_INVALID_VCPU, "NE_ERR_INVALID_VCPU", NEC_E_VCPU_RANGE, ERANGE,
	  "the machine has no CPU of that number" },
	{ CREATE | VCPU, NE_ERR_NO_CPUS_AVAIL_IN_POOL, "NE_ERR_NO_CPUS_AVAIL_IN_POOL",
	  NEC_E_POOL_EXHAUSTED, EBUSY, "the CPU pool is empty, or enclaves have all of its cores" },
	{ REGION, NE_ERR_INVALID_PAGE_SIZE, "NE_ERR_INVALID_PAGE_SIZE", NEC_E_REGION_PAGE_SIZE,
	  EINVAL, "a page is smaller than 2 MiB, or the address is not where a huge page begins" },
	{ IMAGE | REGION | START, NE_ERR_INVALID_FLAG_VALUE, "NE_ERR_INVALID_FLAG_VALUE",
	  NEC_E_DRIVER_FLAG, EINVAL, "the driver does not know the flags" },
	{ START, NE_ERR_INVALID_ENCLAVE_CID, "NE_ERR_INVALID_ENCLAVE_CID", NEC_E_CID, EINVAL,
	  "the CID is a reserved one, or above 32 bits" },

	{ OPEN, ENOENT, "ENOENT", NEC_E_DEVICE_MISSING, ENOENT, "there is no such device" },
	{ OPEN, ENXIO, "ENXIO", NEC_E_DEVICE_MISSING, ENXIO, "no driver stands behind it" },
	{ OPEN, ENODEV, "ENODEV", NEC_E_DEVICE_MISSING, ENODEV, "no driver stands behind it" },
	{ OPEN, EACCES, "EACCES", NEC_E_DEVICE_PERMISSION, EACCES, "permission denied" },
	{ OPEN, EPERM, "EPERM", NEC_E_DEVICE_PERMISSION, EPERM, "not permitted" },
	{ OPEN | CREATE, EMFILE, "EMFILE", NEC_E_SYSTEM, EMFILE,
	  "this process has too many files open" },
	{ OPEN | CREATE, ENFILE, "ENFILE", NEC_E_SYSTEM, ENFILE,
	  "the machine has too many files open" },
	{ IOCTLS, ENOTTY, "ENOTTY", NEC_E_DRIVER_UNSUPPORTED, ENOTTY,
	  "the driver does not know this request" },
	{ COMMANDS, ETIMEDOUT, "ETIMEDOUT", NEC_E_DEVICE_TIMEOUT, ETIMEDOUT,
	  "the device did not answer within 120 s" },
	{ VCPU | REGION, EIO, "EIO", NEC_E_DRIVER_ADDRESS_SPACE, EIO,
	  "only the process that created the enclave may do this" },
	{ REGION, EFAULT, "EFAULT", NEC_E_REGION_ADDRESS, EFAULT,
	  "there is no memory at the address, or no page was left for it" },
	{ IOCTLS, EFAULT, "EFAULT", NEC_E_DRIVER_FAULT, EFAULT,
	  "the driver could not read or write the request" },
	{ REGION, EINVAL, "EINVAL", NEC_E_REGION_ALIGNMENT, EINVAL,
	  "a huge page is not aligned to 2 MiB in physical memory" },
	/* kcalloc() of no pages at all is how the driver meets an empty region */
	{ REGION, ENOMEM, "ENOMEM", NEC_E_NO_MEMORY, ENOMEM,
	  "the kernel is out of memory, or the region is empty" },
	{ OPEN | IOCTLS, ENOMEM, "ENOMEM", NEC_E_NO_MEMORY, ENOMEM, "the kernel is out of memory" },
};

static const struct driver_row *find_row(enum nec_driver_call call, int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(driver_table); i++)
		if (driver_table[i].number == number && (driver_table[i].calls & call) != 0)
			return &driver_table[i];
	return NULL;
}

bool nec_driver_answer_get(size_t index, struct nec_driver_answer *ret)
{
	if (index >= ARRAY_SIZE(driver_table))
		return false;
	*ret = (struct nec_driver_answer){
		.calls = driver_table[index].calls,
		.number = driver_table[index].number,
		.name = driver_table[index].name,
	};
	return true;
}

const char *nec_driver_call_name(enum nec_driver_call call)
{
	switch (call) {
	case NEC_DRIVER_OPEN:
		return "open";
	case NEC_DRIVER_CREATE_VM:
		return "NE_CREATE_VM";
	case NEC_DRIVER_GET_IMAGE_LOAD_INFO:
		return "NE_GET_IMAGE_LOAD_INFO";
	case NEC_DRIVER_SET_MEMORY_REGION:
		return "NE_SET_USER_MEMORY_REGION";
	case NEC_DRIVER_ADD_VCPU:
		return "NE_ADD_VCPU";
	case NEC_DRIVER_START:
		return "NE_START_ENCLAVE";
	}
	return "?";
}

/* What is in no list came through the driver from the device, and only the device knows why. */
static int set_device_answer(nec_error *err, enum nec_driver_call call, int number,
			     const char *what)
{
	int answer = number;
	const char *name = strerrorname_np(number);

	if (number == AMAZON_NOT_RUNNING)
		name = "to Amazon's driver: the enclave is not running";
	if (number >= AMAZON_DEVICE_FIRST && number <= AMAZON_DEVICE_LAST)
		answer -= AMAZON_DEVICE_SHIFT;
	return nec_error_set(err, NEC_E_DEVICE_ANSWER, -EREMOTEIO,
			     "%s: the device answered %d (%s: %d%s%s)", what, -answer,
			     nec_driver_call_name(call), number, name ? ", " : "",
			     name ? name : "");
}

int nec_error_from_driver(nec_error *err, enum nec_driver_call call, int result, const char *format,
			  ...)
{
	const struct driver_row *row = find_row(call, -result);
	char what[256];
	va_list args;
	int r;

	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (row)
		r = nec_error_set(err, row->code, -row->result, "%s: %s (%s: %s, %d)", what,
				  row->meaning, nec_driver_call_name(call), row->name, row->number);
	else
		r = set_device_answer(err, call, -result, what);
	if (row && (row->number == EMFILE || row->number == ENFILE))
		nec_error_set_hint(err, "Raise the limit of open files (`ulimit -n` for this "
					"process, fs.file-max for the machine).");
	if (err)
		err->os_error = -result;
	return r;
}
