/* SPDX-License-Identifier: Apache-2.0 */
/* A change of what is set aside, by the daemon or by us. */
#include "allocator-change.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "allocator/client.h"
#include "allocator/outcome.h"
#include "base/error.h"
#include "base/json.h"
#include "output.h"
#include "report.h"

static void warn_of_recovery(enum nec_allocator_recovery recovery)
{
	static const char *const texts[] = {
		[NEC_ALLOCATOR_FINISHED] = "a change that had been interrupted was finished first",
		[NEC_ALLOCATOR_UNDONE] = "a change that had been interrupted was undone first",
		[NEC_ALLOCATOR_FORGOTTEN] =
			"the allocator's record of its pages was damaged and was moved aside; what "
			"was set aside before is no longer known to be its own",
	};

	if (recovery != NEC_ALLOCATOR_NOTHING)
		cli_warn(texts[recovery]);
}

static void add_page_line(const struct nec_allocator_pages *pages, struct nec_buffer *to)
{
	nec_buffer_printf(to, "  pages of %" PRIu64 " MiB: %" PRIu64, pages->page_bytes >> 20,
			  pages->ours + pages->found);
	if (pages->found)
		nec_buffer_printf(to, ", of them %" PRIu64 " that were there", pages->found);
	nec_buffer_append_text(to, "\n");
}

static int print_text(const struct cli *cli, const struct nec_allocator_outcome *outcome)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_allocator_outcome_describe(outcome, &text);
	if (text.size > 0 && !text.failed && text.data[0] == 'n')
		text.data[0] = 'N';
	nec_buffer_append_text(&text, outcome->changed ? ".\n" : "; nothing had to be changed.\n");
	for (size_t i = 0; i < outcome->page_count; i++)
		add_page_line(&outcome->pages[i], &text);
	if (outcome->made_bytes)
		nec_buffer_printf(&text, "  %" PRIu64 " MiB were made into huge pages\n",
				  outcome->made_bytes >> 20);
	if (outcome->returned_bytes)
		nec_buffer_printf(&text, "  %" PRIu64 " MiB were given back\n",
				  outcome->returned_bytes >> 20);
	return cli_print_text(cli, &text);
}

static int print_json(const struct cli *cli, const struct nec_allocator_outcome *outcome)
{
	cleanup_json cJSON *tree = NULL;
	nec_error err = NEC_ERROR_INIT;

	if (nec_allocator_outcome_to_json(outcome, &tree, &err) < 0)
		return cli_fail(cli, &err, 0);
	return cli_print_json(cli, tree);
}

static int ask(struct cli *cli, const struct nec_allocator_request *request,
	       struct nec_allocator_outcome *ret, nec_error *err)
{
	cleanup_json cJSON *result = NULL;
	int r = nec_allocator_ask(cli->context, nec_allocator_socket(), request, &result, err);

	return r < 0 ? r : nec_allocator_outcome_from_json(result, ret, err);
}

int cli_allocator_change(struct cli *cli, const struct nec_allocator_request *request,
			 cli_allocator_fn here)
{
	struct nec_allocator_outcome outcome;
	nec_error err = NEC_ERROR_INIT;
	int r;

	cli->sets_aside = true;
	r = ask(cli, request, &outcome, &err);
	/* Without rights there is no difference, and the refusal of the kernel says less. */
	if (r == -ENOENT)
		r = here(cli->context, request, &outcome, &err);
	cli_progress_clear();
	if (r < 0)
		return cli_fail(cli, &err, 0);
	warn_of_recovery(outcome.recovery);
	return cli->json_errors ? print_json(cli, &outcome) : print_text(cli, &outcome);
}
