// Camera frames to planes on the GPU, bound to one size of frame and one of planes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "preprocess/nv12.hpp"
#include "preprocess/preprocess.hpp"

namespace lapa_edge::cuda {

enum class PixelFormat { rgb, bgr, nv12 };
enum class PlaneType { float32, float16 };

struct FrameFormat {
  FrameSize size;  // even sides for NV12
  PixelFormat pixels = PixelFormat::rgb;
  YuvMatrix yuv = yuv_matrix(YuvStandard::bt601, YuvRange::limited);  // of NV12
};

/// Bytes of a frame whose rows follow each other without a gap.
constexpr std::size_t frame_bytes(const FrameFormat& format) noexcept {
  const std::size_t pixels = format.size.height * format.size.width;
  return format.pixels == PixelFormat::nv12 ? pixels * 3 / 2 : pixels * 3;
}

/// A frame in the GPU's memory, its rows `pitch` bytes apart.
struct DeviceFrame {
  const std::uint8_t* pixels;  // or luma
  const std::uint8_t* chroma;  // of NV12
  std::size_t pitch;           // of both
};

/// What preprocess_frame computes, the same bits; float16 is that rounded once more, to the
/// nearest, ties to even. Buffers and work are bound at construction. One call and one stream at a
/// time.
class Preprocessor {
 public:
  /// Throws std::runtime_error if CUDA fails, as the others do.
  Preprocessor(const FrameFormat& format, FrameSize target, const Normalisation& normalisation,
               PlaneType type);
  Preprocessor(Preprocessor&&) noexcept;
  ~Preprocessor();

  /// Host memory to host memory: `frame` [frame_bytes] to `planes` [3, target.height,
  /// target.width].
  void run(const std::uint8_t* frame, void* planes);

  /// The same between buffers on the GPU, queued on `stream`, a cudaStream_t; returns at once.
  /// All calls share scratch, so `stream` is the same for all and lives until they are done; run
  /// waits for it.
  void enqueue(const DeviceFrame& frame, void* planes, void* stream);

 private:
  struct Device;
  std::unique_ptr<Device> device_;
};

/// What FrameResizer computes, the same bits; copies to the device and back.
void resize_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                  std::uint8_t* resized);
void preprocess_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                      ChannelOrder order, const Normalisation& normalisation, float* planes);

}  // namespace lapa_edge::cuda
