/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nec.h - libnec: the life of AWS Nitro Enclaves on one Linux machine
 *
 * Conventions, valid for every call unless its block says otherwise:
 *
 * Results.   A call that can fail returns int: 0 or more is success, below 0 is a negative errno
 *            value. Results go through `ret` parameters, written only on success.
 * Errors.    The last parameter `err` may be NULL; it is written only on failure and needs no
 *            release. `err->code` never changes its meaning between versions; `err->message` says
 *            what failed and with which values, `err->hint` what to do (may be empty).
 * Ownership. What comes through `**ret` is yours, to be released with the type's _free() call,
 * which accepts NULL. What a _get_ call lends belongs to the handle and dies with it. Parameters
 *            are borrowed for the call; a context must outlive the handles made from it.
 * Threads.   The library takes no locks and keeps no shared state: contexts are independent of each
 *            other, and one context (with the handles made from it) belongs to one thread at a
 * time. Structs.   Opaque types are handles (nec_context); `struct nec_...` is plain data whose
 * fields may be read and written. Option structs begin with struct_size, are made by their _INIT
 * macro and grow only at the end. Units.     Named in the field: _bytes, _mib, _usec. File offsets
 * are in bytes from the file's start.
 */
#ifndef NEC_H
#define NEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && __GNUC__ >= 4
#define NEC_PUBLIC __attribute__((visibility("default")))
#else
#define NEC_PUBLIC
#endif

/* ---------------------------------------------------------------------------------------------
 * Errors
 */

/**
 * enum nec_error_code - what went wrong; the values are stable
 *
 * Each code's name, exit status and standing hint stand in one table (lib/base/error.c).
 */
enum nec_error_code {
	NEC_E_NONE = 0,

	/* General */
	NEC_E_INVALID_ARGUMENT = 1, /* wrong use of a call or a bad value from the user */
	NEC_E_NO_MEMORY = 2,        /* the process is out of memory */
	NEC_E_SYSTEM = 3,           /* a system call failed; os_error has its errno */
	NEC_E_FILE_OPEN = 4,        /* a file could not be opened */
	NEC_E_FILE_READ = 5,        /* a file could not be read */
	NEC_E_FILE_WRITE = 6,       /* a file could not be written, synced or renamed */
	NEC_E_FILE_CHANGED = 7,     /* a file changed while it was being read */
	NEC_E_LIBRARY_MISSING = 8,  /* a shared library that this call needs cannot be loaded */
	NEC_E_CANCELLED = 9,        /* the caller's cancel flag was raised */
	NEC_E_TOO_LARGE = 10,       /* an amount goes over a documented limit */
	NEC_E_UNSUPPORTED = 11,     /* valid, but not something this version can do */
	NEC_E_TOOL_MISSING = 12,    /* no program is installed that could do this */
	NEC_E_TOOL_FAILED = 13,     /* a program we ran ended with a failure */
	NEC_E_JSON = 14,            /* text is not the JSON that is asked for */
	NEC_E_DATA_MISSING = 15,    /* a file that nec installs (such as nec-init) is not there */
	NEC_E_CONFIG = 16,          /* a configuration file is not what its format asks for */

	/* Images (EIF) */
	NEC_E_EIF_TRUNCATED = 100,     /* the file ends before what its header promises */
	NEC_E_EIF_MAGIC = 101,         /* not an EIF at all */
	NEC_E_EIF_VERSION = 102,       /* version not 2, 3 or 4 */
	NEC_E_EIF_SECTION_COUNT = 103, /* num_sections outside 2..32 */
	NEC_E_EIF_SECTION_TYPE = 104,  /* type 0 or above 5 */
	NEC_E_EIF_SECTION_ORDER =
		105, /* offsets not ascending, overlap, ramdisk before the kernel */
	NEC_E_EIF_SECTION_SIZE = 106,     /* the two sizes differ, or a size is not possible */
	NEC_E_EIF_SECTION_MISSING = 107,  /* no kernel, command line, ramdisk or metadata */
	NEC_E_EIF_SECTION_REPEATED = 108, /* two kernels, command lines, signatures or metadata */
	NEC_E_EIF_TRAILING = 109,         /* bytes after the last section */
	NEC_E_EIF_CRC = 110,              /* CRC-32 does not match */
	NEC_E_EIF_METADATA = 111,         /* metadata is not what the format asks for */
	NEC_E_EIF_ARCH = 112,             /* flags and kernel are of different architectures */
	NEC_E_SIGNATURE_FORMAT = 113,     /* the signature section cannot be decoded */
	NEC_E_SIGNATURE_INVALID = 114,    /* the signature does not verify with its certificate */
	NEC_E_SIGNATURE_PCR0 = 115,       /* the signed value is not the measured PCR0 */
	NEC_E_CERTIFICATE = 116,          /* not a PEM certificate with an EC key we know */
	NEC_E_CERTIFICATE_DATES = 117,    /* not yet or no longer valid */
	NEC_E_PRIVATE_KEY = 118,      /* unreadable, of another kind, or not the certificate's */
	NEC_E_SIGNER = 119,           /* the external signer failed or answered nonsense */
	NEC_E_EIF_PCR_MISMATCH = 120, /* a measurement is not the one that was required */

	/* Building images */
	NEC_E_SOURCE = 200,        /* an image source (folder, OCI, docker archive) is damaged */
	NEC_E_SOURCE_UNSAFE = 201, /* an image layer wants to write outside its root */
	NEC_E_SOURCE_ARCH = 202,   /* the source has nothing for the wanted architecture */
	NEC_E_CPIO = 203,          /* a ramdisk is not a cpio archive we can read */
	NEC_E_KERNEL = 204,        /* not a kernel that an enclave could boot */
	NEC_E_MODULE = 205,        /* a kernel module is missing, or is none */
	NEC_E_RAMDISK = 206,       /* a ramdisk cannot be made or unpacked */

	/* The machine: driver, CPU pool, CPUs, huge pages, vsock */
	NEC_E_DRIVER_MISSING = 300,      /* the module nitro_enclaves is not loaded */
	NEC_E_DEVICE_MISSING = 301,      /* there is no /dev/nitro_enclaves */
	NEC_E_DEVICE_PERMISSION = 302,   /* /dev/nitro_enclaves may not be opened */
	NEC_E_POOL_EMPTY = 303,          /* no CPU pool is set */
	NEC_E_CPU_LIST_NUMBER = 304,     /* a CPU list has something that is no CPU number */
	NEC_E_CPU_LIST_RANGE = 305,      /* a CPU list has an interval that is none */
	NEC_E_CPU_TOPOLOGY = 306,        /* sysfs does not tell what CPUs there are */
	NEC_E_HUGEPAGES_EXHAUSTED = 307, /* not enough free huge pages on the NUMA node */
	NEC_E_HUGEPAGES_MAP = 308,       /* huge pages could not be mapped, for another reason */
	NEC_E_VSOCK = 309,               /* a vsock socket could not be made, bound or connected */

	/* The driver's own codes (NE_ERR_..., 256 to 275), in their order */
	NEC_E_VCPU_ALREADY_USED = 320, /* this enclave has the CPU already */
	NEC_E_VCPU_NOT_IN_POOL = 321,  /* the CPU is not in the pool, or its core is taken */
	NEC_E_VCPU_CORE = 322,         /* the CPU's core number is out of range */
	NEC_E_REGION_SIZE = 323,       /* region size not a multiple of 2 MiB */
	NEC_E_REGION_ADDRESS = 324,    /* nothing the process owns is at the region's address */
	NEC_E_REGION_ALIGNMENT = 325,  /* region not aligned to 2 MiB */
	NEC_E_REGION_USED = 326,       /* region overlaps one that was added before */
	NEC_E_REGION_NOT_HUGE = 327,   /* region not made of huge pages */
	NEC_E_REGION_NUMA_NODE = 328,  /* a huge page of another NUMA node than the pool's */
	NEC_E_REGION_LIMIT = 329,      /* more physical regions than the device allows */
	NEC_E_NO_REGIONS = 330,        /* started without memory */
	NEC_E_NO_VCPUS = 331,          /* started without vCPUs */
	NEC_E_MEMORY_MINIMUM = 332,    /* started with less than 64 MiB */
	NEC_E_CORES_INCOMPLETE = 333,  /* started with a thread of a core missing */
	NEC_E_ENCLAVE_STATE = 334,     /* the enclave has been started already */
	NEC_E_VCPU_RANGE = 335,        /* no CPU of that number on this machine */
	NEC_E_POOL_EXHAUSTED = 336,    /* the pool is empty, or all of its cores are taken */
	NEC_E_REGION_PAGE_SIZE = 337,  /* a page below 2 MiB, or an address within a huge page */
	NEC_E_DRIVER_FLAG = 338,       /* a flag that the driver does not know */
	NEC_E_CID = 339,               /* a reserved CID, one above 32 bits, or another enclave's */

	/* The driver's plain errno values, and what the device says through it */
	NEC_E_DEVICE_ANSWER = 340,        /* a refusal by the device; os_error has its number */
	NEC_E_DEVICE_TIMEOUT = 341,       /* the device was silent for 120 s */
	NEC_E_DRIVER_ADDRESS_SPACE = 342, /* not the process that created the enclave */
	NEC_E_DRIVER_UNSUPPORTED = 343,   /* the driver does not know the request */
	NEC_E_DRIVER_FAULT = 344,         /* the driver could not read or write the request */

	/* What a launch asks for */
	NEC_E_MEMORY_FOR_IMAGE = 350,  /* too little memory for the image */
	NEC_E_CPUS_INSUFFICIENT = 351, /* more CPUs than the pool has, or has left */
	NEC_E_CPU_REPEATED = 352,      /* a CPU is named twice */

	/* Setting memory and CPUs aside */
	NEC_E_ALLOCATOR_RIGHTS = 370,   /* only root may change what is set aside */
	NEC_E_ALLOCATOR_BUSY = 371,     /* another process is changing it */
	NEC_E_ALLOCATOR_ENCLAVES = 372, /* it would need the end of a running enclave */
	NEC_E_ALLOCATOR_POOL = 373,     /* the driver refuses the CPU pool */
	NEC_E_ALLOCATOR_UNDO = 374,     /* a change failed, and so did the way back */

	/* Enclaves that run */
	NEC_E_ENCLAVE_BOOT = 400,       /* no heartbeat: it did not come up in time, or ended */
	NEC_E_ENCLAVE_ID = 401,         /* no enclave of this id */
	NEC_E_ENCLAVE_NAME = 402,       /* no enclave of this name, or several */
	NEC_E_ENCLAVE_CONNECTION = 403, /* the process that holds it gave no usable answer */
	NEC_E_ENCLAVE_REFUSED = 404,    /* it refused the command */
	NEC_E_CONSOLE = 405,            /* the console cannot be reached */
	NEC_E_HOLDER = 406,             /* the process that holds an enclave cannot be started */

	/* The allocator's daemon */
	NEC_E_ALLOCATOR_DAEMON = 450 /* nec-allocatord gave no usable answer, or has died */
};

#define NEC_ERROR_MESSAGE_SIZE 768
#define NEC_ERROR_HINT_SIZE    512

/**
 * nec_error - why a call failed; a plain value, owned by the caller, with nothing to release
 * @code:     which of the named errors
 * @os_error: errno of the call behind it, or 0
 * @message:  what failed, with the values; one or more lines, no newline at the end
 * @hint:     what to do about it; may be empty
 */
typedef struct nec_error {
	enum nec_error_code code;
	int os_error;
	char message[NEC_ERROR_MESSAGE_SIZE];
	char hint[NEC_ERROR_HINT_SIZE];
} nec_error;

#ifdef __cplusplus
#define NEC_ERROR_INIT \
	{              \
	}
#else
#define NEC_ERROR_INIT                \
	{                             \
		NEC_E_NONE, 0, { 0 }, \
		{                     \
			0             \
		}                     \
	}
#endif

/**
 * nec_error_name() - the code's stable name, such as "eif-truncated"
 * @code: any value
 *
 * Returns a static string; "unknown" for values that are no code. Any thread.  Since 0.1.
 */
NEC_PUBLIC const char *nec_error_name(enum nec_error_code code);

/**
 * nec_error_exit_status() - the status a program should end with, which is also the number of the
 * nitro-cli error code (E01 to E60) that this error belongs to
 * @code: any value
 *
 * Returns 0 for NEC_E_NONE, else 1 to 60. Any thread.  Since 0.1.
 */
NEC_PUBLIC int nec_error_exit_status(enum nec_error_code code);

/* ---------------------------------------------------------------------------------------------
 * Context
 */

/** nec_context - what the calls share: where progress and debug lines go, and the cancel flag */
typedef struct nec_context nec_context;

/**
 * nec_context_new() - make a context
 * @ret: on success the context, to be released with nec_context_free()
 * @err: filled on failure, may be NULL
 *
 * Returns 0, or -ENOMEM (NEC_E_NO_MEMORY). Any thread.  Since 0.1.
 */
NEC_PUBLIC int nec_context_new(nec_context **ret, nec_error *err);
NEC_PUBLIC void nec_context_free(nec_context *context);

/**
 * nec_log_fn - receives debug lines: how a decision was taken, never what a user has to know
 * @line: one line without newline, valid during the call only
 */
typedef void (*nec_log_fn)(void *userdata, const char *line);
NEC_PUBLIC void nec_context_set_log(nec_context *context, nec_log_fn log, void *userdata);

/**
 * nec_progress_fn - receives progress of long work, at most about ten times a second
 * @phase: what is going on, e.g. "measuring"; a static string
 * @done:  bytes done so far
 * @total: bytes in all, 0 if not known
 *
 * May be called from a thread of the library while the call that caused it runs, but never from two
 * threads at once.
 */
typedef void (*nec_progress_fn)(void *userdata, const char *phase, uint64_t done, uint64_t total);
NEC_PUBLIC void nec_context_set_progress(nec_context *context, nec_progress_fn progress,
					 void *userdata);

/**
 * nec_warning_fn - receives what the user should know although the call goes on
 * @text: one line or more without newline at the end, valid during the call only
 */
typedef void (*nec_warning_fn)(void *userdata, const char *text);
NEC_PUBLIC void nec_context_set_warning(nec_context *context, nec_warning_fn warning,
					void *userdata);

/**
 * nec_context_set_cancel() - lend a flag that a signal handler may raise
 * @flag: read often during long work; when it is not 0, the call undoes what it did and returns
 *        -ECANCELED (NEC_E_CANCELLED). Type: volatile sig_atomic_t. NULL for none.
 */
NEC_PUBLIC void nec_context_set_cancel(nec_context *context, const volatile int *flag);

/* ---------------------------------------------------------------------------------------------
 * Architectures
 */

/** enum nec_arch - what an enclave's kernel and programs are made for; the values are stable */
enum nec_arch {
	NEC_ARCH_UNKNOWN = 0, /* not said, or not known */
	NEC_ARCH_X86_64 = 1,
	NEC_ARCH_AARCH64 = 2,
};

/**
 * nec_arch_name() - "x86_64" or "aarch64"; "unknown" for other values
 *
 * Returns a static string. Any thread.  Since 0.1.
 */
NEC_PUBLIC const char *nec_arch_name(enum nec_arch arch);

/**
 * nec_arch_parse() - the architecture of that name
 * @name: "x86_64" or "aarch64", or Docker's words "amd64" or "arm64"
 * @ret:  on success the architecture
 * @err:  filled on failure, may be NULL
 *
 * Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT). Any thread.  Since 0.1.
 */
NEC_PUBLIC int nec_arch_parse(const char *name, enum nec_arch *ret, nec_error *err);

/* ---------------------------------------------------------------------------------------------
 * Images: reading, measuring, checking
 */

#define NEC_PCR_SIZE 48 /* bytes of a SHA-384 register */

/** nec_eif - an open enclave image: its header, its sections, and what is wrong with them */
typedef struct nec_eif nec_eif;

/* The values are the format's. */
enum nec_eif_section_type {
	NEC_EIF_KERNEL = 1,
	NEC_EIF_CMDLINE = 2,
	NEC_EIF_RAMDISK = 3,
	NEC_EIF_SIGNATURE = 4,
	NEC_EIF_METADATA = 5
};

/**
 * nec_eif_section_name() - "kernel", "cmdline", "ramdisk", "signature", "metadata"
 *
 * Returns a static string; "unknown" for other values. Any thread.  Since 0.1.
 */
NEC_PUBLIC const char *nec_eif_section_name(enum nec_eif_section_type type);

/** struct nec_eif_header - the fixed fields at the start of the file */
struct nec_eif_header {
	uint32_t magic;
	uint16_t version;
	uint16_t flags; /* bit 0 is the architecture; unknown bits as they are in the file */
	uint64_t default_memory_bytes;
	uint64_t default_cpus;
	uint32_t crc32; /* as stored, not as computed */
};

/** struct nec_eif_section - one section; sections are listed in file order */
struct nec_eif_section {
	enum nec_eif_section_type type;
	uint16_t flags;
	uint64_t offset;           /* of the section's own header */
	uint64_t data_offset;      /* of its data */
	uint64_t size_bytes;       /* of its data, by the section's own header; inside the file */
	uint64_t table_size_bytes; /* the same by the file header's table; differs in stale files */
};

/**
 * struct nec_eif_measurements - what the image's bytes come to
 * @pcr0:  kernel, command line and all ramdisks
 * @pcr1:  kernel, command line and the first ramdisk
 * @pcr2:  all ramdisks but the first
 * @crc32: computed over the file; the image is whole when it equals the header's
 */
struct nec_eif_measurements {
	uint8_t pcr0[NEC_PCR_SIZE];
	uint8_t pcr1[NEC_PCR_SIZE];
	uint8_t pcr2[NEC_PCR_SIZE];
	uint32_t crc32;
};

enum nec_severity {
	NEC_SEVERITY_NOTE = 0,    /* good to know */
	NEC_SEVERITY_WARNING = 1, /* valid, but some loader or tool will not take it */
	NEC_SEVERITY_ERROR = 2    /* against the format: the image must not be started */
};

/**
 * struct nec_eif_rule - one of the things that can be wrong with an image
 * @name:     stable, such as "section-repeated"
 * @severity: how bad it is to break the rule
 * @code:     the error that nec_eif_check() makes of it; NEC_E_NONE for rules of lint alone
 * @summary:  when it is broken, in one line
 * @hint:     what to do
 */
struct nec_eif_rule {
	const char *name;
	enum nec_severity severity;
	enum nec_error_code code;
	const char *summary;
	const char *hint;
};

/**
 * nec_eif_get_rule() - the rules one by one, from 0, in the order of docs/eif-lint.md
 *
 * Returns a static row, NULL behind the last one. Any thread.  Since 0.1.
 */
NEC_PUBLIC const struct nec_eif_rule *nec_eif_get_rule(size_t index);

/**
 * struct nec_eif_finding - something that is wrong with an image which can be described all the
 * same
 * @rule:     stable name of the rule, such as "section-repeated"
 * @severity: how bad
 * @code:     the error that nec_eif_check() makes of it
 * @offset:   where in the file
 * @message:  what is wrong, with the values; without the file's name
 * @hint:     what to do; may be empty
 */
struct nec_eif_finding {
	const char *rule;
	enum nec_severity severity;
	enum nec_error_code code;
	uint64_t offset;
	char message[256];
	const char *hint;
};

/**
 * nec_eif_open() - open an enclave image and read its header and section tables
 * @context: outlives the handle; NULL for no progress and no way to cancel
 * @path:    a regular file
 * @ret:     on success the handle, to be released with nec_eif_free()
 * @err:     filled on failure, may be NULL
 *
 * Versions 2 to 4, both architectures. Fails only when the tables cannot be followed; everything
 * else that is wrong is kept as findings. The file stays open and is read as needed, never mapped
 * and never kept in memory.
 *
 * Returns 0, -ENOENT, -EACCES ... (NEC_E_FILE_OPEN), -EINVAL (NEC_E_INVALID_ARGUMENT: not a regular
 * file), -EBADMSG (NEC_E_EIF_MAGIC, _TRUNCATED, _SECTION_COUNT, _SECTION_TYPE, _SECTION_ORDER),
 * -ENOMEM, or what reading gives (NEC_E_FILE_READ). Since 0.1.
 */
NEC_PUBLIC int nec_eif_open(nec_context *context, const char *path, nec_eif **ret, nec_error *err);

/**
 * nec_eif_open_fd() - the same for a file that is open for reading
 * @fd:   duplicated; its file position is neither used nor changed
 * @name: what to call the file in messages; copied
 */
NEC_PUBLIC int nec_eif_open_fd(nec_context *context, int fd, const char *name, nec_eif **ret,
			       nec_error *err);
NEC_PUBLIC void nec_eif_free(nec_eif *eif);

/* What the image consists of; lent by the handle. Sections are numbered from 0. Since 0.1. */
NEC_PUBLIC const struct nec_eif_header *nec_eif_get_header(const nec_eif *eif);
NEC_PUBLIC enum nec_arch nec_eif_get_arch(const nec_eif *eif);
NEC_PUBLIC uint64_t nec_eif_get_size_bytes(const nec_eif *eif);
NEC_PUBLIC size_t nec_eif_get_section_count(const nec_eif *eif);
/* NULL when there is no such section. */
NEC_PUBLIC const struct nec_eif_section *nec_eif_get_section(const nec_eif *eif, size_t index);

/**
 * nec_eif_read_section() - read part of a section's data
 * @index:  of the section
 * @offset: in the section's data, in bytes
 * @to:     receives exactly @size bytes
 *
 * Returns 0, -EINVAL (NEC_E_INVALID_ARGUMENT: beyond the section), or what reading gives
 * (NEC_E_FILE_READ). Since 0.1.
 */
NEC_PUBLIC int nec_eif_read_section(const nec_eif *eif, size_t index, uint64_t offset, void *to,
				    size_t size, nec_error *err);

/* What was found wrong so far, in the order it was found; lent until the next call on the handle
 * that is not a _get_ call. NULL when there is no such finding. Since 0.1. */
NEC_PUBLIC size_t nec_eif_get_finding_count(const nec_eif *eif);
NEC_PUBLIC const struct nec_eif_finding *nec_eif_get_finding(const nec_eif *eif, size_t index);

/**
 * nec_eif_measure() - compute the CRC and PCR0, PCR1, PCR2
 * @ret: may be NULL
 *
 * Reads the file once in each of two threads and reports progress as "measuring". A CRC that does
 * not match is a finding, not a failure. The result is kept: a second call costs nothing.
 *
 * Returns 0, -ECANCELED (NEC_E_CANCELLED), -EBADMSG (NEC_E_FILE_CHANGED: size or times of the file
 * are no longer those at opening), -ELIBACC (NEC_E_LIBRARY_MISSING), -ENOMEM, -EAGAIN
 * (NEC_E_SYSTEM: no thread can be started), or what reading gives (NEC_E_FILE_READ). Since 0.1.
 */
NEC_PUBLIC int nec_eif_measure(nec_eif *eif, struct nec_eif_measurements *ret, nec_error *err);

/**
 * nec_eif_check() - the strict verdict: is this image as the format asks?
 *
 * Measures if that was not done, reads the metadata, verifies the signature (that it is one of the
 * measured PCR0, by its certificate's key, and that the certificate is valid now), then fails with
 * the first finding of NEC_SEVERITY_ERROR. An unsigned image is in order.
 *
 * Returns 0, -EBADMSG (the finding's code), or as nec_eif_measure(). Since 0.1.
 */
NEC_PUBLIC int nec_eif_check(nec_eif *eif, nec_error *err);

/**
 * nec_pcr_of_file() - the register that a file's bytes are extended into
 * @path: read to its end; need not be a regular file
 * @pcr:  receives SHA-384(48 zero bytes || SHA-384(contents))
 *
 * Reports progress as "measuring". Returns 0, -ENOENT, -EACCES ... (NEC_E_FILE_OPEN), -ECANCELED
 * (NEC_E_CANCELLED), -ELIBACC (NEC_E_LIBRARY_MISSING), -ENOMEM, or what reading gives
 * (NEC_E_FILE_READ). Since 0.1.
 */
NEC_PUBLIC int nec_pcr_of_file(nec_context *context, const char *path, uint8_t pcr[NEC_PCR_SIZE],
			       nec_error *err);

/* ---------------------------------------------------------------------------------------------
 * Images: signatures
 */

/** struct nec_name_entry - one part of an X.509 name */
struct nec_name_entry {
	const char *name; /* OpenSSL's long name of it: "commonName" */
	char *value;      /* UTF-8 */
};

/**
 * struct nec_certificate_info - what a signing certificate says of itself
 * @issuer:    sorted by name; of two parts with the same name the later one
 * @subject:   likewise
 * @algorithm: of the signature on the certificate, by OpenSSL's long name: "ecdsa-with-SHA384"
 * @signature: its bytes in upper-case hex: "30:65:02"
 *
 * The dates are in OpenSSL's print form, "Jan  1 00:00:00 2024 GMT", and in seconds since 1970.
 */
struct nec_certificate_info {
	struct nec_name_entry *issuer;
	size_t issuer_count;
	struct nec_name_entry *subject;
	size_t subject_count;
	const char *algorithm;
	char *not_before;
	char *not_after;
	int64_t not_before_seconds;
	int64_t not_after_seconds;
	char *signature;
};

/** nec_signature - a decoded signature section; nothing in it is verified by decoding */
typedef struct nec_signature nec_signature;

/**
 * struct nec_signature_info - what a signature section says
 * @certificate: of the first entry, the only one that counts
 * @pcr8:        the measurement of that certificate
 * @has_private_key: whether a private key stands beside the certificate: a leak
 * @entry_count: entries of the section; more than one is allowed, but nobody reads them
 * @algorithm:   as the signature names it: -7 (ES256), -35 (ES384), -36 (ES512) or whatever else
 * @has_value:   whether what is signed is a register at all; then
 * @register_index, @register_value: say which one and its signed value
 */
struct nec_signature_info {
	struct nec_certificate_info certificate;
	uint8_t pcr8[NEC_PCR_SIZE];
	bool has_private_key;
	size_t entry_count;
	int64_t algorithm;
	bool has_value;
	uint64_t register_index;
	uint8_t register_value[NEC_PCR_SIZE];
};

/**
 * nec_signature_decode() - decode the data of a signature section
 * @data: @size bytes; not needed any more when the call returns
 * @ret:  on success the signature, to be released with nec_signature_free()
 * @err:  filled on failure, may be NULL
 *
 * Takes byte fields as arrays of integers, AWS's way, and as byte strings. What is signed may be
 * anything: see has_value.
 *
 * Returns 0, -EBADMSG (NEC_E_SIGNATURE_FORMAT; NEC_E_CERTIFICATE: there is no PEM certificate in
 * it), -EFBIG (NEC_E_TOO_LARGE), -ELIBACC (NEC_E_LIBRARY_MISSING), or -ENOMEM. Any thread.
 * Since 0.1.
 */
NEC_PUBLIC int nec_signature_decode(const void *data, size_t size, nec_signature **ret,
				    nec_error *err);

/**
 * nec_eif_read_signature() - decode the signature section of an open image
 * @ret: as above; untouched when the image is not signed
 *
 * Returns 1 when the image is signed, 0 when it is not, what nec_signature_decode() gives, or what
 * reading gives (NEC_E_FILE_READ). Since 0.1.
 */
NEC_PUBLIC int nec_eif_read_signature(nec_eif *eif, nec_signature **ret, nec_error *err);
NEC_PUBLIC void nec_signature_free(nec_signature *signature);

/* What it says; lent by the handle. Since 0.1. */
NEC_PUBLIC const struct nec_signature_info *nec_signature_get_info(const nec_signature *signature);

/**
 * nec_signature_check_algorithm() - does the signature name the algorithm of the certificate's key?
 *
 * Returns 0, -EINVAL (NEC_E_CERTIFICATE: the key is not on P-256, P-384 or P-521), or -EBADMSG
 * (NEC_E_SIGNATURE_INVALID). One thread at a time per handle, as for the checks below. Since 0.1.
 */
NEC_PUBLIC int nec_signature_check_algorithm(const nec_signature *signature, nec_error *err);

/**
 * nec_signature_check_key() - was the signature made by the certificate's key?
 *
 * Includes nec_signature_check_algorithm(). Returns 0, as above, or -ENOMEM. Since 0.1.
 */
NEC_PUBLIC int nec_signature_check_key(const nec_signature *signature, nec_error *err);

/**
 * nec_signature_check_pcr0() - is the measured PCR0 what was signed, in the exact form AWS expects?
 * @pcr0: as nec_eif_measure() computes it
 *
 * Returns 0, -EBADMSG (NEC_E_SIGNATURE_PCR0), or -ENOMEM. Since 0.1.
 */
NEC_PUBLIC int nec_signature_check_pcr0(const nec_signature *signature,
					const uint8_t pcr0[NEC_PCR_SIZE], nec_error *err);

/**
 * nec_signature_check_dates() - is the certificate valid at that time?
 * @now: in seconds since 1970
 *
 * Returns 0, or -EKEYEXPIRED (NEC_E_CERTIFICATE_DATES). Since 0.1.
 */
NEC_PUBLIC int nec_signature_check_dates(const nec_signature *signature, int64_t now,
					 nec_error *err);

/**
 * nec_signature_verify() - all of the checks above, in that order
 *
 * The certificate is not traced to any authority: who made the signature is for the reader of PCR8
 * to decide. Returns 0, or what the first failing check gives. Since 0.1.
 */
NEC_PUBLIC int nec_signature_verify(const nec_signature *signature,
				    const uint8_t pcr0[NEC_PCR_SIZE], int64_t now, nec_error *err);

/**
 * nec_certificate_measure() - the PCR8 of images that are signed with a certificate
 * @path: a PEM file; its first certificate counts
 * @ret:  receives the measurement
 *
 * Returns 0, -EBADMSG (NEC_E_CERTIFICATE), -EFBIG (NEC_E_TOO_LARGE), what opening and reading give
 * (NEC_E_FILE_OPEN, NEC_E_FILE_READ), -ELIBACC (NEC_E_LIBRARY_MISSING), or -ENOMEM. Any thread.
 * Since 0.1.
 */
NEC_PUBLIC int nec_certificate_measure(const char *path, uint8_t ret[NEC_PCR_SIZE], nec_error *err);

/**
 * struct nec_sign_options - who signs; begins with struct_size, made by NEC_SIGN_OPTIONS_INIT
 * @certificate:    PEM file, of which the first certificate counts. The whole file becomes part of
 *                  the image, so one that also holds a private key is refused
 * @private_key:    PEM file (PKCS#8 or SEC1, not encrypted) with the certificate's key; or else
 * @signer_command: run by /bin/sh; gets the bytes to be signed on stdin, and answers on stdout with
 *                  their ECDSA signature by the certificate's key, hashed as its curve asks
 *                  (SHA-256, SHA-384, SHA-512 for P-256, P-384, P-521): r and s, each as long as
 *                  the field, or DER. It may ask on the terminal and take its time
 */
struct nec_sign_options {
	size_t struct_size;
	const char *certificate;
	const char *private_key;
	const char *signer_command;
};
#define NEC_SIGN_OPTIONS_INIT                                     \
	{                                                         \
		sizeof(struct nec_sign_options), NULL, NULL, NULL \
	}

/** struct nec_sign_result - what a signed image measures; PCR8 is the certificate's */
struct nec_sign_result {
	struct nec_eif_measurements measurements;
	uint8_t pcr8[NEC_PCR_SIZE];
};

/**
 * nec_eif_sign() - sign an image, or replace its signature
 * @context: for progress ("measuring", "writing"), warnings and cancellation; may be NULL
 * @path:    the image
 * @output_path: the signed image; NULL: in place of @path
 * @options: borrowed for the call
 * @ret:     the measurements; may be NULL
 * @err:     filled on failure, may be NULL
 *
 * Everything else in the file stays as it is, unknown header flags included; a stale size that an
 * older tool left for the signature is put right. The old signature is not looked at. An image that
 * is not as the format asks in any other way is not signed. The output appears when it is complete;
 * after a failure the image is as it was and there is no other file. A certificate that is not
 * valid now gives a warning.
 *
 * Returns 0; -EINVAL (NEC_E_INVALID_ARGUMENT; NEC_E_PRIVATE_KEY: not the certificate's, or of
 * another kind; NEC_E_CERTIFICATE: its key is not on P-256, P-384 or P-521), -EBADMSG
 * (NEC_E_CERTIFICATE, NEC_E_PRIVATE_KEY; NEC_E_SIGNER: no signature was answered;
 * NEC_E_SIGNATURE_INVALID: one by another key was; or what nec_eif_check() gives), -EIO
 * (NEC_E_SIGNER: the command failed), -EOPNOTSUPP (NEC_E_UNSUPPORTED: the key is named by an ARN),
 * -EFBIG (NEC_E_TOO_LARGE: the certificate's file), -E2BIG (NEC_E_EIF_SECTION_COUNT: there are 32
 * sections already), -ECANCELED (NEC_E_CANCELLED), -ELIBACC (NEC_E_LIBRARY_MISSING), -ENOMEM, or
 * what opening, reading and writing files gives. Since 0.1.
 */
NEC_PUBLIC int nec_eif_sign(nec_context *context, const char *path, const char *output_path,
			    const struct nec_sign_options *options, struct nec_sign_result *ret,
			    nec_error *err);

/* ---------------------------------------------------------------------------------------------
 * Images: building
 */

/** struct nec_list - texts that a caller lends; items is NULL when the list is not given at all */
struct nec_list {
	const char *const *items;
	size_t count;
};

/**
 * struct nec_build_options - what an image is made of; NULL and 0 mean the default
 *
 * The kernel:
 * @arch:           of the image; default: that of @kernel if it is a file, else this machine's
 * @kernel:         a bzImage or arm64 Image; or a folder: a system's root, an unpacked kernel
 *                  package, or nitro-cli's blobs. Default: the blobs of an installed nitro-cli,
 *                  else this machine's newest /boot/vmlinuz-*
 * @kernel_config:  fills OperatingSystem and KernelVersion; default: the one beside the kernel
 * @cmdline:        default: the one beside the kernel (blobs), else nitro-cli's for @arch
 *
 * The files. With a root file system (one of the next four) two ramdisks are made: one with init
 * and kernel modules, one with the root file system and how to run it. @ramdisks come after them.
 * @rootfs:         folder, OCI layout, OCI archive or archive of `docker save`
 * @docker_uri:     image to take from a local daemon or a registry, or "oci:PATH[:TAG]",
 *                  "oci-archive:PATH[:TAG]", "docker-archive:PATH[:NAME]", "dir:PATH" to read
 *                  without any tool
 * @docker_folder:  folder with a Dockerfile to build and tag @docker_uri
 * @reference:      which image of @rootfs, when it has several
 * @ramdisks:       files, taken as they are (compressed or not)
 * @keep_owner:     keep the owners of a folder's files; default: everything belongs to 0:0.
 *                  Images of layers always keep their owners
 *
 * How to run it; each replaces what the image says:
 * @entrypoint:     also drops the image's CMD; one empty text: no entrypoint
 * @cmd:            arguments to the entrypoint, or the command when there is none
 * @env:            NAME=value, each added to the image's or replacing its value
 * @workdir:        absolute, in the image
 * @user:           as in a Dockerfile: name, uid, name:group, uid:gid
 * @init:           first process; default: nec-init
 * @modules:        names of kernel modules, or files (with '/' or ".ko" in the text), in the order
 *                  to load them, besides those that an enclave always needs
 * @module_folder:  lib/modules/RELEASE to take them from; default: the one beside the kernel.
 *                  "" for none: the kernel has everything built in
 *
 * The metadata:
 * @name, @version: default: from the image, else the kernel's file name (or "enclave") and "1.0"
 * @metadata:       file with a JSON object of at most 4096 bytes
 * @docker_info:    file with JSON that takes the place of what the image's configuration says
 * @build_time, @build_tool, @build_tool_version, @operating_system, @kernel_version: as written;
 *                  default: $SOURCE_DATE_EPOCH or 1970-01-01, nec and its version, and what kernel
 *                  config or kernel say
 *
 * The results:
 * @signing:        who signs the image; default: nobody. Checked before anything else is done
 * @output:         the image; required. Appears only when it is complete
 * @pcr_json:       file for the measurements as JSON; default: none
 * @manifest:       file for a JSON list of all files in all ramdisks; default: none
 */
struct nec_build_options {
	size_t struct_size;

	enum nec_arch arch;
	const char *kernel;
	const char *kernel_config;
	const char *cmdline;

	const char *rootfs;
	const char *docker_uri;
	const char *docker_folder;
	const char *reference;
	struct nec_list ramdisks;
	bool keep_owner;

	struct nec_list entrypoint;
	struct nec_list cmd;
	struct nec_list env;
	const char *workdir;
	const char *user;
	const char *init;
	struct nec_list modules;
	const char *module_folder;

	const char *name;
	const char *version;
	const char *metadata;
	const char *docker_info;
	const char *build_time;
	const char *build_tool;
	const char *build_tool_version;
	const char *operating_system;
	const char *kernel_version;

	const struct nec_sign_options *signing;
	const char *output;
	const char *pcr_json;
	const char *manifest;
};
#define NEC_BUILD_OPTIONS_INIT                   \
	{                                        \
		sizeof(struct nec_build_options) \
	}

/** struct nec_build_result - what was built */
struct nec_build_result {
	struct nec_eif_measurements measurements;
	bool is_signed;
	uint8_t pcr8[NEC_PCR_SIZE]; /* of the signing certificate; when signed */
};

/**
 * nec_eif_build() - build an enclave image
 * @context: for progress ("writing", "measuring" ...), warnings and cancellation; may be NULL
 * @options: borrowed for the call
 * @ret:     the image's measurements
 * @err:     filled on failure, may be NULL
 *
 * Equal inputs give equal files, whatever the machine, user, folder, locale, umask and time are.
 * The results appear when all of them are complete; after a failure there is nothing new, and what
 * stood at their places before is as it was.
 *
 * Returns 0, -EINVAL (NEC_E_INVALID_ARGUMENT; NEC_E_KERNEL, NEC_E_EIF_ARCH: not a kernel that the
 * enclave could boot; NEC_E_EIF_METADATA), -ENOENT (NEC_E_KERNEL: none is installed; NEC_E_MODULE;
 * NEC_E_TOOL_MISSING), -EBADMSG (NEC_E_SOURCE, NEC_E_SOURCE_UNSAFE, NEC_E_MODULE, NEC_E_JSON,
 * NEC_E_FILE_CHANGED), -E2BIG, -EFBIG (NEC_E_TOO_LARGE), -EIO (NEC_E_TOOL_FAILED), what
 * nec_eif_sign() gives for certificate, key and signer, -ECANCELED
 * (NEC_E_CANCELLED), -ELIBACC (NEC_E_LIBRARY_MISSING), -ENOMEM, or what opening, reading and
 * writing files gives. Since 0.1.
 */
NEC_PUBLIC int nec_eif_build(nec_context *context, const struct nec_build_options *options,
			     struct nec_build_result *ret, nec_error *err);

/* ---------------------------------------------------------------------------------------------
 * Images: lint, diff, extract
 */

/** nec_lint - everything wrong or risky that was found in one image */
typedef struct nec_lint nec_lint;

/**
 * struct nec_lint_options - what to check an image against
 * @struct_size: set by NEC_LINT_OPTIONS_INIT
 * @memory_mib:  memory that the enclave will be given, in MiB; 0: not known, not checked
 * @has_now:     whether @now is given; otherwise certificates are checked against the clock
 * @now:         in seconds since 1970
 */
struct nec_lint_options {
	size_t struct_size;
	uint64_t memory_mib;
	bool has_now;
	int64_t now;
};
#define NEC_LINT_OPTIONS_INIT                                \
	{                                                    \
		sizeof(struct nec_lint_options), 0, false, 0 \
	}

/**
 * struct nec_lint_finding - one thing that is wrong, risky, or good to know
 * @rule:     its name; nec_eif_get_rule() lists them all
 * @severity: the rule's
 * @offset:   where in the file, in bytes; of something in a ramdisk, where that ramdisk begins
 * @ramdisk:  the ramdisk that is meant, counted from 1; 0: none
 * @path:     of the file in the ramdisks, without a leading '/'; NULL: none
 * @message:  what was found, with the values
 * @hint:     what to do
 *
 * What comes from the image is made printable: bytes that are no text appear as \xNN.
 */
struct nec_lint_finding {
	const char *rule;
	enum nec_severity severity;
	uint64_t offset;
	unsigned int ramdisk;
	const char *path;
	const char *message;
	const char *hint;
};

/**
 * nec_lint_run() - look for everything that is wrong or risky in an image
 * @context: for progress and cancellation; NULL for none
 * @path:    a regular file
 * @options: NULL for none
 * @ret:     on success the findings, to be released with nec_lint_free()
 * @err:     filled on failure, may be NULL
 *
 * A file that is damaged or no image at all is no failure: that is what the findings say, and as
 * much as possible of the rest is checked all the same. Ramdisks are unpacked in a stream; nothing
 * of them is written anywhere, and only lists of their files are kept in memory.
 *
 * Returns 0, -ENOENT, -EACCES ... (NEC_E_FILE_OPEN), -EINVAL (NEC_E_INVALID_ARGUMENT: not a regular
 * file), -ECANCELED (NEC_E_CANCELLED), -EBADMSG (NEC_E_FILE_CHANGED), -ELIBACC
 * (NEC_E_LIBRARY_MISSING), -ENOMEM, or what reading gives (NEC_E_FILE_READ). Since 0.1.
 */
NEC_PUBLIC int nec_lint_run(nec_context *context, const char *path,
			    const struct nec_lint_options *options, nec_lint **ret, nec_error *err);
NEC_PUBLIC void nec_lint_free(nec_lint *lint);

/* The findings, worst first and otherwise in the order they were found; lent by the handle. NULL
 * when there is no such finding. Since 0.1. */
NEC_PUBLIC size_t nec_lint_get_finding_count(const nec_lint *lint);
NEC_PUBLIC const struct nec_lint_finding *nec_lint_get_finding(const nec_lint *lint, size_t index);

/* How many findings are of that severity. Since 0.1. */
NEC_PUBLIC size_t nec_lint_count(const nec_lint *lint, enum nec_severity severity);

/**
 * nec_lint_get_minimum_memory_mib() - the least memory that passes the checks of memory, in MiB
 *
 * Returns 0 when it is not known, because a section is damaged or missing. Since 0.1.
 */
NEC_PUBLIC uint64_t nec_lint_get_minimum_memory_mib(const nec_lint *lint);

/** nec_diff - what two images differ in, down to the files in their ramdisks */
typedef struct nec_diff nec_diff;

enum nec_diff_part {
	NEC_DIFF_HEADER = 0,
	NEC_DIFF_KERNEL = 1,
	NEC_DIFF_CMDLINE = 2,
	NEC_DIFF_METADATA = 3,
	NEC_DIFF_SIGNATURE = 4,
	NEC_DIFF_RAMDISK = 5,
	NEC_DIFF_FILE = 6 /* bytes of the image that belong to none of the others */
};

/**
 * nec_diff_part_name() - "header", "kernel", "cmdline", "metadata", "signature", "ramdisk", "file"
 *
 * Returns a static string; "unknown" for other values. Any thread.  Since 0.1.
 */
NEC_PUBLIC const char *nec_diff_part_name(enum nec_diff_part part);

/**
 * struct nec_difference - one difference
 * @part:    of the image
 * @ramdisk: which one, counted from 1; 0: none
 * @path:    of a file in it, without a leading '/'; NULL: none
 * @aspect:  what of it differs, such as "version", "word" (of the command line), a metadata key
 *           ("BuildMetadata.BuildTime"), or "mode", "owner", "mtime", "size", "sha384", "target",
 *           "type", "device" of a file; NULL: all of it was added or removed
 * @before:  the value in the first image; NULL: it has none
 * @after:   the value in the second image; NULL: it has none
 *
 * What comes from the images is made printable as in struct nec_lint_finding.
 */
struct nec_difference {
	enum nec_diff_part part;
	unsigned int ramdisk;
	const char *path;
	const char *aspect;
	const char *before;
	const char *after;
};

/**
 * struct nec_diff_register - what the differences mean for a measurement
 * @index:   0, 1, 2 or 8
 * @differs: whether the values do
 * @before:  the first image's value in hex; "" for PCR8 of an image without signature
 * @after:   the second image's
 * @reason:  what makes it differ, "" if it does not
 */
struct nec_diff_register {
	unsigned int index;
	bool differs;
	const char *before;
	const char *after;
	const char *reason;
};

/**
 * nec_diff_run() - compare two images
 * @context: for progress, warnings and cancellation; NULL for none
 * @before:  path of the first image
 * @after:   path of the second one
 * @ret:     on success the differences, to be released with nec_diff_free()
 * @err:     filled on failure, may be NULL
 *
 * Ramdisks whose bytes differ are unpacked in a stream and compared file by file, the first with
 * the first and so on; lists of files with a hash of their contents are kept in memory. A ramdisk
 * that cannot be unpacked is compared as a whole, with a warning.
 *
 * Returns 0 whether they differ or not, or as nec_eif_open() and nec_eif_measure(). Since 0.1.
 */
NEC_PUBLIC int nec_diff_run(nec_context *context, const char *before, const char *after,
			    nec_diff **ret, nec_error *err);
NEC_PUBLIC void nec_diff_free(nec_diff *diff);

/* The differences, by part, ramdisk and path; none when the images are the same byte for byte. Lent
 * by the handle; NULL when there is no such difference. Since 0.1. */
NEC_PUBLIC size_t nec_diff_get_count(const nec_diff *diff);
NEC_PUBLIC const struct nec_difference *nec_diff_get(const nec_diff *diff, size_t index);

/* How many further differences there are that are not listed: over 100000. Since 0.1. */
NEC_PUBLIC size_t nec_diff_get_omitted(const nec_diff *diff);

/* The registers PCR0, PCR1, PCR2, PCR8, by @index from 0; NULL behind the last. Since 0.1. */
NEC_PUBLIC const struct nec_diff_register *nec_diff_get_register(const nec_diff *diff,
								 size_t index);

/**
 * struct nec_extract_options - what to take out of an image
 * @struct_size: set by NEC_EXTRACT_OPTIONS_INIT
 * @section:     "kernel", "cmdline", "metadata", "signature", "certificate", or "ramdisk1",
 *               "ramdisk2" ...; NULL: all that there is
 * @unpack:      also unpack the files of ramdisks, each into a folder of its own
 */
struct nec_extract_options {
	size_t struct_size;
	const char *section;
	bool unpack;
};
#define NEC_EXTRACT_OPTIONS_INIT                                \
	{                                                       \
		sizeof(struct nec_extract_options), NULL, false \
	}

/**
 * nec_extract_run() - write the parts of an image to files
 * @context: for progress, warnings and cancellation; NULL for none
 * @path:    the image
 * @folder:  is made, or is there and empty
 * @options: NULL for none
 * @err:     filled on failure, may be NULL
 *
 * Writes kernel, cmdline, metadata.json, ramdisk-1.cpio (with .gz, .xz ... behind it if it is
 * compressed), signature.cbor and certificate.pem, the bytes as they are; of a section that is
 * there twice the second as kernel-2 and so on. With @unpack also the folders ramdisk-1 ..., for
 * their owner alone: nothing is ever written outside of them, symbolic links are made but not
 * followed, and names that are absolute or have ".." are refused. Owners, setuid bits and device
 * nodes only when root; a warning tells how many nodes were left out.
 *
 * After a failure nothing is left.
 *
 * Returns 0, -EINVAL (NEC_E_INVALID_ARGUMENT: no such name of a section), -ENOENT
 * (NEC_E_EIF_SECTION_MISSING), -ENOTEMPTY or what making files gives (NEC_E_FILE_WRITE), -EBADMSG
 * (NEC_E_SOURCE_UNSAFE: a name that leads outside; NEC_E_CPIO, NEC_E_RAMDISK: a ramdisk that cannot
 * be unpacked; NEC_E_SIGNATURE_FORMAT, NEC_E_CERTIFICATE), -ECANCELED, -ELIBACC
 * (NEC_E_LIBRARY_MISSING), -ENOMEM, or as nec_eif_open(). Since 0.1.
 */
NEC_PUBLIC int nec_extract_run(nec_context *context, const char *path, const char *folder,
			       const struct nec_extract_options *options, nec_error *err);

/**
 * nec_extract_section() - write one part of an image to an open file, in order, as to a pipe
 * @section: as in struct nec_extract_options
 * @fd:      open for writing; its position moves
 *
 * Returns as nec_extract_run() does. Since 0.1.
 */
NEC_PUBLIC int nec_extract_section(nec_context *context, const char *path, const char *section,
				   int fd, nec_error *err);

/* ---------------------------------------------------------------------------------------------
 * The machine: device, CPU topology, CPU pool, huge pages
 */

/**
 * nec_host - a picture of this machine, taken once: CPUs, NUMA nodes, CPU pool, huge pages
 *
 * Nothing in it changes afterwards; take another one to see what has changed.
 */
typedef struct nec_host nec_host;

/**
 * nec_host_read() - look at the machine: sysfs and the driver's parameters; reserves nothing
 * @context: borrowed for the call
 * @ret:     on success the picture, to be released with nec_host_free()
 * @err:     filled on failure, may be NULL
 *
 * A machine without the driver, without a device, without a pool or without huge pages is no
 * failure: the picture says so (struct nec_pool). Needs no privilege.
 *
 * Returns 0, -ENOMEM (NEC_E_NO_MEMORY), or a negative errno when sysfs cannot be read
 * (NEC_E_CPU_TOPOLOGY, NEC_E_FILE_OPEN, NEC_E_FILE_READ) or holds a CPU list that is none
 * (NEC_E_CPU_LIST_NUMBER, NEC_E_CPU_LIST_RANGE). Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC int nec_host_read(nec_context *context, nec_host **ret, nec_error *err);
NEC_PUBLIC void nec_host_free(nec_host *host);

/** enum nec_core_source - how we know which CPUs are threads of one core */
enum nec_core_source {
	NEC_CORE_UNKNOWN = 0,
	NEC_CORE_READ = 1,   /* the kernel says so; it does for online CPUs only */
	NEC_CORE_DERIVED = 2 /* offline, so concluded from the numbering of the online ones */
};

/**
 * struct nec_cpu - one CPU of the machine
 * @id:          Linux's number, which is also the vCPU id for the driver
 * @node:        NUMA node, 0 on a machine without NUMA, -1 if not known
 * @core:        the lowest CPU number among the threads of its core: CPUs with the same value share
 *               a core; -1 if not known
 * @core_source: how @core is known
 * @online:      false for a CPU of the pool as the upstream driver keeps it
 * @in_pool:     whether it belongs to the CPU pool, be it free or an enclave's
 */
struct nec_cpu {
	uint32_t id;
	int32_t node;
	int32_t core;
	enum nec_core_source core_source;
	bool online;
	bool in_pool;
};

/**
 * nec_host_get_cpu() - lend a CPU of the picture
 * @index: 0 for the CPU with the lowest number, and so on; numbers may have gaps
 *
 * Returns NULL when there are no more. Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC const struct nec_cpu *nec_host_get_cpu(nec_host *host, size_t index);

/**
 * nec_host_get_threads_per_core() - how many CPUs a core of this machine has
 *
 * An enclave's CPUs must be a multiple of it. Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC uint32_t nec_host_get_threads_per_core(nec_host *host);

/** enum nec_pool_state - what the driver's CPU pool is like */
enum nec_pool_state {
	NEC_POOL_NO_DRIVER = 0, /* the module nitro_enclaves is not loaded */
	NEC_POOL_EMPTY = 1,     /* no pool is set */
	NEC_POOL_SET = 2,       /* the CPUs of the pool are offline for everybody else */
	NEC_POOL_DYNAMIC = 3    /* Amazon Linux: every core but CPU 0's, and they stay online */
};

/**
 * struct nec_pool - the driver's CPU pool
 * @state:          see there
 * @device_present: whether there is a /dev/nitro_enclaves; a pool can be set without one
 * @cpu_count:      CPUs in the pool, free or not
 * @node:           the one NUMA node of these CPUs; -1 if there are none, several, or not known
 * @text:           the driver's parameter as it reads ("2-3,6-7", "dynamic", "")
 */
struct nec_pool {
	enum nec_pool_state state;
	bool device_present;
	uint32_t cpu_count;
	int32_t node;
	char text[512];
};

/** nec_host_get_pool() - lend the CPU pool of the picture; never NULL. Since 0.1. */
NEC_PUBLIC const struct nec_pool *nec_host_get_pool(nec_host *host);

/**
 * struct nec_hugepages - huge pages of one size on one NUMA node
 * @node:       NUMA node, 0 on a machine without NUMA
 * @page_bytes: size of a page; enclaves can use 2 MiB and above
 * @total:      pages reserved, free or not
 * @free:       pages that nobody has; some may be promised to a program that has not touched them
 * @available:  pages that can surely be had: @free without what the machine has promised elsewhere
 */
struct nec_hugepages {
	int32_t node;
	uint64_t page_bytes;
	uint64_t total;
	uint64_t free;
	uint64_t available;
};

/**
 * nec_host_get_hugepages() - lend a row of the picture's huge pages, sorted by node and size
 *
 * Returns NULL when there are no more. Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC const struct nec_hugepages *nec_host_get_hugepages(nec_host *host, size_t index);

/**
 * nec_host_open_device() - open /dev/nitro_enclaves
 * @context: borrowed for the call
 * @ret:     on success the descriptor (close-on-exec), to be closed with close(). It takes the
 *           driver's NE_CREATE_VM (<linux/nitro_enclaves.h>) and keeps its module loaded
 * @err:     filled on failure, may be NULL
 *
 * No call of this library needs it: it is for finding out whether this process may start enclaves,
 * and for those who talk to the driver themselves.
 *
 * Returns 0, -ENOENT, -ENODEV, -ENXIO (NEC_E_DEVICE_MISSING), -EACCES, -EPERM
 * (NEC_E_DEVICE_PERMISSION), or another negative errno (NEC_E_SYSTEM). Threads: as the context.
 * Since 0.1.
 */
NEC_PUBLIC int nec_host_open_device(nec_context *context, int *ret, nec_error *err);

/* ---------------------------------------------------------------------------------------------
 * Enclaves: launch, list, describe, connect, terminate
 */

/** enum nec_backend_kind - what runs an enclave; the values are stable */
enum nec_backend_kind {
	NEC_BACKEND_DEFAULT = 0, /* what $NEC_BACKEND names, else the device; never a guess */
	NEC_BACKEND_NITRO = 1,   /* the device, /dev/nitro_enclaves */
	NEC_BACKEND_QEMU = 2     /* a simulation: the same image in QEMU */
};

/**
 * nec_backend_name() - "nitro" or "qemu"; "default" or "unknown" for other values
 *
 * Returns a static string. Any thread.  Since 0.1.
 */
NEC_PUBLIC const char *nec_backend_name(enum nec_backend_kind backend);

/**
 * nec_backend_parse() - the backend of that name
 * @name: "nitro" or "qemu"
 * @ret:  on success the backend
 * @err:  filled on failure, may be NULL
 *
 * Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT). Any thread.  Since 0.1.
 */
NEC_PUBLIC int nec_backend_parse(const char *name, enum nec_backend_kind *ret, nec_error *err);

/** enum nec_enclave_state - where in its life an enclave was when it was asked */
enum nec_enclave_state {
	NEC_ENCLAVE_UNKNOWN = 0, /* a word that this version does not know */
	NEC_ENCLAVE_RUNNING = 1,
	NEC_ENCLAVE_TERMINATING = 2 /* it has ended, or is being ended; what it had comes back */
};

/**
 * nec_enclave - an enclave, as it was when it was launched or looked for
 *
 * The enclave itself lives in a process of its own (nec-holder), not in the caller's: releasing the
 * handle does not end it, nor does the end of the program; and the handle stays valid when the
 * enclave has ended. Nothing in it changes: look for it again to see what has changed. Enclaves of
 * nitro-cli 1.4 and later are seen as well as ours.
 */
typedef struct nec_enclave nec_enclave;

/**
 * struct nec_enclave_info - what an enclave is; texts that are not known are NULL, numbers 0
 * @name:          unique when it was launched, but nothing to rely on: @id is
 * @id:            "<instance>-enc<slot>", unique on this machine as long as the enclave runs
 * @state:         see there
 * @backend:       what runs it; NEC_BACKEND_DEFAULT: something that this version does not know
 * @debug:         whether it has a console. Its attestation documents then have PCRs of zeros
 * @cid:           its vsock address
 * @holder_pid:    the process that holds it
 * @memory_mib:    in MiB; what was asked for, rounded up to whole huge pages
 * @cpu_ids:       Linux's numbers of its CPUs; simulated ones are those of a simulated pool
 * @cpu_count:     of them
 * @start_time:    seconds since 1970; 0 for nitro-cli's, which do not tell
 * @pcr0, @pcr1, @pcr2: of its image, in lower-case hex
 * @pcr8:          of the certificate that signed it; NULL: it is not signed
 * @image_name, @image_version: from its image's metadata; NULL after a launch
 */
struct nec_enclave_info {
	const char *name;
	const char *id;
	enum nec_enclave_state state;
	enum nec_backend_kind backend;
	bool debug;
	uint64_t cid;
	int64_t holder_pid;
	uint64_t memory_mib;
	const uint32_t *cpu_ids;
	size_t cpu_count;
	int64_t start_time;
	const char *pcr0;
	const char *pcr1;
	const char *pcr2;
	const char *pcr8;
	const char *image_name;
	const char *image_version;
};

/**
 * struct nec_pcr_pin - a value that a register must have
 * @number: 0, 1, 2 or 8
 * @value:  as nec_eif_measure() or nec_certificate_measure() give it
 */
struct nec_pcr_pin {
	uint32_t number;
	uint8_t value[NEC_PCR_SIZE];
};

/**
 * struct nec_launch_step - a step of a launch that is done
 * @name:  "check", "measure", "create", "cpus", "memory", "load", "donate", "start", "heartbeat",
 *         "total"; a simulation has fewer. "measure" runs beside others
 * @usec:  how long it took, in microseconds
 * @bytes: how many it moved; 0: none
 * @pages: huge pages of the enclave's memory that it is about; 0: none
 * @calls: in which they were given to the driver
 */
struct nec_launch_step {
	const char *name;
	uint64_t usec;
	uint64_t bytes;
	uint64_t pages;
	uint64_t calls;
};

/**
 * struct nec_launch_options - what to launch; begins with struct_size, made by
 * NEC_LAUNCH_OPTIONS_INIT
 * @eif_path:    the image
 * @eif_fd:      the image as a file that is open for reading, or -1. Lent for the call; its
 *               position is neither used nor changed. @eif_path then only says what to call it, and
 *               may be NULL
 * @memory_mib:  in MiB. At least 64 (the driver's NE_ERR_ENCLAVE_MEM_MIN_SIZE) and four times the
 *               image (nitro-cli's rule); rounded up to whole huge pages
 * @cpu_count:   how many CPUs, 1 to 1024, in whole cores (NE_ERR_FULL_CORES_NOT_USED): a multiple
 *               of nec_host_get_threads_per_core(); or 0, and instead
 * @cpu_ids:     which, by Linux's numbers: free ones of the pool, all threads of each core, none
 *               twice
 * @cpu_id_count: of them, 1 to 1024
 * @cid:         vsock address, 4 to 4294967294 (NE_ERR_INVALID_ENCLAVE_CID, <linux/vm_sockets.h>);
 *               0: one is chosen
 * @name:        any text; gets "_1", "_2" ... behind it when an enclave has it. NULL: the file name
 *               of the image, without ".eif"
 * @backend:     what runs it
 * @debug:       with a console that can be read. Its attestation documents then prove nothing
 * @boot_timeout_usec: how long the enclave may take until its first process reports, in
 *               microseconds; 0: nitro-cli's rule, 180 s or more by size of image and memory
 * @console_limit_bytes: how much of the console is kept, the newest; 0: 1 MiB
 * @pins:        registers that the image must have, each at most once: another image is not started
 *               (NEC_E_EIF_PCR_MISMATCH)
 * @pin_count:   of them
 * @step:        called when a step is done, from the calling thread while the call runs; NULL for
 *               none
 * @userdata:    for it
 */
struct nec_launch_options {
	size_t struct_size;
	const char *eif_path;
	int eif_fd;
	uint64_t memory_mib;
	uint32_t cpu_count;
	const uint32_t *cpu_ids;
	size_t cpu_id_count;
	uint64_t cid;
	const char *name;
	enum nec_backend_kind backend;
	bool debug;
	uint64_t boot_timeout_usec;
	uint64_t console_limit_bytes;
	const struct nec_pcr_pin *pins;
	size_t pin_count;
	void (*step)(void *userdata, const struct nec_launch_step *step);
	void *userdata;
};
#define NEC_LAUNCH_OPTIONS_INIT                                                      \
	{                                                                            \
		sizeof(struct nec_launch_options), NULL, -1, 0, 0, NULL, 0, 0, NULL, \
			NEC_BACKEND_DEFAULT, false, 0, 0, NULL, 0, NULL, NULL        \
	}

/**
 * nec_enclave_launch() - launch an enclave and wait until it is up
 * @context: for progress and cancellation; NULL for none. Outlives the handle
 * @options: borrowed for the call
 * @ret:     on success the enclave, to be released with nec_enclave_free()
 * @err:     filled on failure, may be NULL
 *
 * Everything that can be known is checked before anything is reserved: image, CID, driver, device,
 * pool, CPUs, memory. Then a process of its own (nec-holder: $NEC_HOLDER, or where it is installed)
 * takes what the enclave needs, loads the image and starts it, while the image is measured and
 * checked here. The call returns when the enclave's first process has reported (the heartbeat). On
 * failure, also when the caller is killed, the enclave is gone and everything it had is given back.
 *
 * Returns 0, or as nec_eif_check(); -EINVAL (NEC_E_INVALID_ARGUMENT: options that contradict each
 * other; NEC_E_CID, NEC_E_NO_VCPUS, NEC_E_CORES_INCOMPLETE, NEC_E_CPU_REPEATED,
 * NEC_E_MEMORY_MINIMUM, NEC_E_MEMORY_FOR_IMAGE), -E2BIG (NEC_E_TOO_LARGE: CPUs), -EADDRINUSE
 * (NEC_E_CID), -ENOENT (NEC_E_DEVICE_MISSING, NEC_E_DRIVER_MISSING), -EACCES
 * (NEC_E_DEVICE_PERMISSION), -EBUSY (NEC_E_POOL_EMPTY, NEC_E_CPUS_INSUFFICIENT,
 * NEC_E_VCPU_NOT_IN_POOL), -ENOMEM (NEC_E_HUGEPAGES_EXHAUSTED, NEC_E_NO_MEMORY), what the driver
 * says (NEC_E_VCPU_ALREADY_USED to NEC_E_DRIVER_FAULT), NEC_E_ENCLAVE_BOOT (no heartbeat in time,
 * or the enclave ended before it), -ECANCELED (NEC_E_CANCELLED), or another errno (NEC_E_HOLDER:
 * the process cannot be started, or has been killed; NEC_E_FILE_WRITE: the sockets directory).
 * Threads: as the context; several launch at the same time. Makes child processes and waits for
 * them.  Since 0.1.
 */
NEC_PUBLIC int nec_enclave_launch(nec_context *context, const struct nec_launch_options *options,
				  nec_enclave **ret, nec_error *err);

/**
 * nec_enclave_find() - look for a running enclave
 * @context: outlives the handle; NULL for none
 * @id:      its id; or NULL, and
 * @name:    its name
 * @ret:     on success the enclave, to be released with nec_enclave_free()
 * @err:     filled on failure, may be NULL
 *
 * Asks the processes that hold enclaves, by their sockets in $NITRO_CLI_SOCKETS_PATH or
 * /run/nitro_enclaves, and in the directory of one's own simulation. Each may take 3 s to answer
 * (nitro-cli's limit); the context's cancel flag is not looked at.
 *
 * Returns 0, -EINVAL (NEC_E_INVALID_ARGUMENT: not exactly one of both), -ENOENT (NEC_E_ENCLAVE_ID,
 * NEC_E_ENCLAVE_NAME: there is none), -ENOTUNIQ (NEC_E_ENCLAVE_NAME: several have it),
 * -ECONNREFUSED or -EPROTO (NEC_E_ENCLAVE_CONNECTION: its process gave no usable answer), -ELIBACC
 * (NEC_E_LIBRARY_MISSING), or -ENOMEM. Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC int nec_enclave_find(nec_context *context, const char *id, const char *name,
				nec_enclave **ret, nec_error *err);
NEC_PUBLIC void nec_enclave_free(nec_enclave *enclave);

/** nec_enclave_get_info() - lend what is known of an enclave; never NULL. Since 0.1. */
NEC_PUBLIC const struct nec_enclave_info *nec_enclave_get_info(const nec_enclave *enclave);

/**
 * nec_enclave_get_json() - lend the same as JSON, with the keys and the layout of
 * `nec describe-enclaves --metadata`
 *
 * One object, without a newline at the end; may have keys that struct nec_enclave_info has no field
 * for. Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC const char *nec_enclave_get_json(const nec_enclave *enclave);

/**
 * nec_enclave_open_console() - connect to the console of an enclave in debug mode
 * @ret: on success a descriptor to read from (close-on-exec, blocking), to be closed with close():
 *       first what was kept of the console, then what comes, until the end of the file when the
 *       enclave has ended. Any number of readers, none disturbs another
 * @err: filled on failure, may be NULL
 *
 * Returns 0, -ENOENT (NEC_E_CONSOLE: it is not in debug mode; NEC_E_ENCLAVE_ID: it has ended),
 * -EPROTO (NEC_E_ENCLAVE_CONNECTION), or what connecting gives (NEC_E_CONSOLE). Threads: as the
 * context.  Since 0.1.
 */
NEC_PUBLIC int nec_enclave_open_console(nec_enclave *enclave, int *ret, nec_error *err);

/**
 * nec_enclave_connect() - connect to a vsock port that a program in the enclave listens at
 * @port:      0 to 4294967294
 * @wait_usec: how long to try again, in microseconds, while nobody listens there: an enclave is up
 *             before its program is; 0: not at all
 * @ret:       on success a stream socket (close-on-exec, blocking), to be closed with close()
 * @err:       filled on failure, may be NULL
 *
 * Can be cancelled by the context's flag. Returns 0, -ECONNREFUSED (NEC_E_VSOCK: nobody listens),
 * -ETIMEDOUT (NEC_E_VSOCK: no answer), -ECANCELED (NEC_E_CANCELLED), or what connecting gives
 * (NEC_E_VSOCK). Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC int nec_enclave_connect(nec_enclave *enclave, uint32_t port, uint64_t wait_usec,
				   int *ret, nec_error *err);

/**
 * nec_enclave_terminate() - end an enclave at once, as when its power is cut
 * @err: filled on failure, may be NULL
 *
 * Returns when memory and CPUs are given back, which the driver may take 240 s for (two commands of
 * 120 s); the context's cancel flag is not looked at. Only the user who launched it and root may.
 * The handle stays valid, and has to be released.
 *
 * Returns 0, -ENOENT (NEC_E_ENCLAVE_ID: it has ended already), -EACCES (NEC_E_ENCLAVE_REFUSED: it
 * belongs to another user), -EBUSY (NEC_E_DEVICE_ANSWER: the device did not let it go, and only the
 * machine's next boot does), -EPROTO (NEC_E_ENCLAVE_CONNECTION: no confirmation; look for it
 * again), -ELIBACC (NEC_E_LIBRARY_MISSING), or -ENOMEM. Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC int nec_enclave_terminate(nec_enclave *enclave, nec_error *err);

/** nec_enclave_list - the enclaves of this machine at one moment */
typedef struct nec_enclave_list nec_enclave_list;

/**
 * nec_enclave_list_read() - ask all processes that hold enclaves
 * @context: outlives the list; NULL for none
 * @ret:     on success the list, to be released with nec_enclave_list_free()
 * @err:     filled on failure, may be NULL
 *
 * Asks as nec_enclave_find() does; sockets of processes that are gone are removed. An enclave whose
 * process gives no usable answer is not in the list, but counted.
 *
 * Returns 0, -EACCES ... (NEC_E_FILE_READ: the directory cannot be read), -ELIBACC
 * (NEC_E_LIBRARY_MISSING), or -ENOMEM. Threads: as the context.  Since 0.1.
 */
NEC_PUBLIC int nec_enclave_list_read(nec_context *context, nec_enclave_list **ret, nec_error *err);
NEC_PUBLIC void nec_enclave_list_free(nec_enclave_list *list);

/* The enclaves, from 0; each belongs to the list and is released with it. NULL when there is no
 * such one. Since 0.1. */
NEC_PUBLIC size_t nec_enclave_list_get_count(const nec_enclave_list *list);
NEC_PUBLIC nec_enclave *nec_enclave_list_get(const nec_enclave_list *list, size_t index);

/* How many processes gave no usable answer. Since 0.1. */
NEC_PUBLIC size_t nec_enclave_list_get_failed(const nec_enclave_list *list);

#ifdef __cplusplus
}
#endif

#endif /* NEC_H */
