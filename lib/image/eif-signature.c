/* SPDX-License-Identifier: Apache-2.0 */
/* Findings about the signature of an image: all that is wrong with it, not only the first thing. */
#include "base/error.h"
#include "image/eif.h"

struct check {
	nec_eif *eif;
	const struct nec_eif_section *section;
	const nec_signature *signature;
	int64_t now;
};

static enum nec_rule dates_rule(const struct check *check)
{
	const struct nec_certificate_info *info =
		&nec_signature_get_info(check->signature)->certificate;

	return check->now < info->not_before_seconds ? NEC_RULE_CERTIFICATE_NOT_YET
						     : NEC_RULE_CERTIFICATE_EXPIRED;
}

/* The rule that a failed check stands for; NEC_RULE_COUNT when it failed for another reason. */
static enum nec_rule broken_rule(const struct check *check, enum nec_error_code code)
{
	switch (code) {
	case NEC_E_SIGNATURE_FORMAT:
		return NEC_RULE_SIGNATURE_FORMAT;
	case NEC_E_SIGNATURE_INVALID:
		return NEC_RULE_SIGNATURE_INVALID;
	case NEC_E_SIGNATURE_PCR0:
		return NEC_RULE_SIGNATURE_PCR0;
	case NEC_E_CERTIFICATE:
		return NEC_RULE_CERTIFICATE;
	case NEC_E_CERTIFICATE_DATES:
		return dates_rule(check);
	default:
		return NEC_RULE_COUNT;
	}
}

/* Turns the result of one check into a finding. Returns 0, or @result if it is none. */
static int find(const struct check *check, int result, const nec_error *problem, nec_error *err)
{
	enum nec_rule rule;

	if (result >= 0)
		return 0;
	rule = broken_rule(check, problem->code);
	if (rule == NEC_RULE_COUNT) {
		if (err)
			*err = *problem;
		return result;
	}
	nec_eif_add_finding(check->eif, rule, check->section->offset, "%s", problem->message);
	return 0;
}

static int run_checks(const struct check *check, nec_error *err)
{
	const uint8_t *pcr0 = check->eif->measurements.pcr0;
	nec_error problem = NEC_ERROR_INIT;
	int r = nec_signature_check_key(check->signature, &problem);

	r = find(check, r, &problem, err);
	if (r < 0)
		return r;
	r = nec_signature_check_pcr0(check->signature, pcr0, &problem);
	r = find(check, r, &problem, err);
	if (r < 0)
		return r;
	r = nec_signature_check_dates(check->signature, check->now, &problem);
	return find(check, r, &problem, err);
}

static int check_section(struct check *check, nec_error *err)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	nec_signature *signature = NULL;
	nec_error problem = NEC_ERROR_INIT;
	int r = nec_eif_read_whole(check->eif, check->section, NEC_EIF_MAX_SIGNATURE, &data, err);

	if (r < 0)
		return r;
	r = nec_signature_decode(data.data, data.size, &signature, &problem);
	if (r < 0)
		return find(check, r, &problem, err);
	check->signature = signature;
	r = run_checks(check, err);
	nec_signature_free(signature);
	return r;
}

int nec_eif_find_signature(nec_eif *eif, int64_t now, nec_error *err)
{
	struct check check = {
		.eif = eif,
		.section = nec_eif_find_section(eif, NEC_EIF_SIGNATURE),
		.now = now,
	};
	int r;

	/* One that is too big is a finding already (signature-size). */
	if (!check.section || eif->signature_checked ||
	    check.section->size_bytes > NEC_EIF_MAX_SIGNATURE)
		return 0;
	r = nec_eif_measure(eif, NULL, err);
	if (r == 0)
		r = check_section(&check, err);
	if (r < 0)
		return r;
	eif->signature_checked = true;
	return nec_eif_findings_result(eif, err);
}
