/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator's file. A fuzzer does not find the sum at its end, so that is put there for it;
 * what is accepted is, to the last byte, what we print.
 */
#include <string.h>

#include "allocator/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct nec_buffer *text)
{
	cleanup_buffer struct nec_buffer again = { 0 };
	struct nec_ledger ledger;
	nec_error err = NEC_ERROR_INIT;

	if (nec_ledger_parse(nec_buffer_text(text), text->size, &ledger, &err) < 0) {
		if (err.code == NEC_E_NONE || ledger.row_count || ledger.reserved)
			__builtin_trap();
		return;
	}
	if (ledger.row_count > NEC_LEDGER_ROWS_MAX || ledger.work > NEC_LEDGER_RELEASING)
		__builtin_trap();
	nec_ledger_print(&ledger, &again);
	if (again.failed || again.size != text->size ||
	    memcmp(again.data, text->data, text->size) != 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_buffer_append(&text, data, size);
	check(&text);
	nec_ledger_print_sum(&text, 0);
	check(&text);
	return 0;
}
