"""Every clip decoded once, at the model's size, into one file that training maps into memory.

    directory/
      frames.u8   uint8 [total, h, w, 3] RGB, clips one after another
      index.json  where each clip lies, and what the store was built from

Decoding costs more than training on the result, so it happens once. A build that was killed
goes on where it stopped; a store of other clips, or of another size, is built anew.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset
from lapa_edge.data.files import held_in_turn, replacing
from lapa_edge.data.frame_store_build import (
    FRAMES_NAME,
    PROGRESS_NAME,
    Progress,
    Resize,
    StoreBuild,
)
from lapa_edge.errors import DataError, MissingDependencyError

INDEX_NAME = "index.json"

Frames = NDArray[np.uint8]  # [t, h, w, 3] RGB


@dataclass(frozen=True, eq=False)
class FrameStore:
    """The frames of a dataset, read-only.

    Attributes:
        all: uint8 [total, h, w, 3] RGB, mapped from disk.
        spans: by clip name, its first frame in ``all`` and its number of frames.
        skipped: one line per clip that could not be decoded.
    """

    all: Frames
    spans: dict[str, tuple[int, int]]
    skipped: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Clips in the order in which they lie in ``all``."""
        return tuple(self.spans)

    def fingerprint(self) -> str:
        """Changes with the clips, their order, their lengths and the size of the frames."""
        text = json.dumps([self.spans, self.all.shape[1:]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def only(self, names: tuple[str, ...]) -> FrameStore:
        """The store as if it held these clips alone; their frames stay where they are."""
        return replace(self, spans={name: self._span(name) for name in names})

    def frames(self, name: str) -> Frames:
        """uint8 [t, h, w, 3]: one clip, a view into ``all``."""
        return self.all[self.offset(name) : self.offset(name) + self.count(name)]

    def gather(self, index: NDArray[np.int64]) -> Frames:
        """uint8 [b, h, w, 3]: copies of the frames at `index` [b] into ``all``."""
        return self.all[index]

    def offset(self, name: str) -> int:
        """The clip's first frame in ``all``."""
        return self._span(name)[0]

    def count(self, name: str) -> int:
        """The clip's number of frames."""
        return self._span(name)[1]

    def _span(self, name: str) -> tuple[int, int]:
        if name not in self.spans:
            raise DataError(
                f"clip {name}", "the frame store lacks it", "see `skipped` for clips left out"
            )
        return self.spans[name]


def build_frame_store(
    dataset: Dataset,
    directory: Path,
    height: int,
    width: int,
    *,
    progress: Progress | None = None,
    resize: Resize | None = None,
) -> FrameStore:
    """Decode and resize every clip of ``dataset``, or open the store where that was done before.

    Several processes may call this at once: one builds, the others wait and open the result.

    Args:
        dataset: the clips; labels play no part.
        directory: where the store lies; made if absent.
        height: of the stored frames, pixels.
        width: of the stored frames, pixels.
        progress: called with frames done and frames in all.
        resize: (uint8 [H, W, 3], height, width) -> uint8 [height, width, 3]; the native kernel
            unless given. Frames that have the size already are stored as they are.

    Returns:
        The store. Clips that fail while decoding are left out and named in ``skipped``.

    Raises:
        DataError: the disk is too full, or no clip could be decoded.
        MissingDependencyError: the native kernels were not built.
    """
    directory.mkdir(parents=True, exist_ok=True)
    build = StoreBuild(dataset, directory, height, width)
    fingerprint = build.fingerprint()
    # The kernel lets go even of a killed process's lock.
    with held_in_turn(directory / ".lock"):
        store = _ready_store(directory, fingerprint, (height, width))
        if store is None:
            (directory / INDEX_NAME).unlink(missing_ok=True)
            build.resume(fingerprint)
            build.check_disk()
            _decode(build, resize or _native_resize(), progress)
            _write_index(build, fingerprint)
            store = _ready_store(directory, fingerprint, (height, width))
        assert store is not None
        return store


def _decode(build: StoreBuild, resize: Resize, progress: Progress | None) -> None:
    try:
        build.decode(resize, progress)
    except OSError as error:  # the disk filled up in spite of the check, or went away
        raise DataError(
            f"frame store {build.directory}",
            f"writing failed ({error.strerror})",
            "mend that and run again: finished clips are kept",
        ) from error


def _write_index(build: StoreBuild, fingerprint: str) -> None:
    """Turn a finished build into a store that opens at once."""
    skipped = [line["skipped"] for line in build.done if "skipped" in line]
    clips = {
        line["name"]: [line["offset"], line["count"]] for line in build.done if "count" in line
    }
    if clips:
        index = {"fingerprint": fingerprint, "clips": clips, "skipped": skipped}
        with replacing(build.directory / INDEX_NAME) as partial:
            partial.write_text(json.dumps(index), encoding="utf-8")
    (build.directory / PROGRESS_NAME).unlink()
    if not clips:
        reasons = " | ".join(skipped[:3]) or "the dataset holds none"
        raise DataError(f"frame store {build.directory}", f"no clip could be decoded: {reasons}")


def _ready_store(directory: Path, fingerprint: str, size: tuple[int, int]) -> FrameStore | None:
    """The store in ``directory``, or None where it is absent, unfinished or built otherwise."""
    path, frames_path = directory / INDEX_NAME, directory / FRAMES_NAME
    if not path.is_file() or not frames_path.is_file():
        return None
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["fingerprint"] != fingerprint:
            return None
        spans = {name: (int(first), int(count)) for name, (first, count) in index["clips"].items()}
        skipped = tuple(index["skipped"])
    except (ValueError, KeyError, TypeError):
        return None  # written by another version, or by hand
    shape = (sum(count for _, count in spans.values()), *size, 3)
    if frames_path.stat().st_size != np.prod(shape, dtype=np.int64):
        return None
    return FrameStore(np.memmap(frames_path, np.uint8, mode="r", shape=shape), spans, skipped)


def _native_resize() -> Resize:
    # Looked up late: a ready store needs no kernels, and a test brings its own.
    try:
        resize: Resize = importlib.import_module("lapa_edge._native").resize_frame
    except (ImportError, AttributeError) as error:
        raise MissingDependencyError(
            "lapa_edge._native",
            f"the native kernels are not built ({error})",
            "run `pip install .`",
        ) from error
    return resize
