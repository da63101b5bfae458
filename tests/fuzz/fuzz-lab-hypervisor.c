/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisor's commands in any order with any numbers, enclaves that end, and lines of the
 * control socket between them. After each the rules must hold, whatever was refused.
 */
#include <string.h>
#include <sys/mman.h>

#include "control.h"
#include "fuzz-input.h"
#include "stub-runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 300, PIECES = 24, VCPUS = 8 };

#define PIECE (UINT64_C(4) << 20) /* of memory; they are all the same pages */

struct scene {
	struct input input;
	struct nec_loop *loop;
	struct lab_dma *dma;
	struct lab_hypervisor *hypervisor;
	struct lab_ne_device *device;
	struct lab_runner *runner;
	struct lab_ne_commands commands;
	int memory_fd;
};

static void set_up_memory(struct scene *scene)
{
	scene->dma = lab_dma_new();
	scene->memory_fd = memfd_create("guest", MFD_CLOEXEC);
	require(scene->dma && scene->memory_fd >= 0 && ftruncate(scene->memory_fd, PIECE) == 0);
	for (uint64_t i = 0; i < PIECES; i++) {
		const struct lab_dma_range range = {
			.address = i * PIECE,
			.size = PIECE,
			.flags = LAB_DMA_READ | LAB_DMA_WRITE,
		};

		require(lab_dma_map(scene->dma, &range, scene->memory_fd) == 0);
	}
}

static void set_up(struct scene *scene)
{
	const struct lab_config config = { .vcpu_count = VCPUS,
					   .threads = 2,
					   .max_regions = PIECES };

	set_up_memory(scene);
	require(nec_loop_new(&scene->loop, NULL) == 0);
	require(lab_hypervisor_new(scene->dma, &config, &scene->hypervisor, NULL) == 0);
	scene->commands = lab_hypervisor_get_commands(scene->hypervisor);
	require(lab_hypervisor_equip(scene->hypervisor, scene->loop, "", NULL) == 0);
	scene->runner = scene->hypervisor->runner;
	scene->device = scene->hypervisor->device;
}

static void tear_down(struct scene *scene)
{
	lab_ne_device_free(scene->device);
	lab_hypervisor_free(scene->hypervisor);
	require(scene->runner->running == 0);
	lab_runner_free(scene->runner);
	lab_dma_free(scene->dma);
	nec_loop_free(scene->loop);
	(void)close(scene->memory_fd);
}

/* A slot that is there, or that was there, or that never was. */
static uint64_t take_slot(struct scene *scene)
{
	uint8_t choice = take_u8(&scene->input);
	uint64_t uid = scene->hypervisor->slots.slots[choice % 4].uid;

	return choice < 240 ? uid : choice;
}

/* A number as the arguments have them: small, of memory, or any. */
static uint64_t take_number(struct input *input)
{
	switch (take_u8(input) % 4) {
	case 0:
		return take_u8(input) % 20;
	case 1:
		return (uint64_t)(take_u8(input) % 64) << 21;
	case 2:
		return UINT64_C(64) << 20;
	default:
		return (uint64_t)take_u32(input) << take_u8(input) % 40;
	}
}

static void give_command(struct scene *scene)
{
	uint32_t command = take_u8(&scene->input) % (LAB_COMMANDS + 1);
	const uint64_t numbers[] = {
		take_slot(scene),
		take_number(&scene->input),
		take_number(&scene->input),
	};
	uint8_t request[LAB_NE_DATA_BYTES] = { 0 };
	struct lab_ne_answer answer = { 0 };

	memcpy(request, numbers, sizeof(numbers));
	scene->commands.execute(scene->commands.userdata, command, request, &answer);
}

static void say_line(struct scene *scene)
{
	cleanup_buffer struct nec_buffer answer = { 0 };
	char line[64];
	size_t size = take_u8(&scene->input) % sizeof(line);

	for (size_t i = 0; i < size; i++)
		line[i] = (char)take_u8(&scene->input);
	line[size] = '\0';
	lab_control_execute(scene->hypervisor, line, &answer);
	require(answer.size > 0 && answer.data[answer.size - 1] == '\n');
}

/* ---- what must hold ---- */

static void check_ranges(const struct lab_slots *slots, const struct lab_slot *slot)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < slot->range_count; i++) {
		const struct lab_range *range = &slot->ranges[i];

		bytes += range->size;
		for (size_t j = 0; j < (size_t)LAB_MAX_SLOTS; j++) {
			const struct lab_slot *other = &slots->slots[j];

			for (size_t k = 0; k < other->range_count; k++)
				require(&other->ranges[k] == range ||
					other->ranges[k].address >= range->address + range->size ||
					range->address >=
						other->ranges[k].address + other->ranges[k].size);
		}
	}
	require(bytes == slot->memory_bytes);
}

static size_t check_slots(struct lab_hypervisor *hypervisor)
{
	size_t running = 0;

	for (size_t i = 0; i < LAB_MAX_SLOTS; i++) {
		struct lab_slot *slot = &hypervisor->slots.slots[i];

		require(lab_hypervisor_get_donated(hypervisor, slot)->bytes == slot->memory_bytes);
		require(slot->uid == 0 || lab_slots_find(&hypervisor->slots, slot->uid) == slot);
		require(slot->cid == 0 ||
			lab_slots_find_cid(&hypervisor->slots, slot->cid) == slot);
		check_ranges(&hypervisor->slots, slot);
		running += slot->uid != 0 && slot->state == LAB_RUNNING;
	}
	return running;
}

static void check(struct scene *scene)
{
	struct lab_slots *slots = &scene->hypervisor->slots;

	require(check_slots(scene->hypervisor) == scene->runner->running);
	for (uint32_t i = 0; i < VCPUS; i++)
		require(slots->vcpu_owner[i] == 0 ||
			(i >= 2 && lab_slots_find(slots, slots->vcpu_owner[i])));
}

static void step(struct scene *scene)
{
	uint8_t choice = take_u8(&scene->input) % 16;

	if (choice == 0)
		say_line(scene);
	else if (choice == 1)
		stub_runner_end(scene->runner, take_slot(scene));
	else if (choice == 2 && take_u8(&scene->input) % 8 == 0)
		scene->commands.reset(scene->commands.userdata);
	else
		give_command(scene);
	check(scene);
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
