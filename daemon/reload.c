/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a reload: never done here, so that it is that daemon's file, log and state. Who
 * ends us ends the connection, and with it the change.
 */
#include "reload.h"

#include <stdio.h>

#include "allocator/client.h"
#include "base/error.h"
#include "base/json.h"

int daemon_ask_reload(const struct daemon_options *options)
{
	const struct nec_allocator_request request = { .verb = NEC_ALLOCATOR_ASK_RELOAD };
	cleanup_json cJSON *result = NULL;
	nec_error err = NEC_ERROR_INIT;

	if (nec_allocator_ask(NULL, options->socket, &request, &result, &err) == 0)
		return 0;
	(void)fprintf(stderr, "nec-allocatord: %s %s\n", err.message, err.hint);
	return nec_error_exit_status(err.code);
}
