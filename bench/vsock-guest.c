/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of bench-simulation: one process a port, which takes one connection after the
 * other.
 *
 * port 1: takes as many bytes as the first eight say, then answers with one. port 2: sends until
 * nobody reads. port 3: sends back each byte that comes.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { SINK_PORT = 1, SOURCE_PORT = 2, ECHO_PORT = 3, BACKLOG = 128 };

static char bytes[256 * 1024];

static void sink(int fd)
{
	uint64_t left = 0;
	ssize_t n = read(fd, &left, sizeof(left));

	while (n > 0 && left > 0) {
		n = read(fd, bytes, sizeof(bytes));
		left -= n > 0 ? (uint64_t)n : 0;
	}
	(void)!write(fd, bytes, 1);
}

static void source(int fd)
{
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void echo(int fd)
{
	char byte;

	while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
		;
}

static int serve(unsigned int port, void (*answer)(int fd))
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int listener = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (listener < 0 ||
	    bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, BACKLOG) < 0) {
		perror("vsock-guest");
		return 1;
	}
	(void)printf("vsock-guest: listening\n");
	(void)fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		answer(fd);
		(void)close(fd);
	}
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (fork() == 0)
		return serve(SINK_PORT, sink);
	if (fork() == 0)
		return serve(SOURCE_PORT, source);
	return serve(ECHO_PORT, echo);
}
