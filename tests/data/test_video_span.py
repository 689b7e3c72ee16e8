from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from lapa_edge.data.video import read_frames
from lapa_edge.data.video_span import VideoSpan, count_video_frames
from lapa_edge.errors import DataError

from .conftest import MakeClip, moving_square

COUNT, FPS = 40, 10.0


@pytest.fixture(autouse=True)
def ordinary_priority():
    """SVT-AV1, where root runs it, leaves the whole process at a real-time priority."""
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def encode(path: Path, codec: str, options: dict[str, str]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=int(FPS), options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for frame in moving_square(COUNT):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"g": "12", "bf": "3"}),
        ("libx264", {"g": "250", "bf": "3", "x264-params": "b-pyramid=normal"}),
        ("libx264", {"g": "7", "bf": "3", "x264-params": "open-gop=1"}),
        ("libsvtav1", {"g": "2", "preset": "12"}),
    ],
)
def test_every_span_is_that_part_of_the_whole_file(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    path = encode(tmp_path / "clip.mp4", codec, options)
    whole = np.stack(list(read_frames(path)))
    assert count_video_frames(path) == len(whole) == COUNT
    for first in range(0, COUNT - 4):
        span = VideoSpan(path, FPS, 4, first / FPS, (first + 4) / FPS)
        np.testing.assert_array_equal(np.stack(list(span.read())), whole[first : first + 4])


def test_rounded_times_choose_the_nearest_frames(make_clip: MakeClip) -> None:
    path = make_clip(count=20)
    whole = list(read_frames(path))
    for error in (-0.02, 0.02):
        span = VideoSpan(path, FPS, 3, 0.5 + error, 0.8 + error)
        np.testing.assert_array_equal(np.stack(list(span.read())), np.stack(whole[5:8]))


def test_open_end_reads_to_the_last_frame(make_clip: MakeClip) -> None:
    assert len(list(VideoSpan(make_clip(count=20), FPS, 5, 1.5).read())) == 5


@pytest.mark.parametrize(
    ("frame_count", "start_s", "end_s", "got"),
    [
        (5, 0.0, 0.4, "expected 5 frames from 0 s to 0.4 s, got 4"),
        (3, 0.0, 0.4, "expected 3 frames from 0 s to 0.4 s, got 4 or more"),
        (6, 1.5, float("inf"), "expected 6 frames from 1.5 s to the end, got 5"),
        (2, 7.0, 7.2, "expected 2 frames from 7 s to 7.2 s, got 0"),
    ],
)
def test_wrong_number_of_frames_is_refused(
    make_clip: MakeClip, frame_count: int, start_s: float, end_s: float, got: str
) -> None:
    span = VideoSpan(make_clip(count=20), FPS, frame_count, start_s, end_s)
    with pytest.raises(DataError, match=got):
        list(span.read())


def test_nothing_is_opened_before_it_is_read(tmp_path: Path) -> None:
    span = VideoSpan(tmp_path / "none.mp4", FPS, 3)
    assert "none.mp4 from 0 s" in str(span)
    assert span.stamp()
    with pytest.raises(DataError, match="no such file"):
        next(span.read())


def test_stamp_tells_spans_and_rewritten_files_apart(make_clip: MakeClip) -> None:
    path = make_clip(count=8)
    span = VideoSpan(path, FPS, 4, 0.0, 0.4)
    old = span.stamp()
    assert VideoSpan(path, FPS, 4, 0.4, 0.8).stamp() != old
    make_clip(count=9)
    assert span.stamp() != old


def test_cut_file_is_refused_without_decoding(make_clip: MakeClip) -> None:
    path = make_clip(count=20)
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(DataError, match=r"clip\.mp4"):
        count_video_frames(path)
