/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages with descriptors that arrive over a Unix stream socket: a header of a fixed size, then
 * as many bytes as it says. They are taken in the pieces they come in, and never more than one
 * message at a time: descriptors belong to the message they come with.
 */
#ifndef NEC_BASE_FD_MESSAGE_H
#define NEC_BASE_FD_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The most that any message has. */
enum { NEC_FD_MESSAGE_MAX_FDS = 8 };

/* The message that is arriving; all zeros when there is nothing of it yet. */
struct nec_fd_message {
	size_t received; /* of header and payload */
	size_t fd_count;
	int fds[NEC_FD_MESSAGE_MAX_FDS]; /* close-on-exec, the message's until they are taken */
};

/*
 * Reads what is still missing of the header or of the payload, and does not wait. @payload is not
 * looked at before the header is complete; its size is then what the header says. Returns the bytes
 * read, 0 at the end, or a negative errno: -EAGAIN, -EINTR, and -EMFILE when more descriptors came
 * than a message may have or than this process can open.
 */
ssize_t nec_fd_message_receive(struct nec_fd_message *message, int socket, struct iovec header,
			       struct iovec payload);

/* Takes the next descriptor that came, in their order; -1 when there is none. */
int nec_fd_message_take_fd(struct nec_fd_message *message);

/* Closes those that nobody has taken. */
void nec_fd_message_drop_fds(struct nec_fd_message *message);

/* The same, and the next message may come. */
void nec_fd_message_next(struct nec_fd_message *message);

#endif
