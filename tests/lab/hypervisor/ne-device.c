/* SPDX-License-Identifier: Apache-2.0 */
/* The Nitro Enclaves PCI device: numbers as the driver has them (nitro_enclaves/ne_pci_dev.h). */
#include "ne-device.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
	CONFIG_BYTES = 256,
	BAR = 3,
	BAR_BYTES = 0x4000,
	/* Where they are on the hardware is not known; the driver reads it from the capability. */
	MSIX_TABLE = 0x2000,
	MSIX_PENDING = 0x3000,
	MSIX_CAPABILITY = 0x40,
};

enum {
	REG_ENABLE = 0x0000,  /* 8 bits */
	REG_VERSION = 0x0002, /* 16 */
	REG_COMMAND = 0x0004, /* 32 */
	REG_COUNTS = 0x000c,  /* answers, and above them events */
	REG_SEND = 0x0010,
	REG_RECEIVE = 0x0100,
	REG_END = REG_RECEIVE + LAB_NE_DATA_BYTES,
};

enum { VERSION_1 = 1 };

/* Room for an answer on its way. */
struct pending {
	struct lab_ne_device *device;
	struct nec_source *timer; /* far in the future while there is none */
	bool waiting;
	uint8_t data[LAB_NE_DATA_BYTES];
};

struct lab_ne_device {
	struct nec_loop *loop;
	struct lab_ne_commands commands;
	struct lab_vfio_device vfio;
	uint8_t config[CONFIG_BYTES];
	uint8_t writable[CONFIG_BYTES]; /* bits of the configuration space */
	uint8_t registers[REG_END];
	int vectors[LAB_NE_VECTORS];
	bool raised[LAB_NE_VECTORS]; /* while nobody was there to hear of it */
	uint16_t answers;
	uint16_t events;
	struct pending pending[LAB_NE_MAX_PENDING];
};

/* ---- configuration space ---- */

static void put16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)value;
	to[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *to, uint32_t value)
{
	put16(to, (uint16_t)value);
	put16(to + 2, (uint16_t)(value >> 16));
}

static void fill_msix(struct lab_ne_device *device)
{
	uint8_t *capability = device->config + MSIX_CAPABILITY;

	device->config[PCI_CAPABILITY_LIST] = MSIX_CAPABILITY;
	capability[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	put16(capability + PCI_MSIX_FLAGS, LAB_NE_VECTORS - 1);
	put32(capability + PCI_MSIX_TABLE, MSIX_TABLE | BAR);
	put32(capability + PCI_MSIX_PBA, MSIX_PENDING | BAR);
	put16(device->writable + MSIX_CAPABILITY + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

/* A communication controller without an interrupt pin, as `lspci` shows it on EC2. */
static void fill_config(struct lab_ne_device *device)
{
	uint8_t *config = device->config;

	memset(config, 0, CONFIG_BYTES);
	put16(config + PCI_VENDOR_ID, 0x1d0f);
	put16(config + PCI_DEVICE_ID, 0xe4c1);
	put16(config + PCI_STATUS, PCI_STATUS_CAP_LIST);
	config[PCI_REVISION_ID] = 1;
	put16(config + PCI_CLASS_DEVICE, 0x0780);
	put16(config + PCI_SUBSYSTEM_VENDOR_ID, 0x1d0f);
	put16(config + PCI_SUBSYSTEM_ID, 0xe4c1);
	fill_msix(device);
}

static void fill_writable(struct lab_ne_device *device)
{
	uint8_t *writable = device->writable;

	put16(writable + PCI_COMMAND,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	writable[PCI_CACHE_LINE_SIZE] = 0xff;
	writable[PCI_LATENCY_TIMER] = 0xff;
	writable[PCI_INTERRUPT_LINE] = 0xff;
	put32(writable + PCI_BASE_ADDRESS_0 + sizeof(uint32_t) * BAR, ~(uint32_t)(BAR_BYTES - 1));
}

static void write_config(struct lab_ne_device *device, uint64_t offset, const uint8_t *from,
			 size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t mask = device->writable[offset + i];
		uint8_t *to = &device->config[offset + i];

		*to = (uint8_t)((*to & ~mask) | (from[i] & mask));
	}
}

/* ---- interrupts ---- */

/*
 * The descriptor's flags are shared with the client, so it may be one that blocks; a full one needs
 * nothing, as the client has not looked at the last interrupt yet.
 */
static void signal_fd(int fd)
{
	const uint64_t one = 1;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT))
		(void)!write(fd, &one, sizeof(one));
}

static void raise(struct lab_ne_device *device, uint32_t vector)
{
	device->raised[vector] = device->vectors[vector] < 0;
	if (!device->raised[vector])
		signal_fd(device->vectors[vector]);
}

void lab_ne_device_interrupt(struct lab_ne_device *device, uint32_t vector)
{
	if (vector == LAB_NE_VECTOR_EVENT) {
		device->events++;
		put16(device->registers + REG_COUNTS + 2, device->events);
	}
	raise(device, vector);
}

static void unbind(struct lab_ne_device *device, uint32_t vector)
{
	if (device->vectors[vector] >= 0)
		(void)close(device->vectors[vector]);
	device->vectors[vector] = -1;
}

static void bind(void *userdata, uint32_t vector, int fd)
{
	struct lab_ne_device *device = userdata;

	unbind(device, vector);
	device->vectors[vector] = fd;
	if (fd >= 0 && device->raised[vector])
		raise(device, vector);
}

static void trigger(void *userdata, uint32_t vector)
{
	raise(userdata, vector);
}

/* ---- commands ---- */

static void forget_answer(struct pending *pending)
{
	pending->waiting = false;
	nec_source_set_timer(pending->timer, UINT64_MAX);
}

/* The whole answer is there before the interrupt says so. */
static void on_answer(void *userdata, uint32_t events)
{
	struct pending *pending = userdata;
	struct lab_ne_device *device = pending->device;

	(void)events;
	if (!pending->waiting)
		return;
	pending->waiting = false;
	memcpy(device->registers + REG_RECEIVE, pending->data, sizeof(pending->data));
	put16(device->registers + REG_COUNTS, ++device->answers);
	raise(device, LAB_NE_VECTOR_ANSWER);
}

/* Also one without delay comes later than the write that asks for it is done, as on the hardware.
 */
static void answer_later(struct lab_ne_device *device, const struct lab_ne_answer *answer)
{
	struct pending *place = device->pending;

	while (place < &device->pending[LAB_NE_MAX_PENDING] && place->waiting)
		place++;
	if (place == &device->pending[LAB_NE_MAX_PENDING])
		return; /* the driver waits for each answer, or gives up for two minutes */
	place->waiting = true;
	memcpy(place->data, answer->data, sizeof(place->data));
	nec_source_set_timer(place->timer, answer->delay_usec);
}

static void execute(struct lab_ne_device *device, uint32_t command)
{
	struct lab_ne_answer answer = { 0 };
	uint8_t request[LAB_NE_DATA_BYTES];

	if (device->registers[REG_ENABLE] != 1)
		return;
	memcpy(request, device->registers + REG_SEND, sizeof(request));
	device->commands.execute(device->commands.userdata, command, request, &answer);
	if (!answer.lost)
		answer_later(device, &answer);
}

/* ---- registers ---- */

/* Nothing of what was is left; interrupts that nobody has heard of are none any more. */
static void switch_off(struct lab_ne_device *device)
{
	for (size_t i = 0; i < LAB_NE_MAX_PENDING; i++)
		forget_answer(&device->pending[i]);
	memset(device->registers, 0, sizeof(device->registers));
	memset(device->raised, 0, sizeof(device->raised));
	device->answers = 0;
	device->events = 0;
	device->commands.reset(device->commands.userdata);
}

static void write_enable(struct lab_ne_device *device, uint8_t value)
{
	if (value == 0 && device->registers[REG_ENABLE] != 0)
		switch_off(device);
	if (value == 1)
		device->registers[REG_ENABLE] = 1;
}

/* The highest version that both know, of which there is one. */
static void write_version(struct lab_ne_device *device, uint16_t value)
{
	put16(device->registers + REG_VERSION, value >= VERSION_1 ? VERSION_1 : 0);
}

static uint32_t value_of(const uint8_t *from, size_t size)
{
	uint32_t value = 0;

	memcpy(&value, from, size);
	return le32toh(value);
}

/* Control registers have one width; the request may come in any, also byte by byte. */
static void write_register(struct lab_ne_device *device, uint64_t offset, const uint8_t *from,
			   size_t size)
{
	if (offset == REG_ENABLE && size == 1)
		write_enable(device, from[0]);
	else if (offset == REG_VERSION && size == 2)
		write_version(device, (uint16_t)value_of(from, size));
	else if (offset == REG_COMMAND && size == 4)
		execute(device, value_of(from, size));
	else if (offset >= REG_SEND && offset + size <= REG_SEND + LAB_NE_DATA_BYTES)
		memcpy(device->registers + offset, from, size);
}

static uint8_t read_byte(const struct lab_ne_device *device, uint64_t offset)
{
	uint8_t waiting = 0;

	if (offset < REG_END)
		return device->registers[offset];
	if (offset != MSIX_PENDING)
		return 0;
	for (size_t i = 0; i < LAB_NE_VECTORS; i++)
		waiting |= (uint8_t)(device->raised[i] << i);
	return waiting;
}

static bool is_width(size_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static int read_region(void *userdata, uint32_t region, uint64_t offset, uint8_t *to, size_t size)
{
	const struct lab_ne_device *device = userdata;

	if (region == LAB_VFIO_CONFIG) {
		memcpy(to, device->config + offset, size);
		return 0;
	}
	if (!is_width(size))
		return -EINVAL;
	for (size_t i = 0; i < size; i++)
		to[i] = read_byte(device, offset + i);
	return 0;
}

static int write_region(void *userdata, uint32_t region, uint64_t offset, const uint8_t *from,
			size_t size)
{
	struct lab_ne_device *device = userdata;

	if (region == LAB_VFIO_CONFIG) {
		write_config(device, offset, from, size);
		return 0;
	}
	if (!is_width(size))
		return -EINVAL;
	write_register(device, offset, from, size);
	return 0;
}

/* ---- life ---- */

static void reset(void *userdata)
{
	struct lab_ne_device *device = userdata;

	switch_off(device);
	fill_config(device);
}

void lab_ne_device_reset(struct lab_ne_device *device)
{
	reset(device);
	for (uint32_t i = 0; i < LAB_NE_VECTORS; i++)
		unbind(device, i);
}

static int make_timers(struct lab_ne_device *device, nec_error *err)
{
	int r = 0;

	for (size_t i = 0; i < LAB_NE_MAX_PENDING && r >= 0; i++) {
		struct pending *pending = &device->pending[i];

		pending->device = device;
		r = nec_loop_add_timer(device->loop, UINT64_MAX, on_answer, pending,
				       &pending->timer, err);
	}
	return r;
}

int lab_ne_device_new(struct nec_loop *loop, const struct lab_ne_commands *commands,
		      struct lab_ne_device **ret, nec_error *err)
{
	struct lab_ne_device *device = calloc(1, sizeof(*device));
	int r;

	if (!device)
		return nec_error_no_memory(err);
	*device = (struct lab_ne_device){
		.loop = loop,
		.commands = *commands,
		.vfio = {
			.userdata = device,
			.region_bytes = {
				[LAB_VFIO_BAR0 + BAR] = BAR_BYTES,
				[LAB_VFIO_CONFIG] = CONFIG_BYTES,
			},
			/* QEMU wants one for errors, too; none is ever raised. */
			.irq_count = { [LAB_VFIO_MSIX] = LAB_NE_VECTORS, [LAB_VFIO_MSIX + 1] = 1 },
			.read = read_region,
			.write = write_region,
			.bind = bind,
			.trigger = trigger,
			.reset = reset,
		},
		.vectors = { -1, -1 },
	};
	fill_config(device);
	fill_writable(device);
	r = make_timers(device, err);
	if (r < 0) {
		lab_ne_device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

void lab_ne_device_free(struct lab_ne_device *device)
{
	if (!device)
		return;
	for (size_t i = 0; i < LAB_NE_MAX_PENDING; i++)
		nec_source_free(device->pending[i].timer);
	for (uint32_t i = 0; i < LAB_NE_VECTORS; i++)
		unbind(device, i);
	free(device);
}

const struct lab_vfio_device *lab_ne_device_get_vfio(struct lab_ne_device *device)
{
	return &device->vfio;
}
