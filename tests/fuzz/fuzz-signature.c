/* SPDX-License-Identifier: Apache-2.0 */
/* The signature section: decoding, what the certificate says, and every check. */
#include "image/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t pcr0[NEC_PCR_SIZE];
	cleanup_signature nec_signature *signature = NULL;
	nec_error err;

	if (nec_signature_decode(data, size, &signature, &err) < 0)
		return 0;
	if (nec_signature_check_key(signature, &err) == 0 &&
	    nec_signature_check_algorithm(signature, &err) < 0)
		__builtin_trap();
	(void)nec_signature_check_pcr0(signature, pcr0, &err);
	(void)nec_signature_check_dates(signature, 0, &err);
	return 0;
}
