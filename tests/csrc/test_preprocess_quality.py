"""What the resize does to pictures, beside Pillow's antialiased one."""

import numpy as np
import pytest

from lapa_edge import _native

SIZES = [(224, 224), (128, 128), (64, 64), (256, 300)]
# Both filters are as wide as the scale, so on what is smooth only roundings tell them apart: one
# of every halving and two more, each half a level.
SMOOTH_LEVELS = 3
# Ours is halved first, which is a box: between one output and the next the two weigh pixels
# differently. Measured 2 to 10 of 255 levels on average; linear interpolation is 28 to 48 away.
NOISE_LEVELS = 11


def draw_smooth_frame():
    y, x = np.mgrid[:480, :640]
    waves = [127 + 100 * np.sin(x / 37 + y / 53 + c) for c in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def draw_noise():
    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)


def distance_to_pillow(frame, size):
    """Level differences to ``Image.resize(BILINEAR)``, int [h, w, 3]."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    expected = image.fromarray(frame).resize(size[::-1], image.Resampling.BILINEAR)
    return _native.resize_frame(frame, *size).astype(int) - np.asarray(expected, int)


@pytest.mark.parametrize("size", SIZES)
def test_a_smooth_frame_is_resized_as_by_pillow(size):
    difference = distance_to_pillow(draw_smooth_frame(), size)
    assert np.abs(difference).max() <= SMOOTH_LEVELS
    assert np.abs(difference).mean() < 0.75


@pytest.mark.parametrize("size", SIZES)
def test_noise_is_averaged_as_by_pillow(size):
    assert np.abs(distance_to_pillow(draw_noise(), size)).mean() < NOISE_LEVELS


def test_enlarging_is_pillows_but_for_roundings():
    # Weights of 1/256 are off by up to half of that: half a level of 255, on each axis.
    assert np.abs(distance_to_pillow(draw_noise(), (700, 1000))).max() <= 2


@pytest.mark.parametrize("size", SIZES)
def test_what_is_finer_than_a_pixel_turns_grey(size):
    y, x = np.mgrid[:480, :640]
    checkers = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    resized = _native.resize_frame(checkers, *size).astype(int)
    assert resized[2:-2, 2:-2].min() >= 100
    assert resized[2:-2, 2:-2].max() <= 155


@pytest.mark.parametrize("size", SIZES)
def test_brightness_stays(size):
    frame = draw_noise()
    # A quarter of a level for each halving of one axis alone, here at most one.
    assert abs(_native.resize_frame(frame, *size).mean() - frame.mean()) < 0.4


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("size", [(7, 90), (40, 30), (83, 161), (200, 400)])
def test_an_even_frame_keeps_its_value(value, size):
    frame = np.full((83, 161, 3), value, np.uint8)
    assert np.unique(_native.resize_frame(frame, *size)).tolist() == [value]


@pytest.mark.parametrize("size", [(37, 41), (224, 224), (1, 1)])
def test_a_frame_of_the_right_size_is_copied(size):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    resized = _native.resize_frame(frame, *size)
    np.testing.assert_array_equal(resized, frame)
    assert not np.shares_memory(resized, frame)
