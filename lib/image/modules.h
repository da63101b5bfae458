/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel modules that go into an image: found by name in a modules folder together with what
 * they depend on, or given as files; unpacked and checked.
 */
#ifndef NEC_IMAGE_MODULES_H
#define NEC_IMAGE_MODULES_H

#include "base/buffer.h"
#include "nec.h"

/* Far more than an enclave needs. */
#define NEC_MODULES_MAX 256

struct nec_module {
	char *name;             /* as lsmod shows it: "vmw_vsock_virtio_transport" */
	struct nec_buffer data; /* the .ko, uncompressed */
	const char *vermagic;   /* lies in data: release of its kernel, then build options */
};

struct nec_module_set {
	enum nec_arch arch;
	char *folder; /* lib/modules/RELEASE, or NULL */
	struct nec_buffer index;
	struct nec_buffer builtin;
	struct nec_module *items; /* in the order to load them */
	size_t count;
};

/**
 * nec_module_set_open() - start a set whose modules come from a folder
 * @set:    to be released with nec_module_set_free(), also after a failure
 * @folder: lib/modules/RELEASE of an installed kernel or of an unpacked package; NULL when there
 *          is none, then only files can be added
 *
 * A package that was only unpacked has no modules.dep, so names are looked up there or else in
 * modules.order, and dependencies are taken from the modules themselves.
 * Returns 0, or a negative errno (NEC_E_MODULE when the folder has neither list).
 */
int nec_module_set_open(struct nec_module_set *set, const char *folder, enum nec_arch arch,
			nec_error *err);
void nec_module_set_free(struct nec_module_set *set);

/**
 * nec_module_set_add() - add a module and, before it, those it needs
 * @name: '-' and '_' are equal; one that is built into the kernel or already in the set is fine
 * @optional: a module that the folder does not have is fine too
 *
 * Returns 0, or a negative errno (NEC_E_MODULE).
 */
int nec_module_set_add(struct nec_module_set *set, const char *name, bool optional, nec_error *err);

/* Adds exactly this file, plain or compressed with xz, zstd or gzip; not what it depends on. */
int nec_module_set_add_file(struct nec_module_set *set, const char *path, nec_error *err);

const struct nec_module *nec_module_set_find(const struct nec_module_set *set, const char *name);

static inline void nec_cleanup_module_set(struct nec_module_set *set)
{
	nec_module_set_free(set);
}
#define cleanup_module_set NEC_CLEANUP(module_set)

#endif
