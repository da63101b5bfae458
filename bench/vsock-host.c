/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of bench-simulation, over the Unix socket of a vsock device (Firecracker's
 * convention, which both devices that are compared follow).
 *
 *   vsock-host SOCKET wait          until the guest listens
 *   vsock-host SOCKET to MIB        to the guest; prints MiB/s
 *   vsock-host SOCKET from MIB      from the guest; prints MiB/s
 *   vsock-host SOCKET connect N     one connection with one byte each way after the other; prints
 * 1/s vsock-host SOCKET exchange N    one byte there and back on one connection; prints 1/s
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SINK_PORT = 1, SOURCE_PORT = 2, ECHO_PORT = 3, WAIT_SECONDS = 120, MIB = 1024 * 1024 };

static char bytes[256 * 1024];
static const char *path;

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

/* Reads the line byte by byte: what follows it is data. */
static bool read_ok(int fd)
{
	char line[64] = "";

	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		if (read(fd, line + i, 1) != 1)
			return false;
		if (line[i] == '\n')
			return strncmp(line, "OK ", 3) == 0;
	}
	return false;
}

/* Returns -1 when the guest does not listen. */
static int try_connect(unsigned int port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char line[32];
	int size = snprintf(line, sizeof(line), "CONNECT %u\n", port);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    write(fd, line, (size_t)size) == size && read_ok(fd))
		return fd;
	(void)close(fd);
	return -1;
}

static int connect_guest(unsigned int port)
{
	int fd = try_connect(port);

	if (fd < 0)
		give_up("cannot connect");
	return fd;
}

static double wait_for_guest(long seconds)
{
	const struct timespec step = { .tv_nsec = 100000000 };
	double end = now() + (double)seconds;
	int fd;

	while ((fd = try_connect(ECHO_PORT)) < 0) {
		if (now() > end)
			give_up("the guest does not listen");
		(void)nanosleep(&step, NULL);
	}
	(void)close(fd);
	return 0;
}

static double send_to_guest(long mib)
{
	int fd = connect_guest(SINK_PORT);
	uint64_t left = (uint64_t)mib * MIB;
	double begin = now();

	/* Not the end of the stream: not every device carries half of one. */
	if (write(fd, &left, sizeof(left)) != sizeof(left))
		give_up("write");

	while (left > 0) {
		ssize_t n = write(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		if (n <= 0)
			give_up("write");
		left -= (uint64_t)n;
	}
	if (read(fd, bytes, 1) != 1)
		give_up("the guest did not take all");
	begin = now() - begin;
	(void)close(fd);
	return (double)mib / begin;
}

static double receive_from_guest(long mib)
{
	int fd = connect_guest(SOURCE_PORT);
	size_t left = (size_t)mib * MIB;
	double begin = now();

	while (left > 0) {
		ssize_t n = read(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		if (n <= 0)
			give_up("read");
		left -= (size_t)n;
	}
	begin = now() - begin;
	(void)close(fd);
	return (double)mib / begin;
}

static void exchange(int fd)
{
	if (write(fd, bytes, 1) != 1 || read(fd, bytes, 1) != 1)
		give_up("no answer");
}

static double count_connections(long count)
{
	double begin = now();

	for (long i = 0; i < count; i++) {
		int fd = connect_guest(ECHO_PORT);

		exchange(fd);
		(void)close(fd);
	}
	return (double)count / (now() - begin);
}

static double count_exchanges(long count)
{
	int fd = connect_guest(ECHO_PORT);
	double begin = now();

	for (long i = 0; i < count; i++)
		exchange(fd);
	begin = now() - begin;
	(void)close(fd);
	return (double)count / begin;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		double (*measure)(long amount);
	} modes[] = {
		{ "wait", wait_for_guest },      { "to", send_to_guest },
		{ "from", receive_from_guest },  { "connect", count_connections },
		{ "exchange", count_exchanges },
	};
	long amount = argc == 4 ? strtol(argv[3], NULL, 10) : WAIT_SECONDS;

	(void)signal(SIGPIPE, SIG_IGN); /* a device that is not ready closes */
	for (size_t i = 0; argc >= 3 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[2], modes[i].name) != 0)
			continue;
		path = argv[1];
		(void)printf("%.1f\n", modes[i].measure(amount));
		return 0;
	}
	(void)fprintf(stderr, "usage: vsock-host SOCKET wait|to|from|connect|exchange [AMOUNT]\n");
	return 2;
}
