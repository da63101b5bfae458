/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "base/lookup.h"

static void lookup__of_an_address_is_done_at_once(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		const struct addrinfo *address;
		struct nec_lookup *lookup = NULL;
		const char *reason = NULL;
		bool done = false;

		assert_int_equal(nec_lookup_new(hosts[i], 80, &lookup, &done, NULL), 0);
		assert_true(done);
		address = nec_lookup_get_addresses(lookup, &reason);
		assert_non_null(address);
		assert_int_equal(address->ai_family, i == 0 ? AF_INET : AF_INET6);
		assert_int_equal(ntohs(((const struct sockaddr_in *)address->ai_addr)->sin_port),
				 80);
		nec_lookup_free(lookup);
	}
}

/* What the name means is this machine's business; that there is an answer is ours. */
static void lookup__of_a_name_can_be_waited_for(void **state)
{
	struct nec_lookup *lookup = NULL;
	const char *reason = NULL;
	struct pollfd ready = { .events = POLLIN };
	bool done = true;

	(void)state;
	assert_int_equal(nec_lookup_new("localhost", 80, &lookup, &done, NULL), 0);
	assert_false(done);
	ready.fd = nec_lookup_get_fd(lookup);
	assert_int_equal(poll(&ready, 1, 120000), 1);
	assert_true(nec_lookup_get_addresses(lookup, &reason) || strlen(reason) > 0);
	nec_lookup_free(lookup);
}

static void lookup__can_be_given_up(void **state)
{
	struct nec_lookup *lookup = NULL;
	bool done;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(nec_lookup_new("localhost", 80, &lookup, &done, NULL), 0);
		nec_lookup_free(lookup);
	}
	nec_lookup_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup__of_an_address_is_done_at_once),
		cmocka_unit_test(lookup__of_a_name_can_be_waited_for),
		cmocka_unit_test(lookup__can_be_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
