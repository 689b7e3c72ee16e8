"""The pre-bound preprocessor: the same planes, into buffers that stay."""

import gc
import threading
import weakref

import numpy as np
import pytest

from lapa_edge import _native

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def draw_frame(height=120, width=160, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def preprocessor(instruction_set):
    return _native.Preprocessor(120, 160, 50, 70, MEAN, STD)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_run_gives_what_preprocess_frame_gives(order):
    frame = draw_frame()
    expected = _native.preprocess_frame(frame, 50, 70, MEAN, STD, order=order)
    preprocessor = _native.Preprocessor(120, 160, 50, 70, MEAN, STD, order=order)
    np.testing.assert_array_equal(preprocessor.run(frame), expected, strict=True)
    planes = np.empty((3, 50, 70), np.float32)
    assert preprocessor.run_into(frame, planes) is None
    np.testing.assert_array_equal(planes, expected)


def test_one_preprocessor_takes_frame_after_frame(preprocessor):
    for seed in range(3):
        frame = draw_frame(seed=seed)
        expected = _native.preprocess_frame(frame, 50, 70, MEAN, STD)
        np.testing.assert_array_equal(preprocessor.run(frame), expected)


def test_a_bound_step_reads_what_the_buffer_holds_by_then(preprocessor):
    frame, planes = np.zeros((120, 160, 3), np.uint8), np.empty((3, 50, 70), np.float32)
    step = preprocessor.bind(frame, planes)
    frame[:] = draw_frame()
    assert step() is None
    np.testing.assert_array_equal(planes, preprocessor.run(frame))


def test_padded_rows_are_read_in_place(preprocessor):
    buffer, planes = draw_frame(width=171), np.empty((3, 50, 70), np.float32)
    preprocessor.bind(buffer[:, 4:164], planes)()
    np.testing.assert_array_equal(planes, preprocessor.run(buffer[:, 4:164].copy()))


def test_a_bound_step_keeps_its_buffers_alive(preprocessor):
    planes = np.empty((3, 50, 70), np.float32)
    watched = weakref.ref(planes)
    step = preprocessor.bind(draw_frame(), planes)
    del planes, preprocessor
    gc.collect()
    step()
    assert watched() is not None
    del step
    gc.collect()
    assert watched() is None


def test_steps_of_one_preprocessor_run_side_by_side(preprocessor):
    frames = [draw_frame(seed=seed) for seed in range(4)]
    planes = [np.empty((3, 50, 70), np.float32) for _ in frames]
    steps = [preprocessor.bind(*pair) for pair in zip(frames, planes, strict=True)]
    threads = [threading.Thread(target=lambda s=s: [s() for _ in range(50)]) for s in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for frame, result in zip(frames, planes, strict=True):
        np.testing.assert_array_equal(result, preprocessor.run(frame))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            draw_frame(120, 161),
            r"^image: expected uint8 \[120, 160, 3\], got uint8 \[120, 161, 3\]",
        ),
        (draw_frame().astype(np.float32), r"^image: expected uint8 \[120, 160, 3\], got float32 "),
        (
            draw_frame()[..., ::-1],
            r"^image: expected rows whose pixels lie side by side, got other",
        ),
        (draw_frame()[::-1], r"^image: expected rows whose pixels lie side by side, got other"),
    ],
)
def test_a_frame_that_cannot_be_read_in_place_is_refused(preprocessor, frame, message):
    planes = np.empty((3, 50, 70), np.float32)
    with pytest.raises(ValueError, match=message):
        preprocessor.bind(frame, planes)
    with pytest.raises(ValueError, match=message):
        preprocessor.run_into(frame, planes)


def read_only(array):
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        (np.empty((3, 70, 50), np.float32), r"float32 \[3, 50, 70\], got float32 \[3, 70, 50\]"),
        (np.empty((3, 50, 70)), r"float32 \[3, 50, 70\], got float64 \[3, 50, 70\]"),
        (np.empty((3, 50, 140), np.float32)[..., ::2], r"a contiguous array, got one with strides"),
        (read_only(np.empty((3, 50, 70), np.float32)), r"a writeable array, got a read-only one"),
    ],
)
def test_planes_that_cannot_be_written_in_place_are_refused(preprocessor, planes, message):
    with pytest.raises(ValueError, match=f"^planes: expected {message}"):
        preprocessor.bind(draw_frame(), planes)


def test_a_source_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"^source_width: expected 1 to 16384, got 0"):
        _native.Preprocessor(8, 0, 8, 8, MEAN, STD)
