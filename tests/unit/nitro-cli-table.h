/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of nitro-cli as rows, so that the parser is tested with all of its combinations. */
#ifndef NEC_TESTS_NITRO_CLI_TABLE_H
#define NEC_TESTS_NITRO_CLI_TABLE_H

#include "command.h"

struct run_options {
	struct cli_list cpu_ids;
	const char *cpu_count;
	const char *memory;
	const char *eif_path;
	const char *enclave_cid;
	const char *enclave_name;
	const char *config;
	bool debug_mode;
	bool attach_console;
};

/* Options of all the others; no command uses every member. */
struct other_options {
	const char *enclave_id;
	const char *enclave_name;
	const char *timeout;
	const char *docker_uri;
	const char *docker_dir;
	const char *output_file;
	const char *certificate;
	const char *key;
	const char *name;
	const char *version;
	const char *metadata;
	const char *eif_path;
	const char *input;
	const char *format;
	const char *file;
	struct cli_list files;
	struct cli_list ramdisks;
	bool flag;
};

/* Ends with NULL; the commands of the group "eif" are not nitro-cli's. */
extern const struct cli_command *const nitro_cli_table[];

#endif
