/* SPDX-License-Identifier: Apache-2.0 */
/* The bound on what clients have not read. */
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/unix-socket.h"
#include "clients.h"

enum { NEWS_BYTES = 4 << 20 }; /* more than a socket takes */

static char dir[64];
static char path[96];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/nec-clients-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/a.sock", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(dir); /* fails when the socket was left in it */
}

/**
 * struct scene - somebody who gets news and an answer, and reads neither
 * @fd:   the client's side
 * @over: the answer's frame is that much larger than what is left
 */
struct scene {
	struct nec_loop *loop;
	struct daemon_clients *clients;
	int fd;
	size_t over;
	int requests;
};

static void say(struct daemon_client *client, size_t size,
		void (*how)(struct daemon_client *client, const struct nec_buffer *payload))
{
	struct nec_buffer payload = { .data = calloc(1, size), .size = size };

	assert_non_null(payload.data);
	how(client, &payload);
	free(payload.data);
}

/* The first fills its own socket, and then all that is left; the others get a few bytes. */
static void on_request(void *userdata, struct daemon_client *client,
		       struct nec_allocator_request *request)
{
	struct scene *scene = userdata;
	size_t unread = NEWS_BYTES + NEC_FRAME_HEADER;
	int received = 0;

	(void)request;
	if (scene->requests++ > 0) {
		say(client, 2, daemon_client_answer);
		return;
	}
	say(client, NEWS_BYTES, daemon_client_tell);
	assert_int_equal(ioctl(scene->fd, FIONREAD, &received), 0);
	assert_in_range(received, 1, NEWS_BYTES);
	unread -= (size_t)received;
	say(client, DAEMON_CLIENTS_UNREAD_MAX - unread - NEC_FRAME_HEADER + scene->over,
	    daemon_client_answer);
}

static void on_left(void *userdata, struct daemon_client *client, bool gone)
{
	(void)userdata;
	(void)client;
	(void)gone;
}

static const struct daemon_clients_events events = { .request = on_request, .left = on_left };

static void ask(struct scene *scene, int fd)
{
	const struct nec_allocator_request request = { .verb = NEC_ALLOCATOR_ASK_STATUS };
	cleanup_buffer struct nec_buffer frame = { 0 };
	int before = scene->requests;

	assert_int_equal(nec_allocator_request_encode(&request, &frame, NULL), 0);
	assert_int_equal(write(fd, frame.data, frame.size), frame.size);
	while (scene->requests == before)
		assert_int_equal(nec_loop_run_once(scene->loop, -1, NULL), 0);
}

static bool was_dropped(int fd)
{
	struct pollfd look = { .fd = fd };

	return poll(&look, 1, 0) > 0 && (look.revents & POLLHUP);
}

static void set_scene(struct scene *scene, size_t over)
{
	*scene = (struct scene){ .over = over };
	assert_int_equal(nec_loop_new(&scene->loop, NULL), 0);
	assert_int_equal(daemon_clients_open(scene->loop, path, (gid_t)-1, &events, scene,
					     &scene->clients, NULL),
			 0);
	scene->fd = nec_connect_unix(path);
	assert_true(scene->fd >= 0);
}

static void end_scene(struct scene *scene)
{
	daemon_clients_close(scene->clients);
	nec_loop_free(scene->loop);
	(void)close(scene->fd);
}

static void unread__may_be_all_that_there_may_be(void **state)
{
	struct scene scene;
	int other;

	(void)state;
	set_scene(&scene, 0);
	ask(&scene, scene.fd);
	assert_false(was_dropped(scene.fd));
	other = nec_connect_unix(path);
	assert_true(other >= 0);
	ask(&scene, other);
	assert_true(was_dropped(other));
	(void)close(other);
	end_scene(&scene);
}

static void unread__counts_a_frame_with_its_header(void **state)
{
	struct scene scene;

	(void)state;
	for (size_t over = 1; over <= NEC_FRAME_HEADER; over++) {
		set_scene(&scene, over);
		ask(&scene, scene.fd);
		assert_true(was_dropped(scene.fd));
		end_scene(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unread__may_be_all_that_there_may_be, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(unread__counts_a_frame_with_its_header, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
