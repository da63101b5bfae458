/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user back end, with a front end that does as QEMU does, and ones that do not. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/unix-socket.h"
#include "fake-guest.h"
#include "leftovers.h"
#include "sim/vhost-user-internal.h"
#include "sim/vsock-internal.h"

enum { QUEUE_BYTES = 65536, AVAIL_AT = 16 * FAKE_GUEST_QUEUE, USED_AT = 4096, MAX_FDS = 16 };

struct fixture {
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	struct nec_vhost_user *back_end;
	struct fake_guest guest;
	int front; /* the front end's end of the socket */
	int host;  /* our end of what the guest connected to */
	int kick[NEC_VSOCK_QUEUES];
	int call[NEC_VSOCK_QUEUES];
	unsigned int ended;
	int ended_with; /* 0 when the front end closed it */
	size_t fds;     /* open before there was a back end */
};

static int open_host(void *userdata, const struct nec_vsock_call *call, bool *hold)
{
	struct fixture *f = userdata;
	int pair[2];

	(void)call;
	(void)hold;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	f->host = pair[0];
	return pair[1];
}

static void on_ended(void *userdata, const nec_error *err)
{
	struct fixture *f = userdata;

	f->ended++;
	f->ended_with = err ? -err->os_error : 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct nec_vsock_host host = { .userdata = f, .connect = open_host };
	int pair[2];

	*state = f;
	f->host = -1;
	f->fds = open_descriptors();
	if (nec_loop_new(&f->loop, NULL) < 0 ||
	    nec_vsock_new(f->loop, FAKE_GUEST_CID, &host, &f->vsock, NULL) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	fake_guest_init(&f->guest);
	f->front = pair[0];
	for (int i = 0; i < NEC_VSOCK_QUEUES; i++) {
		f->kick[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		f->call[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	return nec_vhost_user_new(f->loop, pair[1], f->vsock, FAKE_GUEST_CID, on_ended, f,
				  &f->back_end, NULL);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	bool clean;

	nec_vhost_user_free(f->back_end);
	nec_vsock_free(f->vsock);
	nec_loop_free(f->loop);
	fake_guest_free(&f->guest);
	for (int i = 0; i < NEC_VSOCK_QUEUES; i++) {
		(void)close(f->kick[i]);
		(void)close(f->call[i]);
	}
	(void)close(f->front);
	if (f->host >= 0)
		(void)close(f->host);
	/* Whatever the test did, no descriptor of a message is left. */
	clean = open_descriptors() == f->fds;
	free(f);
	return clean ? 0 : -1;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
}

static void send_with(struct fixture *f, const void *bytes, size_t size, const int *fds,
		      size_t count)
{
	assert_int_equal(nec_send_fds(f->front, bytes, size, fds, count, 0), 0);
}

static void say(struct fixture *f, uint32_t request, uint32_t flags, const void *payload,
		size_t size, const int *fds, size_t count)
{
	uint8_t bytes[sizeof(struct header) + sizeof(union payload)];
	const struct header header = {
		.request = request,
		.flags = flags,
		.size = (uint32_t)size,
	};

	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), payload, size);
	send_with(f, bytes, sizeof(header) + size, fds, count);
	turn(f);
}

static void say_number(struct fixture *f, uint32_t request, uint64_t number)
{
	say(f, request, FLAG_VERSION, &number, sizeof(number), NULL, 0);
}

static void say_state(struct fixture *f, uint32_t request, uint32_t index, uint32_t value)
{
	const struct vring_state state = { .index = index, .value = value };

	say(f, request, FLAG_VERSION, &state, sizeof(state), NULL, 0);
}

static void say_fd(struct fixture *f, uint32_t request, uint64_t index, int fd)
{
	say(f, request, FLAG_VERSION, &index, sizeof(index), &fd, 1);
}

/* The reply has the same number, flags of exactly 5, and this many bytes. */
static void expect_reply(struct fixture *f, uint32_t request, void *payload, size_t size)
{
	struct header header = { 0 };

	assert_int_equal(recv(f->front, &header, sizeof(header), MSG_DONTWAIT), sizeof(header));
	assert_int_equal(header.request, request);
	assert_int_equal(header.flags, FLAG_VERSION | FLAG_REPLY);
	assert_int_equal(header.size, size);
	assert_int_equal(recv(f->front, payload, size, MSG_DONTWAIT), size);
}

static uint64_t ask_number(struct fixture *f, uint32_t request)
{
	uint64_t number = 0;

	say(f, request, FLAG_VERSION, NULL, 0, NULL, 0);
	expect_reply(f, request, &number, sizeof(number));
	return number;
}

static void assert_ended(struct fixture *f, int with)
{
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->ended_with, with);
}

static struct memory_table whole_memory(void)
{
	return (struct memory_table){
		.count = 1,
		.regions = { {
			.guest_addr = FAKE_GUEST_BASE,
			.size = FAKE_GUEST_MEMORY,
			.user_addr = FAKE_GUEST_USER_BASE,
		} },
	};
}

static void say_memory(struct fixture *f, const struct memory_table *table, const int *fds,
		       size_t count)
{
	say(f, SET_MEM_TABLE, FLAG_VERSION, table,
	    offsetof(struct memory_table, regions) + table->count * sizeof(table->regions[0]), fds,
	    count);
}

static void set_up_ring(struct fixture *f, uint32_t index)
{
	const uint64_t at = FAKE_GUEST_USER_BASE + (uint64_t)index * QUEUE_BYTES;
	const struct vring_addr addr = {
		.index = index,
		.descriptors = at,
		.available = at + AVAIL_AT,
		.used = at + USED_AT,
	};

	say_state(f, SET_VRING_NUM, index, FAKE_GUEST_QUEUE);
	say_state(f, SET_VRING_BASE, index, 0);
	say(f, SET_VRING_ADDR, FLAG_VERSION, &addr, sizeof(addr), NULL, 0);
	say_fd(f, SET_VRING_KICK, index, f->kick[index]);
}

/* What QEMU says until the guest's driver is ready. */
static void negotiate(struct fixture *f)
{
	const struct memory_table table = whole_memory();
	uint64_t features = ask_number(f, GET_FEATURES);

	assert_true(features & BIT64(F_PROTOCOL_FEATURES));
	assert_true(features & BIT64(VIRTIO_F_VERSION_1));
	assert_true(ask_number(f, GET_PROTOCOL_FEATURES) & BIT64(PROTOCOL_CONFIG));
	say_number(f, SET_PROTOCOL_FEATURES, BIT64(PROTOCOL_CONFIG));
	say(f, SET_OWNER, FLAG_VERSION, NULL, 0, NULL, 0);
	say_number(f, SET_FEATURES, BIT64(F_PROTOCOL_FEATURES) | BIT64(VIRTIO_F_VERSION_1));
	say_memory(f, &table, &f->guest.memory_fd, 1);
	for (uint32_t i = 0; i < NEC_VSOCK_QUEUES; i++)
		set_up_ring(f, i);
	for (uint32_t i = 0; i < NEC_VSOCK_QUEUES; i++) {
		say_state(f, SET_VRING_ENABLE, i, 1);
		(void)ask_number(f, GET_FEATURES);
	}
	/* CALL descriptors are replaced several times: the last one counts. */
	for (uint32_t i = 0; i < NEC_VSOCK_QUEUES; i++) {
		say_fd(f, SET_VRING_CALL, i, f->kick[i]);
		say_fd(f, SET_VRING_CALL, i, f->call[i]);
	}
	assert_int_equal(f->ended, 0);
}

static void kick(struct fixture *f, enum nec_vsock_queue queue)
{
	const uint64_t one = 1;

	assert_int_equal(write(f->kick[queue], &one, sizeof(one)), sizeof(one));
	turn(f);
}

static void send_packet(struct fixture *f, uint16_t op, const char *payload)
{
	const struct nec_vsock_packet packet = {
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = 5000,
		.dst_port = 9000,
		.op = op,
		.len = payload ? (uint32_t)strlen(payload) : 0,
	};

	fake_guest_send(&f->guest, packet, payload);
	kick(f, NEC_VSOCK_FROM_GUEST);
}

static void front_end__like_qemu_gets_a_device_that_carries_data(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet;
	uint64_t count = 0;
	char text[16] = "";

	negotiate(f);
	fake_guest_offer(&f->guest, 8);
	kick(f, NEC_VSOCK_TO_GUEST);
	send_packet(f, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_true(fake_guest_receive(&f->guest, &packet, text, sizeof(text)));
	assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(read(f->call[NEC_VSOCK_TO_GUEST], &count, sizeof(count)), sizeof(count));
	send_packet(f, VIRTIO_VSOCK_OP_RW, "hello");
	assert_int_equal(recv(f->host, text, sizeof(text), MSG_DONTWAIT), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(send(f->host, "world", 5, MSG_NOSIGNAL), 5);
	turn(f);
	assert_true(fake_guest_receive(&f->guest, &packet, text, sizeof(text)));
	assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(text, "world", 5);
}

static void ring__is_served_what_was_offered_before_it_started(void **state)
{
	struct fixture *f = *state;
	struct nec_vsock_packet packet = {
		.dst_cid = NEC_VSOCK_PARENT_CID,
		.src_port = 5000,
		.dst_port = 9000,
		.op = VIRTIO_VSOCK_OP_REQUEST,
	};

	fake_guest_offer(&f->guest, 8);
	fake_guest_send(&f->guest, packet, NULL);
	negotiate(f);
	turn(f);
	assert_true(fake_guest_receive(&f->guest, &packet, NULL, 0));
	assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RESPONSE);
}

static void ring__that_is_stopped_tells_where_it_was(void **state)
{
	struct fixture *f = *state;
	struct vring_state base = { 0 };

	negotiate(f);
	fake_guest_offer(&f->guest, 8);
	send_packet(f, VIRTIO_VSOCK_OP_REQUEST, NULL);
	send_packet(f, VIRTIO_VSOCK_OP_RW, "x");
	say_state(f, SET_VRING_ENABLE, NEC_VSOCK_FROM_GUEST, 0);
	say_state(f, GET_VRING_BASE, NEC_VSOCK_FROM_GUEST, 0);
	expect_reply(f, GET_VRING_BASE, &base, sizeof(base));
	assert_int_equal(base.index, NEC_VSOCK_FROM_GUEST);
	assert_int_equal(base.value, 2);
	assert_int_equal(f->ended, 0);
}

static void config__is_the_cid(void **state)
{
	struct fixture *f = *state;
	struct config config = { .size = 8 };
	uint64_t cid = 0;

	say(f, GET_CONFIG, FLAG_VERSION, &config, offsetof(struct config, data) + 8, NULL, 0);
	expect_reply(f, GET_CONFIG, &config, offsetof(struct config, data) + 8);
	memcpy(&cid, config.data, sizeof(cid));
	assert_int_equal(le64toh(cid), FAKE_GUEST_CID);
}

static void reply__is_given_where_one_is_wanted(void **state)
{
	struct fixture *f = *state;
	uint64_t result = 1;

	say_number(f, SET_PROTOCOL_FEATURES, BIT64(PROTOCOL_REPLY_ACK));
	say(f, SET_OWNER, FLAG_VERSION | FLAG_NEED_REPLY, NULL, 0, NULL, 0);
	expect_reply(f, SET_OWNER, &result, sizeof(result));
	assert_int_equal(result, 0);
}

static void message__may_come_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	const struct header header = { .request = GET_FEATURES, .flags = FLAG_VERSION };
	uint64_t features = 0;

	for (size_t i = 0; i < sizeof(header); i++) {
		send_with(f, (const uint8_t *)&header + i, 1, NULL, 0);
		turn(f);
	}
	expect_reply(f, GET_FEATURES, &features, sizeof(features));
}

static void front_end__that_goes_is_no_error(void **state)
{
	struct fixture *f = *state;

	negotiate(f);
	assert_int_equal(shutdown(f->front, SHUT_RDWR), 0);
	turn(f);
	assert_ended(f, 0);
}

static void front_end__that_reads_no_answers_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100000 && !f->ended; i++) {
		const struct header header = { .request = GET_FEATURES, .flags = FLAG_VERSION };

		send_with(f, &header, sizeof(header), NULL, 0);
		assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	}
	assert_ended(f, -EAGAIN);
}

/* ---- messages that make no sense: each ends the connection ---- */

static void header__with_other_flags_ends_it(void **state)
{
	struct fixture *f = *state;

	say(f, GET_FEATURES, 2, NULL, 0, NULL, 0);
	assert_ended(f, -EPROTO);
}

static void header__of_a_reply_ends_it(void **state)
{
	struct fixture *f = *state;

	say(f, GET_FEATURES, FLAG_VERSION | FLAG_REPLY, NULL, 0, NULL, 0);
	assert_ended(f, -EPROTO);
}

static void request__that_is_unknown_ends_it(void **state)
{
	struct fixture *f = *state;

	say(f, REQUESTS, FLAG_VERSION, NULL, 0, NULL, 0);
	assert_ended(f, -EPROTO);
}

static void message__that_is_too_short_ends_it(void **state)
{
	struct fixture *f = *state;
	const uint32_t half = 0;

	say(f, SET_FEATURES, FLAG_VERSION, &half, sizeof(half), NULL, 0);
	assert_ended(f, -EPROTO);
}

static void message__that_is_too_long_ends_it(void **state)
{
	struct fixture *f = *state;
	const struct header header = {
		.request = SET_OWNER,
		.flags = FLAG_VERSION,
		.size = sizeof(union payload) + 1,
	};

	send_with(f, &header, sizeof(header), NULL, 0);
	turn(f);
	assert_ended(f, -EPROTO);
}

static void features__that_were_not_offered_end_it(void **state)
{
	struct fixture *f = *state;

	say_number(f, SET_FEATURES, BIT64(34));
	assert_ended(f, -EPROTO);
}

static void queue__that_is_not_there_ends_it(void **state)
{
	struct fixture *f = *state;

	say_state(f, SET_VRING_NUM, NEC_VSOCK_QUEUES, 128);
	assert_ended(f, -EPROTO);
}

static void queue__that_is_too_long_ends_it(void **state)
{
	struct fixture *f = *state;

	say_state(f, SET_VRING_NUM, 0, NEC_VIRTQUEUE_MAX_SIZE + 1);
	assert_ended(f, -EPROTO);
}

static void queue__outside_the_memory_ends_it(void **state)
{
	struct fixture *f = *state;
	const struct vring_addr addr = {
		.descriptors = FAKE_GUEST_USER_BASE + FAKE_GUEST_MEMORY - 16,
		.available = FAKE_GUEST_USER_BASE,
		.used = FAKE_GUEST_USER_BASE,
	};

	negotiate(f);
	say(f, SET_VRING_ADDR, FLAG_VERSION, &addr, sizeof(addr), NULL, 0);
	assert_ended(f, -EINVAL);
}

static void kick__without_its_descriptor_ends_it(void **state)
{
	struct fixture *f = *state;

	say_number(f, SET_VRING_KICK, 0);
	assert_ended(f, -EPROTO);
}

static void kick__with_a_descriptor_too_many_ends_it(void **state)
{
	struct fixture *f = *state;
	const uint64_t index = 0;

	say(f, SET_VRING_KICK, FLAG_VERSION, &index, sizeof(index), f->kick, 2);
	assert_ended(f, -EPROTO);
}

/* A pipe that is full, say, would make us wait. */
static void kick__that_is_no_eventfd_ends_it(void **state)
{
	struct fixture *f = *state;

	say_fd(f, SET_VRING_KICK, 0, f->front);
	assert_ended(f, -EPROTO);
}

static void call__that_is_no_eventfd_ends_it(void **state)
{
	struct fixture *f = *state;

	say_fd(f, SET_VRING_CALL, 0, f->guest.memory_fd);
	assert_ended(f, -EPROTO);
}

static void seqpacket__is_taken_when_the_driver_says_that_it_knows_it(void **state)
{
	struct fixture *f = *state;

	assert_true(ask_number(f, GET_FEATURES) & BIT64(VIRTIO_VSOCK_F_SEQPACKET));
	say_number(f, SET_FEATURES, BIT64(VIRTIO_VSOCK_F_SEQPACKET));
	assert_true(f->vsock->seqpacket);
	say_number(f, SET_FEATURES, BIT64(VIRTIO_F_VERSION_1));
	assert_false(f->vsock->seqpacket);
}

static void request__that_takes_no_descriptor_ends_with_one(void **state)
{
	struct fixture *f = *state;

	say(f, SET_OWNER, FLAG_VERSION, NULL, 0, f->kick, 1);
	assert_ended(f, -EPROTO);
}

static void message__with_more_descriptors_than_any_has_ends_it(void **state)
{
	struct fixture *f = *state;
	int fds[MAX_FDS];

	for (size_t i = 0; i < MAX_FDS; i++)
		fds[i] = f->kick[0];
	say(f, SET_OWNER, FLAG_VERSION, NULL, 0, fds, MAX_FDS);
	assert_ended(f, -EMFILE);
}

static void memory__that_overlaps_ends_it(void **state)
{
	struct fixture *f = *state;
	struct memory_table table = whole_memory();
	const int fds[] = { f->guest.memory_fd, f->guest.memory_fd };

	table.count = 2;
	table.regions[1] = table.regions[0];
	table.regions[1].guest_addr += FAKE_GUEST_MEMORY - 1;
	say_memory(f, &table, fds, 2);
	assert_ended(f, -EINVAL);
}

static void memory__beyond_its_file_ends_it(void **state)
{
	struct fixture *f = *state;
	struct memory_table table = whole_memory();

	table.regions[0].mmap_offset = 4096;
	say_memory(f, &table, &f->guest.memory_fd, 1);
	assert_ended(f, -EINVAL);
}

static void memory__without_its_descriptor_ends_it(void **state)
{
	struct fixture *f = *state;
	const struct memory_table table = whole_memory();

	say_memory(f, &table, NULL, 0);
	assert_ended(f, -EPROTO);
}

static void memory__of_too_many_regions_ends_it(void **state)
{
	struct fixture *f = *state;
	const struct memory_table table = { .count = NEC_GUEST_MAX_REGIONS + 1 };

	say(f, SET_MEM_TABLE, FLAG_VERSION, &table, sizeof(table), NULL, 0);
	assert_ended(f, -EPROTO);
}

static void memory__that_is_replaced_stays_in_use(void **state)
{
	struct fixture *f = *state;
	const struct memory_table table = whole_memory();

	negotiate(f);
	say_memory(f, &table, &f->guest.memory_fd, 1);
	assert_int_equal(f->ended, 0);
	fake_guest_offer(&f->guest, 8);
	send_packet(f, VIRTIO_VSOCK_OP_REQUEST, NULL);
	assert_true(f->host >= 0);
}

static void config__beyond_its_end_ends_it(void **state)
{
	struct fixture *f = *state;
	const struct config config = { .offset = 4, .size = 8 };

	say(f, GET_CONFIG, FLAG_VERSION, &config, offsetof(struct config, data) + 8, NULL, 0);
	assert_ended(f, -EPROTO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(front_end__like_qemu_gets_a_device_that_carries_data),
		TEST(ring__is_served_what_was_offered_before_it_started),
		TEST(ring__that_is_stopped_tells_where_it_was),
		TEST(config__is_the_cid),
		TEST(reply__is_given_where_one_is_wanted),
		TEST(message__may_come_byte_by_byte),
		TEST(front_end__that_goes_is_no_error),
		TEST(front_end__that_reads_no_answers_is_not_waited_for),
		TEST(header__with_other_flags_ends_it),
		TEST(header__of_a_reply_ends_it),
		TEST(request__that_is_unknown_ends_it),
		TEST(message__that_is_too_short_ends_it),
		TEST(message__that_is_too_long_ends_it),
		TEST(features__that_were_not_offered_end_it),
		TEST(queue__that_is_not_there_ends_it),
		TEST(queue__that_is_too_long_ends_it),
		TEST(queue__outside_the_memory_ends_it),
		TEST(kick__without_its_descriptor_ends_it),
		TEST(kick__with_a_descriptor_too_many_ends_it),
		TEST(kick__that_is_no_eventfd_ends_it),
		TEST(call__that_is_no_eventfd_ends_it),
		TEST(seqpacket__is_taken_when_the_driver_says_that_it_knows_it),
		TEST(request__that_takes_no_descriptor_ends_with_one),
		TEST(message__with_more_descriptors_than_any_has_ends_it),
		TEST(memory__that_overlaps_ends_it),
		TEST(memory__beyond_its_file_ends_it),
		TEST(memory__without_its_descriptor_ends_it),
		TEST(memory__of_too_many_regions_ends_it),
		TEST(memory__that_is_replaced_stays_in_use),
		TEST(config__beyond_its_end_ends_it),
	};

	return cmocka_run_group_tests_name("vhost-user", tests, NULL, NULL);
}
