/* SPDX-License-Identifier: Apache-2.0 */
/* Probe: the driver, its device, and who may open it. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "enclave/probe-private.h"
#include "host/driver-error.h"

#define MODULE_DIR "/sys/module/nitro_enclaves"
#define PCI_DIR    "/sys/bus/pci/devices"
#define NODE       "/dev/nitro_enclaves"

/* The enclave device, drivers/virt/nitro_enclaves/ne_pci_dev.h. */
static const char *const pci_vendor = "0x1d0f";
static const char *const pci_device = "0xe4c1";

/* ---- what kind of machine this is ---- */

static bool file_is(const struct nec_device *device, const char *path, const char *text)
{
	cleanup_buffer struct nec_buffer found = { 0 };

	return nec_device_read_optional(device, path, &found, NULL) == 1 &&
	       strcmp(nec_buffer_text(&found), text) == 0;
}

/* The address of the enclave device on the PCI bus. */
static bool find_pci_device(const struct nec_device *device, char *address, size_t size)
{
	cleanup_closedir DIR *dir = nec_device_open_dir(device, PCI_DIR);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char vendor[PATH_MAX];
		char number[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(vendor, sizeof(vendor), PCI_DIR "/%s/vendor", entry->d_name);
		(void)snprintf(number, sizeof(number), PCI_DIR "/%s/device", entry->d_name);
		if (!file_is(device, vendor, pci_vendor) || !file_is(device, number, pci_device))
			continue;
		(void)snprintf(address, size, "%s", entry->d_name);
		return true;
	}
	return false;
}

/* What to do on a machine whose PCI bus has no enclave device. */
static void fix_missing_device(const struct nec_device *device, struct nec_probe_result *result)
{
	cleanup_buffer struct nec_buffer vendor = { 0 };

	(void)nec_device_read_optional(device, "/sys/devices/virtual/dmi/id/sys_vendor", &vendor,
				       NULL);
	if (strcmp(nec_buffer_text(&vendor), "Amazon EC2") == 0)
		probe_fix(result,
			  "This instance was started without enclaves: launch one of a type that "
			  "supports them, with `--enclave-options Enabled=true`.");
	else
		probe_fix(result,
			  "This is no EC2 instance%s%s%s. Add `--backend qemu` (or set "
			  "NEC_BACKEND=qemu) to run images in a simulation.",
			  vendor.size > 0 ? " (the vendor is " : "", nec_buffer_text(&vendor),
			  vendor.size > 0 ? ")" : "");
}

void probe_module(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_device *device = &probing->device;
	cleanup_buffer struct nec_buffer version = { 0 };
	char address[NAME_MAX + 1];

	(void)nec_device_read_optional(device, MODULE_DIR "/version", &version, NULL);
	if (nec_device_exists(device, MODULE_DIR) == 1) {
		probe_ok(result, "the driver nitro_enclaves is loaded%s%s",
			 version.size > 0 ? ", version " : "", nec_buffer_text(&version));
		return;
	}
	if (find_pci_device(device, address, sizeof(address))) {
		probe_fail(result, NEC_E_DRIVER_MISSING,
			   "the driver nitro_enclaves is not loaded; its device is there, at PCI "
			   "address %s",
			   address);
		probe_fix(result, "Load it: `modprobe nitro_enclaves`; and at every boot: `echo "
				  "nitro_enclaves > /etc/modules-load.d/nitro_enclaves.conf`.");
		return;
	}
	probe_fail(result, NEC_E_DRIVER_MISSING,
		   "the driver nitro_enclaves is not loaded, and this machine has no enclave "
		   "device");
	fix_missing_device(device, result);
}

void probe_device(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_device *device = &probing->device;
	char address[NAME_MAX + 1];

	if (nec_device_exists(device, NODE) == 1) {
		probe_ok(result, "there is a " NODE);
		return;
	}
	if (probing_is_broken(probing, "module")) {
		probe_skip(result, "there is no " NODE " without the driver");
		return;
	}
	if (find_pci_device(device, address, sizeof(address))) {
		probe_fail(result, NEC_E_DEVICE_MISSING,
			   "there is no " NODE ", although the device is there, at PCI address %s",
			   address);
		probe_fix(result, "See why the driver does not take it: `dmesg | grep "
				  "nitro_enclaves`. In a container, give it the device.");
		return;
	}
	probe_fail(result, NEC_E_DEVICE_MISSING,
		   "there is no " NODE ": the driver found no enclave device");
	fix_missing_device(device, result);
}

/* ---- who may open it ---- */

/* The groups and users of the machine that is looked at, hence not from getgrnam(). */
struct caller {
	uint32_t uid;
	bool known;
	char name[64];
	struct nec_buffer groups; /* of the process: " 4 27 1000 " */
};

/* The @index'th field of a line of /etc/passwd or /etc/group; copied to @to. */
static void copy_field(const char *line, unsigned int index, char *to, size_t size)
{
	for (; index > 0; index--)
		line += strcspn(line, ":\n") + (line[strcspn(line, ":\n")] == ':' ? 1 : 0);
	(void)snprintf(to, size, "%.*s", (int)strcspn(line, ":\n"), line);
}

/* The line of a database whose @index'th field is @text; NULL when there is none. */
static const char *find_line(const char *database, unsigned int index, const char *text)
{
	for (const char *line = database; *line;
	     line += strcspn(line, "\n"), line += *line == '\n' ? 1 : 0) {
		char field[64];

		copy_field(line, index, field, sizeof(field));
		if (strcmp(field, text) == 0)
			return line;
	}
	return NULL;
}

/* Writes the name for a number, or the number itself. */
static void name_number(const struct nec_device *device, const char *path, uint32_t number,
			char *to, size_t size)
{
	cleanup_buffer struct nec_buffer database = { 0 };
	const char *line;
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", number);
	(void)nec_device_read_optional(device, path, &database, NULL);
	line = find_line(nec_buffer_text(&database), 2, text);
	if (line)
		copy_field(line, 0, to, size);
	else
		(void)snprintf(to, size, "%s", text);
}

static void read_caller(const struct nec_device *device, struct caller *caller)
{
	cleanup_buffer struct nec_buffer status = { 0 };
	const char *uid;
	const char *groups;

	(void)nec_device_read_optional(device, "/proc/self/status", &status, NULL);
	uid = strstr(nec_buffer_text(&status), "\nUid:\t");
	groups = strstr(nec_buffer_text(&status), "\nGroups:\t");
	if (!uid || !groups)
		return;
	/* Real, effective, ...: the second one counts. */
	uid += strcspn(uid + 6, "\t") + 7;
	caller->uid = (uint32_t)strtoul(uid, NULL, 10);
	caller->known = true;
	groups += strlen("\nGroups:\t");
	nec_buffer_printf(&caller->groups, " %.*s ", (int)strcspn(groups, "\n"), groups);
	name_number(device, "/etc/passwd", caller->uid, caller->name, sizeof(caller->name));
}

static bool process_has_group(const struct caller *caller, uint32_t gid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), " %u ", gid);
	return strstr(nec_buffer_text(&caller->groups), text) != NULL;
}

/* Whether the group's line lists the user: then a new login would help. */
static bool is_listed(const struct nec_device *device, const char *group, const char *user)
{
	cleanup_buffer struct nec_buffer database = { 0 };
	const char *line;
	char members[4096];

	(void)nec_device_read_optional(device, "/etc/group", &database, NULL);
	line = find_line(nec_buffer_text(&database), 0, group);
	if (!line)
		return false;
	copy_field(line, 3, members, sizeof(members));
	for (const char *name = members; *name;) {
		size_t length = strcspn(name, ",");

		if (length == strlen(user) && memcmp(name, user, length) == 0)
			return true;
		name += length + (name[length] == ',' ? 1 : 0);
	}
	return false;
}

static bool group_exists(const struct nec_device *device, const char *name)
{
	cleanup_buffer struct nec_buffer database = { 0 };

	(void)nec_device_read_optional(device, "/etc/group", &database, NULL);
	return find_line(nec_buffer_text(&database), 0, name) != NULL;
}

/* The group that the packages make, by a rule for udev. */
static void fix_group_of_node(const struct nec_device *device, struct nec_probe_result *result)
{
	probe_fix(
		result,
		"Give the device to the group ne: %s`echo 'SUBSYSTEM==\"misc\", "
		"KERNEL==\"nitro_enclaves\", GROUP=\"ne\", MODE=\"0660\"' > "
		"/etc/udev/rules.d/99-nitro_enclaves.rules`, `udevadm control --reload`, `udevadm "
		"trigger /dev/nitro_enclaves`; or call this as root.",
		group_exists(device, "ne") ? "" : "`groupadd --system ne`, ");
}

static void explain_refusal(const struct nec_device *device, const struct stat *node,
			    struct nec_probe_result *result)
{
	struct caller caller = { .name = "" };
	char owner[64];
	char group[64];

	name_number(device, "/etc/passwd", node->st_uid, owner, sizeof(owner));
	name_number(device, "/etc/group", node->st_gid, group, sizeof(group));
	read_caller(device, &caller);
	if ((node->st_mode & 060) != 060 || node->st_gid == 0) {
		probe_fail(result, NEC_E_DEVICE_PERMISSION,
			   NODE " belongs to %s:%s with mode %04o: only %s may open it", owner,
			   group, node->st_mode & 07777, owner);
		fix_group_of_node(device, result);
	} else if (caller.known && process_has_group(&caller, node->st_gid)) {
		probe_fail(result, NEC_E_DEVICE_PERMISSION,
			   NODE " cannot be opened although %s is in its group %s", caller.name,
			   group);
		probe_fix(result, "Something else forbids it: a container without the device, or a "
				  "security module (`dmesg | grep -i denied`).");
	} else if (caller.known && is_listed(device, group, caller.name)) {
		probe_fail(result, NEC_E_DEVICE_PERMISSION,
			   "%s is in the group %s, but was not yet when this session began",
			   caller.name, group);
		probe_fix(result, "Log in again, or use `newgrp %s`.", group);
	} else {
		probe_fail(result, NEC_E_DEVICE_PERMISSION,
			   NODE " belongs to %s:%s with mode %04o, and %s is not in the group %s",
			   owner, group, node->st_mode & 07777,
			   caller.known ? caller.name : "the caller", group);
		probe_fix(result, "Join it: `sudo usermod -aG %s %s`, then log in again.", group,
			  caller.known ? caller.name : "USER");
	}
	nec_buffer_free(&caller.groups);
}

void probe_permission(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_device *device = &probing->device;
	struct stat node = { 0 };
	nec_error err = NEC_ERROR_INIT;
	int fd;

	if (nec_device_exists(device, NODE) != 1) {
		probe_skip(result, "there is no device to open");
		return;
	}
	fd = device->ops->open_device(device);
	if (fd >= 0) {
		(void)close(fd);
		probe_ok(result, "you may open " NODE);
		return;
	}
	(void)nec_error_from_driver(&err, NEC_DRIVER_OPEN, fd, "cannot open " NODE);
	if (err.code == NEC_E_DEVICE_PERMISSION &&
	    fstatat(device->root_fd, &NODE[1], &node, 0) == 0)
		explain_refusal(device, &node, result);
	else
		probe_fail_with(result, &err);
}
