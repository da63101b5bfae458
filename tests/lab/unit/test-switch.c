/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's vsock between fake guests: a parent VM, two enclaves, and programs of this machine. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/unix-socket.h"
#include "fake-guest.h"
#include "leftovers.h"
#include "sim/vhost-user-internal.h"
#include "sim/vsock-internal.h"
#include "switch.h"

enum { PARENT = 3, FIRST = 16, SECOND = 17, CALLER_PORT = 4711, PORT = 9000 };
enum { STREAM = VIRTIO_VSOCK_TYPE_STREAM, SEQPACKET = VIRTIO_VSOCK_TYPE_SEQPACKET };

/* One end of a connection: a guest, its CID, its port, and who is at the other end. */
struct end {
	struct fake_guest *guest;
	uint64_t cid;
	uint32_t port;
	uint64_t peer_cid;
	uint32_t peer_port;
	uint16_t type;
};

struct fixture {
	size_t fds; /* that were open before */
	char dir[64];
	char console[96];
	struct nec_loop *loop;
	struct lab_switch *lab_switch;
	struct fake_guest parent;
	struct fake_guest first; /* in debug mode */
	struct fake_guest second;
	struct nec_vsock *vsock; /* of the first */
};

static void attach(struct fake_guest *guest, struct nec_vsock *vsock)
{
	fake_guest_init(guest);
	nec_vsock_allow_seqpacket(vsock, true);
	fake_guest_attach(guest, vsock);
	fake_guest_offer(guest, FAKE_GUEST_QUEUE / 2);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct nec_vsock *second;

	*state = f;
	f->fds = open_descriptors();
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nec-switch-XXXXXX");
	if (!mkdtemp(f->dir) || nec_loop_new(&f->loop, NULL) < 0)
		return -1;
	(void)snprintf(f->console, sizeof(f->console), "%s/console", f->dir);
	if (lab_switch_new(f->loop, f->dir, &f->lab_switch, NULL) < 0 ||
	    lab_switch_add(f->lab_switch, FIRST, f->console, &f->vsock, NULL) < 0 ||
	    lab_switch_add(f->lab_switch, SECOND, NULL, &second, NULL) < 0)
		return -1;
	attach(&f->parent, lab_switch_get_parent(f->lab_switch));
	attach(&f->first, f->vsock);
	attach(&f->second, second);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int r;

	lab_switch_free(f->lab_switch);
	nec_loop_free(f->loop);
	fake_guest_free(&f->parent);
	fake_guest_free(&f->first);
	fake_guest_free(&f->second);
	r = rmdir(f->dir); /* its sockets are gone */
	if (open_descriptors() != f->fds)
		r = -1;
	free(f);
	return r;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 12; i++)
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
}

static void send_packet(struct fixture *f, const struct end *end, uint16_t op, uint32_t flags,
			const void *data, uint32_t size)
{
	const struct nec_vsock_packet packet = {
		.src_cid = end->cid,
		.src_port = end->port,
		.dst_cid = end->peer_cid,
		.dst_port = end->peer_port,
		.type = end->type,
		.op = op,
		.flags = flags,
		.len = size,
	};

	fake_guest_send(end->guest, packet, data);
	turn(f);
}

static void send_op(struct fixture *f, const struct end *end, uint16_t op, uint32_t flags)
{
	send_packet(f, end, op, flags, NULL, 0);
}

static void send_text(struct fixture *f, const struct end *end, const char *text)
{
	send_packet(f, end, VIRTIO_VSOCK_OP_RW, 0, text, (uint32_t)strlen(text));
}

/* The next packet of a guest, which must be @op. */
static struct nec_vsock_packet take(struct fake_guest *guest, uint16_t op, void *data, size_t size)
{
	struct nec_vsock_packet packet = { 0 };

	if (!fake_guest_receive(guest, &packet, data, size))
		fail_msg("no packet, op %u was expected", op);
	if (packet.op != op)
		fail_msg("op %u came, %u was expected", packet.op, op);
	fake_guest_offer(guest, 1);
	return packet;
}

static struct nec_vsock_packet expect(const struct end *end, uint16_t op)
{
	struct nec_vsock_packet packet = take(end->guest, op, NULL, 0);

	assert_int_equal(packet.dst_cid, end->cid);
	assert_int_equal(packet.dst_port, end->port);
	assert_int_equal(packet.src_cid, end->peer_cid);
	assert_int_equal(packet.src_port, end->peer_port);
	assert_int_equal(packet.type, end->type);
	return packet;
}

static void expect_text(const struct end *end, const char *text)
{
	char data[64] = { 0 };

	end->guest->consumed += take(end->guest, VIRTIO_VSOCK_OP_RW, data, sizeof(data) - 1).len;
	assert_string_equal(data, text);
}

static void expect_nothing(struct fake_guest *guest)
{
	struct nec_vsock_packet packet;
	char data[FAKE_GUEST_BUFFER];

	if (fake_guest_receive(guest, &packet, data, sizeof(data)))
		fail_msg("unexpected packet, op %u", packet.op);
}

static struct end end_of(struct fake_guest *guest, uint64_t cid, uint64_t peer_cid,
			 uint32_t peer_port)
{
	return (struct end){
		.guest = guest,
		.cid = cid,
		.port = CALLER_PORT,
		.peer_cid = peer_cid,
		.peer_port = peer_port,
		.type = STREAM,
	};
}

/* The same connection as the other guest has it. */
static struct end other_end(const struct end *end, struct fake_guest *guest)
{
	return (struct end){
		.guest = guest,
		.cid = end->peer_cid,
		.port = end->peer_port,
		.peer_cid = end->cid,
		.peer_port = end->port,
		.type = end->type,
	};
}

/* @caller calls @called, which accepts. */
static void open_connection(struct fixture *f, const struct end *caller, const struct end *called)
{
	send_op(f, caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(called, VIRTIO_VSOCK_OP_REQUEST);
	expect_nothing(caller->guest);
	send_op(f, called, VIRTIO_VSOCK_OP_RESPONSE, 0);
	(void)expect(caller, VIRTIO_VSOCK_OP_RESPONSE);
}

static void expect_refused(struct fixture *f, const struct end *caller)
{
	send_op(f, caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(caller, VIRTIO_VSOCK_OP_RST);
}

static uint64_t count_open(struct fixture *f)
{
	return nec_vsock_get_stats(f->vsock).open +
	       nec_vsock_get_stats(lab_switch_get_parent(f->lab_switch)).open;
}

/* Both guests say that they have closed, in whatever order they are asked. */
static void expect_ended(struct fixture *f, const struct end *end)
{
	struct nec_vsock_packet packet = take(end->guest, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0);

	assert_int_equal(packet.flags, VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_op(f, end, VIRTIO_VSOCK_OP_RST, 0);
}

/* ---- who reaches whom ---- */

static void enclave__reaches_the_parent_as_itself(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);

	open_connection(f, &caller, &called);
	send_text(f, &caller, "heartbeat");
	expect_text(&called, "heartbeat");
	send_text(f, &called, "echo");
	expect_text(&caller, "echo");
	expect_nothing(&f->second);
}

static void enclave__is_refused_when_the_parent_refuses(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);

	send_op(f, &caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(&called, VIRTIO_VSOCK_OP_REQUEST);
	send_op(f, &called, VIRTIO_VSOCK_OP_RST, 0);
	(void)expect(&caller, VIRTIO_VSOCK_OP_RST);
	expect_nothing(&f->first);
	assert_int_equal(count_open(f), 0);
}

static void enclave__is_refused_at_once_before_the_parent_has_a_driver(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	struct nec_vsock *parent = lab_switch_get_parent(f->lab_switch);

	(void)nec_virtqueue_stop(nec_vsock_get_queue(parent, NEC_VSOCK_TO_GUEST));
	expect_refused(f, &caller);
}

static void enclave__reaches_nobody_but_the_parent(void **state)
{
	static const uint64_t cids[] = { 0, 1, 2, FIRST, SECOND, 18, UINT32_MAX };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cids); i++) {
		const struct end caller = end_of(&f->first, FIRST, cids[i], 10000 + FIRST);

		expect_refused(f, &caller);
	}
	expect_nothing(&f->second);
	expect_nothing(&f->parent);
}

static void parent__reaches_an_enclave_as_cid_3(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->parent, PARENT, SECOND, 7);
	const struct end called = other_end(&caller, &f->second);

	open_connection(f, &caller, &called);
	send_text(f, &caller, "ping");
	expect_text(&called, "ping");
	send_text(f, &called, "pong");
	expect_text(&caller, "pong");
	expect_nothing(&f->first);
}

static void parent__is_refused_when_the_enclave_refuses(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->parent, PARENT, FIRST, 7);
	const struct end called = other_end(&caller, &f->first);

	send_op(f, &caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(&called, VIRTIO_VSOCK_OP_REQUEST);
	send_op(f, &called, VIRTIO_VSOCK_OP_RST, 0);
	(void)expect(&caller, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(count_open(f), 0);
}

static void parent__is_refused_where_nobody_is(void **state)
{
	static const uint64_t cids[] = { 1, 3, 15, 18, UINT32_MAX };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cids); i++) {
		const struct end caller = end_of(&f->parent, PARENT, cids[i], PORT);

		expect_refused(f, &caller);
	}
}

static void both__may_call_each_other_from_the_same_ports(void **state)
{
	struct fixture *f = *state;
	struct end one = end_of(&f->first, FIRST, PARENT, PORT);
	struct end two = end_of(&f->second, SECOND, PARENT, PORT);
	struct end back = end_of(&f->parent, PARENT, FIRST, CALLER_PORT);
	const struct end one_called = other_end(&one, &f->parent);
	const struct end two_called = other_end(&two, &f->parent);
	struct end back_called;

	back.port = PORT + 1;
	back_called = other_end(&back, &f->first);
	open_connection(f, &one, &one_called);
	open_connection(f, &two, &two_called);
	open_connection(f, &back, &back_called);
	send_text(f, &one, "one");
	expect_text(&one_called, "one");
	send_text(f, &two_called, "two");
	expect_text(&two, "two");
	send_text(f, &back, "back");
	expect_text(&back_called, "back");
}

/* ---- consoles ---- */

static int listen_as(const char *path)
{
	int fd = nec_listen_unix(path, 0600, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void console__of_an_enclave_in_debug_mode_is_at_cid_0(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->parent, PARENT, 0, 10000 + FIRST);
	cleanup_close int listener = listen_as(f->console);
	cleanup_close int console = -1;

	send_op(f, &caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(&caller, VIRTIO_VSOCK_OP_RESPONSE);
	console = accept(listener, NULL, NULL);
	assert_int_equal(write(console, "booting", 7), 7);
	turn(f);
	expect_text(&caller, "booting");
	(void)close(TAKE_FD(console));
	turn(f);
	expect_ended(f, &caller);
	(void)unlink(f->console);
}

static void console__is_refused_without_debug_mode_and_on_other_ports(void **state)
{
	static const uint32_t ports[] = { 0, 22, 9000, 10000, 10003, 10000 + SECOND, 10018 };
	struct fixture *f = *state;
	cleanup_close int listener = listen_as(f->console);

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		const struct end caller = end_of(&f->parent, PARENT, 0, ports[i]);

		expect_refused(f, &caller);
	}
	assert_int_equal(accept(listener, NULL, NULL), -1);
	(void)unlink(f->console);
}

/* ---- this machine ---- */

static void parent__reaches_a_program_of_this_machine(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->parent, PARENT, 2, 5005);
	cleanup_close int listener = -1;
	cleanup_close int program = -1;
	char path[96];
	char data[8] = { 0 };

	expect_refused(f, &caller);
	(void)snprintf(path, sizeof(path), "%s/host_5005", f->dir);
	listener = listen_as(path);
	send_op(f, &caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(&caller, VIRTIO_VSOCK_OP_RESPONSE);
	program = accept(listener, NULL, NULL);
	send_text(f, &caller, "hello");
	assert_int_equal(read(program, data, sizeof(data)), 5);
	(void)unlink(path);
}

static int call_parent(struct fixture *f, const char *line)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/3.vsock", f->dir);
	fd = nec_connect_unix(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	turn(f);
	return fd;
}

static void program__of_this_machine_reaches_the_parent_as_cid_2(void **state)
{
	struct fixture *f = *state;
	cleanup_close int program = call_parent(f, "CONNECT 22\nfirst");
	struct nec_vsock_packet request = take(&f->parent, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	struct end called = end_of(&f->parent, PARENT, 2, request.src_port);
	char data[64] = { 0 };

	assert_int_equal(request.src_cid, 2);
	assert_int_equal(request.dst_port, 22);
	called.port = 22;
	send_op(f, &called, VIRTIO_VSOCK_OP_RESPONSE, 0);
	assert_true(read(program, data, sizeof(data) - 1) > 3);
	assert_memory_equal(data, "OK ", 3);
	expect_text(&called, "first");
	send_text(f, &called, "SSH-2.0");
	assert_int_equal(read(program, data, sizeof(data)), 7);
}

static void program__of_this_machine_is_told_of_a_refusal(void **state)
{
	struct fixture *f = *state;
	cleanup_close int program = call_parent(f, "CONNECT 22\n");
	struct nec_vsock_packet request = take(&f->parent, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	struct end called = end_of(&f->parent, PARENT, 2, request.src_port);
	char byte;

	called.port = 22;
	send_op(f, &called, VIRTIO_VSOCK_OP_RST, 0);
	assert_int_equal(read(program, &byte, 1), 0);
}

/* ---- data ---- */

static void half_close__lets_the_other_direction_go_on(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->parent, PARENT, FIRST, 7);
	const struct end called = other_end(&caller, &f->first);

	open_connection(f, &caller, &called);
	send_text(f, &caller, "question");
	send_op(f, &caller, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND);
	expect_text(&called, "question");
	assert_int_equal(expect(&called, VIRTIO_VSOCK_OP_SHUTDOWN).flags,
			 VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_text(f, &called, "answer");
	expect_text(&caller, "answer");
	send_op(f, &called, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	(void)expect(&called, VIRTIO_VSOCK_OP_RST);
	expect_ended(f, &caller);
	assert_int_equal(count_open(f), 0);
}

static void close__delivers_what_was_sent_before(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);

	open_connection(f, &caller, &called);
	fake_guest_send(&f->first,
			(struct nec_vsock_packet){ .src_cid = FIRST,
						   .src_port = CALLER_PORT,
						   .dst_cid = PARENT,
						   .dst_port = PORT,
						   .op = VIRTIO_VSOCK_OP_RW,
						   .len = 10 },
			"last words");
	send_op(f, &caller, VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	(void)expect(&caller, VIRTIO_VSOCK_OP_RST);
	expect_text(&called, "last words");
	expect_ended(f, &called);
	assert_int_equal(count_open(f), 0);
}

static void reset__of_one_end_ends_the_other(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);

	open_connection(f, &caller, &called);
	send_op(f, &called, VIRTIO_VSOCK_OP_RST, 0);
	expect_ended(f, &caller);
	open_connection(f, &caller, &called);
	send_op(f, &caller, VIRTIO_VSOCK_OP_RST, 0);
	expect_ended(f, &called);
	assert_int_equal(count_open(f), 0);
}

/* Takes all data that has come; checks that it goes on where @got ends. */
static uint32_t take_data(struct fake_guest *guest, uint32_t got)
{
	struct nec_vsock_packet packet;
	uint8_t data[FAKE_GUEST_BUFFER];

	while (fake_guest_receive(guest, &packet, data, sizeof(data))) {
		fake_guest_offer(guest, 1);
		if (packet.op != VIRTIO_VSOCK_OP_RW)
			continue;
		for (uint32_t i = 0; i < packet.len; i++, got++)
			if (data[i] != (uint8_t)(got * 31 + got / 251))
				fail_msg("byte %u is wrong", got);
	}
	return got;
}

/* The credit that the device gives a guest, from the packets that it gets. */
static uint32_t take_credit(struct fake_guest *guest, uint32_t consumed)
{
	struct nec_vsock_packet packet;
	uint8_t data[FAKE_GUEST_BUFFER];

	while (fake_guest_receive(guest, &packet, data, sizeof(data))) {
		fake_guest_offer(guest, 1);
		consumed = packet.fwd_cnt;
	}
	return consumed;
}

/* Nobody's memory grows with what is sent: the sender is held up, and all arrives in the end. */
static void flow__stops_the_sender_while_the_receiver_does_not_read(void **state)
{
	enum { PIECE = 4000, TOTAL = 4000000 };
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);
	uint8_t piece[PIECE];
	uint32_t sent = 0;
	uint32_t got = 0;
	uint32_t consumed = 0;
	uint32_t held_up_at = 0;

	open_connection(f, &caller, &called);
	while (got < TOTAL) {
		consumed = take_credit(&f->first, consumed);
		got = take_data(&f->parent, got);
		if (sent < TOTAL && sent - consumed + PIECE <= NEC_VSOCK_CREDIT) {
			for (uint32_t i = 0; i < PIECE; i++)
				piece[i] = (uint8_t)((sent + i) * 31 + (sent + i) / 251);
			send_packet(f, &caller, VIRTIO_VSOCK_OP_RW, 0, piece, PIECE);
			sent += PIECE;
			continue;
		}
		if (!held_up_at) {
			held_up_at = sent;
			assert_int_equal(got, f->parent.buffer);
		}
		f->parent.consumed = got;
		send_op(f, &called, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	}
	assert_int_equal(sent, TOTAL);
	assert_true(held_up_at < TOTAL / 2);
}

static void seqpacket__keeps_messages_apart(void **state)
{
	enum { LARGE = 60000 };
	struct fixture *f = *state;
	struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	struct end called;
	cleanup_free uint8_t *large = calloc(1, LARGE);
	struct nec_vsock_packet packet;
	uint8_t data[FAKE_GUEST_BUFFER];
	uint32_t got = 0;

	caller.type = SEQPACKET;
	called = other_end(&caller, &f->parent);
	open_connection(f, &caller, &called);
	send_packet(f, &caller, VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_SEQ_EOM, "one", 3);
	send_packet(f, &caller, VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_SEQ_EOM | VIRTIO_VSOCK_SEQ_EOR,
		    "two", 3);
	packet = take(&f->parent, VIRTIO_VSOCK_OP_RW, data, sizeof(data));
	assert_int_equal(packet.len, 3);
	assert_int_equal(packet.flags, VIRTIO_VSOCK_SEQ_EOM);
	packet = take(&f->parent, VIRTIO_VSOCK_OP_RW, data, sizeof(data));
	assert_int_equal(packet.len, 3);
	send_packet(f, &called, VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_SEQ_EOM, large, LARGE);
	do {
		packet = take(&f->first, VIRTIO_VSOCK_OP_RW, data, sizeof(data));
		got += packet.len;
		turn(f);
	} while (!(packet.flags & VIRTIO_VSOCK_SEQ_EOM));
	assert_int_equal(got, LARGE);
}

static void seqpacket__is_refused_when_the_other_guest_does_not_know_it(void **state)
{
	struct fixture *f = *state;
	struct end caller = end_of(&f->first, FIRST, PARENT, PORT);

	nec_vsock_allow_seqpacket(lab_switch_get_parent(f->lab_switch), false);
	caller.type = SEQPACKET;
	expect_refused(f, &caller);
}

/* ---- comings and goings ---- */

static void removal__of_an_enclave_ends_its_connections(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->parent, PARENT, SECOND, 7);
	const struct end called = other_end(&caller, &f->second);
	const struct end back = end_of(&f->second, SECOND, PARENT, PORT);
	const struct end back_called = other_end(&back, &f->parent);

	open_connection(f, &caller, &called);
	open_connection(f, &back, &back_called);
	lab_switch_remove(f->lab_switch, SECOND);
	turn(f);
	expect_ended(f, &caller);
	expect_ended(f, &back_called);
	expect_refused(f, &caller);
	lab_switch_remove(f->lab_switch, SECOND);
}

static void removal__of_an_enclave_ends_a_call_to_it(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->parent, PARENT, SECOND, 7);

	send_op(f, &caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	lab_switch_remove(f->lab_switch, SECOND);
	turn(f);
	(void)expect(&caller, VIRTIO_VSOCK_OP_RST);
}

/* What is meant for it never reaches the next enclave with its CID, be it as alike as can be. */
static void removal__of_an_enclave_ends_a_call_from_it(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->second, SECOND, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);
	const struct nec_vsock_packet response = {
		.src_cid = PARENT,
		.src_port = PORT,
		.dst_cid = SECOND,
		.dst_port = CALLER_PORT,
		.op = VIRTIO_VSOCK_OP_RESPONSE,
	};
	const struct nec_vsock_packet request = {
		.src_cid = SECOND,
		.src_port = CALLER_PORT,
		.dst_cid = PARENT,
		.dst_port = PORT,
		.op = VIRTIO_VSOCK_OP_REQUEST,
	};
	struct nec_vsock *vsock = NULL;

	send_op(f, &caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(&called, VIRTIO_VSOCK_OP_REQUEST);
	lab_switch_remove(f->lab_switch, SECOND);
	assert_int_equal(lab_switch_add(f->lab_switch, SECOND, NULL, &vsock, NULL), 0);
	fake_guest_free(&f->second);
	attach(&f->second, vsock);
	/* Before the loop has a chance to hear of the end */
	fake_guest_send(&f->second, request, NULL);
	fake_guest_send(&f->parent, response, NULL);
	expect_nothing(&f->second);
	turn(f);
	assert_int_not_equal(take(&f->parent, VIRTIO_VSOCK_OP_REQUEST, NULL, 0).src_port,
			     CALLER_PORT);
	expect_ended(f, &called);
	expect_nothing(&f->second);
}

static void call__that_is_given_up_is_given_up_at_the_other_end(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);

	send_op(f, &caller, VIRTIO_VSOCK_OP_REQUEST, 0);
	(void)expect(&called, VIRTIO_VSOCK_OP_REQUEST);
	send_op(f, &caller, VIRTIO_VSOCK_OP_RST, 0);
	(void)expect(&called, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(count_open(f), 0);
}

static void enclave__has_a_cid_of_its_own(void **state)
{
	static const uint64_t none[] = { 0, 1, 2, 3, UINT32_MAX, UINT64_C(1) << 32 };
	struct fixture *f = *state;
	struct nec_vsock *vsock = NULL;

	assert_int_equal(lab_switch_add(f->lab_switch, FIRST, NULL, &vsock, NULL), -EEXIST);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(lab_switch_add(f->lab_switch, none[i], NULL, &vsock, NULL),
				 -EINVAL);
	assert_null(vsock);
}

static void call__is_refused_when_descriptors_run_out(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);
	cleanup_close int lowest = dup(STDIN_FILENO);
	struct rlimit before;
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)lowest + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect_refused(f, &caller);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_nothing(&f->parent);
	assert_int_equal(count_open(f), 0);
	open_connection(f, &caller, &called);
}

/* ---- the parent VM's front end ---- */

static int connect_front(struct fixture *f)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/vsock.sock", f->dir);
	fd = nec_connect_unix(path);
	assert_true(fd >= 0);
	turn(f);
	return fd;
}

/* Asks the device for the guest's CID. */
static uint64_t ask_cid(struct fixture *f, int front)
{
	struct {
		struct header header;
		uint32_t numbers[3];
		uint64_t cid;
	} __attribute__((packed)) message = {
		.header = { GET_CONFIG, FLAG_VERSION, 20 },
		.numbers = { 0, 8, 0 },
	};

	assert_int_equal(write(front, &message, sizeof(message)), sizeof(message));
	turn(f);
	message.cid = 0;
	assert_int_equal(recv(front, &message, sizeof(message), MSG_DONTWAIT), sizeof(message));
	return le64toh(message.cid);
}

static void front_end__learns_the_parents_cid(void **state)
{
	struct fixture *f = *state;
	cleanup_close int front = connect_front(f);

	assert_int_equal(ask_cid(f, front), PARENT);
}

/* As when the VM is killed and started again, whatever is noticed first. */
static void front_end__that_comes_anew_takes_the_place_of_the_old(void **state)
{
	struct fixture *f = *state;
	cleanup_close int old = connect_front(f);
	cleanup_close int new = connect_front(f);
	char byte;

	assert_int_equal(recv(old, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(ask_cid(f, new), PARENT);
	(void)close(TAKE_FD(new));
	turn(f);
	new = connect_front(f);
	assert_int_equal(ask_cid(f, new), PARENT);
}

static void front_end__that_breaks_the_protocol_is_let_go(void **state)
{
	struct fixture *f = *state;
	const struct header nonsense = { 99, FLAG_VERSION, 0 };
	cleanup_close int front = connect_front(f);
	char byte;

	assert_int_equal(write(front, &nonsense, sizeof(nonsense)), sizeof(nonsense));
	turn(f);
	assert_int_equal(recv(front, &byte, 1, MSG_DONTWAIT), 0);
	(void)close(front);
	front = connect_front(f);
	assert_int_equal(ask_cid(f, front), PARENT);
}

/* The guest's driver is reset (a reboot), or its VM is gone. */
static void reboot__of_the_parent_ends_the_connections_of_enclaves(void **state)
{
	struct fixture *f = *state;
	const struct end caller = end_of(&f->first, FIRST, PARENT, PORT);
	const struct end called = other_end(&caller, &f->parent);
	const struct {
		struct header header;
		uint32_t index;
		uint32_t value;
	} stop = { .header = { GET_VRING_BASE, FLAG_VERSION, 8 } };
	cleanup_close int front = connect_front(f);

	open_connection(f, &caller, &called);
	assert_int_equal(write(front, &stop, sizeof(stop)), sizeof(stop));
	turn(f);
	expect_ended(f, &caller);
	open_connection(f, &caller, &called);
	(void)close(TAKE_FD(front));
	turn(f);
	expect_ended(f, &caller);
	assert_int_equal(count_open(f), 0);
}

static void folder__that_is_missing_is_told(void **state)
{
	struct fixture *f = *state;
	struct lab_switch *none = NULL;
	nec_error err = NEC_ERROR_INIT;

	assert_true(lab_switch_new(f->loop, "/nonexistent/folder", &none, &err) < 0);
	assert_null(none);
	assert_non_null(strstr(err.message, "/nonexistent/folder"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(enclave__reaches_the_parent_as_itself),
		TEST(enclave__is_refused_when_the_parent_refuses),
		TEST(enclave__is_refused_at_once_before_the_parent_has_a_driver),
		TEST(enclave__reaches_nobody_but_the_parent),
		TEST(parent__reaches_an_enclave_as_cid_3),
		TEST(parent__is_refused_when_the_enclave_refuses),
		TEST(parent__is_refused_where_nobody_is),
		TEST(both__may_call_each_other_from_the_same_ports),
		TEST(console__of_an_enclave_in_debug_mode_is_at_cid_0),
		TEST(console__is_refused_without_debug_mode_and_on_other_ports),
		TEST(parent__reaches_a_program_of_this_machine),
		TEST(program__of_this_machine_reaches_the_parent_as_cid_2),
		TEST(program__of_this_machine_is_told_of_a_refusal),
		TEST(half_close__lets_the_other_direction_go_on),
		TEST(close__delivers_what_was_sent_before),
		TEST(reset__of_one_end_ends_the_other),
		TEST(flow__stops_the_sender_while_the_receiver_does_not_read),
		TEST(seqpacket__keeps_messages_apart),
		TEST(seqpacket__is_refused_when_the_other_guest_does_not_know_it),
		TEST(removal__of_an_enclave_ends_its_connections),
		TEST(removal__of_an_enclave_ends_a_call_to_it),
		TEST(removal__of_an_enclave_ends_a_call_from_it),
		TEST(call__that_is_given_up_is_given_up_at_the_other_end),
		TEST(enclave__has_a_cid_of_its_own),
		TEST(call__is_refused_when_descriptors_run_out),
		TEST(front_end__learns_the_parents_cid),
		TEST(front_end__that_comes_anew_takes_the_place_of_the_old),
		TEST(front_end__that_breaks_the_protocol_is_let_go),
		TEST(reboot__of_the_parent_ends_the_connections_of_enclaves),
		TEST(folder__that_is_missing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
