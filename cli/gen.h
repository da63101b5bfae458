/* SPDX-License-Identifier: Apache-2.0 */
/* nec-gen: at build time, makes shell completions and parts of the man pages from the table. */
#ifndef NEC_CLI_GEN_H
#define NEC_CLI_GEN_H

#include "command.h"

void gen_bash(void);
void gen_zsh(void);
void gen_fish(void);

/*
 * Prints a man page's source with the lines "@synopsis COMMAND@", "@description COMMAND@",
 * "@options COMMAND@", "@examples COMMAND@", "@commands@", "@errors@" and "@pages@" replaced by
 * what the tables say. Returns 0, or -1 after a message.
 */
int gen_page(const char *path);

/* Whether this row is the first of a group of two-word commands. */
bool gen_begins_group(const struct cli_command *const *row);

/* Whether a command is in the group that @first begins. */
bool gen_same_group(const struct cli_command *first, const struct cli_command *command);

/* Prints @text with a backslash before each of @special. */
void gen_escaped(const char *text, const char *special);

#endif
