/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service tells systemd, in its protocol of one datagram a message (sd_notify(3) documents
 * it for programs that do without the library). Outside systemd nobody is told.
 */
#ifndef NEC_DAEMON_NOTIFY_H
#define NEC_DAEMON_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "nec.h"

struct daemon_notifier {
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t address_size;
	uint64_t watchdog_usec; /* 0: nobody waits for signs of life */
};

/* Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment. */
void daemon_notifier_open(struct daemon_notifier *notifier);
void daemon_notifier_close(struct daemon_notifier *notifier);

/*
 * Lines "KEY=value" that must arrive: waits some seconds for a service manager that is too busy to
 * take them. Returns 0 or a negative errno; 0 outside systemd.
 */
int daemon_notify(const struct daemon_notifier *notifier, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What is said again soon, and may be lost: never waits. */
void daemon_notify_repeated(const struct daemon_notifier *notifier, const char *text);

/*
 * "STATUS=...": what `systemctl status` shows; one line. Behind lines @also, it is a matter of
 * daemon_notify(); alone (""), it never waits, and -EAGAIN means that it was not worth that.
 */
int daemon_notify_status(const struct daemon_notifier *notifier, const char *also,
			 const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
