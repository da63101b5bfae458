# SPDX-License-Identifier: Apache-2.0
# Interface targets that every program and library of ours links: warnings, sanitizers, hardening.

add_library(nec_flags INTERFACE)
target_compile_options(nec_flags INTERFACE
  -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla
  -Wno-missing-field-initializers -fvisibility=hidden -fno-common)
target_compile_definitions(nec_flags INTERFACE
  _GNU_SOURCE _FILE_OFFSET_BITS=64 NEC_VERSION="${PROJECT_VERSION}")
target_include_directories(nec_flags INTERFACE ${CMAKE_SOURCE_DIR}/lib)

if(NEC_WERROR)
  target_compile_options(nec_flags INTERFACE -Werror)
endif()

if(NEC_SANITIZE)
  target_compile_options(nec_flags INTERFACE
    -fsanitize=${NEC_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(nec_flags INTERFACE -fsanitize=${NEC_SANITIZE})
endif()

if(NEC_SANITIZE MATCHES thread)
  # gcc warns that ThreadSanitizer does not model fences; ours are for the guest of a virtqueue, which it
  # cannot see anyway.
  target_compile_options(nec_flags INTERFACE $<$<C_COMPILER_ID:GNU>:-Wno-tsan>)
endif()

if(NEC_FUZZ)
  # Every object is instrumented; only the fuzz programs link libFuzzer's main.
  target_compile_options(nec_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_options(nec_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection)
  target_link_options(nec_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
endif()
