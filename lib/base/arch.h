/* SPDX-License-Identifier: Apache-2.0 */
/* Names of architectures beyond the public nec_arch_name() and nec_arch_parse(). */
#ifndef NEC_BASE_ARCH_H
#define NEC_BASE_ARCH_H

#include "nec.h"

/* Docker's and OCI's word: "amd64", "arm64"; "unknown" for other values. */
const char *nec_arch_docker_name(enum nec_arch arch);

/* What this machine runs; NEC_ARCH_UNKNOWN when enclaves do not come in it. */
enum nec_arch nec_arch_of_machine(void);

#endif
