/* SPDX-License-Identifier: Apache-2.0 */
#include "data.h"

#include "syscall.h"
#include "text.h"

#define FIRST_READ 65536

void *init_alloc(size_t size)
{
	long address = sys_map(size);

	/* Addresses of user space are positive, so every negative value is an errno. */
	return address < 0 ? NULL
			   : (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* A buffer of twice the size with the same contents. */
static int grow(struct init_text *text, size_t *capacity)
{
	char *larger = init_alloc(*capacity * 2);

	if (!larger)
		return -ENOMEM;
	memcpy(larger, text->data, text->size);
	(void)sys_unmap(text->data, *capacity);
	text->data = larger;
	*capacity *= 2;
	return 0;
}

static int read_all(int fd, size_t limit, struct init_text *text)
{
	size_t capacity = FIRST_READ;

	text->size = 0;
	text->data = init_alloc(capacity);
	if (!text->data)
		return -ENOMEM;
	for (;;) {
		/* One byte stays free for the NUL, which the fresh memory already holds. */
		long r = sys_read(fd, text->data + text->size, capacity - 1 - text->size);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			return (int)r;
		text->size += (size_t)r;
		if (text->size > limit)
			return -EFBIG;
		if (text->size == capacity - 1 && grow(text, &capacity) < 0)
			return -ENOMEM;
	}
}

int init_read_file(const char *path, size_t limit, struct init_text *ret)
{
	struct init_text text;
	int fd = sys_open(path, O_RDONLY);
	int r;

	if (fd < 0)
		return fd;
	r = read_all(fd, limit, &text);
	(void)sys_close(fd);
	if (r == 0)
		*ret = text;
	return r;
}

static size_t count_items(const struct init_text *text, char separator)
{
	size_t count = 0;

	for (size_t i = 0; i < text->size; i++)
		count += text->data[i] == separator;
	if (text->size > 0 && text->data[text->size - 1] != separator)
		count++;
	return count;
}

int init_items_split(struct init_text *text, char separator, struct init_items *ret)
{
	size_t count = count_items(text, separator);
	char **vector = init_alloc((count + 2) * sizeof(*vector));
	char *next = text->data;

	if (!vector)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		vector[i] = next;
		while (next < text->data + text->size && *next != separator)
			next++;
		*next++ = '\0';
	}
	*ret = (struct init_items){ .vector = vector, .count = count };
	return 0;
}
