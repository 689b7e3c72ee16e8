# Toolchain for 64-bit ARM on another machine: -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake.
#
# The environment's AARCH64_ROOT is an arm64 root file system with the headers of Python and
# Highway; tests/aarch64/run.sh makes one and builds the wheel in it.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SYSROOT $ENV{AARCH64_ROOT})

# Headers and libraries of that root; programs, and pybind11's CMake files, of this machine.
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# The module's suffix comes from SETUPTOOLS_EXT_SUFFIX, not from this machine's Python.
set(PYBIND11_USE_CROSSCOMPILING ON)
