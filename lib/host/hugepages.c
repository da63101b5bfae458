/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages: the table from sysfs, and the plan. */
#include "host/hugepages.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define SYSFS_ALL_NODES "/sys/kernel/mm/hugepages"

/* More than nodes times sizes on any machine; only a broken sysfs has more. */
enum { TABLE_ROWS_MAX = 1024 * NEC_PAGE_SIZES_MAX };

void nec_hugepages_clear(struct nec_hugepage_table *table)
{
	free(table->rows);
	*table = (struct nec_hugepage_table){ 0 };
}

/* What x86 and arm64 can address at all; keeps sums away from overflow whatever sysfs claims. */
#define MEMORY_BYTES_MAX (UINT64_C(1) << 52)

/* "hugepages-2048kB"; every size is a power of two, and what is not is no size. */
static bool parse_folder(const char *name, uint64_t *ret_page_bytes)
{
	static const char prefix[] = "hugepages-";
	unsigned long long kib;
	char *end;

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	kib = strtoull(name + strlen(prefix), &end, 10);
	if (strcmp(end, "kB") != 0 || kib == 0 || (kib & (kib - 1)) != 0 ||
	    kib > MEMORY_BYTES_MAX / 1024)
		return false;
	*ret_page_bytes = kib * 1024;
	return true;
}

static int read_count(const struct nec_device *device, const char *folder, uint64_t page_bytes,
		      const char *file, uint64_t *ret, nec_error *err)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/hugepages-%llukB/%s", folder,
		       (unsigned long long)(page_bytes / 1024), file);
	return nec_device_read_u64(device, path, ret, err);
}

/*
 * What the machine has promised (mapped, but not yet touched) it can take from any node, so a page
 * is sure to be had only beyond that. Nodes do not keep this count, only the machine does.
 */
static uint64_t read_unpromised(const struct nec_device *device, uint64_t page_bytes)
{
	uint64_t free_pages;
	uint64_t promised;

	if (read_count(device, SYSFS_ALL_NODES, page_bytes, "free_hugepages", &free_pages, NULL) <
		    0 ||
	    read_count(device, SYSFS_ALL_NODES, page_bytes, "resv_hugepages", &promised, NULL) < 0)
		return UINT64_MAX;
	return free_pages > promised ? free_pages - promised : 0;
}

static int add_row(const struct nec_device *device, const char *folder, int32_t node,
		   uint64_t page_bytes, struct nec_hugepage_table *table, nec_error *err)
{
	struct nec_hugepages row = { .node = node, .page_bytes = page_bytes };
	struct nec_hugepages *rows;
	uint64_t unpromised;
	int r = read_count(device, folder, page_bytes, "nr_hugepages", &row.total, err);

	if (r >= 0)
		r = read_count(device, folder, page_bytes, "free_hugepages", &row.free, err);
	if (r < 0)
		return r;
	unpromised = read_unpromised(device, page_bytes);
	row.available = row.free < unpromised ? row.free : unpromised;
	if (table->count == TABLE_ROWS_MAX)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG, "%s: too many page sizes",
				     folder);
	rows = reallocarray(table->rows, table->count + 1, sizeof(*rows));
	if (!rows)
		return nec_error_no_memory(err);
	rows[table->count++] = row;
	table->rows = rows;
	return 0;
}

static int read_folder(const struct nec_device *device, const char *folder, int32_t node,
		       struct nec_hugepage_table *table, nec_error *err)
{
	cleanup_closedir DIR *dir = nec_device_open_dir(device, folder);
	struct dirent *entry;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", folder);
	while ((entry = readdir(dir))) {
		uint64_t page_bytes;
		int r;

		if (!parse_folder(entry->d_name, &page_bytes))
			continue;
		r = add_row(device, folder, node, page_bytes, table, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_rows(const void *left, const void *right)
{
	const struct nec_hugepages *a = left;
	const struct nec_hugepages *b = right;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->page_bytes < b->page_bytes ? -1 : a->page_bytes > b->page_bytes;
}

int nec_hugepages_read(const struct nec_device *device, const struct nec_cpuset *nodes,
		       struct nec_hugepage_table *ret, nec_error *err)
{
	cleanup_hugepages struct nec_hugepage_table table = { 0 };
	bool numa = nec_device_exists(device, "/sys/devices/system/node") == 1;

	NEC_CPUSET_FOR_EACH (node, nodes) {
		char folder[96];
		int r;

		(void)snprintf(folder, sizeof(folder), "/sys/devices/system/node/node%u/hugepages",
			       node);
		r = read_folder(device, numa ? folder : SYSFS_ALL_NODES, (int32_t)node, &table,
				err);
		if (r < 0)
			return r;
	}
	if (table.count)
		qsort(table.rows, table.count, sizeof(*table.rows), compare_rows);
	*ret = table;
	table = (struct nec_hugepage_table){ 0 };
	return 0;
}

static void node_folder(const struct nec_device *device, int32_t node, char folder[96])
{
	if (nec_device_exists(device, "/sys/devices/system/node") == 1)
		(void)snprintf(folder, 96, "/sys/devices/system/node/node%d/hugepages", node);
	else
		(void)snprintf(folder, 96, "%s", SYSFS_ALL_NODES);
}

int nec_page_count_read(const struct nec_device *device, int32_t node, uint64_t page_bytes,
			struct nec_page_count *ret, nec_error *err)
{
	uint64_t free_pages;
	uint64_t unpromised;
	uint64_t surplus;
	uint64_t total;
	char folder[96];
	int r;

	node_folder(device, node, folder);
	r = read_count(device, folder, page_bytes, "nr_hugepages", &total, err);
	if (r >= 0)
		r = read_count(device, folder, page_bytes, "free_hugepages", &free_pages, err);
	if (r < 0)
		return r;
	if (read_count(device, folder, page_bytes, "surplus_hugepages", &surplus, NULL) < 0)
		surplus = 0;
	unpromised = read_unpromised(device, page_bytes);
	ret->persistent = total > surplus ? total - surplus : 0;
	ret->surplus = surplus;
	ret->available = free_pages < unpromised ? free_pages : unpromised;
	return 0;
}

int nec_page_count_set(const struct nec_device *device, int32_t node, uint64_t page_bytes,
		       uint64_t count, nec_error *err)
{
	char folder[96];
	char path[160];
	char text[32];
	int r;

	node_folder(device, node, folder);
	(void)snprintf(path, sizeof(path), "%s/hugepages-%llukB/nr_hugepages", folder,
		       (unsigned long long)(page_bytes / 1024));
	(void)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)count);
	r = device->ops->write_text(device, path, text);
	if (r >= 0)
		return 0;
	(void)nec_error_set_system(err, NEC_E_FILE_WRITE, r, "cannot write %llu to %s",
				   (unsigned long long)count, path);
	if (nec_device_is_read_only(r))
		nec_error_set_hint(err, NEC_DEVICE_READ_ONLY_HINT);
	return r;
}

bool nec_memory_compact(const struct nec_device *device, int32_t node)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/compact", node);
	return device->ops->write_text(device, path, "1\n") == 0 ||
	       device->ops->write_text(device, "/proc/sys/vm/compact_memory", "1\n") == 0;
}

/* The node's sizes that an enclave can use, biggest first. Returns how many. */
static size_t usable_sizes(const struct nec_hugepage_table *table, int32_t node,
			   const struct nec_hugepages *rows[NEC_PAGE_SIZES_MAX])
{
	size_t count = 0;

	for (size_t i = table->count; i > 0; i--) {
		const struct nec_hugepages *row = &table->rows[i - 1];

		if (row->node == node && row->page_bytes >= NEC_REGION_ALIGNMENT &&
		    count < NEC_PAGE_SIZES_MAX)
			rows[count++] = row;
	}
	return count;
}

static void describe_node(const struct nec_hugepage_table *table, int32_t node,
			  struct nec_buffer *text)
{
	const char *separator = "";

	for (size_t i = 0; i < table->count; i++) {
		const struct nec_hugepages *row = &table->rows[i];

		/* A size of which the node has none says nothing. */
		if (row->node != node || row->total == 0)
			continue;
		nec_buffer_printf(text, "%s%llu of %llu pages of %llu MiB", separator,
				  (unsigned long long)row->available,
				  (unsigned long long)row->total,
				  (unsigned long long)(row->page_bytes >> 20));
		separator = ", ";
	}
	if (!*separator)
		nec_buffer_append_text(text, "no huge pages");
}

static int refuse(const struct nec_hugepage_table *table, int32_t node, uint64_t bytes,
		  nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int32_t described = node;

	describe_node(table, node, &text);
	/* Pages on another node explain most of these failures. */
	for (size_t i = 0; i < table->count; i++) {
		const struct nec_hugepages *row = &table->rows[i];

		if (row->node == node || row->node == described || row->available == 0)
			continue;
		described = row->node;
		nec_buffer_printf(&text, "; on node %d ", described);
		describe_node(table, described, &text);
	}
	return nec_error_set(err, NEC_E_HUGEPAGES_EXHAUSTED, -ENOMEM,
			     "%llu MiB of huge pages are not free on NUMA node %d: it has %s",
			     (unsigned long long)((bytes - 1) / (1 << 20) + 1), node,
			     nec_buffer_text(&text));
}

static void take(struct nec_memory_plan *plan, uint64_t page_bytes, uint64_t pages)
{
	if (pages == 0)
		return;
	if (plan->count == 0 || plan->parts[plan->count - 1].page_bytes != page_bytes)
		plan->parts[plan->count++].page_bytes = page_bytes;
	plan->parts[plan->count - 1].pages += pages;
	plan->bytes += page_bytes * pages;
}

/*
 * Every size divides the next one, so taking as many as fit from the biggest down reaches the
 * wanted amount exactly whenever that is possible at all, and with the fewest pages. When it is
 * not, the pages below some size are too few, or too big: then one page more of that size replaces
 * them all. Of these plans (@spare) the smallest is the least that can be had, and the first of
 * equals, whose page is the biggest, has the fewest pages.
 */
int nec_memory_plan(const struct nec_hugepage_table *table, int32_t node, uint64_t bytes,
		    struct nec_memory_plan *ret, nec_error *err)
{
	const struct nec_hugepages *rows[NEC_PAGE_SIZES_MAX];
	size_t count = usable_sizes(table, node, rows);
	struct nec_memory_plan plan = { .node = node };
	struct nec_memory_plan spare = { 0 };
	uint64_t left = bytes;

	if (bytes == 0)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "an enclave needs more than 0 bytes of memory");
	if (bytes > MEMORY_BYTES_MAX)
		return refuse(table, node, bytes, err);
	for (size_t i = 0; i < count && left; i++) {
		uint64_t fitting = left / rows[i]->page_bytes;
		uint64_t pages = fitting < rows[i]->available ? fitting : rows[i]->available;
		struct nec_memory_plan one_more;

		take(&plan, rows[i]->page_bytes, pages);
		left -= pages * rows[i]->page_bytes;
		one_more = plan;
		take(&one_more, rows[i]->page_bytes, 1);
		if (pages < rows[i]->available &&
		    (spare.bytes == 0 || one_more.bytes < spare.bytes))
			spare = one_more;
	}
	if (left && spare.bytes == 0)
		return refuse(table, node, bytes, err);
	*ret = left ? spare : plan;
	return 0;
}
