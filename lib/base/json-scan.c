/* SPDX-License-Identifier: Apache-2.0 */
/* The strict scanner of JSON text. */
#include "base/json-scan.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

struct scanner {
	const char *text;
	size_t size;
	size_t offset;
	const char *problem;
	struct nec_buffer *numbers;
};

static bool problem(struct scanner *scanner, const char *text)
{
	if (!scanner->problem)
		scanner->problem = text;
	return false;
}

static int peek(const struct scanner *scanner)
{
	return scanner->offset < scanner->size ? (unsigned char)scanner->text[scanner->offset] : -1;
}

static void skip_space(struct scanner *scanner)
{
	int c = peek(scanner);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		scanner->offset++;
		c = peek(scanner);
	}
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool scan_digits(struct scanner *scanner)
{
	if (!is_digit(peek(scanner)))
		return problem(scanner, "a digit is missing in a number");
	while (is_digit(peek(scanner)))
		scanner->offset++;
	return true;
}

static bool scan_number(struct scanner *scanner)
{
	struct nec_json_number number = { .offset = scanner->offset };

	if (peek(scanner) == '-')
		scanner->offset++;
	if (peek(scanner) == '0')
		scanner->offset++;
	else if (!scan_digits(scanner))
		return false;
	if (peek(scanner) == '.') {
		scanner->offset++;
		if (!scan_digits(scanner))
			return false;
	}
	if (peek(scanner) == 'e' || peek(scanner) == 'E') {
		scanner->offset++;
		if (peek(scanner) == '+' || peek(scanner) == '-')
			scanner->offset++;
		if (!scan_digits(scanner))
			return false;
	}
	number.size = scanner->offset - number.offset;
	nec_buffer_append(scanner->numbers, &number, sizeof(number));
	return true;
}

static bool scan_hex4(struct scanner *scanner, unsigned int *ret)
{
	unsigned int value = 0;

	for (int i = 0; i < 4; i++) {
		int c = peek(scanner);

		if (is_digit(c))
			value = value * 16 + (unsigned int)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value * 16 + (unsigned int)((c | 32) - 'a' + 10);
		else
			return problem(scanner, "\\u needs four hex digits");
		scanner->offset++;
	}
	*ret = value;
	return true;
}

static bool scan_unicode_escape(struct scanner *scanner)
{
	unsigned int unit;

	if (!scan_hex4(scanner, &unit))
		return false;
	if (unit == 0)
		return problem(scanner, "the character \\u0000 is not accepted");
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return problem(scanner, "a lone low surrogate in a string");
	if (unit < 0xd800 || unit > 0xdbff)
		return true;
	if (scanner->size - scanner->offset < 2 || scanner->text[scanner->offset] != '\\' ||
	    scanner->text[scanner->offset + 1] != 'u')
		return problem(scanner, "a lone high surrogate in a string");
	scanner->offset += 2;
	if (!scan_hex4(scanner, &unit))
		return false;
	if (unit < 0xdc00 || unit > 0xdfff)
		return problem(scanner, "a lone high surrogate in a string");
	return true;
}

static bool scan_escape(struct scanner *scanner)
{
	int c;

	scanner->offset++;
	c = peek(scanner);
	/* NUL is no escape, but strchr() finds it. */
	if (c <= 0 || !strchr("\"\\/bfnrtu", c))
		return problem(scanner, "an unknown escape in a string");
	scanner->offset++;
	return c != 'u' || scan_unicode_escape(scanner);
}

static bool scan_string(struct scanner *scanner)
{
	scanner->offset++;
	for (;;) {
		int c = peek(scanner);
		size_t length;

		if (c < 0)
			return problem(scanner, "a string does not end");
		if (c == '"') {
			scanner->offset++;
			return true;
		}
		if (c < 0x20)
			return problem(scanner, "a control character in a string");
		if (c == '\\') {
			if (!scan_escape(scanner))
				return false;
			continue;
		}
		length = nec_utf8_length((const unsigned char *)scanner->text + scanner->offset,
					 scanner->size - scanner->offset);
		if (length == 0)
			return problem(scanner, "a string is not valid UTF-8");
		scanner->offset += length;
	}
}

static bool scan_word(struct scanner *scanner, const char *word)
{
	size_t length = strlen(word);

	if (scanner->size - scanner->offset < length ||
	    memcmp(scanner->text + scanner->offset, word, length) != 0)
		return problem(scanner, "a value is expected");
	scanner->offset += length;
	return true;
}

static bool scan_value(struct scanner *scanner, unsigned int depth);

/* One member or element, after which either a comma or @close follows. */
static bool scan_members(struct scanner *scanner, unsigned int depth, char close, bool keyed)
{
	scanner->offset++;
	skip_space(scanner);
	if (peek(scanner) == close) {
		scanner->offset++;
		return true;
	}
	for (;;) {
		skip_space(scanner);
		if (keyed) {
			if (peek(scanner) != '"')
				return problem(scanner, "a key in double quotes is expected");
			if (!scan_string(scanner))
				return false;
			skip_space(scanner);
			if (peek(scanner) != ':')
				return problem(scanner, "':' is expected after a key");
			scanner->offset++;
		}
		if (!scan_value(scanner, depth))
			return false;
		skip_space(scanner);
		if (peek(scanner) == close) {
			scanner->offset++;
			return true;
		}
		if (peek(scanner) != ',')
			return problem(scanner,
				       keyed ? "',' or '}' is expected" : "',' or ']' is expected");
		scanner->offset++;
	}
}

/* Recursion is bounded by NEC_JSON_MAX_DEPTH. NOLINTNEXTLINE(misc-no-recursion) */
static bool scan_value(struct scanner *scanner, unsigned int depth)
{
	int c;

	skip_space(scanner);
	c = peek(scanner);
	if (depth >= NEC_JSON_MAX_DEPTH)
		return problem(scanner, "the nesting is too deep");
	if (c == '{' || c == '[')
		return scan_members(scanner, depth + 1, c == '{' ? '}' : ']', c == '{');
	if (c == '"')
		return scan_string(scanner);
	if (c == '-' || is_digit(c))
		return scan_number(scanner);
	if (c == 't')
		return scan_word(scanner, "true");
	if (c == 'f')
		return scan_word(scanner, "false");
	if (c == 'n')
		return scan_word(scanner, "null");
	return problem(scanner, "a value is expected");
}

static int syntax_error(const struct scanner *scanner, nec_error *err)
{
	size_t line = 1;
	size_t column = 1;

	for (size_t i = 0; i < scanner->offset && i < scanner->size; i++) {
		column++;
		if (scanner->text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return nec_error_set(err, NEC_E_JSON, -EBADMSG, "JSON line %zu, column %zu: %s", line,
			     column, scanner->problem);
}

int nec_json_scan(const char *text, size_t size, struct nec_buffer *numbers, nec_error *err)
{
	struct scanner scanner = { .text = text, .size = size, .numbers = numbers };

	if (scan_value(&scanner, 0)) {
		skip_space(&scanner);
		if (scanner.offset < size)
			problem(&scanner, "there is more after the end of the document");
	}
	return scanner.problem ? syntax_error(&scanner, err) : 0;
}
