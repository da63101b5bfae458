/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets: listeners, connections that do not block, addresses as text; and when a peer is
 * gone. */
#ifndef NEC_BASE_TCP_H
#define NEC_BASE_TCP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "nec.h"

/* "[address]:port" with room for an IPv6 address with a zone. */
enum { NEC_TCP_TEXT_BYTES = 96 };

/*
 * A non-blocking listener. @host: "" for loopback (127.0.0.1), "*" for all addresses, an address,
 * or a name; @port: 0 for any free one. Returns the fd, or a negative errno (NEC_E_SYSTEM,
 * NEC_E_INVALID_ARGUMENT: no such host).
 */
int nec_tcp_listen(const char *host, uint16_t port, nec_error *err);

/* Starts to connect. Returns the fd, connected or connecting (non-blocking), or a negative errno.
 */
int nec_tcp_connect(const struct sockaddr *address, socklen_t size);

/* What both ends of a forwarded connection want: no waiting for more bytes, and a peer that
 * vanished is noticed. Does nothing to other sockets. */
void nec_tcp_tune(int fd);

/* Closes; a TCP peer sees that the connection broke instead of a regular end. */
void nec_tcp_close_with_reset(int fd);

/*
 * Whether the peer of a connected stream socket takes nothing any more. A vsock whose peer is gone
 * is not told by poll(), which for half a close says the same; sending nothing tells, and sends
 * nothing. TCP answers that it is there, and is known by what becomes of the next bytes; a Unix
 * socket is known by its hang-up, too. Always true once one has shut down one's own side.
 */
bool nec_socket_peer_is_gone(int fd);

/* "127.0.0.1:80", "[::1]:80"; "" for what is no such address. */
void nec_tcp_text(const struct sockaddr_storage *address, char to[NEC_TCP_TEXT_BYTES]);

#endif
