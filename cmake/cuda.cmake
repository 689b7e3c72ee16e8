# The CUDA kernels: built by nvcc, absent, or, for tests alone, emulated on the CPU. Sets
# `cuda_sources`.

set(LAPA_EDGE_CUDA AUTO CACHE STRING
  "Build the CUDA kernels: ON, OFF, AUTO (where nvcc is found), or EMULATED on the CPU, for tests")
set_property(CACHE LAPA_EDGE_CUDA PROPERTY STRINGS ON OFF AUTO EMULATED)

set(build_cuda ${LAPA_EDGE_CUDA})
if(build_cuda STREQUAL "AUTO")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(build_cuda ON)
  else()
    set(build_cuda OFF)
  endif()
endif()
message(STATUS "lapa_edge: CUDA kernels ${build_cuda}")

set(cuda_sources
  csrc/action_head/action_head.cu
  csrc/action_head/head_server.cu
  csrc/action_head/team_plan.cpp
  csrc/cuda/device.cu
  csrc/nearest_code/nearest_code.cu
  csrc/preprocess/preprocess.cu)
if(build_cuda STREQUAL "EMULATED")
  set_source_files_properties(${cuda_sources} PROPERTIES
    LANGUAGE CXX COMPILE_OPTIONS -Wno-unknown-pragmas)
  set(emulation tests/csrc/emulated_cuda)
  include_directories(BEFORE ${emulation})
  list(APPEND cuda_sources ${emulation}/fibers.cpp ${emulation}/runtime.cpp)
elseif(build_cuda)
  # Before enable_language, which would otherwise settle on nvcc's own default. A module of one
  # architecture family does not run on another: 80 Ampere and Ada, 87 Orin, 90 Hopper, 110 Thor,
  # 120 Blackwell. The last entry also keeps PTX for what comes later.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(choose_architectures ON)
    set(CMAKE_CUDA_ARCHITECTURES 87)
  endif()
  enable_language(CUDA)
  if(choose_architectures AND CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 87-real 90-real 110-real 120)
  elseif(choose_architectures)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 87-real 90)
  endif()
else()
  set(cuda_sources csrc/cuda/absent.cpp)
endif()
