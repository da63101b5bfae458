/* SPDX-License-Identifier: Apache-2.0 */
#include "eif-make.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/folder.h"
#include "image/unpack.h"
#include "leftovers.h"

#define FOLDER (S_IFDIR | 0755)
#define REG    (S_IFREG | 0644)
#define LINK   (S_IFLNK | 0777)

enum { NOBODY = 65534, MAX_FILES = 10 };

/* A place of our own for each test, and the working directory in it. */
static int enter_place(void **state)
{
	char *place = strdup("/tmp/nec-extract-XXXXXX");

	assert_non_null(mkdtemp(place));
	assert_int_equal(chmod(place, 0777), 0);
	assert_int_equal(chdir(place), 0);
	*state = place;
	return 0;
}

static int leave_place(void **state)
{
	char *place = *state;
	int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(nec_folder_empty(fd), 0);
	(void)close(fd);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(place), 0);
	free(place);
	return 0;
}

/* As whoever is not root: tests may run as root or not. */
static void drop_root(void)
{
	if (getuid() == 0)
		assert_int_equal(seteuid(NOBODY), 0);
}

static void regain_root(void)
{
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static bool exists(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0;
}

static void assert_text(const char *path, const void *text, size_t size)
{
	cleanup_buffer struct nec_buffer found = { 0 };
	nec_error err = NEC_ERROR_INIT;

	if (nec_file_read_all(path, 1 << 20, &found, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(found.size, size);
	assert_memory_equal(found.data, text, size);
}

static struct stat stat_of(const char *path)
{
	struct stat stat;

	if (lstat(path, &stat) < 0)
		fail_msg("%s is not there", path);
	return stat;
}

/* Writes an image with one ramdisk to "image". */
static void write_image(const void *ramdisk, size_t size)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_close int fd = open("image", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	eif_begin(&image);
	eif_add(&image, NEC_EIF_RAMDISK, ramdisk, size);
	assert_int_equal(nec_file_write_at(fd, "image", image.data, image.size, 0, NULL), 0);
}

static void write_archive(const struct cpio_file *files)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	for (size_t i = 0; i < MAX_FILES && files[i].name; i++)
		cpio_add(&archive, &files[i]);
	cpio_end(&archive);
	write_image(archive.data, archive.size);
}

static int unpack_image(nec_context *context, nec_error *err)
{
	struct nec_extract_options options = NEC_EXTRACT_OPTIONS_INIT;

	options.unpack = true;
	return nec_extract_run(context, "image", "out", &options, err);
}

static void assert_unpacks(const struct cpio_file *files)
{
	nec_error err = NEC_ERROR_INIT;

	write_archive(files);
	if (unpack_image(NULL, &err) < 0)
		fail_msg("%s", err.message);
}

/* ---- sections ---- */

static void sections__are_written_as_they_are(void **state)
{
	static const struct {
		const char *file;
		size_t offset;
		size_t size;
	} rows[] = {
		{ "out/kernel", 548, 5000 },          { "out/cmdline", 5560, 119 },
		{ "out/metadata.json", 5691, 241 },   { "out/ramdisk-1.cpio", 5944, 520 },
		{ "out/ramdisk-2.cpio", 6476, 1812 }, { "out/signature.cbor", 8300, 1509 },
	};
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_buffer struct nec_buffer certificate = { 0 };

	(void)state;
	assert_int_equal(nec_extract_run(NULL, EIF_DATA "x86-signed-p256.eif", "out", NULL, NULL),
			 0);
	eif_load("x86-signed-p256.eif", &image);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_text(rows[i].file, image.data + rows[i].offset + 12, rows[i].size);
	eif_load("certs/p256.pem", &certificate);
	assert_text("out/certificate.pem", certificate.data, certificate.size);
	assert_int_equal(count_entries("out"), 7);
}

static void sections__can_be_taken_one_by_one(void **state)
{
	static const struct {
		const char *section;
		const char *file;
	} rows[] = {
		{ "kernel", "kernel" },
		{ "cmdline", "cmdline" },
		{ "metadata", "metadata.json" },
		{ "signature", "signature.cbor" },
		{ "certificate", "certificate.pem" },
		{ "ramdisk1", "ramdisk-1.cpio" },
		{ "ramdisk2", "ramdisk-2.cpio" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nec_extract_options options = NEC_EXTRACT_OPTIONS_INIT;
		char folder[16];
		char file[64];

		options.section = rows[i].section;
		(void)snprintf(folder, sizeof(folder), "%zu", i);
		(void)snprintf(file, sizeof(file), "%zu/%s", i, rows[i].file);
		assert_int_equal(nec_extract_run(NULL, EIF_DATA "x86-signed-p256.eif", folder,
						 &options, NULL),
				 0);
		assert_int_equal(count_entries(folder), 1);
		assert_true(exists(file));
	}
}

static void sections__that_do_not_exist_are_refused(void **state)
{
	static const struct {
		const char *section;
		int result;
		enum nec_error_code code;
	} rows[] = {
		{ "kernels", -EINVAL, NEC_E_INVALID_ARGUMENT },
		{ "ramdisk", -EINVAL, NEC_E_INVALID_ARGUMENT },
		{ "ramdisk0", -EINVAL, NEC_E_INVALID_ARGUMENT },
		{ "ramdisk01", -EINVAL, NEC_E_INVALID_ARGUMENT },
		{ "ramdisk33", -EINVAL, NEC_E_INVALID_ARGUMENT },
		{ "", -EINVAL, NEC_E_INVALID_ARGUMENT },
		{ "ramdisk3", -ENOENT, NEC_E_EIF_SECTION_MISSING },
		{ "signature", -ENOENT, NEC_E_EIF_SECTION_MISSING },
		{ "certificate", -ENOENT, NEC_E_EIF_SECTION_MISSING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nec_extract_options options = NEC_EXTRACT_OPTIONS_INIT;
		nec_error err = NEC_ERROR_INIT;

		options.section = rows[i].section;
		assert_int_equal(
			nec_extract_run(NULL, EIF_DATA "x86-2rd.eif", "out", &options, &err),
			rows[i].result);
		assert_int_equal(err.code, rows[i].code);
		assert_false(exists("out"));
	}
}

static void sections__that_are_repeated_are_numbered(void **state)
{
	(void)state;
	assert_int_equal(nec_extract_run(NULL, EIF_DATA "bad-two-kernels.eif", "out", NULL, NULL),
			 0);
	assert_true(exists("out/kernel"));
	assert_true(exists("out/kernel-2"));
}

static void ramdisks__have_their_compression_in_the_name(void **state)
{
	static const struct {
		const char *magic;
		const char *file;
	} rows[] = {
		{ "\x1f\x8b\x08\x00", "out/ramdisk-1.cpio.gz" },
		{ "\xfd"
		  "7zX",
		  "out/ramdisk-2.cpio.xz" },
		{ "\x28\xb5\x2f\xfd", "out/ramdisk-3.cpio.zst" },
		{ "BZh9", "out/ramdisk-4.cpio.bz2" },
		{ "0707", "out/ramdisk-5.cpio" },
	};
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_close int fd = open("image", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)state;
	eif_begin(&image);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		eif_add(&image, NEC_EIF_RAMDISK, rows[i].magic, 4);
	eif_add(&image, NEC_EIF_RAMDISK, "", 0);
	assert_int_equal(nec_file_write_at(fd, "image", image.data, image.size, 0, NULL), 0);
	assert_int_equal(nec_extract_run(NULL, "image", "out", NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_true(exists(rows[i].file));
	assert_true(exists("out/ramdisk-6.cpio"));
}

static void section__goes_to_a_pipe(void **state)
{
	char text[256] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(
		nec_extract_section(NULL, EIF_DATA "arm64-2rd.eif", "cmdline", fds[1], NULL), 0);
	assert_int_equal(read(fds[0], text, sizeof(text) - 1), 84);
	assert_string_equal(text, "reboot=k panic=30 pci=off nomodules console=ttyS0 "
				  "random.trust_cpu=on root=/dev/ram0");
	assert_int_equal(nec_extract_section(NULL, EIF_DATA "arm64-2rd.eif", NULL, fds[1], NULL),
			 -EINVAL);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- files ---- */

static void files__are_made_as_the_archive_says(void **state)
{
	struct stat stat;
	char target[16] = "";

	(void)state;
	assert_unpacks((const struct cpio_file[MAX_FILES]){
		{ ".", S_IFDIR | 0700 },
		{ "./d", S_IFDIR | 0750, .mtime = 100 },
		{ "d/file", S_IFREG | 0604, "text", .mtime = 200 },
		{ "d/empty", REG },
		{ "link", LINK, "../../nowhere", .mtime = 300 },
		{ "fifo", S_IFIFO | 0620, .mtime = 400 },
		{ "made/by/itself", REG, "x" } });
	stat = stat_of("out/ramdisk-1/d");
	assert_int_equal(stat.st_mode, S_IFDIR | 0750);
	assert_int_equal(stat.st_mtime, 100);
	stat = stat_of("out/ramdisk-1/d/file");
	assert_int_equal(stat.st_mode, S_IFREG | 0604);
	assert_int_equal(stat.st_mtime, 200);
	assert_text("out/ramdisk-1/d/file", "text", 4);
	assert_int_equal(stat_of("out/ramdisk-1/d/empty").st_size, 0);
	stat = stat_of("out/ramdisk-1/link");
	assert_int_equal(stat.st_mtime, 300);
	assert_int_equal(readlink("out/ramdisk-1/link", target, sizeof(target)), 13);
	assert_memory_equal(target, "../../nowhere", 13);
	stat = stat_of("out/ramdisk-1/fifo");
	assert_int_equal(stat.st_mode, S_IFIFO | 0620);
	assert_int_equal(stat.st_mtime, 400);
	assert_text("out/ramdisk-1/made/by/itself", "x", 1);
	assert_int_equal(stat_of("out/ramdisk-1").st_mode, S_IFDIR | 0700);
	assert_true(exists("out/ramdisk-1.cpio"));
}

static void files__replace_earlier_ones(void **state)
{
	(void)state;
	assert_unpacks((const struct cpio_file[MAX_FILES]){ { "a", REG, "long text" },
							    { "a", REG, "short" },
							    { "b", FOLDER },
							    { "b", LINK, "a" },
							    { "c", LINK, "a" },
							    { "c", FOLDER },
							    { "c/d", REG, "x" },
							    { "c", S_IFDIR | 0711 } });
	assert_text("out/ramdisk-1/a", "short", 5);
	assert_true(S_ISLNK(stat_of("out/ramdisk-1/b").st_mode));
	assert_int_equal(stat_of("out/ramdisk-1/c").st_mode, S_IFDIR | 0711);
	assert_text("out/ramdisk-1/c/d", "x", 1);
}

static void folders__that_cannot_be_written_are_filled_first(void **state)
{
	(void)state;
	write_archive((const struct cpio_file[MAX_FILES]){ { "r", S_IFDIR | 0555 },
							   { "r/s", S_IFDIR | 0555 },
							   { "r/s/t", S_IFREG | 0400, "x" },
							   { "no", S_IFDIR | 0000 },
							   { "no/way", S_IFDIR | 0700 },
							   { "no/way/x", REG, "x" } });
	drop_root();
	assert_int_equal(unpack_image(NULL, NULL), 0);
	regain_root();
	assert_int_equal(stat_of("out/ramdisk-1/r").st_mode, S_IFDIR | 0555);
	assert_int_equal(stat_of("out/ramdisk-1/r/s/t").st_mode, S_IFREG | 0400);
	assert_int_equal(stat_of("out/ramdisk-1/no").st_mode, S_IFDIR);
}

static void hard_links__are_links_again_whichever_has_the_data(void **state)
{
	(void)state;
	assert_unpacks((const struct cpio_file[MAX_FILES]){
		{ "a", S_IFREG | 0444, "data", .inode = 1, .links = 2 },
		{ "d", FOLDER },
		{ "d/b", S_IFREG | 0444, .inode = 1, .links = 2 },
		{ "x", S_IFREG | 0640, .inode = 2, .links = 3, .mtime = 50 },
		{ "y", S_IFREG | 0640, .inode = 2, .links = 3, .mtime = 50 },
		{ "d/z", S_IFREG | 0640, "later", .inode = 2, .links = 3, .mtime = 50 },
		{ "x", S_IFREG | 0640, .inode = 2, .links = 3, .mtime = 50 } });
	assert_int_equal(stat_of("out/ramdisk-1/a").st_ino, stat_of("out/ramdisk-1/d/b").st_ino);
	assert_int_equal(stat_of("out/ramdisk-1/a").st_mode, S_IFREG | 0444);
	assert_text("out/ramdisk-1/d/b", "data", 4);
	assert_int_equal(stat_of("out/ramdisk-1/x").st_ino, stat_of("out/ramdisk-1/d/z").st_ino);
	assert_int_equal(stat_of("out/ramdisk-1/y").st_nlink, 3);
	assert_int_equal(stat_of("out/ramdisk-1/y").st_mode, S_IFREG | 0640);
	assert_int_equal(stat_of("out/ramdisk-1/y").st_mtime, 50);
	assert_text("out/ramdisk-1/x", "later", 5);
}

/* The mode of a link is set at the end, but not on what took its place. */
static void hard_links__that_are_replaced_are_forgotten(void **state)
{
	(void)state;
	assert_unpacks((const struct cpio_file[MAX_FILES]){
		{ "a", S_IFREG | 0777, "1", .inode = 1, .links = 2 },
		{ "a", S_IFREG | 0600, "2" } });
	assert_int_equal(stat_of("out/ramdisk-1/a").st_mode, S_IFREG | 0600);
}

static void keep_warning(void *userdata, const char *text)
{
	(void)snprintf(userdata, 256, "%s", text);
}

static void privileges__are_not_given_away_by_who_is_not_root(void **state)
{
	char warning[256] = "";
	nec_context *context = NULL;

	(void)state;
	write_archive((const struct cpio_file[MAX_FILES]){ { "su", S_IFREG | 06755, "x", .uid = 5 },
							   { "null", S_IFCHR | 0666 },
							   { "disk", S_IFBLK | 0666 } });
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, keep_warning, warning);
	drop_root();
	assert_int_equal(unpack_image(context, NULL), 0);
	regain_root();
	assert_int_equal(stat_of("out/ramdisk-1/su").st_mode, S_IFREG | 0755);
	assert_int_equal(stat_of("out/ramdisk-1/su").st_uid, getuid() ? getuid() : NOBODY);
	assert_false(exists("out/ramdisk-1/null"));
	assert_string_equal(warning,
			    "2 device nodes of ramdisk-1 were left out: only root can make "
			    "them");
	nec_context_free(context);
}

static void privileges__of_root_keep_owners(void **state)
{
	(void)state;
	if (getuid() != 0)
		return;
	assert_unpacks((const struct cpio_file[MAX_FILES]){
		{ "su", S_IFREG | 04755, "x", .uid = 5, .gid = 6 },
		{ "d", FOLDER, .uid = 7 },
		{ "l", LINK, "x", .uid = 8 } });
	assert_int_equal(stat_of("out/ramdisk-1/su").st_mode, S_IFREG | 04755);
	assert_int_equal(stat_of("out/ramdisk-1/su").st_uid, 5);
	assert_int_equal(stat_of("out/ramdisk-1/su").st_gid, 6);
	assert_int_equal(stat_of("out/ramdisk-1/d").st_uid, 7);
	assert_int_equal(stat_of("out/ramdisk-1/l").st_uid, 8);
}

/* ---- what wants out ---- */

static void archives__never_reach_outside(void **state)
{
	static const struct cpio_file archives[][MAX_FILES] = {
		{ { "../outside/x", REG, "x" } },
		{ { "a/../../../outside/x", REG, "x" } },
		{ { "..", FOLDER } },
		{ { "/outside", REG, "x" } },
		/* Through links to folders, absolute and relative, to files, and in the middle. */
		{ { "l", LINK, "../../outside" }, { "l/x", REG, "x" } },
		{ { "l", LINK, "/tmp" }, { "l/x", FOLDER } },
		{ { "d", FOLDER }, { "d/l", LINK, "../../.." }, { "d/l/outside/x", REG, "x" } },
		{ { "l", LINK, "../../outside/victim" }, { "l/x", REG, "x" } },
		/* A link whose first name has become a symbolic link, or a folder. */
		{ { "a", REG, "1", .inode = 1, .links = 2 },
		  { "a", LINK, "../../outside/victim" },
		  { "b", REG, "22", .inode = 1, .links = 2 } },
		{ { "a", REG, .inode = 1, .links = 2 },
		  { "a", S_IFIFO | 0600 },
		  { "b", REG, "22", .inode = 1, .links = 2 } },
		/* A folder that is not empty does not become a link. */
		{ { "d", FOLDER }, { "d/x", REG, "x" }, { "d", LINK, "../../outside" } },
	};

	(void)state;
	assert_int_equal(mkdir("outside", 0777), 0);
	for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
		cleanup_close int victim =
			open("outside/victim", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		size_t descriptors = open_descriptors();
		nec_error err = NEC_ERROR_INIT;
		int r;

		write_archive(archives[i]);
		r = unpack_image(NULL, &err);
		if (r >= 0)
			fail_msg("archive %zu was unpacked", i);
		if (i + 1 < ARRAY_SIZE(archives))
			assert_int_equal(err.code, NEC_E_SOURCE_UNSAFE);
		assert_false(exists("out"));
		assert_true(victim >= 0);
		assert_int_equal(count_entries("outside"), 1);
		assert_int_equal(stat_of("outside/victim").st_size, 0);
		assert_int_equal(open_descriptors(), descriptors);
	}
}

static void symlinks__are_replaced_and_not_written_through(void **state)
{
	cleanup_close int victim = open("victim", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	(void)state;
	assert_unpacks((const struct cpio_file[MAX_FILES]){
		{ "l", LINK, "../../victim" },
		{ "l", REG, "text" },
		{ "m", LINK, "../../victim" },
		{ "m", REG, "more", .inode = 1, .links = 2 } });
	assert_text("out/ramdisk-1/l", "text", 4);
	assert_text("out/ramdisk-1/m", "more", 4);
	assert_int_equal(stat_of("victim").st_size, 0);
	assert_true(victim >= 0);
}

/* ---- the folder ---- */

static void folder__must_be_new_or_empty(void **state)
{
	nec_error err = NEC_ERROR_INIT;
	int fd;

	(void)state;
	assert_int_equal(mkdir("out", 0755), 0);
	assert_int_equal(nec_extract_run(NULL, EIF_DATA "x86-2rd.eif", "out", NULL, NULL), 0);
	assert_true(exists("out/kernel"));
	assert_int_equal(nec_extract_run(NULL, EIF_DATA "x86-2rd.eif", "out", NULL, &err),
			 -ENOTEMPTY);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
	assert_true(exists("out/kernel"));
	fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	(void)close(fd);
	assert_int_equal(nec_extract_run(NULL, EIF_DATA "x86-2rd.eif", "file", NULL, &err),
			 -ENOTDIR);
	assert_int_equal(nec_extract_run(NULL, EIF_DATA "x86-2rd.eif", "no/folder", NULL, &err),
			 -ENOENT);
}

static void failures__leave_nothing_behind(void **state)
{
	const volatile int cancel = 1;
	size_t before = open_descriptors();
	nec_context *context = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	write_archive((const struct cpio_file[MAX_FILES]){
		{ "d", FOLDER }, { "d/e", FOLDER }, { "d/e/f", REG, "x" }, { "../x", REG } });
	assert_int_equal(unpack_image(NULL, &err), -EBADMSG);
	assert_false(exists("out"));
	/* A folder that was there stays, as it was. */
	assert_int_equal(mkdir("out", 0755), 0);
	assert_int_equal(unpack_image(NULL, &err), -EBADMSG);
	assert_int_equal(count_entries("out"), 0);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancel);
	assert_int_equal(unpack_image(context, &err), -ECANCELED);
	assert_int_equal(count_entries("out"), 0);
	assert_int_equal(open_descriptors(), before);
	nec_context_free(context);
}

static void truncation__at_every_byte_leaves_nothing(void **state)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	(void)state;
	cpio_add(&archive, &(struct cpio_file){ "d", FOLDER });
	cpio_add(&archive, &(struct cpio_file){ "d/file", REG, "text" });
	cpio_add(&archive, &(struct cpio_file){ "link", LINK, "d" });
	for (size_t size = 1; size < archive.size; size++) {
		nec_error err = NEC_ERROR_INIT;

		write_image(archive.data, size);
		if (unpack_image(NULL, &err) == 0)
			fail_msg("%zu of %zu bytes", size, archive.size);
		assert_false(exists("out"));
	}
}

static void make_deep(int fd, unsigned int depth)
{
	int at = dup(fd);

	for (unsigned int i = 0; i < depth; i++) {
		int below;

		/* Names that the removal uses too. */
		assert_int_equal(mkdirat(at, "0", 0700), 0);
		(void)close(openat(at, "1", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		below = openat(at, "0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = below;
	}
	(void)close(at);
}

static void folder__is_emptied_however_deep_it_is(void **state)
{
	cleanup_close int fd = -1;
	struct rlimit before;
	struct rlimit few;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ .rlim_cur = 32, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	drop_root();
	assert_int_equal(mkdir("deep", 0700), 0);
	fd = open("deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_deep(fd, 3000);
	assert_int_equal(mkdirat(fd, "shut", 0700), 0);
	assert_int_equal(mkdirat(fd, "shut/in", 0700), 0);
	assert_int_equal(symlinkat("/tmp", fd, "shut/in/link"), 0);
	assert_int_equal(fchmodat(fd, "shut/in", 0, 0), 0);
	assert_int_equal(fchmodat(fd, "shut", 0, 0), 0);
	assert_int_equal(nec_folder_empty(fd), 0);
	regain_root();
	assert_int_equal(count_entries("deep"), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_place, leave_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sections__are_written_as_they_are),
		TEST(sections__can_be_taken_one_by_one),
		TEST(sections__that_do_not_exist_are_refused),
		TEST(sections__that_are_repeated_are_numbered),
		TEST(ramdisks__have_their_compression_in_the_name),
		TEST(section__goes_to_a_pipe),
		TEST(files__are_made_as_the_archive_says),
		TEST(files__replace_earlier_ones),
		TEST(folders__that_cannot_be_written_are_filled_first),
		TEST(hard_links__are_links_again_whichever_has_the_data),
		TEST(hard_links__that_are_replaced_are_forgotten),
		TEST(privileges__are_not_given_away_by_who_is_not_root),
		TEST(privileges__of_root_keep_owners),
		TEST(archives__never_reach_outside),
		TEST(symlinks__are_replaced_and_not_written_through),
		TEST(folder__must_be_new_or_empty),
		TEST(failures__leave_nothing_behind),
		TEST(truncation__at_every_byte_leaves_nothing),
		TEST(folder__is_emptied_however_deep_it_is),
	};

	return cmocka_run_group_tests_name("extract", tests, NULL, NULL);
}
