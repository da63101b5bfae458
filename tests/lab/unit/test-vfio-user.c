/* SPDX-License-Identifier: Apache-2.0 */
/* vfio-user: framing, what QEMU asks in its order, and clients that do wrong. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"

enum { TRIGGER = IRQ_ACTION_TRIGGER, FDS = IRQ_DATA_EVENTFD | IRQ_ACTION_TRIGGER };

/* The fixed part of what each command carries; those that are not there carry nothing. */
static const size_t payload_bytes[COMMANDS] = {
	[VERSION] = 4,
	[DMA_MAP] = sizeof(struct dma_map),
	[DMA_UNMAP] = sizeof(struct dma_unmap),
	[DEVICE_GET_INFO] = sizeof(struct device_info),
	[DEVICE_GET_REGION_INFO] = sizeof(struct region_info),
	[DEVICE_GET_IRQ_INFO] = sizeof(struct irq_info),
	[DEVICE_SET_IRQS] = sizeof(struct set_irqs),
	[REGION_READ] = sizeof(struct region_access),
	[REGION_WRITE] = sizeof(struct region_access),
};

static int ask(struct client *client, uint16_t command, const void *payload, size_t size)
{
	return client_ask(client, command, payload, size, NULL, 0, NULL, 0);
}

/* ---- reading ---- */

static unsigned int receive_calls;

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

/* The linker puts this between the server and the C library. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	receive_calls++;
	return __real_recvmsg(fd, message, flags);
}

static void server__that_has_read_everything_does_not_try_again(void **state)
{
	struct client *client = *state;
	const struct device_info info = { .argsz = sizeof(info) };

	client_send(client, DEVICE_GET_INFO, 0, &info, sizeof(info), NULL, 0);
	receive_calls = 0;
	assert_int_equal(nec_loop_run_once(client->loop, 0, NULL), 0);
	assert_in_range(receive_calls, 2, 3); /* header, payload, nothing more */
}

/* ---- version ---- */

static ssize_t say_version(struct client *client, uint16_t major, const char *text, size_t size,
			   struct header *header, char *answer, size_t answer_size)
{
	uint8_t bytes[512] = { 0 };

	memcpy(bytes, &major, sizeof(major));
	memcpy(bytes + 4, text, size);
	client_send(client, VERSION, 0, bytes, 4 + size, NULL, 0);
	return client_receive(client, header, answer, answer_size);
}

static void version__is_answered_with_json_that_ends(void **state)
{
	static const char theirs[] = "{\"capabilities\": {\"max_msg_fds\": 16, \"new\": [1]}, "
				     "\"more\": null, \"and\": {\"more\": [true, 5e3]}}";
	struct header header;
	char answer[256];
	ssize_t n = say_version(*state, 0, theirs, sizeof(theirs), &header, answer, sizeof(answer));

	assert_int_equal(header.flags, FLAG_REPLY);
	assert_true(n > 4 && (size_t)n <= 4 + sizeof(theirs));
	assert_int_equal(answer[n - 1], 0);
	assert_non_null(strstr(answer + 4, "\"max_msg_fds\":8"));
	assert_null(strstr(answer + 4, "write_multiple"));
}

static void version__may_come_without_json(void **state)
{
	struct header header;
	char answer[256];

	assert_true(say_version(*state, 0, "", 0, &header, answer, sizeof(answer)) > 0);
	assert_int_equal(header.flags, FLAG_REPLY);
}

static void version__that_is_not_ours_or_not_json_is_refused(void **state)
{
	static const char *const bad[] = { "x", "[]", "{\"a\":1", "{}x", "" };
	struct client *client = *state;
	struct header header;
	char answer[256];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t size = strlen(bad[i]) + 1;

		assert_int_equal(say_version(client, 0, bad[i], size, &header, answer, 256), 0);
		assert_int_equal(header.error, EINVAL);
	}
	assert_int_equal(say_version(client, 0, "{}", 2, &header, answer, 256), 0);
	assert_int_equal(header.error, EINVAL);
	assert_int_equal(say_version(client, 1, "{}", 3, &header, answer, 256), 0);
	assert_int_equal(header.error, EINVAL);
}

static void version__comes_first(void **state)
{
	const struct device_info info = { .argsz = sizeof(info) };

	assert_int_equal(ask(*state, DEVICE_GET_INFO, &info, sizeof(info)), -EPROTO);
	assert_int_equal(ask(*state, DEVICE_RESET, NULL, 0), -EPROTO);
}

/* ---- framing ---- */

static void messages__may_arrive_byte_by_byte(void **state)
{
	struct client *client = *state;
	const struct {
		struct header header;
		struct irq_info info;
	} message = {
		.header = { .id = 7, .command = DEVICE_GET_IRQ_INFO, .size = sizeof(message) },
		.info = { .argsz = sizeof(message.info), .index = LAB_VFIO_MSIX },
	};
	struct header header;
	struct irq_info info;

	for (size_t i = 0; i < sizeof(message); i++) {
		client_send_bytes(client, (const uint8_t *)&message + i, 1, NULL, 0);
		client_turn(client);
	}
	assert_int_equal(client_receive(client, &header, &info, sizeof(info)), sizeof(info));
	assert_int_equal(header.id, 7);
	assert_int_equal(info.count, LAB_NE_VECTORS);
	assert_int_equal(info.flags, IRQ_FLAG_EVENTFD | IRQ_FLAG_NO_RESIZE);
}

/* QEMU does not wait for one answer before it asks the next; each has descriptors of its own. */
static void descriptors__belong_to_the_message_they_came_with(void **state)
{
	struct client *client = *state;
	const uint32_t flags = FDS;
	const struct set_irqs sets[] = {
		{ .argsz = sizeof(sets[0]), .flags = flags, .index = 2, .start = 0, .count = 1 },
		{ .argsz = sizeof(sets[0]), .flags = flags, .index = 2, .start = 1, .count = 1 },
	};
	int fresh[] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	struct header header;
	uint64_t count = 0;

	for (size_t i = 0; i < 2; i++)
		client_send(client, DEVICE_SET_IRQS, 0, &sets[i], sizeof(sets[i]), &fresh[i], 1);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(client_receive(client, &header, NULL, 0), 0);
		assert_int_equal(header.flags, FLAG_REPLY);
	}
	lab_ne_device_interrupt(client->device, 1);
	assert_int_equal(read(fresh[0], &count, sizeof(count)), -1);
	assert_int_equal(read(fresh[1], &count, sizeof(count)), sizeof(count));
	(void)close(fresh[0]);
	(void)close(fresh[1]);
}

static void end_by_size(struct client *client, uint32_t size)
{
	const struct header header = { .command = DEVICE_RESET, .size = size };

	client_send_bytes(client, &header, sizeof(header), NULL, 0);
	client_turn(client);
	assert_int_equal(client->ended, 1);
	assert_int_equal(client->ended_with, -EPROTO);
	client_turn(client);
	assert_int_equal(client->ended, 1);
}

static void frames__of_impossible_sizes_end_the_connection(void **state)
{
	static const uint32_t sizes[] = { 0, 15, sizeof(struct header) + MAX_PAYLOAD + 1,
					  UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(client_set_up(state), 0);
		end_by_size(*state, sizes[i]);
		assert_int_equal(client_tear_down(state), 0);
	}
}

static void answers__to_nothing_end_the_connection(void **state)
{
	struct client *client = *state;

	client_send(client, 11, FLAG_REPLY, "12345678", 8, NULL, 0);
	client_turn(client);
	assert_int_equal(client->ended_with, -EPROTO);
}

static void client__that_goes_is_noticed_once(void **state)
{
	struct client *client = *state;

	assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
	client_turn(client);
	client_turn(client);
	assert_int_equal(client->ended, 1);
	assert_int_equal(client->ended_with, 0);
}

static void client__that_goes_in_the_middle_of_a_message_leaves_nothing(void **state)
{
	struct client *client = *state;
	const struct header header = {
		.command = DMA_MAP,
		.size = sizeof(header) + sizeof(struct dma_map),
	};

	client_send_bytes(client, &header, sizeof(header), &client->memory_fd, 1);
	client_turn(client);
	assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
	client_turn(client);
	assert_int_equal(client->ended, 1);
}

static void descriptors__more_than_agreed_end_the_connection(void **state)
{
	struct client *client = *state;
	const struct set_irqs set = { .argsz = sizeof(set), .flags = FDS, .index = 2 };
	int fds[LAB_VFIO_MAX_FDS + 1];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = client->vectors[0];
	client_send(client, DEVICE_SET_IRQS, 0, &set, sizeof(set), fds, ARRAY_SIZE(fds));
	client_turn(client);
	assert_int_equal(client->ended_with, -EMFILE);
}

/* Nothing that a client asks for without reading the answers piles up here. */
static void client__that_does_not_read_is_not_read_from(void **state)
{
	struct client *client = *state;
	const struct region_access access = { .region = LAB_VFIO_CONFIG, .count = 256 };
	uint8_t answer[sizeof(access) + 256];
	struct {
		struct header header;
		struct region_access access;
	} message = { .header = { .command = REGION_READ, .size = sizeof(message) }, access };
	struct header header;
	size_t sent = 0;
	size_t received = 0;

	while (send(client->fd, &message, sizeof(message), MSG_DONTWAIT) == sizeof(message)) {
		sent++;
		client_turn(client);
	}
	assert_true(sent > 100);
	assert_true(client->server->output.size < 65536);
	for (int quiet = 0; quiet < 8; quiet++) {
		client_turn(client);
		while (recv(client->fd, &header, sizeof(header), MSG_DONTWAIT) == sizeof(header)) {
			assert_int_equal(recv(client->fd, answer, sizeof(answer), MSG_WAITALL),
					 sizeof(answer));
			received++;
			quiet = 0;
			client_turn(client);
		}
	}
	assert_int_equal(received, sent);
}

/* ---- commands ---- */

static void commands__that_are_not_there_are_answered(void **state)
{
	static const uint16_t unknown[] = { 0, 6, 11, 12, 14, 15, 16, 17, 18, 255, 65535 };

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(ask(*state, unknown[i], "12345678", 8), -ENOTSUP);
}

static void commands__that_are_cut_short_are_refused(void **state)
{
	static const uint8_t zeros[64];
	struct client *client = *state;

	for (unsigned int command = 0; command < COMMANDS; command++)
		for (size_t size = 0; size < payload_bytes[command]; size++)
			assert_int_equal(ask(client, (uint16_t)command, zeros, size), -EINVAL);
	/* Those that say themselves how long they are, too. */
	for (unsigned int command = DMA_MAP; command <= DEVICE_SET_IRQS; command++)
		if (payload_bytes[command] > 0)
			assert_int_equal(
				ask(client, (uint16_t)command, zeros, payload_bytes[command]),
				-EINVAL);
}

static void commands__that_take_no_descriptors_are_refused_with_one(void **state)
{
	struct client *client = *state;
	struct device_info info = { .argsz = sizeof(info) };

	assert_int_equal(client_ask(client, DEVICE_GET_INFO, &info, sizeof(info),
				    &client->memory_fd, 1, &info, sizeof(info)),
			 -EINVAL);
	assert_int_equal(client_ask(client, DEVICE_RESET, NULL, 0, client->vectors, 2, NULL, 0),
			 -EINVAL);
}

static void no_reply__means_none_to_errors_either(void **state)
{
	struct client *client = *state;
	struct header header;

	client_send(client, REGION_WRITE, FLAG_NO_REPLY, "", 0, NULL, 0);
	client_send(client, 99, FLAG_NO_REPLY, "", 0, NULL, 0);
	client_send(client, DEVICE_RESET, 0, NULL, 0, NULL, 0);
	assert_int_equal(client_receive(client, &header, NULL, 0), 0);
	assert_int_equal(header.command, DEVICE_RESET);
	assert_int_equal(client_receive(client, &header, NULL, 0), -1);
}

static void info__says_what_the_device_has(void **state)
{
	static const uint64_t sizes[LAB_VFIO_REGIONS] = { [3] = 0x4000, [7] = 256 };
	static const uint32_t irqs[LAB_VFIO_IRQS] = { [2] = 2, [3] = 1 };
	struct client *client = *state;
	struct device_info info = { .argsz = 64 };

	assert_int_equal(client_ask(client, DEVICE_GET_INFO, &info, sizeof(info), NULL, 0, &info,
				    sizeof(info)),
			 0);
	assert_int_equal(info.argsz, sizeof(info));
	assert_int_equal(info.flags, DEVICE_FLAG_PCI | DEVICE_FLAG_RESET);
	assert_int_equal(info.regions, LAB_VFIO_REGIONS);
	assert_int_equal(info.irqs, LAB_VFIO_IRQS);
	for (uint32_t i = 0; i < LAB_VFIO_REGIONS; i++) {
		struct region_info region = { .argsz = sizeof(region), .index = i };

		assert_int_equal(client_ask(client, DEVICE_GET_REGION_INFO, &region, sizeof(region),
					    NULL, 0, &region, sizeof(region)),
				 0);
		assert_int_equal(region.index, i);
		assert_int_equal(region.size, sizes[i]);
		assert_int_equal(region.flags, sizes[i] ? 3 : 0);
	}
	for (uint32_t i = 0; i < LAB_VFIO_IRQS; i++) {
		struct irq_info irq = { .argsz = sizeof(irq), .index = i };

		assert_int_equal(client_ask(client, DEVICE_GET_IRQ_INFO, &irq, sizeof(irq), NULL, 0,
					    &irq, sizeof(irq)),
				 0);
		assert_int_equal(irq.count, irqs[i]);
	}
}

static void info__of_what_is_not_there_is_refused(void **state)
{
	const struct region_info region = { .argsz = sizeof(region), .index = LAB_VFIO_REGIONS };
	const struct irq_info irq = { .argsz = sizeof(irq), .index = LAB_VFIO_IRQS };

	assert_int_equal(ask(*state, DEVICE_GET_REGION_INFO, &region, sizeof(region)), -EINVAL);
	assert_int_equal(ask(*state, DEVICE_GET_IRQ_INFO, &irq, sizeof(irq)), -EINVAL);
}

/* ---- memory ---- */

static int unmap(struct client *client, uint64_t address, uint64_t size, uint32_t flags)
{
	const struct dma_unmap message = {
		.argsz = sizeof(message),
		.flags = flags,
		.address = address,
		.size = size,
	};
	struct dma_unmap answer;
	int r = client_ask(client, DMA_UNMAP, &message, sizeof(message), NULL, 0, &answer,
			   sizeof(answer));

	if (r == 0)
		assert_memory_equal(&message, &answer, sizeof(answer));
	return r;
}

static void memory__comes_and_goes(void **state)
{
	struct client *client = *state;

	assert_int_equal(client_map(client, 16 * MIB * 1024, MIB, 0, 3, client->memory_fd), 0);
	assert_int_equal(client_map(client, 32 * MIB * 1024, MIB, 0, 3, -1), 0);
	assert_int_equal(client_map(client, 0, MIB, 0, 3, client->memory_fd), -EEXIST);
	assert_int_equal(client_map(client, 64 * MIB * 1024, MIB, 0, 3, client->vectors[0]),
			 -EINVAL);
	assert_int_equal(lab_dma_count(client->dma), 4);
	assert_int_equal(unmap(client, 32 * MIB * 1024, MIB, 0), 0);
	assert_int_equal(unmap(client, 16 * MIB * 1024, MIB / 2, 0), -EINVAL);
	assert_int_equal(unmap(client, 0, MIB, UNMAP_DIRTY_BITMAP), -ENOTSUP);
	assert_int_equal(lab_dma_count(client->dma), 3);
	assert_int_equal(unmap(client, 0, 0, UNMAP_ALL), 0);
	assert_int_equal(lab_dma_count(client->dma), 0);
}

static void memory__of_two_descriptors_is_refused(void **state)
{
	struct client *client = *state;
	const struct dma_map map = { .argsz = sizeof(map), .flags = 3, .size = MIB };
	const int fds[] = { client->memory_fd, client->memory_fd };

	assert_int_equal(client_ask(client, DMA_MAP, &map, sizeof(map), fds, 2, NULL, 0), -EINVAL);
}

/* ---- interrupts ---- */

static bool is_raised(struct client *client, uint32_t vector)
{
	lab_ne_device_interrupt(client->device, vector);
	return client_take_interrupts(client, vector) > 0;
}

/* As QEMU switches MSI-X on: nothing bound, all off, then ranges that grow. */
static void irqs__are_bound_in_qemus_order(void **state)
{
	struct client *client = *state;

	assert_int_equal(client_set_irqs(client, FDS, 2, 0, 1, NULL, 0), 0);
	assert_false(is_raised(client, 0));
	assert_int_equal(client_set_irqs(client, TRIGGER | IRQ_DATA_NONE, 2, 0, 0, NULL, 0), 0);
	assert_int_equal(client_set_irqs(client, FDS, 2, 0, 1, client->vectors, 1), 0);
	assert_int_equal(client_take_interrupts(client, 0), 1); /* the one from above */
	assert_int_equal(client_set_irqs(client, FDS, 2, 0, 2, client->vectors, 2), 0);
	assert_true(is_raised(client, 0));
	assert_true(is_raised(client, 1));
	assert_int_equal(client_set_irqs(client, FDS, 2, 1, 1, NULL, 0), 0);
	assert_true(is_raised(client, 0));
	assert_false(is_raised(client, 1));
	assert_int_equal(client_set_irqs(client, TRIGGER | IRQ_DATA_NONE, 2, 0, 0, NULL, 0), 0);
	assert_false(is_raised(client, 0));
}

static void irqs__can_be_tried_by_the_client(void **state)
{
	struct client *client = *state;

	assert_int_equal(client_set_irqs(client, TRIGGER | IRQ_DATA_NONE, 2, 1, 1, NULL, 0), 0);
	assert_int_equal(client_take_interrupts(client, 1), 1);
	assert_int_equal(client_take_interrupts(client, 0), 0);
}

static void irqs__of_errors_are_taken_and_never_raised(void **state)
{
	struct client *client = *state;

	assert_int_equal(client_set_irqs(client, FDS, 3, 0, 1, client->vectors, 1), 0);
	assert_int_equal(client_set_irqs(client, TRIGGER | IRQ_DATA_NONE, 3, 0, 1, NULL, 0), 0);
	assert_int_equal(client_take_interrupts(client, 0), 0);
}

static void irqs__that_cannot_be_are_refused(void **state)
{
	struct client *client = *state;
	const int *fds = client->vectors;

	assert_int_equal(client_set_irqs(client, FDS, 5, 0, 1, fds, 1), -EINVAL);
	assert_int_equal(client_set_irqs(client, FDS, 0, 0, 1, fds, 1), -EINVAL);
	assert_int_equal(client_set_irqs(client, FDS, 2, 2, 1, fds, 1), -EINVAL);
	assert_int_equal(client_set_irqs(client, FDS, 2, 1, 2, fds, 2), -EINVAL);
	assert_int_equal(client_set_irqs(client, FDS, 2, 1, UINT32_MAX, fds, 2), -EINVAL);
	assert_int_equal(client_set_irqs(client, FDS, 2, 0, 2, fds, 1), -EINVAL);
	assert_int_equal(client_set_irqs(client, FDS, 2, 0, 1, fds, 2), -EINVAL);
	assert_int_equal(client_set_irqs(client, TRIGGER | IRQ_DATA_NONE, 2, 0, 1, fds, 1),
			 -EINVAL);
	assert_int_equal(client_set_irqs(client, TRIGGER | 2, 2, 0, 1, NULL, 0), -ENOTSUP);
	assert_int_equal(client_set_irqs(client, 8 | IRQ_DATA_NONE, 2, 0, 1, NULL, 0), -ENOTSUP);
	assert_int_equal(client_set_irqs(client, TRIGGER, 2, 0, 1, NULL, 0), -ENOTSUP);
	assert_true(is_raised(client, 0));
}

/* ---- regions ---- */

static void regions__are_read_and_written_inside_only(void **state)
{
	struct client *client = *state;
	uint8_t bytes[512];

	assert_int_equal(client_read(client, 7, 0, bytes, 256), 0);
	assert_int_equal(client_read(client, 7, 1, bytes, 256), -EINVAL);
	assert_int_equal(client_read(client, 7, 256, bytes, 0), 0);
	assert_int_equal(client_read(client, 7, 257, bytes, 0), -EINVAL);
	assert_int_equal(client_read(client, 7, UINT64_MAX, bytes, 1), -EINVAL);
	assert_int_equal(client_read(client, 3, 0x3fff, bytes, 1), 0);
	assert_int_equal(client_read(client, 3, 0x3fff, bytes, 2), -EINVAL);
	assert_int_equal(client_read(client, 0, 0, bytes, 1), -EINVAL);
	assert_int_equal(client_read(client, 9, 0, bytes, 1), -EINVAL);
	assert_int_equal(client_write(client, 3, 0x4000, bytes, 1), -EINVAL);
	assert_int_equal(client_write(client, 6, 0, bytes, 1), -EINVAL);
	assert_int_equal(client_write(client, UINT32_MAX, 0, bytes, 1), -EINVAL);
}

static void regions__are_not_read_in_one_huge_piece(void **state)
{
	const struct region_access access = { .region = 3, .count = MAX_DATA + 1 };

	assert_int_equal(ask(*state, REGION_READ, &access, sizeof(access)), -EINVAL);
}

static void writes__have_as_much_data_as_they_say(void **state)
{
	const struct {
		struct region_access access;
		uint8_t data[8];
	} message = { .access = { .region = 3, .offset = 0x10, .count = 4 } };

	assert_int_equal(ask(*state, REGION_WRITE, &message, sizeof(message)), -EINVAL);
	assert_int_equal(ask(*state, REGION_WRITE, &message, sizeof(message) - 6), -EINVAL);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, client_set_up, client_tear_down)
#define BOUND(name) cmocka_unit_test_setup_teardown(name, client_set_up_bound, client_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(version__is_answered_with_json_that_ends),
		TEST(version__may_come_without_json),
		TEST(version__that_is_not_ours_or_not_json_is_refused),
		TEST(version__comes_first),
		BOUND(messages__may_arrive_byte_by_byte),
		BOUND(descriptors__belong_to_the_message_they_came_with),
		cmocka_unit_test(frames__of_impossible_sizes_end_the_connection),
		BOUND(answers__to_nothing_end_the_connection),
		BOUND(client__that_goes_is_noticed_once),
		BOUND(client__that_goes_in_the_middle_of_a_message_leaves_nothing),
		BOUND(descriptors__more_than_agreed_end_the_connection),
		BOUND(client__that_does_not_read_is_not_read_from),
		BOUND(server__that_has_read_everything_does_not_try_again),
		BOUND(commands__that_are_not_there_are_answered),
		BOUND(commands__that_are_cut_short_are_refused),
		BOUND(commands__that_take_no_descriptors_are_refused_with_one),
		BOUND(no_reply__means_none_to_errors_either),
		BOUND(info__says_what_the_device_has),
		BOUND(info__of_what_is_not_there_is_refused),
		BOUND(memory__comes_and_goes),
		BOUND(memory__of_two_descriptors_is_refused),
		BOUND(irqs__are_bound_in_qemus_order),
		BOUND(irqs__can_be_tried_by_the_client),
		BOUND(irqs__of_errors_are_taken_and_never_raised),
		BOUND(irqs__that_cannot_be_are_refused),
		BOUND(regions__are_read_and_written_inside_only),
		BOUND(regions__are_not_read_in_one_huge_piece),
		BOUND(writes__have_as_much_data_as_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
