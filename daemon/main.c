/* SPDX-License-Identifier: Apache-2.0 */
/* nec-allocatord's main. */
#include "daemon.h"
#include "reload.h"

int main(int argc, char **argv)
{
	struct daemon_options options;
	int status = 0;

	if (!daemon_options_parse(argc, argv, &options, &status))
		return status;
	return options.reload ? daemon_ask_reload(&options) : daemon_run(&options);
}
