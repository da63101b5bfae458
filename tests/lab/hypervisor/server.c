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

static void on_client(void *userdata, int fd);

static int listen_again(struct lab_server *server, nec_error *err)
{
	return nec_listener_new(server->loop, server->fd, on_client, server, &server->listener,
				err);
}

/* Donated pages go back before the memory that they are part of. */
static void drop_client(struct lab_server *server)
{
	lab_vfio_user_free(TAKE_PTR(server->client));
	lab_ne_device_reset(server->device);
	lab_dma_unmap_all(server->dma);
}

static void on_ended(void *userdata, const nec_error *reason)
{
	struct lab_server *server = userdata;
	nec_error err = NEC_ERROR_INIT;

	if (reason)
		(void)fprintf(stderr, "lab: the device: %s\n", reason->message);
	drop_client(server);
	if (listen_again(server, &err) < 0)
		(void)fprintf(stderr, "lab: the device has no further machine: %s\n", err.message);
}

/* Others stay in the socket's queue: nobody listens until this one has gone. */
static void on_client(void *userdata, int fd)
{
	struct lab_server *server = userdata;
	nec_error err = NEC_ERROR_INIT;

	if (lab_vfio_user_new(server->loop, fd, server->dma, lab_ne_device_get_vfio(server->device),
			      on_ended, server, &server->client, &err) < 0) {
		(void)fprintf(stderr, "lab: the device: %s\n", err.message);
		(void)close(fd);
		return;
	}
	nec_listener_free(TAKE_PTR(server->listener));
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
		r = listen_again(server, err);
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
