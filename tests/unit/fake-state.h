/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the fake share. One flat struct in a file of the fake's folder that every
 * process maps: it survives a fork, and other programs can join (fake_device_attach()).
 */
#ifndef NEC_TESTS_UNIT_FAKE_STATE_H
#define NEC_TESTS_UNIT_FAKE_STATE_H

#include <pthread.h>

#include "fake-device.h"
#include "host/cpulist.h"

enum {
	FAKE_MAPPINGS_MAX = 64,
	FAKE_REGIONS_MAX = 256, /* of one enclave, as its owner gave them */
	FAKE_REFUSALS_MAX = 16
};

struct fake_cpu {
	bool present;
	bool online;
	bool in_pool;
	uint32_t node;
	uint32_t core; /* index, unique on the machine */
};

/* A page is free when neither a mapping nor an enclave has it. */
struct fake_page {
	uint16_t mapping; /* index + 1, 0 for none */
	uint16_t pins;    /* enclaves that have it */
	uint32_t index;   /* within the mapping */
	bool taken;       /* by another program */
	bool absent;      /* given back to the machine; its place stays */
};

struct fake_page_row {
	uint32_t node;
	uint64_t page_bytes;
	uint32_t count;    /* of places */
	uint32_t surplus;  /* in use when their number was lowered: gone with their last user */
	uint32_t promised; /* to other programs; of all nodes, kept with the first row of a size */
	struct fake_page pages[FAKE_PAGES_MAX];
};

struct fake_mapping {
	pid_t pid; /* 0: unused */
	uint64_t address;
	uint64_t page_bytes;
	uint64_t count;
	uint64_t present;
	int node;
};

struct fake_slot {
	bool used;
	pid_t creator; /* the driver compares address spaces */
	dev_t fifo_device;
	ino_t fifo_inode;
	uint64_t order;
	struct fake_enclave info;
	uint32_t region_count; /* calls */
	struct fake_region {
		uint64_t address;
		uint64_t bytes;   /* as asked: what overlap is judged by */
		uint64_t donated; /* whole pages */
	} regions[FAKE_REGIONS_MAX];
	bool pinned[FAKE_HUGEPAGE_ROWS_MAX][FAKE_PAGES_MAX];
};

struct fake_refusal {
	enum fake_call call; /* FAKE_CALLS: any that can fail */
	unsigned int at;     /* value of the counter; 0: unused */
	int number;
};

struct fake_state {
	pthread_mutex_t lock;
	char root[64];

	struct fake_machine machine;
	struct fake_cpu cpus[FAKE_CPUS_MAX];
	uint32_t cpu_limit; /* nr_cpu_ids */
	uint32_t threads;
	uint32_t core_count;
	bool core_free[FAKE_CPUS_MAX]; /* in the pool and nobody's */
	int pool_node;
	char pool_text[600];

	struct fake_page_row rows[FAKE_HUGEPAGE_ROWS_MAX];
	uint32_t row_count;
	struct fake_mapping mappings[FAKE_MAPPINGS_MAX];
	struct fake_memory memory[FAKE_NODES_MAX];
	bool memory_known; /* a test has said what there is */
	bool no_rights;
	bool late_device;
	enum fake_page_order order;
	int misplaced_node;
	bool touch;

	struct fake_slot slots[FAKE_SLOTS_MAX];
	uint64_t slots_made;
	uint64_t next_uid;
	uint32_t next_cid;
	uint32_t region_limit;
	uint64_t image_offset;

	unsigned int calls[FAKE_CALLS + 1];
	struct fake_refusal refusals[FAKE_REFUSALS_MAX];
	enum fake_call refused;
	unsigned int peers; /* names for the sockets of callers */
	pid_t launcher;     /* see FAKE_KILL_LAUNCHER */
};

struct fake_device {
	struct fake_state *state;
	struct nec_device device;
	fake_boot_fn boot;
	void *boot_userdata;
};

static inline struct fake_device *fake_of(const struct nec_device *device)
{
	return device->data;
}

/* Takes the lock, and lets go of what has been closed since. */
struct fake_state *fake_enter(struct fake_device *fake);
void fake_leave(struct fake_state *state);

/* Counts a call. Returns 0, or the negative number with which it is to be refused. */
int fake_count(struct fake_state *state, enum fake_call call);

/* Ends the test program: the fake, or the test, is wrong. */
void fake_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* fake-machine.c: the tree */
void fake_machine_build(struct fake_device *fake);
void fake_machine_write(const struct fake_state *state, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void fake_machine_remove(const struct fake_state *state, const char *path);
/* Brings the files that follow the state up to date. */
void fake_machine_update_cpus(const struct fake_state *state);
void fake_machine_update_pages(const struct fake_state *state);

void fake_machine_update_users(const struct fake_state *state);
int fake_machine_set_pool(struct fake_state *state, const char *text);
void fake_machine_make_device(const struct fake_state *state);

/* fake-kernel.c: files that the kernel acts on */
int fake_kernel_write(const struct nec_device *device, const char *path, const char *text);
int fake_kernel_check_rights(const struct nec_device *device);
int fake_kernel_load_driver(const struct nec_device *device, const nec_context *context,
			    nec_error *err);

/* fake-driver.c, fake-region.c: slots and the five ioctls */
int fake_driver_open(const struct nec_device *device);
int fake_driver_create_vm(const struct nec_device *device, int device_fd, uint64_t *ret_slot_uid);
int fake_driver_get_image_load_info(const struct nec_device *device, int enclave_fd,
				    struct ne_image_load_info *info);
int fake_driver_set_memory_region(const struct nec_device *device, int enclave_fd,
				  const struct ne_user_memory_region *region);
int fake_driver_add_vcpu(const struct nec_device *device, int enclave_fd, uint32_t *cpu_id);
int fake_driver_start(const struct nec_device *device, int enclave_fd,
		      struct ne_enclave_start_info *info);
void fake_driver_close(const struct nec_device *device, int enclave_fd);
/* The slot behind an enclave fd. 0, -EBADF or -ENOTTY. */
int fake_driver_find(struct fake_state *state, int fd, struct fake_slot **ret);
/* Releases the slots whose last descriptor is gone. */
void fake_driver_sweep(struct fake_state *state);

/* fake-memory.c */
int fake_memory_map(const struct nec_device *device, uint64_t page_bytes, uint64_t count, int node,
		    void **ret, int *ret_fd);
int fake_memory_populate(const struct nec_device *device, void *address, uint64_t page_bytes);
int fake_memory_unmap(const struct nec_device *device, void *address, uint64_t bytes, int fd);
uint32_t fake_memory_count_free(const struct fake_page_row *row);
/* On all nodes. */
uint64_t fake_memory_count_all_free(const struct fake_state *state, uint64_t page_bytes);
uint32_t fake_memory_count(const struct fake_page_row *row);
uint64_t fake_memory_count_promised(const struct fake_state *state, uint64_t page_bytes);
bool fake_memory_is_free(const struct fake_page *page);
/* Forgets the mappings of processes that have ended. */
void fake_memory_sweep(struct fake_state *state);
/* A page at an address of this process: its row and number, made present if it was not. */
struct fake_spot {
	uint32_t row;
	uint32_t page;
	uint64_t offset; /* of the address within the page */
};
/* 0; -EFAULT: nothing mapped, or no page left; -ENOENT: mapped, but no huge page. */
int fake_memory_find(struct fake_state *state, uint64_t address, struct fake_spot *ret);
uint64_t fake_memory_physical(const struct fake_state *state, const struct fake_spot *spot);

/* fake-vsock.c */
int fake_vsock_listen(const struct nec_device *device, uint32_t cid, uint32_t port);
int fake_vsock_accept(const struct nec_device *device, int listener_fd, uint32_t *ret_cid);
int fake_vsock_connect(const struct nec_device *device, uint32_t cid, uint32_t port,
		       uint64_t timeout_usec);

#endif
