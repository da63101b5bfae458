/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user back end against a front end that says anything in any order: the input is a list
 * of messages, with descriptors or without, and of what a guest does between them.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include "base/unix-socket.h"
#include "fuzz-guest.h"
#include "sim/vhost-user-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 200, MAX_FDS = 12 };

struct scene {
	struct input input;
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	struct nec_vhost_user *back_end;
	struct guest guest;
	struct hosts hosts;
	int front;
	int events[2];
	unsigned int ended;
};

static void on_ended(void *userdata, const nec_error *err)
{
	struct scene *scene = userdata;

	require(!err || err->code != NEC_E_NONE);
	scene->ended++;
}

static void set_up(struct scene *scene)
{
	const struct nec_vsock_host host = { .userdata = &scene->hosts, .connect = hosts_connect };
	int pair[2];

	hosts_init(&scene->hosts);
	guest_init(&scene->guest);
	require(nec_loop_new(&scene->loop, NULL) == 0);
	require(nec_vsock_new(scene->loop, GUEST_CID, &host, &scene->vsock, NULL) == 0);
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	scene->front = pair[0];
	for (size_t i = 0; i < 2; i++)
		scene->events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	require(nec_vhost_user_new(scene->loop, pair[1], scene->vsock, GUEST_CID, on_ended, scene,
				   &scene->back_end, NULL) == 0);
}

static void tear_down(struct scene *scene)
{
	nec_vhost_user_free(scene->back_end);
	nec_vsock_free(scene->vsock);
	for (size_t i = 0; i < MAX_HOSTS; i++)
		hosts_close(&scene->hosts, i);
	nec_loop_free(scene->loop);
	guest_free(&scene->guest);
	(void)close(scene->front);
	(void)close(scene->events[0]);
	(void)close(scene->events[1]);
}

static size_t take_fds(struct scene *scene, int *fds)
{
	const int choice[] = { scene->guest.fd, scene->events[0], scene->events[1], scene->front };
	size_t count = take_u8(&scene->input) % (MAX_FDS + 1);

	for (size_t i = 0; i < count; i++)
		fds[i] = choice[take_u8(&scene->input) % 4];
	return count;
}

static size_t take_memory(struct input *input, struct memory_table *table)
{
	table->count = take_u8(input) % (NEC_GUEST_MAX_REGIONS + 2);
	for (size_t i = 0; i < table->count && i < NEC_GUEST_MAX_REGIONS; i++) {
		uint64_t at = (uint64_t)take_u8(input) << 12;

		table->regions[i] = (struct memory_region){
			.guest_addr = GUEST_BASE + at,
			.user_addr = USER_BASE + at,
			.size = (uint64_t)take_u8(input) << 12,
			.mmap_offset = (uint64_t)take_u8(input) << 12,
		};
	}
	return offsetof(struct memory_table, regions) +
	       table->count % (NEC_GUEST_MAX_REGIONS + 1) * sizeof(table->regions[0]);
}

static size_t take_raw(struct input *input, union payload *payload)
{
	uint8_t *to = (uint8_t *)payload;
	size_t size = take_u8(input);

	for (size_t i = 0; i < size; i++)
		to[i] = take_u8(input);
	return size;
}

/* A payload in one of the shapes that messages have, whichever message it is for. */
static size_t take_payload(struct input *input, union payload *payload)
{
	uint64_t base = USER_BASE;

	switch (take_u8(input) % 6) {
	case 0:
		return take_raw(input, payload);
	case 1:
		payload->number = (uint64_t)take_u32(input) | (uint64_t)take_u8(input) << 32;
		return sizeof(payload->number);
	case 2:
		payload->state = (struct vring_state){ .index = take_u8(input) % 3 };
		payload->state.value = take_u16(input);
		return sizeof(payload->state);
	case 3:
		payload->addr = (struct vring_addr){ .index = take_u8(input) % 3 };
		payload->addr.descriptors = base + take_u16(input);
		payload->addr.available = base + take_u16(input);
		payload->addr.used = base + take_u16(input);
		return sizeof(payload->addr);
	case 4:
		return take_memory(input, &payload->memory);
	default:
		payload->config.offset = take_u8(input);
		payload->config.size = take_u16(input);
		return offsetof(struct config, data) + payload->config.size % 256;
	}
}

static void say(struct scene *scene)
{
	struct input *input = &scene->input;
	struct {
		struct header header;
		union payload payload;
	} message = { 0 };
	int fds[MAX_FDS];
	uint8_t bytes[sizeof(message)];
	size_t size;
	size_t fd_count;

	message.header.request = take_u8(input) % (REQUESTS + 2);
	message.header.flags = take_u8(input) ^ FLAG_VERSION;
	size = take_payload(input, &message.payload);
	message.header.size = (uint32_t)size;
	fd_count = take_fds(scene, fds);
	memcpy(bytes, &message.header, sizeof(message.header));
	memcpy(bytes + sizeof(message.header), &message.payload, size);
	(void)nec_send_fds(scene->front, bytes, sizeof(message.header) + size, fds, fd_count,
			   MSG_DONTWAIT);
}

static void kick(struct scene *scene)
{
	const uint64_t one = 1;

	(void)!write(scene->events[take_u8(&scene->input) % 2], &one, sizeof(one));
}

static void read_answers(struct scene *scene)
{
	uint8_t bytes[4096];

	(void)!recv(scene->front, bytes, sizeof(bytes), MSG_DONTWAIT);
}

/* A message without its own form: any bytes, in any pieces. */
static void say_bytes(struct scene *scene)
{
	union payload bytes;
	size_t size = take_raw(&scene->input, &bytes);

	if (size > 0)
		(void)nec_send_fds(scene->front, &bytes, size, NULL, 0, MSG_DONTWAIT);
}

static void step(struct scene *scene)
{
	switch (take_u8(&scene->input) % 8) {
	case 0:
	case 1:
	case 2:
		say(scene);
		break;
	case 3:
		guest_scribble(&scene->guest, &scene->input);
		break;
	case 4:
		kick(scene);
		break;
	case 5:
		hosts_act(&scene->hosts, &scene->input);
		break;
	case 6:
		read_answers(scene);
		break;
	default:
		say_bytes(scene);
	}
	require(nec_loop_run_once(scene->loop, 0, NULL) == 0);
	require(nec_loop_run_once(scene->loop, 0, NULL) == 0);
	require(scene->ended <= 1);
	check_device(scene->vsock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = { .input = { .data = data, .left = size } };
	int before = lowest_fd();

	set_up(&scene);
	for (int i = 0; i < MAX_STEPS && scene.input.left > 0 && !scene.ended; i++)
		step(&scene);
	tear_down(&scene);
	require(lowest_fd() == before);
	return 0;
}
