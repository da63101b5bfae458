/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first process that behaves as the one in nitro-cli's images does, step by step: console,
 * nsm.ko, heartbeat, command and environment from two files, a new root, the file systems, the
 * program, and a reboot when it ends. Any failure is the end of process 1, and with it of the
 * kernel.
 *
 * One step more: the kernel of those images has its virtio drivers built in, Debian's has modules,
 * which lie in /modules here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { PARENT = 3, HEARTBEAT_PORT = 9000, HEARTBEAT = 0xb7, MAX_ITEMS = 256 };

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(errno);
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return;
	must(fd >= 0, path);
	must(syscall(SYS_finit_module, fd, "", 0) == 0, path);
	(void)close(fd);
	must(unlink(path) == 0, path);
	printf("stock-init: loaded %s\n", path);
}

static void load_modules(void)
{
	struct dirent **entries;
	int count = scandir("modules", &entries, NULL, alphasort);
	char path[300];

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "modules/%s", entries[i]->d_name);
		load_module(path);
	}
}

static void send_heartbeat(void)
{
	const struct sockaddr_vm parent = {
		.svm_family = AF_VSOCK,
		.svm_cid = PARENT,
		.svm_port = HEARTBEAT_PORT,
	};
	unsigned char byte = HEARTBEAT;
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	must(fd >= 0, "vsock");
	must(connect(fd, (const struct sockaddr *)&parent, sizeof(parent)) == 0, "heartbeat");
	must(write(fd, &byte, 1) == 1, "heartbeat: write");
	must(read(fd, &byte, 1) == 1 && byte == HEARTBEAT, "heartbeat: answer");
	(void)close(fd);
	printf("stock-init: heartbeat\n");
}

/* The lines of a file, which is deleted then; NULL behind the last. */
static char **read_lines(const char *path)
{
	char **items = calloc(MAX_ITEMS + 1, sizeof(*items));
	FILE *file = fopen(path, "r");
	size_t size = 0;

	must(items && file, path);
	for (int i = 0; i < MAX_ITEMS && getline(&items[i], &size, file) > 0; i++, size = 0)
		items[i][strcspn(items[i], "\n")] = '\0';
	for (int i = 0; i < MAX_ITEMS; i++)
		if (items[i] && !*items[i])
			items[i] = NULL;
	(void)fclose(file);
	must(unlink(path) == 0, path);
	return items;
}

static void change_root(void)
{
	must(mount("/rootfs", "/rootfs", NULL, MS_BIND, NULL) == 0, "bind /rootfs");
	must(chdir("/rootfs") == 0, "/rootfs");
	must(mount(".", "/", NULL, MS_MOVE, NULL) == 0, "move /rootfs");
	must(chroot(".") == 0 && chdir("/") == 0, "chroot");
}

static void mount_at(const char *type, const char *path, unsigned long flags, const char *data)
{
	must(mount(type, path, type, flags, data) == 0, path);
}

static void mount_file_systems(void)
{
	const unsigned long safe = MS_NODEV | MS_NOSUID | MS_NOEXEC;

	mount_at("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, NULL);
	mount_at("proc", "/proc", safe, NULL);
	(void)symlink("/proc/self/fd", "/dev/fd");
	(void)symlink("/proc/self/fd/0", "/dev/stdin");
	(void)symlink("/proc/self/fd/1", "/dev/stdout");
	(void)symlink("/proc/self/fd/2", "/dev/stderr");
	mount_at("tmpfs", "/run", MS_NODEV, "mode=0755");
	mount_at("tmpfs", "/tmp", MS_NODEV, NULL);
	must(mkdir("/dev/shm", 0755) == 0, "/dev/shm");
	mount_at("tmpfs", "/dev/shm", safe, NULL);
	must(mkdir("/dev/pts", 0755) == 0, "/dev/pts");
	mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, NULL);
	mount_at("sysfs", "/sys", safe, NULL);
	mount_at("tmpfs", "/sys/fs/cgroup", safe, "mode=0755");
}

static pid_t run(char **command, char **environment)
{
	pid_t pid = fork();
	sigset_t none;

	must(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	(void)putenv("PATH=/sbin:/usr/sbin:/bin:/usr/bin");
	(void)execvpe(command[0], command, environment);
	must(false, command[0]);
	return -1;
}

int main(void)
{
	char **command;
	char **environment;
	sigset_t all;
	pid_t pid;
	int fd;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	(void)mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, NULL);
	fd = open("/dev/console", O_RDWR);
	for (int i = 0; i < 3; i++)
		(void)dup2(fd, i);
	(void)setvbuf(stdout, NULL, _IONBF, 0);
	load_modules();
	load_module("nsm.ko");
	send_heartbeat();
	environment = read_lines("/env");
	command = read_lines("/cmd");
	change_root();
	mount_file_systems();
	pid = run(command, environment);
	while (wait(NULL) != pid)
		;
	(void)reboot(RB_AUTOBOOT);
	return 1;
}
