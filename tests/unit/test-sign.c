/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto-data.h"
#include "eif-data.h"
#include "samples.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/cursor.h"
#include "base/error.h"
#include "image/signature.h"
#include "image/signer.h"
#include "leftovers.h"

/* 2026-09-21, when the test certificates but the expired and the future one are valid. */
static const int64_t now = 1790000000;

static const struct {
	const char *certificate;
	const char *key;
	const char *openssl_hash;
	int64_t algorithm;
} signers[] = {
	{ KEYS "p256.pem", KEYS "p256.key", "sha256", -7 },
	{ KEYS "p384.pem", KEYS "p384.key", "sha384", -35 },
	{ KEYS "p384.pem", KEYS "p384-sec1.key", "sha384", -35 },
	{ KEYS "p521.pem", KEYS "p521.key", "sha512", -36 },
};

static struct nec_sign_options options_of(const char *certificate, const char *key,
					  const char *command)
{
	struct nec_sign_options options = NEC_SIGN_OPTIONS_INIT;

	options.certificate = certificate;
	options.private_key = key;
	options.signer_command = command;
	return options;
}

/* A copy of an image of tests/data/eif in the sample folder. */
static const char *copy_image(const char *file)
{
	cleanup_buffer struct nec_buffer image = { 0 };

	eif_load(file, &image);
	sample_write("image.eif", image.data, image.size);
	return sample_path("image.eif");
}

/* Everything about it is right, and it is signed with that certificate. */
static void assert_signed(const char *path, int64_t algorithm, const char *certificate)
{
	cleanup_eif nec_eif *eif = NULL;
	cleanup_signature nec_signature *signature = NULL;
	struct nec_eif_measurements measurements;
	uint8_t pcr8[NEC_PCR_SIZE];
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(nec_eif_open(NULL, path, &eif, &err), 0);
	if (nec_eif_check(eif, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(nec_eif_measure(eif, &measurements, NULL), 0);
	assert_int_equal(nec_eif_read_signature(eif, &signature, &err), 1);
	assert_int_equal(nec_signature_verify(signature, measurements.pcr0, now, &err), 0);
	assert_int_equal(nec_signature_get_info(signature)->algorithm, algorithm);
	assert_int_equal(nec_certificate_measure(certificate, pcr8, NULL), 0);
	assert_memory_equal(nec_signature_get_info(signature)->pcr8, pcr8, NEC_PCR_SIZE);
}

static void sign__works_with_each_curve_and_image(void **state)
{
	static const char *const images[] = {
		"x86-2rd.eif",          "arm64-2rd.eif",
		"v2-nometadata.eif",    "v4-gap64.eif",
		"v4-metadata-last.eif", "x86-signed-p256.eif",
		"x86-4rd-meta.eif",     "x86-resigned-p256-to-p521-stalesize.eif",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(signers); j++) {
			const struct nec_sign_options options =
				options_of(signers[j].certificate, signers[j].key, NULL);
			const char *path = copy_image(images[i]);
			struct nec_sign_result result;
			nec_error err = NEC_ERROR_INIT;
			uint8_t pcr8[NEC_PCR_SIZE];

			if (nec_eif_sign(NULL, path, NULL, &options, &result, &err) < 0)
				fail_msg("%s: %s", images[i], err.message);
			assert_signed(path, signers[j].algorithm, signers[j].certificate);
			assert_int_equal(
				nec_certificate_measure(signers[j].certificate, pcr8, NULL), 0);
			assert_memory_equal(result.pcr8, pcr8, NEC_PCR_SIZE);
			assert_int_equal(count_entries(sample_folder), 1);
		}
	}
}

/* What is not the signature is the same in both files, byte for byte. */
static void assert_same_but_signature(const struct nec_buffer *before,
				      const struct nec_buffer *after)
{
	cleanup_eif nec_eif *old = NULL;
	cleanup_eif nec_eif *new = NULL;

	assert_int_equal(eif_open_bytes(before->data, before->size, &old, NULL), 0);
	assert_int_equal(eif_open_bytes(after->data, after->size, &new, NULL), 0);
	for (size_t i = 0, j = 0; i < old->layout.count; i++, j++) {
		const struct nec_eif_section *a = &old->layout.sections[i];
		const struct nec_eif_section *b = &new->layout.sections[j];

		assert_int_equal(a->type, b->type);
		if (a->type == NEC_EIF_SIGNATURE)
			continue;
		assert_int_equal(a->flags, b->flags);
		assert_int_equal(a->size_bytes, b->size_bytes);
		assert_memory_equal(before->data + a->data_offset, after->data + b->data_offset,
				    a->size_bytes);
	}
	assert_int_equal(old->header.flags, new->header.flags);
	assert_true(old->header.default_memory_bytes == new->header.default_memory_bytes);
	assert_true(old->header.default_cpus == new->header.default_cpus);
}

static void sign_bytes(const struct nec_buffer *before, struct nec_buffer *after)
{
	const struct nec_sign_options options = options_of(KEYS "p521.pem", KEYS "p521.key", NULL);
	nec_error err = NEC_ERROR_INIT;

	sample_write("image.eif", before->data, before->size);
	if (nec_eif_sign(NULL, sample_path("image.eif"), NULL, &options, NULL, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(nec_file_read_all(sample_path("image.eif"), 1 << 20, after, NULL), 0);
}

static void sign__keeps_everything_else(void **state)
{
	static const char *const images[] = { "x86-2rd.eif", "v4-gap64.eif", "x86-signed-p256.eif",
					      "v2-nometadata.eif" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		cleanup_buffer struct nec_buffer before = { 0 };
		cleanup_buffer struct nec_buffer after = { 0 };

		eif_load(images[i], &before);
		sign_bytes(&before, &after);
		assert_same_but_signature(&before, &after);
	}
}

/* Sets the checksum of an image in memory to what it is. */
static void mend_crc(struct nec_buffer *image)
{
	struct nec_eif_measurements measurements;
	cleanup_eif nec_eif *eif = NULL;

	assert_int_equal(eif_open_bytes(image->data, image->size, &eif, NULL), 0);
	assert_int_equal(nec_eif_measure(eif, &measurements, NULL), 0);
	eif_patch(image, NEC_EIF_CRC_AT, 4, measurements.crc32);
}

/* A signed image with the metadata behind the signature. */
static void load_with_signature_inside(struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	const struct nec_eif_section *metadata;
	const struct nec_eif_section *last;
	size_t moved;
	uint64_t shift;

	eif_load("x86-signed-p256.eif", &image);
	assert_int_equal(eif_open_bytes(image.data, image.size, &eif, NULL), 0);
	metadata = nec_eif_find_section(eif, NEC_EIF_METADATA);
	last = &eif->layout.sections[eif->layout.count - 1];
	assert_int_equal(last->type, NEC_EIF_SIGNATURE);
	shift = NEC_EIF_SECTION_HEADER + metadata->size_bytes;
	moved = (size_t)(metadata - eif->layout.sections);
	nec_buffer_append(to, image.data, metadata->offset);
	nec_buffer_append(to, image.data + metadata->offset + shift,
			  image.size - metadata->offset - shift);
	nec_buffer_append(to, image.data + metadata->offset, shift);
	for (size_t i = moved; i + 1 < eif->layout.count; i++) {
		const struct nec_eif_section *next = &eif->layout.sections[i + 1];

		eif_patch(to, NEC_EIF_OFFSETS_AT + 8 * i, 8, next->offset - shift);
		eif_patch(to, NEC_EIF_SIZES_AT + 8 * i, 8, next->size_bytes);
	}
	eif_patch(to, NEC_EIF_OFFSETS_AT + 8 * (eif->layout.count - 1), 8, image.size - shift);
	eif_patch(to, NEC_EIF_SIZES_AT + 8 * (eif->layout.count - 1), 8, metadata->size_bytes);
	mend_crc(to);
}

static void sign__moves_what_follows_the_old_signature(void **state)
{
	cleanup_buffer struct nec_buffer before = { 0 };
	cleanup_buffer struct nec_buffer after = { 0 };

	(void)state;
	load_with_signature_inside(&before);
	sign_bytes(&before, &after);
	assert_same_but_signature(&before, &after);
	assert_true(after.size > before.size);
	assert_signed(sample_path("image.eif"), -36, KEYS "p521.pem");
}

static void sign__keeps_unknown_flags_and_names_the_version(void **state)
{
	cleanup_buffer struct nec_buffer before = { 0 };
	cleanup_buffer struct nec_buffer after = { 0 };
	cleanup_buffer struct nec_buffer old = { 0 };
	cleanup_buffer struct nec_buffer signed_old = { 0 };

	(void)state;
	eif_load("x86-2rd.eif", &before);
	eif_patch(&before, NEC_EIF_FLAGS_AT, 2, 0x240);
	eif_patch(&before, NEC_EIF_FLAGS_AT + 2, 8, 0x123456789a);
	mend_crc(&before);
	sign_bytes(&before, &after);
	assert_memory_equal(after.data, before.data, NEC_EIF_COUNT_AT);
	eif_load("v2-nometadata.eif", &old);
	sign_bytes(&old, &signed_old);
	assert_int_equal(signed_old.data[NEC_EIF_VERSION_AT + 1], 3);
}

static void sign__writes_elsewhere_when_asked(void **state)
{
	const struct nec_sign_options options = options_of(KEYS "p384.pem", KEYS "p384.key", NULL);
	const char *path = copy_image("x86-2rd.eif");
	cleanup_buffer struct nec_buffer before = { 0 };
	cleanup_buffer struct nec_buffer after = { 0 };

	(void)state;
	eif_load("x86-2rd.eif", &before);
	assert_int_equal(nec_eif_sign(NULL, path, sample_path("signed.eif"), &options, NULL, NULL),
			 0);
	assert_signed(sample_path("signed.eif"), -35, KEYS "p384.pem");
	assert_int_equal(nec_file_read_all(path, 1 << 20, &after, NULL), 0);
	assert_int_equal(before.size, after.size);
	assert_memory_equal(before.data, after.data, after.size);
}

/* Signing fails as told, the image is as it was, nothing else is left. */
static void assert_refused_by(nec_context *context, const char *file,
			      const struct nec_sign_options *options, int result,
			      enum nec_error_code code, const char *message)
{
	cleanup_buffer struct nec_buffer before = { 0 };
	cleanup_buffer struct nec_buffer after = { 0 };
	const char *path = copy_image(file);
	nec_error err = NEC_ERROR_INIT;
	size_t fds = open_descriptors();
	int r = nec_eif_sign(context, path, NULL, options, NULL, &err);

	if (r != result || err.code != code || !strstr(err.message, message))
		fail_msg("%d, %s: \"%s\"", r, nec_error_name(err.code), err.message);
	assert_int_equal(open_descriptors(), fds);
	eif_load(file, &before);
	assert_int_equal(nec_file_read_all(path, 1 << 20, &after, NULL), 0);
	assert_int_equal(before.size, after.size);
	assert_memory_equal(before.data, after.data, after.size);
	assert_int_equal(count_entries(sample_folder), 1);
}

static void assert_refused(const char *certificate, const char *key, const char *command,
			   int result, enum nec_error_code code, const char *message)
{
	const struct nec_sign_options options = options_of(certificate, key, command);

	assert_refused_by(NULL, "x86-2rd.eif", &options, result, code, message);
}

static void sign__refuses_keys_and_certificates_that_will_not_do(void **state)
{
	const char *p384 = KEYS "p384.pem";
	const char *key = KEYS "p384.key";
	struct nec_sign_options unsized = { 0 };

	(void)state;
	assert_refused(p384, KEYS "expired.key", NULL, -EINVAL, NEC_E_PRIVATE_KEY,
		       "expired.key (P-384) is not the key of the certificate (P-384)");
	assert_refused(p384, KEYS "p256.key", NULL, -EINVAL, NEC_E_PRIVATE_KEY,
		       "p256.key (P-256) is not the key of the certificate (P-384)");
	assert_refused(KEYS "rsa.pem", KEYS "rsa.key", NULL, -EINVAL, NEC_E_CERTIFICATE,
		       "the key is RSA");
	assert_refused(KEYS "k1.pem", KEYS "k1.key", NULL, -EINVAL, NEC_E_CERTIFICATE,
		       "the key is EC secp256k1");
	assert_refused(KEYS "certificate-and-key.pem", key, NULL, -EINVAL, NEC_E_CERTIFICATE,
		       "holds a private key, which would be published");
	assert_refused(key, key, NULL, -EBADMSG, NEC_E_CERTIFICATE, "holds no PEM certificate");
	assert_refused(p384, p384, NULL, -EBADMSG, NEC_E_PRIVATE_KEY, "holds no PEM private key");
	assert_refused("/dev/zero", key, NULL, -EFBIG, NEC_E_TOO_LARGE, "/dev/zero is larger");
	assert_refused(p384, "arn:aws:kms:eu-central-1:123456789012:key/1", NULL, -EOPNOTSUPP,
		       NEC_E_UNSUPPORTED, "KMS is not built in");
	assert_refused(NULL, key, NULL, -EINVAL, NEC_E_INVALID_ARGUMENT,
		       "a signing certificate is needed");
	assert_refused(p384, NULL, NULL, -EINVAL, NEC_E_INVALID_ARGUMENT,
		       "either a private key or a signer command is needed");
	assert_refused(p384, key, "true", -EINVAL, NEC_E_INVALID_ARGUMENT, "not both");
	assert_refused_by(NULL, "x86-2rd.eif", &unsized, -EINVAL, NEC_E_INVALID_ARGUMENT,
			  "struct_size");
}

static void sign__refuses_damaged_images(void **state)
{
	const struct nec_sign_options options = options_of(KEYS "p384.pem", KEYS "p384.key", NULL);

	(void)state;
	assert_refused_by(NULL, "bad-crc.eif", &options, -EBADMSG, NEC_E_EIF_CRC, "the CRC is");
	assert_refused_by(NULL, "bad-magic.eif", &options, -EBADMSG, NEC_E_EIF_MAGIC, "");
	assert_refused_by(NULL, "bad-section-type6.eif", &options, -EBADMSG, NEC_E_EIF_SECTION_TYPE,
			  "");
	assert_refused_by(NULL, "bad-two-kernels.eif", &options, -EBADMSG,
			  NEC_E_EIF_SECTION_REPEATED, "");
	assert_refused_by(NULL, "bad-v4-nometadata.eif", &options, -EBADMSG,
			  NEC_E_EIF_SECTION_MISSING, "");
}

static void sign__refuses_a_thirty_third_section(void **state)
{
	const struct nec_sign_options options = options_of(KEYS "p384.pem", KEYS "p384.key", NULL);
	cleanup_buffer struct nec_buffer image = { 0 };
	nec_error err = NEC_ERROR_INIT;
	unsigned int count = 5;

	(void)state;
	eif_load("x86-2rd.eif", &image);
	for (; count < NEC_EIF_MAX_SECTIONS; count++) {
		eif_patch(&image, NEC_EIF_OFFSETS_AT + 8 * count, 8, image.size);
		nec_buffer_append_u16be(&image, NEC_EIF_RAMDISK);
		nec_buffer_append_zeros(&image, NEC_EIF_SECTION_HEADER - 2);
	}
	eif_patch(&image, NEC_EIF_COUNT_AT, 2, count);
	mend_crc(&image);
	sample_write("full.eif", image.data, image.size);
	assert_int_equal(nec_eif_sign(NULL, sample_path("full.eif"), NULL, &options, NULL, &err),
			 -E2BIG);
	assert_int_equal(err.code, NEC_E_EIF_SECTION_COUNT);
}

struct warnings {
	unsigned int count;
	char text[1024];
};

static void keep_warning(void *userdata, const char *text)
{
	struct warnings *warnings = userdata;

	warnings->count++;
	(void)snprintf(warnings->text, sizeof(warnings->text), "%s", text);
}

static void sign__warns_of_dates_and_goes_on(void **state)
{
	static const struct {
		const char *certificate;
		const char *key;
		const char *message;
	} rows[] = {
		{ KEYS "expired.pem", KEYS "expired.key",
		  "the certificate was valid until Jan  1 00:00:00 2021 GMT; an image signed with "
		  "it cannot be started any more" },
		{ KEYS "not-yet.pem", KEYS "not-yet.key",
		  "the certificate is not valid before Jan  1 00:00:00 2100 GMT; an image signed "
		  "with it cannot be started before that" },
	};
	nec_context *context = NULL;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct nec_sign_options options =
			options_of(rows[i].certificate, rows[i].key, NULL);
		struct warnings warnings = { 0 };

		nec_context_set_warning(context, keep_warning, &warnings);
		assert_int_equal(nec_eif_sign(context, copy_image("x86-2rd.eif"), NULL, &options,
					      NULL, NULL),
				 0);
		assert_int_equal(warnings.count, 1);
		if (!strstr(warnings.text, rows[i].message))
			fail_msg("\"%s\"", warnings.text);
	}
	nec_context_free(context);
}

/* The whole file counts, so that one that fills the section to the limit must still fit. */
static void sign__takes_the_longest_certificate_file(void **state)
{
	cleanup_buffer struct nec_buffer pem = { 0 };
	struct nec_sign_options options;

	(void)state;
	assert_int_equal(nec_file_read_all(KEYS "p521.pem", 1 << 20, &pem, NULL), 0);
	while (pem.size < NEC_SIGNATURE_MAX_PEM)
		nec_buffer_append_u8(&pem, '#');
	sample_write("long.pem", pem.data, pem.size);
	options = options_of(sample_path("long.pem"), KEYS "p521.key", NULL);
	assert_int_equal(nec_eif_sign(NULL, copy_image("x86-2rd.eif"), NULL, &options, NULL, NULL),
			 0);
	assert_signed(sample_path("image.eif"), -36, KEYS "p521.pem");
}

/* ---- the signer command ---- */

/* Answers the bytes of a file that the test puts there: a signer without any tool. */
static const char *answer_command(const void *answer, size_t size)
{
	static char command[512];

	sample_write("answer", answer, size);
	(void)snprintf(command, sizeof(command), "cat >/dev/null; cat %s", sample_path("answer"));
	return command;
}

/* What a signer of x86-2rd.eif is asked to sign. */
static void bytes_to_be_signed(const struct nec_curve *curve, struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer payload = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	struct nec_eif_measurements measurements;

	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-2rd.eif", &eif, NULL), 0);
	assert_int_equal(nec_eif_measure(eif, &measurements, NULL), 0);
	nec_signature_put_payload(&payload, measurements.pcr0);
	nec_cose_put_to_be_signed(to, curve, &payload);
}

static void command__gets_the_bytes_and_its_answer_is_used(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signers); i++) {
		cleanup_buffer struct nec_buffer bytes = { 0 };
		cleanup_buffer struct nec_buffer asked = { 0 };
		cleanup_key struct nec_key key = { 0 };
		uint8_t signature[NEC_KEY_MAX_SIGNATURE];
		struct nec_sign_options options;
		char command[512];
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(nec_key_read_private(signers[i].key, &key, NULL), 0);
		bytes_to_be_signed(key.curve, &bytes);
		assert_int_equal(nec_key_sign(&key, bytes.data, bytes.size, signature, NULL), 0);
		sample_write("answer", signature, key.curve->signature_bytes);
		(void)snprintf(command, sizeof(command), "cat >%s; cat %s", sample_path("asked"),
			       sample_path("answer"));
		options = options_of(signers[i].certificate, NULL, command);
		if (nec_eif_sign(NULL, copy_image("x86-2rd.eif"), NULL, &options, NULL, &err) < 0)
			fail_msg("%s", err.message);
		assert_signed(sample_path("image.eif"), signers[i].algorithm,
			      signers[i].certificate);
		assert_int_equal(nec_file_read_all(sample_path("asked"), 4096, &asked, NULL), 0);
		assert_int_equal(asked.size, bytes.size);
		assert_memory_equal(asked.data, bytes.data, bytes.size);
	}
}

/* openssl answers in DER, as most programs do. */
static void command__may_answer_der(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signers); i++) {
		struct nec_sign_options options;
		char command[512];
		nec_error err = NEC_ERROR_INIT;

		(void)snprintf(command, sizeof(command), "openssl dgst -%s -sign %s",
			       signers[i].openssl_hash, signers[i].key);
		options = options_of(signers[i].certificate, NULL, command);
		if (nec_eif_sign(NULL, copy_image("x86-2rd.eif"), NULL, &options, NULL, &err) < 0)
			fail_msg("%s", err.message);
		assert_signed(sample_path("image.eif"), signers[i].algorithm,
			      signers[i].certificate);
	}
}

static void command__is_refused_when_it_fails(void **state)
{
	const char *p384 = KEYS "p384.pem";

	(void)state;
	assert_refused(p384, NULL, "exit 3", -EIO, NEC_E_SIGNER,
		       "the signer command failed with exit status 3");
	assert_refused(p384, NULL, "kill -KILL $$", -EIO, NEC_E_SIGNER,
		       "the signer command was ended by signal 9");
	assert_refused(p384, NULL, "true", -EBADMSG, NEC_E_SIGNER,
		       "the signer command answered: 0 bytes are no ECDSA signature of P-384");
	assert_refused(p384, NULL, "echo hello", -EBADMSG, NEC_E_SIGNER, "6 bytes are no ECDSA");
	assert_refused(p384, NULL, "head -c 96 /dev/zero", -EBADMSG, NEC_E_SIGNATURE_INVALID,
		       "the signature was not made by the certificate's key (P-384)");
	assert_refused(p384, NULL, "cat /dev/zero", -EFBIG, NEC_E_SIGNER,
		       "the signer command answers more than 1024 bytes");
}

static void command__is_not_run_when_its_work_cannot_be_used(void **state)
{
	struct nec_sign_options options = NEC_SIGN_OPTIONS_INIT;
	char command[256];
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)snprintf(command, sizeof(command), "touch %s", sample_path("ran"));
	options = options_of(KEYS "p384.pem", NULL, command);
	assert_int_equal(nec_eif_sign(NULL, EIF_DATA "x86-2rd.eif", "/nowhere/signed.eif", &options,
				      NULL, &err),
			 -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
	assert_int_equal(nec_eif_sign(NULL, EIF_DATA "bad-crc.eif", sample_path("signed.eif"),
				      &options, NULL, &err),
			 -EBADMSG);
	assert_int_equal(err.code, NEC_E_EIF_CRC);
	assert_int_equal(count_entries(sample_folder), 0);
}

static void command__is_refused_when_another_key_signed(void **state)
{
	cleanup_buffer struct nec_buffer bytes = { 0 };
	cleanup_key struct nec_key key = { 0 };
	uint8_t signature[NEC_KEY_MAX_SIGNATURE];
	struct nec_sign_options options;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_key_read_private(KEYS "expired.key", &key, NULL), 0);
	bytes_to_be_signed(key.curve, &bytes);
	assert_int_equal(nec_key_sign(&key, bytes.data, bytes.size, signature, NULL), 0);
	options = options_of(KEYS "p384.pem", NULL,
			     answer_command(signature, key.curve->signature_bytes));
	assert_int_equal(nec_eif_sign(NULL, copy_image("x86-2rd.eif"), NULL, &options, NULL, &err),
			 -EBADMSG);
	assert_int_equal(err.code, NEC_E_SIGNATURE_INVALID);
	assert_non_null(strstr(err.hint, "hash its whole input with SHA384"));
}

/* ---- cancelling and dying ---- */

static volatile int cancelled;

static void cancel_at_phase(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	if (strcmp(phase, userdata) == 0)
		cancelled = 1;
}

static void cancel__leaves_everything_as_it_was(void **state)
{
	static char *const phases[] = { "measuring", "writing" };
	const struct nec_sign_options options = options_of(KEYS "p384.pem", KEYS "p384.key", NULL);
	nec_context *context = NULL;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancelled);
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		nec_context_set_progress(context, cancel_at_phase, phases[i]);
		cancelled = 0;
		assert_refused_by(context, "x86-2rd.eif", &options, -ECANCELED, NEC_E_CANCELLED,
				  "interrupted");
		assert_int_equal(cancelled, 1);
	}
	nec_context_free(context);
}

static void die_at_phase(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	if (strcmp(phase, userdata) == 0 && done == total)
		(void)kill(getpid(), SIGKILL);
}

static void sign_and_die(const char *path, char *phase)
{
	const struct nec_sign_options options = options_of(KEYS "p384.pem", KEYS "p384.key", NULL);
	nec_context *context = NULL;

	if (nec_context_new(&context, NULL) == 0) {
		nec_context_set_progress(context, die_at_phase, phase);
		(void)nec_eif_sign(context, path, NULL, &options, NULL, NULL);
	}
	_exit(1);
}

/* Where a file can be without a name, that is: elsewhere the temporary one is left. */
static bool has_unnamed_files(void)
{
	cleanup_close int fd = open(sample_folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0;
}

static void kill__leaves_everything_as_it_was(void **state)
{
	static char *const phases[] = { "measuring", "writing" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		const char *path = copy_image("x86-2rd.eif");
		cleanup_buffer struct nec_buffer before = { 0 };
		cleanup_buffer struct nec_buffer after = { 0 };
		int status = 0;
		pid_t pid = fork();

		if (pid == 0)
			sign_and_die(path, phases[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		eif_load("x86-2rd.eif", &before);
		assert_int_equal(nec_file_read_all(path, 1 << 20, &after, NULL), 0);
		assert_int_equal(before.size, after.size);
		assert_memory_equal(before.data, after.data, after.size);
		if (has_unnamed_files())
			assert_int_equal(count_entries(sample_folder), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sign__works_with_each_curve_and_image,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__keeps_everything_else, sample_make_folder,
						sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__moves_what_follows_the_old_signature,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__keeps_unknown_flags_and_names_the_version,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__writes_elsewhere_when_asked,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(
			sign__refuses_keys_and_certificates_that_will_not_do, sample_make_folder,
			sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__refuses_damaged_images, sample_make_folder,
						sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__refuses_a_thirty_third_section,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__warns_of_dates_and_goes_on,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__takes_the_longest_certificate_file,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(command__gets_the_bytes_and_its_answer_is_used,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(command__may_answer_der, sample_make_folder,
						sample_remove_folder),
		cmocka_unit_test_setup_teardown(command__is_refused_when_it_fails,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(command__is_not_run_when_its_work_cannot_be_used,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(command__is_refused_when_another_key_signed,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(cancel__leaves_everything_as_it_was,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(kill__leaves_everything_as_it_was,
						sample_make_folder, sample_remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
