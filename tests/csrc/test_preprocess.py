"""Resizing and normalising against the reference, bit for bit, and against Pillow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapa_edge import _native
from lapa_edge.runtime import reference

# Pillow's arithmetic is ours, but which pass comes first differs: Pillow 13 begins with the cheaper
# one, older versions and we with the columns. Each pass rounds, so a pixel may be one level off.
PILLOW_LEVELS = 1

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDES = st.integers(1, 60)


def draw_frame(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(source=st.tuples(SIDES, SIDES), target=st.tuples(SIDES, SIDES), seed=st.integers(0, 999))
@settings(deadline=None)
def test_resize_equals_the_reference_at_any_size(source, target, seed):
    frame = draw_frame(*source, seed)
    resized = _native.resize_frame(frame, *target)
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, reference.resize_frame(frame, *target))


@pytest.mark.parametrize("source", [(480, 640), (97, 131), (224, 300), (300, 224), (1, 1000)])
def test_resize_equals_the_reference_at_camera_sizes(source):
    frame = draw_frame(*source)
    expected = reference.resize_frame(frame, 224, 224)
    np.testing.assert_array_equal(_native.resize_frame(frame, 224, 224), expected)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((480, 640), (224, 224)),
        ((97, 131), (64, 201)),
        ((33, 20), (256, 256)),
        ((224, 90), (224, 8)),
    ],
)
def test_resize_is_what_pillow_computes(source, target):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    frame = draw_frame(*source)
    expected = image.fromarray(frame).resize(target[::-1], image.Resampling.BILINEAR)
    difference = _native.resize_frame(frame, *target).astype(int) - np.asarray(expected, int)
    assert np.abs(difference).max() <= PILLOW_LEVELS


def test_a_frame_of_the_right_size_is_copied():
    frame = draw_frame(37, 41)
    resized = _native.resize_frame(frame, 37, 41)
    np.testing.assert_array_equal(resized, frame)
    assert not np.shares_memory(resized, frame)


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_an_even_frame_keeps_its_value(value):
    frame = np.full((83, 61, 3), value, np.uint8)
    assert np.unique(_native.resize_frame(frame, 7, 90)).tolist() == [value]


@given(source=st.tuples(SIDES, SIDES), target=st.tuples(SIDES, SIDES), seed=st.integers(0, 999))
@settings(deadline=None)
def test_preprocess_equals_the_reference_at_any_size(source, target, seed):
    frame = draw_frame(*source, seed)
    planes = _native.preprocess_frame(frame, *target, MEAN, STD)
    assert planes.dtype == np.float32
    np.testing.assert_array_equal(
        planes, reference.preprocess_frame(frame, *target, MEAN, STD), strict=True
    )


def test_preprocess_normalises_each_channel_into_its_plane():
    every_value = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    planes = _native.preprocess_frame(every_value, 16, 16, MEAN, STD)
    exact = (every_value / 255 - np.array(MEAN)) / np.array(STD)
    # Three float32 roundings of values up to 1, divided by 0.22: at most 3 * 2^-24 / 0.22.
    np.testing.assert_allclose(planes, exact.transpose(2, 0, 1), rtol=0, atol=1e-6)


def test_a_frame_that_is_not_contiguous_is_read_right():
    frame = draw_frame(40, 60)[::2, ::-1]
    expected = reference.resize_frame(frame, 13, 17)
    np.testing.assert_array_equal(_native.resize_frame(frame, 13, 17), expected)


@pytest.mark.parametrize(
    ("frame", "got"),
    [
        (np.zeros((3, 224, 224), np.float32), r"float32 \[3, 224, 224\]"),
        (np.zeros((3, 224, 224), np.uint8), r"uint8 \[3, 224, 224\]"),
        (np.zeros((224, 224), np.uint8), r"uint8 \[224, 224\]"),
        (np.zeros((8, 8, 4), np.uint8), r"uint8 \[8, 8, 4\]"),
        (np.zeros((8, 8, 3), np.int8), r"int8 \[8, 8, 3\]"),
    ],
)
def test_what_is_not_a_camera_frame_is_refused(frame, got):
    message = rf"^image: expected uint8 \[height, width, 3\], got {got}; pass the camera frame as"
    with pytest.raises(ValueError, match=message):
        _native.resize_frame(frame, 8, 8)
    with pytest.raises(ValueError, match=message):
        _native.preprocess_frame(frame, 8, 8, MEAN, STD)


@pytest.mark.parametrize("shape", [(0, 8, 3), (8, 0, 3), (1, 16385, 3)])
def test_a_frame_without_pixels_or_out_of_range_is_refused(shape):
    with pytest.raises(ValueError, match=r"^image: expected sides of 1 to 16384, got uint8 \["):
        _native.resize_frame(np.zeros(shape, np.uint8), 8, 8)


@pytest.mark.parametrize(("size", "name"), [((0, 8), "height"), ((8, -1), "width")])
def test_a_target_without_pixels_is_refused(size, name):
    with pytest.raises(ValueError, match=f"^{name}: expected 1 to 16384, got "):
        _native.resize_frame(draw_frame(8, 8), *size)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.5, np.nan, 0.5), STD, r"^mean: expected three finite numbers"),
        (MEAN, (0.2, 0.0, 0.2), r"^std: expected three finite numbers above 0"),
        (MEAN, (0.2, -1.0, 0.2), r"^std: expected three finite numbers above 0"),
        (MEAN, (0.2, 1e-44, 0.2), r"^std: expected numbers that keep"),
    ],
)
def test_a_normalisation_that_is_not_finite_is_refused(mean, std, message):
    with pytest.raises(ValueError, match=message):
        _native.preprocess_frame(draw_frame(8, 8), 8, 8, mean, std)
