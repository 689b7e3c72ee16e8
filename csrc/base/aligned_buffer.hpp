// Zero-filled storage on a cache line's boundary, so that vectors that stream it never straddle two.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace lapa_edge {

template <typename T>
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size)
      : size_(size), data_(static_cast<T*>(::operator new(size * sizeof(T), kLine))) {
    static_assert(std::is_trivial_v<T>, "filled with zeros, never destroyed one by one");
    for (std::size_t i = 0; i < size; ++i) data_.get()[i] = T{};
  }

  std::size_t size() const noexcept { return size_; }
  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  T* begin() noexcept { return data(); }
  T* end() noexcept { return data() + size_; }
  T& operator[](std::size_t i) noexcept { return data_.get()[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_.get()[i]; }

 private:
  static constexpr std::align_val_t kLine{kAlignment};
  struct Free {
    void operator()(T* data) const noexcept { ::operator delete(data, kLine); }
  };

  std::size_t size_ = 0;
  std::unique_ptr<T, Free> data_;
};

}  // namespace lapa_edge
