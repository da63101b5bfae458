/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of an image as files that QEMU loads. */
#include "sim/boot.h"

#include <string.h>

#include "base/files.h"
#include "image/kernel.h"

/* A section, or several behind each other, as a file of its own. Returns the fd. */
static int copy_sections(const nec_eif *eif, enum nec_eif_section_type type, uint64_t *bytes,
			 struct nec_progress *progress, nec_error *err)
{
	cleanup_close int fd = nec_file_temporary(err);
	uint64_t size = 0;
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; i < eif->layout.count && r == 0; i++) {
		const struct nec_eif_section *section = &eif->layout.sections[i];

		if (section->type != type)
			continue;
		r = nec_file_copy_range(eif->fd, eif->name, section->data_offset, fd,
					"a temporary file", size, section->size_bytes, progress,
					err);
		size += section->size_bytes;
	}
	*bytes += size;
	return r < 0 ? r : TAKE_FD(fd);
}

/*
 * The kernels that nitro-cli ships (4.14) learn of their devices from the command line and want no
 * ACPI; distributions' kernels find them by ACPI. $NEC_SIM_DEVICES (acpi, cmdline) overrides the
 * guess.
 */
static bool devices_on_cmdline(const nec_eif *eif)
{
	const struct nec_eif_section *section = nec_eif_find_section(eif, NEC_EIF_KERNEL);
	const char *wish = getenv("NEC_SIM_DEVICES");
	struct nec_kernel kernel = { 0 };

	if (wish && *wish)
		return strcmp(wish, "cmdline") == 0;
	if (nec_kernel_probe(eif->fd, eif->name, section->data_offset, section->size_bytes, &kernel,
			     NULL) < 0)
		return false;
	return strncmp(kernel.release, "4.", 2) == 0 || strstr(kernel.release, "amzn");
}

int nec_boot_load(const nec_eif *eif, struct nec_progress *progress, struct nec_boot *boot,
		  nec_error *err)
{
	int r = nec_eif_read_whole(eif, nec_eif_find_section(eif, NEC_EIF_CMDLINE),
				   NEC_EIF_MAX_CMDLINE, &boot->cmdline, err);

	if (r == 0)
		r = boot->kernel_fd =
			copy_sections(eif, NEC_EIF_KERNEL, &boot->bytes, progress, err);
	if (r >= 0)
		r = boot->initrd_fd =
			copy_sections(eif, NEC_EIF_RAMDISK, &boot->bytes, progress, err);
	if (r >= 0)
		r = nec_eif_check_unchanged(eif, err);
	if (r == 0)
		boot->mmio_on_cmdline = devices_on_cmdline(eif);
	return r;
}

void nec_boot_free(struct nec_boot *boot)
{
	if (boot->kernel_fd >= 0)
		(void)close(boot->kernel_fd);
	if (boot->initrd_fd >= 0)
		(void)close(boot->initrd_fd);
	nec_buffer_free(&boot->cmdline);
	*boot = (struct nec_boot)NEC_BOOT_INIT;
}

void nec_boot_set_options(const struct nec_boot *boot, struct nec_machine_options *options)
{
	options->kernel_fd = boot->kernel_fd;
	options->initrd_fd = boot->initrd_fd;
	options->cmdline = nec_buffer_text(&boot->cmdline);
	options->mmio_on_cmdline = boot->mmio_on_cmdline;
}
