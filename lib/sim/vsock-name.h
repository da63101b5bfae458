/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the Unix sockets that stand for vsock connections in the simulation, by which an end
 * knows who the other is: abstract ones, "nec-vsock/<cid>.<port>/<peer's cid>.<peer's port>/...",
 * with something behind that no other socket has. A header without a source: the object that
 * programs of the parent are preloaded with (lib/sim/preload) has nothing else of the library.
 */
#ifndef NEC_SIM_VSOCK_NAME_H
#define NEC_SIM_VSOCK_NAME_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NEC_VSOCK_NAME_PREFIX "nec-vsock/"

struct nec_vsock_name {
	uint32_t cid; /* of the end that has the name */
	uint32_t port;
	uint32_t peer_cid;
	uint32_t peer_port;
};

/* @first and @second are what makes it unique. Returns the address's size. */
static inline socklen_t nec_vsock_name_make(const struct nec_vsock_name *name, uint32_t first,
					    uint32_t second, struct sockaddr_un *to)
{
	int size;

	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	size = snprintf(to->sun_path + 1, sizeof(to->sun_path) - 1,
			NEC_VSOCK_NAME_PREFIX "%" PRIu32 ".%" PRIu32 "/%" PRIu32 ".%" PRIu32
					      "/%" PRIx32 ".%" PRIx32,
			name->cid, name->port, name->peer_cid, name->peer_port, first, second);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
}

/* A number of 32 bits and the character behind it, which are passed. Not by sscanf(): built with a
 * new C library, what is preloaded would need one at run time, too. */
static inline bool nec_vsock_name_number(const char **text, char end, uint32_t *ret)
{
	const char *digit = *text;
	uint64_t number = 0;

	for (; *digit >= '0' && *digit <= '9' && number <= UINT32_MAX; digit++)
		number = number * 10 + (uint64_t)(*digit - '0');
	if (digit == *text || *digit != end || number > UINT32_MAX)
		return false;
	*text = digit + 1;
	*ret = (uint32_t)number;
	return true;
}

/* Whether an address that the kernel gave is such a name. */
static inline bool nec_vsock_name_parse(const struct sockaddr_un *address, socklen_t size,
					struct nec_vsock_name *ret)
{
	char text[sizeof(address->sun_path)] = { 0 };
	const char *at = text + strlen(NEC_VSOCK_NAME_PREFIX);
	size_t length = size - offsetof(struct sockaddr_un, sun_path);

	if (size <= offsetof(struct sockaddr_un, sun_path) + 1 || length > sizeof(text) ||
	    address->sun_family != AF_UNIX || address->sun_path[0] != '\0')
		return false;
	memcpy(text, address->sun_path + 1, length - 1);
	return strncmp(text, NEC_VSOCK_NAME_PREFIX, strlen(NEC_VSOCK_NAME_PREFIX)) == 0 &&
	       nec_vsock_name_number(&at, '.', &ret->cid) &&
	       nec_vsock_name_number(&at, '/', &ret->port) &&
	       nec_vsock_name_number(&at, '.', &ret->peer_cid) &&
	       nec_vsock_name_number(&at, '/', &ret->peer_port);
}

#endif
