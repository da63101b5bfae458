/* SPDX-License-Identifier: Apache-2.0 */
/* The device: configuration space, registers, interrupts. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>

#include "base/cleanup.h"

enum { FDS = IRQ_DATA_EVENTFD | IRQ_ACTION_TRIGGER, PENDING_BITS = 0x3000 };

static uint32_t config(struct client *client, uint64_t offset, size_t size)
{
	uint32_t value = 0;

	assert_int_equal(client_read(client, LAB_VFIO_CONFIG, offset, &value, size), 0);
	return value;
}

static void set_config(struct client *client, uint64_t offset, uint32_t value, size_t size)
{
	assert_int_equal(client_write(client, LAB_VFIO_CONFIG, offset, &value, size), 0);
}

static void config__is_what_the_driver_looks_for(void **state)
{
	uint32_t msix;

	assert_int_equal(config(*state, PCI_VENDOR_ID, 2), 0x1d0f);
	assert_int_equal(config(*state, PCI_DEVICE_ID, 2), 0xe4c1);
	assert_int_equal(config(*state, PCI_CLASS_DEVICE, 2), 0x0780);
	assert_int_equal(config(*state, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(config(*state, PCI_INTERRUPT_PIN, 1), 0);
	assert_true(config(*state, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	msix = config(*state, PCI_CAPABILITY_LIST, 1);
	assert_int_equal(config(*state, msix, 1), PCI_CAP_ID_MSIX);
	assert_int_equal(config(*state, msix + 1, 1), 0); /* the last one */
	assert_int_equal(config(*state, msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE,
			 LAB_NE_VECTORS - 1);
	assert_int_equal(config(*state, msix + PCI_MSIX_TABLE, 4) & 7, CLIENT_BAR);
	assert_int_equal(config(*state, msix + PCI_MSIX_PBA, 4), PENDING_BITS | CLIENT_BAR);
}

static void config__keeps_what_may_be_written_and_nothing_else(void **state)
{
	struct client *client = *state;

	for (uint64_t i = 0; i < 256; i += 4)
		set_config(client, i, UINT32_MAX, 4);
	config__is_what_the_driver_looks_for(state);
	assert_int_equal(config(client, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(config(client, PCI_BASE_ADDRESS_3, 4), 0xffffc000);
	assert_int_equal(config(client, PCI_BASE_ADDRESS_0, 4), 0);
	assert_int_equal(config(client, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(config(client, PCI_INTERRUPT_LINE, 1), 0xff);
	assert_int_equal(client_ask(client, DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(config(client, PCI_COMMAND, 2), 0);
	assert_int_equal(config(client, PCI_BASE_ADDRESS_3, 4), 0);
}

/* QEMU's whole look at it is one read. */
static void config__is_read_at_once(void **state)
{
	uint8_t all[256];

	assert_int_equal(client_read(*state, LAB_VFIO_CONFIG, 0, all, sizeof(all)), 0);
	assert_int_equal(all[0], 0x0f);
	assert_int_equal(all[1], 0x1d);
}

static void version__is_1_or_none(void **state)
{
	client_write_number(*state, 2, 5, 2);
	assert_int_equal(client_read_number(*state, 2, 2), 1);
	client_write_number(*state, 2, 0, 2);
	assert_int_equal(client_read_number(*state, 2, 2), 0);
}

static void control_registers__have_one_width(void **state)
{
	struct client *client = *state;

	client_write_number(client, 0, 0, 4);
	assert_int_equal(client_read_number(client, 0, 1), 1);
	client_write_number(client, 0, 7, 1);
	assert_int_equal(client_read_number(client, 0, 1), 1);
	client_write_number(client, 2, 0, 1);
	assert_int_equal(client_read_number(client, 2, 2), 1);
	client_write_number(client, 4, LAB_SLOT_ALLOC, 2);
	client_write_number(client, 4, LAB_SLOT_ALLOC, 8);
	assert_int_equal(client_take_interrupts(client, 0), 0);
	assert_int_equal(client->hypervisor->logged, 0);
}

static void unknown_registers__are_zero_and_stay_so(void **state)
{
	static const uint64_t offsets[] = { 0x08,  0x0c,  0x1f0,  0x200,  0x20e,  0x214,
					    0x800, 0xff8, 0x1000, 0x2000, 0x2010, 0x3008 };
	struct client *client = *state;

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		client_write_number(client, offsets[i], UINT64_MAX, 4);
		client_write_number(client, offsets[i], UINT64_MAX, 2);
		assert_int_equal(client_read_number(client, offsets[i], 4), 0);
	}
	/* Answers are only read. */
	client_write_number(client, 0x100, UINT64_MAX, 8);
	assert_int_equal(client_read_number(client, 0x100, 8), 0);
}

static void requests__are_written_in_any_width(void **state)
{
	static const size_t widths[] = { 1, 2, 4, 8 };
	struct client *client = *state;
	const uint64_t numbers[] = { client_alloc(client), 2 * MIB, 2 * MIB };
	uint8_t request[sizeof(numbers)];

	memcpy(request, numbers, sizeof(request));
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		for (size_t at = 0; at < sizeof(request); at += widths[i])
			assert_int_equal(client_write(client, CLIENT_BAR, 0x10 + at, request + at,
						      widths[i]),
					 0);
		client_write_number(client, 4, LAB_SLOT_ADD_MEM, 4);
		while (client_take_interrupts(client, 0) == 0)
			;
		assert_int_equal(client_read_reply(client).rc, i == 0 ? 0 : -EEXIST);
		assert_int_equal(client_read_number(client, 0x108, 8), numbers[0]);
		assert_int_equal(client_read_number(client, 0x10c, 4), numbers[0] >> 32);
		assert_int_equal(client_read_number(client, 0x10e, 2), numbers[0] >> 48);
		assert_int_equal(client_read_number(client, 0x10f, 1), numbers[0] >> 56);
	}
	assert_int_equal(client_write(client, CLIENT_BAR, 0x10, request, 3), -EINVAL);
	assert_int_equal(client_read(client, CLIENT_BAR, 0x10, request, 16), -EINVAL);
}

/* A shorter request leaves the tail of the one before; nothing of it may count. */
static void requests__keep_what_is_not_written(void **state)
{
	struct client *client = *state;
	const uint64_t uid = client_alloc(client);

	assert_int_equal(client_add_memory(client, uid, 2 * MIB, 2 * MIB), 0);
	assert_int_equal(client_slot(client, LAB_SLOT_INFO, uid), 0);
	assert_int_equal(client_read_number(client, 0x18, 8), 2 * MIB);
	assert_int_equal(client->hypervisor->log[2].arguments[0], 0);
	/* One byte for a slot: the rest is of the uid before. */
	(void)client_alloc(client);
}

static void requests__end_where_their_window_ends(void **state)
{
	struct client *client = *state;

	client_write_number(client, 0xfc, 0x11223344, 4);
	assert_int_equal(client_read_number(client, 0xfc, 4), 0x11223344);
	client_write_number(client, 0xfe, UINT64_MAX, 4);
	client_write_number(client, 0x0e, UINT64_MAX, 4);
	assert_int_equal(client_read_number(client, 0xfc, 4), 0x11223344);
	assert_int_equal(client_read_number(client, 0x10, 2), 0);
	assert_int_equal(client_read_number(client, 0x100, 4), 0);
}

static void counts__are_of_answers_and_events(void **state)
{
	struct client *client = *state;

	(void)client_alloc(client);
	(void)client_alloc(client);
	lab_ne_device_interrupt(client->device, LAB_NE_VECTOR_EVENT);
	assert_int_equal(client_read_number(client, 0x0c, 4), 0x00010002);
}

static void interrupts__are_none_before_the_first_command(void **state)
{
	assert_int_equal(client_take_interrupts(*state, 0), 0);
	assert_int_equal(client_take_interrupts(*state, 1), 0);
}

static void interrupts__without_a_descriptor_wait_for_one(void **state)
{
	struct client *client = *state;

	assert_int_equal(client_set_irqs(client, FDS, LAB_VFIO_MSIX, 0, 2, NULL, 0), 0);
	lab_ne_device_interrupt(client->device, 1);
	lab_ne_device_interrupt(client->device, 1);
	assert_int_equal(client_read_number(client, PENDING_BITS, 4), 2);
	assert_int_equal(client_set_irqs(client, FDS, LAB_VFIO_MSIX, 0, 2, client->vectors, 2), 0);
	assert_int_equal(client_take_interrupts(client, 0), 0);
	assert_int_equal(client_take_interrupts(client, 1), 1);
	assert_int_equal(client_read_number(client, PENDING_BITS, 4), 0);
	/* One that nobody waits for any more is forgotten. */
	assert_int_equal(client_set_irqs(client, FDS, LAB_VFIO_MSIX, 0, 2, NULL, 0), 0);
	lab_ne_device_interrupt(client->device, 1);
	client_write_number(client, 0, 0, 1);
	assert_int_equal(client_set_irqs(client, FDS, LAB_VFIO_MSIX, 0, 2, client->vectors, 2), 0);
	assert_int_equal(client_take_interrupts(client, 1), 0);
}

static void interrupts__go_to_the_latest_descriptor(void **state)
{
	struct client *client = *state;
	int fresh = eventfd(0, EFD_NONBLOCK);
	uint64_t count = 0;

	assert_int_equal(client_set_irqs(client, FDS, LAB_VFIO_MSIX, 1, 1, &fresh, 1), 0);
	lab_ne_device_interrupt(client->device, 1);
	assert_int_equal(client_take_interrupts(client, 1), 0);
	assert_int_equal(read(fresh, &count, sizeof(count)), sizeof(count));
	(void)close(fresh);
}

/* A descriptor that would block, of a client that never looks at it. */
static void interrupts__never_block(void **state)
{
	struct client *client = *state;
	const uint64_t full = UINT64_MAX - 1;
	int blocking = eventfd(0, 0);

	assert_int_equal(write(blocking, &full, sizeof(full)), sizeof(full));
	assert_int_equal(client_set_irqs(client, FDS, LAB_VFIO_MSIX, 1, 1, &blocking, 1), 0);
	lab_ne_device_interrupt(client->device, 1);
	(void)close(blocking);
}

/* Commands beyond what can wait are dropped; the device lives. */
static void answers__that_wait_are_limited(void **state)
{
	struct client *client = *state;
	const struct lab_fault late = {
		.command = LAB_SLOT_COUNT,
		.kind = LAB_FAULT_LATE,
		.value = 3600000,
		.count = LAB_NE_MAX_PENDING + 2,
	};

	assert_int_equal(lab_faults_add(&client->hypervisor->faults, &late), 0);
	for (int i = 0; i < LAB_NE_MAX_PENDING + 2; i++)
		client_start_command(client, LAB_SLOT_COUNT, NULL, 0);
	client_turn(client);
	client_start_command(client, LAB_SLOT_ALLOC, NULL, 0);
	assert_int_equal(client_take_interrupts(client, 0), 0);
	assert_int_equal(client_ask(client, DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0), 0);
	client_write_number(client, 0, 1, 1);
	(void)client_alloc(client);
}

static void reset__switches_off_and_keeps_the_interrupts(void **state)
{
	struct client *client = *state;

	(void)client_launch(client, 2 * MIB, 2, NULL);
	assert_int_equal(client_ask(client, DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(client_read_number(client, 0, 8), 0);
	assert_int_equal(client->runner->running, 0);
	client_write_number(client, 0, 1, 1);
	(void)client_alloc(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_set_up_bound, client_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(config__is_what_the_driver_looks_for),
		TEST(config__keeps_what_may_be_written_and_nothing_else),
		TEST(config__is_read_at_once),
		TEST(version__is_1_or_none),
		TEST(control_registers__have_one_width),
		TEST(unknown_registers__are_zero_and_stay_so),
		TEST(requests__are_written_in_any_width),
		TEST(requests__keep_what_is_not_written),
		TEST(requests__end_where_their_window_ends),
		TEST(counts__are_of_answers_and_events),
		TEST(interrupts__are_none_before_the_first_command),
		TEST(interrupts__without_a_descriptor_wait_for_one),
		TEST(interrupts__go_to_the_latest_descriptor),
		TEST(interrupts__never_block),
		TEST(answers__that_wait_are_limited),
		TEST(reset__switches_off_and_keeps_the_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
