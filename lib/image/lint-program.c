/* SPDX-License-Identifier: Apache-2.0 */
/* Lint: what kind of program a file is, by its first bytes. */
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "image/lint-files.h"

static void take_interpreter(struct lint_head *head, const uint8_t *text, size_t size)
{
	if (size == 0 || size >= sizeof(head->interpreter))
		return;
	memcpy(head->interpreter, text, size);
	head->interpreter[size] = '\0';
}

/* "#! /bin/sh -e": the path ends at white space. */
static void parse_script(const uint8_t *bytes, size_t size, struct lint_head *head)
{
	size_t begin = 2;
	size_t end;

	head->program = LINT_SCRIPT;
	while (begin < size && (bytes[begin] == ' ' || bytes[begin] == '\t'))
		begin++;
	for (end = begin; end < size && !memchr(" \t\n\r", bytes[end], 5); end++)
		;
	take_interpreter(head, bytes + begin, end - begin);
}

/* The interpreter of a dynamic program, if its path lies in the bytes that we have. */
static void parse_interp(const uint8_t *bytes, size_t size, uint64_t offset, uint64_t length,
			 struct lint_head *head)
{
	const uint8_t *end;

	if (offset >= size || length > size - offset)
		return;
	end = memchr(bytes + offset, '\0', (size_t)length);
	if (end)
		take_interpreter(head, bytes + offset, (size_t)(end - (bytes + offset)));
}

static bool read_program_header(struct nec_cursor *cursor, uint32_t *type, uint64_t *offset,
				uint64_t *length)
{
	return nec_cursor_u32le(cursor, type) && nec_cursor_skip(cursor, sizeof(Elf64_Word)) &&
	       nec_cursor_u64le(cursor, offset) &&
	       nec_cursor_skip(cursor, 2 * sizeof(Elf64_Addr)) && nec_cursor_u64le(cursor, length);
}

static void parse_program_headers(const uint8_t *bytes, size_t size, struct lint_head *head)
{
	struct nec_cursor cursor = nec_cursor_over(bytes, size);
	uint64_t table = 0;
	uint16_t entry_size = 0;
	uint16_t count = 0;

	if (!nec_cursor_skip(&cursor, offsetof(Elf64_Ehdr, e_phoff)) ||
	    !nec_cursor_u64le(&cursor, &table) ||
	    !nec_cursor_skip(&cursor,
			     offsetof(Elf64_Ehdr, e_phentsize) - offsetof(Elf64_Ehdr, e_shoff)) ||
	    !nec_cursor_u16le(&cursor, &entry_size) || !nec_cursor_u16le(&cursor, &count))
		return;
	for (uint16_t i = 0; i < count && table < size; i++, table += entry_size) {
		uint32_t type;
		uint64_t offset;
		uint64_t length;

		cursor.offset = (size_t)table;
		if (!read_program_header(&cursor, &type, &offset, &length))
			return;
		if (type == PT_INTERP)
			parse_interp(bytes, size, offset, length, head);
	}
}

/* The interpreter of 32-bit programs is not looked for: nothing is said of what is not known. */
static void parse_elf(const uint8_t *bytes, size_t size, struct lint_head *head)
{
	const size_t machine = offsetof(Elf64_Ehdr, e_machine);

	if (size < machine + sizeof(Elf64_Half) || bytes[EI_DATA] != ELFDATA2LSB)
		return;
	head->program = LINT_ELF;
	head->machine = (uint16_t)(bytes[machine] | bytes[machine + 1] << 8);
	if (bytes[EI_CLASS] == ELFCLASS64)
		parse_program_headers(bytes, size, head);
}

void nec_lint_parse_head(const uint8_t *bytes, size_t size, struct lint_head *ret)
{
	*ret = (struct lint_head){ .program = LINT_NO_PROGRAM };
	if (size >= 2 && bytes[0] == '#' && bytes[1] == '!')
		parse_script(bytes, size, ret);
	else if (size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0)
		parse_elf(bytes, size, ret);
}
