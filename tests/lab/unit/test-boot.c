/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole enclave on the lab's vsock: the image that LAB_IMAGE names, whose program is the demo,
 * boots in QEMU; the parent VM is a fake guest. Software emulation on a busy machine takes its
 * time, so nothing here is late.
 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fake-guest.h"
#include "runner.h"
#include "switch.h"

enum { SLOT = 1, CID = 16, PARENT = 3, MEMORY_MIB = 256 };
enum { HEARTBEAT_PORT = 9000, ECHO_PORT = 7, CALLER_PORT = 4711, CONSOLE_BYTES = 65536 };

struct fixture {
	char dir[64];
	struct nec_loop *loop;
	struct lab_runner *runner;
	struct fake_guest parent;
	unsigned int ended;
	char console[CONSOLE_BYTES + 1];
	size_t console_size;
	struct nec_vsock_packet packet; /* the newest that is none of the console's */
	char data[FAKE_GUEST_BUFFER];
};

static void on_ended(void *userdata, uint64_t slot_uid)
{
	struct fixture *f = userdata;

	assert_int_equal(slot_uid, SLOT);
	f->ended++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct lab_runner_events events = { .userdata = f, .ended = on_ended };
	struct nec_vsock *vsock;

	*state = f;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nec-lab-boot-XXXXXX");
	if (!mkdtemp(f->dir) || nec_loop_new(&f->loop, NULL) < 0 ||
	    lab_runner_new(f->loop, f->dir, &events, &f->runner, NULL) < 0)
		return -1;
	vsock = lab_switch_get_parent(lab_runner_get_switch(f->runner));
	fake_guest_init(&f->parent);
	fake_guest_attach(&f->parent, vsock);
	fake_guest_offer(&f->parent, FAKE_GUEST_QUEUE / 2);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int r;

	lab_runner_free(f->runner);
	nec_loop_free(f->loop);
	fake_guest_free(&f->parent);
	r = rmdir(f->dir);
	free(f);
	return waitpid(-1, NULL, WNOHANG) == -1 ? r : -1;
}

static void start(struct fixture *f)
{
	const char *path = getenv("LAB_IMAGE");
	cleanup_close int image = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	nec_error err = NEC_ERROR_INIT;
	struct stat status = { 0 };
	struct lab_enclave_spec spec = {
		.slot_uid = SLOT,
		.cid = CID,
		.debug = true,
		.memory_bytes = (uint64_t)MEMORY_MIB << 20,
		.vcpu_count = 2,
		.eif_fd = image,
	};

	if (image < 0 || fstat(image, &status) < 0)
		fail_msg("LAB_IMAGE names no image");
	spec.eif_size = (uint64_t)status.st_size;
	if (lab_runner_start(f->runner, &spec, &err) < 0)
		fail_msg("%s", err.message);
}

static void send_to(struct fixture *f, uint64_t cid, uint32_t port, uint32_t from, uint16_t op,
		    const char *text)
{
	const struct nec_vsock_packet packet = {
		.src_cid = PARENT,
		.src_port = from,
		.dst_cid = cid,
		.dst_port = port,
		.op = op,
		.len = text ? (uint32_t)strlen(text) : 0,
	};

	fake_guest_send(&f->parent, packet, text);
}

/* Sends it to whom the newest packet came from. */
static void answer(struct fixture *f, uint16_t op, const char *text)
{
	send_to(f, f->packet.src_cid, f->packet.src_port, f->packet.dst_port, op, text);
}

static void keep_console(struct fixture *f, size_t size)
{
	if (size > CONSOLE_BYTES - f->console_size)
		size = CONSOLE_BYTES - f->console_size;
	memcpy(f->console + f->console_size, f->data, size);
	f->console_size += size;
	f->parent.consumed = (uint32_t)f->console_size;
	send_to(f, 0, 10000 + CID, CALLER_PORT, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL);
	f->parent.consumed = 0; /* of the others, which have credit enough */
}

/* Takes what has come. True when it is a packet of the enclave's. */
static bool take_packet(struct fixture *f)
{
	while (fake_guest_receive(&f->parent, &f->packet, f->data, sizeof(f->data))) {
		fake_guest_offer(&f->parent, 1);
		if (f->packet.src_cid != 0)
			return true;
		if (f->packet.op == VIRTIO_VSOCK_OP_RW)
			keep_console(f, f->packet.len);
	}
	return false;
}

static void wait_for(struct fixture *f, uint16_t op)
{
	while (!take_packet(f) || f->packet.op != op) {
		if (f->ended)
			fail_msg("the enclave ended: %s", f->console);
		assert_int_equal(nec_loop_run_once(f->loop, 1000, NULL), 0);
	}
	assert_int_equal(f->packet.src_cid, CID);
	assert_int_equal(f->packet.dst_cid, PARENT);
}

static void wait_for_console(struct fixture *f, const char *text)
{
	while (!strstr(f->console, text)) {
		(void)take_packet(f);
		if (f->ended)
			fail_msg("the enclave ended: %s", f->console);
		assert_int_equal(nec_loop_run_once(f->loop, 1000, NULL), 0);
	}
}

static void answer_heartbeat(struct fixture *f)
{
	wait_for(f, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(f->packet.dst_port, HEARTBEAT_PORT);
	answer(f, VIRTIO_VSOCK_OP_RESPONSE, NULL);
	wait_for(f, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(f->packet.len, 1);
	assert_int_equal((uint8_t)f->data[0], 0xb7);
	answer(f, VIRTIO_VSOCK_OP_RW, "\xb7");
	wait_for(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	answer(f, VIRTIO_VSOCK_OP_RST, NULL);
}

static void enclave__boots_beats_echoes_and_dies(void **state)
{
	struct fixture *f = *state;

	start(f);
	send_to(f, 0, 10000 + CID, CALLER_PORT, VIRTIO_VSOCK_OP_REQUEST, NULL);
	answer_heartbeat(f);
	wait_for_console(f, "demo: listening at vsock port 8080");
	assert_non_null(strstr(f->console, "Linux version")); /* from the first byte */
	send_to(f, CID, ECHO_PORT, CALLER_PORT + 1, VIRTIO_VSOCK_OP_REQUEST, NULL);
	wait_for(f, VIRTIO_VSOCK_OP_RESPONSE);
	answer(f, VIRTIO_VSOCK_OP_RW, "hello");
	wait_for(f, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(f->data, "hello", 5);
	/* Nobody listens there: the guest's refusal comes through. */
	send_to(f, CID, ECHO_PORT + 1, CALLER_PORT + 2, VIRTIO_VSOCK_OP_REQUEST, NULL);
	wait_for(f, VIRTIO_VSOCK_OP_RST);
	lab_runner_crash(f->runner, SLOT);
	while (!f->ended)
		assert_int_equal(nec_loop_run_once(f->loop, 1000, NULL), 0);
	lab_runner_stop(f->runner, SLOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(enclave__boots_beats_echoes_and_dies, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
