# SPDX-License-Identifier: Apache-2.0
# Programs with all libraries in them, for machines whose distribution has no package of ours (docs/packages.md).
# lib/base/dynlib.h then has nothing to load.

target_compile_definitions(nec_objects PUBLIC NEC_LINK_STATIC)

# libarchive's own list of libraries names what it needs for formats and checks that we never ask for.
set(libraries archive crypto deflate yaml bz2 lz4 lzma z zstd)
foreach(name ${libraries})
  find_library(NEC_STATIC_${name} NAMES lib${name}.a REQUIRED)
  mark_as_advanced(NEC_STATIC_${name})
  target_link_libraries(nec_objects INTERFACE ${NEC_STATIC_${name}})
endforeach()

if(NOT EXISTS ${NEC_CJSON_SOURCE}/cJSON.c)
  message(FATAL_ERROR "NEC_STATIC needs NEC_CJSON_SOURCE, the folder of cJSON.c; scripts/build-packages fetches it")
endif()
add_library(nec_cjson STATIC ${NEC_CJSON_SOURCE}/cJSON.c)
target_link_libraries(nec_objects INTERFACE nec_cjson)

# With addresses that change from start to start, as those of the other programs.
target_link_options(nec_objects INTERFACE -static-pie)
