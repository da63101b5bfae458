/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes carried both ways between a pair of descriptors and a socket, as `nc` does. */
#ifndef NEC_BASE_RELAY_H
#define NEC_BASE_RELAY_H

#include "nec.h"

/**
 * nec_relay() - carry @in to @socket and @socket to @out
 * @in:     anything that can be read; the caller's, its flags stay as they are
 * @out:    anything that can be written to; closed at the peer's end of file, so that its reader
 *          sees it while the other direction goes on
 * @socket: a connected stream socket; the caller's
 * @cancel: ends it when it is not 0, as a signal handler sets it; may be NULL
 *
 * The end of @in shuts down the sending half of @socket. It is over when both directions are, or
 * when the peer has closed altogether and everything from it is written: nobody would read the rest
 * of @in. That a peer takes no more of @in while it still sends is not an error.
 *
 * Returns 0, -ECANCELED (NEC_E_CANCELLED), or a negative errno (NEC_E_VSOCK: the connection broke;
 * NEC_E_FILE_READ, NEC_E_FILE_WRITE: @in, @out).
 */
int nec_relay(int in, int out, int socket, const volatile int *cancel, nec_error *err);

#endif
