/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vfio-user server: a PCI device of ours in QEMU's machine, over a Unix socket. One client, one
 * device. Written for QEMU's client (hw/vfio-user, 10.1 and later) by the protocol's specification.
 */
#ifndef LAB_VFIO_USER_H
#define LAB_VFIO_USER_H

#include "base/fd-message.h"
#include "base/loop.h"
#include "dma.h"

/* Regions and interrupts by their index in the protocol. */
enum {
	LAB_VFIO_BAR0 = 0,
	LAB_VFIO_CONFIG = 7,
	LAB_VFIO_REGIONS = 9,
	LAB_VFIO_MSIX = 2,
	LAB_VFIO_IRQS = 5,
};

/* Of a message. */
enum { LAB_VFIO_MAX_FDS = NEC_FD_MESSAGE_MAX_FDS };

/* What stands behind the protocol. */
struct lab_vfio_device {
	void *userdata;
	uint64_t region_bytes[LAB_VFIO_REGIONS]; /* 0: there is none */
	uint32_t irq_count[LAB_VFIO_IRQS];
	/* Inside the region; the widths are the guest's. Return 0 or a negative errno. */
	int (*read)(void *userdata, uint32_t region, uint64_t offset, uint8_t *to, size_t size);
	int (*write)(void *userdata, uint32_t region, uint64_t offset, const uint8_t *from,
		     size_t size);
	/* Ties vector @vector of MSI-X to an eventfd, which it owns from here on; -1: to none. */
	void (*bind)(void *userdata, uint32_t vector, int fd);
	/* As if the device had raised it: how a client tests an eventfd. */
	void (*trigger)(void *userdata, uint32_t vector);
	void (*reset)(void *userdata);
};

struct lab_vfio_user;

/* @err tells why the connection ended: NULL when the client closed it. */
typedef void (*lab_vfio_ended_fn)(void *userdata, const nec_error *err);

/*
 * Serves the client at the other end of the stream socket @fd, which becomes the server's. What
 * breaks the framing ends the connection, what cannot be done is answered with an error. @ended is
 * called once, and the caller then releases the server. @dma and @device stay the caller's.
 */
int lab_vfio_user_new(struct nec_loop *loop, int fd, struct lab_dma *dma,
		      const struct lab_vfio_device *device, lab_vfio_ended_fn ended, void *userdata,
		      struct lab_vfio_user **ret, nec_error *err);
void lab_vfio_user_free(struct lab_vfio_user *server);

#endif
