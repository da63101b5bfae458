/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and times on the command line. A wrong one is an E03 that names the option and the text.
 */
#ifndef NEC_CLI_VALUES_H
#define NEC_CLI_VALUES_H

#include <stdint.h>

#include "nec.h"

/*
 * Unsigned decimal, a leading '+' allowed and nothing else around it, as nitro-cli reads numbers.
 * @option: its name without dashes. Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT).
 */
int cli_parse_u32(const char *option, const char *text, uint32_t *ret, nec_error *err);
int cli_parse_u64(const char *option, const char *text, uint64_t *ret, nec_error *err);

/*
 * The CID of an enclave: what has another meaning (<linux/vm_sockets.h>) is refused. @where is what
 * the message begins with. Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT).
 */
int cli_check_cid(const char *where, uint64_t cid, nec_error *err);

/*
 * An amount of memory in MiB: digits, then nothing (MiB) or one of the letters M, G, T in either
 * case (MiB, GiB, TiB). Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT).
 */
int cli_parse_memory(const char *option, const char *text, uint64_t *ret_mib, nec_error *err);

/*
 * A time: RFC 3339 ("2026-11-21T01:21:07Z"), a day ("2026-11-21"), or '@' and seconds since 1970.
 * Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT).
 */
int cli_parse_time(const char *option, const char *text, int64_t *ret_seconds, nec_error *err);

#endif
