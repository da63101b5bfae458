/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules that the image carries: /nsm.ko (the stock layout) and /modules/ (ours). */
#ifndef NEC_INIT_MODULES_H
#define NEC_INIT_MODULES_H

#include <stdbool.h>
#include <stddef.h>

#define INIT_MODULES_MAX 256

/*
 * Loads /nsm.ko, then what lies in /modules in bytewise order of names, so that a builder numbers
 * them in order of dependency; deletes the files, whose memory the enclave can use. A module that
 * cannot be loaded is reported and not the end: the heartbeat tells if it was needed.
 */
void init_modules_load(void);

/* True for *.ko and *.ko.{gz,xz,zst}; *@compressed tells which. */
bool init_module_name(const char *name, bool *compressed);

/* Bytewise. */
void init_modules_sort(char **names, size_t count);

#endif
