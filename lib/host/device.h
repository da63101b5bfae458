/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one seam to the kernel: everything we ask of the machine goes through struct nec_device_ops,
 * or through the directory under which /sys, /proc and /dev are looked up. Tests put a fake in its
 * place (tests/unit/fake-device.h). docs/host.md says what the driver promises and where it bites.
 */
#ifndef NEC_HOST_DEVICE_H
#define NEC_HOST_DEVICE_H

#include <dirent.h>
#include <linux/nitro_enclaves.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/context.h"

/* Rules of the driver that its header does not name (reference: drivers/virt/nitro_enclaves). */
#define NEC_REGION_ALIGNMENT   (UINT64_C(2) << 20) /* NE_MIN_MEM_REGION_SIZE */
#define NEC_ENCLAVE_MEMORY_MIN (UINT64_C(64) << 20)
#define NEC_CID_HYPERVISOR     0u
#define NEC_CID_PARENT         3u /* the parent instance, as an enclave sees it */
#define NEC_PORT_HEARTBEAT     9000u
#define NEC_PORT_CONSOLE(cid)  (10000u + (cid)) /* at NEC_CID_HYPERVISOR */
#define NEC_NODE_ANY           (-1)

struct nec_device;

/*
 * Whether that is what root is told where /sys is not for it to write (a container, a service):
 * then the hint is NEC_DEVICE_READ_ONLY_HINT.
 */
bool nec_device_is_read_only(int result);
#define NEC_DEVICE_READ_ONLY_HINT                                                                   \
	"/sys cannot be written here, as in most containers: do it on the host, or in a container " \
	"that has it writable (a privileged one)."

/**
 * struct nec_device_ops - what we ask of the machine, one thing an operation
 *
 * Each returns 0 or more, or a negative errno. Numbers from 256 on are the driver's own and numbers
 * that no list knows come from the device behind it: nec_error_from_driver() names them all.
 *
 * Only populate() may be called by several threads at once.
 */
struct nec_device_ops {
	/*
	 * Opens /dev/nitro_enclaves; returns the fd, to be closed with close(). It is needed for
	 * create_vm() only and keeps the module from being unloaded. The node exists exactly as
	 * long as the driver is bound to a device.
	 */
	int (*open_device)(const struct nec_device *device);

	/*
	 * NE_CREATE_VM: allocates a slot and returns the enclave fd, which stands for it: it is
	 * close-on-exec, and the last close of it (a dup, a fork's copy or a passed fd counts) ends
	 * the enclave. Binds the slot to this process's address space: add_vcpu() and
	 * set_memory_region() work from its threads only (EIO from a fork child). The pool cannot
	 * be changed while a slot exists. slot_uid is never 0.
	 */
	int (*create_vm)(const struct nec_device *device, int device_fd, uint64_t *ret_slot_uid);

	/*
	 * NE_GET_IMAGE_LOAD_INFO: where in the enclave's memory the image has to begin; asks the
	 * driver only, never the device. info->flags must be NE_EIF_IMAGE.
	 */
	int (*get_image_load_info)(const struct nec_device *device, int enclave_fd,
				   struct ne_image_load_info *info);

	/*
	 * NE_SET_USER_MEMORY_REGION: donates hugetlb pages, which stay pinned until the enclave fd
	 * is gone; unmapping them before that gives nothing back. The image has to be in place
	 * before. Neighbours within one call are merged into one region when each page follows the
	 * one before it physically; every region counts against a limit that the device sets and
	 * nobody can ask for. A huge page is donated whole, even if memory_size ends within it, and
	 * the call must begin at a page's start. After a failure of the device some of it stays
	 * donated: only closing the enclave fd undoes that.
	 */
	int (*set_memory_region)(const struct nec_device *device, int enclave_fd,
				 const struct ne_user_memory_region *region);

	/*
	 * NE_ADD_VCPU: *cpu_id is a CPU of the pool, or 0 to let the driver choose (CPU 0 itself is
	 * never in the pool) and report: first a thread left over in a core that this enclave has,
	 * else a thread of the lowest free core. The whole core is taken from the pool, even if the
	 * call then fails, and comes back when the enclave fd is gone.
	 */
	int (*add_vcpu)(const struct nec_device *device, int enclave_fd, uint32_t *cpu_id);

	/*
	 * NE_START_ENCLAVE: info->enclave_cid 0 lets the hypervisor choose; the CID comes back in
	 * it. Every thread of every core taken must have been added.
	 */
	int (*start)(const struct nec_device *device, int enclave_fd,
		     struct ne_enclave_start_info *info);

	/*
	 * Closes one copy of the enclave fd. With the last one the enclave is stopped, its pages
	 * and cores are given back, and the slot is freed; blocks until the device has answered
	 * (120 s a command at worst). Never reports a failure: the driver does not.
	 */
	void (*close_enclave)(const struct nec_device *device, int enclave_fd);

	/*
	 * Maps @count huge pages of @page_bytes as one private piece of address space whose pages
	 * will come from NUMA node @node (NEC_NODE_ANY: wherever). Not copied to fork children, not
	 * part of core dumps. Reserves pages of the machine, but not of the node: that a page can
	 * really be had is known after populate(). *ret_fd stands for the pages in unmap_pages(),
	 * or is -1. -ENOMEM: not enough free pages of this size; -EINVAL: the kernel has no pages
	 * of this size.
	 */
	int (*map_pages)(const struct nec_device *device, uint64_t page_bytes, uint64_t count,
			 int node, void **ret, int *ret_fd);

	/*
	 * Makes one page of such a mapping present and zeroed. -ENOMEM when the node has none left:
	 * touching that page would have ended the process with SIGBUS. Any thread.
	 */
	int (*populate)(const struct nec_device *device, void *address, uint64_t page_bytes);

	/*
	 * Undoes map_pages(); pages not donated are free again at once. -EBUSY when somebody still
	 * has some of them: the driver, of an enclave that is not gone. 0 also when that cannot be
	 * told.
	 */
	int (*unmap_pages)(const struct nec_device *device, void *address, uint64_t bytes, int fd);

	/* A vsock stream listener (close-on-exec, non-blocking); returns its fd. */
	int (*vsock_listen)(const struct nec_device *device, uint32_t cid, uint32_t port);

	/*
	 * Takes the next connection; returns its fd (close-on-exec, non-blocking) and who it is
	 * from. -EAGAIN when nobody waits.
	 */
	int (*vsock_accept)(const struct nec_device *device, int listener_fd, uint32_t *ret_cid);

	/*
	 * Connects a stream; returns its fd (close-on-exec, blocking). Waits at most @timeout_usec
	 * (0: the kernel's 2 s) and then answers -ETIMEDOUT; a refusal is -ECONNRESET.
	 */
	int (*vsock_connect)(const struct nec_device *device, uint32_t cid, uint32_t port,
			     uint64_t timeout_usec);

	/*
	 * Writes a file of sysfs or procfs in one call, as the kernel wants it. What the kernel
	 * made of it has to be read back: nr_hugepages takes any number and does what it can, and
	 * ne_cpus answers -EINVAL to what releases the pool. -EPERM from ne_cpus: an enclave
	 * exists, and nothing has changed; any other failure there leaves no pool at all.
	 */
	int (*write_text)(const struct nec_device *device, const char *path, const char *text);

	/* 0 when this process may change the machine (CAP_SYS_ADMIN and root's files), else -EPERM.
	 */
	int (*check_rights)(const struct nec_device *device);

	/* Loads the module nitro_enclaves by the program that the kernel itself would use. */
	int (*load_driver)(const struct nec_device *device, const nec_context *context,
			   nec_error *err);
};

/**
 * struct nec_device - a machine: the real one, or a test's
 * @ops:     how to ask it
 * @data:    the fake's; not used by the real one
 * @root_fd: directory under which sys/, proc/ and dev/ are looked up
 */
struct nec_device {
	const struct nec_device_ops *ops;
	void *data;
	int root_fd;
};
#define NEC_DEVICE_INIT       \
	{                     \
		.root_fd = -1 \
	}

/*
 * The machine that @context works on: the real one, unless a test has set context->device.
 * To be closed with nec_device_close() (cleanup_device). Returns 0 or a negative errno.
 */
int nec_device_open(const nec_context *context, struct nec_device *ret, nec_error *err);
void nec_device_close(struct nec_device *device);

static inline void nec_cleanup_device(struct nec_device *device)
{
	nec_device_close(device);
}
#define cleanup_device NEC_CLEANUP(device)

/*
 * Whether the driver has reported the enclave's end: POLLHUP, which once raised stays, is raised by
 * nothing else, and says nothing about the reason. Enclave fds can be polled with others, too; no
 * other event ever shows on them.
 */
bool nec_enclave_fd_ended(int enclave_fd);

/*
 * Reads a file of sysfs or procfs as text without the white space at its end; @path is the whole
 * one ("/sys/...").
 */
int nec_device_read_text(const struct nec_device *device, const char *path, struct nec_buffer *to,
			 nec_error *err);

/* The same for a file that need not be there: returns 1 when it was read, 0 when there is none. */
int nec_device_read_optional(const struct nec_device *device, const char *path,
			     struct nec_buffer *to, nec_error *err);

/* Reads a file that holds one decimal number. */
int nec_device_read_u64(const struct nec_device *device, const char *path, uint64_t *ret,
			nec_error *err);

/* Opens a directory of sysfs. NULL with errno set when there is none. */
DIR *nec_device_open_dir(const struct nec_device *device, const char *path);

/* Returns 1 when @path exists, 0 when it does not, else a negative errno. */
int nec_device_exists(const struct nec_device *device, const char *path);

#endif
