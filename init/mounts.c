/* SPDX-License-Identifier: Apache-2.0 */
#include "mounts.h"

#include "data.h"
#include "log.h"
#include "syscall.h"
#include "text.h"

#define CGROUP_FOLDER "/sys/fs/cgroup"
#define CGROUPS_MAX   65536

struct mount_point {
	const char *type;
	const char *target;
	unsigned long flags;
	const char *data;
};

/*
 * In order. Programs may be run from /tmp and /run, as they may in a container; the stock init
 * forbids that (noexec).
 */
static const struct mount_point mount_points[] = {
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, NULL },
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
};

static const char *const dev_links[][2] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

/* Numbers of the kernel's devices.txt. */
#define DEVICE(major, minor) ((major) << 8 | (minor))
static const struct {
	const char *path;
	unsigned mode;
	unsigned device;
} dev_nodes[] = {
	{ "/dev/console", 0600, DEVICE(5u, 1u) }, { "/dev/null", 0666, DEVICE(1u, 3u) },
	{ "/dev/zero", 0666, DEVICE(1u, 5u) },    { "/dev/full", 0666, DEVICE(1u, 7u) },
	{ "/dev/random", 0666, DEVICE(1u, 8u) },  { "/dev/urandom", 0666, DEVICE(1u, 9u) },
	{ "/dev/tty", 0666, DEVICE(5u, 0u) },     { "/dev/ptmx", 0666, DEVICE(5u, 2u) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* For a kernel without devtmpfs. */
static void make_dev_nodes(void)
{
	unsigned mask = sys_umask(0);

	for (size_t i = 0; i < COUNT(dev_nodes); i++)
		(void)sys_mknod(dev_nodes[i].path, S_IFCHR | dev_nodes[i].mode,
				dev_nodes[i].device);
	(void)sys_umask(mask);
}

/* -EBUSY is a mount that the kernel (or a single ramdisk's first step) has made already. */
static int mount_on(const struct mount_point *point)
{
	int r;

	(void)sys_mkdir(point->target, 0755);
	r = sys_mount(point->type, point->target, point->type, point->flags, point->data);
	return r == -EBUSY ? 0 : r;
}

static void report(const struct mount_point *point, int error)
{
	init_say("cannot mount %s on %s: %s", point->type, point->target, init_errno_name(error));
}

void init_mounts_early(void)
{
	const struct mount_point *dev = &mount_points[0];
	const struct mount_point *proc = &mount_points[1];
	int r = mount_on(dev);

	if (r < 0)
		make_dev_nodes();
	init_console_open();
	if (r < 0)
		report(dev, r);
	r = mount_on(proc);
	if (r < 0)
		report(proc, r);
}

void init_console_open(void)
{
	int fd = sys_open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = sys_open("/dev/null", O_RDWR);
	if (fd < 0)
		return;
	for (int standard = 0; standard <= 2; standard++)
		(void)sys_dup_to(fd, standard);
	if (fd > 2)
		(void)sys_close(fd);
}

/* What stays mounted below the old root would be out of everyone's reach for ever. */
static void unmount_early(void)
{
	(void)sys_umount("/proc", MNT_DETACH);
	(void)sys_umount("/dev", MNT_DETACH);
}

/* The ramdisk cannot be unmounted nor pivoted away from, so the new root is moved over it. */
static int move_root(void)
{
	int r = sys_mount("/rootfs", "/rootfs", NULL, MS_BIND, NULL);

	if (r >= 0)
		r = sys_chdir("/rootfs");
	if (r >= 0)
		r = sys_mount(".", "/", NULL, MS_MOVE, NULL);
	if (r >= 0)
		r = sys_chroot(".");
	return r < 0 ? r : sys_chdir("/");
}

int init_root_switch(void)
{
	int r = sys_chdir("/rootfs");

	if (r == -ENOENT) {
		init_debug("no /rootfs: staying in the ramdisk");
		return 0;
	}
	if (r >= 0) {
		unmount_early();
		r = move_root();
	}
	if (r < 0)
		init_say("cannot make /rootfs the root directory: %s", init_errno_name(r));
	return r;
}

/* "name\thierarchy\tcgroups\tenabled" */
bool init_cgroup_line(char *line)
{
	char *field = strchr(line, '\t');
	char *last = field;

	if (line[0] == '#' || !field)
		return false;
	for (char *tab = field; tab; tab = strchr(tab + 1, '\t'))
		last = tab;
	*field = '\0';
	return last != field && last[1] == '1';
}

static void mount_controller(const char *name)
{
	char path[sizeof(CGROUP_FOLDER) + 64] = CGROUP_FOLDER "/";
	size_t length = strlen(name);
	struct mount_point point = { "cgroup", path, MS_NOSUID | MS_NODEV | MS_NOEXEC, name };
	int r;

	if (length >= sizeof(path) - sizeof(CGROUP_FOLDER))
		return;
	memcpy(path + sizeof(CGROUP_FOLDER), name, length + 1);
	r = mount_on(&point);
	if (r < 0)
		report(&point, r);
}

/* As the stock init does it, for kernels before 4.5. */
static void mount_cgroups_v1(void)
{
	const struct mount_point folder = { "tmpfs", CGROUP_FOLDER,
					    MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755" };
	struct init_text text;
	struct init_items lines;
	int r = init_read_file("/proc/cgroups", CGROUPS_MAX, &text);

	if (r < 0)
		return;
	r = mount_on(&folder);
	if (r >= 0)
		r = init_items_split(&text, '\n', &lines);
	if (r < 0) {
		report(&folder, r);
		return;
	}
	for (size_t i = 0; i < lines.count; i++) {
		if (init_cgroup_line(lines.vector[i]))
			mount_controller(lines.vector[i]);
	}
}

/* The folder is made by sysfs; a kernel without cgroups has none, and that is fine. */
static void mount_cgroups(void)
{
	const struct mount_point unified = { "cgroup2", CGROUP_FOLDER,
					     MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL };
	int r = mount_on(&unified);

	if (r == -ENODEV)
		mount_cgroups_v1();
	else if (r < 0 && r != -ENOENT)
		report(&unified, r);
}

void init_mounts_final(void)
{
	for (size_t i = 0; i < COUNT(mount_points); i++) {
		int r = mount_on(&mount_points[i]);

		if (r < 0)
			report(&mount_points[i], r);
		if (r < 0 && i == 0)
			make_dev_nodes();
	}
	for (size_t i = 0; i < COUNT(dev_links); i++)
		(void)sys_symlink(dev_links[i][1], dev_links[i][0]);
	mount_cgroups();
	/* The descriptors still belong to the ramdisk's /dev. */
	init_console_open();
}
