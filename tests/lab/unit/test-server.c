/* SPDX-License-Identifier: Apache-2.0 */
/* The device's socket: one machine after the other. */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/unix-socket.h"
#include "server.h"

struct scene {
	struct client *client;
	struct lab_server *server;
	char path[64];
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	char dir[] = "/tmp/nec-test-server-XXXXXX";
	void *client = NULL;

	if (client_set_up(&client) < 0 || !mkdtemp(dir))
		return -1;
	*state = scene;
	scene->client = client;
	(void)snprintf(scene->path, sizeof(scene->path), "%s/ne.sock", dir);
	return lab_server_new(scene->client->loop, scene->path, scene->client->dma,
			      scene->client->device, &scene->server, NULL);
}

static int tear_down(void **state)
{
	struct scene *scene = *state;
	void *client = scene->client;
	bool clean;

	lab_server_free(scene->server);
	clean = access(scene->path, F_OK) < 0;
	*strrchr(scene->path, '/') = '\0';
	clean = rmdir(scene->path) == 0 && clean;
	clean = client_tear_down(&client) == 0 && clean;
	free(scene);
	return clean ? 0 : -1;
}

/* In place of the connection that the client has. */
static void connect_client(struct scene *scene)
{
	(void)close(scene->client->fd);
	scene->client->fd = nec_connect_unix(scene->path);
	assert_true(scene->client->fd >= 0);
	client_turn(scene->client);
}

static void machines__come_one_after_the_other(void **state)
{
	struct scene *scene = *state;
	struct client *client = scene->client;

	for (int i = 0; i < 3; i++) {
		assert_false(lab_server_has_client(scene->server));
		connect_client(scene);
		assert_true(lab_server_has_client(scene->server));
		client_bind(client);
		(void)client_launch(client, 2 * MIB, 2, NULL);
		assert_int_equal(client->runner->running, 1);
		assert_int_equal(shutdown(client->fd, SHUT_RDWR), 0);
		client_turn(client);
		assert_int_equal(client->runner->running, 0);
		assert_int_equal(lab_slots_count(&client->hypervisor->slots), 0);
		assert_int_equal(lab_dma_count(client->dma), 0);
		assert_int_equal(client->memory[2 * MIB], 0);
	}
}

static void machines__wait_while_one_is_there(void **state)
{
	struct scene *scene = *state;
	struct client *client = scene->client;
	char byte;
	int other;

	connect_client(scene);
	client_bind(client);
	other = nec_connect_unix(scene->path);
	assert_true(other >= 0);
	client_turn(client);
	assert_int_equal(recv(other, &byte, 1, MSG_DONTWAIT), -1);
	(void)client_launch(client, 2 * MIB, 2, NULL);
	/* It comes before the end of the last one is noticed. */
	(void)close(client->fd);
	client->fd = other;
	client_turn(client);
	assert_true(lab_server_has_client(scene->server));
	assert_int_equal(client->runner->running, 0);
	client_bind(client);
	(void)client_alloc(client);
}

static void machines__that_break_the_protocol_are_gone(void **state)
{
	struct scene *scene = *state;
	static const uint8_t zeros[sizeof(struct header)];

	connect_client(scene);
	client_bind(scene->client);
	client_send_bytes(scene->client, zeros, sizeof(zeros), NULL, 0);
	client_turn(scene->client);
	assert_false(lab_server_has_client(scene->server));
}

static void server__that_ends_takes_the_machine_along(void **state)
{
	struct scene *scene = *state;

	connect_client(scene);
	client_bind(scene->client);
	(void)client_launch(scene->client, 2 * MIB, 2, NULL);
	lab_server_free(scene->server);
	scene->server = NULL;
	assert_int_equal(scene->client->runner->running, 0);
	assert_int_equal(scene->client->memory[2 * MIB], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(machines__come_one_after_the_other),
		TEST(machines__wait_while_one_is_there),
		TEST(machines__that_break_the_protocol_are_gone),
		TEST(server__that_ends_takes_the_machine_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
