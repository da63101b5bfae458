/* SPDX-License-Identifier: Apache-2.0 */
/* The log: journal and file. */
#include "base/logger.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/buffer.h"
#include "base/error.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LOGS_DIR       "/var/log/nitro_enclaves"
#define LOG_NAME       "nitro_enclaves.log"

/* What a group may write is there for all of it. */
enum { REPORT_TRIES = 8 };

enum { LOG_MODE = 0664, DIR_MODE = 0775, REPORT_MODE = 0644 };

static const struct {
	const char *rust;      /* in $RUST_LOG */
	const char *in_file;   /* in a line */
	unsigned int priority; /* the journal's, syslog(3) */
} levels[] = {
	[NEC_LOG_ERROR] = { "error", "ERROR", 3 }, [NEC_LOG_WARN] = { "warn", "WARN", 4 },
	[NEC_LOG_INFO] = { "info", "INFO", 6 },    [NEC_LOG_DEBUG] = { "debug", "DEBUG", 7 },
	[NEC_LOG_TRACE] = { "trace", "TRACE", 7 },
};

/* ---- where ---- */

static enum nec_log_level find_level(void)
{
	const char *text = getenv("RUST_LOG");

	for (size_t i = 0; text && i < ARRAY_SIZE(levels); i++)
		if (strcasecmp(text, levels[i].rust) == 0)
			return (enum nec_log_level)i;
	return NEC_LOG_INFO;
}

void nec_log_places_find(struct nec_log_places *ret)
{
	const char *choice = getenv("NEC_LOG");
	const char *dir = getenv("NITRO_CLI_LOGS_PATH");

	*ret = (struct nec_log_places){ .level = find_level() };
	if (choice && strcmp(choice, "none") == 0)
		return;
	if (dir && *dir) {
		(void)snprintf(ret->dir, sizeof(ret->dir), "%s", dir);
		ret->wanted = true;
		return;
	}
	if (access(JOURNAL_SOCKET, F_OK) == 0)
		(void)snprintf(ret->journal, sizeof(ret->journal), "%s", JOURNAL_SOCKET);
	if (access(LOGS_DIR, F_OK) == 0)
		(void)snprintf(ret->dir, sizeof(ret->dir), "%s", LOGS_DIR);
}

void nec_logger_open(struct nec_logger *logger, const struct nec_log_places *places,
		     const char *program, const char *id)
{
	*logger = (struct nec_logger){ .places = *places, .program = program, .journal_fd = -1 };
	(void)snprintf(logger->id, sizeof(logger->id), "%s", id);
	if (places->journal[0])
		logger->journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void nec_logger_close(struct nec_logger *logger)
{
	if (logger->journal_fd >= 0)
		(void)close(TAKE_FD(logger->journal_fd));
}

void nec_logger_set_enclave(struct nec_logger *logger, const char *enclave_id, uint64_t slot_uid,
			    uint64_t cid)
{
	(void)snprintf(logger->id, sizeof(logger->id), "enc-%" PRIx64, slot_uid);
	(void)snprintf(logger->enclave_id, sizeof(logger->enclave_id), "%s", enclave_id);
	logger->cid = cid;
}

/*
 * Only the first trouble is kept. Where the journal has the record and nobody has asked for the
 * file, there is none.
 */
static void note_trouble(struct nec_logger *logger, int error, const char *path)
{
	if (logger->troubled || (!logger->places.wanted && logger->journal_fd >= 0))
		return;
	logger->troubled = true;
	(void)nec_error_set_system(&logger->trouble, NEC_E_FILE_WRITE, -error, "cannot write to %s",
				   path);
}

/* ---- the file ---- */

/* "2026-11-21T01:22:18.568Z" */
static void append_time(struct nec_buffer *to)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &utc);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	nec_buffer_printf(to, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void append_lines(const struct nec_logger *logger, const struct nec_log_record *record,
			 const char *text, struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer prefix = { 0 };

	nec_buffer_printf(&prefix, "[%s:%d][%s][", logger->id, (int)getpid(),
			  levels[record->level].in_file);
	append_time(&prefix);
	nec_buffer_printf(&prefix, "][%s:%d] ", record->file, record->line);
	while (*text) {
		size_t size = strcspn(text, "\n");

		if (size > 0) {
			nec_buffer_append_text(to, nec_buffer_text(&prefix));
			nec_buffer_append(to, text, size);
			nec_buffer_append_u8(to, '\n');
		}
		text += size + (text[size] ? 1 : 0);
	}
}

/* As its folder: where a group may write, it may write to the new file, whoever made it. */
static void share_file(int fd, const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0 || (st.st_mode & S_IWGRP) == 0)
		return;
	(void)!fchown(fd, (uid_t)-1, st.st_gid);
	(void)fchmod(fd, LOG_MODE);
}

/*
 * In a folder where others may write, the name may be anything: no link is followed, and a FIFO
 * that nobody reads holds nothing up. Opened anew for each record, so that a file that was moved
 * away is followed by a new one.
 */
static int open_log(const char *dir, const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		fd = open(path, flags | O_CREAT | O_EXCL, LOG_MODE);
		if (fd >= 0)
			share_file(fd, dir);
		else if (errno == EEXIST)
			fd = open(path, flags);
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	(void)close(fd);
	return -EINVAL;
}

static void make_dir(const struct nec_logger *logger)
{
	if (logger->places.wanted)
		(void)mkdir(logger->places.dir, DIR_MODE);
}

static void write_file(struct nec_logger *logger, const struct nec_log_record *record,
		       const char *text)
{
	cleanup_buffer struct nec_buffer lines = { 0 };
	char path[PATH_MAX + sizeof(LOG_NAME) + 1];
	ssize_t written;
	int fd;

	make_dir(logger);
	(void)snprintf(path, sizeof(path), "%s/" LOG_NAME, logger->places.dir);
	append_lines(logger, record, text, &lines);
	fd = open_log(logger->places.dir, path);
	if (fd < 0) {
		note_trouble(logger, -fd, path);
		return;
	}
	/* In one piece, so that lines of several processes do not mix. */
	written = write(fd, nec_buffer_text(&lines), lines.size);
	if (written != (ssize_t)lines.size)
		note_trouble(logger, written < 0 ? errno : ENOSPC, path);
	(void)close(fd);
}

/* ---- the journal ---- */

/* A field of systemd's native protocol; a value with line ends comes with its size. */
static void append_field(struct nec_buffer *to, const char *name, const char *value)
{
	uint64_t size = htole64(strlen(value));

	nec_buffer_append_text(to, name);
	if (strchr(value, '\n')) {
		nec_buffer_append_u8(to, '\n');
		nec_buffer_append(to, &size, sizeof(size));
	} else {
		nec_buffer_append_u8(to, '=');
	}
	nec_buffer_append_text(to, value);
	nec_buffer_append_u8(to, '\n');
}

static void append_number(struct nec_buffer *to, const char *name, uint64_t value)
{
	nec_buffer_printf(to, "%s=%" PRIu64 "\n", name, value);
}

static int number_of(const struct nec_log_record *record)
{
	return record->number ? record->number : nec_error_exit_status(record->err->code);
}

static void append_fields(const struct nec_logger *logger, const struct nec_log_record *record,
			  struct nec_buffer *to)
{
	append_number(to, "PRIORITY", levels[record->level].priority);
	append_field(to, "SYSLOG_IDENTIFIER", logger->program);
	append_field(to, "CODE_FILE", record->file);
	append_number(to, "CODE_LINE", (uint64_t)record->line);
	if (logger->enclave_id[0]) {
		append_field(to, "NEC_ENCLAVE_ID", logger->enclave_id);
		append_number(to, "NEC_CID", logger->cid);
	}
	if (record->phase)
		append_field(to, "NEC_PHASE", record->phase);
	if (!record->err)
		return;
	append_field(to, "NEC_ERROR", nec_error_name(record->err->code));
	nec_buffer_printf(to, "NEC_ERROR_CODE=E%02d\n", number_of(record));
	if (record->err->os_error > 0)
		append_number(to, "ERRNO", (uint64_t)record->err->os_error);
}

/* Not waited for: a journal that is stuck must not hold up an enclave. */
static void write_journal(const struct nec_logger *logger, const struct nec_log_record *record,
			  const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_buffer struct nec_buffer datagram = { 0 };

	append_field(&datagram, "MESSAGE", text);
	append_fields(logger, record, &datagram);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", logger->places.journal);
	if (!datagram.failed)
		(void)!sendto(logger->journal_fd, datagram.data, datagram.size,
			      MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address,
			      sizeof(address));
}

void nec_logger_write(struct nec_logger *logger, const struct nec_log_record *record,
		      const char *format, ...)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	va_list args;

	if (record->level > logger->places.level)
		return;
	va_start(args, format);
	nec_buffer_vprintf(&text, format, args);
	va_end(args);
	if (text.size == 0)
		return;
	if (logger->journal_fd >= 0)
		write_journal(logger, record, nec_buffer_text(&text));
	if (logger->places.dir[0])
		write_file(logger, record, nec_buffer_text(&text));
}

/* ---- reports ---- */

/* "err2026-11-21T01:19:37.677959370+00:00.log" */
static void report_path(const struct nec_logger *logger, char *to, size_t size)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &utc);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	(void)snprintf(to, size, "%s/err%s.%09ld+00:00.log", logger->places.dir, text, now.tv_nsec);
}

bool nec_logger_write_report(struct nec_logger *logger, const char *text, char *ret, size_t size)
{
	char path[PATH_MAX + 64];
	size_t length = strlen(text);
	unsigned int tries = 0;
	ssize_t written;
	int fd;

	if (!logger->places.dir[0])
		return false;
	make_dir(logger);
	/* Somebody else's may have failed in the same nanosecond. */
	do {
		report_path(logger, path, sizeof(path));
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, REPORT_MODE);
	} while (fd < 0 && errno == EEXIST && ++tries < REPORT_TRIES);
	if (fd < 0) {
		note_trouble(logger, errno, path);
		return false;
	}
	written = write(fd, text, length);
	(void)close(fd);
	if (written != (ssize_t)length) {
		note_trouble(logger, written < 0 ? errno : ENOSPC, path);
		(void)unlink(path);
		return false;
	}
	(void)snprintf(ret, size, "%s", path);
	return true;
}
