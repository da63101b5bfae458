/* SPDX-License-Identifier: Apache-2.0 */
/* The real machine: the driver's ioctls, huge pages, vsock, and files of sysfs. */
#include "host/device.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
/* clang-format off: needs the type sa_family_t from above */
#include <linux/vm_sockets.h>
/* clang-format on */

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"

/* Far beyond any list of CPUs or nodes; only a broken file is longer. */
enum { SYSFS_FILE_MAX = 64 * 1024 };

/* Of Linux 6.3; older headers do not have it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* MAX_NUMNODES of the largest kernel configurations. */
enum { NODES_MAX = 1024 };

/* Paths are written as everybody knows them, and looked up under the device's root. */
static const char *below_root(const char *path)
{
	assert(path[0] == '/');
	return path + 1;
}

static int open_device(const struct nec_device *device)
{
	int fd = openat(device->root_fd, below_root("/dev/nitro_enclaves"), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int create_vm(const struct nec_device *device, int device_fd, uint64_t *ret_slot_uid)
{
	__u64 uid = 0;
	int fd = ioctl(device_fd, NE_CREATE_VM, &uid);

	(void)device;
	if (fd < 0)
		return -errno;
	*ret_slot_uid = uid;
	return fd;
}

static int get_image_load_info(const struct nec_device *device, int enclave_fd,
			       struct ne_image_load_info *info)
{
	(void)device;
	return ioctl(enclave_fd, NE_GET_IMAGE_LOAD_INFO, info) < 0 ? -errno : 0;
}

static int set_memory_region(const struct nec_device *device, int enclave_fd,
			     const struct ne_user_memory_region *region)
{
	(void)device;
	return ioctl(enclave_fd, NE_SET_USER_MEMORY_REGION, region) < 0 ? -errno : 0;
}

static int add_vcpu(const struct nec_device *device, int enclave_fd, uint32_t *cpu_id)
{
	__u32 id = *cpu_id;

	(void)device;
	if (ioctl(enclave_fd, NE_ADD_VCPU, &id) < 0)
		return -errno;
	*cpu_id = id;
	return 0;
}

static int start(const struct nec_device *device, int enclave_fd,
		 struct ne_enclave_start_info *info)
{
	(void)device;
	return ioctl(enclave_fd, NE_START_ENCLAVE, info) < 0 ? -errno : 0;
}

static void close_enclave(const struct nec_device *device, int enclave_fd)
{
	(void)device;
	(void)close(enclave_fd);
}

/*
 * Binds the mapping, not the thread, so that it holds for every thread that populates it. A kernel
 * without NUMA has the call answer ENOSYS, and then there is only one place to take pages from.
 */
static int bind_to_node(void *address, uint64_t bytes, int node)
{
	enum { WORD_BITS = 8 * sizeof(unsigned long) };
	unsigned long mask[NODES_MAX / WORD_BITS] = { 0 };

	if (node == NEC_NODE_ANY)
		return 0;
	if (node < 0 || node >= NODES_MAX)
		return -EINVAL;
	mask[node / WORD_BITS] = 1UL << (node % WORD_BITS);
	/* The kernel ignores the last bit of the count it is given, hence one more. */
	if (syscall(SYS_mbind, address, (unsigned long)bytes, MPOL_BIND, mask,
		    (unsigned long)NODES_MAX + 1, 0UL) < 0 &&
	    errno != ENOSYS)
		return -errno;
	return 0;
}

/*
 * A file of huge pages: of its pages the kernel tells whether anybody else has them, which is all
 * that shows whether the driver has let them go. -1 where it cannot be had.
 */
static int make_page_file(unsigned int size_flag, uint64_t bytes)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | size_flag;
	cleanup_close int fd = memfd_create("enclave", flags | MFD_NOEXEC_SEAL);

	/* Before Linux 6.3 it does not know what it is not to be run for. */
	if (fd < 0)
		fd = memfd_create("enclave", flags);
	return fd < 0 || bytes > INT64_MAX || ftruncate(fd, (off_t)bytes) < 0 ? -1 : TAKE_FD(fd);
}

static void *map_file_or_none(int fd, unsigned int size_flag, uint64_t bytes)
{
	int flags =
		fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (int)size_flag : MAP_SHARED;

	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static int map_pages(const struct nec_device *device, uint64_t page_bytes, uint64_t count, int node,
		     void **ret, int *ret_fd)
{
	unsigned int size_flag = (unsigned int)__builtin_ctzll(page_bytes) << MAP_HUGE_SHIFT;
	cleanup_close int fd = -1;
	uint64_t bytes;
	void *address;
	int r;

	(void)device;
	if (__builtin_mul_overflow(page_bytes, count, &bytes) || bytes > SIZE_MAX)
		return -ENOMEM;
	fd = make_page_file(size_flag, bytes);
	address = map_file_or_none(fd, size_flag, bytes);
	if (address == MAP_FAILED)
		return -errno;
	r = bind_to_node(address, bytes, node);
	/*
	 * A fork between filling and donating could leave the driver with the page that the child
	 * got, and a core dump would carry the enclave's memory.
	 */
	if (r == 0 && madvise(address, bytes, MADV_DONTFORK) < 0)
		r = -errno;
	if (r < 0) {
		(void)munmap(address, bytes);
		return r;
	}
	(void)madvise(address, bytes, MADV_DONTDUMP);
	*ret = address;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * For kernels before 5.14. A page that cannot be had is SIGBUS to whoever touches it, but EFAULT to
 * the kernel when it does so for us.
 */
static int populate_by_read(const struct nec_device *device, void *address)
{
	cleanup_close int fd =
		openat(device->root_fd, below_root("/dev/zero"), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read(fd, address, 1) < 0 ? -errno : 0;
}

static int populate(const struct nec_device *device, void *address, uint64_t page_bytes)
{
	int r;

	do
		r = madvise(address, page_bytes, MADV_POPULATE_WRITE) < 0 ? -errno : 0;
	while (r == -EINTR);
	if (r == -EINVAL)
		r = populate_by_read(device, address);
	return r == -EFAULT ? -ENOMEM : r;
}

/*
 * What is sealed against writing must not be in the hands of anybody who could still write: the
 * kernel looks at each page, waits up to 0.2 s for those who have one for a moment only, and says
 * EBUSY when the driver has pinned one.
 */
static int unmap_pages(const struct nec_device *device, void *address, uint64_t bytes, int fd)
{
	int r = 0;

	(void)device;
	(void)munmap(address, bytes);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EBUSY)
		r = -EBUSY;
	(void)close(fd);
	return r;
}

static struct sockaddr_vm vsock_address(uint32_t cid, uint32_t port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static int vsock_listen(const struct nec_device *device, uint32_t cid, uint32_t port)
{
	const struct sockaddr_vm address = vsock_address(cid, port);
	cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)device;
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (listen(fd, SOMAXCONN) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int vsock_accept(const struct nec_device *device, int listener_fd, uint32_t *ret_cid)
{
	struct sockaddr_vm peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd =
		accept4(listener_fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)device;
	if (fd < 0)
		return -errno;
	*ret_cid = peer.svm_cid;
	return fd;
}

static int vsock_connect(const struct nec_device *device, uint32_t cid, uint32_t port,
			 uint64_t timeout_usec)
{
	const struct sockaddr_vm address = vsock_address(cid, port);
	const struct timeval timeout = {
		.tv_sec = (time_t)(timeout_usec / 1000000),
		.tv_usec = (suseconds_t)(timeout_usec % 1000000),
	};
	cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)device;
	if (fd < 0)
		return -errno;
	if (timeout_usec &&
	    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int write_text(const struct nec_device *device, const char *path, const char *text)
{
	cleanup_close int fd = openat(device->root_fd, below_root(path), O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = write(fd, text, size);
	if (written < 0)
		return -errno;
	return (size_t)written == size ? 0 : -EIO;
}

/* The driver asks for the capability; the files of sysfs are root's. */
static int check_rights(const struct nec_device *device)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	(void)device;
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	if ((data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) == 0)
		return -EPERM;
	return geteuid() == 0 || (data[CAP_TO_INDEX(CAP_DAC_OVERRIDE)].effective &
				  CAP_TO_MASK(CAP_DAC_OVERRIDE)) != 0
		       ? 0
		       : -EPERM;
}

/* The kernel says which program it calls itself: often it is not on a user's PATH. */
static int load_driver(const struct nec_device *device, const nec_context *context, nec_error *err)
{
	cleanup_buffer struct nec_buffer program = { 0 };
	const char *argv[] = { "modprobe", "nitro_enclaves", NULL };
	const struct nec_process process = {
		.argv = argv,
		.name = "modprobe",
		.code = NEC_E_DRIVER_MISSING,
	};

	if (nec_device_read_optional(device, "/proc/sys/kernel/modprobe", &program, NULL) == 1 &&
	    program.size > 0)
		argv[0] = nec_buffer_text(&program);
	return nec_process_run(context, &process, err);
}

static const struct nec_device_ops real_ops = {
	.open_device = open_device,
	.create_vm = create_vm,
	.get_image_load_info = get_image_load_info,
	.set_memory_region = set_memory_region,
	.add_vcpu = add_vcpu,
	.start = start,
	.close_enclave = close_enclave,
	.map_pages = map_pages,
	.populate = populate,
	.unmap_pages = unmap_pages,
	.vsock_listen = vsock_listen,
	.vsock_accept = vsock_accept,
	.vsock_connect = vsock_connect,
	.write_text = write_text,
	.check_rights = check_rights,
	.load_driver = load_driver,
};

int nec_device_open(const nec_context *context, struct nec_device *ret, nec_error *err)
{
	const struct nec_device *fake = context ? context->device : NULL;
	int fd = fake ? fcntl(fake->root_fd, F_DUPFD_CLOEXEC, 0)
		      : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot open /");
	*ret = fake ? *fake : (struct nec_device){ .ops = &real_ops };
	ret->root_fd = fd;
	return 0;
}

void nec_device_close(struct nec_device *device)
{
	if (device->root_fd >= 0)
		(void)close(device->root_fd);
	*device = (struct nec_device)NEC_DEVICE_INIT;
}

bool nec_device_is_read_only(int result)
{
	return result == -EROFS || result == -EACCES;
}

bool nec_enclave_fd_ended(int enclave_fd)
{
	struct pollfd poll_fd = { .fd = enclave_fd };

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLHUP) != 0;
}

static void strip_end(struct nec_buffer *text, size_t start)
{
	while (text->size > start && strchr(" \t\r\n", text->data[text->size - 1]))
		text->data[--text->size] = '\0';
}

static int read_text(int fd, const char *path, struct nec_buffer *to, nec_error *err)
{
	size_t start = to->size;
	int r = nec_file_read_all_fd(fd, path, SYSFS_FILE_MAX, to, err);

	if (r >= 0)
		strip_end(to, start);
	return r;
}

int nec_device_read_text(const struct nec_device *device, const char *path, struct nec_buffer *to,
			 nec_error *err)
{
	cleanup_close int fd = openat(device->root_fd, below_root(path), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", path);
	return read_text(fd, path, to, err);
}

int nec_device_read_optional(const struct nec_device *device, const char *path,
			     struct nec_buffer *to, nec_error *err)
{
	cleanup_close int fd = openat(device->root_fd, below_root(path), O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", path);
	r = read_text(fd, path, to, err);
	return r < 0 ? r : 1;
}

int nec_device_read_u64(const struct nec_device *device, const char *path, uint64_t *ret,
			nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	uint64_t value = 0;
	const char *at;
	int r = nec_device_read_text(device, path, &text, err);

	if (r < 0)
		return r;
	for (at = nec_buffer_text(&text); *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			break;
	if (*at != '\0' || text.size == 0)
		return nec_error_set(err, NEC_E_FILE_READ, -EBADMSG, "%s is not a number: %.40s",
				     path, nec_buffer_text(&text));
	*ret = value;
	return 0;
}

DIR *nec_device_open_dir(const struct nec_device *device, const char *path)
{
	int fd = openat(device->root_fd, below_root(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		(void)close(fd);
	return dir;
}

int nec_device_exists(const struct nec_device *device, const char *path)
{
	if (faccessat(device->root_fd, below_root(path), F_OK, 0) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}
