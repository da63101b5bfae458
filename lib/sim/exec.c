/* SPDX-License-Identifier: Apache-2.0 */
/* Which program, whether the dynamic linker will preload into it, and with what environment. */
#include "sim/exec.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/process.h"

/* What a program may have of these; real ones have about a dozen. */
enum { PROGRAM_HEADERS_MAX = 256, LINE_BYTES = 256, INTERPRETERS_MAX = 4 };

#if defined(__x86_64__)
static const uint16_t machine = EM_X86_64;
#elif defined(__aarch64__)
static const uint16_t machine = EM_AARCH64;
#endif

static int refuse(const char *path, const char *why, const char *hint, nec_error *err)
{
	(void)nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP, "%s %s", path, why);
	nec_error_set_hint(err, "%s", hint);
	return -ENOTSUP;
}

/* ---- the file ---- */

static bool read_at(int fd, void *to, size_t size, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

static bool has_interpreter(int fd, const Elf64_Ehdr *header)
{
	for (unsigned int i = 0; i < header->e_phnum && i < PROGRAM_HEADERS_MAX; i++) {
		Elf64_Phdr program;

		if (!read_at(fd, &program, sizeof(program),
			     header->e_phoff + (uint64_t)i * header->e_phentsize))
			return false;
		if (program.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static int check_elf(int fd, const char *path, nec_error *err)
{
	Elf64_Ehdr header;

	if (!read_at(fd, &header, sizeof(header), 0) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_machine != machine)
		return refuse(path, "is a program for another kind of machine",
			      "Use one for the architecture that nec itself was built for.", err);
	if (!has_interpreter(fd, &header))
		return refuse(path, "is linked statically: nothing can be preloaded into it",
			      "Link it dynamically; or reach the enclave by `nec connect` and "
			      "`nec forward`, which need no AF_VSOCK.",
			      err);
	return 0;
}

/* The kernel would switch ids, and the dynamic linker then preloads nothing. */
static int check_rights(int fd, const char *path, nec_error *err)
{
	static const char hint[] = "Run a copy of it without these rights.";
	struct stat st;

	if (fstat(fd, &st) < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot look at %s",
					    path);
	if ((st.st_mode & S_ISUID) && st.st_uid != geteuid())
		return refuse(path, "runs as another user (setuid): nothing is preloaded into it",
			      hint, err);
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getegid())
		return refuse(path, "runs as another group (setgid): nothing is preloaded into it",
			      hint, err);
	if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return refuse(path, "has capabilities: nothing is preloaded into it", hint, err);
	return 0;
}

/* The first word behind "#!", in place. */
static char *interpreter_of(char *line)
{
	char *word = line + 2 + strspn(line + 2, " \t");

	word[strcspn(word, " \t\n")] = '\0';
	return word;
}

static int check_file(const char *path, unsigned int depth, nec_error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char line[LINE_BYTES] = { 0 };
	int r;

	/* Who may execute a program without reading it cannot be told more. */
	if (fd < 0 && errno == EACCES && access(path, X_OK) == 0)
		return 0;
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", path);
	r = check_rights(fd, path, err);
	if (r < 0 || pread(fd, line, sizeof(line) - 1, 0) < 4)
		return r;
	if (memcmp(line, ELFMAG, SELFMAG) == 0)
		return check_elf(fd, path, err);
	if (memcmp(line, "#!", 2) == 0 && depth < INTERPRETERS_MAX)
		return check_file(interpreter_of(line), depth + 1, err);
	return 0;
}

int nec_sim_exec_check(const char *path, nec_error *err)
{
	return check_file(path, 0, err);
}

/* ---- which one ---- */

static int missing(const char *name, int r, nec_error *err)
{
	if (r == -ENOENT || r == -ENOTDIR)
		return nec_error_set(err, NEC_E_TOOL_MISSING, -ENOENT, "there is no program \"%s\"",
				     name);
	return nec_error_set_system(err, NEC_E_TOOL_FAILED, r, "cannot run %s", name);
}

static int find(const char *name, char path[PATH_MAX], nec_error *err)
{
	int r = nec_program_find(name, path);

	return r < 0 ? missing(name, r, err) : 0;
}

/* ---- the object and the environment ---- */

/* Beside the running program, in the build tree as when it is installed. */
static int find_object(char path[PATH_MAX], nec_error *err)
{
	char program[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	program[size > 0 ? size : 0] = '\0';
	slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	if (snprintf(path, PATH_MAX, "%s/../libexec/nec/nec-sim-vsock.so", program) >= PATH_MAX ||
	    access(path, R_OK) < 0)
		(void)snprintf(path, PATH_MAX, "/usr/libexec/nec/nec-sim-vsock.so");
	if (access(path, R_OK) < 0)
		return nec_error_set_system(err, NEC_E_DATA_MISSING, -errno, "cannot read %s",
					    path);
	/* The dynamic linker takes both for the end of a name. */
	if (strpbrk(path, " :"))
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP,
				     "%s cannot be preloaded: its path has a space or a colon",
				     path);
	return 0;
}

/* What was to be preloaded before stays; ours comes first. */
static int set_environment(const char *object, const char *dir, nec_error *err)
{
	const char *old = getenv("LD_PRELOAD");
	char list[2 * PATH_MAX];

	if ((size_t)snprintf(list, sizeof(list), "%s%s%s", object, old && *old ? ":" : "",
			     old ? old : "") >= sizeof(list))
		return nec_error_set(err, NEC_E_UNSUPPORTED, -ENOTSUP, "LD_PRELOAD is too long");
	if (setenv("LD_PRELOAD", list, 1) < 0 || setenv("NEC_SIM_SOCKETS", dir, 1) < 0)
		return nec_error_no_memory(err);
	return 0;
}

int nec_sim_exec(const char *dir, char *const argv[], nec_error *err)
{
	char path[PATH_MAX];
	char object[PATH_MAX];
	int r = find(argv[0], path, err);

	if (r == 0)
		r = nec_sim_exec_check(path, err);
	if (r == 0)
		r = find_object(object, err);
	if (r == 0)
		r = set_environment(object, dir, err);
	if (r < 0)
		return r;
	(void)execv(path, argv);
	return nec_error_set_system(err, NEC_E_TOOL_FAILED, -errno, "cannot run %s", path);
}
