/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the device. */
#include "hypervisor.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/error.h"

/* The numbers of a request: the slot, and what follows it. */
struct request {
	uint64_t slot_uid;
	uint64_t arguments[2];
};

/* As the driver reads it (struct ne_pci_dev_cmd_reply), little endian on all machines it runs on.
 */
struct reply {
	int32_t rc;
	uint8_t padding0[4];
	uint64_t slot_uid;
	uint64_t enclave_cid;
	uint64_t slot_count;
	uint64_t mem_regions;
	uint64_t mem_size;
	uint64_t nr_vcpus;
	uint64_t flags;
	uint16_t state;
	uint8_t padding1[6];
};

_Static_assert(sizeof(struct reply) == 72, "the driver reads 72 bytes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as on all machines that have enclaves");

static size_t place_of(const struct lab_hypervisor *hypervisor, const struct lab_slot *slot)
{
	return (size_t)(slot - hypervisor->slots.slots);
}

static struct lab_donated *donated_of(struct lab_hypervisor *hypervisor,
				      const struct lab_slot *slot)
{
	return &hypervisor->donated[place_of(hypervisor, slot)];
}

const struct lab_donated *lab_hypervisor_get_donated(const struct lab_hypervisor *hypervisor,
						     const struct lab_slot *slot)
{
	return &hypervisor->donated[place_of(hypervisor, slot)];
}

struct lab_slot *lab_hypervisor_find(struct lab_hypervisor *hypervisor, uint64_t cid)
{
	return lab_slots_find_cid(&hypervisor->slots, cid);
}

/* ---- starting and stopping ---- */

/* What is no image is given to the runner all the same: it starts, and ends a moment later. */
static int start_machine(struct lab_hypervisor *hypervisor, const struct lab_slot *slot)
{
	const struct lab_donated *donated = donated_of(hypervisor, slot);
	cleanup_close int nothing = -1;
	struct lab_enclave_spec spec = {
		.slot_uid = slot->uid,
		.cid = slot->cid,
		.debug = slot->flags & LAB_FLAG_DEBUG,
		.memory_bytes = slot->memory_bytes,
		.vcpu_count = (uint32_t)lab_slots_count_vcpus(&hypervisor->slots, slot->uid),
		.eif_fd = donated->image_fd,
		.eif_size = donated->image_bytes,
	};

	if (spec.eif_fd < 0) {
		nothing = memfd_create("lab-no-image", MFD_CLOEXEC);
		if (nothing < 0)
			return -errno;
		spec.eif_fd = nothing;
		spec.eif_size = 0;
	} else if (spec.eif_size > slot->memory_bytes - LAB_IMAGE_OFFSET) {
		spec.eif_size = slot->memory_bytes - LAB_IMAGE_OFFSET;
	}
	return lab_runner_start(hypervisor->runner, &spec, NULL);
}

static int enclave_start(struct lab_hypervisor *hypervisor, const struct request *request,
			 struct reply *reply)
{
	struct lab_slot *slot;
	int r;

	r = lab_slots_look_up(&hypervisor->slots, request->slot_uid, &slot);
	if (r == 0)
		r = lab_slots_start(&hypervisor->slots, slot, request->arguments[0],
				    request->arguments[1]);
	if (r < 0)
		return r;
	r = start_machine(hypervisor, slot);
	if (r < 0) {
		lab_slots_undo_start(slot);
		return r;
	}
	reply->enclave_cid = slot->cid;
	return 0;
}

static int enclave_get_slot(struct lab_hypervisor *hypervisor, const struct request *request,
			    struct reply *reply)
{
	/* Where others have the slot, this one has a CID. */
	const struct lab_slot *slot = lab_slots_find_cid(&hypervisor->slots, request->slot_uid);

	if (!slot)
		return -ENODEV;
	reply->slot_uid = slot->uid;
	reply->enclave_cid = slot->cid;
	return 0;
}

static int enclave_stop(struct lab_hypervisor *hypervisor, const struct request *request,
			struct reply *reply)
{
	struct lab_slot *slot;
	int r;

	(void)reply;
	r = lab_slots_look_up(&hypervisor->slots, request->slot_uid, &slot);
	if (r == 0)
		r = lab_slots_stop(&hypervisor->slots, slot);
	if (r == 0)
		lab_runner_stop(hypervisor->runner, slot->uid);
	return r;
}

/* ---- slots ---- */

static int slot_alloc(struct lab_hypervisor *hypervisor, const struct request *request,
		      struct reply *reply)
{
	struct lab_slot *slot;
	int r = lab_slots_alloc(&hypervisor->slots, &slot);

	(void)request;
	if (r < 0)
		return r;
	reply->slot_uid = slot->uid;
	reply->mem_regions = hypervisor->slots.max_regions;
	return 0;
}

/* The memory goes back when nothing runs in it any more. */
static void free_slot(struct lab_hypervisor *hypervisor, struct lab_slot *slot)
{
	struct lab_donated *donated = donated_of(hypervisor, slot);

	if (slot->state != LAB_INIT)
		lab_runner_stop(hypervisor->runner, slot->uid);
	hypervisor->counts.touched_pages += lab_donated_count_touched(donated);
	lab_donated_clear(donated);
	lab_slots_free(&hypervisor->slots, slot);
}

static int slot_free(struct lab_hypervisor *hypervisor, const struct request *request,
		     struct reply *reply)
{
	struct lab_slot *slot;
	int r;

	(void)reply;
	r = lab_slots_look_up(&hypervisor->slots, request->slot_uid, &slot);
	if (r < 0)
		return r;
	hypervisor->counts.freed_running += slot->state == LAB_RUNNING;
	free_slot(hypervisor, slot);
	return 0;
}

static int slot_add_mem(struct lab_hypervisor *hypervisor, const struct request *request,
			struct reply *reply)
{
	const uint64_t *range = request->arguments;
	struct lab_slot *slot;
	int r;

	(void)reply;
	r = lab_slots_look_up(&hypervisor->slots, request->slot_uid, &slot);
	if (r == 0)
		r = lab_slots_add_memory(&hypervisor->slots, slot, range[0], range[1]);
	if (r < 0)
		return r;
	r = lab_donated_add(donated_of(hypervisor, slot), hypervisor->dma, range[0], range[1]);
	if (r < 0)
		lab_slots_undo_memory(slot);
	return r;
}

static int slot_add_vcpu(struct lab_hypervisor *hypervisor, const struct request *request,
			 struct reply *reply)
{
	struct lab_slot *slot;
	int r;

	(void)reply;
	r = lab_slots_look_up(&hypervisor->slots, request->slot_uid, &slot);
	/* 32 bits, and padding behind them */
	return r < 0 ? r
		     : lab_slots_add_vcpu(&hypervisor->slots, slot,
					  (uint32_t)request->arguments[0]);
}

static int slot_count(struct lab_hypervisor *hypervisor, const struct request *request,
		      struct reply *reply)
{
	(void)request;
	reply->slot_count = lab_slots_count(&hypervisor->slots);
	return 0;
}

static int next_slot(struct lab_hypervisor *hypervisor, const struct request *request,
		     struct reply *reply)
{
	const struct lab_slot *slot = lab_slots_next(&hypervisor->slots, request->slot_uid);

	if (!slot)
		return -ENODEV;
	reply->slot_uid = slot->uid;
	return 0;
}

static int slot_info(struct lab_hypervisor *hypervisor, const struct request *request,
		     struct reply *reply)
{
	struct lab_slot *slot;
	int r;

	r = lab_slots_look_up(&hypervisor->slots, request->slot_uid, &slot);
	if (r < 0)
		return r;
	reply->enclave_cid = slot->cid;
	reply->mem_regions = slot->range_count;
	reply->mem_size = slot->memory_bytes;
	reply->nr_vcpus = lab_slots_count_vcpus(&hypervisor->slots, slot->uid);
	reply->flags = slot->flags;
	reply->state = (uint16_t)slot->state;
	return 0;
}

static int slot_add_bulk_vcpus(struct lab_hypervisor *hypervisor, const struct request *request,
			       struct reply *reply)
{
	struct lab_slot *slot;
	int r;

	r = lab_slots_look_up(&hypervisor->slots, request->slot_uid, &slot);
	if (r == 0)
		r = lab_slots_add_vcpus(&hypervisor->slots, slot, request->arguments[0]);
	if (r == 0)
		reply->nr_vcpus = lab_slots_count_vcpus(&hypervisor->slots, slot->uid);
	return r;
}

static const struct {
	const char *name;
	int (*run)(struct lab_hypervisor *hypervisor, const struct request *request,
		   struct reply *reply);
	bool has_slot;    /* its request begins with one */
	size_t arguments; /* numbers behind it */
} commands[LAB_COMMANDS] = {
	[LAB_ENCLAVE_START] = { "ENCLAVE_START", enclave_start, true, 2 },
	[LAB_ENCLAVE_GET_SLOT] = { "ENCLAVE_GET_SLOT", enclave_get_slot, true, 0 },
	[LAB_ENCLAVE_STOP] = { "ENCLAVE_STOP", enclave_stop, true, 0 },
	[LAB_SLOT_ALLOC] = { "SLOT_ALLOC", slot_alloc, false, 0 },
	[LAB_SLOT_FREE] = { "SLOT_FREE", slot_free, true, 0 },
	[LAB_SLOT_ADD_MEM] = { "SLOT_ADD_MEM", slot_add_mem, true, 2 },
	[LAB_SLOT_ADD_VCPU] = { "SLOT_ADD_VCPU", slot_add_vcpu, true, 1 },
	[LAB_SLOT_COUNT] = { "SLOT_COUNT", slot_count, false, 0 },
	[LAB_NEXT_SLOT] = { "NEXT_SLOT", next_slot, true, 0 },
	[LAB_SLOT_INFO] = { "SLOT_INFO", slot_info, true, 0 },
	[LAB_SLOT_ADD_BULK_VCPUS] = { "SLOT_ADD_BULK_VCPUS", slot_add_bulk_vcpus, true, 1 },
};

const char *lab_command_name(uint32_t command)
{
	return command < LAB_COMMANDS ? commands[command].name : NULL;
}

/* ---- the cycle ---- */

/* The window for requests keeps what was in it: only what a command has is looked at. */
static struct request read_request(uint32_t command, const uint8_t *bytes)
{
	struct nec_cursor cursor = nec_cursor_over(bytes, LAB_NE_DATA_BYTES);
	struct request request = { 0 };

	if (command >= LAB_COMMANDS || !commands[command].has_slot)
		return request;
	(void)nec_cursor_u64le(&cursor, &request.slot_uid);
	for (size_t i = 0; i < commands[command].arguments; i++)
		(void)nec_cursor_u64le(&cursor, &request.arguments[i]);
	return request;
}

static int run(struct lab_hypervisor *hypervisor, uint32_t command, const struct request *request,
	       struct reply *reply)
{
	if (command >= LAB_COMMANDS || !commands[command].run)
		return -EOPNOTSUPP;
	reply->slot_uid = request->slot_uid;
	return commands[command].run(hypervisor, request, reply);
}

static void write_log(struct lab_hypervisor *hypervisor, uint32_t command,
		      const struct request *request, const struct reply *reply,
		      const struct lab_ne_answer *answer)
{
	struct lab_log_entry *entry = &hypervisor->log[hypervisor->logged % LAB_LOG_ENTRIES];

	*entry = (struct lab_log_entry){
		.number = ++hypervisor->logged,
		.command = command,
		.slot_uid = reply->slot_uid,
		.arguments = { request->arguments[0], request->arguments[1] },
		.result = reply->rc,
		.lost = answer->lost,
		.delay_msec = answer->delay_usec / 1000,
	};
	hypervisor->counts.commands[command < LAB_COMMANDS ? command : 0]++;
	hypervisor->counts.failed += reply->rc < 0;
}

static void execute(void *userdata, uint32_t command, const uint8_t *bytes,
		    struct lab_ne_answer *answer)
{
	struct lab_hypervisor *hypervisor = userdata;
	struct lab_suffering suffering = lab_faults_take(&hypervisor->faults, command);
	const struct request request = read_request(command, bytes);
	struct reply reply = { 0 };

	if (suffering.has[LAB_FAULT_ERROR])
		reply.rc = -(int32_t)suffering.value[LAB_FAULT_ERROR];
	else
		reply.rc = run(hypervisor, command, &request, &reply);
	if (suffering.has[LAB_FAULT_STATE])
		reply.state = (uint16_t)suffering.value[LAB_FAULT_STATE];
	answer->delay_usec = suffering.value[LAB_FAULT_LATE] * 1000;
	answer->lost = suffering.has[LAB_FAULT_LOST];
	memcpy(answer->data, &reply, sizeof(reply));
	write_log(hypervisor, command, &request, &reply, answer);
}

static void reset(void *userdata)
{
	struct lab_hypervisor *hypervisor = userdata;

	for (size_t i = 0; i < LAB_MAX_SLOTS; i++)
		if (hypervisor->slots.slots[i].uid != 0)
			free_slot(hypervisor, &hypervisor->slots.slots[i]);
}

/* The slot keeps its memory and its console until the parent lets go of it. */
static void on_ended(void *userdata, uint64_t slot_uid)
{
	struct lab_hypervisor *hypervisor = userdata;
	struct lab_slot *slot = lab_slots_find(&hypervisor->slots, slot_uid);

	if (!slot || slot->state != LAB_RUNNING)
		return;
	slot->state = LAB_STOPPED;
	hypervisor->counts.ended++;
	hypervisor->counts.events++;
	lab_ne_device_interrupt(hypervisor->device, LAB_NE_VECTOR_EVENT);
}

struct lab_ne_commands lab_hypervisor_get_commands(struct lab_hypervisor *hypervisor)
{
	return (struct lab_ne_commands){
		.userdata = hypervisor,
		.execute = execute,
		.reset = reset,
	};
}

int lab_hypervisor_equip(struct lab_hypervisor *hypervisor, struct nec_loop *loop, const char *dir,
			 nec_error *err)
{
	const struct lab_runner_events events = { .userdata = hypervisor, .ended = on_ended };
	const struct lab_ne_commands ours = lab_hypervisor_get_commands(hypervisor);
	int r = lab_runner_new(loop, dir, &events, &hypervisor->runner, err);

	return r < 0 ? r : lab_ne_device_new(loop, &ours, &hypervisor->device, err);
}

/* ---- life ---- */

static bool is_memory(void *userdata, uint64_t address, uint64_t size)
{
	return lab_dma_is_memory(userdata, address, size);
}

static bool can_be(const struct lab_config *config)
{
	return config->threads > 0 && config->vcpu_count >= config->threads &&
	       config->vcpu_count <= LAB_MAX_VCPUS && config->max_regions > 0 &&
	       config->max_regions <= LAB_MAX_REGIONS;
}

int lab_hypervisor_new(struct lab_dma *dma, const struct lab_config *config,
		       struct lab_hypervisor **ret, nec_error *err)
{
	struct lab_hypervisor *hypervisor;

	if (!can_be(config))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "a parent with %u vCPUs, %u threads a core and %u regions "
				     "for a slot cannot be",
				     config->vcpu_count, config->threads, config->max_regions);
	hypervisor = calloc(1, sizeof(*hypervisor));
	if (!hypervisor)
		return nec_error_no_memory(err);
	hypervisor->dma = dma;
	hypervisor->slots.vcpu_count = config->vcpu_count;
	hypervisor->slots.threads = config->threads;
	hypervisor->slots.max_regions = config->max_regions;
	hypervisor->slots.is_memory = is_memory;
	hypervisor->slots.userdata = dma;
	lab_slots_init(&hypervisor->slots);
	for (size_t i = 0; i < LAB_MAX_SLOTS; i++)
		hypervisor->donated[i] = (struct lab_donated)LAB_DONATED_INIT;
	*ret = hypervisor;
	return 0;
}

void lab_hypervisor_free(struct lab_hypervisor *hypervisor)
{
	if (!hypervisor)
		return;
	reset(hypervisor);
	lab_slots_clear(&hypervisor->slots);
	free(hypervisor);
}
