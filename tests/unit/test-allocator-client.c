/* SPDX-License-Identifier: Apache-2.0 */
/* The client of an allocator's daemon that is stopped: it takes connections, and answers nothing.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "allocator/client.h"
#include "base/context.h"
#include "base/error.h"
#include "base/json.h"

static char folder[] = "/tmp/nec-client-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int daemon_fd = -1;

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	daemon_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (daemon_fd < 0 || bind(daemon_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return listen(daemon_fd, 4);
}

static int end(void **state)
{
	(void)state;
	(void)close(daemon_fd);
	(void)unlink(address.sun_path);
	return rmdir(folder);
}

static int ask(enum nec_allocator_verb verb, const volatile int *cancel, nec_error *err)
{
	const struct nec_allocator_request request = { .verb = verb };
	nec_context context = { .cancel = cancel };
	cJSON *result = NULL;
	int r = nec_allocator_ask(&context, address.sun_path, &request, &result, err);

	assert_null(result);
	return r;
}

static void state__is_not_waited_for_for_ever(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(ask(NEC_ALLOCATOR_ASK_STATE, NULL, &err), -ETIMEDOUT);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_DAEMON);
	assert_string_equal(err.message, "nec-allocatord runs, but does not answer");
	/* The next test is not to take this one's call for its own. */
	(void)close(accept(daemon_fd, NULL, NULL));
}

static volatile int cancel_flag;

static int asked_fd = -1;

static void *cancel_when_asked(void *unused)
{
	char byte;

	(void)unused;
	asked_fd = accept(daemon_fd, NULL, NULL);
	/* From now on the client waits for the answer. */
	assert_int_equal(recv(asked_fd, &byte, 1, 0), 1);
	__atomic_store_n(&cancel_flag, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void cancel_while_waiting(enum nec_allocator_verb verb, const char *message)
{
	nec_error err = NEC_ERROR_INIT;
	pthread_t thread;

	__atomic_store_n(&cancel_flag, 0, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, cancel_when_asked, NULL), 0);
	assert_int_equal(ask(verb, &cancel_flag, &err), -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	assert_string_equal(err.message, message);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(asked_fd);
}

static void cancelled__nothing_is_waited_for_for_ever(void **state)
{
	(void)state;
	cancel_while_waiting(NEC_ALLOCATOR_ASK_STATUS, "interrupted");
	cancel_while_waiting(NEC_ALLOCATOR_ASK_RELEASE,
			     "interrupted; nec-allocatord, which has been told, does not answer");
}

/* Root may do all. */
static void rights__the_hint_is_of_use(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	if (geteuid() == 0 && seteuid(65534) < 0)
		fail_msg("cannot be somebody else");
	assert_int_equal(ask(NEC_ALLOCATOR_ASK_STATE, NULL, &err), -EACCES);
	assert_non_null(strstr(err.hint, "Join the group"));
	assert_int_equal(ask(NEC_ALLOCATOR_ASK_RELEASE, NULL, &err), -EACCES);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_RIGHTS);
	assert_string_equal(err.hint, "Run it as root.");
}

static int shut(void **state)
{
	(void)state;
	return chmod(address.sun_path, 0);
}

static int open_again(void **state)
{
	(void)state;
	return getuid() == 0 ? seteuid(0) : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state__is_not_waited_for_for_ever),
		cmocka_unit_test(cancelled__nothing_is_waited_for_for_ever),
		cmocka_unit_test_setup_teardown(rights__the_hint_is_of_use, shut, open_again),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
