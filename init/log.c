/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "program.h"
#include "syscall.h"
#include "text.h"

/* The one thing here that the whole process shares, as it shares its stderr. */
static bool debug;

struct output {
	char *to;
	size_t size;
	size_t length;
};

static void put(struct output *output, char character)
{
	if (output->length + 1 < output->size)
		output->to[output->length++] = character;
}

static void put_string(struct output *output, const char *string)
{
	for (; *string != '\0'; string++)
		put(output, *string);
}

static void put_number(struct output *output, unsigned value, unsigned base)
{
	char digits[16];
	size_t count = 0;

	do
		digits[count++] = "0123456789abcdef"[value % base];
	while ((value /= base) > 0);
	while (count > 0)
		put(output, digits[--count]);
}

static void put_signed(struct output *output, int value)
{
	if (value < 0)
		put(output, '-');
	put_number(output, value < 0 ? 0u - (unsigned)value : (unsigned)value, 10);
}

size_t init_format(char *to, size_t size, const char *format, va_list arguments)
{
	struct output output = { .to = to, .size = size };

	for (; *format != '\0'; format++) {
		if (*format != '%') {
			put(&output, *format);
			continue;
		}
		switch (*++format) {
		case 's':
			put_string(&output, va_arg(arguments, const char *));
			break;
		case 'd':
			put_signed(&output, va_arg(arguments, int));
			break;
		case 'u':
			put_number(&output, va_arg(arguments, unsigned), 10);
			break;
		case 'x':
			put_number(&output, va_arg(arguments, unsigned), 16);
			break;
		default:
			put(&output, *format);
			break;
		}
	}
	to[output.length] = '\0';
	return output.length;
}

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list arguments)
{
	char line[INIT_LINE_MAX];
	struct output output = { .to = line, .size = sizeof(line) - 1 };

	put_string(&output, init_program_name);
	put_string(&output, ": ");
	output.length +=
		init_format(line + output.length, output.size - output.length, format, arguments);
	line[output.length++] = '\n';
	(void)sys_write(2, line, output.length);
}

void init_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
}

void init_debug(const char *format, ...)
{
	va_list arguments;

	if (!debug)
		return;
	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
}

void init_debug_enable(void)
{
	debug = true;
}
