/* SPDX-License-Identifier: Apache-2.0 */
/* Probe: the folder of the sockets, the enclaves that run, and what is installed of ours. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/crc32.h"
#include "base/error.h"
#include "base/json.h"
#include "base/openssl.h"
#include "enclave/paths.h"
#include "enclave/probe-private.h"
#include "enclave/run.h"

static void fix_sockets(const char *dir, struct nec_probe_result *result)
{
	if (strcmp(dir, "/run/nitro_enclaves") == 0 || strcmp(dir, "/run/nec") == 0)
		probe_fix(result,
			  "Make it: `install -d -m 0775 -o root -g ne %s`; the package's "
			  "tmpfiles entry does so at boot (`systemd-tmpfiles --create`).",
			  dir);
	else
		probe_fix(result, "Make it with write permission for you, or set "
				  "NITRO_CLI_SOCKETS_PATH to another folder.");
}

/* A launch makes the folder where it may. */
static void probe_missing_dir(const char *dir, struct nec_probe_result *result)
{
	struct nec_path parent;
	char *slash;

	(void)snprintf(parent.text, sizeof(parent.text), "%s", dir);
	slash = strrchr(parent.text, '/');
	if (slash)
		slash[slash == parent.text ? 1 : 0] = '\0';
	if (access(slash ? parent.text : ".", W_OK | X_OK) == 0) {
		probe_ok(result, "%s is not there yet; the first launch makes it", dir);
		return;
	}
	probe_fail(result, NEC_E_FILE_WRITE, "there is no %s, and you may not make it", dir);
	fix_sockets(dir, result);
}

static void probe_dir(const char *dir, struct nec_probe_result *result)
{
	char text[128];
	struct stat st;

	if (stat(dir, &st) < 0 && errno == ENOENT) {
		probe_missing_dir(dir, result);
	} else if (stat(dir, &st) < 0) {
		probe_fail(result, NEC_E_FILE_READ, "cannot look at %s: %s", dir,
			   strerror_r(errno, text, sizeof(text)));
	} else if (!S_ISDIR(st.st_mode)) {
		probe_fail(result, NEC_E_FILE_WRITE, "%s is no folder", dir);
		fix_sockets(dir, result);
	} else if (access(dir, W_OK | X_OK) < 0) {
		probe_fail(result, NEC_E_FILE_WRITE, "you may not make sockets in %s: %s", dir,
			   strerror_r(errno, text, sizeof(text)));
		fix_sockets(dir, result);
	} else {
		probe_ok(result, "you may make sockets in %s", dir);
	}
}

void probe_sockets(struct probing *probing, struct nec_probe_result *result)
{
	const char *dir = probing->request->sockets_dir;
	const char *own = nec_state_dir(dir);

	/* Both are needed, and what is said is about the one that matters: nitro-cli's if all is
	 * well. */
	probe_dir(own, result);
	if (own != dir && result->state == NEC_PROBE_OK)
		probe_dir(dir, result);
}

/* "hello (i-0123-enc1a, 2 CPUs, 512 MiB)" */
static void describe_enclave(const cJSON *enclave, struct nec_buffer *to)
{
	const char *name = "?";
	const char *id = "?";
	uint64_t cpus = 0;
	uint64_t memory = 0;

	(void)nec_json_get_string(enclave, "EnclaveName", &name);
	(void)nec_json_get_string(enclave, "EnclaveID", &id);
	(void)nec_json_get_u64(enclave, "NumberOfCPUs", &cpus);
	(void)nec_json_get_u64(enclave, "MemoryMiB", &memory);
	nec_buffer_printf(to, "%s%s (%s, %llu CPUs, %llu MiB)", to->size > 0 ? ", " : "", name, id,
			  (unsigned long long)cpus, (unsigned long long)memory);
}

void probe_enclaves(struct probing *probing, struct nec_probe_result *result)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	const cJSON *enclaves = probing_enclaves(probing);
	const cJSON *enclave;

	cJSON_ArrayForEach (enclave, enclaves)
		describe_enclave(enclave, &text);
	if (probing->silent > 0) {
		probe_warn(result, "%u processes in %s give no usable answer%s%s", probing->silent,
			   probing->request->sockets_dir, text.size > 0 ? "; running: " : "",
			   nec_buffer_text(&text));
		probe_fix(result, "What they hold is not free; as root or their owner: "
				  "`nec terminate-enclave --all`.");
	} else if (text.size > 0) {
		probe_ok(result, "running: %s", nec_buffer_text(&text));
	} else {
		probe_ok(result, "no enclave runs");
	}
}

void probe_holder(struct probing *probing, struct nec_probe_result *result)
{
	struct nec_path path;
	nec_error err = NEC_ERROR_INIT;

	(void)probing;
	if (nec_run_find_holder(&path, &err) == 0) {
		probe_ok(result, "%s can be run", path.text);
		return;
	}
	probe_fail_with(result, &err);
	probe_fix(result, "Reinstall nec, or set NEC_HOLDER to the program nec-holder.");
}

/* Those that a launch loads: a missing one would show only after a while. */
void probe_libraries(struct probing *probing, struct nec_probe_result *result)
{
	nec_error err = NEC_ERROR_INIT;

	(void)probing;
	if (nec_cjson_load(&err) < 0 || nec_openssl_load(&err) < 0 || nec_crc32_load(&err) < 0)
		probe_fail_with(result, &err);
	else
		probe_ok(result, "those that a launch needs can be loaded");
}
