/* SPDX-License-Identifier: Apache-2.0 */
/* The fake as a whole: its life, its lock, counters and refusals. */
#include "fake-device.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fake-state.h"
#include "leftovers.h"

static const char *const call_names[FAKE_CALLS + 1] = {
	[FAKE_OPEN_DEVICE] = "open_device",
	[FAKE_CREATE_VM] = "create_vm",
	[FAKE_GET_IMAGE_LOAD_INFO] = "get_image_load_info",
	[FAKE_SET_MEMORY_REGION] = "set_memory_region",
	[FAKE_ADD_VCPU] = "add_vcpu",
	[FAKE_START] = "start",
	[FAKE_MAP_PAGES] = "map_pages",
	[FAKE_POPULATE] = "populate",
	[FAKE_VSOCK_LISTEN] = "vsock_listen",
	[FAKE_VSOCK_ACCEPT] = "vsock_accept",
	[FAKE_VSOCK_CONNECT] = "vsock_connect",
	[FAKE_WRITE_TEXT] = "write_text",
	[FAKE_LOAD_DRIVER] = "load_driver",
	[FAKE_CLOSE_ENCLAVE] = "close_enclave",
	[FAKE_UNMAP_PAGES] = "unmap_pages",
	[FAKE_SLOT_ALLOC] = "SLOT_ALLOC",
	[FAKE_SLOT_ADD_MEM] = "SLOT_ADD_MEM",
	[FAKE_SLOT_ADD_VCPU] = "SLOT_ADD_VCPU",
	[FAKE_ENCLAVE_START] = "ENCLAVE_START",
	[FAKE_ENCLAVE_STOP] = "ENCLAVE_STOP",
	[FAKE_SLOT_FREE] = "SLOT_FREE",
	[FAKE_CALLS] = "none",
};

const char *fake_call_name(enum fake_call call)
{
	return call_names[call];
}

static const struct nec_device_ops fake_ops = {
	.open_device = fake_driver_open,
	.create_vm = fake_driver_create_vm,
	.get_image_load_info = fake_driver_get_image_load_info,
	.set_memory_region = fake_driver_set_memory_region,
	.add_vcpu = fake_driver_add_vcpu,
	.start = fake_driver_start,
	.close_enclave = fake_driver_close,
	.map_pages = fake_memory_map,
	.populate = fake_memory_populate,
	.unmap_pages = fake_memory_unmap,
	.vsock_listen = fake_vsock_listen,
	.vsock_accept = fake_vsock_accept,
	.vsock_connect = fake_vsock_connect,
	.write_text = fake_kernel_write,
	.check_rights = fake_kernel_check_rights,
	.load_driver = fake_kernel_load_driver,
};

/* $NEC_FAKE_LOG is for programs whose standard error nobody reads, as that of the holder. */
void fake_die(const char *format, ...)
{
	const char *log = getenv("NEC_FAKE_LOG");
	FILE *file = log ? fopen(log, "ae") : NULL;
	va_list args;
	char text[512];

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)fprintf(stderr, "fake device: %s\n", text);
	if (file) {
		(void)fprintf(file, "fake device: %s\n", text);
		(void)fclose(file);
	}
	abort();
}

/* The file in the folder that is the machine for whoever maps it. */
static struct fake_state *map_state(const char *root, int flags)
{
	struct fake_state *state;
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/state", root);
	fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	if (fd < 0 || (flags && ftruncate(fd, sizeof(*state)) < 0))
		fake_die("cannot open %s", path);
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		fake_die("no memory");
	(void)close(fd);
	return state;
}

/* In memory where possible: the tree has a hundred small files, and each test makes its own. */
static void make_root(char *root, size_t size)
{
	static const char *const folders[] = { "/dev/shm", "/tmp" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(root, size, "%s/nec-fake-XXXXXX", folders[i]);
		if (mkdtemp(root))
			return;
	}
	fake_die("cannot make a folder in /dev/shm or /tmp");
}

static struct fake_state *new_state(void)
{
	struct fake_state *state;
	pthread_mutexattr_t attributes;
	char root[sizeof(state->root)];

	make_root(root, sizeof(root));
	state = map_state(root, O_CREAT | O_EXCL);
	memcpy(state->root, root, sizeof(root));
	if (pthread_mutexattr_init(&attributes) != 0)
		fake_die("no memory");
	(void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	/* A holder that is killed in the middle of a call must not hang the test. */
	(void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutex_init(&state->lock, &attributes);
	(void)pthread_mutexattr_destroy(&attributes);
	state->next_uid = 1;
	state->next_cid = 16;
	state->region_limit = FAKE_REGION_LIMIT;
	state->image_offset = 8 * FAKE_MIB;
	state->misplaced_node = -1;
	state->refused = FAKE_CALLS;
	return state;
}

static struct fake_device *over_state(struct fake_state *state)
{
	struct fake_device *fake = calloc(1, sizeof(*fake));

	if (!fake)
		fake_die("no memory");
	fake->state = state;
	fake->device = (struct nec_device){
		.ops = &fake_ops,
		.data = fake,
		.root_fd = open(state->root, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	if (fake->device.root_fd < 0)
		fake_die("cannot open %s", state->root);
	return fake;
}

struct fake_device *fake_device_new(const struct fake_machine *machine)
{
	struct fake_device *fake = over_state(new_state());

	fake->state->machine = *machine;
	fake_machine_build(fake);
	/* Pointers of this program are nothing to another one. */
	fake->state->machine.offline = NULL;
	fake->state->machine.pool = NULL;
	return fake;
}

struct fake_device *fake_device_attach(const char *root)
{
	return over_state(map_state(root, 0));
}

void fake_device_detach(struct fake_device *fake)
{
	(void)close(fake->device.root_fd);
	(void)munmap(fake->state, sizeof(*fake->state));
	free(fake);
}

void fake_device_free(struct fake_device *fake)
{
	if (!fake)
		return;
	remove_tree(fake->state->root);
	fake_device_detach(fake);
}

const struct nec_device *fake_device_get(struct fake_device *fake)
{
	return &fake->device;
}

const char *fake_device_root(const struct fake_device *fake)
{
	return fake->state->root;
}

struct fake_state *fake_enter(struct fake_device *fake)
{
	struct fake_state *state = fake->state;

	if (pthread_mutex_lock(&state->lock) == EOWNERDEAD)
		(void)pthread_mutex_consistent(&state->lock);
	fake_driver_sweep(state);
	fake_memory_sweep(state);
	return state;
}

void fake_leave(struct fake_state *state)
{
	(void)pthread_mutex_unlock(&state->lock);
}

static bool can_fail(enum fake_call call)
{
	return call < FAKE_CLOSE_ENCLAVE;
}

/* Returns 0 when the call is to go on. */
static int refuse_now(const struct fake_state *state, int number)
{
	if (number == FAKE_KILL)
		(void)raise(SIGKILL);
	if (number != FAKE_KILL_LAUNCHER && number != FAKE_STOP_LAUNCHER)
		return -number;
	if (state->launcher)
		(void)kill(state->launcher, number == FAKE_KILL_LAUNCHER ? SIGKILL : SIGSTOP);
	return 0;
}

void fake_device_set_launcher(struct fake_device *fake, pid_t pid)
{
	fake->state->launcher = pid;
}

int fake_count(struct fake_state *state, enum fake_call call)
{
	state->calls[call]++;
	if (can_fail(call))
		state->calls[FAKE_CALLS]++;
	for (size_t i = 0; i < FAKE_REFUSALS_MAX; i++) {
		struct fake_refusal *refusal = &state->refusals[i];

		if (refusal->at == 0 || state->calls[refusal->call] != refusal->at)
			continue;
		if (refusal->call != call && (refusal->call != FAKE_CALLS || !can_fail(call)))
			continue;
		refusal->at = 0;
		state->refused = call;
		return refuse_now(state, refusal->number);
	}
	return 0;
}

void fake_device_refuse(struct fake_device *fake, enum fake_call call, unsigned int nth, int number)
{
	struct fake_state *state = fake_enter(fake);
	size_t i = 0;

	assert(nth > 0 && number > 0);
	while (i < FAKE_REFUSALS_MAX && state->refusals[i].at)
		i++;
	if (i == FAKE_REFUSALS_MAX)
		fake_die("too many refusals");
	state->refusals[i] = (struct fake_refusal){
		.call = call,
		.at = state->calls[call] + nth,
		.number = number,
	};
	fake_leave(state);
}

void fake_device_refuse_any(struct fake_device *fake, unsigned int nth, int number)
{
	fake_device_refuse(fake, FAKE_CALLS, nth, number);
}

unsigned int fake_device_calls(struct fake_device *fake, enum fake_call call)
{
	struct fake_state *state = fake_enter(fake);
	unsigned int calls = state->calls[call];

	fake_leave(state);
	return calls;
}

enum fake_call fake_device_refused(struct fake_device *fake)
{
	return fake->state->refused;
}

unsigned int fake_open_fds(void)
{
	return (unsigned int)open_descriptors();
}

static bool pages_are_free(const struct fake_state *state)
{
	for (uint32_t row = 0; row < state->row_count; row++)
		for (uint32_t page = 0; page < state->rows[row].count; page++)
			if (state->rows[row].pages[page].mapping ||
			    state->rows[row].pages[page].pins)
				return false;
	return true;
}

static const char *find_leftover(const struct fake_state *state)
{
	for (size_t i = 0; i < FAKE_SLOTS_MAX; i++)
		if (state->slots[i].used)
			return "a slot is still there";
	for (size_t i = 0; i < FAKE_MAPPINGS_MAX; i++)
		if (state->mappings[i].pid)
			return "huge pages are still mapped";
	if (!pages_are_free(state))
		return "a huge page is still in use";
	for (uint32_t cpu = 0; cpu < FAKE_CPUS_MAX; cpu++)
		if (state->cpus[cpu].in_pool && !state->core_free[state->cpus[cpu].core])
			return "a CPU did not come back to the pool";
	return NULL;
}

const char *fake_device_leftover(struct fake_device *fake)
{
	struct fake_state *state = fake_enter(fake);
	const char *found = find_leftover(state);

	fake_leave(state);
	return found;
}

void fake_device_expect_clean(struct fake_device *fake)
{
	const char *found = fake_device_leftover(fake);

	if (found)
		fake_die("%s", found);
}
