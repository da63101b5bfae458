/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of the machine as the library sees it. */
#ifndef NEC_HOST_HOST_H
#define NEC_HOST_HOST_H

#include "host/hugepages.h"
#include "host/pool.h"

struct nec_host {
	struct nec_cpu_pool pool;
	struct nec_topology topology;
	struct nec_hugepage_table hugepages;
};

/* As nec_host_read(), for a device that is open. */
int nec_host_take(const struct nec_device *device, struct nec_host **ret, nec_error *err);

NEC_DEFINE_CLEANUP(host, struct nec_host *, nec_host_free)
#define cleanup_host NEC_CLEANUP(host)

#endif
