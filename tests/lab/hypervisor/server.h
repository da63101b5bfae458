/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of the device: one client at a time, and after it the next. */
#ifndef LAB_SERVER_H
#define LAB_SERVER_H

#include "ne-device.h"

struct lab_server;

/*
 * Listens at @path. While one is served others wait to be taken; one that follows at once is not
 * turned away because the end of the last has not been noticed yet. When it goes the device is
 * reset and its memory forgotten. Returns 0 or a negative errno; @dma and @device stay the
 * caller's.
 */
int lab_server_new(struct nec_loop *loop, const char *path, struct lab_dma *dma,
		   struct lab_ne_device *device, struct lab_server **ret, nec_error *err);
/* Ends the connection and removes the socket. Accepts NULL. */
void lab_server_free(struct lab_server *server);

bool lab_server_has_client(const struct lab_server *server);

#endif
