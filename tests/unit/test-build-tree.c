/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "image/build-tree.h"
#include "samples.h"

#define MODULES NEC_TEST_DATA "/kernel/lib/modules/6.1.0-1-test"
#define NSM_KO  "nsm.ko"

static nec_context *context;
static char warnings[2048];

static void on_warning(void *userdata, const char *text)
{
	(void)userdata;
	(void)strncat(warnings, text, sizeof(warnings) - strlen(warnings) - 1);
}

/* The folder has an nsm.ko, an init for x86_64 and one for aarch64. */
static int setup(void **state)
{
	static const char header[] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x3e\0";
	cleanup_buffer struct nec_buffer module = { 0 };
	char other[sizeof(header)];

	warnings[0] = '\0';
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, on_warning, NULL);
	assert_int_equal(sample_make_folder(state), 0);
	assert_int_equal(
		nec_file_read_all(MODULES "/kernel/drivers/virtio/virtio.ko", 4096, &module, NULL),
		0);
	sample_write(NSM_KO, module.data, module.size);
	sample_write("nec-init.x86_64", header, sizeof(header) - 1);
	memcpy(other, header, sizeof(other));
	other[18] = '\xb7';
	sample_write("nec-init.aarch64", other, sizeof(header) - 1);
	return setenv("NEC_DATA_DIR", sample_folder, 1);
}

static int teardown(void **state)
{
	nec_context_free(context);
	(void)unsetenv("NEC_DATA_DIR");
	return sample_remove_folder(state);
}

static int add_path(void *userdata, const char *path, size_t path_size,
		    struct nec_tree_entry *entry, nec_error *err)
{
	struct nec_buffer *text = userdata;

	(void)path_size;
	(void)err;
	nec_buffer_printf(text, "%s%s\n", path, S_ISDIR(entry->inode->mode) ? "/" : "");
	return 0;
}

static void assert_paths(struct nec_tree *tree, const char *expected)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	assert_int_equal(nec_tree_walk(tree, nec_tree_root(tree), add_path, &text, NULL), 0);
	assert_string_equal(nec_buffer_text(&text), expected);
}

/* What the first ramdisk has, with these modules. */
static void assert_bootstrap(const struct nec_build_options *options,
			     const struct nec_boot_files *boot, const char *release,
			     const char *expected)
{
	cleanup_module_set struct nec_module_set modules = { 0 };
	cleanup_tree struct nec_tree *tree = NULL;
	nec_error err = NEC_ERROR_INIT;

	if (nec_build_modules(context, options, boot, NEC_ARCH_X86_64, release, &modules, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(
		nec_build_bootstrap_tree(context, options, NEC_ARCH_X86_64, &modules, &tree, NULL),
		0);
	assert_paths(tree, expected);
}

static void modules__are_those_that_an_enclave_needs_and_the_wanted(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_boot_files boot = { .modules = (char *)MODULES };
	const char *const wanted[] = { "vsock", sample_path(NSM_KO) };

	(void)state;
	options.modules = (struct nec_list){ wanted, ARRAY_SIZE(wanted) };
	assert_bootstrap(&options, &boot, "6.1.0-1-test",
			 "dev/\ninit\nmodules/\n"
			 "modules/000-virtio.ko\n"
			 "modules/001-virtio_ring.ko\n"
			 "modules/002-virtio_mmio.ko\n"
			 "modules/003-virtio_pci.ko\n"
			 "modules/004-vsock.ko\n"
			 "modules/005-vmw_vsock_virtio_transport_common.ko\n"
			 "modules/006-vmw_vsock_virtio_transport.ko\n"
			 "modules/007-nsm.ko\n");
	assert_string_equal(warnings, "");
}

static void modules__of_the_stock_kernel_are_nsm_alone(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_boot_files boot = { .nsm = (char *)sample_path(NSM_KO) };

	(void)state;
	assert_bootstrap(&options, &boot, "", "dev/\ninit\nnsm.ko\n");
}

static void modules__can_be_none(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_boot_files boot = { .modules = (char *)MODULES };

	(void)state;
	options.module_folder = "";
	assert_bootstrap(&options, &boot, "6.1.0-1-test", "dev/\ninit\n");
}

static void modules__of_another_kernel_get_a_warning(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_boot_files boot = { .nsm = (char *)sample_path(NSM_KO) };

	(void)state;
	assert_bootstrap(&options, &boot, "6.1.0-1", "dev/\ninit\nnsm.ko\n");
	assert_string_equal(warnings, "kernel module nsm is made for kernel 6.1.0-1-test, not for "
				      "6.1.0-1: it may not load");
}

static void foreign_init__finds_nsm_where_it_looks(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_boot_files boot = { .nsm = (char *)sample_path(NSM_KO) };
	const char *const wanted[] = { MODULES "/kernel/drivers/virtio/virtio.ko" };

	(void)state;
	options.init = sample_path("nec-init.x86_64");
	options.modules = (struct nec_list){ wanted, ARRAY_SIZE(wanted) };
	assert_bootstrap(&options, &boot, "",
			 "dev/\ninit\nmodules/\nmodules/000-virtio.ko\nnsm.ko\n");
	assert_non_null(strstr(warnings, "1 kernel modules in /modules"));
}

static void init__of_the_other_architecture_is_refused(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_module_set modules = { 0 };
	cleanup_tree struct nec_tree *tree = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	options.init = sample_path("nec-init.x86_64");
	assert_int_equal(nec_build_bootstrap_tree(context, &options, NEC_ARCH_AARCH64, &modules,
						  &tree, &err),
			 -EINVAL);
	assert_int_equal(err.code, NEC_E_EIF_ARCH);
	options.init = NULL;
	assert_int_equal(nec_build_bootstrap_tree(context, &options, NEC_ARCH_AARCH64, &modules,
						  &tree, NULL),
			 0);
}

static void init__that_is_not_installed(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_module_set modules = { 0 };
	struct nec_tree *tree = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)setenv("NEC_DATA_DIR", "/nowhere", 1);
	assert_true(nec_build_bootstrap_tree(context, &options, NEC_ARCH_X86_64, &modules, &tree,
					     &err) < 0);
	assert_int_equal(err.code, NEC_E_DATA_MISSING);
	assert_null(tree);
}

/* A folder with what an image may have done to the places that init mounts on. */
static void customer__gets_what_it_lacks_and_keeps_what_it_has(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	cleanup_source_config struct nec_source_config config = { 0 };
	cleanup_tree struct nec_tree *tree = NULL;
	const char *const words[] = { "/bin/x" };
	const struct nec_tree_entry *entry;

	(void)state;
	sample_mkdir("root");
	sample_mkdir("root/tmp");
	sample_mkdir("root/etc");
	sample_write_text("root/etc/hosts", "");
	assert_int_equal(chmod(sample_path("root/tmp"), 01777), 0);
	assert_int_equal(symlink("/var/run", sample_path("root/run")), 0);
	options.entrypoint = (struct nec_list){ words, 1 };
	assert_int_equal(nec_build_customer_tree(context, &options, NEC_ARCH_X86_64,
						 sample_path("root"), NULL, &config, &tree, NULL),
			 0);
	assert_paths(tree, "cmd\nenv\nrootfs/\nrootfs/dev/\nrootfs/etc/\nrootfs/etc/hosts\n"
			   "rootfs/proc/\nrootfs/run\nrootfs/sys/\nrootfs/tmp/\nrootfs/var/\n");
	entry = nec_tree_lookup(tree, nec_tree_root(tree), "rootfs/tmp");
	assert_int_equal(entry->inode->mode & 07777, 01777);
	entry = nec_tree_lookup(tree, nec_tree_root(tree), "rootfs/etc/hosts");
	assert_int_equal(entry->inode->size, 0);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(modules__are_those_that_an_enclave_needs_and_the_wanted),
		IN_FOLDER(modules__of_the_stock_kernel_are_nsm_alone),
		IN_FOLDER(modules__can_be_none),
		IN_FOLDER(modules__of_another_kernel_get_a_warning),
		IN_FOLDER(foreign_init__finds_nsm_where_it_looks),
		IN_FOLDER(init__of_the_other_architecture_is_refused),
		IN_FOLDER(init__that_is_not_installed),
		IN_FOLDER(customer__gets_what_it_lacks_and_keeps_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
