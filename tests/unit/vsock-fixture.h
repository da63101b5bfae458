/* SPDX-License-Identifier: Apache-2.0 */
/* A vsock device between a fake guest and sockets of the test. */
#ifndef NEC_TESTS_VSOCK_FIXTURE_H
#define NEC_TESTS_VSOCK_FIXTURE_H

#include "fake-guest.h"
#include "sim/vsock-internal.h"

enum { GUEST_PORT = 5000, HOST_PORT = 9000 };

struct fixture {
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	struct fake_guest guest;
	int host;           /* our end of the last connection that the guest opened, -1 for none */
	int connect_result; /* 0, or the errno that the next connect is refused with */
	bool hold;          /* the next connect is to be answered later */
	struct nec_vsock_call asked;
	int connected_result; /* of a connection that the host opened; 1 while there is no answer */
};

#define VSOCK_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Lets the device do all that it can do now. */
void turn(struct fixture *f);

/* A packet of the one connection that most tests have. */
struct nec_vsock_packet to_host(uint16_t op);
void send_op(struct fixture *f, uint16_t op, uint32_t flags);
void send_data(struct fixture *f, const void *data, uint32_t size);

/* The next packet must be @op; its payload goes to @payload. */
struct nec_vsock_packet expect(struct fixture *f, uint16_t op, void *payload, size_t size);
void expect_nothing(struct fixture *f);

/* Takes all packets that have come, which must be data. Returns the payload's bytes. */
size_t take_all(struct fixture *f);

/* The guest connects; @type: VIRTIO_VSOCK_TYPE_... */
void open_connection(struct fixture *f, uint16_t type);
/* The device's idea of that connection; NULL when there is none. */
struct connection *connection_of(struct fixture *f);

/* The host connects @fd to the guest's port 22. */
void connect_to_guest(struct fixture *f, int fd);

#endif
