/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder: one small process an enclave, which owns everything the enclave needs and lives
 * exactly as long. It answers nitro-cli's control protocol, keeps the console, notices the
 * enclave's end, and no client can end it by mistake. docs/holder.md has the requirements and where
 * each is met.
 */
#ifndef NEC_ENCLAVE_HOLDER_H
#define NEC_ENCLAVE_HOLDER_H

#include "base/logger.h"
#include "enclave/backend.h"
#include "enclave/paths.h"
#include "enclave/protocol.h"
#include "enclave/record.h"

/* The launcher's end of the socket pair, in the holder's process. */
#define NEC_HOLDER_FD 3

/* What the holder asks of the world around it; a test gives it a world of its own. */
struct nec_holder_host {
	int (*start_backend)(struct nec_loop *loop, const nec_context *context,
			     const struct nec_launch_request *request, const nec_eif *eif,
			     const struct nec_backend_events *events, struct nec_backend **ret,
			     nec_error *err);
	/* Who is at the other end of a Unix socket. Returns 0 or a negative errno. */
	int (*get_peer)(int fd, uid_t *ret);
	/* What a client has from connect to the last byte of its answer; 0 for ten seconds. */
	uint64_t client_usec;
};
extern const struct nec_holder_host nec_holder_host;

/* Runs the holder over the socket pair until its enclave is gone. Returns the process's exit
 * status. */
int nec_holder_run(int launcher_fd, const struct nec_holder_host *host);

/* ---- inside the holder: holder.c and holder-control.c ---- */

struct control;

enum holder_state {
	HOLDER_BOOTING, /* started, the launcher waits */
	HOLDER_RUNNING,
	HOLDER_TERMINATING,
};

struct holder {
	struct nec_loop *loop;
	const struct nec_holder_host *host;
	enum holder_state state;
	struct nec_launch_request request;
	struct nec_launch_description description;
	bool has_description;
	bool has_heartbeat;

	int launcher_fd;
	struct nec_source *launcher;
	struct nec_frame_reader *launcher_reader;
	struct nec_source *boot_timer;
	struct nec_source *signals;
	int signal_fd;
	int cancel;          /* the launch is to be given up: looked at while there is no loop */
	uint64_t boot_began; /* nec_loop_now() */
	int64_t started_at;  /* seconds since 1970 */
	struct nec_end end;  /* why it ends, once it does */
	int64_t ended_at;    /* seconds since 1970 */
	int exit_status;     /* the process's */
	bool gone;           /* the enclave has given back what it had */
	bool kept;           /* or not: NEC_BACKEND_KEPT */
	struct nec_record record;

	struct nec_backend *backend;
	struct nec_launch_started started; /* what it was given: stays when the backend is gone */
	const char *backend_name;
	struct nec_console *console;
	struct control *control;
	struct nec_path console_socket;
	struct nec_path console_log;
	struct nec_logger log;
};

/* What happens to the enclave, for the log. */
#define holder_log(holder, level_, ...)                                                     \
	nec_logger_write(&(holder)->log,                                                    \
			 &(const struct nec_log_record){ .level = (level_), NEC_LOG_HERE }, \
			 __VA_ARGS__)

/* The enclave's id: "<instance>-enc<slot>". */
void holder_enclave_id(const struct holder *holder, char *to, size_t size);

/* Appends the description, as nitro-cli prints it, to @to. */
void holder_describe(const struct holder *holder, bool metadata, struct nec_buffer *to);

/* Begins to end the enclave, for the reason that holder->end gives unless it ends already. */
void holder_terminate(struct holder *holder, const char *why);

/* Opens the control socket <slot>.sock. */
int control_open(struct holder *holder, nec_error *err);
/* Answers those who wait for it, and removes the socket. */
void control_close(struct holder *holder);

#endif
