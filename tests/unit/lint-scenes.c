/* SPDX-License-Identifier: Apache-2.0 */
#include "lint-scenes.h"

#include "image/signature.h"

#include "image/signature.h"

#define DIR  (S_IFDIR | 0755)
#define REG  (S_IFREG | 0644)
#define EXEC (S_IFREG | 0755)
#define LINK (S_IFLNK | 0777)

#define CMDLINE "console=ttyS0 reboot=k panic=30"
#define METADATA(custom)                                                                      \
	"{\"ImageName\":\"n\",\"ImageVersion\":\"1\",\"BuildMetadata\":{\"BuildTime\":\"t\"," \
	"\"BuildTool\":\"b\",\"BuildToolVersion\":\"1\",\"OperatingSystem\":\"Linux\","       \
	"\"KernelVersion\":\"4\"},\"DockerInfo\":null,\"CustomMetadata\":" custom "}"

/* Offsets in a clean image. */
enum { KERNEL = 5000, KERNEL_AT = 548, CMDLINE_AT = KERNEL_AT + 12 + KERNEL };

static const char elf_x86[] = "\x7f\x45LF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e";

static void add_bootstrap(struct nec_buffer *image)
{
	cleanup_buffer struct nec_buffer program = { 0 };
	cleanup_buffer struct nec_buffer archive = { 0 };

	elf_make(&program, EM_X86_64, NULL);
	cpio_add(&archive, &(struct cpio_file){ "dev", DIR });
	cpio_add(&archive,
		 &(struct cpio_file){ "init", EXEC, (const char *)program.data, program.size });
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

static void add_customer(struct nec_buffer *image)
{
	static const char *const folders[] = { "rootfs",     "rootfs/dev", "rootfs/proc",
					       "rootfs/run", "rootfs/sys", "rootfs/tmp",
					       "rootfs/bin" };
	cleanup_buffer struct nec_buffer program = { 0 };
	cleanup_buffer struct nec_buffer archive = { 0 };

	elf_make(&program, EM_X86_64, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		cpio_add(&archive, &(struct cpio_file){ folders[i], DIR });
	cpio_add(&archive, &(struct cpio_file){ "rootfs/bin/app", EXEC, (const char *)program.data,
						program.size });
	cpio_add(&archive, &(struct cpio_file){ "cmd", REG, "/bin/app\n--serve\n" });
	cpio_add(&archive, &(struct cpio_file){ "env", REG, "PATH=/usr/bin\nLANG=C\n" });
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

static void add_files(const struct scene *scene, struct nec_buffer *image)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	for (size_t i = 0; i < SCENE_FILES && scene->files[i].name; i++)
		cpio_add_path(&archive, &scene->files[i]);
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

void scene_make_clean(const struct scene *scene, struct nec_buffer *image)
{
	eif_begin(image);
	eif_add_file(image, NEC_EIF_KERNEL, "inputs/x86-2rd.kernel");
	eif_add_text(image, NEC_EIF_CMDLINE, scene->cmdline ? scene->cmdline : CMDLINE);
	eif_add_text(image, NEC_EIF_METADATA, scene->metadata ? scene->metadata : METADATA("null"));
	add_bootstrap(image);
	add_customer(image);
}

void scene_make(const struct scene *scene, struct nec_buffer *image)
{
	if (scene->base_file)
		eif_load(scene->base_file, image);
	else
		scene_make_clean(scene, image);
	if (scene->files[0].name)
		add_files(scene, image);
	if (scene->ramdisk)
		eif_add(image, NEC_EIF_RAMDISK, scene->ramdisk, scene->ramdisk_size);
	if (scene->keep_crc)
		eif_fix_crc(image);
	if (scene->alter)
		scene->alter(image);
	if (!scene->keep_crc)
		eif_fix_crc(image);
}

/* ------------------------------------------------------------------------- what is altered -- */

static void other_magic(struct nec_buffer *image)
{
	image->data[3] = 'x';
}

static void cut(struct nec_buffer *image)
{
	image->size -= 1;
}

static void version_5(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_VERSION_AT, 2, 5);
}

static void flags(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_FLAGS_AT, 2, 0x240);
}

static void reserved(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_RESERVED_AT, 2, 1);
}

static void no_sections(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_COUNT_AT, 2, 0);
}

static void type_6(struct nec_buffer *image)
{
	eif_add(image, 6, "more", 4);
}

static void overlap(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_OFFSETS_AT + 8, 8, KERNEL_AT + 100);
}

static void ramdisk_first(struct nec_buffer *image)
{
	struct nec_buffer other = { 0 };

	nec_buffer_free(image);
	eif_begin(&other);
	add_bootstrap(&other);
	eif_add_file(&other, NEC_EIF_KERNEL, "inputs/x86-2rd.kernel");
	eif_add_text(&other, NEC_EIF_CMDLINE, CMDLINE);
	eif_add_text(&other, NEC_EIF_METADATA, METADATA("null"));
	add_customer(&other);
	*image = other;
}

static void second_kernel(struct nec_buffer *image)
{
	eif_add_file(image, NEC_EIF_KERNEL, "inputs/x86-2rd.kernel");
}

static void second_cmdline(struct nec_buffer *image)
{
	eif_add_text(image, NEC_EIF_CMDLINE, "panic=0");
}

static void second_metadata(struct nec_buffer *image)
{
	eif_add_text(image, NEC_EIF_METADATA, "{}");
}

/* Section 1 is the command line, 2 the metadata. */
static void no_cmdline(struct nec_buffer *image)
{
	eif_patch(image, CMDLINE_AT, 2, NEC_EIF_RAMDISK);
	image->data[CMDLINE_AT + 12] = 0;
	memset(image->data + CMDLINE_AT + 12, 0, strlen(CMDLINE));
}

static void no_metadata(struct nec_buffer *image)
{
	size_t at = get_be(image, NEC_EIF_OFFSETS_AT + 16, 8);

	eif_patch(image, at, 2, NEC_EIF_RAMDISK);
	memset(image->data + at + 12, 0, get_be(image, at + 4, 8));
}

static void no_kernel(struct nec_buffer *image)
{
	eif_patch(image, KERNEL_AT, 2, NEC_EIF_RAMDISK);
	memset(image->data + KERNEL_AT + 12, 0, KERNEL);
}

static void no_ramdisk(struct nec_buffer *image)
{
	nec_buffer_free(image);
	eif_begin(image);
	eif_add_file(image, NEC_EIF_KERNEL, "inputs/x86-2rd.kernel");
	eif_add_text(image, NEC_EIF_CMDLINE, CMDLINE);
	eif_add_text(image, NEC_EIF_METADATA, METADATA("null"));
}

static void table_size(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_SIZES_AT, 8, 7);
}

static void section_flags(struct nec_buffer *image)
{
	eif_patch(image, CMDLINE_AT + 2, 2, 1);
}

static void version_3(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_VERSION_AT, 2, 3);
}

static void gap(struct nec_buffer *image)
{
	nec_buffer_append_zeros(image, 5);
	eif_add(image, NEC_EIF_RAMDISK, NULL, 0);
}

static void trailing(struct nec_buffer *image)
{
	nec_buffer_append_text(image, "more");
}

static void flip_kernel_byte(struct nec_buffer *image)
{
	image->data[KERNEL_AT + 12 + 4000] ^= 1;
}

static void kernel_without_magic(struct nec_buffer *image)
{
	memset(image->data + KERNEL_AT + 12 + 0x1fe, 0, 16);
}

static void kernel_gzip(struct nec_buffer *image)
{
	kernel_without_magic(image);
	eif_patch(image, KERNEL_AT + 12, 4, 0x1f8b0800);
}

static void kernel_elf(struct nec_buffer *image)
{
	kernel_without_magic(image);
	memcpy(image->data + KERNEL_AT + 12, elf_x86, sizeof(elf_x86) - 1);
}

static void arch_flag(struct nec_buffer *image)
{
	eif_patch(image, NEC_EIF_FLAGS_AT, 2, NEC_EIF_FLAG_AARCH64);
}

static void cmdline_nul(struct nec_buffer *image)
{
	image->data[CMDLINE_AT + 12 + strlen("console=ttyS0 panic=3")] = 0;
}

static void cmdline_newline(struct nec_buffer *image)
{
	image->data[CMDLINE_AT + 12 + strlen("console=ttyS0 panic=3")] = '\n';
}

static void long_cmdline(struct nec_buffer *image)
{
	struct nec_buffer other = { 0 };

	nec_buffer_free(image);
	eif_begin(&other);
	eif_add_file(&other, NEC_EIF_KERNEL, "inputs/x86-2rd.kernel");
	eif_add(&other, NEC_EIF_CMDLINE, NULL, 0);
	nec_buffer_append_text(&other, CMDLINE);
	for (size_t i = strlen(CMDLINE); i < 2048; i++)
		nec_buffer_append_u8(&other, i == strlen(CMDLINE) ? ' ' : 'x');
	eif_patch(&other, CMDLINE_AT + 4, 8, 2048);
	eif_patch(&other, NEC_EIF_SIZES_AT + 8, 8, 2048);
	eif_add_text(&other, NEC_EIF_METADATA, METADATA("null"));
	add_bootstrap(&other);
	add_customer(&other);
	*image = other;
}

/* x86-signed-after-p384.eif: the signature is section 5, at 8303, and the last one. */
enum { SIGNATURE_AT = 8303 };

static void signature_no_cbor(struct nec_buffer *image)
{
	image->data[SIGNATURE_AT + 12] = 0xff;
}

/* The certificate is an array of integers; its first is the '-' of "-----BEGIN". */
static void signature_no_certificate(struct nec_buffer *image)
{
	static const uint8_t dash[] = { 0x18, '-', 0x18, '-', 0x18, '-' };
	uint8_t *found =
		memmem(image->data + SIGNATURE_AT, image->size - SIGNATURE_AT, dash, sizeof(dash));

	assert_non_null(found);
	found[1] = '=';
}

static void signature_last_byte(struct nec_buffer *image)
{
	/* Integers below 24 are one byte; both kinds stay what they are. */
	image->data[image->size - 1] ^= 1;
}

static void signature_too_big(struct nec_buffer *image)
{
	uint64_t size = NEC_EIF_MAX_SIGNATURE + 1;

	nec_buffer_append_zeros(image, size - (image->size - SIGNATURE_AT - 12));
	eif_patch(image, SIGNATURE_AT + 4, 8, size);
	eif_patch(image, NEC_EIF_SIZES_AT + 40, 8, size);
}

/* The signature stays good: only the first certificate of the text counts. */
static void signature_with_private_key(struct nec_buffer *image)
{
	cleanup_signature nec_signature *signature = NULL;
	cleanup_buffer struct nec_buffer section = { 0 };

	assert_int_equal(nec_signature_decode(image->data + SIGNATURE_AT + 12,
					      image->size - SIGNATURE_AT - 12, &signature, NULL),
			 0);
	nec_buffer_append_text(&signature->pem, "-----BEGIN EC PRIVATE KEY-----\n");
	nec_signature_put_section(&section, &signature->pem, &signature->encoded);
	image->size = SIGNATURE_AT + 12;
	nec_buffer_append(image, section.data, section.size);
	eif_patch(image, SIGNATURE_AT + 4, 8, section.size);
	eif_patch(image, NEC_EIF_SIZES_AT + 40, 8, section.size);
}

/* The same signature, with a certificate file that has the key in it as well. */
static void signature_with_key(struct nec_buffer *image)
{
	cleanup_signature nec_signature *signature = NULL;
	cleanup_buffer struct nec_buffer section = { 0 };
	size_t size = image->size - SIGNATURE_AT - 12;

	assert_int_equal(
		nec_signature_decode(image->data + SIGNATURE_AT + 12, size, &signature, NULL), 0);
	nec_buffer_append_text(&signature->pem, "-----BEGIN PRIVATE KEY-----\n");
	nec_signature_put_section(&section, &signature->pem, &signature->encoded);
	image->size = SIGNATURE_AT + 12;
	nec_buffer_append(image, section.data, section.size);
	eif_patch(image, SIGNATURE_AT + 4, 8, section.size);
	eif_patch(image, NEC_EIF_SIZES_AT + 40, 8, section.size);
}

static void second_signature(struct nec_buffer *image)
{
	cleanup_buffer struct nec_buffer copy = { 0 };

	nec_buffer_append(&copy, image->data + SIGNATURE_AT + 12, image->size - SIGNATURE_AT - 12);
	eif_add(image, NEC_EIF_SIGNATURE, copy.data, copy.size);
}

/* 40 files of one rule: the last of them are only counted. */
static void many_setuid(struct nec_buffer *image)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	for (unsigned int i = 0; i < 40; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "setuid-%u", i);
		cpio_add(&archive,
			 &(struct cpio_file){ name, S_IFREG | S_ISUID | 0755, "#!/init\n" });
	}
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

/* A file of one byte takes a page once it is unpacked. */
static void small_files(struct nec_buffer *image, unsigned int count)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	for (unsigned int i = 0; i < count; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "small-%u", i);
		cpio_add(&archive, &(struct cpio_file){ name, REG, "x" });
	}
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

static void pages_of_80_mib(struct nec_buffer *image)
{
	small_files(image, 20480);
}

static void pages_of_40_mib(struct nec_buffer *image)
{
	small_files(image, 10240);
}

static void rename_entry(struct nec_buffer *image, const char *name, const char *other)
{
	char text[64];
	uint8_t *found;

	(void)snprintf(text, sizeof(text), "00000000%s", name);
	found = memmem(image->data, image->size, text, strlen(text) + 1);
	assert_non_null(found);
	for (size_t i = 0; other[i]; i++)
		found[8 + i] = (uint8_t)other[i];
}

static void no_cmd(struct nec_buffer *image)
{
	rename_entry(image, "cmd", "xyz");
}

static void no_env(struct nec_buffer *image)
{
	rename_entry(image, "env", "xyz");
}

static void orphan(struct nec_buffer *image)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	cpio_add(&archive, &(struct cpio_file){ "opt/x", REG, "x" });
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

/* A dynamic /init. */
static void dynamic_init(struct nec_buffer *image)
{
	cleanup_buffer struct nec_buffer program = { 0 };
	cleanup_buffer struct nec_buffer archive = { 0 };

	elf_make(&program, EM_X86_64, "/lib/ld.so");
	cpio_add(&archive,
		 &(struct cpio_file){ "init", EXEC, (const char *)program.data, program.size });
	cpio_end(&archive);
	eif_add(image, NEC_EIF_RAMDISK, archive.data, archive.size);
}

static const char cpio_cut[] = "07070100000001000081A40000000000000000000000010000000000000010"
			       "000000000000000000000000000000000000000200000000a";

#define SHEBANG "#!/bin/app\n"
#define KEY     "-----BEGIN OPENSSH PRIVATE KEY-----\n"

const struct scene lint_scenes[] = {
	{ .rules = "" },
	{ .rules = "", .cmdline = "console=ttyS0 panic=-1 nomodules init=/sbin/init 10 quiet" },
	{ .rules = "", .metadata = METADATA("{\"a\":1}") },

	/* the container */
	{ .rules = "magic", .text = "2e656978", .alter = other_magic },
	{ .rules = "truncated", .text = "are left", .alter = cut },
	{ .rules = "version", .text = "version 5", .alter = version_5 },
	{ .rules = "flags", .text = "0x0240", .alter = flags },
	{ .rules = "reserved", .alter = reserved },
	{ .rules = "section-count", .text = "0 sections", .alter = no_sections },
	{ .rules = "section-type", .text = "type 6", .alter = type_6 },
	{ .rules = "section-overlap", .text = "section 1", .alter = overlap },
	{ .rules = "section-order", .alter = ramdisk_first },
	{ .rules = "section-repeated", .text = "kernel", .alter = second_kernel },
	{ .rules = "section-repeated", .text = "cmdline", .alter = second_cmdline },
	{ .rules = "section-repeated", .text = "metadata", .alter = second_metadata },
	{ .rules = "section-repeated " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = second_signature },
	{ .rules = "section-missing ramdisk-empty", .alter = no_kernel },
	{ .rules = "section-missing ramdisk-empty", .alter = no_cmdline },
	{ .rules = "section-missing ramdisk-empty", .alter = no_metadata },
	{ .rules = "section-missing", .text = "ramdisk", .alter = no_ramdisk },
	{ .rules = "section-size", .text = "7 by", .alter = table_size },
	{ .rules = "section-flags", .text = "0x0001", .alter = section_flags },
	{ .rules = "section-version", .text = "metadata", .alter = version_3 },
	{ .rules = "section-gap ramdisk-empty", .alter = gap },
	{ .rules = "trailing-bytes", .text = "4 bytes", .alter = trailing },
	{ .rules = "crc", .alter = flip_kernel_byte, .keep_crc = true },

	/* the kernel */
	{ .rules = "kernel-format", .text = "neither", .alter = kernel_without_magic },
	{ .rules = "kernel-format", .text = "vmlinux", .alter = kernel_elf },
	{ .rules = "kernel-compressed", .text = "gzip", .alter = kernel_gzip },
	{ .rules = "kernel-arch program-arch", .text = "aarch64", .alter = arch_flag },

	/* the command line */
	{ .rules = "cmdline-bytes",
	  .text = "NUL at byte 21 of 31",
	  .cmdline = "console=ttyS0 panic=3 reboot=k!",
	  .alter = cmdline_nul },
	{ .rules = "cmdline-bytes",
	  .text = "newline",
	  .cmdline = "console=ttyS0 panic=3 reboot=k",
	  .alter = cmdline_newline },
	{ .rules = "cmdline-length", .text = "2048", .alter = long_cmdline },
	{ .rules = "cmdline-console", .cmdline = "panic=30" },
	{ .rules = "cmdline-panic", .cmdline = "console=ttyS0" },
	{ .rules = "cmdline-panic", .cmdline = "console=ttyS0 panic=0" },
	{ .rules = "cmdline-modules",
	  .text = "nsm.ko",
	  .cmdline = CMDLINE " nomodule",
	  .files = { { "nsm.ko", REG, "module" } } },
	{ .rules = "", .cmdline = CMDLINE " nomodule" },
	{ .rules = "flags cmdline-pci", .cmdline = CMDLINE " pci=off", .alter = flags },
	{ .rules = "cmdline-shell", .text = "init=/bin/sh", .cmdline = CMDLINE " init=/bin/sh" },
	{ .rules = "cmdline-shell", .text = "rd.break", .cmdline = CMDLINE " rd.break=mount" },
	{ .rules = "cmdline-shell", .text = "\"1\"", .cmdline = CMDLINE " 1" },
	{ .rules = "cmdline-shell", .cmdline = "systemd.debug-shell " CMDLINE },
	{ .rules = "cmdline-debug", .text = "\"debug\"", .cmdline = CMDLINE " debug" },
	{ .rules = "cmdline-weakened", .text = "enforcing=0", .cmdline = CMDLINE " enforcing=0" },
	{ .rules = "cmdline-weakened", .cmdline = "x=\"a b\" nokaslr " CMDLINE },
	{ .rules = "", .cmdline = "x=\" nokaslr \" " CMDLINE },

	/* the signature */
	{ .rules = "signature-size " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = signature_too_big },
	{ .rules = "signature-size-stale " PLACEHOLDERS,
	  .base_file = "x86-resigned-p256-to-p521-stalesize.eif" },
	{ .rules = "signature-format " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = signature_no_cbor },
	{ .rules = "signature-invalid " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = signature_last_byte },
	{ .rules = PLACEHOLDERS " private-key",
	  .text = "beside the signing certificate",
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = signature_with_key },
	{ .rules = "signature-pcr0 " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = flip_kernel_byte },
	{ .rules = "certificate " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = signature_no_certificate },
	{ .rules = PLACEHOLDERS " private-key",
	  .text = "beside the signing certificate",
	  .base_file = "x86-signed-after-p384.eif",
	  .alter = signature_with_private_key },
	/* It is valid from 2024-01-01 to 2043-12-27. */
	{ .rules = PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .now = INT64_C(1704067200) },
	{ .rules = "certificate-not-yet " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .now = INT64_C(1704067199) },
	{ .rules = "certificate-expired " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .now = INT64_C(2334787201) },
	{ .rules = "certificate-expiring " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .now = INT64_C(2334787200) },
	{ .rules = "certificate-expiring " PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .now = INT64_C(2334787200) - 30 * INT64_C(86400) + 1 },
	{ .rules = PLACEHOLDERS,
	  .base_file = "x86-signed-after-p384.eif",
	  .now = INT64_C(2334787200) - 30 * INT64_C(86400) },

	/* the metadata */
	{ .rules = "metadata-json", .metadata = "{" },
	{ .rules = "metadata-json", .metadata = "[]" },
	{ .rules = "metadata-keys", .text = "BuildMetadata", .metadata = "{}" },
	{ .rules = "metadata-custom", .metadata = METADATA("[1]") },
	{ .rules = "metadata-shadowed",
	  .text = "BuildTool",
	  .metadata = METADATA("{\"BuildTool\":\"mine\"}") },

	/* memory */
	{ .rules = "", .memory_mib = 64 },
	{ .rules = "memory-minimum", .text = "63 MiB", .memory_mib = 63 },
	{ .rules = "memory-minimum memory-image memory-unpacked",
	  .alter = pages_of_40_mib,
	  .memory_mib = 4 },
	{ .rules = "memory-unpacked", .alter = pages_of_80_mib, .memory_mib = 64 },
	{ .rules = "memory-tmpfs", .alter = pages_of_40_mib, .memory_mib = 64 },
	{ .rules = "",
	  .cmdline = CMDLINE " root=/dev/ram0",
	  .alter = pages_of_40_mib,
	  .memory_mib = 64 },
	{ .rules = "", .alter = pages_of_40_mib, .memory_mib = 128 },

	/* the ramdisks and what boots from them */
	{ .rules = "ramdisk-format", .ramdisk = "not an archive", .ramdisk_size = 14 },
	{ .rules = "ramdisk-format", .ramdisk = "\x1f\x8b\x08", .ramdisk_size = 3 },
	{ .rules = "ramdisk-damaged", .ramdisk = cpio_cut, .ramdisk_size = sizeof(cpio_cut) },
	{ .rules = "ramdisk-empty", .text = "ramdisk 3", .ramdisk = "", .ramdisk_size = 1 },
	{ .rules = "ramdisk-name", .text = "../x", .files = { { "dev/../../x", REG, "x" } } },
	{ .rules = "ramdisk-name", .text = "/dev/x", .files = { { "/dev/x", REG, "x" } } },
	{ .rules = "ramdisk-parent", .text = "opt/x", .alter = orphan },
	{ .rules = "init-missing", .text = "/sbin/init", .cmdline = CMDLINE " rdinit=/sbin/init" },
	{ .rules = "",
	  .cmdline = CMDLINE " rdinit=/sbin/init",
	  .files = { { "usr/lib/sysd", EXEC, elf_x86, sizeof(elf_x86) },
		     { "usr/sbin/init", LINK, "../lib/sysd" },
		     { "sbin", LINK, "usr/sbin" } } },
	{ .rules = "stock-files", .text = "file cmd", .alter = no_cmd },
	{ .rules = "stock-files", .text = "file env", .alter = no_env },
	{ .rules = "stock-folders", .text = "rootfs/tmp", .files = { { "rootfs/tmp", REG, "" } } },
	{ .rules = "command-missing",
	  .text = "/bin/none",
	  .files = { { "cmd", REG, "/bin/none\n" } } },
	{ .rules = "command-missing", .text = "sh", .files = { { "cmd", REG, "" } } },
	{ .rules = "", .files = { { "cmd", REG, "app\n" } } },
	{ .rules = "", .files = { { "cmd", REG, "./app\n" }, { "workdir", REG, "/bin\n" } } },
	{ .rules = "command-missing",
	  .files = { { "cmd", REG, "./app\n" }, { "workdir", REG, "/tmp\n" } } },
	{ .rules = "",
	  .files = { { "cmd0", REG, "tool\0with\narguments\0", 20 },
		     { "env0", REG, "PATH=/opt/a:/opt/b\0", 19 },
		     { "rootfs/opt/b/tool", EXEC, SHEBANG } } },
	{ .rules = "program-mode", .text = "0100644", .files = { { "init", REG, SHEBANG } } },
	{ .rules = "program-mode", .text = "bin/app", .files = { { "rootfs/bin/app", REG, "x" } } },
	{ .rules = "program-format",
	  .text = "init",
	  .files = { { "init", EXEC, "echo hello\n" } } },
	{ .rules = "program-format",
	  .text = "app",
	  .files = { { "rootfs/bin/app", EXEC, "echo\n" } } },
	{ .rules = "",
	  .files = { { "rootfs/bin/app", EXEC, "echo\n" },
		     { "rootfs/bin/sh", EXEC, elf_x86, sizeof(elf_x86) } } },
	{ .rules = "program-arch",
	  .text = "machine 183",
	  .files = { { "init", EXEC,
		       "\x7f"
		       "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7",
		       20 } } },
	{ .rules = "program-interpreter",
	  .text = "/none",
	  .files = { { "init", EXEC, "#! /none -x\n" } } },
	{ .rules = "program-interpreter", .text = "ld.so", .alter = dynamic_init },
	{ .rules = "", .alter = dynamic_init, .files = { { "lib/ld.so", EXEC, "x" } } },

	/* debug leftovers and secrets */
	{ .rules = "autologin",
	  .text = "getty@.service.d",
	  .files = { { "rootfs/etc/systemd/system/getty@.service.d/autologin.conf", REG,
		       "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %I\n" } } },
	{ .rules = "",
	  .files = { { "usr/lib/systemd/system/getty@.service", REG,
		       "#--autologin\nExecStart=-/sbin/agetty -o '-p -- \\u' --noclear - $TERM\n" } } },
	{ .rules = "autologin",
	  .files = { { "etc/inittab", REG, "ttyS0::respawn:/sbin/getty --autologin root\n" } } },
	{ .rules = "autologin", .files = { { "etc/inittab", REG, "::askfirst:-/bin/sh\n" } } },
	{ .rules = "",
	  .files = { { "etc/inittab", REG,
		       "#::askfirst:-/bin/sh\n::sysinit:/bin/sh /etc/rc\n" } } },
	{ .rules = "autologin",
	  .files = { { "etc/systemd/system/sysinit.target.wants/debug-shell.service", LINK,
		       "/usr/lib/systemd/system/debug-shell.service" } } },
	{ .rules = "empty-password",
	  .text = "of root",
	  .files = { { "etc/shadow", REG, "root::1::\n" } } },
	{ .rules = "empty-password",
	  .text = "of u",
	  .files = { { "etc/passwd", REG, "r:x:0:\nu::1:\n" } } },
	{ .rules = "", .files = { { "etc/passwd", REG, "root:x:0:\n+::::::\n" } } },
	{ .rules = "root-password",
	  .files = { { "rootfs/etc/shadow", REG, "root:$6$ab$cd:1::\nu:$6$ab$cd:1::\n" } } },
	{ .rules = "", .files = { { "etc/shadow", REG, "root:!$6$a:1::\nu:*:1::\n\n" } } },
	{ .rules = "authorized-keys",
	  .text = "root/.ssh/authorized_keys",
	  .files = { { "rootfs/root/.ssh/authorized_keys", REG, "# me\nssh-ed25519 AAAA me\n" } } },
	{ .rules = "", .files = { { "root/.ssh/authorized_keys", REG, "# nobody\n\n" } } },
	{ .rules = "sshd-root-login",
	  .files = { { "etc/ssh/sshd_config", REG, "#x\nPermitRootLogin yes\n" },
		     { "usr/sbin/sshd", EXEC, elf_x86, sizeof(elf_x86) } } },
	{ .rules = "sshd-password",
	  .files = { { "rootfs/etc/ssh/sshd_config.d/a.conf", REG, "passwordauthentication=YES\n" },
		     { "rootfs/usr/sbin/sshd", EXEC, elf_x86, sizeof(elf_x86) } } },
	{ .rules = "", .files = { { "etc/ssh/sshd_config", REG, "PermitRootLogin yes\n" } } },
	{ .rules = "private-key", .files = { { "etc/ssh/ssh_host_rsa_key", REG, KEY } } },
	{ .rules = "private-key", .files = { { "rootfs/home/a/.aws/credentials", REG, "[a]\n" } } },
	{ .rules = "", .files = { { "root/.ssh/id_rsa.pub", REG, "ssh-rsa AAAA" } } },
	{ .rules = "env-secret",
	  .text = "AWS_SECRET_ACCESS_KEY",
	  .files = { { "env", REG, "PATH=/bin\nAWS_SECRET_ACCESS_KEY=abc\n" } } },
	{ .rules = "",
	  .files = { { "env", REG, "DB_PASSWORD_FILE=/run/x\nTOKEN=\nTOKENIZERS=1\nSECRET\n" } } },
	{ .rules = "world-writable",
	  .text = "0777",
	  .files = { { "rootfs/usr/bin/x", S_IFREG | 0777, SHEBANG } } },
	{ .rules = "world-writable", .files = { { "usr/local/bin", S_IFDIR | 0777 } } },
	{ .rules = "",
	  .files = { { "rootfs/usr/bin/x", S_IFREG | 0777, SHEBANG, 0, 1000 },
		     { "rootfs/srv/x", S_IFREG | 0777, SHEBANG },
		     { "rootfs/usr/local/bin", S_IFDIR | 01777 } } },
	{ .rules = "setuid", .text = "4755", .files = { { "bin/su", S_IFREG | 04755, SHEBANG } } },
	{ .rules = "setuid", .text = "and 20 more", .alter = many_setuid },
};

const size_t lint_scene_count = ARRAY_SIZE(lint_scenes);
