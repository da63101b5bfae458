# SPDX-License-Identifier: Apache-2.0
# Cross build for aarch64 with Debian's compiler, against the folder that scripts/sysroot makes; the
# tests run under user-mode emulation.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-arm64)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_LIBDIR}
  "${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${CMAKE_SYSROOT})

# A library that is missing there would be reported as a missing package of this machine.
get_property(NEC_IN_TRY_COMPILE GLOBAL PROPERTY IN_TRY_COMPILE)
if(NOT NEC_IN_TRY_COMPILE)
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../scripts/sysroot --check RESULT_VARIABLE NEC_SYSROOT_OLD)
  if(NEC_SYSROOT_OLD)
    message(FATAL_ERROR "build/sysroot-arm64 is not there or out of date: run scripts/sysroot")
  endif()
endif()
