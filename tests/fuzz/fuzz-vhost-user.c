/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user back end against a front end that says anything in any order: the input is a list
 * of messages, with descriptors or without, and of what a guest does between them.
 */
#include <errno.h>

#include "fuzz-guest.h"
#include "fuzz-peer.h"
#include "sim/vhost-user-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 200 };

struct scene {
	struct input input;
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	struct nec_vhost_user *back_end;
	struct guest guest;
	struct hosts hosts;
	struct peer front;
};

static void set_up(struct scene *scene)
{
	const struct nec_vsock_host host = { .userdata = &scene->hosts, .connect = hosts_connect };
	int fd;

	hosts_init(&scene->hosts);
	guest_init(&scene->guest);
	require(nec_loop_new(&scene->loop, NULL) == 0);
	require(nec_vsock_new(scene->loop, GUEST_CID, &host, &scene->vsock, NULL) == 0);
	fd = peer_init(&scene->front, scene->guest.fd);
	require(nec_vhost_user_new(scene->loop, fd, scene->vsock, GUEST_CID, peer_on_ended,
				   &scene->front, &scene->back_end, NULL) == 0);
}

static void tear_down(struct scene *scene)
{
	nec_vhost_user_free(scene->back_end);
	nec_vsock_free(scene->vsock);
	for (size_t i = 0; i < MAX_HOSTS; i++)
		hosts_close(&scene->hosts, i);
	nec_loop_free(scene->loop);
	guest_free(&scene->guest);
	peer_free(&scene->front);
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

/* A payload in one of the shapes that messages have, whichever message it is for. */
static size_t take_payload(struct input *input, union payload *payload)
{
	uint64_t base = USER_BASE;

	switch (take_u8(input) % 6) {
	case 0:
		return take_bytes(input, (uint8_t *)payload, 255);
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
	int fds[PEER_MAX_FDS];
	uint8_t bytes[sizeof(message)];
	size_t size;
	size_t fd_count;

	message.header.request = take_u8(input) % (REQUESTS + 2);
	message.header.flags = take_u8(input) ^ FLAG_VERSION;
	size = take_payload(input, &message.payload);
	message.header.size = (uint32_t)size;
	fd_count = peer_take_fds(&scene->front, input, fds);
	memcpy(bytes, &message.header, sizeof(message.header));
	memcpy(bytes + sizeof(message.header), &message.payload, size);
	peer_send(&scene->front, bytes, sizeof(message.header) + size, fds, fd_count);
}

static void kick(struct scene *scene)
{
	const uint64_t one = 1;

	(void)!write(scene->front.events[take_u8(&scene->input) % 2], &one, sizeof(one));
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
		peer_read_answers(&scene->front);
		break;
	default:
		peer_send_anything(&scene->front, &scene->input, 255);
	}
	require(nec_loop_run_once(scene->loop, 0, NULL) == 0);
	require(nec_loop_run_once(scene->loop, 0, NULL) == 0);
	require(scene->front.ended <= 1);
	check_device(scene->vsock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = { .input = { .data = data, .left = size } };
	int before = lowest_fd();

	set_up(&scene);
	for (int i = 0; i < MAX_STEPS && scene.input.left > 0 && !scene.front.ended; i++)
		step(&scene);
	tear_down(&scene);
	require(lowest_fd() == before);
	return 0;
}
