/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vsock-fixture.h"

enum { BIG = 1024 * 1024 };

static void request__is_answered_and_data_flows_both_ways(void **state)
{
	struct fixture *f = *state;
	char data[16] = { 0 };

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	send_data(f, "hello", 5);
	assert_int_equal(read(f->host, data, sizeof(data)), 5);
	assert_string_equal(data, "hello");
	assert_int_equal(write(f->host, "world", 5), 5);
	turn(f);
	memset(data, 0, sizeof(data));
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RW, data, sizeof(data)).len, 5);
	assert_string_equal(data, "world");
	assert_true(f->guest.interrupts[NEC_VSOCK_TO_GUEST] > 0);
	assert_true(f->guest.interrupts[NEC_VSOCK_FROM_GUEST] > 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).to_guest_bytes, 5);
	assert_int_equal(nec_vsock_get_stats(f->vsock).from_guest_bytes, 5);
}

static void request__is_refused_at_once_when_nobody_listens(void **state)
{
	struct fixture *f = *state;

	f->connect_result = -ECONNREFUSED;
	send_op(f, VIRTIO_VSOCK_OP_REQUEST, 0);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0).dst_port, GUEST_PORT);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

static void request__tells_the_host_whom_the_guest_calls_from_where(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet = to_host(VIRTIO_VSOCK_OP_REQUEST);

	packet.dst_cid = FAKE_GUEST_CID + 1;
	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0).src_cid, FAKE_GUEST_CID + 1);
	assert_int_equal(f->asked.cid, FAKE_GUEST_CID + 1);
	assert_int_equal(f->asked.port, HOST_PORT);
	assert_int_equal(f->asked.guest_port, GUEST_PORT);
	assert_false(f->asked.seqpacket);
}

/* ---- calls that are answered later ---- */

/* The guest calls, and waits. */
static void call_and_wait(struct fixture *f)
{
	f->hold = true;
	send_op(f, VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_nothing(f);
}

static void held__call_is_answered_before_what_came_with_the_answer(void **state)
{
	struct fixture *f = *state;
	char data[8] = { 0 };

	call_and_wait(f);
	assert_int_equal(write(f->host, "hello", 5), 5);
	turn(f);
	expect_nothing(f);
	nec_vsock_answer(f->vsock, &f->asked);
	expect(f, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0);
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_RW, data, sizeof(data));
	assert_string_equal(data, "hello");
	send_data(f, "world", 5);
	assert_int_equal(read(f->host, data, sizeof(data)), 5);
	assert_string_equal(data, "world");
}

static void held__call_is_refused_when_its_socket_hangs_up(void **state)
{
	struct fixture *f = *state;

	call_and_wait(f);
	(void)close(TAKE_FD(f->host));
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
	nec_vsock_answer(f->vsock, &f->asked);
	turn(f);
	expect_nothing(f);
}

/* While the refusal waits for a buffer of the guest's, the connection is still known. */
static void held__call_that_was_refused_stays_refused(void **state)
{
	struct fixture *f = *state;
	struct nec_virtqueue *queue = nec_vsock_get_queue(f->vsock, NEC_VSOCK_TO_GUEST);
	uint16_t size = queue->size;

	call_and_wait(f);
	queue->size = 0; /* the guest has no buffers now */
	(void)close(TAKE_FD(f->host));
	turn(f);
	nec_vsock_answer(f->vsock, &f->asked);
	queue->size = size;
	nec_vsock_kick(f->vsock, NEC_VSOCK_TO_GUEST);
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	expect_nothing(f);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

static void held__call_that_the_guest_gives_up_closes_its_socket(void **state)
{
	struct fixture *f = *state;
	char byte;

	call_and_wait(f);
	send_op(f, VIRTIO_VSOCK_OP_RST, 0);
	assert_int_equal(read(f->host, &byte, 1), 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

/* The guest may call again from the same port. */
static void held__call_is_not_accepted_by_the_answer_to_an_earlier_one(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_call first;

	call_and_wait(f);
	first = f->asked;
	send_op(f, VIRTIO_VSOCK_OP_RST, 0);
	(void)close(TAKE_FD(f->host));
	call_and_wait(f);
	nec_vsock_answer(f->vsock, &first);
	turn(f);
	expect_nothing(f);
	nec_vsock_answer(f->vsock, &f->asked);
	expect(f, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0);
	nec_vsock_answer(f->vsock, &f->asked);
	turn(f);
	expect_nothing(f);
}

static void held__call_ends_when_the_guest_is_reset(void **state)
{
	struct fixture *f = *state;
	char byte;

	call_and_wait(f);
	nec_vsock_reset(f->vsock);
	assert_int_equal(read(f->host, &byte, 1), 0);
	nec_vsock_answer(f->vsock, &f->asked);
	turn(f);
	expect_nothing(f);
}

/* ---- calls to the guest ---- */

static struct nec_vsock_packet call_guest(struct fixture *f, const struct nec_vsock_call *call,
					  int *ret_host)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			 0);
	assert_int_equal(nec_vsock_connect(f->vsock, pair[1], call, NULL, NULL, NULL), 0);
	turn(f);
	*ret_host = pair[0];
	return expect(f, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
}

static void connect__appears_to_the_guest_as_whom_it_names(void **state)
{
	struct fixture *f = *state;
	const struct nec_vsock_call call = { .cid = 16, .port = 4711, .guest_port = 22 };
	struct nec_vsock_packet packet;
	char data[8] = { 0 };

	packet = call_guest(f, &call, &f->host);
	assert_int_equal(packet.src_cid, 16);
	assert_int_equal(packet.src_port, 4711);
	assert_int_equal(packet.dst_port, 22);
	packet = (struct nec_vsock_packet){
		.dst_cid = 16,
		.dst_port = 4711,
		.src_port = 22,
		.op = VIRTIO_VSOCK_OP_RESPONSE,
	};
	fake_guest_send(&f->guest, packet, NULL);
	packet.op = VIRTIO_VSOCK_OP_RW;
	packet.len = 5;
	fake_guest_send(&f->guest, packet, "hello");
	turn(f);
	assert_int_equal(read(f->host, data, sizeof(data)), 5);
	assert_string_equal(data, "hello");
}

static void connect__takes_another_port_when_its_own_has_a_connection(void **state)
{
	struct fixture *f = *state;
	const struct nec_vsock_call call = { .cid = 16, .port = 4711, .guest_port = 22 };
	const struct nec_vsock_call elsewhere = { .cid = 16, .port = 4711, .guest_port = 23 };
	const struct nec_vsock_call other = { .cid = 17, .port = 4711, .guest_port = 22 };
	int hosts[4];

	assert_int_equal(call_guest(f, &call, &hosts[0]).src_port, 4711);
	assert_int_not_equal(call_guest(f, &call, &hosts[1]).src_port, 4711);
	assert_int_equal(call_guest(f, &elsewhere, &hosts[2]).src_port, 4711);
	assert_int_equal(call_guest(f, &other, &hosts[3]).src_port, 4711);
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		(void)close(hosts[i]);
}

static void data__waits_for_the_credit_of_the_guest(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, BIG);
	uint8_t got[FAKE_GUEST_BUFFER];
	struct nec_vsock_packet packet;
	size_t total = 0;

	f->guest.buffer = 10000;
	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	assert_true(write(f->host, data, BIG) > 20000);
	turn(f);
	while (fake_guest_receive(&f->guest, &packet, got, sizeof(got)))
		total += packet.len;
	assert_int_equal(total, 10000);
	/* It consumed 4000: exactly that much more comes. */
	f->guest.consumed = 4000;
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	while (fake_guest_receive(&f->guest, &packet, got, sizeof(got)))
		total += packet.len;
	assert_int_equal(total, 14000);
	free(data);
}

static void data__waits_for_receive_buffers_without_spinning(void **state)
{
	struct fixture *f = *state;
	uint8_t data[3 * FAKE_GUEST_BUFFER] = { 1 };
	uint8_t got[FAKE_GUEST_BUFFER];
	size_t total = 0;
	struct nec_vsock_packet packet;

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	/* Use up what was offered: each byte of the host is a packet. */
	for (int i = 0; i < FAKE_GUEST_QUEUE / 2 - 1; i++) {
		assert_int_equal(write(f->host, "x", 1), 1);
		turn(f);
	}
	while (fake_guest_receive(&f->guest, &packet, got, sizeof(got)))
		total += packet.len;
	assert_int_equal(total, FAKE_GUEST_QUEUE / 2 - 1);
	assert_int_equal(write(f->host, data, sizeof(data)), sizeof(data));
	turn(f);
	expect_nothing(f);
	/* Nothing is left to wake up for: a round with no time-out would block. */
	assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	fake_guest_offer(&f->guest, 2);
	expect(f, VIRTIO_VSOCK_OP_RW, got, sizeof(got));
	expect(f, VIRTIO_VSOCK_OP_RW, got, sizeof(got));
	expect_nothing(f);
}

static void guest_data__is_kept_up_to_its_credit_and_flushed_in_order(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = malloc(NEC_VSOCK_CREDIT);
	uint8_t *got = malloc(BIG);
	size_t total = 0;
	size_t sent = 0;
	ssize_t n;
	int small = 4096;

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	(void)setsockopt(f->host, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (size_t i = 0; i < NEC_VSOCK_CREDIT; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	/* Nobody reads: the socket's buffer fills, then ours. No more than the credit is sent. */
	for (; sent < NEC_VSOCK_CREDIT; sent += 32768)
		send_data(f, data + sent, 32768);
	while (total < NEC_VSOCK_CREDIT && (n = read(f->host, got + total, BIG - total)) > 0) {
		total += (size_t)n;
		turn(f);
	}
	assert_int_equal(total, NEC_VSOCK_CREDIT);
	assert_memory_equal(got, data, total);
	/* The guest learns that there is room again. */
	assert_true(expect(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL, 0).fwd_cnt >=
		    NEC_VSOCK_CREDIT / 2);
	free(data);
	free(got);
}

static void guest_data__beyond_its_credit_resets_the_connection(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);
	struct nec_vsock_packet packet = { 0 };
	bool reset = false;

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	for (int i = 0; i < 24 && !reset; i++) {
		send_data(f, data, 65536);
		while (!reset && fake_guest_receive(&f->guest, &packet, data, 65536))
			reset = packet.op == VIRTIO_VSOCK_OP_RST;
	}
	assert_true(reset);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
	free(data);
}

static void half_close__of_the_guest_lets_the_host_answer(void **state)
{
	struct fixture *f = *state;
	char data[16] = { 0 };

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	send_data(f, "bye", 3);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND);
	assert_int_equal(read(f->host, data, sizeof(data)), 3);
	assert_int_equal(read(f->host, data, sizeof(data)), 0);
	assert_int_equal(write(f->host, "answer", 6), 6);
	turn(f);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RW, data, sizeof(data)).len, 6);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 1);
}

static void half_close__of_the_host_comes_after_its_data(void **state)
{
	struct fixture *f = *state;
	char data[16] = { 0 };

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	assert_int_equal(write(f->host, "last", 4), 4);
	assert_int_equal(shutdown(f->host, SHUT_WR), 0);
	turn(f);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RW, data, sizeof(data)).len, 4);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0).flags,
			 VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_data(f, "still", 5);
	assert_int_equal(read(f->host, data, sizeof(data)), 5);
	expect_nothing(f);
}

static void close__of_the_guest_is_confirmed_by_a_reset(void **state)
{
	struct fixture *f = *state;
	char byte;

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(read(f->host, &byte, 1), 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

static void close__of_the_host_delivers_its_data_then_shuts_down_both_ways(void **state)
{
	struct fixture *f = *state;
	char data[16];

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	assert_int_equal(write(f->host, "end", 3), 3);
	(void)close(f->host);
	f->host = -1;
	turn(f);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RW, data, sizeof(data)).len, 3);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0).flags, 3);
	send_op(f, VIRTIO_VSOCK_OP_RST, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
	expect_nothing(f);
}

static void host_connection__is_accepted_by_the_guest(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet request;
	struct nec_vsock_packet response;
	char data[8] = { 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	f->host = pair[0];
	assert_int_equal(write(f->host, "early", 5), 5);
	connect_to_guest(f, pair[1]);
	request = expect(f, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	assert_int_equal(request.src_cid, NEC_VSOCK_PARENT_CID);
	assert_int_equal(request.dst_port, 22);
	expect_nothing(f);
	assert_int_equal(f->connected_result, 1);
	response = (struct nec_vsock_packet){
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = 22,
		.dst_port = request.src_port,
		.op = VIRTIO_VSOCK_OP_RESPONSE,
	};
	fake_guest_send(&f->guest, response, NULL);
	turn(f);
	assert_int_equal(f->connected_result, 0);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RW, data, sizeof(data)).len, 5);
	assert_string_equal(data, "early");
}

static void host_connection__that_the_guest_refuses_is_reported(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet request;
	struct nec_vsock_packet refusal;
	int pair[2];
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	f->host = pair[0];
	connect_to_guest(f, pair[1]);
	request = expect(f, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	refusal = (struct nec_vsock_packet){
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = 22,
		.dst_port = request.src_port,
		.op = VIRTIO_VSOCK_OP_RST,
	};
	fake_guest_send(&f->guest, refusal, NULL);
	turn(f);
	assert_int_equal(f->connected_result, -ECONNRESET);
	assert_int_equal(read(f->host, &byte, 1), 0);
}

static void malformed__packets_are_answered_by_a_reset_and_counted(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet = to_host(VIRTIO_VSOCK_OP_REQUEST);

	packet.src_cid = 99; /* not its own */
	fake_guest_send(&f->guest, packet, NULL);
	packet = to_host(VIRTIO_VSOCK_OP_REQUEST);
	packet.type = 7;
	fake_guest_send(&f->guest, packet, NULL);
	packet = to_host(VIRTIO_VSOCK_OP_REQUEST);
	packet.len = 100; /* with no payload */
	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
	assert_int_equal(nec_vsock_get_stats(f->vsock).malformed, 3);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	expect_nothing(f);
	/* Unknown connection: RST; an RST itself is never answered. */
	send_op(f, VIRTIO_VSOCK_OP_RW, 0);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	send_op(f, VIRTIO_VSOCK_OP_RST, 0);
	expect_nothing(f);
	/* A second REQUEST on an open connection makes no sense. */
	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	send_op(f, VIRTIO_VSOCK_OP_REQUEST, 0);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

static void malformed__descriptors_stop_the_queue(void **state)
{
	struct fixture *f = *state;

	fake_guest_send_raw(&f->guest, FAKE_GUEST_BASE + FAKE_GUEST_MEMORY - 10, 44, 0, 0);
	assert_true(nec_vsock_get_queue(f->vsock, NEC_VSOCK_FROM_GUEST)->broken);
}

static void malformed__chain_that_loops_stops_the_queue(void **state)
{
	struct fixture *f = *state;

	fake_guest_send_raw(&f->guest, FAKE_GUEST_BASE, 1, 1 /* VRING_DESC_F_NEXT */, 0);
	assert_true(nec_vsock_get_queue(f->vsock, NEC_VSOCK_FROM_GUEST)->broken);
}

static void resets__are_never_lost_when_the_guest_takes_none(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet;
	unsigned int resets = 0;

	f->connect_result = -ECONNREFUSED;
	/* No receive buffers: use up the offered ones first. */
	for (int i = 0; i < FAKE_GUEST_QUEUE / 2; i++)
		send_op(f, VIRTIO_VSOCK_OP_RW, 0);
	while (fake_guest_receive(&f->guest, &packet, NULL, 0))
		;
	for (int i = 0; i < 60; i++)
		send_op(f, VIRTIO_VSOCK_OP_RW, 0);
	expect_nothing(f);
	fake_guest_offer(&f->guest, FAKE_GUEST_QUEUE / 2);
	turn(f);
	while (fake_guest_receive(&f->guest, &packet, NULL, 0))
		resets += packet.op == VIRTIO_VSOCK_OP_RST;
	assert_int_equal(resets, 60);
}

static void reset__of_the_guest_closes_every_connection(void **state)
{
	struct fixture *f = *state;
	char byte;

	open_connection(f, VIRTIO_VSOCK_TYPE_STREAM);
	nec_vsock_reset(f->vsock);
	assert_int_equal(read(f->host, &byte, 1), 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VSOCK_TEST(request__is_answered_and_data_flows_both_ways),
		VSOCK_TEST(request__is_refused_at_once_when_nobody_listens),
		VSOCK_TEST(request__tells_the_host_whom_the_guest_calls_from_where),
		VSOCK_TEST(held__call_is_answered_before_what_came_with_the_answer),
		VSOCK_TEST(held__call_is_refused_when_its_socket_hangs_up),
		VSOCK_TEST(held__call_that_was_refused_stays_refused),
		VSOCK_TEST(held__call_that_the_guest_gives_up_closes_its_socket),
		VSOCK_TEST(held__call_is_not_accepted_by_the_answer_to_an_earlier_one),
		VSOCK_TEST(held__call_ends_when_the_guest_is_reset),
		VSOCK_TEST(connect__appears_to_the_guest_as_whom_it_names),
		VSOCK_TEST(connect__takes_another_port_when_its_own_has_a_connection),
		VSOCK_TEST(data__waits_for_the_credit_of_the_guest),
		VSOCK_TEST(data__waits_for_receive_buffers_without_spinning),
		VSOCK_TEST(guest_data__is_kept_up_to_its_credit_and_flushed_in_order),
		VSOCK_TEST(guest_data__beyond_its_credit_resets_the_connection),
		VSOCK_TEST(half_close__of_the_guest_lets_the_host_answer),
		VSOCK_TEST(half_close__of_the_host_comes_after_its_data),
		VSOCK_TEST(close__of_the_guest_is_confirmed_by_a_reset),
		VSOCK_TEST(close__of_the_host_delivers_its_data_then_shuts_down_both_ways),
		VSOCK_TEST(host_connection__is_accepted_by_the_guest),
		VSOCK_TEST(host_connection__that_the_guest_refuses_is_reported),
		VSOCK_TEST(malformed__packets_are_answered_by_a_reset_and_counted),
		VSOCK_TEST(malformed__descriptors_stop_the_queue),
		VSOCK_TEST(malformed__chain_that_loops_stops_the_queue),
		VSOCK_TEST(resets__are_never_lost_when_the_guest_takes_none),
		VSOCK_TEST(reset__of_the_guest_closes_every_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
