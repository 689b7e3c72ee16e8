"""NV12 to red, green and blue: see csrc/preprocess/nv12.hpp."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lapa_edge.runtime.reference.arrays import UInt8

FRACTION_BITS = 16
"""Of the factors, which are rounded halves up."""

Standard = Literal["bt601", "bt709"]
Range = Literal["limited", "full"]

# How much red and blue weigh in luma: ITU-R BT.601-7, BT.709-6, section 3.
_LUMA_SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def yuv_factors(standard: Standard, range: Range) -> tuple[float, float, float, float, float]:
    """How much a level of luma adds to all, v to red, u and v take from green, u adds to blue."""
    red, blue = _LUMA_SHARES[standard]
    green = 1 - red - blue
    luma, chroma = (255 / 219, 255 / 224) if range == "limited" else (1.0, 1.0)
    red_v, blue_u = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    return luma, red_v, blue_u * blue / green, red_v * red / green, blue_u


def nv12_to_rgb(image: UInt8, *, standard: Standard = "bt601", range: Range = "limited") -> UInt8:
    """Every pixel by the factors in fixed point; four pixels share the chroma of their square.

    Args:
        image: uint8 [height * 3 / 2, width], height and width even: luma, then u and v in turns.
        standard: which primaries the factors are for.
        range: "limited" where black is 16 and white 235, "full" where they are 0 and 255.

    Returns:
        uint8 [height, width, 3].
    """
    height = len(image) * 2 // 3
    scale = 1 << FRACTION_BITS
    luma, red_v, green_u, green_v, blue_u = (
        int(factor * scale + 0.5) for factor in yuv_factors(standard, range)
    )
    y = image[:height].astype(np.int32) - (16 if range == "limited" else 0)
    chroma = image[height:].reshape(height // 2, -1, 2).astype(np.int32) - 128
    u, v = (chroma[..., part].repeat(2, axis=0).repeat(2, axis=1) for part in (0, 1))  # [h, w]
    channels = (luma * y + red_v * v, luma * y - green_u * u - green_v * v, luma * y + blue_u * u)
    fixed = np.stack(channels, axis=-1)
    return np.clip((fixed + scale // 2) >> FRACTION_BITS, 0, 255).astype(np.uint8)
