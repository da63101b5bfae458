/* SPDX-License-Identifier: Apache-2.0 */
/* Images by name or from a Dockerfile, through the programs that are there for it. */
#include "image/fetch.h"

#include <ctype.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/process.h"

/* Registries allow 255 bytes of name and 128 of tag; a digest has 71. */
enum { MAX_URI_BYTES = 512 };

enum { REMOVE_FDS = 16 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *position)
{
	(void)st;
	(void)type;
	(void)position;
	(void)remove(path);
	return 0;
}

void nec_fetch_clear(struct nec_fetch *fetch)
{
	if (fetch->folder)
		(void)nftw(fetch->folder, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS);
	free(fetch->folder);
	free(fetch->archive);
	*fetch = (struct nec_fetch)NEC_FETCH_INIT;
}

/* Images are large: /var/tmp before /tmp, which is often in memory. */
static int make_folder(struct nec_fetch *fetch, nec_error *err)
{
	const char *parents[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
		cleanup_free char *folder = NULL;

		if (!parents[i] || !*parents[i])
			continue;
		if (asprintf(&folder, "%s/nec-image-XXXXXX", parents[i]) < 0) {
			folder = NULL;
			return nec_error_no_memory(err);
		}
		if (!mkdtemp(folder)) {
			r = -errno;
			continue;
		}
		fetch->folder = TAKE_PTR(folder);
		if (asprintf(&fetch->archive, "%s/image", fetch->folder) < 0) {
			fetch->archive = NULL;
			return nec_error_no_memory(err);
		}
		return 0;
	}
	return nec_error_set_system(err, NEC_E_FILE_WRITE, r,
				    "cannot make a folder in $TMPDIR, /var/tmp or /tmp");
}

/*
 * Letters, digits and a few signs, the first no sign: so a name is never taken for an option, and
 * none of the transports' own syntax gets into it.
 */
static int check_uri(const char *uri, nec_error *err)
{
	size_t size = strlen(uri);

	if (size > 0 && size <= MAX_URI_BYTES && isalnum((unsigned char)uri[0]) &&
	    uri[strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "._-/:@+")] == '\0' &&
	    !strstr(uri, "//"))
		return 0;
	nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL, "\"%.80s\" is no name of an image",
		      uri);
	nec_error_set_hint(err, "Images are named as for `docker pull`, for example "
				"example.org/name:tag or name@sha256:...");
	return -EINVAL;
}

/*
 * The name in full: with ":latest" when it has neither tag nor digest, as docker reads it. With a
 * digest the tag means nothing, and skopeo refuses both together.
 */
static char *full_name(const char *uri)
{
	const char *digest = strchr(uri, '@');
	const char *slash = strrchr(uri, '/');
	const char *last = slash ? slash + 1 : uri;
	const char *tag = strchr(last, ':');
	char *name;
	int r;

	if (digest)
		r = asprintf(&name, "%.*s%s", (int)((tag && tag < digest ? tag : digest) - uri),
			     uri, digest);
	else
		r = asprintf(&name, "%s%s", uri, tag ? "" : ":latest");
	return r < 0 ? NULL : name;
}

static int run(const nec_context *context, bool quiet, const char *const *argv, nec_error *err)
{
	const struct nec_process process = { .argv = argv, .quiet = quiet };
	int r;

	nec_log(context, "running %s %s", argv[0], argv[1]);
	r = nec_process_run(context, &process, err);
	if (r == -EIO)
		nec_error_set_hint(err, "What it said stands above.");
	return r;
}

#define RUN(context, quiet, err, ...) \
	run(context, quiet, (const char *const[]){ __VA_ARGS__, NULL }, err)

/* True for failures that another way to the image may still cure. */
static bool may_go_on(int r)
{
	return r == -EIO || r == -ENOENT;
}

static bool daemon_may_be_there(void)
{
	const char *host = getenv("DOCKER_HOST");

	return (host && *host) || access("/var/run/docker.sock", F_OK) == 0;
}

/* Into a folder "dir:", which keeps manifest and configuration as they are, with their digests. */
static int copy_by_skopeo(const nec_context *context, const char *transport, const char *name,
			  const char *architecture, bool quiet, const struct nec_fetch *fetch,
			  nec_error *err)
{
	cleanup_free char *from = NULL;
	cleanup_free char *to = NULL;

	if (asprintf(&from, "%s%s", transport, name) < 0)
		from = NULL;
	if (asprintf(&to, "dir:%s", fetch->archive) < 0)
		to = NULL;
	if (!from || !to)
		return nec_error_no_memory(err);
	return RUN(context, quiet, err, "skopeo", "--override-os", "linux", "--override-arch",
		   architecture, "copy", from, to);
}

static int fetch_by_skopeo(const nec_context *context, const char *name, const char *architecture,
			   struct nec_fetch *fetch, nec_error *err)
{
	int r = -EIO;

	/* A daemon knows images by their tags. */
	if (!strchr(name, '@') && daemon_may_be_there())
		r = copy_by_skopeo(context, "docker-daemon:", name, architecture, true, fetch, err);
	fetch->from_local = r == 0;
	if (!may_go_on(r))
		return r;
	return copy_by_skopeo(context, "docker://", name, architecture, false, fetch, err);
}

/* docker, and podman, which has the same commands. */
static int fetch_by_engine(const nec_context *context, const char *engine, const char *name,
			   const char *architecture, struct nec_fetch *fetch, nec_error *err)
{
	char platform[64];
	int r = RUN(context, true, err, engine, "image", "inspect", name);

	(void)snprintf(platform, sizeof(platform), "linux/%s", architecture);
	fetch->from_local = r == 0;
	if (r == -EIO)
		r = RUN(context, false, err, engine, "pull", "--platform", platform, name);
	return r < 0 ? r
		     : RUN(context, false, err, engine, "save", "--output", fetch->archive, name);
}

static int no_tool(const char *what, const char *hint, nec_error *err)
{
	nec_error_set(err, NEC_E_TOOL_MISSING, -ENOENT, "no program is installed that can %s",
		      what);
	nec_error_set_hint(err, "%s", hint);
	return -ENOENT;
}

static bool is_missing(int r, const nec_error *err)
{
	return r == -ENOENT && err->code == NEC_E_TOOL_MISSING;
}

static int fetch_by_any(const nec_context *context, const char *name, const char *architecture,
			struct nec_fetch *fetch, nec_error *err)
{
	static const char *const engines[] = { "docker", "podman" };
	int r = fetch_by_skopeo(context, name, architecture, fetch, err);

	for (size_t i = 0; i < ARRAY_SIZE(engines) && is_missing(r, err); i++)
		r = fetch_by_engine(context, engines[i], name, architecture, fetch, err);
	if (is_missing(r, err))
		r = no_tool("fetch an image",
			    "Install skopeo (on Debian with `apt-get install skopeo`), docker or "
			    "podman; or give the image as an archive of `docker save`.",
			    err);
	return r;
}

static int build_by_buildah(const nec_context *context, const char *const *build, const char *name,
			    const struct nec_fetch *fetch, nec_error *err)
{
	cleanup_free char *to = NULL;
	int r = run(context, false, build, err);

	if (r < 0)
		return r;
	if (asprintf(&to, "oci-archive:%s", fetch->archive) < 0) {
		to = NULL;
		return nec_error_no_memory(err);
	}
	return RUN(context, false, err, "buildah", "push", name, to);
}

/* The three agree about the options of "build". podman saves as it stores, as OCI, when asked. */
static int build_by(const nec_context *context, const char *tool, const char *folder,
		    const char *dockerfile, const char *name, const char *architecture,
		    const struct nec_fetch *fetch, nec_error *err)
{
	char platform[64];
	const char *const build[] = { tool, "build",  "--platform", platform, "--tag",
				      name, "--file", dockerfile,   folder,   NULL };
	int r;

	(void)snprintf(platform, sizeof(platform), "linux/%s", architecture);
	if (strcmp(tool, "buildah") == 0)
		return build_by_buildah(context, build, name, fetch, err);
	r = run(context, false, build, err);
	if (r < 0)
		return r;
	if (strcmp(tool, "podman") == 0)
		return RUN(context, false, err, tool, "save", "--format", "oci-archive", "--output",
			   fetch->archive, name);
	return RUN(context, false, err, tool, "save", "--output", fetch->archive, name);
}

static int build_by_any(const nec_context *context, const char *folder, const char *name,
			const char *architecture, const struct nec_fetch *fetch, nec_error *err)
{
	static const char *const tools[] = { "buildah", "podman", "docker" };
	cleanup_free char *dockerfile = NULL;
	/* Absolute: neither an option nor "-", which would be stdin. */
	cleanup_free char *path = realpath(folder, NULL);

	if (!path)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", folder);
	if (asprintf(&dockerfile, "%s/Dockerfile", path) < 0) {
		dockerfile = NULL;
		return nec_error_no_memory(err);
	}
	if (access(dockerfile, R_OK) < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s",
					    dockerfile);
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		int r = build_by(context, tools[i], path, dockerfile, name, architecture, fetch,
				 err);

		if (!is_missing(r, err))
			return r;
	}
	return no_tool("build an image from a Dockerfile",
		       "Install buildah (on Debian with `apt-get install buildah`), podman or "
		       "docker; or build the image elsewhere and give it as an archive.",
		       err);
}

static int fetch_or_build(const nec_context *context, const char *folder, const char *uri,
			  const char *architecture, struct nec_fetch *fetch, nec_error *err)
{
	cleanup_free char *name = NULL;
	int r = check_uri(uri, err);

	if (r == 0)
		r = make_folder(fetch, err);
	if (r < 0)
		return r;
	name = full_name(uri);
	if (!name)
		return nec_error_no_memory(err);
	if (folder)
		return build_by_any(context, folder, name, architecture, fetch, err);
	return fetch_by_any(context, name, architecture, fetch, err);
}

/* Leaves nothing after a failure, and nothing in @err when a later way has worked. */
static int start(const nec_context *context, const char *folder, const char *uri,
		 const char *architecture, struct nec_fetch *ret, nec_error *err)
{
	struct nec_fetch fetch = NEC_FETCH_INIT;
	nec_error own = NEC_ERROR_INIT;
	int r = fetch_or_build(context, folder, uri, architecture, &fetch, &own);

	if (r < 0) {
		nec_fetch_clear(&fetch);
		if (err)
			*err = own;
		return r;
	}
	*ret = fetch;
	return 0;
}

int nec_fetch_image(const nec_context *context, const char *uri, const char *architecture,
		    struct nec_fetch *ret, nec_error *err)
{
	return start(context, NULL, uri, architecture, ret, err);
}

int nec_fetch_build(const nec_context *context, const char *folder, const char *uri,
		    const char *architecture, struct nec_fetch *ret, nec_error *err)
{
	return start(context, folder, uri, architecture, ret, err);
}
