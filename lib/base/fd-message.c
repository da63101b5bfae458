/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with descriptors that arrive over a Unix stream socket. */
#include "base/fd-message.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix-socket.h"

/* Keeps the descriptors that came along. Returns false when there are more than any message has. */
static bool keep_fds(struct nec_fd_message *message, struct msghdr *from)
{
	/* Our table of descriptors is full: the kernel has closed what did not fit. */
	bool fit = !(from->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(from); c; c = CMSG_NXTHDR(from, c)) {
		const int *fds = (const int *)(const void *)CMSG_DATA(c);
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (message->fd_count < NEC_FD_MESSAGE_MAX_FDS) {
				message->fds[message->fd_count++] = fds[i];
			} else {
				(void)close(fds[i]);
				fit = false;
			}
		}
	}
	return fit;
}

ssize_t nec_fd_message_receive(struct nec_fd_message *message, int socket, struct iovec header,
			       struct iovec payload)
{
	bool in_header = message->received < header.iov_len;
	struct iovec part = in_header ? header : payload;
	size_t done = message->received - (in_header ? 0 : header.iov_len);
	/* Room for all that the kernel brings: none is cut off for want of place. */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * NEC_MAX_FDS)];
	} control;
	struct msghdr from = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	part.iov_base = (char *)part.iov_base + done;
	part.iov_len -= done;
	n = recvmsg(socket, &from, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	if (!keep_fds(message, &from))
		return -EMFILE;
	message->received += (size_t)n;
	return n;
}

int nec_fd_message_take_fd(struct nec_fd_message *message)
{
	int fd;

	if (message->fd_count == 0)
		return -1;
	fd = message->fds[0];
	message->fd_count--;
	memmove(message->fds, message->fds + 1, message->fd_count * sizeof(message->fds[0]));
	return fd;
}

void nec_fd_message_drop_fds(struct nec_fd_message *message)
{
	int fd;

	while ((fd = nec_fd_message_take_fd(message)) >= 0)
		(void)close(fd);
}

void nec_fd_message_next(struct nec_fd_message *message)
{
	nec_fd_message_drop_fds(message);
	message->received = 0;
}
