/* SPDX-License-Identifier: Apache-2.0 */
/* The service's side of sd_notify(3). */
#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "base/cleanup.h"

enum { MESSAGE_SIZE = 2048 };

/* How long the service manager may be too busy to take what it must know. */
enum { SEND_SEC = 10 };

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
	const struct timeval patience = { .tv_sec = SEND_SEC };

	*notifier = (struct daemon_notifier){ .fd = -1, .watchdog_usec = watchdog_time() };
	if (take_address(getenv("NOTIFY_SOCKET"), notifier))
		notifier->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notifier->fd >= 0)
		(void)setsockopt(notifier->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
				 sizeof(patience));
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void daemon_notifier_close(struct daemon_notifier *notifier)
{
	if (notifier->fd >= 0)
		(void)close(TAKE_FD(notifier->fd));
}

/* Returns 0 or a negative errno: -EAGAIN when its queue was full all the time. */
static int send_message(const struct daemon_notifier *notifier, const char *message, int flags)
{
	ssize_t n;

	if (notifier->fd < 0)
		return 0;
	do
		n = sendto(notifier->fd, message, strlen(message), MSG_NOSIGNAL | flags,
			   (const struct sockaddr *)&notifier->address, notifier->address_size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int daemon_notify(const struct daemon_notifier *notifier, const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return send_message(notifier, message, 0);
}

void daemon_notify_repeated(const struct daemon_notifier *notifier, const char *text)
{
	(void)send_message(notifier, text, MSG_DONTWAIT);
}

int daemon_notify_status(const struct daemon_notifier *notifier, const char *also,
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
	return send_message(notifier, message, also[0] ? 0 : MSG_DONTWAIT);
}
