/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cases of the lab need beside nec, in one program without libraries: others who use the
 * driver, memory in pieces, and the first process of an enclave.
 *
 *   lab-probe enclave         in an enclave: port 7 answers with what it gets; port 9 takes a line
 *                             with a port, connects to that port of the parent and joins the two
 *   lab-probe hold CPU ...    has an enclave that was never started, with these CPUs
 *   lab-probe pieces PAGES    leaves so many huge pages of 2 MiB free that no two are neighbours;
 *                             three times as many have to be free before
 *   lab-probe touch           gives memory away and writes to it all the same
 *
 * The last three say "ready" and go on when their stdin has another line, or ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/nitro_enclaves.h>
#include <linux/vm_sockets.h>

#define PAGE_2M (UINT64_C(2) << 20)

enum { ECHO_PORT = 7, CALL_PORT = 9, PARENT_CID = 3, MEMORY_PAGES = 32, SMALL_PAGE = 4096 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void wait_for_line(const char *words)
{
	char line[64];

	(void)puts(words);
	(void)fflush(stdout);
	(void)!fgets(line, sizeof(line), stdin);
}

/* ---- in an enclave ---- */

static int listen_at(unsigned int port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		die("listen");
	return fd;
}

static int call_parent(unsigned int port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = PARENT_CID,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	return fd;
}

/* Until @from ends, which @to is told. */
static void copy(int from, int to)
{
	static char bytes[65536];
	ssize_t size;

	while ((size = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t done = 0; done < size;) {
			ssize_t n = write(to, bytes + done, (size_t)(size - done));

			if (n < 0)
				die("write");
			done += n;
		}
	(void)shutdown(to, SHUT_WR);
}

static void answer_echo(int fd)
{
	copy(fd, fd);
}

static void answer_call(int fd)
{
	char line[16] = "";
	int parent;
	pid_t pid;

	/* Byte by byte: what follows the line belongs to the other side. */
	for (size_t i = 0; i < sizeof(line) - 1 && read(fd, line + i, 1) == 1; i++)
		if (line[i] == '\n')
			break;
	parent = call_parent((unsigned int)strtoul(line, NULL, 10));
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		copy(parent, fd);
	else
		copy(fd, parent);
}

static void serve(int listener, void (*answer)(int fd))
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0 && fork() == 0) {
		answer(fd);
		_exit(0);
	}
	(void)close(fd);
}

__attribute__((noreturn)) static void be_enclave(void)
{
	struct pollfd ready[] = {
		{ .fd = listen_at(ECHO_PORT), .events = POLLIN },
		{ .fd = listen_at(CALL_PORT), .events = POLLIN },
	};

	(void)signal(SIGCHLD, SIG_IGN);
	printf("lab-probe: here\n");
	for (;;) {
		(void)poll(ready, 2, -1);
		if (ready[0].revents)
			serve(ready[0].fd, answer_echo);
		if (ready[1].revents)
			serve(ready[1].fd, answer_call);
	}
}

/* ---- in the parent ---- */

static int create(void)
{
	int device = open("/dev/nitro_enclaves", O_RDWR);
	uint64_t uid;
	int fd = device < 0 ? -1 : ioctl(device, NE_CREATE_VM, &uid);

	if (fd < 0)
		die("NE_CREATE_VM");
	(void)close(device);
	return fd;
}

static int hold(char **cpus)
{
	int fd = create();

	for (; *cpus; cpus++) {
		uint32_t id = (uint32_t)strtoul(*cpus, NULL, 10);

		if (ioctl(fd, NE_ADD_VCPU, &id) < 0)
			die("NE_ADD_VCPU");
	}
	wait_for_line("ready");
	return 0;
}

/* Present, and the last ones that are free if that is so many. */
static char *map(size_t pages)
{
	char *memory = mmap(NULL, pages * PAGE_2M, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

static uint64_t frame_of(const char *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (off_t)((uintptr_t)page / SMALL_PAGE * sizeof(entry))) < 0)
		die("pagemap");
	(void)close(fd);
	/* The low 55 bits are the frame's number. */
	return (entry & ((UINT64_C(1) << 55) - 1)) / (PAGE_2M / SMALL_PAGE);
}

/* A page of every other frame is given back, so that what lies between is kept or is nobody's. */
static int keep_pieces(size_t wanted)
{
	size_t count = wanted * 3;
	char *memory = map(count);
	size_t given = 0;

	for (size_t i = 0; i < count && given < wanted; i++) {
		if (frame_of(memory + i * PAGE_2M) % 2)
			continue;
		given += munmap(memory + i * PAGE_2M, PAGE_2M) == 0;
	}
	if (given < wanted) {
		(void)fprintf(stderr, "only %zu pieces can be had\n", given);
		return 1;
	}
	wait_for_line("ready");
	return 0;
}

/* What the first and the last byte are, and whether all between are the same as the first. */
static void tell_bytes(const char *what, const char *memory, uint64_t size)
{
	bool same = memcmp(memory, memory + 1, size - 1) == 0;

	printf("%s: %02x%s\n", what, (unsigned char)*memory, same ? "" : " and others");
}

static int touch(void)
{
	const uint64_t size = MEMORY_PAGES * PAGE_2M;
	char *memory = map(MEMORY_PAGES);
	const struct ne_user_memory_region region = {
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};
	int fd = create();

	memset(memory, 's', size);
	if (ioctl(fd, NE_SET_USER_MEMORY_REGION, &region) < 0)
		die("NE_SET_USER_MEMORY_REGION");
	tell_bytes("given away", memory, size);
	wait_for_line("ready");
	memory[5 * PAGE_2M + 3 * SMALL_PAGE] = 1;
	memory[size - 1] = 1;
	wait_for_line("ready");
	(void)close(fd);
	tell_bytes("given back", memory, size);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "enclave";

	if (strcmp(what, "enclave") == 0)
		be_enclave();
	if (strcmp(what, "hold") == 0)
		return hold(argv + 2);
	if (strcmp(what, "pieces") == 0 && argc == 3)
		return keep_pieces(strtoul(argv[2], NULL, 10));
	if (strcmp(what, "touch") == 0)
		return touch();
	(void)fprintf(stderr, "usage: lab-probe enclave | hold CPU ... | pieces PAGES | touch\n");
	return 2;
}
