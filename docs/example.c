/* SPDX-License-Identifier: Apache-2.0 */
/* Starts an enclave from an image, tells what it is, and ends it: example IMAGE */
#include <inttypes.h>
#include <nec.h>
#include <stdio.h>

static int fail(const nec_error *err)
{
	fprintf(stderr, "%s: %s\n%s\n", nec_error_name(err->code), err->message, err->hint);
	return nec_error_exit_status(err->code);
}

static void on_step(void *userdata, const struct nec_launch_step *step)
{
	fprintf((FILE *)userdata, "%s: %" PRIu64 " us\n", step->name, step->usec);
}

int main(int argc, char **argv)
{
	struct nec_launch_options options = NEC_LAUNCH_OPTIONS_INIT;
	const struct nec_enclave_info *info;
	nec_context *context = NULL;
	nec_enclave *enclave = NULL;
	nec_error err = NEC_ERROR_INIT;
	int status = 0;

	options.eif_path = argc > 1 ? argv[1] : NULL;
	options.memory_mib = 256;
	options.cpu_count = 2;
	options.step = on_step;
	options.userdata = stderr;
	if (nec_context_new(&context, &err) < 0 ||
	    nec_enclave_launch(context, &options, &enclave, &err) < 0) {
		status = fail(&err);
	} else {
		info = nec_enclave_get_info(enclave);
		printf("%s has CID %" PRIu64 " and PCR0 %s\n", info->id, info->cid, info->pcr0);
		if (nec_enclave_terminate(enclave, &err) < 0)
			status = fail(&err);
	}
	nec_enclave_free(enclave);
	nec_context_free(context);
	return status;
}
