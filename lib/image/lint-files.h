/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lint keeps of a regular file, as its literal in the merged tree: what kind of program it is,
 * and of the few files that are looked into the beginning.
 */
#ifndef NEC_IMAGE_LINT_FILES_H
#define NEC_IMAGE_LINT_FILES_H

#include "image/lint.h"

enum lint_program {
	LINT_NOT_LOOKED_AT, /* not executable, or a file whose text is kept */
	LINT_NO_PROGRAM,    /* neither ELF nor a script, e.g. empty */
	LINT_ELF,
	LINT_SCRIPT,
};

struct lint_file {
	enum lint_program program;
	uint16_t machine;   /* LINT_ELF: e_machine */
	bool is_text;       /* @text is the file's beginning, else the interpreter's path or "" */
	uint32_t text_size; /* without the NUL behind it */
	char text[];
};

/* Of an entry of the merged tree; NULL when nothing was kept. */
const struct lint_file *nec_lint_file_of(const struct nec_tree_entry *entry);

/* Whether the text of the file with this path in a ramdisk is wanted. */
bool nec_lint_wants_text(const char *path);

/* What the first bytes of an executable file say. @text is filled with the interpreter's path. */
enum { LINT_PROGRAM_HEAD = 4096, LINT_INTERPRETER_SIZE = 256 };
struct lint_head {
	enum lint_program program;
	uint16_t machine;
	char interpreter[LINT_INTERPRETER_SIZE]; /* "" for none */
};
void nec_lint_parse_head(const uint8_t *bytes, size_t size, struct lint_head *ret);

#endif
