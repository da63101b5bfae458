/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' client of the device. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/unix-socket.h"
#include "leftovers.h"

enum {
	REG_ENABLE = 0x0,
	REG_VERSION = 0x2,
	REG_COMMAND = 0x4,
	REG_SEND = 0x10,
	REG_RECEIVE = 0x100,
	PAYLOAD = MAX_PAYLOAD + 256,
};

/* As QEMU 11 says it. */
static const char capabilities[] =
	"{\"capabilities\": {\"pgsizes\": 4096, \"max_msg_fds\": 16, \"max_dma_maps\": 65535, "
	"\"max_data_xfer_size\": 1048576, \"migration\": {\"max_bitmap_size\": 268435456, "
	"\"pgsize\": 4096}, \"write_multiple\": true}}";

/* ---- life ---- */

static void on_ended(void *userdata, const nec_error *err)
{
	struct client *client = userdata;

	client->ended++;
	client->ended_with = err ? -err->os_error : 0;
}

static int make_memory(struct client *client)
{
	void *memory;

	client->memory_fd = memfd_create("guest", MFD_CLOEXEC);
	if (client->memory_fd < 0 || ftruncate(client->memory_fd, CLIENT_MEMORY) < 0)
		return -1;
	memory =
		mmap(NULL, CLIENT_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, client->memory_fd, 0);
	if (memory == MAP_FAILED)
		return -1;
	client->memory = memory;
	for (size_t i = 0; i < LAB_NE_VECTORS; i++)
		client->vectors[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return 0;
}

static int make_device(struct client *client)
{
	const struct lab_config config = { .vcpu_count = 8, .threads = 2, .max_regions = 512 };

	client->dma = lab_dma_new();
	if (!client->dma || nec_loop_new(&client->loop, NULL) < 0 ||
	    lab_hypervisor_new(client->dma, &config, &client->hypervisor, NULL) < 0 ||
	    lab_hypervisor_equip(client->hypervisor, client->loop, "", NULL) < 0)
		return -1;
	client->runner = client->hypervisor->runner;
	client->device = client->hypervisor->device;
	return 0;
}

int client_set_up(void **state)
{
	struct client *client = calloc(1, sizeof(*client));
	int pair[2];

	*state = client;
	client->fds = open_descriptors();
	if (make_memory(client) < 0 || make_device(client) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	client->fd = pair[0];
	return lab_vfio_user_new(client->loop, pair[1], client->dma,
				 lab_ne_device_get_vfio(client->device), on_ended, client,
				 &client->server, NULL);
}

int client_set_up_bound(void **state)
{
	if (client_set_up(state) < 0)
		return -1;
	client_bind(*state);
	return 0;
}

void client_disconnect(struct client *client)
{
	lab_vfio_user_free(client->server);
	client->server = NULL;
	lab_ne_device_reset(client->device);
	lab_dma_unmap_all(client->dma);
}

int client_tear_down(void **state)
{
	struct client *client = *state;
	bool clean;

	lab_vfio_user_free(client->server);
	lab_ne_device_free(client->device);
	lab_hypervisor_free(client->hypervisor);
	clean = client->runner->running == 0;
	lab_runner_free(client->runner);
	lab_dma_free(client->dma);
	nec_loop_free(client->loop);
	(void)munmap(client->memory, CLIENT_MEMORY);
	(void)close(client->memory_fd);
	for (size_t i = 0; i < LAB_NE_VECTORS; i++)
		(void)close(client->vectors[i]);
	(void)close(client->fd);
	/* Whatever the test did, no descriptor of a message is left, and nothing runs. */
	clean = clean && open_descriptors() == client->fds;
	free(client);
	return clean ? 0 : -1;
}

void client_turn(struct client *client)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(nec_loop_run_once(client->loop, 0, NULL), 0);
}

/* ---- messages ---- */

void client_send_bytes(struct client *client, const void *bytes, size_t size, const int *fds,
		       size_t count)
{
	assert_int_equal(nec_send_fds(client->fd, bytes, size, fds, count, 0), 0);
}

void client_send(struct client *client, uint16_t command, uint32_t flags, const void *payload,
		 size_t size, const int *fds, size_t count)
{
	uint8_t bytes[sizeof(struct header) + PAYLOAD];
	const struct header header = {
		.id = client->last_id,
		.command = command,
		.size = (uint32_t)(sizeof(header) + size),
		.flags = flags,
	};

	assert_true(size <= PAYLOAD);
	client->last_id++;
	memcpy(bytes, &header, sizeof(header));
	if (size > 0)
		memcpy(bytes + sizeof(header), payload, size);
	client_send_bytes(client, bytes, sizeof(header) + size, fds, count);
}

ssize_t client_receive(struct client *client, struct header *header, void *payload, size_t size)
{
	ssize_t n;
	size_t left;

	client_turn(client);
	n = recv(client->fd, header, sizeof(*header), MSG_DONTWAIT);
	if (n <= 0)
		return -1;
	assert_int_equal(n, sizeof(*header));
	left = header->size - sizeof(*header);
	assert_true(left <= size);
	if (left == 0)
		return 0;
	assert_int_equal(recv(client->fd, payload, left, MSG_DONTWAIT), left);
	return (ssize_t)left;
}

int client_ask(struct client *client, uint16_t command, const void *payload, size_t size,
	       const int *fds, size_t count, void *answer, size_t answer_size)
{
	uint8_t bytes[PAYLOAD];
	struct header header;
	ssize_t n;

	client_send(client, command, 0, payload, size, fds, count);
	n = client_receive(client, &header, bytes, sizeof(bytes));
	assert_true(n >= 0);
	assert_int_equal(header.command, command);
	assert_int_equal(header.id + 1, client->last_id);
	if (header.flags & FLAG_ERROR) {
		assert_int_equal(header.flags, FLAG_REPLY | FLAG_ERROR);
		assert_int_equal(n, 0);
		return -(int)header.error;
	}
	assert_int_equal(header.flags, FLAG_REPLY);
	/* QEMU has no more room than its request took. */
	assert_true((size_t)n <= size || command == REGION_READ);
	assert_int_equal(n, answer_size);
	if (answer_size > 0)
		memcpy(answer, bytes, answer_size);
	return 0;
}

int client_map(struct client *client, uint64_t address, uint64_t size, uint64_t offset,
	       uint32_t flags, int fd)
{
	const struct dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.offset = offset,
		.address = address,
		.size = size,
	};

	return client_ask(client, DMA_MAP, &map, sizeof(map), &fd, fd >= 0, NULL, 0);
}

int client_set_irqs(struct client *client, uint32_t flags, uint32_t index, uint32_t start,
		    uint32_t count, const int *fds, size_t fd_count)
{
	const struct set_irqs set = {
		.argsz = sizeof(set),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};

	return client_ask(client, DEVICE_SET_IRQS, &set, sizeof(set), fds, fd_count, NULL, 0);
}

int client_read(struct client *client, uint32_t region, uint64_t offset, void *to, size_t size)
{
	const struct region_access access = { .offset = offset, .region = region, .count = size };
	uint8_t bytes[sizeof(access) + MAX_DATA];
	int r;

	r = client_ask(client, REGION_READ, &access, sizeof(access), NULL, 0, bytes,
		       sizeof(access) + size);
	if (r == 0) {
		assert_memory_equal(bytes, &access, sizeof(access));
		memcpy(to, bytes + sizeof(access), size);
	}
	return r;
}

static size_t fill_write(uint8_t *bytes, uint32_t region, uint64_t offset, const void *from,
			 size_t size)
{
	const struct region_access access = { .offset = offset, .region = region, .count = size };

	memcpy(bytes, &access, sizeof(access));
	memcpy(bytes + sizeof(access), from, size);
	return sizeof(access) + size;
}

int client_write(struct client *client, uint32_t region, uint64_t offset, const void *from,
		 size_t size)
{
	uint8_t bytes[sizeof(struct region_access) + MAX_DATA];
	struct region_access answer;
	size_t total = fill_write(bytes, region, offset, from, size);

	return client_ask(client, REGION_WRITE, bytes, total, NULL, 0, &answer, sizeof(answer));
}

uint64_t client_read_number(struct client *client, uint64_t offset, size_t size)
{
	uint64_t value = 0;

	assert_int_equal(client_read(client, CLIENT_BAR, offset, &value, size), 0);
	return value;
}

/* Posted, as QEMU does it for a BAR. */
void client_write_number(struct client *client, uint64_t offset, uint64_t value, size_t size)
{
	uint8_t bytes[sizeof(struct region_access) + sizeof(value)];
	size_t total = fill_write(bytes, CLIENT_BAR, offset, &value, size);

	client_send(client, REGION_WRITE, FLAG_NO_REPLY, bytes, total, NULL, 0);
}

/* ---- the driver ---- */

static void negotiate(struct client *client)
{
	uint8_t bytes[4 + sizeof(capabilities)] = { 0 };
	uint8_t answer[sizeof(bytes)];
	struct header header;

	memcpy(bytes + 4, capabilities, sizeof(capabilities));
	client_send(client, VERSION, 0, bytes, sizeof(bytes), NULL, 0);
	assert_true(client_receive(client, &header, answer, sizeof(answer)) > 4);
	assert_int_equal(header.flags, FLAG_REPLY);
}

void client_bind(struct client *client)
{
	negotiate(client);
	assert_int_equal(client_map(client, 0, MIB, 0, 3, client->memory_fd), 0);
	assert_int_equal(client_map(client, MIB, CLIENT_MEMORY - MIB, MIB, 3, client->memory_fd),
			 0);
	assert_int_equal(client_set_irqs(client, IRQ_DATA_EVENTFD | IRQ_ACTION_TRIGGER,
					 LAB_VFIO_MSIX, 0, LAB_NE_VECTORS, client->vectors,
					 LAB_NE_VECTORS),
			 0);
	client_write_number(client, REG_ENABLE, 0, 1);
	assert_int_equal(client_read_number(client, REG_ENABLE, 1), 0);
	client_write_number(client, REG_VERSION, 1, 2);
	assert_int_equal(client_read_number(client, REG_VERSION, 2), 1);
	client_write_number(client, REG_ENABLE, 1, 1);
	assert_int_equal(client_read_number(client, REG_ENABLE, 1), 1);
}

uint64_t client_take_interrupts(struct client *client, uint32_t vector)
{
	uint64_t count = 0;

	client_turn(client);
	return read(client->vectors[vector], &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* x86: four bytes at a time; a request that has nothing to say is one byte. */
void client_start_command(struct client *client, uint32_t command, const uint64_t *numbers,
			  size_t count)
{
	if (count == 0)
		client_write_number(client, REG_SEND, 0, 1);
	for (size_t i = 0; i < count; i++) {
		client_write_number(client, REG_SEND + 8 * i, (uint32_t)numbers[i], 4);
		client_write_number(client, REG_SEND + 8 * i + 4, numbers[i] >> 32, 4);
	}
	client_write_number(client, REG_COMMAND, command, 4);
}

struct client_reply client_read_reply(struct client *client)
{
	uint32_t words[sizeof(struct client_reply) / 4] = { 0 };
	struct client_reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = (uint32_t)client_read_number(client, REG_RECEIVE + 4 * i, 4);
	memcpy(&reply, words, sizeof(reply));
	return reply;
}

int client_command(struct client *client, uint32_t command, const uint64_t *numbers, size_t count,
		   struct client_reply *reply)
{
	struct client_reply answer;
	uint64_t raised = 0;

	client_start_command(client, command, numbers, count);
	for (int i = 0; i < 100 && raised == 0; i++)
		raised = client_take_interrupts(client, LAB_NE_VECTOR_ANSWER);
	assert_int_equal(raised, 1);
	answer = client_read_reply(client);
	if (reply)
		*reply = answer;
	return answer.rc;
}

uint64_t client_alloc(struct client *client)
{
	struct client_reply reply;

	assert_int_equal(client_command(client, LAB_SLOT_ALLOC, NULL, 0, &reply), 0);
	assert_int_not_equal(reply.slot_uid, 0);
	assert_int_equal(reply.mem_regions, 512);
	return reply.slot_uid;
}

int client_slot(struct client *client, uint32_t command, uint64_t slot_uid)
{
	return client_command(client, command, &slot_uid, 1, NULL);
}

int client_add_memory(struct client *client, uint64_t slot_uid, uint64_t address, uint64_t size)
{
	const uint64_t numbers[] = { slot_uid, address, size };

	return client_command(client, LAB_SLOT_ADD_MEM, numbers, 3, NULL);
}

int client_add_vcpu(struct client *client, uint64_t slot_uid, uint32_t id)
{
	const uint64_t numbers[] = { slot_uid, id };

	return client_command(client, LAB_SLOT_ADD_VCPU, numbers, 2, NULL);
}

int client_start(struct client *client, uint64_t slot_uid, uint64_t cid, uint64_t flags,
		 uint64_t *ret_cid)
{
	const uint64_t numbers[] = { slot_uid, cid, flags };
	struct client_reply reply;
	int r = client_command(client, LAB_ENCLAVE_START, numbers, 3, &reply);

	if (ret_cid)
		*ret_cid = reply.enclave_cid;
	return r;
}

uint64_t client_launch(struct client *client, uint64_t address, uint32_t vcpu, uint64_t *ret_cid)
{
	uint64_t uid = client_alloc(client);

	assert_int_equal(client_add_memory(client, uid, address, 64 * MIB), 0);
	assert_int_equal(client_add_vcpu(client, uid, vcpu), 0);
	assert_int_equal(client_add_vcpu(client, uid, vcpu + 1), 0);
	assert_int_equal(client_start(client, uid, 0, 0, ret_cid), 0);
	return uid;
}

char *client_control(struct client *client, const char *line)
{
	cleanup_buffer struct nec_buffer answer = { 0 };

	lab_control_execute(client->hypervisor, line, &answer);
	assert_false(answer.failed);
	return strdup(nec_buffer_text(&answer));
}
