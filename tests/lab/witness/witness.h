/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the ioctls of /dev/nitro_enclaves as checks in TAP, for two machines: the kernel's
 * own driver (kernel.c, no library of ours in between) and the fake that the unit tests stand on
 * (fake.c). What the driver does and the fake does not is a mistake of the fake.
 */
#ifndef LAB_WITNESS_H
#define LAB_WITNESS_H

#include <linux/nitro_enclaves.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#define MIB       UINT64_C(1048576)
#define PAGE_2M   (2 * MIB)
#define PAGE_1G   (1024 * MIB)
#define MEMORY_64 (64 * MIB) /* the smallest enclave */

#define NE_CPUS "/sys/module/nitro_enclaves/parameters/ne_cpus"

/*
 * struct machine - what the rules are checked on; results are 0 or more, or a negative errno
 * @is_kernel:   has what only a kernel has: bad pointers, capabilities, calls that it does not know
 * @open_device: opens /dev/nitro_enclaves with these flags
 * @call:        ioctl()
 * @write_pool:  write() to ne_cpus
 * @open_file:   opens a file of /sys for reading; below 0 when there is none
 * @exists:      whether a path below /sys is there
 * @map:         huge pages of a NUMA node, present; NULL when there are too few
 * @map_backwards: pages of 2 MiB that do not follow each other physically as their addresses do
 * @physical:    where a page lies
 * @unmap:       gives them back
 * @end:         makes a started enclave end by itself
 * @refuse:      makes the device answer the next command of that name so; false when it cannot be
 *               told to
 */
struct machine {
	const char *name;
	bool is_kernel;
	int (*open_device)(int flags);
	int (*call)(int fd, unsigned long request, void *argument);
	ssize_t (*write_pool)(const char *text, size_t size);
	int (*open_file)(const char *path);
	bool (*exists)(const char *path);
	void *(*map)(uint64_t page_bytes, size_t pages, int node);
	void *(*map_backwards)(size_t pages, int node);
	uint64_t (*physical)(const void *address);
	void (*unmap)(void *address, uint64_t bytes);
	void (*end)(uint64_t cid);
	bool (*refuse)(const char *command, int number);
};
extern const struct machine machine;

/* The CPUs of the machine, as they are when all are online. */
enum { CPUS_MAX = 64 };
struct cpus {
	uint32_t limit;   /* nr_cpu_ids */
	uint32_t threads; /* of each core */
	uint32_t count;   /* of cores that a pool can have */
	uint32_t cores[CPUS_MAX][8];
	char pool[512];  /* all of them, as ne_cpus takes it */
	int node;        /* that they are on */
	char other[128]; /* a core of another node; "" when there is one node */
	int other_node;
};
extern struct cpus cpus;

/* ---- TAP ---- */

void is(int64_t got, int64_t expected, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void ok(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
void skip(const char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The machine is not fit for the checks. */
void bail_out(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The plan. Returns the exit status. */
int finish(void);

/* ---- calls ---- */

/* A file of /sys as text, without white space at its end; "" when there is none. */
void read_file(const char *path, char *to, size_t size);
/* Releases the pool, looks at the CPUs. */
void find_cpus(void);
void set_pool(const char *text);
ssize_t write_pool(const char *text);
/* Whether the text is in ne_cpus, white space at the end aside. */
bool pool_is(const char *text);
/* Whether the driver has a slot: then the pool cannot be written, not even with the same text. */
bool slot_exists(void);

/* An enclave fd, or a negative errno. */
int try_create(void);
int create(void);
void add_core(int fd, uint32_t core);
/* The CPU that was added. */
int add_vcpu(int fd, uint32_t cpu);
int add_memory(int fd, const void *address, uint64_t bytes);
int add_region(int fd, uint64_t flags, uint64_t address, uint64_t bytes);
/* The CID. */
int64_t start(int fd, uint64_t cid, uint64_t flags);
int64_t image_offset(int fd, uint64_t flags);
/* Pages of 2 MiB, of the pool's node. */
void *map(size_t pages);
void unmap(void *address, size_t pages);
/* An enclave that only has to be started; its memory is unmapped already. */
int prepare(void);
/* What poll() reports when asked for nothing and for everything: -1 when the two differ. */
int polled(int fd);

/* Runs @body in a forked child and returns its result. */
int64_t in_child(int64_t (*body)(int fd), int fd);

/* ---- the rules ---- */

void check_numbers(void);
void check_pointers(void);
void check_pool(void);
void check_vcpus(void);
void check_image_info(void);
void check_memory(void);
void check_start(void);
void check_life(void);
void check_refusals(void);
void check_module(void);

#endif
