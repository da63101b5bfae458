/* SPDX-License-Identifier: Apache-2.0 */
/* The titles of nitro-cli's error codes, and what each means and asks for. */
#include "error-codes.h"

#include <stddef.h>

#include "base/cleanup.h"

/* The index is the code and the exit status. */
static const struct cli_error_code codes[] = {
	[0] = { "UnspecifiedError", "Unspecified error",
		"Something failed that has no code of its own. The message has all that is known." },
	[1] = { "MissingArgument", "Missing mandatory argument",
		"An argument that the command cannot do without was not given, for example the "
		"memory of an enclave, either on the command line or in the configuration file.\n\n"
		"Give the argument that the message names; the command's --help lists them all." },
	[2] = { "ConflictingArgument", "Conflicting arguments",
		"Two arguments were given that contradict each other, for example a number of "
		"CPUs and a list of CPU ids.\n\n"
		"Leave out one of those that the message names." },
	[3] = { "InvalidArgument", "Invalid argument provided",
		"An argument's value is not of the kind that is needed, for example `1z` as a "
		"number of CPUs, or a CID that is reserved.\n\n"
		"Correct the value; the message names the argument and the text." },
	[4] = { "SocketPairCreationFailure", "Socket pair creation failure",
		"The pair of sockets that connects the command with the enclave's process could "
		"not be made.\n\n"
		"Check the limit on open files (`ulimit -n`)." },
	[5] = { "ProcessSpawnFailure", "Process spawn failure",
		"The process that holds the enclave could not be started.\n\n"
		"Check the limit on processes (`ulimit -u`) and the free memory." },
	[6] = { "DaemonizeProcessFailure", "Daemonize process failure",
		"The process that holds the enclave could not be detached from the terminal.\n\n"
		"Check the limits on processes and open files." },
	[7] = { "ReadFromDiskFailure", "Read from disk failure",
		"The folder with the enclaves' sockets, /run/nitro_enclaves unless "
		"NITRO_CLI_SOCKETS_PATH names another, could not be listed.\n\n"
		"Check that it exists and that you may read it; the package's tmpfiles entry makes "
		"it at boot." },
	[8] = { "UnusableConnectionError", "Unusable connection error",
		"The connection to an enclave's process is closed or was never open; or "
		"nec-allocatord does not run, gave no usable answer, or is not root's.\n\n"
		"List the enclaves with `describe-enclaves` and try again; `systemctl status "
		"nitro-enclaves-allocator` tells of the daemon." },
	[9] = { "SocketCloseError", "Socket close error",
		"A connection to an enclave's process could not be closed." },
	[10] = { "SocketConnectTimeoutError", "Socket connect set timeout error",
		 "The time-out of a connection, such as that to an enclave's console, could not be "
		 "set." },
	[11] = { "SocketError", "Socket error",
		 "The socket of an enclave's process could not be used. Mostly the enclave is not "
		 "there: its id is wrong, or it has ended.\n\n"
		 "List the enclaves with `describe-enclaves`." },
	[12] = { "EpollError", "Epoll error",
		 "Waiting for events could not be set up.\n\n"
		 "Check the limits on open files and epoll watches "
		 "(/proc/sys/fs/epoll/max_user_watches)." },
	[13] = { "InotifyError", "Inotify error",
		 "An enclave's socket file could not be watched.\n\n"
		 "Check the limits below /proc/sys/fs/inotify." },
	[14] = { "InvalidCommand", "Invalid command",
		 "An enclave's process got a command that it does not know, or arguments that do "
		 "not belong to it.\n\n"
		 "Both sides may be of different versions; start the enclave anew." },
	[15] = { "LockAcquireFailure", "Lock acquire failure",
		 "A lock on shared data could not be taken. For `nec allocator` that is the lock "
		 "of those who change what is set aside for enclaves.\n\n"
		 "Another command may be at work; try again." },
	[16] = { "ThreadJoinFailure", "Thread join failure", "A thread did not end as it should." },
	[17] = { "SerdeError", "Serde error",
		 "Data could not be read or written in its format: a configuration file or "
		 "metadata that is not the JSON asked for, or a damaged message between "
		 "processes.\n\n"
		 "For files the message has the line and column." },
	[18] = { "FilePermissionsError", "File permissions error",
		 "The mode of the log file could not be changed by somebody who does not own it; or "
		 "somebody else than root wanted to change what is set aside for enclaves.\n\n"
		 "`nec allocator` is root's, but for `check`, `plan` and `status`." },
	[19] = { "FileOperationFailure", "File operation failure",
		 "A file could not be opened, read, written, made or removed; the message names it. "
		 "It may be an image, a key, the device /dev/nitro_enclaves, or the log.\n\n"
		 "Check the path, your permissions (membership in the group `ne` for the device) "
		 "and the free space." },
	[20] = { "InvalidCpuConfiguration", "Invalid CPU configuration",
		 "The same CPU id was given more than once; or the driver refuses the CPU pool that "
		 "`nec allocator` wants to set.\n\n"
		 "Name each CPU once; `nec allocator plan` tells which CPUs a pool can have." },
	[21] = { "NoSuchCpuAvailableInPool", "No such CPU available in the pool",
		 "A CPU id was given that is not in the pool of CPUs for enclaves.\n\n"
		 "See the pool in /sys/module/nitro_enclaves/parameters/ne_cpus; to change it set "
		 "`cpu_pool` in /etc/nitro_enclaves/allocator.yaml and restart "
		 "nitro-enclaves-allocator.service." },
	[22] = { "InsufficientCpus", "Insufficient CPUs available in the pool",
		 "More CPUs were asked for than the pool of CPUs for enclaves has.\n\n"
		 "Ask for fewer, end another enclave, or raise `cpu_count` in "
		 "/etc/nitro_enclaves/allocator.yaml and restart "
		 "nitro-enclaves-allocator.service." },
	[23] = { "MalformedCpuId", "Malformed CPU ID error",
		 "The list of CPUs in the pool could not be read.\n\n"
		 "Check /sys/module/nitro_enclaves/parameters/ne_cpus." },
	[24] = { "CpuError", "CPU error",
		 "A range in the list of CPUs is not of the form first-last, such as `0-3-7`.\n\n"
		 "Correct `cpu_pool` in /etc/nitro_enclaves/allocator.yaml." },
	[25] = { "NoSuchHugepageFlag", "No such hugepage flag error",
		 "Memory was to be taken in huge pages of a size that this machine does not know." },
	[26] = { "InsufficientMemoryRequested", "Insufficient memory requested",
		 "The memory asked for is too little for the image: it needs several times its own "
		 "size once its ramdisks are unpacked.\n\n"
		 "Ask for at least the amount that the message names." },
	[27] = { "InsufficientMemoryAvailable", "Insufficient memory available",
		 "The free huge pages do not add up to the memory asked for.\n\n"
		 "Ask for less, end another enclave, or raise `memory_mib` in "
		 "/etc/nitro_enclaves/allocator.yaml and restart "
		 "nitro-enclaves-allocator.service." },
	[28] = { "InvalidEnclaveFd", "Invalid enclave descriptor",
		 "The driver did not hand out a descriptor for a new enclave." },
	[29] = { "IoctlFailure", "Ioctl failure",
		 "The driver /dev/nitro_enclaves refused a request; the message says which and "
		 "why." },
	[30] = { "IoctlImageLoadInfoFailure", "Ioctl image get load info failure",
		 "The driver did not say where in its memory the image has to be put." },
	[31] = { "IoctlSetMemoryRegionFailure", "Ioctl set memory region failure",
		 "The driver refused a piece of memory. It must be whole huge pages, of the NUMA "
		 "node that the CPU pool is on." },
	[32] = { "IoctlAddVcpuFailure", "Ioctl add vCPU failure",
		 "The driver refused a CPU. It must be in the pool and not in use by another "
		 "enclave." },
	[33] = { "IoctlEnclaveStartFailure", "Ioctl start enclave failure",
		 "The driver or the hypervisor refused to start the enclave: mostly because a CPU "
		 "core is given only in part, the memory is too small, or the CID is taken." },
	[34] = { "MemoryOverflow", "Memory overflow",
		 "The image would reach beyond the memory that can be addressed.\n\n"
		 "The image is damaged, or far too large." },
	[35] = { "EifParsingError", "EIF file parsing error",
		 "The enclave image file could not be opened, read or understood.\n\n"
		 "Check the path, and the file with `nec eif lint`; if it is damaged, build or copy "
		 "it again." },
	[36] = { "EnclaveBootFailure", "Enclave boot failure",
		 "The enclave was started but did not say that it is up.\n\n"
		 "Check the image with `nec eif lint`, give more memory, and start it with "
		 "--debug-mode to see its console." },
	[37] = { "EnclaveEventWaitError", "Enclave event wait error",
		 "Waiting for events of an enclave failed." },
	[38] = { "EnclaveProcessCommandNotExecuted", "Enclave process command not executed error",
		 "An enclave's process got a command and could not carry it out; or `nec allocator` "
		 "was asked for a change that enclaves which run are in the way of.\n\n"
		 "`describe-enclaves` lists them." },
	[39] = { "EnclaveProcessConnectionFailure", "Enclave process connection failure",
		 "An enclave's process could not be reached, or gave no usable answer: it ended, or "
		 "it belongs to another user.\n\n"
		 "List the enclaves with `describe-enclaves`; enclaves of another user can be ended "
		 "by that user and by root." },
	[40] = { "SocketPathNotFound", "Socket path not found",
		 "No socket path can be made from the enclave id that was given.\n\n"
		 "Copy the id from `describe-enclaves`." },
	[41] = { "EnclaveProcessSendReplyFailure", "Enclave process send reply failure",
		 "An enclave's process could not send its answer." },
	[42] = { "EnclaveMmapError", "Enclave mmap error",
		 "Memory for the enclave could not be mapped.\n\n"
		 "Check the free huge pages below /sys/kernel/mm/hugepages." },
	[43] = { "EnclaveMunmapError", "Enclave munmap error",
		 "Memory of the enclave could not be given back." },
	[44] = { "EnclaveConsoleConnectionFailure", "Enclave console connection failure",
		 "The enclave's console could not be reached.\n\n"
		 "Only enclaves that were started with --debug-mode have one." },
	[45] = { "EnclaveConsoleReadError", "Enclave console read error",
		 "The enclave's console broke off.\n\n"
		 "The enclave may have ended; see `describe-enclaves`." },
	[46] = { "EnclaveConsoleWriteOutputError", "Enclave console write output error",
		 "What the enclave's console said could not be written out." },
	[47] = { "IntegerParsingError", "Integer parsing error",
		 "A number, such as the CID for the console, could not be used." },
	[48] = { "EifBuildingError", "EIF building error",
		 "The enclave image could not be put together; the message says at which part.\n\n"
		 "Nothing was written to the output file." },
	[49] = { "DockerImageBuildError", "Docker image build error",
		 "The container image could not be built from the folder that was given.\n\n"
		 "Check its Dockerfile; the program that builds says more on stderr." },
	[50] = { "DockerImagePullError", "Docker image pull error",
		 "The container image could not be fetched.\n\n"
		 "Check its name, your login to the registry, and the network." },
	[51] = { "ArtifactsPathNotSet", "Artifacts path environment variable not set",
		 "There is no place for intermediate files: neither NITRO_CLI_ARTIFACTS nor HOME is "
		 "set." },
	[52] = { "BlobsPathNotSet", "Blobs path environment variable not set",
		 "There is no folder with a kernel and its companions.\n\n"
		 "Set NITRO_CLI_BLOBS to it." },
	[53] = { "ClockSkewError", "Clock skew error",
		 "The clock went backwards between two readings." },
	[54] = { "SignalMaskingError", "Signal masking error",
		 "Signals could not be held back during a start." },
	[55] = { "SignalUnmaskingError", "Signal unmasking error",
		 "Signals could not be let through again after a start." },
	[56] = { "LoggerError", "Logger error", "The log could not be opened or written." },
	[57] = { "HasherError", "Hasher error",
		 "A measurement could not be computed, mostly because a file is not the PEM "
		 "certificate that it should be.\n\n"
		 "A PEM certificate with a key on the curve P-256, P-384 or P-521 is needed." },
	[58] = { "EnclaveNamingError", "Naming error",
		 "No enclave has the name that was given, or several have.\n\n"
		 "Use the id from `describe-enclaves`." },
	[59] = { "EIFSignatureCheckerError", "EIF signature checker error",
		 "The image's signature is not valid, or its certificate is not (yet, or any "
		 "longer).\n\n"
		 "Do not run an image that was changed after it was signed. If only the "
		 "certificate is too old, sign the image again." },
	[60] = { "EIFSigningError", "Signing error",
		 "The image could not be signed: a path is wrong, the key does not belong to the "
		 "certificate, or the external signer failed.\n\n"
		 "The image was left as it was." },
};

_Static_assert(ARRAY_SIZE(codes) == CLI_LAST_ERROR_CODE + 1, "a row for every code");

const struct cli_error_code *cli_error_code(int number)
{
	return number >= 0 && number <= CLI_LAST_ERROR_CODE ? &codes[number] : NULL;
}

bool cli_error_code_is_foreign(int number)
{
	/*
	 * What has no counterpart here (threads, inotify, environment variables that have a
	 * default), or is told by the cause instead of the call: a refusal of the driver is an E29
	 * that names the ioctl, lack of a descriptor an E19.
	 */
	static const unsigned char foreign[] = {
		0,  4,  6,  9,  10, 12, 13, 14, 16, 25, 28, 30, 31, 32, 33,
		34, 37, 40, 41, 43, 45, 46, 47, 51, 52, 53, 54, 55, 56,
	};

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (foreign[i] == number)
			return true;
	return false;
}
