# SPDX-License-Identifier: Apache-2.0
# Programs without a libc, static, for either architecture on either host. They go into images, where
# their bytes are measured: each is built by one command, with the flags below and none of the rest
# of the project's (no sanitizer, no debug information, no paths, no version, no build id).

set(freestanding_flags
  -std=gnu17 -Os -g0 -ffreestanding -nostdlib -static -fno-pie
  -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident
  -fno-common -fno-strict-aliasing -ffunction-sections -fdata-sections
  -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla
  -Wno-missing-field-initializers
  -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack -s)
if(NEC_WERROR)
  list(APPEND freestanding_flags -Werror)
endif()
# Branch tracking has nothing to protect in a program without function pointers. Pages of aarch64 may
# have 64 KiB: keeping constants out of the executable segment would make the file six times larger.
set(freestanding_flags_x86_64 -fcf-protection=none -Wl,-z,separate-code)
set(freestanding_flags_aarch64 -mbranch-protection=none -Wl,-z,noseparate-code)

# Command and flags that compile and link for @arch: the project's compiler for its own architecture,
# else GCC for the other, else clang with lld. Empty where there is none.
function(nec_freestanding_command arch result)
  set(command)
  find_program(NEC_GCC_${arch} ${arch}-linux-gnu-gcc)
  find_program(NEC_CLANG clang)
  find_program(NEC_LLD ld.lld)
  mark_as_advanced(NEC_GCC_${arch} NEC_CLANG NEC_LLD)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL arch)
    set(command ${CMAKE_C_COMPILER})
  elseif(NEC_GCC_${arch})
    set(command ${NEC_GCC_${arch}})
  elseif(NEC_CLANG AND NEC_LLD)
    set(command ${NEC_CLANG} --target=${arch}-linux-gnu -fuse-ld=lld)
  endif()
  if(command)
    list(APPEND command ${freestanding_flags} ${freestanding_flags_${arch}})
    if(NOT command MATCHES "clang")
      # Else GCC makes a call of memset() of the loop in memset(); clang sees that by itself.
      list(APPEND command -fno-tree-loop-distribute-patterns)
    endif()
  endif()
  set(${result} ${command} PARENT_SCOPE)
endfunction()

# nec_freestanding_program(TARGET ARCH OUTPUT FOLDER SOURCE...): the sources are relative to FOLDER.
function(nec_freestanding_program target arch output folder)
  nec_freestanding_command(${arch} command)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/init/*.h)
  get_filename_component(output_folder ${output} DIRECTORY)
  list(TRANSFORM ARGN PREPEND ${folder}/ OUTPUT_VARIABLE sources)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${output_folder}
    COMMAND ${command} -I${CMAKE_SOURCE_DIR}/init -o ${output} ${ARGN}
    WORKING_DIRECTORY ${folder}
    DEPENDS ${sources} ${headers} ${CMAKE_SOURCE_DIR}/cmake/freestanding.cmake
    COMMENT "Building ${target}"
    VERBATIM)
  add_custom_target(${target} ALL DEPENDS ${output})
endfunction()
