/* SPDX-License-Identifier: Apache-2.0 */
/* The name of an enclave that is being launched: which one it gets, and what is left of it. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "enclave/name.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/nec-name-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir); /* fails when something was left in it */
}

static struct nec_name choose(const char *wish, const char *eif_path)
{
	struct nec_name name = NEC_NAME_INIT;

	assert_int_equal(nec_name_choose(dir, wish, eif_path, &name, NULL), 0);
	return name;
}

static void name__is_the_wish_or_the_files(void **state)
{
	cleanup_name struct nec_name wished = choose("web", "/images/shop.eif");
	cleanup_name struct nec_name of_file = choose("", "/images/shop.eif.eif");

	(void)state;
	assert_string_equal(wished.text, "web");
	assert_string_equal(of_file.text, "shop");
}

static void name__of_another_launch_gets_a_number(void **state)
{
	cleanup_name struct nec_name first = choose("web", "");
	cleanup_name struct nec_name second = choose("web", "");

	(void)state;
	assert_string_equal(second.text, "web_1");
}

/* As a launch that was killed leaves it: a file that nobody has locked. */
static void leave_file(struct nec_path *ret, const char *name, time_t seconds_ago)
{
	const struct timespec times[2] = {
		{ .tv_sec = time(NULL) - seconds_ago },
		{ .tv_sec = time(NULL) - seconds_ago },
	};
	cleanup_close int fd = -1;

	(void)snprintf(ret->text, sizeof(ret->text), "%s/%s", dir, name);
	fd = open(ret->text, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
}

static void left_files__go_with_a_later_launch(void **state)
{
	struct nec_path old;
	struct nec_path fresh;
	struct nec_path locked;
	struct nec_path other;
	struct nec_name name;
	int fd;

	(void)state;
	leave_file(&old, ".name-0000000000000001", 3600);
	leave_file(&fresh, ".name-0000000000000002", 0);
	leave_file(&locked, ".name-0000000000000003", 3600);
	leave_file(&other, "name-0000000000000001", 3600);
	fd = open(locked.text, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	name = choose("web", "");
	nec_name_release(&name);
	assert_int_equal(access(old.text, F_OK), -1);
	/* All three are there: somebody may be about to lock it, somebody has, and not ours. */
	assert_int_equal(unlink(fresh.text), 0);
	assert_int_equal(unlink(locked.text), 0);
	assert_int_equal(unlink(other.text), 0);
	(void)close(fd);
}

/* Its own, as old as it may be, holds up nobody. */
static void left_file__of_the_same_name_holds_up_nobody(void **state)
{
	struct nec_name name = choose("web", "");
	struct nec_path left = name.lock_path;

	(void)state;
	nec_name_release(&name);
	leave_file(&left, strrchr(left.text, '/') + 1, 0);
	name = choose("web", "");
	assert_string_equal(name.text, "web");
	nec_name_release(&name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(name__is_the_wish_or_the_files),
		TEST(name__of_another_launch_gets_a_number),
		TEST(left_files__go_with_a_later_launch),
		TEST(left_file__of_the_same_name_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
