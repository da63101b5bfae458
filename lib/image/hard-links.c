/* SPDX-License-Identifier: Apache-2.0 */
#include "image/hard-links.h"

#include <search.h>
#include <string.h>

struct link {
	uint32_t key[5]; /* without padding, so that it can be compared bytewise */
	void *value;
};

static int compare(const void *a, const void *b)
{
	const struct link *first = a;
	const struct link *second = b;

	return memcmp(first->key, second->key, sizeof(first->key));
}

bool nec_hard_links_slot(struct nec_hard_links *links, const struct nec_cpio_entry *entry,
			 void ***ret)
{
	struct link *link = malloc(sizeof(*link));
	struct link **found;

	if (!link)
		return false;
	*link = (struct link){ .key = { entry->archive, entry->device_major, entry->device_minor,
					entry->inode, entry->mode & S_IFMT } };
	found = tsearch(link, &links->root, compare);
	if (!found || *found != link)
		free(link);
	if (!found)
		return false;
	*ret = &(*found)->value;
	return true;
}

void nec_hard_links_clear(struct nec_hard_links *links)
{
	tdestroy(links->root, free);
	links->root = NULL;
}
