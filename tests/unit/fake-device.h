/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine for tests: it plugs in under lib/host/ and keeps the rules of the Nitro Enclaves
 * driver, its surprises included, over a sysfs of its own, plain memory that is counted as huge
 * pages, and Unix sockets that stand for vsock. No root, no device, no hugetlbfs.
 *
 * Its state is shared with forked children, so that a child can be the process that holds an
 * enclave while the test watches. An enclave fd is a FIFO: POLLHUP on it is the kernel's own, level
 * triggered and sticky, and its last close is noticed wherever and however it happens (a lock on
 * the open file tells), at the next thing asked of the fake.
 */
#ifndef NEC_TESTS_UNIT_FAKE_DEVICE_H
#define NEC_TESTS_UNIT_FAKE_DEVICE_H

#include "host/device.h"

#define FAKE_MIB UINT64_C(1048576)
#define FAKE_2M  (2 * FAKE_MIB)
#define FAKE_1G  (1024 * FAKE_MIB)

enum {
	FAKE_CPUS_MAX = 64,
	FAKE_SLOTS_MAX = 16,
	FAKE_HUGEPAGE_ROWS_MAX = 16,
	FAKE_PAGES_MAX = 4096, /* of one size on one node */
	FAKE_NODES_MAX = 8,
	FAKE_REGION_LIMIT = 64 /* what the device allows an enclave unless told otherwise */
};

/**
 * struct fake_machine - what the machine is like; all zero is one node, two cores of one thread
 * @nodes:            NUMA nodes, 0 for 1
 * @cores:            cores on each node, 0 for 2
 * @threads:          threads of each core, 0 for 1
 * @threads_adjacent: a core's threads are n, n+1 as in QEMU; else n, n + half as on EC2
 * @id_step:          distance of CPU numbers, 0 for 1: 2 makes them 0, 2, 4
 * @no_numa:          a kernel without NUMA: no /sys/devices/system/node
 * @no_driver:        the module is not loaded
 * @no_device:        the module is loaded, but there is no device
 * @dynamic_pool:     Amazon's driver: every core but CPU 0's, and they stay online
 * @offline:          CPUs that are offline from the start, NULL for none
 * @pool:             the CPU pool, NULL for none
 * @huge:             huge pages, up to the first row without a size
 */
struct fake_machine {
	uint32_t nodes;
	uint32_t cores;
	uint32_t threads;
	bool threads_adjacent;
	uint32_t id_step;
	bool no_numa;
	bool no_driver;
	bool no_device;
	bool dynamic_pool;
	const char *offline;
	const char *pool;
	struct fake_hugepages {
		uint32_t node;
		uint64_t page_bytes;
		uint32_t pages;
	} huge[FAKE_HUGEPAGE_ROWS_MAX];
};

struct fake_device;

/* Aborts when it cannot be made: a test has no use for that error. */
struct fake_device *fake_device_new(const struct fake_machine *machine);
void fake_device_free(struct fake_device *fake);

/* The same machine in another program; @root is fake_device_root() of the one that made it. */
struct fake_device *fake_device_attach(const char *root);
/* Lets go of it: the machine stays. */
void fake_device_detach(struct fake_device *fake);

/* What to hand to the library; belongs to the fake. */
const struct nec_device *fake_device_get(struct fake_device *fake);

/* The folder under which sys/, proc/ and dev/ lie. */
const char *fake_device_root(const struct fake_device *fake);

/* Replaces a file of the tree (path with its leading slash), or removes it when @text is NULL. */
void fake_device_write(struct fake_device *fake, const char *path, const char *text);

/* ---- the pool ---- */

/*
 * As a write to /sys/module/nitro_enclaves/parameters/ne_cpus: 0 or the driver's negative errno.
 * A refused list leaves no pool, except while an enclave exists: then the old one stays (-EPERM).
 */
int fake_device_set_pool(struct fake_device *fake, const char *text);

/* ---- memory that is not huge pages yet ---- */

/**
 * struct fake_memory - what a node could make huge pages of; none unless told otherwise
 * @free_mib:        nobody has it
 * @cache_mib:       contents of files: the kernel drops them when it needs the memory
 * @contiguous_mib:  of what is free, in pieces that can be pages of 2 MiB
 * @compaction_mib:  what moving memory about adds to that, each time
 * @late_compaction: how many times it brings nothing first
 * @big_pages:       pages above 4 MiB that can be made while the machine runs
 * @pages_a_write:   the kernel gives up after as many, as when a signal comes; 0: it does not
 */
struct fake_memory {
	uint32_t free_mib;
	uint32_t cache_mib;
	uint32_t contiguous_mib;
	uint32_t compaction_mib;
	uint32_t late_compaction;
	uint32_t big_pages;
	uint32_t pages_a_write;
};
void fake_device_set_memory(struct fake_device *fake, uint32_t node,
			    const struct fake_memory *memory);
struct fake_memory fake_device_get_memory(struct fake_device *fake, uint32_t node);

/* Whether check_rights() finds root's; it does unless told otherwise. */
void fake_device_set_rights(struct fake_device *fake, bool rights);

/* load_driver() brings no device: that comes when the test writes /dev/nitro_enclaves. */
void fake_device_set_late_device(struct fake_device *fake, bool late);

/* ---- refusals ---- */

/* Calls of struct nec_device_ops, and the commands that the driver sends to the device for them. */
enum fake_call {
	FAKE_OPEN_DEVICE,
	FAKE_CREATE_VM,
	FAKE_GET_IMAGE_LOAD_INFO,
	FAKE_SET_MEMORY_REGION,
	FAKE_ADD_VCPU,
	FAKE_START,
	FAKE_MAP_PAGES,
	FAKE_POPULATE,
	FAKE_VSOCK_LISTEN,
	FAKE_VSOCK_ACCEPT,
	FAKE_VSOCK_CONNECT,
	FAKE_WRITE_TEXT,
	FAKE_LOAD_DRIVER,
	FAKE_CLOSE_ENCLAVE, /* only counted: it cannot fail */
	FAKE_UNMAP_PAGES,   /* only counted */
	FAKE_SLOT_ALLOC,    /* from here on: the device's */
	FAKE_SLOT_ADD_MEM,
	FAKE_SLOT_ADD_VCPU,
	FAKE_ENCLAVE_START,
	FAKE_ENCLAVE_STOP,
	FAKE_SLOT_FREE,
	FAKE_CALLS
};

/*
 * Makes the @nth call of a kind from now on (1 is the next) answer -@number, once. A refused call
 * has done nothing; a refused command leaves what the driver leaves then. Several can be pending.
 */
void fake_device_refuse(struct fake_device *fake, enum fake_call call, unsigned int nth,
			int number);

/* As @number: the process that makes the call is killed there and then, by SIGKILL. */
#define FAKE_KILL          100000
/* The call goes on, but the process of fake_device_set_launcher() is killed, or stopped. */
#define FAKE_KILL_LAUNCHER 100001
#define FAKE_STOP_LAUNCHER 100002
/* A write of the pool is refused with EBUSY, after the driver has dropped the old one. */
#define FAKE_POOL_LOST     100003
void fake_device_set_launcher(struct fake_device *fake, pid_t pid);

/* The same for the @nth call of any kind that can fail (not the device's commands). */
void fake_device_refuse_any(struct fake_device *fake, unsigned int nth, int number);

/* Calls so far, refused ones included; of all kinds that can fail for FAKE_CALLS. */
unsigned int fake_device_calls(struct fake_device *fake, enum fake_call call);

/* The last call refused by fake_device_refuse_any(); FAKE_CALLS when there was none. */
enum fake_call fake_device_refused(struct fake_device *fake);
const char *fake_call_name(enum fake_call call);

/* ---- behaviour ---- */

void fake_device_set_region_limit(struct fake_device *fake, uint32_t limit);
void fake_device_set_next_uid(struct fake_device *fake, uint64_t uid);

/* Where the driver wants the image; 8 MiB unless told otherwise. */
void fake_device_set_image_offset(struct fake_device *fake, uint64_t offset);

/* The order in which the kernel hands out the pages of a size and node. */
enum fake_page_order {
	FAKE_PAGES_ASCENDING,  /* neighbours follow each other: one region */
	FAKE_PAGES_DESCENDING, /* neighbours the wrong way round: never merged */
	FAKE_PAGES_SCATTERED   /* every other page first */
};
void fake_device_set_page_order(struct fake_device *fake, enum fake_page_order order);

/* Pages come from this node whatever was asked for (-1: no longer). */
void fake_device_misplace_pages(struct fake_device *fake, int node);

/* populate() truly touches the memory, as benchmarks want it; else it only counts. */
void fake_device_touch_pages(struct fake_device *fake, bool touch);

/* Another program takes or returns @pages free pages; the test fails if they are not there. */
void fake_device_take_pages(struct fake_device *fake, uint32_t node, uint64_t page_bytes,
			    int pages);

/* Another program has mapped @pages pages of a size, and has not touched them yet. */
void fake_device_promise_pages(struct fake_device *fake, uint64_t page_bytes, int pages);

/*
 * Called when an enclave has been started, before the call returns, in the process that started it:
 * the place for what an enclave does when it boots (fake_vsock_call()). Set for this process and
 * those that it forks.
 */
typedef void (*fake_boot_fn)(struct fake_device *fake, uint32_t cid, void *userdata);
void fake_device_set_boot(struct fake_device *fake, fake_boot_fn boot, void *userdata);

/* States that the device reports for a slot. */
enum fake_slot_state { FAKE_INIT = 0, FAKE_RUNNING = 2, FAKE_STOPPED = 0xffff };

/*
 * The device reports a new state for an enclave, as it does when one ends (FAKE_STOPPED). The
 * driver raises the hang-up when it is anything but FAKE_RUNNING, and only for a running enclave.
 * False when no enclave has that CID.
 */
bool fake_device_event(struct fake_device *fake, uint32_t cid, enum fake_slot_state state);

/*
 * The enclave's end of its enclave fd, for a program that plays the enclave: POLLERR when the
 * parent has let go of the enclave, and hang-up for the parent when it is closed.
 */
int fake_enclave_open(struct fake_device *fake, uint32_t cid);

/* ---- what there is ---- */

struct fake_enclave {
	uint64_t uid;
	enum fake_slot_state state;
	bool leaked; /* the device failed to stop or free it: lost until the machine reboots */
	uint32_t cid;
	uint64_t flags;
	uint32_t regions; /* physical runs */
	uint64_t memory_bytes;
	uint64_t vcpus; /* bit n: CPU n */
	uint64_t cores; /* bit n: CPU n belongs to a core that this enclave has */
};

/* Slots in the order of their creation. False when there is no such slot. */
bool fake_device_get_enclave(struct fake_device *fake, unsigned int index,
			     struct fake_enclave *ret);

/* Copies out of an enclave's memory, in the order in which it was given. */
void fake_enclave_read(struct fake_device *fake, unsigned int index, uint64_t offset, void *to,
		       size_t size);

unsigned int fake_device_slots(struct fake_device *fake);
uint64_t fake_device_mapped_bytes(struct fake_device *fake);
uint32_t fake_device_free_pages(struct fake_device *fake, uint32_t node, uint64_t page_bytes);
unsigned int fake_device_free_cores(struct fake_device *fake);

/* Open descriptors of this process; the difference over a test has to be 0. */
unsigned int fake_open_fds(void);

/* What is still in use, in words; NULL when no slot, mapping, page or core is. */
const char *fake_device_leftover(struct fake_device *fake);
/* Aborts with a message unless that is nothing. */
void fake_device_expect_clean(struct fake_device *fake);

/* ---- vsock ---- */

/* Connects from enclave @cid to a listener of the parent. Returns the fd or a negative errno. */
int fake_vsock_call(struct fake_device *fake, uint32_t cid, uint32_t port);

/* Connects from the parent to a listener of enclave @cid. Returns the fd or a negative errno. */
int fake_vsock_call_guest(struct fake_device *fake, uint32_t cid, uint32_t port);

/* Listens as enclave @cid, or as the hypervisor (0) for consoles. Returns the fd. */
int fake_vsock_serve(struct fake_device *fake, uint32_t cid, uint32_t port);

#endif
