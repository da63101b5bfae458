/* SPDX-License-Identifier: Apache-2.0 */
/* nec-holder: the process that holds one enclave. Started by the library, never by hand. */
#include <stdio.h>
#include <sys/stat.h>

#include "enclave/holder.h"

int main(int argc, char **argv)
{
	struct stat st;

	(void)argv;
	if (argc != 1 || fstat(NEC_HOLDER_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void)fprintf(stderr, "nec-holder is started by `nec run-enclave`.\n");
		return 2;
	}
	return nec_holder_run(NEC_HOLDER_FD, &nec_holder_host);
}
