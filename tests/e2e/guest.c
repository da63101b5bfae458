/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's life. Lines that it understands, in the file "guest" of the machine's folder (at
 * boot) or sent by guest_tell():
 *
 *   heartbeat      what init does when it is up
 *   print TEXT     a line on the console
 *   fill BYTES     many of them
 *   end            the enclave stops
 *
 * Without that file: a line on the console, and the heartbeat.
 */
#include "guest.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/files.h"

static const char default_script[] = "print hello from the enclave\nheartbeat\n";

enum { READERS_MAX = 4, SCRIPT_MAX = 65536 };

struct guest {
	struct fake_device *fake;
	uint32_t cid;
	int life;      /* its end of the enclave fd */
	int heartbeat; /* stays open as long as it lives */
	struct nec_buffer console;
	int readers[READERS_MAX];
	size_t reader_count;
};

static void send_all(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += n;
		size -= (size_t)n;
	}
}

static void print(struct guest *guest, const char *text)
{
	size_t from = guest->console.size;

	nec_buffer_printf(&guest->console, "%s\n", text);
	for (size_t i = 0; i < guest->reader_count; i++)
		send_all(guest->readers[i], guest->console.data + from, guest->console.size - from);
}

static void fill(struct guest *guest, unsigned long bytes)
{
	char line[64];

	for (unsigned long done = 0; done < bytes; done += sizeof(line)) {
		(void)snprintf(line, sizeof(line), "%062lu", done);
		print(guest, line);
	}
}

static void beat(struct guest *guest)
{
	guest->heartbeat = fake_vsock_call(guest->fake, guest->cid, NEC_PORT_HEARTBEAT);
	if (guest->heartbeat >= 0)
		send_all(guest->heartbeat, "\xb7", 1);
}

static void end(const struct guest *guest)
{
	(void)fake_device_event(guest->fake, guest->cid, FAKE_STOPPED);
	_exit(0);
}

static void obey(struct guest *guest, const char *line)
{
	if (strcmp(line, "heartbeat") == 0)
		beat(guest);
	else if (strncmp(line, "print ", 6) == 0)
		print(guest, line + 6);
	else if (strncmp(line, "fill ", 5) == 0)
		fill(guest, strtoul(line + 5, NULL, 10));
	else if (strcmp(line, "end") == 0)
		end(guest);
}

static void obey_all(struct guest *guest, char *lines)
{
	char *rest = NULL;

	for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		obey(guest, line);
}

static void run_script(struct guest *guest)
{
	cleanup_buffer struct nec_buffer script = { 0 };
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/guest", fake_device_root(guest->fake));
	if (nec_file_read_all(path, SCRIPT_MAX, &script, NULL) < 0)
		nec_buffer_append_text(&script, default_script);
	nec_buffer_append(&script, "", 1);
	obey_all(guest, (char *)script.data);
}

static void take_orders(struct guest *guest)
{
	int fd = accept4(GUEST_CONTROL_FD, NULL, NULL, SOCK_CLOEXEC);
	char lines[4096];
	size_t size = 0;
	ssize_t n;

	if (fd < 0)
		return;
	while (size < sizeof(lines) - 1 &&
	       (n = recv(fd, lines + size, sizeof(lines) - 1 - size, 0)) > 0)
		size += (size_t)n;
	lines[size] = '\0';
	obey_all(guest, lines);
	(void)close(fd);
}

/* All of the console so far, as the hypervisor keeps it. */
static void take_reader(struct guest *guest)
{
	int fd = accept4(GUEST_CONSOLE_FD, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	send_all(fd, guest->console.data, guest->console.size);
	if (guest->reader_count < READERS_MAX)
		guest->readers[guest->reader_count++] = fd;
	else
		(void)close(fd);
}

static void live(struct guest *guest)
{
	struct pollfd fds[] = {
		{ .fd = guest->life },
		{ .fd = GUEST_CONSOLE_FD, .events = POLLIN },
		{ .fd = GUEST_CONTROL_FD, .events = POLLIN },
	};

	run_script(guest);
	while (poll(fds, ARRAY_SIZE(fds), -1) > 0 || errno == EINTR) {
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			take_reader(guest);
		if (fds[2].revents)
			take_orders(guest);
	}
	/* What the parent has let go of is given back when anybody asks the machine anything. */
	(void)fake_device_slots(guest->fake);
}

int guest_start(struct fake_device *fake, uint32_t cid)
{
	struct guest guest = { .fake = fake, .cid = cid, .heartbeat = -1 };
	pid_t child;

	guest.life = fake_enclave_open(fake, cid);
	if (guest.life < 0)
		return guest.life;
	child = fork();
	if (child != 0)
		return child < 0 ? -errno : 0;
	(void)setsid();
	live(&guest);
	_exit(0);
}

int guest_tell(struct fake_device *fake, uint32_t cid, const char *line)
{
	int fd = fake_vsock_call_guest(fake, cid, GUEST_CONTROL_PORT);
	char byte;

	if (fd < 0)
		return fd;
	send_all(fd, line, strlen(line));
	(void)shutdown(fd, SHUT_WR);
	/* Until it has done so. */
	(void)!recv(fd, &byte, 1, 0);
	(void)close(fd);
	return 0;
}
