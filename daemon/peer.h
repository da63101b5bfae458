/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a Unix socket, and what they may do. */
#ifndef NEC_DAEMON_PEER_H
#define NEC_DAEMON_PEER_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct daemon_peer - a client as the kernel knows it
 * @may_look:   root, the user of this process, or a member of the group
 * @may_change: root, or the user of this process
 */
struct daemon_peer {
	uid_t uid;
	pid_t pid;
	bool may_look;
	bool may_change;
};

/* As it was when it connected. @group: -1 for none. Returns 0 or a negative errno. */
int daemon_peer_get(int fd, gid_t group, struct daemon_peer *ret);

#endif
