/* SPDX-License-Identifier: Apache-2.0 */
/* The options of every command that signs: rows that fill a struct nec_sign_options. */
#ifndef NEC_CLI_SIGN_OPTIONS_H
#define NEC_CLI_SIGN_OPTIONS_H

#include "command.h"

/* @struct_: of the command's options; @member: the struct nec_sign_options in it. */
#define CLI_SIGN_ROWS(struct_, member)                                                         \
	{ .name = "signing-certificate",                                                       \
	  .type = CLI_VALUE,                                                                   \
	  .help = "PEM certificate to sign with, which becomes part of the image",             \
	  .offset = offsetof(struct_, member.certificate),                                     \
	  .requires = "private-key",                                                           \
	  .kind = CLI_FILE },                                                                  \
		{ .name = "private-key",                                                       \
		  .type = CLI_VALUE,                                                           \
		  .help = "its PEM key on P-256, P-384 or P-521 (PKCS#8 or SEC1)",             \
		  .offset = offsetof(struct_, member.private_key),                             \
		  .unless = "signer-command",                                                  \
		  .conflicts = "signer-command",                                               \
		  .requires = "signing-certificate",                                           \
		  .kind = CLI_FILE },                                                          \
	{                                                                                      \
		.name = "signer-command", .type = CLI_VALUE, .value = "command",               \
		.help = "shell command that signs instead, with a key in an HSM or KMS: gets " \
			"the bytes to sign on stdin, answers their ECDSA signature on stdout", \
		.offset = offsetof(struct_, member.signer_command),                            \
		.requires = "signing-certificate"                                              \
	}

#endif
