/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the inside of an enclave: connects to CID and PORT over vsock, sends TEXT, and prints what
 * comes back, or why nothing does, with how many seconds that took.
 *
 *   dial CID PORT TEXT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

int main(int argc, char **argv)
{
	struct sockaddr_vm peer = { .svm_family = AF_VSOCK };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	time_t begin = time(NULL);
	char answer[256] = "";
	size_t size = 0;
	ssize_t n;

	if (argc != 4)
		return 2;
	peer.svm_cid = (unsigned int)strtoul(argv[1], NULL, 10);
	peer.svm_port = (unsigned int)strtoul(argv[2], NULL, 10);
	if (connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) < 0) {
		printf("dial %s %s: %m after %d s\n", argv[1], argv[2], (int)(time(NULL) - begin));
		return 1;
	}
	if (write(fd, argv[3], strlen(argv[3])) < 0)
		perror("dial: write");
	(void)shutdown(fd, SHUT_WR);
	while (size < sizeof(answer) - 1 &&
	       (n = read(fd, answer + size, sizeof(answer) - 1 - size)) > 0)
		size += (size_t)n;
	printf("dial %s %s: got %s\n", argv[1], argv[2], answer);
	return 0;
}
