/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent instance between a fake guest and programs of this machine. Where the kernel has no
 * vsock loopback, AF_VSOCK sockets are Unix sockets here (the linker puts us in between).
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "base/unix-socket.h"
#include "fake-guest.h"
#include "sim/parent.h"
#include "sim/vsock-internal.h"

int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);

enum { PORT = 5005, GUEST_PORT = 777, HEARTBEAT_PORT = 9000 };

struct fixture {
	struct nec_loop *loop;
	struct nec_parent *parent;
	struct fake_guest guest;
	unsigned int heartbeats;
};

static enum { LOOPBACK_REAL, LOOPBACK_FAKE, LOOPBACK_NONE } loopback;
static unsigned int vsock_connects;
static char dir[64];

static struct sockaddr_un fake_vsock(uint32_t port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/loop_%u", dir, port);
	return address;
}

int __wrap_socket(int domain, int type, int protocol)
{
	if (domain == AF_VSOCK && loopback != LOOPBACK_REAL)
		domain = AF_UNIX;
	return __real_socket(domain, type, protocol);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)(const void *)address;

	if (address->sa_family != AF_VSOCK || loopback == LOOPBACK_REAL)
		return __real_bind(fd, address, size);
	/* As the kernel does: only a CID of this machine can be bound. */
	errno = EADDRNOTAVAIL;
	return loopback == LOOPBACK_FAKE && vm->svm_cid == VMADDR_CID_LOCAL ? 0 : -1;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)(const void *)address;
	struct sockaddr_un unix_address;

	if (address->sa_family != AF_VSOCK)
		return __real_connect(fd, address, size);
	vsock_connects++;
	if (loopback == LOOPBACK_REAL)
		return __real_connect(fd, address, size);
	unix_address = fake_vsock(vm->svm_port);
	return __real_connect(fd, (struct sockaddr *)&unix_address, sizeof(unix_address));
}

static bool has_loopback(void)
{
	const struct sockaddr_vm here = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};
	int fd = __real_socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && __real_bind(fd, (const struct sockaddr *)&here, sizeof(here)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return has;
}

static void on_heartbeat(void *userdata)
{
	struct fixture *f = userdata;

	f->heartbeats++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	(void)snprintf(dir, sizeof(dir), "/tmp/nec-parent-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	loopback = has_loopback() ? LOOPBACK_REAL : LOOPBACK_FAKE;
	vsock_connects = 0;
	if (nec_loop_new(&f->loop, NULL) < 0 ||
	    nec_parent_new(f->loop, dir, FAKE_GUEST_CID, on_heartbeat, f, &f->parent, NULL) < 0)
		return -1;
	fake_guest_init(&f->guest);
	nec_vsock_allow_seqpacket(nec_parent_get_vsock(f->parent), true);
	fake_guest_attach(&f->guest, nec_parent_get_vsock(f->parent));
	fake_guest_offer(&f->guest, FAKE_GUEST_QUEUE / 2);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char path[96];

	nec_parent_free(f->parent);
	nec_loop_free(f->loop);
	fake_guest_free(&f->guest);
	free(f);
	(void)snprintf(path, sizeof(path), "%s/parent_%d", dir, PORT);
	(void)unlink(path);
	(void)unlink(fake_vsock(PORT).sun_path);
	return rmdir(dir); /* its own socket is gone */
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
}

static void send_packet(struct fixture *f, uint32_t port, uint16_t type, uint16_t op,
			const char *payload)
{
	const struct nec_vsock_packet packet = {
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = GUEST_PORT,
		.dst_port = port,
		.type = type,
		.op = op,
		.flags = payload && type == VIRTIO_VSOCK_TYPE_SEQPACKET ? VIRTIO_VSOCK_SEQ_EOM : 0,
		.len = payload ? (uint32_t)strlen(payload) : 0,
	};

	fake_guest_send(&f->guest, packet, payload);
	turn(f);
}

/* The op of the guest's next packet, 0 for none. */
static uint16_t next_op(struct fixture *f)
{
	struct nec_vsock_packet packet = { 0 };
	uint8_t payload[FAKE_GUEST_BUFFER];

	(void)fake_guest_receive(&f->guest, &packet, payload, sizeof(payload));
	return packet.op;
}

/* For up to some seconds: loopback connects when the kernel comes to it. */
static uint16_t wait_for_op(struct fixture *f)
{
	uint16_t op = next_op(f);

	for (int i = 0; i < 100 && !op; i++) {
		assert_int_equal(nec_loop_run_once(f->loop, 100, NULL), 0);
		op = next_op(f);
	}
	return op;
}

static int listen_unix(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = __real_socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/parent_%d", dir, PORT);
	assert_int_equal(__real_bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* What a program of the parent does that knows nothing of the simulation. */
static int listen_vsock(int type)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = PORT,
	};
	struct sockaddr_un fake = fake_vsock(PORT);
	int fd = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);
	int r;

	if (loopback == LOOPBACK_REAL)
		r = __real_bind(fd, (const struct sockaddr *)&address, sizeof(address));
	else
		r = __real_bind(fd, (struct sockaddr *)&fake, sizeof(fake));
	assert_int_equal(r, 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* The guest connects to what listens at @listener and is heard there. */
static void talk_to(struct fixture *f, int listener, uint16_t type)
{
	char data[16] = "";
	int fd;

	send_packet(f, PORT, type, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_int_equal(wait_for_op(f), VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	send_packet(f, PORT, type, VIRTIO_VSOCK_OP_RW, "hello");
	assert_int_equal(read(fd, data, sizeof(data)), 5);
	assert_string_equal(data, "hello");
	assert_int_equal(write(fd, "you", 3), 3);
	assert_int_equal(wait_for_op(f), VIRTIO_VSOCK_OP_RW);
	(void)close(fd);
	(void)close(listener);
}

static void guest__reaches_a_unix_stream_listener(void **state)
{
	talk_to(*state, listen_unix(SOCK_STREAM), VIRTIO_VSOCK_TYPE_STREAM);
	assert_int_equal(vsock_connects, 0);
}

static void guest__reaches_a_unix_seqpacket_listener(void **state)
{
	talk_to(*state, listen_unix(SOCK_SEQPACKET), VIRTIO_VSOCK_TYPE_SEQPACKET);
}

static void guest__reaches_a_vsock_stream_listener(void **state)
{
	talk_to(*state, listen_vsock(SOCK_STREAM), VIRTIO_VSOCK_TYPE_STREAM);
	assert_int_equal(vsock_connects, 1);
}

static void guest__reaches_a_vsock_seqpacket_listener(void **state)
{
	talk_to(*state, listen_vsock(SOCK_SEQPACKET), VIRTIO_VSOCK_TYPE_SEQPACKET);
}

static void guest__of_another_type_is_refused(void **state)
{
	int listener = listen_unix(SOCK_STREAM);

	send_packet(*state, PORT, VIRTIO_VSOCK_TYPE_SEQPACKET, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_int_equal(wait_for_op(*state), VIRTIO_VSOCK_OP_RST);
	(void)close(listener);
}

static void guest__is_refused_where_nobody_listens(void **state)
{
	send_packet(*state, PORT, VIRTIO_VSOCK_TYPE_STREAM, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_int_equal(wait_for_op(*state), VIRTIO_VSOCK_OP_RST);
}

static void guest__is_refused_at_once_on_a_machine_without_loopback(void **state)
{
	loopback = LOOPBACK_NONE;
	send_packet(*state, PORT, VIRTIO_VSOCK_TYPE_STREAM, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_int_equal(next_op(*state), VIRTIO_VSOCK_OP_RST);
	/* In a virtual machine that would ask the hypervisor, and wait. */
	assert_int_equal(vsock_connects, 0);
}

static void heartbeat__is_answered_once_and_the_port_is_free_then(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet;
	uint8_t payload[8];

	send_packet(f, HEARTBEAT_PORT, 0, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_int_equal(next_op(f), VIRTIO_VSOCK_OP_RESPONSE);
	/* One at a time. */
	packet = (struct nec_vsock_packet){
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = GUEST_PORT + 1,
		.dst_port = HEARTBEAT_PORT,
		.op = VIRTIO_VSOCK_OP_REQUEST,
	};
	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
	assert_int_equal(next_op(f), VIRTIO_VSOCK_OP_RST);
	send_packet(f, HEARTBEAT_PORT, 0, VIRTIO_VSOCK_OP_RW, "\xb7");
	assert_int_equal(f->heartbeats, 1);
	assert_true(fake_guest_receive(&f->guest, &packet, payload, sizeof(payload)));
	assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(payload[0], 0xb7);
	loopback = LOOPBACK_NONE;
	packet = (struct nec_vsock_packet){
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = GUEST_PORT + 2,
		.dst_port = HEARTBEAT_PORT,
		.op = VIRTIO_VSOCK_OP_REQUEST,
	};
	assert_int_equal(next_op(f), VIRTIO_VSOCK_OP_SHUTDOWN);
	fake_guest_send(&f->guest, packet, NULL);
	turn(f);
	assert_int_equal(next_op(f), VIRTIO_VSOCK_OP_RST);
	assert_int_equal(f->heartbeats, 1);
}

static void heartbeat__with_another_byte_is_none(void **state)
{
	struct fixture *f = *state;

	send_packet(f, HEARTBEAT_PORT, 0, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_int_equal(next_op(f), VIRTIO_VSOCK_OP_RESPONSE);
	send_packet(f, HEARTBEAT_PORT, 0, VIRTIO_VSOCK_OP_RW, "x");
	assert_int_equal(f->heartbeats, 0);
	assert_int_equal(next_op(f), VIRTIO_VSOCK_OP_SHUTDOWN);
}

/* ---- programs of the parent that call the enclave ---- */

static int call(void)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%d.vsock", dir, FAKE_GUEST_CID);
	fd = nec_connect_unix_type(path, SOCK_STREAM | SOCK_NONBLOCK);
	assert_true(fd >= 0);
	return fd;
}

static void say(struct fixture *f, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(f);
}

static void accept_call(struct fixture *f, uint32_t port)
{
	struct nec_vsock_packet request;

	assert_true(fake_guest_receive(&f->guest, &request, NULL, 0));
	assert_int_equal(request.op, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(request.dst_port, port);
	fake_guest_send(&f->guest,
			(struct nec_vsock_packet){
				.dst_cid = NEC_VSOCK_PARENT_CID,
				.src_port = port,
				.dst_port = request.src_port,
				.op = VIRTIO_VSOCK_OP_RESPONSE,
			},
			NULL);
	turn(f);
}

static void caller__is_connected_and_what_follows_the_line_is_the_enclaves(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet;
	char data[64] = "";
	int fd = call();

	say(f, fd, "CONNEC");
	say(f, fd, "T 22\nSSH-");
	accept_call(f, 22);
	assert_true(read(fd, data, sizeof(data)) > 3);
	assert_memory_equal(data, "OK ", 3);
	assert_true(fake_guest_receive(&f->guest, &packet, data, sizeof(data)));
	assert_int_equal(packet.len, 4);
	assert_memory_equal(data, "SSH-", 4);
	(void)close(fd);
}

/* Without a line, as Firecracker's convention has it. */
static void assert_closed(int fd)
{
	char byte;

	assert_true(read(fd, &byte, 1) == 0 || errno == ECONNRESET);
	(void)close(fd);
}

static void caller__that_says_something_else_is_closed(void **state)
{
	static const char *const lines[] = {
		"\n",
		"GET / HTTP/1.0\n",
		"CONNECT\n",
		"CONNECT \n",
		"CONNECT -1\n",
		"CONNECT 22 \n",
		"CONNECT 4294967295\n",
		"CONNECT 99999999999999999999\n",
		"CONNECT 0000000000000000000000000022\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		int fd = call();

		say(f, fd, lines[i]);
		assert_closed(fd);
		assert_int_equal(next_op(f), 0);
	}
}

static void caller__that_the_guest_refuses_is_closed(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet request;
	int fd = call();

	say(f, fd, "CONNECT 22\n");
	assert_true(fake_guest_receive(&f->guest, &request, NULL, 0));
	fake_guest_send(&f->guest,
			(struct nec_vsock_packet){
				.dst_cid = NEC_VSOCK_PARENT_CID,
				.src_port = 22,
				.dst_port = request.src_port,
				.op = VIRTIO_VSOCK_OP_RST,
			},
			NULL);
	turn(f);
	assert_closed(fd);
}

static void callers__beyond_the_limit_wait_for_their_turn(void **state)
{
	enum { MANY = 80, SILENT = 70 };
	struct fixture *f = *state;
	int fds[MANY];

	for (int i = 0; i < MANY; i++) {
		fds[i] = call();
		turn(f);
	}
	/* The last is behind silent ones that fill all places; it is not turned away. */
	say(f, fds[MANY - 1], "CONNECT 22\n");
	assert_int_equal(next_op(f), 0);
	for (int i = 0; i < SILENT; i++) {
		(void)close(fds[i]);
		turn(f);
	}
	turn(f);
	accept_call(f, 22);
	for (int i = SILENT; i < MANY; i++)
		(void)close(fds[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guest__reaches_a_unix_stream_listener),
		TEST(guest__reaches_a_unix_seqpacket_listener),
		TEST(guest__reaches_a_vsock_stream_listener),
		TEST(guest__reaches_a_vsock_seqpacket_listener),
		TEST(guest__of_another_type_is_refused),
		TEST(guest__is_refused_where_nobody_listens),
		TEST(guest__is_refused_at_once_on_a_machine_without_loopback),
		TEST(heartbeat__is_answered_once_and_the_port_is_free_then),
		TEST(heartbeat__with_another_byte_is_none),
		TEST(caller__is_connected_and_what_follows_the_line_is_the_enclaves),
		TEST(caller__that_says_something_else_is_closed),
		TEST(caller__that_the_guest_refuses_is_closed),
		TEST(callers__beyond_the_limit_wait_for_their_turn),
	};

	return cmocka_run_group_tests_name("parent-sockets", tests, NULL, NULL);
}
