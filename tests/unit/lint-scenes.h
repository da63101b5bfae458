/* SPDX-License-Identifier: Apache-2.0 */
/* Images with one fault each: for every rule of lint at least one that breaks it and no other. */
#ifndef NEC_TESTS_UNIT_LINT_SCENES_H
#define NEC_TESTS_UNIT_LINT_SCENES_H

#include "eif-make.h"

#define SCENE_FILES 8

/* What stands for init and the command in the images below tests/data/eif. */
#define PLACEHOLDERS "program-format program-interpreter"

struct scene {
	const char *rules; /* that are broken, in the order of the table; "" for none */
	const char *text;  /* in a finding of the last of them: message or path; may be NULL */

	/* What differs from an image without a fault. NULL, 0: nothing. */
	const char *cmdline;
	const char *metadata;
	const char *base_file;               /* start from this file of tests/data/eif instead */
	struct cpio_file files[SCENE_FILES]; /* of one ramdisk more, with their folders */
	const char *ramdisk;                 /* one more ramdisk with just these bytes */
	size_t ramdisk_size;
	void (*alter)(struct nec_buffer *image);
	bool keep_crc; /* the checksum stays as it was before alter() */

	uint64_t memory_mib;
	int64_t now; /* 0: 2026-01-01 */
};

extern const struct scene lint_scenes[];
extern const size_t lint_scene_count;

/* The image of a scene. */
void scene_make(const struct scene *scene, struct nec_buffer *image);

/* An image that lint finds nothing in, without its checksum. */
void scene_make_clean(const struct scene *scene, struct nec_buffer *image);

#endif
