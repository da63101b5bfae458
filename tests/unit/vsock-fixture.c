/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "vsock-fixture.h"

static int open_host(void *userdata, const struct nec_vsock_call *call, bool *hold)
{
	struct fixture *f = userdata;
	int pair[2];

	f->asked = *call;
	if (f->connect_result)
		return f->connect_result;
	if (socketpair(AF_UNIX,
		       (call->seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK |
			       SOCK_CLOEXEC,
		       0, pair) < 0)
		return -errno;
	f->host = pair[0];
	*hold = f->hold;
	return pair[1];
}

static void on_interrupt(void *userdata, enum nec_vsock_queue queue)
{
	struct fixture *f = userdata;

	f->guest.interrupts[queue]++;
}

static void on_connected(void *userdata, int fd, int result)
{
	struct fixture *f = userdata;

	(void)fd;
	f->connected_result = result;
}

int fixture_set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct nec_vsock_host host = {
		.userdata = f,
		.connect = open_host,
	};

	*state = f;
	f->host = -1;
	f->connected_result = 1;
	if (nec_loop_new(&f->loop, NULL) < 0 ||
	    nec_vsock_new(f->loop, FAKE_GUEST_CID, &host, &f->vsock, NULL) < 0)
		return -1;
	nec_vsock_set_interrupt(f->vsock, on_interrupt, f);
	fake_guest_init(&f->guest);
	fake_guest_attach(&f->guest, f->vsock);
	fake_guest_offer(&f->guest, FAKE_GUEST_QUEUE / 2);
	return 0;
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	nec_vsock_free(f->vsock);
	nec_loop_free(f->loop);
	fake_guest_free(&f->guest);
	if (f->host >= 0)
		(void)close(f->host);
	free(f);
	return 0;
}

void turn(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
}

struct nec_vsock_packet to_host(uint16_t op)
{
	return (struct nec_vsock_packet){
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = GUEST_PORT,
		.dst_port = HOST_PORT,
		.op = op,
	};
}

void send_op(struct fixture *f, uint16_t op, uint32_t flags)
{
	struct nec_vsock_packet packet = to_host(op);

	packet.flags = flags;
	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
}

void send_data(struct fixture *f, const void *data, uint32_t size)
{
	struct nec_vsock_packet packet = to_host(VIRTIO_VSOCK_OP_RW);

	packet.len = size;
	fake_guest_send(&f->guest, packet, data);
	turn(f);
}

struct nec_vsock_packet expect(struct fixture *f, uint16_t op, void *payload, size_t size)
{
	struct nec_vsock_packet packet = { 0 };

	if (!fake_guest_receive(&f->guest, &packet, payload, size))
		fail_msg("no packet, op %u was expected", op);
	assert_int_equal(packet.op, op);
	assert_int_equal(packet.dst_cid, FAKE_GUEST_CID);
	return packet;
}

void expect_nothing(struct fixture *f)
{
	struct nec_vsock_packet packet;
	uint8_t payload[FAKE_GUEST_BUFFER];

	if (fake_guest_receive(&f->guest, &packet, payload, sizeof(payload)))
		fail_msg("unexpected packet, op %u", packet.op);
}

size_t take_all(struct fixture *f)
{
	uint8_t payload[FAKE_GUEST_BUFFER];
	struct nec_vsock_packet packet;
	size_t total = 0;

	while (fake_guest_receive(&f->guest, &packet, payload, sizeof(payload))) {
		assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RW);
		total += packet.len;
	}
	return total;
}

void open_connection(struct fixture *f, uint16_t type)
{
	struct nec_vsock_packet packet = to_host(VIRTIO_VSOCK_OP_REQUEST);

	packet.type = type;
	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
	packet = expect(f, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0);
	assert_int_equal(packet.src_cid, NEC_VSOCK_PARENT_CID);
	assert_int_equal(packet.src_port, HOST_PORT);
	assert_int_equal(packet.dst_port, GUEST_PORT);
	assert_int_equal(packet.type, type);
	assert_int_equal(packet.buf_alloc, NEC_VSOCK_CREDIT);
	assert_int_equal(f->asked.port, HOST_PORT);
}

struct connection *connection_of(struct fixture *f)
{
	return vsock_find(f->vsock, NEC_VSOCK_PARENT_CID, HOST_PORT, GUEST_PORT);
}

void connect_to_guest(struct fixture *f, int fd)
{
	const struct nec_vsock_call call = { .cid = NEC_VSOCK_PARENT_CID, .guest_port = 22 };

	assert_int_equal(nec_vsock_connect(f->vsock, fd, &call, on_connected, f, NULL), 0);
	turn(f);
}
