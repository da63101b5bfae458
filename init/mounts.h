/* SPDX-License-Identifier: Apache-2.0 */
/* The console, the file systems that a program expects, and the step into the image's root. */
#ifndef NEC_INIT_MOUNTS_H
#define NEC_INIT_MOUNTS_H

#include <stdbool.h>

/* /dev and /proc of the ramdisk, then the console. */
void init_mounts_early(void);

/* Opens /dev/console as the three standard descriptors; /dev/null where there is no console. */
void init_console_open(void);

/*
 * Makes /rootfs the root directory. An image without one has its system in the ramdisk itself and
 * stays there. Returns 0 or a negative errno, reported.
 */
int init_root_switch(void);

/*
 * Mounts what belongs into the root, makes the missing mount points and the links of /dev. What
 * cannot be mounted is reported and not the end: the program may not need it.
 */
void init_mounts_final(void);

/*
 * A line of /proc/cgroups: true for a controller that is enabled, with @line cut behind its name.
 */
bool init_cgroup_line(char *line);

#endif
