/* SPDX-License-Identifier: Apache-2.0 */
/* What runs an enclave, as the holder sees it: the same few calls for the device and for the
 * simulation. */
#ifndef NEC_ENCLAVE_BACKEND_H
#define NEC_ENCLAVE_BACKEND_H

#include "base/loop.h"
#include "enclave/console.h"
#include "enclave/end.h"
#include "enclave/launch-message.h"
#include "image/eif.h"

struct nec_backend;

/*
 * Which backend @wish means: NEC_BACKEND_DEFAULT is what $NEC_BACKEND names, else the device.
 * Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT).
 */
int nec_backend_choose(enum nec_backend_kind wish, enum nec_backend_kind *ret, nec_error *err);

struct nec_backend_events {
	void *userdata;
	/* A step of the launch is done; its name is a constant of the backend's. */
	void (*phase)(void *userdata, const struct nec_launch_phase *phase);
	/* A line for people, also of a start that fails; may be NULL. */
	void (*notice)(void *userdata, const char *text);
	/* The enclave's init runs; from the loop, at most once. */
	void (*heartbeat)(void *userdata);
	/* The enclave is no more, as far as the backend can tell why; from the loop, at most once.
	 */
	void (*ended)(void *userdata, const struct nec_end *end);
	/* What nec_backend_end() began is done. */
	void (*gone)(void *userdata);
};

/*
 * The driver does not tell when it cannot end an enclave; that it has not let go of the memory
 * does. Only a boot of the machine helps then.
 */
#define NEC_BACKEND_KEPT                                                                         \
	"the device did not let the enclave go: it may still run, and its memory and CPUs stay " \
	"taken until this machine is booted again"

/* All that the device tells of an enclave's end. */
#define NEC_BACKEND_END_OF_DEVICE "it stopped or crashed; the device does not say which"

struct nec_backend_ops {
	const char *name; /* in JSON: "qemu"; NULL for the device, which says nothing */
	/* Begins to end the enclave, if it still runs, and to give back what it has; the loop goes
	 * on meanwhile. No other event comes then but gone, maybe from within this call. */
	void (*end)(struct nec_backend *backend);
	/* The rest, and all of it when it has not ended yet. */
	void (*free)(struct nec_backend *backend);
};

struct nec_backend {
	const struct nec_backend_ops *ops;
	struct nec_launch_started started;
	int console_fd; /* the holder's from here on; -1 when there is none */
	bool kept;      /* when it is gone: NEC_BACKEND_KEPT */
};

/*
 * Takes what the enclave needs, loads the image and starts it, unless the file has changed since it
 * was opened. @context: for progress, cancellation and the device it names; may be NULL. On failure
 * nothing is left. Returns 0 or a negative errno.
 */
int nec_backend_qemu_start(struct nec_loop *loop, const nec_context *context,
			   const struct nec_launch_request *request, const nec_eif *eif,
			   const struct nec_backend_events *events, struct nec_backend **ret,
			   nec_error *err);

/*
 * The same on the device. Waits for the heartbeat's port if another program has it, running the
 * loop meanwhile; -ECANCELED (NEC_E_CANCELLED) when that is stopped.
 */
int nec_backend_nitro_start(struct nec_loop *loop, const nec_context *context,
			    const struct nec_launch_request *request, const nec_eif *eif,
			    const struct nec_backend_events *events, struct nec_backend **ret,
			    nec_error *err);

/* To be called once. */
static inline void nec_backend_end(struct nec_backend *backend)
{
	backend->ops->end(backend);
}

static inline void nec_backend_free(struct nec_backend *backend)
{
	if (backend)
		backend->ops->free(backend);
}

#endif
