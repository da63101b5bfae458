/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: the journal with fields, or a file in nitro-cli's form. Never a reason to fail, and
 * never one to wait: what cannot be written is dropped, and the logger remembers that once. What a
 * developer wants to know while something runs is not here but in nec_log() (base/context.h).
 * docs/errors.md has the rules, the fields and the form.
 */
#ifndef NEC_BASE_LOGGER_H
#define NEC_BASE_LOGGER_H

#include <limits.h>

#include "nec.h"

enum nec_log_level { NEC_LOG_ERROR, NEC_LOG_WARN, NEC_LOG_INFO, NEC_LOG_DEBUG, NEC_LOG_TRACE };

/**
 * struct nec_log_places - where to log; empty: not there
 * @journal: the journal's socket
 * @dir:     the folder of the log file and of error reports
 * @wanted:  somebody named the folder: it is made, and not being able to write there is worth a
 *           warning
 * @level:   what is more than that is not logged
 */
struct nec_log_places {
	char journal[108];
	char dir[PATH_MAX];
	bool wanted;
	enum nec_log_level level;
};

/*
 * $NITRO_CLI_LOGS_PATH alone when it is set; else the journal where there is one, and
 * /var/log/nitro_enclaves where that is. $NEC_LOG=none is nowhere. The level is $RUST_LOG's, as
 * with nitro-cli; info by default.
 */
void nec_log_places_find(struct nec_log_places *ret);

struct nec_logger {
	struct nec_log_places places;
	const char *program; /* "nec", "nec-holder" */
	char id[32];         /* nitro-cli's, in front of each line: "nitro-cli", "enc-<slot>" */
	char enclave_id[128];
	uint64_t cid;
	int journal_fd;
	bool troubled;     /* something could not be written that should have been ... */
	nec_error trouble; /* ... and why, the first time */
};
#define NEC_LOGGER_INIT          \
	{                        \
		.journal_fd = -1 \
	}

/* @program and @id: static strings. Opens nothing but a socket; the file is opened line by line. */
void nec_logger_open(struct nec_logger *logger, const struct nec_log_places *places,
		     const char *program, const char *id);
void nec_logger_close(struct nec_logger *logger);

/* From here on it is about this enclave. */
void nec_logger_set_enclave(struct nec_logger *logger, const char *enclave_id, uint64_t slot_uid,
			    uint64_t cid);

/* What a record says beside its text. */
struct nec_log_record {
	enum nec_log_level level;
	const char *phase;    /* of a launch; NULL for none */
	const nec_error *err; /* what failed; NULL for nothing */
	int number;           /* of the error block; 0: the error's */
	const char *file;
	int line;
};

/* Writes a record; each line of a text with several lines becomes one in the file. */
void nec_logger_write(struct nec_logger *logger, const struct nec_log_record *record,
		      const char *format, ...) __attribute__((format(printf, 3, 4)));

#define NEC_LOG_HERE .file = __FILE_NAME__, .line = __LINE__

/*
 * Writes a report of an error to a file of its own, err<time>.log. Writes its path to @ret and
 * returns true, or false when there is no folder for it or it cannot be written.
 */
bool nec_logger_write_report(struct nec_logger *logger, const char *text, char *ret, size_t size);

#endif
