/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of a parent instance as anybody may have written it: nothing of nec in it.
 *
 *   vsock-program client CID PORT     asks for its own CID, sends a line, prints what comes back
 *   vsock-program server PORT         sends back what 20 clients send, with epoll
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void print_own_cid(void)
{
	unsigned int cid = 0;
	int fd = open("/dev/vsock", O_RDONLY);

	if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
		die("/dev/vsock");
	printf("my CID is %u\n", cid);
	close(fd);
}

static void set_options(int fd)
{
	struct timeval timeout = { .tv_sec = 1 };
	unsigned long long size = 65536;
	socklen_t length = sizeof(size);

	if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)) <
		    0 ||
	    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)) < 0 ||
	    getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, &length) < 0 || size == 0)
		die("options");
}

static int client(unsigned int cid, unsigned int port)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	static const char text[] = "hello, vsock\n";
	char answer[sizeof(text)] = "";
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	print_own_cid();
	if (fd < 0)
		die("socket");
	set_options(fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	if (send(fd, text, sizeof(text) - 1, 0) != sizeof(text) - 1 ||
	    recv(fd, answer, sizeof(text) - 1, MSG_WAITALL) != sizeof(text) - 1)
		die("echo");
	fputs(answer, stdout);
	return 0;
}

static int listen_at(unsigned int port)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK,
				       .svm_cid = VMADDR_CID_ANY,
				       .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 128) < 0)
		die("listen");
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

static void accept_all(int epoll, int listener)
{
	struct sockaddr_vm peer;
	socklen_t size = sizeof(peer);
	int fd;

	while ((fd = accept4(listener, (struct sockaddr *)&peer, &size,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (size != sizeof(peer) || peer.svm_family != AF_VSOCK || peer.svm_cid != 16)
			die("peer");
		watch(epoll, fd);
	}
	if (errno != EAGAIN)
		die("accept4");
}

static int server(unsigned int port)
{
	int listener = listen_at(port);
	int epoll = epoll_create1(0);
	int ended = 0;

	watch(epoll, listener);
	while (ended < 20) {
		struct epoll_event event;
		char bytes[256];
		ssize_t n;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			die("epoll_wait");
		if (event.data.fd == listener) {
			accept_all(epoll, listener);
			continue;
		}
		while ((n = read(event.data.fd, bytes, sizeof(bytes))) > 0)
			if (write(event.data.fd, bytes, (size_t)n) != n)
				die("write");
		if (n == 0) {
			close(event.data.fd);
			ended++;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "client") == 0)
		return client((unsigned int)atoi(argv[2]), (unsigned int)atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "server") == 0)
		return server((unsigned int)atoi(argv[2]));
	return 2;
}
