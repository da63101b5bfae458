/* SPDX-License-Identifier: Apache-2.0 */
/* What the image says is to be run: the files beside its rootfs. */
#ifndef NEC_INIT_CONFIG_H
#define NEC_INIT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "data.h"

#define INIT_GROUPS_MAX 256

/* Where programs are looked for when the image's environment has no PATH; the stock init's. */
#define INIT_DEFAULT_PATH "/sbin:/usr/sbin:/bin:/usr/bin"

struct init_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[INIT_GROUPS_MAX];
	size_t group_count;
};

struct init_config {
	struct init_items cmd; /* at least one: "sh" where the image names none */
	struct init_items env; /* with a PATH */
	char *workdir;         /* absolute; NULL: "/" */
	struct init_user user;
};

/*
 * Reads /cmd0 or /cmd, /env0 or /env, /workdir and /user, and deletes them. Returns 0 or a negative
 * errno, reported. All of them may be missing; one that is malformed is the end, because the
 * program would run as somebody else or somewhere else than the image wants.
 */
int init_config_read(struct init_config *config);

/* "uid:gid[:gid,gid...]", decimal; a newline may follow. */
bool init_user_parse(const char *text, struct init_user *user);

/* Value of the variable @name ("PATH=", with its sign) or NULL. */
const char *init_env_get(const struct init_items *env, const char *name);

#endif
