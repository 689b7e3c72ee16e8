"""Recordings of a ROS 2 robot in, clips of its camera out: each bag is one episode.

    root               an .mcap or .db3 file, a rosbag2 folder (metadata.yaml and its files),
    root/.../          or a folder that holds such files and folders, at any depth
    root/instructions.csv   optional; as for a folder of videos

An image topic is the camera; a String topic may hold the instruction. Joint states and commands
are passed over in this version: bags serve as unlabelled video, unless ``steps.parquet`` and
``robot.json`` lie beside them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lapa_edge.data.bags.file import Bag, opened_bag
from lapa_edge.data.bags.image import COMPRESSED, RAW
from lapa_edge.data.bags.video import BagVideo, regular_frames
from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset, Episode
from lapa_edge.data.folders.probe import probe_clips
from lapa_edge.data.folders.videos import add_labels
from lapa_edge.errors import ConfigError, DataError

BAG_SUFFIXES = (".mcap", ".db3")
METADATA_NAME, METADATA_MARK = "metadata.yaml", b"rosbag2_bagfile_information"
STRING = "std_msgs/msg/String"
INSTRUCTION = "/instruction"
LOOKED_AT = 1000  # folders in which a bag must be found for a folder to be known as one of bags


def is_bag(root: Path) -> bool:
    """Whether ``root`` is a bag, or one lies in the first thousand folders below it."""
    try:
        return next(_walk(root, LOOKED_AT), None) is not None
    except OSError:
        return False


def read_bags(
    root: Path,
    instructions: Path | None = None,
    *,
    camera: str = "",
    instruction_topic: str = "",
    max_damaged: float = MAX_DAMAGED,
) -> Dataset:
    """Read every bag below ``root``, sorted by name; only each bag's first image is decoded yet.

    A clip's name is the bag's path below ``root`` without the suffix.

    Args:
        root: a bag, or a folder of bags.
        instructions: a file for `read_instructions`; else one that lies in ``root``, if any. It
            goes before the instruction topic.
        camera: the image topic, such as ``/camera/image_raw``; else each bag's first by name.
        instruction_topic: a String topic whose first message is the bag's instruction; else
            ``/instruction`` or the first topic that ends so, if any.
        max_damaged: share of bags, 0 to 1, that may be damaged or lack the camera.

    Raises:
        DataError: no bags, too many damaged ones, or instructions that do not fit.
        ConfigError: no bag has the given camera or instruction topic.
        MissingDependencyError: rosbags is not installed.
    """
    bags = _find_bags(root)
    cameras: set[str] = set()
    texts: set[str] = set()

    def probe(name: str, path: Path) -> Episode:
        with opened_bag(path) as bag:
            cameras.update(bag.topics(RAW, COMPRESSED))
            texts.update(bag.topics(STRING))
            topic = _camera_of(bag, camera)
            fps, picks = regular_frames(f"bag {path}, {topic}", bag.log_times(topic))
            text = _instruction_of(bag, instruction_topic)
        video = BagVideo(path, topic, picks)
        next(video.read())
        return Episode(name, video, fps, len(picks), text)

    episodes, damaged = probe_clips(bags, probe)
    _check_known("camera", camera, cameras)
    _check_known("instruction_topic", instruction_topic, texts)
    check_damage(f"bags {root}", tuple(damaged.values()), len(bags), max_damaged)
    return add_labels(root, episodes, damaged, instructions)


def _camera_of(bag: Bag, camera: str) -> str:
    topics = bag.topics(RAW, COMPRESSED)
    if not topics:
        others = ", ".join(sorted({c.topic for c in bag.reader.connections})) or "no topics"
        raise DataError(f"bag {bag.path}", f"it has no image topic, only {others}", "leave it out")
    if camera and camera not in topics:
        raise DataError(
            f"bag {bag.path}", f"expected image topic {camera}, got {', '.join(topics)}"
        )
    return camera or topics[0]


def _instruction_of(bag: Bag, wanted: str) -> str:
    """The first message of the instruction topic; "" where there is none."""
    names = [t for t in bag.topics(STRING) if (t == wanted if wanted else t.endswith(INSTRUCTION))]
    for topic in sorted(names, key=len)[:1]:  # /instruction before /robot/instruction
        for kind, data in bag.messages(topic):
            return str(bag.decode_message(kind, data).data).strip()
    return ""


def _check_known(option: str, wanted: str, known: set[str]) -> None:
    if wanted and known and wanted not in known:
        raise ConfigError(option, f"no bag has topic {wanted}", f"use {' or '.join(sorted(known))}")


def _find_bags(root: Path) -> dict[str, Path]:
    if not root.exists():
        raise DataError(f"bags {root}", "no such file or folder")
    bags: dict[str, Path] = {}
    for path in _walk(root):
        inside = path.relative_to(root).as_posix() if path != root else root.resolve().name
        name = inside.removesuffix(path.suffix) if path.suffix in BAG_SUFFIXES else inside
        if name in bags:
            raise DataError(f"clip {name}", f"both {bags[name]} and {path}", "rename one of them")
        bags[name] = path
    if not bags:
        known = ", ".join(BAG_SUFFIXES)
        raise DataError(
            f"bags {root}",
            "it holds none",
            f"{known} files and folders with {METADATA_NAME} are read",
        )
    return dict(sorted(bags.items()))


def _walk(root: Path, folders: int | None = None) -> Iterator[Path]:
    """Bags from ``root`` down, in at most so many folders; hidden ones are passed over."""
    if root.is_file() and root.suffix in BAG_SUFFIXES:
        yield root
    for place, below, files in islice(os.walk(root), folders):
        folder = Path(place)
        if METADATA_NAME in files and METADATA_MARK in _head(folder / METADATA_NAME):
            below.clear()
            yield folder
            continue
        below[:] = sorted(name for name in below if not name.startswith("."))
        for file in sorted(files):
            if file.endswith(BAG_SUFFIXES) and not file.startswith("."):
                yield folder / file


def _head(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(1024)
    return b""
