/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of a host, looked up in a thread: the resolver blocks, an event loop must not. */
#ifndef NEC_BASE_LOOKUP_H
#define NEC_BASE_LOOKUP_H

#include <netdb.h>
#include <stdint.h>

#include "nec.h"

struct nec_lookup;

/* An address needs no thread: *ret_done then says that the result is there already. */
int nec_lookup_new(const char *host, uint16_t port, struct nec_lookup **ret, bool *ret_done,
		   nec_error *err);

/* Can be read once the result is there. The lookup's. */
int nec_lookup_get_fd(const struct nec_lookup *lookup);

/* The addresses, the lookup's; NULL with the reason in *ret_reason when there are none. Only once
 * the result is there. */
const struct addrinfo *nec_lookup_get_addresses(const struct nec_lookup *lookup,
						const char **ret_reason);

/* At any time; a thread that still runs ends by itself. Accepts NULL. */
void nec_lookup_free(struct nec_lookup *lookup);

#endif
