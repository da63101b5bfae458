/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vfio-user server with the Nitro Enclaves device behind it, against a client that says
 * anything in any order: the input is a list of messages, with descriptors or without.
 */
#include <string.h>
#include <sys/mman.h>

#include "fuzz-peer.h"
#include "hypervisor.h"
#include "stub-runner.h"
#include "vfio-user-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 200, MEMORY = 4 << 20, SHORT = 96 };

struct scene {
	struct input input;
	struct nec_loop *loop;
	struct lab_dma *dma;
	struct lab_hypervisor *hypervisor;
	struct lab_ne_device *device;
	struct lab_vfio_user *server;
	struct peer peer;
};

static void set_up_hypervisor(struct scene *scene)
{
	const struct lab_config config = { .vcpu_count = 8, .threads = 2, .max_regions = 8 };

	scene->dma = lab_dma_new();
	require(scene->dma && nec_loop_new(&scene->loop, NULL) == 0);
	require(lab_hypervisor_new(scene->dma, &config, &scene->hypervisor, NULL) == 0);
	require(lab_hypervisor_equip(scene->hypervisor, scene->loop, "", NULL) == 0);
	scene->device = scene->hypervisor->device;
}

static void set_up(struct scene *scene)
{
	int memory_fd = memfd_create("guest", MFD_CLOEXEC);
	int fd;

	set_up_hypervisor(scene);
	require(memory_fd >= 0 && ftruncate(memory_fd, MEMORY) == 0);
	fd = peer_init(&scene->peer, memory_fd);
	require(lab_vfio_user_new(scene->loop, fd, scene->dma,
				  lab_ne_device_get_vfio(scene->device), peer_on_ended,
				  &scene->peer, &scene->server, NULL) == 0);
}

static void tear_down(struct scene *scene)
{
	struct lab_runner *runner = scene->hypervisor->runner;

	lab_vfio_user_free(scene->server);
	lab_ne_device_free(scene->device);
	lab_hypervisor_free(scene->hypervisor);
	require(runner->running == 0);
	lab_runner_free(runner);
	lab_dma_free(scene->dma);
	nec_loop_free(scene->loop);
	(void)close(scene->peer.memory_fd);
	peer_free(&scene->peer);
}

static size_t put(uint8_t *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return size;
}

/* Whole pages of the memory, here and there. */
static size_t take_map(struct input *input, uint8_t *to)
{
	const struct dma_map map = {
		.argsz = sizeof(map),
		.flags = take_u8(input) % 5,
		.offset = (uint64_t)(take_u8(input) % 4) << 20,
		.address = (uint64_t)take_u8(input) << 20,
		.size = (uint64_t)take_u8(input) << 19,
	};

	return put(to, &map, sizeof(map));
}

static size_t take_unmap(struct input *input, uint8_t *to)
{
	const struct dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = take_u8(input) % 4,
		.address = (uint64_t)take_u8(input) << 20,
		.size = (uint64_t)take_u8(input) << 19,
	};

	return put(to, &unmap, sizeof(unmap));
}

static size_t take_irqs(struct input *input, uint8_t *to)
{
	const struct set_irqs set = {
		.argsz = sizeof(set),
		.flags = take_u8(input),
		.index = take_u8(input) % 6,
		.start = take_u8(input) % 4,
		.count = take_u8(input) % 4,
	};

	return put(to, &set, sizeof(set));
}

/* Asked for by index: regions, interrupts. */
static size_t take_info(struct input *input, uint8_t *to)
{
	const struct region_info info = { .argsz = sizeof(info), .index = take_u8(input) % 12 };

	return put(to, &info, sizeof(info));
}

/* In the device's registers or its configuration, mostly. */
static size_t take_access(struct input *input, uint8_t *to)
{
	const struct region_access access = {
		.offset = take_u16(input),
		.region = take_u8(input) % 10,
		.count = take_u8(input) % 16,
	};

	return put(to, &access, sizeof(access)) + take_bytes(input, to + sizeof(access), 16);
}

/* The shape that a message of this command has, or another. */
static size_t take_payload(struct input *input, uint16_t command, uint8_t *to)
{
	static const char version[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":16}}";

	switch (take_u8(input) % 4 ? command : take_u8(input) % COMMANDS) {
	case VERSION:
		return put(to, version, sizeof(version));
	case DMA_MAP:
		return take_map(input, to);
	case DMA_UNMAP:
		return take_unmap(input, to);
	case DEVICE_GET_REGION_INFO:
	case DEVICE_GET_IRQ_INFO:
	case DEVICE_GET_INFO:
		return take_info(input, to);
	case DEVICE_SET_IRQS:
		return take_irqs(input, to);
	case REGION_READ:
	case REGION_WRITE:
		return take_access(input, to);
	default:
		return take_bytes(input, to, SHORT);
	}
}

static void say(struct scene *scene)
{
	struct input *input = &scene->input;
	uint8_t bytes[sizeof(struct header) + SHORT];
	struct header header = { .command = take_u8(input) % (COMMANDS + 5) };
	int fds[PEER_MAX_FDS];
	size_t size;
	size_t fd_count;

	header.flags = take_u8(input) % 8 ? 0 : take_u8(input);
	size = sizeof(header) + take_payload(input, header.command, bytes + sizeof(header));
	header.size = (uint32_t)size;
	memcpy(bytes, &header, sizeof(header));
	fd_count = take_u8(input) % 2 ? peer_take_fds(&scene->peer, input, fds) : 0;
	peer_send(&scene->peer, bytes, size, fds, fd_count);
}

/* The driver switches it on, and gives a command of up to three small numbers. */
static void give_command(struct scene *scene)
{
	const struct lab_vfio_device *vfio = lab_ne_device_get_vfio(scene->device);
	const uint8_t on = 1;
	uint8_t command[4] = { take_u8(&scene->input) % (LAB_COMMANDS + 1) };

	require(vfio->write(vfio->userdata, 3, 0, &on, 1) == 0);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t number = (uint64_t)take_u8(&scene->input) << 21;

		require(vfio->write(vfio->userdata, 3, 0x10 + 8 * i, (const uint8_t *)&number, 8) ==
			0);
	}
	require(vfio->write(vfio->userdata, 3, 4, command, sizeof(command)) == 0);
}

static void step(struct scene *scene)
{
	switch (take_u8(&scene->input) % 8) {
	case 0:
		peer_send_anything(&scene->peer, &scene->input, SHORT);
		break;
	case 1:
		peer_read_answers(&scene->peer);
		break;
	case 2:
		give_command(scene);
		break;
	case 3:
		lab_ne_device_interrupt(scene->device, take_u8(&scene->input) % 2);
		break;
	default:
		say(scene);
	}
	require(nec_loop_run_once(scene->loop, 0, NULL) == 0);
	require(nec_loop_run_once(scene->loop, 0, NULL) == 0);
	require(scene->peer.ended <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = { .input = { .data = data, .left = size } };
	int before = lowest_fd();

	set_up(&scene);
	for (int i = 0; i < MAX_STEPS && scene.input.left > 0 && !scene.peer.ended; i++)
		step(&scene);
	tear_down(&scene);
	require(lowest_fd() == before);
	return 0;
}
