/* SPDX-License-Identifier: Apache-2.0 */
/* From options to a plan: what can go wrong goes wrong here. */
#include "image/build-plan.h"

#include <string.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/files.h"
#include "base/time.h"
#include "image/build-metadata.h"
#include "image/build-tree.h"
#include "image/docker-info.h"

/* Kernel, command line and metadata, and room for a signature. */
enum { OTHER_SECTIONS = 4 };

enum { MAX_DOCKER_INFO_BYTES = 1024 * 1024 };

void nec_build_plan_free(struct nec_build_plan *plan)
{
	nec_signer_free(plan->signer);
	nec_boot_files_free(&plan->boot);
	nec_cleanup_close(&plan->kernel.fd);
	nec_buffer_free(&plan->cmdline);
	nec_build_source_close(&plan->source);
	nec_source_config_clear(&plan->image);
	for (size_t i = 0; i < ARRAY_SIZE(plan->trees); i++)
		nec_tree_free(plan->trees[i]);
	for (size_t i = 0; i < plan->ramdisk_count; i++)
		nec_cleanup_close(&plan->ramdisks[i].fd);
	nec_buffer_free(&plan->custom);
	nec_buffer_free(&plan->metadata);
	*plan = (struct nec_build_plan){ .kernel.fd = -1 };
}

static int bad_options(nec_error *err, const char *what)
{
	return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL, "%s", what);
}

static bool has_rootfs(const struct nec_build_options *options)
{
	return options->rootfs || options->docker_uri;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static int check_options(const struct nec_build_options *options, nec_error *err)
{
	if (options->struct_size != sizeof(*options))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "the build options have a struct_size of %zu, not %zu",
				     options->struct_size, sizeof(*options));
	if (!options->output || !*options->output)
		return bad_options(err, "no output file is named");
	if (same_text(options->output, options->pcr_json) ||
	    same_text(options->output, options->manifest) ||
	    same_text(options->pcr_json, options->manifest))
		return bad_options(err, "two of the files to write are the same");
	if (options->rootfs && options->docker_uri)
		return bad_options(err, "both a root file system and a Docker image are named");
	if (options->docker_folder && !options->docker_uri)
		return bad_options(err, "an image built from a folder needs a name");
	if (!has_rootfs(options) && options->ramdisks.count == 0)
		return bad_options(err, "there is neither a root file system nor a ramdisk");
	if (!has_rootfs(options) && !options->kernel)
		return bad_options(err, "ramdisks of your own need a kernel of your own");
	return 0;
}

/* A regular file, kept open so that what was checked is what gets written. */
static int open_file(const char *path, struct nec_build_file *ret, nec_error *err)
{
	uint64_t size;
	int fd = nec_file_open_regular(path, &size, err);

	if (fd < 0)
		return fd;
	*ret = (struct nec_build_file){ .fd = fd, .name = path, .size = size };
	return 0;
}

/* A kernel that is named as a file tells the architecture, if nobody else does. */
static int choose_arch(struct nec_build_plan *plan, nec_error *err)
{
	const char *path = plan->options->kernel;
	struct nec_kernel kernel;
	struct stat st;
	int r;

	plan->arch = plan->options->arch;
	if (plan->arch == NEC_ARCH_UNKNOWN && path && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		r = nec_kernel_probe_file(path, &kernel, err);
		if (r < 0)
			return r;
		plan->arch = kernel.arch;
	}
	if (plan->arch == NEC_ARCH_UNKNOWN)
		plan->arch = nec_arch_of_machine();
	if (plan->arch == NEC_ARCH_UNKNOWN)
		return bad_options(err, "no architecture is named, and this machine's is none of "
					"those that enclaves have");
	return 0;
}

static void warn_about_devices(const struct nec_build_plan *plan)
{
	if (plan->kernel_config.no_cmdline_devices)
		nec_warn(plan->context,
			 "kernel %s was built without VIRTIO_MMIO_CMDLINE_DEVICES: it finds its "
			 "vsock where devices are on PCI or in ACPI tables, as in nec's "
			 "simulation, but not where they are only named on the command line, as "
			 "for the kernels of nitro-cli",
			 plan->kernel.name);
}

static int open_kernel(struct nec_build_plan *plan, nec_error *err)
{
	const struct nec_build_options *options = plan->options;
	const char *config;
	int r = nec_boot_files_find(options->kernel, plan->arch, &plan->boot, err);

	if (r == 0)
		r = open_file(plan->boot.kernel, &plan->kernel, err);
	if (r == 0)
		r = nec_kernel_probe(plan->kernel.fd, plan->kernel.name, 0, plan->kernel.size,
				     &plan->kernel_info, err);
	if (r == 0)
		r = nec_kernel_check(&plan->kernel_info, plan->arch, plan->kernel.name, err);
	config = options->kernel_config ? options->kernel_config : plan->boot.config;
	if (r == 0 && config)
		r = nec_kernel_config_read(config, &plan->kernel_config, err);
	if (r == 0)
		warn_about_devices(plan);
	return r;
}

/* As nitro-cli reads its blob: without white space at either end. */
static int read_cmdline(const char *path, struct nec_buffer *to, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = nec_file_read_all(path, NEC_EIF_MAX_CMDLINE, &text, err);
	const char *start = nec_buffer_text(&text);
	size_t size = text.size;

	if (r < 0)
		return r;
	while (size > 0 && strchr(" \t\r\n", start[size - 1]))
		size--;
	while (size > 0 && strchr(" \t\r\n", *start)) {
		start++;
		size--;
	}
	nec_buffer_append(to, start, size);
	return 0;
}

static int make_cmdline(struct nec_build_plan *plan, nec_error *err)
{
	const struct nec_build_options *options = plan->options;
	struct nec_buffer *cmdline = &plan->cmdline;
	int r = 0;

	if (options->cmdline)
		nec_buffer_append_text(cmdline, options->cmdline);
	else if (plan->boot.cmdline)
		r = read_cmdline(plan->boot.cmdline, cmdline, err);
	else
		nec_buffer_append_text(cmdline, nec_default_cmdline(plan->arch));
	if (r < 0)
		return r;
	if (cmdline->failed)
		return nec_error_no_memory(err);
	if (cmdline->size > NEC_EIF_MAX_CMDLINE)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "the kernel command line has %zu bytes, more than the %d "
				     "allowed",
				     cmdline->size, NEC_EIF_MAX_CMDLINE);
	if (cmdline->size > 0 && (memchr(cmdline->data, '\0', cmdline->size) ||
				  memchr(cmdline->data, '\n', cmdline->size)))
		return bad_options(err, "the kernel command line has a newline or a NUL in it");
	return 0;
}

/* The magics of lib/decompress.c and of cpio; the kernel silently skips everything else. */
static int check_ramdisk(const struct nec_build_plan *plan, const struct nec_build_file *file,
			 nec_error *err)
{
	static const char magics[][2] = { "07",
					  { 0x1f, '\x8b' },
					  { 0x1f, '\x9e' },
					  "BZ",
					  { 0x5d, 0 },
					  { '\xfd', 0x37 },
					  { '\x89', 'L' },
					  { 2, 0x21 },
					  { 0x28, '\xb5' } };
	char head[2];
	int r;

	if (file->size < sizeof(head))
		return 0;
	r = nec_file_read_at(file->fd, file->name, head, sizeof(head), 0, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (memcmp(head, magics[i], sizeof(head)) == 0)
			return 0;
	nec_warn(plan->context,
		 "ramdisk %s is neither a cpio archive nor compressed in a way that Linux knows: "
		 "the kernel will not unpack it",
		 file->name);
	return 0;
}

static int open_ramdisks(struct nec_build_plan *plan, nec_error *err)
{
	const struct nec_list *list = &plan->options->ramdisks;
	size_t most = NEC_EIF_MAX_SECTIONS - OTHER_SECTIONS -
		      (has_rootfs(plan->options) ? ARRAY_SIZE(plan->trees) : 0);
	int r = 0;

	if (list->count > most)
		return nec_error_set(err, NEC_E_EIF_SECTION_COUNT, -E2BIG,
				     "%zu ramdisks are given, an image has room for %zu",
				     list->count, most);
	for (size_t i = 0; i < list->count && r == 0; i++) {
		r = open_file(list->items[i], &plan->ramdisks[i], err);
		if (r < 0)
			return r;
		plan->ramdisk_count++;
		r = check_ramdisk(plan, &plan->ramdisks[i], err);
	}
	return r;
}

static int make_trees(struct nec_build_plan *plan, nec_error *err)
{
	const struct nec_build_options *options = plan->options;
	cleanup_module_set struct nec_module_set modules = { 0 };
	int r;

	if (!has_rootfs(options))
		return 0;
	r = nec_build_modules(plan->context, options, &plan->boot, plan->arch,
			      plan->kernel_info.release, &modules, err);
	if (r == 0)
		r = nec_build_bootstrap_tree(plan->context, options, plan->arch, &modules,
					     &plan->trees[0], err);
	if (r == 0)
		r = nec_build_source_open(plan->context, options, plan->arch, &plan->source, err);
	if (r == 0)
		r = nec_build_customer_tree(plan->context, options, plan->arch, plan->source.path,
					    plan->source.reference, &plan->image, &plan->trees[1],
					    err);
	/* Who owns the files of a folder depends on who made it, not on what is in it. */
	plan->cpio.squash_owner = plan->image.kind == NEC_SOURCE_FOLDER && !options->keep_owner;
	return r;
}

/* What the image is called: a name from a tag without the tag, or the kernel's as eif_build has it.
 */
static int default_name(const struct nec_build_plan *plan, char **ret, nec_error *err)
{
	const char *slash = strrchr(plan->kernel.name, '/');
	const char *tag = plan->image.repo_tags ? plan->image.repo_tags[0] : NULL;

	if (plan->source.name)
		*ret = strdup(plan->source.name);
	else if (tag)
		*ret = nec_build_name_of(tag);
	else if (has_rootfs(plan->options))
		*ret = strdup("enclave");
	else
		*ret = strdup(slash ? slash + 1 : plan->kernel.name);
	return *ret ? 0 : nec_error_no_memory(err);
}

static const char *default_version(const struct nec_build_plan *plan)
{
	const char *id = plan->image.image_id;
	const char *colon = id ? strchr(id, ':') : NULL;

	return colon ? colon + 1 : "1.0";
}

static const char *first_text(const char *a, const char *b, const char *c)
{
	return a ? a : *b ? b : c;
}

static int read_docker_info(const struct nec_build_plan *plan, struct nec_buffer *to,
			    nec_error *err)
{
	const struct nec_build_options *options = plan->options;

	if (options->docker_info)
		return nec_file_read_all(options->docker_info, MAX_DOCKER_INFO_BYTES, to, err);
	return nec_docker_info_write(&plan->image, plan->source.name ? options->docker_uri : NULL,
				     to, err);
}

/* An explicit option always wins over what a file says (eif_build lets the config win). */
static int make_metadata(struct nec_build_plan *plan, nec_error *err)
{
	const struct nec_build_options *options = plan->options;
	cleanup_buffer struct nec_buffer docker_info = { 0 };
	cleanup_free char *name = NULL;
	char time_text[NEC_TIME_TEXT_SIZE];
	int r = default_name(plan, &name, err);

	if (r == 0)
		r = read_docker_info(plan, &docker_info, err);
	if (r < 0)
		return r;
	nec_time_text(plan->cpio.mtime, time_text);
	const struct nec_build_metadata metadata = {
		.image_name = options->name ? options->name : name,
		.image_version = options->version ? options->version : default_version(plan),
		.build_time = options->build_time ? options->build_time : time_text,
		.build_tool = options->build_tool ? options->build_tool : "nec",
		.build_tool_version =
			options->build_tool_version ? options->build_tool_version : NEC_VERSION,
		.operating_system = first_text(options->operating_system,
					       plan->kernel_config.operating_system, "Linux"),
		.kernel_version =
			first_text(options->kernel_version, plan->kernel_config.version,
				   first_text(NULL, plan->kernel_info.release, "Unknown")),
		.docker_info = docker_info.size ? nec_buffer_text(&docker_info) : NULL,
		.docker_info_size = docker_info.size,
		.custom = plan->custom.size ? nec_buffer_text(&plan->custom) : NULL,
		.custom_size = plan->custom.size,
	};

	return nec_build_metadata_write(&metadata, &plan->metadata, err);
}

/* The order is that of cost: what takes long comes when nothing else can be wrong. */
int nec_build_plan_make(struct nec_build_plan *plan, nec_context *context,
			const struct nec_build_options *options, nec_error *err)
{
	int r;

	*plan = (struct nec_build_plan){
		.context = context,
		.options = options,
		.kernel.fd = -1,
	};
	r = check_options(options, err);
	if (r == 0)
		r = nec_time_source_date(&plan->cpio.mtime, err);
	if (r == 0 && options->signing)
		r = nec_signer_open(context, options->signing, &plan->signer, err);
	if (r == 0)
		r = choose_arch(plan, err);
	if (r == 0)
		r = open_kernel(plan, err);
	if (r == 0)
		r = make_cmdline(plan, err);
	if (r == 0)
		r = open_ramdisks(plan, err);
	if (r == 0 && options->metadata)
		r = nec_build_metadata_read_custom(options->metadata, &plan->custom, err);
	if (r == 0)
		r = make_trees(plan, err);
	if (r == 0)
		r = make_metadata(plan, err);
	return r;
}
