/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: its commands, and callers of all kinds. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/unix-socket.h"

static const char ok[] = "{\"ok\":true}\n";

static void expect(struct client *client, const char *line, const char *answer)
{
	cleanup_free char *text = client_control(client, line);

	assert_string_equal(text, answer);
}

static cJSON *ask(struct client *client, const char *line)
{
	cleanup_free char *text = client_control(client, line);
	cJSON *json = NULL;
	bool done = false;

	assert_int_equal(nec_json_parse(text, strlen(text), &json, NULL), 0);
	assert_true(nec_json_get_bool(json, "ok", &done));
	assert_true(done);
	return json;
}

static uint64_t number(const cJSON *object, const char *key)
{
	uint64_t value = 0;

	assert_true(nec_json_get_u64(object, key, &value));
	return value;
}

static const char *text(const cJSON *object, const char *key)
{
	const char *value = NULL;

	assert_true(nec_json_get_string(object, key, &value));
	return value;
}

static void status__tells_of_slots_and_counts(void **state)
{
	struct client *client = *state;
	uint64_t cid;
	uint64_t uid = client_launch(client, 2 * MIB, 2, &cid);
	cleanup_json cJSON *json = NULL;
	const cJSON *slot;
	const cJSON *list;
	uint64_t second = 0;

	(void)uid;
	client->memory[2 * MIB + 5] = 1;
	json = ask(client, "status");
	slot = nec_json_get(json, "slots")->child;
	assert_string_equal(text(slot, "slot"), "1ab0000000000001");
	assert_string_equal(text(slot, "state"), "running");
	assert_int_equal(number(slot, "cid"), cid);
	assert_int_equal(number(slot, "memory_bytes"), 64 * MIB);
	assert_int_equal(number(slot, "regions"), 1);
	assert_int_equal(number(slot, "touched_pages"), 1);
	list = nec_json_get(slot, "vcpus");
	assert_true(nec_json_to_u64(list->child->next, &second));
	assert_int_equal(second, 3);
	assert_int_equal(number(nec_json_get(slot, "ranges")->child, "address"), 2 * MIB);
	list = nec_json_get(json, "counts");
	assert_int_equal(number(list, "SLOT_ADD_VCPU"), 2);
	assert_int_equal(number(list, "ENCLAVE_START"), 1);
	assert_int_equal(number(list, "failed"), 0);
	assert_int_equal(number(json, "maps"), 2);
}

static void log__has_each_command_in_its_order(void **state)
{
	struct client *client = *state;
	cleanup_json cJSON *json = NULL;
	const cJSON *entry;
	uint64_t size = 0;

	expect(client, "fault SLOT_ADD_MEM error 12", ok);
	assert_int_equal(client_add_memory(client, client_alloc(client), 2 * MIB, 4 * MIB),
			 -ENOMEM);
	json = ask(client, "log");
	entry = nec_json_get(json, "log")->child;
	assert_string_equal(text(entry, "command"), "SLOT_ALLOC");
	assert_int_equal(number(entry, "errno"), 0);
	entry = entry->next;
	assert_string_equal(text(entry, "command"), "SLOT_ADD_MEM");
	assert_int_equal(number(entry, "number"), 2);
	assert_int_equal(number(entry, "errno"), ENOMEM);
	assert_true(nec_json_to_u64(nec_json_get(entry, "arguments")->child->next, &size));
	assert_int_equal(size, 4 * MIB);
	assert_null(entry->next);
	expect(client, "forget", ok);
	expect(client, "log", "{\"log\":[],\"ok\":true}\n");
}

static void log__keeps_the_newest(void **state)
{
	struct client *client = *state;
	cleanup_json cJSON *json = NULL;
	const cJSON *entry;
	size_t count = 0;

	client->hypervisor->logged = LAB_LOG_ENTRIES + 7;
	(void)client_alloc(client);
	json = ask(client, "log");
	for (entry = nec_json_get(json, "log")->child; entry; entry = entry->next)
		count++;
	assert_int_equal(count, LAB_LOG_ENTRIES);
}

static void faults__are_listed_and_cleared(void **state)
{
	struct client *client = *state;
	cleanup_json cJSON *json = NULL;
	const cJSON *fault;

	expect(client, "fault ENCLAVE_STOP error 16 always", ok);
	expect(client, "  fault\tSLOT_INFO state 0xffff 2 3\r", ok);
	expect(client, "fault SLOT_ALLOC lost", ok);
	expect(client, "refuse cid-unique 4", ok);
	expect(client, "refuse slot always", ok);
	json = ask(client, "status");
	fault = nec_json_get(json, "faults")->child;
	assert_string_equal(text(fault, "command"), "ENCLAVE_STOP");
	assert_string_equal(text(fault, "kind"), "error");
	assert_string_equal(text(fault, "count"), "always");
	fault = fault->next;
	assert_int_equal(number(fault, "value"), 0xffff);
	assert_int_equal(number(fault, "count"), 2);
	assert_int_equal(number(fault, "skip"), 3);
	fault = nec_json_get(json, "refusals")->child;
	assert_string_equal(text(fault, "rule"), "slot");
	assert_int_equal(number(fault->next, "count"), 4);
	expect(client, "clear", ok);
	assert_int_equal(client->hypervisor->faults.count, 0);
	assert_int_equal(client->hypervisor->slots.refuse[LAB_RULE_SLOT], 0);
}

static void refusals__come_as_often_as_asked(void **state)
{
	struct client *client = *state;

	expect(client, "refuse slot-limit 2", ok);
	for (int i = 0; i < 2; i++)
		assert_int_equal(client_command(client, LAB_SLOT_ALLOC, NULL, 0, NULL), -ENOSPC);
	(void)client_alloc(client);
}

static void crash__ends_an_enclave_by_cid_or_slot(void **state)
{
	struct client *client = *state;
	uint64_t cid;
	char line[64];
	uint64_t uid = client_launch(client, 2 * MIB, 2, &cid);
	uint64_t other = client_launch(client, 66 * MIB, 4, NULL);

	(void)snprintf(line, sizeof(line), "crash %llu", (unsigned long long)cid);
	expect(client, line, ok);
	assert_int_equal(client_take_interrupts(client, 1), 1);
	assert_int_equal(lab_slots_find(&client->hypervisor->slots, uid)->state, LAB_STOPPED);
	expect(client, line, "{\"error\":\"No such process\",\"ok\":false}\n");
	(void)snprintf(line, sizeof(line), "crash %016llx", (unsigned long long)other);
	expect(client, line, ok);
	assert_int_equal(client->runner->running, 0);
	expect(client, "crash 999", "{\"error\":\"No such process\",\"ok\":false}\n");
}

static void interrupts__come_without_reason(void **state)
{
	struct client *client = *state;

	expect(client, "interrupt 1", ok);
	assert_int_equal(client_take_interrupts(client, 1), 1);
	expect(client, "interrupt 0", ok);
	assert_int_equal(client_take_interrupts(client, 0), 1);
}

static void regions__are_limited_as_asked(void **state)
{
	struct client *client = *state;
	uint64_t uid;

	uid = client_alloc(client);
	expect(client, "regions 1", ok);
	assert_int_equal(client_add_memory(client, uid, 2 * MIB, 2 * MIB), 0);
	assert_int_equal(client_add_memory(client, uid, 8 * MIB, 2 * MIB), -E2BIG);
	expect(client, "regions 2", ok);
	assert_int_equal(client_add_memory(client, uid, 8 * MIB, 2 * MIB), 0);
}

static void lines__that_make_no_sense_are_refused(void **state)
{
	static const char invalid[] = "{\"error\":\"Invalid argument\",\"ok\":false}\n";
	static const char *const bad[] = {
		"",
		"   ",
		"fault",
		"fault SLOT_ALLOC",
		"fault SLOT_ALLOC error",
		"fault NOTHING error 5",
		"fault SLOT_ALLOC nothing 5",
		"fault SLOT_ALLOC error 0",
		"fault SLOT_ALLOC error 4096",
		"fault SLOT_ALLOC error -5",
		"fault SLOT_ALLOC error 5x",
		"fault SLOT_ALLOC error 5 0",
		"fault SLOT_ALLOC error 5 1 x",
		"fault SLOT_ALLOC error 5 1 1 1",
		"fault SLOT_ALLOC error 5 4294967295",
		"fault SLOT_ALLOC late 3600001",
		"fault SLOT_ALLOC late 99999999999999999999",
		"fault SLOT_ALLOC lost 1 1 1",
		"fault SLOT_ALLOC state 1",
		"fault SLOT_INFO state 65536",
		"refuse",
		"refuse nothing",
		"refuse slot 0",
		"refuse slot 1 1",
		"crash",
		"crash 1 2",
		"regions",
		"regions 0",
		"regions 65537",
		"interrupt",
		"interrupt 2",
		"a b c d e f g h i",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect(*state, bad[i], invalid);
	expect(*state, "nothing", "{\"error\":\"Function not implemented\",\"ok\":false}\n");
	assert_int_equal(((struct client *)*state)->hypervisor->faults.count, 0);
}

/* ---- the socket ---- */

struct scene {
	struct client *client;
	struct lab_control *control;
	char path[64];
};

static void open_control(struct scene *scene, void **state)
{
	static const char template[] = "/tmp/nec-test-control-XXXXXX";
	char dir[sizeof(template)];

	memcpy(dir, template, sizeof(template));
	assert_non_null(mkdtemp(dir));
	scene->client = *state;
	(void)snprintf(scene->path, sizeof(scene->path), "%s/control", dir);
	assert_int_equal(lab_control_new(scene->client->loop, scene->path,
					 scene->client->hypervisor, &scene->control, NULL),
			 0);
}

static void close_control(struct scene *scene)
{
	lab_control_free(scene->control);
	assert_int_equal(access(scene->path, F_OK), -1);
	*strrchr(scene->path, '/') = '\0';
	assert_int_equal(rmdir(scene->path), 0);
}

static int call(struct scene *scene)
{
	int fd = nec_connect_unix(scene->path);

	assert_true(fd >= 0);
	client_turn(scene->client);
	return fd;
}

static void tell(struct scene *scene, int fd, const char *line)
{
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	client_turn(scene->client);
}

/* What is there; "" at the end, NULL when nothing is there. */
static const char *hear(int fd, char *bytes, size_t size)
{
	ssize_t n = recv(fd, bytes, size - 1, MSG_DONTWAIT);

	if (n < 0)
		return NULL;
	bytes[n] = '\0';
	return bytes;
}

static void callers__say_many_lines_in_pieces(void **state)
{
	struct scene scene;
	char bytes[256];
	int fd;

	open_control(&scene, state);
	fd = call(&scene);
	tell(&scene, fd, "cle");
	assert_null(hear(fd, bytes, sizeof(bytes)));
	tell(&scene, fd, "ar\nforget\nnoth");
	assert_string_equal(hear(fd, bytes, sizeof(bytes)), "{\"ok\":true}\n{\"ok\":true}\n");
	tell(&scene, fd, "ing\n");
	assert_non_null(strstr(hear(fd, bytes, sizeof(bytes)), "not implemented"));
	(void)close(fd);
	client_turn(scene.client);
	close_control(&scene);
}

static void callers__with_endless_lines_are_sent_away(void **state)
{
	struct scene scene;
	char line[LAB_CONTROL_LINE + 1];
	char bytes[256];
	int fd;

	memset(line, 'x', sizeof(line));
	line[LAB_CONTROL_LINE] = '\0';
	open_control(&scene, state);
	fd = call(&scene);
	tell(&scene, fd, line);
	assert_string_equal(hear(fd, bytes, sizeof(bytes)), "");
	(void)close(fd);
	close_control(&scene);
}

static void callers__are_limited(void **state)
{
	struct scene scene;
	int fds[LAB_CONTROL_MAX_CALLERS + 1];
	char bytes[256];

	open_control(&scene, state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = call(&scene);
	assert_string_equal(hear(fds[LAB_CONTROL_MAX_CALLERS], bytes, sizeof(bytes)), "");
	(void)close(fds[0]);
	client_turn(scene.client);
	(void)close(fds[LAB_CONTROL_MAX_CALLERS]);
	fds[0] = call(&scene);
	tell(&scene, fds[0], "clear\n");
	assert_string_equal(hear(fds[0], bytes, sizeof(bytes)), ok);
	/* Those who are there when it ends are let go. */
	close_control(&scene);
	for (size_t i = 0; i < LAB_CONTROL_MAX_CALLERS; i++)
		(void)close(fds[i]);
}

/* Answers larger than a socket holds come whole to who reads slowly. */
static void callers__that_read_slowly_get_everything(void **state)
{
	struct scene scene;
	cleanup_buffer struct nec_buffer all = { 0 };
	static char bytes[65536];
	cJSON *json = NULL;
	int fd;

	open_control(&scene, state);
	scene.client->hypervisor->logged = LAB_LOG_ENTRIES;
	fd = call(&scene);
	tell(&scene, fd, "log\n");
	while (all.size == 0 || all.data[all.size - 1] != '\n') {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		assert_true(n > 0);
		nec_buffer_append(&all, bytes, (size_t)n);
		client_turn(scene.client);
	}
	assert_true(all.size > 262144);
	assert_int_equal(nec_json_parse(nec_buffer_text(&all), all.size, &json, NULL), 0);
	nec_json_free(json);
	tell(&scene, fd, "clear\n");
	assert_string_equal(hear(fd, bytes, sizeof(bytes)), ok);
	(void)close(fd);
	close_control(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_set_up_bound, client_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status__tells_of_slots_and_counts),
		TEST(log__has_each_command_in_its_order),
		TEST(log__keeps_the_newest),
		TEST(faults__are_listed_and_cleared),
		TEST(refusals__come_as_often_as_asked),
		TEST(crash__ends_an_enclave_by_cid_or_slot),
		TEST(interrupts__come_without_reason),
		TEST(regions__are_limited_as_asked),
		TEST(lines__that_make_no_sense_are_refused),
		TEST(callers__say_many_lines_in_pieces),
		TEST(callers__with_endless_lines_are_sent_away),
		TEST(callers__are_limited),
		TEST(callers__that_read_slowly_get_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
