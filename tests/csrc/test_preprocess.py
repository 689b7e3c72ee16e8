"""Resizing and normalising: the reference's bits at any size, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapa_edge import _native
from lapa_edge.runtime import reference

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Vectors take over from 32 to 64 columns on, by instruction set, and from 16 outputs on.
SIDES, WIDTHS, TARGETS = st.integers(1, 60), st.integers(1, 300), st.integers(1, 80)


def draw_frame(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(source=st.tuples(SIDES, WIDTHS), target=st.tuples(TARGETS, TARGETS), seed=st.integers(0, 99))
@settings(deadline=None)
def test_resize_equals_the_reference_at_any_size(source, target, seed):
    frame = draw_frame(*source, seed)
    resized = _native.resize_frame(frame, *target)
    np.testing.assert_array_equal(resized, reference.resize_frame(frame, *target), strict=True)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((480, 640), (224, 224)),
        ((480, 640), (128, 128)),  # halved once and twice
        ((480, 640), (64, 64)),  # halved twice and three times
        ((481, 643), (100, 160)),  # odd ones left over at several levels
        ((300, 224), (224, 224)),
        ((224, 300), (224, 300)),
        ((9, 1000), (1, 501)),  # nearly halved: the widest windows
        ((2, 128), (5, 1000)),
    ],
)
def test_resize_equals_the_reference_at_camera_sizes(source, target):
    frame = draw_frame(*source)
    expected = reference.resize_frame(frame, *target)
    np.testing.assert_array_equal(_native.resize_frame(frame, *target), expected)


@given(source=st.tuples(SIDES, WIDTHS), target=st.tuples(TARGETS, TARGETS), seed=st.integers(0, 99))
@settings(deadline=None)
def test_preprocess_equals_the_reference_at_any_size(source, target, seed):
    frame = draw_frame(*source, seed)
    planes = _native.preprocess_frame(frame, *target, MEAN, STD)
    np.testing.assert_array_equal(
        planes, reference.preprocess_frame(frame, *target, MEAN, STD), strict=True
    )


@pytest.mark.parametrize("mean", [(0.0, 0.0, 0.0), MEAN, (-100.0, 99.9, 1e-30)])
@pytest.mark.parametrize("std", [(1.0, 1.0, 1.0), STD, (1e-6, 1e6, 0.1)])
def test_every_value_is_normalised_as_in_the_reference(mean, std):
    every_value = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(2, 128, 3)
    planes = _native.preprocess_frame(every_value, 2, 128, mean, std)
    expected = reference.preprocess_frame(every_value, 2, 128, mean, std)
    np.testing.assert_array_equal(planes, expected, strict=True)
    exact = (every_value / 255 - np.array(mean)) / np.array(std)
    # The offset is off by at most half a unit of 2^-24, at the magnitude of (129 + |mean|) / std.
    limit = (129 + np.abs(mean)) / np.array(std) * 2.0**-24 + np.abs(exact) * 2.0**-23
    assert (np.abs(planes.transpose(1, 2, 0) - exact) <= limit).all()


def test_blue_green_red_frames_give_the_same_planes():
    frame = draw_frame(50, 200)
    expected = _native.preprocess_frame(frame, 20, 70, MEAN, STD)
    mirrored = np.ascontiguousarray(frame[..., ::-1])
    planes = _native.preprocess_frame(mirrored, 20, 70, MEAN, STD, order="bgr")
    np.testing.assert_array_equal(planes, expected, strict=True)
    np.testing.assert_array_equal(
        planes, reference.preprocess_frame(mirrored, 20, 70, MEAN, STD, order="bgr")
    )


@pytest.mark.parametrize(
    "view",
    [
        lambda frame: frame[::2, ::-1],
        lambda frame: frame[:, 7:200],  # padded rows, read in place
        lambda frame: frame[::-1],
        lambda frame: np.broadcast_to(frame[:1], frame.shape),
    ],
)
def test_a_frame_that_is_not_contiguous_is_read_right(view):
    frame = view(draw_frame(40, 260))
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
    ("options", "message"),
    [
        ({"mean": (0.5, np.nan, 0.5)}, r"^mean: expected three numbers from -100 to 100, got nan"),
        ({"mean": (0.5, 0.5, np.inf)}, r"^mean: expected three numbers from -100 to 100, got inf"),
        ({"std": (0.2, 0.0, 0.2)}, r"^std: expected three numbers from 1e-6 to 1e6, got 0"),
        ({"std": (0.2, -1.0, 0.2)}, r"^std: expected three numbers from 1e-6 to 1e6, got -1"),
        ({"std": (0.2, np.nan, 0.2)}, r"^std: expected three numbers from 1e-6 to 1e6, got nan"),
        ({"order": "gbr"}, r'^order: expected "rgb" or "bgr", got "gbr"'),
    ],
)
def test_a_normalisation_that_is_none_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        _native.preprocess_frame(draw_frame(8, 8), 8, 8, **{"mean": MEAN, "std": STD} | options)
    with pytest.raises(ValueError, match=message):
        _native.Preprocessor(8, 8, 8, 8, **{"mean": MEAN, "std": STD} | options)
