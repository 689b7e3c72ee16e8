#include <algorithm>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/finite.hpp"
#include "cuda/device_buffer.cuh"
#include "cuda/host_memory.cuh"
#include "cuda/limits.cuh"
#include "cuda/stream.cuh"
#include "nearest_code/cuda_codebook.hpp"
#include "nearest_code/nearest_code.hpp"
#include "nearest_code/nearest_code_kernel.cuh"

namespace lapa_edge::cuda {
namespace {

constexpr std::size_t kMostRows = 16384;  // in one launch, so that buffers stay small

// [k, d] to the order of CodebookOnDevice.
std::vector<float> pack_codes(const CodebookOnDevice& book, const float* codes) {
  std::vector<float> packed(std::size_t{book.panels} * book.chunks * kWarpCodes * 4);
  for (std::size_t j = 0; j < book.k; ++j) {
    for (std::size_t column = 0; column < book.d; ++column) {
      const std::size_t place = (j / kWarpCodes * book.chunks + column / 4) * kWarpCodes;
      packed[(place + j % kWarpCodes) * 4 + column % 4] = codes[j * book.d + column];
    }
  }
  return packed;
}

}  // namespace

struct Codebook::Device {
  Device(const float* given, std::size_t k, std::size_t d)
      : book(describe_codebook(k, d)), host_codes(given, given + k * d) {
    if (search_bytes(book) > shared_limit()) {
      throw std::invalid_argument(
          "codebook: expected rows of at most " + std::to_string(most_columns(shared_limit())) +
          " values on CUDA, got " + std::to_string(d) + "; pass device=\"cpu\"");
    }
    const std::vector<float> packed = pack_codes(book, given);
    codes = DeviceBuffer<float>(packed.data(), packed.size());
    book.codes = reinterpret_cast<const float4*>(codes.data());
    prepare(nearest_code_kernel, shared_limit());
  }

  // The kernel reads x and writes the codes in mapped memory: each value crosses once, as a copy
  // would take it, without the copy's own start.
  void bind(std::size_t rows) {
    if (bound == rows) return;
    bound = 0;  // in case the rest throws
    if (x.count() < rows * book.d) x = MappedBuffer<float>(rows * book.d);
    if (nearest.count() < rows) nearest = MappedBuffer<std::int32_t>(rows);
    const auto blocks = static_cast<unsigned>((rows + kSearchRows - 1) / kSearchRows);
    const LaunchShape shape{blocks, kSearchThreads, search_bytes(book)};
    graph = Graph(stream, [&] {
      check(launch(nearest_code_kernel, shape, stream, book, x.device(), rows, nearest.device()),
            "record nearest_code");
    });
    bound = rows;
  }

  void look_up(const float* given, std::size_t rows, std::int32_t* found) {
    bind(rows);
    std::memcpy(x.host(), given, rows * book.d * sizeof(float));
    check(graph.launch(stream), "launch nearest_code");
    check(cudaStreamSynchronize(stream), "run nearest_code");
    std::memcpy(found, nearest.host(), rows * sizeof(std::int32_t));
  }

  CodebookOnDevice book;
  std::vector<float> host_codes;  // [k, d]
  std::mutex mutex;               // for everything below
  Stream stream;
  DeviceBuffer<float> codes;
  MappedBuffer<float> x;
  MappedBuffer<std::int32_t> nearest;
  Graph graph;
  std::size_t bound = 0;  // rows of the graph
};

Codebook::Codebook(const float* codes, std::size_t k, std::size_t d)
    : device_(std::make_unique<Device>(codes, k, d)) {}
Codebook::Codebook(Codebook&&) noexcept = default;
Codebook::~Codebook() = default;

std::size_t Codebook::size() const noexcept {
  return device_->book.k;
}
std::size_t Codebook::width() const noexcept {
  return device_->book.d;
}

NearestCodeResult Codebook::nearest(const float* x, std::size_t m, std::int32_t* nearest) const {
  const std::size_t d = width();
  const std::size_t bad = first_non_finite(x, m * d);
  if (bad < m * d) return {NearestCodeStatus::x_not_finite, bad / d};
  const std::lock_guard<std::mutex> turn(device_->mutex);
  for (std::size_t row = 0; row < m; row += kMostRows) {
    device_->look_up(x + row * d, std::min(kMostRows, m - row), nearest + row);
  }
  return {NearestCodeStatus::ok, 0};
}

NearestCodeResult Codebook::quantize(const float* x, std::size_t m, std::int32_t* codes,
                                     float* latents) const {
  const NearestCodeResult result = nearest(x, m, codes);
  if (result.status != NearestCodeStatus::ok) return result;
  for (std::size_t row = 0; row < m; ++row) {
    const float* const code = device_->host_codes.data() + codes[row] * width();
    std::memcpy(latents + row * width(), code, width() * sizeof(float));
  }
  return result;
}

NearestCodeResult nearest_code(const float* x, const float* codebook, std::size_t m, std::size_t k,
                               std::size_t d, std::int32_t* codes) {
  const NearestCodeResult checked = check_nearest_code(x, codebook, m, k, d);
  if (checked.status != NearestCodeStatus::ok || m == 0) return checked;
  return Codebook(codebook, k, d).nearest(x, m, codes);
}

}  // namespace lapa_edge::cuda
