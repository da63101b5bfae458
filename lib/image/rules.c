/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what can be wrong with an image.
 *
 * ERROR:   against the format, or it cannot work: some loader that an image has to pass refuses it,
 *          or nothing would run in the enclave.
 * WARNING: it runs, but not everywhere, or it opens a door that should be shut.
 * NOTE:    good to know.
 */
#include "image/rules.h"

#include "base/cleanup.h"

#define ERROR   NEC_SEVERITY_ERROR
#define WARNING NEC_SEVERITY_WARNING
#define NOTE    NEC_SEVERITY_NOTE

static const struct nec_eif_rule rules[] = {
	[NEC_RULE_MAGIC] = { "magic", ERROR, NEC_E_EIF_MAGIC, "the file does not begin with .eif",
			     "This is not an enclave image; build one with `nec build-enclave`." },
	[NEC_RULE_TRUNCATED] = { "truncated", ERROR, NEC_E_EIF_TRUNCATED,
				 "the file ends before what its header promises",
				 "The file is incomplete: copy or build it again." },
	[NEC_RULE_VERSION] = { "version", ERROR, NEC_E_EIF_VERSION,
			       "the format version is not 2, 3 or 4", "Build the image again." },
	[NEC_RULE_FLAGS] = { "flags", WARNING, NEC_E_UNSUPPORTED,
			     "header flags beside the architecture are set",
			     "Nothing needs to be done on Nitro hardware that knows the flags; "
			     "QEMU's nitro-enclave machine refuses such images." },
	[NEC_RULE_RESERVED] = { "reserved", WARNING, NEC_E_UNSUPPORTED,
				"a reserved field or an unused table entry is not 0",
				"Reserved fields should be 0: build the image again." },
	[NEC_RULE_SECTION_COUNT] = { "section-count", ERROR, NEC_E_EIF_SECTION_COUNT,
				     "the number of sections is not in 2 to 32",
				     "Build the image again." },
	[NEC_RULE_SECTION_TYPE] = { "section-type", ERROR, NEC_E_EIF_SECTION_TYPE,
				    "a section's type does not exist", "Build the image again." },
	[NEC_RULE_SECTION_OVERLAP] = { "section-overlap", ERROR, NEC_E_EIF_SECTION_ORDER,
				       "a section begins before the end of the one before it, or "
				       "inside the header",
				       "Build the image again." },
	[NEC_RULE_SECTION_ORDER] = { "section-order", ERROR, NEC_E_EIF_SECTION_ORDER,
				     "a ramdisk stands before the kernel",
				     "Build the image again." },
	[NEC_RULE_SECTION_REPEATED] = { "section-repeated", ERROR, NEC_E_EIF_SECTION_REPEATED,
					"two kernels, command lines, signatures or metadata",
					"Readers disagree about which one counts: build the image "
					"again." },
	[NEC_RULE_SECTION_MISSING] = { "section-missing", ERROR, NEC_E_EIF_SECTION_MISSING,
				       "no kernel, command line, ramdisk or (version 4) metadata",
				       "Build the image again." },
	[NEC_RULE_SECTION_SIZE] = { "section-size", ERROR, NEC_E_EIF_SECTION_SIZE,
				    "a section's size differs between its header and the table",
				    "Build the image again." },
	[NEC_RULE_SECTION_FLAGS] = { "section-flags", WARNING, NEC_E_UNSUPPORTED,
				     "a section has flags, which no type defines",
				     "QEMU's nitro-enclave machine refuses such images; build the "
				     "image again." },
	[NEC_RULE_SECTION_VERSION] = { "section-version", WARNING, NEC_E_UNSUPPORTED,
				       "a section is newer than the file's format version",
				       "Signatures came with version 3 of the format, metadata "
				       "with version 4." },
	[NEC_RULE_SECTION_GAP] = { "section-gap", WARNING, NEC_E_UNSUPPORTED,
				   "bytes between sections belong to none",
				   "The format allows gaps, but nitro-cli and QEMU cannot read "
				   "such images." },
	[NEC_RULE_TRAILING_BYTES] = { "trailing-bytes", ERROR, NEC_E_EIF_TRAILING,
				      "bytes follow the last section", "Build the image again." },
	[NEC_RULE_CRC] = { "crc", ERROR, NEC_E_EIF_CRC, "the CRC-32 does not match the file",
			   "The file is damaged: copy or build it again." },

	[NEC_RULE_KERNEL_FORMAT] = { "kernel-format", ERROR, NEC_E_KERNEL,
				     "the kernel is neither a bzImage nor an arm64 Image",
				     "Build the image with the bootable form of a kernel: bzImage "
				     "(vmlinuz) on x86_64, the plain Image on aarch64." },
	[NEC_RULE_KERNEL_COMPRESSED] = { "kernel-compressed", ERROR, NEC_E_KERNEL,
					 "the kernel is compressed as a whole (arm64 Image.gz, EFI "
					 "zboot)",
					 "Unpack the kernel (`gunzip < FILE > Image`) and build "
					 "the image again." },
	[NEC_RULE_KERNEL_ARCH] = { "kernel-arch", ERROR, NEC_E_EIF_ARCH,
				   "the kernel is of another architecture than the header says",
				   "Build the image with the right --arch or another kernel." },

	[NEC_RULE_CMDLINE_BYTES] = { "cmdline-bytes", ERROR, NEC_E_NONE,
				     "the command line has a NUL or a newline",
				     "The kernel stops reading at a NUL; build the image with a command line of one line." },
	[NEC_RULE_CMDLINE_LENGTH] = { "cmdline-length", ERROR, NEC_E_NONE,
				      "the command line is longer than the kernel reads",
				      "The kernel cuts it at 2047 bytes; make it shorter." },
	[NEC_RULE_CMDLINE_CONSOLE] = { "cmdline-console", NOTE, NEC_E_NONE,
				       "no console is named on the command line",
				       "In debug mode `nec console` may show nothing; add "
				       "console=ttyS0." },
	[NEC_RULE_CMDLINE_PANIC] = { "cmdline-panic", NOTE, NEC_E_NONE,
				     "a panicking kernel is not told to end",
				     "An enclave whose kernel panics stays and keeps its memory; "
				     "add panic=30 reboot=k." },
	[NEC_RULE_CMDLINE_MODULES] = { "cmdline-modules", WARNING, NEC_E_NONE,
				       "nomodule on the command line, modules in the ramdisks",
				       "The modules will not load; remove nomodule (`nomodules`, "
				       "as in nitro-cli's default, does nothing)." },
	[NEC_RULE_CMDLINE_PCI] = { "cmdline-pci", WARNING, NEC_E_NONE,
				   "pci=off although the header flags ask for PCI devices",
				   "Remove pci=off, or build the image without the PCI flags." },
	[NEC_RULE_CMDLINE_SHELL] = { "cmdline-shell", WARNING, NEC_E_NONE,
				     "the command line asks for a shell or rescue mode",
				     "Remove it before this image is used for anything but "
				     "debugging." },
	[NEC_RULE_CMDLINE_DEBUG] = { "cmdline-debug", NOTE, NEC_E_NONE,
				     "the command line asks for debug messages",
				     "Remove it for production: it slows the start and tells "
				     "internals on the console." },
	[NEC_RULE_CMDLINE_WEAKENED] = { "cmdline-weakened", WARNING, NEC_E_NONE,
					"the command line switches off a protection",
					"Remove it unless it is known why it is needed." },

	[NEC_RULE_SIGNATURE_SIZE] = { "signature-size", ERROR, NEC_E_EIF_SECTION_SIZE,
				      "the signature section is larger than 32768 bytes",
				      "Sign the image again, with a certificate file that holds "
				      "nothing but the certificate." },
	[NEC_RULE_SIGNATURE_SIZE_STALE] = { "signature-size-stale", ERROR, NEC_E_EIF_SECTION_SIZE,
					    "the table has an old size for the signature section",
					    "nitro-cli's sign-eif leaves such files when it "
					    "replaces a signature; `nec sign-eif` writes the size "
					    "right." },
	[NEC_RULE_SIGNATURE_FORMAT] = { "signature-format", ERROR, NEC_E_SIGNATURE_FORMAT,
					"the signature section cannot be decoded",
					"Sign the image again." },
	[NEC_RULE_SIGNATURE_INVALID] = { "signature-invalid", ERROR, NEC_E_SIGNATURE_INVALID,
					 "the signature does not verify with its certificate",
					 "The key that signed is not the certificate's, or the "
					 "signature was altered; sign the image again." },
	[NEC_RULE_SIGNATURE_PCR0] = { "signature-pcr0", ERROR, NEC_E_SIGNATURE_PCR0,
				      "the signed value is not the image's PCR0",
				      "The image was changed after it was signed; do not run it "
				      "unless you know why." },
	[NEC_RULE_CERTIFICATE] = { "certificate", ERROR, NEC_E_CERTIFICATE,
				   "the certificate is not PEM with a key on P-256, P-384 or P-521",
				   "Sign the image again with such a certificate." },
	[NEC_RULE_CERTIFICATE_EXPIRED] = { "certificate-expired", ERROR, NEC_E_CERTIFICATE_DATES,
					   "the certificate is no longer valid",
					   "nitro-cli does not start such an image: sign it again "
					   "with a certificate that is valid now." },
	[NEC_RULE_CERTIFICATE_NOT_YET] = { "certificate-not-yet", ERROR, NEC_E_CERTIFICATE_DATES,
					   "the certificate is not valid yet",
					   "nitro-cli does not start such an image before that "
					   "date; is the clock right?" },
	[NEC_RULE_CERTIFICATE_EXPIRING] = { "certificate-expiring", NOTE, NEC_E_NONE,
					    "the certificate ends within 30 days",
					    "Sign the image again in time: it cannot be started "
					    "after that date." },

	[NEC_RULE_METADATA_JSON] = { "metadata-json", ERROR, NEC_E_EIF_METADATA,
				     "the metadata is not one JSON object",
				     "nitro-cli cannot describe such an image; build it again." },
	[NEC_RULE_METADATA_KEYS] = { "metadata-keys", ERROR, NEC_E_EIF_METADATA,
				     "a key of the metadata is missing or of another type",
				     "nitro-cli cannot describe such an image; build it again." },
	[NEC_RULE_METADATA_CUSTOM] = { "metadata-custom", ERROR, NEC_E_EIF_METADATA,
				       "CustomMetadata is neither an object nor null",
				       "nitro-cli cannot describe such an image; build it with "
				       "--metadata naming a file that holds a JSON object." },
	[NEC_RULE_METADATA_SHADOWED] = { "metadata-shadowed", WARNING, NEC_E_EIF_METADATA,
					 "a custom key has the name of a fixed one",
					 "In describe-eif the two cannot be told apart: rename the "
					 "custom key." },

	[NEC_RULE_MEMORY_MINIMUM] = { "memory-minimum", ERROR, NEC_E_NONE,
				      "less memory than any enclave can have (64 MiB)",
				      "Ask for more memory." },
	[NEC_RULE_MEMORY_IMAGE] = { "memory-image", ERROR, NEC_E_NONE,
				    "less memory than four times the file",
				    "nitro-cli refuses to start it: ask for more memory, or make "
				    "the image smaller." },
	[NEC_RULE_MEMORY_UNPACKED] = { "memory-unpacked", ERROR, NEC_E_NONE,
				       "less memory than kernel and unpacked ramdisks take",
				       "The enclave would run out of memory while it boots: ask "
				       "for more memory, or make the image smaller." },
	[NEC_RULE_MEMORY_TMPFS] = { "memory-tmpfs", WARNING, NEC_E_NONE,
				    "the unpacked ramdisks are more than half of the memory",
				    "The kernel's root tmpfs holds at most half of the memory; "
				    "ask for more memory, or add root=/dev/ram0 to the command "
				    "line, which makes it a ramfs." },

	[NEC_RULE_RAMDISK_FORMAT] = { "ramdisk-format", ERROR, NEC_E_CPIO,
				      "a ramdisk is not a cpio archive, plain or compressed",
				      "Build the image again; the archive format is newc." },
	[NEC_RULE_RAMDISK_DAMAGED] = { "ramdisk-damaged", ERROR, NEC_E_CPIO,
				       "a ramdisk is cut short or corrupt",
				       "The kernel would miss files: build the image again." },
	[NEC_RULE_RAMDISK_EMPTY] = { "ramdisk-empty", NOTE, NEC_E_NONE, "a ramdisk holds no files",
				     "It is allowed, but is it meant?" },
	[NEC_RULE_RAMDISK_LIMIT] = { "ramdisk-limit", WARNING, NEC_E_TOO_LARGE,
				     "a ramdisk was looked at only in part",
				     "It goes over a limit of this check; what lies behind was not "
				     "seen." },
	[NEC_RULE_RAMDISK_NAME] = { "ramdisk-name", WARNING, NEC_E_NONE,
				    "a file's name in a ramdisk is absolute or has .. parts",
				    "Tools that unpack the archive may write elsewhere: build the image again." },
	[NEC_RULE_RAMDISK_PARENT] = { "ramdisk-parent", ERROR, NEC_E_NONE,
				      "a file's folder does not come before it",
				      "The kernel leaves such files out without a word: add the folder, before the file." },
	[NEC_RULE_INIT_MISSING] = { "init-missing", ERROR, NEC_E_NONE,
				    "the ramdisks have no first process",
				    "Add /init, or name the program with rdinit= on the command "
				    "line." },
	[NEC_RULE_STOCK_FILES] = { "stock-files", WARNING, NEC_E_NONE,
				   "a ramdisk with rootfs/ has no cmd or no env file",
				   "nitro-cli's init ends without them: build the image with a command, and with an env file even if it is empty." },
	[NEC_RULE_STOCK_FOLDERS] = { "stock-folders", WARNING, NEC_E_NONE,
				     "a folder that init mounts on is missing from rootfs/",
				     "nitro-cli's init ends when it cannot mount: add the folder to the root file system." },
	[NEC_RULE_COMMAND_MISSING] = { "command-missing", ERROR, NEC_E_NONE,
				       "the program that cmd names is not in rootfs/",
				       "The enclave would end as soon as it starts: correct the "
				       "command, or add the program." },
	[NEC_RULE_PROGRAM_MODE] = { "program-mode", ERROR, NEC_E_NONE,
				    "the first process or the command is not an executable file",
				    "Set its executable bits (chmod 0755) and build the image "
				    "again." },
	[NEC_RULE_PROGRAM_FORMAT] = { "program-format", ERROR, NEC_E_NONE,
				      "the first process or the command is no program",
				      "An ELF program or a script that begins with #! is needed." },
	[NEC_RULE_PROGRAM_ARCH] = { "program-arch", ERROR, NEC_E_NONE,
				    "the first process or the command is for another architecture",
				    "Build the image from programs of its own architecture." },
	[NEC_RULE_PROGRAM_INTERPRETER] = { "program-interpreter", ERROR, NEC_E_NONE,
					   "the dynamic linker or script interpreter of the first "
					   "process or the command is missing",
					   "Add it to the image, or link the program statically." },

	[NEC_RULE_AUTOLOGIN] = { "autologin", WARNING, NEC_E_NONE,
				 "a login without password on a terminal",
				 "Whoever reaches the console is logged in: remove it from images "
				 "that are not for debugging." },
	[NEC_RULE_EMPTY_PASSWORD] = { "empty-password", WARNING, NEC_E_NONE,
				      "an account has an empty password",
				      "Lock the account (`passwd -l`)." },
	[NEC_RULE_ROOT_PASSWORD] = { "root-password", WARNING, NEC_E_NONE, "root has a password",
				     "The parent instance can read its hash from the image: lock "
				     "the account (`passwd -l root`)." },
	[NEC_RULE_AUTHORIZED_KEYS] = { "authorized-keys", WARNING, NEC_E_NONE,
				       "SSH keys may log in",
				       "Remove the file from images that are not for debugging." },
	[NEC_RULE_SSHD_ROOT_LOGIN] = { "sshd-root-login", WARNING, NEC_E_NONE,
				       "sshd lets root log in (PermitRootLogin yes)",
				       "Set PermitRootLogin no, or leave sshd out." },
	[NEC_RULE_SSHD_PASSWORD] = { "sshd-password", WARNING, NEC_E_NONE,
				     "sshd takes passwords (PasswordAuthentication yes)",
				     "Set PasswordAuthentication no, or leave sshd out." },
	[NEC_RULE_PRIVATE_KEY] = { "private-key", WARNING, NEC_E_NONE,
				   "a private key or a credentials file is in the image",
				   "An image is not encrypted: the parent instance can read it. "
				   "Deliver secrets after attestation." },
	[NEC_RULE_ENV_SECRET] = { "env-secret", WARNING, NEC_E_NONE,
				  "an environment variable looks like a secret",
				  "An image is not encrypted: the parent instance can read it. "
				  "Deliver secrets after attestation." },
	[NEC_RULE_WORLD_WRITABLE] = { "world-writable", WARNING, NEC_E_NONE,
				      "everybody may change a program of root",
				      "Remove the write permission (chmod o-w)." },
	[NEC_RULE_SETUID] = { "setuid", NOTE, NEC_E_NONE, "a program runs with its owner's rights",
			      "Remove the bit (chmod u-s,g-s) where it is not needed." },
};

const struct nec_eif_rule *nec_rule_row(enum nec_rule rule)
{
	_Static_assert(ARRAY_SIZE(rules) == NEC_RULE_COUNT, "a row for each rule");
	return &rules[rule];
}

const struct nec_eif_rule *nec_eif_get_rule(size_t index)
{
	return index < ARRAY_SIZE(rules) ? &rules[index] : NULL;
}
