"""Small bags, written by rosbags as ROS 2 lays them out; and ways to damage them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lapa_edge.data.bags.image import COMPRESSED, RAW
from lapa_edge.data.source import Frame

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="NOT CHECKED: rosbags is not installed")
from rosbags.typesys import Stores, get_typestore  # noqa: E402

STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000_000_000_000
CAMERA = "/camera/image_raw"
STRING, JOINTS = "std_msgs/msg/String", "sensor_msgs/msg/JointState"
SIZE = (12, 16)
Record = tuple[str, Any, float]  # topic, message, seconds


def header() -> Any:
    time = STORE.types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id="cam")


def picture(i: int, size: tuple[int, int] = SIZE) -> Frame:
    """Red tells the number; green and blue differ, so that a swap shows."""
    return np.full((*size, 3), (i % 256, 100, 200), dtype=np.uint8)


def raw(frame: Frame, encoding: str = "rgb8", padding: int = 0) -> Any:
    """An Image; ``frame`` is [h, w, bytes per pixel] as the encoding has it."""
    height, width, depth = frame.shape
    rows = np.pad(frame.reshape(height, -1), ((0, 0), (0, padding)))
    step = width * depth + padding
    return STORE.types[RAW](header(), height, width, encoding, 0, step, rows.reshape(-1))


def compressed(frame: Frame, kind: str = "png") -> Any:
    file = BytesIO()
    Image.fromarray(frame).save(file, kind)
    return STORE.types[COMPRESSED](header(), kind, np.frombuffer(file.getvalue(), np.uint8))


def said(text: str) -> Any:
    return STORE.types[STRING](text)


def clip(count: int = 5, fps: float = 10.0, topic: str = CAMERA, **options: Any) -> list[Record]:
    return [(topic, raw(picture(i), **options), i / fps) for i in range(count)]


def write_bag(
    path: Path,
    records: Iterable[Record],
    storage: str = "MCAP",
    topics: dict[str, str] | None = None,
) -> Path:
    """A rosbag2 folder, with connections for ``topics`` (type by name) and what is recorded."""
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[storage]) as writer:
        known = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, kind in (topics or {}).items()
        }
        for topic, message, time_s in records:
            kind = message.__msgtype__
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=STORE)
            data = STORE.serialize_cdr(message, kind)
            writer.write(known[topic], START_NS + round(time_s * 1e9), data)
    return path


def mcap_of(path: Path) -> Path:
    return path / f"{path.name}.mcap"


def loose(path: Path, records: Iterable[Record]) -> Path:
    """An MCAP file without a folder around it, as Foxglove and robots' own recorders leave."""
    folder = write_bag(path.with_name(f".{path.stem}"), records)
    return mcap_of(folder).rename(path)


def reds(dataset: Any, episode: int = 0) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in dataset.episodes[episode].video.read()]


def corrupt(path: Path, position: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[position : position + len(data)] = data
    path.write_bytes(bytes(content))


def wrong_checksum(path: Path) -> None:
    """Give the first chunk a checksum that is not its own; rosbags writes none."""
    (size,) = struct.unpack_from("<Q", path.read_bytes(), 9)  # of the header, behind the magic
    corrupt(path, 17 + size + 33, struct.pack("<I", 12345))


def shorten(share: float) -> Any:
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
