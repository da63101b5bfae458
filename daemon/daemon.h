/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nec-allocatord: keeps what is set aside for enclaves. One loop, one context struct; what takes
 * time is done by workers, at most one that changes something and one that looks.
 */
#ifndef NEC_DAEMON_DAEMON_H
#define NEC_DAEMON_DAEMON_H

#include "base/logger.h"
#include "clients.h"
#include "notify.h"
#include "worker.h"

/**
 * struct daemon_options - the command line
 * @config: the file to apply
 * @socket: where to listen
 * @group:  whose members may look; "" for none
 * @keep:   what is set aside stays when the daemon stops
 * @reload: not to be a daemon, but to ask the one at @socket
 */
struct daemon_options {
	const char *config;
	const char *socket;
	const char *group;
	bool keep;
	bool reload;
};

/*
 * Reads the command line. Returns true when there is something to run; else @ret_status is the
 * program's.
 */
bool daemon_options_parse(int argc, char **argv, struct daemon_options *ret, int *ret_status);

enum daemon_state {
	DAEMON_STARTING, /* nothing stands yet */
	DAEMON_READY,
	DAEMON_STOPPING,
};

struct daemon {
	struct daemon_options options;
	struct nec_loop *loop;
	struct nec_logger log;
	struct daemon_notifier notifier;
	struct daemon_clients *clients;
	int signal_fd;
	struct nec_source *signals;
	struct nec_source *watchdog;
	enum daemon_state state;

	/* What changes the machine. */
	struct daemon_worker *change;
	enum nec_allocator_verb change_verb;
	struct daemon_client *asker; /* who wanted it; NULL: systemd did */
	char phase[64];              /* how far it is */
	uint64_t done;
	uint64_t total;
	bool reload;              /* again, once this change is done */
	bool releasing;           /* this change is the last */
	struct nec_source *retry; /* somebody else is changing the machine: ours waits */
	uint64_t wait_until;      /* that long; 0: it does not wait */

	struct daemon_worker *look; /* at it; for the clients that are marked */

	char standing[256]; /* in words */
	nec_error failure;  /* of the last change; NEC_E_NONE when it went well */
};

/* Runs until it is told to stop, or cannot start. Returns the program's exit status. */
int daemon_run(const struct daemon_options *options);

/* ---- inside: daemon.c, change.c, look.c ---- */

#define daemon_log(daemon, level_, ...)                                                     \
	nec_logger_write(&(daemon)->log,                                                    \
			 &(const struct nec_log_record){ .level = (level_), NEC_LOG_HERE }, \
			 __VA_ARGS__)

/* Logs a failure with its error's fields, and its hint. */
void daemon_log_failure(struct daemon *daemon, const char *what, const nec_error *err);

/* Logs that systemd could not be told what it must know; @result is of daemon_notify(). */
void daemon_check_told(struct daemon *daemon, int result);

/*
 * Begins a change for @asker. Returns 0, or a negative errno: -EAGAIN
 * (NEC_E_ALLOCATOR_BUSY) when another one is under way, or the daemon stops.
 */
int daemon_change_begin(struct daemon *daemon, const struct daemon_job *job,
			struct daemon_client *asker, nec_error *err);

/*
 * The same with our own file, when none is under way; @asker: NULL for ourselves or systemd. While
 * another process is changing the machine it waits, up to a minute.
 */
int daemon_change_begin_own(struct daemon *daemon, enum nec_allocator_verb verb,
			    struct daemon_client *asker, nec_error *err);

/* Whether one is under way, or waits for its turn. */
bool daemon_change_is_under_way(const struct daemon *daemon);

/* systemd wants the file applied again; after the change that is under way, if there is one. */
void daemon_reload(struct daemon *daemon);

/* The same for a client, who gets to know what comes of it. */
void daemon_reload_for(struct daemon *daemon, struct daemon_client *client);

/* Who waits for an answer does not want it any more, or is @gone: what can be undone is. */
void daemon_change_forsaken(struct daemon *daemon, struct daemon_client *client, bool gone);

/* Gives back what is set aside, unless it is to be kept, and ends the loop. */
void daemon_stop(struct daemon *daemon);

/* Answers a look at the machine: with the next one, if one is under way already. */
void daemon_look(struct daemon *daemon);

/* Answers what the daemon itself knows. */
void daemon_answer_state(struct daemon *daemon, struct daemon_client *client);

#endif
