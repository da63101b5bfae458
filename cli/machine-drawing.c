/* SPDX-License-Identifier: Apache-2.0 */
/* Cores and pages, drawn by owner. */
#include "machine-drawing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

enum { LABEL_SIZE = 24, LABEL_MIN = 6, BAR_WIDTH = 24 };

/* Owners beside the enclaves, which follow in the order of their list. */
enum { OWNER_PARENT, OWNER_OFFLINE, OWNER_POOL, OWNER_ENCLAVES };

static size_t enclave_count(const struct cli_drawing *drawing)
{
	return drawing->enclaves ? nec_enclave_list_get_count(drawing->enclaves) : 0;
}

static const struct nec_enclave_info *enclave_at(const struct cli_drawing *drawing, size_t i)
{
	return nec_enclave_get_info(nec_enclave_list_get(drawing->enclaves, i));
}

/* A simulated enclave's CPUs are not this machine's. */
static bool enclave_has(const struct nec_enclave_info *info, uint32_t cpu)
{
	if (info->backend == NEC_BACKEND_QEMU)
		return false;
	for (size_t i = 0; i < info->cpu_count; i++)
		if (info->cpu_ids[i] == cpu)
			return true;
	return false;
}

int32_t cli_enclave_node(const struct nec_topology *topology, const struct nec_enclave_info *info)
{
	const struct nec_cpu *cpu = NULL;

	if (info->backend != NEC_BACKEND_QEMU && info->cpu_count > 0)
		cpu = nec_topology_find(topology, info->cpu_ids[0]);
	return cpu ? cpu->node : -1;
}

/* The driver gives cores away as a whole: one of its CPUs tells whose it is. */
static size_t owner_of(const struct cli_drawing *drawing, const struct nec_cpu *cpu)
{
	struct nec_cpuset core = { 0 };

	nec_cpuset_add(&core, cpu->id);
	if (cpu->core >= 0)
		nec_topology_core(drawing->topology, cpu->core, &core);
	for (size_t i = 0; i < enclave_count(drawing); i++)
		NEC_CPUSET_FOR_EACH (id, &core)
			if (enclave_has(enclave_at(drawing, i), id))
				return OWNER_ENCLAVES + i;
	if (cpu->in_pool)
		return OWNER_POOL;
	return cpu->online ? OWNER_PARENT : OWNER_OFFLINE;
}

static void label_of(const struct cli_drawing *drawing, size_t owner, char ret[LABEL_SIZE])
{
	static const char *const labels[] = {
		[OWNER_PARENT] = "parent", [OWNER_OFFLINE] = "offline", [OWNER_POOL] = "pool"
	};
	const char *name = NULL;

	if (owner >= OWNER_ENCLAVES)
		name = enclave_at(drawing, owner - OWNER_ENCLAVES)->name;
	else
		name = labels[owner];
	(void)snprintf(ret, LABEL_SIZE, "%s", name ? name : "enclave");
	nec_utf8_make_printable(ret);
	for (char *c = strchr(ret, '\n'); c; c = strchr(c, '\n'))
		*c = '?';
}

static enum cli_style style_of(const struct cli_drawing *drawing, size_t owner, bool planned)
{
	if (drawing->planned)
		return planned ? CLI_STYLE_GOOD : CLI_STYLE_PLAIN;
	return owner == OWNER_POOL       ? CLI_STYLE_GOOD
	       : owner >= OWNER_ENCLAVES ? CLI_STYLE_WARNING
					 : CLI_STYLE_PLAIN;
}

/* How wide the numbers of a node's CPUs are: cores stand below each other. */
static int number_width(const struct nec_topology *topology, int32_t node)
{
	uint32_t most = 0;
	int width = 1;

	for (size_t i = 0; i < topology->count; i++)
		if (topology->cpus[i].node == node && topology->cpus[i].id > most)
			most = topology->cpus[i].id;
	for (; most >= 10; most /= 10)
		width++;
	return width;
}

static bool is_planned(const struct cli_drawing *drawing, const struct nec_cpu *cpu)
{
	return drawing->planned && nec_cpuset_has(drawing->planned, cpu->id);
}

/* A core as "[ 1 15]"; returns its columns. */
static size_t add_core(const struct cli_drawing *drawing, const struct nec_cpu *cpu, size_t owner,
		       struct nec_buffer *to)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int digits = number_width(drawing->topology, cpu->node);
	const char *separator = "[";
	struct nec_cpuset core = { 0 };

	if (cpu->core >= 0)
		nec_topology_core(drawing->topology, cpu->core, &core);
	else
		nec_cpuset_add(&core, cpu->id);
	NEC_CPUSET_FOR_EACH (id, &core) {
		nec_buffer_printf(&text, "%s%*u", separator, digits, id);
		separator = " ";
	}
	nec_buffer_append_text(&text, cpu->core < 0 ? "?]" : "]");
	if (is_planned(drawing, cpu))
		nec_buffer_append_text(&text, "*");
	cli_append_styled(style_of(drawing, owner, is_planned(drawing, cpu)), STDOUT_FILENO,
			  nec_buffer_text(&text), to);
	return text.size;
}

/* The cores of one owner, if there are any, in lines of at most @width columns. */
static void draw_owner(const struct cli_drawing *drawing, int32_t node, size_t owner,
		       int label_width, size_t width, struct nec_buffer *to)
{
	const struct nec_topology *topology = drawing->topology;
	char label[LABEL_SIZE];
	size_t column = 0;
	size_t gap = 0;

	label_of(drawing, owner, label);
	for (size_t i = 0; i < topology->count; i++) {
		const struct nec_cpu *cpu = &topology->cpus[i];
		cleanup_buffer struct nec_buffer core = { 0 };
		size_t size;

		if (cpu->node != node || (cpu->core >= 0 && cpu->core != (int32_t)cpu->id) ||
		    owner_of(drawing, cpu) != owner)
			continue;
		size = add_core(drawing, cpu, owner, &core);
		if (column == 0 || column + gap + size > width) {
			nec_buffer_printf(to, "%s  %-*s", column ? "\n" : "", label_width,
					  column ? "" : label);
			column = 2 + (size_t)label_width;
			gap = 1;
		}
		nec_buffer_printf(to, "%*s%s", (int)gap, "", nec_buffer_text(&core));
		column += gap + size;
		/* Where others have a star, there is its place. */
		gap = drawing->planned && !is_planned(drawing, cpu) ? 2 : 1;
	}
	if (column)
		nec_buffer_append_text(to, "\n");
}

/* Its label is longer than the usual ones, and mostly not needed. */
static bool has_offline(const struct cli_drawing *drawing)
{
	const struct nec_topology *topology = drawing->topology;

	for (size_t i = 0; i < topology->count; i++)
		if (owner_of(drawing, &topology->cpus[i]) == OWNER_OFFLINE)
			return true;
	return false;
}

size_t cli_drawing_label_width(const struct cli_drawing *drawing)
{
	size_t owners = OWNER_ENCLAVES + enclave_count(drawing);
	size_t label_width = LABEL_MIN;

	for (size_t owner = has_offline(drawing) ? OWNER_OFFLINE : OWNER_ENCLAVES; owner < owners;
	     owner++) {
		char label[LABEL_SIZE];

		label_of(drawing, owner, label);
		if (strlen(label) > label_width)
			label_width = strlen(label);
	}
	return label_width;
}

void cli_draw_cores(const struct cli_drawing *drawing, int32_t node, size_t width,
		    struct nec_buffer *to)
{
	size_t owners = OWNER_ENCLAVES + enclave_count(drawing);
	size_t label_width = cli_drawing_label_width(drawing);

	for (size_t owner = 0; owner < owners; owner++)
		draw_owner(drawing, node, owner, (int)label_width, width, to);
}

/* ---- pages ---- */

static uint64_t sum_parts(const struct cli_bar_part *parts, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += parts[i].count;
	return sum;
}

static unsigned int count_present(const struct cli_bar_part *parts, size_t count)
{
	unsigned int present = 0;

	for (size_t i = 0; i < count; i++)
		present += parts[i].count > 0;
	return present;
}

/* The column where part @i ends: each has one at least, and leaves one to each that follows. */
static unsigned int part_end(const struct cli_bar_part *parts, size_t count, size_t i,
			     unsigned int begin)
{
	double share = (double)sum_parts(parts, i + 1) / (double)sum_parts(parts, count);
	unsigned int end = (unsigned int)(share * BAR_WIDTH + 0.5);
	unsigned int most = BAR_WIDTH - count_present(&parts[i + 1], count - i - 1);

	if (end <= begin)
		end = begin + 1;
	return end < most ? end : most;
}

static void draw_part(const struct cli_bar_part *part, unsigned int columns, struct nec_buffer *to)
{
	char marks[BAR_WIDTH + 1];

	memset(marks, part->mark, columns);
	marks[columns] = '\0';
	cli_append_styled(part->style, STDOUT_FILENO, marks, to);
}

void cli_draw_bar(const struct cli_bar_part *parts, size_t count, struct nec_buffer *to)
{
	unsigned int column = 0;

	nec_buffer_append_text(to, "[");
	for (size_t i = 0; i < count; i++) {
		unsigned int end;

		if (parts[i].count == 0)
			continue;
		end = part_end(parts, count, i, column);
		draw_part(&parts[i], end - column, to);
		column = end;
	}
	nec_buffer_append_text(to, "]");
}

void cli_draw_page_size(uint64_t page_bytes, size_t label_width, struct nec_buffer *to)
{
	char size[LABEL_SIZE];

	if (page_bytes % (UINT64_C(1) << 30) == 0)
		(void)snprintf(size, sizeof(size), "%" PRIu64 " GiB", page_bytes >> 30);
	else
		(void)snprintf(size, sizeof(size), "%" PRIu64 " MiB", page_bytes >> 20);
	nec_buffer_printf(to, "  %-*s ", (int)label_width, size);
}
