/* SPDX-License-Identifier: Apache-2.0 */
/* Lint: the memory that an enclave needs to start from this image at all. */
#include <inttypes.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"
#include "image/kernel.h"
#include "image/lint.h"

/* nitro-cli's rule: four times the file; the driver's: at least 64 MiB. */
enum { QUARTER_MIB = 262144, MINIMUM_MIB = 64 };

/*
 * What the kernel needs to unpack itself and start, from its header: init_size of the x86 boot
 * protocol 2.10 and later, image_size of arm64. Values beyond any real kernel are not believed.
 */
enum {
	X86_PROTOCOL_AT = 0x206,
	X86_PROTOCOL_INIT_SIZE = 0x20a,
	X86_INIT_SIZE_AT = 0x260,
	ARM64_IMAGE_SIZE_AT = 16,
	KERNEL_HEAD = 0x264,
};
static const uint64_t max_kernel_bytes = UINT64_C(256) << 20;

static uint64_t u32le_at(const uint8_t *bytes, size_t offset)
{
	return (uint64_t)bytes[offset] | (uint64_t)bytes[offset + 1] << 8 |
	       (uint64_t)bytes[offset + 2] << 16 | (uint64_t)bytes[offset + 3] << 24;
}

static uint64_t claimed_bytes(const struct nec_kernel *kernel, const uint8_t *head)
{
	if (kernel->format == NEC_KERNEL_ARM64_IMAGE)
		return u32le_at(head, ARM64_IMAGE_SIZE_AT) | u32le_at(head, ARM64_IMAGE_SIZE_AT + 4)
								     << 32;
	if (kernel->format == NEC_KERNEL_BZIMAGE &&
	    (u32le_at(head, X86_PROTOCOL_AT) & 0xffff) >= X86_PROTOCOL_INIT_SIZE)
		return u32le_at(head, X86_INIT_SIZE_AT);
	return 0;
}

static int kernel_bytes(const nec_lint *lint, uint64_t *ret, nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_find_section(lint->eif, NEC_EIF_KERNEL);
	uint8_t head[KERNEL_HEAD] = { 0 };
	struct nec_kernel kernel;
	uint64_t claimed;
	int r;

	*ret = section->size_bytes;
	if (section->size_bytes < sizeof(head))
		return 0;
	r = nec_kernel_probe(lint->eif->fd, lint->eif->name, section->data_offset,
			     section->size_bytes, &kernel, err);
	if (r == 0)
		r = nec_file_read_at(lint->eif->fd, lint->eif->name, head, sizeof(head),
				     section->data_offset, err);
	if (r < 0)
		return r;
	claimed = claimed_bytes(&kernel, head);
	if (claimed > *ret && claimed <= max_kernel_bytes)
		*ret = claimed;
	return 0;
}

/* The ramdisks lie in memory as they are while their files are being unpacked. */
static uint64_t ramdisk_bytes(const nec_lint *lint)
{
	uint64_t total = 0;

	for (size_t i = 0; i < lint->eif->layout.count; i++)
		if (lint->eif->layout.sections[i].type == NEC_EIF_RAMDISK)
			total += lint->eif->layout.sections[i].size_bytes;
	return total;
}

static uint64_t to_mib(uint64_t bytes)
{
	return bytes / 1048576 + (bytes % 1048576 != 0);
}

static void check_unpacked(nec_lint *lint, uint64_t kernel, uint64_t ramdisks)
{
	uint64_t files = lint->files.page_bytes;
	uint64_t memory_mib = lint->options.memory_mib;
	uint64_t needed_mib = to_mib(kernel + ramdisks + files);

	if (needed_mib > lint->minimum_memory_mib)
		lint->minimum_memory_mib = needed_mib;
	if (memory_mib == 0)
		return;
	if (memory_mib < needed_mib)
		nec_lint_report(
			lint, NEC_RULE_MEMORY_UNPACKED, LINT_AT(0),
			"%" PRIu64 " MiB are needed (kernel %" PRIu64 " MiB, ramdisks %" PRIu64
			" MiB, their files unpacked %" PRIu64 " MiB), %" PRIu64 " MiB are given",
			needed_mib, to_mib(kernel), to_mib(ramdisks), to_mib(files), memory_mib);
	else if (!lint->cmdline.root_is_ramfs && to_mib(files) > memory_mib / 2)
		nec_lint_report(lint, NEC_RULE_MEMORY_TMPFS, LINT_AT(0),
				"the files unpacked take %" PRIu64 " MiB, half of the memory is "
				"%" PRIu64 " MiB",
				to_mib(files), memory_mib / 2);
}

static void check_given(nec_lint *lint, uint64_t image_mib)
{
	uint64_t memory_mib = lint->options.memory_mib;

	if (memory_mib == 0)
		return;
	if (memory_mib < MINIMUM_MIB)
		nec_lint_report(lint, NEC_RULE_MEMORY_MINIMUM, LINT_AT(0),
				"%" PRIu64 " MiB are given, %d is the minimum", memory_mib,
				MINIMUM_MIB);
	if (memory_mib < image_mib)
		nec_lint_report(lint, NEC_RULE_MEMORY_IMAGE, LINT_AT(0),
				"the file has %" PRIu64 " bytes, four times that are %" PRIu64
				" MiB, %" PRIu64 " MiB are given",
				lint->eif->layout.size_bytes, image_mib, memory_mib);
}

int nec_lint_memory(nec_lint *lint, nec_error *err)
{
	uint64_t size = lint->eif->layout.size_bytes;
	uint64_t image_mib = size / QUARTER_MIB + (size % QUARTER_MIB != 0);
	uint64_t kernel;
	int r;

	check_given(lint, image_mib);
	if (!lint->files.complete || !nec_eif_find_section(lint->eif, NEC_EIF_KERNEL))
		return 0;
	lint->minimum_memory_mib = image_mib > MINIMUM_MIB ? image_mib : MINIMUM_MIB;
	r = kernel_bytes(lint, &kernel, err);
	if (r == 0)
		check_unpacked(lint, kernel, ramdisk_bytes(lint));
	return r;
}
