/* SPDX-License-Identifier: Apache-2.0 */
/* System calls without a libc: each returns what the kernel does, 0 or more, or a negative errno.
 */
#ifndef NEC_INIT_SYSCALL_H
#define NEC_INIT_SYSCALL_H

#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

#if defined(__x86_64__)
static inline long sys_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long sys_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#endif

static inline long sys_read(int fd, void *to, size_t size)
{
	return sys_call(SYS_read, fd, (long)to, (long)size, 0, 0, 0);
}

static inline long sys_write(int fd, const void *from, size_t size)
{
	return sys_call(SYS_write, fd, (long)from, (long)size, 0, 0, 0);
}

static inline int sys_open(const char *path, int flags)
{
	return (int)sys_call(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0, 0, 0);
}

static inline int sys_close(int fd)
{
	return (int)sys_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* The copy stays open over execve: it is made for the standard descriptors. */
static inline int sys_dup_to(int fd, int wanted)
{
	return (int)sys_call(SYS_dup3, fd, wanted, 0, 0, 0, 0);
}

static inline int sys_fchown(int fd, uint32_t uid, uint32_t gid)
{
	return (int)sys_call(SYS_fchown, fd, uid, gid, 0, 0, 0);
}

static inline int sys_ioctl(int fd, unsigned request, void *argument)
{
	return (int)sys_call(SYS_ioctl, fd, request, (long)argument, 0, 0, 0);
}

/* For requests whose argument is a number. */
static inline int sys_ioctl_value(int fd, unsigned request, long value)
{
	return (int)sys_call(SYS_ioctl, fd, request, value, 0, 0, 0);
}

static inline long sys_getdents(int fd, void *to, size_t size)
{
	return sys_call(SYS_getdents64, fd, (long)to, (long)size, 0, 0, 0);
}

static inline int sys_mkdir(const char *path, unsigned mode)
{
	return (int)sys_call(SYS_mkdirat, AT_FDCWD, (long)path, mode, 0, 0, 0);
}

static inline unsigned sys_umask(unsigned mask)
{
	return (unsigned)sys_call(SYS_umask, mask, 0, 0, 0, 0, 0);
}

static inline int sys_mknod(const char *path, unsigned mode, unsigned device)
{
	return (int)sys_call(SYS_mknodat, AT_FDCWD, (long)path, mode, device, 0, 0);
}

static inline int sys_symlink(const char *target, const char *path)
{
	return (int)sys_call(SYS_symlinkat, (long)target, AT_FDCWD, (long)path, 0, 0, 0);
}

static inline int sys_unlink(const char *path)
{
	return (int)sys_call(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
}

static inline int sys_rmdir(const char *path)
{
	return (int)sys_call(SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR, 0, 0, 0);
}

static inline int sys_chdir(const char *path)
{
	return (int)sys_call(SYS_chdir, (long)path, 0, 0, 0, 0, 0);
}

static inline int sys_chroot(const char *path)
{
	return (int)sys_call(SYS_chroot, (long)path, 0, 0, 0, 0, 0);
}

static inline int sys_mount(const char *source, const char *target, const char *type,
			    unsigned long flags, const char *data)
{
	return (int)sys_call(SYS_mount, (long)source, (long)target, (long)type, (long)flags,
			     (long)data, 0);
}

static inline int sys_umount(const char *target, int flags)
{
	return (int)sys_call(SYS_umount2, (long)target, flags, 0, 0, 0, 0);
}

static inline int sys_finit_module(int fd, const char *parameters, int flags)
{
	return (int)sys_call(SYS_finit_module, fd, (long)parameters, flags, 0, 0, 0);
}

/* Zeroed private memory, or a negative errno in the place of the address. */
static inline long sys_map(size_t size)
{
	return sys_call(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static inline int sys_unmap(void *address, size_t size)
{
	return (int)sys_call(SYS_munmap, (long)address, (long)size, 0, 0, 0, 0);
}

static inline int sys_socket(int family, int type)
{
	return (int)sys_call(SYS_socket, family, type | SOCK_CLOEXEC, 0, 0, 0, 0);
}

static inline int sys_connect(int fd, const void *address, size_t size)
{
	return (int)sys_call(SYS_connect, fd, (long)address, (long)size, 0, 0, 0);
}

static inline long sys_send(int fd, const void *from, size_t size)
{
	return sys_call(SYS_sendto, fd, (long)from, (long)size, MSG_NOSIGNAL, 0, 0);
}

static inline int sys_setsockopt(int fd, int level, int option, const void *value, size_t size)
{
	return (int)sys_call(SYS_setsockopt, fd, level, option, (long)value, (long)size, 0);
}

static inline int sys_poll(struct pollfd *fds, size_t count, const struct timespec *timeout)
{
	/* The kernel writes the time left into the timeout. */
	struct timespec left = *timeout;

	return (int)sys_call(SYS_ppoll, (long)fds, (long)count, (long)&left, 0, 0, 0);
}

static inline int sys_clock_monotonic(struct timespec *now)
{
	return (int)sys_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)now, 0, 0, 0, 0);
}

static inline int sys_nanosleep(const struct timespec *time)
{
	return (int)sys_call(SYS_nanosleep, (long)time, 0, 0, 0, 0, 0);
}

static inline int sys_getpid(void)
{
	return (int)sys_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static inline int sys_fork(void)
{
	/* The architectures disagree on the order of the last three; all are 0. */
	return (int)sys_call(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

static inline int sys_execve(const char *path, char *const *argv, char *const *envp)
{
	return (int)sys_call(SYS_execve, (long)path, (long)argv, (long)envp, 0, 0, 0);
}

static inline int sys_wait(int pid, int *status, int flags)
{
	return (int)sys_call(SYS_wait4, pid, (long)status, flags, 0, 0, 0);
}

static inline int sys_kill(int pid, int signal)
{
	return (int)sys_call(SYS_kill, pid, signal, 0, 0, 0, 0);
}

static inline int sys_sigprocmask(int how, uint64_t signals)
{
	return (int)sys_call(SYS_rt_sigprocmask, how, (long)&signals, 0, sizeof(signals), 0, 0);
}

/* The signal taken, or a negative errno when the time is over; a NULL timeout waits for ever. */
static inline int sys_sigwait(uint64_t signals, const struct timespec *timeout)
{
	return (int)sys_call(SYS_rt_sigtimedwait, (long)&signals, 0, (long)timeout, sizeof(signals),
			     0, 0);
}

static inline int sys_setpgid(int pid, int group)
{
	return (int)sys_call(SYS_setpgid, pid, group, 0, 0, 0, 0);
}

static inline int sys_setsid(void)
{
	return (int)sys_call(SYS_setsid, 0, 0, 0, 0, 0, 0);
}

static inline int sys_setgroups(size_t count, const uint32_t *groups)
{
	return (int)sys_call(SYS_setgroups, (long)count, (long)groups, 0, 0, 0, 0);
}

static inline int sys_setgid(uint32_t gid)
{
	return (int)sys_call(SYS_setgid, gid, 0, 0, 0, 0, 0);
}

static inline int sys_setuid(uint32_t uid)
{
	return (int)sys_call(SYS_setuid, uid, 0, 0, 0, 0, 0);
}

static inline int sys_uname(struct utsname *name)
{
	return (int)sys_call(SYS_uname, (long)name, 0, 0, 0, 0, 0);
}

static inline int sys_sethostname(const char *name, size_t size)
{
	return (int)sys_call(SYS_sethostname, (long)name, (long)size, 0, 0, 0, 0);
}

static inline void sys_sync(void)
{
	(void)sys_call(SYS_sync, 0, 0, 0, 0, 0, 0);
}

static inline int sys_reboot(unsigned command)
{
	return (int)sys_call(SYS_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, 0,
			     0, 0);
}

__attribute__((noreturn)) static inline void sys_exit(int status)
{
	for (;;)
		(void)sys_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

#endif
