/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for kernels in nitro-cli's blobs, in unpacked packages and on this machine. */
#include "image/boot-files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/files.h"
#include "image/kernel.h"

#define BLOBS_FOLDER  "/usr/share/nitro_enclaves/blobs"
#define KERNEL_PREFIX "vmlinuz-"

void nec_boot_files_free(struct nec_boot_files *files)
{
	free(files->kernel);
	free(files->config);
	free(files->modules);
	free(files->cmdline);
	free(files->nsm);
	*files = (struct nec_boot_files){ 0 };
}

/* What AWS ships in nitro-cli's blobs; "nomodules" is no option of Linux and does nothing. */
const char *nec_default_cmdline(enum nec_arch arch)
{
	if (arch == NEC_ARCH_AARCH64)
		return "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on "
		       "root=/dev/ram0";
	return "reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux "
	       "i8042.nopnp i8042.dumbkbd random.trust_cpu=on";
}

/* Makes a path; *@ret stays NULL when nothing is there. Returns 0 or -ENOMEM. */
__attribute__((format(printf, 2, 3))) static int find_path(char **ret, const char *format, ...)
{
	cleanup_free char *path = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&path, format, args);
	va_end(args);
	if (r < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (access(path, F_OK) == 0)
		*ret = TAKE_PTR(path);
	return 0;
}

/*
 * What the names around boot/vmlinuz-RELEASE tell. A kernel of any other name has at most its
 * config beside it, as bzImage.config.
 */
static int find_neighbours(struct nec_boot_files *files, nec_error *err)
{
	const char *slash = strrchr(files->kernel, '/');
	const char *base = slash ? slash + 1 : files->kernel;
	int folder_size = slash ? (int)(slash - files->kernel) + 1 : 2;
	const char *folder = slash ? files->kernel : "./";
	const char *release = base + strlen(KERNEL_PREFIX);
	int r = find_path(&files->config, "%s.config", files->kernel);

	if (strncmp(base, KERNEL_PREFIX, strlen(KERNEL_PREFIX)) == 0) {
		if (r == 0 && !files->config)
			r = find_path(&files->config, "%.*sconfig-%s", folder_size, folder,
				      release);
		if (r == 0)
			r = find_path(&files->modules, "%.*s../lib/modules/%s", folder_size, folder,
				      release);
		if (r == 0 && !files->modules)
			r = find_path(&files->modules, "%.*s../usr/lib/modules/%s", folder_size,
				      folder, release);
	}
	return r < 0 ? nec_error_no_memory(err) : 0;
}

static const char *blob_name(enum nec_arch arch)
{
	return arch == NEC_ARCH_AARCH64 ? "Image" : "bzImage";
}

static int find_blobs(const char *folder, enum nec_arch arch, struct nec_boot_files *files,
		      nec_error *err)
{
	int r = find_path(&files->kernel, "%s/%s", folder, blob_name(arch));

	if (r == 0 && files->kernel) {
		r = find_path(&files->cmdline, "%s/cmdline", folder);
		if (r == 0)
			r = find_path(&files->nsm, "%s/nsm.ko", folder);
	}
	return r < 0 ? nec_error_no_memory(err) : 0;
}

/* Whether a file in /boot is a kernel for @arch; an unreadable one is an error, not a miss. */
static int is_kernel_for(const char *path, enum nec_arch arch, nec_error *err)
{
	struct nec_kernel kernel;
	int r = nec_kernel_probe_file(path, &kernel, err);

	return r < 0 ? r : nec_kernel_check(&kernel, arch, path, NULL) == 0;
}

/* The newest boot/vmlinuz-* for @arch: by the order of versions in the names, as GRUB does. */
static int find_newest(const char *folder, enum nec_arch arch, char **ret, nec_error *err)
{
	cleanup_closedir DIR *dir = opendir(folder);
	cleanup_free char *best = NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *path = NULL;
		int r;

		if (strncmp(entry->d_name, KERNEL_PREFIX, strlen(KERNEL_PREFIX)) != 0)
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) {
			path = NULL;
			return nec_error_no_memory(err);
		}
		if (best && strverscmp(path, best) <= 0)
			continue;
		r = is_kernel_for(path, arch, err);
		if (r < 0)
			return r;
		if (r > 0) {
			free(best);
			best = TAKE_PTR(path);
		}
	}
	*ret = TAKE_PTR(best);
	return 0;
}

static int find_in_folder(const char *folder, enum nec_arch arch, struct nec_boot_files *files,
			  nec_error *err)
{
	cleanup_free char *boot = NULL;
	int r;

	if (asprintf(&boot, "%s/boot", strcmp(folder, "/") == 0 ? "" : folder) < 0) {
		boot = NULL;
		return nec_error_no_memory(err);
	}
	r = find_newest(boot, arch, &files->kernel, err);
	if (r == 0 && !files->kernel)
		r = find_newest(folder, arch, &files->kernel, err);
	return r;
}

static int find_default(enum nec_arch arch, struct nec_boot_files *files, nec_error *err)
{
	const char *blobs = getenv("NITRO_CLI_BLOBS");
	int r = find_blobs(blobs && *blobs ? blobs : BLOBS_FOLDER, arch, files, err);

	if (r == 0 && !files->kernel)
		r = find_in_folder("/", arch, files, err);
	return r;
}

static int no_kernel(const char *where, enum nec_arch arch, nec_error *err)
{
	const char *word = nec_arch_docker_name(arch);

	nec_error_set(err, NEC_E_KERNEL, -ENOENT, "there is no kernel for %s in %s",
		      nec_arch_name(arch), where);
	nec_error_set_hint(err,
			   "Get one, on Debian with `apt-get download linux-image-VERSION-cloud-%s`"
			   " (`apt-cache depends linux-image-cloud-%s` names the version), unpack "
			   "it with `dpkg-deb -x FILE.deb DIR` and pass --kernel DIR.",
			   word, word);
	return -ENOENT;
}

static int find(const char *kernel, enum nec_arch arch, struct nec_boot_files *files,
		nec_error *err)
{
	struct stat st;
	int r;

	if (!kernel) {
		r = find_default(arch, files, err);
	} else if (stat(kernel, &st) < 0) {
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", kernel);
	} else if (!S_ISDIR(st.st_mode)) {
		files->kernel = strdup(kernel);
		r = files->kernel ? 0 : nec_error_no_memory(err);
	} else {
		r = find_blobs(kernel, arch, files, err);
		if (r == 0 && !files->kernel)
			r = find_in_folder(kernel, arch, files, err);
	}
	if (r < 0)
		return r;
	if (!files->kernel)
		return no_kernel(kernel ? kernel : "nitro-cli's blobs and /boot", arch, err);
	return find_neighbours(files, err);
}

int nec_boot_files_find(const char *kernel, enum nec_arch arch, struct nec_boot_files *ret,
			nec_error *err)
{
	struct nec_boot_files files = { 0 };
	int r = find(kernel, arch, &files, err);

	if (r < 0) {
		nec_boot_files_free(&files);
		return r;
	}
	*ret = files;
	return 0;
}
