/* SPDX-License-Identifier: Apache-2.0 */
/* An open image as the library sees it. */
#ifndef NEC_IMAGE_EIF_H
#define NEC_IMAGE_EIF_H

#include <sys/stat.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "image/eif-format.h"
#include "image/rules.h"
#include "nec.h"

/* Where the sections lie: all that measuring needs to know. In file order, not overlapping. */
struct nec_eif_layout {
	struct nec_eif_section sections[NEC_EIF_MAX_SECTIONS];
	size_t count;
	uint64_t size_bytes; /* of the whole file */
};

struct nec_eif {
	nec_context *context;
	int fd;
	char *name; /* for messages */
	struct stat stat;
	uint8_t raw_header[NEC_EIF_HEADER_SIZE];
	struct nec_eif_header header;
	struct nec_eif_layout layout;
	size_t table_count;                        /* entries of the tables that are in use */
	uint8_t table_index[NEC_EIF_MAX_SECTIONS]; /* which of them a section of the layout is */
	bool damaged;                              /* opened by nec_eif_open_damaged() */
	bool incomplete; /* sections were left out because the tables cannot be followed */
	struct nec_buffer findings; /* of struct nec_eif_finding */
	bool metadata_checked;      /* its findings are among the others */
	bool signature_checked;     /* likewise */
	bool measured;
	struct nec_eif_measurements measurements;
	uint32_t body_crc; /* of everything after the header; when measured */
};

/*
 * As nec_eif_open(), but a file whose tables cannot be followed is opened too: each fault is a
 * finding, the sections concerned are left out of the layout, and `incomplete` is set.
 */
int nec_eif_open_damaged(nec_context *context, const char *path, nec_eif **ret, nec_error *err);

/*
 * Adds a finding; out of memory is remembered in eif->findings.failed, which whoever adds looks at
 * once at the end with nec_eif_findings_result().
 */
void nec_eif_add_finding(nec_eif *eif, enum nec_rule rule, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* 0, or -ENOMEM when a finding was lost. */
int nec_eif_findings_result(const nec_eif *eif, nec_error *err);

/* eif-rules.c: adds a finding for everything that header and tables alone show. */
void nec_eif_find_structure(nec_eif *eif);

/*
 * Measures, and adds a finding for everything that is wrong with the signature, the certificate's
 * dates at @now (seconds since 1970) included; a second call adds nothing. Returns 0, or a negative
 * errno when that cannot be told.
 */
int nec_eif_find_signature(nec_eif *eif, int64_t now, nec_error *err);

/*
 * Fails with the first finding of NEC_SEVERITY_ERROR; those about the signature section count only
 * @with_signature.
 */
int nec_eif_refuse_errors(const nec_eif *eif, bool with_signature, nec_error *err);

/* The first section of a type; NULL when there is none. */
const struct nec_eif_section *nec_eif_find_section(const nec_eif *eif,
						   enum nec_eif_section_type type);

/* Appends a section's data to @to; more than @limit bytes is -EFBIG (NEC_E_TOO_LARGE). */
int nec_eif_read_whole(const nec_eif *eif, const struct nec_eif_section *section, size_t limit,
		       struct nec_buffer *to, nec_error *err);

/* -EBADMSG (NEC_E_FILE_CHANGED) when the file is no longer the one that was opened. */
int nec_eif_check_unchanged(const nec_eif *eif, nec_error *err);

/*
 * What the file was like when it was opened, for another process that opens the same descriptor:
 * whatever is written to the file changes one of these. Times in nanoseconds since 1970.
 */
struct nec_eif_state {
	uint64_t size_bytes;
	uint64_t mtime_nsec;
	uint64_t ctime_nsec;
};
struct nec_eif_state nec_eif_get_state(const nec_eif *eif);

/* -EBADMSG (NEC_E_FILE_CHANGED) when the file changed between then and its opening here. */
int nec_eif_check_state(const nec_eif *eif, const struct nec_eif_state *state, nec_error *err);

NEC_DEFINE_CLEANUP(eif, nec_eif *, nec_eif_free)
#define cleanup_eif NEC_CLEANUP(eif)

#endif
