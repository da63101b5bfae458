/* SPDX-License-Identifier: Apache-2.0 */
/* nec sim exec: a program of the parent, unchanged, in the simulation. */
#include "base/error.h"
#include "enclave-options.h"
#include "report.h"
#include "sim/exec.h"

/* As env(1) and the shell end for a program that cannot be run. */
enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

struct exec_options {
	struct cli_list words;
};

static const struct cli_option exec_operands[] = {
	{ .name = "PROGRAM",
	  .type = CLI_LIST,
	  .help = "the program and its arguments, behind --",
	  .offset = offsetof(struct exec_options, words),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example exec_examples[] = {
	{ .text = "Connect to port 8080 of the simulated enclave with CID 16",
	  .command = "nec sim exec -- socat - VSOCK-CONNECT:16:8080" },
	{ .text = "Serve enclaves that connect to port 5000 of their parent",
	  .command = "nec sim exec -- ./server --port 5000" },
	{ .command = NULL },
};

static int become(const struct cli_list *words, nec_error *err)
{
	cleanup_free char **argv = calloc(words->count + 1, sizeof(*argv));
	struct nec_path dir = { { 0 } };
	struct nec_path sim = { { 0 } };
	int r;

	if (!argv)
		return nec_error_no_memory(err);
	for (size_t i = 0; i < words->count; i++)
		argv[i] = (char *)words->items[i];
	nec_sockets_dir(true, &dir);
	r = nec_sockets_dir_make(dir.text, err);
	if (r == 0)
		r = nec_path_socket(&sim, err, "%s/" NEC_SIM_DIR, nec_state_dir(dir.text));
	return r < 0 ? r : nec_sim_exec(sim.text, argv, err);
}

static int run(struct cli *cli, const void *data)
{
	const struct exec_options *options = data;
	nec_error err = NEC_ERROR_INIT;
	int r = become(&options->words, &err);

	(void)cli_fail(cli, &err, 0);
	return r == -ENOENT && err.code == NEC_E_TOOL_MISSING ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

const struct cli_command cli_cmd_sim_exec = {
	.name = "sim exec",
	.summary = "Run a program whose AF_VSOCK sockets reach simulated enclaves",
	.description =
		"Runs a program that was written for the parent of an enclave, as it is: where it "
		"connects to a CID by AF_VSOCK it reaches the simulated enclave, and where it "
		"listens simulated enclaves find it at CID 3. So do programs that it starts.\n\n"
		"For this an object is preloaded into it, which cannot be done to programs that are "
		"linked statically or have rights of their own (setuid): they are refused. Programs "
		"that do without the C library, as those in Go, are not reached either.\n\n"
		"The program takes the place of nec, so its exit status is that of the command.",
	.operands = exec_operands,
	.examples = exec_examples,
	.options_size = sizeof(struct exec_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
