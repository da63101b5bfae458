/* SPDX-License-Identifier: Apache-2.0 */
/* What kind of kernel a file is, by a bounded look at its headers; and what a kernel config says.
 */
#ifndef NEC_IMAGE_KERNEL_H
#define NEC_IMAGE_KERNEL_H

#include "nec.h"

enum nec_kernel_format {
	NEC_KERNEL_UNKNOWN,
	NEC_KERNEL_BZIMAGE,     /* x86: what an x86_64 enclave boots */
	NEC_KERNEL_ARM64_IMAGE, /* uncompressed Image: what an aarch64 enclave boots */
	NEC_KERNEL_GZIP,        /* gzip'd something, e.g. Ubuntu's arm64 vmlinuz */
	NEC_KERNEL_EFI_ZBOOT,   /* self-unpacking EFI program, e.g. Fedora's arm64 vmlinuz */
	NEC_KERNEL_ELF,         /* vmlinux */
};

#define NEC_KERNEL_RELEASE_SIZE 128

struct nec_kernel {
	enum nec_kernel_format format;
	enum nec_arch arch;                    /* NEC_ARCH_UNKNOWN when the header does not tell */
	char release[NEC_KERNEL_RELEASE_SIZE]; /* `uname -r`, "" when the header does not tell */
};

/**
 * nec_kernel_probe() - look at the headers of the kernel that is @size bytes at @offset of @fd
 * @name: of the file, for messages
 *
 * Reads at most a few KiB with pread(). A file that is no kernel, empty or cut short is no error:
 * its format is NEC_KERNEL_UNKNOWN. Returns 0, or a negative errno (NEC_E_FILE_READ).
 */
int nec_kernel_probe(int fd, const char *name, uint64_t offset, uint64_t size,
		     struct nec_kernel *ret, nec_error *err);

/* The same for a whole file; also -EINVAL (NEC_E_FILE_OPEN) for one that is not regular. */
int nec_kernel_probe_file(const char *path, struct nec_kernel *ret, nec_error *err);

/*
 * Whether an enclave of @arch could boot it. Returns 0, or -EINVAL: NEC_E_EIF_ARCH for a good
 * kernel of the other architecture, NEC_E_KERNEL for everything else, with the way out as hint.
 */
int nec_kernel_check(const struct nec_kernel *kernel, enum nec_arch arch, const char *name,
		     nec_error *err);

/* What a kernel config says; line 3 is "# Linux/x86_64 4.14.256 Kernel Configuration". */
struct nec_kernel_config {
	char operating_system[64]; /* from line 3: "Linux" */
	char version[64];          /* "4.14.256", up to the first '-'; "Unknown" when absent */
	bool no_cmdline_devices;   /* VIRTIO_MMIO_CMDLINE_DEVICES is said to be off */
};

/* Returns 0, -EFBIG (NEC_E_TOO_LARGE), or -EBADMSG (NEC_E_KERNEL) when line 3 is no such line. */
int nec_kernel_config_read(const char *path, struct nec_kernel_config *ret, nec_error *err);

/* The same over text in memory, which need not end in NUL; @name is for messages. */
int nec_kernel_config_parse(const char *text, size_t size, const char *name,
			    struct nec_kernel_config *ret, nec_error *err);

#endif
