/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough ELF to find the .modinfo section of a kernel module. */
#include "image/module-info.h"

#include <elf.h>
#include <endian.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"

/* Both architectures are little-endian, and so is every machine we run on: structs are copied. */
_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "ELF structs are read as they lie");

static int damaged(nec_error *err, const char *name, const char *what)
{
	return nec_error_set(err, NEC_E_MODULE, -EBADMSG, "%s is no kernel module: %s", name, what);
}

static bool read_struct(const void *data, size_t size, uint64_t offset, void *to, size_t to_size)
{
	if (offset > size || size - offset < to_size)
		return false;
	memcpy(to, (const uint8_t *)data + offset, to_size);
	return true;
}

static int check_header(const Elf64_Ehdr *header, enum nec_arch arch, const char *name,
			nec_error *err)
{
	uint16_t machine = arch == NEC_ARCH_AARCH64 ? EM_AARCH64 : EM_X86_64;

	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return damaged(err, name, "it is not an ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_type != ET_REL)
		return damaged(err, name, "it is not a 64-bit little-endian relocatable file");
	if (header->e_machine != machine)
		return nec_error_set(err, NEC_E_MODULE, -EBADMSG,
				     "%s is made for ELF machine %u, not for %s", name,
				     header->e_machine, nec_arch_name(arch));
	if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shstrndx >= header->e_shnum)
		return damaged(err, name, "its table of sections is damaged");
	return 0;
}

/* The bytes of section @index, which may be as long as the file at most. */
static bool section_at(const void *data, size_t size, const Elf64_Ehdr *header, unsigned int index,
		       Elf64_Shdr *section, const char **bytes)
{
	uint64_t at;

	if (__builtin_add_overflow(header->e_shoff, (uint64_t)index * sizeof(*section), &at) ||
	    !read_struct(data, size, at, section, sizeof(*section)) || section->sh_offset > size ||
	    section->sh_size > size - section->sh_offset)
		return false;
	*bytes = (const char *)data + section->sh_offset;
	return true;
}

static bool name_is(const char *names, uint64_t names_size, uint32_t at, const char *name)
{
	size_t length = strlen(name) + 1;

	return at <= names_size && names_size - at >= length &&
	       memcmp(names + at, name, length) == 0;
}

/* A section whose bytes lie outside the file cannot be .modinfo and is of no concern (.bss). */
static bool find_modinfo(const void *data, size_t size, const Elf64_Ehdr *header,
			 const char **modinfo, uint64_t *modinfo_size)
{
	Elf64_Shdr strings;
	Elf64_Shdr section;
	const char *names;

	if (!section_at(data, size, header, header->e_shstrndx, &strings, &names))
		return false;
	for (unsigned int i = 1; i < header->e_shnum; i++) {
		if (section_at(data, size, header, i, &section, modinfo) &&
		    section.sh_type == SHT_PROGBITS &&
		    name_is(names, strings.sh_size, section.sh_name, ".modinfo")) {
			*modinfo_size = section.sh_size;
			return true;
		}
	}
	return false;
}

/* .modinfo is a row of "key=value" texts, each ending in one or more NUL bytes. */
static void take_values(const char *text, uint64_t size, struct nec_module_info *info)
{
	while (size > 0) {
		const char *end = memchr(text, '\0', size);

		if (!end)
			return;
		if (strncmp(text, "depends=", 8) == 0)
			info->depends = text + 8;
		else if (strncmp(text, "vermagic=", 9) == 0)
			info->vermagic = text + 9;
		size -= (uint64_t)(end + 1 - text);
		text = end + 1;
	}
}

int nec_module_info_parse(const void *data, size_t size, enum nec_arch arch, const char *name,
			  struct nec_module_info *ret, nec_error *err)
{
	struct nec_module_info info = { .depends = "", .vermagic = "" };
	const char *modinfo;
	uint64_t modinfo_size;
	Elf64_Ehdr header;
	int r;

	if (!read_struct(data, size, 0, &header, sizeof(header)))
		return damaged(err, name, "it is shorter than an ELF header");
	r = check_header(&header, arch, name, err);
	if (r < 0)
		return r;
	if (!find_modinfo(data, size, &header, &modinfo, &modinfo_size))
		return damaged(err, name, "it has no .modinfo section");
	take_values(modinfo, modinfo_size, &info);
	*ret = info;
	return 0;
}
