/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels, known by their headers: x86 boot protocol, arm64 Image, and what is often mistaken. */
#include "image/kernel.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"

/* Everything that is looked at lies in here, but for the x86 version string. */
enum { PROBE_BYTES = 0x264 };

/* Linux: Documentation/arch/x86/boot.rst */
enum {
	X86_BOOT_FLAG_AT = 0x1fe,
	X86_BOOT_FLAG = 0xaa55,
	X86_HEADER_AT = 0x202,
	X86_VERSION_AT = 0x20e, /* u16: offset of the version string, less 0x200 */
	X86_VERSION_BASE = 0x200,
};

/* Linux: Documentation/arch/arm64/booting.rst; drivers/firmware/efi/libstub/zboot-header.S */
enum { ARM64_MAGIC_AT = 56, ZBOOT_MAGIC_AT = 4 };

static const char cmdline_devices_off[] = "# CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES is not set\n";

enum { ELF_MACHINE_AT = 18 };

/* A kernel config has some 10000 lines. */
enum { MAX_CONFIG_BYTES = 4 * 1024 * 1024 };

struct probe {
	uint8_t head[PROBE_BYTES]; /* zeros behind the end of the file */
	size_t size;               /* bytes that are really there */
};

static bool has(const struct probe *probe, size_t offset, const void *magic, size_t size)
{
	return probe->size >= offset + size && memcmp(probe->head + offset, magic, size) == 0;
}

static uint16_t u16le_at(const struct probe *probe, size_t offset)
{
	return (uint16_t)(probe->head[offset] | probe->head[offset + 1] << 8);
}

static enum nec_kernel_format format_of(const struct probe *probe)
{
	if (has(probe, X86_HEADER_AT, "HdrS", 4) &&
	    u16le_at(probe, X86_BOOT_FLAG_AT) == X86_BOOT_FLAG)
		return NEC_KERNEL_BZIMAGE;
	if (has(probe, 0, "MZ", 2) && has(probe, ZBOOT_MAGIC_AT, "zimg", 4))
		return NEC_KERNEL_EFI_ZBOOT;
	if (has(probe, 0, ELFMAG, SELFMAG))
		return NEC_KERNEL_ELF;
	if (has(probe, ARM64_MAGIC_AT, "ARM\x64", 4))
		return NEC_KERNEL_ARM64_IMAGE;
	if (has(probe, 0, "\x1f\x8b", 2))
		return NEC_KERNEL_GZIP;
	return NEC_KERNEL_UNKNOWN;
}

static enum nec_arch arch_of(const struct probe *probe, enum nec_kernel_format format)
{
	uint16_t machine;

	switch (format) {
	case NEC_KERNEL_BZIMAGE:
		return NEC_ARCH_X86_64;
	case NEC_KERNEL_ARM64_IMAGE:
		return NEC_ARCH_AARCH64;
	case NEC_KERNEL_ELF:
		machine = u16le_at(probe, ELF_MACHINE_AT);
		return machine == EM_X86_64    ? NEC_ARCH_X86_64
		       : machine == EM_AARCH64 ? NEC_ARCH_AARCH64
					       : NEC_ARCH_UNKNOWN;
	default:
		return NEC_ARCH_UNKNOWN;
	}
}

/*
 * The version string is "6.1.0-56-cloud-amd64 (builder@host) #1 SMP ..."; its first word is the
 * release. It is shown to people, so anything that is not plain text makes it unknown.
 */
static void take_release(const char *text, size_t size, char release[NEC_KERNEL_RELEASE_SIZE])
{
	size_t length = 0;

	while (length < size && text[length] > ' ' && text[length] < 0x7f)
		length++;
	if (length == size || length >= NEC_KERNEL_RELEASE_SIZE ||
	    (text[length] != ' ' && text[length] != '\0'))
		return;
	memcpy(release, text, length);
	release[length] = '\0';
}

static int read_x86_release(int fd, const char *name, uint64_t offset, uint64_t size,
			    const struct probe *probe, struct nec_kernel *kernel, nec_error *err)
{
	uint64_t at = (uint64_t)u16le_at(probe, X86_VERSION_AT) + X86_VERSION_BASE;
	char text[NEC_KERNEL_RELEASE_SIZE] = "";
	size_t length;
	int r;

	if (at == X86_VERSION_BASE || at >= size)
		return 0;
	length = size - at < sizeof(text) ? (size_t)(size - at) : sizeof(text);
	r = nec_file_read_at(fd, name, text, length, offset + at, err);
	if (r == 0)
		take_release(text, length, kernel->release);
	return r;
}

int nec_kernel_probe(int fd, const char *name, uint64_t offset, uint64_t size,
		     struct nec_kernel *ret, nec_error *err)
{
	struct probe probe = { .size = size < PROBE_BYTES ? (size_t)size : PROBE_BYTES };
	struct nec_kernel kernel = { 0 };
	int r = nec_file_read_at(fd, name, probe.head, probe.size, offset, err);

	if (r < 0)
		return r;
	kernel.format = format_of(&probe);
	kernel.arch = arch_of(&probe, kernel.format);
	if (kernel.format == NEC_KERNEL_BZIMAGE) {
		r = read_x86_release(fd, name, offset, size, &probe, &kernel, err);
		if (r < 0)
			return r;
	}
	*ret = kernel;
	return 0;
}

int nec_kernel_probe_file(const char *path, struct nec_kernel *ret, nec_error *err)
{
	uint64_t size;
	cleanup_close int fd = nec_file_open_regular(path, &size, err);

	return fd < 0 ? fd : nec_kernel_probe(fd, path, 0, size, ret, err);
}

static int refuse(nec_error *err, const char *name, const char *what, const char *hint)
{
	int r = nec_error_set(err, NEC_E_KERNEL, -EINVAL, "%s is %s", name, what);

	nec_error_set_hint(err, "%s", hint);
	return r;
}

static int refuse_format(enum nec_kernel_format format, const char *name, nec_error *err)
{
	switch (format) {
	case NEC_KERNEL_GZIP:
		return refuse(err, name, "compressed with gzip, which enclaves cannot boot",
			      "Unpack it (`gunzip < FILE > Image`) and pass the result.");
	case NEC_KERNEL_EFI_ZBOOT:
		return refuse(err, name, "a compressed EFI kernel, which enclaves cannot boot",
			      "An aarch64 enclave needs the plain Image; the kernel's build has it "
			      "as arch/arm64/boot/Image.");
	case NEC_KERNEL_ELF:
		return refuse(err, name, "an ELF file (vmlinux), which enclaves cannot boot",
			      "Pass the bootable form: the bzImage (arch/x86/boot/bzImage) or the "
			      "Image (arch/arm64/boot/Image) of the same kernel.");
	default:
		return refuse(err, name, "neither a bzImage nor an arm64 Image",
			      "Pass the kernel of a Linux distribution (/boot/vmlinuz-...) or of "
			      "your own build.");
	}
}

int nec_kernel_check(const struct nec_kernel *kernel, enum nec_arch arch, const char *name,
		     nec_error *err)
{
	if (kernel->format != NEC_KERNEL_BZIMAGE && kernel->format != NEC_KERNEL_ARM64_IMAGE)
		return refuse_format(kernel->format, name, err);
	if (kernel->arch != arch) {
		nec_error_set(err, NEC_E_EIF_ARCH, -EINVAL, "%s is a kernel for %s, not for %s",
			      name, nec_arch_name(kernel->arch), nec_arch_name(arch));
		nec_error_set_hint(err, "Give the architecture with --arch, or another kernel.");
		return -EINVAL;
	}
	return 0;
}

/* The words of line 3 are split as AWS's tool does: at spaces, '/' and '-'. */
static bool next_word(const char **text, const char *end, char *word, size_t size)
{
	const char *start = *text;
	size_t length;

	while (start < end && strchr(" /-", *start))
		start++;
	*text = start;
	while (*text < end && !strchr(" /-", **text))
		(*text)++;
	length = (size_t)(*text - start);
	if (length == 0 || length >= size)
		return false;
	memcpy(word, start, length);
	word[length] = '\0';
	return true;
}

static bool find_line(const char *text, size_t size, int number, const char **line,
		      const char **line_end)
{
	const char *end = text + size;

	for (*line = text;; *line = *line_end + 1) {
		*line_end = memchr(*line, '\n', (size_t)(end - *line));
		if (!*line_end)
			*line_end = end;
		if (--number == 0)
			return true;
		if (*line_end == end)
			return false;
	}
}

static bool is_text(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

int nec_kernel_config_parse(const char *text, size_t size, const char *name,
			    struct nec_kernel_config *ret, nec_error *err)
{
	struct nec_kernel_config config = { 0 };
	const char *line;
	const char *end;
	char word[64];

	if (!find_line(text, size, 3, &line, &end) || !next_word(&line, end, word, sizeof(word)) ||
	    strcmp(word, "#") != 0 ||
	    !next_word(&line, end, config.operating_system, sizeof(config.operating_system)) ||
	    !is_text(config.operating_system)) {
		nec_error_set(err, NEC_E_KERNEL, -EBADMSG,
			      "%s is no kernel config: line 3 does not say which kernel it is for",
			      name);
		nec_error_set_hint(err, "Line 3 has the form \"# Linux/x86_64 4.14.256 Kernel "
					"Configuration\".");
		return -EBADMSG;
	}
	if (!next_word(&line, end, word, sizeof(word)) ||
	    !next_word(&line, end, config.version, sizeof(config.version)) ||
	    !is_text(config.version))
		(void)snprintf(config.version, sizeof(config.version), "Unknown");
	config.no_cmdline_devices =
		memmem(text, size, cmdline_devices_off, strlen(cmdline_devices_off)) != NULL;
	*ret = config;
	return 0;
}

int nec_kernel_config_read(const char *path, struct nec_kernel_config *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = nec_file_read_all(path, MAX_CONFIG_BYTES, &text, err);

	if (r < 0)
		return r;
	return nec_kernel_config_parse(nec_buffer_text(&text), text.size, path, ret, err);
}
