/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets. */
#include "base/tcp.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

enum { LISTEN_BACKLOG = 128 };

/* A machine may have IPv6 switched off: then "*" is every IPv4 address. */
static int open_listener(const struct addrinfo *address)
{
	cleanup_close int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int yes = 1;
	int no = 0;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int listen_at_all(uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct addrinfo address = { .ai_family = AF_INET6,
				    .ai_addr = (struct sockaddr *)&six,
				    .ai_addrlen = sizeof(six) };
	int fd = open_listener(&address);

	if (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL)
		return fd;
	address = (struct addrinfo){ .ai_family = AF_INET,
				     .ai_addr = (struct sockaddr *)&four,
				     .ai_addrlen = sizeof(four) };
	return open_listener(&address);
}

static int listen_at(const char *host, uint16_t port, nec_error *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	char service[8];
	int r;

	(void)snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "no address to listen at is called \"%s\": %s", host,
				     gai_strerror(r));
	r = open_listener(list);
	freeaddrinfo(list);
	return r;
}

int nec_tcp_listen(const char *host, uint16_t port, nec_error *err)
{
	bool all = strcmp(host, "*") == 0;
	bool loopback = !*host || strcmp(host, "localhost") == 0;
	int fd = all ? listen_at_all(port) : listen_at(loopback ? "127.0.0.1" : host, port, err);

	if (fd >= 0 || fd == -EINVAL)
		return fd;
	return nec_error_set_system(err, NEC_E_SYSTEM, fd, "cannot listen at %s, port %u",
				    loopback ? "127.0.0.1" : host, port);
}

int nec_tcp_connect(const struct sockaddr *address, socklen_t size)
{
	cleanup_close int fd =
		socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

void nec_tcp_tune(int fd)
{
	int yes = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
}

void nec_tcp_close_with_reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	(void)close(fd);
}

bool nec_socket_peer_is_gone(int fd)
{
	return send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN &&
	       errno != EINTR;
}

void nec_tcp_text(const struct sockaddr_storage *address, char to[NEC_TCP_TEXT_BYTES])
{
	char text[INET6_ADDRSTRLEN] = "";

	to[0] = '\0';
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)address;

		(void)inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
		(void)snprintf(to, NEC_TCP_TEXT_BYTES, "%s:%u", text, ntohs(four->sin_port));
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

		(void)inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
		(void)snprintf(to, NEC_TCP_TEXT_BYTES, "[%s]:%u", text, ntohs(six->sin6_port));
	}
}
