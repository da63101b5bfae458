/* SPDX-License-Identifier: Apache-2.0 */
/* The system's half of test-init-abi.c. */
#include "init-abi.h"

/* linux/vm_sockets.h wants it before itself. */
#include <sys/socket.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

/* libc's name for the record that getdents64() writes */
#define linux_dirent64 dirent64

const struct abi_value abi_system[] = {
#include "init-abi-list.h"
	{ NULL, 0 },
};
