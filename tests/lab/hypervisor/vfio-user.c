/* SPDX-License-Identifier: Apache-2.0 */
/* Framing of vfio-user: messages in with their descriptors, answers out. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "vfio-user-internal.h"

/* The most descriptors that the kernel takes along with one message. */
enum { KERNEL_MAX_FDS = 253 };

/* A header is one, and what follows it another. */
enum { PARTS_A_TURN = 64 };

int lab_vfio_take_fd(struct lab_vfio_user *server)
{
	int fd;

	if (server->fd_count == 0)
		return -1;
	fd = server->fds[0];
	server->fd_count--;
	memmove(server->fds, server->fds + 1, server->fd_count * sizeof(server->fds[0]));
	return fd;
}

static void drop_fds(struct lab_vfio_user *server)
{
	int fd;

	while ((fd = lab_vfio_take_fd(server)) >= 0)
		(void)close(fd);
}

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

/* Keeps the descriptors that came along. Returns false when there are more than any message has. */
static bool keep_fds(struct lab_vfio_user *server, struct msghdr *message)
{
	/* Our table of descriptors is full: the kernel has closed what did not fit. */
	bool fit = !(message->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		const int *fds = (const int *)(const void *)CMSG_DATA(c);
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (server->fd_count < ARRAY_SIZE(server->fds)) {
				server->fds[server->fd_count++] = fds[i];
			} else {
				(void)close(fds[i]);
				fit = false;
			}
		}
	}
	return fit;
}

/*
 * Reads what is still missing of the header or of the payload, and no more: requests come one
 * behind the other, and descriptors belong to the message they come with. Returns the bytes read, 0
 * at the end, or a negative errno.
 */
static ssize_t receive_part(struct lab_vfio_user *server)
{
	const size_t header = sizeof(server->header);
	bool in_header = server->received < header;
	struct iovec part = {
		.iov_base = in_header ? (uint8_t *)&server->header + server->received
				      : server->payload + (server->received - header),
		.iov_len = (in_header ? header : server->header.size) - server->received,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * KERNEL_MAX_FDS)];
	} control;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(server->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	if (!keep_fds(server, &message))
		return -EMFILE;
	server->received += (size_t)n;
	return n;
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

	drop_fds(server);
	server->received = 0;
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

	if (n == -EAGAIN || n == -EINTR)
		return 1;
	if (n < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, (int)n, "vfio-user: cannot receive");
	if (n == 0)
		return 0;
	if (server->received < sizeof(server->header))
		return 1;
	r = check_header(server, err);
	if (r < 0)
		return r;
	return server->received < server->header.size ? 1 : take_message(server, err);
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
	drop_fds(server);
	nec_buffer_free(&server->output);
	if (server->fd >= 0)
		(void)close(server->fd);
	free(server);
}
