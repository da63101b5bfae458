/* SPDX-License-Identifier: Apache-2.0 */
/* Old recordings go: otherwise every enclave would leave one for ever. */
#include <string.h>

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

	(void)folder_fd;
	if (nec_path_socket(&path, NULL, "%s/%.*s" SOCKET_SUFFIX, folder, length, log_name) < 0)
		return true;
	return nec_remove_dead_socket(path.text) < 0;
}

void nec_console_prune(const char *folder, size_t keep)
{
	nec_prune(folder, LOG_SUFFIX, keep, is_served);
}
