/* SPDX-License-Identifier: Apache-2.0 */
#include "build.h"

#include "base/json.h"
#include "image/describe.h"
#include "output.h"

static struct nec_list list_of(const struct cli_list *list)
{
	return (struct nec_list){ .items = list->items, .count = list->count };
}

int cli_build(const struct cli *cli, const struct cli_build_options *options,
	      struct nec_build_result *ret, nec_error *err)
{
	struct nec_build_options build = options->build;
	struct nec_sign_options signing = options->signing;

	build.struct_size = sizeof(build);
	build.ramdisks = list_of(&options->ramdisks);
	build.entrypoint = list_of(&options->entrypoint);
	build.cmd = list_of(&options->cmd);
	build.env = list_of(&options->env);
	build.modules = list_of(&options->modules);
	signing.struct_size = sizeof(signing);
	if (signing.certificate)
		build.signing = &signing;
	if (options->arch) {
		int r = nec_arch_parse(options->arch, &build.arch, err);

		if (r < 0)
			return r;
	}
	return nec_eif_build(cli->context, &build, ret, err);
}

int cli_print_measurements(const struct cli *cli, const struct nec_build_result *result)
{
	cleanup_json cJSON *tree = nec_json_object();

	if (!nec_json_add(tree, "Measurements",
			  nec_measurements_json(&result->measurements,
						result->is_signed ? result->pcr8 : NULL))) {
		nec_json_free(tree);
		tree = NULL;
	}
	return cli_print_json(cli, tree);
}
