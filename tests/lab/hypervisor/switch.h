/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's vsock: a device for the parent VM and one for each enclave, and what goes between them.
 *
 *   enclave -> CID 3, port P         the parent VM's listener, which sees the enclave's CID and
 * port enclave -> any other CID         refused, as on the hardware parent  -> an enclave's CID the
 * enclave's listener, which sees CID 3 parent  -> CID 0, 10000 + CID    the enclave's console, in
 * debug mode parent  -> CID 2, port P         a program of this machine that listens at
 * <dir>/host_P this machine -> parent, port P   <dir>/3.vsock, "CONNECT P\n"; the parent sees CID 2
 *
 * A connection ends in either device and goes between them through a pair of sockets, so that each
 * guest has its own flow control. Who calls is answered only once the other guest has answered.
 */
#ifndef LAB_SWITCH_H
#define LAB_SWITCH_H

#include "sim/vsock.h"

enum { LAB_HYPERVISOR_CID = 0, LAB_HOST_CID = 2, LAB_CONSOLE_PORT = 10000 };

struct lab_switch;

/*
 * Listens at <dir>/vsock.sock for the vhost-user front end of the parent VM: one at a time, a new
 * one takes the place of the old. When one goes, or its guest resets the device, the parent's
 * connections end.
 */
int lab_switch_new(struct nec_loop *loop, const char *dir, struct lab_switch **ret, nec_error *err);
/* All enclaves' devices must be unused by then: they go with it. Accepts NULL. */
void lab_switch_free(struct lab_switch *lab_switch);

/*
 * Adds the device of an enclave; @console_path, which may be NULL, is the Unix socket that serves
 * its console. @ret_vsock is lent. Returns 0, -EEXIST when the CID is in use, -EINVAL when it is
 * none of an enclave, or another negative errno.
 */
int lab_switch_add(struct lab_switch *lab_switch, uint64_t cid, const char *console_path,
		   struct nec_vsock **ret_vsock, nec_error *err);
/* Ends its connections and releases the device. */
void lab_switch_remove(struct lab_switch *lab_switch, uint64_t cid);

/* The parent VM's device; lent. */
struct nec_vsock *lab_switch_get_parent(struct lab_switch *lab_switch);

#endif
