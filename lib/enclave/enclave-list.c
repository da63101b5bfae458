/* SPDX-License-Identifier: Apache-2.0 */
/* All enclaves of this machine, at one moment. */
#include "base/error.h"
#include "base/json.h"
#include "enclave/calls.h"
#include "enclave/enclave.h"

struct nec_enclave_list {
	struct nec_buffer enclaves; /* nec_enclave * */
	unsigned int failed;
};

void nec_enclave_list_free(nec_enclave_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < nec_enclave_list_get_count(list); i++)
		nec_enclave_free(nec_enclave_list_get(list, i));
	nec_buffer_free(&list->enclaves);
	free(list);
}

NEC_DEFINE_CLEANUP(enclave_list, nec_enclave_list *, nec_enclave_list_free)

/* One that has no id, or has ended since it answered, is left out. */
static int add(nec_enclave_list *list, nec_context *context, const char *dir, cJSON *tree,
	       nec_error *err)
{
	cleanup_enclave nec_enclave *enclave = NULL;
	cleanup_free char *control = NULL;
	const char *id = "";
	int r;

	(void)nec_json_get_string(tree, "EnclaveID", &id);
	r = nec_client_find(dir, id, NULL, &control, err);
	if (r < 0) {
		nec_json_free(tree);
		return r == -ENOENT ? 0 : r;
	}
	r = nec_enclave_new(context, control, tree, &enclave, err);
	if (r < 0)
		return r;
	nec_buffer_append(&list->enclaves, &enclave, sizeof(enclave));
	if (list->enclaves.failed)
		return nec_error_no_memory(err);
	enclave = NULL;
	return 0;
}

static int add_all(nec_enclave_list *list, nec_context *context, const char *dir, nec_error *err)
{
	cleanup_json cJSON *array = nec_json_array();
	const cJSON *item;
	int r;

	if (!array)
		return nec_error_no_memory(err);
	r = nec_client_describe_all(dir, true, array, &list->failed, err);
	/* Nobody has started an enclave since the machine has booted. */
	if (r == -ENOENT)
		return 0;
	cJSON_ArrayForEach (item, array) {
		cJSON *tree = r == 0 ? nec_json_copy(item) : NULL;

		if (r == 0)
			r = tree ? add(list, context, dir, tree, err) : nec_error_no_memory(err);
	}
	return r;
}

int nec_enclave_list_read(nec_context *context, nec_enclave_list **ret, nec_error *err)
{
	NEC_CLEANUP(enclave_list) nec_enclave_list *list = calloc(1, sizeof(*list));
	struct nec_path dirs[2];
	size_t count = nec_sockets_dirs(dirs);
	int r = list ? 0 : nec_error_no_memory(err);

	for (size_t i = 0; i < count && r == 0; i++)
		r = add_all(list, context, dirs[i].text, err);
	if (r == 0)
		*ret = TAKE_PTR(list);
	return r;
}

size_t nec_enclave_list_get_count(const nec_enclave_list *list)
{
	return list->enclaves.size / sizeof(nec_enclave *);
}

nec_enclave *nec_enclave_list_get(const nec_enclave_list *list, size_t index)
{
	nec_enclave *const *enclaves = (nec_enclave *const *)list->enclaves.data;

	return index < nec_enclave_list_get_count(list) ? enclaves[index] : NULL;
}

size_t nec_enclave_list_get_failed(const nec_enclave_list *list)
{
	return list->failed;
}
