/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of errors: names, exit statuses, standing hints; and how an error is filled. */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

/*
 * exit_status is the number of the nitro-cli error code (contract section 6.2) that fits best; a
 * command may know better (an unreadable image is E35 to describe-eif and E60 to sign-eif).
 */
static const struct error_row {
	enum nec_error_code code;
	const char *name;
	int exit_status;
	const char *hint;
} error_table[] = {
	{ NEC_E_NONE, "none", 0, "" },
	{ NEC_E_INVALID_ARGUMENT, "invalid-argument", 3, "" },
	{ NEC_E_NO_MEMORY, "no-memory", 19, "Free some memory and try again." },
	{ NEC_E_SYSTEM, "system", 19, "" },
	{ NEC_E_FILE_OPEN, "file-open", 19, "Check the path and your permissions." },
	{ NEC_E_FILE_READ, "file-read", 19, "" },
	{ NEC_E_FILE_WRITE, "file-write", 19, "Check permissions and free space at the target." },
	{ NEC_E_FILE_CHANGED, "file-changed", 19,
	  "Another program is writing to this file; wait for it and try again." },
	{ NEC_E_LIBRARY_MISSING, "library-missing", 19, "Install the package named above." },
	{ NEC_E_CANCELLED, "cancelled", 19, "" },
	{ NEC_E_TOO_LARGE, "too-large", 19, "" },
	{ NEC_E_UNSUPPORTED, "unsupported", 19, "" },
	{ NEC_E_TOOL_MISSING, "tool-missing", 19, "" },
	{ NEC_E_TOOL_FAILED, "tool-failed", 19, "" },
	{ NEC_E_JSON, "json", 17, "" },
	{ NEC_E_DATA_MISSING, "data-missing", 19,
	  "Reinstall nec, or point NEC_DATA_DIR to the folder that holds its data files." },
	{ NEC_E_CONFIG, "config", 17, "" },

	{ NEC_E_EIF_TRUNCATED, "eif-truncated", 35,
	  "The file is incomplete: copy or build it again." },
	{ NEC_E_EIF_MAGIC, "eif-magic", 35,
	  "This is not an enclave image; build one with `nec build-enclave`." },
	{ NEC_E_EIF_VERSION, "eif-version", 35, "Versions 2, 3 and 4 can be read." },
	{ NEC_E_EIF_SECTION_COUNT, "eif-section-count", 35, "" },
	{ NEC_E_EIF_SECTION_TYPE, "eif-section-type", 35, "" },
	{ NEC_E_EIF_SECTION_ORDER, "eif-section-order", 35, "" },
	{ NEC_E_EIF_SECTION_SIZE, "eif-section-size", 35, "" },
	{ NEC_E_EIF_SECTION_MISSING, "eif-section-missing", 35, "" },
	{ NEC_E_EIF_SECTION_REPEATED, "eif-section-repeated", 35, "" },
	{ NEC_E_EIF_TRAILING, "eif-trailing", 35, "" },
	{ NEC_E_EIF_CRC, "eif-crc", 35, "The file is damaged: copy or build it again." },
	{ NEC_E_EIF_METADATA, "eif-metadata", 35, "" },
	{ NEC_E_EIF_ARCH, "eif-arch", 35, "Build the image with the right --arch." },
	{ NEC_E_SIGNATURE_FORMAT, "signature-format", 59, "Sign the image again." },
	{ NEC_E_SIGNATURE_INVALID, "signature-invalid", 59,
	  "The key that signed is not the certificate's, or the signature was altered; sign the "
	  "image again." },
	{ NEC_E_SIGNATURE_PCR0, "signature-pcr0", 59,
	  "The image was changed after it was signed; do not run it unless you know why." },
	{ NEC_E_CERTIFICATE, "certificate", 57,
	  "A PEM certificate with a key on P-256, P-384 or P-521 is needed." },
	{ NEC_E_CERTIFICATE_DATES, "certificate-dates", 59,
	  "Sign the image again with a certificate that is valid now." },
	{ NEC_E_PRIVATE_KEY, "private-key", 60,
	  "A PEM private key (PKCS#8 or SEC1) that belongs to the certificate is needed." },
	{ NEC_E_SIGNER, "signer", 60, "" },
	{ NEC_E_EIF_PCR_MISMATCH, "eif-pcr-mismatch", 35, "" },

	{ NEC_E_SOURCE, "source", 48, "" },
	{ NEC_E_SOURCE_UNSAFE, "source-unsafe", 48, "Do not use this image." },
	{ NEC_E_SOURCE_ARCH, "source-arch", 48, "" },
	{ NEC_E_CPIO, "cpio", 35, "" },
	{ NEC_E_KERNEL, "kernel", 48, "" },
	{ NEC_E_MODULE, "module", 48, "" },
	{ NEC_E_RAMDISK, "ramdisk", 48, "" },

	{ NEC_E_DRIVER_MISSING, "driver-missing", 19,
	  "Load it with `modprobe nitro_enclaves`; this must be an EC2 instance that was launched "
	  "with enclaves enabled." },
	{ NEC_E_DEVICE_MISSING, "device-missing", 19,
	  "This must be an EC2 instance that was launched with enclaves enabled." },
	{ NEC_E_DEVICE_PERMISSION, "device-permission", 19,
	  "Join the group of /dev/nitro_enclaves (`usermod -aG ne USER`, then log in again)." },
	{ NEC_E_POOL_EMPTY, "pool-empty", 22,
	  "Set cpu_count or cpu_pool in /etc/nitro_enclaves/allocator.yaml and start "
	  "nitro-enclaves-allocator.service." },
	{ NEC_E_CPU_LIST_NUMBER, "cpu-list-number", 23, "" },
	{ NEC_E_CPU_LIST_RANGE, "cpu-list-range", 24, "" },
	{ NEC_E_CPU_TOPOLOGY, "cpu-topology", 24, "" },
	{ NEC_E_HUGEPAGES_EXHAUSTED, "hugepages-exhausted", 27,
	  "Raise memory_mib in /etc/nitro_enclaves/allocator.yaml and restart "
	  "nitro-enclaves-allocator.service, or end an enclave." },
	{ NEC_E_HUGEPAGES_MAP, "hugepages-map", 42,
	  "`nec doctor` tells what huge pages this machine has, and what is in the way." },
	{ NEC_E_VSOCK, "vsock", 11, "" },

	{ NEC_E_VCPU_ALREADY_USED, "vcpu-already-used", 20, "Name each CPU once." },
	{ NEC_E_VCPU_NOT_IN_POOL, "vcpu-not-in-pool", 21,
	  "Choose free CPUs of the pool, or give the number of CPUs only." },
	{ NEC_E_VCPU_CORE, "vcpu-core", 29,
	  "The driver and this library disagree: report it with this message and `uname -r`." },
	{ NEC_E_REGION_SIZE, "region-size", 29,
	  "Memory is donated in multiples of 2 MiB (NE_MIN_MEM_REGION_SIZE)." },
	{ NEC_E_REGION_ADDRESS, "region-address", 29,
	  "The memory was unmapped, or no huge page was left when it was touched: see `nec doctor`." },
	{ NEC_E_REGION_ALIGNMENT, "region-alignment", 29,
	  "Memory is donated from addresses that are multiples of 2 MiB." },
	{ NEC_E_REGION_USED, "region-used", 29,
	  "Close the enclave and start again: after a refusal some of its memory stays donated." },
	{ NEC_E_REGION_NOT_HUGE, "region-not-huge", 29,
	  "Only pages of hugetlbfs can be donated; transparent huge pages are none." },
	{ NEC_E_REGION_NUMA_NODE, "region-numa-node", 29,
	  "Reserve the huge pages on the NUMA node of the CPU pool." },
	{ NEC_E_REGION_LIMIT, "region-limit", 29,
	  "Reserve bigger huge pages (1 GiB), or reserve them earlier, when memory is less "
	  "fragmented." },
	{ NEC_E_NO_REGIONS, "no-regions", 29,
	  "The driver and this library disagree: report it with this message and `uname -r`." },
	{ NEC_E_NO_VCPUS, "no-vcpus", 29, "Give the enclave at least one whole CPU core." },
	{ NEC_E_MEMORY_MINIMUM, "memory-minimum", 26, "Ask for 64 MiB or more." },
	{ NEC_E_CORES_INCOMPLETE, "cores-incomplete", 29,
	  "Ask for whole cores: every thread of each core." },
	{ NEC_E_ENCLAVE_STATE, "enclave-state", 29,
	  "Memory and CPUs can only be added before an enclave is started." },
	{ NEC_E_VCPU_RANGE, "vcpu-range", 21,
	  "`lscpu -e` lists the CPUs of this machine; choose among those of the pool." },
	{ NEC_E_POOL_EXHAUSTED, "pool-exhausted", 22,
	  "Raise cpu_count in /etc/nitro_enclaves/allocator.yaml and restart "
	  "nitro-enclaves-allocator.service, or end an enclave." },
	{ NEC_E_REGION_PAGE_SIZE, "region-page-size", 29,
	  "Enclaves need huge pages of 2 MiB or more, and each donation begins where one begins." },
	{ NEC_E_DRIVER_FLAG, "driver-flag", 29,
	  "The driver and this library disagree: report it with this message and `uname -r`." },
	{ NEC_E_CID, "cid", 29, "Use a CID from 4 to 4294967294, or none to have one chosen." },

	{ NEC_E_DEVICE_ANSWER, "device-answer", 29,
	  "Only the device knows why: `dmesg` may say more; try again, or restart the instance." },
	{ NEC_E_DEVICE_TIMEOUT, "device-timeout", 29,
	  "The machine's enclave device hangs; if it goes on, stop and start the instance." },
	{ NEC_E_DRIVER_ADDRESS_SPACE, "driver-address-space", 29,
	  "The driver and this library disagree: report it with this message and `uname -r`." },
	{ NEC_E_DRIVER_UNSUPPORTED, "driver-unsupported", 29,
	  "The driver is too old, or this is a 32-bit program on a 64-bit kernel." },
	{ NEC_E_DRIVER_FAULT, "driver-fault", 29,
	  "The driver and this library disagree: report it with this message and `uname -r`." },

	{ NEC_E_MEMORY_FOR_IMAGE, "memory-for-image", 26, "Ask for more memory." },
	{ NEC_E_CPUS_INSUFFICIENT, "cpus-insufficient", 22,
	  "Ask for fewer CPUs, end an enclave, or raise cpu_count in "
	  "/etc/nitro_enclaves/allocator.yaml and restart nitro-enclaves-allocator.service." },
	{ NEC_E_CPU_REPEATED, "cpu-repeated", 20, "Name each CPU once." },

	{ NEC_E_ALLOCATOR_RIGHTS, "allocator-rights", 18, "Run it as root, with CAP_SYS_ADMIN." },
	{ NEC_E_ALLOCATOR_BUSY, "allocator-busy", 15, "Wait until it is done, and try again." },
	{ NEC_E_ALLOCATOR_ENCLAVES, "allocator-enclaves", 38,
	  "End the enclaves first: `nec describe-enclaves` lists them." },
	{ NEC_E_ALLOCATOR_POOL, "allocator-pool", 20,
	  "`nec allocator plan` tells which CPUs a pool can have; `dmesg` may say more." },
	{ NEC_E_ALLOCATOR_UNDO, "allocator-undo", 19,
	  "`nec allocator status` tells what stands now; `nec allocator release` gives it back." },

	{ NEC_E_ENCLAVE_BOOT, "enclave-boot", 36,
	  "Start it with --debug-mode and read its console; check the image with `nec eif lint`." },
	{ NEC_E_ENCLAVE_ID, "enclave-id", 11, "`nec describe-enclaves` lists those that run." },
	{ NEC_E_ENCLAVE_NAME, "enclave-name", 58, "`nec describe-enclaves` lists those that run." },
	{ NEC_E_ENCLAVE_CONNECTION, "enclave-connection", 39, "" },
	{ NEC_E_ENCLAVE_REFUSED, "enclave-refused", 38, "" },
	{ NEC_E_CONSOLE, "console", 44, "An enclave has a console only in debug mode." },
	{ NEC_E_HOLDER, "holder", 5, "" },

	{ NEC_E_ALLOCATOR_DAEMON, "allocator-daemon", 8,
	  "`systemctl status nitro-enclaves-allocator` and `journalctl -u nitro-enclaves-allocator` "
	  "tell more." },
};

static const struct error_row *find_row(enum nec_error_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(error_table); i++)
		if (error_table[i].code == code)
			return &error_table[i];
	return NULL;
}

const char *nec_error_name(enum nec_error_code code)
{
	const struct error_row *row = find_row(code);

	return row ? row->name : "unknown";
}

enum nec_error_code nec_error_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(error_table); i++)
		if (strcmp(error_table[i].name, name) == 0)
			return error_table[i].code;
	return NEC_E_NONE;
}

int nec_error_exit_status(enum nec_error_code code)
{
	const struct error_row *row = find_row(code);

	return row ? row->exit_status : 1;
}

const char *nec_error_hint(enum nec_error_code code)
{
	const struct error_row *row = find_row(code);

	return row ? row->hint : "";
}

static void set_code(nec_error *err, enum nec_error_code code, int result)
{
	err->code = code;
	err->os_error = -result;
	(void)snprintf(err->hint, sizeof(err->hint), "%s", nec_error_hint(code));
}

int(nec_error_set)(nec_error *err, enum nec_error_code code, int result, const char *format, ...)
{
	va_list args;

	if (!err)
		return result;
	set_code(err, code, result);
	va_start(args, format);
	(void)vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	nec_utf8_make_printable(err->message);
	return result;
}

int(nec_error_set_system)(nec_error *err, enum nec_error_code code, int result, const char *format,
			  ...)
{
	char text[128];
	va_list args;
	size_t used;

	if (!err)
		return result;
	set_code(err, code, result);
	va_start(args, format);
	(void)vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
		       strerror_r(-result, text, sizeof(text)));
	nec_utf8_make_printable(err->message);
	return result;
}

void nec_error_set_hint(nec_error *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	(void)vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
}

int(nec_error_no_memory)(nec_error *err)
{
	return nec_error_set(err, NEC_E_NO_MEMORY, -ENOMEM, "out of memory");
}

int nec_error_prefix(nec_error *err, int result, const char *format, ...)
{
	char old[NEC_ERROR_MESSAGE_SIZE];
	va_list args;
	size_t used;

	if (!err)
		return result;
	memcpy(old, err->message, sizeof(old));
	va_start(args, format);
	(void)vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s", old);
	nec_utf8_make_printable(err->message);
	return result;
}
