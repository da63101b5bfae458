/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes as JSON, and as a sentence. */
#include "allocator/outcome.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

static const char *const recoveries[] = {
	[NEC_ALLOCATOR_NOTHING] = "nothing",
	[NEC_ALLOCATOR_FINISHED] = "finished",
	[NEC_ALLOCATOR_UNDONE] = "undone",
	[NEC_ALLOCATOR_FORGOTTEN] = "forgotten",
};

/* ---- out ---- */

static bool add_pages(cJSON *list, const struct nec_allocator_pages *pages)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) &&
	       nec_json_add_u64(item, "PageSizeMiB", pages->page_bytes >> 20) &&
	       nec_json_add_u64(item, "Ours", pages->ours) &&
	       nec_json_add_u64(item, "Found", pages->found);
}

static bool add_pool(cJSON *object, const struct nec_allocator_outcome *outcome)
{
	cleanup_buffer struct nec_buffer list = { 0 };

	nec_cpulist_print(&outcome->cpus, &list);
	return !list.failed &&
	       nec_json_add_u64(object, "CpuCount", nec_cpuset_count(&outcome->cpus)) &&
	       nec_json_add_string(object, "CpuPool", nec_buffer_text(&list));
}

static bool fill(cJSON *object, const struct nec_allocator_outcome *outcome)
{
	cJSON *pages = nec_json_array();
	bool good = nec_json_add_bool(object, "Changed", outcome->changed) &&
		    nec_json_add_string(object, "Recovered", recoveries[outcome->recovery]) &&
		    nec_json_add_bool(object, "DriverLoaded", outcome->driver_loaded) &&
		    nec_json_add_bool(object, "DevicePresent", outcome->device_present) &&
		    (outcome->node < 0 ||
		     nec_json_add_u64(object, "NumaNode", (uint64_t)outcome->node)) &&
		    add_pool(object, outcome) &&
		    nec_json_add_u64(object, "MemoryMiB", outcome->memory_bytes >> 20) &&
		    nec_json_add_u64(object, "MadeMiB", outcome->made_bytes >> 20) &&
		    nec_json_add_u64(object, "ReturnedMiB", outcome->returned_bytes >> 20);

	good = nec_json_add(object, "Pages", pages) && good;
	for (size_t i = 0; good && i < outcome->page_count; i++)
		good = add_pages(pages, &outcome->pages[i]);
	return good;
}

int nec_allocator_outcome_to_json(const struct nec_allocator_outcome *outcome, cJSON **ret,
				  nec_error *err)
{
	cleanup_json cJSON *object = nec_json_object();

	if (!fill(object, outcome))
		return nec_json_error_not_made(err);
	*ret = TAKE_PTR(object);
	return 0;
}

/* ---- in ---- */

static bool take_recovery(const cJSON *object, enum nec_allocator_recovery *ret)
{
	const char *name = NULL;

	if (!nec_json_get_string(object, "Recovered", &name))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(recoveries); i++)
		if (strcmp(recoveries[i], name) == 0) {
			*ret = (enum nec_allocator_recovery)i;
			return true;
		}
	return false;
}

/* Back to bytes, as far as they can be. */
static bool take_mib(const cJSON *object, const char *key, uint64_t *ret)
{
	return nec_json_get_u64(object, key, ret) && !__builtin_mul_overflow(*ret, 1 << 20, ret);
}

static bool take_node(const cJSON *object, int32_t *ret)
{
	uint64_t node = 0;

	*ret = -1;
	if (!nec_json_get(object, "NumaNode"))
		return true;
	if (!nec_json_get_u64(object, "NumaNode", &node) || node > INT32_MAX)
		return false;
	*ret = (int32_t)node;
	return true;
}

static bool take_pool(const cJSON *object, struct nec_cpuset *ret)
{
	const char *list = NULL;

	return nec_json_get_string(object, "CpuPool", &list) &&
	       nec_cpulist_parse(list, NEC_CPUS_MAX - 1, ret, NULL) == 0;
}

static bool take_pages(const cJSON *object, struct nec_allocator_outcome *ret)
{
	const cJSON *list = nec_json_get(object, "Pages");
	const cJSON *item;

	if (!nec_json_is_array(list))
		return false;
	cJSON_ArrayForEach (item, list) {
		struct nec_allocator_pages *pages = &ret->pages[ret->page_count];

		if (ret->page_count++ == ARRAY_SIZE(ret->pages) ||
		    !take_mib(item, "PageSizeMiB", &pages->page_bytes) ||
		    !nec_json_get_u64(item, "Ours", &pages->ours) ||
		    !nec_json_get_u64(item, "Found", &pages->found))
			return false;
	}
	return true;
}

static bool take(const cJSON *object, struct nec_allocator_outcome *ret)
{
	return nec_json_get_bool(object, "Changed", &ret->changed) &&
	       take_recovery(object, &ret->recovery) &&
	       nec_json_get_bool(object, "DriverLoaded", &ret->driver_loaded) &&
	       nec_json_get_bool(object, "DevicePresent", &ret->device_present) &&
	       take_node(object, &ret->node) && take_pool(object, &ret->cpus) &&
	       take_mib(object, "MemoryMiB", &ret->memory_bytes) &&
	       take_mib(object, "MadeMiB", &ret->made_bytes) &&
	       take_mib(object, "ReturnedMiB", &ret->returned_bytes) && take_pages(object, ret);
}

int nec_allocator_outcome_from_json(const cJSON *object, struct nec_allocator_outcome *ret,
				    nec_error *err)
{
	struct nec_allocator_outcome outcome = { .node = -1 };

	if (!nec_json_is_object(object) || !take(object, &outcome))
		return nec_error_set(err, NEC_E_ALLOCATOR_DAEMON, -EBADMSG,
				     "nec-allocatord gave an answer that nobody understands");
	*ret = outcome;
	return 0;
}

/* ---- in words ---- */

void nec_allocator_outcome_describe(const struct nec_allocator_outcome *outcome,
				    struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer list = { 0 };
	uint32_t count = nec_cpuset_count(&outcome->cpus);

	if (outcome->node < 0) {
		nec_buffer_append_text(to, "nothing is set aside");
		return;
	}
	nec_cpulist_print(&outcome->cpus, &list);
	nec_buffer_printf(to, "%u CPU%s (%s) and %" PRIu64 " MiB on NUMA node %d are set aside",
			  count, count == 1 ? "" : "s", nec_buffer_text(&list),
			  outcome->memory_bytes >> 20, outcome->node);
}
