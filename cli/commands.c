/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, in the order of `nec --help`; and questions about its rows. */
#include "command.h"

#include <string.h>

extern const struct cli_command cli_cmd_allocator_apply;
extern const struct cli_command cli_cmd_allocator_check;
extern const struct cli_command cli_cmd_allocator_plan;
extern const struct cli_command cli_cmd_allocator_release;
extern const struct cli_command cli_cmd_allocator_status;
extern const struct cli_command cli_cmd_build_enclave;
extern const struct cli_command cli_cmd_connect;
extern const struct cli_command cli_cmd_console;
extern const struct cli_command cli_cmd_describe_eif;
extern const struct cli_command cli_cmd_describe_enclaves;
extern const struct cli_command cli_cmd_doctor;
extern const struct cli_command cli_cmd_eif_build;
extern const struct cli_command cli_cmd_eif_diff;
extern const struct cli_command cli_cmd_eif_extract;
extern const struct cli_command cli_cmd_eif_lint;
extern const struct cli_command cli_cmd_explain;
extern const struct cli_command cli_cmd_forward;
extern const struct cli_command cli_cmd_listen;
extern const struct cli_command cli_cmd_pcr;
extern const struct cli_command cli_cmd_run_enclave;
extern const struct cli_command cli_cmd_sign_eif;
extern const struct cli_command cli_cmd_sim_exec;
extern const struct cli_command cli_cmd_terminate_enclave;

/* One row a line, so that new ones do not move the others. */
/* clang-format off */
const struct cli_command *const cli_commands[] = {
	&cli_cmd_run_enclave,
	&cli_cmd_describe_enclaves,
	&cli_cmd_console,
	&cli_cmd_connect,
	&cli_cmd_listen,
	&cli_cmd_forward,
	&cli_cmd_sim_exec,
	&cli_cmd_terminate_enclave,
	&cli_cmd_doctor,
	&cli_cmd_allocator_check,
	&cli_cmd_allocator_plan,
	&cli_cmd_allocator_apply,
	&cli_cmd_allocator_status,
	&cli_cmd_allocator_release,
	&cli_cmd_build_enclave,
	&cli_cmd_sign_eif,
	&cli_cmd_describe_eif,
	&cli_cmd_pcr,
	&cli_cmd_eif_build,
	&cli_cmd_eif_lint,
	&cli_cmd_eif_diff,
	&cli_cmd_eif_extract,
	&cli_cmd_explain,
	NULL,
};
/* clang-format on */

static const struct {
	const char *name;
	const char *summary;
} groups[] = {
	{ "allocator", "Set memory and CPUs aside for enclaves" },
	{ "eif", "Work on enclave image files (EIF)" },
	{ "sim", "Work with the simulation" },
};

struct cli_program cli_program_called(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0;
	struct cli_program program = {
		.name = "nec",
		.version = "nec " NEC_VERSION,
		.commands = cli_commands,
	};

	if (name && strcmp(name, "nitro-cli") == 0) {
		program.name = "nitro-cli";
		program.version = "Nitro CLI 1.5.0"; /* the release whose interface this is */
		program.as_nitro_cli = true;
	}
	return program;
}

bool cli_program_has(const struct cli_program *program, const struct cli_command *command)
{
	return command->nitro_cli || !program->as_nitro_cli;
}

bool cli_names_contain(const char *list, const char *word)
{
	size_t size = strlen(word);

	for (const char *name = list; name && *name;) {
		size_t length = strcspn(name, " ");

		if (length == size && memcmp(name, word, length) == 0)
			return true;
		name += length + strspn(name + length, " ");
	}
	return false;
}

size_t cli_group_size(const struct cli_command *command)
{
	const char *space = strchr(command->name, ' ');

	return space ? (size_t)(space - command->name) : 0;
}

const char *cli_group_summary(const char *group, size_t size)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strlen(groups[i].name) == size && memcmp(groups[i].name, group, size) == 0)
			return groups[i].summary;
	return "";
}
