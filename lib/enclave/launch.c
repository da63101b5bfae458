/* SPDX-License-Identifier: Apache-2.0 */
/* The launch itself, step by step. */
#include "enclave/launch.h"

#include "base/error.h"
#include "base/loop.h"
#include "enclave/load.h"
#include "host/driver-error.h"

/* Adds up the time of a step: usec since @since, which becomes now. */
static uint64_t lap(uint64_t *since)
{
	uint64_t before = *since;

	*since = nec_loop_now();
	return *since - before;
}

int nec_launch_refused(const struct nec_launch_refusal *refusal, nec_error *err)
{
	const struct nec_launch_request *request = refusal->request;
	const struct nec_memory_mapping *mapping = &refusal->mapping;
	uint32_t index = refusal->cpu_index;
	int r = refusal->result;

	switch (refusal->call) {
	case NEC_DRIVER_OPEN:
		break;
	case NEC_DRIVER_CREATE_VM:
		return nec_error_from_driver(err, refusal->call, r, "cannot create an enclave");
	case NEC_DRIVER_ADD_VCPU:
		if (request->cpus.count > 0)
			return nec_error_from_driver(err, refusal->call, r, "CPU %u",
						     request->cpus.ids[index]);
		return nec_error_from_driver(err, refusal->call, r, "CPU %u of %llu", index + 1,
					     (unsigned long long)request->cpu_count);
	case NEC_DRIVER_GET_IMAGE_LOAD_INFO:
		return nec_error_from_driver(err, refusal->call, r,
					     "cannot learn where the image has to be");
	case NEC_DRIVER_SET_MEMORY_REGION:
		return nec_error_from_driver(
			err, refusal->call, r,
			"memory of %llu huge pages of %llu MiB on NUMA node %d",
			(unsigned long long)mapping->pages,
			(unsigned long long)(mapping->page_bytes >> 20), refusal->node);
	case NEC_DRIVER_START:
		if (request->cid)
			return nec_error_from_driver(err, refusal->call, r,
						     "cannot start the enclave with CID %llu",
						     (unsigned long long)request->cid);
		return nec_error_from_driver(err, refusal->call, r, "cannot start the enclave");
	}
	return nec_error_from_driver(err, NEC_DRIVER_OPEN, r, "/dev/nitro_enclaves");
}

static int create(struct nec_launch *launch, int device_fd, nec_error *err)
{
	int fd = launch->device->ops->create_vm(launch->device, device_fd, &launch->slot_uid);

	if (fd < 0)
		return nec_launch_refused(
			&(struct nec_launch_refusal){ .call = NEC_DRIVER_CREATE_VM, .result = fd },
			err);
	launch->enclave_fd = fd;
	return 0;
}

static int add_cpus(struct nec_launch *launch, const struct nec_launch_request *request,
		    nec_error *err)
{
	bool chosen = request->cpus.count > 0;
	uint64_t count = chosen ? request->cpus.count : request->cpu_count;

	if (count > NEC_LAUNCH_MAX_CPUS)
		return nec_error_set(err, NEC_E_CPUS_INSUFFICIENT, -EBUSY,
				     "%llu CPUs are asked for, %d is the most",
				     (unsigned long long)count, NEC_LAUNCH_MAX_CPUS);
	while (launch->cpus.count < count) {
		/* 0 asks the driver to choose; CPU 0 itself is never to be had. */
		uint32_t id = chosen ? request->cpus.ids[launch->cpus.count] : 0;
		int r = launch->device->ops->add_vcpu(launch->device, launch->enclave_fd, &id);

		if (r < 0) {
			const struct nec_launch_refusal refusal = {
				.call = NEC_DRIVER_ADD_VCPU,
				.result = r,
				.request = request,
				.cpu_index = launch->cpus.count,
			};

			return nec_launch_refused(&refusal, err);
		}
		launch->cpus.ids[launch->cpus.count++] = id;
	}
	return 0;
}

static int load(struct nec_launch *launch, const nec_context *context, const nec_eif *eif,
		nec_error *err)
{
	struct ne_image_load_info info = { .flags = NE_EIF_IMAGE };
	int r = launch->device->ops->get_image_load_info(launch->device, launch->enclave_fd, &info);

	if (r < 0)
		return nec_launch_refused(
			&(struct nec_launch_refusal){ .call = NEC_DRIVER_GET_IMAGE_LOAD_INFO,
						      .result = r },
			err);
	return nec_load_image(context, eif, &launch->memory, info.memory_offset, err);
}

/* One call a mapping, so that the driver can merge the pages of each. */
static int donate(struct nec_launch *launch, const nec_context *context, nec_error *err)
{
	const struct nec_memory *memory = &launch->memory;

	for (size_t i = 0; i < memory->count; i++) {
		const struct nec_memory_mapping *mapping = &memory->mappings[i];
		const struct ne_user_memory_region region = {
			.flags = NE_DEFAULT_MEMORY_REGION,
			.memory_size = nec_memory_mapping_bytes(mapping),
			.userspace_addr = (uintptr_t)mapping->address,
		};
		int r = nec_check_cancel(context, err);

		if (r < 0)
			return r;
		r = launch->device->ops->set_memory_region(launch->device, launch->enclave_fd,
							   &region);
		if (r < 0) {
			const struct nec_launch_refusal refusal = {
				.call = NEC_DRIVER_SET_MEMORY_REGION,
				.result = r,
				.mapping = *mapping,
				.node = memory->node,
			};

			return nec_launch_refused(&refusal, err);
		}
	}
	return 0;
}

int nec_launch_prepare(const struct nec_device *device, const nec_context *context, int32_t node,
		       const struct nec_launch_request *request, const nec_eif *eif,
		       struct nec_launch *ret, nec_error *err)
{
	cleanup_launch struct nec_launch launch = { .device = device, .enclave_fd = -1 };
	cleanup_close int device_fd = device->ops->open_device(device);
	uint64_t since = nec_loop_now();
	int r;

	if (device_fd < 0)
		return nec_launch_refused(&(struct nec_launch_refusal){ .call = NEC_DRIVER_OPEN,
									.result = device_fd },
					  err);
	r = create(&launch, device_fd, err);
	launch.times.create_usec = lap(&since);
	if (r >= 0)
		r = add_cpus(&launch, request, err);
	launch.times.cpus_usec = lap(&since);
	if (r >= 0)
		r = nec_memory_take(device, context, device_fd, node,
				    nec_launch_memory_bytes(request), &launch.memory, err);
	launch.times.memory_usec = lap(&since);
	if (r >= 0)
		r = load(&launch, context, eif, err);
	launch.times.load_usec = lap(&since);
	if (r >= 0)
		r = donate(&launch, context, err);
	launch.times.donate_usec = lap(&since);
	if (r < 0) {
		nec_launch_end(&launch);
		ret->kept = launch.kept;
		return r;
	}
	*ret = launch;
	launch = (struct nec_launch)NEC_LAUNCH_INIT;
	return 0;
}

int nec_launch_start(struct nec_launch *launch, const struct nec_launch_request *request,
		     nec_error *err)
{
	struct ne_enclave_start_info info = {
		.flags = request->debug ? NE_ENCLAVE_DEBUG_MODE : NE_ENCLAVE_PRODUCTION_MODE,
		.enclave_cid = request->cid,
	};
	uint64_t since = nec_loop_now();
	int r = launch->device->ops->start(launch->device, launch->enclave_fd, &info);

	if (r < 0)
		return nec_launch_refused(&(struct nec_launch_refusal){ .call = NEC_DRIVER_START,
									.result = r,
									.request = request },
					  err);
	launch->times.start_usec = lap(&since);
	launch->cid = info.enclave_cid;
	return 0;
}

void nec_launch_end(struct nec_launch *launch)
{
	bool kept;

	/* The pages are pinned until the enclave is gone: the other way round frees nothing. */
	if (launch->enclave_fd >= 0)
		launch->device->ops->close_enclave(launch->device, launch->enclave_fd);
	kept = nec_memory_release(&launch->memory) < 0 || launch->kept;
	*launch = (struct nec_launch)NEC_LAUNCH_INIT;
	launch->kept = kept;
}
