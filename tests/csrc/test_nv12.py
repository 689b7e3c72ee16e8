"""NV12 to red, green and blue: against its reference, the standards' formula, and OpenCV."""

import numpy as np
import pytest

from lapa_edge import _native
from lapa_edge.runtime import reference
from lapa_edge.runtime.reference.nv12 import yuv_factors

STANDARDS = [(s, r) for s in ("bt601", "bt709") for r in ("limited", "full")]


@pytest.fixture(autouse=True, scope="module")
def instruction_set():
    """Once is enough: there is no vector code here."""


def draw(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height * 3 // 2, width), dtype=np.uint8)


@pytest.mark.parametrize(("standard", "range"), STANDARDS)
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (48, 64)])
def test_pixels_equal_the_reference(size, standard, range):
    image = draw(*size)
    rgb = _native.nv12_to_rgb(image, standard=standard, range=range)
    assert rgb.shape == (*size, 3)
    expected = reference.nv12_to_rgb(image, standard=standard, range=range)
    np.testing.assert_array_equal(rgb, expected, strict=True)


@pytest.mark.parametrize(("standard", "range"), STANDARDS)
def test_pixels_are_the_formula_rounded(standard, range):
    """A factor is off by 2^-17 at most, three of them times 255 by less than 0.01."""
    image = draw(64, 64)
    luma, red_v, green_u, green_v, blue_u = yuv_factors(standard, range)
    y = luma * (image[:64].astype(float) - (16 if range == "limited" else 0))
    u, v = (image[64:, part::2].repeat(2, axis=0).repeat(2, axis=1) - 128.0 for part in (0, 1))
    exact = np.stack([y + red_v * v, y - green_u * u - green_v * v, y + blue_u * u], axis=-1)
    rgb = _native.nv12_to_rgb(image, standard=standard, range=range)
    assert np.abs(rgb - exact.clip(0, 255)).max() <= 0.51


def test_black_white_and_grey_keep_their_values():
    image = np.full((6, 4), 128, np.uint8)
    for value, expected in ((16, 0), (235, 255), (126, 128)):
        image[:4] = value
        assert (_native.nv12_to_rgb(image) == expected).all()
        assert (_native.nv12_to_rgb(image, range="full") == value).all()


def test_opencv_sees_the_same_colours():
    """It rounds its factors to three decimals, and takes luma below black for black."""
    cv2 = pytest.importorskip("cv2")
    image = draw(64, 64)
    image[:64] = image[:64].clip(16, 235)
    theirs = cv2.cvtColor(image, cv2.COLOR_YUV2RGB_NV12).astype(int)
    assert np.abs(_native.nv12_to_rgb(image) - theirs).max() <= 2


@pytest.mark.parametrize("shape", [(5, 4), (3, 3), (0, 4), (4, 4), (6, 4, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"^image: expected uint8 \[height \* 3 / 2, width\]"):
        _native.nv12_to_rgb(np.zeros(shape, np.uint8))


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match=r'^standard: expected one of "bt601", "bt709", got "x"'):
        _native.nv12_to_rgb(draw(2, 2), standard="x")
    with pytest.raises(ValueError, match=r'^range: expected one of "limited", "full", got "x"'):
        _native.nv12_to_rgb(draw(2, 2), range="x")
