/* SPDX-License-Identifier: Apache-2.0 */
/* The faults that a simulated enclave is to have: --inject, or NEC_SIM_INJECT. */
#ifndef NEC_CLI_INJECT_H
#define NEC_CLI_INJECT_H

#include "base/buffer.h"
#include "command.h"

/* What --help and the man page say about them. */
#define CLI_INJECT_HELP                                                                   \
	"With --inject a simulated enclave fails in a chosen way, so that scripts can "   \
	"be tried; codes, messages and exit statuses are those of the device. Several "   \
	"can be given, and NEC_SIM_INJECT has a list separated by commas. N is a number " \
	"of seconds. The faults:\n\n"                                                     \
	"boot-hang: nothing ever runs in the enclave; E36 after --boot-timeout.\n\n"      \
	"boot-crash: it ends before its heartbeat; E36.\n\n"                              \
	"heartbeat-late=N: the heartbeat arrives N seconds after it was sent.\n\n"        \
	"heartbeat-missing: it never arrives, although the enclave runs.\n\n"             \
	"heartbeat-wrong: another byte than the right one arrives.\n\n"                   \
	"crash=N: the enclave ends N seconds after it is up.\n\n"                         \
	"slow-load=N: loading the image takes N seconds longer.\n\n"                      \
	"no-memory: the huge pages are all taken; E27.\n\n"                               \
	"ANSWER or CALL:ANSWER: what the driver answers to one of the calls open, "       \
	"NE_CREATE_VM, NE_ADD_VCPU, NE_GET_IMAGE_LOAD_INFO, NE_SET_USER_MEMORY_REGION, "  \
	"NE_START_ENCLAVE, by default the first that is known to answer so. Answers are " \
	"NE_ERR_VCPU_ALREADY_USED, NE_ERR_VCPU_NOT_IN_CPU_POOL, "                         \
	"NE_ERR_VCPU_INVALID_CPU_CORE, NE_ERR_INVALID_MEM_REGION_SIZE, "                  \
	"NE_ERR_INVALID_MEM_REGION_ADDR, NE_ERR_UNALIGNED_MEM_REGION_ADDR, "              \
	"NE_ERR_MEM_REGION_ALREADY_USED, NE_ERR_MEM_NOT_HUGE_PAGE, "                      \
	"NE_ERR_MEM_DIFFERENT_NUMA_NODE, NE_ERR_MEM_MAX_REGIONS, "                        \
	"NE_ERR_NO_MEM_REGIONS_ADDED, NE_ERR_NO_VCPUS_ADDED, "                            \
	"NE_ERR_ENCLAVE_MEM_MIN_SIZE, NE_ERR_FULL_CORES_NOT_USED, "                       \
	"NE_ERR_NOT_IN_INIT_STATE, NE_ERR_INVALID_VCPU, NE_ERR_NO_CPUS_AVAIL_IN_POOL, "   \
	"NE_ERR_INVALID_PAGE_SIZE, NE_ERR_INVALID_FLAG_VALUE, "                           \
	"NE_ERR_INVALID_ENCLAVE_CID, and of errno ENOENT, ENXIO, ENODEV, EACCES, EPERM, " \
	"EMFILE, ENFILE, ENOTTY, ETIMEDOUT, EIO, EFAULT, EINVAL, ENOMEM. After a call "   \
	"any other name of errno, or a number, stands for an answer of the device "       \
	"behind the driver."

/*
 * Checks the faults and appends them to @ret as one list; nothing when there are none. @words: the
 * values of --inject, which is refused unless @simulated. Returns 0, or -EINVAL
 * (NEC_E_INVALID_ARGUMENT) with what may have been meant as its hint.
 */
int cli_inject(const struct cli_list *words, bool simulated, struct nec_buffer *ret,
	       nec_error *err);

#endif
