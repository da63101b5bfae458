/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the backends, and which one is meant. */
#include "enclave/backend.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

static const char *const names[] = {
	[NEC_BACKEND_DEFAULT] = "default",
	[NEC_BACKEND_NITRO] = "nitro",
	[NEC_BACKEND_QEMU] = "qemu",
};

const char *nec_backend_name(enum nec_backend_kind backend)
{
	return (size_t)backend < ARRAY_SIZE(names) ? names[backend] : "unknown";
}

int nec_backend_parse(const char *name, enum nec_backend_kind *ret, nec_error *err)
{
	if (name && strcmp(name, names[NEC_BACKEND_NITRO]) == 0)
		*ret = NEC_BACKEND_NITRO;
	else if (name && strcmp(name, names[NEC_BACKEND_QEMU]) == 0)
		*ret = NEC_BACKEND_QEMU;
	else
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "the backend is \"%s\", it can be nitro or qemu",
				     name ? name : "");
	return 0;
}

int nec_backend_choose(enum nec_backend_kind wish, enum nec_backend_kind *ret, nec_error *err)
{
	const char *name = getenv("NEC_BACKEND");

	if (wish == NEC_BACKEND_DEFAULT)
		return nec_backend_parse(name && *name ? name : names[NEC_BACKEND_NITRO], ret, err);
	if (wish != NEC_BACKEND_NITRO && wish != NEC_BACKEND_QEMU)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "%d is not the number of a backend", (int)wish);
	*ret = wish;
	return 0;
}
