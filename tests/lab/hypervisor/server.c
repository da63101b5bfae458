/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of the device. */
#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/listener.h"
#include "base/unix-socket.h"

struct lab_server {
	struct nec_loop *loop;
	struct lab_dma *dma;
	struct lab_ne_device *device;
	char *path;
	int fd;
	struct nec_listener *listener;
	struct lab_vfio_user *client;
};

/* Donated pages go back before the memory that they are part of. */
static void drop_client(struct lab_server *server)
{
	lab_vfio_user_free(TAKE_PTR(server->client));
	lab_ne_device_reset(server->device);
	lab_dma_unmap_all(server->dma);
}

static void on_ended(void *userdata, const nec_error *err)
{
	if (err)
		fprintf(stderr, "lab-hypervisor: %s\n", err->message);
	drop_client(userdata);
}

static void on_client(void *userdata, int fd)
{
	struct lab_server *server = userdata;
	nec_error err = NEC_ERROR_INIT;

	if (server->client) {
		fprintf(stderr, "lab-hypervisor: the device has a client already\n");
		(void)close(fd);
		return;
	}
	if (lab_vfio_user_new(server->loop, fd, server->dma, lab_ne_device_get_vfio(server->device),
			      on_ended, server, &server->client, &err) < 0) {
		fprintf(stderr, "lab-hypervisor: %s\n", err.message);
		(void)close(fd);
	}
}

int lab_server_new(struct nec_loop *loop, const char *path, struct lab_dma *dma,
		   struct lab_ne_device *device, struct lab_server **ret, nec_error *err)
{
	struct lab_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return nec_error_no_memory(err);
	*server = (struct lab_server){ .loop = loop, .dma = dma, .device = device, .fd = -1 };
	server->path = strdup(path);
	r = server->path ? nec_listen_unix(path, 0600, err) : nec_error_no_memory(err);
	if (r >= 0) {
		server->fd = r;
		r = nec_listener_new(loop, r, on_client, server, &server->listener, err);
	}
	if (r < 0) {
		lab_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void lab_server_free(struct lab_server *server)
{
	if (!server)
		return;
	if (server->client)
		drop_client(server);
	nec_listener_free(server->listener);
	if (server->fd >= 0) {
		(void)unlink(server->path);
		(void)close(server->fd);
	}
	free(server->path);
	free(server);
}

bool lab_server_has_client(const struct lab_server *server)
{
	return server->client != NULL;
}
