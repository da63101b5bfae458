/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes carried both ways between two sockets in an event loop, for programs that carry many.
 *
 * A connection costs no buffer unless one of its ends is slower than the other; then it keeps what
 * was read and reads no more until that is written.
 */
#ifndef NEC_BASE_PUMP_H
#define NEC_BASE_PUMP_H

#include "base/loop.h"

struct nec_pump;

/* What all pumps of a loop read into. */
#define NEC_PUMP_BUFFER_BYTES 65536
struct nec_pump_buffer {
	uint8_t bytes[NEC_PUMP_BUFFER_BYTES];
};

/* It is over. @result: 0 when both ends have closed, else the negative errno of what broke. The
 * pump is to be freed, now or later. */
typedef void (*nec_pump_ended_fn)(void *userdata, int result);

/**
 * nec_pump_new() - start to carry
 * @a, @b:  connected stream sockets, non-blocking; the pump's on success. With @b -1, @a gets back
 *          what it sends
 * @buffer: shared by pumps of the same loop; the caller's
 *
 * The end of one direction is passed on while the other goes on. When one end is gone altogether,
 * what the other still sends is not read any more. Returns 0, -ENOMEM, or another negative errno.
 */
int nec_pump_new(struct nec_loop *loop, int a, int b, struct nec_pump_buffer *buffer,
		 nec_pump_ended_fn ended, void *userdata, struct nec_pump **ret, nec_error *err);

/* Closes both sockets; of a pump that broke or is not over, TCP peers see a reset. Accepts NULL. */
void nec_pump_free(struct nec_pump *pump);

#endif
