"""Video files in, RGB frames out, and back.

The readers above ask `read_video_info` what a clip holds, and the frame store decodes it once
with `read_frames`. A file that is cut, empty or no video at all ends in one DataError here, so
that nobody above has to know FFmpeg's ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from lapa_edge.data.files import replacing
from lapa_edge.data.source import Frame, Stamp, file_stamp
from lapa_edge.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".webm", ".avi", ".mkv", ".mov")
WRITTEN_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi")  # WebM cannot hold H.264
AGAIN = "copy or record the clip again, or remove it"


@dataclass(frozen=True)
class VideoInfo:
    """What a clip holds: rate in Hz, frames that decoding will give, size in pixels."""

    fps: float
    frame_count: int
    height: int
    width: int


@dataclass(frozen=True)
class VideoFile:
    """A clip that is a whole video file (a `FrameSource`)."""

    path: Path

    def read(self) -> Iterator[Frame]:
        """Decode the file, as `read_frames` does."""
        return read_frames(self.path)

    def stamp(self) -> Stamp:
        """Changes when the file is rewritten."""
        return file_stamp(self.path)

    def __str__(self) -> str:
        return f"video {self.path}"


def read_video_info(path: Path) -> VideoInfo:
    """Read a clip's rate, length and size; one frame is decoded, the rest only counted.

    Raises:
        DataError: the file is missing, empty, not a video, without frames, or cut short.
    """
    with opened(path) as (container, stream):
        frame_count = count_frames(path, container, stream)
        fps = _frame_rate(path, stream, frame_count)
    with opened(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise DataError(f"video {path}", "no frame can be decoded", AGAIN)
        height, width, _ = to_rgb(first, VideoReformatter()).shape
    return VideoInfo(fps=fps, frame_count=frame_count, height=height, width=width)


def read_frames(path: Path) -> Iterator[Frame]:
    """Decode a clip from its first frame to its last.

    Yields:
        uint8 [h, w, 3] RGB, upright: a phone's rotation mark is obeyed.

    Raises:
        DataError: as for `read_video_info`, or decoding gives fewer frames than the container
            promises; raised where the damage is met, after the frames before it.
    """
    with opened(path) as (container, stream):
        promised = count_frames(path, container, stream)
    count = 0
    damage = ""
    with opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        converter = VideoReformatter()  # shared: a fresh one per frame triples the time
        try:
            for frame in container.decode(stream):
                yield to_rgb(frame, converter)
                count += 1
        except av.error.FFmpegError as error:
            damage = f" ({_reason(error)})"
    if count < promised or damage:
        raise DataError(
            f"video {path}",
            f"the container promises {promised} frames, decoding gave {count}{damage}",
            AGAIN,
        )


def write_video(path: Path, frames: Iterable[Frame], fps: float, crf: int = 18) -> None:
    """Write H.264 (yuv420p) that other tools play and that seeks fast: a key frame in every 12.

    The file appears whole or not at all.

    Args:
        path: ends in .mp4, .mkv, .mov or .avi.
        frames: uint8 [h, w, 3] RGB, all of one size, h and w even.
        fps: frames per second.
        crf: 0 is lossless, 18 looks it, 51 is worst.

    Raises:
        DataError: no frames, another format, or frames of another shape or dtype.
    """
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        raise DataError(f"video {path}", f"expected a name in {' '.join(WRITTEN_SUFFIXES)}")
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise DataError(f"video {path}", "there are no frames to write")
    _check_frame(path, first, first.shape)
    with replacing(path) as partial, av.open(str(partial), "w") as container:
        options = {"crf": str(crf), "g": "12"}
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(first, format="rgb24")))
        for frame in rest:
            _check_frame(path, frame, first.shape)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A container and its first video stream; FFmpeg's errors become DataError."""
    if not path.is_file():
        raise DataError(f"video {path}", "no such file")
    if path.stat().st_size == 0:
        raise DataError(f"video {path}", "the file is empty (0 bytes)", AGAIN)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"video {path}", "it holds no video stream", "remove it")
            yield container, container.streams.video[0]
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise DataError(
            f"video {path}", f"not a readable video ({_reason(error)})", AGAIN
        ) from error


def count_frames(path: Path, container: Any, stream: Any) -> int:
    """Frames that the container promises, found without decoding; leaves it read to the end.

    MP4 and MOV list every frame with its place in the file, so a cut file shows at once. The
    others are walked packet by packet, and a cut shows as packets that end before the duration.
    """
    if stream.frames and "mp4" in container.format.name:
        entries = stream.index_entries
        last_byte = max((e.pos + e.size for e in entries), default=0)
        size = path.stat().st_size
        if last_byte > size:
            raise DataError(
                f"video {path}",
                f"cut short: its {stream.frames} frames need {last_byte} bytes, it has {size}",
                AGAIN,
            )
        # Editing without re-encoding leaves frames that are stored but not shown.
        return sum(not e.is_discard for e in entries)
    packets = [packet for packet in container.demux(stream) if packet.size]
    if not packets:
        raise DataError(f"video {path}", "it holds no frames", AGAIN)
    promised_s, there_s = _promised_s(container, stream), max(map(_end_s, packets))
    spacing_s = there_s / len(packets)
    # Times, not counts: an AVI may rightly leave a repeated frame out.
    if promised_s - there_s > max(0.5, 2 * spacing_s):
        raise DataError(
            f"video {path}",
            f"cut short: the container promises {round(promised_s / spacing_s)} frames, "
            f"{len(packets)} are there",
            AGAIN,
        )
    return len(packets)


def _promised_s(container: Any, stream: Any) -> float:
    """Seconds of video that a container without a list of frames claims to hold."""
    if stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    # With sound beside it, the container's duration may be that of the sound.
    alone = len(container.streams) == 1
    return container.duration / av.time_base if alone and container.duration else 0.0


def _end_s(packet: Any) -> float:
    start = packet.dts if packet.pts is None else packet.pts
    return 0.0 if start is None else float((start + (packet.duration or 0)) * packet.time_base)


def _frame_rate(path: Path, stream: Any, frame_count: int) -> float:
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise DataError(f"video {path}", f"{frame_count} frames without a frame rate", AGAIN)
    return float(rate)


def to_rgb(frame: Any, converter: Any) -> Frame:
    rgb: Frame = converter.reformat(frame, format="rgb24").to_ndarray()
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90 counts
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def _check_frame(path: Path, frame: Frame, shape: tuple[int, ...]) -> None:
    h_w_3 = len(shape) == 3 and shape[2] == 3 and shape[0] % 2 == 0 and shape[1] % 2 == 0
    if frame.dtype != np.uint8 or frame.shape != shape or not h_w_3:
        expected = list(shape) if h_w_3 else "[h, w, 3] with even h and w"
        raise DataError(
            f"video {path}",
            f"expected frames of uint8 {expected}, got {frame.dtype} {list(frame.shape)}",
            "crop or pad them to one even size; H.264 stores colour for 2x2 pixels",
        )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error).lower()
