// Stands in for the CUDA kernels in a build without nvcc: every twin exists and says so.
#include <stdexcept>

#include "action_head/cuda_action_head.hpp"
#include "cuda/device.hpp"
#include "nearest_code/cuda_codebook.hpp"
#include "preprocess/cuda_preprocessor.hpp"

namespace lapa_edge {

bool built_with_cuda() noexcept {
  return false;
}

namespace cuda {

bool available() noexcept {
  return false;
}

void require() {
  throw std::runtime_error(
      "device: this build has no CUDA kernels; rebuild it where nvcc is found, or pass "
      "device=\"cpu\"");
}

// Objects cannot be built, so their other members are never called.

struct ActionHead::Device {};

ActionHead::ActionHead(const HeadShape&, const HeadWeights&, const HeadServing&) {
  require();
}
ActionHead::ActionHead(ActionHead&&) noexcept = default;
ActionHead::~ActionHead() = default;
HeadResult ActionHead::step(const float*, float*) noexcept {
  return {HeadStatus::device_failed, 0};
}
HeadResult ActionHead::forward(const float*, float*, std::size_t) {
  return {HeadStatus::device_failed, 0};
}

struct Codebook::Device {};

Codebook::Codebook(const float*, std::size_t, std::size_t) {
  require();
}
Codebook::Codebook(Codebook&&) noexcept = default;
Codebook::~Codebook() = default;
std::size_t Codebook::size() const noexcept {
  return 0;
}
std::size_t Codebook::width() const noexcept {
  return 0;
}
NearestCodeResult Codebook::nearest(const float*, std::size_t, std::int32_t*) const {
  return {};
}
NearestCodeResult Codebook::quantize(const float*, std::size_t, std::int32_t*, float*) const {
  return {};
}

NearestCodeResult nearest_code(const float*, const float*, std::size_t, std::size_t, std::size_t,
                               std::int32_t*) {
  require();
  return {};
}

struct Preprocessor::Device {};

Preprocessor::Preprocessor(const FrameFormat&, FrameSize, const Normalisation&, PlaneType) {
  require();
}
Preprocessor::Preprocessor(Preprocessor&&) noexcept = default;
Preprocessor::~Preprocessor() = default;
void Preprocessor::run(const std::uint8_t*, void*) {}
void Preprocessor::enqueue(const DeviceFrame&, void*, void*) {}

void resize_frame(const std::uint8_t*, FrameSize, FrameSize, std::uint8_t*) {
  require();
}
void preprocess_frame(const std::uint8_t*, FrameSize, FrameSize, ChannelOrder, const Normalisation&,
                      float*) {
  require();
}

}  // namespace cuda
}  // namespace lapa_edge
