/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of nec-allocatord. */
#include <getopt.h>
#include <stdio.h>

#include "daemon.h"

enum { EXIT_USAGE = 2 };

static const char help[] =
	"Usage: nec-allocatord [OPTIONS]\n"
	"\n"
	"Sets memory and CPUs aside for enclaves, keeps them, and gives them back when it stops.\n"
	"It is nitro-enclaves-allocator.service; see nec-allocatord(8).\n"
	"\n"
	"      --config <FILE>   what to set aside [" NEC_ALLOCATOR_CONFIG "]\n"
	"      --socket <PATH>   where `nec allocator` asks [" NEC_ALLOCATOR_SOCKET "]\n"
	"      --group <GROUP>   whose members may look [ne]\n"
	"      --keep            what is set aside stays when it stops\n"
	"      --reload          have the daemon at --socket apply its file, and wait for it\n"
	"  -h, --help            Print help\n"
	"  -V, --version         Print version\n";

enum { OPTION_CONFIG = 256, OPTION_SOCKET, OPTION_GROUP, OPTION_KEEP, OPTION_RELOAD };

static const struct option rows[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "group", required_argument, NULL, OPTION_GROUP },
	{ "keep", no_argument, NULL, OPTION_KEEP },
	{ "reload", no_argument, NULL, OPTION_RELOAD },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static bool print(const char *text, int *ret_status)
{
	*ret_status = fputs(text, stdout) < 0 || fflush(stdout) != 0 ? 1 : 0;
	return false;
}

static bool refuse(int *ret_status)
{
	(void)fputs("For more information, try '--help'.\n", stderr);
	*ret_status = EXIT_USAGE;
	return false;
}

bool daemon_options_parse(int argc, char **argv, struct daemon_options *ret, int *ret_status)
{
	int option;

	*ret = (struct daemon_options){ .config = NEC_ALLOCATOR_CONFIG,
					.socket = NEC_ALLOCATOR_SOCKET,
					.group = "ne" };
	while ((option = getopt_long(argc, argv, "hV", rows, NULL)) >= 0) {
		switch (option) {
		case OPTION_CONFIG:
			ret->config = optarg;
			break;
		case OPTION_SOCKET:
			ret->socket = optarg;
			break;
		case OPTION_GROUP:
			ret->group = optarg;
			break;
		case OPTION_KEEP:
			ret->keep = true;
			break;
		case OPTION_RELOAD:
			ret->reload = true;
			break;
		case 'h':
			return print(help, ret_status);
		case 'V':
			return print("nec-allocatord " NEC_VERSION "\n", ret_status);
		default:
			return refuse(ret_status);
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "nec-allocatord: unexpected argument '%s'\n", argv[optind]);
		return refuse(ret_status);
	}
	return true;
}
