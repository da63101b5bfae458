/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main process of a test image: for each connection to a vsock port of the enclave it starts a
 * program that has it as stdin and stdout, as inetd does. Whoever writes a number to port 99 has it
 * call that port of the parent, say hello, and gets what comes back.
 *
 *   vsock-launch PORT PROGRAM [ARGUMENT ...]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { PARENT_CID = 3, CALL_PORT = 99 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_at(unsigned int port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 16) < 0)
		die("listen");
	return fd;
}

/* Who comes to CALL_PORT says which port of the parent to call, and gets its answer. */
static void call_parent(int asked)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = PARENT_CID };
	char text[64] = "";
	ssize_t size = read(asked, text, sizeof(text) - 1);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.svm_port = (unsigned int)(size > 0 ? strtoul(text, NULL, 10) : 0);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die("call");
	if (write(fd, "hello", 5) != 5 || shutdown(fd, SHUT_WR) < 0)
		die("say");
	while ((size = read(fd, text, sizeof(text))) > 0)
		if (write(asked, text, (size_t)size) != size)
			die("answer");
	exit(0);
}

static void run(int fd, char **argv)
{
	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	/* A program inherits what is ignored, and may want to wait for its children. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)execv(argv[0], argv);
	die(argv[0]);
}

static void serve(int listener, char **argv)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			die("accept");
		if (fork() == 0) {
			if (argv)
				run(fd, argv);
			call_parent(fd);
		}
		(void)close(fd);
	}
}

int main(int argc, char **argv)
{
	int listener;
	int calls;

	if (argc < 3)
		return 2;
	listener = listen_at((unsigned int)strtoul(argv[1], NULL, 10));
	calls = listen_at(CALL_PORT);
	(void)signal(SIGCHLD, SIG_IGN);
	if (fork() == 0)
		serve(calls, NULL);
	serve(listener, argv + 2);
}
