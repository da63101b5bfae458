/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libyaml that we use, loaded on first use: its events, never its documents, so
 * that nothing is built that we did not ask for.
 */
#ifndef NEC_BASE_YAML_H
#define NEC_BASE_YAML_H

#include <yaml.h>

#include "base/dynlib.h"

#define NEC_YAML_SYMBOLS(X)         \
	X(yaml_event_delete)        \
	X(yaml_parser_delete)       \
	X(yaml_parser_initialize)   \
	X(yaml_parser_parse)        \
	X(yaml_parser_set_encoding) \
	X(yaml_parser_set_input_string)

NEC_DYNLIB_DECLARE(yaml, NEC_YAML_SYMBOLS)

#define YAML(name) (*nec_yaml_symbols.name)

#endif
