/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching and building with programs that are small scripts: each writes down how it was called
 * and leaves something behind as the real one would. And the real skopeo on local images.
 */
#include "image/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/files.h"
#include "base/process.h"
#include "image/source.h"
#include "sample-image.h"
#include "test.h"

static char *old_path;
static volatile int cancelled;

/* A folder for programs and one for temporary files; the PATH has the first and the shell's. */
static int make_folders(void **state)
{
	char path[256];

	if (sample_make_folder(state) < 0)
		return -1;
	sample_mkdir("bin");
	sample_mkdir("tmp");
	old_path = strdup(getenv("PATH"));
	(void)snprintf(path, sizeof(path), "%s", sample_path("bin"));
	(void)setenv("PATH", path, 1);
	(void)setenv("TMPDIR", sample_path("tmp"), 1);
	(void)setenv("LOG", sample_path("log"), 1);
	(void)unsetenv("DOCKER_HOST");
	cancelled = 0;
	return 0;
}

static int remove_folders(void **state)
{
	(void)setenv("PATH", old_path, 1);
	(void)unsetenv("TMPDIR");
	(void)unsetenv("DOCKER_HOST");
	free(old_path);
	return sample_remove_folder(state);
}

/* A program that notes its arguments and then runs @script. */
static void install(const char *name, const char *script)
{
	char path[64];
	char text[1024];

	(void)snprintf(path, sizeof(path), "bin/%s", name);
	(void)snprintf(text, sizeof(text), "#!/bin/sh\necho \"%s $*\" >> \"$LOG\"\n%s\n", name,
		       script);
	sample_write_text(path, text);
	assert_int_equal(chmod(sample_path(path), 0755), 0);
}

/* The log, with the name of the temporary folder left out. */
static void assert_log(const char *expected)
{
	cleanup_buffer struct nec_buffer log = { 0 };
	cleanup_buffer struct nec_buffer shown = { 0 };
	const char *tmp = sample_path("tmp/nec-image-");
	const char *text;

	(void)nec_file_read_all(sample_path("log"), 1 << 16, &log, NULL);
	for (text = nec_buffer_text(&log); *text; text++) {
		if (strncmp(text, tmp, strlen(tmp)) == 0) {
			nec_buffer_append_text(&shown, "TMP");
			text += strlen(tmp) + strlen("XXXXXX") - 1;
		} else if (strncmp(text, sample_folder, strlen(sample_folder)) == 0) {
			nec_buffer_append_text(&shown, "HERE");
			text += strlen(sample_folder) - 1;
		} else {
			nec_buffer_append_u8(&shown, (uint8_t)*text);
		}
	}
	assert_string_equal(nec_buffer_text(&shown), expected);
	(void)unlink(sample_path("log"));
}

static size_t temporary_folders(void)
{
	cleanup_closedir DIR *dir = opendir(sample_path("tmp"));
	size_t count = 0;

	while (readdir(dir))
		count++;
	return count - 2;
}

static void fetch_and_clear(const char *uri, bool from_local)
{
	cleanup_fetch struct nec_fetch fetch = NEC_FETCH_INIT;
	nec_error err = NEC_ERROR_INIT;

	if (nec_fetch_image(NULL, uri, "arm64", &fetch, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(err.code, NEC_E_NONE);
	assert_int_equal(fetch.from_local, from_local);
	assert_int_equal(temporary_folders(), 1);
	nec_fetch_clear(&fetch);
	assert_int_equal(temporary_folders(), 0);
}

static void assert_fails(const char *uri, int result, enum nec_error_code code)
{
	struct nec_fetch fetch = NEC_FETCH_INIT;
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(nec_fetch_image(NULL, uri, "amd64", &fetch, &err), result);
	assert_int_equal(err.code, code);
	assert_true(err.hint[0] != '\0');
	assert_null(fetch.folder);
	assert_int_equal(temporary_folders(), 0);
}

static void skopeo__copies_from_the_registry(void **state)
{
	(void)state;
	install("skopeo", "/bin/mkdir \"${7#dir:}\"; echo x > \"${7#dir:}/blob\"");
	fetch_and_clear("example.org:5000/app", false);
	assert_log("skopeo --override-os linux --override-arch arm64 copy "
		   "docker://example.org:5000/app:latest dir:TMP/image\n");
	fetch_and_clear("app:v1", false);
	assert_log("skopeo --override-os linux --override-arch arm64 copy docker://app:v1 "
		   "dir:TMP/image\n");
	/* Tag and digest together are refused by skopeo. */
	fetch_and_clear("a/app:v1@sha256:00", false);
	assert_log("skopeo --override-os linux --override-arch arm64 copy docker://a/app@sha256:00 "
		   "dir:TMP/image\n");
}

static void skopeo__asks_a_local_daemon_first(void **state)
{
	(void)state;
	(void)setenv("DOCKER_HOST", "unix:///nowhere", 1);
	install("skopeo", "exit 0");
	fetch_and_clear("app", true);
	assert_log("skopeo --override-os linux --override-arch arm64 copy docker-daemon:app:latest "
		   "dir:TMP/image\n");
	install("skopeo", "case \"$*\" in *docker-daemon*) exit 1;; esac");
	fetch_and_clear("app", false);
	assert_log("skopeo --override-os linux --override-arch arm64 copy docker-daemon:app:latest "
		   "dir:TMP/image\n"
		   "skopeo --override-os linux --override-arch arm64 copy docker://app:latest "
		   "dir:TMP/image\n");
}

static void docker__is_used_when_it_is_alone(void **state)
{
	(void)state;
	install("docker", "exit 0");
	fetch_and_clear("app", true);
	assert_log("docker image inspect app:latest\n"
		   "docker save --output TMP/image app:latest\n");
	install("docker", "[ $1 != image ]");
	fetch_and_clear("app", false);
	assert_log("docker image inspect app:latest\n"
		   "docker pull --platform linux/arm64 app:latest\n"
		   "docker save --output TMP/image app:latest\n");
}

static void podman__is_used_when_it_is_alone(void **state)
{
	(void)state;
	install("podman", "exit 0");
	fetch_and_clear("app:1", true);
	assert_log("podman image inspect app:1\n"
		   "podman save --output TMP/image app:1\n");
}

static void fetch__tells_what_to_install(void **state)
{
	(void)state;
	assert_fails("app", -ENOENT, NEC_E_TOOL_MISSING);
}

static void fetch__tells_how_the_program_failed(void **state)
{
	struct nec_fetch fetch = NEC_FETCH_INIT;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	install("skopeo", "/bin/mkdir \"${7#dir:}\"; echo > \"${7#dir:}/partly\"; exit 3");
	assert_fails("app", -EIO, NEC_E_TOOL_FAILED);
	assert_int_equal(nec_fetch_image(NULL, "app", "amd64", &fetch, &err), -EIO);
	assert_string_equal(err.message, "skopeo failed with exit status 3");
	/* What failed is not tried again by another program. */
	install("docker", "exit 0");
	assert_fails("app", -EIO, NEC_E_TOOL_FAILED);
}

static void fetch__lets_only_the_last_way_speak(void **state)
{
	cleanup_buffer struct nec_buffer seen = { 0 };
	cleanup_close int file = open(sample_path("stderr"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cleanup_close int old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	(void)state;
	(void)setenv("DOCKER_HOST", "unix:///nowhere", 1);
	install("skopeo", "echo \"error with $6\" >&2; echo output; "
			  "case \"$*\" in *docker-daemon*) exit 1;; esac");
	assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
	fetch_and_clear("app", false);
	assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(nec_file_read_all(sample_path("stderr"), 1000, &seen, NULL), 0);
	assert_string_equal(nec_buffer_text(&seen), "error with docker://app:latest\noutput\n");
}

static void fetch__refuses_names_that_are_none(void **state)
{
	static const char *const names[] = { "",       "-option",    "a b",  "a;b",
					     "a//b",   "docker://a", "a\nb", "$(id)",
					     "/etc/x", "a'b",        ".." };

	(void)state;
	install("skopeo", "exit 0");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_fails(names[i], -EINVAL, NEC_E_INVALID_ARGUMENT);
	assert_log("");
}

static void raise_cancel(int number)
{
	(void)number;
	cancelled = 1;
}

static void fetch__can_be_interrupted(void **state)
{
	const struct itimerval soon = { .it_value = { .tv_usec = 50000 } };
	struct sigaction action = { .sa_handler = raise_cancel };
	struct nec_fetch fetch = NEC_FETCH_INIT;
	nec_error err = NEC_ERROR_INIT;
	struct sigaction old;
	nec_context *context;

	(void)state;
	install("skopeo", "/bin/mkdir \"${7#dir:}\"; exec /bin/sleep 1000");
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancelled);
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(nec_fetch_image(context, "app", "amd64", &fetch, &err), -ECANCELED);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	nec_context_free(context);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	assert_int_equal(temporary_folders(), 0);
}

static int build(nec_error *err)
{
	cleanup_fetch struct nec_fetch fetch = NEC_FETCH_INIT;
	int r = nec_fetch_build(NULL, sample_path("src"), "app:1", "amd64", &fetch, err);

	nec_fetch_clear(&fetch);
	assert_int_equal(temporary_folders(), 0);
	return r;
}

static void build__uses_the_first_program_there_is(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	sample_mkdir("src");
	assert_int_equal(build(&err), -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
	sample_write_text("src/Dockerfile", "FROM scratch\n");
	assert_int_equal(build(&err), -ENOENT);
	assert_int_equal(err.code, NEC_E_TOOL_MISSING);
	assert_non_null(strstr(err.hint, "buildah"));

	install("docker", "exit 0");
	assert_int_equal(build(&err), 0);
	assert_log("docker build --platform linux/amd64 --tag app:1 --file HERE/src/Dockerfile "
		   "HERE/src\ndocker save --output TMP/image app:1\n");
	install("podman", "exit 0");
	assert_int_equal(build(&err), 0);
	assert_log("podman build --platform linux/amd64 --tag app:1 --file HERE/src/Dockerfile "
		   "HERE/src\npodman save --format oci-archive --output TMP/image app:1\n");
	install("buildah", "exit 0");
	assert_int_equal(build(&err), 0);
	assert_log("buildah build --platform linux/amd64 --tag app:1 --file HERE/src/Dockerfile "
		   "HERE/src\nbuildah push app:1 oci-archive:TMP/image\n");
	install("buildah", "exit 4");
	assert_int_equal(build(&err), -EIO);
	assert_int_equal(err.code, NEC_E_TOOL_FAILED);
}

/* The real program, from the PATH that there was. */
static void run_skopeo(const char *from, const char *to)
{
	const char *const argv[] = { "skopeo", "--insecure-policy", "copy", from, to, NULL };
	const struct nec_process process = { .argv = argv };
	nec_error err = NEC_ERROR_INIT;

	(void)setenv("PATH", old_path, 1);
	if (nec_process_run(NULL, &process, &err) < 0)
		fail_msg("%s (these tests need the package skopeo)", err.message);
}

static void assert_loads(const char *name, enum nec_source_kind kind,
			 struct nec_source_config *config)
{
	const struct nec_source_options options = { .architecture = "amd64" };
	cleanup_buffer struct nec_buffer data = { 0 };
	cleanup_tree struct nec_tree *tree = NULL;
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(nec_tree_new(&tree, NULL), 0);
	if (nec_source_load(NULL, sample_path(name), &options, tree, nec_tree_root(tree), config,
			    &err) < 0)
		fail_msg("%s: %s", name, err.message);
	assert_int_equal(config->kind, kind);
	assert_string_equal(config->entrypoint[0], "/app");
	assert_int_equal(nec_tree_read(tree, nec_tree_lookup(tree, nec_tree_root(tree), "app"), 100,
				       &data, NULL),
			 0);
	assert_string_equal(nec_buffer_text(&data), "program");
}

static void skopeo__s_own_output_is_read(void **state)
{
	static const struct {
		const char *transport;
		const char *name;
		const char *tag;
		enum nec_source_kind kind;
		bool same_bytes; /* the configuration is not rewritten */
	} formats[] = {
		{ "dir:", "dir", "", NEC_SOURCE_DIRECTORY, true },
		{ "oci:", "oci", ":v1", NEC_SOURCE_OCI_LAYOUT, true },
		{ "oci-archive:", "oci.tar", ":v1", NEC_SOURCE_OCI_ARCHIVE, true },
		{ "docker-archive:", "docker.tar", ":app:v1", NEC_SOURCE_DOCKER_ARCHIVE, false },
	};
	const struct sample_sink sink = { .folder = "layout" };
	struct sample_image image = { .architecture = "amd64",
				      .config = "{\"Entrypoint\":[\"/app\"]}",
				      .compression = NEC_COMPRESSION_GZIP };
	struct sample_descriptor manifest;
	struct nec_source_config first = { 0 };
	char from[256];

	(void)state;
	sample_image_add_file(&image, "app", "program");
	sample_image_add_file(&image, "other", "file");
	sample_put_image(&sink, &image,
			 ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}",
			 &manifest);
	sample_put_layout(&sink, &manifest, 1);
	sample_image_free(&image);
	assert_loads("layout", NEC_SOURCE_OCI_LAYOUT, &first);
	(void)snprintf(from, sizeof(from), "oci:%s:v1", sample_path("layout"));
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct nec_source_config config = { 0 };
		char to[256];

		(void)snprintf(to, sizeof(to), "%s%s%s", formats[i].transport,
			       sample_path(formats[i].name), formats[i].tag);
		run_skopeo(from, to);
		assert_loads(formats[i].name, formats[i].kind, &config);
		if (formats[i].same_bytes)
			assert_string_equal(config.image_id, first.image_id);
		if (formats[i].kind == NEC_SOURCE_DIRECTORY)
			assert_string_equal(config.manifest_digest, first.manifest_digest);
		nec_source_config_clear(&config);
	}
	nec_source_config_clear(&first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folders, remove_folders)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(skopeo__copies_from_the_registry),
		TEST(skopeo__asks_a_local_daemon_first),
		TEST(docker__is_used_when_it_is_alone),
		TEST(podman__is_used_when_it_is_alone),
		TEST(fetch__tells_what_to_install),
		TEST(fetch__tells_how_the_program_failed),
		TEST(fetch__lets_only_the_last_way_speak),
		TEST(fetch__refuses_names_that_are_none),
		TEST(fetch__can_be_interrupted),
		TEST(build__uses_the_first_program_there_is),
		TEST(skopeo__s_own_output_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
