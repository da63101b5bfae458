/* SPDX-License-Identifier: Apache-2.0 */
/* The log: its form in file and journal, and everything that may be wrong with where it goes. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"
#include "base/logger.h"

static char folder[64];
static struct nec_log_places places;
static struct nec_logger logger;

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/nec-log-XXXXXX");
	assert_non_null(mkdtemp(folder));
	places = (struct nec_log_places){ .wanted = true, .level = NEC_LOG_INFO };
	(void)snprintf(places.dir, sizeof(places.dir), "%s/log", folder);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	nec_logger_close(&logger);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c): a name that mkdtemp() made */
}

static const char *path_of(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/log/%s", folder, name);
	return path;
}

static void open_logger(void)
{
	nec_logger_open(&logger, &places, "nec-test", "nitro-cli");
}

static void say(enum nec_log_level level, const char *text)
{
	const struct nec_log_record record = { .level = level, .file = "here.c", .line = 7 };

	nec_logger_write(&logger, &record, "%s", text);
}

static void read_log(struct nec_buffer *to)
{
	assert_int_equal(nec_file_read_all(path_of("nitro_enclaves.log"), 65536, to, NULL), 0);
}

static void expect_match(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		fail_msg("%s does not match %s", text, pattern);
	regfree(&regex);
}

#define TIME_PATTERN "\\[20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\\]"

static void file__has_nitro_clis_lines(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	char pattern[512];

	(void)state;
	open_logger();
	say(NEC_LOG_INFO, "Start\nof two lines\n");
	nec_logger_set_enclave(&logger, "i-0123-enc18f2", 0x18f2, 16);
	say(NEC_LOG_ERROR, "100% wrong");
	say(NEC_LOG_DEBUG, "not logged");
	read_log(&text);
	(void)snprintf(pattern, sizeof(pattern),
		       "^\\[nitro-cli:%d\\]\\[INFO\\]" TIME_PATTERN "\\[here\\.c:7\\] Start\n"
		       "\\[nitro-cli:%d\\]\\[INFO\\]" TIME_PATTERN "\\[here\\.c:7\\] of two lines\n"
		       "\\[enc-18f2:%d\\]\\[ERROR\\]" TIME_PATTERN
		       "\\[here\\.c:7\\] 100%% wrong\n$",
		       (int)getpid(), (int)getpid(), (int)getpid());
	expect_match(nec_buffer_text(&text), pattern);
	assert_false(logger.troubled);
}

static void file__is_the_groups_where_the_folder_is(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(places.dir, 0700), 0);
	assert_int_equal(chmod(places.dir, 0775), 0);
	open_logger();
	say(NEC_LOG_INFO, "x");
	assert_int_equal(stat(path_of("nitro_enclaves.log"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
}

static void file__that_was_moved_away_is_followed_by_a_new_one(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	(void)state;
	open_logger();
	say(NEC_LOG_INFO, "first");
	assert_int_equal(unlink(path_of("nitro_enclaves.log")), 0);
	say(NEC_LOG_INFO, "second");
	read_log(&text);
	assert_null(strstr(nec_buffer_text(&text), "first"));
	assert_non_null(strstr(nec_buffer_text(&text), "second"));
}

static void expect_trouble(const char *words)
{
	assert_true(logger.troubled);
	assert_int_equal(logger.trouble.code, NEC_E_FILE_WRITE);
	if (!strstr(logger.trouble.message, words))
		fail_msg("%s", logger.trouble.message);
}

static void folder__that_cannot_be_is_noted_once(void **state)
{
	char path[128];
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	open_logger();
	say(NEC_LOG_INFO, "x");
	expect_trouble("Not a directory");
	(void)snprintf(logger.trouble.message, sizeof(logger.trouble.message), "the first");
	say(NEC_LOG_INFO, "y");
	expect_trouble("the first");
}

static void folder__that_nobody_named_is_not_made(void **state)
{
	struct stat st;

	(void)state;
	places.wanted = false;
	open_logger();
	say(NEC_LOG_INFO, "x");
	expect_trouble("No such file");
	assert_int_equal(stat(places.dir, &st), -1);
}

/* A disk that is full says so in the same way: what was written is not all. */
static void disk__that_is_full_is_noted(void **state)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = RLIM_INFINITY };
	struct rlimit before;
	char report[256];
	struct dirent *entry;
	DIR *dir;

	(void)state;
	open_logger();
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	say(NEC_LOG_INFO, "x");
	assert_false(nec_logger_write_report(&logger, "report", report, sizeof(report)));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	expect_trouble("File too large");
	/* No empty report stays. */
	dir = opendir(places.dir);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_int_not_equal(strncmp(entry->d_name, "err", 3), 0);
	(void)closedir(dir);
}

/* Where a group may write, one of them may have put anything there. */
static void name__that_is_no_file_is_not_used(void **state)
{
	char target[128];
	struct stat st;

	(void)state;
	(void)snprintf(target, sizeof(target), "%s/target", folder);
	assert_int_equal(mkdir(places.dir, 0700), 0);
	assert_int_equal(symlink(target, path_of("nitro_enclaves.log")), 0);
	open_logger();
	say(NEC_LOG_INFO, "x");
	expect_trouble("symbolic link");
	assert_int_equal(stat(target, &st), -1);

	assert_int_equal(unlink(path_of("nitro_enclaves.log")), 0);
	assert_int_equal(mkfifo(path_of("nitro_enclaves.log"), 0600), 0);
	open_logger();
	say(NEC_LOG_INFO, "x"); /* would wait for a reader */
	expect_trouble("No such device");
}

static void report__has_a_file_of_its_own(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	char first[256];
	char second[256];

	(void)state;
	open_logger();
	assert_true(nec_logger_write_report(&logger, "  Action: x", first, sizeof(first)));
	assert_true(nec_logger_write_report(&logger, "y", second, sizeof(second)));
	assert_string_not_equal(first, second);
	expect_match(first, "/log/err20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\."
			    "[0-9]{9}\\+00:00\\.log$");
	assert_int_equal(nec_file_read_all(first, 100, &text, NULL), 0);
	assert_string_equal(nec_buffer_text(&text), "  Action: x");
	places.dir[0] = '\0';
	open_logger();
	assert_false(nec_logger_write_report(&logger, "z", second, sizeof(second)));
	assert_false(logger.troubled);
}

/* ---- the journal ---- */

static int make_journal(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(places.journal, sizeof(places.journal), "%s/journal", folder);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", places.journal);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void journal__gets_fields(void **state)
{
	static const char expected[] = "MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n"
				       "PRIORITY=3\n"
				       "SYSLOG_IDENTIFIER=nec-test\n"
				       "CODE_FILE=here.c\n"
				       "CODE_LINE=7\n"
				       "NEC_ENCLAVE_ID=i-0123-enc18f2\n"
				       "NEC_CID=16\n"
				       "NEC_PHASE=memory\n"
				       "NEC_ERROR=hugepages-exhausted\n"
				       "NEC_ERROR_CODE=E27\n"
				       "ERRNO=12\n";
	nec_error err = NEC_ERROR_INIT;
	const struct nec_log_record record = {
		.level = NEC_LOG_ERROR,
		.phase = "memory",
		.err = &err,
		.file = "here.c",
		.line = 7,
	};
	char datagram[1024];
	int fd = make_journal();

	(void)state;
	places.dir[0] = '\0';
	(void)nec_error_set(&err, NEC_E_HUGEPAGES_EXHAUSTED, -12, "x");
	open_logger();
	nec_logger_set_enclave(&logger, "i-0123-enc18f2", 0x18f2, 16);
	nec_logger_write(&logger, &record, "two\nlines");
	assert_int_equal(recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT), sizeof(expected) - 1);
	assert_memory_equal(datagram, expected, sizeof(expected) - 1);
	(void)close(fd);
}

static void journal__that_is_stuck_or_gone_holds_nothing_up(void **state)
{
	int fd = make_journal();

	(void)state;
	places.dir[0] = '\0';
	open_logger();
	for (int i = 0; i < 5000; i++)
		say(NEC_LOG_INFO, "nobody reads this");
	(void)close(fd);
	say(NEC_LOG_INFO, "nor this");
	assert_false(logger.troubled);
}

static void journal__is_enough_when_nobody_named_the_folder(void **state)
{
	int fd = make_journal();
	char datagram[1024];

	(void)state;
	places.wanted = false;
	open_logger();
	say(NEC_LOG_INFO, "x");
	assert_true(recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT) > 0);
	assert_false(logger.troubled);
	(void)close(fd);
}

/* ---- the environment ---- */

static void environment__says_where_and_how_much(void **state)
{
	struct nec_log_places found;

	(void)state;
	assert_int_equal(setenv("NITRO_CLI_LOGS_PATH", "/some/where", 1), 0);
	assert_int_equal(unsetenv("NEC_LOG"), 0);
	nec_log_places_find(&found);
	assert_string_equal(found.dir, "/some/where");
	assert_string_equal(found.journal, "");
	assert_true(found.wanted);
	assert_int_equal(found.level, NEC_LOG_INFO);

	assert_int_equal(setenv("RUST_LOG", "Warn", 1), 0);
	nec_log_places_find(&found);
	assert_int_equal(found.level, NEC_LOG_WARN);
	assert_int_equal(setenv("RUST_LOG", "hyper=debug", 1), 0);
	nec_log_places_find(&found);
	assert_int_equal(found.level, NEC_LOG_INFO);

	assert_int_equal(setenv("NEC_LOG", "none", 1), 0);
	nec_log_places_find(&found);
	assert_string_equal(found.dir, "");
	assert_string_equal(found.journal, "");
	(void)unsetenv("RUST_LOG");
	(void)unsetenv("NITRO_CLI_LOGS_PATH");
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(file__has_nitro_clis_lines),
		test(file__is_the_groups_where_the_folder_is),
		test(file__that_was_moved_away_is_followed_by_a_new_one),
		test(folder__that_cannot_be_is_noted_once),
		test(folder__that_nobody_named_is_not_made),
		test(disk__that_is_full_is_noted),
		test(name__that_is_no_file_is_not_used),
		test(report__has_a_file_of_its_own),
		test(journal__gets_fields),
		test(journal__that_is_stuck_or_gone_holds_nothing_up),
		test(journal__is_enough_when_nobody_named_the_folder),
		test(environment__says_where_and_how_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
