/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "enclave/route.h"

static const struct good {
	enum nec_route_kind kind;
	const char *text;
	struct nec_route route;
} good[] = {
	{ NEC_ROUTE_TO_ENCLAVE, "8080:80", { .tcp_port = 8080, .vsock_port = 80 } },
	{ NEC_ROUTE_TO_ENCLAVE, "0:4294967294", { .vsock_port = 4294967294 } },
	{ NEC_ROUTE_TO_ENCLAVE,
	  "127.0.0.1:8080:80",
	  { .host = "127.0.0.1", .tcp_port = 8080, .vsock_port = 80 } },
	{ NEC_ROUTE_TO_ENCLAVE, "*:1:2", { .host = "*", .tcp_port = 1, .vsock_port = 2 } },
	{ NEC_ROUTE_TO_ENCLAVE, "[::1]:1:2", { .host = "::1", .tcp_port = 1, .vsock_port = 2 } },
	{ NEC_ROUTE_TO_ENCLAVE, "./a:b:2", { .path = "./a:b", .vsock_port = 2 } },
	{ NEC_ROUTE_FROM_ENCLAVE,
	  "8000:example.org:443",
	  { .host = "example.org", .tcp_port = 443, .vsock_port = 8000 } },
	{ NEC_ROUTE_FROM_ENCLAVE, "8000:443", { .tcp_port = 443, .vsock_port = 8000 } },
	{ NEC_ROUTE_FROM_ENCLAVE,
	  "8000:[fe80::1%lo]:443",
	  { .host = "fe80::1%lo", .tcp_port = 443, .vsock_port = 8000 } },
	{ NEC_ROUTE_FROM_ENCLAVE, "1:/run/a:b", { .path = "/run/a:b", .vsock_port = 1 } },
	{ NEC_ROUTE_ECHO, "9000", { .vsock_port = 9000 } },
};

static const struct {
	enum nec_route_kind kind;
	const char *text;
	const char *message;
} bad[] = {
	{ NEC_ROUTE_TO_ENCLAVE, "8080", "no colon" },
	{ NEC_ROUTE_TO_ENCLAVE, "", "no colon" },
	{ NEC_ROUTE_TO_ENCLAVE, "8080:", "vsock port" },
	{ NEC_ROUTE_TO_ENCLAVE, ":80", "TCP port" },
	{ NEC_ROUTE_TO_ENCLAVE, "65536:80", "TCP port" },
	{ NEC_ROUTE_TO_ENCLAVE, "http:80", "TCP port" },
	{ NEC_ROUTE_TO_ENCLAVE, "80:4294967295", "vsock port" },
	{ NEC_ROUTE_TO_ENCLAVE, "80:99999999999", "vsock port" },
	{ NEC_ROUTE_TO_ENCLAVE, "::1:80:80", "brackets" },
	{ NEC_ROUTE_FROM_ENCLAVE, "8000", "no colon" },
	{ NEC_ROUTE_FROM_ENCLAVE, "8000:host", "TCP port" },
	{ NEC_ROUTE_FROM_ENCLAVE, "8000:host:0", "port 0" },
	{ NEC_ROUTE_ECHO, "9000:1", "vsock port" },
	{ NEC_ROUTE_ECHO, "", "vsock port" },
};

static void route__is_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct nec_route *expected = &good[i].route;
		struct nec_route route;

		assert_int_equal(nec_route_parse(good[i].kind, good[i].text, &route, NULL), 0);
		assert_int_equal(route.kind, good[i].kind);
		assert_int_equal(route.vsock_port, expected->vsock_port);
		assert_int_equal(route.tcp_port, expected->tcp_port);
		assert_string_equal(route.host, expected->host);
		assert_string_equal(route.path, expected->path);
	}
}

static void route__that_is_none_is_refused_with_the_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		nec_error err = NEC_ERROR_INIT;
		struct nec_route route;

		assert_int_equal(nec_route_parse(bad[i].kind, bad[i].text, &route, &err), -EINVAL);
		assert_int_equal(err.code, NEC_E_INVALID_ARGUMENT);
		assert_non_null(strstr(err.message, bad[i].message));
	}
}

static void route__has_a_host_and_a_path_of_bounded_length(void **state)
{
	char text[600];
	struct nec_route route;

	(void)state;
	memset(text, 'a', sizeof(text));
	strcpy(text + 300, ":1:2");
	assert_int_equal(nec_route_parse(NEC_ROUTE_TO_ENCLAVE, text, &route, NULL), -EINVAL);
	text[0] = '/';
	strcpy(text + 107, ":2");
	assert_int_equal(nec_route_parse(NEC_ROUTE_TO_ENCLAVE, text, &route, NULL), 0);
	assert_int_equal(strlen(route.path), 107);
	strcpy(text + 107, "a:2");
	assert_int_equal(nec_route_parse(NEC_ROUTE_TO_ENCLAVE, text, &route, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(route__is_taken_apart),
		cmocka_unit_test(route__that_is_none_is_refused_with_the_reason),
		cmocka_unit_test(route__has_a_host_and_a_path_of_bounded_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
