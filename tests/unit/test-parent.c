/* SPDX-License-Identifier: Apache-2.0 */
/* The parent instance of a simulated enclave, as its guest meets it: the heartbeat. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "fake-guest.h"
#include "sim/parent.h"

enum { GUEST_PORT = 5000, HEARTBEAT_PORT = 9000, HEARTBEAT_BYTE = 0xb7 };

struct fixture {
	char dir[32];
	struct nec_loop *loop;
	struct nec_parent *parent;
	struct fake_guest guest;
	unsigned int beats;
};

static void on_heartbeat(void *userdata)
{
	struct fixture *f = userdata;

	f->beats++;
}

static void on_interrupt(void *userdata, enum nec_vsock_queue queue)
{
	struct fixture *f = userdata;

	f->guest.interrupts[queue]++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct nec_vsock *vsock;

	*state = f;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nec-parent-XXXXXX");
	if (!mkdtemp(f->dir) || nec_loop_new(&f->loop, NULL) < 0 ||
	    nec_parent_new(f->loop, f->dir, FAKE_GUEST_CID, on_heartbeat, f, &f->parent, NULL) < 0)
		return -1;
	vsock = nec_parent_get_vsock(f->parent);
	nec_vsock_set_interrupt(vsock, on_interrupt, f);
	fake_guest_init(&f->guest);
	fake_guest_attach(&f->guest, vsock);
	fake_guest_offer(&f->guest, FAKE_GUEST_QUEUE / 2);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	nec_parent_free(f->parent);
	nec_loop_free(f->loop);
	fake_guest_free(&f->guest);
	/* Fails when the parent left a socket. */
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
}

/* Connects to the port of somebody's heartbeat; returns the answer. */
static struct nec_vsock_packet call_heartbeat(struct fixture *f, uint64_t cid)
{
	struct nec_vsock_packet packet = {
		.dst_cid = cid,
		.src_port = GUEST_PORT,
		.dst_port = HEARTBEAT_PORT,
		.op = VIRTIO_VSOCK_OP_REQUEST,
	};

	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
	assert_true(fake_guest_receive(&f->guest, &packet, NULL, 0));
	return packet;
}

/* Returns whether it was accepted. */
static bool connect_guest(struct fixture *f)
{
	return call_heartbeat(f, NEC_VSOCK_PARENT_CID).op == VIRTIO_VSOCK_OP_RESPONSE;
}

/* Sends a byte; returns the one that comes back, -1 when the connection is closed instead. */
static int exchange(struct fixture *f, uint8_t byte)
{
	struct nec_vsock_packet packet = {
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = GUEST_PORT,
		.dst_port = HEARTBEAT_PORT,
		.op = VIRTIO_VSOCK_OP_RW,
		.len = 1,
	};
	uint8_t answer = 0;

	fake_guest_send(&f->guest, packet, &byte);
	turn(f);
	while (fake_guest_receive(&f->guest, &packet, &answer, 1)) {
		if (packet.op == VIRTIO_VSOCK_OP_RW)
			return answer;
		if (packet.op == VIRTIO_VSOCK_OP_SHUTDOWN || packet.op == VIRTIO_VSOCK_OP_RST)
			return -1;
	}
	return -2;
}

static int beat(struct fixture *f, uint8_t byte)
{
	assert_true(connect_guest(f));
	return exchange(f, byte);
}

static void set_fault(struct fixture *f, struct nec_parent_fault fault)
{
	assert_int_equal(nec_parent_set_fault(f->parent, &fault, NULL), 0);
}

static void other__enclaves_and_the_hypervisor_are_not_reached(void **state)
{
	static const uint64_t cids[] = { 0, 2, FAKE_GUEST_CID + 1 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cids); i++) {
		struct nec_vsock_packet packet = call_heartbeat(f, cids[i]);

		assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RST);
		assert_int_equal(packet.src_cid, cids[i]);
	}
}

static void heartbeat__is_answered_and_reported_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(beat(f, HEARTBEAT_BYTE), HEARTBEAT_BYTE);
	assert_int_equal(f->beats, 1);
}

static void heartbeat__with_another_byte_is_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(beat(f, 0x48), -1);
	assert_int_equal(f->beats, 0);
}

static void fault__missing_lets_the_enclave_go_on(void **state)
{
	struct fixture *f = *state;

	set_fault(f, (struct nec_parent_fault){ .missing = true });
	assert_int_equal(beat(f, HEARTBEAT_BYTE), HEARTBEAT_BYTE);
	assert_int_equal(f->beats, 0);
}

static void fault__wrong_closes_without_an_answer(void **state)
{
	struct fixture *f = *state;

	set_fault(f, (struct nec_parent_fault){ .wrong = true });
	assert_int_equal(beat(f, HEARTBEAT_BYTE), -1);
	assert_int_equal(f->beats, 0);
}

static void fault__late_answers_at_once_and_reports_later(void **state)
{
	struct fixture *f = *state;

	/* Longer than any machine is slow: what has not come by now waits for its time. */
	set_fault(f, (struct nec_parent_fault){ .late_usec = 3600000000 });
	assert_int_equal(beat(f, HEARTBEAT_BYTE), HEARTBEAT_BYTE);
	assert_int_equal(f->beats, 0);
}

static void fault__late_reports_in_the_end(void **state)
{
	struct fixture *f = *state;

	set_fault(f, (struct nec_parent_fault){ .late_usec = 1000 });
	assert_int_equal(beat(f, HEARTBEAT_BYTE), HEARTBEAT_BYTE);
	while (f->beats == 0)
		assert_int_equal(nec_loop_run_once(f->loop, 100000, NULL), 0);
	turn(f);
	assert_int_equal(f->beats, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(other__enclaves_and_the_hypervisor_are_not_reached,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(heartbeat__is_answered_and_reported_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(heartbeat__with_another_byte_is_none, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(fault__missing_lets_the_enclave_go_on, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(fault__wrong_closes_without_an_answer, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(fault__late_answers_at_once_and_reports_later,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(fault__late_reports_in_the_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
