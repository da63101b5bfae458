/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program to run in an enclave: answers on vsock, port 7 with what it gets (echo), port 8080 with
 * an HTTP page of its counters. `GET /stop` ends it, and with it the enclave.
 *
 * One process a connection, so that a slow client holds up nobody; the counters are shared.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { ECHO_PORT = 7, HTTP_PORT = 8080, BACKLOG = 128 };

struct counters {
	atomic_ulong echo_connections;
	atomic_ulong echo_bytes;
	atomic_ulong http_requests;
};

static struct counters *counters;
static pid_t first_process;

static int listen_at(unsigned int port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		perror("demo: cannot listen");
		exit(1);
	}
	printf("demo: listening at vsock port %u\n", port);
	return fd;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

static void echo(int fd)
{
	static char bytes[65536];
	ssize_t n;

	atomic_fetch_add(&counters->echo_connections, 1);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0 && write_all(fd, bytes, (size_t)n))
		atomic_fetch_add(&counters->echo_bytes, (unsigned long)n);
}

/* Reads up to the empty line that ends a request. */
static void read_request(int fd, char *to, size_t size)
{
	size_t used = 0;
	ssize_t n;

	do {
		n = read(fd, to + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
		to[used] = '\0';
	} while (n > 0 && used < size - 1 && !strstr(to, "\r\n\r\n"));
}

static void answer_http(int fd)
{
	char request[2048] = "";
	char page[512];
	char answer[1024];
	struct timespec up;
	bool stop;
	int size;

	read_request(fd, request, sizeof(request));
	stop = strncmp(request, "GET /stop ", 10) == 0;
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	size = snprintf(page, sizeof(page),
			"Hello from inside an enclave.\n"
			"up: %ld s\nhttp requests: %lu\necho connections: %lu\necho bytes: %lu\n%s",
			(long)up.tv_sec, atomic_fetch_add(&counters->http_requests, 1) + 1,
			atomic_load(&counters->echo_connections),
			atomic_load(&counters->echo_bytes), stop ? "Good bye.\n" : "");
	size = snprintf(answer, sizeof(answer),
			"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
			"Content-Length: %d\r\nConnection: close\r\n\r\n%s",
			size, page);
	(void)write_all(fd, answer, (size_t)size);
	if (stop) {
		/* Until the client has it all and closes. */
		(void)shutdown(fd, SHUT_WR);
		while (read(fd, request, sizeof(request)) > 0)
			;
		(void)kill(first_process, SIGTERM);
	}
}

static void serve(int listener, void (*answer)(int fd))
{
	int fd = accept(listener, NULL, NULL);
	pid_t pid;

	if (fd < 0)
		return;
	pid = fork();
	if (pid == 0) {
		answer(fd);
		_exit(0);
	}
	if (pid < 0)
		perror("demo: fork");
	(void)close(fd);
}

static void on_stop(int number)
{
	static const char words[] = "demo: stopped\n";

	(void)number;
	(void)!write(STDOUT_FILENO, words, sizeof(words) - 1);
	_exit(0);
}

int main(void)
{
	struct pollfd ready[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGCHLD, SIG_IGN); /* children leave nothing to wait for */
	(void)signal(SIGTERM, on_stop);
	first_process = getpid();
	counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (counters == MAP_FAILED) {
		perror("demo: mmap");
		return 1;
	}
	printf("demo: hello\n");
	ready[0] = (struct pollfd){ .fd = listen_at(ECHO_PORT), .events = POLLIN };
	ready[1] = (struct pollfd){ .fd = listen_at(HTTP_PORT), .events = POLLIN };
	for (;;) {
		if (poll(ready, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (ready[0].revents)
			serve(ready[0].fd, echo);
		if (ready[1].revents)
			serve(ready[1].fd, answer_http);
	}
}
