/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the device as QEMU and the driver are together: messages of vfio-user with their
 * descriptors, a guest's memory, the eventfds of both vectors, and the driver's cycle of a command.
 */
#ifndef LAB_TEST_CLIENT_H
#define LAB_TEST_CLIENT_H

#include "test.h"

#include "control.h"
#include "stub-runner.h"
#include "vfio-user-internal.h"

enum { CLIENT_BAR = 3 };

/* Of RAM, whose first 2 MiB are there in two pieces, as around a machine's low memory. */
#define CLIENT_MEMORY (UINT64_C(160) << 20)
#define MIB           (UINT64_C(1) << 20)

struct client {
	struct nec_loop *loop;
	struct lab_dma *dma;
	struct lab_hypervisor *hypervisor;
	struct lab_runner *runner;
	struct lab_ne_device *device;
	struct lab_vfio_user *server;
	int fd;        /* our end of the connection */
	int memory_fd; /* the guest's */
	uint8_t *memory;
	int vectors[LAB_NE_VECTORS];
	uint16_t last_id; /* of a message */
	unsigned int ended;
	int ended_with; /* 0 when we closed it */
	size_t fds;     /* open before there was anything */
};

/* What the driver reads. */
struct client_reply {
	int32_t rc;
	uint32_t padding0;
	uint64_t slot_uid;
	uint64_t enclave_cid;
	uint64_t slot_count;
	uint64_t mem_regions;
	uint64_t mem_size;
	uint64_t nr_vcpus;
	uint64_t flags;
	uint16_t state;
	uint16_t padding1[3];
};

/* For cmocka: the connection is there, nothing is said yet. Tearing down fails when anything is
 * left open. */
int client_set_up(void **state);
/* The same, and the driver has bound to the device: version, memory, vectors, registers. */
int client_set_up_bound(void **state);
int client_tear_down(void **state);
void client_turn(struct client *client);
void client_disconnect(struct client *client);

/* ---- messages ---- */

void client_send_bytes(struct client *client, const void *bytes, size_t size, const int *fds,
		       size_t count);
void client_send(struct client *client, uint16_t command, uint32_t flags, const void *payload,
		 size_t size, const int *fds, size_t count);
/* Returns the bytes of the payload; -1 when there is no answer. */
ssize_t client_receive(struct client *client, struct header *header, void *payload, size_t size);
/* Sends and receives. Returns 0 or the negative errno of the answer. */
int client_ask(struct client *client, uint16_t command, const void *payload, size_t size,
	       const int *fds, size_t count, void *answer, size_t answer_size);

int client_map(struct client *client, uint64_t address, uint64_t size, uint64_t offset,
	       uint32_t flags, int fd);
int client_set_irqs(struct client *client, uint32_t flags, uint32_t index, uint32_t start,
		    uint32_t count, const int *fds, size_t fd_count);
int client_read(struct client *client, uint32_t region, uint64_t offset, void *to, size_t size);
int client_write(struct client *client, uint32_t region, uint64_t offset, const void *from,
		 size_t size);
uint64_t client_read_number(struct client *client, uint64_t offset, size_t size);
void client_write_number(struct client *client, uint64_t offset, uint64_t value, size_t size);

/* ---- the driver ---- */

void client_bind(struct client *client);
/* How often a vector was raised since it was asked last. */
uint64_t client_take_interrupts(struct client *client, uint32_t vector);
/* A command as the driver gives it: posted writes, an interrupt, 72 bytes. Returns the answer's rc;
 * the test fails when there is none. */
int client_command(struct client *client, uint32_t command, const uint64_t *numbers, size_t count,
		   struct client_reply *reply);
void client_start_command(struct client *client, uint32_t command, const uint64_t *numbers,
			  size_t count);
struct client_reply client_read_reply(struct client *client);

uint64_t client_alloc(struct client *client);
int client_slot(struct client *client, uint32_t command, uint64_t slot_uid);
int client_add_memory(struct client *client, uint64_t slot_uid, uint64_t address, uint64_t size);
int client_add_vcpu(struct client *client, uint64_t slot_uid, uint32_t id);
int client_start(struct client *client, uint64_t slot_uid, uint64_t cid, uint64_t flags,
		 uint64_t *ret_cid);
/* A slot with 64 MiB at @address and a core, CPUs @vcpu and the next, that runs. */
uint64_t client_launch(struct client *client, uint64_t address, uint32_t vcpu, uint64_t *ret_cid);

/* A line to the control socket's commands; the answer is to be freed. */
char *client_control(struct client *client, const char *line);

#endif
