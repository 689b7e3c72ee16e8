// Stands in for the CUDA kernels in a build without nvcc: every twin exists and says so.
#include <stdexcept>

#include "action_head/action_head.hpp"
#include "cuda/device.hpp"
#include "nearest_code/nearest_code.hpp"
#include "preprocess/preprocess.hpp"

namespace lapa_edge {

bool built_with_cuda() noexcept {
  return false;
}

namespace cuda {

struct ActionHead::Device {};

bool available() noexcept {
  return false;
}

void require() {
  throw std::runtime_error(
      "device: this build has no CUDA kernels; rebuild it where nvcc is found, or pass "
      "device=\"cpu\"");
}

NearestCodeResult nearest_code(const float*, const float*, std::size_t, std::size_t, std::size_t,
                               std::int32_t*) {
  require();
  return {};
}

ActionHead::ActionHead(const HeadShape&, const HeadWeights&) {
  require();
}
ActionHead::ActionHead(ActionHead&&) noexcept = default;
ActionHead::~ActionHead() = default;

HeadResult ActionHead::forward(const float*, float*, std::size_t) {
  require();
  return {};
}

void resize_frame(const std::uint8_t*, FrameSize, FrameSize, std::uint8_t*) {
  require();
}

void preprocess_frame(const std::uint8_t*, FrameSize, FrameSize, ChannelOrder, const Normalisation&,
                      float*) {
  require();
}

}  // namespace cuda
}  // namespace lapa_edge
