/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vsock device against a guest that does anything: the input is a list of steps. A guest writes
 * packets that are more or less right, or scribbles over its rings and descriptors; the host's ends
 * of the connections write, read and close; time passes.
 */
#include <errno.h>
#include <linux/virtio_ring.h>

#include "fuzz-guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DATA_AT = NEC_VSOCK_QUEUES * QUEUE_BYTES, DATA_SLOT = 2048, MAX_STEPS = 400 };

struct scene {
	struct input input;
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	struct guest guest;
	struct nec_guest_memory memory;
	struct hosts hosts;
	uint16_t queue_size;
	bool event_index;
};

static void ignore_interrupt(void *userdata, enum nec_vsock_queue queue)
{
	(void)userdata;
	(void)queue;
}

static void start_queue(struct scene *scene, enum nec_vsock_queue index)
{
	uint64_t at = USER_BASE + (uint64_t)index * QUEUE_BYTES;

	require(nec_virtqueue_start(nec_vsock_get_queue(scene->vsock, index), &scene->memory,
				    scene->queue_size, at, at + AVAILABLE_AT, at + USED_AT, 0,
				    scene->event_index, NULL) == 0);
}

static void set_up(struct scene *scene)
{
	const struct nec_vsock_host host = { .userdata = &scene->hosts, .connect = hosts_connect };
	const struct nec_guest_region region = {
		.guest_addr = GUEST_BASE,
		.size = GUEST_MEMORY,
		.user_addr = USER_BASE,
	};
	uint8_t kind = take_u8(&scene->input);

	scene->queue_size = (uint16_t)(1u << (kind % 7));
	scene->event_index = kind & 0x40;
	hosts_init(&scene->hosts);
	guest_init(&scene->guest);
	require(nec_guest_memory_map(&scene->memory, &region, &scene->guest.fd, 1, NULL) == 0);
	require(nec_loop_new(&scene->loop, NULL) == 0);
	require(nec_vsock_new(scene->loop, GUEST_CID, &host, &scene->vsock, NULL) == 0);
	nec_vsock_allow_seqpacket(scene->vsock, !(kind & 0x80));
	nec_vsock_set_interrupt(scene->vsock, ignore_interrupt, NULL);
	for (int i = 0; i < NEC_VSOCK_QUEUES; i++)
		start_queue(scene, (enum nec_vsock_queue)i);
}

static void tear_down(struct scene *scene)
{
	nec_vsock_free(scene->vsock);
	for (size_t i = 0; i < MAX_HOSTS; i++)
		hosts_close(&scene->hosts, i);
	nec_loop_free(scene->loop);
	nec_guest_memory_unmap(&scene->memory);
	guest_free(&scene->guest);
}

static struct vring_desc *descriptor(struct scene *scene, enum nec_vsock_queue queue, size_t i)
{
	return (struct vring_desc *)(void *)(scene->guest.bytes + (size_t)queue * QUEUE_BYTES) + i;
}

/* Offers the chain that begins at descriptor @head. */
static void offer(struct scene *scene, enum nec_vsock_queue queue, uint16_t head)
{
	struct vring_avail *available =
		(void *)(scene->guest.bytes + (size_t)queue * QUEUE_BYTES + AVAILABLE_AT);

	available->ring[available->idx % scene->queue_size] = head;
	available->idx++;
}

/* A packet whose fields are mostly such as a driver would send, in one descriptor or two. */
static void send_packet(struct scene *scene)
{
	struct input *input = &scene->input;
	uint8_t kind = take_u8(input);
	struct nec_vsock_packet packet = {
		.src_cid = kind & 1 ? take_u8(input) : GUEST_CID,
		.dst_cid = kind & 2 ? take_u8(input) : NEC_VSOCK_PARENT_CID,
		.src_port = kind & 4 ? take_u32(input) : take_u8(input) % 4,
		.dst_port = kind & 8 ? take_u32(input) : take_u8(input) % 4,
		.op = kind & 16 ? VIRTIO_VSOCK_OP_RW : take_u8(input) % 9,
		.type = kind & 32 ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM,
		.flags = take_u8(input),
		.buf_alloc = kind & 64 ? take_u32(input) : 65536,
		.fwd_cnt = kind & 128 ? take_u32(input) : 0,
	};
	size_t slot = take_u8(input) % (MAX_QUEUE / 2);
	uint8_t *at = scene->guest.bytes + DATA_AT + slot * DATA_SLOT;
	uint16_t payload = take_u16(input);
	uint8_t shape = take_u8(input);
	struct virtio_vsock_hdr header;
	struct vring_desc *first =
		descriptor(scene, NEC_VSOCK_FROM_GUEST, slot * 2 % scene->queue_size);
	size_t second = (slot * 2 + 1) % scene->queue_size;

	packet.len = shape & 1 ? take_u32(input) : payload;
	header = nec_vsock_packet_encode(&packet);
	memcpy(at, &header, sizeof(header));
	*first = (struct vring_desc){
		.addr = GUEST_BASE + (uint64_t)(at - scene->guest.bytes),
		.len = shape & 2 ? 44 : 44u + payload,
		.flags = shape & 2 ? VRING_DESC_F_NEXT : 0,
		.next = (uint16_t)second,
	};
	if (shape & 2 && scene->queue_size > 1)
		*descriptor(scene, NEC_VSOCK_FROM_GUEST, second) = (struct vring_desc){
			.addr = GUEST_BASE + DATA_AT,
			.len = payload,
		};
	offer(scene, NEC_VSOCK_FROM_GUEST, (uint16_t)(slot * 2 % scene->queue_size));
	nec_vsock_kick(scene->vsock, NEC_VSOCK_FROM_GUEST);
}

static void offer_buffers(struct scene *scene)
{
	uint8_t count = take_u8(&scene->input) % MAX_QUEUE;
	uint16_t size = take_u16(&scene->input);

	for (size_t i = 0; i < count; i++) {
		*descriptor(scene, NEC_VSOCK_TO_GUEST, i % scene->queue_size) = (struct vring_desc){
			.addr = GUEST_BASE + GUEST_MEMORY / 2 + i * 64,
			.len = size,
			.flags = VRING_DESC_F_WRITE,
		};
		offer(scene, NEC_VSOCK_TO_GUEST, (uint16_t)(i % scene->queue_size));
	}
	nec_vsock_kick(scene->vsock, NEC_VSOCK_TO_GUEST);
}

/* A program of the parent connects to the guest. */
static void connect_guest(struct scene *scene)
{
	uint8_t kind = take_u8(&scene->input);
	const struct nec_vsock_call call = {
		.cid = kind & 4 ? kind : NEC_VSOCK_PARENT_CID,
		.port = kind & 8 ? kind % 4 : 0,
		.guest_port = kind % 4,
		.seqpacket = kind & 1,
	};
	int fd = hosts_open(&scene->hosts, call.seqpacket);

	if (nec_vsock_connect(scene->vsock, fd, &call, NULL, NULL, NULL) < 0)
		(void)close(fd);
}

/* What the device waits for is late now. */
static void let_time_pass(struct scene *scene)
{
	for (size_t i = 0; i < NEC_VSOCK_BUCKETS; i++)
		for (struct connection *c = scene->vsock->buckets[i]; c; c = c->next)
			c->deadline = c->deadline ? 1 : 0;
	nec_source_set_timer(scene->vsock->sweep, 0);
}

/* The driver starts anew, with rings that may hold anything. */
static void restart(struct scene *scene)
{
	for (int i = 0; i < NEC_VSOCK_QUEUES; i++) {
		(void)nec_virtqueue_stop(
			nec_vsock_get_queue(scene->vsock, (enum nec_vsock_queue)i));
		nec_vsock_reset(scene->vsock);
		start_queue(scene, (enum nec_vsock_queue)i);
	}
}

static void step(struct scene *scene)
{
	switch (take_u8(&scene->input) % 11) {
	case 0:
	case 1:
		send_packet(scene);
		break;
	case 2:
		offer_buffers(scene);
		break;
	case 3:
	case 4:
		hosts_act(&scene->hosts, &scene->input);
		break;
	case 5:
		guest_scribble(&scene->guest, &scene->input);
		nec_vsock_kick(scene->vsock, take_u8(&scene->input) % NEC_VSOCK_QUEUES);
		break;
	case 6:
		connect_guest(scene);
		break;
	case 7:
		let_time_pass(scene);
		break;
	case 8:
		scene->hosts.refuse = !scene->hosts.refuse;
		break;
	case 10:
		nec_vsock_answer(scene->vsock,
				 &scene->hosts.calls[take_u8(&scene->input) % MAX_HOSTS]);
		break;
	default:
		restart(scene);
	}
	require(nec_loop_run_once(scene->loop, 0, NULL) == 0);
	check_device(scene->vsock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = { .input = { .data = data, .left = size } };
	int before = lowest_fd();

	set_up(&scene);
	for (int i = 0; i < MAX_STEPS && scene.input.left > 0; i++)
		step(&scene);
	tear_down(&scene);
	require(lowest_fd() == before);
	return 0;
}
