/* SPDX-License-Identifier: Apache-2.0 */
/* The vsock device where it gets narrow: credit, closing, limits, seqpacket, kicks. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "vsock-fixture.h"

enum { STREAM = VIRTIO_VSOCK_TYPE_STREAM, SEQPACKET = VIRTIO_VSOCK_TYPE_SEQPACKET };

/* Writes zeroes until the socket takes no more. Returns how many bytes. */
static size_t write_all_it_takes(int fd)
{
	uint8_t bytes[16384] = { 0 };
	size_t total = 0;
	ssize_t n;

	while ((n = write(fd, bytes, sizeof(bytes))) > 0)
		total += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return total;
}

/* ---- credit ---- */

static void credit__counters_wrap_around(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);
	uint8_t *got = malloc(65536);
	struct connection *c;
	size_t total = 0;

	f->guest.buffer = 5000;
	f->guest.consumed = UINT32_MAX - 1999;
	open_connection(f, STREAM);
	c = connection_of(f);
	c->sent = c->guest_consumed;
	c->received = c->consumed = c->told_consumed = UINT32_MAX - 99999;

	assert_int_equal(write(f->host, data, 12000), 12000);
	turn(f);
	assert_int_equal(take_all(f), 5000);
	f->guest.consumed += 5000; /* now 3000 */
	assert_int_equal(f->guest.consumed, 3000);
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	assert_int_equal(take_all(f), 5000);

	for (int i = 0; i < 5; i++) {
		send_data(f, data, 65536);
		for (total = 0; total < 65536;) {
			ssize_t n = read(f->host, got, 65536);

			assert_true(n > 0);
			total += (size_t)n;
		}
		assert_non_null(connection_of(f));
	}
	assert_int_equal(connection_of(f)->consumed, (uint32_t)(5 * 65536 - 100000));
	free(data);
	free(got);
}

static void credit__that_shrinks_below_what_is_on_its_way_stops_data(void **state)
{
	struct fixture *f = *state;
	uint8_t data[20000] = { 0 };

	f->guest.buffer = 8000;
	open_connection(f, STREAM);
	assert_int_equal(write(f->host, data, sizeof(data)), sizeof(data));
	turn(f);
	assert_int_equal(take_all(f), 8000);
	f->guest.buffer = 1000;
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	expect_nothing(f);
	f->guest.consumed = 7000; /* what is left fills the smaller buffer */
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	expect_nothing(f);
	f->guest.consumed = 7500;
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	assert_int_equal(take_all(f), 500);
}

static void credit__for_more_than_was_sent_is_no_credit(void **state)
{
	struct fixture *f = *state;

	open_connection(f, STREAM);
	f->guest.consumed = 1; /* of nothing */
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	assert_int_equal(write(f->host, "x", 1), 1);
	turn(f);
	expect_nothing(f);
	f->guest.consumed = 0;
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	assert_int_equal(take_all(f), 1);
}

static void credit__request_is_answered_with_what_was_consumed(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet answer;
	char data[8];

	open_connection(f, STREAM);
	send_data(f, "12345", 5);
	assert_int_equal(read(f->host, data, sizeof(data)), 5);
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	answer = expect(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL, 0);
	assert_int_equal(answer.fwd_cnt, 5);
	assert_int_equal(answer.buf_alloc, NEC_VSOCK_CREDIT);
	expect_nothing(f);
}

/* ---- back-pressure ---- */

static void host__that_sends_is_stopped_by_a_guest_that_does_not_take(void **state)
{
	struct fixture *f = *state;
	size_t first;

	f->guest.buffer = 1000;
	open_connection(f, STREAM);
	first = write_all_it_takes(f->host);
	turn(f);
	assert_int_equal(take_all(f), 1000);
	/* What the socket takes is all there is: nothing was read ahead of the guest. */
	assert_true(write_all_it_takes(f->host) <= first);
	assert_null(connection_of(f)->pending);
	turn(f);
	expect_nothing(f);
}

static void memory__is_given_back_when_the_host_has_read(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);
	ssize_t n;

	open_connection(f, STREAM);
	for (int i = 0; i < 4; i++)
		send_data(f, data, 65536);
	assert_non_null(connection_of(f)->pending);
	while ((n = read(f->host, data, 65536)) > 0)
		turn(f);
	assert_int_equal(errno, EAGAIN);
	assert_null(connection_of(f)->pending);
	free(data);
}

/* ---- closing ---- */

/* The guest sends all that it may; the host reads nothing of it. */
static void send_much(struct fixture *f, const uint8_t *data)
{
	for (int i = 0; i < 4; i++)
		send_data(f, data, 65536);
	expect(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL, 0);
	assert_non_null(connection_of(f)->pending);
}

static void close__of_the_guest_does_not_wait_for_a_slow_host(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = malloc(65536);
	size_t total = 0;
	ssize_t n;

	memset(data, 5, 65536);
	open_connection(f, STREAM);
	send_much(f, data);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	/* For the guest it is over; the port may be used again, and no byte is lost. */
	assert_null(connection_of(f));
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 1);
	send_op(f, VIRTIO_VSOCK_OP_RW, 0);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	while ((n = read(f->host, data, 65536)) > 0) {
		total += (size_t)n;
		turn(f);
	}
	assert_int_equal(n, 0);
	assert_int_equal(total, 4 * 65536);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
	free(data);
}

static void close__of_the_guest_with_data_waiting_ends_when_the_host_goes(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);

	open_connection(f, STREAM);
	send_much(f, data);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 1);
	(void)close(f->host);
	f->host = -1;
	turn(f);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
	free(data);
}

static void close__of_the_guest_reaches_the_host_though_the_guest_takes_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);
	size_t total = 0;
	ssize_t n;

	open_connection(f, STREAM);
	for (int i = 1; i < FAKE_GUEST_QUEUE / 2; i++) {
		assert_int_equal(write(f->host, "x", 1), 1);
		turn(f);
	}
	for (int i = 0; i < 4; i++)
		send_data(f, data, 65536);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	while ((n = read(f->host, data, 65536)) > 0) {
		total += (size_t)n;
		turn(f);
	}
	free(data);
	assert_int_equal(n, 0);
	assert_int_equal(total, 4 * 65536);
	assert_int_equal(take_all(f), FAKE_GUEST_QUEUE / 2 - 1);
	fake_guest_offer(&f->guest, 1);
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
}

static void close__of_the_guest_is_the_last_it_hears_of_the_connection(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);
	int small = 4096;
	int old;

	/* Nearly all of it waits here: to consume it would be worth a credit update. */
	open_connection(f, STREAM);
	(void)setsockopt(connection_of(f)->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (int i = 0; i < 4; i++)
		send_data(f, data, 65536);
	assert_true(connection_of(f)->pending_size > NEC_VSOCK_CREDIT * 3 / 4);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	for (size_t total = 0; total < NEC_VSOCK_CREDIT * 3 / 4;) {
		total += (size_t)read(f->host, data, 1024);
		turn(f);
	}
	old = f->host;
	open_connection(f, STREAM);
	expect_nothing(f);
	(void)close(old);
	free(data);
}

static void port__can_be_used_again_while_old_data_drains(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);
	int old;

	open_connection(f, STREAM);
	send_much(f, data);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	old = f->host;
	open_connection(f, STREAM);
	assert_int_not_equal(f->host, old);
	send_data(f, "new", 3);
	assert_int_equal(read(f->host, data, 65536), 3);
	assert_memory_equal(data, "new", 3);
	/* Nothing more is said of the old one, be it only how much of it was consumed. */
	while (read(old, data, 65536) > 0)
		turn(f);
	expect_nothing(f);
	(void)close(old);
	free(data);
}

static void port__can_be_used_again_while_we_wait_for_the_end(void **state)
{
	struct fixture *f = *state;

	open_connection(f, STREAM);
	(void)close(f->host);
	f->host = -1;
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0);
	open_connection(f, STREAM);
	assert_true(f->host >= 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 1);
}

static void reset__of_the_guest_drops_what_waits(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);

	open_connection(f, STREAM);
	send_much(f, data);
	send_op(f, VIRTIO_VSOCK_OP_RST, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
	expect_nothing(f);
	free(data);
}

static void shutdown__of_receiving_stops_the_host_from_sending(void **state)
{
	struct fixture *f = *state;
	char data[8];

	open_connection(f, STREAM);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_int_equal(send(f->host, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	send_data(f, "still", 5);
	assert_int_equal(read(f->host, data, sizeof(data)), 5);
	expect_nothing(f);
}

static void host__that_stops_receiving_is_told_to_the_guest(void **state)
{
	struct fixture *f = *state;
	uint8_t data[100] = { 0 };

	open_connection(f, STREAM);
	assert_int_equal(shutdown(f->host, SHUT_RD), 0);
	send_data(f, data, sizeof(data));
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0).flags,
			 VIRTIO_VSOCK_SHUTDOWN_RCV);
	/* The other direction lives. */
	assert_int_equal(write(f->host, "y", 1), 1);
	turn(f);
	assert_int_equal(take_all(f), 1);
}

/* Makes what the device waits for late. */
static void let_time_pass(struct fixture *f, struct connection *c)
{
	assert_true(c->deadline > 0);
	c->deadline = 1;
	nec_source_set_timer(f->vsock->sweep, 0);
	turn(f);
}

static void guest__that_never_confirms_the_end_is_forgotten(void **state)
{
	struct fixture *f = *state;

	open_connection(f, STREAM);
	(void)close(f->host);
	f->host = -1;
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0);
	let_time_pass(f, connection_of(f));
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

static void guest__that_has_not_read_all_is_not_forgotten(void **state)
{
	struct fixture *f = *state;

	open_connection(f, STREAM);
	assert_int_equal(write(f->host, "last", 4), 4);
	(void)close(f->host);
	f->host = -1;
	turn(f);
	assert_int_equal(expect(f, VIRTIO_VSOCK_OP_RW, (char[8]){ 0 }, 8).len, 4);
	expect(f, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0);
	let_time_pass(f, connection_of(f));
	/* An RST now would take the data from a guest that reads late. */
	f->guest.consumed = 4;
	send_op(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	expect_nothing(f);
	send_op(f, VIRTIO_VSOCK_OP_SHUTDOWN, 3);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

static void guest__that_never_accepts_is_reported(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet request;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	f->host = pair[0];
	connect_to_guest(f, pair[1]);
	request = expect(f, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	let_time_pass(f, vsock_find(f->vsock, NEC_VSOCK_PARENT_CID, request.src_port, 22));
	assert_int_equal(f->connected_result, -ECONNRESET);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

/* ---- limits ---- */

static void connections__beyond_the_limit_are_refused(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet request = to_host(VIRTIO_VSOCK_OP_REQUEST);
	const struct nec_vsock_call call = { .cid = NEC_VSOCK_PARENT_CID, .guest_port = 22 };
	int pair[2];

	f->vsock->stats.open = NEC_VSOCK_MAX_CONNECTIONS - 1;
	open_connection(f, STREAM);
	request.src_port++;
	fake_guest_send(&f->guest, request, NULL);
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(nec_vsock_connect(f->vsock, pair[0], &call, NULL, NULL, NULL), -EMFILE);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void connections__do_not_starve_each_other(void **state)
{
	enum { COUNT = 20 };
	struct fixture *f = *state;
	struct nec_vsock_packet packet = to_host(VIRTIO_VSOCK_OP_REQUEST);
	uint8_t data[FAKE_GUEST_BUFFER];
	bool heard[COUNT] = { false };
	int hosts[COUNT];
	int greedy;

	open_connection(f, STREAM);
	greedy = f->host;
	for (int i = 0; i < COUNT; i++) {
		packet.src_port = (uint32_t)(GUEST_PORT + 1 + i);
		fake_guest_send(&f->guest, packet, NULL);
		expect(f, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0);
		hosts[i] = f->host;
	}
	fake_guest_offer(&f->guest, FAKE_GUEST_QUEUE / 2);
	(void)write_all_it_takes(greedy);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(write(hosts[i], "x", 1), 1);
	turn(f);
	while (fake_guest_receive(&f->guest, &packet, data, sizeof(data)))
		if (packet.dst_port > GUEST_PORT)
			heard[packet.dst_port - GUEST_PORT - 1] = true;
	for (int i = 0; i < COUNT; i++) {
		assert_true(heard[i]);
		(void)close(hosts[i]);
	}
	(void)close(greedy);
	f->host = -1;
}

/* ---- seqpacket ---- */

static void open_seqpacket(struct fixture *f)
{
	nec_vsock_allow_seqpacket(f->vsock, true);
	open_connection(f, SEQPACKET);
}

static void send_piece(struct fixture *f, const void *data, uint32_t size, uint32_t flags)
{
	struct nec_vsock_packet packet = to_host(VIRTIO_VSOCK_OP_RW);

	packet.type = SEQPACKET;
	packet.len = size;
	packet.flags = flags;
	fake_guest_send(&f->guest, packet, data);
	turn(f);
}

static void seqpacket__keeps_message_boundaries_both_ways(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet;
	uint8_t message[10000];
	uint8_t got[FAKE_GUEST_BUFFER];
	size_t total = 0;

	open_seqpacket(f);
	send_piece(f, "abc", 3, 0);
	assert_int_equal(recv(f->host, message, sizeof(message), MSG_DONTWAIT), -1);
	send_piece(f, "def", 3, VIRTIO_VSOCK_SEQ_EOM | VIRTIO_VSOCK_SEQ_EOR);
	send_piece(f, "gh", 2, VIRTIO_VSOCK_SEQ_EOM);
	assert_int_equal(read(f->host, message, sizeof(message)), 6);
	assert_memory_equal(message, "abcdef", 6);
	assert_int_equal(read(f->host, message, sizeof(message)), 2);

	memset(message, 7, sizeof(message));
	assert_int_equal(write(f->host, message, sizeof(message)), sizeof(message));
	assert_int_equal(write(f->host, "i", 1), 1);
	turn(f);
	while (total < sizeof(message)) {
		packet = expect(f, VIRTIO_VSOCK_OP_RW, got, sizeof(got));
		total += packet.len;
		/* A message has an end; a record has one only where its sender said so. */
		assert_int_equal(packet.flags, total == sizeof(message) ? VIRTIO_VSOCK_SEQ_EOM : 0);
	}
	packet = expect(f, VIRTIO_VSOCK_OP_RW, got, sizeof(got));
	assert_int_equal(packet.len, 1);
	assert_int_equal(packet.flags, VIRTIO_VSOCK_SEQ_EOM);
}

static void seqpacket__is_malformed_unless_the_driver_knows_it(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet = to_host(VIRTIO_VSOCK_OP_REQUEST);
	const struct nec_vsock_call call = {
		.cid = NEC_VSOCK_PARENT_CID,
		.guest_port = 22,
		.seqpacket = true,
	};

	packet.type = SEQPACKET;
	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(f->asked.port, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).malformed, 1);
	assert_int_equal(nec_vsock_connect(f->vsock, 0, &call, NULL, NULL, NULL), -EPROTOTYPE);
}

static void seqpacket__type_of_a_stream_resets_it(void **state)
{
	struct fixture *f = *state;

	nec_vsock_allow_seqpacket(f->vsock, true);
	open_connection(f, STREAM);
	send_piece(f, "abc", 3, VIRTIO_VSOCK_SEQ_EOM);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).malformed, 1);
}

static void seqpacket__message_as_large_as_the_credit_arrives_whole(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, NEC_VSOCK_CREDIT + 1);

	open_seqpacket(f);
	for (uint32_t sent = 0; sent < NEC_VSOCK_CREDIT; sent += 65536)
		send_piece(f, data, 65536,
			   sent + 65536 == NEC_VSOCK_CREDIT ? VIRTIO_VSOCK_SEQ_EOM : 0);
	assert_int_equal(read(f->host, data, NEC_VSOCK_CREDIT + 1), NEC_VSOCK_CREDIT);
	free(data);
}

static void seqpacket__messages_wait_for_a_slow_host_in_order(void **state)
{
	enum { SIZE = 30000, COUNT = 20 };
	struct fixture *f = *state;
	uint8_t *data = malloc(SIZE);
	uint8_t *got = malloc(SIZE + 1);
	struct nec_vsock_packet packet;
	int sent = 0;

	open_seqpacket(f);
	/* As much as the credit allows: some are with the socket, the others wait here. */
	for (; sent < COUNT && connection_of(f)->pending_size + SIZE <= NEC_VSOCK_CREDIT; sent++) {
		memset(data, sent, SIZE);
		send_piece(f, data, SIZE, VIRTIO_VSOCK_SEQ_EOM);
	}
	assert_true(connection_of(f)->message_count > 1);
	for (int i = 0; i < sent; i++) {
		assert_int_equal(read(f->host, got, SIZE + 1), SIZE);
		assert_int_equal(got[0], i);
		assert_int_equal(got[SIZE - 1], i);
		turn(f);
	}
	assert_null(connection_of(f)->pending);
	while (fake_guest_receive(&f->guest, &packet, got, SIZE))
		assert_int_equal(packet.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	free(data);
	free(got);
}

static void seqpacket__empty_messages_do_not_grow_without_end(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, 65536);
	struct nec_vsock_packet packet = { 0 };

	open_seqpacket(f);
	while (connection_of(f)->message_count == 0)
		send_piece(f, data, 65536, VIRTIO_VSOCK_SEQ_EOM);
	for (int i = 0; i < NEC_VSOCK_MAX_MESSAGES && connection_of(f); i++)
		send_piece(f, NULL, 0, VIRTIO_VSOCK_SEQ_EOM);
	while (fake_guest_receive(&f->guest, &packet, data, 65536))
		;
	assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
	free(data);
}

static void seqpacket__message_larger_than_the_guests_buffer_resets_it(void **state)
{
	struct fixture *f = *state;
	uint8_t data[2000] = { 0 };

	f->guest.buffer = sizeof(data) - 1;
	open_seqpacket(f);
	assert_int_equal(write(f->host, data, sizeof(data)), sizeof(data));
	turn(f);
	expect(f, VIRTIO_VSOCK_OP_RST, NULL, 0);
	assert_int_equal(nec_vsock_get_stats(f->vsock).open, 0);
}

/* ---- kicks and interrupts ---- */

static void attach_with_event_index(struct fixture *f)
{
	fake_guest_free(&f->guest);
	fake_guest_init(&f->guest);
	f->guest.event_index = true;
	fake_guest_attach(&f->guest, f->vsock);
	fake_guest_offer(&f->guest, FAKE_GUEST_QUEUE / 2);
}

static void interrupts__come_when_the_guest_asked_for_them(void **state)
{
	struct fixture *f = *state;

	attach_with_event_index(f);
	fake_guest_want_interrupt(&f->guest, NEC_VSOCK_TO_GUEST, 2);
	open_connection(f, STREAM);
	for (unsigned int i = 1; i < 4; i++) {
		assert_int_equal(f->guest.interrupts[NEC_VSOCK_TO_GUEST], i > 2);
		assert_int_equal(write(f->host, "x", 1), 1);
		turn(f);
	}
	assert_int_equal(f->guest.interrupts[NEC_VSOCK_TO_GUEST], 1);
}

static void kicks__are_wanted_only_by_a_device_that_ran_out(void **state)
{
	struct fixture *f = *state;

	attach_with_event_index(f);
	open_connection(f, STREAM);
	/* All of the guest's packets were taken: it has to kick for the next. */
	assert_int_equal(fake_guest_kick_wanted_at(&f->guest, NEC_VSOCK_FROM_GUEST), 1);
	/* Buffers are left: no kick for more of them. */
	assert_int_equal(fake_guest_kick_wanted_at(&f->guest, NEC_VSOCK_TO_GUEST), 0);
	for (int i = 0; i < FAKE_GUEST_QUEUE / 2; i++) {
		assert_int_equal(write(f->host, "x", 1), 1);
		turn(f);
	}
	assert_int_equal(fake_guest_kick_wanted_at(&f->guest, NEC_VSOCK_TO_GUEST),
			 FAKE_GUEST_QUEUE / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VSOCK_TEST(credit__counters_wrap_around),
		VSOCK_TEST(credit__that_shrinks_below_what_is_on_its_way_stops_data),
		VSOCK_TEST(credit__for_more_than_was_sent_is_no_credit),
		VSOCK_TEST(credit__request_is_answered_with_what_was_consumed),
		VSOCK_TEST(host__that_sends_is_stopped_by_a_guest_that_does_not_take),
		VSOCK_TEST(memory__is_given_back_when_the_host_has_read),
		VSOCK_TEST(close__of_the_guest_does_not_wait_for_a_slow_host),
		VSOCK_TEST(close__of_the_guest_with_data_waiting_ends_when_the_host_goes),
		VSOCK_TEST(close__of_the_guest_reaches_the_host_though_the_guest_takes_nothing),
		VSOCK_TEST(close__of_the_guest_is_the_last_it_hears_of_the_connection),
		VSOCK_TEST(port__can_be_used_again_while_old_data_drains),
		VSOCK_TEST(port__can_be_used_again_while_we_wait_for_the_end),
		VSOCK_TEST(reset__of_the_guest_drops_what_waits),
		VSOCK_TEST(shutdown__of_receiving_stops_the_host_from_sending),
		VSOCK_TEST(host__that_stops_receiving_is_told_to_the_guest),
		VSOCK_TEST(guest__that_never_confirms_the_end_is_forgotten),
		VSOCK_TEST(guest__that_has_not_read_all_is_not_forgotten),
		VSOCK_TEST(guest__that_never_accepts_is_reported),
		VSOCK_TEST(connections__beyond_the_limit_are_refused),
		VSOCK_TEST(connections__do_not_starve_each_other),
		VSOCK_TEST(seqpacket__keeps_message_boundaries_both_ways),
		VSOCK_TEST(seqpacket__is_malformed_unless_the_driver_knows_it),
		VSOCK_TEST(seqpacket__type_of_a_stream_resets_it),
		VSOCK_TEST(seqpacket__message_as_large_as_the_credit_arrives_whole),
		VSOCK_TEST(seqpacket__messages_wait_for_a_slow_host_in_order),
		VSOCK_TEST(seqpacket__empty_messages_do_not_grow_without_end),
		VSOCK_TEST(seqpacket__message_larger_than_the_guests_buffer_resets_it),
		VSOCK_TEST(interrupts__come_when_the_guest_asked_for_them),
		VSOCK_TEST(kicks__are_wanted_only_by_a_device_that_ran_out),
	};

	return cmocka_run_group_tests_name("vsock-rules", tests, NULL, NULL);
}
