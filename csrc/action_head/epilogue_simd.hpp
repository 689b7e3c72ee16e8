// The end of every dense layer, for one instruction set: what becomes of W x + b.
#pragma once

#include "action_head/dense.hpp"
#include "simd/vector.hpp"

namespace lapa_edge {
namespace {

// v - v is 0 for a finite v, and NaN for -infinity. Not Max(v, 0), which loses an overflow.
HWY_INLINE Floats relu(Floats v) {
  return hn::IfThenElse(hn::Lt(v, hn::Zero(FloatTag())), hn::Sub(v, v), v);
}

HWY_INLINE void store(Epilogue epilogue, Floats v, float* y) {
  switch (epilogue) {
    case Epilogue::assign:
      break;
    case Epilogue::relu:
      v = relu(v);
      break;
    case Epilogue::add:
      v = hn::Add(hn::Load(FloatTag(), y), v);
      break;
    case Epilogue::gate:
      v = hn::Mul(hn::Load(FloatTag(), y), relu(v));
      break;
  }
  hn::Store(v, FloatTag(), y);
}

}  // namespace
}  // namespace lapa_edge
