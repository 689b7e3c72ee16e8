#include <pybind11/stl.h>

#include <atomic>
#include <optional>

#include "bindings/arrays.hpp"
#include "bindings/frames.hpp"
#include "bindings/gil.hpp"
#include "bindings/nv12.hpp"
#include "bindings/register.hpp"
#include "bindings/turn.hpp"
#include "bindings/words.hpp"
#include "preprocess/cuda_preprocessor.hpp"

namespace lapa_edge::bindings {
namespace {

using Side = py::ssize_t;
// A preprocessor as Python sees it: arrays checked, the GIL released, one call at a time.
class BoundCudaPreprocessor {
 public:
  BoundCudaPreprocessor(Side source_height, Side source_width, Side height, Side width,
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
    format_.size =
        check_size("source_height", source_height, "source_width", source_width, is_nv12());
    target_ = check_size("height", height, "width", width);
    const auto type = choose<cuda::PlaneType>("planes", planes, kTypes);
    const Normalisation normalisation = check_normalisation(mean, std);
    dtype_ = py::dtype(planes);
    wants_cuda("cuda");
    on_cuda_.emplace(format_, target_, normalisation, type);
  }

  py::array run(const py::array& image) {
    check_frame(image, format_.size, is_nv12());
    const Array<std::uint8_t> frame(image);
    py::array planes(dtype_, std::vector<Side>{Side{kChannels}, static_cast<Side>(target_.height),
                                               static_cast<Side>(target_.width)});
    preprocess(frame.data(), planes.mutable_data());
    return planes;
  }

  void check_bound(const py::array& frame, const py::array& planes) const {
    check_frame(frame, format_.size, is_nv12());
    check_planes(planes, dtype_, target_);
    if ((frame.flags() & kPlainLayout) != kPlainLayout) {
      refuse("image", "a contiguous array", "one with strides",
             "bind a contiguous buffer that each frame is written to");
    }
    refuse_overlap("planes", planes, "image", frame);
  }

  void preprocess(const std::uint8_t* frame, void* planes) {
    const Turn turn(busy_, "preprocessor", "build one per thread");
    const GilReleased released;
    on_cuda_->run(frame, planes);
  }

  void enqueue(std::uintptr_t frame, std::uintptr_t planes, std::optional<std::size_t> pitch,
               std::optional<std::uintptr_t> chroma, std::uintptr_t stream) {
    const std::size_t row = format_.size.width * (is_nv12() ? 1 : kChannels);
    if (frame == 0 || planes == 0) refuse("frame, planes", "addresses on the GPU", "0");
    const auto value = static_cast<std::uintptr_t>(dtype_.itemsize());
    if (planes % value != 0) {
      refuse("planes", "an address that is a multiple of " + std::to_string(value),
             std::to_string(planes));
    }
    if (pitch.value_or(row) < row) {
      refuse("pitch", "at least " + std::to_string(row) + " bytes", std::to_string(*pitch));
    }
    const auto* const pixels = reinterpret_cast<const std::uint8_t*>(frame);
    const std::size_t step = pitch.value_or(row);
    const std::uint8_t* const after = pixels + step * format_.size.height;
    const Turn turn(busy_, "preprocessor", "build one per thread");
    on_cuda_->enqueue(
        {pixels, chroma ? reinterpret_cast<const std::uint8_t*>(*chroma) : after, step},
        reinterpret_cast<void*>(planes), reinterpret_cast<void*>(stream));
  }

 private:
  bool is_nv12() const { return format_.pixels == cuda::PixelFormat::nv12; }

  cuda::FrameFormat format_{};
  FrameSize target_{};
  py::dtype dtype_;
  std::optional<cuda::Preprocessor> on_cuda_;  // never empty once built
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

// A function without arguments that turns what `frame` holds by then into `planes`. It keeps both
// arrays and the preprocessor alive.
py::cpp_function bind(const py::object& self, py::array frame, py::array planes) {
  auto& preprocessor = self.cast<BoundCudaPreprocessor&>();
  preprocessor.check_bound(frame, planes);
  const auto* const from = static_cast<const std::uint8_t*>(frame.data());
  void* const to = planes.mutable_data();
  struct Alive {
    py::object self, frame, planes;
  };
  return py::cpp_function([&preprocessor, from, to, alive = Alive{self, frame, planes}] {
    preprocessor.preprocess(from, to);
  });
}

}  // namespace

void register_cuda_preprocess(py::module_& module) {
  py::class_<BoundCudaPreprocessor>(module, "CudaPreprocessor")
      .def(
          py::init<Side, Side, Side, Side, const PerChannel&, const PerChannel&, const std::string&,
                   const std::string&, const std::string&, const std::string&>(),
          py::arg("source_height"), py::arg("source_width"), py::arg("height"), py::arg("width"),
          py::arg("mean"), py::arg("std"), py::kw_only(), py::arg("pixels") = "rgb",
          py::arg("planes") = "float32", py::arg("standard") = "bt601",
          py::arg("range") = "limited")
      .def("run", &BoundCudaPreprocessor::run, py::arg("frame"))
      .def("bind", &bind, py::arg("frame"), py::arg("planes"))
      .def("enqueue", &BoundCudaPreprocessor::enqueue, py::arg("frame"), py::arg("planes"),
           py::kw_only(), py::arg("pitch") = py::none(), py::arg("chroma") = py::none(),
           py::arg("stream") = 0);
}

}  // namespace lapa_edge::bindings
