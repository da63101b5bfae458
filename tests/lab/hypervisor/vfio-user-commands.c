/* SPDX-License-Identifier: Apache-2.0 */
/* What the messages of vfio-user mean. Every size is checked against what has arrived. */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "vfio-user-internal.h"

static size_t payload_bytes(const struct lab_vfio_user *server)
{
	return server->header.size - sizeof(server->header);
}

/* Copies the fixed part of a message; false when it is not all there. */
static bool take(const struct lab_vfio_user *server, void *to, size_t size)
{
	if (payload_bytes(server) < size)
		return false;
	memcpy(to, server->payload, size);
	return true;
}

/* ---- agreeing on a version ---- */

/* Capabilities that we do not know are not for us; but they must be JSON that ends in NUL. */
static int check_capabilities(const struct lab_vfio_user *server)
{
	const char *text = (const char *)server->payload + 4;
	size_t size = payload_bytes(server) - 4;
	cJSON *json = NULL;
	bool object;

	if (size == 0) /* all of it may be left out */
		return 0;
	if (text[size - 1] != '\0' || nec_json_parse(text, size - 1, &json, NULL) < 0)
		return -EINVAL;
	object = nec_json_is_object(json);
	nec_json_free(json);
	return object ? 0 : -EINVAL;
}

/*
 * Shorter than what QEMU sends, as its room for our answer is no larger. "write_multiple" is not in
 * it, so that each write comes in a message of its own.
 */
static int version(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	const uint16_t ours[2] = { 0, 0 };
	uint16_t theirs[2];
	int r;

	if (!take(server, theirs, sizeof(theirs)) || theirs[0] != ours[0])
		return -EINVAL;
	r = check_capabilities(server);
	if (r < 0)
		return r;
	server->negotiated = true;
	nec_buffer_append(reply, ours, sizeof(ours));
	nec_buffer_printf(reply,
			  "{\"capabilities\":{\"max_msg_fds\":%d,\"max_data_xfer_size\":%d,"
			  "\"max_dma_maps\":%d}}",
			  LAB_VFIO_MAX_FDS, MAX_DATA, LAB_DMA_MAX_MAPS);
	nec_buffer_append_u8(reply, 0);
	return 0;
}

/* ---- memory ---- */

static int dma_map(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	struct dma_map map;
	int fd;
	int r;

	(void)reply;
	if (!take(server, &map, sizeof(map)) || map.argsz < sizeof(map) ||
	    server->message.fd_count > 1)
		return -EINVAL;
	fd = nec_fd_message_take_fd(&server->message);
	r = lab_dma_map(server->dma,
			&(struct lab_dma_range){
				.address = map.address,
				.size = map.size,
				.offset = map.offset,
				.flags = map.flags,
			},
			fd);
	if (fd >= 0)
		(void)close(fd); /* the mapping holds the memory */
	return r;
}

static int dma_unmap(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	struct dma_unmap unmap;
	int r = 0;

	if (!take(server, &unmap, sizeof(unmap)) || unmap.argsz < sizeof(unmap))
		return -EINVAL;
	if (unmap.flags & ~(uint32_t)UNMAP_ALL)
		return -ENOTSUP; /* bitmaps of dirty pages: no migration */
	if (unmap.flags & UNMAP_ALL)
		lab_dma_unmap_all(server->dma);
	else
		r = lab_dma_unmap(server->dma, unmap.address, unmap.size);
	nec_buffer_append(reply, &unmap, sizeof(unmap));
	return r;
}

/* ---- what the device is ---- */

static int get_info(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	struct device_info info;

	if (!take(server, &info, sizeof(info)) || info.argsz < sizeof(info))
		return -EINVAL;
	info = (struct device_info){
		.argsz = sizeof(info),
		.flags = DEVICE_FLAG_RESET | DEVICE_FLAG_PCI,
		.regions = LAB_VFIO_REGIONS,
		.irqs = LAB_VFIO_IRQS,
	};
	nec_buffer_append(reply, &info, sizeof(info));
	return 0;
}

static int get_region_info(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	struct region_info info;

	if (!take(server, &info, sizeof(info)) || info.argsz < sizeof(info) ||
	    info.index >= LAB_VFIO_REGIONS)
		return -EINVAL;
	info = (struct region_info){
		.argsz = sizeof(info),
		.index = info.index,
		.size = server->device->region_bytes[info.index],
	};
	if (info.size > 0)
		info.flags = REGION_FLAG_READ | REGION_FLAG_WRITE;
	nec_buffer_append(reply, &info, sizeof(info));
	return 0;
}

static int get_irq_info(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	struct irq_info info;

	if (!take(server, &info, sizeof(info)) || info.argsz < sizeof(info) ||
	    info.index >= LAB_VFIO_IRQS)
		return -EINVAL;
	info = (struct irq_info){
		.argsz = sizeof(info),
		.index = info.index,
		.count = server->device->irq_count[info.index],
	};
	if (info.count > 0)
		info.flags = IRQ_FLAG_EVENTFD | IRQ_FLAG_NO_RESIZE;
	nec_buffer_append(reply, &info, sizeof(info));
	return 0;
}

/* ---- interrupts ---- */

/* Of the others only errors are there, so that QEMU is content, and nothing raises them. */
static void bind(struct lab_vfio_user *server, const struct set_irqs *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		int fd = nec_fd_message_take_fd(&server->message);

		if (set->index == LAB_VFIO_MSIX)
			server->device->bind(server->device->userdata, set->start + i, fd);
		else if (fd >= 0)
			(void)close(fd);
	}
}

static void trigger(struct lab_vfio_user *server, const struct set_irqs *set)
{
	for (uint32_t i = 0; i < set->count && set->index == LAB_VFIO_MSIX; i++)
		server->device->trigger(server->device->userdata, set->start + i);
}

/* With a count of 0 and no data it switches all vectors off. */
static void set_irqs_of_index(struct lab_vfio_user *server, const struct set_irqs *set)
{
	struct set_irqs all = *set;

	if (set->flags & IRQ_DATA_EVENTFD) {
		bind(server, set);
	} else if (set->count > 0) {
		trigger(server, set);
	} else {
		all.start = 0;
		all.count = server->device->irq_count[set->index];
		bind(server, &all);
	}
}

/* Each vector has its descriptor, or none has: then they are tied to nothing. */
static int set_irqs(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	struct set_irqs set;
	uint32_t data;
	uint32_t count;

	(void)reply;
	if (!take(server, &set, sizeof(set)) || set.argsz < sizeof(set) ||
	    set.index >= LAB_VFIO_IRQS)
		return -EINVAL;
	data = set.flags & IRQ_DATA_TYPES;
	count = server->device->irq_count[set.index];
	if ((set.flags & IRQ_ACTIONS) != IRQ_ACTION_TRIGGER ||
	    (data != IRQ_DATA_NONE && data != IRQ_DATA_EVENTFD))
		return -ENOTSUP; /* masks are the client's, who emulates the table */
	if (set.start > count || set.count > count - set.start)
		return -EINVAL;
	if (server->message.fd_count > 0 &&
	    (data != IRQ_DATA_EVENTFD || server->message.fd_count != set.count))
		return -EINVAL;
	set_irqs_of_index(server, &set);
	return 0;
}

/* ---- regions ---- */

static bool is_in_region(const struct lab_vfio_user *server, const struct region_access *access)
{
	uint64_t size;

	if (access->region >= LAB_VFIO_REGIONS || access->count > MAX_DATA)
		return false;
	size = server->device->region_bytes[access->region];
	return access->offset <= size && access->count <= size - access->offset;
}

static int region_read(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	const struct lab_vfio_device *device = server->device;
	struct region_access access;
	uint8_t data[MAX_DATA] = { 0 };
	int r;

	if (!take(server, &access, sizeof(access)) || !is_in_region(server, &access))
		return -EINVAL;
	r = device->read(device->userdata, access.region, access.offset, data, access.count);
	if (r < 0)
		return r;
	nec_buffer_append(reply, &access, sizeof(access));
	nec_buffer_append(reply, data, access.count);
	return 0;
}

static int region_write(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	const struct lab_vfio_device *device = server->device;
	struct region_access access;

	if (!take(server, &access, sizeof(access)) || !is_in_region(server, &access) ||
	    payload_bytes(server) - sizeof(access) != access.count)
		return -EINVAL;
	nec_buffer_append(reply, &access, sizeof(access));
	return device->write(device->userdata, access.region, access.offset,
			     server->payload + sizeof(access), access.count);
}

static int device_reset(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	(void)reply;
	server->device->reset(server->device->userdata);
	return 0;
}

static const struct {
	int (*handle)(struct lab_vfio_user *server, struct nec_buffer *reply);
	bool takes_fds;
} handlers[COMMANDS] = {
	[VERSION] = { version, false },
	[DMA_MAP] = { dma_map, true },
	[DMA_UNMAP] = { dma_unmap, false },
	[DEVICE_GET_INFO] = { get_info, false },
	[DEVICE_GET_REGION_INFO] = { get_region_info, false },
	[DEVICE_GET_IRQ_INFO] = { get_irq_info, false },
	[DEVICE_SET_IRQS] = { set_irqs, true },
	[REGION_READ] = { region_read, false },
	[REGION_WRITE] = { region_write, false },
	[DEVICE_RESET] = { device_reset, false },
};

int lab_vfio_execute(struct lab_vfio_user *server, struct nec_buffer *reply)
{
	uint16_t command = server->header.command;

	if (command >= COMMANDS || !handlers[command].handle)
		return -ENOTSUP;
	if (!server->negotiated && command != VERSION)
		return -EPROTO;
	if (server->message.fd_count > 0 && !handlers[command].takes_fds)
		return -EINVAL;
	return handlers[command].handle(server, reply);
}
