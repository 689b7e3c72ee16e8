# Programs that prove what the control loop promises, one target each, none of them built by
# default. tests/csrc/proofs/test_proofs.py says what each one shows:
#
#   cmake -S . -B build/proofs -DLAPA_EDGE_PROOFS=ON [-DCMAKE_CXX_COMPILER=clang++-22]
#   cmake --build build/proofs --target allocations

file(GLOB proof_sources CONFIGURE_DEPENDS csrc/action_head/*.cpp csrc/control_loop/*.cpp)

# What every target here is compiled with.
function(set_up_proof target)
  target_compile_features(${target} PRIVATE cxx_std_17)
  target_include_directories(${target} PRIVATE csrc tests/csrc)
  target_compile_options(${target} PRIVATE -Wall -Wextra -g -ffp-contract=off ${ARGN})
endfunction()

# The vector code calls nothing, so no sanitizer has to look inside: compiled once.
add_library(proof_vectors OBJECT EXCLUDE_FROM_ALL ${simd_sources})
set_up_proof(proof_vectors)
add_library(proof_loop OBJECT EXCLUDE_FROM_ALL ${proof_sources})
set_up_proof(proof_loop)

# add_proof(NAME FOLDER): FOLDER/NAME.cpp around the loop as it ships.
function(add_proof name folder)
  add_executable(${name} EXCLUDE_FROM_ALL ${folder}/${name}.cpp
    $<TARGET_OBJECTS:proof_loop> $<TARGET_OBJECTS:proof_vectors>)
  set_up_proof(${name})
  target_link_libraries(${name} PRIVATE Threads::Threads)
endfunction()

# add_sanitized_proof(NAME SANITIZER): the same, with the loop compiled for a sanitizer.
function(add_sanitized_proof name sanitizer)
  add_executable(${name} EXCLUDE_FROM_ALL tests/csrc/proofs/${name}.cpp
    ${proof_sources} $<TARGET_OBJECTS:proof_vectors>)
  set_up_proof(${name} -fsanitize=${sanitizer})
  target_link_options(${name} PRIVATE -fsanitize=${sanitizer})
  target_link_libraries(${name} PRIVATE Threads::Threads)
endfunction()

add_proof(pieces tests/csrc/control_loop)
add_proof(allocations tests/csrc/proofs)
add_proof(system_calls tests/csrc/proofs)
add_proof(instructions tests/csrc/proofs)
add_sanitized_proof(races thread)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 20)
  add_sanitized_proof(blocking realtime)
endif()
