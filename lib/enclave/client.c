/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the processes that hold enclaves. */
#include "enclave/client.h"

#include <dirent.h>
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/unix-socket.h"
#include "enclave/paths.h"

/* nitro-cli's limit for one answer of a broadcast. */
enum { BROADCAST_MSEC = 3000 };

/* How often a process is tried again that has too many connections waiting. */
enum { RETRY_NSEC = 10000000 };

#define SOCKET_SUFFIX ".sock"

void nec_answer_free(struct nec_answer *answer)
{
	nec_buffer_free(&answer->text);
	nec_buffer_free(&answer->messages);
	*answer = (struct nec_answer){ 0 };
}

static bool answers_number(enum nec_command command)
{
	return command != NEC_COMMAND_TERMINATE && command != NEC_COMMAND_RUN;
}

static bool answers_only_number(enum nec_command command)
{
	return command == NEC_COMMAND_GET_ENCLAVE_CID || command == NEC_COMMAND_GET_ENCLAVE_FLAGS;
}

/* Waits until there is something to read. The time is up for a process that talks on and on, too.
 */
static int wait_readable(int fd, uint64_t deadline, nec_error *err)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	uint64_t now = nec_loop_now();
	int r = deadline > now ? poll(&ready, 1, (int)((deadline - now + 999) / 1000)) : 0;

	if (r > 0 || (r < 0 && errno == EINTR))
		return 0;
	return nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
			     "the process that holds the enclave does not answer");
}

static int read_number(int fd, uint64_t deadline, uint64_t *ret, nec_error *err)
{
	uint8_t bytes[sizeof(*ret)] = { 0 };
	size_t size = 0;

	while (size < sizeof(bytes)) {
		ssize_t n;
		int r = wait_readable(fd, deadline, err);

		if (r < 0)
			return r;
		n = recv(fd, bytes + size, sizeof(bytes) - size, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
					     "the process that holds the enclave gave no answer");
		size += (size_t)n;
	}
	memcpy(ret, bytes, sizeof(*ret));
	*ret = le64toh(*ret);
	return 0;
}

static int add_reply(struct nec_answer *answer, const struct nec_buffer *payload, nec_error *err)
{
	struct nec_reply reply;
	int r = nec_reply_decode(payload->data, payload->size, &reply, err);

	if (r < 0)
		return r;
	if (reply.kind == NEC_REPLY_STATUS) {
		answer->status = reply.status;
		answer->has_status = true;
	} else if (reply.text.size >
		   NEC_FRAME_MAX_REPLY - answer->text.size - answer->messages.size) {
		r = nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				  "the process that holds the enclave answers without end");
	} else {
		nec_buffer_append(reply.kind == NEC_REPLY_STDOUT ? &answer->text
								 : &answer->messages,
				  reply.text.data, reply.text.size);
	}
	if (answer->text.failed || answer->messages.failed)
		r = nec_error_no_memory(err);
	nec_reply_free(&reply);
	return r;
}

/* Reply frames until the end of the stream. */
static int read_replies(int fd, uint64_t deadline, struct nec_answer *answer, nec_error *err)
{
	struct nec_frame_reader reader = { .limit = NEC_FRAME_MAX_REPLY };
	int r = 0;

	while (r >= 0) {
		r = wait_readable(fd, deadline, err);
		if (r == 0)
			r = nec_frame_read(&reader, fd, err);
		if (r > 0) {
			r = add_reply(answer, &reader.payload, err);
			nec_frame_next(&reader);
		}
	}
	nec_frame_reader_free(&reader);
	/* A process that answers before it has read everything resets the connection behind it. */
	if (r == -ENODATA || (r == -ECONNRESET && answer->has_status))
		return 0;
	return r;
}

static int send_command(int fd, enum nec_command command,
			const struct nec_command_arguments *arguments, nec_error *err)
{
	cleanup_buffer struct nec_buffer frames = { 0 };

	nec_command_encode(command, arguments, &frames);
	if (frames.failed)
		return nec_error_no_memory(err);
	if (send(fd, frames.data, frames.size, MSG_NOSIGNAL) != (ssize_t)frames.size)
		return nec_error_set_system(err, NEC_E_ENCLAVE_CONNECTION, -errno, "cannot send %s",
					    nec_command_name(command));
	return 0;
}

/* A process that accepts nobody must not hold us up: connecting has its time, too. */
static int connect_until(const char *socket_path, uint64_t deadline)
{
	const struct timespec pause = { .tv_nsec = RETRY_NSEC };
	int fd = nec_connect_unix_type(socket_path, SOCK_STREAM | SOCK_NONBLOCK);

	while (fd == -EAGAIN && nec_loop_now() < deadline) {
		(void)nanosleep(&pause, NULL);
		fd = nec_connect_unix_type(socket_path, SOCK_STREAM | SOCK_NONBLOCK);
	}
	return fd;
}

/* Whatever is wrong with an answer, to the caller it is one failure: there is none to be used. */
static int broken(int result, const nec_error *why, nec_error *err)
{
	if (result == -ENOMEM || why->code == NEC_E_ENCLAVE_CONNECTION) {
		if (err)
			*err = *why;
		return result;
	}
	return nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
			     "the process that holds the enclave gave no usable answer: %s",
			     why->message);
}

static int call_until(int fd, enum nec_command command,
		      const struct nec_command_arguments *arguments, uint64_t deadline,
		      struct nec_answer *ret, nec_error *err)
{
	struct nec_answer answer = { 0 };
	nec_error why = NEC_ERROR_INIT;
	int r = send_command(fd, command, arguments, &why);

	if (r == 0 && answers_number(command))
		r = read_number(fd, deadline, &answer.number, &why);
	if (r == 0 && !answers_only_number(command))
		r = read_replies(fd, deadline, &answer, &why);
	if (r < 0) {
		nec_answer_free(&answer);
		return broken(r, &why, err);
	}
	*ret = answer;
	return 0;
}

int nec_client_call_on(int fd, enum nec_command command,
		       const struct nec_command_arguments *arguments, int msec,
		       struct nec_answer *ret, nec_error *err)
{
	return call_until(fd, command, arguments, nec_loop_now() + (uint64_t)msec * 1000, ret, err);
}

int nec_client_call(const char *socket_path, enum nec_command command,
		    const struct nec_command_arguments *arguments, int msec, struct nec_answer *ret,
		    nec_error *err)
{
	uint64_t deadline = nec_loop_now() + (uint64_t)msec * 1000;
	cleanup_close int fd = connect_until(socket_path, deadline);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_ENCLAVE_CONNECTION, fd,
					    "cannot connect to %s", socket_path);
	return call_until(fd, command, arguments, deadline, ret, err);
}

/* Hex digits as in the id of an enclave, @length of them; nothing else. */
static bool is_slot(const char *text, size_t length)
{
	return length > 0 && length <= 16 && strspn(text, "0123456789abcdef") == length;
}

/* Whether a socket has the name of an enclave's: other people's are not ours to remove. */
static bool is_named_by_slot(const char *socket_path)
{
	const char *slash = strrchr(socket_path, '/');
	const char *name = slash ? slash + 1 : socket_path;
	size_t length = strcspn(name, ".");

	return strcmp(name + length, SOCKET_SUFFIX) == 0 && is_slot(name, length);
}

void nec_client_remove_dead(const char *socket_path)
{
	struct nec_path console;

	if (!is_named_by_slot(socket_path) || nec_remove_dead_socket(socket_path) < 0)
		return;
	/* Its console ended with it. */
	if (nec_console_socket_of(socket_path, &console, NULL) == 0)
		(void)nec_remove_dead_socket(console.text);
}

static int is_control_socket(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	size_t suffix = sizeof(SOCKET_SUFFIX) - 1;

	return length > suffix && strcmp(entry->d_name + length - suffix, SOCKET_SUFFIX) == 0;
}

int nec_client_visit(const char *dir, nec_client_visit_fn visit, void *userdata, nec_error *err)
{
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, is_control_socket, alphasort);
	bool go_on = true;

	if (count < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read %s", dir);
	for (int i = 0; i < count; i++) {
		struct nec_path path;

		if (go_on && nec_path_socket(&path, NULL, "%s/%s", dir, entries[i]->d_name) == 0)
			go_on = visit(userdata, path.text);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

struct describing {
	struct nec_command_arguments arguments;
	cJSON *array;
	unsigned int failed;
	bool no_memory;
};

/* The JSON value of an answer that counts: it has one, and a good status. */
static cJSON *answer_value(const struct nec_answer *answer)
{
	cJSON *value = NULL;

	if (!answer->has_status || answer->status != 0 ||
	    nec_json_parse(nec_buffer_text(&answer->text), answer->text.size, &value, NULL) < 0)
		return NULL;
	return value;
}

static bool describe_one(void *userdata, const char *path)
{
	struct describing *describing = userdata;
	struct nec_answer answer = { 0 };
	cJSON *value;
	int r = nec_client_call(path, NEC_COMMAND_DESCRIBE, &describing->arguments, BROADCAST_MSEC,
				&answer, NULL);

	if (r == -ECONNREFUSED) {
		nec_client_remove_dead(path);
		return true;
	}
	if (r == -ENOMEM) {
		describing->no_memory = true;
		return false;
	}
	value = r == 0 ? answer_value(&answer) : NULL;
	nec_answer_free(&answer);
	/* An enclave that ended while we asked is no failure: its socket has gone with it. */
	if (!value && access(path, F_OK) < 0 && errno == ENOENT)
		return true;
	if (!value)
		describing->failed++;
	else if (!nec_json_append(describing->array, value))
		describing->no_memory = true;
	return !describing->no_memory;
}

int nec_client_describe_all(const char *dir, bool metadata, cJSON *array, unsigned int *failed,
			    nec_error *err)
{
	struct describing describing = {
		.arguments = { .metadata = metadata },
		.array = array,
	};
	int r;

	/* Whoever left something behind and was killed, who looks next clears it up. */
	nec_sockets_dir_clean(dir);
	r = nec_client_visit(dir, describe_one, &describing, err);

	*failed += describing.failed;
	return r == 0 && describing.no_memory ? nec_error_no_memory(err) : r;
}

struct finding {
	struct nec_command_arguments arguments;
	char *found;
	unsigned int count;
	bool no_memory;
};

static bool find_one(void *userdata, const char *path)
{
	struct finding *finding = userdata;
	struct nec_answer answer = { 0 };
	int r = nec_client_call(path, NEC_COMMAND_GET_ID_BY_NAME, &finding->arguments,
				BROADCAST_MSEC, &answer, NULL);

	if (r == 0 && answer.text.size > 0 && answer.has_status && answer.status == 0) {
		finding->count++;
		free(finding->found);
		finding->found = strdup(path);
		finding->no_memory = !finding->found;
	}
	nec_answer_free(&answer);
	/* Then it is not known whether this is the one. */
	if (r == -ENOMEM)
		finding->no_memory = true;
	return !finding->no_memory;
}

static int find_by_name(const char *dir, const char *name, char **ret, nec_error *err)
{
	struct finding finding = { .arguments = { .name = (char *)name } };
	int r = nec_client_visit(dir, find_one, &finding, err);

	if (r == 0 && finding.count == 1 && !finding.no_memory) {
		*ret = finding.found;
		return 0;
	}
	free(finding.found);
	if (r < 0 && r != -ENOENT)
		return r;
	if (finding.no_memory)
		return nec_error_no_memory(err);
	if (finding.count > 1)
		return nec_error_set(err, NEC_E_ENCLAVE_NAME, -ENOTUNIQ,
				     "%u enclaves are called \"%s\": use the id", finding.count,
				     name);
	return nec_error_set(err, NEC_E_ENCLAVE_NAME, -ENOENT, "no enclave is called \"%s\"", name);
}

/* The part behind the last "-enc", which becomes a file name: hex digits, nothing else. */
static const char *slot_of_id(const char *id)
{
	const char *slot = NULL;

	for (const char *next = id; (next = strstr(next, "-enc")); next++)
		slot = next + 4;
	return slot && is_slot(slot, strlen(slot)) ? slot : NULL;
}

static int find_by_id(const char *dir, const char *id, char **ret, nec_error *err)
{
	const char *slot = slot_of_id(id);
	struct nec_path path = { { 0 } };

	if (slot && nec_path_socket(&path, NULL, "%s/%s" SOCKET_SUFFIX, dir, slot) == 0 &&
	    access(path.text, F_OK) == 0) {
		*ret = strdup(path.text);
		return *ret ? 0 : nec_error_no_memory(err);
	}
	return nec_error_set(err, NEC_E_ENCLAVE_ID, -ENOENT, "there is no enclave %s", id);
}

int nec_client_find(const char *dir, const char *id, const char *name, char **ret, nec_error *err)
{
	return id ? find_by_id(dir, id, ret, err) : find_by_name(dir, name, ret, err);
}
