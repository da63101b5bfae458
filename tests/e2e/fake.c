/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake machine for shell tests. $NEC_FAKE is its folder.
 *
 *   fake new [cores=N] [threads=N] [nodes=N] [pool=LIST] [offline=LIST] [pages=N] [no-driver]
 *            [no-device]       makes one and prints its folder; pages are of 2 MiB, on each node
 *   fake remove
 *   fake refuse CALL N HOW     the Nth CALL from now on (a name of fake_call_name(), or "any"):
 *                              HOW is a number of the driver or errno, "kill" (who makes it),
 *                              "kill-launcher" or "stop-launcher"
 *   fake refused               the name of the last call refused by "any"
 *   fake calls CALL            how many there were
 *   fake memory NODE MIB       free memory of a node that is no huge pages, all in big pieces
 *   fake pool                  the driver's pool, as it reads
 *   fake clean                 fails, and says what, when anything is in use
 *   fake state                 JSON: enclaves, free_cores, free_pages, mapped_bytes
 *   fake tell CID LINE         to the enclave: see guest.c
 *   fake guest CID             plays the enclave; for fake-machine.c
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "guest.h"

/* One "name=value" of `new`; false when it is another one. */
static bool take_number(const char *word, const char *name, uint32_t *ret)
{
	size_t length = strlen(name);

	if (strncmp(word, name, length) != 0 || word[length] != '=')
		return false;
	*ret = (uint32_t)strtoul(word + length + 1, NULL, 10);
	return true;
}

static bool take_word(const char *word, struct fake_machine *machine, uint32_t *pages)
{
	if (take_number(word, "cores", &machine->cores) ||
	    take_number(word, "threads", &machine->threads) ||
	    take_number(word, "nodes", &machine->nodes) || take_number(word, "pages", pages))
		return true;
	if (strncmp(word, "pool=", 5) == 0)
		machine->pool = word + 5;
	else if (strncmp(word, "offline=", 8) == 0)
		machine->offline = word + 8;
	else if (strcmp(word, "no-driver") == 0)
		machine->no_driver = true;
	else if (strcmp(word, "no-device") == 0)
		machine->no_device = true;
	else
		return false;
	return true;
}

static int make(char **words)
{
	struct fake_machine machine = { .cores = 5, .threads = 2, .pool = "1-4,6-9", .nodes = 1 };
	uint32_t pages = 200;
	struct fake_device *fake;

	for (; *words; words++)
		if (!take_word(*words, &machine, &pages)) {
			(void)fprintf(stderr, "fake new: what is %s?\n", *words);
			return 2;
		}
	if (machine.no_driver || (machine.pool && !*machine.pool))
		machine.pool = NULL;
	for (uint32_t node = 0; node < machine.nodes; node++)
		machine.huge[node] = (struct fake_hugepages){ node, FAKE_2M, pages };
	fake = fake_device_new(&machine);
	fake_device_write(fake, "/run/utmp", ""); /* every machine has the folder */
	(void)printf("%s\n", fake_device_root(fake));
	fake_device_detach(fake);
	return 0;
}

static enum fake_call call_of(const char *name)
{
	enum fake_call call = 0;

	while (call < FAKE_CALLS && strcmp(fake_call_name(call), name) != 0)
		call++;
	return call;
}

static int refuse(struct fake_device *fake, char **words)
{
	static const struct {
		const char *name;
		int number;
	} ways[] = {
		{ "kill", FAKE_KILL },
		{ "kill-launcher", FAKE_KILL_LAUNCHER },
		{ "stop-launcher", FAKE_STOP_LAUNCHER },
	};
	int number = (int)strtol(words[2], NULL, 10);

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (strcmp(words[2], ways[i].name) == 0)
			number = ways[i].number;
	fake_device_refuse(fake, call_of(words[0]), (unsigned int)strtoul(words[1], NULL, 10),
			   number);
	return 0;
}

static int print_refused(struct fake_device *fake, char **words)
{
	(void)words;
	(void)printf("%s\n", fake_call_name(fake_device_refused(fake)));
	return 0;
}

static int print_calls(struct fake_device *fake, char **words)
{
	(void)printf("%u\n", fake_device_calls(fake, call_of(words[0])));
	return 0;
}

static int set_memory(struct fake_device *fake, char **words)
{
	uint32_t mib = (uint32_t)strtoul(words[1], NULL, 10);
	const struct fake_memory memory = { .free_mib = mib, .contiguous_mib = mib };

	fake_device_set_memory(fake, (uint32_t)strtoul(words[0], NULL, 10), &memory);
	return 0;
}

static int print_pool(struct fake_device *fake, char **words)
{
	char path[PATH_MAX];
	char text[512] = "";
	FILE *file;

	(void)words;
	(void)snprintf(path, sizeof(path), "%s/sys/module/nitro_enclaves/parameters/ne_cpus",
		       fake_device_root(fake));
	file = fopen(path, "re");
	if (file) {
		(void)!fgets(text, sizeof(text), file);
		(void)fclose(file);
	}
	(void)printf("%s\n", strtok(text, "\n") ? text : "");
	return 0;
}

static int check_clean(struct fake_device *fake, char **words)
{
	const char *leftover = fake_device_leftover(fake);

	(void)words;
	if (leftover)
		(void)printf("%s\n", leftover);
	return leftover ? 1 : 0;
}

static int print_state(struct fake_device *fake, char **words)
{
	(void)words;
	(void)printf("{\"enclaves\":%u,\"free_cores\":%u,\"free_pages\":%" PRIu32
		     ",\"mapped_bytes\":%" PRIu64 "}\n",
		     fake_device_slots(fake), fake_device_free_cores(fake),
		     fake_device_free_pages(fake, 0, FAKE_2M), fake_device_mapped_bytes(fake));
	return 0;
}

static int tell(struct fake_device *fake, char **words)
{
	return guest_tell(fake, (uint32_t)strtoul(words[0], NULL, 10), words[1]) < 0 ? 1 : 0;
}

/* Nothing of whoever started the enclave stays open in it. */
static int be_guest(struct fake_device *fake, char **words)
{
	return guest_start(fake, (uint32_t)strtoul(words[0], NULL, 10)) < 0 ? 1 : 0;
}

static const struct {
	const char *name;
	int words;
	int (*run)(struct fake_device *fake, char **words);
} commands[] = {
	{ "refuse", 3, refuse },     { "refused", 0, print_refused }, { "calls", 1, print_calls },
	{ "clean", 0, check_clean }, { "state", 0, print_state },     { "tell", 2, tell },
	{ "guest", 1, be_guest },    { "memory", 2, set_memory },     { "pool", 0, print_pool },
};

/* The command's status; 2 when there is no such command. */
static int run(struct fake_device *fake, const char *name, char **words, int count)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(name, commands[i].name) == 0 && count == commands[i].words)
			return commands[i].run(fake, words);
	(void)fprintf(stderr, "usage: see the head of tests/e2e/fake.c\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	struct fake_device *fake;
	int status;
	const char *root = getenv("NEC_FAKE");

	if (strcmp(name, "new") == 0)
		return make(argv + 2);
	/* Before anything is opened: all that a guest inherits are its two listeners. */
	if (strcmp(name, "guest") == 0)
		(void)syscall(SYS_close_range, GUEST_CONTROL_FD + 1, ~0U, 0);
	if (!root || argc < 2)
		return run(NULL, "", NULL, 0);
	fake = fake_device_attach(root);
	if (strcmp(name, "remove") == 0) {
		fake_device_free(fake);
		return 0;
	}
	status = run(fake, name, argv + 2, argc - 2);
	fake_device_detach(fake);
	return status;
}
