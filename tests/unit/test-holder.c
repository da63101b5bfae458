/* SPDX-License-Identifier: Apache-2.0 */
/* The holder with clients and launchers that misbehave. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/frame.h"
#include "base/json.h"
#include "fake-holder.h"

enum { FOREIGNER = 12345, CALL_MSEC = 20000 };

static const char sample_image[] =
	"{\"ImageName\":\"hello\",\"ImageVersion\":\"v1\",\"Metadata\":{}}";

static int connect_to(const struct fake_holder *f)
{
	int fd = nec_connect_unix(f->socket.text);

	assert_true(fd >= 0);
	return fd;
}

static struct nec_answer ask(const struct fake_holder *f, enum nec_command command, bool metadata)
{
	const struct nec_command_arguments arguments = {
		.metadata = metadata,
		.name = (char *)"one",
	};
	struct nec_answer answer = { 0 };
	nec_error err = NEC_ERROR_INIT;

	if (nec_client_call(f->socket.text, command, &arguments, CALL_MSEC, &answer, &err) < 0)
		fail_msg("%s: %s", nec_command_name(command), err.message);
	return answer;
}

/* What every test of a misbehaving client ends with: all others are served. */
static void assert_serves(const struct fake_holder *f)
{
	struct nec_answer answer = ask(f, NEC_COMMAND_DESCRIBE, false);

	assert_int_equal(answer.number, NEC_PROTOCOL_CONFIRM);
	assert_true(answer.has_status);
	assert_int_equal(answer.status, 0);
	assert_non_null(strstr(nec_buffer_text(&answer.text), "\"State\":\"RUNNING\""));
	nec_answer_free(&answer);
}

static void assert_closed(int fd)
{
	char byte;

	assert_true(recv(fd, &byte, 1, 0) <= 0);
	(void)close(fd);
}

static void send_bytes(int fd, const void *bytes, size_t size)
{
	assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* ---- what it answers ---- */

static void describe__has_nitro_clis_keys_in_their_order(void **state)
{
	struct fake_holder *f = *state;
	cleanup_buffer struct nec_buffer expected = { 0 };
	struct nec_answer answer;
	char id[128];

	fake_holder_boot(f, sample_image);
	nec_enclave_id(FAKE_HOLDER_SLOT, id, sizeof(id));
	nec_buffer_printf(&expected,
			  "{\"EnclaveName\":\"one\",\"EnclaveID\":\"%s\",\"ProcessID\":%d,"
			  "\"EnclaveCID\":20,\"NumberOfCPUs\":2,\"CPUIDs\":[2,3],\"MemoryMiB\":64,"
			  "\"State\":\"RUNNING\",\"Flags\":\"DEBUG_MODE\","
			  "\"Measurements\":{\"PCR0\":\"00\"},\"ImageName\":\"hello\","
			  "\"ImageVersion\":\"v1\",\"Metadata\":{},\"Backend\":\"fake\","
			  "\"StartTime\":",
			  id, (int)f->pid);
	answer = ask(f, NEC_COMMAND_DESCRIBE, true);
	assert_true(answer.text.size > expected.size);
	answer.text.data[expected.size] = '\0';
	assert_string_equal((char *)answer.text.data, nec_buffer_text(&expected));
	nec_answer_free(&answer);
}

static void describe__leaves_the_image_out_unless_asked(void **state)
{
	struct fake_holder *f = *state;
	struct nec_answer answer;

	fake_holder_boot(f, sample_image);
	answer = ask(f, NEC_COMMAND_DESCRIBE, false);
	assert_null(strstr(nec_buffer_text(&answer.text), "ImageName"));
	nec_answer_free(&answer);
}

static void commands__answer_number_name_and_id(void **state)
{
	struct fake_holder *f = *state;
	struct nec_answer answer;

	fake_holder_boot(f, "{}");
	answer = ask(f, NEC_COMMAND_GET_ENCLAVE_CID, false);
	assert_int_equal(answer.number, FAKE_HOLDER_CID);
	answer = ask(f, NEC_COMMAND_GET_ENCLAVE_FLAGS, false);
	assert_int_equal(answer.number, 1);
	answer = ask(f, NEC_COMMAND_GET_ENCLAVE_NAME, false);
	assert_string_equal(nec_buffer_text(&answer.text), "\"one\"\n");
	nec_answer_free(&answer);
	answer = ask(f, NEC_COMMAND_GET_ID_BY_NAME, false);
	assert_non_null(strstr(nec_buffer_text(&answer.text), "-enc18f2a3b4c5d6e7f8\"\n"));
	nec_answer_free(&answer);
}

static void socket__is_for_every_user_to_connect(void **state)
{
	struct fake_holder *f = *state;
	struct stat st;

	fake_holder_boot(f, "{}");
	assert_int_equal(stat(f->socket.text, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0766);
}

/* ---- clients that misbehave ---- */

static void client__may_leave_at_every_byte(void **state)
{
	static const enum nec_command commands[] = { NEC_COMMAND_DESCRIBE, NEC_COMMAND_TERMINATE,
						     NEC_COMMAND_GET_ID_BY_NAME };
	const struct nec_command_arguments arguments = { .name = (char *)"one" };
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	for (size_t c = 0; c < ARRAY_SIZE(commands); c++) {
		cleanup_buffer struct nec_buffer bytes = { 0 };

		nec_command_encode(commands[c], &arguments, &bytes);
		for (size_t size = 0; size < bytes.size; size++) {
			int fd = connect_to(f);

			if (size)
				send_bytes(fd, bytes.data, size);
			(void)close(fd);
		}
	}
	assert_serves(f);
}

static void send_command_text(int fd, const char *first, const char *second)
{
	cleanup_buffer struct nec_buffer bytes = { 0 };
	const char *const names[] = { first, second };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_buffer struct nec_buffer payload = { 0 };

		nec_cbor_put_text(&payload, names[i]);
		nec_frame_append(&bytes, payload.data, payload.size);
	}
	send_bytes(fd, bytes.data, bytes.size);
}

static void command__that_is_unknown_or_internal_closes_the_connection(void **state)
{
	static const char *const names[] = { "TerminateComplete", "ConnectionListenerStop",
					     "NotPermitted", "describe", "" };
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = connect_to(f);

		send_command_text(fd, names[i], names[i]);
		assert_closed(fd);
	}
	assert_serves(f);
}

static void command__must_be_sent_twice_the_same(void **state)
{
	struct fake_holder *f = *state;
	int fd;

	fake_holder_boot(f, "{}");
	fd = connect_to(f);
	send_command_text(fd, "Describe", "Terminate");
	assert_closed(fd);
	assert_serves(f);
}

static void frame__of_a_size_beyond_the_limit_closes_the_connection(void **state)
{
	static const uint64_t sizes[] = { NEC_FRAME_MAX_COMMAND + 1, UINT64_C(1) << 40,
					  UINT64_MAX };
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = connect_to(f);

		send_bytes(fd, &sizes[i], sizeof(sizes[i]));
		assert_closed(fd);
	}
	assert_serves(f);
}

static void run__on_a_running_enclave_is_status_17(void **state)
{
	static const uint8_t empty_map[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0xa0 };
	struct nec_frame_reader reader = { .limit = 100 };
	struct nec_reply reply = { 0 };
	struct fake_holder *f = *state;
	int fd;

	fake_holder_boot(f, "{}");
	fd = connect_to(f);
	send_command_text(fd, "Run", "Run");
	send_bytes(fd, empty_map, sizeof(empty_map));
	assert_int_equal(nec_frame_read(&reader, fd, NULL), 1);
	assert_int_equal(nec_reply_decode(reader.payload.data, reader.payload.size, &reply, NULL),
			 0);
	assert_int_equal(reply.status, EEXIST);
	nec_frame_reader_free(&reader);
	(void)close(fd);
	assert_serves(f);
}

static void foreigner__may_describe_and_is_refused_the_rest_with_status_13(void **state)
{
	struct fake_holder *f = *state;
	struct nec_answer answer;

	fake_holder_boot(f, "{}");
	f->world->peer = FOREIGNER;
	answer = ask(f, NEC_COMMAND_TERMINATE, false);
	assert_int_equal(answer.status, EACCES);
	assert_non_null(strstr(nec_buffer_text(&answer.messages), "permission"));
	assert_int_equal(answer.text.size, 0);
	nec_answer_free(&answer);
	assert_serves(f);
}

static void root__may_do_everything(void **state)
{
	struct fake_holder *f = *state;
	struct nec_answer answer;

	fake_holder_boot(f, "{}");
	f->world->peer = 0;
	answer = ask(f, NEC_COMMAND_TERMINATE, false);
	assert_int_equal(answer.status, 0);
	nec_answer_free(&answer);
	assert_int_equal(fake_holder_wait(f), 0);
}

static void client__that_is_slow_holds_up_nobody(void **state)
{
	const struct nec_command_arguments arguments = { 0 };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	struct fake_holder *f = *state;
	uint64_t number = 0;
	int fd;

	fake_holder_boot(f, "{}");
	nec_command_encode(NEC_COMMAND_DESCRIBE, &arguments, &bytes);
	fd = connect_to(f);
	send_bytes(fd, bytes.data, bytes.size / 2);
	assert_serves(f);
	send_bytes(fd, bytes.data + bytes.size / 2, bytes.size - bytes.size / 2);
	assert_int_equal(recv(fd, &number, sizeof(number), MSG_WAITALL), sizeof(number));
	assert_int_equal(number, NEC_PROTOCOL_CONFIRM);
	(void)close(fd);
}

static void client__that_never_reads_holds_up_nobody(void **state)
{
	enum { METADATA_BYTES = 1 << 20 };
	const struct nec_command_arguments arguments = { .metadata = true };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	cleanup_free char *image = malloc(METADATA_BYTES + 64);
	struct fake_holder *f = *state;
	struct nec_answer answer;
	int fd;

	assert_non_null(image);
	(void)snprintf(image, METADATA_BYTES + 64, "{\"ImageName\":\"%0*d\"}", METADATA_BYTES, 0);
	fake_holder_boot(f, image);
	nec_command_encode(NEC_COMMAND_DESCRIBE, &arguments, &bytes);
	fd = connect_to(f);
	send_bytes(fd, bytes.data, bytes.size);
	answer = ask(f, NEC_COMMAND_DESCRIBE, true);
	assert_true(answer.text.size > METADATA_BYTES);
	nec_answer_free(&answer);
	(void)close(fd);
	assert_serves(f);
}

static void clients__are_served_a_hundred_at_a_time(void **state)
{
	static const uint8_t half[] = { 9, 0, 0, 0 };
	struct fake_holder *f = *state;
	int fds[100];

	fake_holder_boot(f, "{}");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_to(f);
		send_bytes(fds[i], half, sizeof(half));
	}
	assert_serves(f);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
	assert_serves(f);
}

static void foreigners__cannot_take_all_connections(void **state)
{
	enum { MANY = 128, MORE = 8 };
	struct fake_holder *f = *state;
	int fds[MANY];

	fake_holder_boot(f, "{}");
	f->world->peer = FOREIGNER;
	for (size_t i = 0; i < MANY; i++)
		fds[i] = connect_to(f);
	for (size_t i = 0; i < MORE; i++)
		assert_closed(connect_to(f));
	f->world->peer = geteuid();
	assert_serves(f);
	for (size_t i = 0; i < MANY; i++)
		(void)close(fds[i]);
}

/* What the holder's process has computed so far. */
static uint64_t holder_cpu_usec(const struct fake_holder *f)
{
	struct timespec used = { 0 };
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(f->pid, &clock), 0);
	(void)clock_gettime(clock, &used);
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* A loop that spins burns half a second here. */
static void assert_sleeps(const struct fake_holder *f)
{
	const struct timespec half = { .tv_nsec = 500000000 };
	uint64_t before = holder_cpu_usec(f);

	(void)nanosleep(&half, NULL);
	assert_true(holder_cpu_usec(f) - before < 100000);
}

static void client__that_writes_byte_by_byte_is_answered(void **state)
{
	const struct nec_command_arguments arguments = { .name = (char *)"one" };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	struct fake_holder *f = *state;
	uint64_t number = 0;
	int fd;

	fake_holder_boot(f, "{}");
	nec_command_encode(NEC_COMMAND_GET_ID_BY_NAME, &arguments, &bytes);
	fd = connect_to(f);
	for (size_t i = 0; i < bytes.size; i++)
		send_bytes(fd, bytes.data + i, 1);
	assert_int_equal(recv(fd, &number, sizeof(number), MSG_WAITALL), sizeof(number));
	assert_int_equal(number, NEC_PROTOCOL_CONFIRM);
	(void)close(fd);
}

/* Silent, slow, or not reading: a connection has its time, and then it is closed. */
static void client__that_is_silent_is_closed_in_time(void **state)
{
	static const uint8_t half[] = { 9, 0, 0, 0 };
	struct fake_holder *f = *state;
	int silent;
	int slow;

	f->world->client_usec = 200000;
	fake_holder_boot(f, "{}");
	silent = connect_to(f);
	slow = connect_to(f);
	send_bytes(slow, half, sizeof(half));
	assert_closed(silent);
	assert_closed(slow);
	assert_serves(f);
}

static void frame__of_garbage_closes_the_connection(void **state)
{
	static const uint8_t payloads[][4] = { { 0xff, 0xff, 0xff, 0xff },
					       { 0xa0 },
					       { 0x65, 'a' },
					       { 0x9f, 0x9f, 0x9f, 0x9f },
					       { 0x7b, 0xff, 0xff, 0xff } };
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
		cleanup_buffer struct nec_buffer frame = { 0 };
		int fd = connect_to(f);

		nec_frame_append(&frame, payloads[i], sizeof(payloads[i]));
		send_bytes(fd, frame.data, frame.size);
		assert_closed(fd);
	}
	/* The command is good, its arguments are not. */
	for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
		cleanup_buffer struct nec_buffer frame = { 0 };
		int fd = connect_to(f);

		send_command_text(fd, "GetIDbyName", "GetIDbyName");
		nec_frame_append(&frame, payloads[i], sizeof(payloads[i]));
		send_bytes(fd, frame.data, frame.size);
		assert_closed(fd);
	}
	assert_serves(f);
}

/* As many connections as descriptors: those who come later wait, and nobody spins or dies. */
static void descriptors__that_run_out_end_nothing(void **state)
{
	enum { MANY = 60 };
	struct fake_holder *f = *state;
	int fds[MANY];

	f->world->descriptors = 40;
	fake_holder_boot(f, "{}");
	for (size_t i = 0; i < MANY; i++)
		fds[i] = connect_to(f);
	assert_sleeps(f);
	for (size_t i = 0; i < MANY; i++)
		(void)close(fds[i]);
	assert_serves(f);
}

/* ---- nitro-cli's frames, byte for byte as the contract has them ---- */

#define CONFIRM "\xc0\xee\0\0\0\0\0\0"
#define OK      "\x09\0\0\0\0\0\0\0\xa1\x66Status\0"

static void assert_answers(const struct fake_holder *f, const char *sent, size_t sent_size,
			   const char *expected, size_t size)
{
	char got[512];
	int fd = connect_to(f);

	assert_true(size < sizeof(got));
	send_bytes(fd, sent, sent_size);
	/* Exactly that, and then the end of the stream. */
	assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), size);
	assert_memory_equal(got, expected, size);
	(void)close(fd);
}
#define ASSERT_ANSWERS(f, sent, expected) \
	assert_answers((f), (sent), sizeof(sent) - 1, (expected), sizeof(expected) - 1)

static void recorded_frames__of_nitro_cli_get_its_answers(void **state)
{
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	ASSERT_ANSWERS(f,
		       "\x0f\0\0\0\0\0\0\0\x6eGetEnclaveName"
		       "\x0f\0\0\0\0\0\0\0\x6eGetEnclaveName",
		       CONFIRM "\x16\0\0\0\0\0\0\0\xa1\x6dStdOutMessage\x66\"one\"\n" OK);
	ASSERT_ANSWERS(f,
		       "\x0e\0\0\0\0\0\0\0\x6dGetEnclaveCID"
		       "\x0e\0\0\0\0\0\0\0\x6dGetEnclaveCID",
		       "\x14\0\0\0\0\0\0\0");
	ASSERT_ANSWERS(f,
		       "\x10\0\0\0\0\0\0\0\x6fGetEnclaveFlags"
		       "\x10\0\0\0\0\0\0\0\x6fGetEnclaveFlags",
		       "\x01\0\0\0\0\0\0\0");
	/* Another's name: a status and no text. */
	ASSERT_ANSWERS(f,
		       "\x0c\0\0\0\0\0\0\0\x6bGetIDbyName"
		       "\x0c\0\0\0\0\0\0\0\x6bGetIDbyName"
		       "\x04\0\0\0\0\0\0\0\x63two",
		       CONFIRM OK);
	assert_serves(f);
}

/* ---- its end ---- */

static void terminate__whose_client_leaves_does_not_spin(void **state)
{
	const struct nec_command_arguments arguments = { 0 };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	struct fake_holder *f = *state;
	int leaves;
	int talks;

	fake_holder_boot(f, "{}");
	f->world->slow_end = true;
	nec_command_encode(NEC_COMMAND_TERMINATE, &arguments, &bytes);
	leaves = connect_to(f);
	talks = connect_to(f);
	send_bytes(leaves, bytes.data, bytes.size);
	fake_holder_expect_backend(f, 'f');
	send_bytes(talks, bytes.data, bytes.size);
	send_bytes(talks, bytes.data, bytes.size);
	(void)close(leaves);
	assert_sleeps(f);
	fake_holder_tell(f, 'g');
	assert_int_equal(fake_holder_wait(f), 0);
	(void)close(talks);
}

static void terminate__is_answered_when_the_backend_is_gone(void **state)
{
	const struct nec_command_arguments arguments = { 0 };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	struct fake_holder *f = *state;
	char byte;
	int fd;

	fake_holder_boot(f, "{}");
	f->world->slow_end = true;
	nec_command_encode(NEC_COMMAND_TERMINATE, &arguments, &bytes);
	fd = connect_to(f);
	send_bytes(fd, bytes.data, bytes.size);
	fake_holder_expect_backend(f, 'f');
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	fake_holder_tell(f, 'g');
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	(void)close(fd);
	assert_int_equal(fake_holder_wait(f), 0);
	assert_int_equal(access(f->socket.text, F_OK), -1);
}

static void describe__says_terminating_while_the_backend_ends(void **state)
{
	const struct nec_command_arguments arguments = { 0 };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	struct fake_holder *f = *state;
	struct nec_answer answer;
	int fd;

	fake_holder_boot(f, "{}");
	f->world->slow_end = true;
	nec_command_encode(NEC_COMMAND_TERMINATE, &arguments, &bytes);
	fd = connect_to(f);
	send_bytes(fd, bytes.data, bytes.size);
	fake_holder_expect_backend(f, 'f');
	answer = ask(f, NEC_COMMAND_DESCRIBE, false);
	assert_non_null(strstr(nec_buffer_text(&answer.text), "\"State\":\"TERMINATING\""));
	nec_answer_free(&answer);
	fake_holder_tell(f, 'g');
	assert_int_equal(fake_holder_wait(f), 0);
	(void)close(fd);
}

static void terminate__says_so_in_nitro_clis_words(void **state)
{
	struct fake_holder *f = *state;
	struct nec_answer answer;

	fake_holder_boot(f, "{}");
	answer = ask(f, NEC_COMMAND_TERMINATE, false);
	assert_int_equal(answer.status, 0);
	assert_non_null(
		strstr(nec_buffer_text(&answer.messages), "Successfully terminated enclave"));
	assert_non_null(
		strstr(nec_buffer_text(&answer.text), "{\"EnclaveName\":\"one\",\"EnclaveID\":\""));
	assert_non_null(strstr(nec_buffer_text(&answer.text), "\",\"Terminated\":true}\n"));
	nec_answer_free(&answer);
}

static void signal__ends_it_in_order(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	struct fake_holder *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		fake_holder_boot(f, "{}");
		assert_int_equal(kill(f->pid, signals[i]), 0);
		fake_holder_expect_backend(f, 'f');
		assert_int_equal(fake_holder_wait(f), 0);
		assert_int_equal(access(f->socket.text, F_OK), -1);
		fake_holder_forget(f);
	}
}

static void enclave__that_ends_takes_its_holder_along_and_leaves_its_console(void **state)
{
	struct fake_holder *f = *state;
	struct nec_path log;
	struct stat st;

	fake_holder_boot(f, "{}");
	send_bytes(f->console, "last words\n", 11);
	fake_holder_tell(f, 'e');
	assert_int_equal(fake_holder_wait(f), 0);
	assert_int_equal(access(f->socket.text, F_OK), -1);
	(void)snprintf(log.text, sizeof(log.text), "%s/console/18f2a3b4c5d6e7f8.log", f->dir);
	assert_int_equal(stat(log.text, &st), 0);
	assert_int_equal(st.st_size, 11);
}

/* ---- what is left to be known ---- */

/* A member of the record of the enclave that has ended; "" when there is none. */
static const char *recorded(const struct fake_holder *f, const char *key)
{
	static char text[512];
	cleanup_json cJSON *record = nec_record_read(f->dir, FAKE_HOLDER_SLOT);
	const char *value = "";
	uint64_t number;

	if (nec_json_get_u64(record, key, &number))
		(void)snprintf(text, sizeof(text), "%" PRIu64, number);
	else
		(void)snprintf(text, sizeof(text), "%s",
			       nec_json_get_string(record, key, &value) ? value : "");
	return text;
}

static void record__of_a_running_enclave_is_none(void **state)
{
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	assert_null(nec_record_read(f->dir, FAKE_HOLDER_SLOT));
}

static void record__says_what_the_console_told(void **state)
{
	static const struct {
		const char *console;
		const char *reason;
		const char *key;
		const char *value;
	} cases[] = {
		{ "nec-init: exit status=3\r\n", "exited", "ExitStatus", "3" },
		{ "nec-init: exit signal=11\r\n", "crashed", "ExitSignal", "11" },
		{ "nec-init: exit failure=config\r\n", "failed", "ExitMessage",
		  "its init gave up: config" },
		{ "[ 1.0] Out of memory: Killed process 7 (hog) total-vm:1kB\r\n"
		  "nec-init: exit signal=9\r\n",
		  "out-of-memory", "ExitSignal", "" },
		{ "[ 1.0] Out of memory: Killed process 7 (hog) total-vm:1kB\r\n"
		  "nec-init: exit status=0\r\n",
		  "exited", "ExitStatus", "0" },
		{ "[ 1.0] Kernel panic - not syncing: Attempted to kill init!\r\n", "panic",
		  "ExitMessage", "its kernel panicked: Attempted to kill init!" },
		{ "[ 1.0] Kernel panic - not syncing: System is deadlocked on memory\r\n",
		  "out-of-memory", "EnclaveName", "one" },
		{ "hello\r\n", "stopped", "ExitMessage", "its machine stopped" },
		{ "no end of line: nec-init: exit status=4", "exited", "ExitStatus", "4" },
	};
	struct fake_holder *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_holder_boot(f, "{}");
		send_bytes(f->console, cases[i].console, strlen(cases[i].console));
		fake_holder_tell(f, 'e');
		assert_int_equal(fake_holder_wait(f), 0);
		assert_string_equal(recorded(f, "State"), "ENDED");
		assert_string_equal(recorded(f, "ExitReason"), cases[i].reason);
		assert_string_equal(recorded(f, cases[i].key), cases[i].value);
		assert_true(strtoll(recorded(f, "EndTime"), NULL, 10) >=
			    strtoll(recorded(f, "StartTime"), NULL, 10));
		fake_holder_forget(f);
	}
}

static void record__is_there_when_terminate_is_answered(void **state)
{
	struct fake_holder *f = *state;
	struct nec_answer answer;

	fake_holder_boot(f, "{}");
	send_bytes(f->console, "nec-init: exit status=3\n", 24);
	answer = ask(f, NEC_COMMAND_TERMINATE, false);
	assert_string_equal(recorded(f, "ExitReason"), "terminated");
	assert_string_equal(recorded(f, "ExitMessage"), "it was terminated: by command");
	nec_answer_free(&answer);
}

static void record__of_a_killed_holder_says_so(void **state)
{
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	assert_int_equal(kill(f->pid, SIGKILL), 0);
	assert_int_equal(waitpid(f->pid, NULL, 0), f->pid);
	f->pid = 0;
	assert_string_equal(recorded(f, "ExitReason"), "lost");
	assert_string_equal(recorded(f, "EnclaveName"), "one");
	assert_string_equal(recorded(f, "EndTime"), "");
}

static void record__of_a_failed_boot_has_its_message(void **state)
{
	struct fake_holder *f = *state;

	f->world->timeout = 1;
	fake_holder_start(f);
	(void)fake_holder_expect(f, NEC_LAUNCH_STARTED);
	(void)fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_int_equal(fake_holder_wait(f), 1);
	assert_string_equal(recorded(f, "ExitReason"), "boot-failed");
	assert_non_null(strstr(recorded(f, "ExitMessage"), "no heartbeat"));
}

static void records__are_listed_by_age_and_bounded(void **state)
{
	enum { KEPT = 5, MADE = 8 };
	struct fake_holder *f = *state;
	cleanup_json cJSON *array = nec_json_array();
	struct nec_record held = NEC_RECORD_INIT;
	const cJSON *item;
	uint64_t number = MADE - KEPT;

	assert_int_equal(nec_sockets_dir_make(f->dir, NULL), 0);
	assert_int_equal(nec_record_write(&held, f->dir, 99, "{}", NULL), 0);
	for (uint64_t i = 0; i < MADE; i++) {
		struct timespec times[2] = { { .tv_sec = 1000 + (time_t)i },
					     { .tv_sec = 1000 + (time_t)i } };
		struct nec_record record = NEC_RECORD_INIT;
		char json[32];

		(void)snprintf(json, sizeof(json), "{\"n\":%" PRIu64 "}", i);
		assert_int_equal(nec_record_write(&record, f->dir, 16 - i, "{}", NULL), 0);
		assert_int_equal(nec_record_finish(&record, json, NULL), 0);
		assert_int_equal(utimensat(AT_FDCWD, record.path.text, times, 0), 0);
	}
	nec_records_prune(f->dir, KEPT);
	assert_int_equal(nec_records_list(f->dir, array, NULL), 0);
	cJSON_ArrayForEach (item, array) {
		uint64_t n = 0;

		assert_true(nec_json_get_u64(item, "n", &n));
		assert_int_equal(n, number);
		number++;
	}
	assert_int_equal(number, MADE);
	assert_int_equal(access(held.path.text, F_OK), 0);
	nec_record_release(&held);
}

static void record__that_is_no_json_is_left_out(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "7" };
	struct fake_holder *f = *state;
	cleanup_json cJSON *array = nec_json_array();

	assert_int_equal(nec_sockets_dir_make(f->dir, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct nec_record record = NEC_RECORD_INIT;

		assert_int_equal(nec_record_write(&record, f->dir, i, texts[i], NULL), 0);
		nec_record_release(&record);
	}
	assert_int_equal(nec_records_list(f->dir, array, NULL), 0);
	assert_null(array->child);
}

/* ---- the folders ---- */

static void folder_in(struct fake_holder *f, const char *name, struct nec_path *ret)
{
	(void)snprintf(ret->text, sizeof(ret->text), "%s/%s", f->dir, name);
}

static void assert_folders_are_like(struct fake_holder *f, mode_t mode, gid_t gid)
{
	static const char *const names[] = { NEC_CONSOLE_DIR, NEC_RECORDS_DIR, NEC_SIM_DIR };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct nec_path path;
		struct stat st;

		folder_in(f, names[i], &path);
		assert_int_equal(stat(path.text, &st), 0);
		assert_int_equal(st.st_mode & 07777, mode);
		assert_int_equal(st.st_gid, gid);
		assert_int_equal(rmdir(path.text), 0);
	}
}

/* The usual ones of a root's shell, and those of one who is careful. */
static void folders__have_the_group_and_the_mode_of_the_one_above(void **state)
{
	static const mode_t masks[] = { 022, 077 };
	static const mode_t modes[] = { 0775, 02775, 0755, 0700 };
	gid_t gid = geteuid() == 0 ? 54321 : getegid();
	struct fake_holder *f = *state;

	assert_int_equal(chown(f->dir, (uid_t)-1, gid), 0);
	for (size_t i = 0; i < ARRAY_SIZE(masks) * ARRAY_SIZE(modes); i++) {
		mode_t mode = modes[i / ARRAY_SIZE(masks)];
		mode_t before = umask(masks[i % ARRAY_SIZE(masks)]);

		assert_int_equal(chmod(f->dir, mode), 0);
		assert_int_equal(nec_sockets_dir_make(f->dir, NULL), 0);
		(void)umask(before);
		assert_folders_are_like(f, mode, gid);
	}
	assert_int_equal(chmod(f->dir, 0700), 0);
}

/* Not even where everybody may write. */
static void folders__are_not_for_everybody_to_write(void **state)
{
	struct fake_holder *f = *state;

	assert_int_equal(chmod(f->dir, 01777), 0);
	assert_int_equal(nec_sockets_dir_make(f->dir, NULL), 0);
	assert_folders_are_like(f, 0775, getegid());
	assert_int_equal(chmod(f->dir, 0700), 0);
}

/* nitro-cli's terminate-enclave --all takes what it finds there for enclaves. */
static void folders__are_not_among_nitro_clis_sockets(void **state)
{
	struct nec_path path;

	(void)state;
	assert_string_equal(nec_state_dir("/run/nitro_enclaves"), "/run/nec");
	assert_string_equal(nec_state_dir("/run/user/1000/nitro_enclaves"),
			    "/run/user/1000/nitro_enclaves");
	assert_int_equal(nec_console_socket_of("/run/nitro_enclaves/1f.sock", &path, NULL), 0);
	assert_string_equal(path.text, "/run/nec/console/1f.sock");
	assert_int_equal(nec_console_socket_of("/tmp/s/1f.sock", &path, NULL), 0);
	assert_string_equal(path.text, "/tmp/s/console/1f.sock");

	assert_int_equal(setenv("NITRO_CLI_SOCKETS_PATH", "/run/nitro_enclaves//", 1), 0);
	nec_sockets_dir(false, &path);
	assert_int_equal(unsetenv("NITRO_CLI_SOCKETS_PATH"), 0);
	assert_string_equal(path.text, "/run/nitro_enclaves");
}

/* Who may write in the sockets directory may put it there while an enclave starts. */
static void link__in_place_of_a_folder_is_not_followed(void **state)
{
	struct fake_holder *f = *state;
	struct nec_record record = NEC_RECORD_INIT;
	struct nec_path elsewhere, console, records, log, json;
	nec_error err = NEC_ERROR_INIT;

	folder_in(f, "elsewhere", &elsewhere);
	folder_in(f, "elsewhere/1.log", &log);
	folder_in(f, "elsewhere/1.json", &json);
	folder_in(f, NEC_CONSOLE_DIR, &console);
	folder_in(f, NEC_RECORDS_DIR, &records);
	assert_int_equal(mkdir(elsewhere.text, 0700), 0);
	assert_int_equal(mknod(log.text, S_IFREG | 0600, 0), 0);
	assert_int_equal(mknod(json.text, S_IFREG | 0600, 0), 0);
	assert_int_equal(symlink("elsewhere", console.text), 0);
	assert_int_equal(symlink("elsewhere", records.text), 0);

	assert_int_equal(nec_record_write(&record, f->dir, 1, "{}", &err), -ENOTDIR);
	assert_int_equal(err.code, NEC_E_FILE_WRITE);
	nec_console_prune(console.text, 0);
	nec_records_prune(f->dir, 0);
	assert_int_equal(nec_sockets_dir_make(f->dir, NULL), -EPERM);
	/* Nothing is gone, and nothing has come. */
	assert_int_equal(unlink(log.text), 0);
	assert_int_equal(unlink(json.text), 0);
	assert_int_equal(rmdir(elsewhere.text), 0);
	assert_int_equal(unlink(console.text), 0);
	assert_int_equal(unlink(records.text), 0);
}

/* ---- launches that come to nothing ---- */

static void assert_told_to_end(const struct nec_launch_message *message)
{
	assert_int_equal(message->failed.code, NEC_E_ENCLAVE_BOOT);
	assert_int_equal(message->failed.os_error, ECANCELED);
	assert_non_null(strstr(message->failed.message, "told to end"));
	assert_non_null(strstr(message->failed.message, "signal 15"));
}

static void signal__while_the_backend_starts_is_not_forgotten(void **state)
{
	struct nec_launch_message message;
	struct fake_holder *f = *state;

	f->world->late_end = true;
	fake_holder_start(f);
	message = fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_told_to_end(&message);
	fake_holder_expect_backend(f, 'f');
	assert_int_equal(fake_holder_wait(f), 1);
}

static void signal__before_the_enclave_is_up_is_told_to_its_launcher(void **state)
{
	struct nec_launch_message message;
	struct fake_holder *f = *state;

	fake_holder_start(f);
	(void)fake_holder_expect(f, NEC_LAUNCH_STARTED);
	assert_int_equal(kill(f->pid, SIGTERM), 0);
	message = fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_told_to_end(&message);
	fake_holder_expect_backend(f, 'f');
	assert_int_equal(fake_holder_wait(f), 0);
}

static void signal__while_memory_is_taken_is_told_to_its_launcher(void **state)
{
	struct nec_launch_message message;
	struct fake_holder *f = *state;

	f->world->cancelled = true;
	fake_holder_start(f);
	message = fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_told_to_end(&message);
	assert_int_equal(fake_holder_wait(f), 1);
}

static void launcher__that_goes_before_ready_ends_everything(void **state)
{
	struct fake_holder *f = *state;

	fake_holder_start(f);
	(void)fake_holder_expect(f, NEC_LAUNCH_STARTED);
	fake_holder_describe_image(f, "{}");
	(void)close(f->launcher);
	f->launcher = -1;
	fake_holder_expect_backend(f, 'f');
	assert_int_equal(fake_holder_wait(f), 0);
	assert_int_equal(access(f->socket.text, F_OK), -1);
}

static void launcher__that_goes_after_ready_changes_nothing(void **state)
{
	struct fake_holder *f = *state;

	fake_holder_boot(f, "{}");
	(void)close(f->launcher);
	f->launcher = -1;
	assert_serves(f);
}

static void backend__that_does_not_start_is_told_to_the_launcher(void **state)
{
	struct nec_launch_message message;
	struct fake_holder *f = *state;

	f->world->refuse = true;
	fake_holder_start(f);
	message = fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_int_equal(message.failed.code, NEC_E_HUGEPAGES_EXHAUSTED);
	assert_int_equal(message.failed.os_error, ENOMEM);
	assert_string_equal(message.failed.message, "no pages are left");
	fake_holder_expect_launcher_closed(f);
	assert_int_equal(fake_holder_wait(f), 1);
}

static void image__that_changed_since_the_launcher_looked_is_refused(void **state)
{
	struct nec_launch_message message;
	struct fake_holder *f = *state;

	f->world->other_image = true;
	fake_holder_start(f);
	message = fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_int_equal(message.failed.code, NEC_E_FILE_CHANGED);
	fake_holder_expect_launcher_closed(f);
	assert_int_equal(fake_holder_wait(f), 1);
}

static void heartbeat__that_does_not_come_is_a_failure_in_time(void **state)
{
	struct nec_launch_message message;
	struct fake_holder *f = *state;

	f->world->timeout = 1;
	fake_holder_start(f);
	(void)fake_holder_expect(f, NEC_LAUNCH_STARTED);
	message = fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_int_equal(message.failed.code, NEC_E_ENCLAVE_BOOT);
	assert_int_equal(message.failed.os_error, ETIMEDOUT);
	fake_holder_expect_launcher_closed(f);
	fake_holder_expect_backend(f, 'f');
	assert_int_equal(fake_holder_wait(f), 1);
}

static void enclave__that_ends_while_booting_is_explained_by_its_console(void **state)
{
	struct nec_launch_message message;
	struct fake_holder *f = *state;

	f->world->no_debug = true;
	fake_holder_start(f);
	(void)fake_holder_expect(f, NEC_LAUNCH_STARTED);
	send_bytes(f->console, "nec-init: exit status=3\n", 24);
	fake_holder_tell(f, 'e');
	message = fake_holder_expect(f, NEC_LAUNCH_FAILED);
	assert_non_null(strstr(message.failed.message, "ended with status 3"));
	assert_int_equal(fake_holder_wait(f), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_holder_set_up, fake_holder_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(describe__has_nitro_clis_keys_in_their_order),
		TEST(describe__leaves_the_image_out_unless_asked),
		TEST(commands__answer_number_name_and_id),
		TEST(socket__is_for_every_user_to_connect),
		TEST(client__may_leave_at_every_byte),
		TEST(command__that_is_unknown_or_internal_closes_the_connection),
		TEST(command__must_be_sent_twice_the_same),
		TEST(frame__of_a_size_beyond_the_limit_closes_the_connection),
		TEST(run__on_a_running_enclave_is_status_17),
		TEST(foreigner__may_describe_and_is_refused_the_rest_with_status_13),
		TEST(root__may_do_everything),
		TEST(client__that_is_slow_holds_up_nobody),
		TEST(client__that_never_reads_holds_up_nobody),
		TEST(client__that_writes_byte_by_byte_is_answered),
		TEST(client__that_is_silent_is_closed_in_time),
		TEST(frame__of_garbage_closes_the_connection),
		TEST(descriptors__that_run_out_end_nothing),
		TEST(recorded_frames__of_nitro_cli_get_its_answers),
		TEST(terminate__whose_client_leaves_does_not_spin),
		TEST(clients__are_served_a_hundred_at_a_time),
		TEST(foreigners__cannot_take_all_connections),
		TEST(terminate__is_answered_when_the_backend_is_gone),
		TEST(describe__says_terminating_while_the_backend_ends),
		TEST(terminate__says_so_in_nitro_clis_words),
		TEST(signal__ends_it_in_order),
		TEST(enclave__that_ends_takes_its_holder_along_and_leaves_its_console),
		TEST(record__of_a_running_enclave_is_none),
		TEST(record__says_what_the_console_told),
		TEST(record__is_there_when_terminate_is_answered),
		TEST(record__of_a_killed_holder_says_so),
		TEST(record__of_a_failed_boot_has_its_message),
		TEST(records__are_listed_by_age_and_bounded),
		TEST(record__that_is_no_json_is_left_out),
		TEST(folders__have_the_group_and_the_mode_of_the_one_above),
		TEST(folders__are_not_for_everybody_to_write),
		cmocka_unit_test(folders__are_not_among_nitro_clis_sockets),
		TEST(link__in_place_of_a_folder_is_not_followed),
		TEST(signal__while_the_backend_starts_is_not_forgotten),
		TEST(signal__before_the_enclave_is_up_is_told_to_its_launcher),
		TEST(signal__while_memory_is_taken_is_told_to_its_launcher),
		TEST(launcher__that_goes_before_ready_ends_everything),
		TEST(launcher__that_goes_after_ready_changes_nothing),
		TEST(backend__that_does_not_start_is_told_to_the_launcher),
		TEST(image__that_changed_since_the_launcher_looked_is_refused),
		TEST(heartbeat__that_does_not_come_is_a_failure_in_time),
		TEST(enclave__that_ends_while_booting_is_explained_by_its_console),
	};

	return cmocka_run_group_tests_name("holder", tests, NULL, NULL);
}
