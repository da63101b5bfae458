/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat: one byte to the parent and back, which tells it that the enclave has booted. */
#ifndef NEC_INIT_HEARTBEAT_H
#define NEC_INIT_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

/* What every parent-side tool listens for. */
#define INIT_HEARTBEAT_CID  3
#define INIT_HEARTBEAT_PORT 9000
#define INIT_HEARTBEAT_BYTE 0xb7

struct init_vsock_address {
	uint32_t cid;
	uint32_t port;
};

/* "[CID:]PORT"; false, with nothing changed, for anything else. */
bool init_vsock_address_parse(const char *text, struct init_vsock_address *address);

/*
 * Connects, exchanges the byte, closes. While there is no vsock device it tries again for a few
 * seconds: a device may be found later than its driver is loaded. Reports what failed itself.
 * Returns 0 or a negative errno.
 */
int init_heartbeat(const struct init_vsock_address *address);

/* The exchange over a connected socket: -EPIPE (closed), -EPROTO (another byte), -ETIMEDOUT, ... */
int init_heartbeat_exchange(int fd, uint32_t timeout_sec);

#endif
