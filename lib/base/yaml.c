/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml, found on first use. */
#include "base/yaml.h"

NEC_DYNLIB_DEFINE(yaml, NEC_YAML_SYMBOLS, "libyaml-0.so.2", "libyaml-0-2")
