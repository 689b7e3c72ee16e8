from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from lapa_edge.data import video
from lapa_edge.data.video import read_frames, read_video_info, write_video
from lapa_edge.errors import DataError

from .conftest import MakeClip, moving_square


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def move_index_to_front(path: Path) -> None:
    """Remux so that a cut leaves the index whole and the frames short."""
    front = path.with_name("front.mp4")
    with (
        av.open(str(path)) as source,
        av.open(str(front), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    front.replace(path)


@pytest.mark.parametrize("suffix", video.WRITTEN_SUFFIXES)
def test_written_frames_come_back_nearly_the_same(make_clip: MakeClip, suffix: str) -> None:
    path = make_clip(f"clip{suffix}", count=30, fps=12.5)
    info = read_video_info(path)
    assert (info.fps, info.frame_count, info.height, info.width) == (12.5, 30, 48, 64)
    read = np.stack(list(read_frames(path)))
    assert read.dtype == np.uint8
    assert read.shape == (30, 48, 64, 3)
    # Colour is stored for 2x2 pixels, so only the mean error is small.
    assert np.abs(read.astype(int) - np.stack(moving_square(30))).mean() < 3


def test_webm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=15)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for frame in moving_square(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    assert read_video_info(path) == video.VideoInfo(15.0, 30, 48, 64)
    assert len(list(read_frames(path))) == 30
    cut(path, 0.5)
    with pytest.raises(DataError, match=r"cut short: the container promises 30 frames, \d+ are"):
        read_video_info(path)


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_slow_clip_is_not_taken_for_a_cut_one(make_clip: MakeClip, suffix: str) -> None:
    path = make_clip(f"clip{suffix}", count=4, fps=0.5)
    assert read_video_info(path).frame_count == 4


def test_one_frame_clip_is_a_clip(make_clip: MakeClip) -> None:
    path = make_clip(count=1)
    assert read_video_info(path).frame_count == 1
    assert len(list(read_frames(path))) == 1


@pytest.mark.parametrize("suffix", video.WRITTEN_SUFFIXES)
@pytest.mark.parametrize("share", [0.02, 0.4, 0.8])
def test_cut_file_is_refused_by_name(make_clip: MakeClip, suffix: str, share: float) -> None:
    path = make_clip(f"clip{suffix}", count=60)
    cut(path, share)
    with pytest.raises(DataError, match=str(path)):
        read_video_info(path)


def test_cut_file_with_its_index_in_front_says_what_is_missing(make_clip: MakeClip) -> None:
    path = make_clip(count=60)
    move_index_to_front(path)
    assert read_video_info(path).frame_count == 60
    cut(path, 0.8)
    with pytest.raises(DataError, match=r"its 60 frames need \d+ bytes, it has \d+"):
        read_video_info(path)


def test_fewer_frames_than_promised_says_both_counts(make_clip: MakeClip) -> None:
    path = make_clip(count=60)
    move_index_to_front(path)
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4 :] = bytes(len(content) - len(content) * 3 // 4)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"promises 60 frames, decoding gave [1-5]?\d\b"):
        list(read_frames(path))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "empty"), (b"these are words, not frames\n" * 40, "not a readable video")],
)
def test_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "words.mp4"
    path.write_bytes(content)
    for read in (read_video_info, lambda p: list(read_frames(p))):
        with pytest.raises(DataError, match=f"words.mp4: .*{problem}"):
            read(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_video_info(tmp_path / "none.mp4")


def test_sound_without_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match="no video stream"):
        read_video_info(path)


def test_nothing_reaches_the_console(
    make_clip: MakeClip, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make_clip(count=60)
    list(read_frames(path))
    cut(path, 0.5)
    with pytest.raises(DataError):
        read_video_info(path)
    assert capfd.readouterr() == ("", "")


def test_phone_clip_is_turned_upright() -> None:
    class Turned:
        """A decoded frame that carries a rotation mark, which PyAV cannot write."""

        rotation = -90

    frame = av.VideoFrame.from_ndarray(moving_square(1)[0], format="rgb24")

    class Converter:
        def reformat(self, _: Turned, format: str) -> av.VideoFrame:
            return VideoReformatter().reformat(frame, format=format)

    upright = video.to_rgb(Turned(), Converter())
    assert upright.shape == (64, 48, 3)
    np.testing.assert_array_equal(upright, np.rot90(moving_square(1)[0], -1))


def test_failed_write_leaves_the_old_file_and_no_other(make_clip: MakeClip) -> None:
    path = make_clip(count=5)
    before = path.read_bytes()

    def frames_then_failure():  # type: ignore[no-untyped-def]
        yield from moving_square(3)
        raise RuntimeError("the camera is gone")

    with pytest.raises(RuntimeError):
        write_video(path, frames_then_failure(), 10)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros((47, 64, 3), np.uint8)],
        [np.zeros((48, 64), np.uint8)],
        [np.zeros((48, 64, 3), np.float32)],
        [np.zeros((48, 64, 3), np.uint8), np.zeros((48, 32, 3), np.uint8)],
    ],
    ids=["none", "odd height", "grey", "float", "changing size"],
)
def test_unwritable_frames_are_refused(tmp_path: Path, frames: list[np.ndarray]) -> None:
    with pytest.raises(DataError):
        write_video(tmp_path / "clip.mp4", frames, 10)
    assert not list(tmp_path.iterdir())


def test_format_that_cannot_hold_h264_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a name in"):
        write_video(tmp_path / "clip.webm", moving_square(2), 10)


def test_real_clips_are_read(shared_data: Path) -> None:
    for path in sorted((shared_data / "bridge_v2_clips").glob("*.mp4"))[:3]:
        info = read_video_info(path)
        frames = list(read_frames(path))
        assert len(frames) == info.frame_count
        assert frames[0].shape == (info.height, info.width, 3)
