#include <pybind11/stl.h>

#include <array>
#include <atomic>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "preprocess/cuda_preprocessor.hpp"

namespace lapa_edge::bindings {
namespace {

using Side = py::ssize_t;
using PerChannel = std::array<double, kChannels>;

struct Word {
  const char* text;
  int value;
};

// The value of one of a few words.
template <typename Value, std::size_t kCount>
Value choose(const char* name, const std::string& given, const Word (&words)[kCount]) {
  std::string expected;
  for (const Word& word : words) {
    if (given == word.text) return static_cast<Value>(word.value);
    expected += (expected.empty() ? "\"" : ", \"") + std::string(word.text) + "\"";
  }
  refuse(name, "one of " + expected, "\"" + given + "\"");
}

YuvMatrix choose_matrix(const std::string& standard, const std::string& range) {
  constexpr Word kStandards[] = {{"bt601", int(YuvStandard::bt601)}, {"bt709", int(YuvStandard::bt709)}};
  constexpr Word kRanges[] = {{"limited", int(YuvRange::limited)}, {"full", int(YuvRange::full)}};
  return yuv_matrix(choose<YuvStandard>("standard", standard, kStandards),
                    choose<YuvRange>("range", range, kRanges));
}

FrameSize check_size(const char* name, const std::array<Side, 2>& size, bool even) {
  for (const Side side : size) {
    if (side < 1 || side > Side{kMaxFrameSide} || (even && side % 2 != 0)) {
      refuse(name, (even ? "even sides up to " : "sides of 1 to ") + std::to_string(kMaxFrameSide),
             std::to_string(size[0]) + " x " + std::to_string(size[1]));
    }
  }
  return {static_cast<std::size_t>(size[0]), static_cast<std::size_t>(size[1])};
}

Normalisation check_normalisation(const PerChannel& mean, const PerChannel& std) {
  const Normalisation normalisation = build_normalisation(mean, std);
  for (std::size_t c = 0; c < kChannels; ++c) {
    if (!std::isfinite(mean[c])) refuse("mean", "three finite numbers", std::to_string(mean[c]));
    const bool usable = std[c] > 0.0 && std::isfinite(255.0f * normalisation.scale[c]) &&
                        std::isfinite(normalisation.offset[c]);
    if (!usable) refuse("std", "three finite numbers above 0, not tiny", std::to_string(std[c]));
  }
  return normalisation;
}

// uint8 [h, w, 3], or [h * 3 / 2, w] of NV12, as plain memory.
Array<std::uint8_t> check_frame(const py::array& image, FrameSize size, bool nv12) {
  const Side height = static_cast<Side>(size.height), width = static_cast<Side>(size.width);
  const Side rows = nv12 ? height * 3 / 2 : height;
  const std::string expected = "uint8 [" + std::to_string(rows) + ", " + std::to_string(width) +
                               (nv12 ? "]" : ", 3]");
  const Array<std::uint8_t> frame =
      contiguous<std::uint8_t>("image", image, nv12 ? 2 : 3, expected);
  if (frame.shape(0) != rows || frame.shape(1) != width || (!nv12 && frame.shape(2) != 3)) {
    refuse("image", expected, describe(image));
  }
  return frame;
}

// A preprocessor as Python sees it: arrays checked, the GIL released, one call at a time.
class BoundPreprocessor {
 public:
  BoundPreprocessor(const std::array<Side, 2>& source, const std::array<Side, 2>& target,
                    const PerChannel& mean, const PerChannel& std, const std::string& pixels,
                    const std::string& planes, const std::string& standard,
                    const std::string& range) {
    constexpr Word kFormats[] = {{"rgb", int(cuda::PixelFormat::rgb)},
                                 {"bgr", int(cuda::PixelFormat::bgr)},
                                 {"nv12", int(cuda::PixelFormat::nv12)}};
    constexpr Word kTypes[] = {{"float32", int(cuda::PlaneType::float32)},
                               {"float16", int(cuda::PlaneType::float16)}};
    format_.pixels = choose<cuda::PixelFormat>("pixels", pixels, kFormats);
    format_.yuv = choose_matrix(standard, range);
    format_.size = check_size("source", source, is_nv12());
    target_ = check_size("target", target, false);
    const auto type = choose<cuda::PlaneType>("planes", planes, kTypes);
    const Normalisation normalisation = check_normalisation(mean, std);
    dtype_ = py::dtype(planes);
    wants_cuda("cuda");
    on_cuda_.emplace(format_, target_, normalisation, type);
  }

  py::array run(const py::array& image) {
    py::array planes(dtype_, std::vector<Side>{Side{kChannels}, static_cast<Side>(target_.height),
                                               static_cast<Side>(target_.width)});
    run_into(image, planes);
    return planes;
  }

  void run_into(const py::array& image, py::array& out) {
    const Array<std::uint8_t> frame = check_frame(image, format_.size, is_nv12());
    check_planes(out);
    const std::uint8_t* const from = frame.data();
    void* const to = out.mutable_data();
    if (busy_.test_and_set(std::memory_order_acquire)) {
      throw std::runtime_error(
          "preprocessor: already running in another thread; build one per thread");
    }
    const struct Done {
      std::atomic_flag& busy;
      ~Done() { busy.clear(std::memory_order_release); }
    } done{busy_};
    const py::gil_scoped_release release;
    on_cuda_->run(from, to);
  }

  void enqueue(std::uintptr_t frame, std::uintptr_t planes, std::optional<std::size_t> pitch,
               std::optional<std::uintptr_t> chroma, std::uintptr_t stream) {
    const std::size_t row = format_.size.width * (is_nv12() ? 1 : kChannels);
    if (frame == 0 || planes == 0) refuse("frame, planes", "addresses on the GPU", "0");
    if (pitch.value_or(row) < row) {
      refuse("pitch", "at least " + std::to_string(row) + " bytes", std::to_string(*pitch));
    }
    const auto* const pixels = reinterpret_cast<const std::uint8_t*>(frame);
    const std::size_t step = pitch.value_or(row);
    const std::uint8_t* const after = pixels + step * format_.size.height;
    on_cuda_->enqueue(
        {pixels, chroma ? reinterpret_cast<const std::uint8_t*>(*chroma) : after, step},
        reinterpret_cast<void*>(planes), reinterpret_cast<void*>(stream));
  }

 private:
  bool is_nv12() const { return format_.pixels == cuda::PixelFormat::nv12; }

  void check_planes(const py::array& out) const {
    const bool same = out.dtype().equal(dtype_) && out.ndim() == 3 &&
                      out.shape(0) == Side{kChannels} &&
                      out.shape(1) == static_cast<Side>(target_.height) &&
                      out.shape(2) == static_cast<Side>(target_.width);
    if (!same) {
      refuse("out",
             py::str(dtype_).cast<std::string>() + " [3, " + std::to_string(target_.height) + ", " +
                 std::to_string(target_.width) + "]",
             describe(out));
    }
    if ((out.flags() & kPlainLayout) != kPlainLayout || !out.writeable()) {
      refuse("out", "a contiguous, writeable array", "another");
    }
  }

  cuda::FrameFormat format_{};
  FrameSize target_{};
  py::dtype dtype_;
  std::optional<cuda::Preprocessor> on_cuda_;  // never empty once built
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

py::array_t<std::uint8_t> bound_nv12_to_rgb(const py::array& image, const std::string& standard,
                                            const std::string& range) {
  constexpr const char* kExpected = "uint8 [height * 3 / 2, width], height and width even";
  const Array<std::uint8_t> frame = contiguous<std::uint8_t>("image", image, 2, kExpected);
  const Side height = frame.shape(0) / 3 * 2, width = frame.shape(1);
  if (frame.shape(0) % 3 != 0 || height < 2 || width < 2 || width % 2 != 0) {
    refuse("image", kExpected, describe(image));
  }
  const YuvMatrix matrix = choose_matrix(standard, range);
  py::array_t<std::uint8_t> pixels({height, width, Side{kChannels}});
  const std::uint8_t* const from = frame.data();
  std::uint8_t* const to = pixels.mutable_data();
  {
    const py::gil_scoped_release release;
    nv12_to_rgb(from, static_cast<std::size_t>(height), static_cast<std::size_t>(width), matrix,
                to);
  }
  return pixels;
}

}  // namespace

void register_cuda_preprocess(py::module_& module) {
  module.def("nv12_to_rgb", &bound_nv12_to_rgb, py::arg("image"), py::kw_only(),
             py::arg("standard") = "bt601", py::arg("range") = "limited");
  py::class_<BoundPreprocessor>(module, "CudaPreprocessor")
      .def(py::init<const std::array<Side, 2>&, const std::array<Side, 2>&, const PerChannel&,
                    const PerChannel&, const std::string&, const std::string&, const std::string&,
                    const std::string&>(),
           py::arg("source"), py::arg("target"), py::arg("mean"), py::arg("std"), py::kw_only(),
           py::arg("pixels") = "rgb", py::arg("planes") = "float32", py::arg("standard") = "bt601",
           py::arg("range") = "limited")
      .def("run", &BoundPreprocessor::run, py::arg("image"))
      .def("run_into", &BoundPreprocessor::run_into, py::arg("image"), py::arg("out"))
      .def("enqueue", &BoundPreprocessor::enqueue, py::arg("frame"), py::arg("planes"),
           py::kw_only(), py::arg("pitch") = py::none(), py::arg("chroma") = py::none(),
           py::arg("stream") = 0);
}

}  // namespace lapa_edge::bindings
