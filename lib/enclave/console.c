/* SPDX-License-Identifier: Apache-2.0 */
/* The console: recorder, server, judge. */
#include "enclave/console.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"
#include "base/listener.h"
#include "base/unix-socket.h"
#include "enclave/paths.h"

enum { MAX_READERS = 64, LINE_BYTES = 256, READ_BYTES = 16384, MIN_LIMIT_BYTES = 2 * READ_BYTES };

struct reader {
	struct nec_console *console;
	struct reader *next;
	int fd;
	struct nec_source *source;
	uint64_t position; /* next byte of the whole stream that it gets */
};

struct nec_console {
	struct nec_loop *loop;
	int fd;
	struct nec_source *source;
	int log_fd;
	uint64_t limit;
	uint64_t begin; /* stream position of the recording's first byte */
	uint64_t end;   /* ... behind its last byte */
	char *public_path;
	int listener_fd;
	struct nec_listener *listener;
	struct reader *readers;
	size_t reader_count;
	char line[LINE_BYTES]; /* the line that is arriving, cut to this length */
	size_t line_size;
	struct nec_console_verdict verdict;
};

/* What stands behind @words in a line, without the end of the line; NULL when they are not there.
 */
static const char *text_behind(const char *line, const char *words)
{
	const char *found = strstr(line, words);

	return found ? found + strlen(words) : NULL;
}

static void set_text(struct nec_end *end, enum nec_end_reason reason, const char *what,
		     const char *text)
{
	nec_end_set(end, reason, 0, "%s: %.*s", what, (int)strcspn(text, "\r\n"), text);
}

/* nec-init's last line, which is for programs (docs/nec-init.md). False when it is another. */
static bool judge_init(const char *line, struct nec_console_verdict *verdict)
{
	struct nec_end *end = &verdict->end;
	const char *text;
	int value;

	if ((text = text_behind(line, "nec-init: exit status="))) {
		value = (int)strtol(text, NULL, 10);
		nec_end_set(end, NEC_END_EXITED, value, "its main process ended with status %d",
			    value);
	} else if ((text = text_behind(line, "nec-init: exit signal="))) {
		value = (int)strtol(text, NULL, 10);
		nec_end_set(end, NEC_END_CRASHED, value, "its main process was killed by signal %d",
			    value);
		if (value == SIGKILL && verdict->killed_for_memory)
			nec_end_set(end, NEC_END_MEMORY, 0,
				    "it ran out of memory, and the kernel killed its main process");
	} else if ((text = text_behind(line, "nec-init: exit failure="))) {
		set_text(end, NEC_END_FAILED, "its init gave up", text);
		end->value = 1;
	}
	return text != NULL;
}

void nec_console_judge(const char *line, struct nec_console_verdict *verdict)
{
	const char *panic = text_behind(line, "Kernel panic - not syncing: ");

	if (strstr(line, "ut of memory: Killed process"))
		verdict->killed_for_memory = true;
	/* nec-init's own words come last and weigh most. */
	if (judge_init(line, verdict) || !panic || verdict->end.reason != NEC_END_UNKNOWN)
		return;
	if (strncmp(panic, "System is deadlocked on memory", 30) == 0 ||
	    strncmp(panic, "Out of memory", 13) == 0)
		set_text(&verdict->end, NEC_END_MEMORY, "its kernel ran out of memory", panic);
	else
		set_text(&verdict->end, NEC_END_PANIC, "its kernel panicked", panic);
}

static void judge_line(struct nec_console *console)
{
	console->line[console->line_size] = '\0';
	nec_console_judge(console->line, &console->verdict);
	console->line_size = 0;
}

static void judge_bytes(struct nec_console *console, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			judge_line(console);
		else if (console->line_size < LINE_BYTES - 1 && bytes[i] != '\0')
			console->line[console->line_size++] = bytes[i];
	}
}

/* Drops the older half of a full recording. Readers that were still there go on with what is left.
 */
static void trim(struct nec_console *console)
{
	uint64_t keep = console->limit / 2;
	uint64_t size = console->end - console->begin;
	char piece[READ_BYTES];

	for (uint64_t done = 0; done < keep;) {
		size_t step = keep - done < sizeof(piece) ? (size_t)(keep - done) : sizeof(piece);

		if (nec_file_read_at(console->log_fd, "console", piece, step, size - keep + done,
				     NULL) < 0 ||
		    nec_file_write_at(console->log_fd, "console", piece, step, done, NULL) < 0)
			break;
		done += step;
	}
	(void)!ftruncate(console->log_fd, (off_t)keep);
	console->begin = console->end - keep;
}

static void record(struct nec_console *console, const char *bytes, size_t size)
{
	if (console->log_fd < 0)
		return;
	if (console->end - console->begin + size > console->limit)
		trim(console);
	/* A full disk loses console text, never the enclave. */
	if (nec_file_write_at(console->log_fd, "console", bytes, size,
			      console->end - console->begin, NULL) == 0)
		console->end += size;
}

static void remove_reader(struct reader *reader)
{
	struct nec_console *console = reader->console;
	struct reader **link = &console->readers;

	while (*link != reader)
		link = &(*link)->next;
	*link = reader->next;
	console->reader_count--;
	nec_source_free(reader->source);
	(void)close(reader->fd);
	free(reader);
}

/* Sends a reader what it has not had yet, from the recording. False when it is gone. */
static bool serve(struct reader *reader)
{
	struct nec_console *console = reader->console;
	char piece[READ_BYTES];

	if (reader->position < console->begin)
		reader->position = console->begin;
	while (reader->position < console->end) {
		uint64_t left = console->end - reader->position;
		size_t step = left < sizeof(piece) ? (size_t)left : sizeof(piece);
		ssize_t n;

		if (nec_file_read_at(console->log_fd, "console", piece, step,
				     reader->position - console->begin, NULL) < 0)
			return false;
		n = send(reader->fd, piece, step, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		reader->position += (uint64_t)n;
	}
	nec_source_set_events(reader->source, reader->position < console->end ? EPOLLOUT : 0);
	if (!console->source && reader->position == console->end)
		(void)shutdown(reader->fd, SHUT_WR); /* that was all */
	return true;
}

static void on_reader(void *userdata, uint32_t events)
{
	struct reader *reader = userdata;

	if ((events & (EPOLLHUP | EPOLLERR)) || !serve(reader))
		remove_reader(reader);
}

static void on_connection(void *userdata, int fd)
{
	struct nec_console *console = userdata;
	struct reader *reader =
		console->reader_count < MAX_READERS ? calloc(1, sizeof(*reader)) : NULL;
	/* Only a hang-up ends a reader: one that has closed its own direction still listens. */
	if (!reader ||
	    nec_loop_add_fd(console->loop, fd, 0, on_reader, reader, &reader->source, NULL) < 0) {
		free(reader);
		(void)close(fd);
		return;
	}
	reader->console = console;
	reader->fd = fd;
	reader->next = console->readers;
	console->readers = reader;
	console->reader_count++;
	if (!serve(reader))
		remove_reader(reader);
}

static void serve_all(struct nec_console *console)
{
	struct reader *next;

	for (struct reader *reader = console->readers; reader; reader = next) {
		next = reader->next;
		if (!serve(reader))
			remove_reader(reader);
	}
}

/* Takes one piece. Returns 1 for it, 0 when there is none now, -1 when no more will come. */
static int take(struct nec_console *console)
{
	char bytes[READ_BYTES];
	ssize_t n = recv(console->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	judge_bytes(console, bytes, (size_t)n);
	record(console, bytes, (size_t)n);
	return 1;
}

static void on_console(void *userdata, uint32_t events)
{
	struct nec_console *console = userdata;

	(void)events;
	/* At the end of the stream the descriptor stays readable: without this we would spin. */
	if (take(console) < 0)
		nec_source_free(TAKE_PTR(console->source));
	serve_all(console);
}

void nec_console_drain(struct nec_console *console)
{
	int r;

	while ((r = take(console)) > 0)
		;
	if (r < 0)
		nec_source_free(TAKE_PTR(console->source));
	judge_line(console); /* the last one may have no end */
	serve_all(console);
}

const struct nec_end *nec_console_get_end(const struct nec_console *console)
{
	return &console->verdict.end;
}

/* A name in use belongs to an older enclave of the same slot number: its recording is replaced. */
static int open_log(struct nec_console *console, const char *path, nec_error *err)
{
	cleanup_close int folder_fd = nec_open_folder_of(path, err);

	if (folder_fd < 0)
		return folder_fd;
	console->log_fd = nec_create_in_folder(folder_fd, path, 0640, err);
	return console->log_fd < 0 ? console->log_fd : 0;
}

static int make_public(struct nec_console *console, const char *public_path, const char *log_path,
		       nec_error *err)
{
	int r = open_log(console, log_path, err);

	if (r < 0)
		return r;
	console->public_path = strdup(public_path);
	if (!console->public_path)
		return nec_error_no_memory(err);
	console->listener_fd = nec_listen_unix(public_path, 0660, err);
	if (console->listener_fd < 0)
		return console->listener_fd;
	return nec_listener_new(console->loop, console->listener_fd, on_connection, console,
				&console->listener, err);
}

int nec_console_new(struct nec_loop *loop, int fd, const char *public_path, const char *log_path,
		    uint64_t limit, struct nec_console **ret, nec_error *err)
{
	struct nec_console *console = calloc(1, sizeof(*console));
	int r = 0;

	if (!console) {
		(void)close(fd);
		return nec_error_no_memory(err);
	}
	console->loop = loop;
	console->fd = fd;
	console->log_fd = -1;
	console->listener_fd = -1;
	console->limit = limit < MIN_LIMIT_BYTES ? MIN_LIMIT_BYTES : limit;
	if (public_path)
		r = make_public(console, public_path, log_path, err);
	if (r == 0)
		r = nec_loop_add_fd(loop, fd, EPOLLIN, on_console, console, &console->source, err);
	if (r < 0) {
		nec_console_free(console);
		return r;
	}
	*ret = console;
	return 0;
}

void nec_console_free(struct nec_console *console)
{
	if (!console)
		return;
	while (console->readers)
		remove_reader(console->readers);
	nec_listener_free(console->listener);
	nec_source_free(console->source);
	if (console->listener_fd >= 0) {
		(void)unlink(console->public_path);
		(void)close(console->listener_fd);
	}
	if (console->log_fd >= 0)
		(void)close(console->log_fd);
	(void)close(console->fd);
	free(console->public_path);
	free(console);
}
