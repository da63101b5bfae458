/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our vsock device without anything else of nec, for the bare QEMU of bench-simulation: serves the
 * vhost-user front end at descriptor 0 and ends when the guest has sent its heartbeat.
 *
 *   vsock-back-end FOLDER CID
 */
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "sim/parent.h"
#include "sim/vhost-user.h"

static void on_heartbeat(void *userdata)
{
	nec_loop_stop(userdata, 0);
}

static void on_ended(void *userdata, const nec_error *err)
{
	(void)fprintf(stderr, "no heartbeat: %s\n", err ? err->message : "QEMU ended");
	nec_loop_stop(userdata, 1);
}

int main(int argc, char **argv)
{
	nec_error err = NEC_ERROR_INIT;
	struct nec_loop *loop = NULL;
	struct nec_parent *parent = NULL;
	struct nec_vhost_user *vhost = NULL;
	uint64_t cid;
	int r;

	if (argc != 3)
		return 2;
	cid = strtoull(argv[2], NULL, 10);
	r = nec_loop_new(&loop, &err);
	if (r == 0)
		r = nec_parent_new(loop, argv[1], cid, on_heartbeat, loop, &parent, &err);
	if (r == 0)
		r = nec_vhost_user_new(loop, STDIN_FILENO, nec_parent_get_vsock(parent), cid,
				       on_ended, loop, &vhost, &err);
	if (r == 0)
		r = nec_loop_run(loop, &err);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", err.message);
	nec_vhost_user_free(vhost);
	nec_parent_free(parent);
	nec_loop_free(loop);
	return r == 0 ? 0 : 1;
}
