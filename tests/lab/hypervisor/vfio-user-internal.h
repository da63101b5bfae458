/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of the vfio-user server: framing (vfio-user.c) and what the messages mean
 * (vfio-user-commands.c). Numbers are the specification's, in the byte order of the host. */
#ifndef LAB_VFIO_USER_INTERNAL_H
#define LAB_VFIO_USER_INTERNAL_H

#include "base/buffer.h"
#include "vfio-user.h"

enum command {
	VERSION = 1,
	DMA_MAP = 2,
	DMA_UNMAP = 3,
	DEVICE_GET_INFO = 4,
	DEVICE_GET_REGION_INFO = 5,
	DEVICE_GET_IRQ_INFO = 7,
	DEVICE_SET_IRQS = 8,
	REGION_READ = 9,
	REGION_WRITE = 10,
	DEVICE_RESET = 13,
	COMMANDS = 14,
};

enum { FLAG_TYPE = 0xf, FLAG_REPLY = 1, FLAG_NO_REPLY = 0x10, FLAG_ERROR = 0x20 };

/* What one REGION_READ or REGION_WRITE may carry: the whole configuration space is the most that
 * anybody asks for. The client is told. */
enum { MAX_DATA = 4096, MAX_PAYLOAD = MAX_DATA + 64 };

struct header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* with the header */
	uint32_t flags;
	uint32_t error;
};

struct dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t address;
	uint64_t size;
};

struct dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t size;
};
enum { UNMAP_DIRTY_BITMAP = 1, UNMAP_ALL = 2 };

struct device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};
enum { DEVICE_FLAG_RESET = 1, DEVICE_FLAG_PCI = 2 };

struct region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t capability;
	uint64_t size;
	uint64_t offset;
};
enum { REGION_FLAG_READ = 1, REGION_FLAG_WRITE = 2 };

struct irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
enum { IRQ_FLAG_EVENTFD = 1, IRQ_FLAG_NO_RESIZE = 8 };

struct set_irqs {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
};
enum {
	IRQ_DATA_NONE = 1,
	IRQ_DATA_EVENTFD = 4,
	IRQ_DATA_TYPES = 7,
	IRQ_ACTION_TRIGGER = 0x20,
	IRQ_ACTIONS = 0x38,
};

struct region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

struct lab_vfio_user {
	struct nec_loop *loop;
	int fd;
	struct nec_source *source;
	struct lab_dma *dma;
	const struct lab_vfio_device *device;
	lab_vfio_ended_fn ended;
	void *userdata;
	bool negotiated;

	/* The message that is arriving. */
	struct header header;
	uint8_t payload[MAX_PAYLOAD];
	struct nec_fd_message message;

	/* Answers that the client has not taken yet; nothing more is read until it has. */
	struct nec_buffer output;
	size_t sent;
};

/*
 * Does what the message says, and appends the payload of the answer to @reply. Returns 0, or the
 * negative errno that the client is to be told.
 */
int lab_vfio_execute(struct lab_vfio_user *server, struct nec_buffer *reply);

#endif
