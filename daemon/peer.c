/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of a peer, from the kernel. */
#include "peer.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* Supplementary groups: NGROUPS_MAX of Linux. */
enum { GROUPS_MAX = 65536 };

static bool has_supplementary_group(int fd, gid_t group)
{
	cleanup_free gid_t *groups = NULL;
	socklen_t size = 0;

	/* Asked with no room it tells how much it needs. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE ||
	    size > GROUPS_MAX * sizeof(*groups))
		return false;
	groups = malloc(size);
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

int daemon_peer_get(int fd, gid_t group, struct daemon_peer *ret)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	*ret = (struct daemon_peer){ .uid = credentials.uid, .pid = credentials.pid };
	ret->may_change = ret->uid == 0 || ret->uid == geteuid();
	ret->may_look = ret->may_change ||
			(group != (gid_t)-1 &&
			 (credentials.gid == group || has_supplementary_group(fd, group)));
	return 0;
}
