/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the probe share. */
#ifndef NEC_ENCLAVE_PROBE_PRIVATE_H
#define NEC_ENCLAVE_PROBE_PRIVATE_H

#include "enclave/probe.h"
#include "host/host.h"

/* One look at the machine; what several checks need is found once, by the first that asks. */
struct probing {
	const nec_context *context;
	const struct nec_probe_request *request;
	struct nec_device device;
	struct nec_host *host; /* NULL as long as nobody has asked, or when it cannot be read */
	int host_result;
	nec_error host_err;
	bool asked_host;
	struct cJSON *enclaves; /* descriptions of those that run */
	unsigned int silent;    /* processes that hold enclaves and gave no usable answer */
	bool asked_enclaves;
	const struct nec_probe *done; /* the checks before this one */
};

/* The picture of the machine, NULL when there is none: then host_err says why. */
const struct nec_host *probing_host(struct probing *probing);

/* The enclaves of the sockets directory, simulated ones too; NULL when out of memory. */
const struct cJSON *probing_enclaves(struct probing *probing);

/* Whether the check of that name has run and has failed, or could not be done. */
bool probing_is_broken(const struct probing *probing, const char *name);

void probe_ok(struct nec_probe_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void probe_warn(struct nec_probe_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void probe_fail(struct nec_probe_result *result, enum nec_error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void probe_skip(struct nec_probe_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void probe_fix(struct nec_probe_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A failure as the library tells it: message, hint and all. */
void probe_fail_with(struct nec_probe_result *result, const nec_error *err);

/* ---- the checks ---- */

/* probe-device.c: the driver and its device */
void probe_module(struct probing *probing, struct nec_probe_result *result);
void probe_device(struct probing *probing, struct nec_probe_result *result);
void probe_permission(struct probing *probing, struct nec_probe_result *result);

/* probe-resources.c: what the driver gives to enclaves */
void probe_pool(struct probing *probing, struct nec_probe_result *result);
void probe_hugepages(struct probing *probing, struct nec_probe_result *result);
void probe_vsock(struct probing *probing, struct nec_probe_result *result);
void probe_memory(struct probing *probing, struct nec_probe_result *result);

/* probe-programs.c: what is ours */
void probe_sockets(struct probing *probing, struct nec_probe_result *result);
void probe_enclaves(struct probing *probing, struct nec_probe_result *result);
void probe_holder(struct probing *probing, struct nec_probe_result *result);
void probe_libraries(struct probing *probing, struct nec_probe_result *result);

/* probe-simulation.c */
void probe_qemu(struct probing *probing, struct nec_probe_result *result);
void probe_kvm(struct probing *probing, struct nec_probe_result *result);
void probe_loopback(struct probing *probing, struct nec_probe_result *result);

#endif
