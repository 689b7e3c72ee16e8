#include <cstring>
#include <memory>

#include "cuda/device_buffer.cuh"
#include "cuda/host_memory.cuh"
#include "cuda/stream.cuh"
#include "preprocess/cuda_preprocessor.hpp"
#include "preprocess/preprocess.hpp"
#include "preprocess/preprocess_kernel.cuh"

namespace lapa_edge::cuda {
namespace {

class DeviceAxis {
 public:
  DeviceAxis(std::size_t source, std::size_t target) : DeviceAxis(ResizeAxis(source, target)) {}

  AxisOnDevice view() const {
    return {first_.data(), count_.data(), weights_.data(), taps_,
            static_cast<std::uint32_t>(first_.count())};
  }

 private:
  explicit DeviceAxis(const ResizeAxis& axis)
      : first_(axis.first.data(), axis.first.size()),
        count_(axis.count.data(), axis.count.size()),
        weights_(axis.weights.data(), axis.weights.size()),
        taps_(static_cast<std::uint32_t>(axis.taps)) {}

  DeviceBuffer<std::int32_t> first_, count_, weights_;
  std::uint32_t taps_;
};

// From one size to another, whatever goes in and comes out.
struct Resampler {
  Resampler(FrameSize source, FrameSize target)
      : rows(source.height, target.height), columns(source.width, target.width) {}

  template <typename Source, typename Sink>
  void queue(const Source& source, const Sink& sink, cudaStream_t stream) const {
    const AxisOnDevice y = rows.view(), x = columns.view();
    const unsigned blocks = (y.outputs * x.outputs + kPixelThreads - 1) / kPixelThreads;
    check(launch(preprocess_kernel<Source, Sink>, {blocks, kPixelThreads}, stream, source, y, x,
                 sink),
          "launch preprocess_frame");
  }

  DeviceAxis rows, columns;
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
  if (device_->transfer == nullptr)
    device_->transfer = std::make_unique<Device::Transfer>(*device_);
  Device::Transfer& transfer = *device_->transfer;
  std::memcpy(transfer.frame.host(), frame, transfer.frame.count());
  check(transfer.graph.launch(transfer.stream), "launch preprocess_frame");
  check(cudaStreamSynchronize(transfer.stream), "run preprocess_frame");
  std::memcpy(planes, transfer.planes.host(), transfer.planes.count());
}

void Preprocessor::enqueue(const DeviceFrame& frame, void* planes, void* stream) {
  device_->queue(frame, planes, static_cast<cudaStream_t>(stream));
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
