/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime directory. */
#include "enclave/paths.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"

static const char system_dir[] = "/run/nitro_enclaves";
static const char system_state_dir[] = "/run/nec";

/* Without slashes at its end: one directory has one name. */
static int length_of_path(const char *path)
{
	size_t length = strnlen(path, sizeof(((struct nec_path *)NULL)->text));

	while (length > 1 && path[length - 1] == '/')
		length--;
	return (int)length;
}

void nec_sockets_dir(bool simulation, struct nec_path *ret)
{
	const char *wish = getenv("NITRO_CLI_SOCKETS_PATH");
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (wish && *wish)
		(void)snprintf(ret->text, sizeof(ret->text), "%.*s", length_of_path(wish), wish);
	else if (!simulation || geteuid() == 0 || access(system_dir, W_OK) == 0)
		(void)snprintf(ret->text, sizeof(ret->text), "%s", system_dir);
	else if (runtime && *runtime)
		(void)snprintf(ret->text, sizeof(ret->text), "%s/nitro_enclaves", runtime);
	else
		(void)snprintf(ret->text, sizeof(ret->text), "/tmp/nitro_enclaves-%u",
			       (unsigned int)geteuid());
}

size_t nec_sockets_dirs(struct nec_path dirs[2])
{
	nec_sockets_dir(false, &dirs[0]);
	nec_sockets_dir(true, &dirs[1]);
	if (strcmp(dirs[0].text, dirs[1].text) == 0)
		return 1;
	/* A machine without enclaves of the device may have no such directory at all. */
	if (access(dirs[0].text, F_OK) < 0) {
		dirs[0] = dirs[1];
		return 1;
	}
	return access(dirs[1].text, F_OK) == 0 ? 2 : 1;
}

const char *nec_state_dir(const char *sockets_dir)
{
	return strcmp(sockets_dir, system_dir) == 0 ? system_state_dir : sockets_dir;
}

int nec_console_socket_of(const char *control, struct nec_path *ret, nec_error *err)
{
	const char *slash = strrchr(control, '/');
	struct nec_path dir = { "." };

	if (slash)
		(void)snprintf(dir.text, sizeof(dir.text), "%.*s", (int)(slash - control), control);
	return nec_path_socket(ret, err, "%s/" NEC_CONSOLE_DIR "/%s", nec_state_dir(dir.text),
			       slash ? slash + 1 : control);
}

int nec_sim_socket_find(const char *sockets_dir, uint64_t cid, struct nec_path *ret, nec_error *err)
{
	int r = nec_path_socket(ret, err, "%s/" NEC_SIM_DIR "/%" PRIu64 ".vsock",
				nec_state_dir(sockets_dir), cid);

	return r < 0 ? r : access(ret->text, F_OK) == 0;
}

/*
 * Who may make files in the sockets directory may make them below it: its group would be kept out
 * by the umask of whoever launches first. The group may do so only where it is the directory's own.
 */
static void share_dir(const char *path, const struct stat *parent)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	mode_t mode = parent->st_mode & (S_ISGID | 0775);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid())
		return;
	if (st.st_gid != parent->st_gid && fchown(fd, (uid_t)-1, parent->st_gid) < 0)
		mode &= ~(mode_t)(S_ISGID | 0020);
	(void)fchmod(fd, mode);
}

/* Made by another member of the group that may write in @parent. */
static bool is_shared(const struct stat *st, const struct stat *parent)
{
	return parent && (parent->st_mode & 0020) && st->st_gid == parent->st_gid;
}

/* @parent: the sockets directory, or NULL for itself. */
static int make_dir(const char *path, const struct stat *parent, struct stat *st, nec_error *err)
{
	if (mkdir(path, 0775) == 0) {
		if (parent)
			share_dir(path, parent);
	} else if (errno != EEXIST) {
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot make %s", path);
	}
	/* In /tmp somebody else may have made it to listen in. */
	if (lstat(path, st) < 0 || !S_ISDIR(st->st_mode) ||
	    (st->st_uid != 0 && st->st_uid != geteuid() && geteuid() != 0 &&
	     !is_shared(st, parent)))
		return nec_error_set(err, NEC_E_FILE_WRITE, -EPERM,
				     "%s is not a directory of root's or of yours", path);
	return 0;
}

int nec_sockets_dir_make(const char *dir, nec_error *err)
{
	static const char *const names[] = { "", "/" NEC_CONSOLE_DIR, "/" NEC_RECORDS_DIR,
					     "/" NEC_SIM_DIR };
	const char *state = nec_state_dir(dir);
	struct nec_path path;
	struct stat parent = { 0 };
	struct stat st;
	int r = make_dir(dir, NULL, &parent, err);

	for (size_t i = state == dir; i < ARRAY_SIZE(names) && r == 0; i++) {
		(void)snprintf(path.text, sizeof(path.text), "%s%s", state, names[i]);
		r = make_dir(path.text, &parent, &st, err);
	}
	return r;
}

/* Digits of a number of 64 bits at the most, then the suffix: other people's have other names. */
static bool is_number(const char *name, const char *digits, const char *suffix)
{
	size_t length = strspn(name, digits);

	return length > 0 && length <= 16 && strcmp(name + length, suffix) == 0;
}

static bool is_of_a_holder(const char *name)
{
	return strcmp(name, NEC_HEARTBEAT_SOCKET) == 0 ||
	       is_number(name, "0123456789abcdef", ".sock") ||
	       is_number(name, "0123456789", ".vsock");
}

void nec_sockets_dir_clean(const char *dir)
{
	static const char *const names[] = { "", "/" NEC_CONSOLE_DIR, "/" NEC_SIM_DIR };
	const char *state = nec_state_dir(dir);
	struct nec_path path;

	if (state != dir)
		nec_remove_dead_sockets(dir, is_of_a_holder);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path.text, sizeof(path.text), "%s%s", state, names[i]);
		nec_remove_dead_sockets(path.text, is_of_a_holder);
	}
}

int nec_open_folder_of(const char *path, nec_error *err)
{
	const char *slash = strrchr(path, '/');
	struct nec_path folder;
	int fd;

	(void)snprintf(folder.text, sizeof(folder.text), "%.*s",
		       slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
	fd = open(folder.text, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot create %s",
					    path);
	return fd;
}

const char *nec_name_in_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int nec_create_in_folder(int folder_fd, const char *path, unsigned int mode, nec_error *err)
{
	const char *name = nec_name_in_folder(path);
	int fd;

	(void)unlinkat(folder_fd, name, 0);
	fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot create %s",
					    path);
	return fd;
}

/* Without white space, as nitro-cli takes it; a machine that is no EC2 instance has none. */
static void read_instance_id(char *to, size_t size)
{
	cleanup_buffer struct nec_buffer tag = { 0 };
	size_t used = 0;

	if (nec_file_read_all("/sys/devices/virtual/dmi/id/board_asset_tag", 256, &tag, NULL) < 0)
		nec_buffer_append_text(&tag, "i-0000000000000000");
	for (const char *c = nec_buffer_text(&tag); *c && used + 1 < size; c++)
		if (!strchr(" \t\r\n", *c))
			to[used++] = *c;
	to[used] = '\0';
}

void nec_enclave_id(uint64_t slot_uid, char *to, size_t size)
{
	char instance[64];

	read_instance_id(instance, sizeof(instance));
	(void)snprintf(to, size, "%s-enc%" PRIx64, instance, slot_uid);
}
