/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's rules. The order of checks in each call is the upstream driver's; what only the
 * device decides (CIDs and pages that another enclave has) is refused here with numbers of our own
 * choice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fake-state.h"

static void fifo_path(const struct fake_state *state, const struct fake_slot *slot, char path[128])
{
	(void)snprintf(path, 128, "%s/slot-%llu", state->root, (unsigned long long)slot->order);
}

int fake_driver_find(struct fake_state *state, int fd, struct fake_slot **ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -EBADF;
	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		if (state->slots[i].used && state->slots[i].fifo_inode == st.st_ino &&
		    state->slots[i].fifo_device == st.st_dev) {
			*ret = &state->slots[i];
			return 0;
		}
	return -ENOTTY;
}

/* ---- release ---- */

/* Takes the lock that the enclave's open file holds: possible only when that is gone. */
static bool is_closed(const struct fake_state *state, const struct fake_slot *slot)
{
	char path[128];
	cleanup_close int fd = -1;

	fifo_path(state, slot, path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fake_die("cannot open %s", path);
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void unpin(struct fake_state *state, struct fake_slot *slot)
{
	for (uint32_t row = 0; row < state->row_count; row++)
		for (uint32_t page = 0; page < state->rows[row].count; page++)
			if (slot->pinned[row][page])
				state->rows[row].pages[page].pins--;
	fake_machine_update_pages(state);
}

static void release(struct fake_state *state, struct fake_slot *slot)
{
	char path[128];
	bool stop = slot->info.state != FAKE_INIT && slot->info.state != FAKE_STOPPED;

	fifo_path(state, slot, path);
	(void)unlink(path);
	slot->fifo_inode = 0;
	/* Nothing tells the caller: the slot, its pages and its cores are lost. */
	if (slot->info.uid == 0 || (stop && fake_count(state, FAKE_ENCLAVE_STOP) < 0) ||
	    fake_count(state, FAKE_SLOT_FREE) < 0) {
		slot->info.leaked = true;
		fake_machine_update_users(state);
		return;
	}
	unpin(state, slot);
	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++)
		if (slot->info.cores >> cpu & 1)
			state->core_free[state->cpus[cpu].core] = true;
	memset(slot, 0, sizeof(*slot));
	fake_machine_update_users(state);
}

void fake_driver_sweep(struct fake_state *state)
{
	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		if (state->slots[i].used && !state->slots[i].info.leaked &&
		    is_closed(state, &state->slots[i]))
			release(state, &state->slots[i]);
}

void fake_driver_close(const struct nec_device *device, int enclave_fd)
{
	struct fake_state *state = fake_enter(fake_of(device));

	(void)fake_count(state, FAKE_CLOSE_ENCLAVE);
	(void)close(enclave_fd);
	fake_driver_sweep(state);
	fake_leave(state);
}

/* ---- NE_CREATE_VM ---- */

int fake_driver_open(const struct nec_device *device)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_OPEN_DEVICE);

	fake_leave(state);
	if (r < 0)
		return r;
	r = openat(device->root_fd, "dev/nitro_enclaves", O_RDWR | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

static bool is_device(const struct nec_device *device, int fd)
{
	struct stat ours;
	struct stat node;

	return fstat(fd, &ours) == 0 &&
	       fstatat(device->root_fd, "dev/nitro_enclaves", &node, 0) == 0 &&
	       ours.st_ino == node.st_ino && ours.st_dev == node.st_dev;
}

static int open_fifo(const struct fake_state *state, struct fake_slot *slot)
{
	struct stat st;
	char path[128];
	int fd;

	fifo_path(state, slot, path);
	fd = mkfifo(path, 0600) < 0 ? -1 : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		fake_die("cannot make %s", path);
	slot->fifo_inode = st.st_ino;
	slot->fifo_device = st.st_dev;
	return fd;
}

static int create(struct fake_state *state, uint64_t *ret_slot_uid)
{
	struct fake_slot *slot = state->slots;
	bool core_left = false;
	int r;

	for (size_t i = 0; i < FAKE_CPUS_MAX; i++)
		core_left = core_left || state->core_free[i];
	if (!core_left)
		return -NE_ERR_NO_CPUS_AVAIL_IN_POOL;
	r = fake_count(state, FAKE_SLOT_ALLOC);
	if (r < 0)
		return r;
	while (slot < state->slots + FAKE_SLOTS_MAX && slot->used)
		slot++;
	if (slot == state->slots + FAKE_SLOTS_MAX)
		fake_die("too many slots");
	*slot = (struct fake_slot){
		.used = true,
		.creator = getpid(),
		.order = ++state->slots_made,
		.info.uid = state->next_uid++,
	};
	*ret_slot_uid = slot->info.uid;
	return open_fifo(state, slot);
}

int fake_driver_create_vm(const struct nec_device *device, int device_fd, uint64_t *ret_slot_uid)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_CREATE_VM);

	if (r == 0 && !is_device(device, device_fd))
		r = -ENOTTY;
	if (r == 0)
		r = create(state, ret_slot_uid);
	fake_machine_update_users(state);
	fake_leave(state);
	return r;
}

/* ---- NE_GET_IMAGE_LOAD_INFO ---- */

static int image_load_info(struct fake_state *state, int enclave_fd,
			   struct ne_image_load_info *info)
{
	struct fake_slot *slot;
	int r = fake_driver_find(state, enclave_fd, &slot);

	if (r < 0)
		return r;
	if (slot->info.state != FAKE_INIT)
		return -NE_ERR_NOT_IN_INIT_STATE;
	if (info->flags == 0 || info->flags >= NE_IMAGE_LOAD_MAX_FLAG_VAL)
		return -NE_ERR_INVALID_FLAG_VALUE;
	info->memory_offset = state->image_offset;
	return 0;
}

int fake_driver_get_image_load_info(const struct nec_device *device, int enclave_fd,
				    struct ne_image_load_info *info)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_GET_IMAGE_LOAD_INFO);

	if (r == 0)
		r = image_load_info(state, enclave_fd, info);
	fake_leave(state);
	return r;
}

/* ---- NE_ADD_VCPU ---- */

static bool has_cpu(uint64_t set, uint32_t cpu)
{
	return (set >> cpu & 1) != 0;
}

static void take_core(struct fake_state *state, struct fake_slot *slot, uint32_t core)
{
	state->core_free[core] = false;
	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++)
		if (state->cpus[cpu].in_pool && state->cpus[cpu].core == core)
			slot->info.cores |= UINT64_C(1) << cpu;
}

static int choose_vcpu(struct fake_state *state, struct fake_slot *slot, uint32_t *ret)
{
	uint64_t left;

	for (uint32_t core = 0; (slot->info.cores & ~slot->info.vcpus) == 0; core++) {
		if (core == FAKE_CPUS_MAX)
			return -NE_ERR_NO_CPUS_AVAIL_IN_POOL;
		if (state->core_free[core])
			take_core(state, slot, core);
	}
	left = slot->info.cores & ~slot->info.vcpus;
	*ret = (uint32_t)__builtin_ctzll(left);
	return 0;
}

static int claim_vcpu(struct fake_state *state, struct fake_slot *slot, uint32_t cpu)
{
	if (has_cpu(slot->info.vcpus, cpu))
		return -NE_ERR_VCPU_ALREADY_USED;
	if (has_cpu(slot->info.cores, cpu))
		return 0;
	if (!state->cpus[cpu].in_pool || !state->core_free[state->cpus[cpu].core])
		return -NE_ERR_VCPU_NOT_IN_CPU_POOL;
	take_core(state, slot, state->cpus[cpu].core);
	return 0;
}

static int add_vcpu(struct fake_state *state, int enclave_fd, uint32_t *cpu_id)
{
	struct fake_slot *slot;
	uint32_t cpu = *cpu_id;
	int r = fake_driver_find(state, enclave_fd, &slot);

	if (r < 0)
		return r;
	if (slot->info.state != FAKE_INIT)
		return -NE_ERR_NOT_IN_INIT_STATE;
	if (cpu >= state->cpu_limit / state->threads * state->threads)
		return -NE_ERR_INVALID_VCPU;
	r = cpu ? claim_vcpu(state, slot, cpu) : choose_vcpu(state, slot, &cpu);
	if (r < 0)
		return r;
	/* Only now, with the core gone from the pool already. */
	if (slot->creator != getpid())
		return -EIO;
	r = fake_count(state, FAKE_SLOT_ADD_VCPU);
	if (r < 0)
		return r;
	slot->info.vcpus |= UINT64_C(1) << cpu;
	*cpu_id = cpu;
	return 0;
}

int fake_driver_add_vcpu(const struct nec_device *device, int enclave_fd, uint32_t *cpu_id)
{
	struct fake_state *state = fake_enter(fake_of(device));
	int r = fake_count(state, FAKE_ADD_VCPU);

	if (r == 0)
		r = add_vcpu(state, enclave_fd, cpu_id);
	fake_leave(state);
	return r;
}

/* ---- NE_START_ENCLAVE ---- */

static int check_start(const struct fake_slot *slot, const struct ne_enclave_start_info *info)
{
	if (info->flags >= NE_ENCLAVE_START_MAX_FLAG_VAL)
		return -NE_ERR_INVALID_FLAG_VALUE;
	if ((info->enclave_cid >= 1 && info->enclave_cid <= NEC_CID_PARENT) ||
	    info->enclave_cid >= UINT32_MAX)
		return -NE_ERR_INVALID_ENCLAVE_CID;
	if (slot->info.state != FAKE_INIT)
		return -NE_ERR_NOT_IN_INIT_STATE;
	if (slot->info.regions == 0)
		return -NE_ERR_NO_MEM_REGIONS_ADDED;
	if (slot->info.memory_bytes < 64 * FAKE_MIB)
		return -NE_ERR_ENCLAVE_MEM_MIN_SIZE;
	if (slot->info.vcpus == 0)
		return -NE_ERR_NO_VCPUS_ADDED;
	if (slot->info.cores & ~slot->info.vcpus)
		return -NE_ERR_FULL_CORES_NOT_USED;
	return 0;
}

static bool cid_in_use(const struct fake_state *state, uint64_t cid)
{
	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		if (state->slots[i].used && state->slots[i].info.cid == cid)
			return true;
	return false;
}

static int start(struct fake_state *state, int enclave_fd, struct ne_enclave_start_info *info)
{
	struct fake_slot *slot;
	int r = fake_driver_find(state, enclave_fd, &slot);

	if (r == 0)
		r = check_start(slot, info);
	if (r == 0)
		r = fake_count(state, FAKE_ENCLAVE_START);
	if (r < 0)
		return r;
	if (info->enclave_cid && cid_in_use(state, info->enclave_cid))
		return -EADDRINUSE;
	while (info->enclave_cid == 0 || cid_in_use(state, info->enclave_cid))
		info->enclave_cid = state->next_cid++;
	slot->info.cid = (uint32_t)info->enclave_cid;
	slot->info.flags = info->flags;
	slot->info.state = FAKE_RUNNING;
	return 0;
}

int fake_driver_start(const struct nec_device *device, int enclave_fd,
		      struct ne_enclave_start_info *info)
{
	struct fake_device *fake = fake_of(device);
	struct fake_state *state = fake_enter(fake);
	int r = fake_count(state, FAKE_START);

	if (r == 0)
		r = start(state, enclave_fd, info);
	fake_leave(state);
	if (r == 0 && fake->boot)
		fake->boot(fake, (uint32_t)info->enclave_cid, fake->boot_userdata);
	return r;
}

/* ---- what tests ask and tell ---- */

static struct fake_slot *slot_of_cid(struct fake_state *state, uint32_t cid)
{
	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		if (state->slots[i].used && state->slots[i].info.cid == cid)
			return &state->slots[i];
	return NULL;
}

bool fake_device_event(struct fake_device *fake, uint32_t cid, enum fake_slot_state slot_state)
{
	struct fake_state *state = fake_enter(fake);
	struct fake_slot *slot = slot_of_cid(state, cid);
	char path[128];

	if (slot && slot->info.state == FAKE_RUNNING && slot_state != FAKE_RUNNING) {
		slot->info.state = slot_state;
		fifo_path(state, slot, path);
		/* A writer that comes and goes hangs up the reader, for good. */
		(void)close(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	}
	fake_leave(state);
	return slot != NULL;
}

int fake_enclave_open(struct fake_device *fake, uint32_t cid)
{
	struct fake_state *state = fake_enter(fake);
	const struct fake_slot *slot = slot_of_cid(state, cid);
	int r = -ENOENT;
	char path[128];

	if (slot) {
		fifo_path(state, slot, path);
		r = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		r = r < 0 ? -errno : r;
	}
	fake_leave(state);
	return r;
}

void fake_device_set_region_limit(struct fake_device *fake, uint32_t limit)
{
	fake->state->region_limit = limit;
}

void fake_device_set_image_offset(struct fake_device *fake, uint64_t offset)
{
	fake->state->image_offset = offset;
}

void fake_device_set_next_uid(struct fake_device *fake, uint64_t uid)
{
	fake->state->next_uid = uid;
}

void fake_device_set_boot(struct fake_device *fake, fake_boot_fn boot, void *userdata)
{
	fake->boot = boot;
	fake->boot_userdata = userdata;
}

unsigned int fake_device_slots(struct fake_device *fake)
{
	struct fake_state *state = fake_enter(fake);
	unsigned int count = 0;

	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		count += state->slots[i].used;
	fake_leave(state);
	return count;
}

/* The slot with the @index-th lowest order. */
static const struct fake_slot *slot_at(const struct fake_state *state, unsigned int index)
{
	const struct fake_slot *found = NULL;
	uint64_t above = 0;

	for (unsigned int i = 0; i <= index; i++) {
		found = NULL;
		for (size_t k = 0; k < FAKE_SLOTS_MAX; k++)
			if (state->slots[k].used && state->slots[k].order > above &&
			    (!found || state->slots[k].order < found->order))
				found = &state->slots[k];
		if (!found)
			return NULL;
		above = found->order;
	}
	return found;
}

bool fake_device_get_enclave(struct fake_device *fake, unsigned int index, struct fake_enclave *ret)
{
	struct fake_state *state = fake_enter(fake);
	const struct fake_slot *slot = slot_at(state, index);

	if (slot)
		*ret = slot->info;
	fake_leave(state);
	return slot != NULL;
}

/* From the process that gave the memory, which may be another one than this. */
static void read_memory(pid_t owner, uint64_t address, void *to, size_t size)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): as the driver got it */
	void *from = (void *)(uintptr_t)address;
	const struct iovec local = { to, size };
	const struct iovec remote = { from, size };

	if (owner == getpid())
		memcpy(to, from, size);
	else if (process_vm_readv(owner, &local, 1, &remote, 1, 0) != (ssize_t)size)
		fake_die("cannot read the enclave's memory");
}

void fake_enclave_read(struct fake_device *fake, unsigned int index, uint64_t offset, void *to,
		       size_t size)
{
	struct fake_state *state = fake_enter(fake);
	const struct fake_slot *slot = slot_at(state, index);
	size_t done = 0;

	if (!slot)
		fake_die("no such enclave");
	for (uint32_t i = 0; i < slot->region_count && done < size; i++) {
		const struct fake_region *region = &slot->regions[i];
		uint64_t left = offset < region->donated ? region->donated - offset : 0;
		size_t step = left < size - done ? (size_t)left : size - done;

		if (step)
			read_memory(slot->creator, region->address + offset, (char *)to + done,
				    step);
		done += step;
		offset = left ? 0 : offset - region->donated;
	}
	if (done < size)
		fake_die("that is beyond the enclave's memory");
	fake_leave(state);
}
