/* SPDX-License-Identifier: Apache-2.0 */
/* The device as the driver uses it: a whole life, every command, every fault. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "faults.h"
#include "image/eif-format.h"
#include "leftovers.h"

static void life__is_the_one_that_was_recorded(void **state)
{
	struct client *client = *state;
	const struct lab_slot *slot;
	struct client_reply reply;
	uint64_t uid = client_alloc(client);
	uint64_t cid = 0;

	assert_int_equal(client_add_memory(client, uid, 64 * MIB, 32 * MIB), 0);
	assert_int_equal(client_add_memory(client, uid, 2 * MIB, 32 * MIB), 0);
	assert_int_equal(client_add_vcpu(client, uid, 2), 0);
	assert_int_equal(client_add_vcpu(client, uid, 3), 0);
	assert_int_equal(client_start(client, uid, 0, LAB_FLAG_DEBUG, &cid), 0);
	assert_int_equal(cid, 16);
	slot = lab_slots_find(&client->hypervisor->slots, uid);
	assert_int_equal(slot->state, LAB_RUNNING);
	assert_int_equal(client->runner->last.slot_uid, uid);
	assert_int_equal(client->runner->last.cid, 16);
	assert_true(client->runner->last.debug);
	assert_int_equal(client->runner->last.memory_bytes, 64 * MIB);
	assert_int_equal(client->runner->last.vcpu_count, 2);

	assert_int_equal(client_command(client, LAB_SLOT_INFO, &uid, 1, &reply), 0);
	assert_int_equal(reply.state, 2);
	assert_int_equal(reply.slot_uid, uid);
	assert_int_equal(reply.enclave_cid, 16);
	assert_int_equal(reply.mem_size, 64 * MIB);
	assert_int_equal(reply.mem_regions, 2);
	assert_int_equal(reply.nr_vcpus, 2);
	assert_int_equal(reply.flags, 1);

	assert_int_equal(client_slot(client, LAB_ENCLAVE_STOP, uid), 0);
	assert_int_equal(client->runner->running, 0);
	assert_int_equal(client_slot(client, LAB_SLOT_FREE, uid), 0);
	assert_int_equal(lab_slots_count(&client->hypervisor->slots), 0);
	/* A stop that the driver asked for is no event. */
	assert_int_equal(client_take_interrupts(client, LAB_NE_VECTOR_EVENT), 0);
	assert_int_equal(client->hypervisor->counts.commands[LAB_SLOT_ADD_MEM], 2);
	assert_int_equal(client->hypervisor->counts.failed, 0);
}

static void end__is_an_event_and_the_state_says_stopped(void **state)
{
	struct client *client = *state;
	struct client_reply reply;
	uint64_t uid = client_launch(client, 2 * MIB, 2, NULL);
	uint64_t healthy = client_launch(client, 66 * MIB, 4, NULL);

	stub_runner_end(client->runner, uid);
	assert_int_equal(client_take_interrupts(client, LAB_NE_VECTOR_EVENT), 1);
	assert_int_equal(client_command(client, LAB_SLOT_INFO, &uid, 1, &reply), 0);
	assert_int_equal(reply.state, 0xffff);
	/* The driver asks about all of them. */
	assert_int_equal(client_command(client, LAB_SLOT_INFO, &healthy, 1, &reply), 0);
	assert_int_equal(reply.state, 2);
	assert_int_equal(client_slot(client, LAB_SLOT_FREE, uid), 0);
	assert_int_equal(client->hypervisor->counts.freed_running, 0);
	assert_int_equal(client->hypervisor->counts.ended, 1);
	/* Nobody hears of it twice. */
	client->runner->events.ended(client->runner->events.userdata, uid);
	assert_int_equal(client_take_interrupts(client, LAB_NE_VECTOR_EVENT), 0);
}

static void commands_that_linux_never_sends__are_there(void **state)
{
	struct client *client = *state;
	struct client_reply reply;
	uint64_t cid;
	uint64_t uid = client_launch(client, 2 * MIB, 2, &cid);
	uint64_t other = client_alloc(client);
	uint64_t bulk[] = { other, 2 };
	uint64_t none = 0;

	assert_int_equal(client_command(client, LAB_SLOT_COUNT, NULL, 0, &reply), 0);
	assert_int_equal(reply.slot_count, 2);
	assert_int_equal(client_command(client, LAB_ENCLAVE_GET_SLOT, &cid, 1, &reply), 0);
	assert_int_equal(reply.slot_uid, uid);
	assert_int_equal(client_slot(client, LAB_ENCLAVE_GET_SLOT, 99), -ENODEV);
	assert_int_equal(client_command(client, LAB_NEXT_SLOT, &none, 1, &reply), 0);
	assert_int_equal(reply.slot_uid, uid);
	assert_int_equal(client_command(client, LAB_NEXT_SLOT, &uid, 1, &reply), 0);
	assert_int_equal(reply.slot_uid, other);
	assert_int_equal(client_slot(client, LAB_NEXT_SLOT, other), -ENODEV);
	assert_int_equal(client_command(client, LAB_SLOT_ADD_BULK_VCPUS, bulk, 2, &reply), 0);
	assert_int_equal(reply.nr_vcpus, 2);
}

static void unknown_commands__are_refused(void **state)
{
	struct client *client = *state;
	static const uint32_t unknown[] = { 0, 12, 13, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(client_command(client, unknown[i], NULL, 0, NULL), -EOPNOTSUPP);
	assert_int_equal(client->hypervisor->counts.commands[0], 4);
}

static void slots_that_are_not_there__are_refused(void **state)
{
	static const uint32_t numbers[] = {
		LAB_ENCLAVE_START, LAB_ENCLAVE_STOP, LAB_SLOT_FREE,           LAB_SLOT_ADD_MEM,
		LAB_SLOT_ADD_VCPU, LAB_SLOT_INFO,    LAB_SLOT_ADD_BULK_VCPUS,
	};
	struct client *client = *state;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_int_equal(client_slot(client, numbers[i], 0), -ENODEV);
		assert_int_equal(client_slot(client, numbers[i], 12345), -ENODEV);
	}
}

/* An image whose header is at 8 MiB, in the second of two ranges that are not neighbours. */
static void image__is_taken_out_of_the_ranges_in_their_order(void **state)
{
	struct client *client = *state;
	uint8_t *header = client->memory + 128 * MIB;
	uint64_t uid = client_alloc(client);

	nec_put_u32be(header, NEC_EIF_MAGIC);
	nec_put_u16be(header + NEC_EIF_COUNT_AT, 1);
	nec_put_u64be(header + NEC_EIF_OFFSETS_AT, NEC_EIF_HEADER_SIZE);
	nec_put_u64be(header + NEC_EIF_SIZES_AT, 3 * MIB);
	header[NEC_EIF_HEADER_SIZE + 100] = 0x42;
	assert_int_equal(client_add_memory(client, uid, 64 * MIB, 8 * MIB), 0);
	assert_int_equal(client_add_memory(client, uid, 128 * MIB, 2 * MIB), 0);
	assert_int_equal(client_add_memory(client, uid, 2 * MIB, 54 * MIB), 0);
	assert_int_equal(header[0], LAB_POISON);
	assert_int_equal(client_add_vcpu(client, uid, 2), 0);
	assert_int_equal(client_add_vcpu(client, uid, 3), 0);
	assert_int_equal(client_start(client, uid, 0, 0, NULL), 0);
	assert_int_equal(client->runner->last.eif_size, 3 * MIB + NEC_EIF_HEADER_SIZE + 12);
	assert_int_equal(client->runner->image_bytes, sizeof(client->runner->image));
	assert_int_equal(client->runner->image[0], '.');
	assert_int_equal(client->runner->image[NEC_EIF_HEADER_SIZE + 100], 0x42);
}

/* As on the hardware it starts; that it is none is seen when it ends. */
static void start__takes_memory_without_an_image(void **state)
{
	struct client *client = *state;

	(void)client_launch(client, 2 * MIB, 2, NULL);
	assert_int_equal(client->runner->last.eif_size, 0);
	assert_int_equal(client->runner->image_bytes, 0);
}

static void start__that_the_runner_refuses_leaves_the_slot_as_it_was(void **state)
{
	struct client *client = *state;
	uint64_t uid = client_alloc(client);
	uint64_t cid;

	assert_int_equal(client_add_memory(client, uid, 2 * MIB, 64 * MIB), 0);
	assert_int_equal(client_add_vcpu(client, uid, 2), 0);
	assert_int_equal(client_add_vcpu(client, uid, 3), 0);
	client->runner->refuse = -EAGAIN;
	assert_int_equal(client_start(client, uid, 20, 0, NULL), -EAGAIN);
	assert_int_equal(client_start(client, uid, 20, 0, &cid), 0);
	assert_int_equal(cid, 20);
}

static void memory__is_poisoned_checked_and_scrubbed(void **state)
{
	struct client *client = *state;
	uint8_t *memory = client->memory + 2 * MIB;
	uint64_t uid;

	memset(memory, 0x11, 64 * MIB);
	uid = client_launch(client, 2 * MIB, 2, NULL);
	for (uint64_t i = 0; i < 64 * MIB; i += 4096)
		assert_int_equal(memory[i + i % 4093], LAB_POISON);
	memory[5 * 4096 + 17] = 1;
	memory[64 * MIB - 1] = 0;
	assert_int_equal(client_slot(client, LAB_ENCLAVE_STOP, uid), 0);
	assert_int_equal(client->hypervisor->counts.touched_pages, 0);
	assert_int_equal(client_slot(client, LAB_SLOT_FREE, uid), 0);
	assert_int_equal(client->hypervisor->counts.touched_pages, 2);
	assert_int_equal(memory[0], 0);
	assert_memory_equal(memory, memory + 1, 64 * MIB - 1);
	/* And what is beside it is as it was. */
	assert_int_equal(client->memory[2 * MIB - 1], 0);
	client->memory[66 * MIB] = 9;
	(void)client_launch(client, 2 * MIB, 2, NULL);
	assert_int_equal(client->memory[66 * MIB], 9);
}

static void memory__that_is_refused_stays_the_parents(void **state)
{
	struct client *client = *state;
	uint64_t uid = client_alloc(client);
	uint64_t other = client_alloc(client);

	memset(client->memory + 2 * MIB, 0x11, 4 * MIB);
	assert_int_equal(client_add_memory(client, uid, 2 * MIB, 2 * MIB), 0);
	assert_int_equal(client_add_memory(client, other, 2 * MIB, 4 * MIB), -EEXIST);
	assert_int_equal(client->memory[4 * MIB], 0x11);
	assert_int_equal(client_add_memory(client, other, CLIENT_MEMORY, 2 * MIB), -EFAULT);
}

static void slot__that_runs_is_stopped_when_it_is_freed(void **state)
{
	struct client *client = *state;
	uint64_t uid = client_launch(client, 2 * MIB, 2, NULL);

	assert_int_equal(client_slot(client, LAB_SLOT_FREE, uid), 0);
	assert_int_equal(client->runner->running, 0);
	assert_int_equal(client->hypervisor->counts.freed_running, 1);
	assert_int_equal(client->memory[2 * MIB], 0);
}

static void switching_off__frees_everything(void **state)
{
	struct client *client = *state;

	(void)client_launch(client, 2 * MIB, 2, NULL);
	(void)client_launch(client, 66 * MIB, 4, NULL);
	(void)client_alloc(client);
	client_write_number(client, 0, 0, 1);
	assert_int_equal(client_read_number(client, 0, 1), 0);
	assert_int_equal(client->runner->running, 0);
	assert_int_equal(lab_slots_count(&client->hypervisor->slots), 0);
	assert_int_equal(client->memory[2 * MIB], 0);
	/* Commands are nothing to a device that is off. */
	client_start_command(client, LAB_SLOT_ALLOC, NULL, 0);
	assert_int_equal(client_take_interrupts(client, LAB_NE_VECTOR_ANSWER), 0);
	assert_int_equal(lab_slots_count(&client->hypervisor->slots), 0);
}

static void client_that_goes__takes_its_enclaves_along(void **state)
{
	struct client *client = *state;

	(void)client_launch(client, 2 * MIB, 2, NULL);
	client_start_command(client, LAB_SLOT_ALLOC, NULL, 0);
	client_turn(client);
	client_disconnect(client);
	assert_int_equal(client->runner->running, 0);
	assert_int_equal(lab_slots_count(&client->hypervisor->slots), 0);
	assert_int_equal(lab_dma_count(client->dma), 0);
	assert_int_equal(client->memory[2 * MIB], 0);
}

/* ---- what fails underneath ---- */

/* Without the connection in between, which has its own ways to fail. Returns the answer's rc. */
static int execute(struct client *client, uint32_t command, uint64_t a, uint64_t b, uint64_t c,
		   struct client_reply *reply)
{
	const struct lab_ne_commands commands = lab_hypervisor_get_commands(client->hypervisor);
	const uint64_t numbers[] = { a, b, c };
	uint8_t request[LAB_NE_DATA_BYTES] = { 0 };
	struct lab_ne_answer answer = { 0 };

	memcpy(request, numbers, sizeof(numbers));
	commands.execute(commands.userdata, command, request, &answer);
	memcpy(reply, answer.data, sizeof(*reply));
	return reply->rc;
}

/* With an image that lies in two ranges. */
static int launch(struct client *client)
{
	struct client_reply reply;
	uint64_t uid;
	int r = execute(client, LAB_SLOT_ALLOC, 0, 0, 0, &reply);

	if (r < 0)
		return r;
	uid = reply.slot_uid;
	r = execute(client, LAB_SLOT_ADD_MEM, uid, 2 * MIB, 10 * MIB, &reply);
	if (r == 0)
		r = execute(client, LAB_SLOT_ADD_MEM, uid, 12 * MIB, 54 * MIB, &reply);
	if (r == 0)
		r = execute(client, LAB_SLOT_ADD_BULK_VCPUS, uid, 2, 0, &reply);
	if (r == 0)
		r = execute(client, LAB_ENCLAVE_START, uid, 0, 0, &reply);
	return r;
}

static void put_image(struct client *client)
{
	uint8_t *header = client->memory + 10 * MIB;

	nec_put_u32be(header, NEC_EIF_MAGIC);
	nec_put_u16be(header + NEC_EIF_COUNT_AT, 1);
	nec_put_u64be(header + NEC_EIF_OFFSETS_AT, NEC_EIF_HEADER_SIZE);
	nec_put_u64be(header + NEC_EIF_SIZES_AT, 3 * MIB);
}

static void check_failures(struct client *client, enum fault_family family, int error)
{
	bool failed = true;

	for (int n = 1; failed; n++) {
		struct lab_ne_commands commands = lab_hypervisor_get_commands(client->hypervisor);
		size_t fds = open_descriptors();
		int r;

		put_image(client);
		fault_arm(family, n, error);
		r = launch(client);
		failed = fault_disarm();
		assert_int_equal(r, failed ? -error : 0);
		assert_int_equal(client->runner->running, !failed);
		commands.reset(commands.userdata);
		assert_int_equal(open_descriptors(), fds);
		assert_int_equal(lab_slots_count(&client->hypervisor->slots), 0);
		assert_true(n < 100);
		assert_true(failed || n > 1);
	}
}

static void failures__of_memory_and_files_are_answers_and_leave_nothing(void **state)
{
	check_failures(*state, FAULT_MEMORY, ENOMEM);
	check_failures(*state, FAULT_FILES, ENOSPC);
}

/* ---- faults ---- */

static void add_fault(struct client *client, const char *line)
{
	cleanup_free char *answer = client_control(client, line);

	assert_string_equal(answer, "{\"ok\":true}\n");
}

/* The commands of a life, each with what it needs before; all are to be refused in turn. */
static int live(struct client *client)
{
	struct client_reply reply;
	uint64_t uid = 0;
	uint64_t start[3] = { 0 };
	int r = client_command(client, LAB_SLOT_ALLOC, NULL, 0, &reply);

	if (r < 0)
		return r;
	uid = reply.slot_uid;
	start[0] = uid;
	r = client_add_memory(client, uid, 2 * MIB, 64 * MIB);
	if (r == 0)
		r = client_add_vcpu(client, uid, 2);
	if (r == 0)
		r = client_add_vcpu(client, uid, 3);
	if (r == 0)
		r = client_command(client, LAB_ENCLAVE_START, start, 3, NULL);
	if (r == 0)
		r = client_slot(client, LAB_SLOT_INFO, uid);
	if (r == 0)
		r = client_slot(client, LAB_ENCLAVE_STOP, uid);
	if (r == 0)
		r = client_slot(client, LAB_SLOT_FREE, uid);
	client_write_number(client, 0, 0, 1);
	client_write_number(client, 0, 1, 1);
	client_turn(client);
	return r;
}

static void fault_error__refuses_each_command_without_doing_it(void **state)
{
	static const uint32_t numbers[] = {
		LAB_SLOT_ALLOC, LAB_SLOT_ADD_MEM, LAB_SLOT_ADD_VCPU, LAB_ENCLAVE_START,
		LAB_SLOT_INFO,  LAB_ENCLAVE_STOP, LAB_SLOT_FREE,
	};
	struct client *client = *state;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct lab_fault fault = {
			.command = numbers[i], .kind = LAB_FAULT_ERROR, .value = 300, .count = 1
		};
		size_t running = client->runner->running;

		assert_int_equal(lab_faults_add(&client->hypervisor->faults, &fault), 0);
		assert_int_equal(live(client), -300);
		assert_int_equal(client->runner->running, running);
		assert_int_equal(live(client), 0);
	}
}

static void fault_error__waits_for_its_turn(void **state)
{
	struct client *client = *state;
	uint64_t uid = client_alloc(client);

	add_fault(client, "fault SLOT_ADD_MEM error 12 2 1");
	assert_int_equal(client_add_memory(client, uid, 2 * MIB, 2 * MIB), 0);
	assert_int_equal(client_add_memory(client, uid, 4 * MIB, 2 * MIB), -ENOMEM);
	assert_int_equal(client_add_memory(client, uid, 4 * MIB, 2 * MIB), -ENOMEM);
	assert_int_equal(client_add_memory(client, uid, 4 * MIB, 2 * MIB), 0);
	assert_int_equal(client->hypervisor->faults.count, 0);
}

static void fault_stop__is_a_refusal_that_leaves_it_running(void **state)
{
	struct client *client = *state;
	uint64_t uid = client_launch(client, 2 * MIB, 2, NULL);

	add_fault(client, "fault ENCLAVE_STOP error 16 always");
	for (int i = 0; i < 3; i++)
		assert_int_equal(client_slot(client, LAB_ENCLAVE_STOP, uid), -EBUSY);
	assert_int_equal(client->runner->running, 1);
	add_fault(client, "clear");
	assert_int_equal(client_slot(client, LAB_ENCLAVE_STOP, uid), 0);
}

static void fault_lost__is_done_and_never_answered(void **state)
{
	struct client *client = *state;

	add_fault(client, "fault SLOT_ALLOC lost");
	client_start_command(client, LAB_SLOT_ALLOC, NULL, 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(client_take_interrupts(client, LAB_NE_VECTOR_ANSWER), 0);
	assert_int_equal(lab_slots_count(&client->hypervisor->slots), 1);
	assert_int_equal(client_read_reply(client).slot_uid, 0);
	(void)client_alloc(client);
}

static void fault_late__is_answered_after_others(void **state)
{
	struct client *client = *state;
	struct client_reply reply;
	uint64_t raised = 0;

	add_fault(client, "fault SLOT_ALLOC late 100");
	client_start_command(client, LAB_SLOT_ALLOC, NULL, 0);
	assert_int_equal(client_command(client, LAB_SLOT_COUNT, NULL, 0, &reply), 0);
	assert_int_equal(reply.slot_count, 1);
	assert_int_equal(reply.slot_uid, 0);
	while (raised == 0) {
		assert_int_equal(nec_loop_run_once(client->loop, 1000, NULL), 0);
		raised = client_take_interrupts(client, LAB_NE_VECTOR_ANSWER);
	}
	assert_int_equal(raised, 1);
	reply = client_read_reply(client);
	assert_int_not_equal(reply.slot_uid, 0);
	assert_int_equal(reply.slot_count, 0);
}

static void fault_late__is_forgotten_when_the_device_is_switched_off(void **state)
{
	struct client *client = *state;

	add_fault(client, "fault SLOT_ALLOC late 3600000 always");
	for (int i = 0; i < LAB_NE_MAX_PENDING + 4; i++)
		client_start_command(client, LAB_SLOT_ALLOC, NULL, 0);
	client_turn(client);
	client_write_number(client, 0, 0, 1);
	client_write_number(client, 0, 1, 1);
	add_fault(client, "clear");
	(void)client_alloc(client);
}

static void fault_state__changes_what_slot_info_says(void **state)
{
	struct client *client = *state;
	struct client_reply reply;
	uint64_t uid = client_launch(client, 2 * MIB, 2, NULL);

	add_fault(client, "fault SLOT_INFO state 0");
	add_fault(client, "fault SLOT_INFO state 0xffff");
	add_fault(client, "fault SLOT_INFO error 5");
	assert_int_equal(client_command(client, LAB_SLOT_INFO, &uid, 1, &reply), -EIO);
	assert_int_equal(reply.state, 0);
	assert_int_equal(client_command(client, LAB_SLOT_INFO, &uid, 1, &reply), 0);
	assert_int_equal(reply.state, 0xffff);
	assert_int_equal(client_command(client, LAB_SLOT_INFO, &uid, 1, &reply), 0);
	assert_int_equal(reply.state, 2);
}

static void faults__are_limited(void **state)
{
	struct client *client = *state;
	const struct lab_fault fault = { .command = 1, .count = 1 };

	for (int i = 0; i < LAB_MAX_FAULTS; i++)
		assert_int_equal(lab_faults_add(&client->hypervisor->faults, &fault), 0);
	assert_int_equal(lab_faults_add(&client->hypervisor->faults, &fault), -ENOSPC);
}

static void parents_that_cannot_be__are_refused(void **state)
{
	static const struct lab_config bad[] = {
		{ .vcpu_count = 4, .threads = 0, .max_regions = 1 },
		{ .vcpu_count = 0, .threads = 1, .max_regions = 1 },
		{ .vcpu_count = 257, .threads = 1, .max_regions = 1 },
		{ .vcpu_count = 1, .threads = 2, .max_regions = 1 },
		{ .vcpu_count = 4, .threads = 2, .max_regions = 0 },
		{ .vcpu_count = 4, .threads = 2, .max_regions = 65537 },
	};
	struct lab_hypervisor *hypervisor = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(lab_hypervisor_new(NULL, &bad[i], &hypervisor, NULL), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_set_up_bound, client_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(life__is_the_one_that_was_recorded),
		TEST(end__is_an_event_and_the_state_says_stopped),
		TEST(commands_that_linux_never_sends__are_there),
		TEST(unknown_commands__are_refused),
		TEST(slots_that_are_not_there__are_refused),
		TEST(image__is_taken_out_of_the_ranges_in_their_order),
		TEST(start__takes_memory_without_an_image),
		TEST(start__that_the_runner_refuses_leaves_the_slot_as_it_was),
		TEST(memory__is_poisoned_checked_and_scrubbed),
		TEST(memory__that_is_refused_stays_the_parents),
		TEST(slot__that_runs_is_stopped_when_it_is_freed),
		TEST(switching_off__frees_everything),
		TEST(client_that_goes__takes_its_enclaves_along),
		TEST(failures__of_memory_and_files_are_answers_and_leave_nothing),
		TEST(fault_error__refuses_each_command_without_doing_it),
		TEST(fault_error__waits_for_its_turn),
		TEST(fault_stop__is_a_refusal_that_leaves_it_running),
		TEST(fault_lost__is_done_and_never_answered),
		TEST(fault_late__is_answered_after_others),
		TEST(fault_late__is_forgotten_when_the_device_is_switched_off),
		TEST(fault_state__changes_what_slot_info_says),
		TEST(faults__are_limited),
		cmocka_unit_test(parents_that_cannot_be__are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
