// What is known about the GPU: whether this build has kernels for one, and whether one answers.
//
// Every kernel `f` has a twin `cuda::f` of the same arguments, on host memory. In a build without
// nvcc the twins still exist and throw, so that no caller needs an #ifdef.
#pragma once

namespace lapa_edge {

/// Whether the CUDA kernels were compiled in.
bool built_with_cuda() noexcept;

namespace cuda {

/// Whether a CUDA device answers. Asks the driver on each call; false where there is no driver.
bool available() noexcept;

/// Throws std::runtime_error, which says why, unless a CUDA device answers.
void require();

}  // namespace cuda
}  // namespace lapa_edge
