/* SPDX-License-Identifier: Apache-2.0 */
/* What `eif build` and `build-enclave` have in common: most of their options, and the work. */
#ifndef NEC_CLI_BUILD_H
#define NEC_CLI_BUILD_H

#include "command.h"

struct cli_build_options {
	struct nec_build_options build; /* what is a plain text or flag goes there at once */
	const char *arch;
	struct cli_list ramdisks;
	struct cli_list entrypoint;
	struct cli_list cmd;
	struct cli_list env;
	struct cli_list modules;
	struct nec_sign_options signing;
};

/* clang-format off: rows of a table */
#define CLI_BUILD_VALUE(name_, value_, kind_, field, help_)                             \
	{                                                                               \
		.name = (name_), .type = CLI_VALUE, .value = (value_), .kind = (kind_), \
		.help = (help_), .offset = offsetof(struct cli_build_options, field)    \
	}
#define CLI_BUILD_LIST(name_, value_, kind_, field, help_)                             \
	{                                                                              \
		.name = (name_), .type = CLI_LIST, .value = (value_), .kind = (kind_), \
		.help = (help_), .offset = offsetof(struct cli_build_options, field)   \
	}

#define CLI_BUILD_COMMON_ROWS                                                                                   \
	CLI_BUILD_VALUE(                                                                                        \
		"kernel", NULL, CLI_FILE, build.kernel,                                                         \
		"bzImage or arm64 Image; or a folder: an unpacked kernel package, a system's root, "            \
		"or nitro-cli's blobs"),                                                                        \
		CLI_BUILD_VALUE(                                                                                \
			"kernel-config", NULL, CLI_FILE, build.kernel_config,                                   \
			"kernel config that names operating system and kernel version for the metadata"),       \
		CLI_BUILD_VALUE("cmdline", "text", CLI_ANY, build.cmdline, "kernel command line"),              \
		CLI_BUILD_LIST("ramdisk", "file", CLI_FILE, ramdisks,                                           \
			       "ramdisk to add as it is, compressed or not"),                                   \
		CLI_BUILD_VALUE(                                                                                \
			"reference", "name", CLI_ANY, build.reference,                                          \
			"which image of the root file system's layout or archive, if it has several"),          \
		CLI_BUILD_LIST(                                                                                 \
			"entrypoint", "word", CLI_ANY, entrypoint,                                              \
			"what to run instead of the image's ENTRYPOINT and CMD; repeat for each further word"), \
		CLI_BUILD_LIST("cmd", "word", CLI_ANY, cmd,                                                     \
			       "arguments instead of the image's CMD; repeat for each word"),                   \
		CLI_BUILD_LIST("env", "name=value", CLI_ANY, env,                                               \
			       "environment variable for the image's program"),                                 \
		CLI_BUILD_VALUE("workdir", "path", CLI_ANY, build.workdir,                                      \
				"working directory in the image"),                                              \
		CLI_BUILD_VALUE("user", NULL, CLI_ANY, build.user,                                              \
				"user to run as: name or number, with :group if need be"),                      \
		CLI_BUILD_VALUE("init", "file", CLI_FILE, build.init,                                           \
				"first process of the enclave instead of nec-init"),                            \
		CLI_BUILD_LIST(                                                                                 \
			"module", NULL, CLI_FILE, modules,                                                      \
			"kernel module to load besides those that an enclave needs: a name, or a file such as " \
			"nsm.ko"),                                                                              \
		CLI_BUILD_VALUE("module-dir", "folder", CLI_DIRECTORY, build.module_folder,                     \
				"lib/modules/RELEASE to take kernel modules from; \"\" for none"),              \
		{ .name = "keep-owner",                                                                         \
		  .type = CLI_FLAG,                                                                             \
		  .help = "keep the owners of a folder's files, which otherwise belong to root",                \
		  .offset = offsetof(struct cli_build_options, build.keep_owner) },                             \
		{ .name = "arch",                                                                               \
		  .type = CLI_VALUE,                                                                            \
		  .kind = CLI_CHOICE,                                                                           \
		  .choices = "x86_64 aarch64 amd64 arm64",                                                      \
		  .help = "architecture of the image; else that of the kernel file, or of this machine",        \
		  .offset = offsetof(struct cli_build_options, arch) },                                         \
		CLI_BUILD_VALUE("name", "image_name", CLI_ANY, build.name,                                      \
				"name in the metadata"),                                                        \
		CLI_BUILD_VALUE("version", "image_version", CLI_ANY, build.version,                             \
				"version in the metadata"),                                                     \
		CLI_BUILD_VALUE("metadata", NULL, CLI_FILE, build.metadata,                                     \
				"JSON object of at most 4096 bytes to put into the metadata"),                  \
		CLI_BUILD_VALUE(                                                                                \
			"docker-info", "json-file", CLI_FILE, build.docker_info,                                \
			"JSON to put into the metadata in place of the image's own configuration"),             \
		CLI_BUILD_VALUE(                                                                                \
			"build-time", "text", CLI_ANY, build.build_time,                                        \
			"build time in the metadata; else $SOURCE_DATE_EPOCH or 1970-01-01"),                   \
		CLI_BUILD_VALUE("build-tool", "text", CLI_ANY, build.build_tool,                                \
				"build tool in the metadata"),                                                  \
		CLI_BUILD_VALUE("build-tool-version", "text", CLI_ANY, build.build_tool_version,                \
				"build tool's version in the metadata"),                                        \
		CLI_BUILD_VALUE("img-os", "text", CLI_ANY, build.operating_system,                              \
				"operating system in the metadata"),                                            \
		CLI_BUILD_VALUE("img-kernel", "text", CLI_ANY, build.kernel_version,                            \
				"kernel version in the metadata"),                                              \
		{ .name = "signing-certificate",                                                                \
		  .type = CLI_VALUE,                                                                            \
		  .kind = CLI_FILE,                                                                             \
		  .help = "certificate to sign the image with; needs a private key or a signer command",        \
		  .requires = "private-key",                                                                    \
		  .offset = offsetof(struct cli_build_options, signing.certificate) },                          \
		{ .name = "private-key",                                                                        \
		  .type = CLI_VALUE,                                                                            \
		  .kind = CLI_FILE,                                                                             \
		  .help = "the certificate's key",                                                              \
		  .requires = "signing-certificate",                                                            \
		  .unless = "signer-command",                                                                   \
		  .conflicts = "signer-command",                                                                \
		  .offset = offsetof(struct cli_build_options, signing.private_key) },                          \
		{ .name = "signer-command",                                                                     \
		  .type = CLI_VALUE,                                                                            \
		  .value = "command",                                                                           \
		  .help = "shell command that gets the bytes to sign on stdin and answers with the "            \
			  "signature, for keys that are not in a file",                                         \
		  .requires = "signing-certificate",                                                            \
		  .offset = offsetof(struct cli_build_options, signing.signer_command) },                       \
		CLI_BUILD_VALUE("pcr-json", "file", CLI_FILE, build.pcr_json,                                   \
				"file to write the measurements to"),                                           \
		CLI_BUILD_VALUE(                                                                                \
			"manifest", "file", CLI_FILE, build.manifest,                                           \
			"file to write a list of all files in the ramdisks to, with their hashes")
/* clang-format on */

/* Builds. Returns 0 with the measurements in @ret, or a negative errno. */
int cli_build(const struct cli *cli, const struct cli_build_options *options,
	      struct nec_build_result *ret, nec_error *err);

/* Prints { "Measurements": ... }. Returns the exit status. */
int cli_print_measurements(const struct cli *cli, const struct nec_build_result *result);

#endif
