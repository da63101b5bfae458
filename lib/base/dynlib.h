/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared libraries that are loaded when a call first needs them, so that `nec --version` and the
 *holder carry none of them. Each has one header under base/ that lists the functions it uses:
 *
 *	#define NEC_FOO_SYMBOLS(X) X(foo_new) X(foo_free)
 *	NEC_DYNLIB_DECLARE(foo, NEC_FOO_SYMBOLS)
 *
 * and one source file with NEC_DYNLIB_DEFINE(). After nec_foo_load() has returned 0 the functions
 *are called as FOO(foo_new)() with `#define FOO(name) (*nec_foo_symbols.name)`; their types come
 *from the library's own header, so the compiler checks every call.
 */
#ifndef NEC_BASE_DYNLIB_H
#define NEC_BASE_DYNLIB_H

#include <pthread.h>
#include <stddef.h>

#include "nec.h"

struct nec_dynlib {
	const char *soname;
	const char *package; /* Debian's name of the package that has it, for the message */
	const char *const *names;
	void **pointers; /* one for each name, in the same order */
	size_t count;
	pthread_mutex_t lock;
	int loaded; /* accessed atomically */
};

/* Loads once, from any thread. Returns 0, or -ELIBACC (NEC_E_LIBRARY_MISSING). */
int nec_dynlib_load(struct nec_dynlib *library, nec_error *err);

#define NEC_DYNLIB_POINTER(name) __typeof__(&name) name;
#define NEC_DYNLIB_NAME(name)    #name,

#define NEC_DYNLIB_DECLARE(library, SYMBOLS)                           \
	struct nec_##library##_symbols {                               \
		SYMBOLS(NEC_DYNLIB_POINTER)                            \
	};                                                             \
	extern struct nec_##library##_symbols nec_##library##_symbols; \
	int nec_##library##_load(nec_error *err);

#define NEC_DYNLIB_DEFINE(library, SYMBOLS, soname_, package_)                   \
	struct nec_##library##_symbols nec_##library##_symbols;                  \
	int nec_##library##_load(nec_error *err)                                 \
	{                                                                        \
		static const char *const names[] = { SYMBOLS(NEC_DYNLIB_NAME) }; \
		static struct nec_dynlib dynlib = {                              \
			.soname = (soname_),                                     \
			.package = (package_),                                   \
			.names = names,                                          \
			.pointers = (void **)&nec_##library##_symbols,           \
			.count = sizeof(names) / sizeof(names[0]),               \
			.lock = PTHREAD_MUTEX_INITIALIZER,                       \
		};                                                               \
                                                                                 \
		_Static_assert(sizeof(nec_##library##_symbols) == sizeof(names), \
			       "one pointer a name");                            \
		return nec_dynlib_load(&dynlib, err);                            \
	}

#endif
