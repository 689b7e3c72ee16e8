// Half-precision floats, as far as they are stored.
#pragma once

struct __half {
  _Float16 value;
};

inline __half __float2half_rn(float value) {
  return {static_cast<_Float16>(value)};
}
