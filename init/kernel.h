/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the kernel's interface that nec-init uses, for both architectures.
 *
 * The numbers are fixed for ever, so they stand here and not in headers that a machine may have for
 * one architecture only: any compiler builds either program. tests/unit/test-init-abi.c compares
 * each with the system's headers.
 */
#ifndef NEC_INIT_KERNEL_H
#define NEC_INIT_KERNEL_H

#include <stdint.h>

#if defined(__x86_64__)
#define SYS_read            0
#define SYS_write           1
#define SYS_close           3
#define SYS_mmap            9
#define SYS_munmap          11
#define SYS_rt_sigprocmask  14
#define SYS_ioctl           16
#define SYS_nanosleep       35
#define SYS_getpid          39
#define SYS_socket          41
#define SYS_connect         42
#define SYS_sendto          44
#define SYS_setsockopt      54
#define SYS_clone           56
#define SYS_execve          59
#define SYS_wait4           61
#define SYS_kill            62
#define SYS_uname           63
#define SYS_chdir           80
#define SYS_fchown          93
#define SYS_umask           95
#define SYS_setuid          105
#define SYS_setgid          106
#define SYS_setpgid         109
#define SYS_setsid          112
#define SYS_setgroups       116
#define SYS_rt_sigtimedwait 128
#define SYS_chroot          161
#define SYS_sync            162
#define SYS_mount           165
#define SYS_umount2         166
#define SYS_reboot          169
#define SYS_sethostname     170
#define SYS_getdents64      217
#define SYS_clock_gettime   228
#define SYS_exit_group      231
#define SYS_openat          257
#define SYS_mkdirat         258
#define SYS_mknodat         259
#define SYS_unlinkat        263
#define SYS_symlinkat       266
#define SYS_ppoll           271
#define SYS_dup3            292
#define SYS_finit_module    313
#elif defined(__aarch64__)
#define SYS_dup3            24
#define SYS_ioctl           29
#define SYS_mknodat         33
#define SYS_mkdirat         34
#define SYS_unlinkat        35
#define SYS_symlinkat       36
#define SYS_umount2         39
#define SYS_mount           40
#define SYS_chdir           49
#define SYS_chroot          51
#define SYS_fchown          55
#define SYS_openat          56
#define SYS_close           57
#define SYS_getdents64      61
#define SYS_read            63
#define SYS_write           64
#define SYS_ppoll           73
#define SYS_sync            81
#define SYS_exit_group      94
#define SYS_nanosleep       101
#define SYS_clock_gettime   113
#define SYS_kill            129
#define SYS_rt_sigprocmask  135
#define SYS_rt_sigtimedwait 137
#define SYS_reboot          142
#define SYS_setgid          144
#define SYS_setuid          146
#define SYS_setpgid         154
#define SYS_setsid          157
#define SYS_setgroups       159
#define SYS_uname           160
#define SYS_sethostname     161
#define SYS_umask           166
#define SYS_getpid          172
#define SYS_socket          198
#define SYS_connect         203
#define SYS_sendto          206
#define SYS_setsockopt      208
#define SYS_munmap          215
#define SYS_clone           220
#define SYS_execve          221
#define SYS_mmap            222
#define SYS_wait4           260
#define SYS_finit_module    273
#else
/* cppcheck-suppress preprocessorErrorDirective */
#error "nec-init knows x86_64 and aarch64"
#endif

#define ENOENT          2
#define EINTR           4
#define ENOEXEC         8
#define ECHILD          10
#define ENOMEM          12
#define EACCES          13
#define EBUSY           16
#define EEXIST          17
#define ENXIO           6
#define ENODEV          19
#define ENOTDIR         20
#define EISDIR          21
#define EINVAL          22
#define EFBIG           27
#define EPIPE           32
#define EPROTO          71
#define ESOCKTNOSUPPORT 94
#define EOPNOTSUPP      95
#define EAFNOSUPPORT    97
#define EADDRNOTAVAIL   99
#define ENETUNREACH     101
#define ECONNRESET      104
#define ETIMEDOUT       110
#define ECONNREFUSED    111

#define AT_FDCWD     (-100)
#define AT_REMOVEDIR 0x200

#define O_RDONLY  0
#define O_RDWR    02
#define O_NOCTTY  0400
#define O_CLOEXEC 02000000
#if defined(__aarch64__)
#define O_DIRECTORY 040000
#else
#define O_DIRECTORY 0200000
#endif

#define S_IFCHR 0020000

#define PROT_READ     1
#define PROT_WRITE    2
#define MAP_PRIVATE   2
#define MAP_ANONYMOUS 0x20

#define MS_NOSUID  2
#define MS_NODEV   4
#define MS_NOEXEC  8
#define MS_BIND    4096
#define MS_MOVE    8192
#define MNT_DETACH 2

#define SIGILL      4
#define SIGTRAP     5
#define SIGABRT     6
#define SIGBUS      7
#define SIGFPE      8
#define SIGKILL     9
#define SIGSEGV     11
#define SIGPIPE     13
#define SIGTERM     15
#define SIGCHLD     17
#define SIGTSTP     20
#define SIGTTIN     21
#define SIGTTOU     22
#define SIGSYS      31
#define SIG_BLOCK   0
#define SIG_SETMASK 2

#define WNOHANG 1

#define AF_INET                       2
#define AF_VSOCK                      40
#define SOCK_STREAM                   1
#define SOCK_DGRAM                    2
#define SOCK_CLOEXEC                  02000000
#define MSG_NOSIGNAL                  0x4000
#define POLLIN                        1
/* linux/vm_sockets.h; the option that takes a timeval of two 64-bit words */
#define SO_VM_SOCKETS_CONNECT_TIMEOUT 6

#define SIOCGIFFLAGS 0x8913
#define SIOCSIFFLAGS 0x8914
#define IFF_UP       1
#define IFNAMSIZ     16

#define TCSBRK    0x5409
#define TIOCSCTTY 0x540e
#define TIOCSPGRP 0x5410

#define CLOCK_MONOTONIC 1

/* linux/module.h; the flag is of 5.17, an older kernel answers EINVAL */
#define MODULE_INIT_COMPRESSED_FILE 4

#define LINUX_REBOOT_MAGIC1        0xfee1dead
#define LINUX_REBOOT_MAGIC2        672274793
#define LINUX_REBOOT_CMD_RESTART   0x01234567
#define LINUX_REBOOT_CMD_POWER_OFF 0x4321fedc

struct timespec {
	int64_t tv_sec;
	int64_t tv_nsec;
};

struct timeval {
	int64_t tv_sec;
	int64_t tv_usec;
};

struct pollfd {
	int fd;
	short events;
	short revents;
};

struct sockaddr_vm {
	uint16_t svm_family;
	uint16_t svm_reserved1;
	uint32_t svm_port;
	uint32_t svm_cid;
	uint8_t svm_zero[4];
};

struct ifreq {
	char ifr_name[IFNAMSIZ];
	union {
		short ifr_flags;
		uint8_t ifr_size[24]; /* what the kernel copies, whichever member is meant */
	};
};

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

struct utsname {
	char sysname[65];
	char nodename[65];
	char release[65];
	char version[65];
	char machine[65];
	char domainname[65];
};

#endif
