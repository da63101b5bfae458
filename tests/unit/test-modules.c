/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/files.h"
#include "image/module-info.h"
#include "image/modules.h"

#define FOLDER   NEC_TEST_DATA "/kernel/lib/modules/6.1.0-1-test"
#define VERMAGIC "6.1.0-1-test SMP preempt mod_unload modversions "

static struct nec_module_set set;

static int open_set(void **state)
{
	(void)state;
	return nec_module_set_open(&set, FOLDER, NEC_ARCH_X86_64, NULL);
}

static int free_set(void **state)
{
	(void)state;
	nec_module_set_free(&set);
	return 0;
}

static void add__puts_dependencies_first_and_each_once(void **state)
{
	static const char *const order[] = { "vsock", "virtio", "virtio_ring",
					     "vmw_vsock_virtio_transport_common",
					     "vmw_vsock_virtio_transport" };

	(void)state;
	assert_int_equal(nec_module_set_add(&set, "vmw_vsock_virtio_transport", false, NULL), 0);
	assert_int_equal(nec_module_set_add(&set, "virtio-ring", false, NULL), 0);
	assert_int_equal(set.count, ARRAY_SIZE(order));
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_string_equal(set.items[i].name, order[i]);
}

static void add__unpacks_xz_zstd_and_gzip(void **state)
{
	static const char *const names[] = { "vsock", "vmw_vsock_virtio_transport_common",
					     "virtio_mmio", "virtio_pci" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct nec_module *module;

		assert_int_equal(nec_module_set_add(&set, names[i], false, NULL), 0);
		module = nec_module_set_find(&set, names[i]);
		assert_non_null(module);
		assert_memory_equal(module->data.data, "\177ELF", 4);
		assert_string_equal(module->vermagic, VERMAGIC);
	}
}

static void add__knows_what_is_built_in(void **state)
{
	(void)state;
	assert_int_equal(nec_module_set_add(&set, "8250", false, NULL), 0);
	assert_int_equal(nec_module_set_add(&set, "built_in", false, NULL), 0);
	assert_int_equal(set.count, 0);
}

static void add__names_what_is_missing(void **state)
{
	static const struct {
		const char *name;
		const char *message;
	} cases[] = {
		{ "nsm", FOLDER " has no kernel module nsm" },
		{ "vsoc", FOLDER " has no kernel module vsoc" },
		{ "vsockk", FOLDER " has no kernel module vsockk" },
		{ "", FOLDER " has no kernel module " },
		{ "orphan", FOLDER " has no kernel module not_there" },
		{ "lost", FOLDER " lists kernel/test/lost.ko but does not have it" },
		{ "loop_a", "the dependencies of module loop_b never end" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nec_error err = NEC_ERROR_INIT;

		assert_true(nec_module_set_add(&set, cases[i].name, false, &err) < 0);
		assert_int_equal(err.code, NEC_E_MODULE);
		assert_string_equal(err.message, cases[i].message);
	}
	assert_int_equal(set.count, 0);
	assert_int_equal(nec_module_set_add(&set, "nsm", true, NULL), 0);
	assert_true(nec_module_set_add(&set, "orphan", true, NULL) < 0);
}

static void add_file__takes_it_as_it_is(void **state)
{
	struct nec_module_set other = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_module_set_open(&other, NULL, NEC_ARCH_X86_64, NULL), 0);
	assert_int_equal(nec_module_set_add_file(
				 &other, FOLDER "/kernel/drivers/virtio/virtio_mmio.ko.gz", NULL),
			 0);
	assert_int_equal(other.count, 1);
	assert_string_equal(other.items[0].name, "virtio_mmio");
	assert_int_equal(nec_module_set_add(&other, "virtio", false, &err), -ENOENT);
	assert_string_equal(err.message,
			    "there is no folder of modules to take kernel module virtio from");
	nec_module_set_free(&other);
}

static void add_file__refuses_what_is_no_module_of_the_architecture(void **state)
{
	struct nec_module_set other = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_true(nec_module_set_add_file(&set, FOLDER "/modules.order", &err) < 0);
	assert_int_equal(err.code, NEC_E_MODULE);
	assert_true(nec_module_set_add_file(&set, "/proc/self/exe", &err) < 0);
	assert_int_equal(err.code, NEC_E_MODULE);
	assert_true(nec_module_set_add_file(&set, "/nowhere/x.ko", &err) < 0);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
	assert_int_equal(nec_module_set_open(&other, FOLDER, NEC_ARCH_AARCH64, NULL), 0);
	assert_true(nec_module_set_add(&other, "virtio", false, &err) < 0);
	assert_int_equal(err.code, NEC_E_MODULE);
	assert_non_null(strstr(err.message, "not for aarch64"));
	nec_module_set_free(&other);
	assert_int_equal(set.count, 0);
}

static void open__wants_a_list_of_modules(void **state)
{
	struct nec_module_set other = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_module_set_open(&other, NEC_TEST_DATA, NEC_ARCH_X86_64, &err),
			 -ENOENT);
	assert_int_equal(err.code, NEC_E_MODULE);
	nec_module_set_free(&other);
}

static void info__survives_truncation_and_change_at_every_byte(void **state)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	struct nec_module_info info;

	(void)state;
	assert_int_equal(
		nec_file_read_all(FOLDER "/kernel/drivers/virtio/virtio_pci.ko", 4096, &data, NULL),
		0);
	assert_int_equal(
		nec_module_info_parse(data.data, data.size, NEC_ARCH_X86_64, "m", &info, NULL), 0);
	assert_string_equal(info.depends, "virtio-ring,virtio");
	for (size_t size = 0; size < data.size; size++) {
		/* A block of exactly that size, so that ASan sees one byte too many. */
		cleanup_free uint8_t *cut = malloc(size ? size : 1);

		assert_non_null(cut);
		memcpy(cut, data.data, size);
		(void)nec_module_info_parse(cut, size, NEC_ARCH_X86_64, "m", &info, NULL);
	}
	for (size_t at = 0; at < data.size; at++) {
		data.data[at] ^= 0xff;
		(void)nec_module_info_parse(data.data, data.size, NEC_ARCH_X86_64, "m", &info,
					    NULL);
		data.data[at] ^= 0xff;
	}
}

#define WITH_SET(name) cmocka_unit_test_setup_teardown(name, open_set, free_set)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SET(add__puts_dependencies_first_and_each_once),
		WITH_SET(add__unpacks_xz_zstd_and_gzip),
		WITH_SET(add__knows_what_is_built_in),
		WITH_SET(add__names_what_is_missing),
		WITH_SET(add_file__takes_it_as_it_is),
		WITH_SET(add_file__refuses_what_is_no_module_of_the_architecture),
		cmocka_unit_test(open__wants_a_list_of_modules),
		cmocka_unit_test(info__survives_truncation_and_change_at_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
