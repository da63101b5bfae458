/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's frame: signals, watchdog, requests, start and end. */
#include "daemon.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"

/* Answers before half of the time is over, as sd_watchdog_enabled(3) has it. */
enum { WATCHDOG_PART = 2 };

/* Where there is no journal, whoever started us wants to know. */
void daemon_log_failure(struct daemon *daemon, const char *what, const nec_error *err)
{
	nec_logger_write(
		&daemon->log,
		&(const struct nec_log_record){ .level = NEC_LOG_ERROR, .err = err, NEC_LOG_HERE },
		"%s: %s%s%s", what, err->message, err->hint[0] ? "\n" : "", err->hint);
	if (daemon->log.journal_fd < 0)
		(void)fprintf(stderr, "nec-allocatord: %s: %s %s\n", what, err->message, err->hint);
}

void daemon_check_told(struct daemon *daemon, int result)
{
	nec_error err = NEC_ERROR_INIT;

	if (result >= 0)
		return;
	(void)nec_error_set_system(&err, NEC_E_SYSTEM, result, "it took no message");
	daemon_log_failure(daemon, "systemd does not know our state", &err);
}

/* ---- requests ---- */

static void begin_for(struct daemon *daemon, struct daemon_client *client,
		      const struct nec_allocator_request *request)
{
	const struct daemon_job job = { .verb = request->verb,
					.config = daemon->options.config,
					.name = request->name,
					.text = request->text };
	nec_error err = NEC_ERROR_INIT;

	if (daemon_change_begin(daemon, &job, client, &err) < 0)
		daemon_client_answer_error(client, &err);
}

static void on_request(void *userdata, struct daemon_client *client,
		       struct nec_allocator_request *request)
{
	struct daemon *daemon = userdata;

	switch (request->verb) {
	case NEC_ALLOCATOR_ASK_STATE:
		daemon_answer_state(daemon, client);
		break;
	case NEC_ALLOCATOR_ASK_STATUS:
		daemon_look(daemon);
		break;
	case NEC_ALLOCATOR_ASK_APPLY:
	case NEC_ALLOCATOR_ASK_RELEASE:
		begin_for(daemon, client, request);
		break;
	case NEC_ALLOCATOR_ASK_RELOAD:
		daemon_reload_for(daemon, client);
		break;
	case NEC_ALLOCATOR_ASK_VERBS:
		break;
	}
}

static void on_left(void *userdata, struct daemon_client *client, bool gone)
{
	daemon_change_forsaken(userdata, client, gone);
}

static const struct daemon_clients_events clients_events = { .request = on_request,
							     .left = on_left };

/* ---- signals and watchdog ---- */

static void on_signal(void *userdata, uint32_t events)
{
	struct daemon *daemon = userdata;
	struct signalfd_siginfo info;

	(void)events;
	if (read(daemon->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		daemon_reload(daemon);
	else
		daemon_stop(daemon);
}

static int watch_signals(struct daemon *daemon, nec_error *err)
{
	static const int taken[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	sigset_t signals;

	(void)sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		(void)sigaddset(&signals, taken[i]);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	daemon->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (daemon->signal_fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot watch signals");
	return nec_loop_add_fd(daemon->loop, daemon->signal_fd, EPOLLIN, on_signal, daemon,
			       &daemon->signals, err);
}

static void on_watchdog(void *userdata, uint32_t events)
{
	struct daemon *daemon = userdata;

	(void)events;
	daemon_check_told(daemon, daemon_notify(&daemon->notifier, "WATCHDOG=1"));
	nec_source_set_timer(daemon->watchdog, daemon->notifier.watchdog_usec / WATCHDOG_PART);
}

static int start_watchdog(struct daemon *daemon, nec_error *err)
{
	uint64_t usec = daemon->notifier.watchdog_usec;

	if (usec == 0)
		return 0;
	return nec_loop_add_timer(daemon->loop, usec / WATCHDOG_PART, on_watchdog, daemon,
				  &daemon->watchdog, err);
}

/* ---- start and end ---- */

/* A group that does not exist leaves the daemon to root; a machine may be without it. */
static gid_t find_group(struct daemon *daemon)
{
	const char *name = daemon->options.group;
	const struct group *group = *name ? getgrnam(name) : NULL;

	if (group)
		return group->gr_gid;
	if (*name)
		daemon_log(daemon, NEC_LOG_WARN,
			   "there is no group %s: only root can ask nec-allocatord", name);
	return (gid_t)-1;
}

static int make_folder(const char *socket, nec_error *err)
{
	const char *slash = strrchr(socket, '/');
	char folder[PATH_MAX];

	if (!slash || slash == socket)
		return 0;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - socket), socket);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make %s", folder);
	return 0;
}

static int start(struct daemon *daemon, nec_error *err)
{
	int r = nec_loop_new(&daemon->loop, err);

	if (r == 0)
		r = watch_signals(daemon, err);
	if (r == 0)
		r = start_watchdog(daemon, err);
	if (r == 0)
		r = make_folder(daemon->options.socket, err);
	if (r == 0)
		r = daemon_clients_open(daemon->loop, daemon->options.socket, find_group(daemon),
					&clients_events, daemon, &daemon->clients, err);
	if (r == 0)
		r = daemon_change_begin_own(daemon, NEC_ALLOCATOR_ASK_APPLY, NULL, err);
	return r;
}

static void end(struct daemon *daemon)
{
	daemon_worker_free(daemon->change);
	daemon_worker_free(daemon->look);
	nec_source_free(daemon->retry);
	daemon_clients_close(daemon->clients);
	nec_source_free(daemon->signals);
	if (daemon->signal_fd >= 0)
		(void)close(daemon->signal_fd);
	nec_loop_free(daemon->loop);
	daemon_notifier_close(&daemon->notifier);
	nec_logger_close(&daemon->log);
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = { .options = *options, .log = NEC_LOGGER_INIT, .signal_fd = -1 };
	struct nec_log_places places;
	nec_error err = NEC_ERROR_INIT;
	int status;

	nec_log_places_find(&places);
	/* The file is nitro-cli's, of enclaves; ours only when somebody named a folder. */
	if (!places.wanted)
		places.dir[0] = '\0';
	nec_logger_open(&daemon.log, &places, "nec-allocatord", "allocator");
	daemon_notifier_open(&daemon.notifier);
	(void)snprintf(daemon.standing, sizeof(daemon.standing), "nothing is set aside");
	status = start(&daemon, &err);
	if (status == 0)
		status = nec_loop_run(daemon.loop, &err);
	if (status < 0) {
		daemon_log_failure(&daemon, "cannot run", &err);
		(void)daemon_notify_status(&daemon.notifier, "", "%s", err.message);
		status = nec_error_exit_status(err.code);
	}
	end(&daemon);
	return status;
}
