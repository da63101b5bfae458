/* SPDX-License-Identifier: Apache-2.0 */
/* Old recordings go: otherwise every enclave would leave one for ever. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/unix-socket.h"
#include "enclave/console.h"
#include "enclave/prune.h"

#define LOG_SUFFIX    ".log"
#define SOCKET_SUFFIX ".sock"

/* Whether the enclave of a recording still serves its console. A dead socket is taken away. */
static bool is_served(int folder_fd, const char *folder, const char *log_name)
{
	int length = (int)(strlen(log_name) - strlen(LOG_SUFFIX));
	struct nec_path path;
	int fd;

	(void)folder_fd;
	if (nec_path_socket(&path, NULL, "%s/%.*s" SOCKET_SUFFIX, folder, length, log_name) < 0)
		return true;
	fd = nec_connect_unix_type(path.text, SOCK_STREAM | SOCK_NONBLOCK);
	if (fd >= 0)
		(void)close(fd);
	if (fd == -ECONNREFUSED)
		(void)unlink(path.text);
	return fd != -ECONNREFUSED && fd != -ENOENT;
}

void nec_console_prune(const char *folder, size_t keep)
{
	nec_prune(folder, LOG_SUFFIX, keep, is_served);
}
