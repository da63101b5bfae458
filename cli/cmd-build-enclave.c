/* SPDX-License-Identifier: Apache-2.0 */
/* nec build-enclave: an image from a container image, with nitro-cli's options. */
#include <stdio.h>

#include "build.h"
#include "output.h"
#include "report.h"

/* nitro-cli's numbers for what can go wrong here. */
enum { E_FILE = 19, E_EIF_BUILDING = 48, E_DOCKER_BUILD = 49, E_DOCKER_PULL = 50 };

static const struct cli_option build_enclave_options[] = {
	{ .name = "docker-uri",
	  .type = CLI_VALUE,
	  .help = "image in a local daemon or a registry; or a file: oci:PATH[:TAG], "
		  "oci-archive:PATH[:TAG], docker-archive:PATH[:NAME]",
	  .offset = offsetof(struct cli_build_options, build.docker_uri),
	  .required = true,
	  .unless = "rootfs" },
	{ .name = "docker-dir",
	  .type = CLI_VALUE,
	  .help = "folder with a Dockerfile to build the image from",
	  .offset = offsetof(struct cli_build_options, build.docker_folder),
	  .requires = "docker-uri",
	  .kind = CLI_DIRECTORY },
	{ .name = "rootfs",
	  .type = CLI_VALUE,
	  .value = "path",
	  .help = "root file system instead of a Docker image: a folder, an OCI layout, an OCI "
		  "archive, or an archive of `docker save`",
	  .offset = offsetof(struct cli_build_options, build.rootfs),
	  .conflicts = "docker-uri docker-dir",
	  .kind = CLI_FILE },
	{ .name = "output-file",
	  .type = CLI_VALUE,
	  .help = "the image to write; appears only when it is complete",
	  .offset = offsetof(struct cli_build_options, build.output),
	  .required = true,
	  .kind = CLI_FILE },
	CLI_BUILD_COMMON_ROWS,
	{ .name = NULL },
};

static const struct cli_example build_enclave_examples[] = {
	{ .text = "From an image of the local Docker daemon or of a registry",
	  .command = "nec build-enclave --docker-uri hello:latest --output-file hello.eif" },
	{ .text = "From a Dockerfile",
	  .command =
		  "nec build-enclave --docker-dir . --docker-uri hello --output-file hello.eif" },
	{ .text = "From an archive that `docker save` made, with no Docker on this machine",
	  .command = "nec build-enclave --rootfs hello.tar --output-file hello.eif" },
	{ .command = NULL },
};

/* Which of nitro-cli's errors this is; 0 for the one in the table of errors. */
static int error_number(const struct nec_build_options *options, const nec_error *err)
{
	switch (err->code) {
	case NEC_E_INVALID_ARGUMENT:
	case NEC_E_CANCELLED:
		return 0;
	case NEC_E_FILE_WRITE:
		return E_FILE;
	case NEC_E_TOOL_MISSING:
	case NEC_E_TOOL_FAILED:
		return options->docker_folder ? E_DOCKER_BUILD : E_DOCKER_PULL;
	default:
		return E_EIF_BUILDING;
	}
}

static int run(struct cli *cli, const void *data)
{
	const struct cli_build_options *options = data;
	struct nec_build_result result;
	nec_error err = NEC_ERROR_INIT;

	(void)fputs("Start building the Enclave Image...\n", stderr);
	if (cli_build(cli, options, &result, &err) < 0)
		return cli_fail(cli, &err, error_number(&options->build, &err));
	cli_progress_clear();
	(void)fputs("Enclave Image successfully created.\n", stderr);
	return cli_print_measurements(cli, &result);
}

const struct cli_command cli_cmd_build_enclave = {
	.name = "build-enclave",
	.summary = "Build an enclave image from a Docker image",
	.description =
		"Turns a container image into an enclave image. No Docker daemon is needed: an "
		"image in a file or folder is read directly, one with a name is fetched with "
		"skopeo (or docker), a Dockerfile is built with buildah, podman or docker, "
		"whichever is installed.\n\n"
		"ENTRYPOINT and CMD, ENV, WORKDIR and USER of the image are honoured as Docker "
		"does. The kernel is that of an installed nitro-cli, else the newest one in /boot, "
		"or the one that --kernel names.\n\n"
		"The same inputs give the same bytes, whoever builds them, where and when. Prints "
		"the measurements (PCR0, PCR1, PCR2, and PCR8 of a signed image) as JSON.",
	.options = build_enclave_options,
	.examples = build_enclave_examples,
	.options_size = sizeof(struct cli_build_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
