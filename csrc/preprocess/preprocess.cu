#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "cuda/device_buffer.cuh"
#include "cuda/host_memory.cuh"
#include "cuda/stream.cuh"
#include "preprocess/cuda_preprocessor.hpp"
#include "preprocess/preprocess.hpp"
#include "preprocess/preprocess_kernel.cuh"

namespace lapa_edge::cuda {
namespace {

unsigned blocks_for(std::size_t pixels) {
  return static_cast<unsigned>((pixels + kPixelThreads - 1) / kPixelThreads);
}

// From one size to another, whatever goes in and comes out. Has scratch: one stream at a time.
class Resampler {
 public:
  Resampler(FrameSize source, FrameSize target)
      : Resampler(source, ResizeAxis(source.height, target.height),
                  ResizeAxis(source.width, target.width)) {}

  bool has_scratch() const noexcept { return !kept_.empty(); }

  template <typename Source, typename Sink>
  void queue(const Source& source, const Sink& sink, cudaStream_t stream) const {
    if (kept_.empty()) {
      resample(source, levels_[0], sink, stream);
      return;
    }
    halve(source, 0, stream);
    for (std::size_t level = 1; level < kept_.size(); ++level) {
      halve(kept(level - 1), level, stream);
    }
    resample(kept(kept_.size() - 1), levels_.back(), sink, stream);
  }

 private:
  // What a halving begins with, and which axes it halves.
  struct Level {
    std::uint32_t height, width;
    bool rows, columns;

    std::uint32_t halved_height() const { return rows ? (height + 1) / 2 : height; }
    std::uint32_t halved_width() const { return columns ? (width + 1) / 2 : width; }
  };

  Resampler(FrameSize source, const ResizeAxis& rows, const ResizeAxis& columns)
      : rows_(rows.outputs.data(), rows.outputs.size()),
        columns_(columns.outputs.data(), columns.outputs.size()) {
    Level level{static_cast<std::uint32_t>(source.height), static_cast<std::uint32_t>(source.width),
                rows.halvings > 0, columns.halvings > 0};
    levels_.push_back(level);
    for (std::size_t done = 1; done < std::max(rows.halvings, columns.halvings); ++done) {
      level = {level.halved_height(), level.halved_width(), rows.halvings > done,
               columns.halvings > done};
      levels_.push_back(level);
      kept_.emplace_back(std::size_t{level.height} * level.width * kChannels);
    }
  }

  template <typename Source>
  static HalvedSource<Source> halved(const Source& source, const Level& level) {
    return {source, level.height, level.width, level.rows, level.columns};
  }

  // What lies in memory behind halving `level`.
  InterleavedSource kept(std::size_t level) const {
    const Level& next = levels_[level + 1];
    return {{kept_[level].data(), nullptr, std::size_t{next.width} * kChannels}, 0, 2};
  }

  template <typename Source>
  void halve(const Source& source, std::size_t level, cudaStream_t stream) const {
    const Level &from = levels_[level], &to = levels_[level + 1];
    check(
        launch(halve_kernel<Source>, {blocks_for(std::size_t{to.height} * to.width), kPixelThreads},
               stream, halved(source, from), to.height, to.width, kept_[level].data()),
        "launch a halving");
  }

  template <typename Source, typename Sink>
  void resample(const Source& source, const Level& level, const Sink& sink,
                cudaStream_t stream) const {
    const AxisOnDevice rows{rows_.data(), static_cast<std::uint32_t>(rows_.count())};
    const AxisOnDevice columns{columns_.data(), static_cast<std::uint32_t>(columns_.count())};
    check(launch(resample_kernel<Source, Sink>,
                 {blocks_for(std::size_t{rows.outputs} * columns.outputs), kPixelThreads}, stream,
                 halved(source, level), rows, columns, sink),
          "launch a resize");
  }

  DeviceBuffer<Taps> rows_, columns_;
  std::vector<Level> levels_;                     // at least one, which may halve nothing
  std::vector<DeviceBuffer<std::uint8_t>> kept_;  // behind every level but the last
};

std::size_t value_bytes(PlaneType type) {
  return type == PlaneType::float32 ? sizeof(float) : sizeof(__half);
}

}  // namespace

struct Preprocessor::Device {
  Device(const FrameFormat& format, FrameSize target, const Normalisation& normalisation,
         PlaneType type)
      : format(format),
        normalisation(normalisation),
        type(type),
        pixels(static_cast<std::uint32_t>(target.height * target.width)),
        resampler(format.size, target) {}

  void queue(const DeviceFrame& frame, void* planes, cudaStream_t to) const {
    if (type == PlaneType::float32) {
      queue_into<float>(frame, planes, to);
    } else {
      queue_into<__half>(frame, planes, to);
    }
  }

  template <typename Value>
  void queue_into(const DeviceFrame& frame, void* planes, cudaStream_t to) const {
    const PlaneSink<Value> sink{normalisation, pixels, static_cast<Value*>(planes)};
    switch (format.pixels) {
      case PixelFormat::rgb:
        return resampler.queue(InterleavedSource{frame, 0, 2}, sink, to);
      case PixelFormat::bgr:
        return resampler.queue(InterleavedSource{frame, 2, 0}, sink, to);
      case PixelFormat::nv12:
        return resampler.queue(Nv12Source{frame, format.yuv}, sink, to);
    }
  }

  std::size_t plane_bytes() const { return pixels * kChannels * value_bytes(type); }

  FrameFormat format;
  Normalisation normalisation;
  PlaneType type;
  std::uint32_t pixels;
  Resampler resampler;

  // What `run` must wait for, since it uses the same scratch.
  cudaStream_t queued_on = nullptr;
  bool queued = false;

  // For host memory, made at its first use: frame and planes on both sides, and the work.
  struct Transfer {
    explicit Transfer(const Device& device)
        : frame(frame_bytes(device.format)),
          planes(device.plane_bytes()),
          device_frame(frame.count()),
          device_planes(planes.count()) {
      const FrameSize size = device.format.size;
      const bool nv12 = device.format.pixels == PixelFormat::nv12;
      const std::uint8_t* const begin = device_frame.data();
      const DeviceFrame view{begin, begin + size.height * size.width,
                             nv12 ? size.width : size.width * kChannels};
      graph = Graph(stream, [&] {
        check(cudaMemcpyAsync(device_frame.data(), frame.host(), frame.count(),
                              cudaMemcpyHostToDevice, stream),
              "record a copy to the device");
        device.queue(view, device_planes.data(), stream);
        check(cudaMemcpyAsync(planes.host(), device_planes.data(), planes.count(),
                              cudaMemcpyDeviceToHost, stream),
              "record a copy to the host");
      });
    }

    Stream stream;
    MappedBuffer<std::uint8_t> frame, planes;
    DeviceBuffer<std::uint8_t> device_frame, device_planes;
    Graph graph;
  };
  std::unique_ptr<Transfer> transfer;
};

Preprocessor::Preprocessor(const FrameFormat& format, FrameSize target,
                           const Normalisation& normalisation, PlaneType type)
    : device_(std::make_unique<Device>(format, target, normalisation, type)) {}
Preprocessor::Preprocessor(Preprocessor&&) noexcept = default;
Preprocessor::~Preprocessor() = default;

void Preprocessor::run(const std::uint8_t* frame, void* planes) {
  if (device_->queued) {
    check(cudaStreamSynchronize(device_->queued_on), "wait for queued frames");
    device_->queued = false;
  }
  if (device_->transfer == nullptr)
    device_->transfer = std::make_unique<Device::Transfer>(*device_);
  Device::Transfer& transfer = *device_->transfer;
  std::memcpy(transfer.frame.host(), frame, transfer.frame.count());
  check(transfer.graph.launch(transfer.stream), "launch preprocess_frame");
  check(cudaStreamSynchronize(transfer.stream), "run preprocess_frame");
  std::memcpy(planes, transfer.planes.host(), transfer.planes.count());
}

void Preprocessor::enqueue(const DeviceFrame& frame, void* planes, void* stream) {
  device_->queued_on = static_cast<cudaStream_t>(stream);
  device_->queued = device_->resampler.has_scratch();  // even if what follows fails halfway
  device_->queue(frame, planes, device_->queued_on);
}

void resize_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                  std::uint8_t* resized) {
  const DeviceBuffer<std::uint8_t> pixels(frame, source.height * source.width * kChannels);
  const DeviceBuffer<std::uint8_t> result(target.height * target.width * kChannels);
  const Resampler resampler(source, target);
  const DeviceFrame view{pixels.data(), nullptr, source.width * kChannels};
  resampler.queue(InterleavedSource{view, 0, 2}, PixelSink{result.data()}, nullptr);
  result.download(resized, result.count());
}

void preprocess_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                      ChannelOrder order, const Normalisation& normalisation, float* planes) {
  const PixelFormat pixels = order == ChannelOrder::bgr ? PixelFormat::bgr : PixelFormat::rgb;
  Preprocessor({source, pixels}, target, normalisation, PlaneType::float32).run(frame, planes);
}

}  // namespace lapa_edge::cuda
