/* SPDX-License-Identifier: Apache-2.0 */
/* The service's side of sd_notify(3). */
#include "notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum { MESSAGE_SIZE = 2048 };

/* A path, or a name in the abstract namespace behind '@'. */
static bool take_address(const char *path, struct daemon_notifier *notifier)
{
	size_t size = path ? strlen(path) : 0;

	if (size < 2 || size >= sizeof(notifier->address.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return false;
	notifier->address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(notifier->address.sun_path, path, size);
	if (path[0] == '@')
		notifier->address.sun_path[0] = '\0';
	notifier->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return true;
}

/* Meant for us only when no process is named, or ours is. */
static uint64_t watchdog_time(void)
{
	const char *time = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	if (!time || (pid && strtoull(pid, NULL, 10) != (unsigned long long)getpid()))
		return 0;
	return strtoull(time, NULL, 10);
}

void daemon_notifier_open(struct daemon_notifier *notifier)
{
	*notifier = (struct daemon_notifier){ .fd = -1, .watchdog_usec = watchdog_time() };
	if (take_address(getenv("NOTIFY_SOCKET"), notifier))
		notifier->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void daemon_notifier_close(struct daemon_notifier *notifier)
{
	if (notifier->fd >= 0)
		(void)close(TAKE_FD(notifier->fd));
}

static void send_message(const struct daemon_notifier *notifier, const char *message)
{
	if (notifier->fd >= 0)
		(void)!sendto(notifier->fd, message, strlen(message), MSG_NOSIGNAL,
			      (const struct sockaddr *)&notifier->address, notifier->address_size);
}

void daemon_notify(const struct daemon_notifier *notifier, const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	send_message(notifier, message);
}

void daemon_notify_status(const struct daemon_notifier *notifier, const char *also,
			  const char *format, ...)
{
	char text[MESSAGE_SIZE / 2];
	char message[MESSAGE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* A line break would begin another assignment. */
	for (char *c = strchr(text, '\n'); c; c = strchr(c, '\n'))
		*c = ' ';
	(void)snprintf(message, sizeof(message), "%sSTATUS=%s", also, text);
	send_message(notifier, message);
}
