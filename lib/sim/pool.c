/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated pool: claims in locked files. */
#include "sim/pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/sysinfo.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/files.h"

enum {
	FIRST_CPU = 2,
	DEFAULT_CPUS = 8,
	DEFAULT_THREADS = 2,
	FIRST_CID = 16,
	MAX_CLAIM_BYTES = 8192
};
enum { MINIMUM_MIB = 64 };

#define CLAIM_SUFFIX ".claim"

/* Everything that is taken, and the limits. */
struct pool {
	uint32_t cpus;
	uint32_t threads;
	uint64_t memory_mib;
	uint64_t memory_taken;
	bool taken[NEC_SIM_MAX_CPUS]; /* by index from FIRST_CPU */
	struct nec_buffer cids;       /* of uint64_t */
};

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	char *end;
	unsigned long long value;

	if (!text || !*text)
		return otherwise;
	value = strtoull(text, &end, 10);
	return *end || *text == '-' ? otherwise : value;
}

static uint64_t half_of_memory_mib(void)
{
	struct sysinfo info = { 0 };

	(void)sysinfo(&info);
	return (uint64_t)info.totalram * info.mem_unit / 2 / 1048576;
}

static void read_limits(struct pool *pool)
{
	uint64_t cpus = number_from("NEC_SIM_CPUS", DEFAULT_CPUS);
	uint64_t threads = number_from("NEC_SIM_THREADS", DEFAULT_THREADS);

	pool->cpus = cpus < NEC_SIM_MAX_CPUS ? (uint32_t)cpus : NEC_SIM_MAX_CPUS;
	pool->threads = threads == 1 ? 1 : 2;
	pool->memory_mib = number_from("NEC_SIM_MEMORY_MIB", half_of_memory_mib());
}

/* Takes the next number of a text. False at its end, or at what is none. */
static bool next_number(const char **text, uint64_t *ret)
{
	char *end;

	*ret = strtoull(*text, &end, 10);
	if (end == *text)
		return false;
	*text = end;
	return true;
}

/* "<cid> <memory> <cpu> <cpu> ...": written by us, but a damaged file must not hurt. */
static void count_claim(struct pool *pool, const char *text)
{
	uint64_t cid;
	uint64_t memory;
	uint64_t cpu;

	if (!next_number(&text, &cid) || !next_number(&text, &memory))
		return;
	nec_buffer_append(&pool->cids, &cid, sizeof(cid));
	if (__builtin_add_overflow(pool->memory_taken, memory, &pool->memory_taken))
		pool->memory_taken = UINT64_MAX;
	while (next_number(&text, &cpu))
		if (cpu >= FIRST_CPU && cpu - FIRST_CPU < NEC_SIM_MAX_CPUS)
			pool->taken[cpu - FIRST_CPU] = true;
}

/* A claim whose lock can be had belongs to a process that is gone. */
static void visit_claim(struct pool *pool, int dir_fd, const char *name)
{
	/* Not blocking: somebody's pipe of that name must not hold us up. */
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	cleanup_buffer struct nec_buffer text = { 0 };

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		(void)unlinkat(dir_fd, name, 0);
		return;
	}
	if (nec_file_read_all_fd(fd, name, MAX_CLAIM_BYTES, &text, NULL) == 0)
		count_claim(pool, nec_buffer_text(&text));
}

static int count_claims(struct pool *pool, const char *path, nec_error *err)
{
	cleanup_closedir DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read %s", path);
	while ((entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);
		size_t suffix = sizeof(CLAIM_SUFFIX) - 1;

		if (length > suffix && strcmp(entry->d_name + length - suffix, CLAIM_SUFFIX) == 0)
			visit_claim(pool, dirfd(dir), entry->d_name);
	}
	return pool->cids.failed ? nec_error_no_memory(err) : 0;
}

static bool cid_taken(const struct pool *pool, uint64_t cid)
{
	const uint64_t *cids = (const uint64_t *)(const void *)pool->cids.data;

	for (size_t i = 0; i < pool->cids.size / sizeof(*cids); i++)
		if (cids[i] == cid)
			return true;
	return false;
}

static int choose_cid(const struct pool *pool, uint64_t wish, struct nec_sim_claim *claim,
		      nec_error *err)
{
	claim->cid = wish;
	if (wish == 0) {
		for (claim->cid = FIRST_CID; cid_taken(pool, claim->cid); claim->cid++)
			;
		return 0;
	}
	if (wish <= 3 || wish >= UINT32_MAX)
		return nec_error_set(err, NEC_E_CID, -EINVAL, "CID %" PRIu64 " is reserved", wish);
	if (cid_taken(pool, wish))
		return nec_error_set(err, NEC_E_CID, -EADDRINUSE,
				     "CID %" PRIu64 " belongs to another simulated enclave", wish);
	return 0;
}

static int choose_memory(const struct pool *pool, uint64_t wish, struct nec_sim_claim *claim,
			 nec_error *err)
{
	uint64_t mib;

	if (__builtin_add_overflow(wish, wish % 2, &mib)) /* in pages of 2 MiB */
		mib = UINT64_MAX;
	if (mib < MINIMUM_MIB)
		return nec_error_set(err, NEC_E_MEMORY_MINIMUM, -EINVAL,
				     "%" PRIu64 " MiB of memory, an enclave needs at least %d",
				     wish, MINIMUM_MIB);
	if (pool->memory_taken > pool->memory_mib || mib > pool->memory_mib - pool->memory_taken) {
		(void)nec_error_set(err, NEC_E_HUGEPAGES_EXHAUSTED, -ENOMEM,
				    "%" PRIu64 " MiB of memory, the simulated pool has %" PRIu64
				    " of which %" PRIu64 " are taken",
				    wish, pool->memory_mib, pool->memory_taken);
		nec_error_set_hint(err,
				   "Ask for less, end an enclave, or raise NEC_SIM_MEMORY_MIB.");
		return -ENOMEM;
	}
	claim->memory_mib = mib;
	return 0;
}

static void take_cpu(struct pool *pool, struct nec_sim_claim *claim, uint32_t index)
{
	pool->taken[index] = true;
	claim->cpus[claim->cpu_count++] = FIRST_CPU + index;
}

static bool core_is_free(const struct pool *pool, uint32_t index)
{
	for (uint32_t thread = 0; thread < pool->threads; thread++)
		if (index + thread >= pool->cpus || pool->taken[index + thread])
			return false;
	return true;
}

static int choose_count(struct pool *pool, uint32_t count, struct nec_sim_claim *claim,
			nec_error *err)
{
	if (count % pool->threads != 0)
		return nec_error_set(err, NEC_E_CORES_INCOMPLETE, -EINVAL,
				     "%" PRIu32 " CPUs are not whole cores of %" PRIu32 " threads",
				     count, pool->threads);
	for (uint32_t i = 0; i < pool->cpus && claim->cpu_count < count; i += pool->threads)
		for (uint32_t t = 0; core_is_free(pool, i) && t < pool->threads; t++)
			claim->cpus[claim->cpu_count++] = FIRST_CPU + i + t;
	if (claim->cpu_count == count)
		return 0;
	(void)nec_error_set(err, NEC_E_POOL_EXHAUSTED, -EBUSY,
			    "%" PRIu32 " CPUs, the simulated pool has %" PRIu32 " of which %" PRIu32
			    " are free",
			    count, pool->cpus, claim->cpu_count);
	nec_error_set_hint(err, "Ask for fewer, end an enclave, or raise NEC_SIM_CPUS.");
	return -EBUSY;
}

static int choose_ids(struct pool *pool, const uint32_t *ids, uint32_t count,
		      struct nec_sim_claim *claim, nec_error *err)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = ids[i] - FIRST_CPU;

		if (ids[i] < FIRST_CPU || index >= pool->cpus || pool->taken[index])
			return nec_error_set(
				err, NEC_E_VCPU_NOT_IN_POOL, -EINVAL,
				"CPU %" PRIu32 " is not a free CPU of the simulated pool", ids[i]);
		take_cpu(pool, claim, index);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t sibling = (ids[i] - FIRST_CPU) ^ 1;
		bool given = false;

		for (uint32_t j = 0; j < count; j++)
			given = given || ids[j] == FIRST_CPU + sibling;
		if (pool->threads == 2 && !given)
			return nec_error_set(err, NEC_E_CORES_INCOMPLETE, -EINVAL,
					     "CPU %" PRIu32 " is half a core: its sibling %" PRIu32
					     " is missing",
					     ids[i], FIRST_CPU + sibling);
	}
	return 0;
}

static int choose_cpus(struct pool *pool, const struct nec_sim_wish *wish,
		       struct nec_sim_claim *claim, nec_error *err)
{
	if (wish->cpu_count == 0 && wish->cpus_size == 0)
		return nec_error_set(err, NEC_E_NO_VCPUS, -EINVAL, "an enclave needs CPUs");
	if (wish->cpu_count > NEC_SIM_MAX_CPUS || wish->cpus_size > NEC_SIM_MAX_CPUS)
		return nec_error_set(err, NEC_E_POOL_EXHAUSTED, -EBUSY,
				     "the simulated pool has %" PRIu32 " CPUs", pool->cpus);
	if (wish->cpus_size > 0)
		return choose_ids(pool, wish->cpus, wish->cpus_size, claim, err);
	return choose_count(pool, wish->cpu_count, claim, err);
}

static int write_claim(const char *dir, struct nec_sim_claim *claim, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_close int fd = -1;

	/* The hypervisor's slot numbers look like this too: 64 bits, never 0. */
	if (getrandom(&claim->slot_uid, sizeof(claim->slot_uid), 0) != sizeof(claim->slot_uid))
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
					    "cannot get a random number");
	claim->slot_uid = (claim->slot_uid >> 4) | (UINT64_C(1) << 59);
	(void)snprintf(claim->path.text, sizeof(claim->path.text), "%s/%" PRIx64 CLAIM_SUFFIX, dir,
		       claim->slot_uid);
	nec_buffer_printf(&text, "%" PRIu64 " %" PRIu64, claim->cid, claim->memory_mib);
	for (uint32_t i = 0; i < claim->cpu_count; i++)
		nec_buffer_printf(&text, " %" PRIu32, claim->cpus[i]);
	nec_buffer_append_text(&text, "\n");
	if (text.failed)
		return nec_error_no_memory(err);
	fd = open(claim->path.text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot create %s",
					    claim->path.text);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    nec_file_write_at(fd, claim->path.text, text.data, text.size, 0, err) < 0) {
		(void)unlink(claim->path.text);
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot write %s",
					    claim->path.text);
	}
	claim->fd = TAKE_FD(fd);
	return 0;
}

static int take_locked(const char *dir, const struct nec_sim_wish *wish, struct nec_sim_claim *ret,
		       nec_error *err)
{
	struct nec_sim_claim claim = NEC_SIM_CLAIM_INIT;
	struct pool pool = { 0 };
	int r;

	read_limits(&pool);
	r = count_claims(&pool, dir, err);
	if (r == 0)
		r = choose_cid(&pool, wish->cid, &claim, err);
	if (r == 0)
		r = choose_memory(&pool, wish->memory_mib, &claim, err);
	if (r == 0)
		r = choose_cpus(&pool, wish, &claim, err);
	if (r == 0)
		r = write_claim(dir, &claim, err);
	nec_buffer_free(&pool.cids);
	if (r == 0)
		*ret = claim;
	return r;
}

int nec_sim_claim_take(const char *dir, const struct nec_sim_wish *wish, struct nec_sim_claim *ret,
		       nec_error *err)
{
	cleanup_close int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* The folder itself is the lock: one launch counts and takes at a time. */
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot lock %s", dir);
	return take_locked(dir, wish, ret, err);
}

void nec_sim_claim_release(struct nec_sim_claim *claim)
{
	if (claim->fd < 0)
		return;
	(void)unlink(claim->path.text);
	(void)close(claim->fd);
	*claim = (struct nec_sim_claim)NEC_SIM_CLAIM_INIT;
}
