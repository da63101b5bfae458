/* SPDX-License-Identifier: Apache-2.0 */
/* Routes as text. */
#include "enclave/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char *const forms[] = {
	[NEC_ROUTE_TO_ENCLAVE] = "[HOST:]PORT:ENCLAVE-PORT, as in 8080:80, or PATH:ENCLAVE-PORT",
	[NEC_ROUTE_FROM_ENCLAVE] = ("ENCLAVE-PORT:[HOST:]PORT, as in 8000:example.org:443, "
				    "or ENCLAVE-PORT:PATH"),
	[NEC_ROUTE_ECHO] = "a vsock port, as in 9000",
};

static int refuse(enum nec_route_kind kind, const char *text, const char *why, nec_error *err)
{
	return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			     "the route \"%s\" is not of the form %s: %s", text, forms[kind], why);
}

/* @size bytes of @text are a whole number up to @max. */
static bool scan_number(const char *text, size_t size, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (size == 0 || size > 10)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = value;
	return value <= max;
}

/* "host", "[address]", "*" or nothing, without the brackets. */
static const char *copy_host(const char *text, size_t size, struct nec_route *route)
{
	bool bracketed = size >= 2 && text[0] == '[' && text[size - 1] == ']';

	if (!bracketed && memchr(text, ':', size))
		return "an IPv6 address stands in brackets";
	if (bracketed) {
		text++;
		size -= 2;
	}
	if (size >= sizeof(route->host))
		return "the host is too long";
	memcpy(route->host, text, size);
	route->host[size] = '\0';
	return NULL;
}

/* The end on this machine, or beyond it. Returns what is wrong, or NULL. */
static const char *scan_local(const char *text, size_t size, struct nec_route *route)
{
	const char *colon = memrchr(text, ':', size);
	const char *port = colon ? colon + 1 : text;
	uint64_t number;

	if (memchr(text, '/', size)) {
		if (size >= sizeof(route->path))
			return "the path of a socket has at most 107 bytes";
		memcpy(route->path, text, size);
		return NULL;
	}
	if (!scan_number(port, (size_t)(text + size - port), UINT16_MAX, &number))
		return "a TCP port is a number from 0 to 65535";
	if (number == 0 && route->kind != NEC_ROUTE_TO_ENCLAVE)
		return "there is no TCP port 0 to connect to";
	route->tcp_port = (uint16_t)number;
	return copy_host(text, colon ? (size_t)(colon - text) : 0, route);
}

static const char *scan_vsock(const char *text, size_t size, struct nec_route *route)
{
	uint64_t number;

	/* The highest number means "any" to the kernel. */
	if (!scan_number(text, size, UINT32_MAX - 1, &number))
		return "a vsock port is a number from 0 to 4294967294";
	route->vsock_port = (uint32_t)number;
	return NULL;
}

static const char *scan(const char *text, struct nec_route *route)
{
	const char *colon =
		route->kind == NEC_ROUTE_TO_ENCLAVE ? strrchr(text, ':') : strchr(text, ':');
	const char *local = text;
	const char *vsock = text;
	size_t local_size;
	size_t vsock_size = strlen(text);
	const char *wrong;

	if (route->kind == NEC_ROUTE_ECHO)
		return scan_vsock(text, vsock_size, route);
	if (!colon)
		return "it has no colon";
	if (route->kind == NEC_ROUTE_TO_ENCLAVE) {
		local_size = (size_t)(colon - text);
		vsock = colon + 1;
		vsock_size = strlen(vsock);
	} else {
		local = colon + 1;
		local_size = strlen(local);
		vsock_size = (size_t)(colon - text);
	}
	wrong = scan_vsock(vsock, vsock_size, route);
	return wrong ? wrong : scan_local(local, local_size, route);
}

int nec_route_parse(enum nec_route_kind kind, const char *text, struct nec_route *ret,
		    nec_error *err)
{
	struct nec_route route = { .kind = kind };
	const char *wrong = scan(text, &route);

	if (wrong)
		return refuse(kind, text, wrong, err);
	*ret = route;
	return 0;
}
