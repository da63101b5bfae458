/* SPDX-License-Identifier: Apache-2.0 */
/* Which enclave, which backend, which directory. */
#include "enclave-options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "enclave/client.h"
#include "values.h"

enum { CALL_MSEC = 3000 };

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

/* The process that holds the enclave knows its CID. */
static int ask_for_cid(const char *id, const char *name, struct cli_enclave *ret, nec_error *err)
{
	cleanup_free char *control = NULL;
	struct nec_answer answer = { 0 };
	int r = cli_find_enclave(id, name, &control, err);

	if (r == 0)
		r = nec_client_call(control, NEC_COMMAND_GET_ENCLAVE_CID, NULL, CALL_MSEC, &answer,
				    err);
	if (r < 0)
		return r;
	ret->cid = answer.number;
	nec_answer_free(&answer);
	(void)snprintf(ret->socket.text, sizeof(ret->socket.text), "%s", control);
	(void)snprintf(ret->dir.text, sizeof(ret->dir.text), "%.*s",
		       (int)(strrchr(control, '/') - control), control);
	return 0;
}

/* A simulated enclave's CID has a socket in one of the directories. */
static int find_cid(const char *cid, struct cli_enclave *ret, nec_error *err)
{
	struct nec_path dirs[2];
	size_t count = cli_sockets_dirs(dirs);
	uint32_t number = 0;
	int r = cli_parse_u32("cid", cid, &number, err);

	ret->cid = number;
	ret->dir = dirs[0];
	ret->socket.text[0] = '\0';
	for (size_t i = 0; i < count && r == 0; i++) {
		struct nec_path path;

		if (nec_path_socket(&path, NULL, "%s/" NEC_SIM_DIR "/%" PRIu32 ".vsock",
				    dirs[i].text, number) == 0 &&
		    access(path.text, F_OK) == 0) {
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
