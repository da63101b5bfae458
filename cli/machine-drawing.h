/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as text: the cores of a NUMA node with their CPUs, and who has which. */
#ifndef NEC_CLI_MACHINE_DRAWING_H
#define NEC_CLI_MACHINE_DRAWING_H

#include "base/buffer.h"
#include "host/topology.h"
#include "nec.h"

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

/*
 * Appends a line or more for each that has cores of @node: "  pool    [1 5]* [2 6]". In colour when
 * stdout is a terminal.
 */
void cli_draw_cores(const struct cli_drawing *drawing, int32_t node, size_t width,
		    struct nec_buffer *to);

/* The NUMA node of an enclave's CPUs; -1 when it is not known, or simulated. */
int32_t cli_enclave_node(const struct nec_topology *topology, const struct nec_enclave_info *info);

/* "[######......]", @part of @total. */
void cli_draw_bar(uint64_t part, uint64_t total, struct nec_buffer *to);

#endif
