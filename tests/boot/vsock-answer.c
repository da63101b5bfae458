/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of the heartbeat, inside the guest: listens on a vsock port, reads a byte and
 * answers. With the kernel's vsock loopback (CID 1) the real exchange runs in one machine.
 *
 *   vsock-answer PORT echo|wrong|close
 */
#include "log.h"
#include "program.h"
#include "syscall.h"
#include "text.h"

#if defined(__x86_64__)
#define SYS_accept 43
#define SYS_bind   49
#define SYS_listen 50
#elif defined(__aarch64__)
#define SYS_bind   200
#define SYS_listen 201
#define SYS_accept 202
#endif

#define VMADDR_CID_ANY UINT32_MAX

const char init_program_name[] = "vsock-answer";

static int listen_on(uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_port = port,
		.svm_cid = VMADDR_CID_ANY,
	};
	int fd = sys_socket(AF_VSOCK, SOCK_STREAM);
	long r = sys_call(SYS_bind, fd, (long)&address, sizeof(address), 0, 0, 0);

	if (r >= 0)
		r = sys_call(SYS_listen, fd, 8, 0, 0, 0, 0);
	return r < 0 ? (int)r : fd;
}

static void answer(int fd, const char *how)
{
	unsigned char byte;

	if (sys_read(fd, &byte, 1) != 1)
		return;
	init_say("got 0x%x", byte);
	if (strcmp(how, "wrong") == 0)
		byte ^= 1;
	if (strcmp(how, "close") != 0)
		(void)sys_send(fd, &byte, 1);
}

int init_program(int argc, char **argv)
{
	const char *number = argc == 3 ? argv[1] : "";
	uint32_t port;
	int listener;

	if (!init_number(&number, &port))
		return 2;
	listener = listen_on(port);
	if (listener < 0) {
		init_say("cannot listen: %s", init_errno_name(listener));
		return 1;
	}
	init_say("listening");
	for (;;) {
		int fd = (int)sys_call(SYS_accept, listener, 0, 0, 0, 0, 0);

		if (fd < 0)
			return 1;
		answer(fd, argv[2]);
		(void)sys_close(fd);
	}
}
