/* SPDX-License-Identifier: Apache-2.0 */
/* A program in an enclave that sends messages to the parent by SOCK_SEQPACKET and counts what it
 * gets. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { PORT = 5005, LARGE = 100000 };

int main(void)
{
	static char bytes[LARGE];
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = 3,
		.svm_port = PORT,
	};
	int fd = socket(AF_VSOCK, SOCK_SEQPACKET, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("seqpacket: cannot connect");
		return 1;
	}
	if (send(fd, "one", 3, 0) != 3 || send(fd, "three", 5, 0) != 5 ||
	    send(fd, bytes, LARGE, 0) != LARGE)
		perror("seqpacket: cannot send");
	for (int i = 0; i < 3; i++)
		printf("seqpacket: %zd bytes\n", recv(fd, bytes, LARGE, 0));
	(void)close(fd);
	return 0;
}
