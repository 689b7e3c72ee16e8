"""Folders of images in, a dataset out: each folder that holds images is a clip.

    frames/
      any/depth/a/img_00001.jpg img_00002.jpg ...   the clip any/depth/a
      instructions.csv           optional; as for a folder of videos
      steps.parquet robot.json   optional, likewise

Frames are ordered by the last number in their names, so frame_2 comes before frame_10. Around the
number all names of a clip must be alike, and from one to the next it must grow by the same amount:
1 2 3 or 0 5 10, but 1 2 4 lacks an image and everything after it would come too early. Images bear
no rate, so the user gives one.

A clip with a gap, two sequences in one folder, fewer than two images, or images of two sizes is
damaged, and so is an empty folder. Hidden folders and links to folders are passed over.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset, Episode
from lapa_edge.data.folders.instructions import clip_name
from lapa_edge.data.folders.probe import probe_clips
from lapa_edge.data.folders.videos import add_labels
from lapa_edge.data.image import IMAGE_SUFFIXES, read_image
from lapa_edge.data.source import Frame, Stamp
from lapa_edge.data.video import VIDEO_SUFFIXES
from lapa_edge.errors import ConfigError, DataError

NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL | re.ASCII)  # before, last number, after
AGAIN = "extract the clip's frames again, or remove the folder"


@dataclass(frozen=True)
class FrameFolder:
    """A clip that is a folder of numbered images (a `FrameSource`)."""

    path: Path

    def read(self) -> Iterator[Frame]:
        """Decode the images in the order of their numbers.

        Yields:
            uint8 [h, w, 3] RGB, all of one size.

        Raises:
            DataError: the folder is damaged in a way that the module's text lists, or an image
                cannot be read; raised where the damage is met.
        """
        size: tuple[int, ...] = ()
        for name in _list_frames(self.path):
            frame = read_image(self.path / name)
            size = size or frame.shape
            if frame.shape != size:
                raise DataError(
                    f"image {self.path / name}",
                    f"expected {size[1]}x{size[0]} pixels like the clip's first image, "
                    f"got {frame.shape[1]}x{frame.shape[0]}",
                    AGAIN,
                )
            yield frame

    def stamp(self) -> Stamp:
        """Changes when an image is added, removed, renamed or rewritten."""
        digest = hashlib.sha256()
        try:
            with os.scandir(self.path) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    stat = entry.stat()
                    digest.update(f"{entry.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        except OSError:
            return []
        return [digest.hexdigest()]

    def __str__(self) -> str:
        return f"frames {self.path}"


def is_frame_folder(root: Path) -> bool:
    """Whether numbered images lie below ``root``, and no video does before them.

    Folders are looked through in the order of their names up to the first that holds either.
    """
    for _, files, _ in _walk(root):
        if any(file.lower().endswith(VIDEO_SUFFIXES) for file in files):
            return False
        if any(_is_image(file) and NUMBERED.match(file) for file in files):
            return True
    return False


def read_frame_folder(
    root: Path,
    instructions: Path | None = None,
    *,
    fps: float | None = None,
    max_damaged: float = MAX_DAMAGED,
) -> Dataset:
    """Read every clip below ``root``, sorted by name; only each clip's first image is decoded yet.

    A clip's name is its folder's path below ``root``; images in ``root`` itself are one clip with
    the name of ``root``.

    Args:
        root: the folder.
        instructions: a file for `read_instructions`; else one that lies in ``root``, if any.
        fps: images per second, of every clip.
        max_damaged: share of clips, 0 to 1, that may be damaged.

    Raises:
        ConfigError: no rate was given, or one that is not positive.
        DataError: no images, too many damaged clips, or instructions or steps that do not fit.
    """
    rate = _checked_fps(root, fps)
    clips = _find_clips(root)

    def probe(name: str, path: Path) -> Episode:
        names = _list_frames(path)
        read_image(path / names[0])
        return Episode(name, FrameFolder(path), rate, len(names))

    episodes, damaged = probe_clips(clips, probe)
    check_damage(f"folder {root}", tuple(damaged.values()), len(clips), max_damaged)
    return add_labels(root, episodes, damaged, instructions)


def _checked_fps(root: Path, fps: float | None) -> float:
    if fps is None:
        raise ConfigError(
            "fps", f"{root} holds images, which carry no rate", "give their rate, such as --fps 10"
        )
    if not (math.isfinite(fps) and fps > 0):
        raise ConfigError("fps", f"expected more than 0 images per second, got {fps}")
    return fps


def _find_clips(root: Path) -> dict[str, Path]:
    """Folders that hold images, or nothing at all, by clip name."""
    if not root.is_dir():
        raise DataError(f"folder {root}", "no such folder" if not root.exists() else "not a folder")
    clips: dict[str, Path] = {}
    images = 0
    for folder, files, folders in _walk(root):
        here = sum(map(_is_image, files))
        images += here
        empty = not files and not folders  # or not to be listed, which reading will tell
        if not (here or (empty and folder != root)):
            continue
        name = clip_name(folder.relative_to(root).as_posix())
        name = root.resolve().name if name == "." else name
        if name in clips:
            raise DataError(f"clip {name}", f"both {clips[name]} and {folder}", "rename one")
        clips[name] = folder
    if not images:
        known = ", ".join(IMAGE_SUFFIXES)
        raise DataError(f"folder {root}", "it holds no images", f"files ending in {known} are read")
    return dict(sorted(clips.items()))


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Every folder from ``folder`` down in order of names, with the files and folders in it."""
    files: list[str] = []
    folders: list[str] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                files.append(entry.name)
    yield folder, files, folders
    for name in sorted(folders):
        yield from _walk(folder / name)


def _is_image(file: str) -> bool:
    return file.lower().endswith(IMAGE_SUFFIXES)


def _list_frames(folder: Path) -> list[str]:
    """File names of a clip's images in the order of their numbers.

    Raises:
        DataError: the folder cannot be listed, or its images are not one sequence without a gap.
    """
    thing = f"frames {folder}"
    try:
        with os.scandir(folder) as entries:
            files = sorted(e.name for e in entries if _is_image(e.name) and e.name[0] != ".")
    except OSError as error:
        raise DataError(thing, f"the folder cannot be listed ({error.strerror})", AGAIN) from error
    if len(files) < 2:
        raise DataError(thing, f"expected at least 2 images, got {len(files)}", AGAIN)
    names: dict[int, str] = {}
    first: tuple[str, str] | None = None  # the text before and after the number
    for file in files:
        match = NUMBERED.fullmatch(Path(file).stem)
        if match is None:
            raise DataError(thing, f"expected a number in every image's name, got {file}", AGAIN)
        first = first or (match[1], match[3])
        if (match[1], match[3]) != first:
            raise DataError(
                thing,
                f"expected names that differ in one number only, got {files[0]} and {file}",
                "keep each sequence in a folder of its own",
            )
        number = int(match[2])
        if number in names:
            raise DataError(thing, f"{names[number]} and {file} have one number", "remove one")
        names[number] = file
    numbers = sorted(names)
    _check_gaps(thing, numbers)
    return [names[number] for number in numbers]


def _check_gaps(thing: str, numbers: list[int]) -> None:
    """Raise DataError unless ``numbers`` grow by the same amount from one to the next."""
    usual = min(after - before for before, after in pairwise(numbers))
    for before, after in pairwise(numbers):
        if after - before != usual:
            raise DataError(
                thing,
                f"no image between the numbers {before} and {after}, the others are {usual} apart",
                AGAIN,
            )
