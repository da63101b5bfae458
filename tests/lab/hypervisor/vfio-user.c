/* SPDX-License-Identifier: Apache-2.0 */
/* Framing of vfio-user: messages in with their descriptors, answers out. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "vfio-user-internal.h"

/* A header is one, and what follows it another. */
enum { PARTS_A_TURN = 64 };

/* ---- answers ---- */

/* Returns 0, also when some of it has to wait, or a negative errno. */
static int send_output(struct lab_vfio_user *server)
{
	struct nec_buffer *output = &server->output;

	while (server->sent < output->size) {
		ssize_t n = send(server->fd, output->data + server->sent,
				 output->size - server->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			return -errno;
		server->sent += (size_t)n;
	}
	if (server->sent == output->size) {
		server->sent = 0;
		output->size = 0;
	}
	nec_source_set_events(server->source, output->size > 0 ? EPOLLOUT : EPOLLIN);
	return 0;
}

/* An error has no payload. */
static void append_reply(struct lab_vfio_user *server, int result, const struct nec_buffer *payload)
{
	size_t size = result < 0 ? 0 : payload->size;
	const struct header header = {
		.id = server->header.id,
		.command = server->header.command,
		.size = (uint32_t)(sizeof(header) + size),
		.flags = FLAG_REPLY | (result < 0 ? FLAG_ERROR : 0),
		.error = result < 0 ? (uint32_t)-result : 0,
	};

	nec_buffer_append(&server->output, &header, sizeof(header));
	nec_buffer_append(&server->output, payload->data, size);
}

static int handle_message(struct lab_vfio_user *server)
{
	cleanup_buffer struct nec_buffer payload = { 0 };
	int r = lab_vfio_execute(server, &payload);

	/* Answering is over when there is no memory for it: a client waits for every answer. */
	if (payload.failed)
		return -ENOMEM;
	if (!(server->header.flags & FLAG_NO_REPLY))
		append_reply(server, r, &payload);
	return server->output.failed ? -ENOMEM : send_output(server);
}

/* ---- messages ---- */

/* The payload is as long as check_header() has let pass; before that it is not looked at. */
static ssize_t receive_part(struct lab_vfio_user *server)
{
	const struct iovec header = { &server->header, sizeof(server->header) };
	const struct iovec payload = { server->payload, server->header.size - header.iov_len };

	return nec_fd_message_receive(&server->message, server->fd, header, payload);
}

static int check_header(const struct lab_vfio_user *server, nec_error *err)
{
	const struct header *header = &server->header;

	if (header->size < sizeof(*header) || header->size > sizeof(*header) + MAX_PAYLOAD)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vfio-user: command %" PRIu16 " of %" PRIu32 " bytes",
				     header->command, header->size);
	/* We ask the client for nothing, so it has nothing to answer. */
	if (header->flags & FLAG_TYPE)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "vfio-user: an answer to command %" PRIu16
				     " that was never given",
				     header->command);
	return 0;
}

static int take_message(struct lab_vfio_user *server, nec_error *err)
{
	int r = handle_message(server);

	nec_fd_message_next(&server->message);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, r,
					    "vfio-user: cannot answer command %" PRIu16,
					    server->header.command);
	return 1;
}

/* Takes a part. Returns 1 while there may be more, 0 at the end, -EAGAIN when nothing is there, or
 * another negative errno. */
static int take_part(struct lab_vfio_user *server, nec_error *err)
{
	ssize_t n = receive_part(server);
	int r;

	if (n == -EINTR)
		return 1;
	if (n == -EAGAIN)
		return -EAGAIN;
	if (n < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, (int)n, "vfio-user: cannot receive");
	if (n == 0)
		return 0;
	if (server->message.received < sizeof(server->header))
		return 1;
	r = check_header(server, err);
	if (r < 0)
		return r;
	return server->message.received < server->header.size ? 1 : take_message(server, err);
}

/* Takes what has arrived, but leaves room for others who live in the loop. */
static int take_input(struct lab_vfio_user *server, nec_error *err)
{
	int r = 1;

	for (int i = 0; i < PARTS_A_TURN && r > 0 && server->output.size == 0; i++)
		r = take_part(server, err);
	return r == -EAGAIN ? 1 : r;
}

static int turn(struct lab_vfio_user *server, uint32_t events, nec_error *err)
{
	int r;

	if (server->output.size == 0)
		return take_input(server, err);
	r = send_output(server);
	if (r == 0 && (events & (EPOLLHUP | EPOLLERR)))
		return 0; /* it will not take its answers any more */
	return r < 0 ? nec_error_set_system(err, NEC_E_SYSTEM, r, "vfio-user: cannot answer") : 1;
}

static void on_socket(void *userdata, uint32_t events)
{
	struct lab_vfio_user *server = userdata;
	nec_error err = NEC_ERROR_INIT;
	int r = turn(server, events, &err);

	if (r > 0)
		return;
	nec_source_free(TAKE_PTR(server->source));
	server->ended(server->userdata, r < 0 ? &err : NULL);
}

int lab_vfio_user_new(struct nec_loop *loop, int fd, struct lab_dma *dma,
		      const struct lab_vfio_device *device, lab_vfio_ended_fn ended, void *userdata,
		      struct lab_vfio_user **ret, nec_error *err)
{
	struct lab_vfio_user *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return nec_error_no_memory(err);
	*server = (struct lab_vfio_user){
		.loop = loop,
		.fd = -1,
		.dma = dma,
		.device = device,
		.ended = ended,
		.userdata = userdata,
	};
	r = nec_loop_add_fd(loop, fd, EPOLLIN, on_socket, server, &server->source, err);
	if (r < 0) {
		lab_vfio_user_free(server);
		return r;
	}
	server->fd = fd;
	*ret = server;
	return 0;
}

void lab_vfio_user_free(struct lab_vfio_user *server)
{
	if (!server)
		return;
	nec_source_free(server->source);
	nec_fd_message_drop_fds(&server->message);
	nec_buffer_free(&server->output);
	if (server->fd >= 0)
		(void)close(server->fd);
	free(server);
}
