/* SPDX-License-Identifier: Apache-2.0 */
/* Which file, and why there is none. */
#include "console-recorded.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "enclave-options.h"

static const cJSON *choose(const cJSON *array)
{
	const cJSON *chosen = NULL;
	const cJSON *enclave;

	cJSON_ArrayForEach (enclave, array) {
		chosen = enclave;
		if (!cli_enclave_has_ended(enclave))
			break;
	}
	return chosen;
}

static int refuse_unknown(const struct cli_enclave_filter *filter, nec_error *err)
{
	if (filter->name)
		return nec_error_set(err, NEC_E_ENCLAVE_NAME, -ENOENT,
				     "no enclave that runs or has ended lately is called \"%s\"",
				     filter->name);
	if (filter->id)
		return nec_error_set(err, NEC_E_ENCLAVE_ID, -ENOENT,
				     "there is no enclave %s, nor a recording of it", filter->id);
	return nec_error_set(err, NEC_E_ENCLAVE_ID, -ENOENT,
			     "no enclave that runs or has ended lately has CID %" PRIu64,
			     filter->cid);
}

/* It becomes a file name: hex digits, nothing else. */
static bool is_slot(const char *text)
{
	return *text && text[strspn(text, "0123456789abcdef")] == '\0';
}

static int open_log(const char *id, nec_error *err)
{
	const char *slot = cli_enclave_slot(id);
	struct nec_path dirs[2];
	size_t count = is_slot(slot) ? nec_sockets_dirs(dirs) : 0;
	struct nec_path path;

	for (size_t i = 0; i < count; i++) {
		int fd = nec_path_socket(&path, err, "%s/" NEC_CONSOLE_DIR "/%s.log",
					 nec_state_dir(dirs[i].text), slot);

		if (fd < 0)
			return fd;
		fd = open(path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			return nec_error_set_system(err, NEC_E_CONSOLE, -errno, "cannot open %s",
						    path.text);
	}
	return -ENOENT;
}

int cli_console_open_recorded(const struct cli_enclave_filter *filter, nec_error *err)
{
	cleanup_json cJSON *array = nec_json_array();
	unsigned int failed = 0;
	const cJSON *enclave;
	int fd = cli_list_enclaves(filter, false, true, array, &failed, err);

	if (fd < 0)
		return fd;
	enclave = choose(array);
	if (!enclave && !filter->id)
		return refuse_unknown(filter, err);
	if (enclave && strcmp(cli_enclave_text(enclave, "Flags"), "DEBUG_MODE") != 0)
		return nec_error_set(
			err, NEC_E_CONSOLE, -ENOENT,
			"the enclave %s not run in debug mode, so nothing of it is recorded",
			cli_enclave_has_ended(enclave) ? "did" : "does");
	fd = open_log(enclave ? cli_enclave_text(enclave, "EnclaveID") : filter->id, err);
	if (fd != -ENOENT)
		return fd;
	if (!enclave)
		return refuse_unknown(filter, err);
	return nec_error_set(err, NEC_E_CONSOLE, -ENOENT,
			     "the enclave's console is not recorded, or not kept any more");
}
