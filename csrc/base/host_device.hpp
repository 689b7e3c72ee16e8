// Marks arithmetic that the CPU and CUDA kernels share, so that it is written once.
#pragma once

#if defined(__CUDACC__)
#define LAPA_EDGE_HOST_DEVICE __host__ __device__
#else
#define LAPA_EDGE_HOST_DEVICE
#endif
