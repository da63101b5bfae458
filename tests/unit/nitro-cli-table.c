/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of nitro-cli as rows. */
#include "nitro-cli-table.h"

#define RUN(member)   .offset = offsetof(struct run_options, member)
#define OTHER(member) .type = CLI_VALUE, .offset = offsetof(struct other_options, member)
#define END                  \
	{                    \
		.name = NULL \
	}

static const struct cli_option run_rows[] = {
	{ .name = "cpu-ids",
	  .type = CLI_WORDS,
	  .help = "exact CPUs to give away",
	  RUN(cpu_ids),
	  .required = true,
	  .unless = "cpu-count config",
	  .conflicts = "cpu-count" },
	{ .name = "cpu-count",
	  .type = CLI_VALUE,
	  .help = "how many CPUs",
	  RUN(cpu_count),
	  .required = true,
	  .unless = "cpu-ids config" },
	{ .name = "memory",
	  .type = CLI_VALUE,
	  .help = "memory in MiB",
	  RUN(memory),
	  .required = true,
	  .unless = "config" },
	{ .name = "eif-path",
	  .type = CLI_VALUE,
	  .help = "the image",
	  RUN(eif_path),
	  .required = true,
	  .unless = "config",
	  .kind = CLI_FILE },
	{ .name = "enclave-cid", .type = CLI_VALUE, .help = "CID for vsock", RUN(enclave_cid) },
	{ .name = "debug-mode", .type = CLI_FLAG, .help = "start with a console", RUN(debug_mode) },
	{ .name = "attach-console",
	  .type = CLI_FLAG,
	  .help = "stream the console",
	  RUN(attach_console) },
	{ .name = "enclave-name", .type = CLI_VALUE, .help = "name", RUN(enclave_name) },
	{ .name = "config",
	  .type = CLI_VALUE,
	  .value = "json-config",
	  .help = "settings from a file",
	  RUN(config),
	  .conflicts = "cpu-ids cpu-count memory eif-path enclave-cid debug-mode enclave-name",
	  .kind = CLI_FILE },
	END,
};

static const struct cli_option terminate_rows[] = {
	{ .name = "enclave-id",
	  .help = "id of the enclave",
	  OTHER(enclave_id),
	  .required = true,
	  .unless = "enclave-name all",
	  .conflicts = "enclave-name all" },
	{ .name = "enclave-name",
	  .help = "name of the enclave",
	  OTHER(enclave_name),
	  .required = true,
	  .unless = "enclave-id all",
	  .conflicts = "all" },
	{ .name = "all",
	  .type = CLI_FLAG,
	  .help = "all of them",
	  .offset = offsetof(struct other_options, flag),
	  .required = true,
	  .unless = "enclave-id enclave-name" },
	END,
};

static const struct cli_option describe_rows[] = {
	{ .name = "metadata",
	  .type = CLI_FLAG,
	  .help = "add the image's metadata",
	  .offset = offsetof(struct other_options, flag) },
	END,
};

static const struct cli_option console_rows[] = {
	{ .name = "enclave-id",
	  .help = "id of the enclave",
	  OTHER(enclave_id),
	  .required = true,
	  .unless = "enclave-name",
	  .conflicts = "enclave-name" },
	{ .name = "enclave-name",
	  .help = "name of the enclave",
	  OTHER(enclave_name),
	  .required = true,
	  .unless = "enclave-id" },
	{ .name = "disconnect-timeout", .help = "leave after so many seconds", OTHER(timeout) },
	END,
};

static const struct cli_option build_rows[] = {
	{ .name = "docker-uri", .help = "the image", OTHER(docker_uri), .required = true },
	{ .name = "docker-dir",
	  .help = "folder with a Dockerfile",
	  OTHER(docker_dir),
	  .kind = CLI_DIRECTORY },
	{ .name = "output-file", .help = "where to", OTHER(output_file), .required = true },
	{ .name = "signing-certificate",
	  .help = "PEM certificate",
	  OTHER(certificate),
	  .requires = "private-key" },
	{ .name = "private-key", .help = "PEM key", OTHER(key), .requires = "signing-certificate" },
	{ .name = "name", .value = "image_name", .help = "name of the image", OTHER(name) },
	{ .name = "version", .value = "image_version", .help = "its version", OTHER(version) },
	{ .name = "metadata", .help = "JSON file", OTHER(metadata) },
	END,
};

static const struct cli_option describe_eif_rows[] = {
	{ .name = "eif-path",
	  .help = "the image",
	  OTHER(eif_path),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = "output",
	  .help = "form of the result",
	  OTHER(format),
	  .kind = CLI_CHOICE,
	  .choices = "json text" },
	END,
};

static const struct cli_option pcr_rows[] = {
	{ .name = "signing-certificate",
	  .help = "PEM certificate",
	  OTHER(certificate),
	  .required = true,
	  .unless = "input",
	  .conflicts = "input" },
	{ .name = "input",
	  .help = "any file",
	  OTHER(input),
	  .required = true,
	  .unless = "signing-certificate" },
	END,
};

static const struct cli_option sign_rows[] = {
	{ .name = "eif-path", .help = "the image", OTHER(eif_path) },
	{ .name = "signing-certificate",
	  .help = "PEM certificate",
	  OTHER(certificate),
	  .requires = "private-key" },
	{ .name = "private-key", .help = "PEM key", OTHER(key), .requires = "signing-certificate" },
	END,
};

static const struct cli_option explain_rows[] = {
	{ .name = "error-code", .help = "the code", OTHER(name), .required = true },
	END,
};

static const struct cli_option lint_operands[] = {
	{ .name = "FILE", .help = "the image", OTHER(file), .required = true, .kind = CLI_FILE },
	{ .name = "MORE",
	  .type = CLI_LIST,
	  .help = "more images",
	  .offset = offsetof(struct other_options, files) },
	END,
};

static const struct cli_option eif_build_rows[] = {
	{ .name = "ramdisk",
	  .type = CLI_LIST,
	  .help = "a ramdisk",
	  .offset = offsetof(struct other_options, ramdisks),
	  .kind = CLI_FILE },
	END,
};

#define COMMAND(symbol_, name_, rows_, type_)         \
	static const struct cli_command symbol_ = {   \
		.name = (name_),                      \
		.summary = "Summary of " name_,       \
		.options = (rows_),                   \
		.options_size = sizeof(struct type_), \
		.nitro_cli = true,                    \
		.topic = CLI_TOPIC_ENCLAVES,          \
	}

COMMAND(run_command, "run-enclave", run_rows, run_options);
COMMAND(terminate_command, "terminate-enclave", terminate_rows, other_options);
COMMAND(build_command, "build-enclave", build_rows, other_options);
COMMAND(describe_eif_command, "describe-eif", describe_eif_rows, other_options);
COMMAND(describe_command, "describe-enclaves", describe_rows, other_options);
COMMAND(console_command, "console", console_rows, other_options);
COMMAND(pcr_command, "pcr", pcr_rows, other_options);
COMMAND(explain_command, "explain", explain_rows, other_options);
COMMAND(sign_command, "sign-eif", sign_rows, other_options);

static const struct cli_command lint_command = {
	.name = "eif lint",
	.summary = "Look for mistakes",
	.options = describe_rows,
	.operands = lint_operands,
	.options_size = sizeof(struct other_options),
};

static const struct cli_option show_operands[] = {
	{ .name = "FILE", .help = "the image", OTHER(file), .required = true, .kind = CLI_FILE },
	END,
};

static const struct cli_command show_command = {
	.name = "eif show",
	.summary = "Show an image",
	.operands = show_operands,
	.options_size = sizeof(struct other_options),
};

static const struct cli_command eif_build_command = {
	.name = "eif build",
	.summary = "Put an image together",
	.options = eif_build_rows,
	.options_size = sizeof(struct other_options),
};

const struct cli_command *const nitro_cli_table[] = {
	&run_command,
	&terminate_command,
	&build_command,
	&describe_eif_command,
	&describe_command,
	&console_command,
	&pcr_command,
	&explain_command,
	&sign_command,
	&lint_command,
	&eif_build_command,
	&show_command,
	NULL,
};
