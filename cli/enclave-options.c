/* SPDX-License-Identifier: Apache-2.0 */
/* Which enclave, which backend, which directory. */
#include "enclave-options.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "enclave/client.h"

int cli_backend(const char *option, enum nec_backend_kind *ret, nec_error *err)
{
	const char *name = option ? option : getenv("NEC_BACKEND");

	if (!name || !*name || strcmp(name, "nitro") == 0)
		*ret = NEC_BACKEND_NITRO;
	else if (strcmp(name, "qemu") == 0)
		*ret = NEC_BACKEND_QEMU;
	else
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "the backend is \"%s\", it can be nitro or qemu", name);
	return 0;
}

size_t cli_sockets_dirs(struct nec_path dirs[2])
{
	nec_sockets_dir(false, &dirs[0]);
	nec_sockets_dir(true, &dirs[1]);
	if (strcmp(dirs[0].text, dirs[1].text) == 0)
		return 1;
	/* A machine without enclaves of the device may have no such directory at all. */
	if (access(dirs[0].text, F_OK) < 0) {
		dirs[0] = dirs[1];
		return 1;
	}
	return access(dirs[1].text, F_OK) == 0 ? 2 : 1;
}

int cli_find_enclave(const char *id, const char *name, char **ret, nec_error *err)
{
	struct nec_path dirs[2];
	size_t count = cli_sockets_dirs(dirs);
	int r = -ENOENT;

	for (size_t i = 0; i < count && r == -ENOENT; i++)
		r = nec_client_find(dirs[i].text, id, name, ret, err);
	return r;
}
