/* SPDX-License-Identifier: Apache-2.0 */
/* nec eif build: an image from parts of one's own. */
#include "build.h"
#include "report.h"

static const struct cli_option eif_build_options[] = {
	{ .name = "output",
	  .type = CLI_VALUE,
	  .value = "file",
	  .help = "the image to write; appears only when it is complete",
	  .offset = offsetof(struct cli_build_options, build.output),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = "rootfs",
	  .type = CLI_VALUE,
	  .value = "path",
	  .help = "root file system: a folder, an OCI layout, an OCI archive, or an archive of "
		  "`docker save`",
	  .offset = offsetof(struct cli_build_options, build.rootfs),
	  .required = true,
	  .unless = "ramdisk",
	  .kind = CLI_FILE },
	CLI_BUILD_COMMON_ROWS,
	CLI_BUILD_VALUE("kernel_config", "file", CLI_FILE, build.kernel_config,
			"the same as --kernel-config, in the spelling of eif_build"),
	{ .name = NULL },
};

static const struct cli_example eif_build_examples[] = {
	{ .text = "From a folder, with the newest kernel of this machine",
	  .command = "nec eif build --rootfs rootfs --entrypoint /bin/server --output server.eif" },
	{ .text = "With the kernel of a Debian package that `dpkg-deb -x` unpacked to linux-image",
	  .command = "nec eif build --kernel linux-image --rootfs server.tar --output server.eif" },
	{ .text = "From a kernel and an initrd as they are, as eif_build does",
	  .command = "nec eif build --kernel vmlinuz --cmdline 'console=ttyS0' --ramdisk initrd "
		     "--output x.eif" },
	{ .command = NULL },
};

static int run(struct cli *cli, const void *data)
{
	struct nec_build_result result;
	nec_error err = NEC_ERROR_INIT;

	if (cli_build(cli, data, &result, &err) < 0)
		return cli_fail(cli, &err, 0);
	return cli_print_measurements(cli, &result);
}

const struct cli_command cli_cmd_eif_build = {
	.name = "eif build",
	.summary = "Build an enclave image from a kernel, ramdisks, or a root file system",
	.description =
		"Takes everything from files and needs no Docker. Given a root file system, two "
		"ramdisks are made in the layout of nitro-cli: one with nec-init and the kernel "
		"modules that an enclave needs, one with the root file system and how to run it. "
		"Ramdisks given with --ramdisk follow. Without a root file system the image is put "
		"together from --kernel, --cmdline and --ramdisk alone.\n\n"
		"Without --kernel, the kernel of an installed nitro-cli is used, else the newest "
		"one in /boot.\n\n"
		"The same inputs give the same bytes, whoever builds them, where and when. "
		"Prints the measurements (PCR0, PCR1, PCR2, and PCR8 of a signed image) as JSON.",
	.options = eif_build_options,
	.examples = eif_build_examples,
	.options_size = sizeof(struct cli_build_options),
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
