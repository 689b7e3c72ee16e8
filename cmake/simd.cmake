# The vector code: one translation unit per instruction set, each with its own flags, found at run
# time through csrc/simd/kernels.hpp. Sets `simd_sources`.
#
# Google Highway is headers alone here: nothing of it is linked, so a wheel carries what it needs.

set(LAPA_EDGE_HIGHWAY "$ENV{LAPA_EDGE_HIGHWAY}" CACHE PATH
  "Folder that holds hwy/highway.h, where CMake cannot find it; also an environment variable")
find_path(highway_include hwy/highway.h HINTS ${LAPA_EDGE_HIGHWAY})
if(NOT highway_include)
  message(FATAL_ERROR
    "lapa_edge: Google Highway 1.0 or newer is needed (headers only), none found.\n"
    "Debian, Ubuntu 24.04 and newer: apt-get install libhwy-dev. Elsewhere, unpack its release and "
    "set LAPA_EDGE_HIGHWAY to that folder.")
endif()
# Where the version stands has moved between releases.
foreach(header highway.h base.h)
  file(STRINGS ${highway_include}/hwy/${header} major REGEX "#define HWY_MAJOR +0")
  if(major)
    message(FATAL_ERROR
      "lapa_edge: Google Highway 1.0 or newer is needed, ${highway_include} holds an older one. "
      "Unpack a release and set LAPA_EDGE_HIGHWAY to that folder.")
  endif()
endforeach()

# simd_target(NAME FLAGS...): csrc/simd/targets/NAME.cpp, compiled with FLAGS. The flags name what
# the file needs and no more; they never come from the machine that builds.
function(simd_target name)
  set(source csrc/simd/targets/${name}.cpp)
  # No exceptions: nothing there may throw, and their handlers would be shared between the targets.
  set_source_files_properties(${source} PROPERTIES
    COMPILE_OPTIONS "-fno-exceptions;-O3;${ARGN}"
    INCLUDE_DIRECTORIES ${highway_include})
  set(simd_sources ${simd_sources} ${source} PARENT_SCOPE)
endfunction()

set(simd_sources csrc/simd/instruction_set.cpp csrc/simd/kernels.cpp)
simd_target(scalar -DHWY_COMPILE_ONLY_SCALAR)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2_flags -mavx2 -mfma -mbmi -mbmi2 -mf16c -mpclmul -maes)
  simd_target(avx2 ${avx2_flags})
  simd_target(avx512 ${avx2_flags} -mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl
    -mavx512vnni -mavx512vbmi -mprefer-vector-width=512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  # Highway 1.0 asks for AES wherever it could choose at run time, and a Cortex-A72 may have none.
  # With this switch, its own, it takes what the flags give.
  set(neon_flags -DTOOLCHAIN_MISS_SYS_AUXV_H)
  simd_target(neon ${neon_flags})
  simd_target(neon_dotprod ${neon_flags} -march=armv8.2-a+dotprod)
endif()
