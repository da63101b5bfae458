/* SPDX-License-Identifier: Apache-2.0 */
/* Lint: signature and certificate. What is wrong with them the reader knows; what is to come is
 * here. */
#include <time.h>

#include "base/error.h"
#include "image/lint.h"

static const int64_t expiring_seconds = INT64_C(30) * 24 * 60 * 60;

static void check_expiring(nec_lint *lint, const struct nec_certificate_info *certificate,
			   int64_t now, uint64_t offset)
{
	int64_t left = certificate->not_after_seconds - now;

	if (left >= 0 && left < expiring_seconds)
		nec_lint_report(lint, NEC_RULE_CERTIFICATE_EXPIRING, LINT_AT(offset),
				"the certificate is valid until %s", certificate->not_after);
}

/* The signer of an image publishes all of his certificate's file. */
static void check_leak(nec_lint *lint, const struct nec_signature_info *info, uint64_t offset)
{
	if (info->has_private_key)
		nec_lint_report(lint, NEC_RULE_PRIVATE_KEY, LINT_AT(offset),
				"a private key stands beside the signing certificate");
}

int nec_lint_signature(nec_lint *lint, nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_find_section(lint->eif, NEC_EIF_SIGNATURE);
	int64_t now = lint->options.has_now ? lint->options.now : (int64_t)time(NULL);
	const struct nec_signature_info *info;
	nec_signature *signature = NULL;
	int r;

	/* There is no PCR0 to compare with while sections are left out. */
	if (!section || lint->eif->incomplete)
		return 0;
	r = nec_eif_find_signature(lint->eif, now, err);
	if (r == 0)
		r = nec_eif_read_signature(lint->eif, &signature, err);
	/* One that cannot be decoded has been found just now. */
	if (r <= 0)
		return r == -EBADMSG || r == -EFBIG ? 0 : r;
	info = nec_signature_get_info(signature);
	check_expiring(lint, &info->certificate, now, section->offset);
	check_leak(lint, info, section->offset);
	nec_signature_free(signature);
	return 0;
}
