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

/*
 * Says in the program's ELF notes which library it may load, in the form that packaging tools of
 * all distributions read (uapi-group.org, "ELF dlopen metadata"): what is not linked shows in no
 * other way.
 */
#define NEC_DYNLIB_NOTE(soname_)                                \
	__asm__(".pushsection .note.dlopen, \"a\", %note\n"     \
		".balign 4\n"                                   \
		".long 4, 2f - 1f, 0x407c0c0a\n"                \
		".asciz \"FDO\"\n"                              \
		"1: .asciz \"[{\\\"soname\\\":[\\\"" soname_    \
		"\\\"],\\\"priority\\\":\\\"required\\\"}]\"\n" \
		"2: .balign 4\n"                                \
		".popsection");

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

#ifdef NEC_LINK_STATIC

/* In a static program the libraries are in it: nothing is loaded, and the pointers are there from
 * the start. */
#define NEC_DYNLIB_ADDRESS(name) .name = name,

#define NEC_DYNLIB_DEFINE(library, SYMBOLS, soname_, package_)                                    \
	struct nec_##library##_symbols nec_##library##_symbols = { SYMBOLS(NEC_DYNLIB_ADDRESS) }; \
	int nec_##library##_load(nec_error *err)                                                  \
	{                                                                                         \
		(void)err;                                                                        \
		return 0;                                                                         \
	}

#else

#define NEC_DYNLIB_DEFINE(library, SYMBOLS, soname_, package_)                   \
	NEC_DYNLIB_NOTE(soname_)                                                 \
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

#endif
