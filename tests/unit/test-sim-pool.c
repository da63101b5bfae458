/* SPDX-License-Identifier: Apache-2.0 */
/* The simulation's pool: the rules of the device, claims at the same time, claims of the dead. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/pool.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	(void)setenv("NEC_SIM_CPUS", "8", 1);
	(void)setenv("NEC_SIM_THREADS", "2", 1);
	(void)setenv("NEC_SIM_MEMORY_MIB", "1024", 1);
	(void)snprintf(dir, sizeof(dir), "/tmp/nec-pool-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

/* Whatever the pool keeps there: claims and its lock. */
static int tear_down(void **state)
{
	DIR *folder = opendir(dir);
	struct dirent *entry;

	(void)state;
	while (folder && (entry = readdir(folder)))
		(void)unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder)
		(void)closedir(folder);
	return rmdir(dir);
}

static int take(uint32_t cpus, uint64_t memory_mib, uint64_t cid, struct nec_sim_claim *ret,
		nec_error *err)
{
	const struct nec_sim_wish wish = {
		.cid = cid,
		.memory_mib = memory_mib,
		.cpu_count = cpus,
	};

	*ret = (struct nec_sim_claim)NEC_SIM_CLAIM_INIT;
	return nec_sim_claim_take(dir, &wish, ret, err);
}

static enum nec_error_code refused(uint32_t cpus, uint64_t memory_mib, uint64_t cid)
{
	struct nec_sim_claim claim;
	nec_error err = NEC_ERROR_INIT;

	if (take(cpus, memory_mib, cid, &claim, &err) == 0)
		fail_msg("%u CPUs, %llu MiB, CID %llu were given", cpus,
			 (unsigned long long)memory_mib, (unsigned long long)cid);
	assert_true(err.message[0] != '\0');
	return err.code;
}

static void claim__has_whole_cores_and_a_cid_from_16(void **state)
{
	struct nec_sim_claim one;
	struct nec_sim_claim two;

	(void)state;
	assert_int_equal(take(2, 64, 0, &one, NULL), 0);
	assert_int_equal(take(2, 64, 0, &two, NULL), 0);
	assert_int_equal(one.cid, 16);
	assert_int_equal(two.cid, 17);
	assert_true(one.slot_uid != two.slot_uid);
	assert_int_equal(one.cpu_count, 2);
	assert_int_equal(one.cpus[0], 2);
	assert_int_equal(one.cpus[1], 3);
	assert_int_equal(two.cpus[0], 4);
	nec_sim_claim_release(&one);
	nec_sim_claim_release(&two);
}

static void claim__beyond_the_rules_is_refused(void **state)
{
	const uint32_t half_a_core[] = { 2 };
	const uint32_t elsewhere[] = { 100, 101 };
	struct nec_sim_wish wish = { .memory_mib = 64, .cpus = half_a_core, .cpus_size = 1 };
	struct nec_sim_claim claim = NEC_SIM_CLAIM_INIT;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(refused(1, 64, 0), NEC_E_CORES_INCOMPLETE);
	assert_true(nec_sim_claim_take(dir, &wish, &claim, &err) < 0);
	assert_int_equal(err.code, NEC_E_CORES_INCOMPLETE);
	wish.cpus = elsewhere;
	wish.cpus_size = 2;
	assert_true(nec_sim_claim_take(dir, &wish, &claim, &err) < 0);
	assert_int_equal(err.code, NEC_E_VCPU_NOT_IN_POOL);
	assert_int_equal(refused(2, 62, 0), NEC_E_MEMORY_MINIMUM);
	assert_int_equal(refused(2, 1025, 0), NEC_E_HUGEPAGES_EXHAUSTED);
	assert_int_equal(refused(2, UINT64_MAX, 0), NEC_E_HUGEPAGES_EXHAUSTED);
	assert_true(refused(10, 64, 0) != 0);
	assert_int_equal(refused(2, 64, 3), NEC_E_CID);
	assert_int_equal(refused(2, 64, UINT32_MAX), NEC_E_CID);
}

static void claim__takes_what_others_have_not(void **state)
{
	struct nec_sim_claim one;
	struct nec_sim_claim two;

	(void)state;
	assert_int_equal(take(6, 960, 20, &one, NULL), 0);
	assert_true(refused(4, 64, 0) != 0);
	assert_int_equal(refused(2, 66, 0), NEC_E_HUGEPAGES_EXHAUSTED);
	assert_int_equal(refused(2, 64, 20), NEC_E_CID);
	assert_int_equal(take(2, 64, 0, &two, NULL), 0);
	nec_sim_claim_release(&two);
	nec_sim_claim_release(&one);
	assert_int_equal(take(8, 1024, 20, &one, NULL), 0);
	nec_sim_claim_release(&one);
}

/* Takes a quarter of the pool, says how it went, and waits to be killed. */
static pid_t start_claimant(int answers)
{
	struct nec_sim_claim claim;
	pid_t pid = fork();
	char good;

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	good = take(2, 256, 0, &claim, NULL) == 0;
	(void)!write(answers, &good, 1);
	for (;;)
		(void)pause();
}

static void claims__at_the_same_time_all_fit_and_die_with_their_process(void **state)
{
	enum { CLAIMANTS = 4 };
	struct nec_sim_claim claim;
	pid_t pids[CLAIMANTS];
	int answers[2];

	(void)state;
	assert_int_equal(pipe(answers), 0);
	for (size_t i = 0; i < CLAIMANTS; i++)
		pids[i] = start_claimant(answers[1]);
	for (size_t i = 0; i < CLAIMANTS; i++) {
		char good = 0;

		assert_int_equal(read(answers[0], &good, 1), 1);
		assert_true(good);
	}
	assert_true(refused(2, 64, 0) != 0);
	for (size_t i = 0; i < CLAIMANTS; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	assert_int_equal(take(8, 1024, 0, &claim, NULL), 0);
	assert_int_equal(claim.cid, 16);
	nec_sim_claim_release(&claim);
	(void)close(answers[0]);
	(void)close(answers[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(claim__has_whole_cores_and_a_cid_from_16),
		TEST(claim__beyond_the_rules_is_refused),
		TEST(claim__takes_what_others_have_not),
		TEST(claims__at_the_same_time_all_fit_and_die_with_their_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
