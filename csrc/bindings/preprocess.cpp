#include "preprocess/preprocess.hpp"

#include <pybind11/stl.h>

#include <atomic>
#include <memory>

#include "bindings/arrays.hpp"
#include "bindings/frames.hpp"
#include "bindings/gil.hpp"
#include "bindings/register.hpp"
#include "bindings/turn.hpp"
#include "preprocess/cuda_preprocessor.hpp"

namespace lapa_edge::bindings {
namespace {

constexpr py::ssize_t kMaxSide{kMaxFrameSide}, kPixelBytes{kChannels};

ChannelOrder check_order(const std::string& order) {
  if (order == "rgb") return ChannelOrder::rgb;
  if (order != "bgr") refuse("order", "\"rgb\" or \"bgr\"", "\"" + order + "\"");
  return ChannelOrder::bgr;
}

// Whether the kernels can read it in place: whole rows from top to bottom, padded or not.
bool has_whole_rows(const py::array& image) {
  return image.strides(2) == 1 && image.strides(1) == kPixelBytes &&
         image.strides(0) >= image.shape(1) * kPixelBytes;
}

void check_whole_rows(const py::array& image) {
  if (!has_whole_rows(image)) {
    refuse("image", "rows whose pixels lie side by side", "other strides",
           "pass np.ascontiguousarray(...)");
  }
}

FrameView view_of(const py::array& image) {
  return {static_cast<const std::uint8_t*>(image.data()),
          static_cast<std::size_t>(image.strides(0))};
}

FrameSize size_of(const py::array& image) {
  return {static_cast<std::size_t>(image.shape(0)), static_cast<std::size_t>(image.shape(1))};
}

// A frame of any size, copied where its pixels do not lie side by side; `tight`: without padding.
py::array take_frame(const py::array& image, bool tight) {
  check_pixels(image, "uint8 [height, width, 3]");
  for (int axis = 0; axis < 2; ++axis) {
    if (image.shape(axis) < 1 || image.shape(axis) > kMaxSide) {
      refuse("image", "sides of 1 to " + std::to_string(kMaxSide), describe(image));
    }
  }
  if (!tight && has_whole_rows(image)) return image;
  return Array<std::uint8_t>(image);
}

// From a cache line's boundary on, which numpy's own memory seldom is: stores go a sixth faster.
py::array_t<float> empty_planes(FrameSize size) {
  constexpr std::size_t kLine = 64;
  const std::size_t bytes = kChannels * size.height * size.width * sizeof(float);
  py::array_t<float> memory(static_cast<py::ssize_t>((bytes + kLine) / sizeof(float)));
  void* start = memory.mutable_data();
  std::size_t space = bytes + kLine;
  std::align(kLine, bytes, start, space);
  return py::array_t<float>({kChannels, size.height, size.width}, static_cast<float*>(start),
                            memory);
}

py::array_t<std::uint8_t> bound_resize_frame(const py::array& image, py::ssize_t height,
                                             py::ssize_t width, const std::string& device) {
  const bool on_cuda = wants_cuda(device);
  const py::array frame = take_frame(image, on_cuda);
  const FrameSize source = size_of(frame), target = check_size("height", height, "width", width);

  py::array_t<std::uint8_t> resized({height, width, kPixelBytes});
  const FrameView from = view_of(frame);
  std::uint8_t* to = resized.mutable_data();
  {
    const GilReleased released;
    if (on_cuda) {
      cuda::resize_frame(from.pixels, source, target, to);
    } else {
      FrameResizer(source, target).resize(from, to);
    }
  }
  return resized;
}

py::array_t<float> bound_preprocess_frame(const py::array& image, py::ssize_t height,
                                          py::ssize_t width, const PerChannel& mean,
                                          const PerChannel& std, const std::string& order,
                                          const std::string& device) {
  const bool on_cuda = wants_cuda(device);
  const py::array frame = take_frame(image, on_cuda);
  const FrameSize source = size_of(frame), target = check_size("height", height, "width", width);
  const Normalisation normalisation = check_normalisation(mean, std);
  const ChannelOrder channels = check_order(order);

  py::array_t<float> planes = empty_planes(target);
  const FrameView from = view_of(frame);
  float* to = planes.mutable_data();
  {
    const GilReleased released;
    if (on_cuda) {
      cuda::preprocess_frame(from.pixels, source, target, channels, normalisation, to);
    } else {
      FrameResizer(source, target).preprocess(from, channels, normalisation, to);
    }
  }
  return planes;
}

// Frames of one size to planes of one size, with everything made once.
class BoundPreprocessor {
 public:
  BoundPreprocessor(FrameSize source, FrameSize target, ChannelOrder order,
                    const Normalisation& normalisation)
      : source_(source),
        target_(target),
        order_(order),
        normalisation_(normalisation),
        resizer_(source, target) {}

  BoundPreprocessor(const BoundPreprocessor& other)
      : BoundPreprocessor(other.source_, other.target_, other.order_, other.normalisation_) {}

  void check_source(const py::array& image) const { check_frame(image, source_); }

  void check_planes(const py::array& planes) const {
    bindings::check_planes(planes, py::dtype::of<float>(), target_);
  }

  py::array_t<float> run(const py::array& image) {
    check_source(image);
    const py::array frame = take_frame(image, false);
    py::array_t<float> planes = empty_planes(target_);
    preprocess(view_of(frame), planes.mutable_data());
    return planes;
  }

  void run_into(const py::array& image, py::array& planes) {
    check_source(image);
    check_whole_rows(image);
    check_planes(planes);
    refuse_overlap("planes", planes, "image", image);
    preprocess(view_of(image), static_cast<float*>(planes.mutable_data()));
  }

  void preprocess(FrameView frame, float* planes) {
    const Turn turn(busy_, "preprocessor", "build one per thread");
    const GilReleased released;
    resizer_.preprocess(frame, order_, normalisation_, planes);
  }

 private:
  FrameSize source_, target_;
  ChannelOrder order_;
  Normalisation normalisation_;
  FrameResizer resizer_;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

std::unique_ptr<BoundPreprocessor> build_preprocessor(py::ssize_t source_height,
                                                      py::ssize_t source_width, py::ssize_t height,
                                                      py::ssize_t width, const PerChannel& mean,
                                                      const PerChannel& std,
                                                      const std::string& order) {
  const FrameSize source = check_size("source_height", source_height, "source_width", source_width);
  const FrameSize target = check_size("height", height, "width", width);
  const Normalisation normalisation = check_normalisation(mean, std);
  return std::make_unique<BoundPreprocessor>(source, target, check_order(order), normalisation);
}

// A function without arguments that turns what `frame` holds by then into `planes`. It has a
// preprocessor of its own and keeps both arrays alive.
py::cpp_function bind(const BoundPreprocessor& preprocessor, py::array frame, py::array planes) {
  preprocessor.check_source(frame);
  preprocessor.check_planes(planes);
  check_whole_rows(frame);
  refuse_overlap("planes", planes, "image", frame);
  const FrameView from = view_of(frame);
  float* to = static_cast<float*>(planes.mutable_data());
  const auto own = std::make_shared<BoundPreprocessor>(preprocessor);
  return py::cpp_function([own, frame = std::move(frame), planes = std::move(planes), from,
                           to]() { own->preprocess(from, to); },
                          py::name("step"));
}

}  // namespace

void register_preprocess(py::module_& module) {
  module.def("resize_frame", &bound_resize_frame, py::arg("image"), py::arg("height"),
             py::arg("width"), py::kw_only(), py::arg("device") = "cpu");
  module.def("preprocess_frame", &bound_preprocess_frame, py::arg("image"), py::arg("height"),
             py::arg("width"), py::arg("mean"), py::arg("std"), py::kw_only(),
             py::arg("order") = "rgb", py::arg("device") = "cpu");
  py::class_<BoundPreprocessor>(module, "Preprocessor")
      .def(py::init(&build_preprocessor), py::arg("source_height"), py::arg("source_width"),
           py::arg("height"), py::arg("width"), py::arg("mean"), py::arg("std"), py::kw_only(),
           py::arg("order") = "rgb")
      .def("run", &BoundPreprocessor::run, py::arg("frame"))
      .def("run_into", &BoundPreprocessor::run_into, py::arg("frame"), py::arg("planes"))
      .def("bind", &bind, py::arg("frame"), py::arg("planes"));
}

}  // namespace lapa_edge::bindings
