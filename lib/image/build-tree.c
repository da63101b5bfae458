/* SPDX-License-Identifier: Apache-2.0 */
/* Putting the bootstrap and the customer ramdisk together. */
#include "image/build-tree.h"

#include <stdio.h>
#include <string.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/files.h"
#include "image/build-run.h"
#include "image/kernel.h"

/*
 * What an enclave needs to be heard: its vsock, over whichever bus the machine announces devices
 * on. Modules that a kernel does not have are built in, or its makers know why.
 */
static const struct {
	const char *name;
	bool optional;
} needed_modules[] = {
	{ "virtio_mmio", true },
	{ "virtio_pci", true },
	{ "vmw_vsock_virtio_transport", false },
};

/* The driver of /dev/nsm: part of Linux since 6.8, before that it came with nitro-cli. */
#define NSM_MODULE "nsm"

/* What is given is a file when it looks like one. */
static bool is_file_name(const char *text)
{
	return strchr(text, '/') || strstr(text, ".ko");
}

static int add_wanted_modules(const struct nec_build_options *options, struct nec_module_set *set,
			      nec_error *err)
{
	int r = 0;

	for (size_t i = 0; i < options->modules.count && r == 0; i++) {
		const char *text = options->modules.items[i];

		r = is_file_name(text) ? nec_module_set_add_file(set, text, err)
				       : nec_module_set_add(set, text, false, err);
	}
	return r;
}

static int add_needed_modules(struct nec_module_set *set, nec_error *err)
{
	int r = 0;

	for (size_t i = 0; set->folder && i < ARRAY_SIZE(needed_modules) && r == 0; i++)
		r = nec_module_set_add(set, needed_modules[i].name, needed_modules[i].optional,
				       err);
	return r;
}

/* One that the user names goes before the one beside the kernel. */
static int add_nsm(const struct nec_boot_files *boot, struct nec_module_set *set, nec_error *err)
{
	if (boot->nsm && !nec_module_set_find(set, NSM_MODULE))
		return nec_module_set_add_file(set, boot->nsm, err);
	return set->folder ? nec_module_set_add(set, NSM_MODULE, true, err) : 0;
}

/* A kernel with CONFIG_MODVERSIONS may still take such a module, so it is no error. */
static void warn_about_release(const nec_context *context, const struct nec_module_set *set,
			       const char *release)
{
	size_t length = strlen(release);

	for (size_t i = 0; length > 0 && i < set->count; i++) {
		const char *vermagic = set->items[i].vermagic;

		if (*vermagic &&
		    (strncmp(vermagic, release, length) != 0 || vermagic[length] != ' '))
			nec_warn(context,
				 "kernel module %s is made for kernel %.*s, not for %s: it may not "
				 "load",
				 set->items[i].name, (int)strcspn(vermagic, " "), vermagic,
				 release);
	}
}

int nec_build_modules(const nec_context *context, const struct nec_build_options *options,
		      const struct nec_boot_files *boot, enum nec_arch arch, const char *release,
		      struct nec_module_set *ret, nec_error *err)
{
	const char *folder = options->module_folder ? options->module_folder : boot->modules;
	int r = nec_module_set_open(ret, folder && *folder ? folder : NULL, arch, err);

	if (r == 0)
		r = add_needed_modules(ret, err);
	if (r == 0)
		r = add_wanted_modules(options, ret, err);
	if (r == 0)
		r = add_nsm(boot, ret, err);
	if (r == 0)
		warn_about_release(context, ret, release);
	return r;
}

static int add_directory(struct nec_tree *tree, const char *path, nec_error *err)
{
	static const struct nec_tree_attributes attributes = { .mode = S_IFDIR | 0755 };

	return nec_tree_add_path(tree, nec_tree_root(tree), path, &attributes, NULL, err);
}

/* An init of the other architecture would only show as a kernel panic in the enclave. */
static int check_init(const char *path, enum nec_arch arch, nec_error *err)
{
	struct nec_kernel program;
	int r = nec_kernel_probe_file(path, &program, err);

	if (r == 0 && program.format == NEC_KERNEL_ELF && program.arch != arch)
		r = nec_error_set(err, NEC_E_EIF_ARCH, -EINVAL, "init %s is not a program for %s",
				  path, nec_arch_name(arch));
	return r;
}

static int add_init(struct nec_tree *tree, const struct nec_build_options *options,
		    enum nec_arch arch, nec_error *err)
{
	cleanup_free char *own = NULL;
	const char *path = options->init;
	int r = 0;

	if (!path) {
		char name[32];

		(void)snprintf(name, sizeof(name), "nec-init.%s", nec_arch_name(arch));
		r = nec_data_path(name, &own, err);
		path = own;
	}
	if (r == 0)
		r = check_init(path, arch, err);
	if (r == 0)
		r = nec_tree_add_file(tree, nec_tree_root(tree), "init", 0755, path, err);
	return r;
}

/*
 * The stock init loads /nsm.ko and nothing else, and nec-init loads it first. So that is the place
 * for an nsm.ko that needs no other module; else it stands in line with them.
 */
static bool is_stock_nsm(const struct nec_build_options *options, const struct nec_module_set *set,
			 size_t index)
{
	return strcmp(set->items[index].name, NSM_MODULE) == 0 &&
	       (options->init || set->count == 1);
}

static int add_modules(const nec_context *context, struct nec_tree *tree,
		       const struct nec_build_options *options, const struct nec_module_set *set,
		       nec_error *err)
{
	size_t numbered = 0;
	int r = 0;

	for (size_t i = 0; i < set->count && r == 0; i++) {
		const struct nec_module *module = &set->items[i];
		cleanup_free char *path = NULL;
		bool stock = is_stock_nsm(options, set, i);

		if (asprintf(&path, "modules/%03zu-%s.ko", numbered, module->name) < 0) {
			path = NULL;
			return nec_error_no_memory(err);
		}
		numbered += !stock;
		r = nec_tree_add_literal(tree, nec_tree_root(tree), stock ? "nsm.ko" : path, 0644,
					 module->data.data, module->data.size, err);
	}
	if (r == 0 && options->init && numbered > 0)
		nec_warn(context,
			 "the image has %zu kernel modules in /modules, which %s may not load; "
			 "nec-init does",
			 numbered, options->init);
	return r;
}

int nec_build_bootstrap_tree(const nec_context *context, const struct nec_build_options *options,
			     enum nec_arch arch, const struct nec_module_set *modules,
			     struct nec_tree **ret, nec_error *err)
{
	cleanup_tree struct nec_tree *tree = NULL;
	int r = nec_tree_new(&tree, err);

	if (r == 0)
		r = add_directory(tree, "dev", err);
	if (r == 0)
		r = add_init(tree, options, arch, err);
	if (r == 0)
		r = add_modules(context, tree, options, modules, err);
	if (r == 0)
		*ret = TAKE_PTR(tree);
	return r;
}

/* What init mounts on must exist in every image; those of the image keep their attributes. */
static int add_mount_points(struct nec_tree *tree, nec_error *err)
{
	static const char *const names[] = {
		"rootfs/dev", "rootfs/proc", "rootfs/run", "rootfs/sys", "rootfs/tmp", "rootfs/var",
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++)
		if (!nec_tree_lookup(tree, nec_tree_root(tree), names[i]))
			r = add_directory(tree, names[i], err);
	return r;
}

/*
 * A container gets its hosts file from the engine that runs it, so images come without one or
 * with an empty one. Nobody gives an enclave one, and "localhost" should work.
 */
static int add_hosts(struct nec_tree *tree, const struct nec_source_config *config, nec_error *err)
{
	static const char hosts[] = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";
	const struct nec_tree_entry *entry =
		nec_tree_lookup(tree, nec_tree_root(tree), "rootfs/etc/hosts");

	if (config->kind == NEC_SOURCE_FOLDER)
		return 0;
	if (entry && !(S_ISREG(entry->inode->mode) && entry->inode->size == 0))
		return 0;
	return nec_tree_add_literal(tree, nec_tree_root(tree), "rootfs/etc/hosts", 0644, hosts,
				    sizeof(hosts) - 1, err);
}

int nec_build_customer_tree(const nec_context *context, const struct nec_build_options *options,
			    enum nec_arch arch, const char *source, const char *reference,
			    struct nec_source_config *config, struct nec_tree **ret, nec_error *err)
{
	const struct nec_source_options source_options = {
		.architecture = nec_arch_docker_name(arch),
		.reference = reference,
		.keep_owner = options->keep_owner,
	};
	cleanup_tree struct nec_tree *tree = NULL;
	struct nec_tree_entry *rootfs;
	int r = nec_tree_new(&tree, err);

	if (r == 0)
		r = nec_tree_add_dirs(tree, nec_tree_root(tree), "rootfs", &rootfs, err);
	if (r == 0)
		r = nec_source_load(context, source, &source_options, tree, rootfs, config, err);
	if (r == 0)
		r = add_mount_points(tree, err);
	if (r == 0)
		r = add_hosts(tree, config, err);
	if (r == 0)
		r = nec_build_run_add(context, options, config, tree, err);
	if (r < 0)
		return r;
	nec_tree_warn(tree, context);
	*ret = TAKE_PTR(tree);
	return 0;
}
