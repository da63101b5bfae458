/* SPDX-License-Identifier: Apache-2.0 */
/* A route between a port of an enclave and a TCP port or Unix socket of this machine, as text. */
#ifndef NEC_ENCLAVE_ROUTE_H
#define NEC_ENCLAVE_ROUTE_H

#include <stdint.h>

#include "nec.h"

enum nec_route_kind {
	NEC_ROUTE_TO_ENCLAVE,   /* listens here, connects to the enclave */
	NEC_ROUTE_FROM_ENCLAVE, /* enclaves connect to a port of the parent, it goes on from there
				 */
	NEC_ROUTE_ECHO, /* enclaves connect to a port of the parent and get back what they send */
};

struct nec_route {
	enum nec_route_kind kind;
	uint32_t vsock_port;
	uint16_t tcp_port;
	char host[254]; /* "" for the default, "*" for all; no brackets */
	char path[108]; /* of a Unix socket, instead of the two above; else "" */
};

/*
 * To an enclave "[HOST:]PORT:VSOCK-PORT" or "PATH:VSOCK-PORT", from one "VSOCK-PORT:[HOST:]PORT" or
 * "VSOCK-PORT:PATH", for an echo "VSOCK-PORT". An IPv6 address stands in brackets; a path has a
 * slash. Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT).
 */
int nec_route_parse(enum nec_route_kind kind, const char *text, struct nec_route *ret,
		    nec_error *err);

#endif
