/* SPDX-License-Identifier: Apache-2.0 */
/* nec-heartbeat: the heartbeat alone, for images whose first process is another one's. */
#include "heartbeat.h"
#include "log.h"
#include "program.h"

#define STATUS_FAILED 1
#define STATUS_USAGE  2

const char init_program_name[] = "nec-heartbeat";

int init_program(int argc, char **argv)
{
	struct init_vsock_address address = { INIT_HEARTBEAT_CID, INIT_HEARTBEAT_PORT };

	if (argc > 2 || (argc == 2 && !init_vsock_address_parse(argv[1], &address))) {
		init_say("usage: nec-heartbeat [[CID:]PORT]");
		return STATUS_USAGE;
	}
	return init_heartbeat(&address) < 0 ? STATUS_FAILED : 0;
}
