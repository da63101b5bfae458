/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lint: the kernel command line. Words are split as the kernel does it (next_arg()): at white
 * space, but not between double quotes.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "image/lint.h"

/* COMMAND_LINE_SIZE on both architectures, with the NUL. */
enum { MAX_CMDLINE = 2048 };

/* Header flags that ask for PCI devices, as the builder of Bottlerocket sets them. */
enum { FLAG_PCIE = 0x40, FLAG_PCIE_VIRTIO = 0x200 };

enum match {
	WORD,   /* the whole word */
	PREFIX, /* how the word begins */
	SHELL,  /* a prefix, and what follows is the path of a shell */
};

static const struct {
	const char *text;
	enum match match;
	enum nec_rule rule;
} words[] = {
	{ "rdinit=", SHELL, NEC_RULE_CMDLINE_SHELL },
	{ "init=", SHELL, NEC_RULE_CMDLINE_SHELL },
	{ "rd.break", PREFIX, NEC_RULE_CMDLINE_SHELL },
	{ "rd.shell", PREFIX, NEC_RULE_CMDLINE_SHELL },
	{ "systemd.debug-shell", PREFIX, NEC_RULE_CMDLINE_SHELL },
	{ "systemd.debug_shell", PREFIX, NEC_RULE_CMDLINE_SHELL },
	{ "rd.systemd.debug_shell", PREFIX, NEC_RULE_CMDLINE_SHELL },
	{ "systemd.unit=rescue.target", WORD, NEC_RULE_CMDLINE_SHELL },
	{ "systemd.unit=emergency.target", WORD, NEC_RULE_CMDLINE_SHELL },
	{ "emergency", WORD, NEC_RULE_CMDLINE_SHELL },
	{ "rescue", WORD, NEC_RULE_CMDLINE_SHELL },
	{ "single", WORD, NEC_RULE_CMDLINE_SHELL },
	{ "1", WORD, NEC_RULE_CMDLINE_SHELL },

	{ "debug", WORD, NEC_RULE_CMDLINE_DEBUG },
	{ "earlyprintk", PREFIX, NEC_RULE_CMDLINE_DEBUG },
	{ "ignore_loglevel", WORD, NEC_RULE_CMDLINE_DEBUG },
	{ "initcall_debug", WORD, NEC_RULE_CMDLINE_DEBUG },
	{ "loglevel=7", WORD, NEC_RULE_CMDLINE_DEBUG },
	{ "loglevel=8", WORD, NEC_RULE_CMDLINE_DEBUG },
	{ "rd.debug", WORD, NEC_RULE_CMDLINE_DEBUG },
	{ "systemd.log_level=debug", WORD, NEC_RULE_CMDLINE_DEBUG },

	{ "apparmor=0", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "enforcing=0", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "mitigations=off", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "module.sig_enforce=0", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "nokaslr", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "nopti", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "nosmap", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "nosmep", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "nospectre_v1", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "nospectre_v2", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "pti=off", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "selinux=0", WORD, NEC_RULE_CMDLINE_WEAKENED },
	{ "spectre_v2=off", WORD, NEC_RULE_CMDLINE_WEAKENED },
};

/* What is remembered of the words until all are seen. */
struct seen {
	bool console;
	bool panic;
	bool pci_off;
	bool root;
	bool other_rootfs; /* rootfstype= without tmpfs */
};

static bool is_shell(const char *path)
{
	static const char *const shells[] = { "sh", "ash", "bash", "dash", "zsh", "busybox" };
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (strcmp(slash ? slash + 1 : path, shells[i]) == 0)
			return true;
	return false;
}

static bool matches(const char *word, const char *text, enum match match)
{
	size_t length = strlen(text);

	if (match == WORD)
		return strcmp(word, text) == 0;
	return strncmp(word, text, length) == 0 && (match == PREFIX || is_shell(word + length));
}

/* What follows "name=" in @word, NULL if it is another word. */
static const char *value_of(const char *word, const char *name)
{
	size_t length = strlen(name);

	return strncmp(word, name, length) == 0 ? word + length : NULL;
}

static void learn(nec_lint *lint, const char *word, struct seen *seen)
{
	const char *value;

	seen->console |= value_of(word, "console=") != NULL;
	seen->root |= value_of(word, "root=") != NULL;
	seen->pci_off |= strcmp(word, "pci=off") == 0;
	if ((value = value_of(word, "panic=")))
		seen->panic = strcmp(value, "0") != 0;
	if ((value = value_of(word, "rootfstype=")))
		seen->other_rootfs = !strstr(value, "tmpfs");
	if ((value = value_of(word, "rdinit="))) {
		free(lint->cmdline.rdinit);
		lint->cmdline.rdinit = strdup(value);
		lint->no_memory |= !lint->cmdline.rdinit;
	}
	lint->cmdline.nomodule |= strcmp(word, "nomodule") == 0;
}

static void check_word(nec_lint *lint, const char *word, uint64_t offset, struct seen *seen)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!matches(word, words[i].text, words[i].match))
			continue;
		nec_lint_report(lint, words[i].rule, LINT_AT(offset), "the command line has \"%s\"",
				word);
		break;
	}
	learn(lint, word, seen);
}

/* Cuts @text into words in place. */
static void check_words(nec_lint *lint, char *text, uint64_t offset, struct seen *seen)
{
	char *at = text;

	while (*at) {
		char *word = at + strspn(at, " \t\n\v\f\r");
		bool quoted = false;
		bool more;

		for (at = word; *at && (quoted || !isspace((unsigned char)*at)); at++)
			quoted ^= *at == '"';
		more = *at != '\0';
		*at = '\0';
		if (*word)
			check_word(lint, word, offset + (uint64_t)(word - text), seen);
		at += more;
	}
}

static void check_bytes(nec_lint *lint, const struct nec_buffer *text, uint64_t offset)
{
	for (size_t i = 0; i < text->size; i++) {
		if (text->data[i] != '\0' && text->data[i] != '\n')
			continue;
		nec_lint_report(lint, NEC_RULE_CMDLINE_BYTES, LINT_AT(offset + i),
				"the command line has a %s at byte %zu of %zu",
				text->data[i] ? "newline" : "NUL", i, text->size);
		return;
	}
}

static void check_whole(nec_lint *lint, const struct seen *seen, uint64_t offset)
{
	uint16_t flags = nec_eif_get_header(lint->eif)->flags;

	if (!seen->console)
		nec_lint_report(lint, NEC_RULE_CMDLINE_CONSOLE, LINT_AT(offset),
				"the command line has no console=");
	if (!seen->panic)
		nec_lint_report(lint, NEC_RULE_CMDLINE_PANIC, LINT_AT(offset),
				"the command line has no panic= with a number of seconds");
	if (seen->pci_off && (flags & (FLAG_PCIE | FLAG_PCIE_VIRTIO)))
		nec_lint_report(lint, NEC_RULE_CMDLINE_PCI, LINT_AT(offset),
				"the command line has pci=off, the header has flags 0x%04x", flags);
	lint->cmdline.root_is_ramfs = seen->root || seen->other_rootfs;
}

int nec_lint_cmdline(nec_lint *lint, nec_error *err)
{
	const struct nec_eif_section *section = nec_eif_find_section(lint->eif, NEC_EIF_CMDLINE);
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_eif_section part;
	struct seen seen = { 0 };
	int r;

	if (!section)
		return 0;
	if (section->size_bytes >= MAX_CMDLINE)
		nec_lint_report(lint, NEC_RULE_CMDLINE_LENGTH, LINT_AT(section->data_offset),
				"the command line has %zu bytes, the kernel reads %d",
				(size_t)section->size_bytes, MAX_CMDLINE - 1);
	part = *section;
	if (part.size_bytes >= MAX_CMDLINE)
		part.size_bytes = MAX_CMDLINE - 1;
	r = nec_eif_read_whole(lint->eif, &part, MAX_CMDLINE, &text, err);
	if (r < 0)
		return r;
	check_bytes(lint, &text, section->data_offset);
	check_words(lint, (char *)text.data, section->data_offset, &seen);
	check_whole(lint, &seen, section->data_offset);
	return 0;
}
