/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a shared library on first use. */
#include "base/dynlib.h"

#include <dlfcn.h>

#include "base/error.h"

/* The handle is never closed: the pointers live as long as the process. */
static int load_locked(struct nec_dynlib *library, nec_error *err)
{
	void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		nec_error_set(err, NEC_E_LIBRARY_MISSING, -ELIBACC, "cannot load %s: %s",
			      library->soname, dlerror());
		nec_error_set_hint(err, "Install it, on Debian with `apt-get install %s`.",
				   library->package);
		return -ELIBACC;
	}
	for (size_t i = 0; i < library->count; i++) {
		void *symbol = dlsym(handle, library->names[i]);

		if (!symbol)
			return nec_error_set(err, NEC_E_LIBRARY_MISSING, -ELIBACC,
					     "%s has no function %s: is it too old?",
					     library->soname, library->names[i]);
		library->pointers[i] = symbol;
	}
	return 0;
}

int nec_dynlib_load(struct nec_dynlib *library, nec_error *err)
{
	int r = 0;

	if (__atomic_load_n(&library->loaded, __ATOMIC_ACQUIRE))
		return 0;
	(void)pthread_mutex_lock(&library->lock);
	if (!library->loaded) {
		r = load_locked(library, err);
		if (r == 0)
			__atomic_store_n(&library->loaded, 1, __ATOMIC_RELEASE);
	}
	(void)pthread_mutex_unlock(&library->lock);
	return r;
}
