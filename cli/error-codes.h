/* SPDX-License-Identifier: Apache-2.0 */
/* nitro-cli's error codes E00 to E60: what users and scripts know failures by. */
#ifndef NEC_CLI_ERROR_CODES_H
#define NEC_CLI_ERROR_CODES_H

#include <stdbool.h>

#define CLI_LAST_ERROR_CODE 60

struct cli_error_code {
	const char *name;        /* symbolic, as in nitro-cli's documentation */
	const char *title;       /* what the error block begins with */
	const char *explanation; /* paragraphs, separated by empty lines */
};

/* The row of @number, or NULL when there is none. */
const struct cli_error_code *cli_error_code(int number);

/* Whether nec itself never ends with that code: nitro-cli alone does, or only could. */
bool cli_error_code_is_foreign(int number);

#endif
