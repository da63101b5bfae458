/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard links in an archive: entries of one archive with the same device and inode number, as the
 * kernel tells them (init/initramfs.c). Only one of them carries the data, and any may.
 */
#ifndef NEC_IMAGE_HARD_LINKS_H
#define NEC_IMAGE_HARD_LINKS_H

#include "base/cleanup.h"
#include "image/cpio.h"

struct nec_hard_links {
	void *root; /* of a tsearch() tree */
};

/*
 * The place to keep what the caller knows of the file that @entry is a link to: *@ret is where it
 * put it for an earlier link, NULL at the first one. The values are not released. Returns true, or
 * false when out of memory. Only for entries with nec_hard_links_may_be().
 */
bool nec_hard_links_slot(struct nec_hard_links *links, const struct nec_cpio_entry *entry,
			 void ***ret);

static inline bool nec_hard_links_may_be(const struct nec_cpio_entry *entry)
{
	return entry->links >= 2 && !S_ISDIR(entry->mode);
}

void nec_hard_links_clear(struct nec_hard_links *links);
#define cleanup_hard_links __attribute__((cleanup(nec_hard_links_clear)))

#endif
