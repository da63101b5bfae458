/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enclaves come and go with their sockets, and our holders write their record anew when something
 * changes: inotify tells of both. That a process was killed is told by the process. What is left
 * is an enclave of nitro-cli that takes its time to end, and a folder that is not there yet, for
 * which a look every few seconds must do.
 */
#include "enclave-watch.h"

#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "enclave-options.h"
#include "enclave/client.h"
#include "enclave/watch.h"
#include "output.h"
#include "report.h"

enum { LOOK_USEC = 5000000, CANCEL_MSEC = 500, MAX_PROCESSES = 256 };

/* How long a process that is killed may take to be gone. */
enum { SETTLE_NSEC = 20000000, SETTLE_TIMES = 50 };

/* nitro-cli's number for a directory that cannot be read. */
enum { E_READ_FROM_DISK = 7 };

struct watch {
	struct cli *cli;
	const struct cli_watch_options *options;
	struct nec_loop *loop;
	int inotify_fd;
	struct nec_source *folders;
	struct nec_source *look;
	struct nec_source *reader; /* of stdout; NULL when that is a file */
	bool reader_gone;
	struct nec_watch *processes[MAX_PROCESSES];
	size_t process_count;
	bool changed; /* something may have */
	bool first;   /* nothing was printed yet */
	cJSON *known; /* what there was at the last look */
	cJSON *ended_before;
	unsigned int failed;
};

/* ---- what tells of a change ---- */

static void on_change(void *userdata)
{
	((struct watch *)userdata)->changed = true;
}

static void on_look(void *userdata, uint32_t events)
{
	struct watch *watch = userdata;

	(void)events;
	watch->changed = true;
	nec_source_set_timer(watch->look, LOOK_USEC);
}

/* Only an end is reported: who reads nothing any more is not waited for until there is news. */
static void on_reader(void *userdata, uint32_t events)
{
	struct watch *watch = userdata;

	(void)events;
	nec_source_free(TAKE_PTR(watch->reader));
	watch->reader_gone = true;
}

static void on_folders(void *userdata, uint32_t events)
{
	struct watch *watch = userdata;
	char dropped[4096];

	(void)events;
	while (read(watch->inotify_fd, dropped, sizeof(dropped)) > 0)
		watch->changed = true;
}

static bool watch_process(void *userdata, const char *socket_path)
{
	struct watch *watch = userdata;

	if (nec_watch_new(watch->loop, socket_path, true, on_change, watch,
			  &watch->processes[watch->process_count], NULL) == 0)
		watch->process_count++;
	return watch->process_count < MAX_PROCESSES;
}

static void forget_processes(struct watch *watch)
{
	while (watch->process_count > 0)
		nec_watch_free(watch->processes[--watch->process_count]);
}

/* Before each look, so that nothing that comes after it is missed. Twice the same is no harm. */
static void watch_everything(struct watch *watch)
{
	static const uint32_t events = IN_CREATE | IN_DELETE | IN_MOVED_TO;
	struct nec_path dirs[2];
	size_t count = nec_sockets_dirs(dirs);

	forget_processes(watch);
	for (size_t i = 0; i < count; i++) {
		struct nec_path records;

		(void)inotify_add_watch(watch->inotify_fd, dirs[i].text, events);
		if (nec_path_socket(&records, NULL, "%s/" NEC_RECORDS_DIR,
				    nec_state_dir(dirs[i].text)) == 0)
			(void)inotify_add_watch(watch->inotify_fd, records.text, events);
		(void)nec_client_visit(dirs[i].text, watch_process, watch, NULL);
	}
}

/* ---- what is printed ---- */

static cJSON *copy_with_state(const cJSON *enclave, const char *state)
{
	cJSON *copy = nec_json_object();
	const cJSON *member;

	cJSON_ArrayForEach (member, enclave) {
		if (strcmp(member->string, "State") == 0)
			(void)nec_json_add_string(copy, "State", state);
		else
			(void)nec_json_add(copy, member->string, nec_json_copy(member));
	}
	return copy;
}

static int print_change(const struct watch *watch, const cJSON *enclave, const char *event)
{
	bool ended = strcmp(event, "ended") == 0;
	cleanup_json cJSON *object =
		copy_with_state(enclave, ended ? "ENDED" : cli_enclave_text(enclave, "State"));
	cleanup_buffer struct nec_buffer line = { 0 };

	if (!cli_enclave_matches(&watch->options->filter, object))
		return 0;
	(void)nec_json_add_string(object, "Event", event);
	nec_json_print_compact(object, &line);
	nec_buffer_append_text(&line, "\n");
	if (line.failed) {
		nec_error err = NEC_ERROR_INIT;

		(void)nec_error_no_memory(&err);
		return cli_fail(watch->cli, &err, 0);
	}
	return cli_print_bytes(watch->cli, nec_buffer_text(&line), line.size);
}

/* What has ended before our eyes stays to be seen; what had ended before, if that is wanted. */
static bool is_shown(const struct watch *watch, const cJSON *enclave)
{
	return !cli_enclave_has_ended(enclave) || watch->options->ended ||
	       (!watch->first && !cli_find_like(watch->ended_before, enclave));
}

/* NULL when nothing has happened to it that is worth a line. */
static const char *event_of(const struct watch *watch, const cJSON *enclave)
{
	const cJSON *before = cli_find_like(watch->known, enclave);

	if (!is_shown(watch, enclave))
		return NULL;
	if (watch->first)
		return "present";
	if (before &&
	    strcmp(cli_enclave_text(before, "State"), cli_enclave_text(enclave, "State")) == 0)
		return NULL;
	if (cli_enclave_has_ended(enclave))
		return "ended";
	return before ? "changed" : "started";
}

static int print_changes(const struct watch *watch, const cJSON *now)
{
	const cJSON *enclave;
	int status = 0;

	cJSON_ArrayForEach (enclave, now) {
		const char *event = event_of(watch, enclave);

		if (event && status == 0)
			status = print_change(watch, enclave, event);
	}
	/* Of nitro-cli's enclaves nothing is left. */
	cJSON_ArrayForEach (enclave, watch->known) {
		if (status == 0 && !cli_enclave_has_ended(enclave) && !cli_find_like(now, enclave))
			status = print_change(watch, enclave, "ended");
	}
	return status;
}

static bool has_news(const struct watch *watch, const cJSON *now)
{
	const cJSON *enclave;

	cJSON_ArrayForEach (enclave, now) {
		if (event_of(watch, enclave))
			return true;
	}
	cJSON_ArrayForEach (enclave, watch->known) {
		if (!cli_find_like(now, enclave))
			return true;
	}
	return watch->first;
}

static int print_table(const struct watch *watch, const cJSON *now)
{
	cleanup_json cJSON *shown = nec_json_array();
	cleanup_buffer struct nec_buffer text = { 0 };
	bool terminal = isatty(STDOUT_FILENO);
	const cJSON *enclave;

	/* On a terminal time goes on, too. */
	if (!terminal && !has_news(watch, now))
		return 0;
	cJSON_ArrayForEach (enclave, now) {
		if (is_shown(watch, enclave) &&
		    cli_enclave_matches(&watch->options->filter, enclave))
			(void)nec_json_append(shown, nec_json_copy(enclave));
	}
	cli_print_enclave_table(shown, &text);
	if (terminal)
		(void)cli_print_bytes(watch->cli, "\033[H\033[2J", 7);
	return cli_print_text(watch->cli, &text);
}

/* Those of the first look that had ended. */
static void keep_ended_before(struct watch *watch, const cJSON *now)
{
	const cJSON *enclave;

	watch->ended_before = nec_json_array();
	cJSON_ArrayForEach (enclave, now) {
		if (cli_enclave_has_ended(enclave))
			(void)nec_json_append(watch->ended_before, nec_json_copy(enclave));
	}
}

/* ---- the loop ---- */

static int look(struct watch *watch)
{
	struct cli_enclave_filter filter = watch->options->filter;
	cleanup_json cJSON *now = nec_json_array();
	unsigned int failed = 0;
	nec_error err = NEC_ERROR_INIT;
	int status;

	filter.state = NULL; /* changes of the state are what we look for */
	watch->changed = false;
	watch_everything(watch);
	if (cli_list_enclaves(&filter, watch->options->metadata, true, now, &failed, &err) < 0)
		return cli_fail(watch->cli, &err,
				err.code == NEC_E_FILE_READ ? E_READ_FROM_DISK : 0);
	if (failed > 0 && watch->failed == 0)
		cli_warn("a process that holds an enclave gives no usable answer");
	watch->failed = failed;
	status = watch->options->table ? print_table(watch, now) : print_changes(watch, now);
	if (watch->first)
		keep_ended_before(watch, now);
	nec_json_free(watch->known);
	watch->known = TAKE_PTR(now);
	watch->first = false;
	return status;
}

static int set_up(struct watch *watch, nec_error *err)
{
	int r = nec_loop_new(&watch->loop, err);

	if (r < 0)
		return r;
	watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify_fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot watch folders");
	(void)nec_loop_add_fd(watch->loop, STDOUT_FILENO, 0, on_reader, watch, &watch->reader,
			      NULL);
	r = nec_loop_add_fd(watch->loop, watch->inotify_fd, EPOLLIN, on_folders, watch,
			    &watch->folders, err);
	if (r == 0)
		r = nec_loop_add_timer(watch->loop, LOOK_USEC, on_look, watch, &watch->look, err);
	return r;
}

static void tear_down(struct watch *watch)
{
	forget_processes(watch);
	nec_source_free(watch->folders);
	nec_source_free(watch->reader);
	if (watch->inotify_fd >= 0)
		(void)close(watch->inotify_fd);
	nec_loop_free(watch->loop);
	nec_json_free(watch->known);
	nec_json_free(watch->ended_before);
}

int cli_watch_enclaves(struct cli *cli, const struct cli_watch_options *options)
{
	struct watch watch = {
		.cli = cli,
		.options = options,
		.inotify_fd = -1,
		.changed = true,
		.first = true,
	};
	nec_error err = NEC_ERROR_INIT;
	int status = 0;

	if (set_up(&watch, &err) < 0)
		status = cli_fail(cli, &err, 0);
	while (status == 0 && !(cli->cancel && *cli->cancel)) {
		if (watch.changed)
			status = look(&watch);
		else if (nec_loop_run_once(watch.loop, CANCEL_MSEC, &err) < 0)
			status = cli_fail(cli, &err, 0);
		if (status == 0 && watch.reader_gone)
			status = 128 + SIGPIPE;
	}
	/* Being told to stop is how this ends. */
	if (cli->cancel && *cli->cancel)
		status = 0;
	tear_down(&watch);
	return status;
}
