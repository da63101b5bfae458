/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as text: the cores of a NUMA node with their CPUs, and who has which. */
#ifndef NEC_CLI_MACHINE_DRAWING_H
#define NEC_CLI_MACHINE_DRAWING_H

#include "base/buffer.h"
#include "host/topology.h"
#include "nec.h"
#include "report.h"

/**
 * struct cli_drawing - what is drawn
 * @topology: cores, and which are in the pool
 * @planned:  cores that get a star; NULL for none
 * @enclaves: whose cores are told by name; NULL when they are not known
 */
struct cli_drawing {
	const struct nec_topology *topology;
	const struct nec_cpuset *planned;
	const nec_enclave_list *enclaves;
};

/* The columns that the names of owners take. */
size_t cli_drawing_label_width(const struct cli_drawing *drawing);

/*
 * Appends a line or more for each that has cores of @node: "  pool    [1 5]* [2 6]". In colour when
 * stdout is a terminal.
 */
void cli_draw_cores(const struct cli_drawing *drawing, int32_t node, size_t width,
		    struct nec_buffer *to);

/* The NUMA node of an enclave's CPUs; -1 when it is not known, or simulated. */
int32_t cli_enclave_node(const struct nec_topology *topology, const struct nec_enclave_info *info);

/* A piece of a bar. */
struct cli_bar_part {
	uint64_t count;
	char mark;
	enum cli_style style;
};

/*
 * Appends "[####==......]", as wide as any other bar. A part of which there is something has a
 * column at least.
 */
void cli_draw_bar(const struct cli_bar_part *parts, size_t count, struct nec_buffer *to);

/* Appends the line's head with the size of pages in the place of an owner: "  2 MiB  ". */
void cli_draw_page_size(uint64_t page_bytes, size_t label_width, struct nec_buffer *to);

#endif
