/* SPDX-License-Identifier: Apache-2.0 */
/* USER of an image: names are looked up in the image's own /etc/passwd and /etc/group. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "image/source.h"

/* Far above any real file of that kind. */
enum { MAX_DATABASE_BYTES = 4 * 1024 * 1024 };

enum { PASSWD_FIELDS = 7, GROUP_FIELDS = 4 };

/* A decimal number that fits; nothing else. */
static bool parse_id(const char *text, size_t size, uint32_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return size > 0;
}

struct field {
	const char *text;
	size_t size;
};

static bool field_is(const struct field *field, const char *text, size_t size)
{
	return field->size == size && memcmp(field->text, text, size) == 0;
}

/* Splits the next line at ':'. Returns the number of fields, 0 at the end; lines with fewer than
 * @count fields are passed over. */
static size_t next_line(const char **rest, struct field *fields, size_t count)
{
	while (**rest) {
		const char *at = *rest;
		size_t line = strcspn(at, "\n");
		const char *end = at + line;
		size_t n = 0;

		*rest = end + (*end == '\n');
		while (n < count) {
			size_t size = 0;

			while (at + size < end && at[size] != ':')
				size++;
			fields[n++] = (struct field){ .text = at, .size = size };
			if (at + size == end)
				break;
			at += size + 1;
		}
		if (n == count)
			return n;
	}
	return 0;
}

/* The file's text, empty when there is none. It may be a symbolic link, within the image. */
static int read_database(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
			 struct nec_buffer *to, nec_error *err)
{
	struct nec_tree_entry *entry = nec_tree_resolve(tree, base, path);
	int r;

	if (!entry || !S_ISREG(entry->inode->mode))
		return 0;
	r = nec_tree_read(tree, entry, MAX_DATABASE_BYTES, to, err);
	return r < 0 ? nec_error_prefix(err, r, "%s of the image", path) : 0;
}

/* By name first, as a user may be called "1000"; then by number. */
static bool find_passwd(const char *passwd, const char *user, size_t size,
			struct nec_source_user *ret, struct field *ret_name)
{
	struct field fields[PASSWD_FIELDS];
	uint32_t wanted = 0;
	bool number = parse_id(user, size, &wanted);
	bool found = false;

	for (const char *rest = passwd; next_line(&rest, fields, PASSWD_FIELDS) > 0;) {
		uint32_t uid;
		uint32_t gid;
		bool named = field_is(&fields[0], user, size);

		if (!parse_id(fields[2].text, fields[2].size, &uid) ||
		    !parse_id(fields[3].text, fields[3].size, &gid) ||
		    !(named || (!found && number && uid == wanted)))
			continue;
		ret->uid = uid;
		ret->gid = gid;
		*ret_name = fields[0];
		(void)snprintf(ret->home, sizeof(ret->home), "%.*s", (int)fields[5].size,
			       fields[5].size ? fields[5].text : "");
		found = true;
		if (named)
			break;
	}
	return found;
}

static bool find_group(const char *group, const char *name, size_t size, uint32_t *ret)
{
	struct field fields[GROUP_FIELDS];

	for (const char *rest = group; next_line(&rest, fields, GROUP_FIELDS) > 0;)
		if (field_is(&fields[0], name, size) &&
		    parse_id(fields[2].text, fields[2].size, ret))
			return true;
	return parse_id(name, size, ret);
}

static bool is_member(const struct field *members, const struct field *name)
{
	const char *at = members->text;
	const char *end = at + members->size;

	while (at < end) {
		size_t size = 0;

		while (at + size < end && at[size] != ',')
			size++;
		if (field_is(name, at, size))
			return true;
		at += size + 1;
	}
	return false;
}

/* Keeps the list ascending and without repetitions. */
static int add_group(struct nec_source_user *user, uint32_t gid, nec_error *err)
{
	size_t at = 0;

	while (at < user->group_count && user->groups[at] < gid)
		at++;
	if (gid == user->gid || (at < user->group_count && user->groups[at] == gid))
		return 0;
	if (user->group_count == NEC_SOURCE_MAX_GROUPS)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "the image's user is in more than %d groups",
				     NEC_SOURCE_MAX_GROUPS);
	memmove(user->groups + at + 1, user->groups + at,
		(user->group_count - at) * sizeof(*user->groups));
	user->groups[at] = gid;
	user->group_count++;
	return 0;
}

static int add_groups(struct nec_source_user *user, const char *group, const struct field *name,
		      nec_error *err)
{
	struct field fields[GROUP_FIELDS];
	int r = 0;

	for (const char *rest = group; r == 0 && next_line(&rest, fields, GROUP_FIELDS) > 0;) {
		uint32_t gid;

		if (parse_id(fields[2].text, fields[2].size, &gid) && is_member(&fields[3], name))
			r = add_group(user, gid, err);
	}
	return r;
}

static int no_such(const char *what, const char *name, size_t size, const char *file,
		   nec_error *err)
{
	return nec_error_set(err, NEC_E_SOURCE, -ENOENT,
			     "the image's USER names the %s %.*s, which %s of the image does not "
			     "have",
			     what, (int)(size < 256 ? size : 256), name, file);
}

int nec_source_resolve_user(struct nec_tree *tree, struct nec_tree_entry *base, const char *user,
			    struct nec_source_user *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer passwd = { 0 };
	cleanup_buffer struct nec_buffer group = { 0 };
	const char *name = user && *user ? user : "0";
	size_t size = strcspn(name, ":");
	const char *wanted_group = name[size] ? name + size + 1 : "";
	struct nec_source_user found = { 0 };
	struct field passwd_name = { .text = "" };
	int r = read_database(tree, base, "/etc/passwd", &passwd, err);

	if (r == 0)
		r = read_database(tree, base, "/etc/group", &group, err);
	if (r < 0)
		return r;
	if (size == 0) /* ":group" */
		size = strlen(name = "0");
	if (!find_passwd(nec_buffer_text(&passwd), name, size, &found, &passwd_name) &&
	    !parse_id(name, size, &found.uid))
		return no_such("user", name, size, "/etc/passwd", err);
	if (*wanted_group &&
	    !find_group(nec_buffer_text(&group), wanted_group, strlen(wanted_group), &found.gid))
		return no_such("group", wanted_group, strlen(wanted_group), "/etc/group", err);
	if (!*wanted_group && passwd_name.size > 0)
		r = add_groups(&found, nec_buffer_text(&group), &passwd_name, err);
	if (!found.home[0])
		memcpy(found.home, "/", 2);
	if (r == 0)
		*ret = found;
	return r;
}
