/* SPDX-License-Identifier: Apache-2.0 */
/* Which enclave, which backend. */
#include "enclave-options.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "enclave/calls.h"
#include "values.h"

int cli_backend(const char *option, enum nec_backend_kind *ret, nec_error *err)
{
	return option ? nec_backend_parse(option, ret, err)
		      : nec_backend_choose(NEC_BACKEND_DEFAULT, ret, err);
}

/* The process that holds the enclave knows its CID. */
static int ask_for_cid(const char *id, const char *name, struct cli_enclave *ret, nec_error *err)
{
	cleanup_free char *control = NULL;
	int r = nec_call_find(id, name, &control, err);

	if (r == 0)
		r = nec_call_cid(control, &ret->cid, err);
	if (r < 0)
		return r;
	(void)snprintf(ret->socket.text, sizeof(ret->socket.text), "%s", control);
	nec_call_dir(control, &ret->dir);
	return 0;
}

/* A simulated enclave's CID has a socket in one of the directories. */
static int find_cid(const char *cid, struct cli_enclave *ret, nec_error *err)
{
	struct nec_path dirs[2];
	size_t count = nec_sockets_dirs(dirs);
	uint32_t number = 0;
	int r = cli_parse_u32("cid", cid, &number, err);

	ret->cid = number;
	ret->dir = dirs[0];
	ret->socket.text[0] = '\0';
	for (size_t i = 0; i < count && r == 0; i++) {
		struct nec_path path;

		if (nec_sim_socket_find(dirs[i].text, number, &path, NULL) == 1) {
			ret->dir = dirs[i];
			ret->socket = path;
		}
	}
	return r;
}

int cli_locate_enclave(const char *id, const char *name, const char *cid, struct cli_enclave *ret,
		       nec_error *err)
{
	return cid ? find_cid(cid, ret, err) : ask_for_cid(id, name, ret, err);
}
