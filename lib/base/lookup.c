/* SPDX-License-Identifier: Apache-2.0 */
/* getaddrinfo() in a thread. */
#include "base/lookup.h"

#include <nss.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/error.h"

#ifdef NEC_LINK_STATIC
/*
 * The machine's nsswitch.conf may name modules of its own C library, which a static program would
 * load beside the one in it. These two are built in.
 */
__attribute__((constructor)) static void look_up_by_ourselves(void)
{
	(void)__nss_configure_lookup("hosts", "files dns");
}
#endif

/* The thread and its caller each have one share; whoever drops the last one frees. */
struct nec_lookup {
	atomic_int shares;
	int fd;
	char *host;
	char service[8];
	atomic_bool done; /* what follows is written and will not change */
	int result;       /* of getaddrinfo() */
	struct addrinfo *list;
};

static void drop(struct nec_lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->shares, 1) != 1)
		return;
	if (lookup->list)
		freeaddrinfo(lookup->list);
	if (lookup->fd >= 0)
		(void)close(lookup->fd);
	free(lookup->host);
	free(lookup);
}

static void look_up(struct nec_lookup *lookup, int flags)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags,
	};

	lookup->result = getaddrinfo(lookup->host, lookup->service, &hints, &lookup->list);
}

static void *run(void *userdata)
{
	const uint64_t one = 1;
	struct nec_lookup *lookup = userdata;

	look_up(lookup, AI_ADDRCONFIG);
	/* Only loopback may be configured, which AI_ADDRCONFIG does not count. */
	if (lookup->result != 0)
		look_up(lookup, 0);
	atomic_store(&lookup->done, true);
	(void)!write(lookup->fd, &one, sizeof(one));
	drop(lookup);
	return NULL;
}

/* Signals are the business of the program's own thread. */
static int start_thread(struct nec_lookup *lookup)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	sigset_t old;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return -r;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_store(&lookup->shares, 2);
	r = pthread_create(&thread, &attributes, run, lookup);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (r != 0)
		atomic_store(&lookup->shares, 1);
	return -r;
}

int nec_lookup_new(const char *host, uint16_t port, struct nec_lookup **ret, bool *ret_done,
		   nec_error *err)
{
	struct nec_lookup *lookup = calloc(1, sizeof(*lookup));
	int r = 0;

	if (!lookup)
		return nec_error_no_memory(err);
	atomic_init(&lookup->shares, 1);
	lookup->fd = -1;
	lookup->host = strdup(host);
	(void)snprintf(lookup->service, sizeof(lookup->service), "%u", port);
	if (!lookup->host) {
		drop(lookup);
		return nec_error_no_memory(err);
	}
	look_up(lookup, AI_NUMERICHOST);
	*ret_done = lookup->result == 0;
	atomic_init(&lookup->done, *ret_done);
	if (!*ret_done) {
		lookup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r = lookup->fd < 0 ? -errno : start_thread(lookup);
	}
	if (r < 0) {
		drop(lookup);
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot look up %s", host);
	}
	*ret = lookup;
	return 0;
}

int nec_lookup_get_fd(const struct nec_lookup *lookup)
{
	return lookup->fd;
}

const struct addrinfo *nec_lookup_get_addresses(const struct nec_lookup *lookup,
						const char **ret_reason)
{
	bool done = atomic_load(&lookup->done);

	if (done && lookup->result == 0)
		return lookup->list;
	*ret_reason = gai_strerror(done ? lookup->result : EAI_AGAIN);
	return NULL;
}

void nec_lookup_free(struct nec_lookup *lookup)
{
	if (lookup)
		drop(lookup);
}
