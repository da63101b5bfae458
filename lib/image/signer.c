/* SPDX-License-Identifier: Apache-2.0 */
/* Signing with a key in a file or by a command. */
#include "image/signer.h"

#include <fnmatch.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/process.h"
#include "image/eif-format.h"
#include "image/signature.h"

/* No signature is longer; a command that says more answers something else. */
enum { MAX_ANSWER_BYTES = 1024 };

struct nec_signer {
	const nec_context *context;
	const char *command; /* NULL: the private key signs */
	struct nec_buffer pem;
	struct nec_certificate certificate;
	struct nec_key certificate_key;
	struct nec_key private_key;
	uint8_t pcr8[NEC_PCR_SIZE];
};

static int refuse_arn(const char *arn, nec_error *err)
{
	nec_error_set(err, NEC_E_UNSUPPORTED, -EOPNOTSUPP,
		      "%s is the ARN of a KMS key, and KMS is not built in", arn);
	nec_error_set_hint(err, "Use --signer-command with a command that asks KMS, for example "
				"`aws kms sign`; nec-sign-eif(1) has one.");
	return -EOPNOTSUPP;
}

static int check_options(const struct nec_sign_options *options, nec_error *err)
{
	if (options->struct_size < sizeof(*options))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "the sign options have a struct_size of %zu, not %zu",
				     options->struct_size, sizeof(*options));
	if (!options->certificate)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "a signing certificate is needed");
	if (!options->private_key == !options->signer_command)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "either a private key or a signer command is needed%s",
				     options->private_key ? ", not both" : "");
	if (options->private_key && fnmatch("arn:*:kms:*", options->private_key, 0) == 0)
		return refuse_arn(options->private_key, err);
	return 0;
}

static int refuse_private_key(const char *path, nec_error *err)
{
	nec_error_set(err, NEC_E_CERTIFICATE, -EINVAL,
		      "%s holds a private key, which would be published in the image", path);
	nec_error_set_hint(err, "Give a file with nothing but the certificate: `openssl x509 -in "
				"FILE -out CERTIFICATE`.");
	return -EINVAL;
}

static int read_certificate(struct nec_signer *signer, const char *path, nec_error *err)
{
	int r = nec_signature_read_certificate(path, NEC_SIGNATURE_MAX_PEM, &signer->pem,
					       &signer->certificate, err);

	if (r == -EFBIG)
		nec_error_set_hint(err, "The whole file becomes part of the image, whose signature "
					"section has room for little more than one certificate: "
					"`openssl x509 -in FILE -out CERTIFICATE`.");
	if (r < 0)
		return r;
	if (nec_signature_has_private_key(&signer->pem))
		return refuse_private_key(path, err);
	r = nec_certificate_key(&signer->certificate, path, &signer->certificate_key, err);
	return r < 0 ? r : nec_signature_measure(&signer->certificate, signer->pcr8, err);
}

/* Only a warning: the image may be meant for a time when the certificate is valid. */
static int warn_of_dates(const struct nec_signer *signer, const char *path, nec_error *err)
{
	cleanup_certificate_info struct nec_certificate_info info = { 0 };
	const int64_t now = (int64_t)time(NULL);
	nec_error dates = NEC_ERROR_INIT;
	int r = nec_certificate_info(&signer->certificate, path, &info, err);

	if (r < 0)
		return r;
	if (nec_certificate_check_dates(&info, now, &dates) < 0)
		nec_warn(signer->context, "%s: %s; an image signed with it cannot be started %s",
			 path, dates.message,
			 now < info.not_before_seconds ? "before that" : "any more");
	return 0;
}

static int read_private_key(struct nec_signer *signer, const char *path, nec_error *err)
{
	int r = nec_key_read_private(path, &signer->private_key, err);

	if (r < 0)
		return r;
	if (!nec_key_equal(&signer->private_key, &signer->certificate_key))
		return nec_error_set(err, NEC_E_PRIVATE_KEY, -EINVAL,
				     "%s (%s) is not the key of the certificate (%s)", path,
				     signer->private_key.curve->name,
				     signer->certificate_key.curve->name);
	return 0;
}

int nec_signer_open(const nec_context *context, const struct nec_sign_options *options,
		    struct nec_signer **ret, nec_error *err)
{
	cleanup_signer struct nec_signer *signer = NULL;
	int r = check_options(options, err);

	if (r < 0)
		return r;
	signer = calloc(1, sizeof(*signer));
	if (!signer)
		return nec_error_no_memory(err);
	signer->context = context;
	signer->command = options->signer_command;
	r = read_certificate(signer, options->certificate, err);
	if (r == 0 && options->private_key)
		r = read_private_key(signer, options->private_key, err);
	if (r == 0)
		r = warn_of_dates(signer, options->certificate, err);
	if (r == 0)
		*ret = TAKE_PTR(signer);
	return r;
}

void nec_signer_free(struct nec_signer *signer)
{
	if (!signer)
		return;
	nec_key_free(&signer->private_key);
	nec_key_free(&signer->certificate_key);
	nec_certificate_free(&signer->certificate);
	nec_buffer_free(&signer->pem);
	free(signer);
}

const uint8_t *nec_signer_pcr8(const struct nec_signer *signer)
{
	return signer->pcr8;
}

static int run_command(const struct nec_signer *signer, const struct nec_buffer *bytes,
		       uint8_t signature[NEC_KEY_MAX_SIGNATURE], nec_error *err)
{
	const struct nec_curve *curve = signer->certificate_key.curve;
	const char *const argv[] = { "/bin/sh", "-c", signer->command, NULL };
	cleanup_buffer struct nec_buffer answer = { 0 };
	const struct nec_process process = {
		.argv = argv,
		.name = "the signer command",
		.input = bytes->data,
		.input_size = bytes->size,
		.output = &answer,
		.output_limit = MAX_ANSWER_BYTES,
		.code = NEC_E_SIGNER,
	};
	int r = nec_process_run(signer->context, &process, err);

	if (r < 0)
		return r;
	if (answer.size == curve->signature_bytes) {
		memcpy(signature, answer.data, answer.size);
		return 0;
	}
	r = nec_key_signature_from_der(curve, answer.data, answer.size, signature, err);
	return r < 0 ? nec_error_prefix(err, r, "the signer command answered") : 0;
}

/* What does not verify goes nowhere, whoever made it. */
static int make_signature(const struct nec_signer *signer, const struct nec_buffer *bytes,
			  uint8_t signature[NEC_KEY_MAX_SIGNATURE], nec_error *err)
{
	const struct nec_key *key = &signer->certificate_key;
	int r = signer->command ? run_command(signer, bytes, signature, err)
				: nec_key_sign(&signer->private_key, bytes->data, bytes->size,
					       signature, err);

	if (r < 0)
		return r;
	r = nec_key_verify(key, bytes->data, bytes->size, signature, key->curve->signature_bytes,
			   err);
	if (r < 0 && signer->command)
		nec_error_set_hint(err,
				   "Does the command sign with the certificate's key, and hash its "
				   "whole input with %s?",
				   key->curve->hash);
	return r;
}

int nec_signer_sign(const struct nec_signer *signer, const uint8_t pcr0[NEC_PCR_SIZE],
		    struct nec_buffer *section, nec_error *err)
{
	const struct nec_curve *curve = signer->certificate_key.curve;
	cleanup_buffer struct nec_buffer payload = { 0 };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	cleanup_buffer struct nec_buffer cose = { 0 };
	uint8_t signature[NEC_KEY_MAX_SIGNATURE];
	int r;

	nec_signature_put_payload(&payload, pcr0);
	nec_cose_put_to_be_signed(&bytes, curve, &payload);
	if (bytes.failed)
		return nec_error_no_memory(err);
	r = make_signature(signer, &bytes, signature, err);
	if (r < 0)
		return r;
	nec_cose_put(&cose, curve, &payload, signature);
	nec_signature_put_section(section, &signer->pem, &cose);
	return cose.failed || section->failed ? nec_error_no_memory(err) : 0;
}
